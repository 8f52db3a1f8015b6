//! One tree of an ISO 9660 image as a volume.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use super::aaip::AttributeBuilder;
use super::descriptor;
use super::extent::{Geometry, Run};
use super::links::{self, Links};
use super::options::IsoOptions;
use super::record::{Record, flags};
use super::rockridge::RockRidge;
use super::scan::Scan;
use super::sums::{self, Sums};
use super::susp::Reader;
use super::volume_set::VolumeSet;
use super::zisofs::Decoder;
use super::{Naming, datetime, sparse};
use crate::error::{Defect, Error, Result};
use crate::limits::MAX_SECTIONS;
use crate::notes::Notes;
use crate::source::{Cached, Decoded, ExtentList, Extents, SharedSource, Source};
use crate::volume::{Attribute, Directory, FileType, Node, NodeId, Places, Times, Volume, VolumeInfo};

/// A tree of an ISO 9660 image.
///
/// The number of a directory is the byte address of its own record (`.`), of a file that of its first record; of
/// a file with several links see [`super::links`].
#[derive(Debug)]
pub struct Iso9660 {
    image: SharedSource,
    pub(super) metadata: Arc<Cached>,
    pub(super) notes: Arc<Notes>,
    pub(super) geometry: Geometry,
    pub(super) naming: Naming,
    pub(super) options: IsoOptions,
    pub(super) links: Links,
    root_record: Record,
    root: NodeId,
    /// Bytes to skip in each System Use area (SUSP 5.3).
    skip: u8,
    has_attributes: bool,
    /// The checksums of files that libisofs recorded.
    sums: Option<Sums>,
    info: VolumeInfo,
}

impl Iso9660 {
    /// # Errors
    /// [`Error::Absent`] where the image has no such tree.
    pub fn open(image: SharedSource, set: &VolumeSet, naming: Naming, options: &IsoOptions) -> Result<Self> {
        let tree = set.tree(naming).ok_or_else(|| Error::Absent("the image has no such tree".to_owned()))?;
        let start = tree.geometry.data(&tree.root);
        let root = NodeId::new(start).ok_or_else(|| {
            Error::damaged(tree.root.at, descriptor::ROOT_CLAUSE, "the root directory lies at byte 0")
        })?;
        let mut volume = Self {
            image,
            metadata: Arc::clone(&set.metadata),
            notes: Arc::clone(&set.notes),
            geometry: tree.geometry,
            naming,
            options: options.clone(),
            links: Links::default(),
            root_record: tree.root.clone(),
            root,
            skip: tree.skip,
            has_attributes: tree.attributes,
            sums: None,
            info: tree.info.clone(),
        };
        if tree.attributes && let Ok(record) = volume.record(root) {
            volume.sums = volume.attributes_of(&record).of_libisofs("ca").as_deref().and_then(Sums::read);
        }
        Ok(volume)
    }

    /// The checksums of files that libisofs recorded (xorriso `-md5 on`).
    pub fn sums(&self) -> Option<&Sums> {
        self.sums.as_ref()
    }

    pub(super) fn root_id(&self) -> NodeId {
        self.root
    }

    /// The record at a byte address, which a caller has from us or from a file handle.
    fn record_at(&self, at: u64) -> Result<Record> {
        let mut length = [0; 1];
        let read = |buffer: &mut [u8]| {
            self.metadata.peek(buffer, at).map_err(|source| match source.kind() {
                // Of an image that has become shorter, and still says how long it was, this is lost and no other's.
                std::io::ErrorKind::UnexpectedEof if self.info.end.is_none_or(|end| at >= end) => Error::Stale,
                _ => Error::Read { at, source },
            })
        };
        read(&mut length)?;
        let [length] = length;
        let mut bytes = vec![0; usize::from(length)];
        read(&mut bytes)?;
        Record::new(&bytes, at).ok_or(Error::Stale)
    }

    /// The record that a number stands for: of a directory its own one, of a file its first one.
    fn record(&self, id: NodeId) -> Result<Record> {
        if !links::is_shared(id) {
            if id == self.root {
                // Some writers leave the root without a record of its own; that of the descriptor has all.
                return self.record_at(id.get()).or_else(|_| Ok(self.root_record.clone()));
            }
            return self.record_at(id.get());
        }
        let at = self.links.record(id).map_or_else(|| self.find_shared(id), Ok)?;
        self.record_at(at)
    }

