//! Which images there are: a place for each, under a name and a number that no other image gets.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use super::folder::Found;
use super::slot::Slot;
use crate::text::{file_name, with_suffix};

/// Numbers that a node number has room for.
const MAX_NUMBER: u64 = (1 << 20) - 1;

#[derive(Debug, Default)]
pub struct Shelf {
    slots: BTreeMap<u64, Arc<Slot>>,
    names: HashMap<Vec<u8>, u64>,
    /// The number that was given last.
    last: u64,
}

impl Shelf {
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
        for (found, name) in new.into_iter().zip(names) {
            let name = name.filter(|name| !self.names.contains_key(name)).or_else(|| self.free_name(&found.file));
            let Some(name) = name else { continue };
            if self.last >= MAX_NUMBER {
                log::error!("{}: no more images can be shown until the library is mounted anew", found.path.display());
                return;
            }
            self.last = self.last.saturating_add(1);
            self.names.insert(name.clone(), self.last);
            self.slots.insert(self.last, Arc::new(Slot::new(self.last, name, found)));
        }
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
        let mut shelf = Shelf::default();
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
        let all: Vec<_> = std::iter::successors(shelf.after(0), |slot| shelf.after(slot.number)).collect();
        assert_eq!(all.len(), 3);
    }
}
