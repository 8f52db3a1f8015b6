//! What a library has promised: the numbers that the kernel knows its images and their files by. They are kept in a
//! file in memory, where a serving process finds them that goes on where another was killed.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::sys::memfd::{MFdFlags, memfd_create};
use serde::{Deserialize, Serialize};

use super::folder::{Found, Identity};
use crate::time::Timestamp;

/// A promise; one line each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Promise {
    /// An image has this number and, in the library, this name.
    Image { number: u64, name: Vec<u8>, file: Vec<u8>, identity: Identity, modified: (i64, u32) },
    /// A file of the image of this number is the next one in its table.
    Far { number: u64, inner: u64 },
}

impl Promise {
    pub fn image(number: u64, name: &[u8], found: &Found) -> Self {
        Self::Image {
            number,
            name: name.to_vec(),
            file: found.file.as_bytes().to_vec(),
            identity: found.identity,
            modified: (found.modified.seconds, found.modified.nanoseconds),
        }
    }
}

/// The file that an image's promise was made for.
pub fn found(folder: &Path, file: &[u8], identity: Identity, (seconds, nanoseconds): (i64, u32)) -> Found {
    Found {
        file: OsString::from_vec(file.to_vec()),
        path: folder.join(OsStr::from_bytes(file)),
        identity,
        modified: Timestamp { seconds, nanoseconds },
    }
}

#[derive(Debug)]
pub struct Ledger(File);

impl Ledger {
    /// # Errors
    /// When there is no memory or no descriptor for it.
    pub fn new() -> io::Result<Self> {
        Ok(Self(memfd_create(c"mount-iso-library", MFdFlags::MFD_CLOEXEC)?.into()))
    }

    /// One that another program has kept.
    pub fn of_file(file: File) -> Self {
        Self(file)
    }

    /// The same, for another program.
    ///
    /// # Errors
    /// When descriptors are short.
    pub fn file(&self) -> io::Result<File> {
        self.0.try_clone()
    }

    /// Adds promises. Should that fail the drive works as before, and its next serving process knows less.
    pub fn add(&self, promises: &[Promise]) {
        let written = (|| -> io::Result<()> {
            let mut lines = Vec::new();
            for promise in promises {
                serde_json::to_writer(&mut lines, promise)?;
                lines.push(b'\n');
            }
            // All processes of a drive share the place that is written to, which is the end.
            (&self.0).write_all(&lines)
        })();
        if let Err(error) = written {
            log::error!("a number of the library could not be kept: {error}");
        }
    }

    /// All promises, from the first to the last.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn promises(&self) -> io::Result<Vec<Promise>> {
        let mut bytes = vec![0; usize::try_from(self.0.metadata()?.len()).map_err(io::Error::other)?];
        self.0.read_exact_at(&mut bytes, 0)?;
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        // The last line is half a one if a process was killed while it wrote: nobody was told of that number.
        Ok(lines.map_while(|line| serde_json::from_slice(line).ok()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promises_are_kept_in_their_order_but_for_half_a_one() {
        let ledger = Ledger::new().unwrap();
        let promises: Vec<_> = (1..100).map(|number| Promise::Far { number, inner: u64::MAX - number }).collect();
        ledger.add(&promises[..50]);
        let other = Ledger::of_file(ledger.file().unwrap());
        other.add(&promises[50..]);
        assert_eq!(ledger.promises().unwrap(), promises);
        (&ledger.0).write_all(b"{\"Far\":{\"num").unwrap();
        assert_eq!(other.promises().unwrap(), promises);
    }
}
