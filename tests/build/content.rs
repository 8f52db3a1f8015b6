//! What a file holds, without holding it when it is large.

use std::io;

use super::image::Sink;

#[derive(Debug, Clone)]
pub enum Content {
    Bytes(Vec<u8>),
    /// Cheap bytes that differ from place to place: a reader that mixes up blocks is found out.
    Pattern {
        seed: u64,
        len: u64,
    },
    /// Zeros, which stay holes in the image, with marks at some places, in ascending order.
    Holes {
        len: u64,
        marks: Vec<(u64, Vec<u8>)>,
    },
}

impl Content {
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Pattern { len, .. } | Self::Holes { len, .. } => *len,
        }
    }

    /// The bytes from `offset` on; a place beyond the end reads as zeros.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) {
        buffer.fill(0);
        let end = (offset + buffer.len() as u64).min(self.len());
        if offset >= end {
            return;
        }
        match self {
            Self::Bytes(bytes) => {
                let part = &bytes[offset as usize..end as usize];
                buffer[..part.len()].copy_from_slice(part);
            }
            Self::Pattern { seed, .. } => {
                let mut at = offset;
                while at < end {
                    // The finaliser of splitmix64 over the number of the eight-byte word.
                    let mut word = (at / 8).wrapping_add(*seed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                    let word = (word ^ (word >> 27)).to_le_bytes();
                    let from = (at % 8) as usize;
                    let n = (8 - from).min((end - at) as usize);
                    let to = (at - offset) as usize;
                    buffer[to..to + n].copy_from_slice(&word[from..from + n]);
                    at += n as u64;
                }
            }
            Self::Holes { marks, .. } => {
                for (start, mark) in marks {
                    let (from, to) = ((*start).max(offset), (start + mark.len() as u64).min(end));
                    if from < to {
                        let part = &mark[(from - start) as usize..(to - start) as usize];
                        buffer[(from - offset) as usize..(to - offset) as usize].copy_from_slice(part);
                    }
                }
            }
        }
    }

    /// All of it; only for what fits in memory.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len() as usize];
        self.read(0, &mut bytes);
        bytes
    }

    /// Writes the bytes `from..to` at `target`, holes left out.
    pub fn copy(&self, from: u64, to: u64, target: u64, sink: &mut dyn Sink) -> io::Result<()> {
        if let Self::Holes { marks, .. } = self {
            for (start, mark) in marks {
                let (a, b) = ((*start).max(from), (start + mark.len() as u64).min(to));
                if a < b {
                    sink.put(target + (a - from), &mark[(a - start) as usize..(b - start) as usize])?;
                }
            }
            return Ok(());
        }
        let mut buffer = vec![0; (to - from).min(1 << 20) as usize];
        let mut at = from;
        while at < to {
            let n = (to - at).min(buffer.len() as u64) as usize;
            self.read(at, &mut buffer[..n]);
            sink.put(target + (at - from), &buffer[..n])?;
            at += n as u64;
        }
        Ok(())
    }
}
