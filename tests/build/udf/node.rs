//! The files and directories of an image, and everything that can be odd about one.

use super::allocation::{Form, Run};
use super::text::Name;
use super::time::{Stamp, TIME};
use crate::build::content::Content;

#[derive(Debug, Clone)]
pub enum Kind {
    Directory,
    File(Content),
    /// ECMA-167 4/14.16: the path components are made from the text.
    Link(String),
    Fifo,
    Socket,
    Device {
        block: bool,
        major: u32,
        minor: u32,
    },
    /// One more name of the node with this path.
    Hard(String),
}

/// ECMA-167 4/14.4.3: characteristics of a file identifier descriptor.
pub mod characteristic {
    pub const HIDDEN: u8 = 1;
    pub const DIRECTORY: u8 = 2;
    pub const DELETED: u8 = 4;
    pub const PARENT: u8 = 8;
    pub const METADATA: u8 = 16;
}

/// ECMA-167 4/14.4: what is odd about the file identifier descriptor that names a node.
#[derive(Debug, Clone, Default)]
pub struct Fid {
    /// Besides those that are due.
    pub characteristics: u8,
    /// UDF 2.3.4.6: bytes before the identifier.
    pub implementation_use: Vec<u8>,
    /// The node is gone: the descriptor's ICB is zero.
    pub gone: bool,
}

#[derive(Debug, Clone)]
pub struct Node {
    /// The last part of its path.
    pub name: String,
    pub kind: Kind,
    pub children: Vec<Node>,
    /// In place of the name's text.
    pub identifier: Option<Name>,
    /// What a mount shows in place of the name; `None`: the name.
    pub shown: Option<String>,
    pub fid: Fid,
    /// ECMA-167 4/14.6.6.
    pub file_type: Option<u8>,
    pub extended: Option<bool>,
    /// 4 or 4096.
    pub strategy: Option<u16>,
    /// Strategy 4096: entries that later ones replace.
    pub older: u32,

    pub form: Option<Form>,
    /// The extents of the body; what they lack of it is not recorded.
    pub runs: Vec<Run>,
    /// Descriptors in the ICB and in each allocation extent, at most.
    pub most_ads: Option<usize>,
    /// A descriptor of length 0 ends the list, and senseless ones follow.
    pub ended: bool,
    /// References of the partitions for its ICB and its extents.
    pub partition: Option<u16>,
    pub data_partition: Option<u16>,
    /// A directory: the parent's descriptor stands at the end.
    pub parent_last: bool,

    pub mode: u32,
    pub permissions: Option<u32>,
    /// ICB flags besides those that are due.
    pub flags: u16,
    pub uid: u32,
    pub gid: u32,
    pub links: Option<u16>,
    /// Access, modification, attributes, creation.
    pub times: [Stamp; 4],
    pub attributes: Vec<Vec<u8>>,
    pub streams: Vec<(Name, Content)>,
    /// ECMA-167 4/14.16.1: component types and identifiers, in place of those of the target.
    pub components: Option<Vec<(u8, Vec<u8>)>>,
}

impl Node {
    fn of(kind: Kind, mode: u32) -> Self {
        Self {
            name: String::new(),
            kind,
            children: Vec::new(),
            identifier: None,
            shown: None,
            fid: Fid::default(),
            file_type: None,
            extended: None,
            strategy: None,
            older: 0,
            form: None,
            runs: Vec::new(),
            most_ads: None,
            ended: false,
            partition: None,
            data_partition: None,
            parent_last: false,
            mode,
            permissions: None,
            flags: 0,
            uid: 0,
            gid: 0,
            links: None,
            times: [
                Stamp::new(TIME).micros(1),
                Stamp::new(TIME + 1).micros(234_567),
                Stamp::new(TIME + 2).micros(999_999),
                Stamp::new(TIME - 3),
            ],
            attributes: Vec::new(),
            streams: Vec::new(),
            components: None,
        }
    }

    pub fn dir() -> Self {
        Self::of(Kind::Directory, 0o755)
    }

    pub fn file(content: Content) -> Self {
        Self::of(Kind::File(content), 0o644)
    }

    pub fn text(text: &str) -> Self {
        Self::file(Content::Bytes(text.as_bytes().to_vec()))
    }

