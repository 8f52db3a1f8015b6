//! Not keeping the same bytes twice when memory is short.
//!
//! What has been read on the drive the kernel keeps as pages of the drive's files, and so it does with the pages of the
//! image that they came from. When an image does not fit into memory twice, the second kind only pushes out the first.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use crate::source::InFile;

/// Bytes of the smallest image that this is done for; a smaller one is not worth a descriptor.
pub const LEAST: u64 = 256 * 1024 * 1024;
/// Bytes that are served between two looks at the memory, which take some 20 µs.
const INTERVAL: u64 = 64 * 1024 * 1024;
/// Bytes before the end of what was served that stay for the next time: the kernel has yet to sort them in, and would
/// wait for all processors to do that.
const LAG: u64 = 128 * 1024;
/// Bytes before what was served that are let go of with it: the kernel keeps what it can't let go of as a whole, and
/// that has up to 2 MiB.
const REACH: u64 = 4 * 1024 * 1024;

#[derive(Debug)]
pub struct Thrift {
    /// /proc/meminfo, opened before the sandbox was entered. `None`: it is never known that memory is short.
    memory: Option<Arc<File>>,
    /// Bytes of the image.
    size: u64,
    /// Bytes served since the last look.
    served: AtomicU64,
    is_short: AtomicBool,
}

impl Thrift {
    /// `memory`: /proc/meminfo; `size`: bytes of the image.
    pub fn new(memory: Option<Arc<File>>, size: u64) -> Self {
        // The first who asks has it looked at.
        Self { memory, size, served: AtomicU64::new(INTERVAL), is_short: AtomicBool::new(false) }
    }

    /// Whether the image does not fit into memory twice. `bytes`: what is about to be served.
    pub fn is_due(&self, bytes: u64) -> bool {
        if self.served.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) >= INTERVAL {
            self.served.store(0, Ordering::Relaxed);
            self.look();
        }
        self.is_short.load(Ordering::Relaxed)
    }

    fn look(&self) {
        let available = self.memory.as_deref().and_then(available);
        let short = available.is_some_and(|available| available < self.size.saturating_mul(2));
        if self.is_short.swap(short, Ordering::Relaxed) != short {
            log::debug!(
                "{available:?} bytes of memory are available: what was served is kept {}",
                if short { "once" } else { "twice" }
            );
        }
    }

    /// Lets go of the image's pages of what was served, and of what lies before it, to a reader who reads in order.
    pub fn let_go(&self, place: &InFile<'_>, bytes: u64) {
        let from = place.at.saturating_sub(REACH);
        let to = place.at.saturating_add(bytes).saturating_sub(LAG);
        let (Ok(from), Ok(length)) = (i64::try_from(from), i64::try_from(to.saturating_sub(from))) else { return };
        // A length of 0 would mean all that follows.
        if length > 0
            && let Err(error) = posix_fadvise(place.file, from, length, PosixFadviseAdvice::POSIX_FADV_DONTNEED)
        {
            log::debug!("pages of the image stay: {error}");
        }
    }
}

/// Bytes that programs could have, the kernel's caches included.
fn available(memory: &File) -> Option<u64> {
    let mut text = [0; 512];
    let length = memory.read_at(&mut text, 0).ok()?;
    parse(text.get(..length)?)
}

fn parse(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    value.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::sys::bytes_in_memory;

    #[test]
    fn memory_is_told_as_linux_tells_it() {
        let text =
            b"MemTotal:       24684052 kB\nMemFree:        18475000 kB\nMemAvailable:   23500000 kB\nBuffers: 1 kB\n";
        assert_eq!(parse(text), Some(23_500_000 * 1024));
        assert_eq!(parse(b"MemTotal: 5 kB\n"), None);
        assert!(available(&File::open("/proc/meminfo").unwrap()).unwrap() > 1024 * 1024);
    }

    #[test]
    fn it_is_due_when_the_image_does_not_fit_twice() {
        let memory = |kib: u64| {
            let mut file = tempfile::tempfile().unwrap();
            writeln!(file, "MemAvailable:  {kib:>9} kB").unwrap();
            file
        };
        let file = Arc::new(memory(3 * 1024 * 1024));
        let thrift = |size| Thrift::new(Some(Arc::clone(&file)), size);
        assert!(thrift(2 << 30).is_due(0) && !thrift(1 << 30).is_due(0));
        assert!(!Thrift::new(None, 2 << 30).is_due(0));
        // Looked at again after a while.
        let thrift = thrift(1 << 30);
        assert!(!thrift.is_due(0));
        file.write_all_at(b"MemAvailable:   1048576 kB\n", 0).unwrap();
        assert!(!thrift.is_due(INTERVAL - 1) && thrift.is_due(1) && thrift.is_due(1));
    }

    #[test]
    fn what_was_served_in_order_is_let_go_of() {
        // Beside this program, and not where temporary files are, which may all be in memory for good.
        let program = std::env::current_exe().unwrap();
        let mut file = tempfile::tempfile_in(program.parent().unwrap()).unwrap();
        let length = 32 << 20;
        file.write_all(&vec![7; length]).unwrap();
        file.sync_all().unwrap();
        let kind = nix::sys::statfs::fstatfs(&file).unwrap().filesystem_type();
        if [nix::sys::statfs::TMPFS_MAGIC, nix::sys::statfs::OVERLAYFS_SUPER_MAGIC].contains(&kind) {
            eprintln!("skipped: this file system keeps everything in memory");
            return;
        }
        let thrift = Thrift::new(None, 0);
        let request = 1 << 20;
        for at in (0..length as u64 / 2).step_by(request) {
            let place = InFile { file: &file, at, len: length as u64 - at };
            thrift.let_go(&place, request as u64);
        }
        // What was not served is there; of the rest only what the kernel is busy with.
        let left = bytes_in_memory(&file).unwrap();
        assert!((length / 2..length * 3 / 4).contains(&left), "{left}");
    }
}
