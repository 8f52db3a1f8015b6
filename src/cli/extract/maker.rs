//! The walk: makes names and directories in the order of the disc, and gives the bodies of files to the crew.

use std::collections::HashSet;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::stat::{Mode, SFlag, fchmod, fstat, makedev, mkdirat, mknodat};
use nix::unistd::{geteuid, symlinkat};

use super::batch::{Batch, Ended, Large, ends_all};
use super::crew::Crew;
use super::existing::{Existing, Found};
use super::extraction::Wishes;
use super::job::{End, Job, Outcome, Wanted};
use super::links::Links;
use super::place::{self, Attributes, Name, Place};
use super::report::{Entry, Report, Word};
use super::selection::Selection;
use super::stack::{Frame, Stack};
use crate::limits::MAX_DEPTH;
use crate::tree::{Tree, missing};
use crate::volume::{FileType, NodeId};

/// Bytes from which on several threads copy one file.
const LARGE: u64 = 32 * 1024 * 1024;
/// Files of a batch, which are read in the order of the disc.
const BATCH: usize = 1024;
const BATCH_BYTES: u64 = 64 * 1024 * 1024;
/// Directories entered or left in a batch. Two batches are under way at once, and each may keep these open.
const BATCH_DIRECTORIES: usize = 128;
/// Things to tell, and names to link, that wait for the end of a batch.
const BATCH_WAITING: usize = 4096;
/// Names after which a signal is looked for.
const ASKED: u64 = 16;

/// A directory in which everything is made, or begun by a thread.
#[derive(Debug)]
struct Left {
    turn: u64,
    path: Vec<u8>,
    file: nix::Result<Arc<OwnedFd>>,
    attributes: Attributes,
}

/// What is done, and told, when the files of a batch are made.
#[derive(Debug, Default)]
struct Tail {
    links: Vec<Wanted>,
    /// A directory comes behind all that lies in it.
    left: Vec<Left>,
    entries: Vec<Entry>,
    made: usize,
}

/// A batch that grows.
#[derive(Debug, Default)]
struct Open {
    jobs: Vec<Job>,
    large: Vec<Large>,
    bytes: u64,
    directories: usize,
    tail: Tail,
}

impl Open {
    fn is_full(&self) -> bool {
        self.jobs.len() >= BATCH
            || self.bytes >= BATCH_BYTES
            || self.directories >= BATCH_DIRECTORIES
            || self.tail.links.len() >= BATCH_WAITING
            || self.tail.entries.len() >= BATCH_WAITING
    }
}

pub struct Maker<'a, 'r, 'm> {
    tree: &'a Tree,
    wishes: &'a Wishes<'a>,
    crew: &'a Crew<'r>,
    report: &'a mut Report<'r, 'm>,
    target: Arc<OwnedFd>,
    open: Open,
    /// The batch before, on which the crew works.
    pending: Option<(Arc<Batch>, Tail)>,
    links: Links,
    visited: HashSet<NodeId>,
    turn: u64,
}

impl<'a, 'r, 'm> Maker<'a, 'r, 'm> {
    pub fn new(
        tree: &'a Tree,
        wishes: &'a Wishes<'a>,
        crew: &'a Crew<'r>,
        target: Arc<OwnedFd>,
        report: &'a mut Report<'r, 'm>,
    ) -> Self {
        let links = Links::new(Arc::clone(&target), wishes.choices.existing);
        let (open, visited) = (Open::default(), HashSet::new());
        Self { tree, wishes, crew, report, target, open, pending: None, links, visited, turn: 0 }
    }

    /// Makes everything that is selected; `ours`: the target gets the attributes of the root. What was to be told
    /// is told.
    pub fn run(mut self, selection: &Selection, ours: bool) {
        let root = self.tree.root();
        match self.tree.directory(root).and_then(|found| Ok((found, self.tree.node(root)?))) {
            Ok((directory, node)) => {
                if let Some(error) = missing(&directory, root) {
                    self.say(Vec::new(), Word::Error(error));
                }
                self.visited.insert(root);
                let mut stack = Stack::new(Arc::clone(&self.target));
                stack.push(Frame {
                    directory,
                    next: 0,
                    selected: selection,
                    path: Vec::new(),
                    name: Vec::new(),
                    attributes: ours.then(|| self.wishes.attributes(&node)),
                    file: Some(Arc::clone(&self.target)),
                });
                self.walk(&mut stack);
            }
            Err(error) => self.say(Vec::new(), Word::Error(error)),
        }
        self.submit();
        if let Some((batch, tail)) = self.pending.take() {
            self.finish(&batch, tail);
        }
    }

