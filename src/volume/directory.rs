//! A whole directory, packed: one arena of names and one array of entries.

use std::cmp::Ordering;

use super::{FileType, NodeId};

/// When two names are the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NameMatch {
    /// Byte for byte.
    #[default]
    Exact,
    /// Whatever the case of the letters (`check=relaxed`).
    IgnoreCase,
    /// Whatever the case and however many dots end the name (Joliet as Windows and Linux read it).
    IgnoreCaseAndFinalDots,
}

impl NameMatch {
    fn trim(self, name: &[u8]) -> &[u8] {
        let mut name = name;
        if self == Self::IgnoreCaseAndFinalDots {
            while let Some((b'.', rest)) = name.split_last() {
                name = rest;
            }
        }
        name
    }

    fn compare(self, left: &[u8], right: &[u8]) -> Ordering {
        if self == Self::Exact {
            return left.cmp(right);
        }
        let (left, right) = (self.trim(left), self.trim(right));
        match (std::str::from_utf8(left), std::str::from_utf8(right)) {
            (Ok(left), Ok(right)) => {
                let left = left.chars().flat_map(char::to_lowercase);
                left.cmp(right.chars().flat_map(char::to_lowercase))
            }
            // A name that is no UTF-8 sorts behind all that are, so that the order stays a total one.
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => {
                left.iter().map(u8::to_ascii_lowercase).cmp(right.iter().map(u8::to_ascii_lowercase))
            }
        }
    }
}

/// Why a directory may lack names that the disc records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// A part of it is damaged, or lies beyond the end of the image.
    Lost,
    /// The medium failed while it was read.
    Unread,
}

/// One name of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    pub name: &'a [u8],
    pub id: NodeId,
    pub kind: FileType,
}

#[derive(Debug, Clone, Copy)]
struct Packed {
    id: NodeId,
    name: u32,
    length: u8,
    kind: FileType,
}

/// The entries of a directory in the order of the disc, without `.` and `..`; immutable, so an entry's
/// position is a valid cookie for as long as the volume is open.
#[derive(Debug, Default)]
pub struct Directory {
    names: Box<[u8]>,
    entries: Box<[Packed]>,
    /// Positions in `entries`, sorted by name.
    sorted: Box<[u32]>,
    matching: NameMatch,
    gap: Option<Gap>,
}

impl Directory {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Why names may be missing; `None` where none is.
    pub fn gap(&self) -> Option<Gap> {
        self.gap
    }

    pub fn get(&self, position: usize) -> Option<Entry<'_>> {
        self.entries.get(position).map(|packed| self.unpack(packed))
    }

    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        self.entries.iter().map(|packed| self.unpack(packed))
    }

    /// The entry of a name. Where matching ignores the case, a name that is the same byte for byte wins.
    pub fn find(&self, name: &[u8]) -> Option<Entry<'_>> {
        let found = self.sorted.binary_search_by(|position| {
            self.at(*position).map_or(Ordering::Greater, |entry| self.matching.compare(entry.name, name))
        });
        let found = found.ok()?;
        if self.matching == NameMatch::Exact {
            return self.at(*self.sorted.get(found)?);
        }
        let same = |position: &&u32| {
            self.at(**position).is_some_and(|entry| self.matching.compare(entry.name, name) == Ordering::Equal)
        };
        let before = self.sorted.get(..found)?.iter().rev().take_while(same);
        let from = self.sorted.get(found..)?.iter().take_while(same);
        let mut equal = before.chain(from).filter_map(|position| self.at(*position));
        let first = equal.next()?;
        if first.name == name {
            return Some(first);
        }
        Some(equal.find(|entry| entry.name == name).unwrap_or(first))
    }

    /// The same names with other numbers.
    #[must_use]
    pub fn renumbered(mut self, number: impl Fn(NodeId) -> NodeId) -> Self {
        for packed in &mut self.entries {
            packed.id = number(packed.id);
        }
        self
    }

    /// Bytes of memory this directory takes.
    pub fn weight(&self) -> usize {
        let entries = size_of_val::<[Packed]>(&self.entries);
        let sorted = size_of_val::<[u32]>(&self.sorted);
        size_of::<Self>().saturating_add(self.names.len()).saturating_add(entries).saturating_add(sorted)
    }

    fn at(&self, position: u32) -> Option<Entry<'_>> {
        self.get(usize::try_from(position).ok()?)
    }

    fn unpack<'a>(&'a self, packed: &Packed) -> Entry<'a> {
        let start = usize::try_from(packed.name).unwrap_or(usize::MAX);
        let end = start.saturating_add(usize::from(packed.length));
        Entry { name: self.names.get(start..end).unwrap_or_default(), id: packed.id, kind: packed.kind }
    }
}

/// Makes a [`Directory`] of names as they come from the disc: every name becomes one that Linux can hold,
/// and no two are the same.
#[derive(Debug, Default)]
pub struct DirectoryBuilder {
    names: Vec<u8>,
    entries: Vec<Packed>,
    gap: Option<Gap>,
}

