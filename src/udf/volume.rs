//! A UDF file set as a volume.

use std::sync::Arc;

use super::descriptor::{self, Anchor, LogicalVolume, LongAd, Sequence};
use super::directory::{Identifier, Identifiers, characteristics};
use super::examine::Structures;
use super::icb::{Address, Form, Icb, file_type};
use super::options::UdfOptions;
use super::space::Space;
use super::tag::{self, id};
use super::{allocation, attribute, text};
use crate::bytes::u8_at;
use crate::error::{Defect, Error, Result};
use crate::limits::{MAX_ATTRIBUTE_BYTES, MAX_DIRECTORY_BYTES, MAX_TARGET};
use crate::notes::Notes;
use crate::source::{Cached, ExtentList, Extents, SharedSource, Source};
use crate::text as names;
use crate::volume::{
    Attribute, Device, Directory, DirectoryBuilder, FileType, Gap, Metadata, NameMatch, Node, NodeId, Places, Volume,
    VolumeInfo,
};

/// Bytes of a directory in which its parent is looked for first.
const FIRST_NAMES: u64 = 2048;

/// What a UDF image says of itself, before its tree is opened.
#[derive(Debug)]
pub struct UdfVolume {
    pub info: VolumeInfo,
    /// As `UDF 2.50, metadata partition`.
    pub detail: String,
    space: Arc<Space>,
    root: Address,
    anchor: Anchor,
    sequence: Sequence,
}

impl UdfVolume {
    /// Looks for a UDF volume. `Ok(None)` where nothing announces one.
    ///
    /// # Errors
    /// [`Error::Damaged`] where one is announced and can't be used.
    pub fn read(metadata: &Arc<Cached>, options: &UdfOptions) -> Result<Option<Self>> {
        let notes = Arc::new(Notes::default());
        if !options.no_recognition && !descriptor::is_recognized(metadata, options) {
            return Ok(None);
        }
        let damaged = |at: u64, clause, what: &str| Error::damaged(at, clause, what);
        let anchor = descriptor::anchor(metadata, &notes, options).ok_or_else(|| {
            damaged(0, "ECMA-167 3/8.4.2.1", "UDF is announced, but no Anchor Volume Descriptor Pointer can be found")
        })?;
        let at = u64::from(anchor.sector).saturating_mul(u64::from(anchor.sector_size));
        let sequence = descriptor::sequence(metadata, &notes, &anchor)
            .map_err(|what| damaged(at, "ECMA-167 3/8.4.2.2", what))?;
        let size = sequence.volume.block_size;
        if !size.is_power_of_two() || !(512..=65_536).contains(&size) {
            let what = format!("the Logical Block Size is {size}");
            return Err(Error::damaged(at, "ECMA-167 3/10.6.4", what));
        }
        let space = Space::open(Arc::clone(metadata), Arc::clone(&notes), &sequence, options);
        let root = file_set(&space, sequence.volume.file_set)?;
        let icb = space.icb(root)?;
        if icb.kind() != Some(FileType::Directory) {
            return Err(damaged(icb.at, "ECMA-167 4/14.1.13", "the root directory is no directory"));
        }
        let info = describe(&space, &sequence);
        let detail = detail(&sequence.volume);
        Ok(Some(Self { info, detail, space: Arc::new(space), root, anchor, sequence }))
    }

    /// Looks at what a reader does without: every copy of what is recorded twice.
    pub fn examine(&self, options: &UdfOptions) -> Metadata {
        let size = u64::from(self.sequence.sector_size.max(1));
        let sectors = self.space.metadata.len().checked_div(size).unwrap_or(0);
        let last = options.last_block.or_else(|| u32::try_from(sectors.saturating_sub(1)).ok()).unwrap_or(u32::MAX);
        let Self { space, sequence, anchor, .. } = self;
        Structures { space, sequence, anchor, session: options.session_start, last }.examine()
    }
}

