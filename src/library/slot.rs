//! The place of one image: closed until it is entered, and closed again when nobody uses it any more.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::folder::{Found, Identity};
use super::ledger::{Ledger, Promise};
use crate::error::{Error, Result};
use crate::time::Timestamp;
use crate::tree::Presentation;
use crate::volume::{NodeId, Volume};

/// Bits of a node number that tell a file of an image; those above them tell the image.
pub const INNER_BITS: u32 = 44;
/// Set in the numbers of files whose number in the image is too large, and stands in a table.
const IN_TABLE: u64 = 1 << (INNER_BITS - 1);

/// An image that is open.
#[derive(Debug)]
pub struct Opened {
    pub volume: Box<dyn Volume>,
    /// The mount's, with what Linux has its own way of for this file system.
    pub presentation: Presentation,
}

#[derive(Debug)]
pub struct Slot {
    pub number: u64,
    /// In the library.
    pub name: Vec<u8>,
    /// In the folder.
    pub file: OsString,
    pub path: PathBuf,
    pub identity: Identity,
    pub modified: Timestamp,
    state: Mutex<State>,
    /// Milliseconds on the library's clock.
    used: AtomicU64,
    table: Mutex<Table>,
    ledger: Arc<Ledger>,
}

#[derive(Debug, Default)]
struct State {
    opened: Option<Arc<Opened>>,
    /// That it can't be opened has been told.
    told: bool,
}

/// Numbers that are too large, in the order they were met.
#[derive(Debug, Default)]
struct Table {
    places: HashMap<NodeId, u64>,
    ids: Vec<NodeId>,
}

impl Table {
    fn push(&mut self, inner: NodeId) -> Option<u64> {
        let place = u64::try_from(self.ids.len()).ok().filter(|place| *place < IN_TABLE)?;
        self.ids.push(inner);
        self.places.insert(inner, place);
        Some(place)
    }
}

impl Slot {
    pub fn new(number: u64, name: Vec<u8>, found: &Found, ledger: Arc<Ledger>) -> Self {
        Self {
            number,
            name,
            file: found.file.clone(),
            path: found.path.clone(),
            identity: found.identity,
            modified: found.modified,
            state: Mutex::default(),
            used: AtomicU64::new(0),
            table: Mutex::default(),
            ledger,
        }
    }

    /// The image, which is opened when it is not. Whoever asks meanwhile waits, and nobody else does.
    ///
    /// # Errors
    /// [`Error::Read`] with the reason; it is also told, once.
    pub fn open(&self, opener: impl FnOnce(&Path) -> Result<Opened, String>) -> Result<Arc<Opened>> {
        let mut state = self.state.lock().map_err(|_| unopened("an earlier attempt to open it went wrong"))?;
        if let Some(opened) = &state.opened {
            return Ok(Arc::clone(opened));
        }
        match opener(&self.path) {
            Ok(opened) => {
                log::info!("{}: opened", self.path.display());
                let opened = Arc::new(opened);
                state.opened = Some(Arc::clone(&opened));
                Ok(opened)
            }
            Err(reason) => {
                if !std::mem::replace(&mut state.told, true) {
                    log::warn!("{reason}");
                }
                Err(unopened(&reason))
            }
        }
    }

    pub fn is_open(&self) -> bool {
        self.state.lock().is_ok_and(|state| state.opened.is_some())
    }

    pub fn close(&self) {
        if let Ok(mut state) = self.state.lock()
            && state.opened.take().is_some()
        {
            log::info!("{}: closed", self.path.display());
        }
    }

    pub fn touch(&self, now: u64) {
        self.used.store(now, Ordering::Relaxed);
    }

    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// The directory that the image is.
    pub fn id(&self) -> Option<NodeId> {
        NodeId::new(self.number << INNER_BITS)
    }

    /// The number that a file of the image has in the library.
    pub fn outer(&self, inner: NodeId, root: NodeId) -> Option<NodeId> {
        let low = if inner == root {
            0
        } else if inner.get() < IN_TABLE {
            inner.get()
        } else {
            IN_TABLE | self.place(inner)?
        };
        NodeId::new(self.number << INNER_BITS | low)
    }

    fn place(&self, inner: NodeId) -> Option<u64> {
        let mut table = self.table.lock().ok()?;
        if let Some(place) = table.places.get(&inner) {
            return Some(*place);
        }
        let place = table.push(inner)?;
        self.ledger.add(&[Promise::Far { number: self.number, inner: inner.get() }]);
        Some(place)
    }

    /// Takes a promise over that another process has made.
    pub fn keep(&self, inner: NodeId) {
        if let Ok(mut table) = self.table.lock() {
            table.push(inner);
        }
    }

    /// The opposite of [`Slot::outer`].
    ///
    /// # Errors
    /// [`Error::Stale`] for a number that was never given.
    pub fn inner(&self, outer: NodeId, root: NodeId) -> Result<NodeId> {
        let low = outer.get() & ((1 << INNER_BITS) - 1);
        if low == 0 {
            return Ok(root);
        }
        if low & IN_TABLE == 0 {
            return NodeId::new(low).ok_or(Error::Stale);
        }
        let place = usize::try_from(low & !IN_TABLE).map_err(|_| Error::Stale)?;
        let table = self.table.lock().map_err(|_| Error::Stale)?;
        table.ids.get(place).copied().ok_or(Error::Stale)
    }
}

/// The number of the slot that a node belongs to; 0 for the library's own.
pub fn number_of(id: NodeId) -> u64 {
    id.get() >> INNER_BITS
}

fn unopened(reason: &str) -> Error {
    Error::Read { at: 0, source: std::io::Error::other(reason.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::super::folder::look;
    use super::*;

    #[test]
    fn every_number_of_an_image_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.iso"), "").unwrap();
        let ledger = Arc::new(Ledger::new().unwrap());
        let slot = Slot::new(0xF_FFFF, b"a".to_vec(), &look(folder.path()).unwrap()[0], ledger);
        let root = NodeId::new(34_816).unwrap();
        let numbers = [34_816, 1, 2048, IN_TABLE - 1, IN_TABLE, 1 << 62, u64::MAX, 1 << 62];
        let inner: Vec<_> = numbers.into_iter().map(|number| NodeId::new(number).unwrap()).collect();
        let outer: Vec<_> = inner.iter().map(|id| slot.outer(*id, root).unwrap()).collect();
        for (inner, outer) in inner.iter().zip(&outer) {
            assert_eq!(number_of(*outer), 0xF_FFFF);
            assert_eq!(slot.inner(*outer, root).unwrap(), *inner);
        }
        assert_eq!(outer.iter().collect::<std::collections::HashSet<_>>().len(), 7);
        assert_eq!(Some(outer[0]), slot.id());
        let never_given = NodeId::new(0xF_FFFF << INNER_BITS | IN_TABLE | 99).unwrap();
        assert!(matches!(slot.inner(never_given, root), Err(Error::Stale)));
    }
}
