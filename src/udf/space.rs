//! The blocks of a logical volume: its partitions, and reading a block of one.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::allocation;
use super::descriptor::{PartitionDescriptor, Sequence};
use super::icb::{Address, Icb, file_type};
use super::options::UdfOptions;
use super::partition::{PartitionMap, Span};
use super::tag::{self, Trust, id};
use crate::bytes::{u8_at, u16_le, u32_le};
use crate::error::{Defect, Error, Result};
use crate::limits::{MAX_ICB_HOPS, MAX_VAT_BYTES};
use crate::notes::Notes;
use crate::source::{Cached, Extent, ExtentList, Location, Source};

/// Blocks before the end of the image that may hold the ICB of the Virtual Allocation Table: run-out blocks and
/// padding follow it.
const VAT_SEARCH: u64 = 4096;

/// What is needed to find and read blocks.
#[derive(Debug)]
pub struct Space {
    pub metadata: Arc<Cached>,
    pub notes: Arc<Notes>,
    pub block_size: u32,
    /// Where what was recorded ends: the end of the image, or of the session that is read.
    end: u64,
    /// The session that is read is not the first.
    is_later: bool,
    partitions: Vec<PartitionMap>,
}

/// A block that was read.
#[derive(Debug)]
pub struct Block {
    pub bytes: Vec<u8>,
    /// Byte address in the image.
    pub at: u64,
}

impl Space {
    /// Opens the partitions that a volume names.
    pub fn open(metadata: Arc<Cached>, notes: Arc<Notes>, sequence: &Sequence, options: &UdfOptions) -> Self {
        let block_size = sequence.volume.block_size;
        let sectors = options.last_block.map_or(u64::MAX, |last| u64::from(last).saturating_add(1));
        let end = sectors.saturating_mul(u64::from(sequence.sector_size)).min(metadata.len());
        let is_later = options.session_start > 0;
        let mut space = Self { metadata, notes, block_size, end, is_later, partitions: Vec::new() };
        let maps = &sequence.volume.maps;
        space.partitions.resize_with(maps.len(), || PartitionMap::Unusable("it was not opened".to_owned()));
        // Maps may lie in others (metadata in a virtual partition, that in a physical one) and stand in any order: each
        // round opens those whose partition was opened before, until a round opens none.
        let mut opens = true;
        while opens {
            opens = false;
            for (index, map) in maps.iter().enumerate() {
                if matches!(space.partitions.get(index), Some(PartitionMap::Unusable(_))) {
                    let opened = space.open_map(map, sequence);
                    opens |= !matches!(opened, PartitionMap::Unusable(_));
                    if let Some(slot) = space.partitions.get_mut(index) {
                        *slot = opened;
                    }
                }
            }
        }
        for (index, map) in space.partitions.iter().enumerate() {
            if let PartitionMap::Unusable(why) = map {
                let what = format!("partition {index} can't be used: {why}");
                space.notes.report(Defect::new(0, "UDF 2.2.8", what));
            }
        }
        space
    }

    /// The partition of a reference number, which counts the maps (3/10.6.13), not the partition numbers.
    pub fn partition(&self, reference: u16) -> Option<&PartitionMap> {
        self.partitions.get(usize::from(reference))
    }

    /// All partitions, by their reference numbers.
    pub fn partitions(&self) -> &[PartitionMap] {
        &self.partitions
    }

    /// Whether a partition has a second copy of its blocks.
    pub fn is_mirrored(&self, reference: u16) -> bool {
        matches!(self.partition(reference), Some(PartitionMap::Metadata { mirror, .. }) if !mirror.is_empty())
    }

    fn read_at(&self, at: u64) -> Result<Block> {
        let available = self.metadata.len().saturating_sub(at).min(u64::from(self.block_size));
        let mut bytes = vec![0; usize::try_from(available).unwrap_or(0)];
        if bytes.is_empty() {
            let source = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
            return Err(Error::Read { at, source });
        }
        self.metadata.peek(&mut bytes, at).map_err(|source| Error::Read { at, source })?;
        Ok(Block { bytes, at })
    }

