//! The bytes of a body, brought into a file: by the kernel from file to file where it can, and else through a buffer.

use std::fs::File;
use std::io;
use std::ops::{ControlFlow, Range};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::ProgressBar;
use memmap2::MmapOptions;
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, copy_file_range, fallocate};
use nix::sys::sendfile::sendfile64;
use nix::unistd::{Whence, lseek64};

use super::interrupt::Interrupt;
use super::lost::Lost;
use crate::cli::pieces::{self, Piece};
use crate::source::{InFile, Segment, Source};
use crate::sys;

/// Bytes given to the kernel at once: between two of them an interruption is felt.
pub const PIECE: u64 = 8 * 1024 * 1024;
/// Bytes from which on sharing blocks, or copying them on a server, is worth its call.
const SHARED: u64 = 1024 * 1024;
/// What file systems that share blocks want ends of runs to be multiples of.
const BLOCK: u64 = 4096;

/// Why copying a file broke off.
#[derive(Debug)]
pub enum Broken {
    Write(io::Error),
    Interrupted,
}

/// How data gets into a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// At the file's cursor, which one thread has at a time. The cheapest way; a file lets one thread at a time write.
    Stream,
    /// Through a map of the file, which lets in any number of threads beside the one that writes. Costs more, as every
    /// page is zeroed and faulted in.
    Map,
}

#[derive(Debug)]
pub struct Copier<'a> {
    interrupt: Option<&'a Interrupt>,
    pub bar: ProgressBar,
    /// What the two file systems can't do, found out by trying.
    shares_nothing: AtomicBool,
    copies_nothing: AtomicBool,
}

impl<'a> Copier<'a> {
    pub fn new(interrupt: Option<&'a Interrupt>, bar: ProgressBar) -> Self {
        Self { interrupt, bar, shares_nothing: AtomicBool::new(false), copies_nothing: AtomicBool::new(false) }
    }

    pub fn interrupted(&self) -> bool {
        self.interrupt.is_some_and(Interrupt::came)
    }

    /// Copies a body into an empty file. Holes stay holes, and what can't be read becomes one.
    pub fn whole(&self, body: &dyn Source, file: &File) -> Result<Vec<Lost>, Broken> {
        let mut lost = Vec::new();
        let holes = self.copy(body, 0..body.len(), file, Way::Stream, &mut lost)?;
        if holes || !lost.is_empty() {
            file.set_len(body.len()).map_err(Broken::Write)?;
        }
        Ok(lost)
    }

    /// Copies a part of a body into a file that has its length already, beside other threads that copy other parts.
    pub fn part(&self, body: &dyn Source, range: Range<u64>, file: &File, way: Way) -> Result<Vec<Lost>, Broken> {
        let mut lost = Vec::new();
        self.copy(body, range, file, way, &mut lost)?;
        Ok(lost)
    }

    /// Whether there were holes.
    fn copy(
        &self,
        body: &dyn Source,
        range: Range<u64>,
        file: &File,
        way: Way,
        lost: &mut Vec<Lost>,
    ) -> Result<bool, Broken> {
        let mut at = range.start;
        let mut holes = false;
        while at < range.end {
            // What is that short is done before anybody notices.
            if at > range.start && self.interrupted() {
                return Err(Broken::Interrupted);
            }
            let end = match body.segment(at) {
                Segment::Hole { end } if end > at => {
                    holes = true;
                    end.min(range.end)
                }
                Segment::Data { end } if end > at => {
                    let end = end.min(range.end).min(at.saturating_add(PIECE));
                    self.data(body, at..end, file, way, lost)?
                }
                Segment::Data { .. } | Segment::Hole { .. } => self.careful(body, at..range.end, file, lost)?,
            };
            self.bar.inc(end.saturating_sub(at));
            at = end;
        }
        Ok(holes)
    }

    /// Copies data, and says up to where.
    fn data(
        &self,
        body: &dyn Source,
        range: Range<u64>,
        file: &File,
        way: Way,
        lost: &mut Vec<Lost>,
    ) -> Result<u64, Broken> {
        let Some(run) = body.in_file(range.start).filter(|run| run.len > 0) else {
            return self.careful(body, range, file, lost);
        };
        let end = range.end.min(range.start.saturating_add(run.len));
        let run = InFile { len: end.saturating_sub(range.start), ..run };
        let mut at = range.start.saturating_add(self.shared(&run, file, range.start));
        if at < end && way == Way::Map {
            at = at.saturating_add(mapped(&run.behind(at.saturating_sub(range.start)), file, at)?);
        }
        if at < end && way == Way::Stream {
            at = at.saturating_add(self.streamed(&run.behind(at.saturating_sub(range.start)), file, at));
        }
        // Whatever stopped the kernel: this way says whether it was the image or the target.
        if at < end { self.careful(body, at..end, file, lost) } else { Ok(end) }
    }

