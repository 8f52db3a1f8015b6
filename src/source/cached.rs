//! Metadata blocks kept in memory, so that neighbouring records cost one read.

use std::io;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use lru::LruCache;

use super::{SharedSource, Source, range_within};
use crate::limits::{METADATA_BLOCK, METADATA_BLOCKS, METADATA_SECTORS};

/// Bytes of a logical sector.
const SECTOR: u64 = 2048;
/// Bytes of the part of a sector that is read where less than that is wanted: room for any directory record.
const PART: u64 = 256;
/// Sectors of one block that are read by themselves.
const PEEKS: u8 = 6;

/// Whether all of it is there.
fn copy(piece: &[u8], inside: usize, buffer: &mut [u8]) -> bool {
    let bytes = piece.get(inside..).and_then(|rest| rest.get(..buffer.len()));
    bytes.map(|bytes| buffer.copy_from_slice(bytes)).is_some()
}

/// A source whose blocks of 64 KiB are kept, the least recently used going first.
#[derive(Debug)]
pub struct Cached {
    inner: SharedSource,
    blocks: Mutex<LruCache<u64, Arc<[u8]>>>,
    /// Sectors, or parts of them, of which only a few bytes were wanted, where no block was there.
    pieces: Mutex<LruCache<u64, Arc<[u8]>>>,
    /// How often that was so of a block since it was last there: who comes again will want the rest, too. Who then looks
    /// here and there in more than is kept has it pushed out before it has paid off, and is not to pay each time.
    peeks: Mutex<LruCache<u64, u8>>,
    /// Blocks that could not be read as a whole lately: no drive is to retry them for each of their sectors.
    bad: Mutex<LruCache<u64, ()>>,
}

impl Cached {
    pub fn new(inner: SharedSource) -> Self {
        let capacity = NonZeroUsize::new(METADATA_BLOCKS).unwrap_or(NonZeroUsize::MIN);
        let pieces = NonZeroUsize::new(METADATA_SECTORS).unwrap_or(NonZeroUsize::MIN);
        Self {
            inner,
            blocks: Mutex::new(LruCache::sparse(capacity)),
            pieces: Mutex::new(LruCache::sparse(pieces)),
            peeks: Mutex::new(LruCache::sparse(pieces)),
            bad: Mutex::new(LruCache::sparse(capacity)),
        }
    }

    pub fn inner(&self) -> &SharedSource {
        &self.inner
    }

    /// Some bytes whose neighbours are not wanted, as those of one record among the records of many directories. A whole
    /// block would cost ten times as much, and push out another one.
    ///
    /// # Errors
    /// As [`Source::read_exact_at`].
    pub fn peek(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        range_within(offset, buffer.len(), self.len())?;
        let block = offset.checked_div(METADATA_BLOCK).unwrap_or(0);
        let is_there = self.blocks.lock().is_ok_and(|blocks| blocks.contains(&block));
        let within = |unit: u64| {
            let start = offset.checked_div(unit).unwrap_or(0).saturating_mul(unit);
            let inside = usize::try_from(offset.saturating_sub(start)).unwrap_or(usize::MAX);
            let end = u64::try_from(inside.saturating_add(buffer.len())).unwrap_or(u64::MAX);
            (end <= unit).then_some((start, inside, unit))
        };
        let Some((start, inside, length)) = within(PART).or_else(|| within(SECTOR)).filter(|_| !is_there) else {
            return self.read_exact_at(buffer, offset);
        };
        if self.kept_piece(start).is_some_and(|piece| copy(&piece, inside, buffer)) {
            return Ok(());
        }
        if self.is_peeked_often(block) {
            return self.read_exact_at(buffer, offset);
        }
        let piece = self.piece(start, length)?;
        if copy(&piece, inside, buffer) { Ok(()) } else { Err(super::beyond_the_end()) }
    }

    /// Counts as a peek.
    fn is_peeked_often(&self, block: u64) -> bool {
        let Ok(mut peeks) = self.peeks.lock() else { return true };
        let times = peeks.get_or_insert_mut(block, || 0);
        let often = *times >= PEEKS;
        *times = if often { 0 } else { times.saturating_add(1) };
        often
    }

    fn kept_piece(&self, start: u64) -> Option<Arc<[u8]>> {
        self.pieces.lock().ok()?.get(&start).map(Arc::clone)
    }

    /// A part of a sector, or all of it.
    fn piece(&self, start: u64, length: u64) -> io::Result<Arc<[u8]>> {
        let piece = self.made(start, length)?;
        if let Ok(mut pieces) = self.pieces.lock() {
            pieces.put(start, Arc::clone(&piece));
        }
        Ok(piece)
    }