/// Whether a session begins at a sector of 2048 bytes: its recognition sequence stands 16 sectors behind it and its anchor,
/// which says itself where it is, 256. At the beginning of the image the anchor may be elsewhere.
pub fn is_session(image: &SharedSource, start: u32) -> bool {
    let options = UdfOptions { session_start: start, ..UdfOptions::default() };
    let metadata = Cached::new(image.clone());
    descriptor::is_recognized(&metadata, &options) && (start == 0 || descriptor::has_anchor(&metadata, start))
}

/// The root directory that the prevailing File Set Descriptor (4/14.1) names.
fn file_set(space: &Space, start: Option<LongAd>) -> Result<Address> {
    let start = start.ok_or_else(|| Error::damaged(0, "ECMA-167 3/10.6.5", "no file set is named"))?;
    let mut found: Option<(u32, Address)> = None;
    let mut failed = None;
    let blocks = (start.length & 0x3FFF_FFFF).div_ceil(space.block_size).clamp(1, 64);
    for number in 0..blocks {
        let Some(block) = start.block.checked_add(number) else { break };
        let address = Address { partition: start.partition, block };
        let read = match space.read_block(address) {
            Ok(read) => read,
            Err(error) => {
                failed = failed.or(Some(error));
                continue;
            }
        };
        let tag = tag::read(&read.bytes, None);
        match tag.map(|tag| tag.identifier) {
            Some(id::FILE_SET) if read.bytes.len() >= 480 => {
                let order = crate::bytes::u32_le(&read.bytes, 44);
                let root = Address::of(&LongAd::read(&read.bytes, 400));
                if found.is_none_or(|(was, _)| order >= was) {
                    found = Some((order, root));
                }
            }
            Some(id::TERMINATING) => break,
            // Linux looks at the first block only; what does not belong to the sequence ends it.
            _ if found.is_some() => break,
            _ => {
                let what = "at the place of the File Set Descriptor is none";
                failed = failed.or(Some(Error::damaged(read.at, "ECMA-167 4/14.1", what)));
            }
        }
    }
    match found {
        Some((_, root)) => Ok(root),
        None => Err(failed.unwrap_or_else(|| Error::damaged(0, "ECMA-167 4/14.1", "there is no File Set Descriptor"))),
    }
}

fn describe(space: &Space, sequence: &Sequence) -> VolumeInfo {
    let size = u64::from(sequence.volume.block_size);
    let blocks = sequence.partitions.iter().map(|partition| {
        let bytes = u64::from(partition.length).saturating_mul(u64::from(sequence.sector_size));
        bytes.checked_div(size).unwrap_or(0)
    });
    let mut texts = vec![
        ("volume identifier", sequence.primary.identifier.clone()),
        ("volume set identifier", sequence.primary.set_identifier.clone()),
    ];
    let state = sequence.volume.integrity.and_then(|extent| {
        descriptor::integrity(&space.metadata, &space.notes, sequence.sector_size, extent)
    });
    if let Some(state) = state {
        let word = if state.closed { "closed" } else { "open: it was not unmounted cleanly, or is still recorded" };
        texts.push(("integrity", word.to_owned()));
    }
    texts.retain(|(_, text)| !text.is_empty());
    let label = match sequence.volume.identifier.as_str() {
        "" => sequence.primary.identifier.clone(),
        label => label.to_owned(),
    };
    VolumeInfo {
        label,
        uuid: uuid(&sequence.primary.set_identifier),
        block_size: sequence.volume.block_size,
        blocks: blocks.fold(0, u64::saturating_add),
        end: end(sequence),
        texts,
        times: sequence.primary.recorded.map(|time| ("recorded", time)).into_iter().collect(),
    }
}

/// The end of the last partition. A disc that is recorded bit by bit (UDF 2.2.8) states the end of its medium.
fn end(sequence: &Sequence) -> Option<u64> {
    let is_virtual = |map: &Vec<u8>| map.get(5..).is_some_and(|name| name.starts_with(b"*UDF Virtual"));
    let sector = u64::from(sequence.sector_size);
    let sectors = sequence.partitions.iter().map(|found| u64::from(found.start).saturating_add(u64::from(found.length)));
    sectors.max().filter(|_| !sequence.volume.maps.iter().any(is_virtual)).map(|end| end.saturating_mul(sector))
}

