//! How a command ends: the exit codes, which are those of mount(8), and the one line that says why.

use std::fmt;
use std::process::ExitCode;

/// The documented exit codes: what `--help`, the man page and README list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    Success = 0,
    /// Wrong words on the command line, or no permission.
    Usage = 1,
    /// The system lacks something: no memory, no /dev/fuse, no fusermount3.
    System = 2,
    /// A mistake of mount-iso itself.
    Internal = 4,
    /// Ended by Ctrl-C or SIGTERM before the work was done.
    Interrupted = 8,
    /// `verify` found damage; with `--verify`, nothing was mounted for it.
    Damaged = 16,
    /// `verify` found the structure sound, and no checksum for the data of files.
    Unchecked = 17,
    /// The image, the directory or the file in the image can't be used.
    Failure = 32,
    /// Part of the work succeeded: some files could not be read, some drives not unmounted.
    Partial = 64,
}

impl Code {
    /// Every code with its meaning, for help and man page.
    pub const TABLE: &'static [(Self, &'static str)] = &[
        (Self::Success, "success"),
        (Self::Usage, "wrong usage, or no permission"),
        (Self::System, "system error: no /dev/fuse, no fusermount3, out of memory"),
        (Self::Internal, "internal error (a bug: please report it)"),
        (Self::Interrupted, "interrupted by the user"),
        (Self::Damaged, "the image is damaged (verify, --verify)"),
        (Self::Unchecked, "the structure is sound, and there is nothing to check the data against (verify)"),
        (Self::Failure, "the image, the mount point or the file in the image can't be used"),
        (Self::Partial, "some of it succeeded"),
    ];
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

/// Why a command failed: one line, and where there is one, the hint that solves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub code: Code,
    pub message: String,
    pub hint: Option<String>,
}

impl Failure {
    /// How a command ends that was to do several things, `done` of which it did. All failures but the last are told here;
    /// that one ends the command.
    ///
    /// # Errors
    /// The last failure, with [`Code::Partial`] where something was done.
    pub fn of_several(mut failures: Vec<Self>, done: usize) -> Result<Code, Self> {
        let last = failures.pop();
        for failure in &failures {
            eprintln!("{failure}");
        }
        match last {
            None => Ok(Code::Success),
            Some(failure) if done > 0 => Err(Self { code: Code::Partial, ..failure }),
            Some(failure) => Err(failure),
        }
    }

    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mount-iso: {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}
