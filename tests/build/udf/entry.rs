//! ECMA-167 4/14.9 and 4/14.17: File Entry and Extended File Entry.

use super::allocation::Form;
use super::space::Address;
use super::tag;
use super::text::entity;
use super::time::Stamp;

/// ECMA-167 4/14.6.6: file types.
pub mod kind {
    pub const DIRECTORY: u8 = 4;
    pub const REGULAR: u8 = 5;
    pub const BLOCK: u8 = 6;
    pub const CHARACTER: u8 = 7;
    pub const FIFO: u8 = 9;
    pub const SOCKET: u8 = 10;
    pub const LINK: u8 = 12;
    pub const STREAM_DIRECTORY: u8 = 13;
    /// UDF 2.3.5.2.1: types of UDF's own.
    pub const VAT: u8 = 248;
    pub const REAL_TIME: u8 = 249;
    pub const METADATA: u8 = 250;
    pub const METADATA_MIRROR: u8 = 251;
}

/// ECMA-167 4/14.6.8: ICB flags above the form.
pub const SETUID: u16 = 0x40;
pub const SETGID: u16 = 0x80;
pub const STICKY: u16 = 0x100;
pub const STREAM: u16 = 0x2000;

#[derive(Debug, Clone)]
pub struct Entry {
    pub extended: bool,
    pub version: u16,
    pub location: Address,
    pub strategy: u16,
    /// ECMA-167 4/14.6.1: how many entries were recorded before.
    pub prior: u32,
    pub kind: u8,
    pub parent: Address,
    pub flags: u16,
    pub form: Form,
    pub uid: u32,
    pub gid: u32,
    pub permissions: u32,
    pub links: u16,
    pub len: u64,
    /// What is more in the streams (4/14.17.11).
    pub streams_len: u64,
    pub blocks: u64,
    /// Access, modification, attributes, creation.
    pub times: [Stamp; 4],
    pub attributes_icb: Option<Vec<u8>>,
    pub streams_icb: Option<Vec<u8>>,
    pub unique: u64,
    pub attributes: Vec<u8>,
    /// Allocation descriptors or the content.
    pub ads: Vec<u8>,
}

impl Entry {
    pub fn new(kind: u8, location: Address, extended: bool, version: u16) -> Self {
        Self {
            extended,
            version,
            location,
            strategy: 4,
            prior: 0,
            kind,
            parent: Address::default(),
            flags: 0,
            form: Form::Short,
            uid: 0,
            gid: 0,
            permissions: 0,
            links: 1,
            len: 0,
            streams_len: 0,
            blocks: 0,
            times: [Stamp::new(super::time::TIME); 4],
            attributes_icb: None,
            streams_icb: None,
            unique: 0,
            attributes: Vec::new(),
            ads: Vec::new(),
        }
    }

    pub fn header(extended: bool) -> usize {
        if extended { 216 } else { 176 }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let header = Self::header(self.extended);
        let mut bytes = vec![0; header];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(16, &icb_tag(self.strategy, self.prior, self.kind, self.parent, self.flags | self.form as u16));
        put(36, &self.uid.to_le_bytes());
        put(40, &self.gid.to_le_bytes());
        put(44, &self.permissions.to_le_bytes());
        put(48, &self.links.to_le_bytes());
        put(56, &self.len.to_le_bytes());
        let [access, modification, attributes, creation] = self.times.map(Stamp::bytes);
        let implementation = entity("*mount-iso builder", &[4, 0]);
        let mut at = 64;
        let mut next = |field: &[u8]| {
            put(at, field);
            at += field.len();
        };
        if self.extended {
            next(&(self.len + self.streams_len).to_le_bytes());
        }
        next(&self.blocks.to_le_bytes());
        next(&access);
        next(&modification);
        if self.extended {
            next(&creation);
        }
        next(&attributes);
        next(&1u32.to_le_bytes());
        if self.extended {
            next(&[0; 4]);
        }
        next(self.attributes_icb.as_deref().unwrap_or(&[0; 16]));
        if self.extended {
            next(self.streams_icb.as_deref().unwrap_or(&[0; 16]));
        }
        next(&implementation);
        next(&self.unique.to_le_bytes());
        next(&(self.attributes.len() as u32).to_le_bytes());
        next(&(self.ads.len() as u32).to_le_bytes());
        bytes.extend(&self.attributes);
        bytes.extend(&self.ads);
        let id = if self.extended { tag::EXTENDED_FILE } else { tag::FILE };
        tag::fill(&mut bytes, id, self.version, self.location.block);
        bytes
    }
}

/// ECMA-167 4/14.6.
fn icb_tag(strategy: u16, prior: u32, kind: u8, parent: Address, flags: u16) -> Vec<u8> {
    let parameter: u16 = u16::from(strategy == 4096);
    let most: u16 = if strategy == 4096 { 2 } else { 1 };
    [
        &prior.to_le_bytes()[..],
        &strategy.to_le_bytes(),
        &parameter.to_le_bytes(),
        &most.to_le_bytes(),
        &[0, kind],
        &parent.block.to_le_bytes(),
        &parent.partition.to_le_bytes(),
        &flags.to_le_bytes(),
    ]
    .concat()
}

/// ECMA-167 4/14.7: an Indirect Entry.
pub fn indirect(location: Address, version: u16, next: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 52];
    bytes[16..36].copy_from_slice(&icb_tag(4096, 0, 3, Address::default(), 0));
    bytes[36..52].copy_from_slice(next);
    tag::fill(&mut bytes, tag::INDIRECT, version, location.block);
    bytes
}

/// ECMA-167 4/14.9.5: five bits for each of owner, group and others.
pub fn permissions(mode: u32) -> u32 {
    let class = |shift: u32| mode >> shift & 7;
    // UDF 2.3.6.3: who may write may change attributes; the owner may delete.
    let wide = |bits: u32| bits | if bits & 2 == 0 { 0 } else { 8 };
    wide(class(0)) | wide(class(3)) << 5 | (wide(class(6)) | 16) << 10
}

/// ECMA-167 4/14.6.8: the bits of a mode that are ICB flags.
pub fn mode_flags(mode: u32) -> u16 {
    [(0o4000, SETUID), (0o2000, SETGID), (0o1000, STICKY)]
        .iter()
        .filter(|(bit, _)| mode & bit != 0)
        .fold(0, |flags, (_, flag)| flags | flag)
}
