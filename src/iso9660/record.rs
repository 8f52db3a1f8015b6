//! The Directory Record (ECMA-119 9.1).

use crate::bytes::{Both, both_u16, both_u32, u8_at};

/// The logical sector of ECMA-119 6.1.2: directory records never cross its end.
pub const LOGICAL_SECTOR: u64 = 2048;
/// The fixed part before the File Identifier.
pub const FIXED_LENGTH: usize = 33;

/// A copy of one directory record and where it lies.
#[derive(Debug, Clone)]
pub struct Record {
    bytes: [u8; 255],
    length: u8,
    /// Byte address in the image.
    pub at: u64,
}

/// Bits of the File Flags (ECMA-119 9.1.6).
pub mod flags {
    pub const EXISTENCE: u8 = 0x01;
    pub const DIRECTORY: u8 = 0x02;
    pub const ASSOCIATED: u8 = 0x04;
    pub const MULTI_EXTENT: u8 = 0x80;
}

impl Record {
    /// Takes a record of at least [`FIXED_LENGTH`] + 1 bytes; `None` where its lengths contradict each other.
    pub fn new(bytes: &[u8], at: u64) -> Option<Self> {
        let length = u8::try_from(bytes.len()).ok()?;
        let name = usize::from(u8_at(bytes, 32));
        if bytes.len() <= FIXED_LENGTH || name == 0 || FIXED_LENGTH.checked_add(name)? > bytes.len() {
            return None;
        }
        let mut copy = [0; 255];
        copy.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Self { bytes: copy, length, at })
    }

    /// The root record of a volume descriptor (ECMA-119 8.4.18), 34 bytes whatever its length byte says.
    pub fn root(bytes: &[u8; 34], at: u64) -> Self {
        let mut copy = [0; 255];
        if let Some(part) = copy.get_mut(..bytes.len()) {
            part.copy_from_slice(bytes);
        }
        Self { bytes: copy, length: 34, at }
    }

    /// 9.1.1 Length of Directory Record.
    pub fn length(&self) -> u64 {
        u64::from(self.length)
    }

    /// 9.1.2 Extended Attribute Record Length, in logical blocks.
    pub fn extended_attribute_length(&self) -> u8 {
        u8_at(&self.bytes, 1)
    }

    /// 9.1.3 Location of Extent: a logical block number.
    pub fn location(&self) -> Both<u32> {
        both_u32(&self.bytes, 2)
    }

    /// 9.1.4 Data Length, in bytes.
    pub fn data_length(&self) -> Both<u32> {
        both_u32(&self.bytes, 10)
    }

    /// 9.1.5 Recording Date and Time.
    pub fn date(&self) -> &[u8] {
        self.bytes.get(18..25).unwrap_or_default()
    }

    /// 9.1.6 File Flags.
    pub fn flags(&self) -> u8 {
        u8_at(&self.bytes, 25)
    }

    pub fn has(&self, flag: u8) -> bool {
        self.flags() & flag != 0
    }

    /// 9.1.7 File Unit Size, in logical blocks; 0 where the file is not interleaved.
    pub fn file_unit_size(&self) -> u8 {
        u8_at(&self.bytes, 26)
    }

    /// 9.1.8 Interleave Gap Size, in logical blocks.
    pub fn interleave_gap(&self) -> u8 {
        u8_at(&self.bytes, 27)
    }

    /// 9.1.9 Volume Sequence Number.
    pub fn volume_sequence(&self) -> Both<u16> {
        both_u16(&self.bytes, 28)
    }

    /// 9.1.11 File Identifier.
    pub fn identifier(&self) -> &[u8] {
        let end = FIXED_LENGTH.saturating_add(usize::from(u8_at(&self.bytes, 32)));
        self.bytes.get(FIXED_LENGTH..end).unwrap_or_default()
    }

    /// The record of the directory itself (ECMA-119 6.8.2.2): identifier 00.
    pub fn is_self(&self) -> bool {
        self.identifier() == [0]
    }

    /// The record of the parent directory: identifier 01.
    pub fn is_parent(&self) -> bool {
        self.identifier() == [1]
    }

    /// 9.1.13 System Use, and where it begins in the image.
    pub fn system_use(&self) -> (&[u8], u64) {
        let name = self.identifier().len();
        // 9.1.12: a padding byte follows an identifier of even length.
        let start = FIXED_LENGTH.saturating_add(name).saturating_add(usize::from(name.is_multiple_of(2)));
        let area = self.bytes.get(start..usize::from(self.length)).unwrap_or_default();
        (area, self.at.saturating_add(u64::try_from(start).unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_that_contradict_each_other_are_refused() {
        let mut bytes = [0; 40];
        bytes[32] = 7;
        assert!(Record::new(&bytes, 0).is_some());
        bytes[32] = 8;
        assert!(Record::new(&bytes, 0).is_none());
        bytes[32] = 0;
        assert!(Record::new(&bytes, 0).is_none());
        assert!(Record::new(&bytes[..33], 0).is_none());
        assert!(Record::new(&[], 0).is_none());
    }

    #[test]
    fn the_system_use_area_follows_the_padding() {
        let mut bytes = [9; 42];
        bytes[32] = 2;
        let record = Record::new(&bytes, 1000).unwrap();
        assert_eq!(record.system_use(), (&[9; 6][..], 1036));
        bytes[32] = 3;
        let record = Record::new(&bytes, 1000).unwrap();
        assert_eq!(record.system_use(), (&[9; 6][..], 1036));
    }
}
