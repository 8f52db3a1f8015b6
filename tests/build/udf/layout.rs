//! Where everything lies, in bytes from the start of the image, for those who damage it.

use std::collections::HashMap;

use super::damage::Copy;

/// Where one node lies.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// Its entries in reading order (strategy 4096: those that are replaced first).
    pub icbs: Vec<u64>,
    /// The indirect entries between them.
    pub indirect: Vec<u64>,
    /// Where its extended attributes, and its allocation descriptors or embedded bytes, start in the last entry.
    pub attributes: u64,
    pub ads: u64,
    /// Its allocation extents.
    pub aeds: Vec<u64>,
    /// Recorded parts of its body: offset in it, length, place.
    pub data: Vec<(u64, u64, u64)>,
    /// The file identifier descriptor that names it; a directory's of its parent.
    pub fid: u64,
    pub parent_fid: u64,
    /// Logical block and partition reference of the first entry.
    pub block: u32,
    pub partition: u16,
}

#[derive(Debug, Clone, Default)]
pub struct Layout {
    pub places: HashMap<String, Place>,
    pub block_size: u32,
    /// The length of the image before it is cut.
    pub len: u64,
    /// The partition for data: its first sector, and its length in blocks.
    pub partition_start: u32,
    pub partition_len: u32,
    /// Volume descriptors by sequence and tag identifier.
    pub descriptors: HashMap<(Copy, u16), u64>,
    pub anchors: Vec<u64>,
    pub integrity: u64,
    pub file_set: u64,
    pub vat_icb: u64,
    /// The first byte of the virtual allocation table, its header included.
    pub vat: u64,
    pub metadata_icb: u64,
    pub mirror_icb: u64,
    /// The extents of the metadata main file: place and length.
    pub metadata: Vec<(u64, u64)>,
    pub sparing: Vec<u64>,
}

impl Layout {
    pub fn place(&self, path: &str) -> &Place {
        self.places.get(path).unwrap_or_else(|| panic!("the image has no {path}"))
    }

    /// The entry that prevails.
    pub fn icb(&self, path: &str) -> u64 {
        *self.place(path).icbs.last().expect("every node has one")
    }

    pub fn ads(&self, path: &str) -> u64 {
        self.place(path).ads
    }

    pub fn fid(&self, path: &str) -> u64 {
        self.place(path).fid
    }

    pub fn data(&self, path: &str) -> u64 {
        self.place(path).data[0].2
    }

    pub fn descriptor(&self, copy: Copy, tag: u16) -> u64 {
        self.descriptors[&(copy, tag)]
    }
}
