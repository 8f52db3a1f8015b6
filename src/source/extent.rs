//! Where the bytes of a file lie: runs of an image, in the order of the file.

use std::ops::Range;

use crate::limits::MAX_EXTENTS;

/// What an extent refers to (ECMA-167 4/14.14.1.1: extent types 0, and 1 or 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// Byte address in the image.
    Recorded(u64),
    /// Not recorded: reads as zeros.
    Zeros,
    /// Recorded somewhere that can't be found: reading it is an error, and never zeros.
    Lost,
}

impl Location {
    /// The location `bytes` further on.
    pub fn advance(self, bytes: u64) -> Self {
        match self {
            Self::Recorded(at) => Self::Recorded(at.saturating_add(bytes)),
            Self::Zeros => Self::Zeros,
            Self::Lost => Self::Lost,
        }
    }
}

/// A run of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Offset in the file.
    pub start: u64,
    pub len: u64,
    pub location: Location,
}

impl Extent {
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.len)
    }

    /// The byte address in the image behind the run, if it is recorded.
    pub fn recorded_end(&self) -> Option<u64> {
        match self.location {
            Location::Recorded(at) => Some(at.saturating_add(self.len)),
            Location::Zeros => None,
            Location::Lost => Some(u64::MAX),
        }
    }
}

/// The extents of a file: sorted, without gaps, runs that adjoin merged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtentList {
    extents: Vec<Extent>,
}

impl ExtentList {
    /// The ranges of the image that are recorded, in the order of the file.
    pub fn recorded(&self) -> Vec<Range<u64>> {
        let range = |extent: &Extent| match extent.location {
            Location::Recorded(at) => Some(at..at.saturating_add(extent.len)),
            Location::Zeros | Location::Lost => None,
        };
        self.extents.iter().filter_map(range).collect()
    }

    /// Appends a run behind all others. Beyond [`MAX_EXTENTS`] runs the rest of a file is lost.
    pub fn push(&mut self, len: u64, location: Location) {
        let start = self.len();
        let location = if self.is_full() { Location::Lost } else { location };
        // A list never grows beyond what a file offset can say.
        let len = len.min(u64::MAX.saturating_sub(start));
        if len == 0 {
            return;
        }
        if let Some(last) = self.extents.last_mut()
            && last.location.advance(last.len) == location
        {
            last.len = last.len.saturating_add(len);
            return;
        }
        self.extents.push(Extent { start, len, location });
    }

    /// Bytes of the file.
    pub fn len(&self) -> u64 {
        self.extents.last().map_or(0, Extent::end)
    }

    pub fn is_empty(&self) -> bool {
        self.extents.is_empty()
    }

    /// Whether no further run can be told from a lost one.
    pub fn is_full(&self) -> bool {
        self.extents.len() >= MAX_EXTENTS
    }

    /// Bytes of memory that the list takes.
    pub fn weight(&self) -> usize {
        self.extents.capacity().saturating_mul(size_of::<Extent>())
    }

    /// Cuts the file to `len` bytes.
    pub fn truncate(&mut self, len: u64) {
        self.extents.retain(|extent| extent.start < len);
        if let Some(last) = self.extents.last_mut() {
            last.len = last.len.min(len.saturating_sub(last.start));
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Extent> {
        self.extents.iter()
    }

    /// The run at `offset`: where it is and how many bytes follow in it.
    pub fn at(&self, offset: u64) -> Option<(Location, u64)> {
        let index = self.extents.partition_point(|extent| extent.end() <= offset);
        let extent = self.extents.get(index)?;
        let inside = offset.checked_sub(extent.start)?;
        Some((extent.location.advance(inside), extent.len.saturating_sub(inside)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_adjoin_become_one() {
        let mut list = ExtentList::default();
        list.push(2048, Location::Recorded(4096));
        list.push(2048, Location::Recorded(6144));
        list.push(0, Location::Recorded(1));
        list.push(10, Location::Zeros);
        list.push(5, Location::Zeros);
        assert_eq!(list.iter().count(), 2);
        assert_eq!(list.len(), 4111);
        assert_eq!(list.at(4095), Some((Location::Recorded(8191), 1)));
        assert_eq!(list.at(4096), Some((Location::Zeros, 15)));
        assert_eq!(list.at(4111), None);
    }
}