    /// Makes the file share the blocks of the image; how many bytes of the run it shares then.
    fn shared(&self, run: &InFile<'_>, file: &File, at: u64) -> u64 {
        let aligned = run.at.is_multiple_of(BLOCK) && at.is_multiple_of(BLOCK);
        if run.len < SHARED || !aligned || self.shares_nothing.load(Ordering::Relaxed) {
            return 0;
        }
        let len = run.len.saturating_sub(run.len.checked_rem(BLOCK).unwrap_or(0));
        match sys::share_range(run.file, run.at, len, file, at) {
            Ok(()) => len,
            Err(error) => {
                // EINVAL may mean this run only.
                if error.raw_os_error() != Some(libc::EINVAL) {
                    self.shares_nothing.store(true, Ordering::Relaxed);
                }
                0
            }
        }
    }

    /// Has the kernel copy a run; how many bytes it did copy.
    fn streamed(&self, run: &InFile<'_>, file: &File, at: u64) -> u64 {
        let mut done = 0;
        if run.len >= SHARED && !self.copies_nothing.load(Ordering::Relaxed) {
            done = self.copied(run, file, at);
        }
        let seek = |to: u64| lseek64(file, to.cast_signed(), Whence::SeekSet);
        // At the beginning of a file that was just made is the cursor already.
        if done == run.len || (at.saturating_add(done) != 0 && seek(at.saturating_add(done)).is_err()) {
            return done;
        }
        while done < run.len {
            let mut from = run.at.saturating_add(done).cast_signed();
            let count = usize::try_from(run.len.saturating_sub(done)).unwrap_or(usize::MAX);
            match sendfile64(file, run.file, Some(&mut from), count) {
                Ok(0) => break,
                Ok(sent) => done = done.saturating_add(u64::try_from(sent).unwrap_or(0)),
                Err(Errno::EINTR) => {}
                Err(_) => break,
            }
        }
        done
    }

    /// copy_file_range(2): within one file system the server of a network or the file system itself may do it.
    fn copied(&self, run: &InFile<'_>, file: &File, at: u64) -> u64 {
        let mut done = 0_u64;
        while done < run.len {
            let mut from = run.at.saturating_add(done).cast_signed();
            let mut to = at.saturating_add(done).cast_signed();
            let count = usize::try_from(run.len.saturating_sub(done)).unwrap_or(usize::MAX);
            match copy_file_range(run.file, Some(&mut from), file, Some(&mut to), count) {
                Ok(0) => break,
                Ok(copied) => done = done.saturating_add(u64::try_from(copied).unwrap_or(0)),
                Err(Errno::EINTR) => {}
                Err(Errno::EXDEV | Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EINVAL | Errno::EPERM) => {
                    self.copies_nothing.store(true, Ordering::Relaxed);
                    break;
                }
                Err(_) => break,
            }
        }
        done
    }

    /// Copies what the kernel can't or would not: decoded bodies, and everything near a bad sector.
    fn careful(&self, body: &dyn Source, range: Range<u64>, file: &File, lost: &mut Vec<Lost>) -> Result<u64, Broken> {
        let end = range.end;
        let begin = range.start;
        pieces::read_range(body, range, |piece| {
            match piece {
                Piece::Data { at, bytes } => {
                    if at > begin && self.interrupted() {
                        return Err(Broken::Interrupted);
                    }
                    file.write_all_at(bytes, at).map_err(Broken::Write)?;
                }
                Piece::Hole { .. } => {}
                Piece::Lost { at, end, error } => {
                    if self.interrupted() {
                        return Err(Broken::Interrupted);
                    }
                    lost.push(Lost::new(at, end, error));
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(end)
    }
}

/// Reads a run into a map of the file; how many bytes it did read. The room is taken first, so that a full file
/// system is told by an error of its own.
fn mapped(run: &InFile<'_>, file: &File, at: u64) -> Result<u64, Broken> {
    let (Ok(len), Ok(from)) = (usize::try_from(run.len), i64::try_from(run.at)) else { return Ok(0) };
    match fallocate(file, FallocateFlags::empty(), at.cast_signed(), run.len.cast_signed()) {
        Ok(()) => {}
        Err(errno @ (Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG)) => return Err(Broken::Write(errno.into())),
        Err(_) => return Ok(0),
    }
    let Ok(map) = MmapOptions::new().offset(at).len(len).map_raw(file) else { return Ok(0) };
    let mut done = 0;
    while done < len {
        match sys::read_into_map(run.file, from.saturating_add(i64::try_from(done).unwrap_or(i64::MAX)), &map, done) {
            Ok(0) => break,
            Ok(read) => done = done.saturating_add(read),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    Ok(u64::try_from(done).unwrap_or(0))
}
