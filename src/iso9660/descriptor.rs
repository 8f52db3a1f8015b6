//! Volume Descriptors (ECMA-119 8): what a volume says of itself.

use super::datetime;
use super::joliet;
use super::record::Record;
use crate::bytes::{Both, both_u16, both_u32, u8_at};
use crate::time::Timestamp;

/// The clause of the root directory's record.
pub const ROOT_CLAUSE: &str = "ECMA-119 8.4.18";

/// A volume descriptor of ISO 9660, of any type.
#[derive(Debug, Clone)]
pub struct Descriptor {
    bytes: Box<[u8; 2048]>,
    /// Byte address in the image.
    pub at: u64,
}

/// 8.1.1 Volume Descriptor Type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    BootRecord,
    Primary,
    /// A Supplementary Volume Descriptor with an escape sequence of Joliet.
    Joliet(u8),
    /// Type 2 and version 2 (ISO 9660:1999 8.5).
    Enhanced,
    /// Type 2 in another character set than we know.
    Supplementary,
    Partition,
    Terminator,
    Other(u8),
}

impl Descriptor {
    /// `None` where the Standard Identifier (8.1.2) is not `CD001`.
    pub fn new(bytes: Box<[u8; 2048]>, at: u64) -> Option<Self> {
        (bytes.get(1..6) == Some(b"CD001")).then_some(Self { bytes, at })
    }

    pub fn kind(&self) -> Kind {
        match u8_at(&*self.bytes, 0) {
            0 => Kind::BootRecord,
            1 => Kind::Primary,
            2 => match joliet::level(self.field(88, 32)) {
                Some(level) => Kind::Joliet(level),
                None if u8_at(&*self.bytes, 6) == 2 => Kind::Enhanced,
                None => Kind::Supplementary,
            },
            3 => Kind::Partition,
            255 => Kind::Terminator,
            other => Kind::Other(other),
        }
    }

    /// The whole descriptor.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_slice()
    }

    fn field(&self, at: usize, length: usize) -> &[u8] {
        self.bytes.get(at..at.saturating_add(length)).unwrap_or_default()
    }

    /// 8.4.6 Volume Identifier.
    pub fn volume_identifier(&self) -> String {
        self.text(40, 32)
    }

    /// 8.4.8 Volume Space Size, in logical blocks.
    pub fn volume_space_size(&self) -> Both<u32> {
        both_u32(&*self.bytes, 80)
    }

    /// 8.4.10 Volume Set Size.
    pub fn volume_set_size(&self) -> u16 {
        both_u16(&*self.bytes, 120).little
    }

    /// 8.4.11 Volume Sequence Number.
    pub fn volume_sequence(&self) -> u16 {
        both_u16(&*self.bytes, 124).little
    }

    /// 8.4.12 Logical Block Size, in bytes.
    pub fn logical_block_size(&self) -> Both<u16> {
        both_u16(&*self.bytes, 128)
    }

    /// 8.4.18 Directory Record for Root Directory.
    pub fn root(&self) -> Record {
        let at = self.at.saturating_add(156);
        match self.field(156, 34).first_chunk::<34>() {
            Some(bytes) => Record::root(bytes, at),
            None => Record::root(&[0; 34], at),
        }
    }

    /// 8.4.19 and following: the identifiers worth showing, empty ones left out.
    pub fn texts(&self) -> Vec<(&'static str, String)> {
        [
            ("system identifier", 8, 32),
            ("volume set identifier", 190, 128),
            ("publisher identifier", 318, 128),
            ("data preparer identifier", 446, 128),
            ("application identifier", 574, 128),
            ("copyright file identifier", 702, 37),
            ("abstract file identifier", 739, 37),
            ("bibliographic file identifier", 776, 37),
        ]
        .into_iter()
        .map(|(name, at, length)| (name, self.text(at, length)))
        .filter(|(_, text)| !text.is_empty())
        .collect()
    }

    /// 8.4.26 to 8.4.29: the dates that are specified.
    pub fn times(&self) -> Vec<(&'static str, Timestamp)> {
        [("created", 813), ("modified", 830), ("expires", 847), ("effective", 864)]
            .into_iter()
            .filter_map(|(name, at)| Some((name, datetime::long(self.field(at, 17))?)))
            .collect()
    }

    /// What blkid(8) calls the UUID: the modification date, else the creation date.
    pub fn uuid(&self) -> Option<String> {
        datetime::as_uuid(self.field(830, 17)).or_else(|| datetime::as_uuid(self.field(813, 17)))
    }

    /// Whether the volume is marked as CD-ROM XA ("CD-XA001" in the Application Use field).
    pub fn is_extended_architecture(&self) -> bool {
        self.field(1024, 8) == b"CD-XA001"
    }

    /// An identifier without its padding: 16-bit units in a Joliet descriptor, else UTF-8 where it is valid and
    /// Latin-1 where it is not.
    fn text(&self, at: usize, length: usize) -> String {
        let bytes = self.field(at, length);
        let text = match self.kind() {
            Kind::Joliet(_) => joliet::decode(bytes),
            _ => match std::str::from_utf8(bytes) {
                Ok(text) => text.to_owned(),
                Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
            },
        };
        text.trim_end_matches(['\0', ' ']).trim_start_matches('\0').to_owned()
    }
}
