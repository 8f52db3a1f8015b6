//! The files and directories of an image, and everything that can be odd about one.

use super::content::Content;
use super::zisofs::{Version, Zisofs};

/// ECMA-119 9.1.6: file flags.
pub const HIDDEN: u8 = 1;
pub const DIRECTORY: u8 = 2;
pub const ASSOCIATED: u8 = 4;
pub const MULTI_EXTENT: u8 = 0x80;

/// 2020-02-03 04:05:06 UTC: the time of what names none.
pub const TIME: i64 = 1_580_702_706;

#[derive(Debug, Clone)]
pub enum Kind {
    Directory,
    File(Content),
    /// RRIP 4.1.3: a symbolic link; the target's components are made from the text.
    Link(Vec<u8>),
    Fifo,
    Socket,
    /// RRIP 4.1.2; `split`: the high half holds the major number, otherwise the low half holds all.
    Device {
        block: bool,
        major: u32,
        minor: u32,
        split: bool,
    },
}

/// SUSP 5.1: what of the System Use entries goes where.
#[derive(Debug, Clone, Copy, Default)]
pub struct Continuation {
    /// This many entries stay in the record; otherwise as many as fit.
    pub keep: Option<usize>,
    /// The CE entry stands before the entries that stay.
    pub early: bool,
    /// This many entries to an area, each area naming the next; otherwise one area.
    pub per_area: Option<usize>,
    /// The areas may be longer than a block and cross from one into the next.
    pub spanning: bool,
}

#[derive(Debug, Clone)]
pub struct Node {
    /// The last part of its path: the name in Rock Ridge and Joliet unless those are given.
    pub name: String,
    pub kind: Kind,
    pub children: Vec<Node>,

    pub identifier: Option<Vec<u8>>,
    pub joliet_identifier: Option<Vec<u8>>,
    pub rock_name: Option<Vec<u8>>,
    /// Lengths of the first NM entries' pieces; the last piece takes the rest.
    pub name_pieces: Vec<usize>,
    /// The flags of NM entries, in place of the due ones.
    pub name_flags: Option<u8>,
    pub version: Option<u16>,
    pub flags: u8,

    /// In place of the due numbers in the record (a directory's: in its parent).
    pub extent: Option<u32>,
    pub size: Option<u32>,
    /// Byte sizes of the sections of a multi-extent file; the last takes the rest.
    pub sections: Vec<u64>,
    /// Unused blocks between the sections.
    pub apart: u64,
    pub unit: u8,
    pub gap: u8,
    pub xar: u8,

    pub mode: Option<u32>,
    pub uid: u32,
    pub gid: u32,
    pub nlink: Option<u32>,
    pub serial: Option<u32>,
    /// RRIP 4.1.6: (bit of the TF flags, seconds); ascending bits.
    pub times: Vec<(u8, i64)>,
    /// The time in the directory record itself; the TF's modification time otherwise.
    pub recorded: Option<i64>,
    pub long_times: bool,
    /// One TF entry for every time.
    pub split_times: bool,
    /// Quarters of an hour from UTC.
    pub zone: i8,
    /// RRIP 4.1.3: (component flags, content), in place of those made from the target.
    pub components: Option<Vec<(u8, Vec<u8>)>>,
    /// At most this many bytes of components to an SL entry.
    pub link_piece: usize,
    pub zisofs: Option<Zisofs>,
    /// Recorded as RRIP 4.1.7 says, with a root table of at least this depth (0: as the size needs).
    pub sparse: Option<u8>,
    /// RRIP 4.1.5: the directory lies in RR_MOVED; here stands a record with CL.
    pub relocated: bool,

    /// The whole System Use field, in place of the due one.
    pub system_use: Option<Vec<u8>>,
    /// The System Use field of the directory's own "." record.
    pub dot_system_use: Option<Vec<u8>>,
    /// More entries, after the due ones, and before them.
    pub entries: Vec<Vec<u8>>,
    pub first_entries: Vec<Vec<u8>>,
    /// More entries in a directory's "." and "..".
    pub dot_entries: Vec<Vec<u8>>,
    pub dotdot_entries: Vec<Vec<u8>>,
    pub without_entries: bool,
    pub continuation: Continuation,
    /// No "." and ".." records.
    pub without_dots: bool,
    pub hide_primary: bool,
    pub hide_joliet: bool,
}

impl Node {
    fn of(kind: Kind) -> Self {
        Self {
            name: String::new(),
            kind,
            children: Vec::new(),
            identifier: None,
            joliet_identifier: None,
            rock_name: None,
            name_pieces: Vec::new(),
            name_flags: None,
            version: Some(1),
            flags: 0,
            extent: None,
            size: None,
            sections: Vec::new(),
            apart: 0,
            unit: 0,
            gap: 0,
            xar: 0,
            mode: None,
            uid: 0,
            gid: 0,
            nlink: None,
            serial: None,
            times: vec![(1, TIME), (2, TIME + 1), (3, TIME + 2)],
            recorded: None,
            long_times: false,
            split_times: false,
            zone: 0,
            components: None,
            link_piece: 250,
            zisofs: None,
            sparse: None,
            relocated: false,
            system_use: None,
            dot_system_use: None,
            entries: Vec::new(),
            first_entries: Vec::new(),
            dot_entries: Vec::new(),
            dotdot_entries: Vec::new(),
            without_entries: false,
            continuation: Continuation::default(),
            without_dots: false,
            hide_primary: false,
            hide_joliet: false,
        }
    }

