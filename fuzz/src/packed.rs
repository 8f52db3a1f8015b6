//! Images without their zeros, so that every byte a fuzzer changes means something.
//!
//! A byte of flags, then parts of 68 bytes: the number of a unit of 64 bytes (little-endian) and the unit.

use std::io;

use mount_iso::source::Source;

/// The checksum of descriptors (ECMA-167 1/7.2.6).
static CRC: crc::Crc<u16> = crc::Crc::<u16>::new(&crc::CRC_16_XMODEM);
/// Bytes of a unit.
const UNIT: usize = 64;
/// Bytes of a part of a packed image.
pub const PART: usize = UNIT + 4;
/// Units of an image: 2 MiB.
const MOST_UNITS: u32 = 32_768;
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
    /// The poorer of the two trees that a target is for.
    pub const POORER: u8 = 16;
}

/// The image without its zeros; its last unit is there whatever it holds, as it says how long the image is.
#[allow(dead_code, reason = "the fuzz targets only unpack")]
pub fn pack(image: &[u8]) -> Vec<u8> {
    let mut packed = vec![0];
    let last = image.len().div_ceil(UNIT).saturating_sub(1);
    for (number, unit) in image.chunks(UNIT).enumerate() {
        if number == last || unit.iter().any(|byte| *byte != 0) {
            packed.extend(u32::try_from(number).unwrap_or(MOST_UNITS).to_le_bytes());
            packed.extend(unit);
            packed.extend(std::iter::repeat_n(0, UNIT - unit.len()));
        }
    }
    packed
}

/// An image that is not made: its units, the rest is zeros.
#[derive(Debug)]
pub struct Packed {
    /// In the order of their numbers.
    units: Vec<(usize, [u8; UNIT])>,
    bytes: usize,
}

impl Packed {
    /// The flags and the image; without [`flags::UNSIGNED`] all descriptors of UDF get right checksums, which a fuzzer
    /// would find only in a million years.
    pub fn new(packed: &[u8]) -> (u8, Self) {
        let Some((flags, parts)) = packed.split_first() else { return (0, Self { units: Vec::new(), bytes: 0 }) };
        let mut units: Vec<_> = parts.chunks(PART).filter_map(unit).collect();
        // What comes later takes the place of what came before.
        units.reverse();
        units.sort_by_key(|(number, _)| *number);
        units.dedup_by_key(|(number, _)| *number);
        // The end of an image is that of a block.
        let bytes = units.last().map_or(0, |(number, _)| ((number + 1) * UNIT).next_multiple_of(2048));
        let mut image = Self { units, bytes };
        if flags & flags::UNSIGNED == 0 {
            for place in 0..image.units.len() {
                for at in (0..UNIT).step_by(4) {
                    let bytes = &image.units[place].1[at..];
                    let version = u16::from_le_bytes([bytes[2], bytes[3]]);
                    if matches!(version, 2 | 3) && TAGS.contains(&u16::from_le_bytes([bytes[0], bytes[1]])) {
                        image.sign(image.units[place].0 * UNIT + at);
                    }
                }
            }
        }
        (*flags, image)
    }

    /// Copies what there is of a range to a buffer of zeros.
    fn copy(&self, buffer: &mut [u8], offset: usize) {
        let first = self.units.partition_point(|(number, _)| (number + 1) * UNIT <= offset);
        for (number, unit) in &self.units[first..] {
            let start = number * UNIT;
            let (from, to) = (offset.saturating_sub(start), start.saturating_sub(offset));
            let Some(target) = buffer.get_mut(to..).filter(|target| !target.is_empty()) else { break };
            let length = target.len().min(UNIT - from);
            target[..length].copy_from_slice(&unit[from..from + length]);
        }
    }

    /// Puts a byte into a unit that is there.
    fn put(&mut self, offset: usize, byte: u8) {
        if let Ok(place) = self.units.binary_search_by_key(&(offset / UNIT), |(number, _)| *number) {
            self.units[place].1[offset % UNIT] = byte;
        }
    }

    /// Makes the CRC and the checksum of a tag right, where one seems to be.
    fn sign(&mut self, start: usize) {
        let mut tag = [0; 16];
        self.copy(&mut tag, start);
        if tag[5] != 0 {
            return;
        }
        let mut body = vec![0; usize::from(u16::from_le_bytes([tag[10], tag[11]]))];
        if start + tag.len() + body.len() <= self.bytes {
            self.copy(&mut body, start + tag.len());
            let crc = CRC.checksum(&body).to_le_bytes();
            for (at, byte) in (8..).zip(crc) {
                tag[at] = byte;
                self.put(start + at, byte);
            }
        }
        tag[4] = 0;
        self.put(start + 4, tag.iter().fold(0, |sum, byte| sum.wrapping_add(*byte)));
    }
}

/// The unit that a part stands for.
fn unit(part: &[u8]) -> Option<(usize, [u8; UNIT])> {
    let (number, bytes) = part.split_first_chunk::<4>()?;
    let mut unit = [0; UNIT];
    unit[..bytes.len()].copy_from_slice(bytes);
    Some(((u32::from_le_bytes(*number) % MOST_UNITS) as usize, unit))
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
