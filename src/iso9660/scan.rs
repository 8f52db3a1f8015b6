//! The records of a directory, one after the other, whatever is wrong between them.

use std::sync::Arc;

use super::extent::Run;
use super::record::{FIXED_LENGTH, LOGICAL_SECTOR, Record};
use crate::bytes::u8_at;
use crate::error::Defect;
use crate::notes::Notes;
use crate::source::{Cached, Source};

/// Goes through the records of a run of bytes, hidden and continuing ones too.
///
/// A record that contradicts itself is skipped and told; one that can't even be skipped ends its sector. What
/// can't be read ends the sector, too; the next one is tried.
#[derive(Debug)]
pub struct Scan<'a> {
    metadata: &'a Cached,
    notes: &'a Notes,
    run: Run,
    /// What is skipped to behind the last record of a sector.
    sector: u64,
    /// Offset in the run.
    at: u64,
    block: Option<(Arc<[u8]>, u64)>,
    /// The first error of the medium.
    failure: Option<(u64, std::io::Error)>,
}

impl<'a> Scan<'a> {
    pub fn new(metadata: &'a Cached, notes: &'a Notes, run: Run) -> Self {
        Self { metadata, notes, run, sector: LOGICAL_SECTOR, at: 0, block: None, failure: None }
    }

    /// A scan that goes on behind a record: in its sector, and with the first record of the next one.
    pub fn behind(metadata: &'a Cached, notes: &'a Notes, record: &Record, block_size: u32) -> Self {
        // The directory begins at a multiple of the logical block; counted from there, sectors end where ours do
        // if blocks are sectors, and at a block's end at the latest otherwise.
        let sector = LOGICAL_SECTOR.min(u64::from(block_size).max(1));
        let start = record.at.saturating_sub(record.at.checked_rem(sector).unwrap_or(0));
        let at = record.at.saturating_sub(start).saturating_add(record.length());
        let run = Run { start, len: at.saturating_add(LOGICAL_SECTOR), is_cut: false };
        Self { metadata, notes, run, sector, at, block: None, failure: None }
    }

    /// Why a part of the directory could not be read, and where.
    pub fn failure(self) -> Option<(u64, std::io::Error)> {
        self.failure
    }

    fn next_sector(&mut self) {
        let rest = self.sector.saturating_sub(self.at.checked_rem(self.sector).unwrap_or(0));
        self.at = self.at.saturating_add(rest);
    }

    /// Reads up to `length` bytes at the current place, less at the end of the image.
    fn peek(&mut self, buffer: &mut [u8; 255], length: usize) -> Option<usize> {
        let address = self.run.start.saturating_add(self.at);
        let available = usize::try_from(self.metadata.len().saturating_sub(address)).unwrap_or(usize::MAX);
        let length = length.min(available);
        let wanted = buffer.get_mut(..length)?;
        if let Some((block, start)) = &self.block
            && let Some(inside) = address.checked_sub(*start).and_then(|inside| usize::try_from(inside).ok())
            && let Some(bytes) = block.get(inside..inside.saturating_add(length))
        {
            wanted.copy_from_slice(bytes);
            return Some(length);
        }
        self.block = self.metadata.block(address).ok();
        match self.metadata.read_exact_at(wanted, address) {
            Ok(()) => Some(length),
            Err(error) => {
                self.failure.get_or_insert((address, error));
                None
            }
        }
    }

    fn defect(&self, what: &str) {
        let address = self.run.start.saturating_add(self.at);
        self.notes.report(Defect::new(address, "ECMA-119 9.1", what));
    }
}

impl Iterator for Scan<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        let mut buffer = [0; 255];
        while self.at < self.run.len {
            let Some(1) = self.peek(&mut buffer, 1) else {
                self.next_sector();
                continue;
            };
            let length = usize::from(u8_at(&buffer, 0));
            // 6.8.1.1: the unused end of a sector is filled with zeros.
            if length == 0 {
                self.next_sector();
                continue;
            }
            if length <= FIXED_LENGTH {
                self.defect("a directory record is shorter than a record can be: the rest of its sector is lost");
                self.next_sector();
                continue;
            }
            let Some(read) = self.peek(&mut buffer, length) else {
                self.next_sector();
                continue;
            };
            let address = self.run.start.saturating_add(self.at);
            let record = buffer.get(..read).filter(|_| read == length).and_then(|bytes| Record::new(bytes, address));
            if record.is_none() {
                self.defect("a directory record has a name that does not fit into it, and is left out");
            }
            self.at = self.at.saturating_add(u64::try_from(length).unwrap_or(LOGICAL_SECTOR));
            if record.is_some() {
                return record;
            }
        }
        None
    }
}
