//! What a reader has no need of and a verifier wants to be right: both halves of numbers, and the path tables.

use std::collections::hash_map::Entry as MapEntry;
use std::collections::{HashMap, HashSet};

use super::Naming;
use super::descriptor::{Descriptor, Kind};
use super::options::IsoOptions;
use super::record::{LOGICAL_SECTOR, Record, flags};
use super::scan::Scan;
use super::susp::Reader;
use super::volume_set::{IsoTree, VolumeSet, descriptors};
use crate::bytes::{both_u32, u8_at, u16_be, u16_le, u32_be, u32_le};
use crate::error::Defect;
use crate::limits::MAX_NOTES;
use crate::notes::Notes;
use crate::source::Source;
use crate::volume::Metadata;

/// Bytes of a path table that are looked at: what 65,535 directories with the longest names take.
const MAX_TABLE: u64 = 65_535 * 264;
/// Directories that a path table can number.
const MAX_DIRECTORIES: usize = 65_535;
/// Defects of one table that are told.
const MAX_TOLD: usize = 8;

/// The fixed-size fields of a descriptor that are recorded in both byte orders: offset, bytes of a half, clause, name.
const BOTH_ENDIAN: [(usize, usize, &str, &str); 8] = [
    (80, 4, "ECMA-119 8.4.8", "Volume Space Size"),
    (120, 2, "ECMA-119 8.4.10", "Volume Set Size"),
    (124, 2, "ECMA-119 8.4.11", "Volume Sequence Number"),
    (128, 2, "ECMA-119 8.4.12", "Logical Block Size"),
    (132, 4, "ECMA-119 8.4.13", "Path Table Size"),
    (158, 4, "ECMA-119 9.1.3", "Location of Extent of the root directory"),
    (166, 4, "ECMA-119 9.1.4", "Data Length of the root directory"),
    (184, 2, "ECMA-119 9.1.9", "Volume Sequence Number of the root directory"),
];

/// Looks at the descriptors and path tables of a session.
pub fn examine(set: &VolumeSet, options: &IsoOptions) -> Metadata {
    let mut found = Metadata::default();
    // What reading them finds is in the set's own notes.
    let list = descriptors(&set.metadata, &Notes::default(), u64::from(options.session_start)).unwrap_or_default();
    if let (Some(first), Some(last)) = (list.first(), list.last()) {
        // The terminator stands behind them.
        let end = last.at.saturating_add(LOGICAL_SECTOR.saturating_mul(2));
        found.places.push((first.at..end, "the volume descriptors"));
    }
    for descriptor in &list {
        if !matches!(descriptor.kind(), Kind::Primary | Kind::Joliet(_) | Kind::Enhanced) {
            continue;
        }
        halves(descriptor, &mut found.defects);
        let root = descriptor.root().at;
        if let Some(tree) = set.trees().iter().find(|tree| tree.root.at == root) {
            PathTables { set, tree, descriptor, found: &mut found, told: 0 }.check();
        }
    }
    found
}

/// ECMA-119 7.2.3 and 7.3.3: both halves of a number say the same.
fn halves(descriptor: &Descriptor, defects: &mut Vec<Defect>) {
    let bytes = descriptor.bytes();
    for (offset, width, clause, name) in BOTH_ENDIAN {
        let (little, big) = match width {
            2 => (u32::from(u16_le(bytes, offset)), u32::from(u16_be(bytes, offset.saturating_add(2)))),
            _ => (u32_le(bytes, offset), u32_be(bytes, offset.saturating_add(4))),
        };
        if little != big {
            let at = descriptor.at.saturating_add(u64::try_from(offset).unwrap_or(0));
            defects.push(Defect::new(at, clause, format!("the {name} is {little} in one byte order and {big} in the other")));
        }
    }
}

/// A record of a path table (9.4).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    /// Byte address in the image.
    at: u64,
    /// Where the directory begins, behind its Extended Attribute Record.
    directory: u64,
    /// The number of the directory that it lies in, from 1 on.
    parent: u16,
    identifier: Vec<u8>,
}

