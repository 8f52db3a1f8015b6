//! Looks ahead on the image while a reader goes through it.
//!
//! The kernel reads ahead in a file of the drive, but what it asks of us are parts of a megabyte, and each would wait
//! for the medium anew. Where a reader goes on where it was, what follows on the image is fetched while this is served:
//! the rest of the file, and then most likely the next one.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use super::pages::Pages;
use crate::source::InFile;
use crate::sys;

/// Bytes that are fetched in advance.
const AHEAD: u64 = 8 * 1024 * 1024;
/// Readers that are told apart.
const STREAMS: usize = 8;
/// The same reader may be so far from where it was: requests overtake one another, and files have gaps between them.
const SLACK: u64 = 2 * 1024 * 1024;
const PAGE: u64 = 4096;
/// Orders that wait. More would be of readers that have gone elsewhere, and keep a slow medium from who waits for it.
const WAITING: usize = 2;
/// Bytes that are read at a time.
const PIECE: usize = 512 * 1024;

#[derive(Debug, Default)]
pub struct Ahead {
    streams: [Stream; STREAMS],
    next: AtomicUsize,
    /// To the thread that fetches, which the first order starts. `None` where there can't be one.
    orders: OnceLock<Option<SyncSender<Order>>>,
}

/// A reader on the image.
#[derive(Debug, Default)]
struct Stream {
    /// Where it is.
    end: AtomicU64,
    /// Up to where was fetched for it.
    fetched: AtomicU64,
}

/// What is to be fetched.
#[derive(Debug)]
struct Order {
    file: File,
    from: u64,
    to: u64,
}

impl Ahead {
    /// So many bytes are about to be read there. Whether somebody reads on who has read what lies before.
    pub fn reads(&self, place: &InFile<'_>, length: u64) -> bool {
        let end = place.at.saturating_add(length);
        let Some(stream) = self.follows(place.at, end) else { return false };
        if let Some((from, to)) = stream.wanted(end) {
            self.order(place, from, to);
        }
        true
    }

    fn order(&self, place: &InFile<'_>, from: u64, to: u64) {
        // One question instead of a look at each page of what mostly is there already.
        if sys::is_resident(place.file, to.saturating_sub(PAGE)) {
            return;
        }
        let Ok(file) = place.file.try_clone() else { return };
        if let Some(orders) = self.orders.get_or_init(start) {
            // When the thread is behind, the reader is no faster than the medium.
            let _ = orders.try_send(Order { file, from, to });
        }
    }

    /// The reader that goes on there, if one does. Remembers where it will be.
    fn follows(&self, at: u64, end: u64) -> Option<&Stream> {
        let known = self.streams.iter().find(|stream| {
            let known = stream.end.load(Ordering::Relaxed);
            known != 0 && known.abs_diff(at) <= SLACK
        });
        if let Some(known) = known {
            known.end.fetch_max(end, Ordering::Relaxed);
            return Some(known);
        }
        let oldest = self.next.fetch_add(1, Ordering::Relaxed) % STREAMS;
        if let Some(stream) = self.streams.get(oldest) {
            stream.end.store(end, Ordering::Relaxed);
            stream.fetched.store(end, Ordering::Relaxed);
        }
        None
    }
}

impl Stream {
    /// What to fetch for a reader that will be at `end`: what has not been yet, as soon as that is half of it all.
    fn wanted(&self, end: u64) -> Option<(u64, u64)> {
        let to = end.saturating_add(AHEAD);
        let fetched = self.fetched.load(Ordering::Relaxed);
        let from = fetched.clamp(end, to);
        if to.saturating_sub(from) < AHEAD / 2 {
            return None;
        }
        // Others fetch for the same reader.
        let first = self.fetched.compare_exchange(fetched, to, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        first.then_some((from, to))
    }
}

fn start() -> Option<SyncSender<Order>> {
    let (orders, receiver) = sync_channel(WAITING);
    let thread = thread::Builder::new().name("ahead".to_owned());
    let started = thread.spawn(move || {
        let mut pages = Pages::default();
        receiver.into_iter().for_each(|order: Order| order.fetch(&mut pages));
    });
    started.map(|_| orders).inspect_err(|error| log::debug!("nothing is fetched in advance: {error}")).ok()
}

impl Order {
    /// Reads as any program does: only so does Linux make large pages in its cache, which cost it a third of the time
    /// of the single ones that it makes when it is merely advised (POSIX_FADV_WILLNEED).
    fn fetch(&self, pages: &mut Pages) {
        let Ok(buffer) = pages.of(PIECE) else { return };
        let mut at = self.from;
        while at < self.to {
            match self.file.read_at(buffer, at) {
                // What can't be read is for the reader, who will ask, and see.
                Ok(0) | Err(_) => return,
                Ok(read) => at = at.saturating_add(u64::try_from(read).unwrap_or(u64::MAX)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_are_told_apart_and_jumps_are_no_reading_on() {
        const MIB: u64 = 1024 * 1024;
        let ahead = Ahead::default();
        let follows = |at: u64| ahead.follows(at * MIB, (at + 1) * MIB).is_some();
        assert!(!follows(10));
        assert!(!follows(500));
        // Overtaken.
        assert!(follows(12));
        assert!(follows(11));
        assert!(follows(501));
        assert!(!follows(100));
        assert!(follows(13));
    }

    #[test]
    fn what_follows_is_in_memory_before_anybody_asks() {
        use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
        use std::time::{Duration, Instant};
        const MIB: u64 = 1024 * 1024;
        // Beside this program, and not where temporary files are, which may all be in memory for good.
        let program = std::env::current_exe().unwrap();
        let mut file = tempfile::tempfile_in(program.parent().unwrap()).unwrap();
        std::io::Write::write_all(&mut file, &vec![7; 32 << 20]).unwrap();
        file.sync_all().unwrap();
        let in_memory = || sys::bytes_in_memory(&file).unwrap();
        // Pages that somebody is busy with stay for a moment.
        let gone = (0..100).any(|_| {
            posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
            std::thread::sleep(Duration::from_millis(10));
            in_memory() == 0
        });
        if !gone {
            eprintln!("skipped: this file system keeps everything in memory");
            return;
        }
        let ahead = Ahead::default();
        let place = |at| InFile { file: &file, at, len: 32 * MIB - at };
        ahead.reads(&place(0), MIB);
        ahead.reads(&place(MIB), MIB);
        let begun = Instant::now();
        while in_memory() < 8 << 20 {
            assert!(begun.elapsed() < Duration::from_secs(20), "{} bytes", in_memory());
            std::thread::sleep(Duration::from_millis(1));
        }
        // And not much more than that.
        assert!(in_memory() < 16 << 20, "{} bytes", in_memory());
    }

    #[test]
    fn nothing_is_fetched_twice() {
        const MIB: u64 = 1024 * 1024;
        let stream = Stream::default();
        stream.fetched.store(MIB, Ordering::Relaxed);
        let wanted = |end: u64| stream.wanted(end * MIB).map(|(from, to)| (from / MIB, to / MIB));
        assert_eq!(wanted(2), Some((2, 10)));
        assert_eq!([3, 4, 5].map(wanted), [None; 3]);
        assert_eq!(wanted(6), Some((10, 14)));
        // A gap that was jumped over.
        assert_eq!(wanted(20), Some((20, 28)));
    }
}
