//! The walk that copies a tree, and what is done for each kind of file.

use std::collections::{HashMap, HashSet};
use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use indicatif::ProgressBar;
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{Mode, SFlag, fchmod, fstat, makedev, mkdirat, mknodat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, geteuid, linkat, symlinkat};

use super::Target;
use super::interrupt::Interrupt;
use super::place::{self, Attributes, Draft, Name, Place, Undone};
use super::selection::Selection;
use super::stack::{Frame, Stack, open_parent};
use crate::cli::exit::{Code, Failure};
use crate::cli::messages::{Messages, read_hint};
use crate::cli::pieces::{self, Piece};
use crate::error::Error;
use crate::limits::MAX_DEPTH;
use crate::source::Source;
use crate::time::Timestamp;
use crate::tree::{Presentation, Tree};
use crate::volume::{FileType, Node, NodeId};

/// What becomes of a file that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    Refuse,
    /// It stays, which is no failure.
    Keep,
    Replace,
}

#[derive(Debug, Clone, Copy)]
pub struct Choices {
    pub existing: Existing,
    pub owners: bool,
    pub devices: bool,
}

/// How making a file ended.
enum End {
    Made,
    /// Made, but not whole; told already.
    Damaged,
    Kept,
    /// Nothing was made; told already.
    Told,
    Failed(Errno),
    Interrupted,
}

impl From<Errno> for End {
    fn from(errno: Errno) -> Self {
        Self::Failed(errno)
    }
}

/// The first name of a file that has several.
struct First {
    path: Vec<u8>,
    damaged: bool,
}

pub struct Extraction<'a, 'm> {
    tree: &'a Tree,
    presentation: &'a Presentation,
    messages: &'a mut Messages<'m>,
    target: Arc<OwnedFd>,
    /// Whether the target gets the attributes of the root.
    target_is_ours: bool,
    choices: Choices,
    interrupt: Option<&'a Interrupt>,
    bar: ProgressBar,
    linked: HashMap<NodeId, First>,
    visited: HashSet<NodeId>,
}

impl<'a, 'm> Extraction<'a, 'm> {
    pub fn new(
        tree: &'a Tree,
        presentation: &'a Presentation,
        messages: &'a mut Messages<'m>,
        target: Target,
        choices: Choices,
    ) -> Self {
        Self {
            tree,
            presentation,
            messages,
            target: Arc::new(target.file),
            target_is_ours: target.made,
            choices,
            interrupt: None,
            bar: ProgressBar::hidden(),
            linked: HashMap::new(),
            visited: HashSet::new(),
        }
    }

    #[must_use]
    pub fn watched(mut self, interrupt: &'a Interrupt, bar: &ProgressBar) -> Self {
        self.interrupt = Some(interrupt);
        self.bar = bar.clone();
        self
    }

    /// Copies what is selected. What fails for one file is told, and the next one follows.
    ///
    /// # Errors
    /// What would fail for every further file too: no space left, an interruption.
    pub fn run(mut self, selection: &Selection) -> Result<(), Failure> {
        let root = self.tree.root();
        if matches!(selection, Selection::Some(names) if names.is_empty()) {
            return Ok(());
        }
        let (directory, node) = match self.tree.directory(root).and_then(|found| Ok((found, self.tree.node(root)?))) {
            Ok(found) => found,
            Err(error) => {
                self.messages.error(b"", &error);
                return Ok(());
            }
        };
        self.visited.insert(root);
        let ours = self.target_is_ours && *selection == Selection::All;
        let attributes = ours.then(|| self.attributes(&node));
        let mut stack = Stack::new(Arc::clone(&self.target));
        stack.push(Frame {
            directory,
            next: 0,
            selected: selection,
            path: Vec::new(),
            name: Vec::new(),
            attributes,
            file: Some(Arc::clone(&self.target)),
        });
        let mut fatal = Ok(());
        while let Some(frame) = stack.top() {
            let listed = Arc::clone(&frame.directory);
            let Some(entry) = listed.get(frame.next).filter(|_| fatal.is_ok()) else {
                self.leave(&mut stack);
                continue;
            };
            frame.next = frame.next.saturating_add(1);
            let Some(selected) = frame.selected.of(entry.name) else { continue };
            let path = match frame.path.as_slice() {
                [] => entry.name.to_vec(),
                above => [above, entry.name].join(&b'/'),
            };
            fatal = self.entry(&mut stack, entry.id, entry.name, path, selected);
        }
        fatal
    }