    /// Bytes that differ from place to place; `seed` tells files apart.
    pub fn pattern(seed: u64, len: u64) -> Self {
        Self::file(Content::Pattern { seed, len })
    }

    pub fn link(target: &str) -> Self {
        Self::of(Kind::Link(target.to_owned()), 0o777)
    }

    pub fn hard(path: &str) -> Self {
        Self::of(Kind::Hard(path.to_owned()), 0)
    }

    pub fn fifo() -> Self {
        Self::of(Kind::Fifo, 0o600)
    }

    pub fn socket() -> Self {
        Self::of(Kind::Socket, 0o700)
    }

    pub fn device(block: bool, major: u32, minor: u32) -> Self {
        Self::of(Kind::Device { block, major, minor }, 0o660)
    }

    /// Any change that has no method of its own.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    #[must_use]
    pub fn mode(self, mode: u32) -> Self {
        self.with(|node| node.mode = mode)
    }

    #[must_use]
    pub fn owner(self, uid: u32, gid: u32) -> Self {
        self.with(|node| (node.uid, node.gid) = (uid, gid))
    }

    #[must_use]
    pub fn form(self, form: Form) -> Self {
        self.with(|node| node.form = Some(form))
    }

    #[must_use]
    pub fn runs(self, runs: &[Run]) -> Self {
        self.with(|node| node.runs = runs.to_vec())
    }

    /// An extent for every `blocks` blocks, and a hole in the partition behind each.
    #[must_use]
    pub fn fragments(self, bytes: u64) -> Self {
        self.with(|node| {
            let mut rest = node.len();
            while rest > 0 {
                node.runs.extend([Run::Recorded(rest.min(bytes)), Run::Gap(1)]);
                rest = rest.saturating_sub(bytes);
            }
        })
    }

    /// What holds no mark is not allocated (extent type 2), in whole blocks.
    #[must_use]
    pub fn sparse(self, block: u64) -> Self {
        self.with(|node| {
            let Kind::File(Content::Holes { len, marks }) = &node.kind else { panic!("only holes can be sparse") };
            let mut at = 0;
            for (start, mark) in marks {
                let (from, to) = (start / block * block, (start + mark.len() as u64).next_multiple_of(block).min(*len));
                if from > at {
                    node.runs.push(Run::Unallocated(from - at));
                }
                let from = from.max(at);
                if to > from {
                    node.runs.push(Run::Recorded(to - from));
                }
                at = to.max(at);
            }
            if *len > at {
                node.runs.push(Run::Unallocated(len - at));
            }
        })
    }

    #[must_use]
    pub fn most_ads(self, most: usize) -> Self {
        self.with(|node| node.most_ads = Some(most))
    }

    /// Another identifier, and what a mount shows for it.
    #[must_use]
    pub fn named(self, identifier: Name, shown: &str) -> Self {
        self.with(|node| (node.identifier, node.shown) = (Some(identifier), Some(shown.to_owned())))
    }

    #[must_use]
    pub fn characteristics(self, bits: u8) -> Self {
        self.with(|node| node.fid.characteristics |= bits)
    }

    #[must_use]
    pub fn times(self, times: [Stamp; 4]) -> Self {
        self.with(|node| node.times = times)
    }

    #[must_use]
    pub fn attribute(self, attribute: Vec<u8>) -> Self {
        self.with(|node| node.attributes.push(attribute))
    }

    #[must_use]
    pub fn stream(self, name: &str, content: &[u8]) -> Self {
        self.with(|node| node.streams.push((Name::Text(name.into()), Content::Bytes(content.to_vec()))))
    }

    pub fn is_dir(&self) -> bool {
        matches!(self.kind, Kind::Directory)
    }

    /// A mount does not list it unless it is told to.
    pub fn is_hidden(&self) -> bool {
        self.fid.characteristics & (characteristic::HIDDEN | characteristic::DELETED) != 0
    }

    /// The length of a file's body.
    pub fn len(&self) -> u64 {
        match &self.kind {
            Kind::File(content) => content.len(),
            _ => 0,
        }
    }

    pub fn recorded_name(&self) -> Vec<u8> {
        self.identifier.clone().unwrap_or_else(|| Name::Text(self.name.clone())).recorded()
    }

    pub fn shown_name(&self) -> &str {
        self.shown.as_deref().unwrap_or(&self.name)
    }
}
