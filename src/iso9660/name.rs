//! File Identifiers of the primary tree as names (ECMA-119 7.5, 7.6).

use super::options::Map;
use super::record::{Record, flags};
use crate::bytes::u8_at;

/// The name that `map=` makes of a record's identifier.
pub fn mapped(record: &Record, map: Map) -> Vec<u8> {
    match map {
        Map::Off => record.identifier().to_vec(),
        Map::Normal => normal(record.identifier()),
        Map::Acorn => acorn(record),
    }
}

/// Lower case for A to Z; `.;1` and `;1` at the end dropped (7.5.1: version 1 of a file, and a separator that
/// separates nothing); every other `;`, and `/`, a dot.
fn normal(identifier: &[u8]) -> Vec<u8> {
    let identifier = identifier.split(|byte| *byte == 0).next().unwrap_or_default();
    let stem = identifier
        .strip_suffix(b".;1")
        .or_else(|| identifier.strip_suffix(b";1"))
        .unwrap_or(identifier);
    stem.iter()
        .map(|byte| match byte {
            b';' | b'/' => b'.',
            byte => byte.to_ascii_lowercase(),
        })
        .collect()
}

/// As [`normal`], with what a 32-byte `ARCHIMEDES` system use area adds: a leading `!` in place of `_`, and
/// `,xxx` for the file type that RISC OS keeps in the load address.
fn acorn(record: &Record) -> Vec<u8> {
    let mut name = normal(record.identifier());
    let (area, _) = record.system_use();
    if area.len() != 32 || !area.starts_with(b"ARCHIMEDES") || name.is_empty() {
        return name;
    }
    if u8_at(area, 19) & 1 == 1
        && let Some(first) = name.first_mut().filter(|first| **first == b'_')
    {
        *first = b'!';
    }
    if !record.has(flags::DIRECTORY) && u8_at(area, 13) == 0xFF && u8_at(area, 12) & 0xF0 == 0xF0 {
        let kind = u16::from(u8_at(area, 12) & 0x0F) << 8 | u16::from(u8_at(area, 11));
        name.extend_from_slice(format!(",{kind:03x}").as_bytes());
    }
    name
}

/// A name of an Enhanced tree (ISO 9660:1999): as recorded; no version belongs there, but some writers add it.
pub fn enhanced(identifier: &[u8]) -> Vec<u8> {
    identifier.strip_suffix(b";1").unwrap_or(identifier).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_case_are_mapped_as_linux_does() {
        for (identifier, name) in [
            (&b"README.TXT;1"[..], &b"readme.txt"[..]),
            (b"README.;1", b"readme"),
            (b"README;1", b"readme"),
            (b"README.TXT;2", b"readme.txt.2"),
            (b"README.TXT;11", b"readme.txt.11"),
            (b"A/B", b"a.b"),
            (b"\xc4B\0C", b"\xc4b"),
            (b";1", b""),
        ] {
            assert_eq!(normal(identifier), name, "{identifier:?}");
        }
    }
}