    fn entry<'s>(
        &mut self,
        stack: &mut Stack<'s>,
        id: NodeId,
        name: &[u8],
        path: Vec<u8>,
        selected: &'s Selection,
    ) -> Result<(), Failure> {
        if self.interrupted() {
            return Err(self.interruption());
        }
        let Some(name) = Name::new(name) else {
            self.messages.failure(&path, "its name can't stand in a directory", None);
            return Ok(());
        };
        let node = match self.tree.node(id) {
            Ok(node) => node,
            Err(error) => {
                self.messages.error(&path, &error);
                return Ok(());
            }
        };
        let directory = match stack.file() {
            Ok(directory) => directory,
            Err(errno) => return self.settle(&path, End::Failed(errno)),
        };
        let end = if node.kind == FileType::Directory {
            self.enter(stack, &directory, &node, name, &path, selected)
        } else {
            self.make(directory.as_fd(), &node, name, &path)
        };
        self.settle(&path, end)
    }

    /// Tells how it ended; an error that would meet every other file too ends it all.
    fn settle(&mut self, path: &[u8], end: End) -> Result<(), Failure> {
        let errno = match end {
            End::Made | End::Kept => {
                self.messages.success();
                return Ok(());
            }
            End::Damaged => {
                // Most of a file is worth more than none of it: it counts as part of the work.
                self.messages.success();
                return Ok(());
            }
            End::Told => return Ok(()),
            End::Interrupted => return Err(self.interruption()),
            End::Failed(errno) => errno,
        };
        let what = errno.desc();
        let hint = match errno {
            Errno::ENOSPC | Errno::EDQUOT | Errno::EROFS => {
                let code = if self.messages.succeeded() > 0 { Code::Partial } else { Code::Failure };
                let message = format!("{}: {what}", crate::text::printable(path));
                let hint = "make room, or name another directory with --to DIR; `extract -n` goes on with the rest";
                return Err(Failure::new(code, message).hint(hint));
            }
            Errno::EEXIST => Some("--overwrite replaces files that exist, --no-overwrite passes over them"),
            Errno::EISDIR | Errno::ENOTDIR | Errno::ELOOP => {
                Some("something else has that name in the target: remove it, or name another directory with --to DIR")
            }
            Errno::EACCES | Errno::EPERM => Some("name a directory that you may write to with --to DIR"),
            _ => None,
        };
        self.messages.failure(path, format!("cannot be made: {what}"), hint);
        Ok(())
    }

    /// Makes a directory and goes into it. One that is there already is filled; a symbolic link is none.
    fn enter<'s>(
        &mut self,
        stack: &mut Stack<'s>,
        above: &Arc<OwnedFd>,
        node: &Node,
        name: Name<'_>,
        path: &[u8],
        selected: &'s Selection,
    ) -> End {
        if stack.depth() > MAX_DEPTH || !self.visited.insert(node.id) {
            let what = "not extracted again: it is a directory that has another name, or lies within itself";
            self.messages.failure(path, what, None);
            return End::Told;
        }
        let listed = match self.tree.directory(node.id) {
            Ok(listed) => Some(listed),
            Err(error) => {
                self.messages.error(path, &error);
                None
            }
        };
        let attributes = self.attributes(node);
        let (file, ours) = match self.directory(above, name, &attributes) {
            Ok(made) => made,
            Err(errno) => return errno.into(),
        };
        stack.push(Frame {
            directory: listed.clone().unwrap_or_default(),
            next: 0,
            selected,
            path: path.to_vec(),
            name: name.bytes().to_vec(),
            attributes: ours.then_some(attributes),
            file: Some(Arc::new(file)),
        });
        // A directory on the way to what was asked for is no success by itself.
        if listed.is_some() && *selected == Selection::All { End::Made } else { End::Told }
    }

    /// An open directory, and whether it gets the disc's attributes.
    fn directory(&self, above: &OwnedFd, name: Name<'_>, attributes: &Attributes) -> nix::Result<(OwnedFd, bool)> {
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
                let ours = self.choices.existing != Existing::Refuse;
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
            Err(Errno::ENOTDIR | Errno::ELOOP) if self.choices.existing == Existing::Replace => {
                place::remove(above, name)?;
                mkdirat(above, name.bytes(), mode)?;
                Ok((place::open_directory(above, name)?, true))
            }
            Err(errno) => Err(errno),
        }
    }

    /// Ends a directory: attributes last, as every entry made in it would change them.
    fn leave(&mut self, stack: &mut Stack<'_>) {
        let file = stack.file();
        let Some(frame) = stack.pop() else { return };
        let Some(attributes) = frame.attributes else { return };
        match file {
            Ok(file) => self.told(&frame.path, attributes.apply(Place::Open(file.as_fd()))),
            Err(errno) => self.messages.failure(&frame.path, format!("its attributes can't be set: {errno}"), None),
        }
    }

    /// Makes everything but a directory.
    fn make(&mut self, directory: BorrowedFd<'_>, node: &Node, name: Name<'_>, path: &[u8]) -> End {
        match place::stat(directory, name) {
            Ok(None) => {}
            Ok(Some(stat)) => match self.choices.existing {
                Existing::Refuse => return Errno::EEXIST.into(),
                Existing::Keep => {
                    self.bar.inc(if node.kind == FileType::Regular { node.size } else { 0 });
                    // What an earlier run made can be linked to; a file that differs can't.
                    let same = node.kind == FileType::Regular
                        && stat.st_mode & libc::S_IFMT == libc::S_IFREG
                        && u64::try_from(stat.st_size) == Ok(node.size)
                        && node.times.modified.is_some_and(|modified| modified.seconds == stat.st_mtime);
                    if same && node.links.unwrap_or(1) > 1 {
                        self.linked.entry(node.id).or_insert_with(|| First { path: path.to_vec(), damaged: false });
                    }
                    return End::Kept;
                }
                Existing::Replace if stat.st_mode & libc::S_IFMT == libc::S_IFDIR => return Errno::EISDIR.into(),
                Existing::Replace => {}
            },
            Err(errno) => return errno.into(),
        }
        if node.links.unwrap_or(1) > 1
            && let Some(end) = self.link(directory, node.id, name, path)
        {
            return end;
        }
        let end = match node.kind {
            FileType::Regular => self.file(directory, node, name, path),
            FileType::SymbolicLink => self.symbolic_link(directory, node, name, path),
            _ => self.special(directory, node, name, path),
        };
        if node.links.unwrap_or(1) > 1 && matches!(end, End::Made | End::Damaged) {
            let damaged = matches!(end, End::Damaged);
            self.linked.insert(node.id, First { path: path.to_vec(), damaged });
        }
        end
    }

    /// Another name of a file that is there; `None`: it must be copied, as where the target knows no hard links.
    fn link(&mut self, directory: BorrowedFd<'_>, id: NodeId, name: Name<'_>, path: &[u8]) -> Option<End> {
        let first = self.linked.get(&id)?;
        let parent = open_parent(&self.target, &first.path).ok()?;
        let old = first.path.rsplit(|byte| *byte == b'/').next()?;
        if self.choices.existing == Existing::Replace {
            place::remove(directory, name).ok()?;
        }
        linkat(&parent, old, directory, name.bytes(), AtFlags::empty()).ok()?;
        if first.damaged {
            let what = format!("is the same file as {}, which is damaged", crate::text::printable(&first.path));
            self.messages.failure(path, what, None);
            return Some(End::Damaged);
        }
        Some(End::Made)
    }

    fn file(&mut self, directory: BorrowedFd<'_>, node: &Node, name: Name<'_>, path: &[u8]) -> End {
        let body = match self.tree.file(node.id) {
            Ok(body) => body,
            Err(error) => return self.refused(path, &error),
        };
        let attributes = self.attributes(node);
        let mode = Mode::from_bits_truncate(if attributes.mode.is_some() { 0o600 } else { 0o666 });
        let draft = match Draft::new(directory, name, mode) {
            Ok(draft) => draft,
            Err(errno) => return errno.into(),
        };
        let lost = match self.copy(body.as_ref(), draft.file()) {
            Ok(lost) => lost,
            Err(Broken::Write(error)) => return errno_of(&error).into(),
            Err(Broken::Interrupted) => return End::Interrupted,
        };
        let undone = attributes.apply(Place::Open(draft.file().as_fd()));
        let published = match self.choices.existing {
            Existing::Replace => place::remove(directory, name).and_then(|()| draft.publish(name)),
            _ => draft.publish(name),
        };
        if let Err(errno) = published {
            return errno.into();
        }
        self.told(path, undone);
        let Some(lost) = lost else { return End::Made };
        let places = match lost.places {
            1 => String::new(),
            places => format!(" ({} bytes at {places} places in all)", lost.bytes),
        };
        let what = format!(
            "damaged: {} of {} bytes cannot be read from byte {} on{places}, they are zeros in the copy: {}",
            lost.first_bytes,
            body.len(),
            lost.at,
            lost.error
        );
        self.messages.failure(path, what, Some(read_hint(&lost.error)));
        End::Damaged
    }

    /// Copies a body; holes stay holes, and what can't be read becomes one.
    fn copy(&self, body: &dyn Source, file: &std::fs::File) -> Result<Option<Lost>, Broken> {
        let mut lost: Option<Lost> = None;
        file.set_len(body.len()).map_err(Broken::Write)?;
        pieces::read(body, |piece| {
            if self.interrupted() {
                return Err(Broken::Interrupted);
            }
            let (at, end) = match piece {
                Piece::Data { at, bytes } => {
                    file.write_all_at(bytes, at).map_err(Broken::Write)?;
                    (at, at.saturating_add(u64::try_from(bytes.len()).unwrap_or(0)))
                }
                Piece::Hole { at, end } => (at, end),
                Piece::Lost { at, end, error } => {
                    match &mut lost {
                        Some(lost) => lost.add(at, end),
                        None => lost = Some(Lost::new(at, end, error)),
                    }
                    (at, end)
                }
            };
            self.bar.inc(end.saturating_sub(at));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(lost)
    }

    fn symbolic_link(&mut self, directory: BorrowedFd<'_>, node: &Node, name: Name<'_>, path: &[u8]) -> End {
        let target = match self.tree.read_link(node.id) {
            Ok(target) => target,
            Err(error) => return self.refused(path, &error),
        };
        self.named(directory, node, name, path, || symlinkat(target.as_slice(), directory, name.bytes()))
    }

    /// FIFOs, sockets and devices.
    fn special(&mut self, directory: BorrowedFd<'_>, node: &Node, name: Name<'_>, path: &[u8]) -> End {
        let kind = match node.kind {
            FileType::CharacterDevice => SFlag::S_IFCHR,
            FileType::BlockDevice => SFlag::S_IFBLK,
            FileType::Socket => SFlag::S_IFSOCK,
            _ => SFlag::S_IFIFO,
        };
        let device = matches!(kind, SFlag::S_IFCHR | SFlag::S_IFBLK);
        let skipped = ("left out: only root may make devices", Some("run it as root to get the devices too"));
        if device && !self.choices.devices {
            self.messages.note(path, skipped.0, skipped.1);
            return End::Told;
        }
        let mode = Mode::from_bits_truncate(0o600);
        let number = makedev(node.device.major.into(), node.device.minor.into());
        match self.named(directory, node, name, path, || mknodat(directory, name.bytes(), kind, mode, number)) {
            // Root of a container.
            End::Failed(Errno::EPERM) if device => {
                self.messages.note(path, skipped.0, skipped.1);
                End::Told
            }
            end => end,
        }
    }

    /// Makes what has no bytes, so that it can't be half there.
    fn named(
        &mut self,
        directory: BorrowedFd<'_>,
        node: &Node,
        name: Name<'_>,
        path: &[u8],
        make: impl Fn() -> nix::Result<()>,
    ) -> End {
        let result = match make() {
            Err(Errno::EEXIST) if self.choices.existing == Existing::Replace => {
                place::remove(directory, name).and_then(|()| make())
            }
            result => result,
        };
        if let Err(errno) = result {
            return errno.into();
        }
        let mut attributes = self.attributes(node);
        if node.kind == FileType::SymbolicLink {
            // On Linux they have none of their own.
            attributes.mode = None;
        }
        let undone = attributes.apply(Place::Named(directory, name));
        self.told(path, undone);
        End::Made
    }

    fn refused(&mut self, path: &[u8], error: &Error) -> End {
        self.messages.error(path, error);
        End::Told
    }

    /// What the disc records, or the options say; not what a mount would show for want of both.
    fn attributes(&self, node: &Node) -> Attributes {
        let shown = self.presentation.show(node);
        let asked = match node.kind {
            FileType::Directory => self.presentation.directory_mode,
            _ => self.presentation.file_mode,
        };
        let mode = node.permissions.is_some() || asked.is_some();
        let uid = node.uid.is_some() || self.presentation.uid.is_some();
        let gid = node.gid.is_some() || self.presentation.gid.is_some();
        let modified = node.times.modified.or(node.times.created);
        let spec = |time: Timestamp| TimeSpec::new(time.seconds, time.nanoseconds.into());
        Attributes {
            owner: (self.choices.owners && (uid || gid))
                .then(|| (uid.then(|| Uid::from_raw(shown.uid)), gid.then(|| Gid::from_raw(shown.gid)))),
            mode: mode.then(|| Mode::from_bits_truncate(shown.permissions.into())),
            times: modified.map(|modified| (spec(node.times.accessed.unwrap_or(modified)), spec(modified))),
        }
    }

    fn told(&mut self, path: &[u8], undone: Vec<Undone>) {
        for undone in undone {
            match undone {
                Undone::Owner(errno) => {
                    let hint = "run it as root, or with --no-owner";
                    self.messages.failure(path, format!("its owner can't be set: {}", errno.desc()), Some(hint));
                }
                Undone::Mode(errno) => {
                    self.messages.failure(path, format!("its mode can't be set: {}", errno.desc()), None);
                }
                Undone::Times(errno) => {
                    self.messages.failure(path, format!("its times can't be set: {}", errno.desc()), None);
                }
                Undone::SetId => {
                    let what = "its set-user-ID and set-group-ID bits are left out, as it gets another owner";
                    self.messages.note(path, what, None);
                }
            }
        }
    }

    fn interrupted(&self) -> bool {
        self.interrupt.is_some_and(Interrupt::came)
    }

    fn interruption(&self) -> Failure {
        Failure::new(Code::Interrupted, "interrupted: what is there is whole, the rest is missing")
            .hint("the same command with --no-overwrite goes on with the rest")
    }
}

/// Why copying a file broke off.
enum Broken {
    Write(io::Error),
    Interrupted,
}

/// Of a body: what could not be read. Counts what lies together as one place.
struct Lost {
    at: u64,
    end: u64,
    first_bytes: u64,
    bytes: u64,
    places: u64,
    error: io::Error,
}

impl Lost {
    fn new(at: u64, end: u64, error: io::Error) -> Self {
        let bytes = end.saturating_sub(at);
        Self { at, end, first_bytes: bytes, bytes, places: 1, error }
    }

    fn add(&mut self, at: u64, end: u64) {
        let bytes = end.saturating_sub(at);
        if at != self.end {
            self.places = self.places.saturating_add(1);
        } else if self.places == 1 {
            self.first_bytes = self.first_bytes.saturating_add(bytes);
        }
        self.end = end;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

fn errno_of(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}
