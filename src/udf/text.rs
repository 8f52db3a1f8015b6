//! OSTA Compressed Unicode (UDF 2.1.1), d-strings (2.1.3) and names made fit for POSIX (4.2.2.1.5).

use super::tag::checksum;
use crate::bytes::u8_at;

/// Bytes that Linux's own udf lets a name have.
const MAX_NAME: usize = 254;
/// Characters of an extension that are kept when a name is cut (UDF 4.2.2.1.5).
const MAX_EXTENSION: usize = 5;

/// The units of a compressed string: 8-bit (identifiers 8 and 254) or 16-bit (16 and 255), most significant byte
/// first. `None` for other identifiers. An odd last byte belongs to no unit.
fn units(bytes: &[u8]) -> Option<Vec<u16>> {
    let (identifier, text) = bytes.split_first()?;
    match identifier {
        8 | 254 => Some(text.iter().map(|byte| u16::from(*byte)).collect()),
        16 | 255 => Some(
            text.chunks_exact(2)
                .map(|pair| u16::from_be_bytes([u8_at(pair, 0), u8_at(pair, 1)]))
                .collect(),
        ),
        _ => None,
    }
}

/// A compressed string as text; empty where it is none.
pub fn decode(bytes: &[u8]) -> String {
    let units = units(bytes).unwrap_or_default();
    let text = char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER));
    text.take_while(|character| *character != '\0').collect()
}

/// UDF 2.1.3: a d-string: the last byte of its field counts the bytes that are used.
pub fn dstring(field: &[u8]) -> String {
    let Some((length, text)) = field.split_last() else { return String::new() };
    decode(text.get(..usize::from(*length)).unwrap_or(text))
}

/// A File Identifier (4/14.4.8) as a name that Linux can hold; `None` where it can't be decoded.
///
/// As UDF 4.2.2.1.5 has it: `/`, NUL and half surrogate pairs become `_`, several in a row one `_`; a name that
/// was changed so, that is too long, or is `.` or `..`, gets `#` and the CRC of what is recorded.
pub fn file_name(bytes: &[u8]) -> Option<Vec<u8>> {
    let units = units(bytes)?;
    let raw = bytes.get(1..).unwrap_or_default();
    let mut changed = false;
    let mut after_illegal = false;
    let mut characters = Vec::with_capacity(units.len());
    for unit in char::decode_utf16(units) {
        let legal = unit.ok().filter(|character| !matches!(character, '/' | '\0'));
        match legal {
            Some(character) => characters.push(character),
            None if after_illegal => {}
            None => characters.push('_'),
        }
        after_illegal = legal.is_none();
        changed |= after_illegal;
    }
    if characters.is_empty() {
        return None;
    }
    let name: String = characters.iter().collect();
    if !changed && name.len() <= MAX_NAME && name != "." && name != ".." {
        return Some(name.into_bytes());
    }
    let mark = format!("#{:04X}", checksum(raw));
    let extension = extension(&characters);
    let stem = characters.get(..characters.len().saturating_sub(extension.len())).unwrap_or_default();
    let extension: String = extension.iter().collect();
    let room = MAX_NAME.saturating_sub(mark.len()).saturating_sub(extension.len());
    let mut out = String::new();
    for character in stem {
        if out.len().saturating_add(character.len_utf8()) > room {
            break;
        }
        out.push(*character);
    }
    Some(format!("{out}{mark}{extension}").into_bytes())
}

/// The dot and up to five characters behind it, where a name ends so and begins otherwise.
fn extension(name: &[char]) -> &[char] {
    let at = name.iter().rposition(|character| *character == '.');
    let behind = at.map_or(0, |at| name.len().saturating_sub(at).saturating_sub(1));
    match at {
        Some(at) if (1..=MAX_EXTENSION).contains(&behind) => name.get(at..).unwrap_or_default(),
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> String {
        let bytes: Vec<u8> = std::iter::once(8).chain(text.chars().map(|c| c as u8)).collect();
        String::from_utf8(file_name(&bytes).unwrap()).unwrap()
    }

    #[test]
    fn udf_4_2_2_1_5_names_as_linux_makes_them() {
        assert_eq!(name("sl/ash"), "sl_ash#E6D4");
        assert_eq!(name("."), ".#C5AC");
        assert_eq!(name(".."), "..#E045");
        assert_eq!(name("naïve.txt"), "naïve.txt");
        let lone = [16, 0xD8, 0x00, 0, b'b'];
        assert_eq!(file_name(&lone).unwrap(), b"_b#6124");
    }

    #[test]
    fn udf_2_1_1_both_widths_and_pairs() {
        assert_eq!(decode(&[8, b'a', 0xE9]), "aé");
        assert_eq!(decode(&[16, 0xD8, 0x3D, 0xDE, 0x00]), "😀");
        assert_eq!(decode(&[99, b'a']), "");
        assert_eq!(file_name(&[99, b'a']), None);
        assert_eq!(file_name(&[8]), None);
        assert_eq!(dstring(&[8, b'a', b'b', 0, 0, 3]), "ab");
        assert_eq!(dstring(&[8, b'a', b'b', 200]), "ab");
        assert_eq!(dstring(&[]), "");
    }

    #[test]
    fn long_names_are_cut_before_their_extension() {
        let long = name(&format!("{}.html", "x".repeat(253)));
        assert!(long.len() == 254 && long.ends_with(".html") && long.contains('#'));
    }
}
