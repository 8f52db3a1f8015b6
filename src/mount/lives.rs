//! How serving processes end, and how often another one follows.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

/// How a worker's time ended.
pub(super) enum End {
    /// With the drive's.
    Over(i32),
    /// Before its time.
    Died(Signal),
    /// Not at all: the image has been found elsewhere.
    Found,
    /// Not at all: another program is to take over.
    Handover,
}

/// How often there may be another worker: a request that kills every one must not go on for ever.
#[derive(Default)]
pub(super) struct Lives {
    begun: Option<Instant>,
    /// Short ones, one after another.
    short: u32,
}

impl Lives {
    /// Of a drive that has been served before.
    pub(super) fn resumed() -> Self {
        Self { begun: Some(Instant::now()), short: 0 }
    }

    /// A life so short was perhaps ended by its first request.
    const SHORT: Duration = Duration::from_millis(250);
    /// After so many, one after another, the drive is given up.
    const MOST: u32 = 5;
    /// Killed from outside, and by no request; but short of memory it may go on so.
    const MOST_KILLED: u32 = 500;

    /// A worker begins; whether it is not the first.
    pub(super) fn begun(&mut self) -> bool {
        self.begun.replace(Instant::now()).is_some()
    }

    /// Whether there may be another one after the one that a signal has ended.
    pub(super) fn another(&mut self, signal: Signal) -> bool {
        let short = self.begun.is_some_and(|begun| begun.elapsed() < Self::SHORT);
        self.short = if short { self.short.saturating_add(1) } else { 0 };
        self.short < if signal == Signal::SIGKILL { Self::MOST_KILLED } else { Self::MOST }
    }
}
