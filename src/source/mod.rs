//! Bytes, addressed: an image file, and everything that is cut, joined or decoded from one.

mod cached;
mod decoded;
mod extent;
mod extents;
mod file;
mod mapped;
mod memory;
mod watch;
mod window;

pub use cached::Cached;
pub use decoded::{BlockDecoder, Decoded};
pub use extent::{Extent, ExtentList, Location};
pub use extents::Extents;
pub use file::{FileSource, IoMode, is_local, of_file, open};
pub use mapped::Lent;
pub use memory::Memory;
pub use watch::{Change, Version, Watch};
pub use window::Window;

use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// What stands at a place of a source, and up to where (a byte offset).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment {
    Data { end: u64 },
    /// Reads as zeros because nothing is recorded.
    Hole { end: u64 },
}

/// Bytes that lie together in a regular file.
#[derive(Debug, Clone, Copy)]
pub struct InFile<'a> {
    pub file: &'a File,
    /// Where in the file.
    pub at: u64,
    pub len: u64,
}

impl InFile<'_> {
    /// Without the first `bytes`.
    pub fn behind(self, bytes: u64) -> Self {
        Self { at: self.at.saturating_add(bytes), len: self.len.saturating_sub(bytes), ..self }
    }
}

/// A sequence of bytes that can be read at any place, from many threads.
pub trait Source: Send + Sync + Debug {
    fn len(&self) -> u64;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills the whole buffer.
    ///
    /// # Errors
    /// `UnexpectedEof` when the range reaches beyond the end; whatever the medium says otherwise.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// The bytes of a range without copying them, where they lie together in a memory map.
    fn lend(&self, _range: Range<u64>) -> Option<Lent<'_>> {
        None
    }

    /// Where the bytes from `offset` on lie in a file, and how many of them together (maybe none), for system calls
    /// that copy from file to file.
    fn in_file(&self, _offset: u64) -> Option<InFile<'_>> {
        None
    }

    /// Bytes of memory that keeping this source may take.
    fn weight(&self) -> usize {
        0
    }

    /// Whether the byte at `offset` (before the end) is data or belongs to a hole.
    fn segment(&self, _offset: u64) -> Segment {
        Segment::Data { end: self.len() }
    }
}

pub type SharedSource = Arc<dyn Source>;

/// The error for a range that reaches beyond the end of a source.
pub(crate) fn beyond_the_end() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "beyond the end of the image")
}

/// The error for data that was recorded and can't be found.
pub(crate) fn lost() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the place of this data is not known")
}

/// `offset..offset + length`, if it lies within `len` bytes.
pub(crate) fn range_within(offset: u64, length: usize, len: u64) -> io::Result<Range<u64>> {
    let length = u64::try_from(length).map_err(|_| beyond_the_end())?;
    let end = offset.checked_add(length).filter(|end| *end <= len).ok_or_else(beyond_the_end)?;
    Ok(offset..end)
}
