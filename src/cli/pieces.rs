//! The body of a file in pieces that can be copied: data, holes, and what can't be read.

use std::io;
use std::ops::{ControlFlow, Range};

use crate::source::{Segment, Source};

/// Bytes read at once.
const CHUNK: u64 = 1024 * 1024;
/// Where the buffer begins: into one that begins elsewhere some processors copy a quarter as fast.
const PAGE: usize = 4096;
/// Bytes tried at once where a chunk fails: a logical sector (ECMA-119 6.1.2), the least a drive reads.
const SECTOR: u64 = 2048;

/// A part of a body. Pieces follow one another without gaps.
#[derive(Debug)]
pub enum Piece<'a> {
    Data {
        at: u64,
        bytes: &'a [u8],
    },
    /// Nothing is recorded here: zeros.
    Hole {
        at: u64,
        end: u64,
    },
    Lost {
        at: u64,
        end: u64,
        error: io::Error,
    },
}

/// Gives all pieces of a body to `take`, until that breaks off. Where a chunk can't be read, its sectors are tried
/// one by one, so that a bad sector takes no good one with it.
pub fn read<E>(body: &dyn Source, take: impl FnMut(Piece<'_>) -> Result<ControlFlow<()>, E>) -> Result<(), E> {
    read_range(body, 0..body.len(), take)
}

/// The same of a part of a body.
pub fn read_range<E>(
    body: &dyn Source,
    range: Range<u64>,
    mut take: impl FnMut(Piece<'_>) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    let mut at = range.start;
    let len = body.len().min(range.end);
    let size = usize::try_from(len.saturating_sub(at).min(CHUNK)).unwrap_or(0);
    let mut room = vec![0; size.saturating_add(PAGE)];
    let skipped = room.as_ptr().align_offset(PAGE).min(PAGE);
    let buffer = room.get_mut(skipped..).unwrap_or_default();
    // Up to where the chunk failed that is tried by sectors now.
    let mut failing = 0_u64;
    while at < len {
        let segment_end = match body.segment(at) {
            Segment::Hole { end } if end > at => {
                let end = end.min(len);
                if take(Piece::Hole { at, end })?.is_break() {
                    return Ok(());
                }
                at = end;
                continue;
            }
            Segment::Data { end } if end > at => end.min(len),
            Segment::Data { .. } | Segment::Hole { .. } => len,
        };
        let unit = if at < failing { SECTOR } else { CHUNK };
        let end = next_multiple(at, unit).min(segment_end);
        let size = usize::try_from(end.saturating_sub(at)).unwrap_or(0);
        let Some(part) = buffer.get_mut(..size) else { return Ok(()) };
        match body.read_exact_at(part, at) {
            Ok(()) => {
                if take(Piece::Data { at, bytes: part })?.is_break() {
                    return Ok(());
                }
            }
            Err(_) if unit == CHUNK => {
                failing = end;
                continue;
            }
            Err(error) => {
                if take(Piece::Lost { at, end, error })?.is_break() {
                    return Ok(());
                }
            }
        }
        at = end;
    }
    Ok(())
}

fn next_multiple(at: u64, unit: u64) -> u64 {
    at.checked_div(unit).unwrap_or(0).saturating_add(1).saturating_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests_volume::Body;

    #[test]
    fn a_bad_sector_takes_no_good_one_with_it() {
        let body = Body::new(vec![1; 3 * 1024 * 1024]).bad(5000..5001).bad(2_097_152..2_097_153);
        let mut lost = Vec::new();
        let mut next = 0;
        read::<()>(&body, |piece| {
            let (at, end) = match piece {
                Piece::Data { at, bytes } => (at, at + bytes.len() as u64),
                Piece::Hole { at, end } => (at, end),
                Piece::Lost { at, end, .. } => {
                    lost.push((at, end));
                    (at, end)
                }
            };
            assert_eq!(at, next);
            next = end;
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
        assert_eq!(next, 3 * 1024 * 1024);
        assert_eq!(lost, [(4096, 6144), (2_097_152, 2_099_200)]);
    }
}
