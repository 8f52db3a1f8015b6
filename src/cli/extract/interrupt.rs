//! Ctrl-C and SIGTERM, taken when it suits the work.

use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Holds the signals back and tells when one came. Threads made afterwards hold them back as well.
#[derive(Debug, Default)]
pub struct Interrupt {
    signals: Option<SignalFd>,
    /// Whoever takes a signal takes it from the other threads.
    taken: AtomicBool,
}

impl Interrupt {
    /// Where it can't be set up, the signals end the process at once, as ever.
    pub fn new() -> Self {
        let mut set = SigSet::empty();
        set.add(Signal::SIGINT);
        set.add(Signal::SIGTERM);
        let Ok(signals) = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC) else {
            return Self::default();
        };
        let signals = set.thread_block().is_ok().then_some(signals);
        Self { signals, taken: AtomicBool::new(false) }
    }

    pub fn came(&self) -> bool {
        let came = |signals: &SignalFd| matches!(signals.read_signal(), Ok(Some(_)));
        if !self.taken.load(Ordering::Relaxed) && self.signals.as_ref().is_some_and(came) {
            self.taken.store(true, Ordering::Relaxed);
        }
        self.taken.load(Ordering::Relaxed)
    }
}