    pub fn dir() -> Self {
        Self::of(Kind::Directory)
    }

    pub fn file(content: Content) -> Self {
        Self::of(Kind::File(content))
    }

    pub fn text(text: &str) -> Self {
        Self::file(Content::Bytes(text.as_bytes().to_vec()))
    }

    /// Bytes that differ from place to place; `seed` tells files apart.
    pub fn pattern(seed: u64, len: u64) -> Self {
        Self::file(Content::Pattern { seed, len })
    }

    pub fn link(target: &str) -> Self {
        Self::of(Kind::Link(target.as_bytes().to_vec()))
    }

    pub fn fifo() -> Self {
        Self::of(Kind::Fifo)
    }

    pub fn socket() -> Self {
        Self::of(Kind::Socket)
    }

    pub fn device(block: bool, major: u32, minor: u32) -> Self {
        Self::of(Kind::Device { block, major, minor, split: true })
    }

    /// Any change that has no method of its own.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    #[must_use]
    pub fn mode(self, mode: u32) -> Self {
        self.with(|node| node.mode = Some(mode))
    }

    #[must_use]
    pub fn owner(self, uid: u32, gid: u32) -> Self {
        self.with(|node| (node.uid, node.gid) = (uid, gid))
    }

    #[must_use]
    pub fn flags(self, flags: u8) -> Self {
        self.with(|node| node.flags = flags)
    }

    #[must_use]
    pub fn identifier(self, bytes: &[u8]) -> Self {
        self.with(|node| node.identifier = Some(bytes.to_vec()))
    }

    #[must_use]
    pub fn rock_name(self, bytes: &[u8]) -> Self {
        self.with(|node| node.rock_name = Some(bytes.to_vec()))
    }

    #[must_use]
    pub fn entry(self, bytes: &[u8]) -> Self {
        self.with(|node| node.entries.push(bytes.to_vec()))
    }

    #[must_use]
    pub fn sections(self, sizes: &[u64]) -> Self {
        self.with(|node| node.sections = sizes.to_vec())
    }

    #[must_use]
    pub fn interleaved(self, unit: u8, gap: u8) -> Self {
        self.with(|node| (node.unit, node.gap) = (unit, gap))
    }

    #[must_use]
    pub fn times(self, times: &[(u8, i64)]) -> Self {
        self.with(|node| node.times = times.to_vec())
    }

    #[must_use]
    pub fn zisofs(self, version: Version, shift: u8) -> Self {
        self.with(|node| node.zisofs = Some(Zisofs { version, shift }))
    }

    #[must_use]
    pub fn continuation(self, continuation: Continuation) -> Self {
        self.with(|node| node.continuation = continuation)
    }

    #[must_use]
    pub fn relocated(self) -> Self {
        self.with(|node| node.relocated = true)
    }

    pub fn is_dir(&self) -> bool {
        matches!(self.kind, Kind::Directory)
    }

    /// The st_mode that PX says.
    pub fn st_mode(&self) -> u32 {
        let (kind, permissions) = match self.kind {
            Kind::Directory => (0o040_000, 0o755),
            Kind::File(_) => (0o100_000, 0o644),
            Kind::Link(_) => (0o120_000, 0o777),
            Kind::Fifo => (0o010_000, 0o644),
            Kind::Socket => (0o140_000, 0o755),
            Kind::Device { block: true, .. } => (0o060_000, 0o600),
            Kind::Device { block: false, .. } => (0o020_000, 0o600),
        };
        self.mode.map_or(kind | permissions, |mode| if mode & 0o170_000 == 0 { kind | mode } else { mode })
    }

    /// What a reader shows of a file.
    pub fn shown(&self) -> Vec<u8> {
        match &self.kind {
            Kind::File(content) => content.bytes(),
            _ => Vec::new(),
        }
    }

    /// What is recorded of a file.
    pub fn stored(&self) -> Content {
        match &self.kind {
            Kind::File(content) => match (self.zisofs, self.sparse) {
                (Some(zisofs), _) => Content::Bytes(zisofs.compress(&content.bytes())),
                (None, Some(depth)) => Content::Bytes(self.sparse_form(content, depth).recorded),
                (None, None) => content.clone(),
            },
            _ => Content::Bytes(Vec::new()),
        }
    }

    pub fn sparse_form(&self, content: &Content, depth: u8) -> super::sparse::Sparse {
        let whole;
        let marks = match content {
            Content::Holes { marks, .. } => marks,
            other => {
                whole = vec![(0, other.bytes())];
                &whole
            }
        };
        super::sparse::sparse(content.len(), marks, (depth > 0).then_some(depth))
    }

    /// The time that the directory record itself holds.
    pub fn record_time(&self) -> i64 {
        let modified = self.times.iter().find(|(bit, _)| *bit == 1);
        self.recorded.or(modified.map(|(_, time)| *time)).unwrap_or(TIME)
    }
}
