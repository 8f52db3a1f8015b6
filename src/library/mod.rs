//! A folder of images as one volume: every image is a directory, opened when it is entered.
//!
//! An image costs the name in the folder until somebody enters it. It is closed when nobody has used it for a while,
//! and opened again without anybody noticing: the numbers of its files are places on the disc. Images that come and
//! go, or are replaced by others, are found when the root is asked for.

mod folder;
mod ledger;
mod shelf;
mod slot;

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::notes::Notes;
use crate::source::SharedSource;
use crate::volume::{
    Attribute, Device, Directory, DirectoryBuilder, FileType, NameMatch, Node, NodeId, Part, Parts, Places, Times, Volume,
    VolumeInfo,
};
use ledger::Ledger;
use shelf::Shelf;
pub use slot::Opened;
use slot::{Slot, number_of};

/// How long a look into the folder holds, as long as the folder itself does not change: a file that is written in
/// place changes nothing of it.
const LOOK_HOLDS: Duration = Duration::from_secs(1);
/// Images that are open at once, at most; each is an open file and a memory map.
const MAX_OPEN: usize = 64;
/// The root directory. No image has the number 0.
const ROOT: NodeId = match NodeId::new(1) {
    Some(id) => id,
    None => unreachable!(),
};

/// Opens an image, or says why it can't.
pub type Opener = Box<dyn Fn(&Path) -> Result<Opened, String> + Send + Sync>;

pub struct Library {
    folder: PathBuf,
    opener: Opener,
    idle: Duration,
    begun: Instant,
    info: VolumeInfo,
    notes: Notes,
    ledger: Arc<Ledger>,
    shelf: RwLock<Shelf>,
    look: Mutex<Option<Look>>,
}

/// When the folder was last looked into, and how old it was then.
#[derive(Debug, Clone, Copy)]
struct Look {
    at: Instant,
    modified: (i64, i64),
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Library").field("folder", &self.folder).field("shelf", &self.shelf).finish_non_exhaustive()
    }
}

impl Library {
    /// The images of a folder, each of which is closed when it has not been used for the time `idle`. `ledger`: what
    /// another program has kept of the numbers it has given, if it goes on where that has stopped.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn new(folder: PathBuf, idle: Duration, opener: Opener, ledger: Option<File>) -> Result<Self> {
        let failed = |source| Error::Read { at: 0, source };
        let resumes = ledger.is_some();
        let ledger = Arc::new(ledger.map_or_else(Ledger::new, |file| Ok(Ledger::of_file(file))).map_err(failed)?);
        let label = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let library = Self {
            folder,
            opener,
            idle,
            begun: Instant::now(),
            info: VolumeInfo { label, block_size: 2048, ..VolumeInfo::default() },
            notes: Notes::default(),
            shelf: RwLock::new(Shelf::new(Arc::clone(&ledger))),
            ledger,
            look: Mutex::default(),
        };
        match resumes {
            true => library.recover()?,
            false => library.refresh()?,
        }
        Ok(library)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn unread(&self, source: std::io::Error) -> Error {
        log::warn!("{}: {source}", self.folder.display());
        Error::Read { at: 0, source }
    }

    fn slot(&self, id: NodeId) -> Result<Arc<Slot>> {
        let shelf = self.shelf.read().map_err(|_| Error::Stale)?;
        let slot = shelf.get(number_of(id)).ok_or(Error::Stale)?;
        slot.touch(self.now());
        Ok(Arc::clone(slot))
    }

    /// Does something with the file of an image that a node is.
    fn within<T>(&self, id: NodeId, work: impl FnOnce(&Slot, &Opened, NodeId) -> Result<T>) -> Result<T> {
        let slot = self.slot(id)?;
        if !slot.is_open() {
            self.make_room();
        }
        let opened = slot.open(&self.opener)?;
        work(&slot, &opened, slot.inner(id, opened.volume.root())?)
    }

    /// Closes the image that was used longest ago when too many are open.
    fn make_room(&self) {
        let Ok(shelf) = self.shelf.read() else { return };
        let mut open: Vec<_> = shelf.iter().filter(|slot| slot.is_open()).collect();
        if open.len() >= MAX_OPEN {
            open.sort_by_key(|slot| slot.used());
            if let Some(oldest) = open.first() {
                oldest.close();
            }
        }
    }

    /// A directory that the library makes up.
    fn directory_node(id: NodeId, modified: crate::time::Timestamp) -> Node {
        Node {
            id,
            kind: FileType::Directory,
            size: 0,
            recorded: 0,
            permissions: None,
            uid: None,
            gid: None,
            links: None,
            device: Device::default(),
            times: Times { modified: Some(modified), ..Times::default() },
        }
    }
}

/// A node of an image as the mount's own presentation has to get it for showing what the image's would show.
fn adapted(mut node: Node, id: NodeId, opened: &Opened) -> Node {
    let presentation = &opened.presentation;
    node.id = id;
    let asked = match node.kind {
        FileType::Directory => presentation.directory_mode,
        FileType::Regular => presentation.file_mode,
        _ => None,
    };
    if presentation.override_recorded && asked.is_some() {
        node.permissions = None;
    }
    node.uid = node.uid.or(Some(presentation.default_uid));
    node.gid = node.gid.or(Some(presentation.default_gid));
    node
}

impl Volume for Library {
    fn info(&self) -> &VolumeInfo {
        &self.info
    }

    fn root(&self) -> NodeId {
        ROOT
    }

