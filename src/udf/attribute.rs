//! Extended attributes in an ICB (ECMA-167 4/14.10, UDF 3.3.4): device numbers, and what implementations leave.

use super::tag::{self, id};
use crate::bytes::{u8_at, u32_le};
use crate::volume::Device;

/// One extended attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    pub kind: u32,
    /// From the attribute type on.
    pub bytes: &'a [u8],
}

/// The attributes of a space, up to the first that makes no sense.
pub fn attributes(space: &[u8]) -> Vec<Attribute<'_>> {
    // 4/14.10.1: the space begins with a header of 24 bytes.
    let headed = tag::read(space, None).is_some_and(|tag| tag.identifier == id::ATTRIBUTE_HEADER);
    let mut rest = space.get(if headed { 24 } else { 0 }..).unwrap_or_default();
    let mut found = Vec::new();
    while rest.len() >= 12 {
        let length = usize::try_from(u32_le(rest, 8)).unwrap_or(0);
        let Some(bytes) = rest.get(..length).filter(|bytes| bytes.len() >= 12) else { break };
        found.push(Attribute { kind: u32_le(rest, 0), bytes });
        rest = rest.get(length..).unwrap_or_default();
    }
    found
}

/// 4/14.10.7 Device Specification.
pub fn device(space: &[u8]) -> Option<Device> {
    let found = attributes(space).into_iter().find(|attribute| attribute.kind == 12 && attribute.bytes.len() >= 24)?;
    Some(Device { major: u32_le(found.bytes, 16), minor: u32_le(found.bytes, 20) })
}

/// 4/14.10.8 Implementation Use and 4/14.10.9 Application Use: the identifier of who wrote it, and the bytes.
pub fn foreign<'a>(attribute: &Attribute<'a>) -> Option<(&'a [u8], &'a [u8])> {
    if !matches!(attribute.kind, 2048 | 65536) {
        return None;
    }
    let identifier = attribute.bytes.get(17..40)?;
    let end = identifier.iter().position(|byte| *byte == 0).unwrap_or(identifier.len());
    let identifier = identifier.get(..end)?;
    let length = usize::try_from(u32_le(attribute.bytes, 12)).ok()?;
    let content = attribute.bytes.get(48..)?;
    let content = content.get(..length).unwrap_or(content);
    // UDF 3.3.4.5.1.1 and 3.3.4.6.1: room that is left free says nothing.
    let free = matches!(identifier, b"*UDF FreeEASpace" | b"*UDF FreeAppEASpace");
    (!identifier.is_empty() && !free && u8_at(identifier, 0) != 0).then_some((identifier, content))
}
