//! Mounting with mount(2): root may, and whoever is root of a user name space.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::mount::MsFlags;
use nix::unistd::{getegid, geteuid};

use super::error::{Kind, MountError, shown};
use super::{Request, TYPE};

pub(super) const DEVICE: &str = "/dev/fuse";
pub(super) const NO_DEVICE_HINT: &str = "load the kernel module with `modprobe fuse`; a container must be started with `--device /dev/fuse`. `mount-iso ls`, \
     `cat` and `extract` work without mounting";

/// Symbolic links are not followed (since Linux 5.10).
const MS_NOSYMFOLLOW: MsFlags = MsFlags::from_bits_retain(0x100);

/// Where SELinux shows itself, if it is at work.
const SELINUX: &str = "/sys/fs/selinux/enforce";

/// What the kernel did not allow.
#[derive(Debug)]
pub(super) enum Refusal {
    Open(Errno),
    Mount(Errno),
}

pub(super) fn mount(request: &Request) -> Result<OwnedFd, Refusal> {
    let device = open_device().map_err(|error| Refusal::Open(errno(&error)))?;
    let data = data(request, device.as_raw_fd());
    nix::mount::mount(
        Some(request.source.as_os_str()),
        &request.point,
        Some(TYPE),
        flags(request),
        Some(data.as_str()),
    )
    .map_err(Refusal::Mount)?;
    Ok(device.into())
}

/// Changes the flags of a mount (`-o remount`); the file system itself stays read-only.
pub(super) fn remount(request: &Request) -> Result<(), Errno> {
    let flags = flags(request) | MsFlags::MS_REMOUNT | MsFlags::MS_BIND;
    nix::mount::mount(None::<&str>, &request.point, None::<&str>, flags, None::<&str>)
}

/// Opened close-on-exec, as everything that Rust opens.
fn open_device() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(DEVICE)
}

fn errno(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

fn flags(request: &Request) -> MsFlags {
    let mut flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    flags.set(MsFlags::MS_NOEXEC, request.no_exec);
    flags.set(MsFlags::MS_SYNCHRONOUS, request.sync);
    flags.set(MsFlags::MS_DIRSYNC, request.dir_sync);
    flags.set(MsFlags::MS_NOATIME, request.no_atime);
    flags.set(MS_NOSYMFOLLOW, request.no_symlinks);
    flags
}

/// The options of the FUSE file system itself. `rootmode` is that of a directory.
fn data(request: &Request, device: i32) -> String {
    let mut data = format!("fd={device},rootmode=40000,user_id={},group_id={}", geteuid(), getegid());
    for (word, given) in [("allow_other", request.allow_other), ("default_permissions", request.default_permissions)] {
        if given {
            // Writing to a string can't fail.
            let _ = write!(data, ",{word}");
        }
    }
    // As mount(8) does it: without SELinux contexts mean nothing, and the kernel would take them for FUSE's.
    if Path::new(SELINUX).exists() {
        for (word, context) in &request.contexts {
            let _ = write!(data, ",{word}=\"{context}\"");
        }
    }
    data
}

impl Refusal {
    pub(super) fn explain(&self, point: &Path) -> MountError {
        match self {
            Self::Open(errno @ (Errno::ENOENT | Errno::ENODEV | Errno::ENXIO)) => {
                MountError::new(Kind::System, format!("{DEVICE}: {}", errno.desc())).hint(NO_DEVICE_HINT)
            }
            Self::Open(errno @ Errno::EPERM) => MountError::new(Kind::System, format!("{DEVICE}: {}", errno.desc()))
                .hint("the container's rules forbid the device; start it with `--device /dev/fuse`"),
            Self::Open(errno) => MountError::new(Kind::System, format!("{DEVICE}: {}", errno.desc())),
            Self::Mount(errno @ Errno::ENODEV) => {
                MountError::new(Kind::System, format!("this kernel has no FUSE: {}", errno.desc())).hint(NO_DEVICE_HINT)
            }
            Self::Mount(errno) => {
                MountError::new(Kind::Point, format!("cannot mount on {}: {}", shown(point), errno.desc()))
            }
        }
    }
}

pub(super) fn explain_remount(errno: Errno, point: &Path) -> MountError {
    let error = MountError::new(Kind::Permission, format!("cannot remount {}: {}", shown(point), errno.desc()));
    match errno {
        Errno::EPERM => error.hint("only root can change a mount; unmount it and mount it anew instead"),
        _ => error,
    }
}
