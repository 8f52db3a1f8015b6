//! What becomes of a file that is there already.

use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::sys::stat::FileStat;
use nix::unistd::geteuid;

use super::place::{self, Name};

/// As the options have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    Refuse,
    /// It stays, which is no failure.
    Keep,
    Replace,
}

/// What stands at a name, and what is done about it.
#[derive(Debug)]
pub enum Found {
    Nothing,
    Refused(Errno),
    Kept(FileStat),
    /// It has no permissions, as a file that a killed run was about to make.
    Unfinished,
    Replaced,
}

impl Existing {
    pub fn found(self, directory: BorrowedFd<'_>, name: Name<'_>) -> Found {
        let stat = match place::stat(directory, name) {
            Ok(None) => return Found::Nothing,
            Ok(Some(stat)) => stat,
            Err(errno) => return Found::Refused(errno),
        };
        let kind = stat.st_mode & libc::S_IFMT;
        match self {
            Self::Refuse => Found::Refused(Errno::EEXIST),
            Self::Keep if kind == libc::S_IFREG && stat.st_mode & 0o7777 == 0 && stat.st_uid == geteuid().as_raw() => {
                Found::Unfinished
            }
            Self::Keep => Found::Kept(stat),
            Self::Replace if kind == libc::S_IFDIR => Found::Refused(Errno::EISDIR),
            Self::Replace => Found::Replaced,
        }
    }
}
