//! Manifests: everything about a tree, and how two of them differ.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// What is compared.  Sizes and link counts of directories are each file system's own affair, and access times too.
const ATTRIBUTES: [&str; 10] = ["type", "mode", "uid", "gid", "size", "nlink", "mtime", "rdev", "target", "sha256"];

type Row = HashMap<String, String>;

#[derive(Debug, Default)]
pub struct Manifest {
    pub entries: BTreeMap<String, Row>,
    /// Directories that could not be read to their end.
    pub broken: HashSet<String>,
    /// Why there is no tree, or not all of it.
    pub errors: Vec<String>,
    pub truncated: bool,
}

impl Manifest {
    /// Reads lines whose columns are named by a `#cols` line.
    pub fn parse(text: &str) -> Self {
        let mut manifest = Self::default();
        let mut columns: Vec<&str> = Vec::new();
        for line in text.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            match fields[0] {
                "#cols" => columns = fields[1..].to_vec(),
                "#err" => manifest.errors.push(fields[1..].join(" ")),
                "#direrr" => {
                    manifest.broken.insert(fields.get(1).copied().unwrap_or("/").to_owned());
                }
                "#end" => manifest.truncated = fields.contains(&"truncated=1"),
                first if first.starts_with('#') || first.is_empty() => {}
                path => {
                    let row = columns.iter().map(ToString::to_string).zip(fields.iter().map(ToString::to_string));
                    let mut key = path.to_owned();
                    let mut number = 2;
                    while manifest.entries.contains_key(&key) {
                        key = format!("{path} (duplicate {number})");
                        number += 1;
                    }
                    manifest.entries.insert(key, row.collect());
                }
            }
        }
        manifest
    }

    pub fn load(path: &Path) -> Self {
        Self::parse(&String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()))
    }

    /// Linux, or whoever made the manifest, shows a tree.
    pub fn mounted(&self) -> bool {
        !self.entries.is_empty()
    }

    /// What differs in `ours`.
    pub fn differences(&self, ours: &Self) -> Vec<Difference> {
        let mut list = Vec::new();
        for (path, theirs) in &self.entries {
            let Some(mine) = ours.entries.get(path) else {
                list.push(Difference::new(path, "missing", "there", "not there"));
                continue;
            };
            // An entry that could not be looked at has nothing to compare.
            if theirs["type"] == "?" {
                continue;
            }
            for attribute in ATTRIBUTES {
                let value = |row: &Row| row.get(attribute).cloned().unwrap_or_else(|| "-".into());
                let (mut a, mut b) = (value(theirs), value(mine));
                if attribute == "mtime" {
                    a.truncate(a.find('.').unwrap_or(a.len()));
                    b.truncate(b.find('.').unwrap_or(b.len()));
                }
                let directory = theirs["type"] == "d" && matches!(attribute, "size" | "nlink");
                // A dash is what was not looked at or could not be read; to lack what they can read is a difference.
                let unread = a == "-" && attribute != "target";
                if a == b || directory || unread || a.starts_with('S') && attribute == "sha256" {
                    continue;
                }
                if b == "-" {
                    b = format!("- ({})", mine.get("err").map_or("-", String::as_str));
                }
                list.push(Difference::new(path, attribute, &a, &b));
            }
        }
        for path in ours.entries.keys().filter(|path| !self.entries.contains_key(*path)) {
            // Beyond the place where they gave up there may be more.
            let given_up = self
                .broken
                .iter()
                .any(|dir| dir == "/" || path.strip_prefix(dir.as_str()).is_some_and(|rest| rest.starts_with('/')));
            if !given_up && !self.truncated {
                list.push(Difference::new(path, "extra", "not there", "there"));
            }
        }
        list.extend(
            ours.broken.difference(&self.broken).map(|dir| Difference::new(dir, "listing", "complete", "an error")),
        );
        list
    }
}

#[derive(Debug, Clone)]
pub struct Difference {
    pub path: String,
    pub attribute: String,
    pub theirs: String,
    pub ours: String,
}

impl Difference {
    fn new(path: &str, attribute: &str, theirs: &str, ours: &str) -> Self {
        Self { path: path.into(), attribute: attribute.into(), theirs: theirs.into(), ours: ours.into() }
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}: Linux {}, ours {}", self.path, self.attribute, self.theirs, self.ours)
    }
}

/// Prefixes of images that tests make, each with a comparison of its own.
const OWN: [&str; 4] = ["built/", "built-udf/", "filled/", "mutant/"];

