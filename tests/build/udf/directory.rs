//! ECMA-167 4/14.4: file identifier descriptors; 4/14.16: path components.

use super::tag;
use super::text::compressed;

#[derive(Debug, Clone)]
pub struct Identifier {
    pub characteristics: u8,
    pub name: Vec<u8>,
    /// The long_ad that refers to the ICB.
    pub icb: Vec<u8>,
    pub implementation_use: Vec<u8>,
}

impl Identifier {
    pub fn len(&self) -> usize {
        (38 + self.implementation_use.len() + self.name.len()).next_multiple_of(4)
    }

    pub fn bytes(&self, version: u16, location: u32) -> Vec<u8> {
        let mut bytes = vec![0; 16];
        bytes.extend(1u16.to_le_bytes());
        bytes.extend([self.characteristics, self.name.len() as u8]);
        bytes.extend(&self.icb);
        bytes.extend((self.implementation_use.len() as u16).to_le_bytes());
        bytes.extend(&self.implementation_use);
        bytes.extend(&self.name);
        bytes.resize(self.len(), 0);
        tag::fill(&mut bytes, tag::FILE_IDENTIFIER, version, location);
        bytes
    }
}

/// ECMA-167 4/14.16.1: component types.
pub const ROOT: u8 = 2;
pub const PARENT: u8 = 3;
pub const CURRENT: u8 = 4;
pub const NAME: u8 = 5;

/// The components of a path.
pub fn components(target: &str) -> Vec<(u8, Vec<u8>)> {
    let mut list = Vec::new();
    if target.starts_with('/') {
        list.push((ROOT, Vec::new()));
    }
    list.extend(target.split('/').filter(|part| !part.is_empty()).map(|part| match part {
        "." => (CURRENT, Vec::new()),
        ".." => (PARENT, Vec::new()),
        name => (NAME, compressed(name)),
    }));
    list
}

pub fn path(components: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let parts = components.iter().map(|(kind, name)| [&[*kind, name.len() as u8, 0, 0], name.as_slice()].concat());
    parts.collect::<Vec<_>>().concat()
}
