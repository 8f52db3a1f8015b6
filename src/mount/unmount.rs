//! Unmounting, by whatever way the user may.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::{MntFlags, umount2};
use nix::sys::statfs::{FsType, fstatfs};

use super::error::{Kind, MountError, shown};
use super::{fusermount, table};
use crate::text::printable;

/// Takes the topmost mount off a directory; `lazy` also while it is used: it vanishes at once, and ends when the
/// last user has.
///
/// # Errors
/// [`Kind::Busy`] when somebody uses it, [`Kind::Permission`] when it is somebody else's.
pub fn unmount(point: &Path, lazy: bool) -> Result<(), MountError> {
    // File managers, indexers and a `list` in another terminal look at a drive for a moment; that is no use of it.
    for pause in PAUSES {
        match try_to_unmount(point, lazy) {
            Err(error) if error.kind == Kind::Busy => sleep(pause),
            result => return result,
        }
    }
    try_to_unmount(point, lazy)
}

/// The same at once and not lazily: a drive that is used is left.
///
/// # Errors
/// As [`unmount`].
pub fn unmount_at_once(point: &Path) -> Result<(), MountError> {
    try_to_unmount(point, false)
}

/// How long a drive that is busy is waited for, time and again: half a second in all.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(10),
    Duration::from_millis(30),
    Duration::from_millis(60),
    Duration::from_millis(150),
    Duration::from_millis(250),
];

fn try_to_unmount(point: &Path, lazy: bool) -> Result<(), MountError> {
    let mut flags = MntFlags::UMOUNT_NOFOLLOW;
    flags.set(MntFlags::MNT_DETACH, lazy);
    match umount2(point, flags) {
        Ok(()) => Ok(()),
        Err(Errno::EBUSY) => Err(busy(point)),
        Err(Errno::EPERM) => as_user(point, lazy),
        Err(errno) => Err(MountError::new(Kind::Point, format!("cannot unmount {}: {}", shown(point), errno.desc()))),
    }
}

fn busy(point: &Path) -> MountError {
    MountError::new(Kind::Busy, format!("{} is busy: a program uses a file or directory there", shown(point)))
        .hint("`mount-iso unmount --lazy` takes it away at once and ends when nobody uses it any more")
}

/// The set-user-ID programs unmount what the user has mounted.
fn as_user(point: &Path, lazy: bool) -> Result<(), MountError> {
    let mut said = None;
    if let Some(program) = fusermount::program() {
        let mut command = Command::new(program);
        command.arg("-u").args(lazy.then_some("-z")).arg("--").arg(point);
        match run(command) {
            Ok(()) => return Ok(()),
            Err(reason) => said = Some(reason),
        }
    }
    if said.as_deref().is_some_and(|said| said.contains("busy")) {
        return Err(busy(point));
    }
    // fusermount3 doesn't find directories with `#` in their name; umount(8) does, and knows users' FUSE mounts.
    if let Some(program) =
        ["/usr/bin/umount", "/bin/umount", "/run/wrappers/bin/umount"].iter().find(|path| Path::new(path).is_file())
    {
        let mut command = Command::new(program);
        command.args(lazy.then_some("-l")).arg("--").arg(point);
        match run(command) {
            Ok(()) => return Ok(()),
            Err(reason) if reason.contains("busy") => return Err(busy(point)),
            Err(reason) => said = said.or(Some(reason)),
        }
    }
    let reason = said.unwrap_or_else(|| "the program fusermount3 is missing".to_owned());
    Err(MountError::new(Kind::Permission, format!("cannot unmount {}: {reason}", shown(point)))
        .hint("only root and the user who mounted it can unmount it"))
}

/// Runs a program; what it said where it failed.
fn run(mut command: Command) -> Result<(), String> {
    // Its words are looked at above, so they must not be translated.
    let output = command.env("LC_ALL", "C").stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let line = output.stderr.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Err(printable(line))
}

/// What a holder locks as long as it lives: the directory it mounts on, as it is before.
///
/// `None` where the directory can't be read, and where it is an automounter's, which would never unmount what has a
/// directory of its open: then nobody will wait for the holder.
pub(super) fn lock(point: &Path) -> Option<File> {
    let directory = open(point).ok()?;
    if fstatfs(&directory).is_ok_and(|found| found.filesystem_type() == AUTOFS) {
        return None;
    }
    directory.try_lock_shared().ok()?;
    Some(directory)
}

const AUTOFS: FsType = FsType(libc::AUTOFS_SUPER_MAGIC);

/// Whether a directory is one of an automounter; it is not touched, as that would have it mounted.
fn is_automounters(point: &Path) -> bool {
    let on = |entry: &table::Entry| point.starts_with(&entry.point);
    let table = table::read().unwrap_or_default();
    // The mount that lies deepest, and there the last one.
    let found = table.iter().filter(|entry| on(entry)).max_by_key(|entry| entry.point.as_os_str().len());
    found.is_some_and(|entry| entry.kind == OsStr::new("autofs"))
}

fn open(point: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).custom_flags((OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW).bits()).open(point)
}

/// Waits until the holder of a mount that was taken off this directory has tidied up and ended.
///
/// Not without end: another mount name space may still have a copy of the mount, which the holder outlives not.
pub fn wait_for_holder(point: &Path, limit: Duration) {
    if is_automounters(point) {
        return;
    }
    let end = Instant::now() + limit;
    while Instant::now() < end {
        let Ok(directory) = open(point) else { return };
        match directory.try_lock() {
            Err(TryLockError::WouldBlock) => sleep(Duration::from_millis(5)),
            _ => return,
        }
    }
}

/// Where a path given by a user stands in the mount table, though what is mounted there may not answer.
pub fn absolute(path: &Path) -> PathBuf {
    if let Ok(path) = fs::canonicalize(path) {
        return path;
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (fs::canonicalize(parent), path.file_name()) {
        (Ok(parent), Some(name)) => parent.join(name),
        _ => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
    }
}
