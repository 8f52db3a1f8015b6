//! ECMA-167 part 3 and 4/14.1: what describes the volume and the file set.

use super::image::{Image, Integrity};
use super::space::Spaces;
use super::tag;
use super::text::{charspec, dstring, entity, udf_entity};
use super::time::Stamp;

/// A descriptor of 512 bytes (or more, for many maps), whose tag is still empty.
struct Fields(Vec<u8>);

impl Fields {
    fn new() -> Self {
        Self(vec![0; 512])
    }

    fn put(mut self, at: usize, field: &[u8]) -> Self {
        if self.0.len() < at + field.len() {
            self.0.resize(at + field.len(), 0);
        }
        self.0[at..at + field.len()].copy_from_slice(field);
        self
    }

    fn u16(self, at: usize, value: u16) -> Self {
        self.put(at, &value.to_le_bytes())
    }

    fn u32(self, at: usize, value: u32) -> Self {
        self.put(at, &value.to_le_bytes())
    }
}

fn domain(image: &Image) -> Vec<u8> {
    entity("*OSTA UDF Compliant", &image.revision.to_le_bytes())
}

fn implementation() -> Vec<u8> {
    entity("*mount-iso builder", &[4, 0])
}

/// ECMA-167 3/10.1.
pub fn primary(image: &Image, number: u32, label: &str) -> Vec<u8> {
    let fields = Fields::new()
        .u32(16, number)
        .put(24, &dstring(label, 32))
        .u16(56, 1)
        .u16(58, 1)
        .u16(60, 2)
        .u16(62, 2)
        .u32(64, 1)
        .u32(68, 1)
        .put(72, &dstring("0123456789ABCDEF set", 128))
        .put(200, &charspec())
        .put(264, &charspec())
        .put(344, &entity("*application", &[]))
        .put(376, &image.created.bytes());
    fields.put(388, &implementation()).0
}

/// ECMA-167 3/10.3.
pub fn pointer(number: u32, sector: u32, bytes: u32) -> Vec<u8> {
    Fields::new().u32(16, number).u32(20, bytes).u32(24, sector).0
}

/// UDF 2.2.7.
pub fn implementation_use(image: &Image, number: u32) -> Vec<u8> {
    Fields::new()
        .u32(16, number)
        .put(20, &udf_entity("*UDF LV Info", image.revision))
        .put(52, &charspec())
        .put(116, &dstring(&image.label, 128))
        .put(244, &dstring("owner", 36))
        .put(352, &implementation())
        .0
}

/// ECMA-167 3/10.5.
pub fn partition(image: &Image, number: u32, partition: u16, start: u32, len: u32) -> Vec<u8> {
    let contents = if image.revision < 0x200 { "+NSR02" } else { "+NSR03" };
    let access: u32 = if image.maps.iter().any(|map| matches!(map, super::Map::Virtual(_))) { 2 } else { 4 };
    Fields::new()
        .u32(16, number)
        .u16(20, 1)
        .u16(22, partition)
        .put(24, &entity(contents, &[]))
        .u32(184, access)
        .u32(188, start)
        .u32(192, len)
        .put(196, &implementation())
        .0
}

/// ECMA-167 3/10.6; `file_set` is a long_ad (4/3.1).
pub fn logical(image: &Image, number: u32, label: &str, spaces: &Spaces, file_set: &[u8]) -> Vec<u8> {
    let maps: Vec<u8> = image.maps.iter().flat_map(|map| map.bytes(image, spaces)).collect();
    let mut fields = Fields::new()
        .u32(16, number)
        .put(20, &charspec())
        .put(84, &dstring(label, 128))
        .u32(212, image.block_size)
        .put(216, &domain(image))
        .put(248, file_set)
        .u32(264, maps.len() as u32)
        .u32(268, image.maps.len() as u32)
        .put(272, &implementation())
        .u32(432, 8 * image.block_size)
        .u32(436, image.integrity_sector())
        .put(440, &maps);
    if image.integrity == Integrity::Missing {
        fields = fields.u32(432, 0).u32(436, 0);
    }
    assert!(fields.0.len() <= image.block_size as usize, "the maps need a larger sector");
    fields.0
}

/// ECMA-167 3/10.8, with no extent.
pub fn unallocated(number: u32) -> Vec<u8> {
    Fields::new().u32(16, number).0
}

