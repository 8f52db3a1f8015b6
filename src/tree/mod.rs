//! The file system without FUSE: every command and the FUSE adapter use it.

mod cache;
mod present;
mod walk;

pub use present::{Presentation, Shown};
pub use walk::{Step, Walk};

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::limits::{CACHE_BYTES, MAX_COUNT_TIME, MAX_LINKS, MAX_TARGET};
use crate::source::SharedSource;
use crate::volume::{Attribute, Directory, FileType, Gap, Node, NodeId, Parts, Places, Volume, VolumeInfo};
use cache::WeightedCache;

/// A volume with its caches.
#[derive(Debug)]
pub struct Tree {
    volume: Box<dyn Volume>,
    directories: Mutex<WeightedCache<Arc<Directory>>>,
    files: Mutex<WeightedCache<SharedSource>>,
}

impl Tree {
    pub fn new(volume: Box<dyn Volume>) -> Self {
        Self::with_cache(volume, CACHE_BYTES)
    }

    /// `bytes`: what the caches may take together.
    pub fn with_cache(volume: Box<dyn Volume>, bytes: usize) -> Self {
        // Whoever comes back to a directory finds it; bodies are small, and used for a moment.
        let files = bytes / 4;
        Self {
            volume,
            directories: Mutex::new(WeightedCache::new(bytes.saturating_sub(files))),
            files: Mutex::new(WeightedCache::new(files)),
        }
    }

    pub fn info(&self) -> &VolumeInfo {
        self.volume.info()
    }

    pub fn notes(&self) -> &crate::notes::Notes {
        self.volume.notes()
    }

    pub fn root(&self) -> NodeId {
        self.volume.root()
    }

    /// The parts of a volume that is made up of such.
    pub fn parts(&self) -> Option<&dyn Parts> {
        self.volume.parts()
    }

    /// Whether what is said of a file holds as long as the volume is there; a disc does not change.
    pub fn lasts(&self, id: NodeId) -> bool {
        self.parts().is_none_or(|parts| !parts.may_change(id))
    }

    /// How often [`Tree::tidy`] is worth the while; `None`: never.
    pub fn tidies(&self) -> Option<Duration> {
        self.parts().map(Parts::pause)
    }

    /// Closes what nobody has used lately, and gives its memory back.
    pub fn tidy(&self) {
        let Some(parts) = self.parts() else { return };
        parts.close_idle();
        let keeps = |id| parts.is_open(id);
        let directories = self.directories.lock().is_ok_and(|mut cache| cache.retain(keeps));
        let files = self.files.lock().is_ok_and(|mut cache| cache.retain(keeps));
        if directories || files {
            crate::sys::return_memory();
        }
    }

    pub fn node(&self, id: NodeId) -> Result<Node> {
        self.volume.node(id)
    }

    /// The directory that a directory lies in; of the root, the root.
    pub fn parent(&self, directory: NodeId) -> Result<NodeId> {
        self.volume.parent(directory)
    }

    /// Whether any file may have extended attributes.
    pub fn has_attributes(&self) -> bool {
        self.volume.has_attributes()
    }

    /// Whether any file may have a birth time.
    pub fn has_birth_times(&self) -> bool {
        self.volume.has_birth_times()
    }

    pub fn attributes(&self, id: NodeId) -> Result<Vec<Attribute>> {
        self.volume.attributes(id)
    }

    /// Where a node is recorded.
    pub fn places(&self, id: NodeId) -> Result<Places> {
        self.volume.places(id)
    }

    /// The MD5 of a file's stored body, where the disc records one.
    pub fn recorded_md5(&self, file: NodeId) -> Result<Option<[u8; 16]>> {
        self.volume.recorded_md5(file)
    }

    pub fn read_link(&self, link: NodeId) -> Result<Vec<u8>> {
        self.volume.read_link(link)
    }

    /// The whole directory, from the cache where it is there.
    pub fn directory(&self, id: NodeId) -> Result<Arc<Directory>> {
        let kept = self.directories.lock().ok().and_then(|mut cache| cache.get(id));
        if let Some(directory) = kept {
            if let Some(parts) = self.parts() {
                parts.touch(id);
            }
            return Ok(directory);
        }
        let directory = Arc::new(self.volume.read_dir(id)?);
        // What the medium did not give now it may give the next time; parts come and go.
        if directory.gap() != Some(Gap::Unread)
            && (self.parts().is_none() || id != self.root())
            && let Ok(mut cache) = self.directories.lock()
        {
            cache.put(id, Arc::clone(&directory), directory.weight());
        }
        Ok(directory)
    }

