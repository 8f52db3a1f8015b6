//! Looks ahead on the image while a reader goes through it.
//!
//! The kernel reads ahead in a file of the drive, but what it asks of us are parts of a megabyte, and each would wait
//! for the medium anew. Where a reader goes on where it was, what follows on the image is fetched while this is served:
//! the rest of the file, and then most likely the next one.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use crate::source::InFile;
use crate::sys;

/// Bytes that are fetched in advance.
const AHEAD: u64 = 8 * 1024 * 1024;
/// Readers that are told apart.
const STREAMS: usize = 8;
/// The same reader may be so far from where it was: requests overtake one another, and files have gaps between them.
const SLACK: u64 = 2 * 1024 * 1024;
const PAGE: u64 = 4096;

#[derive(Debug, Default)]
pub struct Ahead {
    /// Where readers are on the image.
    ends: [AtomicU64; STREAMS],
    next: AtomicUsize,
}

impl Ahead {
    /// So many bytes are about to be read there.
    pub fn reads(&self, place: &InFile<'_>, length: u64) {
        let end = place.at.saturating_add(length);
        if !self.follows(place.at, end) {
            return;
        }
        // One question instead of a look at each page of what mostly is there already.
        if sys::is_resident(place.file, end.saturating_add(AHEAD).saturating_sub(PAGE)) {
            return;
        }
        let (Ok(from), Ok(count)) = (i64::try_from(end), i64::try_from(AHEAD)) else { return };
        if let Err(error) = posix_fadvise(place.file, from, count, PosixFadviseAdvice::POSIX_FADV_WILLNEED) {
            log::debug!("no look ahead: {}", error.desc());
        }
    }

    /// Whether a reader goes on where one was. Remembers where it will be.
    fn follows(&self, at: u64, end: u64) -> bool {
        let known = self.ends.iter().find(|known| {
            let known = known.load(Ordering::Relaxed);
            known != 0 && known.abs_diff(at) <= SLACK
        });
        if let Some(known) = known {
            known.fetch_max(end, Ordering::Relaxed);
            return true;
        }
        let oldest = self.next.fetch_add(1, Ordering::Relaxed) % STREAMS;
        if let Some(slot) = self.ends.get(oldest) {
            slot.store(end, Ordering::Relaxed);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_are_told_apart_and_jumps_are_no_reading_on() {
        const MIB: u64 = 1024 * 1024;
        let ahead = Ahead::default();
        assert!(!ahead.follows(10 * MIB, 11 * MIB));
        assert!(!ahead.follows(500 * MIB, 501 * MIB));
        // Overtaken.
        assert!(ahead.follows(12 * MIB, 13 * MIB));
        assert!(ahead.follows(11 * MIB, 12 * MIB));
        assert!(ahead.follows(501 * MIB, 502 * MIB));
        assert!(!ahead.follows(100 * MIB, 101 * MIB));
        assert!(ahead.follows(13 * MIB, 14 * MIB));
    }
}
