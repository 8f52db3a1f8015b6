//! Blocks, and where they lie: one space for each partition map.

use std::collections::HashMap;

use super::image::Image;
use super::map::Map;

/// ECMA-167 4/7.1: lb_addr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Address {
    pub block: u32,
    pub partition: u16,
}

#[derive(Debug, Clone)]
enum Space {
    Physical { start: u32, next: u32 },
    Sparable { start: u32, next: u32, packet: u32, remapped: HashMap<u32, u32> },
    Virtual { over: u16, entries: Vec<u32>, scatter: bool },
    Metadata { over: u16, unit: u32, gap: u32, next: u32, main: Vec<u32>, mirror: Vec<u32>, duplicate: bool },
    Unknown,
}

#[derive(Debug, Clone)]
pub struct Spaces {
    pub block_size: u64,
    list: Vec<Space>,
    /// The reference numbers of the partition that holds data, of that for directories, and of that for file ICBs.
    pub data: u16,
    pub directories: u16,
    pub files: u16,
    /// The partition that the metadata files lie in, and the blocks of the main and the mirror file's ICBs there.  No
    /// clause says which partition of a number is meant where one is virtual; what is rewritten can only be in that one.
    pub metadata_over: u16,
    pub metadata_icbs: [u32; 2],
}

impl Spaces {
    pub fn new(image: &Image) -> Self {
        let find = |wanted: fn(&Map) -> bool| image.maps.iter().position(wanted).map(|at| at as u16);
        let data = find(|map| matches!(map, Map::Physical | Map::Sparable(_))).expect("a partition for the data");
        let vat = find(|map| matches!(map, Map::Virtual(_)));
        let metadata = find(|map| matches!(map, Map::Metadata(_)));
        let start = image.partition_start();
        let list = image.maps.iter().map(|map| match map {
            Map::Physical => Space::Physical { start, next: image.first_block },
            Map::Second => Space::Physical { start: start - Map::SECOND, next: 0 },
            Map::Sparable(sparing) => {
                let packet = u32::from(sparing.packet);
                let spared = image.spare_start();
                let remapped = sparing.remapped.iter().enumerate();
                let remapped = remapped.map(|(at, number)| (*number, spared + at as u32 * packet)).collect();
                Space::Sparable { start, next: image.first_block, packet, remapped }
            }
            Map::Virtual(vat) => Space::Virtual { over: data, entries: Vec::new(), scatter: vat.scatter },
            Map::Metadata(metadata) => Space::Metadata {
                over: vat.unwrap_or(data),
                unit: metadata.unit,
                gap: metadata.gap,
                next: 0,
                main: Vec::new(),
                mirror: Vec::new(),
                duplicate: metadata.duplicate,
            },
            Map::Raw(_) => Space::Unknown,
        });
        let mut spaces = Self {
            block_size: u64::from(image.block_size),
            list: list.collect(),
            data,
            directories: metadata.or(vat).unwrap_or(data),
            files: vat.or(metadata).unwrap_or(data),
            metadata_over: vat.unwrap_or(data),
            metadata_icbs: [0; 2],
        };
        if metadata.is_some() {
            let over = spaces.metadata_over;
            spaces.metadata_icbs = [spaces.take(over, 1), spaces.take(over, 1)];
        }
        spaces
    }

    /// The next `count` blocks of a partition.
    pub fn take(&mut self, partition: u16, count: u32) -> u32 {
        let at = usize::from(partition);
        match &mut self.list[at] {
            Space::Physical { next, .. } | Space::Sparable { next, .. } => {
                *next += count;
                *next - count
            }
            Space::Virtual { over, scatter, .. } => {
                let (over, scatter) = (*over, *scatter);
                let first = self.take(over, count);
                let Space::Virtual { entries, .. } = &mut self.list[at] else { unreachable!() };
                let blocks = first..first + count;
                let number = entries.len() as u32;
                if scatter {
                    entries.extend(blocks.rev())
                } else {
                    entries.extend(blocks)
                }
                number
            }
            Space::Metadata { over, unit, gap, next, main, duplicate, .. } => {
                let (over, unit, gap, duplicate) = (*over, *unit, *gap, *duplicate);
                let first = *next;
                *next += count;
                let more = (*next).div_ceil(unit).saturating_sub(main.len() as u32);
                for _ in 0..more {
                    let extents: Vec<u32> = (0..=u32::from(duplicate)).map(|_| self.take(over, unit + gap)).collect();
                    let Space::Metadata { main, mirror, .. } = &mut self.list[at] else { unreachable!() };
                    main.push(extents[0]);
                    mirror.push(*extents.last().expect("there is one"));
                }
                first
            }
            Space::Unknown => panic!("nothing lies in a partition that nobody knows"),
        }
    }

    /// Where a block lies in the image, and how many of its successors lie behind it.
    pub fn locate(&self, address: Address) -> (u64, u32) {
        self.locate_in(address, false)
    }

    /// The same by way of the metadata mirror file.
    pub fn mirror(&self, address: Address) -> Option<(u64, u32)> {
        match &self.list[usize::from(address.partition)] {
            Space::Metadata { duplicate: true, .. } => Some(self.locate_in(address, true)),
            _ => None,
        }
    }

    fn locate_in(&self, address: Address, mirrored: bool) -> (u64, u32) {
        let block = address.block;
        match &self.list[usize::from(address.partition)] {
            Space::Physical { start, .. } => ((u64::from(*start) + u64::from(block)) * self.block_size, u32::MAX),
            Space::Sparable { start, packet, remapped, .. } => {
                let (number, within) = (block / packet, block % packet);
                let sector = remapped.get(&number).map_or(start + block, |sector| sector + within);
                (u64::from(sector) * self.block_size, packet - within)
            }
            Space::Virtual { over, entries, .. } => {
                let block = entries[block as usize];
                (self.locate_in(Address { block, partition: *over }, false).0, 1)
            }
            Space::Metadata { over, unit, main, mirror, .. } => {
                let list = if mirrored { mirror } else { main };
                let block_there = list[(block / unit) as usize] + block % unit;
                let (at, run) = self.locate_in(Address { block: block_there, partition: *over }, false);
                (at, run.min(unit - block % unit))
            }
            Space::Unknown => unreachable!("nothing lies there"),
        }
    }

    /// How many blocks of the partition are taken.
    pub fn taken(&self, partition: u16) -> u32 {
        match &self.list[usize::from(partition)] {
            Space::Physical { next, .. } | Space::Sparable { next, .. } => *next,
            Space::Virtual { entries, .. } => entries.len() as u32,
            Space::Metadata { unit, main, .. } => unit * main.len() as u32,
            Space::Unknown => 0,
        }
    }

    /// The entries of the virtual allocation table.
    pub fn vat(&self) -> Option<&[u32]> {
        self.list.iter().find_map(|space| match space {
            Space::Virtual { entries, .. } => Some(entries.as_slice()),
            _ => None,
        })
    }

    /// The extents (first block and count) of the metadata main and mirror file.
    pub fn metadata(&self) -> Option<[Vec<(u32, u32)>; 2]> {
        self.list.iter().find_map(|space| match space {
            Space::Metadata { unit, main, mirror, .. } => {
                Some([main, mirror].map(|list| list.iter().map(|first| (*first, *unit)).collect()))
            }
            _ => None,
        })
    }
}