    /// Reads a block that begins with a tag; of a mirrored partition the mirror's, where the first is no good.
    pub fn read_block(&self, address: Address) -> Result<Block> {
        let map = self.partition(address.partition).ok_or_else(|| {
            let what = format!("partition {} does not exist", address.partition);
            Error::damaged(0, "ECMA-167 4/7.1", what)
        })?;
        let main = match map.locate(address.block, self.block_size).address {
            Some(at) => self.read_at(at),
            None => {
                let what = format!("block {} is not in partition {}", address.block, address.partition);
                Err(Error::damaged(0, "ECMA-167 4/7.1", what))
            }
        };
        if !self.is_mirrored(address.partition) {
            // There is no other copy to compare with; the caller checks what it gets.
            return main;
        }
        let good = |block: &Block| tag::read(&block.bytes, None).is_some_and(|tag| tag.trust == Trust::Whole);
        if main.as_ref().is_ok_and(good) {
            return main;
        }
        let mirror = map.locate_mirror(address.block, self.block_size).and_then(|at| self.read_at(at).ok());
        match mirror.filter(good) {
            Some(block) => {
                let at = main.as_ref().map_or(block.at, |block| block.at);
                let what = "a block of the metadata file is damaged: its mirror is used";
                self.notes.report(Defect::new(at, "UDF 2.2.13", what));
                Ok(block)
            }
            None => main,
        }
    }

    /// The File Entry at an address: indirect entries (4/14.7) and those of strategy 4096 (UDF 2.3.5.1) are
    /// followed, and the last one that can be read prevails.
    pub fn icb(&self, address: Address) -> Result<Icb> {
        let mut seen = HashSet::new();
        let mut here = address;
        let mut found: Option<Icb> = None;
        loop {
            if !seen.insert(here) || seen.len() > MAX_ICB_HOPS {
                let what = "the entries of an ICB form a loop";
                self.notes.report(Defect::new(found.as_ref().map_or(0, |icb| icb.at), "ECMA-167 4/14.7", what));
                break;
            }
            let step = self.read_block(here).and_then(|block| self.entry(address, here, block));
            let next = match step {
                Ok(Entry::Direct(icb)) => {
                    let next = (icb.strategy() == 4096).then(|| self.indirect_behind(here)).flatten();
                    found = Some(icb);
                    next
                }
                Ok(Entry::Indirect(next)) => Some(next),
                Err(error) if found.is_none() => return Err(error),
                Err(_) => None,
            };
            match next {
                Some(next) => here = next,
                None => break,
            }
        }
        found.ok_or_else(|| Error::damaged(0, "ECMA-167 4/14.6", "an ICB leads to no File Entry"))
    }

    fn entry(&self, asked: Address, here: Address, block: Block) -> Result<Entry> {
        let damaged = |what: &str| Error::damaged(block.at, "ECMA-167 4/14.9", what);
        let tag = tag::read(&block.bytes, Some(here.block)).ok_or_else(|| damaged("a File Entry is damaged"))?;
        if let Trust::Partial(what) = tag.trust {
            // Authoring tools get the location wrong; a wrong CRC with a right checksum is worth a look, too.
            self.notes.report(Defect::new(block.at, "ECMA-167 4/7.2", what));
        }
        match tag.identifier {
            id::FILE_ENTRY | id::EXTENDED_FILE_ENTRY => {
                let extended = tag.identifier == id::EXTENDED_FILE_ENTRY;
                let at = block.at;
                Icb::new(asked, at, extended, block.bytes)
                    .map(Entry::Direct)
                    .ok_or_else(|| Error::damaged(at, "ECMA-167 4/14.9", "a File Entry is cut off"))
            }
            id::INDIRECT_ENTRY => {
                let ad = super::descriptor::LongAd::read(&block.bytes, 36);
                match ad.length & 0x3FFF_FFFF {
                    0 => Err(damaged("an Indirect Entry leads nowhere")),
                    _ => Ok(Entry::Indirect(Address::of(&ad))),
                }
            }
            other => Err(damaged(&format!("a descriptor {other} stands where a File Entry should be"))),
        }
    }

    /// The Indirect Entry in the block behind a direct one, if it leads to a further entry.
    fn indirect_behind(&self, address: Address) -> Option<Address> {
        let behind = Address { block: address.block.checked_add(1)?, ..address };
        let block = self.read_block(behind).ok()?;
        match self.entry(behind, behind, block).ok()? {
            Entry::Indirect(next) => self.read_block(next).ok().map(|_| next),
            Entry::Direct(_) => None,
        }
    }

