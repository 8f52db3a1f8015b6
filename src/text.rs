//! Names and texts: what may stand in a directory, on a terminal and in a path.

use crate::limits::MAX_NAME;

/// Makes a name that Linux can hold of one that a disc records; says whether it had to change it.
///
/// `/` becomes `_`, a name ends before its first NUL, names over 255 bytes are cut at a character and get
/// `~` and eight hexadecimal digits of their hash. `None` for names that are empty, `.` or `..`.
pub fn file_name(recorded: &[u8]) -> Option<(Vec<u8>, bool)> {
    let end = recorded.iter().position(|byte| *byte == 0).unwrap_or(recorded.len());
    let mut name = recorded.get(..end).unwrap_or_default().to_vec();
    let mut changed = end != recorded.len();
    for byte in name.iter_mut().filter(|byte| **byte == b'/') {
        *byte = b'_';
        changed = true;
    }
    if name.is_empty() || name == b"." || name == b".." {
        return None;
    }
    if name.len() > MAX_NAME {
        name = with_suffix(&name, &format!("~{:08x}", fnv1a(recorded)));
        changed = true;
    }
    Some((name, changed))
}

/// Appends a suffix, cutting the name at a character so that the whole stays within [`MAX_NAME`] bytes.
pub fn with_suffix(name: &[u8], suffix: &str) -> Vec<u8> {
    let mut end = name.len().min(MAX_NAME.saturating_sub(suffix.len()));
    // Not within a UTF-8 character: bytes 10xxxxxx continue one.
    while end < name.len() && end > 0 && name.get(end).is_some_and(|byte| byte & 0xC0 == 0x80) {
        end = end.saturating_sub(1);
    }
    let mut out = name.get(..end).unwrap_or_default().to_vec();
    out.extend_from_slice(suffix.as_bytes());
    out
}

/// FNV-1a, 32 bits: tells names apart that were cut.
pub fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// Whether a character may change what a terminal shows beyond its own cell.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            // Bidirectional marks, embeddings, overrides and isolates; line and paragraph separators;
            // zero-width characters; interlinear annotation; tags; private tricks with the byte order mark.
            '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}'
            | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

/// A text of the disc made safe for a terminal and for a log: what could steer either, and bytes that are
/// no UTF-8, become `\xNN`; a backslash becomes `\\`.
pub fn printable(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    let escape = |out: &mut String, bytes: &[u8]| {
        for byte in bytes {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    };
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character == '\\' {
                out.push_str("\\\\");
            } else if is_unsafe(character) {
                escape(&mut out, character.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                out.push(character);
            }
        }
        escape(&mut out, chunk.invalid());
    }
    out
}

/// A volume label as the name of a directory: safe characters only, no leading dot or dash, at most 64
/// characters; empty where nothing is left.
pub fn label_as_name(label: &str) -> String {
    let safe = |character: char| if character == '/' || is_unsafe(character) { '_' } else { character };
    let name: String = label.trim().chars().map(safe).take(64).collect();
    name.trim_start_matches(['.', '-', ' ']).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_ones_that_linux_can_hold() {
        assert_eq!(file_name(b"plain"), Some((b"plain".to_vec(), false)));
        assert_eq!(file_name(b"a/b"), Some((b"a_b".to_vec(), true)));
        assert_eq!(file_name(b"a\0b"), Some((b"a".to_vec(), true)));
        for name in [&b""[..], b".", b"..", b"\0x"] {
            assert_eq!(file_name(name), None);
        }
        let (long, changed) = file_name("ä".repeat(150).as_bytes()).unwrap();
        assert!(changed && long.len() <= MAX_NAME && std::str::from_utf8(&long).is_ok());
        assert_ne!(long, file_name("ä".repeat(151).as_bytes()).unwrap().0);
    }

    #[test]
    fn terminals_are_not_steered() {
        assert_eq!(printable(b"a\x1b[31mb\\\xff"), "a\\x1b[31mb\\\\\\xff");
        assert_eq!(printable("über \u{202e}x".as_bytes()), "über \\xe2\\x80\\xaex");
        assert_eq!(printable(b"two words"), "two words");
    }

    #[test]
    fn labels_become_directory_names() {
        assert_eq!(label_as_name("Debian 12.5 / amd64\n"), "Debian 12.5 _ amd64");
        assert_eq!(label_as_name("..hidden"), "hidden");
        assert_eq!(label_as_name("--rm"), "rm");
        assert_eq!(label_as_name(" \t"), "");
    }
}
