//! Makes a regular file: small ones at once, with no permissions until they are whole, and others without a name.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, OnceLock};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{FileStat, Mode, fstat};

use super::copy::{Broken, Copier};
use super::existing::{Existing, Found};
use super::job::{End, Job, Outcome};
use super::lost::Lost;
use super::place::{self, Attributes, Draft, Name, Place};
use crate::cli::messages::read_hint;
use crate::volume::Node;

/// Bytes up to which a file is made under its own name: it takes some microseconds to get whole.
const SMALL: u64 = 128 * 1024;

/// Makes regular files, from any thread.
#[derive(Debug)]
pub struct Files<'a> {
    pub copier: Copier<'a>,
    existing: Existing,
    target: Arc<OwnedFd>,
    usual: OnceLock<Mode>,
}

impl<'a> Files<'a> {
    pub fn new(copier: Copier<'a>, existing: Existing, target: Arc<OwnedFd>) -> Self {
        Self { copier, existing, target, usual: OnceLock::new() }
    }

    /// Makes a file with all that belongs to it.
    pub fn make(&self, job: &Job) -> Outcome {
        if job.body.len() <= SMALL {
            match self.small(job) {
                // What is done about it depends on what it is.
                Err(Errno::EEXIST) => {}
                Err(errno) => return errno.into(),
                Ok(outcome) => return outcome,
            }
        }
        let draft = match self.draft(job) {
            Ok(draft) => draft,
            Err(end) => return end.into(),
        };
        match self.copier.whole(job.body.as_ref(), draft.file()) {
            Ok(lost) => self.publish(job, draft, lost),
            Err(broken) => broken.into(),
        }
    }

    /// Makes a file under its own name; `EEXIST` where that is taken.
    fn small(&self, job: &Job) -> Result<Outcome, Errno> {
        let name = Name::new(&job.wanted.name).ok_or(Errno::EINVAL)?;
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        let file: File = openat(&job.wanted.directory, name.bytes(), flags, Mode::empty())?.into();
        match self.copier.whole(job.body.as_ref(), &file) {
            Ok(lost) => {
                let mode = Some(job.wanted.attributes.mode.unwrap_or_else(|| self.usual_mode()));
                let undone = Attributes { mode, ..job.wanted.attributes }.apply(Place::Open(file.as_fd()));
                Ok(Outcome { end: ended(lost, job), undone })
            }
            Err(broken) => {
                drop(file);
                // What can't be removed has no permissions, so that nobody takes it for whole.
                place::remove(&job.wanted.directory, name)?;
                Ok(broken.into())
            }
        }
    }

    /// Begins a file that has no name yet, unless something is there that stays.
    pub fn draft(&self, job: &Job) -> Result<Draft, End> {
        let name = Name::new(&job.wanted.name).ok_or(Errno::EINVAL)?;
        match self.existing.found(job.wanted.directory.as_fd(), name) {
            Found::Nothing | Found::Replaced => {}
            Found::Refused(errno) => return Err(errno.into()),
            Found::Unfinished => return Err(End::Unfinished),
            Found::Kept(stat) => {
                self.copier.bar.inc(job.body.len());
                return Err(End::Kept { same: is_same(&stat, &job.wanted.node) });
            }
        }
        let mode = Mode::from_bits_truncate(if job.wanted.attributes.mode.is_some() { 0o600 } else { 0o666 });
        Ok(Draft::new(&job.wanted.directory, name, mode)?)
    }

    /// Ends a draft: attributes, and then the name.
    pub fn publish(&self, job: &Job, draft: Draft, lost: Vec<Lost>) -> Outcome {
        let Some(name) = Name::new(&job.wanted.name) else { return Errno::EINVAL.into() };
        let undone = job.wanted.attributes.apply(Place::Open(draft.file().as_fd()));
        let published = match self.existing {
            Existing::Replace => place::remove(&job.wanted.directory, name).and_then(|()| draft.publish(name)),
            _ => draft.publish(name),
        };
        match published {
            Ok(()) => Outcome { end: ended(lost, job), undone },
            Err(errno) => errno.into(),
        }
    }

    /// The mode that a new file gets in the target, by the umask or the access lists there.
    fn usual_mode(&self) -> Mode {
        *self.usual.get_or_init(|| {
            let all = Mode::from_bits_truncate(0o666);
            let flags = OFlag::O_TMPFILE | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
            let usual = openat(&self.target, ".", flags, all).and_then(fstat);
            usual.map_or_else(|_| all - umask(), |stat| Mode::from_bits_truncate(stat.st_mode & 0o777))
        })
    }
}

/// The umask of the process, which umask(2) could say only by changing it for all threads.
fn umask() -> Mode {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let umask = status.lines().find_map(|line| u32::from_str_radix(line.strip_prefix("Umask:")?.trim(), 8).ok());
    Mode::from_bits_truncate(umask.unwrap_or(0o022))
}

/// Whether a file that is there has the size and the time of that on the disc.
fn is_same(stat: &FileStat, node: &Node) -> bool {
    stat.st_mode & libc::S_IFMT == libc::S_IFREG
        && u64::try_from(stat.st_size) == Ok(node.size)
        && node.times.modified.is_some_and(|modified| modified.seconds == stat.st_mtime)
}

fn ended(lost: Vec<Lost>, job: &Job) -> End {
    match Lost::joined(lost) {
        None => End::Made,
        Some(lost) => End::Damaged { what: lost.told(job.body.len()), hint: Some(read_hint(&lost.error)) },
    }
}

impl From<Broken> for End {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Interrupted => Self::Interrupted,
            Broken::Write(error) => Self::Failed(errno_of(&error)),
        }
    }
}

fn errno_of(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}
