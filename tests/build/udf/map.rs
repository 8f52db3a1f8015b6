//! ECMA-167 3/10.7 and UDF 2.2.8 to 2.2.10: partition maps.

use super::image::Image;
use super::space::Spaces;
use super::text::udf_entity;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Map {
    /// ECMA-167 3/10.7.2: the partition that holds everything.
    Physical,
    /// The same kind over a partition of its own, of [`Map::SECOND`] blocks and the number 1.
    Second,
    /// UDF 2.2.8.
    Virtual(Vat),
    /// UDF 2.2.9, in place of `Physical`.
    Sparable(Sparing),
    /// UDF 2.2.10.
    Metadata(Metadata),
    /// The bytes of the map.
    Raw(Vec<u8>),
}

/// UDF 2.2.11: the virtual allocation table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vat {
    /// Its entries lie in its ICB.
    pub embedded: bool,
    /// Blocks of zeros behind the ICB, as a drive writes them to end a session.
    pub run_out: u32,
    /// The blocks of an extent lie in descending order.
    pub scatter: bool,
    /// Bytes of implementation use in the header (2.00 and later).
    pub implementation_use: u16,
}

/// UDF 2.2.12.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sparing {
    pub packet: u16,
    pub tables: u8,
    /// The packets of the partition that are recorded elsewhere.
    pub remapped: Vec<u32>,
}

/// UDF 2.2.13.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// Flag bit 0: the mirror file has extents of its own.
    pub duplicate: bool,
    /// The length of the metadata file's extents in blocks.
    pub unit: u32,
    /// Blocks between the extents.
    pub gap: u32,
}

impl Map {
    pub const SECOND: u32 = 64;

    pub fn vat() -> Self {
        Self::Virtual(Vat::default())
    }

    pub fn sparable() -> Self {
        Self::Sparable(Sparing { packet: 32, tables: 2, remapped: vec![0, 1] })
    }

    pub fn metadata() -> Self {
        Self::Metadata(Metadata { duplicate: true, unit: 32, gap: 1 })
    }

    /// The partition map itself.
    pub fn bytes(&self, image: &Image, spaces: &Spaces) -> Vec<u8> {
        let two = |id: &str| {
            let mut map = vec![0; 64];
            map[..2].copy_from_slice(&[2, 64]);
            map[4..36].copy_from_slice(&udf_entity(id, image.revision));
            map[36] = 1;
            map
        };
        match self {
            Self::Physical => vec![1, 6, 1, 0, 0, 0],
            Self::Second => vec![1, 6, 1, 0, 1, 0],
            Self::Virtual(_) => two("*UDF Virtual Partition"),
            Self::Sparable(sparing) => {
                let mut map = two("*UDF Sparable Partition");
                map[40..42].copy_from_slice(&sparing.packet.to_le_bytes());
                map[42] = sparing.tables;
                map[44..48].copy_from_slice(&(image.block_size * image.sparing_blocks()).to_le_bytes());
                for number in 0..u32::from(sparing.tables) {
                    let at = 48 + 4 * number as usize;
                    map[at..at + 4].copy_from_slice(&image.sparing_sector(number).to_le_bytes());
                }
                map
            }
            Self::Metadata(metadata) => {
                let mut map = two("*UDF Metadata Partition");
                let [main, mirror] = spaces.metadata_icbs;
                map[40..44].copy_from_slice(&main.to_le_bytes());
                map[44..48].copy_from_slice(&mirror.to_le_bytes());
                map[48..52].fill(0xFF);
                map[52..56].copy_from_slice(&metadata.unit.to_le_bytes());
                map[56..58].copy_from_slice(&1u16.to_le_bytes());
                map[58] = u8::from(metadata.duplicate);
                map
            }
            Self::Raw(bytes) => bytes.clone(),
        }
    }
}
