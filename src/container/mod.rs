//! Files that wrap an image; `open` stacks whatever sources it takes to get at the logical sectors.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::source::{self, IoMode, SharedSource};

/// Opens an image file or block device as a sequence of logical sectors.
///
/// # Errors
/// Whatever opening the file says.
pub fn open(path: &Path, mode: IoMode) -> io::Result<SharedSource> {
    source::open(path, mode)
}

/// The same of a file that is open already.
///
/// # Errors
/// Whatever asking the file says.
pub fn open_file(file: File, mode: IoMode) -> io::Result<SharedSource> {
    source::of_file(file, mode)
}
