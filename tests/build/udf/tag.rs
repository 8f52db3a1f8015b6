//! ECMA-167 3/7.2 and 4/7.2: descriptor tags.

/// ECMA-167 3/7.2.1 and 4/7.2.1: tag identifiers.
pub const PRIMARY: u16 = 1;
pub const ANCHOR: u16 = 2;
pub const POINTER: u16 = 3;
pub const IMPLEMENTATION: u16 = 4;
pub const PARTITION: u16 = 5;
pub const LOGICAL: u16 = 6;
pub const UNALLOCATED: u16 = 7;
pub const TERMINATING: u16 = 8;
pub const INTEGRITY: u16 = 9;
pub const FILE_SET: u16 = 256;
pub const FILE_IDENTIFIER: u16 = 257;
pub const ALLOCATION: u16 = 258;
pub const INDIRECT: u16 = 259;
pub const TERMINAL: u16 = 260;
pub const FILE: u16 = 261;
pub const ATTRIBUTES: u16 = 262;
pub const EXTENDED_FILE: u16 = 266;

/// ECMA-167 3/7.2.6: the CRC of polynomial 0x1021 that starts with 0.
pub fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 })
    })
}

/// ECMA-167 3/7.2.3: the sum of the tag's other bytes.
pub fn checksum(tag: &[u8]) -> u8 {
    tag[..16].iter().enumerate().filter(|(at, _)| *at != 4).fold(0, |sum: u8, (_, byte)| sum.wrapping_add(*byte))
}

/// Fills in the tag of a descriptor whose CRC covers all of it.
pub fn fill(descriptor: &mut [u8], id: u16, version: u16, location: u32) {
    let (crc, len) = (crc(&descriptor[16..]), (descriptor.len() - 16) as u16);
    descriptor[..16].fill(0);
    descriptor[..2].copy_from_slice(&id.to_le_bytes());
    descriptor[2..4].copy_from_slice(&version.to_le_bytes());
    descriptor[6] = 1;
    descriptor[8..10].copy_from_slice(&crc.to_le_bytes());
    descriptor[10..12].copy_from_slice(&len.to_le_bytes());
    descriptor[12..16].copy_from_slice(&location.to_le_bytes());
    descriptor[4] = checksum(descriptor);
}

/// Makes CRC and checksum right again after a change.
pub fn sign(descriptor: &mut [u8]) {
    let len = usize::from(u16::from_le_bytes([descriptor[10], descriptor[11]])).min(descriptor.len() - 16);
    let crc = crc(&descriptor[16..16 + len]);
    descriptor[8..10].copy_from_slice(&crc.to_le_bytes());
    descriptor[4] = checksum(descriptor);
}

#[test]
fn the_crc_of_the_digits() {
    assert_eq!(crc(b"123456789"), 0x31C3);
}
