//! The search for an image whose medium has failed: a process of its own looks, as looking may have to wait.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid};

use super::server::{Server, Whereabouts};
use crate::sys;

/// How long after a look there is another one, at first and at last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(8));

#[derive(Debug, Default)]
pub(super) struct Search {
    seeker: Option<Pid>,
    /// When to look, if an image is missed.
    next: Option<Instant>,
    last: Option<Duration>,
}

impl Search {
    /// Something of the image could not be read.
    pub(super) fn wish(&mut self) {
        if self.seeker.is_none() && self.next.is_none() {
            self.next = Some(Instant::now());
        }
    }

    /// How long there is nothing to do; `None`: until something happens.
    pub(super) fn pause(&self) -> Option<Duration> {
        let next = self.next.filter(|_| self.seeker.is_none())?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    /// Looks where it is time to, and whether that has found something.
    pub(super) fn goes_on(&mut self, server: &impl Server) -> bool {
        if let Some(seeker) = self.seeker {
            match waitpid(seeker, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => return false,
                Ok(WaitStatus::Exited(_, code)) => return self.seen(code),
                _ => return self.seen(Whereabouts::Lost as i32),
            }
        }
        if self.next.is_some_and(|next| next <= Instant::now()) {
            match sys::fork() {
                Ok(ForkResult::Child) => sys::exit_at_once(server.search() as i32),
                Ok(ForkResult::Parent { child }) => self.seeker = Some(child),
                Err(error) => {
                    log::debug!("nobody can look for the image: {error}");
                    self.next = None;
                }
            }
        }
        false
    }

    fn seen(&mut self, code: i32) -> bool {
        self.seeker = None;
        self.next = None;
        if code != Whereabouts::Lost as i32 {
            self.last = None;
            return code == Whereabouts::Elsewhere as i32;
        }
        let pause = self.last.map_or(PAUSES.0, |last| last.saturating_mul(2).min(PAUSES.1));
        if self.last.replace(pause).is_none() {
            log::warn!("the image is gone: the drive goes on with what is known of it, and looks for it");
        }
        self.next = Some(Instant::now() + pause);
        false
    }

    /// Ends what is still looking.
    pub(super) fn stop(&mut self) {
        if let Some(seeker) = self.seeker.take() {
            let _ = kill(seeker, Signal::SIGKILL);
            let _ = waitpid(seeker, Some(WaitPidFlag::WNOHANG));
        }
    }
}