/// ECMA-167 3/10.2.
pub fn anchor(image: &Image, sector: u32) -> Vec<u8> {
    let (main, len) = (image.sequence_start(), 16 * image.block_size);
    let mut fields = Fields::new().u32(16, len).u32(20, main).u32(24, len).u32(28, main + 16);
    tag::fill(&mut fields.0, tag::ANCHOR, image.tag_version(), sector);
    fields.0
}

/// ECMA-167 3/10.10, UDF 2.2.6.
pub fn integrity(image: &Image, partition_len: u32, files: u32, directories: u32, unique: u64) -> Vec<u8> {
    let maps = image.maps.len();
    let tables = 80;
    let implementation_use = tables + 8 * maps;
    let mut fields = Fields::new()
        .put(16, &image.created.bytes())
        .u32(28, u32::from(image.integrity == Integrity::Closed))
        .put(40, &unique.to_le_bytes())
        .u32(72, maps as u32)
        .u32(76, 46);
    for at in 0..maps {
        fields = fields.u32(tables + 4 * at, 0).u32(tables + 4 * (maps + at), partition_len);
    }
    let mut fields = fields
        .put(implementation_use, &implementation())
        .u32(implementation_use + 32, files)
        .u32(implementation_use + 36, directories)
        .u16(implementation_use + 40, image.revision)
        .u16(implementation_use + 42, image.revision)
        .u16(implementation_use + 44, image.revision);
    tag::fill(&mut fields.0, tag::INTEGRITY, image.tag_version(), image.integrity_sector());
    fields.0
}

/// ECMA-167 4/14.1.
pub fn file_set(image: &Image, number: u32, label: &str, root: &[u8], location: u32) -> Vec<u8> {
    let mut fields = Fields::new()
        .put(16, &Stamp::bytes(image.created))
        .u16(28, 3)
        .u16(30, 3)
        .u32(32, 1)
        .u32(36, 1)
        .u32(44, number)
        .put(48, &charspec())
        .put(112, &dstring(&image.label, 128))
        .put(240, &charspec())
        .put(304, &dstring(label, 32))
        .put(400, root)
        .put(416, &domain(image));
    tag::fill(&mut fields.0, tag::FILE_SET, image.tag_version(), location);
    fields.0
}

/// ECMA-167 3/10.9 and 4/14.2.
pub fn terminating(version: u16, location: u32) -> Vec<u8> {
    let mut fields = Fields::new();
    tag::fill(&mut fields.0, tag::TERMINATING, version, location);
    fields.0
}

/// UDF 2.2.12: a sparing table; `entries` are packets' first blocks, as recorded and as mapped.
pub fn sparing(image: &Image, entries: &[(u32, u32)], sector: u32) -> Vec<u8> {
    let mut bytes = vec![0; 56];
    bytes[16..48].copy_from_slice(&udf_entity("*UDF Sparing Table", image.revision));
    bytes[48..50].copy_from_slice(&(entries.len() as u16).to_le_bytes());
    bytes[52..56].copy_from_slice(&1u32.to_le_bytes());
    for (from, to) in entries {
        bytes.extend(from.to_le_bytes());
        bytes.extend(to.to_le_bytes());
    }
    tag::fill(&mut bytes, 0, image.tag_version(), sector);
    bytes
}

/// UDF 2.2.11: the header of 2.00 and later, or nothing.
pub fn vat_header(image: &Image, implementation_use: u16) -> Vec<u8> {
    if image.revision < 0x200 {
        return Vec::new();
    }
    let mut header = vec![0; 152];
    header[..2].copy_from_slice(&(152 + implementation_use).to_le_bytes());
    header[2..4].copy_from_slice(&implementation_use.to_le_bytes());
    header[4..132].copy_from_slice(&dstring(&image.label, 128));
    header[132..136].fill(0xFF);
    for at in [144, 146, 148] {
        header[at..at + 2].copy_from_slice(&image.revision.to_le_bytes());
    }
    header.extend(vec![0xA5; usize::from(implementation_use)]);
    header
}

/// UDF 1.50 2.2.10: the trailer that stands behind the entries.
pub fn vat_trailer(image: &Image) -> Vec<u8> {
    if image.revision >= 0x200 {
        return Vec::new();
    }
    let mut trailer = udf_entity("*UDF Virtual Alloc Tbl", image.revision);
    trailer.extend([0xFF; 4]);
    trailer
}
