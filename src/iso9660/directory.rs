//! A directory of ISO 9660 as names and numbers.

use super::Naming;
use super::links;
use super::record::{Record, flags};
use super::rockridge::RockRidge;
use super::scan::Scan;
use super::volume::Iso9660;
use super::{joliet, name};
use crate::error::{Defect, Error, Result};
use crate::text;
use crate::volume::{Directory, DirectoryBuilder, FileType, Gap, NameMatch, NodeId};

use super::options::Check;

/// Names that writers give the directory into which deep ones are moved (RRIP 4.1.5).
const RELOCATION_NAMES: [&[u8]; 3] = [b"rr_moved", b".rr_moved", b"RR_MOVED"];

impl Iso9660 {
    /// Reads a whole directory.
    pub(super) fn entries(&self, id: NodeId) -> Result<Directory> {
        let run = self.directory_run(id)?;
        let (start, cut) = (run.start, run.is_cut);
        let at_root = id == self.root_id();
        let mut builder = DirectoryBuilder::default();
        let mut scan = Scan::new(&self.metadata, &self.notes, run);
        // The first record of a file whose further sections (9.1.6, bit 7) are still to come.
        let mut open: Option<Record> = None;
        for record in scan.by_ref() {
            if record.is_self() || record.is_parent() {
                continue;
            }
            if self.geometry.is_first_of(&record, start) {
                let what = "the record of a directory itself has an identifier that is not 00";
                self.notes.report(Defect::new(record.at, "ECMA-119 6.8.2.2", what));
                continue;
            }
            let continues = record.has(flags::MULTI_EXTENT);
            let (first, last) = match open.take() {
                Some(first) if first.identifier() == record.identifier() => (first, record),
                Some(first) => {
                    self.unfinished(&first);
                    self.add(&mut builder, &first, &first, at_root);
                    (record.clone(), record)
                }
                None => (record.clone(), record),
            };
            match continues {
                true => open = Some(first),
                false => self.add(&mut builder, &first, &last, at_root),
            }
        }
        if let Some(first) = open {
            self.unfinished(&first);
            self.add(&mut builder, &first, &first, at_root);
        }
        if let Some((at, source)) = scan.failure() {
            // Part of a directory is worth more than none of it; nothing at all is an error.
            if builder.is_empty() {
                return Err(Error::Read { at, source });
            }
            builder.note_gap(Gap::Unread);
            let what = format!("a part of a directory can't be read ({source}): its entries are missing");
            self.notes.report(Defect::new(at, "ECMA-119 6.8", what));
        }
        if cut {
            let what = "a directory is cut off by the end of the image: its last entries are missing";
            self.notes.report(Defect::new(id.get(), "ECMA-119 6.8", what));
            builder.note_gap(Gap::Lost);
        }
        Ok(builder.finish(self.matching(), |old, new| {
            log::debug!("a second {} in a directory is shown as {}", text::printable(old), text::printable(new));
        }))
    }

    fn unfinished(&self, record: &Record) {
        let what = "the last section of a file does not end it: a further one is missing";
        self.notes.report(Defect::new(record.at, "ECMA-119 9.1.6", what));
    }

    fn matching(&self) -> NameMatch {
        let joliet = self.naming == Naming::Joliet;
        match self.options.check {
            Some(Check::Strict) => NameMatch::Exact,
            None if !joliet => NameMatch::Exact,
            _ if joliet => NameMatch::IgnoreCaseAndFinalDots,
            _ => NameMatch::IgnoreCase,
        }
    }

    fn add(&self, builder: &mut DirectoryBuilder, first: &Record, last: &Record, at_root: bool) {
        if (self.options.hide && last.has(flags::EXISTENCE))
            || (!self.options.show_associated && last.has(flags::ASSOCIATED))
        {
            return;
        }
        let rock_ridge = self.rock_ridge(first);
        if rock_ridge.unread.is_some() {
            builder.note_gap(Gap::Unread);
        }
        if rock_ridge.relocated {
            return;
        }
        let (id, kind) = self.identify(first, &rock_ridge);
        let recorded = self.name_of(last, &rock_ridge);
        let name = match text::file_name(&recorded) {
            Some((name, false)) => name,
            Some((name, true)) => {
                let what = format!("the name {} can't be a file name and is shown as {}", text::printable(&recorded), text::printable(&name));
                self.notes.report(Defect::new(first.at, "ECMA-119 7.5", what));
                name
            }
            None => self.fallback_name(last, &recorded),
        };
        let relocation = at_root && kind == FileType::Directory && RELOCATION_NAMES.contains(&name.as_slice());
        if relocation && self.is_only_for_relocation(id) {
            return;
        }
        builder.push(&name, id, kind);
    }

    /// The name of a record as the tree's naming has it, before it is made fit for Linux.
    fn name_of(&self, record: &Record, rock_ridge: &RockRidge) -> Vec<u8> {
        match self.naming {
            Naming::RockRidge => match &rock_ridge.name {
                Some(name) if !name.is_empty() => name.clone(),
                _ => name::mapped(record, self.options.map),
            },
            Naming::Joliet => joliet::name(record.identifier(), self.options.charset),
            Naming::Enhanced => name::enhanced(record.identifier()),
            Naming::Primary => name::mapped(record, self.options.map),
        }
    }

    /// For names that say nothing (empty, `.`, `..`): the plain identifier, else the place of the record.
    fn fallback_name(&self, record: &Record, recorded: &[u8]) -> Vec<u8> {
        let plain = name::mapped(record, self.options.map);
        let name = match text::file_name(&plain) {
            Some((name, _)) if self.naming == Naming::RockRidge => name,
            _ => format!("_{}", record.at).into_bytes(),
        };
        let what = format!("the name \"{}\" can't be a file name and is shown as {}", text::printable(recorded), text::printable(&name));
        self.notes.report(Defect::new(record.at, "ECMA-119 7.5", what));
        name
    }

    /// The number and kind of the file that a record (the first of its sections) describes.
    pub(super) fn identify(&self, record: &Record, rock_ridge: &RockRidge) -> (NodeId, FileType) {
        let by_record = NodeId::new(record.at).unwrap_or(self.root_id());
        if let Some(child) = rock_ridge.child {
            // The directory is where CL says; if it isn't, asking for its attributes tells why.
            let id = self.directory_at(self.geometry.address(child)).unwrap_or(by_record);
            return (id, FileType::Directory);
        }
        if record.has(flags::DIRECTORY) {
            let id = self.directory_at(self.geometry.data(record)).unwrap_or(by_record);
            return (id, FileType::Directory);
        }
        let kind = rock_ridge
            .posix
            .and_then(|posix| FileType::from_mode(posix.mode))
            .filter(|kind| *kind != FileType::Directory)
            .unwrap_or(FileType::Regular);
        match links::shared(record, rock_ridge) {
            Some(id) => {
                self.links.remember(id, record.at);
                (id, kind)
            }
            None => (by_record, kind),
        }
    }

    /// Whether a directory holds relocated directories (RE) and nothing else.
    fn is_only_for_relocation(&self, id: NodeId) -> bool {
        let Ok(run) = self.directory_run(id) else { return false };
        let mut entries = Scan::new(&self.metadata, &self.notes, run)
            .filter(|record| !record.is_self() && !record.is_parent())
            .peekable();
        self.naming == Naming::RockRidge
            && entries.peek().is_some()
            && entries.all(|record| self.rock_ridge(&record).relocated)
    }
}
