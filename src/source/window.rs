//! A part of another source: a session, a partition, one track.

use std::io;
use std::ops::Range;

use super::{InFile, Lent, Segment, SharedSource, Source, range_within};

#[derive(Debug, Clone)]
pub struct Window {
    inner: SharedSource,
    start: u64,
    len: u64,
}

impl Window {
    /// The bytes of `range`, as far as the source has them.
    pub fn new(inner: SharedSource, range: Range<u64>) -> Self {
        let end = range.end.min(inner.len());
        let start = range.start.min(end);
        Self { inner, start, len: end.saturating_sub(start) }
    }
}

impl Source for Window {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        range_within(offset, buffer.len(), self.len)?;
        self.inner.read_exact_at(buffer, self.start.saturating_add(offset))
    }

    fn lend(&self, range: Range<u64>) -> Option<Lent<'_>> {
        if range.end > self.len {
            return None;
        }
        self.inner.lend(self.start.checked_add(range.start)?..self.start.checked_add(range.end)?)
    }

    fn in_file(&self, offset: u64) -> Option<InFile<'_>> {
        let rest = self.len.checked_sub(offset)?;
        let run = self.inner.in_file(self.start.checked_add(offset)?)?;
        Some(InFile { len: run.len.min(rest), ..run })
    }

    fn segment(&self, offset: u64) -> Segment {
        let clamp = |end: u64| end.saturating_sub(self.start).min(self.len);
        match self.inner.segment(self.start.saturating_add(offset)) {
            Segment::Data { end } => Segment::Data { end: clamp(end) },
            Segment::Hole { end } => Segment::Hole { end: clamp(end) },
        }
    }
}
