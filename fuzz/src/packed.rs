//! Images without their zeros, so that every byte a fuzzer changes means something.
//!
//! A byte of flags, then parts of 516 bytes: the number of a sector of 512 bytes (little-endian) and the sector.

use std::io;

use mount_iso::source::Source;

/// The checksum of descriptors (ECMA-167 1/7.2.6).
static CRC: crc::Crc<u16> = crc::Crc::<u16>::new(&crc::CRC_16_XMODEM);
/// Bytes of a sector.
const SECTOR: usize = 512;
const PART: usize = SECTOR + 4;
/// Sectors of an image: 4 MiB.
const MOST_SECTORS: u32 = 8192;
/// Tag identifiers of ECMA-167 3/7.2.1 and 4/7.2.1.
const TAGS: [u16; 18] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 256, 257, 258, 259, 260, 261, 262, 264, 266];

/// Bits of the first byte.
pub mod flags {
    /// Checksums of UDF are left as they are.
    pub const UNSIGNED: u8 = 1;
    /// Hidden, associated and deleted files are shown.
    pub const EVERYTHING: u8 = 2;
    /// Compressed files as they are stored.
    pub const STORED: u8 = 4;
    /// The second session of the image.
    pub const SECOND: u8 = 8;
}

/// The image without its zeros.
#[allow(dead_code, reason = "the fuzz targets only unpack")]
pub fn pack(image: &[u8]) -> Vec<u8> {
    let mut packed = vec![0];
    for (number, sector) in image.chunks(SECTOR).enumerate() {
        if sector.iter().any(|byte| *byte != 0) {
            packed.extend(u32::try_from(number).unwrap_or(MOST_SECTORS).to_le_bytes());
            packed.extend(sector);
            packed.extend(std::iter::repeat_n(0, SECTOR - sector.len()));
        }
    }
    packed
}

/// An image that is not made: its sectors, the rest is zeros.
#[derive(Debug)]
pub struct Packed {
    /// In the order of their numbers.
    sectors: Vec<(usize, [u8; SECTOR])>,
    bytes: usize,
}

impl Packed {
    /// The flags and the image; without [`flags::UNSIGNED`] all descriptors of UDF get right checksums, which a fuzzer
    /// would find only in a million years.
    pub fn new(packed: &[u8]) -> (u8, Self) {
        let mut image = Self { sectors: Vec::new(), bytes: 0 };
        let Some((flags, parts)) = packed.split_first() else { return (0, image) };
        for part in parts.chunks(PART) {
            let Some((number, bytes)) = part.split_first_chunk::<4>() else { break };
            let number = (u32::from_le_bytes(*number) % MOST_SECTORS) as usize;
            let mut sector = [0; SECTOR];
            sector[..bytes.len()].copy_from_slice(bytes);
            // The end of an image is that of a block.
            image.bytes = image.bytes.max(((number + 1) * SECTOR).next_multiple_of(2048));
            match image.sectors.binary_search_by_key(&number, |(number, _)| *number) {
                Ok(place) => image.sectors[place].1 = sector,
                Err(place) => image.sectors.insert(place, (number, sector)),
            }
        }
        if flags & flags::UNSIGNED == 0 {
            for place in 0..image.sectors.len() {
                for at in (0..=SECTOR - 16).step_by(4) {
                    image.sign(place, at);
                }
            }
        }
        (*flags, image)
    }

    /// Copies what there is of a range to a buffer of zeros.
    fn copy(&self, buffer: &mut [u8], offset: usize) {
        let first = self.sectors.partition_point(|(number, _)| (number + 1) * SECTOR <= offset);
        for (number, sector) in &self.sectors[first..] {
            let start = number * SECTOR;
            let (from, to) = (offset.saturating_sub(start), start.saturating_sub(offset));
            let Some(target) = buffer.get_mut(to..).filter(|target| !target.is_empty()) else { break };
            let length = target.len().min(SECTOR - from);
            target[..length].copy_from_slice(&sector[from..from + length]);
        }
    }

    /// Makes the CRC and the checksum of a tag right, where one seems to be: at a byte of a sector.
    fn sign(&mut self, place: usize, at: usize) {
        let (number, sector) = &self.sectors[place];
        let tag = &sector[at..at + 16];
        let word = |at: usize| u16::from_le_bytes([tag[at], tag[at + 1]]);
        if !matches!(word(2), 2 | 3) || tag[5] != 0 || !TAGS.contains(&word(0)) {
            return;
        }
        let start = number * SECTOR + at;
        let mut whole = vec![0; 16 + usize::from(word(10))];
        let fits = start + whole.len() <= self.bytes;
        whole.truncate(if fits { whole.len() } else { 16 });
        self.copy(&mut whole, start);
        if fits {
            let crc = CRC.checksum(&whole[16..]);
            whole[8..10].copy_from_slice(&crc.to_le_bytes());
        }
        whole[4] = (0..16).filter(|byte| *byte != 4).fold(0_u8, |sum, byte| sum.wrapping_add(whole[byte]));
        self.sectors[place].1[at..at + 16].copy_from_slice(&whole[..16]);
    }
}

impl Source for Packed {
    fn len(&self) -> u64 {
        self.bytes as u64
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64).filter(|end| *end <= self.len());
        end.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        buffer.fill(0);
        self.copy(buffer, offset as usize);
        Ok(())
    }
}
