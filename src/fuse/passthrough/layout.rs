//! Where the bytes of a file lie in the image, as a worker tells its holder.
//!
//! The holder trusts no worker, which looks at images that somebody may have crafted: what it is told has to make
//! sense by itself.

use std::fs::File;
use std::os::unix::fs::MetadataExt;

use crate::source::{Segment, Source};

/// Runs of one file at most: a file that was mastered has one.
const MAX_RUNS: usize = 64;
/// Blocks of 512 bytes to 4 KiB, as powers of two: what EROFS may have where a page has 4 KiB.
const BLOCK_BITS: std::ops::RangeInclusive<u32> = 9..=12;
/// Blocks of a chunk at most, as a power of two: the on-disk format has five bits for it.
const MAX_CHUNK: u32 = 31;
/// Chunks of a file at most; each takes 8 bytes of memory that can't be swapped out.
const MAX_CHUNKS: u64 = 8192;

/// Bytes of a file that lie together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub len: u64,
    /// Byte of the image's file; `None`: nothing is recorded, so they are zeros.
    pub at: Option<u64>,
}

impl Run {
    pub fn to_bytes(self) -> [[u8; 8]; 2] {
        [self.len.to_le_bytes(), self.at.unwrap_or(u64::MAX).to_le_bytes()]
    }

    /// Whether its blocks are all there, the last one, too.
    fn is_within(&self, end: u64, block_bits: u32) -> bool {
        let len = self.len.checked_next_multiple_of(1 << block_bits);
        self.at.is_none_or(|at| len.and_then(|len| at.checked_add(len)).is_some_and(|last| last <= end))
    }
}

/// The runs of a file, in its order. They can be said in blocks and chunks of one size each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    runs: Vec<Run>,
    size: u64,
    block_bits: u32,
    chunk_bits: u32,
}