    /// Looks through the whole volume for a name of a file with several links: needed only for a file handle
    /// from before a remount, and where more such files are in use than are remembered.
    fn find_shared(&self, id: NodeId) -> Result<u64> {
        // Directories that overlap could make this endless; honest ones have no more records than fit the image.
        let mut budget = self.metadata.len().checked_div(34).unwrap_or(0);
        let mut todo = VecDeque::from([self.root]);
        let mut seen = HashSet::from([self.root]);
        while let Some(directory) = todo.pop_front() {
            let Ok(run) = self.directory_run(directory) else { continue };
            for record in Scan::new(&self.metadata, &self.notes, run) {
                budget = budget.checked_sub(1).ok_or(Error::Stale)?;
                if record.is_self() || record.is_parent() {
                    continue;
                }
                let (found, kind) = self.identify(&record, &self.rock_ridge(&record));
                if found == id {
                    return Ok(record.at);
                }
                if kind == FileType::Directory && seen.insert(found) {
                    todo.push_back(found);
                }
            }
        }
        Err(Error::Stale)
    }

    /// The number of the directory that begins at a byte address; `None` where no directory begins there.
    pub(super) fn directory_at(&self, at: u64) -> Option<NodeId> {
        if at == self.root.get() {
            return Some(self.root);
        }
        match self.record_at(at) {
            Ok(record) if !record.is_self() => None,
            Err(Error::Stale) => None,
            // A place that can't be read now is the directory's all the same: its number must not change.
            Ok(_) | Err(_) => NodeId::new(at),
        }
    }

    /// Where the entries of a directory lie.
    pub(super) fn directory_run(&self, id: NodeId) -> Result<Run> {
        if links::is_shared(id) {
            return Err(Error::NotADirectory);
        }
        let record = self.record(id)?;
        if record.is_self() && record.at == id.get() {
            // Where it was found counts, not where it says that it is.
            let length = u64::from(record.data_length().little);
            return Ok(self.geometry.run(id.get(), length));
        }
        if id == self.root {
            return Ok(self.geometry.directory(&self.root_record));
        }
        if !record.has(flags::DIRECTORY) {
            if self.rock_ridge(&record).child.is_some() {
                let what = "a relocated directory is not where its CL entry says";
                return Err(Error::damaged(record.at, "RRIP 4.1.5.1", what));
            }
            return Err(Error::NotADirectory);
        }
        let run = self.geometry.directory(&record);
        if run.len == 0 {
            let what = format!("a directory lies at byte {}, beyond the end of the image", run.start);
            return Err(Error::damaged(record.at, "ECMA-119 9.1.3", what));
        }
        Ok(run)
    }

    /// What the System Use area of a record says; nothing outside the Rock Ridge tree.
    pub(super) fn rock_ridge(&self, record: &Record) -> RockRidge {
        if self.naming != Naming::RockRidge {
            return RockRidge::default();
        }
        let (area, at, skip) = self.system_use(record);
        RockRidge::read(area, at, skip, &self.reader())
    }

    /// The same, and an error where the medium withholds a part of it: without that part a compressed file would be
    /// shown as it is stored, and a symbolic link without its end.
    fn whole_rock_ridge(&self, record: &Record) -> Result<RockRidge> {
        let found = self.rock_ridge(record);
        match found.unread {
            Some(at) => Err(Error::Read { at, source: std::io::Error::other("a Continuation Area can't be read") }),
            None => Ok(found),
        }
    }