impl DirectoryBuilder {
    /// Adds an entry. `name` must be one that [`crate::text::file_name`] gives.
    pub fn push(&mut self, name: &[u8], id: NodeId, kind: FileType) {
        let (Ok(start), Ok(length)) = (u32::try_from(self.names.len()), u8::try_from(name.len())) else { return };
        self.names.extend_from_slice(name);
        self.entries.push(Packed { id, name: start, length, kind });
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Notes that names are missing.
    pub fn note_gap(&mut self, gap: Gap) {
        // A medium that failed may do better the next time, and that is worth more than to know of other damage.
        if self.gap != Some(Gap::Unread) {
            self.gap = Some(gap);
        }
    }

    /// Packs the directory. Of entries with one name the first keeps it; the others become `NAME~2`,
    /// `NAME~3` and so on, and are given to `renamed`.
    pub fn finish(mut self, matching: NameMatch, mut renamed: impl FnMut(&[u8], &[u8])) -> Directory {
        let mut sorted = self.sort();
        let duplicates = self.duplicates(&sorted);
        if !duplicates.is_empty() {
            self.rename(&duplicates, &mut renamed);
            sorted = self.sort();
        }
        if matching != NameMatch::Exact {
            sorted.sort_by(|left, right| matching.compare(self.name(*left), self.name(*right)));
        }
        Directory {
            names: self.names.into_boxed_slice(),
            entries: self.entries.into_boxed_slice(),
            sorted: sorted.into_boxed_slice(),
            matching,
            gap: self.gap,
        }
    }

    fn sort(&self) -> Vec<u32> {
        let mut sorted: Vec<u32> = (0u32..).take(self.entries.len()).collect();
        sorted.sort_by(|left, right| self.name(*left).cmp(self.name(*right)).then(left.cmp(right)));
        sorted
    }

    fn name(&self, position: u32) -> &[u8] {
        let Some(packed) = usize::try_from(position).ok().and_then(|position| self.entries.get(position)) else {
            return &[];
        };
        let start = usize::try_from(packed.name).unwrap_or(usize::MAX);
        self.names.get(start..start.saturating_add(usize::from(packed.length))).unwrap_or_default()
    }

    /// Positions of all entries whose name an earlier entry has, in the order of the disc.
    fn duplicates(&self, sorted: &[u32]) -> Vec<u32> {
        let mut found: Vec<u32> = sorted
            .windows(2)
            .filter_map(|pair| match pair {
                [left, right] if self.name(*left) == self.name(*right) => Some(*right),
                _ => None,
            })
            .collect();
        found.sort_unstable();
        found
    }

    fn rename(&mut self, duplicates: &[u32], renamed: &mut impl FnMut(&[u8], &[u8])) {
        let mut taken: std::collections::HashSet<Vec<u8>> =
            (0u32..).take(self.entries.len()).map(|position| self.name(position).to_vec()).collect();
        let mut next: std::collections::HashMap<Vec<u8>, u64> = std::collections::HashMap::new();
        for position in duplicates {
            let old = self.name(*position).to_vec();
            // Names that are the same once they are cut for the suffix share their numbers.
            let stem = old.get(..old.len().min(200)).unwrap_or_default().to_vec();
            let count = next.entry(stem).or_insert(1);
            let new = loop {
                *count = count.saturating_add(1);
                let candidate = crate::text::with_suffix(&old, &format!("~{count}"));
                if taken.insert(candidate.clone()) {
                    break candidate;
                }
            };
            renamed(&old, &new);
            let (Ok(start), Ok(length)) = (u32::try_from(self.names.len()), u8::try_from(new.len())) else { continue };
            let index = usize::try_from(*position).unwrap_or(usize::MAX);
            if let Some(packed) = self.entries.get_mut(index) {
                self.names.extend_from_slice(&new);
                packed.name = start;
                packed.length = length;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(names: &[&str], matching: NameMatch) -> Directory {
        let mut builder = DirectoryBuilder::default();
        for (number, name) in names.iter().enumerate() {
            let id = NodeId::new(number as u64 + 100).unwrap();
            builder.push(name.as_bytes(), id, FileType::Regular);
        }
        builder.finish(matching, |_, _| {})
    }

    #[test]
    fn keeps_the_order_of_the_disc_and_finds_by_name() {
        let directory = directory(&["b", "a", "c"], NameMatch::Exact);
        assert_eq!(directory.iter().map(|entry| entry.name).collect::<Vec<_>>(), [b"b", b"a", b"c"]);
        assert_eq!(directory.find(b"a").unwrap().id.get(), 101);
        assert!(directory.find(b"A").is_none());
    }

    #[test]
    fn duplicates_are_renamed_and_never_collide() {
        let directory = directory(&["x", "x~2", "x", "x"], NameMatch::Exact);
        let names: Vec<_> = directory.iter().map(|entry| String::from_utf8_lossy(entry.name).into_owned()).collect();
        assert_eq!(names, ["x", "x~2", "x~3", "x~4"]);
        for name in names {
            assert!(directory.find(name.as_bytes()).is_some());
        }
    }

    #[test]
    fn relaxed_lookup_prefers_the_exact_name() {
        let directory = directory(&["README", "Readme", "readme.", "Ärger"], NameMatch::IgnoreCaseAndFinalDots);
        assert_eq!(directory.find(b"Readme").unwrap().name, b"Readme");
        assert_eq!(directory.find(b"readme.").unwrap().name, b"readme.");
        assert!(directory.find(b"rEADME..").is_some());
        assert_eq!(directory.find("äRGER".as_bytes()).unwrap().name, "Ärger".as_bytes());
        assert!(directory.find(b"read").is_none());
    }
}
