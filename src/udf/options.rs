//! The options of mount(8) for udf that change what is read.

/// What to read, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UdfOptions {
    /// `bs=`: bytes of a sector, found without being told.
    pub block_size: Option<u32>,
    /// `anchor=`: the sector of the anchor.
    pub anchor: Option<u32>,
    /// `lastblock=`: the last sector of the medium.
    pub last_block: Option<u32>,
    /// The sector that the session begins at.
    pub session_start: u32,
    /// `novrs`: do without the Volume Recognition Sequence.
    pub no_recognition: bool,
    /// `unhide`: show files with the Existence bit (4/14.4.3, bit 0).
    pub unhide: bool,
    /// `undelete`: show deleted files (bit 2).
    pub undelete: bool,
}
