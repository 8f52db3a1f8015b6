//! The Arbitrary Attribute Interchange Protocol (AAIP 2.0): extended attributes in AL entries, as xorriso writes
//! them.

use crate::bytes::u8_at;
use crate::volume::Attribute;

/// Bytes that all attributes of a file may take: what Linux allows for one (`XATTR_SIZE_MAX`), and once more for
/// the others.
const MAX_BYTES: usize = 128 * 1024;

/// Puts the component records of AL entries together: names and values in turn.
#[derive(Debug, Default)]
pub struct AttributeBuilder {
    /// The component areas of all entries in a row: a component record may begin in one and end in the next.
    area: Vec<u8>,
}

impl AttributeBuilder {
    /// Takes the data of one AL entry, which has the layout of SL (RRIP 4.1.3).
    pub fn take(&mut self, data: &[u8]) {
        let components = data.get(1..).unwrap_or_default();
        if self.area.len().saturating_add(components.len()) <= MAX_BYTES {
            self.area.extend_from_slice(components);
        }
    }

    /// The attributes that Linux has a name space for. The compact ACL (empty name) and what libisofs notes for
    /// itself (`isofs.`) are left out.
    pub fn finish(self) -> Vec<Attribute> {
        let shown = |(name, value): (Vec<u8>, Vec<u8>)| Some(Attribute { name: full_name(&name)?, value });
        self.pairs().into_iter().filter_map(shown).collect()
    }

    /// What libisofs notes for itself under a name, as `ca` for `isofs.ca`.
    pub fn of_libisofs(self, name: &str) -> Option<Vec<u8>> {
        let is_it = |full: &[u8]| full.strip_prefix(b"\x04").or(full.strip_prefix(b"isofs.")) == Some(name.as_bytes());
        self.pairs().into_iter().find(|(full, _)| is_it(full)).map(|(_, value)| value)
    }

    /// Names, with their prefix as recorded, and values.
    fn pairs(self) -> Vec<(Vec<u8>, Vec<u8>)> {
        const CONTINUE: u8 = 0x01;
        let mut components: Vec<Vec<u8>> = Vec::new();
        let mut unfinished = false;
        let mut rest = self.area.as_slice();
        while let [flags, length, later @ ..] = rest {
            let Some(content) = later.get(..usize::from(*length)) else { break };
            match components.last_mut().filter(|_| unfinished) {
                Some(component) => component.extend_from_slice(content),
                None => components.push(content.to_vec()),
            }
            unfinished = flags & CONTINUE != 0;
            rest = later.get(usize::from(*length)..).unwrap_or_default();
        }
        let mut components = components.into_iter();
        let mut pairs = Vec::new();
        while let (Some(name), Some(value)) = (components.next(), components.next()) {
            pairs.push((name, value));
        }
        pairs
    }
}

/// AAIP "Namespaces": a first byte below 0x20 stands for a prefix.
fn full_name(name: &[u8]) -> Option<Vec<u8>> {
    let rest = name.get(1..).unwrap_or_default();
    let full = match u8_at(name, 0) {
        0x03 => [b"user.", rest].concat(),
        0x05 => [b"trusted.", rest].concat(),
        0x06 => [b"security.", rest].concat(),
        0x01 => rest.to_vec(),
        0x00..0x20 => return None,
        _ => name.to_vec(),
    };
    let known = [&b"user."[..], b"trusted.", b"security."].iter().any(|space| full.starts_with(space));
    (known && full.len() <= 255 && !full.contains(&0)).then_some(full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_joined_across_entries_and_named_in_full() {
        let mut builder = AttributeBuilder::default();
        builder.take(b"\x01\x00\x04\x03one\x01\x02va");
        builder.take(b"\x01\x00\x03lue\x00\x00\x00\x02z");
        builder.take(b"\x01z");
        builder.take(b"\x00\x00\x05\x04x.cx\x00\x01y\x00\x06user.z\x00\x00");
        let mut noted = AttributeBuilder::default();
        noted.take(b"\x00\x00\x03\x04cx\x00\x01y\x00\x08isofs.ca\x00\x01z");
        let found = builder.finish();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].name.as_slice(), found[0].value.as_slice()), (&b"user.one"[..], &b"value"[..]));
        assert_eq!((found[1].name.as_slice(), found[1].value.as_slice()), (&b"user.z"[..], &b""[..]));
        let noted = |name| AttributeBuilder { area: noted.area.clone() }.of_libisofs(name);
        assert_eq!((noted("cx"), noted("ca"), noted("cb")), (Some(b"y".to_vec()), Some(b"z".to_vec()), None));
    }
}
