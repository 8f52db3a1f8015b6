//! The options of mount(8) for iso9660 that change what is read.

use encoding_rs::Encoding;

/// `map=`: how names of discs without Rock Ridge and Joliet are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Map {
    /// Lower case, without `;1`.
    #[default]
    Normal,
    /// As recorded.
    Off,
    /// As `Normal`, and RISC OS file types where the disc records them.
    Acorn,
}

/// `check=`: how names are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    Relaxed,
    Strict,
}

/// What to read, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IsoOptions {
    pub map: Map,
    /// `None`: relaxed on Joliet, strict elsewhere, as Linux has it.
    pub check: Option<Check>,
    /// `hide`: leave out files with the Existence bit (ECMA-119 9.1.6, bit 0).
    pub hide: bool,
    /// `showassoc` and `unhide`: show Associated Files (bit 2).
    pub show_associated: bool,
    /// `cruft`: the top byte of a file's length is rubbish.
    pub cruft: bool,
    /// `nocompress`: show the stored bytes of zisofs files.
    pub no_compress: bool,
    /// `iocharset=`: the encoding that Joliet names are shown in; `None` is UTF-8.
    pub charset: Option<&'static Encoding>,
    /// The logical sector that the session begins at; its descriptors follow 16 sectors later.
    pub session_start: u32,
}
