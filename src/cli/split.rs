//! The option list of `-o`, taken apart as mount(8) does it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// One option as it was written: a name, and a value where there was an equals sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub name: String,
    pub value: Option<Vec<u8>>,
}

/// Takes a list apart at its commas. A backslash protects a comma or a backslash; double quotes protect all that
/// is between them.
pub fn split(list: &OsStr) -> Vec<Written> {
    let mut options = Vec::new();
    let mut option = Vec::new();
    let mut quoted = false;
    let mut bytes = list.as_bytes().iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if matches!(bytes.peek(), Some(b',' | b'\\' | b'"')) => option.extend(bytes.next()),
            b'"' => quoted = !quoted,
            b',' if !quoted => finish(&mut option, &mut options),
            byte => option.push(byte),
        }
    }
    finish(&mut option, &mut options);
    options
}

fn finish(option: &mut Vec<u8>, options: &mut Vec<Written>) {
    let option = std::mem::take(option);
    // `-o ro,` and `-o ""` are common and mean nothing.
    if option.is_empty() {
        return;
    }
    let (name, value) = match option.iter().position(|byte| *byte == b'=') {
        Some(at) => (&option[..at], Some(option[at + 1..].to_vec())),
        None => (&option[..], None),
    };
    options.push(Written { name: String::from_utf8_lossy(name).into_owned(), value });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(list: &[u8]) -> Vec<(String, Option<Vec<u8>>)> {
        split(OsStr::from_bytes(list)).into_iter().map(|written| (written.name, written.value)).collect()
    }

    #[test]
    fn commas_end_options_unless_protected() {
        let plain = |name: &str| (name.to_owned(), None);
        let with = |name: &str, value: &[u8]| (name.to_owned(), Some(value.to_vec()));
        assert_eq!(pairs(b"ro,,uid=5,"), [plain("ro"), with("uid", b"5")]);
        assert_eq!(pairs(b"log=/a\\,b\\\\c,q"), [with("log", b"/a,b\\c"), plain("q")]);
        assert_eq!(pairs(b"log=\"/a,b=\xff\",q"), [with("log", b"/a,b=\xff"), plain("q")]);
        assert_eq!(pairs(b"context=\\x"), [with("context", b"\\x")]);
        assert_eq!(pairs(b"\"open"), [plain("open")]);
        assert_eq!(pairs(b"="), [with("", b"")]);
        assert!(pairs(b"").is_empty());
    }

    proptest! {
        #[test]
        fn whatever_is_escaped_comes_back(value in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut list = b"log=".to_vec();
            for byte in &value {
                if matches!(byte, b',' | b'\\' | b'"') {
                    list.push(b'\\');
                }
                list.push(*byte);
            }
            prop_assert_eq!(pairs(&list), [("log".to_owned(), Some(value))]);
        }
    }
}
