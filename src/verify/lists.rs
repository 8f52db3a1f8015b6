//! Lists of checksums: those of files of the image that stand in it, and the form all such lists have.

use super::Meter;
use super::digest::{Algorithm, hexadecimal, of_source};
use super::report::{Check, Damage, Report};
use crate::source::SharedSource;
use crate::tree::Tree;
use crate::volume::{FileType, Node};

/// Bytes of a list that are read.
pub const MAX_LIST: u64 = 64 << 20;

/// One line of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub algorithm: Algorithm,
    /// In lower case.
    pub digest: String,
    /// As written; empty where a list has but the digest of the file that it is named after.
    pub name: Vec<u8>,
}

fn digits(text: &[u8]) -> Option<String> {
    text.iter().all(u8::is_ascii_hexdigit).then(|| String::from_utf8_lossy(text).to_ascii_lowercase())
}

/// The name behind a backslash that stands before a line: `\\`, `\n` and `\r` are escapes in it (md5sum(1)).
fn unescaped(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = name.iter();
    while let Some(byte) = bytes.next() {
        match (byte, byte == &b'\\') {
            (_, true) => out.push(match bytes.next() {
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                _ => b'\\',
            }),
            (byte, false) => out.push(*byte),
        }
    }
    out
}

/// A line as the programs of coreutils write it: `DIGEST  NAME`, `DIGEST *NAME`, or with `--tag` `SHA256 (NAME) = DIGEST`.
pub fn line(text: &[u8]) -> Option<Line> {
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let (text, escaped) = text.strip_prefix(b"\\").map_or((text, false), |text| (text, true));
    let name = |name: &[u8]| if escaped { unescaped(name) } else { name.to_vec() };
    for algorithm in Algorithm::ALL {
        let tagged = text.split_at_checked(algorithm.word().len()).and_then(|(word, rest)| {
            let rest = word.eq_ignore_ascii_case(algorithm.word().as_bytes()).then_some(rest)?;
            let rest = rest.strip_prefix(b" (")?;
            let end = rest.windows(4).rposition(|part| part == b") = ")?;
            let digest = digits(rest.get(end.saturating_add(4)..)?)?;
            (Algorithm::of_digits(digest.len()) == Some(algorithm)).then(|| Line {
                algorithm,
                digest,
                name: name(rest.get(..end).unwrap_or_default()),
            })
        });
        if tagged.is_some() {
            return tagged;
        }
    }
    let end = text.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(text.len());
    let algorithm = Algorithm::of_digits(end)?;
    let digest = digits(text.get(..end)?)?;
    let rest = text.get(end..).unwrap_or_default();
    let rest = match rest {
        [] => rest,
        [b' ', b' ' | b'*', rest @ ..] | [b' ' | b'\t', rest @ ..] => rest.trim_ascii_start(),
        _ => return None,
    };
    Some(Line { algorithm, digest, name: name(rest) })
}

/// The lines of a list that say something.
pub fn lines(list: &[u8]) -> Vec<Line> {
    list.split(|byte| *byte == b'\n').filter_map(line).collect()
}

/// Whether a file is a list of checksums by its name: `SHA256SUMS`, `md5sum.txt`, `boot.sha256` and the like.
pub fn is_list(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    Algorithm::ALL.iter().any(|algorithm| {
        let word = algorithm.word();
        let ends = [format!(".{word}"), format!(".{word}sum"), format!(".{word}sums")];
        let whole = ["sum", "sums", "sum.txt", "sums.txt"].map(|end| format!("{word}{end}"));
        whole.iter().any(|whole| whole.as_bytes() == name) || ends.iter().any(|end| name.ends_with(end.as_bytes()))
    })
}

/// Reads a list whole.
///
/// # Errors
/// When it can't be read.
fn read(source: &SharedSource) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(source.len().min(MAX_LIST)).unwrap_or(0)];
    source.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Compares every file that a list in the tree names.
pub fn check(tree: &Tree, meter: &dyn Meter, report: &mut Report) {
    let is_wanted = |path: &[u8]| is_list(path.rsplit(|byte| *byte == b'/').next().unwrap_or_default());
    let found: Vec<(Vec<u8>, Node)> = tree
        .walk(tree.root())
        .filter_map(|step| Some((step.path, step.node.ok()?)))
        .filter(|(path, node)| node.kind == FileType::Regular && is_wanted(path))
        .collect();
    for (path, node) in found {
        compare(tree, &path, &node, meter, report);
    }
}

