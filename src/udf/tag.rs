//! The Descriptor Tag (ECMA-167 3/7.2 and 4/7.2), which stands before every descriptor.

use crate::bytes::{u8_at, u16_le, u32_le};

pub const LENGTH: usize = 16;

/// 3/7.2.1 and 4/7.2.1: tag identifiers.
pub mod id {
    pub const PRIMARY_VOLUME: u16 = 1;
    pub const ANCHOR: u16 = 2;
    pub const VOLUME_POINTER: u16 = 3;
    pub const PARTITION: u16 = 5;
    pub const LOGICAL_VOLUME: u16 = 6;
    pub const TERMINATING: u16 = 8;
    pub const INTEGRITY: u16 = 9;
    pub const FILE_SET: u16 = 256;
    pub const FILE_IDENTIFIER: u16 = 257;
    pub const ALLOCATION_EXTENT: u16 = 258;
    pub const INDIRECT_ENTRY: u16 = 259;
    pub const FILE_ENTRY: u16 = 261;
    pub const EXTENDED_FILE_ENTRY: u16 = 266;
    pub const ATTRIBUTE_HEADER: u16 = 262;
}

/// How far a tag can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Checksum, CRC and location are right.
    Whole,
    /// The checksum is right; the CRC or the location is not.
    Partial(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    pub identifier: u16,
    pub trust: Trust,
}

/// Reads the tag of a descriptor of which `bytes` holds all that there is, and checks it. `location` is the
/// logical block or sector that it was read from; `None` where that is not known.
///
/// `None` where the tag checksum (7.2.3) is wrong: then there is no descriptor at all.
pub fn read(bytes: &[u8], location: Option<u32>) -> Option<Tag> {
    let header = bytes.first_chunk::<LENGTH>()?;
    let sum = header.iter().enumerate().filter(|(at, _)| *at != 4).fold(0_u8, |sum, (_, byte)| sum.wrapping_add(*byte));
    if sum != u8_at(header, 4) || header.iter().all(|byte| *byte == 0) {
        return None;
    }
    let length = usize::from(u16_le(header, 10));
    let trust = match bytes.get(LENGTH..LENGTH.saturating_add(length)) {
        _ if length == 0 => Trust::Whole,
        Some(covered) if checksum(covered) == u16_le(header, 8) => Trust::Whole,
        Some(_) => Trust::Partial("the CRC of a descriptor is wrong"),
        None => Trust::Partial("the CRC of a descriptor covers more than there is"),
    };
    let trust = match (trust, location) {
        (Trust::Whole, Some(expected)) if expected != u32_le(header, 12) => {
            Trust::Partial("a descriptor says that it belongs to another block")
        }
        (trust, _) => trust,
    };
    Some(Tag { identifier: u16_le(header, 0), trust })
}

/// Whether the CRC of a descriptor is right, where it covers all of `bytes`: then a wrong checksum is of the tag alone.
pub fn is_body_whole(bytes: &[u8]) -> bool {
    let covered = bytes.get(LENGTH..).unwrap_or_default();
    covered.len() == usize::from(u16_le(bytes, 10)) && checksum(covered) == u16_le(bytes, 8)
}

/// 7.2.6: the CRC of ITU-T V.41, polynomial 0x1021, beginning with 0.
pub fn checksum(bytes: &[u8]) -> u16 {
    // Its table is computed once, when this is compiled, and not for every descriptor.
    static CRC: crc::Crc<u16> = crc::Crc::<u16>::new(&crc::CRC_16_XMODEM);
    CRC.checksum(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ecma_167_7_2_6_the_reference_value() {
        assert_eq!(checksum(b"123456789"), 0x31C3);
    }

    #[test]
    fn a_tag_is_checked_in_all_its_parts() {
        let mut bytes = vec![0; 32];
        bytes[0] = 5;
        bytes[2] = 2;
        bytes[10] = 16;
        bytes[12] = 77;
        let crc = checksum(&bytes[16..]);
        bytes[8..10].copy_from_slice(&crc.to_le_bytes());
        bytes[4] = (0..16).filter(|at| *at != 4).fold(0_u8, |sum, at| sum.wrapping_add(bytes[at]));
        assert_eq!(read(&bytes, Some(77)), Some(Tag { identifier: 5, trust: Trust::Whole }));
        assert!(matches!(read(&bytes, Some(78)).unwrap().trust, Trust::Partial(_)));
        assert!(matches!(read(&bytes[..20], None).unwrap().trust, Trust::Partial(_)));
        bytes[20] = 1;
        assert!(matches!(read(&bytes, None).unwrap().trust, Trust::Partial(_)));
        bytes[0] = 6;
        assert_eq!(read(&bytes, None), None);
        assert_eq!(read(&[0; 16], None), None);
    }
}