fn detail(volume: &LogicalVolume) -> String {
    let mut detail = format!("UDF {}.{:02x}", volume.revision >> 8, volume.revision & 0xFF);
    for map in volume.maps.iter().filter(|map| u8_at(map, 0) == 2) {
        let kind = match map.get(5..).unwrap_or_default() {
            name if name.starts_with(b"*UDF Virtual") => "virtual",
            name if name.starts_with(b"*UDF Sparable") => "sparable",
            name if name.starts_with(b"*UDF Metadata") => "metadata",
            _ => "unknown",
        };
        detail.push_str(&format!(", {kind} partition"));
    }
    detail
}

/// What blkid(8) makes of the first 16 characters of the Volume Set Identifier: they are kept as far as they are
/// hexadecimal, and bytes that are not become two digits each.
fn uuid(set: &str) -> Option<String> {
    let bytes: Vec<u8> = set.bytes().take(16).collect();
    if bytes.len() < 8 {
        return None;
    }
    let hexadecimal = bytes.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let plain = |count: usize| String::from_utf8_lossy(bytes.get(..count).unwrap_or_default()).to_ascii_lowercase();
    let digits = |range: std::ops::Range<usize>| -> String {
        bytes.get(range).unwrap_or_default().iter().map(|byte| format!("{byte:02x}")).collect()
    };
    Some(match hexadecimal {
        0..8 => digits(0..8),
        8..16 => format!("{}{}", plain(8), digits(8..12)),
        _ => plain(16),
    })
}

/// The tree of a UDF image. The number of a node is the place of its ICB: partition and block.
#[derive(Debug)]
pub struct Udf {
    image: SharedSource,
    space: Arc<Space>,
    root: NodeId,
    info: VolumeInfo,
    options: UdfOptions,
    has_attributes: bool,
}

impl Udf {
    /// # Errors
    /// When the root directory has no number.
    pub fn open(image: SharedSource, volume: &UdfVolume, options: &UdfOptions) -> Result<Self> {
        let root = volume.root.id().ok_or(Error::Stale)?;
        // Streams and Extended File Entries came with UDF 2.00; before, only a few writers left attributes.
        let has_attributes = volume.space.icb(volume.root).is_ok_and(|icb| icb.extended || !icb.attributes().is_empty());
        Ok(Self {
            image,
            space: Arc::clone(&volume.space),
            root,
            info: volume.info.clone(),
            options: options.clone(),
            has_attributes,
        })
    }

    fn icb(&self, id: NodeId) -> Result<Icb> {
        self.space.icb(Address::from_id(id).ok_or(Error::Stale)?)
    }

    fn report(&self, at: u64, clause: &'static str, what: impl Into<String>) {
        self.space.notes.report(Defect::new(at, clause, what));
    }

    fn whole(&self, icb: &Icb, mirror: bool, limit: u64) -> Result<Vec<u8>> {
        allocation::read_whole(&self.space, &allocation::extents(&self.space, icb, mirror), limit)
    }

    /// The data of a directory; of a mirrored one that is damaged, the mirror's if that is better.
    fn directory_data(&self, icb: &Icb) -> Result<Vec<u8>> {
        self.directory_names(icb).map(|found| found.0)
    }

    /// The same, and why something of it may be missing.
    fn directory_names(&self, icb: &Icb) -> Result<(Vec<u8>, Option<Gap>)> {
        let main = self.names_of(icb, false);
        if !self.space.is_mirrored(icb.address.partition) || main.as_ref().is_ok_and(|found| found.1.is_none()) {
            return main;
        }
        match self.names_of(icb, true) {
            Ok((mirror, gap)) if main.is_err() || gap.is_none() => {
                self.report(icb.at, "UDF 2.2.13", "a directory is damaged: its mirror is used");
                Ok((mirror, gap))
            }
            _ => main,
        }
    }

    /// The beginning of a directory's data, if that is recorded.
    fn first_names(&self, icb: &Icb) -> Option<Vec<u8>> {
        let list = allocation::recorded(&self.space, &allocation::extents(&self.space, icb, false));
        allocation::read_whole(&self.space, &list, FIRST_NAMES).ok()
    }

