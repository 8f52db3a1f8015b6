//! Images without their zeros, so that every byte a fuzzer changes means something.
//!
//! A byte of flags, then parts of 516 bytes: the number of a sector of 512 bytes (little-endian) and the sector.

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

/// The flags and the image; without [`flags::UNSIGNED`] all descriptors of UDF get right checksums, which a fuzzer would
/// find only in a million years.
pub fn unpack(packed: &[u8]) -> (u8, Vec<u8>) {
    let Some((flags, parts)) = packed.split_first() else { return (0, Vec::new()) };
    let mut image = Vec::new();
    let mut written = Vec::new();
    for part in parts.chunks(PART) {
        let Some((number, sector)) = part.split_first_chunk::<4>() else { break };
        let start = (u32::from_le_bytes(*number) % MOST_SECTORS) as usize * SECTOR;
        if image.len() < start + SECTOR {
            // The end of an image is that of a block.
            image.resize((start + SECTOR).next_multiple_of(2048), 0);
        }
        image[start..start + sector.len()].copy_from_slice(sector);
        written.push(start);
    }
    if flags & flags::UNSIGNED == 0 {
        for start in written {
            for at in (start..start + SECTOR).step_by(4) {
                sign(&mut image, at);
            }
        }
    }
    (*flags, image)
}

/// Makes the CRC and the checksum of a tag right, where one seems to be.
fn sign(image: &mut [u8], at: usize) {
    let Some(tag) = image.get(at..at + 16) else { return };
    let word = |at: usize| u16::from_le_bytes([tag[at], tag[at + 1]]);
    if !TAGS.contains(&word(0)) || !matches!(word(2), 2 | 3) || tag[5] != 0 {
        return;
    }
    let length = usize::from(word(10));
    if let Some(covered) = image.get(at + 16..at + 16 + length) {
        let crc = covered.iter().fold(0_u16, |crc, byte| {
            (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| (crc << 1) ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 })
        });
        image[at + 8..at + 10].copy_from_slice(&crc.to_le_bytes());
    }
    image[at + 4] = (0..16).filter(|byte| *byte != 4).fold(0_u8, |sum, byte| sum.wrapping_add(image[at + byte]));
}
