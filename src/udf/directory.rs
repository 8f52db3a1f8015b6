//! File Identifier Descriptors (ECMA-167 4/14.4): the names of a directory.

use super::descriptor::LongAd;
use super::tag::{self, Trust, id};
use crate::bytes::{u8_at, u16_le};

/// Characteristics (4/14.4.3).
pub mod characteristics {
    pub const EXISTENCE: u8 = 0x01;
    pub const DIRECTORY: u8 = 0x02;
    pub const DELETED: u8 = 0x04;
    pub const PARENT: u8 = 0x08;
}

/// One name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identifier<'a> {
    /// Offset in the directory.
    pub at: usize,
    pub characteristics: u8,
    pub icb: LongAd,
    /// Compressed Unicode.
    pub name: &'a [u8],
}

impl Identifier<'_> {
    pub fn has(&self, characteristic: u8) -> bool {
        self.characteristics & characteristic != 0
    }
}

/// The names of a directory's data; where a descriptor makes no sense, the next one that does is looked for and
/// the place of the first such failure is kept.
#[derive(Debug)]
pub struct Identifiers<'a> {
    data: &'a [u8],
    at: usize,
    pub damaged: Option<usize>,
    /// The place of the first descriptor whose tag or CRC is wrong, and what is.
    pub doubtful: Option<(usize, &'static str)>,
}

impl<'a> Identifiers<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, damaged: None, doubtful: None }
    }

    /// The descriptor at the current place, and its length.
    fn read(&self) -> Option<(Identifier<'a>, usize, Trust)> {
        let rest = self.data.get(self.at..)?;
        if u16_le(rest, 0) != id::FILE_IDENTIFIER {
            return None;
        }
        let name = usize::from(u8_at(rest, 19));
        let private = usize::from(u16_le(rest, 36));
        let start = private.checked_add(38)?;
        let end = start.checked_add(name)?;
        // Only what the lengths say is looked at: the CRC must not cover more.
        let bytes = rest.get(..end.checked_next_multiple_of(4)?).unwrap_or(rest);
        let trust = match tag::read(bytes, None) {
            Some(tag) => tag.trust,
            None if tag::is_body_whole(bytes) => Trust::Partial("the checksum of its tag is wrong"),
            None => return None,
        };
        let identifier = Identifier {
            at: self.at,
            characteristics: u8_at(rest, 18),
            icb: LongAd::read(rest, 20),
            name: rest.get(start..end)?,
        };
        // 4/14.4.9: padded to a multiple of four bytes.
        let length = end.checked_next_multiple_of(4)?;
        // A length that lies shows in the CRC, which covers the name; then the next descriptor is searched for
        // from here, and what this one says is believed as far as it goes.
        let length = if trust == Trust::Whole { length } else { length.min(4096) };
        Some((identifier, length, trust))
    }
}

impl<'a> Iterator for Identifiers<'a> {
    type Item = Identifier<'a>;

    fn next(&mut self) -> Option<Identifier<'a>> {
        while self.at.saturating_add(38) <= self.data.len() {
            if let Some((identifier, length, trust)) = self.read() {
                if let Trust::Partial(what) = trust {
                    self.doubtful.get_or_insert((self.at, what));
                }
                self.at = self.at.saturating_add(length);
                return Some(identifier);
            }
            self.damaged.get_or_insert(self.at);
            self.at = self.at.saturating_add(4);
        }
        None
    }
}
