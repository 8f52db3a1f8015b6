//! How the holder of a drive becomes another program, the newly installed one, while its worker goes on serving.
//!
//! The process stays, and with it every descriptor that is left open for the new program; the rest is told in a file in
//! memory. Before that the new program is tried: it has to understand the file and to read the image, or all stays
//! as it is.

use std::collections::HashMap;
use std::convert::Infallible;
use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::{Pid, execv};
use serde::{Deserialize, Serialize};

use super::drive::{Drive, Point};
use super::server::Legacy;
use crate::sys;
use crate::text::printable;

/// The form of what is told. Another one is told by a program that does not know this one, or the other way round.
const FORM: u32 = 1;
/// How long the new program may take to read the image.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of what it says that are kept.
const MAX_REASON: u64 = 4096;

/// Where a drive came from: what the command that mounted it was told. Paths are absolute, as holders leave their
/// directory.
#[derive(Debug, Clone)]
pub struct Origin {
    pub program: PathBuf,
    /// The arguments, the first of which is the program's name.
    pub args: Vec<OsString>,
    pub image: PathBuf,
    /// The part of the image's file that is the image: the first byte, and how many at most.
    pub window: (u64, Option<u64>),
    pub log: Option<PathBuf>,
}

/// What the former program tells.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    form: u32,
    image: Vec<u8>,
    window: (u64, Option<u64>),
    log: Option<Vec<u8>>,
    point: Option<PointTold>,
    legacy: LegacyTold,
    worker: i32,
    watcher: Option<i32>,
    pulse: RawFd,
}

#[derive(Debug, Serialize, Deserialize)]
struct PointTold {
    path: Vec<u8>,
    file_system: Option<(u32, u32)>,
    made: bool,
    lock: Option<RawFd>,
}

#[derive(Debug, Serialize, Deserialize)]
struct LegacyTold {
    queues: Vec<RawFd>,
    image: Option<RawFd>,
    ledger: Option<RawFd>,
    version: Option<(u64, i64, i64)>,
    generation: u64,
    kin: Vec<u64>,
    #[serde(default)]
    passed_through: Option<HashMap<u64, i32>>,
}

/// What the holder that was has left.
#[derive(Debug)]
pub(super) struct Former {
    pub(super) worker: Pid,
    pub(super) watcher: Option<Pid>,
    pub(super) pulse: File,
}

/// A drive that was handed over.
#[derive(Debug)]
pub struct Handover {
    pub(super) drive: Drive,
    pub(super) former: Former,
    pub origin: Origin,
    /// What the server has left.
    pub legacy: Legacy,
}

/// What the drives of a process look like from within it.
pub(super) struct Holding<'a> {
    pub(super) drive: &'a Drive,
    pub(super) origin: &'a Origin,
    pub(super) worker: Pid,
    pub(super) watcher: Option<Pid>,
    pub(super) pulse: &'a File,
}

/// Becomes the program that is now where this one came from.
///
/// # Errors
/// Why it stays as it is.
pub(super) fn hand_over(holding: &Holding<'_>, legacy: &Legacy) -> Result<Infallible, String> {
    let Holding { drive, origin, worker, watcher, pulse } = holding;
    let point = drive.point.as_ref();
    let told = Told {
        form: FORM,
        image: origin.image.as_os_str().as_bytes().to_vec(),
        window: origin.window,
        log: origin.log.as_ref().map(|log| log.as_os_str().as_bytes().to_vec()),
        point: point.map(|point| PointTold {
            path: point.path.as_os_str().as_bytes().to_vec(),
            file_system: point.file_system,
            made: point.made,
            lock: point.lock.as_ref().map(AsRawFd::as_raw_fd),
        }),
        legacy: LegacyTold {
            queues: legacy.queues.iter().map(AsRawFd::as_raw_fd).collect(),
            image: legacy.image.as_ref().map(AsRawFd::as_raw_fd),
            ledger: legacy.ledger.as_ref().map(AsRawFd::as_raw_fd),
            version: legacy.version,
            generation: legacy.generation,
            kin: legacy.kin.clone(),
            passed_through: legacy.passed_through.clone(),
        },
        worker: worker.as_raw(),
        watcher: watcher.map(Pid::as_raw),
        pulse: pulse.as_raw_fd(),
    };
    let state = written(&told).map_err(|error| format!("the drive can't be described: {error}"))?;
    let mut kept: Vec<BorrowedFd<'_>> = vec![state.as_fd(), pulse.as_fd()];
    kept.extend(legacy.queues.iter().map(AsFd::as_fd));
    kept.extend([&legacy.image, &legacy.ledger].into_iter().flatten().map(AsFd::as_fd));
    kept.extend(point.and_then(|point| point.lock.as_ref()).map(AsFd::as_fd));
    let _kept = Kept::keep(kept).map_err(|error| format!("its descriptors can't be passed on: {error}"))?;
    // Whoever waits for the new program knows it by its command line, in which this is new.
    let moment = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().to_string();
    let words = |check: bool| {
        let mut words: Vec<OsString> =
            vec!["resume".into(), state.as_raw_fd().to_string().into(), moment.clone().into()];
        words.extend(check.then(|| "--check".into()));
        words.push("--".into());
        words.extend(origin.args.iter().cloned());
        words
    };
    try_out(&origin.program, &words(true))?;
    // Not by way of the library, which would give us back the signals that only a holder waits for.
    let refused =
        |reason: String| format!("{} can't be run: {reason}", printable(origin.program.as_os_str().as_bytes()));
    let text = |word: &[u8]| CString::new(word).map_err(|error| refused(error.to_string()));
    let program = text(origin.program.as_os_str().as_bytes())?;
    let name = origin.program.file_name().unwrap_or_default().as_bytes();
    let args: Vec<CString> = std::iter::once(text(name))
        .chain(words(false).iter().map(|word| text(word.as_bytes())))
        .collect::<Result<_, _>>()?;
    execv(&program, &args).map_err(|errno| refused(errno.desc().to_owned()))
}

