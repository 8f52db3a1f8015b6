//! The Volume Descriptor Sequence (ECMA-167 3/8.4): what partitions a volume has and what lies in them.

use std::collections::{BTreeMap, HashSet};

use super::options::UdfOptions;
use super::tag::{self, Trust, id};
use super::text;
use super::timestamp;
use crate::bytes::{u8_at, u16_le, u32_le};
use crate::error::Defect;
use crate::notes::Notes;
use crate::source::{Cached, Source};
use crate::time::Timestamp;

/// Linux follows as many pointers to further extents of a sequence.
const MAX_POINTERS: usize = 64;
/// Sectors of one extent that are looked at: the standard's least is 16, and no writer takes a megabyte. (Where a search
/// fails, fuzzing learns nothing from a long one.)
const MAX_SECTORS: u32 = if cfg!(fuzzing) { 64 } else { 4096 };
/// Sectors at the end of an image that are searched for an anchor.
const MAX_PADDING: u32 = if cfg!(fuzzing) { 64 } else { 2048 };
/// "UDF 2.2.10.2: at most 16" partitions are far more than any writer makes.
pub const MAX_PARTITIONS: usize = 16;
/// Where the Volume Recognition Sequence begins (ECMA-167 2/8.3).
const RECOGNITION: u64 = 32_768;

/// Sizes of a sector, the likeliest first.
const SECTOR_SIZES: [u32; 8] = [2048, 512, 4096, 1024, 8192, 16_384, 32_768, 65_536];

/// 3/7.1: a run of sectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Extent {
    pub length: u32,
    pub location: u32,
}

impl Extent {
    pub fn read(bytes: &[u8], at: usize) -> Self {
        Self { length: u32_le(bytes, at), location: u32_le(bytes, at.saturating_add(4)) }
    }
}

/// 3/10.2, reduced to what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    pub sector_size: u32,
    pub sector: u32,
    pub main: Extent,
    pub reserve: Extent,
}

/// 3/10.5 Partition Descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionDescriptor {
    pub number: u16,
    /// In sectors.
    pub start: u32,
    pub length: u32,
}

/// 4/14.14.2 long_ad, without its implementation use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LongAd {
    /// Bytes; the two top bits are the type of the extent.
    pub length: u32,
    pub block: u32,
    pub partition: u16,
}

impl LongAd {
    pub fn read(bytes: &[u8], at: usize) -> Self {
        Self {
            length: u32_le(bytes, at),
            block: u32_le(bytes, at.saturating_add(4)),
            partition: u16_le(bytes, at.saturating_add(8)),
        }
    }
}

/// 3/10.6 Logical Volume Descriptor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogicalVolume {
    pub identifier: String,
    pub block_size: u32,
    /// UDF 2.1.5.3: as 0x0250, from the domain identifier's suffix.
    pub revision: u16,
    pub file_set: Option<LongAd>,
    pub maps: Vec<Vec<u8>>,
    pub integrity: Option<Extent>,
}

/// 3/10.1 Primary Volume Descriptor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrimaryVolume {
    pub identifier: String,
    pub set_identifier: String,
    pub recorded: Option<Timestamp>,
}

/// What the sequences say, the main and the reserve one together.
#[derive(Debug, Clone, Default)]
pub struct Sequence {
    pub primary: PrimaryVolume,
    pub volume: LogicalVolume,
    pub partitions: Vec<PartitionDescriptor>,
    pub sector_size: u32,
}

/// Reads sectors.
#[derive(Debug)]
pub struct Sectors<'a> {
    pub metadata: &'a Cached,
    pub notes: &'a Notes,
    pub size: u32,
}

