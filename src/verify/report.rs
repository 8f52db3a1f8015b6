//! What verifying found.

use std::ops::Range;

use crate::error::Defect;

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The structure is sound, and so is everything that has a checksum.
    Sound,
    Damaged,
    /// The structure is sound; no checksum was found that could tell about the rest.
    Unchecked,
}

impl Outcome {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sound => "sound",
            Self::Damaged => "damaged",
            Self::Unchecked => "unchecked",
        }
    }
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file of it, where that is known: a path in the image without a leading `/`.
    pub file: Option<Vec<u8>>,
    /// The bytes of the image, as far as it is known which; the ends are exclusive.
    pub bytes: Vec<Range<u64>>,
    /// The clause that is not kept; empty for checksums.
    pub clause: &'static str,
    pub what: String,
}

impl Damage {
    pub fn of_defect(defect: Defect, file: Option<Vec<u8>>) -> Self {
        let Defect { at, clause, what } = defect;
        // What has no place is told at byte 0.
        let bytes = if at == 0 { Vec::new() } else { only(at..at.saturating_add(1)) };
        Self { file, bytes, clause, what }
    }

    pub fn of_checksum(file: Option<Vec<u8>>, bytes: Vec<Range<u64>>, what: impl Into<String>) -> Self {
        Self { file, bytes, clause: "", what: what.into() }
    }
}

/// A single range as a list.
pub fn only(range: Range<u64>) -> Vec<Range<u64>> {
    std::iter::once(range).collect()
}

/// A source of checksums, and how much of it is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// As `SHA-256 of SHA256SUMS beside the image`.
    pub title: String,
    /// Checksums compared.
    pub compared: usize,
    /// Of these: not right, or not to be had.
    pub wrong: usize,
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Files and directories whose structure was looked at, in all trees.
    pub nodes: u64,
    pub checks: Vec<Check>,
    pub damage: Vec<Damage>,
}

impl Report {
    pub fn outcome(&self) -> Outcome {
        match () {
            () if !self.damage.is_empty() => Outcome::Damaged,
            () if self.checks.iter().any(|check| check.compared > 0) => Outcome::Sound,
            () => Outcome::Unchecked,
        }
    }
}