/// The rows of `docs/deviations.md`: where we differ from Linux on purpose.
#[derive(Debug)]
pub struct Deviations {
    rows: Vec<[String; 4]>,
    used: Mutex<HashSet<usize>>,
}

impl Deviations {
    pub fn load() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/deviations.md");
        Self::parse(&std::fs::read_to_string(path).expect("docs/deviations.md is there"))
    }

    /// Five columns; code spans around patterns are stripped, the header and its rule are no rows.
    fn parse(text: &str) -> Self {
        let mut rows = Vec::new();
        for line in text.lines().filter(|line| line.starts_with('|')) {
            let cells: Vec<&str> =
                line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
            if cells.len() == 5 && cells[0] != "image" && !cells[0].starts_with("--") {
                rows.push([cells[0], cells[1], cells[2], cells[3]].map(str::to_owned));
            }
        }
        Self { rows, used: Mutex::default() }
    }

    /// Whether a difference is on purpose; the row is then in use.
    pub fn allow(&self, image: &str, mode: &str, difference: &Difference) -> bool {
        let wanted = [image, mode, &difference.path, &difference.attribute];
        let fits = |row: &[String; 4]| row.iter().zip(wanted).all(|(pattern, word)| matches(pattern, word));
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let mut any = false;
        for (index, _) in self.rows.iter().enumerate().filter(|(_, row)| fits(row)) {
            used.insert(index);
            any = true;
        }
        any
    }

    /// Rows that nothing needed, of those for images with this prefix, one of [`OWN`]; or of all others.
    pub fn stale(&self, prefix: &str) -> Vec<String> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = self.rows.iter().enumerate().filter(|(index, row)| {
            !used.contains(index) && OWN.into_iter().find(|own| row[0].starts_with(own)).unwrap_or_default() == prefix
        });
        rows.map(|(_, row)| row.join(" | ")).collect()
    }
}

/// `*` stands for any text, `a/b` in attributes is not special, alternatives are separated by a space.
fn matches(pattern: &str, word: &str) -> bool {
    pattern.split(' ').any(|pattern| glob(pattern.as_bytes(), word.as_bytes()))
}

fn glob(pattern: &[u8], word: &[u8]) -> bool {
    match pattern.split_first() {
        None => word.is_empty(),
        Some((b'*', rest)) => (0..=word.len()).any(|skip| glob(rest, &word[skip..])),
        Some((byte, rest)) => word.first() == Some(byte) && glob(rest, &word[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &str = "#cols\tpath\ttype\tmode\tsize\tmtime\ttarget\tsha256\terr\n";

    #[test]
    fn differences_are_those_that_count() {
        let text = |mode: &str, hash: &str, err: &str| {
            format!("{COLUMNS}/\td\t0755\t2048\t1.5\t-\t-\t-\n/a\tf\t{mode}\t3\t2.000\t-\t{hash}\t{err}\n")
        };
        let theirs = Manifest::parse(&text("0644", "abc", "-"));
        assert!(theirs.differences(&Manifest::parse(&text("0644", "abc", "-"))).is_empty());
        let lines = theirs.differences(&Manifest::parse(&text("0600", "-", "read:EIO@0")));
        assert_eq!(lines[0].to_string(), "/a: mode: Linux 0644, ours 0600");
        assert_eq!(lines[1].to_string(), "/a: sha256: Linux abc, ours - (read:EIO@0)");
        let unread = Manifest::parse(&text("0644", "-", "read:EIO@0"));
        assert!(unread.differences(&theirs).is_empty(), "to read what they can't is no difference");
    }

    #[test]
    fn rows_allow_and_become_stale() {
        let rows = "| image | mode | path | attribute | reason |\n|---|---|---|---|---|\n\
                    | `*` | `iso9660` | `/rr_moved*` | `missing` | RRIP 4.1.5 |\n| `x` | `*` | `*` | `mode uid` | none |\n";
        let deviations = Deviations::parse(rows);
        let difference = Difference::new("/rr_moved", "missing", "there", "not there");
        assert!(deviations.allow("a/b.iso", "iso9660", &difference));
        assert!(!deviations.allow("a/b.iso", "iso9660,norock", &difference));
        assert_eq!(deviations.stale(""), ["x | * | * | mode uid"]);
        assert!(deviations.allow("x", "iso9660", &Difference::new("/", "uid", "0", "1")));
        assert!(deviations.stale("").is_empty());
    }
}
