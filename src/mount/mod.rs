//! Mounting: from an opened image to a drive that the kernel asks us for, and to its end.
//!
//! The file system is mounted by ourselves, not by fuser: only so do names with commas work, is a descriptor that
//! somebody else mounted of use, and can the process that serves be replaced or fail without leaving a dead mount.

mod drive;
mod error;
mod filter;
mod fusermount;
mod handover;
mod holder;
mod holders;
mod kernel;
mod lives;
mod read_ahead;
mod sandbox;
mod search;
mod server;
mod state;
pub mod table;
mod unmount;
mod watcher;
mod worker;

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use nix::errno::Errno;

pub use drive::Drive;
pub use error::{Kind, MountError};
pub use handover::{Handover, Origin, program};
pub use holder::{block_signals, resume, run_in_background, run_in_foreground, unblock_signals};
pub use holders::{Holder, holder};
pub use sandbox::{Confinement, enter as enter_sandbox};
pub use server::{Event, Idleness, Legacy, Observer, Server, Standing, Whereabouts};
pub use state::{State, is_stale, state};
pub use unmount::{absolute, unmount, unmount_at_once, wait_for_holder};
pub use worker::{RENEWAL, RENEWAL_OF_ANOTHER};

/// The file system type that the mount table shows.
pub const TYPE: &str = "fuse.mount-iso";
/// The part of it that is ours.
const SUBTYPE: &str = "mount-iso";

/// What a file system is mounted with. It is always read-only, without device files and set-id programs.
#[derive(Debug, Clone)]
pub struct Request {
    /// What the mount table shows as source: the absolute path of the image.
    pub source: OsString,
    /// An absolute path.
    pub point: PathBuf,
    pub no_exec: bool,
    pub sync: bool,
    pub dir_sync: bool,
    pub no_atime: bool,
    pub no_symlinks: bool,
    /// Security contexts of SELinux: name and value.
    pub contexts: Vec<(&'static str, String)>,
    pub allow_other: bool,
    pub default_permissions: bool,
}

/// Mounts, and gives the connection to the kernel.
///
/// # Errors
/// Why neither the kernel nor fusermount3 would mount, with what helps.
pub fn mount(request: &Request) -> Result<OwnedFd, MountError> {
    match kernel::mount(request) {
        Ok(device) => Ok(device),
        // Users may not mount by themselves; fusermount3 may, for them.
        Err(kernel::Refusal::Open(Errno::EACCES) | kernel::Refusal::Mount(Errno::EPERM)) => fusermount::mount(request),
        Err(refusal) => Err(refusal.explain(&request.point)),
    }
}

/// Changes the flags of what is mounted; all else stays.
///
/// # Errors
/// When the user is not root, or nothing is mounted there.
pub fn remount(request: &Request) -> Result<(), MountError> {
    kernel::remount(request).map_err(|errno| kernel::explain_remount(errno, &request.point))
}