    fn walk(&mut self, stack: &mut Stack<'_>) {
        while let Some(frame) = stack.top() {
            self.turn = self.turn.saturating_add(1);
            let listed = Arc::clone(&frame.directory);
            match listed.get(frame.next).filter(|_| !self.crew.is_halted()) {
                Some(entry) => {
                    frame.next = frame.next.saturating_add(1);
                    let Some(selected) = frame.selected.of(entry.name) else { continue };
                    let path = match frame.path.as_slice() {
                        [] => entry.name.to_vec(),
                        above => [above, entry.name].join(&b'/'),
                    };
                    self.entry(stack, entry.id, entry.name, path, selected);
                }
                None => self.leave(stack),
            }
            if self.open.is_full() {
                self.submit();
            }
        }
    }

    fn entry<'s>(&mut self, stack: &mut Stack<'s>, id: NodeId, name: &[u8], path: Vec<u8>, selected: &'s Selection) {
        if self.turn.is_multiple_of(ASKED) && self.crew.files.copier.interrupted() {
            return self.end(path, End::Interrupted.into());
        }
        if Name::new(name).is_none() {
            return self.say(path, Word::Failure("its name can't stand in a directory".to_owned(), None));
        }
        let node = match self.tree.node(id) {
            Ok(node) => node,
            Err(error) => return self.say(path, Word::Error(error)),
        };
        let directory = match stack.file() {
            Ok(directory) => directory,
            Err(errno) => return self.end(path, errno.into()),
        };
        let attributes = self.wishes.attributes(&node);
        let wanted = Wanted { turn: self.turn, directory, name: name.to_vec(), path, node, attributes };
        match wanted.node.kind {
            FileType::Directory => self.enter(stack, wanted, selected),
            FileType::Regular => self.regular(wanted),
            _ => self.bodiless(wanted),
        }
    }

    /// Makes a directory and goes into it. One that is there already is filled; a symbolic link is none.
    fn enter<'s>(&mut self, stack: &mut Stack<'s>, wanted: Wanted, selected: &'s Selection) {
        let Wanted { directory: above, name, path, node, attributes, .. } = wanted;
        if stack.depth() > MAX_DEPTH || !self.visited.insert(node.id) {
            let what = "not extracted again: it is a directory that has another name, or lies within itself";
            return self.say(path, Word::Failure(what.to_owned(), None));
        }
        let listed = match self.tree.directory(node.id) {
            Ok(listed) => {
                if let Some(error) = missing(&listed, node.id) {
                    self.say(path.clone(), Word::Error(error));
                }
                Some(listed)
            }
            Err(error) => {
                self.say(path.clone(), Word::Error(error));
                None
            }
        };
        let (file, ours) = match self.directory(&above, &name, &attributes) {
            Ok(made) => made,
            Err(errno) => return self.end(path, errno.into()),
        };
        // A directory on the way to what was asked for is no success by itself.
        if listed.is_some() && *selected == Selection::All {
            self.open.tail.made = self.open.tail.made.saturating_add(1);
        }
        self.open.directories = self.open.directories.saturating_add(1);
        stack.push(Frame {
            directory: listed.unwrap_or_default(),
            next: 0,
            selected,
            path,
            name,
            attributes: ours.then_some(attributes),
            file: Some(Arc::new(file)),
        });
    }

    /// An open directory, and whether it gets the disc's attributes.
    fn directory(&self, above: &OwnedFd, name: &[u8], attributes: &Attributes) -> nix::Result<(OwnedFd, bool)> {
        let name = Name::new(name).ok_or(Errno::EINVAL)?;
        let existing = self.wishes.choices.existing;
        // Until it is full only its owner gets in; where no mode is recorded, the umask decides.
        let mode = Mode::from_bits_truncate(if attributes.mode.is_some() { 0o700 } else { 0o777 });
        match mkdirat(above, name.bytes(), mode) {
            Ok(()) => return Ok((place::open_directory(above, name)?, true)),
            Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno),
        }
        match place::open_directory(above, name) {
            Ok(file) => {
                // Who goes on, or replaces, means the directory of the disc: it gets its attributes as well, and may
                // have got them before, when it could not be written to any more.
                let ours = existing != Existing::Refuse;
                let stat = fstat(&file)?;
                if ours
                    && attributes.mode.is_some()
                    && stat.st_uid == geteuid().as_raw()
                    && stat.st_mode & 0o700 != 0o700
                {
                    fchmod(&file, Mode::from_bits_truncate(stat.st_mode & 0o7777 | 0o700))?;
                }
                Ok((file, ours))
            }
            Err(Errno::ENOTDIR | Errno::ELOOP) if existing == Existing::Replace => {
                place::remove(above, name)?;
                mkdirat(above, name.bytes(), mode)?;
                Ok((place::open_directory(above, name)?, true))
            }
            Err(errno) => Err(errno),
        }
    }

    /// Leaves a directory. It gets its attributes when all in it is made, which would change them.
    fn leave(&mut self, stack: &mut Stack<'_>) {
        let file = stack.file();
        let Some(frame) = stack.pop() else { return };
        self.open.directories = self.open.directories.saturating_add(1);
        if let Some(attributes) = frame.attributes {
            self.open.tail.left.push(Left { turn: self.turn, path: frame.path, file, attributes });
        }
    }

    /// Has a regular file made; a further name of a file waits until that is there.
    fn regular(&mut self, wanted: Wanted) {
        if let Some(id) = wanted.linked() {
            if self.links.is_begun(id) {
                return self.open.tail.links.push(wanted);
            }
            if let Some(end) = self.links.link(&wanted) {
                return self.end(wanted.path, end.into());
            }
        }
        let Some(job) = self.job(wanted) else { return };
        let linked = job.wanted.linked();
        if let Some(id) = linked {
            self.links.begin(id, &job.wanted.path);
        }
        self.open.bytes = self.open.bytes.saturating_add(job.body.len());
        if job.body.len() < LARGE || !self.crew.is_many() {
            return self.open.jobs.push(job);
        }
        let draft = self.crew.files.draft(&job).and_then(|draft| {
            let sized = draft.file().set_len(job.body.len());
            sized.map(|()| draft).map_err(|error| super::copy::Broken::Write(error).into())
        });
        match draft {
            Ok(draft) => self.open.large.push(Large::new(job, draft)),
            Err(end) => {
                if let Some(id) = linked {
                    self.links.end(id, &job.wanted.path, &end);
                }
                self.end(job.wanted.path, end.into());
            }
        }
    }

    /// With the body, unless that can't be had, which is told.
    fn job(&mut self, wanted: Wanted) -> Option<Job> {
        match self.tree.file(wanted.node.id) {
            Ok(body) => Some(Job { wanted, body }),
            Err(error) => {
                self.say(wanted.path, Word::Error(error));
                None
            }
        }
    }

    /// Makes symbolic links, FIFOs, sockets and devices, which can't be half there.
    fn bodiless(&mut self, wanted: Wanted) {
        let linked = wanted.linked();
        if let Some(end) = linked.and_then(|_| self.links.link(&wanted)) {
            return self.end(wanted.path, end.into());
        }
        let outcome = match wanted.node.kind {
            FileType::SymbolicLink => match self.tree.read_link(wanted.node.id) {
                Ok(target) => self.named(&wanted, |name| symlinkat(target.as_slice(), &wanted.directory, name)),
                Err(error) => return self.say(wanted.path, Word::Error(error)),
            },
            _ => match self.special(&wanted) {
                Some(outcome) => outcome,
                None => {
                    let what = "left out: only root may make devices";
                    return self.say(wanted.path, Word::Note(what, Some("run it as root to get the devices too")));
                }
            },
        };
        if let Some(id) = linked {
            self.links.end(id, &wanted.path, &outcome.end);
        }
        self.end(wanted.path, outcome);
    }

    /// A FIFO, socket or device; `None` for devices where they can't be made.
    fn special(&self, wanted: &Wanted) -> Option<Outcome> {
        let kind = match wanted.node.kind {
            FileType::CharacterDevice => SFlag::S_IFCHR,
            FileType::BlockDevice => SFlag::S_IFBLK,
            FileType::Socket => SFlag::S_IFSOCK,
            _ => SFlag::S_IFIFO,
        };
        let device = matches!(kind, SFlag::S_IFCHR | SFlag::S_IFBLK);
        if device && !self.wishes.choices.devices {
            return None;
        }
        let mode = Mode::from_bits_truncate(0o600);
        let number = makedev(wanted.node.device.major.into(), wanted.node.device.minor.into());
        let outcome = self.named(wanted, |name| mknodat(&wanted.directory, name, kind, mode, number));
        // Root of a container.
        (!(device && matches!(outcome.end, End::Failed(Errno::EPERM)))).then_some(outcome)
    }

    fn named(&self, wanted: &Wanted, make: impl Fn(&[u8]) -> nix::Result<()>) -> Outcome {
        let Some(name) = Name::new(&wanted.name) else { return Errno::EINVAL.into() };
        let result = match make(name.bytes()) {
            Err(Errno::EEXIST) => match self.wishes.choices.existing.found(wanted.directory.as_fd(), name) {
                Found::Refused(errno) => Err(errno),
                Found::Kept(_) => return End::Kept { same: false }.into(),
                Found::Unfinished => return End::Unfinished.into(),
                Found::Nothing => make(name.bytes()),
                Found::Replaced => place::remove(&wanted.directory, name).and_then(|()| make(name.bytes())),
            },
            result => result,
        };
        if let Err(errno) = result {
            return errno.into();
        }
        let mut attributes = wanted.attributes;
        if wanted.node.kind == FileType::SymbolicLink {
            // On Linux they have none of their own.
            attributes.mode = None;
        }
        Outcome { end: End::Made, undone: attributes.apply(Place::Named(wanted.directory.as_fd(), name)) }
    }

    /// Gives the batch to the crew, and ends the one before.
    fn submit(&mut self) {
        let open = std::mem::take(&mut self.open);
        let batch = Arc::new(Batch::new(open.jobs, open.large));
        self.crew.add(&batch);
        if let Some((batch, tail)) = self.pending.replace((batch, open.tail)) {
            self.finish(&batch, tail);
        }
    }

    /// Waits until the files of a batch are made, and does what had to wait for that.
    fn finish(&mut self, batch: &Batch, tail: Tail) {
        self.crew.finish(batch);
        // What is said from here on belongs to this batch and not to the one that grows meanwhile.
        let growing = std::mem::replace(&mut self.open.tail, Tail { links: Vec::new(), left: Vec::new(), ..tail });
        let turn = self.turn;
        let (ends, made) = batch.ends();
        for Ended { turn, path, linked, outcome } in ends {
            if let Some(id) = linked {
                self.links.end(id, &path, &outcome.end);
            }
            self.turn = turn;
            self.end(path, outcome);
        }
        for wanted in tail.links {
            if !self.crew.is_halted() {
                self.turn = wanted.turn;
                self.link(wanted);
            }
        }
        for Left { turn, path, file, attributes } in tail.left {
            self.turn = turn;
            match file {
                Ok(file) => {
                    let undone = attributes.apply(Place::Open(file.as_fd()));
                    if !undone.is_empty() {
                        self.say(path, Word::Undone(undone));
                    }
                }
                Err(errno) => {
                    self.say(path, Word::Failure(format!("its attributes can't be set: {errno}"), None));
                }
            }
        }
        self.turn = turn;
        let done = std::mem::replace(&mut self.open.tail, growing);
        self.report.tell(done.entries, done.made.saturating_add(made));
    }

    /// Makes a name of a file whose first name was being made when this one was met.
    fn link(&mut self, wanted: Wanted) {
        if let Some(end) = self.links.link(&wanted) {
            return self.end(wanted.path, end.into());
        }
        let Some(job) = self.job(wanted) else { return };
        let outcome = self.crew.files.make(&job);
        self.links.end(job.wanted.node.id, &job.wanted.path, &outcome.end);
        self.end(job.wanted.path, outcome);
    }

    fn end(&mut self, path: Vec<u8>, outcome: Outcome) {
        if ends_all(&outcome.end) {
            self.crew.halt();
        }
        if matches!(outcome.end, End::Made) && outcome.undone.is_empty() {
            self.open.tail.made = self.open.tail.made.saturating_add(1);
            return;
        }
        self.say(path, Word::Ended(outcome));
    }

    fn say(&mut self, path: Vec<u8>, word: Word) {
        self.open.tail.entries.push(Entry { turn: self.turn, path, word });
    }
}
