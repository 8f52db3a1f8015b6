//! A source whose blocks must be decoded: a zisofs file today, a compressed image tomorrow.

use std::fmt::Debug;
use std::io;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use lru::LruCache;

use super::{Source, range_within};
use crate::limits::DECODED_BLOCKS;

/// Decodes a file block by block; every block but the last has the same size.
pub trait BlockDecoder: Send + Sync + Debug {
    /// Bytes of the decoded whole.
    fn len(&self) -> u64;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of a decoded block; not zero, at most 16 MiB.
    fn block_size(&self) -> u32;

    /// Decodes block `number` into `out`, which has just the size of that block.
    fn decode(&self, number: u64, out: &mut [u8]) -> io::Result<()>;

    /// Whether the block is known to be all zeros without decoding it.
    fn is_hole(&self, _number: u64) -> bool {
        false
    }
}

/// The decoded view; keeps the blocks decoded last.
#[derive(Debug)]
pub struct Decoded<D> {
    decoder: D,
    blocks: Mutex<LruCache<u64, Arc<[u8]>>>,
}

impl<D: BlockDecoder> Decoded<D> {
    pub fn new(decoder: D) -> Self {
        let capacity = NonZeroUsize::new(DECODED_BLOCKS).unwrap_or(NonZeroUsize::MIN);
        Self { decoder, blocks: Mutex::new(LruCache::sparse(capacity)) }
    }

    fn block(&self, number: u64) -> io::Result<Arc<[u8]>> {
        if let Ok(mut blocks) = self.blocks.lock()
            && let Some(block) = blocks.get(&number)
        {
            return Ok(Arc::clone(block));
        }
        let size = u64::from(self.decoder.block_size());
        let length = self.decoder.len().saturating_sub(number.saturating_mul(size)).min(size);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        self.decoder.decode(number, &mut bytes)?;
        let block: Arc<[u8]> = bytes.into();
        if let Ok(mut blocks) = self.blocks.lock() {
            blocks.put(number, Arc::clone(&block));
        }
        Ok(block)
    }
}

impl<D: BlockDecoder> Source for Decoded<D> {
    fn len(&self) -> u64 {
        self.decoder.len()
    }

    fn weight(&self) -> usize {
        usize::try_from(self.decoder.block_size()).unwrap_or(usize::MAX).saturating_mul(DECODED_BLOCKS)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        range_within(offset, buffer.len(), self.len())?;
        let size = u64::from(self.decoder.block_size());
        let mut rest = &mut *buffer;
        let mut at = offset;
        while !rest.is_empty() {
            let number = at.checked_div(size).unwrap_or(0);
            let inside = usize::try_from(at.checked_rem(size).unwrap_or(0)).unwrap_or(0);
            let block = self.block(number)?;
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