    fn open_map(&self, map: &[u8], sequence: &Sequence) -> PartitionMap {
        let opened = match u8_at(map, 0) {
            1 => self.base(sequence, u16_le(map, 4)).map(PartitionMap::Physical),
            2 => {
                let identifier = map.get(5..28).unwrap_or_default();
                let is = |name: &[u8]| identifier.starts_with(name);
                self.base(sequence, u16_le(map, 38)).and_then(|base| match () {
                    () if is(b"*UDF Virtual Partition") => self.virtual_partition(base, u16_le(map, 38), sequence),
                    () if is(b"*UDF Sparable Partition") => self.sparable(base, map, sequence),
                    () if is(b"*UDF Metadata Partition") => self.metadata_partition(map, sequence),
                    () => Err(format!("its type is unknown ({})", crate::text::printable(identifier))),
                })
            }
            other => Err(format!("its map is of type {other}")),
        };
        opened.unwrap_or_else(PartitionMap::Unusable)
    }

    /// The blocks of the partition with a number.
    fn base(&self, sequence: &Sequence, number: u16) -> Result<Span, String> {
        let found: Option<&PartitionDescriptor> = sequence.partitions.iter().find(|found| found.number == number);
        let found = found.ok_or_else(|| format!("no Partition Descriptor has the number {number}"))?;
        Ok(Span {
            start: u64::from(found.start).saturating_mul(u64::from(sequence.sector_size)),
            blocks: u64::from(found.length)
                .saturating_mul(u64::from(sequence.sector_size))
                .checked_div(u64::from(sequence.volume.block_size))
                .unwrap_or(0),
            is_later: self.is_later,
        })
    }

    /// UDF 2.2.11: the table is a file whose ICB is in the last block that was written.
    fn virtual_partition(&self, base: Span, number: u16, sequence: &Sequence) -> Result<PartitionMap, String> {
        let size = u64::from(self.block_size);
        let index = sequence.volume.maps.iter().position(|map| u8_at(map, 0) == 1 && u16_le(map, 4) == number);
        let partition = index.and_then(|index| u16::try_from(index).ok()).ok_or("it has no physical partition")?;
        let blocks = self.end.saturating_sub(base.start).div_ceil(size.max(1));
        // A disc that is not closed says a length of 0 or of all the medium: the image's end counts.
        let last = blocks.saturating_sub(1);
        for back in 0..VAT_SEARCH.min(blocks) {
            let number = last.saturating_sub(back);
            let (Ok(block), Ok(read)) = (
                u32::try_from(number),
                self.read_at(base.start.saturating_add(number.saturating_mul(size))),
            ) else {
                continue;
            };
            let address = Address { partition, block };
            let Some(tag) = tag::read(&read.bytes, None) else { continue };
            if !matches!(tag.identifier, id::FILE_ENTRY | id::EXTENDED_FILE_ENTRY) {
                continue;
            }
            let at = read.at;
            let extended = tag.identifier == id::EXTENDED_FILE_ENTRY;
            let Some(icb) = Icb::new(address, at, extended, read.bytes) else { continue };
            if let Some(table) = self.allocation_table(&icb) {
                return Ok(PartitionMap::Virtual { base: Span { blocks, ..base }, table });
            }
        }
        Err("no Virtual Allocation Table is at the end of the image".to_owned())
    }

    /// The entries of a Virtual Allocation Table; `None` where the file is none.
    fn allocation_table(&self, icb: &Icb) -> Option<Vec<u32>> {
        if !matches!(icb.file_type(), 0 | file_type::VIRTUAL_ALLOCATION_TABLE) {
            return None;
        }
        let mut list = allocation::extents(self, icb, false);
        // Its Information Length may lie; what the extents hold is the table. Where they hold nothing, its partition may be
        // one that is not known yet.
        let is_lost = |extent: &Extent| extent.location == Location::Lost;
        let held = list.iter().take_while(|extent| !is_lost(extent)).last().map_or(0, Extent::end);
        if held > 0 && list.iter().all(|extent| extent.start < held || is_lost(extent)) {
            list.truncate(held);
        }
        if icb.file_type() == 0 {
            // Any small file may stand at the end of a disc: its last bytes tell before all of it is read.
            let body = crate::source::Extents::new(self.metadata.clone(), list.clone());
            let mut trailer = [0; 36];
            body.read_exact_at(&mut trailer, list.len().checked_sub(36)?).ok()?;
            let named = trailer.get(1..).is_some_and(|name| name.starts_with(b"*UDF Virtual Alloc Tbl"));
            named.then_some(())?;
        }
        let bytes = allocation::read_whole(self, &list, MAX_VAT_BYTES).ok()?;
        let entries = match icb.file_type() {
            // UDF 2.2.11, revision 2.00 and later: a header that says its own length.
            file_type::VIRTUAL_ALLOCATION_TABLE => bytes.get(usize::from(u16_le(&bytes, 0))..)?,
            // Revision 1.50: the entries come first; an identifier and the previous table end the file.
            _ => {
                let trailer = bytes.len().checked_sub(36)?;
                let identifier = bytes.get(trailer.saturating_add(1)..)?;
                identifier.starts_with(b"*UDF Virtual Alloc Tbl").then_some(())?;
                bytes.get(..trailer)?
            }
        };
        Some(entries.chunks_exact(4).map(|entry| u32_le(entry, 0)).collect())
    }