    /// The whole directory, past the cache: a look at everything must not push out the directories that somebody is
    /// working in.
    pub fn directory_once(&self, id: NodeId) -> Result<Directory> {
        self.volume.read_dir(id)
    }

    /// # Errors
    /// [`Error::NotFound`] where the directory has no such name; of a directory of which a part is lost nobody can
    /// say that, so there it is [`Error::Read`].
    pub fn lookup(&self, directory: NodeId, name: &[u8]) -> Result<NodeId> {
        if let Some(parts) = self.parts().filter(|_| directory == self.root()) {
            return parts.find(name);
        }
        let entries = self.directory(directory)?;
        match entries.find(name) {
            Some(entry) => Ok(entry.id),
            None => Err(missing(&entries, directory).unwrap_or(Error::NotFound)),
        }
    }

    /// The body of a regular file, decoded.
    pub fn file(&self, id: NodeId) -> Result<SharedSource> {
        let kept = self.files.lock().ok().and_then(|mut files| files.get(id));
        if let Some(body) = kept {
            if let Some(parts) = self.parts() {
                parts.touch(id);
            }
            return Ok(body);
        }
        let body = self.volume.open(id)?;
        if let Ok(mut files) = self.files.lock() {
            let weight = body.weight();
            files.put(id, Arc::clone(&body), weight);
        }
        Ok(body)
    }

    /// The node at a path inside the volume. Symbolic links on the way are followed inside the volume (a
    /// leading `/` is the volume's root); the last one only with `follow`.
    pub fn resolve(&self, path: &[u8], follow: bool) -> Result<Node> {
        let mut todo: VecDeque<Vec<u8>> = split(path).collect();
        let mut here = self.node(self.root())?;
        let mut links = 0_usize;
        while let Some(name) = todo.pop_front() {
            if here.kind != FileType::Directory {
                return Err(Error::NotADirectory);
            }
            let next = match name.as_slice() {
                b"." => continue,
                b".." => self.node(self.parent(here.id)?)?,
                name => self.node(self.lookup(here.id, name)?)?,
            };
            if next.kind != FileType::SymbolicLink || (todo.is_empty() && !follow) {
                here = next;
                continue;
            }
            links = links.saturating_add(1);
            if links > MAX_LINKS {
                return Err(Error::Loop);
            }
            let target = self.read_link(next.id)?;
            if target.first() == Some(&b'/') {
                here = self.node(self.root())?;
            }
            for component in split(&target).collect::<Vec<_>>().into_iter().rev() {
                todo.push_front(component);
            }
            if todo.iter().map(Vec::len).sum::<usize>() > MAX_TARGET.saturating_mul(2) {
                return Err(Error::Loop);
            }
        }
        Ok(here)
    }

    /// How many names and directories the volume has, the root included. What can't be read counts as nothing; 0
    /// where the count would take longer than [`MAX_COUNT_TIME`].
    ///
    /// Parts count as directories: they are not opened for this.
    pub fn count(&self) -> u64 {
        if let Some(parts) = self.parts() {
            return parts.count().saturating_add(1);
        }
        let mut found = 1_u64;
        let mut todo = vec![self.root()];
        let mut seen = HashSet::from([self.root()]);
        let begun = Instant::now();
        while let Some(id) = todo.pop() {
            // Directories that overlap could make a count endless.
            if begun.elapsed() > MAX_COUNT_TIME {
                return 0;
            }
            let Ok(directory) = self.directory_once(id) else { continue };
            found = found.saturating_add(u64::try_from(directory.len()).unwrap_or(0));
            let below = directory.iter().filter(|entry| entry.kind == FileType::Directory);
            todo.extend(below.map(|entry| entry.id).filter(|id| seen.insert(*id)));
        }
        found
    }

    /// All nodes below `from`, which comes first; every directory once, whatever loops the disc has.
    pub fn walk(&self, from: NodeId) -> Walk<'_> {
        Walk::new(self, from)
    }
}

fn split(path: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    path.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).map(<[u8]>::to_vec)
}
/// Why a listing of a directory may lack names; `None` where it has all of them.
pub fn missing(directory: &Directory, id: NodeId) -> Option<Error> {
    directory.gap()?;
    let source = std::io::Error::other("a part of the directory is lost: names are missing");
    Some(Error::Read { at: id.get(), source })
}

