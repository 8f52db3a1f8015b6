//! Joliet: names in 16-bit units, most significant byte first (Joliet Specification, "Escape Sequences").

use encoding_rs::Encoding;

/// The level (1 to 3) that an escape sequence of a Supplementary Volume Descriptor announces.
pub fn level(escape_sequences: &[u8]) -> Option<u8> {
    match escape_sequences.get(..3)? {
        b"%/@" => Some(1),
        b"%/C" => Some(2),
        b"%/E" => Some(3),
        _ => None,
    }
}

/// Decodes 16-bit units; surrogate pairs become one character, a lone surrogate U+FFFD. An odd last byte
/// belongs to no unit.
pub fn decode(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|pair| match pair {
        [high, low] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    });
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// A File Identifier as a name: without `;1`, and without the dots that end it (as Windows and Linux read it),
/// in the encoding of `iocharset=`.
pub fn name(identifier: &[u8], charset: Option<&'static Encoding>) -> Vec<u8> {
    let text = decode(identifier);
    let mut stem = text.strip_suffix(";1").filter(|stem| !stem.is_empty()).unwrap_or(&text);
    while let Some(shorter) = stem.strip_suffix('.').filter(|shorter| !shorter.is_empty()) {
        stem = shorter;
    }
    match charset {
        None => stem.as_bytes().to_vec(),
        Some(encoding) => encode(stem, encoding),
    }
}

/// What the encoding lacks becomes `?`, as with Linux.
fn encode(text: &str, encoding: &'static Encoding) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for character in text.chars() {
        let mut utf8 = [0; 4];
        let (bytes, _, unmappable) = encoding.encode(character.encode_utf8(&mut utf8));
        match unmappable {
            true => out.push(b'?'),
            false => out.extend_from_slice(&bytes),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ucs2(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_be_bytes).collect()
    }

    #[test]
    fn versions_and_final_dots_go() {
        assert_eq!(name(&ucs2("Read me.txt;1"), None), b"Read me.txt");
        assert_eq!(name(&ucs2("name..."), None), b"name");
        assert_eq!(name(&ucs2("..."), None), b".");
        assert_eq!(name(&ucs2(";1"), None), b";1");
    }

    #[test]
    fn pairs_are_one_character_and_halves_are_replaced() {
        assert_eq!(name(&ucs2("😀é"), None), "😀é".as_bytes());
        assert_eq!(name(&[0xD8, 0x00, 0x00, 0x41, 0x42], None), "\u{FFFD}A".as_bytes());
    }

    #[test]
    fn another_encoding_can_be_asked_for() {
        let latin = Encoding::for_label(b"iso-8859-1");
        assert_eq!(name(&ucs2("é€Ж"), latin), b"\xe9\x80?");
    }
}