struct PathTables<'a> {
    set: &'a VolumeSet,
    tree: &'a IsoTree,
    descriptor: &'a Descriptor,
    found: &'a mut Metadata,
    /// Records whose halves differ that were told.
    told: usize,
}

impl PathTables<'_> {
    fn defect(&mut self, at: u64, clause: &'static str, what: impl Into<String>) {
        self.found.defects.push(Defect::new(at, clause, what));
    }

    fn check(&mut self) {
        let bytes = self.descriptor.bytes();
        let length = u64::from(u32_le(bytes, 132));
        // 8.4.14 to 8.4.17: the tables, each with an optional second copy; 0 where there is none.
        let tables = [
            (u32_le(bytes, 140), false, "the Type L Path Table"),
            (u32_be(bytes, 148), true, "the Type M Path Table"),
            (u32_le(bytes, 144), false, "the optional Type L Path Table"),
            (u32_be(bytes, 152), true, "the optional Type M Path Table"),
        ];
        let directories = self.directories();
        for (block, big, name) in tables {
            if block == 0 || length == 0 || length > MAX_TABLE {
                continue;
            }
            let start = self.tree.geometry.address(block);
            self.found.places.push((start..start.saturating_add(length), "a path table"));
            let Some(entries) = self.entries(start, length, big, name) else { continue };
            if directories.len() <= MAX_DIRECTORIES {
                let mut told = compare(&entries, &directories, name);
                told.truncate(MAX_TOLD);
                self.found.defects.extend(told);
            }
        }
    }

    fn entries(&mut self, start: u64, length: u64, big: bool, name: &str) -> Option<Vec<Entry>> {
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        if self.set.metadata.read_exact_at(&mut bytes, start).is_err() {
            self.defect(start, "ECMA-119 9.4", format!("{name} can't be read: it reaches beyond the end of the image"));
            return None;
        }
        let mut list = Vec::new();
        let mut offset = 0_usize;
        while let Some(record) = bytes.get(offset..).filter(|rest| !rest.is_empty()) {
            let at = start.saturating_add(u64::try_from(offset).unwrap_or(0));
            let count = usize::from(u8_at(record, 0));
            // 9.4.6: padded to an even length.
            let size = count.saturating_add(8).next_multiple_of(2);
            let Some(identifier) = record.get(8..count.saturating_add(8)).filter(|_| count > 0) else {
                self.defect(at, "ECMA-119 9.4.1", format!("{name} has a record of an impossible length"));
                return None;
            };
            let (block, parent) = match big {
                true => (u32_be(record, 2), u16_be(record, 6)),
                false => (u32_le(record, 2), u16_le(record, 6)),
            };
            let geometry = self.tree.geometry;
            let skipped = geometry.address(u32::from(u8_at(record, 1)));
            let directory = geometry.address(block).saturating_add(skipped);
            list.push(Entry { at, directory, parent, identifier: identifier.to_vec() });
            offset = offset.saturating_add(size);
        }
        Some(list)
    }

    /// The directories of the tree as their records have them: where each begins, and of which, and named how.  Looks at
    /// both halves of all numbers on the way.
    fn directories(&mut self) -> HashMap<u64, (u64, Vec<u8>)> {
        let geometry = self.tree.geometry;
        let root = geometry.directory(&self.tree.root);
        let mut found = HashMap::from([(root.start, (root.start, vec![0]))]);
        // Directories that overlap could make this endless; honest ones have no more records than fit the image.
        let mut budget = self.set.metadata.len().checked_div(34).unwrap_or(0);
        let mut todo = vec![root];
        while let Some(run) = todo.pop() {
            let parent = run.start;
            for record in Scan::new(&self.set.metadata, &self.set.notes, run) {
                budget = budget.saturating_sub(1);
                if budget == 0 {
                    return found;
                }
                self.halves_of_record(&record);
                if record.is_self() || record.is_parent() || !record.has(flags::DIRECTORY) {
                    continue;
                }
                let child = geometry.directory(&record);
                if let MapEntry::Vacant(place) = found.entry(child.start) {
                    place.insert((parent, record.identifier().to_vec()));
                    todo.push(child);
                }
            }
        }
        found
    }

    /// 7.2.3 and 7.3.3 in a directory record and its System Use Entries.
    fn halves_of_record(&mut self, record: &Record) {
        let mut tell = |at, clause, name: &str| {
            if self.told < MAX_NOTES {
                self.told = self.told.saturating_add(1);
                let what = format!("the two byte orders of the {name} of a directory record differ");
                self.found.defects.push(Defect::new(at, clause, what));
            }
        };
        if !record.location().agree() {
            tell(record.at, "ECMA-119 9.1.3", "Location of Extent");
        }
        if !record.data_length().agree() {
            tell(record.at, "ECMA-119 9.1.4", "Data Length");
        }
        if !record.volume_sequence().agree() {
            tell(record.at, "ECMA-119 9.1.9", "Volume Sequence Number");
        }
        let Some(rock_ridge) = self.set.tree(Naming::RockRidge).filter(|tree| tree.root.at == self.tree.root.at) else {
            return;
        };
        let (area, at) = record.system_use();
        let skip = if area.starts_with(b"SP") { 0 } else { rock_ridge.skip };
        let notes = Notes::default();
        let reader = Reader { metadata: &self.set.metadata, block_size: self.tree.geometry.block_size, notes: &notes };
        reader.visit(area.get(usize::from(skip)..).unwrap_or_default(), at.saturating_add(u64::from(skip)), &mut |entry| {
            let (places, clause): (&[usize], _) = match &entry.signature {
                b"PX" => (&[0, 8, 16, 24, 32], "RRIP 4.1.1"),
                b"PN" => (&[0, 8], "RRIP 4.1.2"),
                b"CL" | b"PL" => (&[0], "RRIP 4.1.5"),
                _ => (&[], ""),
            };
            let whole = places.iter().filter(|place| entry.data.len() >= place.saturating_add(8));
            if whole.into_iter().any(|place| !both_u32(entry.data, *place).agree()) {
                tell(entry.at, clause, &format!("{} entry", String::from_utf8_lossy(&entry.signature)));
            }
        });
    }
}