    fn node(&self, id: NodeId) -> Result<Node> {
        if id == ROOT {
            let metadata = fs::metadata(&self.folder).map_err(|error| self.unread(error))?;
            return Ok(Self::directory_node(ROOT, folder::modified(&metadata)));
        }
        let slot = self.slot(id)?;
        if slot.id() == Some(id) {
            // Its own root may say otherwise; but for that it would have to be opened.
            return Ok(Self::directory_node(id, slot.modified));
        }
        self.within(id, |_, opened, inner| Ok(adapted(opened.volume.node(inner)?, id, opened)))
    }

    fn parent(&self, directory: NodeId) -> Result<NodeId> {
        if self.may_change(directory) {
            return Ok(ROOT);
        }
        self.within(directory, |slot, opened, inner| {
            let parent = opened.volume.parent(inner)?;
            slot.outer(parent, opened.volume.root()).ok_or(Error::Stale)
        })
    }

    fn read_dir(&self, directory: NodeId) -> Result<Directory> {
        if directory != ROOT {
            return self.within(directory, |slot, opened, inner| {
                let root = opened.volume.root();
                let number = |id| slot.outer(id, root).unwrap_or(directory);
                Ok(opened.volume.read_dir(inner)?.renumbered(number))
            });
        }
        self.refresh()?;
        let shelf = self.shelf.read().map_err(|_| Error::Stale)?;
        let mut builder = DirectoryBuilder::default();
        for slot in shelf.iter() {
            if let Some(id) = slot.id() {
                builder.push(&slot.name, id, FileType::Directory);
            }
        }
        Ok(builder.finish(NameMatch::Exact, |_, _| ()))
    }

    fn open(&self, file: NodeId) -> Result<SharedSource> {
        if self.may_change(file) {
            return Err(Error::IsADirectory);
        }
        self.within(file, |_, opened, inner| opened.volume.open(inner))
    }

    fn read_link(&self, link: NodeId) -> Result<Vec<u8>> {
        if self.may_change(link) {
            return Err(Error::NotALink);
        }
        self.within(link, |_, opened, inner| opened.volume.read_link(inner))
    }

    fn has_attributes(&self) -> bool {
        true
    }

    fn attributes(&self, id: NodeId) -> Result<Vec<Attribute>> {
        if self.may_change(id) {
            return Ok(Vec::new());
        }
        self.within(id, |_, opened, inner| match opened.volume.has_attributes() {
            true => opened.volume.attributes(inner),
            false => Ok(Vec::new()),
        })
    }

    /// Within the image that the node is of.
    fn places(&self, id: NodeId) -> Result<Places> {
        if self.may_change(id) {
            return Ok(Places::default());
        }
        self.within(id, |_, opened, inner| opened.volume.places(inner))
    }

    fn notes(&self) -> &Notes {
        &self.notes
    }

    fn parts(&self) -> Option<&dyn Parts> {
        Some(self)
    }
}

impl Parts for Library {
    fn find(&self, name: &[u8]) -> Result<NodeId> {
        self.refresh()?;
        let shelf = self.shelf.read().map_err(|_| Error::Stale)?;
        shelf.named(name).and_then(|slot| slot.id()).ok_or(Error::NotFound)
    }

    fn refresh(&self) -> Result<()> {
        // One at a time, so that no older look comes after a newer one.
        let mut look = self.look.lock().map_err(|_| Error::Stale)?;
        let metadata = fs::metadata(&self.folder).map_err(|error| self.unread(error))?;
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        if look.is_some_and(|look| look.modified == modified && look.at.elapsed() < LOOK_HOLDS) {
            return Ok(());
        }
        let at = Instant::now();
        let found = folder::look(&self.folder).map_err(|error| self.unread(error))?;
        self.shelf.write().map_err(|_| Error::Stale)?.update(&found);
        *look = Some(Look { at, modified });
        Ok(())
    }

    fn recover(&self) -> Result<()> {
        let shelf = Shelf::recovered(Arc::clone(&self.ledger), &self.folder).map_err(|error| self.unread(error))?;
        *self.shelf.write().map_err(|_| Error::Stale)? = shelf;
        // Whoever asks first has the folder looked at. Not here: as long as another process serves, it alone may give
        // numbers.
        *self.look.lock().map_err(|_| Error::Stale)? = None;
        Ok(())
    }

    fn ledger(&self) -> io::Result<File> {
        self.ledger.file()
    }

    fn after(&self, number: u64) -> Option<Part> {
        let shelf = self.shelf.read().ok()?;
        let slot = shelf.after(number)?;
        Some(Part { number: slot.number, id: slot.id()?, name: slot.name.clone() })
    }

    fn count(&self) -> u64 {
        self.shelf.read().map_or(0, |shelf| u64::try_from(shelf.len()).unwrap_or(u64::MAX))
    }

    fn may_change(&self, id: NodeId) -> bool {
        id == ROOT || NodeId::new(number_of(id) << slot::INNER_BITS) == Some(id)
    }

    fn is_open(&self, id: NodeId) -> bool {
        self.shelf.read().is_ok_and(|shelf| shelf.get(number_of(id)).is_some_and(|slot| slot.is_open()))
    }

    fn touch(&self, id: NodeId) {
        if let Ok(shelf) = self.shelf.read()
            && let Some(slot) = shelf.get(number_of(id))
        {
            slot.touch(self.now());
        }
    }

    fn close_idle(&self) {
        let idle = u64::try_from(self.idle.as_millis()).unwrap_or(u64::MAX);
        let now = self.now();
        let Ok(shelf) = self.shelf.read() else { return };
        for slot in shelf.iter().filter(|slot| now.saturating_sub(slot.used()) >= idle) {
            slot.close();
        }
    }

    fn pause(&self) -> Duration {
        self.idle.checked_div(4).unwrap_or_default().clamp(Duration::from_millis(100), Duration::from_secs(60))
    }
}

#[cfg(test)]
mod tests;
