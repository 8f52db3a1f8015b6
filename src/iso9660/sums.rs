//! The array of MD5 sums that libisofs records behind a session (libisofs doc/checksums.txt, "The Checksum Array").

use crate::bytes::u8_at;
use crate::error::{Error, Result};
use crate::source::Source;

/// Bytes of a sum.
const BYTES: u64 = 16;
const SECTOR: u64 = 2048;

/// Where the array is: what the attribute `isofs.ca` of the root directory says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sums {
    /// The block at which the session begins, of 2048 bytes.
    pub start: u64,
    /// The block at which the array begins; entry 0 is the sum of all blocks from `start` up to here.
    pub end: u64,
    /// Entries: the first is the session's sum, the last that of all others, those between are of files.
    pub entries: u64,
}

/// A number of any length, its most significant byte first.
pub fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number: u64, byte| number.wrapping_shl(8) | u64::from(*byte))
}

impl Sums {
    /// Reads the value of `isofs.ca`: four numbers, each behind its length, and the name of the algorithm.
    pub fn read(value: &[u8]) -> Option<Self> {
        let mut rest = value;
        let mut next = || {
            let length = usize::from(u8_at(rest, 0));
            let found = rest.get(1..length.saturating_add(1)).filter(|_| length <= 8)?;
            rest = rest.get(length.saturating_add(1)..).unwrap_or_default();
            Some(number(found))
        };
        let (start, end, entries, size) = (next()?, next()?, next()?, next()?);
        (size == BYTES && rest == b"MD5").then_some(Self { start, end, entries })
    }

    /// The byte address of the last entry.
    pub fn last(&self) -> u64 {
        self.address(self.entries.saturating_sub(1))
    }

    /// The byte address of an entry.
    pub fn address(&self, index: u64) -> u64 {
        self.end.saturating_mul(SECTOR).saturating_add(index.saturating_mul(BYTES))
    }

    /// The sum of a file; `None` for a number that it does not have.
    ///
    /// # Errors
    /// When the array can't be read.
    pub fn entry(&self, image: &dyn Source, index: u64) -> Result<Option<[u8; 16]>> {
        if index == 0 || index >= self.entries.saturating_sub(1) {
            return Ok(None);
        }
        let mut sum = [0; 16];
        let at = self.address(index);
        image.read_exact_at(&mut sum, at).map_err(|source| Error::Read { at, source })?;
        Ok(Some(sum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_document() {
        let value = [&[1, 32, 3, 15, 66, 64, 2, 2, 8, 1, 16][..], b"MD5"].concat();
        let sums = Sums { start: 32, end: 1_000_000, entries: 520 };
        assert_eq!(Sums::read(&value), Some(sums.clone()));
        let value = [&[4, 0, 0, 0, 32, 4, 0, 15, 66, 64, 4, 0, 0, 2, 8, 1, 16][..], b"MD5"].concat();
        assert_eq!(Sums::read(&value), Some(sums));
        assert_eq!(Sums::read(&value[..value.len() - 1]), None);
        assert_eq!(Sums::read(&[200]), None);
    }
}
