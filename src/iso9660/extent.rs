//! From numbers of logical blocks to byte addresses (ECMA-119 6.4).

use super::record::{LOGICAL_SECTOR, Record, flags};
use crate::limits::MAX_DIRECTORY_BYTES;
use crate::source::{ExtentList, Location};

/// What is needed to find an extent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Bytes of a logical block.
    pub block_size: u32,
    /// Bytes of the image.
    pub image: u64,
    /// In a set of several volumes: the sequence number of this one.
    pub volume: Option<u16>,
}

/// A run of bytes that holds directory records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub start: u64,
    pub len: u64,
    /// The image ends before the run does.
    pub is_cut: bool,
}

impl Geometry {
    /// The byte address of a logical block.
    pub fn address(&self, block: u32) -> u64 {
        u64::from(block).saturating_mul(u64::from(self.block_size))
    }

    /// Where the extent of a record begins. The little-endian half counts, as with Linux, unless only the
    /// big-endian one lies within the image.
    pub fn start(&self, record: &Record) -> u64 {
        let location = record.location();
        let little = self.address(location.little);
        if little >= self.image && location.big != 0 && self.address(location.big) < self.image {
            return self.address(location.big);
        }
        little
    }

    /// Where the data of a record begins: behind its Extended Attribute Record (9.1.2).
    pub fn data(&self, record: &Record) -> u64 {
        let skipped = self.address(u32::from(record.extended_attribute_length()));
        self.start(record).saturating_add(skipped)
    }

    /// The entries of the directory that a record in its parent (or a root record) describes.
    pub fn directory(&self, record: &Record) -> Run {
        self.run(self.data(record), u64::from(record.data_length().little))
    }

    /// Whether a record is that of the directory itself, which begins at `start` (6.8.2.2), though it has another
    /// identifier: it is the first one, and says that the directory is there.
    pub fn is_first_of(&self, record: &Record, start: u64) -> bool {
        record.at == start && record.has(flags::DIRECTORY) && !record.is_parent() && self.data(record) == start
    }

    /// The entries of the directory that begins at `start`, whose own record says `length`.
    pub fn run(&self, start: u64, length: u64) -> Run {
        // A length of 0 is wrong, there are always `.` and `..`: then at least one sector is looked at.
        let length = if length == 0 { LOGICAL_SECTOR } else { length };
        let available = self.image.saturating_sub(start);
        Run { start, len: length.min(available).min(MAX_DIRECTORY_BYTES), is_cut: length > available }
    }

    /// Appends the data of a file section (6.4.3: in one run, or in File Units with gaps between them).
    pub fn append(&self, record: &Record, list: &mut ExtentList) {
        let length = u64::from(record.data_length().little);
        let unit = self.address(u32::from(record.file_unit_size()));
        let gap = self.address(u32::from(record.interleave_gap()));
        if unit == 0 || gap == 0 {
            list.push(length, Location::Recorded(self.data(record)));
            return;
        }
        // 6.4.3: the Extended Attribute Record takes File Units of its own.
        let attributes = self.address(u32::from(record.extended_attribute_length())).div_ceil(unit);
        let stride = unit.saturating_add(gap);
        let mut at = self.start(record).saturating_add(attributes.saturating_mul(stride));
        let mut rest = length;
        while rest > 0 {
            // Behind the end of the image one run says as much as a million of them.
            let take = if at >= self.image || list.is_full() { rest } else { unit.min(rest) };
            list.push(take, Location::Recorded(at));
            rest = rest.saturating_sub(take);
            at = at.saturating_add(stride);
        }
    }
}