    /// What is recorded of a directory's data, and why something of it may be missing; damaged names are looked for
    /// where there is a mirror. What can't be read is left out, block by block, and told.
    fn names_of(&self, icb: &Icb, mirror: bool) -> Result<(Vec<u8>, Option<Gap>)> {
        let announced = allocation::extents(&self.space, icb, mirror);
        let list = allocation::recorded(&self.space, &announced);
        let lost = announced.len().saturating_sub(list.len());
        if list.is_empty() && lost > 0 {
            let what = "a directory lies beyond the end of the image, or nowhere";
            return Err(Error::damaged(icb.at, "ECMA-167 4/8.6", what));
        }
        let (data, failed) = match allocation::read_whole(&self.space, &list, MAX_DIRECTORY_BYTES) {
            Ok(data) => (data, 0),
            Err(error) => self.readable_blocks(list).ok_or(error)?,
        };
        if lost > 0 || failed > 0 {
            let what = format!("{} bytes of a directory are lost", lost.saturating_add(failed));
            self.report(icb.at, "ECMA-167 4/8.6", what);
        }
        // Only where there is a mirror does somebody ask whether the names are whole.
        let is_whole = || {
            let mut identifiers = Identifiers::new(&data);
            identifiers.by_ref().for_each(drop);
            identifiers.damaged.is_none()
        };
        let gap = match () {
            () if failed > 0 => Some(Gap::Unread),
            () if lost > 0 => Some(Gap::Lost),
            () if self.space.is_mirrored(icb.address.partition) && !is_whole() => Some(Gap::Lost),
            () => None,
        };
        Ok((data, gap))
    }

    /// The blocks of a file that can be read, and how many bytes can't; `None` where none can.
    fn readable_blocks(&self, list: ExtentList) -> Option<(Vec<u8>, u64)> {
        let body = Extents::new(self.space.metadata.clone(), list);
        let step = usize::try_from(self.space.block_size).ok()?;
        let end = body.len().min(MAX_DIRECTORY_BYTES).min(self.space.metadata.len());
        let mut data = Vec::new();
        let mut at = 0_u64;
        while at < end {
            let length = usize::try_from(end.saturating_sub(at)).unwrap_or(step).min(step);
            let mut block = vec![0; length];
            if body.read_exact_at(&mut block, at).is_ok() {
                data.extend_from_slice(&block);
            }
            at = at.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        }
        let failed = end.saturating_sub(u64::try_from(data.len()).unwrap_or(end));
        (!data.is_empty()).then_some((data, failed))
    }

    fn is_shown(&self, identifier: &Identifier<'_>) -> bool {
        !identifier.has(characteristics::PARENT)
            && (self.options.undelete || !identifier.has(characteristics::DELETED))
            && (self.options.unhide || !identifier.has(characteristics::EXISTENCE))
    }

    /// 4/14.16: the components of a symbolic link as a path.
    fn target(&self, icb: &Icb) -> Result<Vec<u8>> {
        let limit = u64::try_from(MAX_TARGET.saturating_mul(16)).unwrap_or(u64::MAX);
        let data = self.whole(icb, false, limit)?;
        let mut target = Vec::new();
        let mut rest = data.as_slice();
        while let [kind, length, _, _, later @ ..] = rest {
            let Some(content) = later.get(..usize::from(*length)) else {
                self.report(icb.at, "ECMA-167 4/14.16.1", "a symbolic link has a component that reaches beyond its end");
                break;
            };
            match kind {
                // Type 1 with an identifier names a place that writer and reader agreed upon: nobody did.
                1 if *length > 0 => {}
                1 | 2 => target = b"/".to_vec(),
                3 => target.extend_from_slice(b"../"),
                4 => target.extend_from_slice(b"./"),
                5 => {
                    target.extend_from_slice(&text::file_name(content).unwrap_or_default());
                    target.push(b'/');
                }
                _ => self.report(icb.at, "ECMA-167 4/14.16.1", "a symbolic link has a component of unknown type"),
            }
            rest = later.get(usize::from(*length)..).unwrap_or_default();
        }
        if target.len() > 1 {
            target.pop();
        }
        target.truncate(MAX_TARGET);
        match target.is_empty() {
            true => Err(Error::damaged(icb.at, "ECMA-167 4/14.16", "a symbolic link has no target")),
            false => Ok(target),
        }
    }
}