    /// The System Use area of a record, where it begins, and how much of it to skip.
    fn system_use<'a>(&self, record: &'a Record) -> (&'a [u8], u64, u8) {
        let (area, at) = record.system_use();
        // SUSP 5.3: the area with the SP entry itself is read from its beginning.
        let skip = if record.at == self.root.get() && area.starts_with(b"SP") { 0 } else { self.skip };
        (area, at, skip)
    }

    fn attributes_of(&self, record: &Record) -> AttributeBuilder {
        let (area, at, skip) = self.system_use(record);
        let mut found = AttributeBuilder::default();
        let skipped = area.get(usize::from(skip)..).unwrap_or_default();
        self.reader().visit(skipped, at.saturating_add(u64::from(skip)), &mut |entry| {
            if entry.signature == *b"AL" {
                found.take(entry.data);
            }
        });
        found
    }

    fn reader(&self) -> Reader<'_> {
        Reader { metadata: &self.metadata, block_size: self.geometry.block_size, notes: &self.notes }
    }

    /// All sections of a file (ECMA-119 6.5.1), the given one first.
    fn sections(&self, first: Record) -> Result<Vec<Record>> {
        let mut sections = vec![first];
        while let Some(last) = sections.last().filter(|last| last.has(flags::MULTI_EXTENT)) {
            let mut behind = Scan::behind(&self.metadata, &self.notes, last, self.geometry.block_size);
            let next = behind.next().filter(|next| next.identifier() == last.identifier());
            if let Some((at, source)) = behind.failure() {
                return Err(Error::Read { at, source });
            }
            match next {
                Some(next) if sections.len() < MAX_SECTIONS => sections.push(next),
                _ => break,
            }
        }
        Ok(sections)
    }

    /// Bytes of a file as they are stored, without decoding.
    fn stored_size(&self, record: &Record) -> Result<u64> {
        let length = |record: &Record| u64::from(record.data_length().little);
        let size = match record.has(flags::MULTI_EXTENT) {
            false => length(record),
            true => self.sections(record.clone())?.iter().map(length).fold(0, u64::saturating_add),
        };
        Ok(if self.options.cruft { size & 0x00FF_FFFF } else { size })
    }

    /// Where a file's stored bytes lie.
    fn extents(&self, record: &Record) -> Result<ExtentList> {
        let mut list = ExtentList::default();
        for section in self.sections(record.clone())? {
            let volume = section.volume_sequence().little;
            if self.geometry.volume.is_some_and(|this| volume != this && volume != 0) {
                let what = format!("the data is on volume {volume} of the volume set, which is another disc");
                return Err(Error::damaged(section.at, "ECMA-119 9.1.9", what));
            }
            self.geometry.append(&section, &mut list);
        }
        if self.options.cruft {
            list.truncate(self.stored_size(record)?);
        }
        Ok(list)
    }

    fn stored(&self, record: Record) -> Result<SharedSource> {
        let list = self.extents(&record)?;
        self.check_both_endian(&record);
        let end = list.iter().filter_map(|extent| extent.recorded_end()).max().unwrap_or(0);
        if end > self.image.len() {
            let short = end.saturating_sub(self.image.len());
            let what = format!("the data of a file ends at byte {end}, {short} bytes beyond the end of the image");
            self.notes.report(Defect::new(record.at, "ECMA-119 9.1.4", what));
        }
        Ok(Arc::new(Extents::new(self.image.clone(), list)))
    }

    fn check_both_endian(&self, record: &Record) {
        let (location, length) = (record.location(), record.data_length());
        if location.agree() && length.agree() {
            return;
        }
        let what = format!(
            "the location is {} and {} in one, the length {} and {}: the little-endian numbers are used",
            location.little, location.big, length.little, length.big
        );
        self.notes.report(Defect::new(record.at, "ECMA-119 7.3.3", what));
    }
}

impl Volume for Iso9660 {
    fn info(&self) -> &VolumeInfo {
        &self.info
    }

    fn root(&self) -> NodeId {
        self.root
    }

    fn node(&self, id: NodeId) -> Result<Node> {
        let record = self.record(id)?;
        let rock_ridge = self.whole_rock_ridge(&record)?;
        let posix = rock_ridge.posix;
        let own = record.is_self() || id == self.root;
        if own || record.has(flags::DIRECTORY) || rock_ridge.child.is_some() {
            let run = self.directory_run(id)?;
            return Ok(describe(id, FileType::Directory, run.len, run.len, &record, &rock_ridge));
        }
        let recorded_kind = posix.and_then(|posix| FileType::from_mode(posix.mode));
        let kind = recorded_kind.filter(|kind| *kind != FileType::Directory).unwrap_or(FileType::Regular);
        if posix.is_some() && recorded_kind != Some(kind) {
            let what = "the file type of the POSIX mode contradicts the directory record: shown as a regular file";
            self.notes.report(Defect::new(record.at, "RRIP 4.1.1", what));
        }
        let (size, recorded) = match kind {
            FileType::SymbolicLink => {
                let length = rock_ridge.target.as_ref().map_or(0, Vec::len);
                (u64::try_from(length).unwrap_or(0), 0)
            }
            FileType::Regular => {
                let stored = self.stored_size(&record)?;
                let decoded = rock_ridge.compression.filter(|_| !self.options.no_compress).map(|zf| zf.size);
                (decoded.or(rock_ridge.sparse.map(|sparse| sparse.size)).unwrap_or(stored), stored)
            }
            _ => (0, 0),
        };
        Ok(describe(id, kind, size, recorded, &record, &rock_ridge))
    }

    fn parent(&self, directory: NodeId) -> Result<NodeId> {
        if directory == self.root {
            return Ok(self.root);
        }
        let run = self.directory_run(directory)?;
        let parent = Scan::new(&self.metadata, &self.notes, run).take(2).find(Record::is_parent);
        let Some(record) = parent else { return Ok(self.root) };
        let start = match self.rock_ridge(&record).parent {
            Some(block) => self.geometry.address(block),
            None => self.geometry.data(&record),
        };
        Ok(self.directory_at(start).unwrap_or(self.root))
    }

