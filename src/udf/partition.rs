//! Partition maps (ECMA-167 3/10.7, UDF 2.2.8 to 2.2.11): from logical blocks to places in the image.

use std::collections::BTreeMap;

use crate::source::{ExtentList, Location};

/// A run of logical blocks of a physical partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Byte address in the image.
    pub start: u64,
    pub blocks: u64,
    /// The partition is that of a later session: genisoimage names the blocks of earlier ones, which lie before it, by
    /// numbers that lead there when added up in 32 bits, as Linux does.
    pub is_later: bool,
}

/// Where a logical block is, and how many follow it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Byte address in the image; `None` where the block is nowhere.
    pub address: Option<u64>,
    pub blocks: u64,
}

/// A partition of the logical volume, found by its index in the table of partition maps.
#[derive(Debug)]
pub enum PartitionMap {
    /// Type 1 (3/10.7.2).
    Physical(Span),
    /// UDF 2.2.8: each block's place is looked up in the Virtual Allocation Table.
    Virtual { base: Span, table: Vec<u32> },
    /// UDF 2.2.9: packets that went bad were moved; keys are packets of the partition, values sectors.
    Sparable { base: Span, packet: u64, moved: BTreeMap<u32, u32>, sector_size: u32 },
    /// UDF 2.2.10: the blocks are those of the metadata file, and once more those of its mirror.
    Metadata { main: ExtentList, mirror: ExtentList },
    /// A map that can't be used, and why.
    Unusable(String),
}

/// An entry of a Virtual Allocation Table that maps nothing (UDF 2.2.11).
const UNUSED: u32 = 0xFFFF_FFFF;

impl Span {
    fn locate(self, block: u64, block_size: u64) -> Run {
        match self.blocks.checked_sub(block).filter(|blocks| *blocks > 0) {
            Some(blocks) => {
                Run { address: block.checked_mul(block_size).and_then(|at| at.checked_add(self.start)), blocks }
            }
            None => self.earlier(block, block_size).unwrap_or(Run { address: None, blocks: u64::MAX }),
        }
    }

    /// The place of a block of an earlier session.
    fn earlier(self, block: u64, block_size: u64) -> Option<Run> {
        let back = (1_u64 << 32).checked_sub(block).filter(|back| self.is_later && *back > 0)?;
        Some(Run { address: Some(self.start.checked_sub(back.checked_mul(block_size)?)?), blocks: back })
    }
}

impl PartitionMap {
    /// The place of a logical block.
    pub fn locate(&self, block: u32, block_size: u32) -> Run {
        let size = u64::from(block_size);
        let number = u64::from(block);
        match self {
            Self::Physical(span) => span.locate(number, size),
            Self::Virtual { base, table } => {
                let entry = usize::try_from(block).ok().and_then(|index| table.get(index)).copied();
                match entry.filter(|entry| *entry != UNUSED) {
                    Some(entry) => Run { blocks: 1, ..base.locate(u64::from(entry), size) },
                    None => Run { address: None, blocks: 1 },
                }
            }
            Self::Sparable { base, packet, moved, sector_size } => {
                let inside = number.checked_rem(*packet).unwrap_or(0);
                let rest = packet.saturating_sub(inside).max(1);
                let key = u32::try_from(number.saturating_sub(inside)).ok();
                match key.and_then(|key| moved.get(&key)) {
                    Some(sector) => {
                        let start = u64::from(*sector).saturating_mul(u64::from(*sector_size));
                        Run { address: Some(start.saturating_add(inside.saturating_mul(size))), blocks: rest }
                    }
                    None => {
                        let run = base.locate(number, size);
                        Run { blocks: run.blocks.min(rest), ..run }
                    }
                }
            }
            Self::Metadata { main, .. } => in_file(main, number, size),
            Self::Unusable(_) => Run { address: None, blocks: u64::MAX },
        }
    }

    /// The place of the same block in the mirror (UDF 2.2.13).
    pub fn locate_mirror(&self, block: u32, block_size: u32) -> Option<u64> {
        match self {
            Self::Metadata { mirror, .. } => in_file(mirror, u64::from(block), u64::from(block_size)).address,
            _ => None,
        }
    }

