//! zisofs: files stored compressed, decoded while they are read. Versions 1 (`pz`) and 2 (`PZ`) as libisofs
//! documents them.

use std::io;

use flate2::{Decompress, FlushDecompress, Status};

use crate::bytes::{u8_at, u32_le, u64_le};
use crate::source::{BlockDecoder, SharedSource};

/// "Readers shall be able to handle log2(block_size) values 15, 16 and 17"; writers use no others.
const BLOCK_SHIFTS: std::ops::RangeInclusive<u8> = 15..=17;
const MAGIC_1: [u8; 8] = [0x37, 0xE4, 0x53, 0x96, 0xC9, 0xDB, 0xD6, 0x07];
const MAGIC_2: [u8; 8] = [0xEF, 0x22, 0x55, 0xA1, 0xBC, 0x1B, 0x95, 0xA0];

/// What a ZF entry says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Compression {
    version: u8,
    /// log2 of the size of a decoded block.
    shift: u8,
    /// Bytes before the table of block pointers.
    header: u32,
    /// Bytes of the decoded file.
    pub size: u64,
}

impl Compression {
    /// From the version and data of a ZF (or Z2) entry. `Ok(None)` for entries that announce nothing to decode.
    pub fn from_entry(version: u8, data: &[u8]) -> Result<Option<Self>, &'static str> {
        if data.len() < 12 {
            return Err("the entry is too short for its fields and is ignored");
        }
        let shift = u8_at(data, 3);
        let header = u32::from(u8_at(data, 2)).saturating_mul(4);
        let (version, size) = match data.get(..2) {
            Some(b"pz") => (1, u64::from(u32_le(data, 4))),
            Some(b"PZ") if version == 2 => (2, u64_le(data, 4)),
            Some(b"xz" | b"XZ" | b"l4" | b"L4" | b"zd" | b"ZD" | b"b2" | b"B2") => {
                return Err("the file is compressed by a method other than zlib: its stored bytes are shown");
            }
            _ => return Err("the compression method is unknown: the stored bytes are shown"),
        };
        if !BLOCK_SHIFTS.contains(&shift) {
            return Err("the block size is not 32, 64 or 128 KiB: the stored bytes are shown");
        }
        Ok(Some(Self { version, shift, header, size }))
    }
}

/// Decodes a stored file.
#[derive(Debug)]
pub struct Decoder {
    stored: SharedSource,
    compression: Compression,
}

impl Decoder {
    /// # Errors
    /// When the stored file does not begin with the header that its ZF entry announces.
    pub fn new(stored: SharedSource, compression: Compression) -> Result<Self, String> {
        let mut header = [0; 24];
        let needed = if compression.version == 1 { 16 } else { 24 };
        let head = header.get_mut(..needed).unwrap_or_default();
        stored.read_exact_at(head, 0).map_err(|error| format!("the zisofs header can't be read ({error})"))?;
        let magic = if compression.version == 1 { MAGIC_1 } else { MAGIC_2 };
        if header.first_chunk::<8>() != Some(&magic) {
            return Err("the file is announced as compressed, but does not begin with the zisofs header".to_owned());
        }
        let (size, words, shift) = match compression.version {
            1 => (u64::from(u32_le(&header, 8)), u8_at(&header, 12), u8_at(&header, 13)),
            _ => (u64_le(&header, 12), u8_at(&header, 9), u8_at(&header, 11)),
        };
        if (size, u32::from(words).saturating_mul(4), shift)
            != (compression.size, compression.header, compression.shift)
        {
            return Err(format!(
                "the zisofs header ({size} bytes in blocks of 2^{shift}) contradicts the directory ({} in blocks of 2^{})",
                compression.size, compression.shift
            ));
        }
        Ok(Self { stored, compression })
    }

    /// The range of a block in the stored file.
    fn range(&self, number: u64) -> io::Result<(u64, u64)> {
        let width: usize = if self.compression.version == 1 { 4 } else { 8 };
        let at = u64::try_from(width)
            .ok()
            .and_then(|width| number.checked_mul(width))
            .and_then(|offset| offset.checked_add(u64::from(self.compression.header)))
            .ok_or_else(|| damaged("the block table is beyond any file"))?;
        let mut pointers = [0; 16];
        let pair = pointers.get_mut(..width.saturating_mul(2)).unwrap_or_default();
        self.stored.read_exact_at(pair, at)?;
        let (start, end) = match width {
            4 => (u64::from(u32_le(&pointers, 0)), u64::from(u32_le(&pointers, 4))),
            _ => (u64_le(&pointers, 0), u64_le(&pointers, 8)),
        };
        // A stored block that is much larger than its content is no output of zlib.
        let most = (1_u64 << self.compression.shift).saturating_mul(2);
        if end < start || end > self.stored.len() || end.saturating_sub(start) > most {
            return Err(damaged("the block table is inconsistent"));
        }
        Ok((start, end))
    }
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("zisofs: {what}"))
}

impl BlockDecoder for Decoder {
    fn len(&self) -> u64 {
        self.compression.size
    }

    fn block_size(&self) -> u32 {
        1 << self.compression.shift
    }

    fn decode(&self, number: u64, out: &mut [u8]) -> io::Result<()> {
        let (start, end) = self.range(number)?;
        if start == end {
            // "Zero-length blocks represent a block full of 0-bytes."
            out.fill(0);
            return Ok(());
        }
        let length = usize::try_from(end.saturating_sub(start)).map_err(|_| damaged("the block is too large"))?;
        let mut stored = vec![0; length];
        self.stored.read_exact_at(&mut stored, start)?;
        let mut inflater = Decompress::new(true);
        let status = inflater
            .decompress(&stored, out, FlushDecompress::Finish)
            .map_err(|error| damaged(&format!("block {number}: {error}")))?;
        let whole = inflater.total_out() == u64::try_from(out.len()).unwrap_or(u64::MAX);
        // A full block may be followed by more of the stream only if the file is cut there; zlib then says
        // that it lacks room.
        if !whole || status != Status::StreamEnd {
            return Err(damaged(&format!("block {number} does not decode to its full length")));
        }
        Ok(())
    }
}
