//! What can go wrong when a disc is read, and where on the image it went wrong.

use std::fmt;
use std::io;

/// A departure from the standards, found at one place of the image.
///
/// The same vocabulary serves failing (an [`Error`] carries it), tolerating ([`crate::notes::Notes`]
/// keeps it) and, later, verifying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    /// Byte address in the image.
    pub at: u64,
    /// The clause that is not kept, as `ECMA-119 9.1.1` or `SUSP 5.1`.
    pub clause: &'static str,
    /// What is wrong, in words that need no knowledge of our code.
    pub what: String,
}

impl Defect {
    pub fn new(at: u64, clause: &'static str, what: impl Into<String>) -> Self {
        Self { at, clause, what: what.into() }
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: {} ({})", self.at, self.what, self.clause)
    }
}

/// Why something of a disc can't be shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The image itself could not be read.
    #[error("cannot read the image at byte {at}: {source}")]
    Read {
        /// Byte address in the image.
        at: u64,
        #[source]
        source: io::Error,
    },
    /// What is recorded makes no sense.
    #[error("{0}")]
    Damaged(Defect),
    /// The file is no disc image that we know; says what it is instead where that can be told.
    #[error("{0}")]
    NotADisc(String),
    /// The disc is fine, but lacks what was asked for, as `--tree=joliet` on a disc without Joliet.
    #[error("{0}")]
    Absent(String),
    #[error("no such file or directory")]
    NotFound,
    #[error("not a directory")]
    NotADirectory,
    #[error("is a directory")]
    IsADirectory,
    #[error("not a symbolic link")]
    NotALink,
    /// A number that names no file of this volume.
    #[error("stale file handle")]
    Stale,
    #[error("too many levels of symbolic links or nested directories")]
    Loop,
}

impl Error {
    pub fn damaged(at: u64, clause: &'static str, what: impl Into<String>) -> Self {
        Self::Damaged(Defect::new(at, clause, what))
    }

    /// The error number a file system call answers with.
    pub fn errno(&self) -> i32 {
        match self {
            Self::Read { .. } | Self::Damaged(_) | Self::NotADisc(_) => libc::EIO,
            Self::NotFound | Self::Absent(_) => libc::ENOENT,
            Self::NotADirectory => libc::ENOTDIR,
            Self::IsADirectory => libc::EISDIR,
            Self::NotALink => libc::EINVAL,
            Self::Stale => libc::ESTALE,
            Self::Loop => libc::ELOOP,
        }
    }
}

pub type Result<T, E = Error> = std::result::Result<T, E>;