    /// Bytes of the source, as far as there are any, made where they will stay: a copy would cost as much as the read.
    fn made(&self, start: u64, length: u64) -> io::Result<Arc<[u8]>> {
        let length = self.inner.len().saturating_sub(start).min(length);
        let mut made: Arc<[u8]> = std::iter::repeat_n(0, usize::try_from(length).unwrap_or(0)).collect();
        let Some(bytes) = Arc::get_mut(&mut made) else { return Err(io::Error::other("new bytes are shared")) };
        self.inner.read_exact_at(bytes, start)?;
        Ok(made)
    }

    /// The block that holds `offset`, and where it begins. The last block of a source is short.
    pub fn block(&self, offset: u64) -> io::Result<(Arc<[u8]>, u64)> {
        let number = offset.checked_div(METADATA_BLOCK).unwrap_or(0);
        let start = number.saturating_mul(METADATA_BLOCK);
        if let Ok(mut blocks) = self.blocks.lock()
            && let Some(block) = blocks.get(&number)
        {
            return Ok((Arc::clone(block), start));
        }
        if self.bad.lock().is_ok_and(|mut bad| bad.get(&number).is_some()) {
            return Err(io::Error::other("a sector of this block can't be read"));
        }
        let block = self.made(start, METADATA_BLOCK).inspect_err(|_| {
            if let Ok(mut bad) = self.bad.lock() {
                bad.put(number, ());
            }
        })?;
        if let Ok(mut blocks) = self.blocks.lock() {
            blocks.put(number, Arc::clone(&block));
        }
        Ok((block, start))
    }
}

impl Source for Cached {
    fn len(&self) -> u64 {
        self.inner.len()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        range_within(offset, buffer.len(), self.len())?;
        let mut rest = &mut *buffer;
        let mut at = offset;
        while !rest.is_empty() {
            // One bad sector must not take its 31 neighbours with it: read what was asked for, and no more.
            let Ok((block, start)) = self.block(at) else { return self.inner.read_exact_at(rest, at) };
            let inside = usize::try_from(at.saturating_sub(start)).unwrap_or(usize::MAX);
            let from = block.get(inside..).unwrap_or_default();
            let take = from.len().min(rest.len());
            let (now, later) = rest.split_at_mut(take);
            let Some(bytes) = from.get(..take).filter(|bytes| !bytes.is_empty()) else {
                return Err(super::beyond_the_end());
            };
            now.copy_from_slice(bytes);
            rest = later;
            at = at.saturating_add(u64::try_from(take).unwrap_or(u64::MAX));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails wherever a read touches byte 70,000.
    #[derive(Debug)]
    struct Scratched;

    impl Source for Scratched {
        fn len(&self) -> u64 {
            200_000
        }

        fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
            if (offset..offset + buffer.len() as u64).contains(&70_000) {
                return Err(io::Error::from_raw_os_error(libc::EIO));
            }
            buffer.fill(7);
            Ok(())
        }
    }

    #[test]
    fn a_bad_sector_does_not_hide_its_neighbours() {
        let cached = Cached::new(Arc::new(Scratched));
        let mut buffer = [0; 2048];
        cached.read_exact_at(&mut buffer, 65_536).unwrap();
        assert_eq!(buffer, [7; 2048]);
        assert!(cached.read_exact_at(&mut buffer, 69_632).is_err());
        cached.read_exact_at(&mut buffer, 200_000 - 2048).unwrap();
        assert!(cached.read_exact_at(&mut buffer, 200_000 - 2047).is_err());
    }

    #[test]
    fn a_peek_sees_what_a_read_does() {
        let bytes: Vec<u8> = (0..150_000_u32).map(|at| (at / 7) as u8).collect();
        let cached = Cached::new(Arc::new(super::super::Memory(bytes.clone().into())));
        for (at, length) in [(0, 34), (2047, 1), (2047, 2), (70_000, 255), (149_999, 1), (149_000, 1000), (5, 3000)] {
            for _ in 0..2 {
                let mut peeked = vec![0; length];
                cached.peek(&mut peeked, at as u64).unwrap();
                assert_eq!(peeked, bytes[at..at + length]);
            }
        }
        assert!(cached.peek(&mut [0; 2], 149_999).is_err());
        let mut byte = [0];
        let scratched = Cached::new(Arc::new(Scratched));
        assert!(scratched.peek(&mut byte, 69_999).is_err() && scratched.peek(&mut byte, 67_583).is_ok());
    }
}