impl Layout {
    /// `None` for what does not lie in the image as it is, and for what lies in too many pieces or at odd places.
    pub fn of(body: &dyn Source, image: &File) -> Option<Self> {
        let identity = |file: &File| file.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()));
        let own = identity(image)?;
        let end = image.metadata().ok()?.len();
        let mut runs: Vec<Run> = Vec::new();
        let mut offset = 0;
        while offset < body.len() {
            let run = match body.in_file(offset).filter(|place| place.len > 0) {
                Some(place) if identity(place.file) == Some(own) => Run { len: place.len, at: Some(place.at) },
                Some(_) => return None,
                None => match body.segment(offset) {
                    Segment::Hole { end } => Run { len: end.checked_sub(offset).filter(|len| *len > 0)?, at: None },
                    Segment::Data { .. } => return None,
                },
            };
            let run = Run { len: run.len.min(body.len().checked_sub(offset)?), ..run };
            offset = offset.checked_add(run.len)?;
            runs.push(run);
            if runs.len() > MAX_RUNS {
                return None;
            }
        }
        Self::new(runs, end)
    }

    /// `end`: bytes of the image. `None` where blocks or chunks can't say it, and where a block reaches beyond the end.
    pub fn new(runs: Vec<Run>, end: u64) -> Option<Self> {
        if runs.is_empty() || runs.len() > MAX_RUNS {
            return None;
        }
        let (mut size, mut places, mut starts) = (0_u64, 0_u64, 0_u64);
        for run in &runs {
            starts |= size;
            places |= run.at.unwrap_or(0);
            size = size.checked_add(run.len).filter(|size| *size > 0 && i64::try_from(*size).is_ok())?;
        }
        let aligned = (places | starts).trailing_zeros();
        let is_there = |bits: &u32| runs.iter().all(|run| run.is_within(end, *bits));
        let block_bits = BLOCK_BITS.rev().filter(|bits| *bits <= aligned).find(is_there)?;
        // As few chunks as can be: each begins where a run does, or within one.
        let most = size.next_power_of_two().trailing_zeros().max(block_bits);
        let chunk_bits = starts.trailing_zeros().min(most).min(block_bits.checked_add(MAX_CHUNK)?);
        let layout = Self { runs, size, block_bits, chunk_bits };
        (layout.chunks() <= MAX_CHUNKS).then_some(layout)
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes of a block, as a power of two.
    pub fn block_bits(&self) -> u32 {
        self.block_bits
    }

    /// Bytes of a chunk, as a power of two.
    pub fn chunk_bits(&self) -> u32 {
        self.chunk_bits
    }

    fn chunks(&self) -> u64 {
        self.size.div_ceil(1 << self.chunk_bits)
    }

    /// Where the chunks of the file begin in the image.
    pub fn places(&self) -> Vec<Option<u64>> {
        let chunk = 1_u64 << self.chunk_bits;
        let mut places = Vec::new();
        for run in &self.runs {
            let mut inside = 0;
            while inside < run.len {
                places.push(run.at.map(|at| at.saturating_add(inside)));
                inside = inside.saturating_add(chunk);
            }
        }
        places
    }

    /// For a message.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.runs.iter().flat_map(|run| run.to_bytes()).flatten().collect()
    }

    /// `None` where that is no layout in an image of so many bytes.
    pub fn from_bytes(bytes: &[u8], end: u64) -> Option<Self> {
        let (runs, rest) = bytes.as_chunks::<16>();
        let word = |bytes: &[u8]| Some(u64::from_le_bytes(*bytes.first_chunk()?));
        let run = |run: &[u8; 16]| {
            Some(Run { len: word(run)?, at: run.get(8..).and_then(word).filter(|at| *at != u64::MAX) })
        };
        if rest.is_empty() { Self::new(runs.iter().map(run).collect::<Option<_>>()?, end) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::source::{ExtentList, Extents, FileSource, Location, Memory};

    fn run(len: u64, at: u64) -> Run {
        Run { len, at: Some(at) }
    }

    const END: u64 = 1 << 40;

    #[test]
    fn one_run_is_one_chunk() {
        let layout = Layout::new(vec![run((2 << 30) + 5, 40 * 2048)], END).unwrap();
        assert_eq!((layout.block_bits(), layout.chunk_bits(), layout.size()), (12, 32, (2 << 30) + 5));
        assert_eq!(layout.places(), [Some(40 * 2048)]);
        let layout = Layout::new(vec![run(100, 41 * 2048)], END).unwrap();
        assert_eq!((layout.block_bits(), layout.places().len()), (11, 1));
    }

    #[test]
    fn runs_and_holes_are_chunks_that_begin_with_them() {
        let hole = Run { len: 8192, at: None };
        let layout = Layout::new(vec![run(4096, 2048), hole, run(5000, 65_536)], END).unwrap();
        assert_eq!((layout.block_bits(), layout.chunk_bits()), (11, 12));
        assert_eq!(layout.places(), [Some(2048), None, None, Some(65_536), Some(69_632)]);
        assert_eq!(Layout::from_bytes(&layout.to_bytes(), END), Some(layout));
    }

    #[test]
    fn what_blocks_cannot_say_is_no_layout() {
        // At an odd place; behind a run of odd length; too many chunks; nothing; more than a file can have.
        for runs in [
            vec![run(100, 100)],
            vec![run(100, 2048), run(2048, 8192)],
            vec![run(512, 0), run(512 * MAX_CHUNKS, 8192)],
            vec![],
            vec![run(u64::MAX, 0)],
            vec![run(u64::MAX - 511, 0), run(512, 0)],
            vec![run(0, 0)],
            vec![run(4096, 0); MAX_RUNS + 1],
        ] {
            assert_eq!(Layout::new(runs.clone(), u64::MAX), None, "{runs:?}");
        }
        assert!(Layout::from_bytes(&[1; 17], END).is_none() && Layout::from_bytes(&[], END).is_none());
    }

    #[test]
    fn whole_blocks_must_be_there() {
        let bits = |end| Layout::new(vec![run(4097, 4096)], end).map(|layout| layout.block_bits());
        assert_eq!([bits(3 * 4096), bits(3 * 4096 - 1), bits(8192 + 1024)], [Some(12), Some(11), Some(10)]);
        assert_eq!([bits(8192 + 512), bits(8192 + 511)], [Some(9), None]);
        assert!(Layout::new(vec![run(1, 1 << 63)], u64::MAX >> 1).is_none());
    }

    #[test]
    fn bodies_lie_in_the_image_or_not() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(1 << 20).unwrap();
        let image = Arc::new(FileSource::new(file.try_clone().unwrap()).unwrap());
        let body = |locations: &[(u64, Location)]| {
            let mut list = ExtentList::default();
            locations.iter().for_each(|(len, location)| list.push(*len, *location));
            Extents::new(image.clone(), list)
        };
        let recorded = body(&[(4096, Location::Recorded(2048)), (2048, Location::Zeros), (9, Location::Recorded(0))]);
        let layout = Layout::of(&recorded, &file).unwrap();
        assert_eq!(layout.runs, [run(4096, 2048), Run { len: 2048, at: None }, run(9, 0)]);
        assert_eq!(Layout::of(&recorded, &tempfile::tempfile().unwrap()), None);
        assert_eq!(Layout::of(&body(&[(4096, Location::Recorded(0)), (2048, Location::Lost)]), &file), None);
        // Beyond the end of the image.
        assert_eq!(Layout::of(&body(&[(4096, Location::Recorded((1 << 20) - 2048))]), &file), None);
        assert_eq!(Layout::of(&Memory(vec![0; 4096].into()), &file), None);
    }
}