    /// Appends `length` bytes from a logical block on to a list of extents.
    pub fn append(&self, block: u32, length: u64, block_size: u32, mirror: bool, list: &mut ExtentList) {
        let size = u64::from(block_size);
        let mut rest = length;
        let mut here = u64::from(block);
        while rest > 0 && !list.is_full() {
            let number = u32::try_from(here);
            let run = match (number, self) {
                (Ok(_), Self::Metadata { mirror: file, .. }) if mirror => in_file(file, here, size),
                (Ok(number), _) => self.locate(number, block_size),
                // 4/7.1: block numbers have 32 bits; beyond them is nothing, and not the beginning again.
                (Err(_), _) => Run { address: None, blocks: u64::MAX },
            };
            let take = run.blocks.max(1).saturating_mul(size).min(rest);
            list.push(take, run.address.map_or(Location::Lost, Location::Recorded));
            rest = rest.saturating_sub(take);
            here = here.saturating_add(run.blocks.max(1));
        }
        list.push(rest, Location::Lost);
    }
}

/// The place of a block of a file that holds a partition.
fn in_file(file: &ExtentList, block: u64, size: u64) -> Run {
    let nowhere = Run { address: None, blocks: 1 };
    let Some((location, length)) = block.checked_mul(size).and_then(|offset| file.at(offset)) else {
        return Run { blocks: u64::MAX, ..nowhere };
    };
    let blocks = length.checked_div(size).unwrap_or(0).max(1);
    match location {
        Location::Recorded(address) => Run { address: Some(address), blocks },
        Location::Zeros | Location::Lost => Run { address: None, blocks },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Span = Span { start: 10_000, blocks: 100, is_later: false };

    #[test]
    fn udf_2_2_9_moved_packets() {
        let map = PartitionMap::Sparable { base: BASE, packet: 32, moved: [(32, 7)].into(), sector_size: 2048 };
        let mut list = ExtentList::default();
        map.append(30, 36 * 2048, 2048, false, &mut list);
        let runs: Vec<_> = list.iter().map(|extent| (extent.len / 2048, extent.location)).collect();
        let at = |address| Location::Recorded(address);
        assert_eq!(runs, [(2, at(10_000 + 30 * 2048)), (32, at(7 * 2048)), (2, at(10_000 + 64 * 2048))]);
        assert_eq!(map.locate(100, 2048).address, None);
    }

    #[test]
    fn udf_2_2_11_unused_and_missing_entries_lead_nowhere() {
        let map = PartitionMap::Virtual { base: BASE, table: vec![5, UNUSED, 200] };
        assert_eq!(map.locate(0, 2048), Run { address: Some(10_000 + 5 * 2048), blocks: 1 });
        for block in 1..5 {
            assert_eq!(map.locate(block, 2048).address, None, "{block}");
        }
    }

    #[test]
    fn a_later_session_reaches_back_to_earlier_ones() {
        let map = PartitionMap::Physical(Span { start: 100 * 2048, is_later: true, ..BASE });
        assert_eq!(map.locate(0u32.wrapping_sub(7), 2048), Run { address: Some(93 * 2048), blocks: 7 });
        assert_eq!(map.locate(0u32.wrapping_sub(100), 2048).address, Some(0));
        assert_eq!(map.locate(0u32.wrapping_sub(101), 2048).address, None);
        assert_eq!(map.locate(100, 2048).address, None);
    }

    #[test]
    fn blocks_beyond_the_partition_are_lost_and_never_wrap() {
        let map = PartitionMap::Physical(BASE);
        let mut list = ExtentList::default();
        map.append(99, 3 * 2048, 2048, false, &mut list);
        assert_eq!(list.at(0), Some((Location::Recorded(10_000 + 99 * 2048), 2048)));
        assert_eq!(list.at(2048).unwrap().0, Location::Lost);
        let mut list = ExtentList::default();
        map.append(u32::MAX, 1 << 40, 2048, false, &mut list);
        assert_eq!(list.len(), 1 << 40);
        assert_eq!(list.at(0).unwrap().0, Location::Lost);
    }
}