impl Sectors<'_> {
    /// A sector with a tag whose checksum is right, as far as the image reaches.
    fn tagged(&self, sector: u32) -> Option<(tag::Tag, Vec<u8>)> {
        let at = u64::from(sector).checked_mul(u64::from(self.size))?;
        let mut head = [0; tag::LENGTH];
        self.metadata.read_exact_at(&mut head, at).ok()?;
        // Most of what is searched is none, and a sector may have 64 KiB.
        tag::read(&head, None)?;
        let available = self.metadata.len().checked_sub(at)?.min(u64::from(self.size));
        let mut bytes = vec![0; usize::try_from(available).ok()?];
        self.metadata.read_exact_at(&mut bytes, at).ok()?;
        let tag = tag::read(&bytes, Some(sector))?;
        Some((tag, bytes))
    }

    fn address(&self, sector: u32) -> u64 {
        u64::from(sector).saturating_mul(u64::from(self.size))
    }
}

/// Whether the Volume Recognition Sequence (2/9.1) of the session announces NSR02 or NSR03.
pub fn is_recognized(metadata: &Cached, options: &UdfOptions) -> bool {
    let sector = u64::from(options.block_size.unwrap_or(2048));
    let start = u64::from(options.session_start).saturating_mul(sector).saturating_add(RECOGNITION);
    // Structures of 2048 bytes, or one a sector where sectors are larger. The sequence ends with what is none.
    (0..64_u64).any(|number| {
        let mut structure = [0; 7];
        let at = start.saturating_add(number.saturating_mul(2048));
        metadata.read_exact_at(&mut structure, at).is_ok()
            && matches!(structure.get(1..6), Some(b"NSR02" | b"NSR03"))
    })
}

/// Whether the anchor of the session that begins at a sector of 2048 bytes is in its place.
pub fn has_anchor(metadata: &Cached, session: u32) -> bool {
    let sectors = Sectors { metadata, notes: &Notes::default(), size: 2048 };
    let tag = session.checked_add(256).and_then(|sector| sectors.tagged(sector)).map(|(tag, _)| tag);
    tag.is_some_and(|tag| tag.identifier == id::ANCHOR && tag.trust == Trust::Whole)
}

/// Looks for an Anchor Volume Descriptor Pointer (3/8.4.2.1).
pub fn anchor(metadata: &Cached, notes: &Notes, options: &UdfOptions) -> Option<Anchor> {
    let sizes: Vec<u32> = options.block_size.map_or(SECTOR_SIZES.to_vec(), |size| vec![size]);
    let ends = |size: u32| {
        let count = metadata.len().checked_div(u64::from(size)).unwrap_or(0);
        u32::try_from(options.last_block.map_or(count.saturating_sub(1), u64::from)).unwrap_or(u32::MAX)
    };
    let try_at = |size: u32, sector: u32| -> Option<Anchor> {
        let (tag, bytes) = Sectors { metadata, notes, size }.tagged(sector)?;
        let whole = tag.identifier == id::ANCHOR && tag.trust == Trust::Whole;
        whole.then(|| Anchor {
            sector_size: size,
            sector,
            main: Extent::read(&bytes, 16),
            reserve: Extent::read(&bytes, 24),
        })
    };
    // Linux, too, looks in the usual places where the one that it was told has none.
    if let Some(sector) = options.anchor {
        if let Some(found) = sizes.iter().find_map(|size| try_at(*size, sector)) {
            return Some(found);
        }
        let what = format!("no anchor is at sector {sector}, which `anchor=` names: the usual places are tried");
        notes.report(Defect::new(0, "ECMA-167 3/8.4.2.1", what));
    }
    let session = options.session_start;
    // 256 first for every size: an anchor there decides the size. Then the ends, and 512 for unfinished discs.
    sizes
        .iter()
        .find_map(|size| try_at(*size, session.saturating_add(256)))
        .or_else(|| {
            sizes.iter().find_map(|size| {
                let last = ends(*size);
                // The last sectors of an image may be run-out blocks of the drive (Linux tries the same).
                let near = [0, 1, 2, 150, 152].map(|back| last.saturating_sub(back));
                near.into_iter()
                    .flat_map(|sector| [sector, sector.saturating_sub(256)])
                    .chain([session.saturating_add(512), last.saturating_add(1)])
                    .find_map(|sector| try_at(*size, sector))
            })
        })
        .or_else(|| sizes.iter().take(4).find_map(|size| padded_end(ends(*size), |at| try_at(*size, at))))
}

