//! The folder that is shown: which of its files are images, found without opening any.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// What the names of images end with, whatever the case.
const SUFFIXES: [&str; 3] = ["iso", "udf", "img"];

/// A file that is an image by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The name in the folder.
    pub file: OsString,
    pub path: PathBuf,
    pub identity: Identity,
    pub modified: Timestamp,
}

/// What changes when a file becomes another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Identity {
    fn of(file: &Metadata) -> Self {
        let modified = (file.mtime(), file.mtime_nsec());
        Self { device: file.dev(), inode: file.ino(), size: file.size(), modified }
    }
}

/// The images of a folder, in the order of their names. Links are followed; what can't be looked at is left out.
///
/// # Errors
/// When the folder can't be read.
pub fn look(folder: &Path) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let file = entry.file_name();
        if !is_image(&file) {
            continue;
        }
        let path = entry.path();
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => {
                let identity = Identity::of(&metadata);
                found.push(Found { file, path, identity, modified: modified(&metadata) });
            }
            _ => {}
        }
    }
    found.sort_by(|left, right| left.file.cmp(&right.file));
    Ok(found)
}

/// When a file was last modified.
pub fn modified(file: &Metadata) -> Timestamp {
    Timestamp { seconds: file.mtime(), nanoseconds: u32::try_from(file.mtime_nsec()).unwrap_or(0) }
}

/// Files that are hidden are not shown; nor are those that a download leaves unfinished, which have other suffixes.
fn is_image(file: &OsString) -> bool {
    let hidden = file.as_bytes().first() == Some(&b'.');
    let suffix = Path::new(file).extension().and_then(|suffix| suffix.to_str());
    !hidden && suffix.is_some_and(|suffix| SUFFIXES.iter().any(|known| suffix.eq_ignore_ascii_case(known)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_told_by_their_names() {
        let is = |name: &str| is_image(&name.into());
        assert!(is("a.iso") && is("B.ISO") && is("a b.tar.udf"));
        assert!(!is("a.iso.part") && !is(".a.iso") && !is("iso") && !is("a.txt") && !is(".iso"));
    }

    #[test]
    fn directories_and_dangling_links_are_no_images() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("d.iso")).unwrap();
        std::os::unix::fs::symlink("nowhere", at("l.iso")).unwrap();
        fs::write(at("b.iso"), "").unwrap();
        std::os::unix::fs::symlink("b.iso", at("a.iso")).unwrap();
        let names: Vec<_> = look(folder.path()).unwrap().into_iter().map(|found| found.file).collect();
        assert_eq!(names, ["a.iso", "b.iso"]);
        assert!(look(&at("missing")).is_err());
    }
}