impl Volume for Udf {
    fn info(&self) -> &VolumeInfo {
        &self.info
    }

    fn root(&self) -> NodeId {
        self.root
    }

    fn node(&self, id: NodeId) -> Result<Node> {
        let icb = self.icb(id)?;
        let kind = icb.kind().ok_or_else(|| {
            let what = format!("the File Type is {}, which is none that is known", icb.file_type());
            Error::damaged(icb.at, "ECMA-167 4/14.6.6", what)
        })?;
        let (size, recorded) = match kind {
            FileType::SymbolicLink => (self.target(&icb).map_or(0, |target| target.len()), 0),
            _ => (0, icb.blocks_recorded().saturating_mul(u64::from(self.space.block_size))),
        };
        let size = match kind {
            FileType::Regular | FileType::Directory => icb.length(),
            _ => u64::try_from(size).unwrap_or(0),
        };
        // Lengths beyond what a file offset can say are no lengths.
        let size = size.min(i64::MAX.unsigned_abs());
        // Symbolic links have no permissions of their own on Linux.
        let permissions = if kind == FileType::SymbolicLink { 0o777 } else { icb.permissions() };
        let device = matches!(kind, FileType::BlockDevice | FileType::CharacterDevice)
            .then(|| attribute::device(icb.attributes()))
            .flatten();
        let links = icb.links();
        if links == 0 && id != self.root {
            self.report(icb.at, "ECMA-167 4/14.9.6", "a file with a name has a File Link Count of 0");
        }
        Ok(Node {
            id,
            kind,
            size,
            recorded,
            permissions: Some(permissions),
            uid: icb.uid(),
            gid: icb.gid(),
            links: Some(links.saturating_add(u32::from(kind == FileType::Directory))),
            device: device.unwrap_or(Device::default()),
            times: icb.times(),
        })
    }

    fn parent(&self, directory: NodeId) -> Result<NodeId> {
        let icb = self.icb(directory)?;
        let find = |data: &[u8]| {
            let parent = Identifiers::new(data).find(|identifier| identifier.has(characteristics::PARENT))?;
            Some(Address::of(&parent.icb).id())
        };
        // Every listing asks for it, and writers have it first: a large directory is not read twice.
        let found = match self.first_names(&icb).and_then(|data| find(&data)) {
            Some(found) => Some(found),
            None => find(&self.directory_data(&icb)?),
        };
        Ok(found.flatten().unwrap_or(self.root))
    }

    fn read_dir(&self, directory: NodeId) -> Result<Directory> {
        let icb = self.icb(directory)?;
        if icb.kind() != Some(FileType::Directory) {
            return Err(Error::NotADirectory);
        }
        let (data, gap) = self.directory_names(&icb)?;
        let mut builder = DirectoryBuilder::default();
        let mut identifiers = Identifiers::new(&data);
        for identifier in identifiers.by_ref() {
            if !self.is_shown(&identifier) {
                continue;
            }
            let Some(id) = Address::of(&identifier.icb).id().filter(|_| identifier.icb.length != 0) else { continue };
            let kind = match identifier.has(characteristics::DIRECTORY) {
                true => FileType::Directory,
                false => FileType::Regular,
            };
            let name = text::file_name(identifier.name).and_then(|name| names::file_name(&name)).map(|(name, _)| name);
            let name = name.unwrap_or_else(|| {
                let made = format!("_{}", identifier.at);
                let what = format!("a name can't be decoded and is shown as {made}");
                self.report(icb.at, "UDF 2.1.1", what);
                made.into_bytes()
            });
            builder.push(&name, id, kind);
        }
        if let Some(at) = identifiers.damaged {
            let what = format!("a File Identifier Descriptor at offset {at} of a directory is damaged and left out");
            self.report(icb.at, "ECMA-167 4/14.4", what);
        }
        if let Some((at, what)) = identifiers.doubtful {
            let what = format!("the File Identifier Descriptor at offset {at} of a directory is doubtful: {what}");
            self.report(icb.at, "ECMA-167 4/7.2", what);
        }
        if let Some(gap) = gap.or(identifiers.damaged.map(|_| Gap::Lost)) {
            builder.note_gap(gap);
        }
        Ok(builder.finish(NameMatch::Exact, |_, _| {}))
    }

