//! When the drive was last used, and when it last failed.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Milliseconds in which failures are told once.
const AT_ONCE: u64 = 500;

/// Who wants to know of failures.
pub type Listener = Box<dyn Fn() + Send + Sync>;

/// A clock that every request winds up.
pub struct Activity {
    begun: Instant,
    /// Milliseconds since then.
    last: AtomicU64,
    /// From when on the next failure is told.
    next: AtomicU64,
    listener: OnceLock<Listener>,
}

impl fmt::Debug for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Activity").field("last", &self.last).finish_non_exhaustive()
    }
}

impl Default for Activity {
    fn default() -> Self {
        Self { begun: Instant::now(), last: AtomicU64::new(0), next: AtomicU64::new(0), listener: OnceLock::new() }
    }
}

impl Activity {
    pub fn touch(&self) {
        self.last.store(self.now(), Ordering::Relaxed);
    }

    /// How long nobody has asked for anything.
    pub fn idle(&self) -> Duration {
        Duration::from_millis(self.now().saturating_sub(self.last.load(Ordering::Relaxed)))
    }

    /// Who is to be told of failures; the first one stays.
    pub fn listen(&self, listener: Listener) {
        let _ = self.listener.set(listener);
    }

    /// Something of the image could not be read.
    pub fn failed(&self) {
        let Some(listener) = self.listener.get() else { return };
        let now = self.now();
        let next = self.next.load(Ordering::Relaxed);
        let later = now.saturating_add(AT_ONCE);
        if now >= next && self.next.compare_exchange(next, later, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            listener();
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