/// Looks for an anchor at the end of an image that was padded with zeros.
fn padded_end(last: u32, mut try_at: impl FnMut(u32) -> Option<Anchor>) -> Option<Anchor> {
    (1..MAX_PADDING).find_map(|back| try_at(last.checked_sub(back)?))
}

/// A descriptor that prevails (3/8.4.3): the one with the highest sequence number, and whole before partial.
#[derive(Debug, Default)]
struct Prevailing(BTreeMap<(u16, u16), (bool, u32, Vec<u8>)>);

impl Prevailing {
    fn offer(&mut self, key: (u16, u16), whole: bool, bytes: Vec<u8>) {
        let number = u32_le(&bytes, 16);
        match self.0.get(&key) {
            Some((was_whole, was, _)) if (*was_whole, *was) >= (whole, number) => {}
            _ => {
                self.0.insert(key, (whole, number, bytes));
            }
        }
    }

    /// What the reserve sequence has and this one lacks, or has damaged.
    fn complete(&mut self, reserve: Self) {
        for (key, theirs) in reserve.0 {
            if self.0.get(&key).is_none_or(|ours| !ours.0 && theirs.0) {
                self.0.insert(key, theirs);
            }
        }
    }

    fn get(&self, identifier: u16) -> Option<&[u8]> {
        self.0.get(&(identifier, 0)).map(|found| found.2.as_slice())
    }
}

fn collect(sectors: &Sectors<'_>, extent: Extent) -> Prevailing {
    let mut found = Prevailing::default();
    let mut seen = HashSet::new();
    let mut next = Some(extent);
    while let Some(extent) = next.take() {
        if !seen.insert(extent) || seen.len() > MAX_POINTERS {
            let what = "the extents of the Volume Descriptor Sequence form a loop";
            sectors.notes.report(Defect::new(sectors.address(extent.location), "ECMA-167 3/8.4.2", what));
            break;
        }
        for number in 0..extent.length.div_ceil(sectors.size).min(MAX_SECTORS) {
            let Some(sector) = extent.location.checked_add(number) else { break };
            let Some((tag, bytes)) = sectors.tagged(sector) else { continue };
            if let Trust::Partial(what) = tag.trust {
                sectors.notes.report(Defect::new(sectors.address(sector), "ECMA-167 3/7.2", what));
            }
            let whole = tag.trust == Trust::Whole;
            match tag.identifier {
                id::TERMINATING => break,
                id::VOLUME_POINTER => next = Some(Extent::read(&bytes, 20)),
                id::PARTITION => found.offer((id::PARTITION, u16_le(&bytes, 22)), whole, bytes),
                id::PRIMARY_VOLUME | id::LOGICAL_VOLUME => found.offer((tag.identifier, 0), whole, bytes),
                _ => {}
            }
        }
    }
    found
}

/// Reads the main sequence, and of the reserve one whatever the main one lacks.
///
/// # Errors
/// Which descriptor is missing from both.
pub fn sequence(metadata: &Cached, notes: &Notes, anchor: &Anchor) -> Result<Sequence, &'static str> {
    let sectors = Sectors { metadata, notes, size: anchor.sector_size };
    let mut found = collect(&sectors, anchor.main);
    let whole = |found: &Prevailing, wanted: u16| {
        found.0.iter().any(|((identifier, _), (whole, ..))| *identifier == wanted && *whole)
    };
    if ![id::PRIMARY_VOLUME, id::LOGICAL_VOLUME, id::PARTITION].iter().all(|wanted| whole(&found, *wanted)) {
        let at = sectors.address(anchor.main.location);
        let what = "the main Volume Descriptor Sequence lacks descriptors: the reserve one is used for them";
        notes.report(Defect::new(at, "ECMA-167 3/8.4.2.2", what));
        found.complete(collect(&sectors, anchor.reserve));
    }
    let volume = found.get(id::LOGICAL_VOLUME).ok_or("no Logical Volume Descriptor can be read")?;
    let partitions: Vec<_> = found
        .0
        .iter()
        .filter(|((identifier, _), _)| *identifier == id::PARTITION)
        .map(|(_, (_, _, bytes))| PartitionDescriptor {
            number: u16_le(bytes, 22),
            start: u32_le(bytes, 188),
            length: u32_le(bytes, 192),
        })
        .take(MAX_PARTITIONS)
        .collect();
    if partitions.is_empty() {
        return Err("no Partition Descriptor can be read");
    }
    let primary = found.get(id::PRIMARY_VOLUME).map(primary_volume).unwrap_or_default();
    Ok(Sequence { primary, volume: logical_volume(volume), partitions, sector_size: anchor.sector_size })
}

