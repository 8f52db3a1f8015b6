//! The body of a file, put together from its extents.

use std::io;
use std::ops::Range;

use super::{ExtentList, InFile, Lent, Location, Segment, SharedSource, Source, range_within};

#[derive(Debug)]
pub struct Extents {
    image: SharedSource,
    list: ExtentList,
}

impl Extents {
    pub fn new(image: SharedSource, list: ExtentList) -> Self {
        Self { image, list }
    }

    pub fn list(&self) -> &ExtentList {
        &self.list
    }
}

impl Source for Extents {
    fn len(&self) -> u64 {
        self.list.len()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        range_within(offset, buffer.len(), self.len())?;
        let mut rest = buffer;
        let mut offset = offset;
        while !rest.is_empty() {
            let (location, run) = self.list.at(offset).ok_or_else(super::beyond_the_end)?;
            let take = usize::try_from(run).unwrap_or(usize::MAX).min(rest.len());
            let (now, later) = rest.split_at_mut(take);
            match location {
                Location::Recorded(at) => self.image.read_exact_at(now, at)?,
                Location::Zeros => now.fill(0),
                Location::Lost => return Err(super::lost()),
            }
            rest = later;
            offset = offset.saturating_add(u64::try_from(take).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    fn lend(&self, range: Range<u64>) -> Option<Lent<'_>> {
        let (location, run) = self.list.at(range.start)?;
        let length = range.end.checked_sub(range.start)?;
        match location {
            Location::Recorded(at) if length <= run => self.image.lend(at..at.checked_add(length)?),
            _ => None,
        }
    }

    fn in_file(&self, offset: u64) -> Option<InFile<'_>> {
        let (location, run) = self.list.at(offset)?;
        let Location::Recorded(at) = location else { return None };
        let found = self.image.in_file(at)?;
        Some(InFile { len: found.len.min(run), ..found })
    }

    fn weight(&self) -> usize {
        self.list.weight()
    }

    fn segment(&self, offset: u64) -> Segment {
        let mut end = offset;
        let hole = matches!(self.list.at(offset), Some((Location::Zeros, _)));
        while let Some((location, run)) = self.list.at(end) {
            if matches!(location, Location::Zeros) != hole {
                break;
            }
            end = end.saturating_add(run);
        }
        if hole { Segment::Hole { end } } else { Segment::Data { end } }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::Memory;
    use super::*;

    #[test]
    fn reads_across_runs_and_holes() {
        let image = Arc::new(Memory((0..=255).collect()));
        let mut list = ExtentList::default();
        list.push(4, Location::Recorded(10));
        list.push(3, Location::Zeros);
        list.push(2, Location::Recorded(200));
        let body = Extents::new(image, list);
        let mut all = [9; 9];
        body.read_exact_at(&mut all, 0).unwrap();
        assert_eq!(all, [10, 11, 12, 13, 0, 0, 0, 200, 201]);
        assert_eq!(body.segment(1), Segment::Data { end: 4 });
        assert_eq!(body.segment(5), Segment::Hole { end: 7 });
        assert!(body.read_exact_at(&mut all, 1).is_err());
    }

    #[test]
    fn a_run_beyond_the_image_is_an_error_and_not_zeros() {
        let image = Arc::new(Memory(vec![1; 8].into()));
        let mut list = ExtentList::default();
        list.push(16, Location::Recorded(0));
        let body = Extents::new(image, list);
        let mut buffer = [0; 8];
        assert!(body.read_exact_at(&mut buffer, 0).is_ok());
        assert!(body.read_exact_at(&mut buffer, 4).is_err());
    }
}
