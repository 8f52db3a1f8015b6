//! Why mounting or unmounting failed, and what helps.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::text::printable;

/// Whose fault it is; commands make an exit code of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The user may not.
    Permission,
    /// The system lacks something.
    System,
    /// The mount point can't be used.
    Point,
    /// Somebody uses the drive.
    Busy,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountError {
    pub kind: Kind,
    pub message: String,
    pub hint: Option<String>,
}

impl MountError {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for MountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for MountError {}

/// A path as it may be printed.
pub(super) fn shown(path: &Path) -> String {
    printable(path.as_os_str().as_bytes())
}