fn primary_volume(bytes: &[u8]) -> PrimaryVolume {
    PrimaryVolume {
        identifier: text::dstring(bytes.get(24..56).unwrap_or_default()),
        set_identifier: text::dstring(bytes.get(72..200).unwrap_or_default()),
        recorded: bytes.get(376..388).and_then(timestamp::read),
    }
}

fn logical_volume(bytes: &[u8]) -> LogicalVolume {
    let table = usize::try_from(u32_le(bytes, 264)).unwrap_or(usize::MAX);
    let mut rest = bytes.get(440..).unwrap_or_default();
    rest = rest.get(..table).unwrap_or(rest);
    let mut maps = Vec::new();
    while maps.len() < MAX_PARTITIONS && maps.len() < usize::try_from(u32_le(bytes, 268)).unwrap_or(0) {
        let length = usize::from(u8_at(rest, 1));
        let Some(map) = rest.get(..length).filter(|map| map.len() >= 6) else { break };
        maps.push(map.to_vec());
        rest = rest.get(length..).unwrap_or_default();
    }
    LogicalVolume {
        identifier: text::dstring(bytes.get(84..212).unwrap_or_default()),
        block_size: u32_le(bytes, 212),
        revision: u16_le(bytes, 240),
        file_set: (bytes.len() >= 264).then(|| LongAd::read(bytes, 248)),
        maps,
        integrity: Some(Extent::read(bytes, 432)).filter(|extent| extent.length != 0),
    }
}

/// What the Logical Volume Integrity Descriptor (3/10.10, UDF 2.2.6.4) says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Integrity {
    pub closed: bool,
    pub files: u64,
}

/// The last integrity descriptor of the sequence.
pub fn integrity(metadata: &Cached, notes: &Notes, sector_size: u32, extent: Extent) -> Option<Integrity> {
    let sectors = Sectors { metadata, notes, size: sector_size };
    let mut found = None;
    let mut seen = HashSet::new();
    let mut next = Some(extent);
    while let Some(extent) = next.take().filter(|extent| extent.length != 0) {
        if !seen.insert(extent) || seen.len() > MAX_POINTERS {
            break;
        }
        for number in 0..extent.length.div_ceil(sector_size).min(MAX_SECTORS) {
            let Some((tag, bytes)) = extent.location.checked_add(number).and_then(|at| sectors.tagged(at)) else {
                break;
            };
            if tag.identifier != id::INTEGRITY {
                break;
            }
            let partitions = usize::try_from(u32_le(&bytes, 72)).unwrap_or(usize::MAX);
            // Behind the tables of free space and sizes: implementation identifier, then the counts.
            let counts = partitions.saturating_mul(8).saturating_add(80).saturating_add(32);
            let files = match bytes.get(counts..counts.saturating_add(8)) {
                Some(pair) => u64::from(u32_le(pair, 0)).saturating_add(u64::from(u32_le(pair, 4))),
                None => 0,
            };
            found = Some(Integrity { closed: u32_le(&bytes, 28) == 1, files });
            next = Some(Extent::read(&bytes, 32));
        }
    }
    found
}