fn written(told: &Told) -> io::Result<File> {
    let mut file = File::from(memfd_create(c"mount-iso-handover", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(&serde_json::to_vec(told)?)?;
    Ok(file)
}

/// Has the new program look whether it could go on.
fn try_out(program: &Path, words: &[OsString]) -> Result<(), String> {
    let named = |reason: &str| format!("{}: {reason}", printable(program.as_os_str().as_bytes()));
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| named(&error.to_string()))?;
    let said = listen(&mut child);
    let status = child.wait().map_err(|error| named(&error.to_string()))?;
    if status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    Err(named(&if said.is_empty() { format!("it failed ({status})") } else { said }))
}

/// What a program says until it ends, or until it has had its time and is killed.
fn listen(child: &mut Child) -> Vec<u8> {
    let mut said = Vec::new();
    let end = Instant::now() + PATIENCE;
    let Some(mut stderr) = child.stderr.take() else { return said };
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let mut watched = [PollFd::new(stderr.as_fd(), PollFlags::POLLIN)];
        let ready = poll(&mut watched, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX));
        if left.is_zero() || ready.is_err() {
            said.extend_from_slice(b"it takes too long");
            let _ = child.kill();
            return said;
        }
        let mut part = [0; 512];
        match stderr.read(&mut part) {
            Ok(0) | Err(_) => return said,
            Ok(count) if (said.len() as u64) < MAX_REASON => {
                said.extend_from_slice(part.get(..count).unwrap_or_default())
            }
            Ok(_) => {}
        }
    }
}

/// Descriptors that the next program finds open; should there be none, they are not kept for others.
struct Kept<'a>(Vec<BorrowedFd<'a>>);

impl<'a> Kept<'a> {
    fn keep(descriptors: Vec<BorrowedFd<'a>>) -> nix::Result<Self> {
        let kept = Self(descriptors);
        for descriptor in &kept.0 {
            fcntl(descriptor, FcntlArg::F_SETFD(FdFlag::empty()))?;
        }
        Ok(kept)
    }
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        for descriptor in &self.0 {
            let _ = fcntl(descriptor, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
        }
    }
}

impl Handover {
    /// Takes over what the former program has left in this process. `state`: the number of the descriptor that tells
    /// of it; `args`: those of the command that mounted.
    ///
    /// # Errors
    /// When that is not what a holder leaves.
    pub fn take(state: RawFd, args: Vec<OsString>) -> io::Result<Self> {
        let told = read(&File::from(sys::inherited(state)?))?;
        let own = |number| sys::inherited(number);
        let path = |bytes| PathBuf::from(OsString::from_vec(bytes));
        let queues = told.legacy.queues.into_iter().map(|number| own(number).map(Arc::new));
        let queues: Vec<Arc<OwnedFd>> = queues.collect::<io::Result<_>>()?;
        let device =
            Arc::clone(queues.first().ok_or_else(|| io::Error::other("there is no connection to the kernel"))?);
        let point = match told.point {
            Some(point) => Some(Point {
                path: path(point.path),
                file_system: point.file_system,
                made: point.made,
                lock: point.lock.map(own).transpose()?.map(File::from),
            }),
            None => None,
        };
        Ok(Self {
            drive: Drive { device, point },
            former: Former {
                worker: Pid::from_raw(told.worker),
                watcher: told.watcher.map(Pid::from_raw),
                pulse: own(told.pulse)?.into(),
            },
            origin: Origin {
                program: program()?,
                args,
                image: path(told.image),
                window: told.window,
                log: told.log.map(path),
            },
            legacy: Legacy {
                queues,
                image: told.legacy.image.map(own).transpose()?.map(File::from),
                ledger: told.legacy.ledger.map(own).transpose()?.map(File::from),
                version: told.legacy.version,
                generation: told.legacy.generation,
                kin: told.legacy.kin,
                passed_through: told.legacy.passed_through,
            },
        })
    }

    /// What the server has left, for the one that goes on with it.
    pub fn take_legacy(&mut self) -> Legacy {
        std::mem::take(&mut self.legacy)
    }

    /// Where the drive is mounted; `None` where somebody else has mounted it.
    pub fn directory(&self) -> Option<&Path> {
        self.drive.point.as_ref().map(|point| point.path.as_path())
    }
}

fn read(state: &File) -> io::Result<Told> {
    // Not from where it was read to last: who tries and who takes over share that place.
    let mut bytes = vec![0; usize::try_from(state.metadata()?.len()).map_err(io::Error::other)?];
    state.read_exact_at(&mut bytes, 0)?;
    let told: serde_json::Value = serde_json::from_slice(&bytes)?;
    match told.get("form").and_then(serde_json::Value::as_u64) {
        Some(form) if form == u64::from(FORM) => Ok(serde_json::from_value(told)?),
        _ => Err(io::Error::other("this version can't go on with the drives of that one: unmount and mount anew")),
    }
}

/// The file that this program was started from, or the one that has its name now.
///
/// # Errors
/// Without /proc.
pub fn program() -> io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    let bytes = path.as_os_str().as_bytes();
    let name = bytes.strip_suffix(b" (deleted)").filter(|_| !path.exists()).unwrap_or(bytes);
    Ok(PathBuf::from(OsString::from_vec(name.to_vec())))
}