    fn read_dir(&self, directory: NodeId) -> Result<Directory> {
        self.entries(directory)
    }

    fn open(&self, file: NodeId) -> Result<SharedSource> {
        let record = self.record(file)?;
        if record.is_self() || record.has(flags::DIRECTORY) {
            return Err(Error::IsADirectory);
        }
        let rock_ridge = self.whole_rock_ridge(&record)?;
        let at = record.at;
        let stored = self.stored(record)?;
        if let Some(compression) = rock_ridge.compression.filter(|_| !self.options.no_compress) {
            let decoder = Decoder::new(stored, compression).map_err(|what| self.refuse(at, "zisofs", what))?;
            return Ok(Arc::new(Decoded::new(decoder)));
        }
        if let Some(sparse) = rock_ridge.sparse {
            let list = sparse::regions(&stored, sparse).map_err(|what| self.refuse(at, "RRIP 4.1.7", what))?;
            return Ok(Arc::new(Extents::new(stored, list)));
        }
        Ok(stored)
    }

    fn read_link(&self, link: NodeId) -> Result<Vec<u8>> {
        let record = self.record(link)?;
        let rock_ridge = self.whole_rock_ridge(&record)?;
        if rock_ridge.posix.and_then(|posix| FileType::from_mode(posix.mode)) != Some(FileType::SymbolicLink) {
            return Err(Error::NotALink);
        }
        match rock_ridge.target {
            Some(target) if !target.is_empty() => Ok(target),
            _ => Err(Error::damaged(record.at, "RRIP 4.1.3", "a symbolic link has no target")),
        }
    }

    fn has_attributes(&self) -> bool {
        self.has_attributes
    }

    /// Only TF of Rock Ridge records them (RRIP 4.1.6).
    fn has_birth_times(&self) -> bool {
        self.naming == Naming::RockRidge
    }

    fn attributes(&self, id: NodeId) -> Result<Vec<Attribute>> {
        if !self.has_attributes {
            return Ok(Vec::new());
        }
        let record = self.record(id)?;
        let found = self.attributes_of(&record).finish();
        if !found.is_empty() || !record.is_self() || id == self.root {
            return Ok(found);
        }
        // xorriso writes the attributes of a directory only where its parent names it.
        let run = self.directory_run(self.parent(id)?)?;
        let mut siblings = Scan::new(&self.metadata, &self.notes, run);
        let named = siblings.find(|entry| !entry.is_self() && self.geometry.data(entry) == id.get());
        Ok(named.map(|entry| self.attributes_of(&entry).finish()).unwrap_or_default())
    }

    fn places(&self, id: NodeId) -> Result<Places> {
        let record = self.record(id)?;
        let description = record.at..record.at.saturating_add(record.length());
        let is_directory = record.is_self() || id == self.root || record.has(flags::DIRECTORY);
        if is_directory || self.rock_ridge(&record).child.is_some() {
            let run = self.directory_run(id)?;
            let body = std::iter::once(run.start..run.start.saturating_add(run.len)).collect();
            return Ok(Places { description, body });
        }
        Ok(Places { description, body: self.extents(&record)?.recorded() })
    }

    fn recorded_md5(&self, file: NodeId) -> Result<Option<[u8; 16]>> {
        let Some(sums) = &self.sums else { return Ok(None) };
        let record = self.record(file)?;
        match self.attributes_of(&record).of_libisofs("cx") {
            Some(index) => sums.entry(self.metadata.as_ref(), sums::number(&index)),
            None => Ok(None),
        }
    }

    fn notes(&self) -> &Notes {
        &self.notes
    }
}

impl Iso9660 {
    fn refuse(&self, at: u64, clause: &'static str, what: String) -> Error {
        let defect = Defect::new(at, clause, what);
        self.notes.report(defect.clone());
        Error::Damaged(defect)
    }
}

fn describe(id: NodeId, kind: FileType, size: u64, recorded: u64, record: &Record, rock_ridge: &RockRidge) -> Node {
    let posix = rock_ridge.posix;
    let times = rock_ridge.times;
    let modified = times.modified.or_else(|| datetime::short(record.date()));
    Node {
        id,
        kind,
        size,
        recorded,
        permissions: posix.and_then(|posix| u16::try_from(posix.mode & 0o7777).ok()),
        uid: posix.map(|posix| posix.uid),
        gid: posix.map(|posix| posix.gid),
        links: posix.map(|posix| posix.links),
        device: rock_ridge.device.unwrap_or_default(),
        times: Times { modified, ..times },
    }
}