    fn open(&self, file: NodeId) -> Result<SharedSource> {
        let icb = self.icb(file)?;
        match icb.kind() {
            Some(FileType::Directory) => return Err(Error::IsADirectory),
            Some(FileType::Regular) => {}
            _ => return Err(Error::Stale),
        }
        let mut list = allocation::extents(&self.space, &icb, false);
        list.truncate(i64::MAX.unsigned_abs());
        let end = list.iter().filter_map(crate::source::Extent::recorded_end).max().unwrap_or(0);
        if end > self.image.len() && icb.form() != Some(Form::Embedded) {
            let what = "a part of a file lies beyond the end of the image, or nowhere";
            self.report(icb.at, "ECMA-167 4/14.14", what);
        }
        Ok(Arc::new(Extents::new(self.image.clone(), list)))
    }

    fn read_link(&self, link: NodeId) -> Result<Vec<u8>> {
        let icb = self.icb(link)?;
        if icb.kind() != Some(FileType::SymbolicLink) {
            return Err(Error::NotALink);
        }
        self.target(&icb)
    }

    fn has_attributes(&self) -> bool {
        self.has_attributes
    }

    fn attributes(&self, id: NodeId) -> Result<Vec<Attribute>> {
        let icb = self.icb(id)?;
        let mut found: Vec<Attribute> = attribute::attributes(icb.attributes())
            .iter()
            .filter_map(attribute::foreign)
            .map(|(identifier, content)| Attribute {
                name: [b"user.udf.", identifier].concat(),
                value: content.to_vec(),
            })
            .collect();
        let Some(streams) = icb.stream_directory() else { return Ok(found) };
        let directory = self.space.icb(streams)?;
        if directory.file_type() != file_type::STREAM_DIRECTORY {
            return Ok(found);
        }
        let data = self.directory_data(&directory)?;
        let mut room = MAX_ATTRIBUTE_BYTES.saturating_mul(16);
        for identifier in Identifiers::new(&data) {
            let hidden = characteristics::PARENT | characteristics::DELETED;
            let Some(name) = text::file_name(identifier.name).filter(|_| identifier.characteristics & hidden == 0) else {
                continue;
            };
            let value = self.space.icb(Address::of(&identifier.icb)).and_then(|stream| match stream.length() {
                // Linux gives out values of up to 64 KiB; a longer stream is not cut to look whole.
                length if length > MAX_ATTRIBUTE_BYTES.min(room) => Ok(None),
                _ => self.whole(&stream, false, MAX_ATTRIBUTE_BYTES).map(Some),
            })?;
            let Some(value) = value else { continue };
            room = room.saturating_sub(u64::try_from(value.len().saturating_add(64)).unwrap_or(room));
            found.push(Attribute { name: [b"user.", name.as_slice()].concat(), value });
        }
        found.retain(|attribute| attribute.name.len() <= 255);
        Ok(found)
    }

    fn places(&self, id: NodeId) -> Result<Places> {
        let icb = self.icb(id)?;
        let description = icb.at..icb.at.saturating_add(u64::from(self.space.block_size));
        Ok(Places { description, body: allocation::extents(&self.space, &icb, false).recorded() })
    }

    fn notes(&self) -> &Notes {
        &self.space.notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_those_of_blkid() {
        assert_eq!(uuid("0123456789abcdefLinuxUDF").as_deref(), Some("0123456789abcdef"));
        assert_eq!(uuid("0123ABCD UDF Volume Set").as_deref(), Some("0123abcd20554446"));
        assert_eq!(uuid("UDF Volume Set").as_deref(), Some("55444620566f6c75"));
        assert_eq!(uuid("short"), None);
    }
}