fn compare(tree: &Tree, path: &[u8], list: &Node, meter: &dyn Meter, report: &mut Report) {
    let shown = crate::text::printable(path);
    let mut check = Check { title: format!("{shown} in the image"), compared: 0, wrong: 0 };
    let bytes = match tree.file(list.id).map_err(|error| error.to_string()).and_then(|source| {
        read(&source).map_err(|error| error.to_string())
    }) {
        Ok(bytes) => bytes,
        Err(error) => {
            let places = tree.places(list.id).unwrap_or_default();
            report.damage.push(Damage::of_checksum(Some(path.to_vec()), places.body, format!("it can't be read: {error}")));
            return;
        }
    };
    let directory = path.rsplitn(2, |byte| *byte == b'/').nth(1).unwrap_or_default();
    let mut lines = lines(&bytes);
    for line in &mut lines {
        if line.name.is_empty() {
            // A list of one digest is named after its file.
            let stem = path.rsplitn(2, |byte| *byte == b'.').nth(1).unwrap_or_default();
            line.name = [b"/", stem].concat();
        } else if !line.name.starts_with(b"/") {
            line.name = [b"/", directory, b"/", line.name.as_slice()].concat();
        }
    }
    let named: Vec<_> = lines.into_iter().map(|line| (tree.resolve(&line.name, true), line)).collect();
    // A list none of whose names is here is one of something else.
    if !named.iter().any(|(node, _)| node.is_ok()) {
        return;
    }
    for (node, _) in &named {
        meter.more(node.as_ref().map_or(0, |node| node.size));
    }
    for (node, line) in named {
        let Line { algorithm, digest, name } = line;
        check.compared = check.compared.saturating_add(1);
        let parts = name.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
        let file = Some(parts.collect::<Vec<_>>().join(&b'/'));
        let read = node.and_then(|node| Ok((tree.file(node.id)?, tree.places(node.id)?.body)));
        let (bytes, what) = match read {
            Ok((source, places)) => match of_source(source.as_ref(), algorithm, meter) {
                Ok(found) if hexadecimal(&found) == digest => continue,
                Ok(_) => (places, format!("its data does not have the {} of {shown}", algorithm.title())),
                Err((at, error)) => (places, format!("its data can't be read at offset {at}: {error}")),
            },
            Err(error) => (Vec::new(), format!("{shown} names it: {error}")),
        };
        check.wrong = check.wrong.saturating_add(1);
        report.damage.push(Damage::of_checksum(file, bytes, what));
    }
    report.checks.push(check);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_as_the_programs_write_them() {
        let digest = "d41d8cd98f00b204e9800998ecf8427e";
        let read = |text: &str| line(text.as_bytes()).map(|line| (line.algorithm, line.digest, line.name));
        let wanted = |name: &str| Some((Algorithm::Md5, digest.to_owned(), name.as_bytes().to_vec()));
        assert_eq!(read(&format!("{digest}  ./a file")), wanted("./a file"));
        assert_eq!(read(&format!("{digest} *a\r")), wanted("a"));
        assert_eq!(read(&format!("{} a", digest.to_uppercase())), wanted("a"));
        assert_eq!(read(digest), wanted(""));
        assert_eq!(read(&format!("MD5 (a (1)) = {digest}")), wanted("a (1)"));
        assert_eq!(read(&format!("\\{digest}  a\\nb\\\\")), wanted("a\nb\\"));
        assert_eq!(read(&format!("SHA256 (a) = {digest}")), None);
        assert_eq!(read("-----BEGIN PGP SIGNED MESSAGE-----"), None);
        assert_eq!(read(&format!("{digest}x")), None);
    }

    #[test]
    fn names_of_lists() {
        for name in ["SHA256SUMS", "md5sum.txt", "MD5SUMS", "sha1sum.txt", "a.iso.sha256", "b.MD5", "airootfs.sha512"] {
            assert!(is_list(name.as_bytes()), "{name}");
        }
        for name in ["md5", "sums", "readme.txt", "md5sum", "sha256.c"] {
            assert_eq!(is_list(name.as_bytes()), name == "md5sum", "{name}");
        }
    }
}
