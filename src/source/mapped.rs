//! A regular file in memory, lent and never touched.
//!
//! Our own code never loads a byte of the map: when the file shrinks or its medium fails, a load kills the
//! process with SIGBUS, while the kernel's `writev` from the same map answers `EFAULT` and the reader gets EIO.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{Mmap, UncheckedAdvice};
use nix::sys::stat::fstat;

use crate::limits::LENT_BYTES;

use super::{InFile, Source, range_within};

/// Bytes of a memory map, good for nothing but handing to a system call.
#[derive(Debug)]
pub struct Lent<'a>(&'a [u8]);

impl<'a> Lent<'a> {
    /// The bytes, for a system call that writes them elsewhere. Nothing else may look at them.
    pub fn for_syscall(&self) -> &'a [u8] {
        self.0
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A file that lends its data from a memory map; whatever is looked at comes by positioned reads.
#[derive(Debug)]
pub struct Mapped {
    file: File,
    map: Mmap,
    /// Bytes lent since the pages were given back.
    lent: AtomicU64,
}

impl Mapped {
    /// # Errors
    /// When the file can't be mapped: empty, or on a file system without memory maps.
    #[allow(unsafe_code)]
    pub fn new(file: File) -> io::Result<Self> {
        // SAFETY: no reference into the map is ever read through by this process: the only access is
        // `Lent::for_syscall`, whose bytes only the kernel loads. So a file that changes or shrinks under the
        // map breaks no assumption of the language and raises no signal.
        let map = unsafe { Mmap::map(&file)? };
        Ok(Self { file, map, lent: AtomicU64::new(0) })
    }

    /// Gives pages back that system calls have had the kernel map for us. They stay in its cache; but as long as they
    /// are mapped they count as ours, and a reader of the whole image would seem to need as much memory.
    #[allow(unsafe_code)]
    fn give_back(&self, length: u64) {
        let before = self.lent.fetch_add(length, Ordering::Relaxed);
        if before.saturating_add(length) < LENT_BYTES {
            return;
        }
        self.lent.store(0, Ordering::Relaxed);
        // SAFETY: the map is of a file and private changes there are none, so the pages come back as they were when
        // they are touched again; that is all that references into the map, which only system calls use, can notice.
        if let Err(error) = unsafe { self.map.unchecked_advise(UncheckedAdvice::DontNeed) } {
            log::debug!("mapped pages are not given back: {error}");
        }
    }
}

impl Source for Mapped {
    fn len(&self) -> u64 {
        u64::try_from(self.map.len()).unwrap_or(u64::MAX)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        range_within(offset, buffer.len(), self.len())?;
        self.file.read_exact_at(buffer, offset)
    }

    fn in_file(&self, offset: u64) -> Option<InFile<'_>> {
        Some(InFile { file: &self.file, at: offset, len: self.len().checked_sub(offset)? })
    }

    fn lend(&self, range: Range<u64>) -> Option<Lent<'_>> {
        let start = usize::try_from(range.start).ok()?;
        let end = usize::try_from(range.end).ok()?;
        let lent = self.map.get(start..end).map(Lent)?;
        // Behind the end of a file that has shrunk the rest of its last page reads as zeros.
        if fstat(&self.file).is_ok_and(|now| u64::try_from(now.st_size).is_ok_and(|size| size < range.end)) {
            return None;
        }
        self.give_back(range.end.saturating_sub(range.start));
        Some(lent)
    }
}
