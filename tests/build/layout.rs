//! Where everything lies, for those who patch.

use std::collections::HashMap;

/// Where one node lies, in bytes from the start of the image.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// Its directory records: one, or one for each section.
    pub records: Vec<u64>,
    /// Where its sections start, the extended attribute record included; a directory's extent.
    pub extents: Vec<u64>,
    /// The length of the extent (a directory's), or of all sections' data.
    pub size: u64,
    /// Its System Use entries in reading order: signature and place.
    pub entries: Vec<([u8; 2], u64)>,
    /// Its continuation areas: place and length.
    pub areas: Vec<(u64, u64)>,
}

/// The lay-out of an image.
///
/// Paths are those that the nodes were added with; `/dir/.` and `/dir/..` name the records inside a directory, and
/// `joliet:/dir` and `enhanced:/dir` those of the other trees.  A relocated directory's own record is `/rr_moved/dir`,
/// the record that stands in its place is `/path/dir`.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    pub places: HashMap<String, Place>,
    pub block_size: u32,
    /// The length of the image before it is cut.
    pub len: u64,
    pub descriptors: usize,
    /// Little-endian and big-endian path table of the primary tree.
    pub path_tables: Option<(u64, u64)>,
    /// The start of the file data.
    pub data: u64,
}

impl Layout {
    pub fn place(&self, path: &str) -> &Place {
        self.places.get(path).unwrap_or_else(|| panic!("the image has no {path}"))
    }

    /// The (first) directory record.
    pub fn record(&self, path: &str) -> u64 {
        self.place(path).records[0]
    }

    /// The start of the (first) extent in bytes.
    pub fn extent(&self, path: &str) -> u64 {
        self.place(path).extents[0]
    }

    /// The start of the (first) extent in logical blocks.
    pub fn block(&self, path: &str) -> u32 {
        (self.extent(path) / u64::from(self.block_size)) as u32
    }

    /// The first System Use entry with a signature.
    pub fn entry(&self, path: &str, signature: &str) -> u64 {
        let found = self.place(path).entries.iter().find(|(found, _)| found == signature.as_bytes());
        found.unwrap_or_else(|| panic!("{path} has no {signature}")).1
    }

    /// The sector of the nth volume descriptor.
    pub fn descriptor(&self, index: u64) -> u64 {
        32_768 + 2048 * index
    }
}
