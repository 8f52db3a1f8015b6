//! Whether a mounted drive answers.

use std::ffi::CString;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, Uid, geteuid, pipe2, setresuid};

use crate::sys;

/// How a drive answers when it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Served,
    /// The process that served it is gone.
    Stale,
    /// The process is there, and does not answer.
    Silent,
}

impl State {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Served => "ok",
            Self::Stale => "stale",
            Self::Silent => "silent",
        }
    }
}

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Asks the drive on a directory, as the user who mounted it: nobody else may see it, not even root.
///
/// A process of its own does the asking, as whoever asks a drive that is silent can't be stopped.
pub fn state(point: &Path, user: Option<u32>) -> State {
    let Ok(path) = CString::new(point.as_os_str().as_bytes()) else { return State::Served };
    let answer = |result| match result {
        // The second is said to whoever was waiting for an answer when the process ended.
        Err(Errno::ENOTCONN | Errno::ECONNABORTED) => State::Stale,
        _ => State::Served,
    };
    let Ok((ours, theirs)) = pipe2(OFlag::O_CLOEXEC) else { return answer(sys::ask(&path)) };
    match sys::fork() {
        // Threads are running: this is no command.
        Err(_) => answer(sys::ask(&path)),
        Ok(ForkResult::Child) => {
            drop(ours);
            if let Some(user) = user.map(Uid::from_raw).filter(|_| geteuid().is_root()) {
                // Else root asks, and is refused by the kernel, which is an answer, too.
                let _ = setresuid(user, user, user);
            }
            sys::exit_at_once(i32::from(answer(sys::ask(&path)) == State::Stale))
        }
        Ok(ForkResult::Parent { child }) => {
            drop(theirs);
            let mut end = [PollFd::new(ours.as_fd(), PollFlags::POLLIN)];
            let patience = PollTimeout::try_from(PATIENCE).unwrap_or(PollTimeout::MAX);
            if matches!(poll(&mut end, patience), Ok(0)) {
                let _ = kill(child, Signal::SIGKILL);
            }
            outcome(child)
        }
    }
}

/// What the process that asked has found. A signal does not end it while the drive has its question.
fn outcome(child: Pid) -> State {
    let end = Instant::now() + Duration::from_millis(100);
    loop {
        match waitpid(child, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(_, 0)) => return State::Served,
            Ok(WaitStatus::Exited(..)) => return State::Stale,
            Ok(WaitStatus::StillAlive) if Instant::now() < end => std::thread::sleep(Duration::from_micros(200)),
            _ => return State::Silent,
        }
    }
}

/// Whether the process that served a mount is gone.
pub fn is_stale(point: &Path, user: Option<u32>) -> bool {
    state(point, user) == State::Stale
}
