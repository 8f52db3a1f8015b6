//! Bytes in memory: small synthetic files, and images in tests.

use std::io;

use super::{Source, range_within};

#[derive(Debug, Clone)]
pub struct Memory(pub Box<[u8]>);

impl Source for Memory {
    fn len(&self) -> u64 {
        u64::try_from(self.0.len()).unwrap_or(u64::MAX)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let range = range_within(offset, buffer.len(), self.len())?;
        let start = usize::try_from(range.start).map_err(|_| super::beyond_the_end())?;
        let end = usize::try_from(range.end).map_err(|_| super::beyond_the_end())?;
        buffer.copy_from_slice(self.0.get(start..end).ok_or_else(super::beyond_the_end)?);
        Ok(())
    }
}
