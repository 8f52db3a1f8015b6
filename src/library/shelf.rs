//! Which images there are: a place for each, under a name and a number that no other image gets.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use super::folder::Found;
use super::ledger::{Ledger, Promise, found};
use super::slot::Slot;
use crate::text::{file_name, with_suffix};
use crate::volume::NodeId;

/// Numbers that a node number has room for.
const MAX_NUMBER: u64 = (1 << 20) - 1;

#[derive(Debug)]
pub struct Shelf {
    ledger: Arc<Ledger>,
    slots: BTreeMap<u64, Arc<Slot>>,
    names: HashMap<Vec<u8>, u64>,
    /// The number that was given last.
    last: u64,
}

impl Shelf {
    pub fn new(ledger: Arc<Ledger>) -> Self {
        Self { ledger, slots: BTreeMap::new(), names: HashMap::new(), last: 0 }
    }

    /// The shelf as the processes before this one have left it.
    ///
    /// # Errors
    /// When that can't be read.
    pub fn recovered(ledger: Arc<Ledger>, folder: &Path) -> io::Result<Self> {
        let mut shelf = Self::new(Arc::clone(&ledger));
        let mut files: HashMap<Vec<u8>, u64> = HashMap::new();
        for promise in ledger.promises()? {
            match promise {
                Promise::Image { number, name, file, identity, modified } => {
                    // A name or a file that is given again was free.
                    for former in [shelf.names.remove(&name), files.insert(file.clone(), number)].into_iter().flatten() {
                        shelf.remove(former);
                    }
                    let found = found(folder, &file, identity, modified);
                    shelf.put(number, name, &found);
                }
                Promise::Far { number, inner } => {
                    if let (Some(slot), Some(inner)) = (shelf.slots.get(&number), NodeId::new(inner)) {
                        slot.keep(inner);
                    }
                }
            }
        }
        Ok(shelf)
    }

    fn put(&mut self, number: u64, name: Vec<u8>, found: &Found) {
        self.last = self.last.max(number);
        self.names.insert(name.clone(), number);
        self.slots.insert(number, Arc::new(Slot::new(number, name, found, Arc::clone(&self.ledger))));
    }

    fn remove(&mut self, number: u64) {
        if let Some(slot) = self.slots.remove(&number)
            && self.names.get(&slot.name) == Some(&number)
        {
            self.names.remove(&slot.name);
        }
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    pub fn get(&self, number: u64) -> Option<&Arc<Slot>> {
        self.slots.get(&number)
    }

    pub fn named(&self, name: &[u8]) -> Option<&Arc<Slot>> {
        self.get(*self.names.get(name)?)
    }

    /// The slot with the least number greater than `number`.
    pub fn after(&self, number: u64) -> Option<&Arc<Slot>> {
        self.slots.range(number.checked_add(1)?..).next().map(|(_, slot)| slot)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Slot>> {
        self.slots.values()
    }

    /// Takes up what is in the folder now: images that are still the same keep name and number.
    pub fn update(&mut self, found: &[Found]) {
        let known: HashMap<&OsStr, &Arc<Slot>> = self.slots.values().map(|slot| (slot.file.as_os_str(), slot)).collect();
        let same = |found: &Found| known.get(found.file.as_os_str()).filter(|slot| slot.identity == found.identity);
        let kept: HashSet<u64> = found.iter().filter_map(same).map(|slot| slot.number).collect();
        let new: Vec<&Found> = found.iter().filter(|found| same(found).is_none()).collect();
        // The name of a file that has become another one stays with it.
        let old: HashMap<&OsStr, Vec<u8>> = known.iter().map(|(file, slot)| (*file, slot.name.clone())).collect();
        let names: Vec<Option<Vec<u8>>> = new.iter().map(|found| old.get(found.file.as_os_str()).cloned()).collect();
        self.slots.retain(|number, _| kept.contains(number));
        self.names.retain(|_, number| kept.contains(number));
        let mut promises = Vec::new();
        for (found, name) in new.into_iter().zip(names) {
            let name = name.filter(|name| !self.names.contains_key(name)).or_else(|| self.free_name(&found.file));
            let Some(name) = name else { continue };
            if self.last >= MAX_NUMBER {
                log::error!("{}: no more images can be shown until the library is mounted anew", found.path.display());
                break;
            }
            let number = self.last.saturating_add(1);
            promises.push(Promise::image(number, &name, found));
            self.put(number, name, found);
        }
        self.ledger.add(&promises);
    }

    /// The file's name without suffix; with it, or a number behind it, where another image has that name.
    fn free_name(&self, file: &OsStr) -> Option<Vec<u8>> {
        let stem = Path::new(file).file_stem().unwrap_or(file).as_bytes();
        let (stem, _) = file_name(stem)?;
        let (whole, _) = file_name(file.as_bytes())?;
        let numbered = (2..=MAX_NUMBER).map(|number| with_suffix(&whole, &format!(" ({number})")));
        [stem, whole.clone()].into_iter().chain(numbered).find(|name| !self.names.contains_key(name))
    }
}

#[cfg(test)]
mod tests {
    use super::super::folder::look;
    use super::*;
    use std::fs;

    fn names(shelf: &Shelf) -> Vec<String> {
        shelf.iter().map(|slot| String::from_utf8(slot.name.clone()).unwrap()).collect()
    }

    #[test]
    fn names_and_numbers_stay_with_their_images() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mut shelf = Shelf::new(Arc::new(Ledger::new().unwrap()));
        for name in ["a.iso", "a.udf", "b.iso"] {
            fs::write(at(name), name).unwrap();
        }
        shelf.update(&look(folder.path()).unwrap());
        assert_eq!(names(&shelf), ["a", "a.udf", "b"]);
        let number = shelf.named(b"a.udf").unwrap().number;
        fs::remove_file(at("a.iso")).unwrap();
        fs::write(at("a.udf.iso"), "").unwrap();
        shelf.update(&look(folder.path()).unwrap());
        assert_eq!(names(&shelf), ["a.udf", "b", "a.udf.iso"]);
        assert_eq!(shelf.named(b"a.udf").unwrap().number, number);
        // Another image under the same name is another one.
        fs::write(at("a.udf"), "longer than before").unwrap();
        shelf.update(&look(folder.path()).unwrap());
        assert!(shelf.get(number).is_none() && shelf.named(b"a.udf").is_some());
        assert_eq!(shelf.len(), 3);
        // Another process finds it as it is, and the files whose numbers are in a table.
        let far = [u64::MAX, 1 << 60, (1 << 43) + 7].map(|number| NodeId::new(number).unwrap());
        let root = NodeId::new(2048).unwrap();
        let outer = |shelf: &Shelf| far.map(|id| shelf.named(b"b").unwrap().outer(id, root));
        let before = outer(&shelf);
        let again = Shelf::recovered(Arc::clone(&shelf.ledger), folder.path()).unwrap();
        let all = |shelf: &Shelf| shelf.iter().map(|slot| (slot.number, slot.name.clone())).collect::<Vec<_>>();
        let mut known = all(&again);
        known.retain(|(number, _)| shelf.get(*number).is_some());
        assert_eq!((known, again.last), (all(&shelf), shelf.last));
        for (id, far) in before.into_iter().zip(far) {
            assert_eq!(again.named(b"b").unwrap().inner(id.unwrap(), root).unwrap(), far);
        }
        assert_eq!(outer(&again), before);
        let all: Vec<_> = std::iter::successors(shelf.after(0), |slot| shelf.after(slot.number)).collect();
        assert_eq!(all.len(), 3);
    }
}
