//! The holders of drives, as other processes find them, and what those ask of them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::holder::HANDOVER;
use super::table::Entry;
use super::watcher::NAME;

/// How long a holder may take to become another program: longer than it waits for that program by itself.
const PATIENCE: Duration = Duration::from_secs(40);
/// How long a process is not there, or only as a zombie, until it has ended.
const GONE: Duration = Duration::from_millis(500);
/// The name of the file in memory that says why a holder did not.
const REFUSAL: &str = "mount-iso-refusal";

/// The process that holds a drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    process: Pid,
}

/// The holder of a drive; `None` where it belongs to somebody whose processes we may not look at, or is none of ours.
///
/// # Errors
/// When /proc can't be read.
pub fn holder(drive: &Entry) -> io::Result<Option<Holder>> {
    let mut found = Vec::new();
    for process in processes()? {
        if has_connection(process, drive) {
            found.push((process, parent(process)));
        }
    }
    let is_parent = |process: &i32| found.iter().any(|(_, parent)| *parent == Some(*process));
    let alone = |parent: &Option<i32>| !found.iter().any(|(process, _)| Some(*process) == *parent);
    let holder = found.iter().filter(|(_, parent)| alone(parent)).max_by_key(|(process, _)| is_parent(process));
    Ok(holder.map(|(holder, _)| Holder { process: Pid::from_raw(*holder) }))
}

/// All processes that there are.
fn processes() -> io::Result<Vec<i32>> {
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    fs::read_dir("/proc")?.filter_map(|entry| entry.map(number).transpose()).collect()
}

fn of(process: i32, what: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{process}/{what}"))
}

/// Whether a process has the kernel's end of a drive open.
fn has_connection(process: i32, drive: &Entry) -> bool {
    // The kernel's number of the connection is that of the file system, in the encoding of the C library.
    let (major, minor) = drive.device;
    let number = (minor & 0xFF) | (major << 8) | ((minor & !0xFF) << 12);
    let mut named = None;
    let mut on_point = false;
    for (descriptor, target) in descriptors(process) {
        if target == Path::new("/dev/fuse") {
            let info = fs::read_to_string(of(process, "fdinfo").join(&descriptor)).unwrap_or_default();
            let connection =
                info.lines().find_map(|line| line.strip_prefix("fuse_connection:")?.trim().parse::<u32>().ok());
            if connection == Some(number) {
                return true;
            }
            named = named.or(Some(connection.is_some()));
        }
        on_point |= target == drive.point;
    }
    // Kernels before 6.6 don't number them; then it is enough to have the directory open on which the drive lies.
    named == Some(false) && on_point
}

/// The open descriptors of a process, with what they are of.
fn descriptors(process: i32) -> impl Iterator<Item = (std::ffi::OsString, PathBuf)> {
    let entries = fs::read_dir(of(process, "fd")).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((entry.file_name(), fs::read_link(entry.path()).ok()?)))
}

fn status(process: i32, field: &str) -> Option<String> {
    let status = fs::read_to_string(of(process, "status")).ok()?;
    status.lines().find_map(|line| Some(line.strip_prefix(field)?.strip_prefix(':')?.trim().to_owned()))
}

fn parent(process: i32) -> Option<i32> {
    status(process, "PPid")?.parse().ok()
}

impl Holder {
    /// Has the holder become the program that is now where it came from, and waits until that serves the drive.
    ///
    /// # Errors
    /// Why it does not.
    pub fn restart(&self, drive: &Entry) -> Result<(), String> {
        let process = self.process.as_raw();
        let blocked = status(process, "SigBlk").and_then(|mask| u64::from_str_radix(&mask, 16).ok()).unwrap_or(0);
        // Who does not wait for the signal would be ended by it.
        if blocked & 1 << (HANDOVER as u32 - 1) == 0 {
            return Err("its program is too old for that: unmount and mount anew".to_owned());
        }
        let before = refusal(process).map(|(number, _)| number);
        // Every handover has a command line of its own, which the process that serves has from its holder.
        let command = |process| fs::read(of(process, "cmdline")).ok();
        let first = command(process);
        kill(self.process, HANDOVER).map_err(|errno| errno.desc().to_owned())?;
        let end = Instant::now() + PATIENCE;
        let mut seen = Instant::now();
        while Instant::now() < end {
            if status(process, "State").is_none_or(|state| state.starts_with('Z')) {
                // One of several threads that becomes another program has its process look ended for a moment.
                if seen.elapsed() > GONE {
                    return Err("its process has ended".to_owned());
                }
                sleep(Duration::from_millis(5));
                continue;
            }
            seen = Instant::now();
            let new = command(process);
            let is_watcher = |other| status(other, "Name").is_none_or(|name| name.as_bytes() == NAME.to_bytes());
            let serves = |other: &i32| {
                *other != process && command(*other) == new && !is_watcher(*other) && has_connection(*other, drive)
            };
            let all = || processes().map_err(|error| format!("/proc: {error}"));
            if new != first && all()?.iter().any(serves) {
                return Ok(());
            }
            if let Some((_, mut file)) = refusal(process).filter(|(number, _)| Some(*number) != before) {
                let mut reason = String::new();
                file.read_to_string(&mut reason).map_err(|error| error.to_string())?;
                // It is made before it is written.
                if !reason.is_empty() {
                    return Err(reason);
                }
            }
            sleep(Duration::from_millis(5));
        }
        Err("its process does not answer".to_owned())
    }
}

/// Where a holder tells why it is still the same program: the number of that file, and the file.
///
/// The holder may close it at any moment and have another file by the same descriptor: what was opened is looked at, and
/// not what a path leads to.
fn refusal(process: i32) -> Option<(u64, File)> {
    let start = format!("/memfd:{REFUSAL}");
    let is_one = |target: &Path| target.as_os_str().to_string_lossy().starts_with(&start);
    let (descriptor, _) = descriptors(process).find(|(_, target)| is_one(target))?;
    let path = of(process, "fd").join(descriptor);
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path).ok()?;
    let opened = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()?;
    is_one(&opened).then_some((file.metadata().ok()?.ino(), file))
}

/// Tells a refusal, for as long as the file is open.
pub(super) fn told(reason: &str) -> io::Result<File> {
    let name = std::ffi::CString::new(REFUSAL).map_err(io::Error::other)?;
    let mut file = File::from(memfd_create(name.as_c_str(), MFdFlags::MFD_CLOEXEC)?);
    file.write_all(reason.as_bytes())?;
    Ok(file)
}