/// 6.9.1: a path table has every directory, once, behind the one that it lies in.
fn compare(entries: &[Entry], directories: &HashMap<u64, (u64, Vec<u8>)>, name: &str) -> Vec<Defect> {
    let mut defects = Vec::new();
    let mut tell = |at, clause, what: String| defects.push(Defect::new(at, clause, what));
    for (index, entry) in entries.iter().enumerate() {
        let shown = crate::text::printable(&entry.identifier);
        let Some((parent, identifier)) = directories.get(&entry.directory) else {
            let what = format!("{name} has a directory {shown} at byte {}, where the tree has none", entry.directory);
            tell(entry.at, "ECMA-119 9.4.3", what);
            continue;
        };
        let above = usize::from(entry.parent).checked_sub(1).and_then(|number| entries.get(number));
        if above.is_none_or(|above| above.directory != *parent) {
            tell(entry.at, "ECMA-119 9.4.4", format!("{name} has the directory {shown} below another one than the tree"));
        }
        if index > 0 && entry.identifier != *identifier {
            let theirs = crate::text::printable(identifier);
            tell(entry.at, "ECMA-119 9.4.5", format!("{name} names a directory {shown}, and the tree {theirs}"));
        }
    }
    let listed: HashSet<u64> = entries.iter().map(|entry| entry.directory).collect();
    let mut missing: Vec<_> = directories.iter().filter(|(at, _)| !listed.contains(at)).collect();
    missing.sort();
    for (at, (_, identifier)) in missing {
        let shown = crate::text::printable(identifier);
        tell(*at, "ECMA-119 6.9.1", format!("{name} lacks the directory {shown}"));
    }
    defects
}