    /// UDF 2.2.9 and 2.2.12: the first sparing table that can be read.
    fn sparable(&self, base: Span, map: &[u8], sequence: &Sequence) -> Result<PartitionMap, String> {
        let packet = u64::from(u16_le(map, 40));
        if packet == 0 {
            return Err("its packets have a length of 0".to_owned());
        }
        let tables = usize::from(u8_at(map, 42)).min(4);
        let length = u64::from(u32_le(map, 44)).min(MAX_VAT_BYTES);
        for number in 0..tables {
            let sector = u32_le(map, number.saturating_mul(4).saturating_add(48));
            let at = u64::from(sector).saturating_mul(u64::from(sequence.sector_size));
            let available = self.metadata.len().saturating_sub(at).min(length);
            let mut bytes = vec![0; usize::try_from(available).unwrap_or(0)];
            let read = self.metadata.read_exact_at(&mut bytes, at).is_ok();
            let good = read
                && tag::read(&bytes, None).is_some()
                && bytes.get(17..).is_some_and(|name| name.starts_with(b"*UDF Sparing Table"));
            if !good {
                let what = "a sparing table is damaged: the next one is used";
                self.notes.report(Defect::new(at, "UDF 2.2.12", what));
                continue;
            }
            let count = usize::from(u16_le(&bytes, 48));
            let entries = bytes.get(56..).unwrap_or_default().chunks_exact(8).take(count);
            // 0xFFFFFFF0 and above: spare packets that are free or bad. No spare packet is at sector 0: such entries
            // are the filling behind a table whose length lies.
            let moved: BTreeMap<u32, u32> = entries
                .map(|entry| (u32_le(entry, 0), u32_le(entry, 4)))
                .filter(|(original, mapped)| *original < 0xFFFF_FFF0 && *mapped != 0)
                .collect();
            return Ok(PartitionMap::Sparable { base, packet, moved, sector_size: sequence.sector_size });
        }
        Err("none of its sparing tables can be read".to_owned())
    }

    /// UDF 2.2.10 and 2.2.13.
    fn metadata_partition(&self, map: &[u8], sequence: &Sequence) -> Result<PartitionMap, String> {
        let number = u16_le(map, 38);
        // The files lie in the partition below: a virtual or sparable one where there is one, else the physical.
        let below = sequence.volume.maps.iter().enumerate().filter(|(_, other)| {
            let (kind, theirs) = (u8_at(other, 0), if u8_at(other, 0) == 1 { u16_le(other, 4) } else { u16_le(other, 38) });
            theirs == number && (kind == 1 || !other.get(5..).unwrap_or_default().starts_with(b"*UDF Metadata"))
        });
        let below = below.max_by_key(|(_, other)| u8_at(other, 0)).ok_or("its partition does not exist")?;
        let partition = u16::try_from(below.0).map_err(|_| "its partition does not exist")?;
        if !matches!(
            self.partition(partition),
            Some(PartitionMap::Physical(_) | PartitionMap::Virtual { .. } | PartitionMap::Sparable { .. })
        ) {
            return Err("the partition that it lies in is not usable".to_owned());
        }
        let file = |block: u32| -> Result<ExtentList> {
            let icb = self.icb(Address { partition, block })?;
            Ok(allocation::extents(self, &icb, false))
        };
        let main = file(u32_le(map, 40));
        let mirror = file(u32_le(map, 44));
        match (main, mirror) {
            (Ok(main), mirror) => Ok(PartitionMap::Metadata { main, mirror: mirror.unwrap_or_default() }),
            (Err(error), Ok(mirror)) => {
                let what = format!("the metadata file can't be used ({error}): its mirror is used");
                self.notes.report(Defect::new(0, "UDF 2.2.13", what));
                Ok(PartitionMap::Metadata { main: mirror, mirror: ExtentList::default() })
            }
            (Err(main), Err(mirror)) => Err(format!("neither the metadata file ({main}) nor its mirror ({mirror}) can be read")),
        }
    }
}

enum Entry {
    Direct(Icb),
    Indirect(Address),
}
