//! What happens when the image changes under a drive.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

use nix::errno::Errno;

use super::attr::Packer;
use super::connection::Connection;
use super::reply::{Notice, notify};
use crate::mount::Whereabouts;
use crate::source::{Change, Version, Watch};
use crate::sys;
use crate::tree::{Presentation, Tree};

/// Where volume descriptors are: from the first sector behind the System Area, and about the anchor of UDF.
const DESCRIPTORS: [(u64, usize); 2] = [(32 * 1024, 64 * 1024), (512 * 1024, 64 * 1024)];

/// Each as far as it can be read.
fn descriptors(file: &File) -> Vec<Vec<u8>> {
    let read = |(at, length): (u64, usize)| {
        let mut bytes = vec![0; length];
        let mut done = 0;
        while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, at.saturating_add(done as u64)) {
                Ok(0) | Err(_) => break,
                Ok(more) => done += more,
            }
        }
        bytes.truncate(done);
        bytes
    };
    DESCRIPTORS.into_iter().map(read).collect()
}

/// Gives the tree of the image in a file as it is now, or why it can't be had.
pub type Reopen = Box<dyn Fn(&File) -> Result<(Tree, Presentation), String> + Send + Sync>;

/// Watches the image, and reads it anew.
pub struct Renewal {
    watch: Mutex<Option<Watch>>,
    file: Arc<File>,
    /// The name that the image was found by; absolute.
    path: PathBuf,
    /// What the image's descriptors were when it was mounted.
    descriptors: Vec<Vec<u8>>,
    reopen: Reopen,
}

impl fmt::Debug for Renewal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewal").field("watch", &self.watch).finish_non_exhaustive()
    }
}

impl Renewal {
    /// `file`: the image that is watched.
    ///
    /// # Errors
    /// When the file can't be asked.
    pub fn new(file: File, path: PathBuf, reopen: Reopen) -> io::Result<Self> {
        let file = Arc::new(file);
        let watch = Mutex::new(Some(Watch::new(Arc::clone(&file))?));
        let descriptors = descriptors(&file);
        Ok(Self { watch, file, path, descriptors, reopen })
    }

    /// Reads the image anew.
    ///
    /// # Errors
    /// Why it can't be read.
    pub fn reopen(&self) -> Result<(Tree, Presentation), String> {
        (self.reopen)(&self.file)
    }

    /// Where the image is after its medium has failed: a stick that was taken out and put in again, or a network file
    /// system that was mounted anew, has it in another file of the same name.
    pub fn search(&self) -> Whereabouts {
        let Ok(found) = File::open(&self.path) else { return Whereabouts::Lost };
        let identity =
            |file: &File| file.metadata().map(|metadata| (metadata.dev(), metadata.ino(), metadata.is_file()));
        match (identity(&found), identity(&self.file)) {
            (Ok(found), Ok(own)) if found == own => Whereabouts::Here,
            (Ok((_, _, true)), _) if self.is_first_in(&found) => Whereabouts::Elsewhere,
            _ => Whereabouts::Lost,
        }
    }

    /// Goes on with the file that has the image's name now.
    ///
    /// # Errors
    /// When it can't be opened.
    pub fn follow(&mut self) -> io::Result<()> {
        let file = Arc::new(File::open(&self.path)?);
        self.watch = Mutex::new(Some(Watch::new(Arc::clone(&file))?));
        self.file = file;
        Ok(())
    }

    /// Whether the image is the one that was mounted, as far as it is there, and not another in its place. What says
    /// who it is are its volume descriptors, with their dates.
    pub fn is_first(&self) -> bool {
        self.resembles(&descriptors(&self.file))
    }

    /// Whether another file has all of that.
    fn is_first_in(&self, file: &File) -> bool {
        let now = descriptors(file);
        let lengths = |all: &[Vec<u8>]| all.iter().map(Vec::len).collect::<Vec<_>>();
        lengths(&now) == lengths(&self.descriptors) && self.resembles(&now)
    }

    fn resembles(&self, now: &[Vec<u8>]) -> bool {
        self.descriptors.iter().zip(now).all(|(before, now)| {
            let both = before.len().min(now.len());
            before.get(..both) == now.get(..both)
        })
    }

    /// The image.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The image, for another program.
    ///
    /// # Errors
    /// When descriptors are short.
    pub fn image(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// The version that changes are told of; `None` once that is done.
    pub fn version(&self) -> Option<Version> {
        self.watch.lock().ok()?.as_ref().map(Watch::version)
    }

    /// The image is about to be read anew: from now on changes are told of that one.
    pub fn begin(&self) {
        if let Ok(mut watch) = self.watch.lock()
            && let Some(Err(error)) = watch.as_mut().map(Watch::renew)
        {
            log::warn!("the image can't be asked for changes: {error}");
        }
    }

    /// Starts the thread that watches. A process of which the image has changed ends: all it remembers is gone with
    /// it, and another one takes over.
    ///
    /// # Errors
    /// When there can't be a thread.
    /// `code`: what it ends with.
    pub fn watch(&self, code: i32) -> std::io::Result<()> {
        let Some(mut watch) = self.watch.lock().ok().and_then(|mut watch| watch.take()) else { return Ok(()) };
        let wait = move || {
            loop {
                match watch.wait() {
                    Ok(Change::Content { before, now }) => {
                        let (before, now) = (before.size, now.size);
                        log::warn!("the image has changed ({before} bytes before, {now} now): it is read anew");
                        sys::exit_at_once(code);
                    }
                    Ok(Change::Replaced) => {
                        log::warn!(
                            "the image's name is gone or that of another file: the drive goes on showing the \
                                    former one"
                        );
                    }
                    Err(error) => {
                        log::warn!("changes of the image are not noticed any more: {error}");
                        return;
                    }
                }
            }
        };
        thread::Builder::new().name("watch".to_owned()).spawn(wait).map(drop)
    }
}

/// Has the kernel forget what it knows of the former image. Files that are open are of that one, and end in errors.
pub fn forget(former: &Tree, tree: &Tree, connection: &Connection) {
    let Some(queue) = connection.first() else { return };
    let root = super::attr::ROOT;
    let mut everything = Packer::default();
    // From byte 0 to the end: the list of names, too.
    everything.u64(root).u64(0).u64(0);
    ignore_absence(notify(queue, Notice::InvalidateInode, everything.bytes(), &[]));
    // All names at once, since Linux 6.16.
    if notify(queue, Notice::NextEpoch, &[], &[]).is_ok() {
        return;
    }
    let mut names: HashSet<Vec<u8>> = HashSet::new();
    for tree in [former, tree] {
        if let Ok(directory) = tree.directory_once(tree.root()) {
            names.extend(directory.iter().map(|entry| entry.name.to_vec()));
        }
    }
    for mut name in names {
        let mut entry = Packer::default();
        // What lies below goes with it.
        entry.u64(root).u32(u32::try_from(name.len()).unwrap_or(0)).u32(0);
        name.push(0);
        ignore_absence(notify(queue, Notice::InvalidateEntry, entry.bytes(), &name));
    }
}

fn ignore_absence(done: Result<(), Errno>) {
    match done {
        // It knows none of that.
        Ok(()) | Err(Errno::ENOENT) => {}
        Err(error) => log::debug!("the kernel may remember something of the former image: {}", error.desc()),
    }
}
