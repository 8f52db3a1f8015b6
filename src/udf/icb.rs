//! Information Control Blocks: the File Entry (ECMA-167 4/14.9) and the Extended File Entry (4/14.17).

use super::descriptor::LongAd;
use super::timestamp;
use crate::bytes::{u8_at, u16_le, u32_le, u64_le};
use crate::time::Timestamp;
use crate::volume::{FileType, NodeId, Times};

/// Where an ICB is: a logical block of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// Index in the table of partition maps.
    pub partition: u16,
    pub block: u32,
}

impl Address {
    pub fn of(ad: &LongAd) -> Self {
        Self { partition: ad.partition, block: ad.block }
    }

    /// The number of the node whose ICB is here.
    pub fn id(self) -> Option<NodeId> {
        NodeId::new(u64::from(self.partition).saturating_add(1) << 32 | u64::from(self.block))
    }

    pub fn from_id(id: NodeId) -> Option<Self> {
        let partition = u16::try_from((id.get() >> 32).checked_sub(1)?).ok()?;
        Some(Self { partition, block: u32::try_from(id.get() & 0xFFFF_FFFF).ok()? })
    }
}

/// 4/14.6.6 File Type.
pub mod file_type {
    pub const DIRECTORY: u8 = 4;
    pub const STREAM_DIRECTORY: u8 = 13;
    pub const VIRTUAL_ALLOCATION_TABLE: u8 = 248;
}

/// How the allocation descriptors of a file are recorded (4/14.6.8, bits 0 to 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Short,
    Long,
    Extended,
    /// The data itself stands in their place.
    Embedded,
}

/// A File Entry or Extended File Entry.
#[derive(Debug, Clone)]
pub struct Icb {
    pub address: Address,
    /// Byte address in the image.
    pub at: u64,
    pub extended: bool,
    bytes: Vec<u8>,
}

impl Icb {
    /// `None` where there are fewer bytes than the fixed part has.
    pub fn new(address: Address, at: u64, extended: bool, bytes: Vec<u8>) -> Option<Self> {
        let icb = Self { address, at, extended, bytes };
        (icb.bytes.len() >= icb.fixed_length()).then_some(icb)
    }

    fn fixed_length(&self) -> usize {
        if self.extended { 216 } else { 176 }
    }

    fn pick(&self, entry: usize, extended: usize) -> usize {
        if self.extended { extended } else { entry }
    }

    /// 4/14.6.2 Strategy Type.
    pub fn strategy(&self) -> u16 {
        u16_le(&self.bytes, 20)
    }

    pub fn file_type(&self) -> u8 {
        u8_at(&self.bytes, 27)
    }

    fn flags(&self) -> u16 {
        u16_le(&self.bytes, 34)
    }

    pub fn form(&self) -> Option<Form> {
        match self.flags() & 7 {
            0 => Some(Form::Short),
            1 => Some(Form::Long),
            2 => Some(Form::Extended),
            3 => Some(Form::Embedded),
            _ => None,
        }
    }

    /// The kind of file that POSIX has for the File Type; `None` for those that are no files of a user.
    pub fn kind(&self) -> Option<FileType> {
        match self.file_type() {
            // 248 to 252 are the volume's own; somebody who names one sees its bytes.
            0 | 5 | 248..=252 => Some(FileType::Regular),
            file_type::DIRECTORY | file_type::STREAM_DIRECTORY => Some(FileType::Directory),
            6 => Some(FileType::BlockDevice),
            7 => Some(FileType::CharacterDevice),
            9 => Some(FileType::Fifo),
            10 => Some(FileType::Socket),
            12 => Some(FileType::SymbolicLink),
            _ => None,
        }
    }

    /// 4/14.9.2 Uid; `None` for 2^32 - 1, "not specified" (UDF 2.3.6.1).
    pub fn uid(&self) -> Option<u32> {
        Some(u32_le(&self.bytes, 36)).filter(|uid| *uid != u32::MAX)
    }

    pub fn gid(&self) -> Option<u32> {
        Some(u32_le(&self.bytes, 40)).filter(|gid| *gid != u32::MAX)
    }

    /// 4/14.9.5 Permissions as POSIX bits, as Linux maps them, with the set-id and sticky bits of the flags
    /// (4/14.6.8, bits 6 to 8).
    pub fn permissions(&self) -> u16 {
        let recorded = u32_le(&self.bytes, 44);
        let bits = (recorded & 0o7) | (recorded >> 2 & 0o70) | (recorded >> 4 & 0o700);
        let special = [(0x40, 0o4000), (0x80, 0o2000), (0x100, 0o1000)];
        let special = special.iter().filter(|(flag, _)| self.flags() & flag != 0).map(|(_, bit)| bit).sum::<u16>();
        u16::try_from(bits).unwrap_or(0) | special
    }

    /// 4/14.9.6 File Link Count.
    pub fn links(&self) -> u32 {
        u32::from(u16_le(&self.bytes, 48))
    }

    /// 4/14.9.10 Information Length.
    pub fn length(&self) -> u64 {
        u64_le(&self.bytes, 56)
    }

    /// 4/14.9.11 Logical Blocks Recorded.
    pub fn blocks_recorded(&self) -> u64 {
        u64_le(&self.bytes, self.pick(64, 72))
    }

    pub fn times(&self) -> Times {
        let time = |at: usize| -> Option<Timestamp> { self.bytes.get(at..).and_then(timestamp::read) };
        Times {
            accessed: time(self.pick(72, 80)),
            modified: time(self.pick(84, 92)),
            changed: time(self.pick(96, 116)),
            created: self.extended.then(|| time(104)).flatten(),
        }
    }

    /// 4/14.17.16 Stream Directory ICB.
    pub fn stream_directory(&self) -> Option<Address> {
        let ad = LongAd::read(&self.bytes, 152);
        (self.extended && ad.length & 0x3FFF_FFFF != 0).then(|| Address::of(&ad))
    }

    fn attributes_length(&self) -> usize {
        usize::try_from(u32_le(&self.bytes, self.pick(168, 208))).unwrap_or(usize::MAX)
    }

    /// 4/14.9.22 Extended Attributes; cut where the entry ends.
    pub fn attributes(&self) -> &[u8] {
        let rest = self.bytes.get(self.fixed_length()..).unwrap_or_default();
        rest.get(..self.attributes_length()).unwrap_or(rest)
    }

    /// 4/14.9.23 Allocation Descriptors, or embedded data: the bytes, and how many more are announced than the
    /// block holds.
    pub fn allocation(&self) -> (&[u8], usize) {
        let announced = usize::try_from(u32_le(&self.bytes, self.pick(172, 212))).unwrap_or(usize::MAX);
        let start = self.fixed_length().saturating_add(self.attributes_length());
        let rest = self.bytes.get(start..).unwrap_or_default();
        let bytes = rest.get(..announced).unwrap_or(rest);
        (bytes, announced.saturating_sub(bytes.len()))
    }

    /// The byte address of what [`Icb::allocation`] gives.
    pub fn allocation_at(&self) -> u64 {
        let start = self.fixed_length().saturating_add(self.attributes_length());
        self.at.saturating_add(u64::try_from(start).unwrap_or(u64::MAX / 4))
    }
}
