//! ECMA-167 4/14.10: extended attributes.

use super::tag;
use super::text::{entity, udf_entity};
use super::time::Stamp;

/// One attribute: type, subtype and what follows the length.
fn attribute(kind: u32, body: &[u8]) -> Vec<u8> {
    let len = (12 + body.len()).next_multiple_of(4);
    let mut bytes = kind.to_le_bytes().to_vec();
    bytes.extend([1, 0, 0, 0]);
    bytes.extend((len as u32).to_le_bytes());
    bytes.extend(body);
    bytes.resize(len, 0);
    bytes
}

/// ECMA-167 4/14.10.7: Device Specification.
pub fn device(major: u32, minor: u32) -> Vec<u8> {
    // UDF 3.3.4.4: the implementation use names who wrote it.
    let implementation = entity("*builder", &[4, 0]);
    let mut body = (implementation.len() as u32).to_le_bytes().to_vec();
    body.extend(major.to_le_bytes());
    body.extend(minor.to_le_bytes());
    body.extend(implementation);
    attribute(12, &body)
}

/// ECMA-167 4/14.10.5: File Times, with a creation time.
pub fn creation(stamp: Stamp) -> Vec<u8> {
    let mut body = 12u32.to_le_bytes().to_vec();
    body.extend(1u32.to_le_bytes());
    body.extend(stamp.bytes());
    attribute(5, &body)
}

/// ECMA-167 4/14.10.8: Implementation Use; UDF 3.3.4.5: a checksum of the header comes first.
pub fn implementation(id: &str, revision: u16, content: &[u8]) -> Vec<u8> {
    let name = udf_entity(id, revision);
    let len = 48 + (2 + content.len()).next_multiple_of(4);
    let mut header = 2048u32.to_le_bytes().to_vec();
    header.extend([1, 0, 0, 0]);
    header.extend((len as u32).to_le_bytes());
    header.extend(((len - 48) as u32).to_le_bytes());
    header.extend(&name);
    let sum = header.iter().fold(0u16, |sum, byte| sum.wrapping_add(u16::from(*byte)));
    header.extend(sum.to_le_bytes());
    header.extend(content);
    header.resize(len, 0);
    header
}

/// ECMA-167 4/14.10.9: Application Use.
pub fn application(id: &str, content: &[u8]) -> Vec<u8> {
    let mut body = (content.len() as u32).to_le_bytes().to_vec();
    body.extend(entity(id, &[]));
    body.extend(content);
    attribute(65_536, &body)
}

/// The whole space: its header (ECMA-167 4/14.10.1), then those of the standard, of implementations and applications.
pub fn space(list: &[Vec<u8>], version: u16, location: u32) -> Vec<u8> {
    if list.is_empty() {
        return Vec::new();
    }
    let kind = |attribute: &Vec<u8>| match u32::from_le_bytes([attribute[0], attribute[1], attribute[2], attribute[3]])
    {
        0..2048 => 0,
        2048..65_536 => 1,
        _ => 2,
    };
    let mut bytes = vec![0; 24];
    for wanted in 0..3 {
        // 4/14.10.1.2: 0xFFFFFFFF where there are none.
        if wanted > 0 {
            let at = if list.iter().any(|attribute| kind(attribute) == wanted) { bytes.len() as u32 } else { u32::MAX };
            bytes[12 + 4 * wanted..16 + 4 * wanted].copy_from_slice(&at.to_le_bytes());
        }
        for attribute in list.iter().filter(|attribute| kind(attribute) == wanted) {
            bytes.extend(attribute);
        }
    }
    let mut header = bytes[..24].to_vec();
    tag::fill(&mut header, tag::ATTRIBUTES, version, location);
    bytes[..24].copy_from_slice(&header);
    bytes
}
