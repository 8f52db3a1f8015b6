//! An image to be: its tree and what is the same for all of it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::descriptor::Descriptor;
use super::layout::Layout;
use super::node::Node;
use super::tree;

/// Which Rock Ridge an image says it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rock {
    /// RRIP_1991A with the RR entry.
    V1_09,
    /// RRIP_1991A.
    V1_10,
    /// IEEE_P1282, with serial numbers in PX.
    V1_12,
    /// The same, named IEEE_1282.
    Ieee1282,
}

#[derive(Debug, Clone)]
pub struct Image {
    pub root: Node,
    pub block_size: u32,
    pub volume_id: String,
    pub rock: Option<Rock>,
    /// No ER entry, as some writers leave it out.
    pub without_er: bool,
    /// No SP entry.
    pub without_sp: bool,
    /// SP's LEN_SKP: as many bytes stand before the entries of every record but the root's ".".
    pub skip: u8,
    /// CD-ROM XA: 14 bytes before the entries of every record, and the mark in the descriptor.
    pub xa: bool,
    pub joliet: Option<u8>,
    pub joliet_id: Option<String>,
    /// ISO 9660:1999: an enhanced volume descriptor with a tree of long names.
    pub enhanced: bool,
    pub descriptors: Option<Vec<Descriptor>>,
    pub space_size: Option<u32>,
    /// The big-endian halves of both-endian fields are zero.
    pub little_only: bool,
    pub path_tables: bool,
    /// Directory records cross the ends of sectors (ECMA-119 6.8.1.1 forbids it).
    pub crossing: bool,
    /// The order of the tree instead of that of ECMA-119 9.3.
    pub unsorted: bool,
    /// Unused sectors at the end.
    pub padding: u64,
    pub created: i64,
    pub patches: Vec<(u64, Vec<u8>)>,
    pub truncate: Option<u64>,
}

impl Default for Image {
    fn default() -> Self {
        Self::new()
    }
}

impl Image {
    pub fn new() -> Self {
        Self {
            root: Node::dir(),
            block_size: 2048,
            volume_id: "VOLUME".into(),
            rock: None,
            without_er: false,
            without_sp: false,
            skip: 0,
            xa: false,
            joliet: None,
            joliet_id: None,
            enhanced: false,
            descriptors: None,
            space_size: None,
            little_only: false,
            path_tables: true,
            crossing: false,
            unsorted: false,
            padding: 0,
            created: super::node::TIME,
            patches: Vec::new(),
            truncate: None,
        }
    }

    /// Any change that has no method of its own.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    #[must_use]
    pub fn rock_ridge(self, rock: Rock) -> Self {
        self.with(|image| image.rock = Some(rock))
    }

    #[must_use]
    pub fn joliet(self, level: u8) -> Self {
        self.with(|image| image.joliet = Some(level))
    }

    #[must_use]
    pub fn block_size(self, size: u32) -> Self {
        self.with(|image| image.block_size = size)
    }

    #[must_use]
    pub fn descriptors(self, list: Vec<Descriptor>) -> Self {
        self.with(|image| image.descriptors = Some(list))
    }

    /// Adds a node; directories on the way come to be.  "/" changes the root.
    #[must_use]
    pub fn add(mut self, path: &str, mut node: Node) -> Self {
        let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let Some(name) = parts.pop() else {
            node.children = std::mem::take(&mut self.root.children);
            self.root = node;
            return self;
        };
        let mut dir = &mut self.root;
        for part in parts {
            let at = dir.children.iter().position(|child| child.name == part && child.is_dir());
            let at = at.unwrap_or_else(|| {
                dir.children.push(Node::dir().with(|new| new.name = part.into()));
                dir.children.len() - 1
            });
            dir = &mut dir.children[at];
        }
        node.name = name.into();
        match dir.children.iter_mut().find(|child| child.name == name && child.is_dir() && node.is_dir()) {
            Some(there) => {
                node.children = std::mem::take(&mut there.children);
                *there = node;
            }
            None => dir.children.push(node),
        }
        self
    }

    /// Bytes to be written over the finished image.
    #[must_use]
    pub fn patch(self, offset: u64, bytes: &[u8]) -> Self {
        self.with(|image| image.patches.push((offset, bytes.to_vec())))
    }

    /// Patches that are computed from where things lie.
    #[must_use]
    pub fn patched(self, patches: impl FnOnce(&Layout) -> Vec<(u64, Vec<u8>)>) -> Self {
        let list = patches(&self.layout());
        self.with(|image| image.patches.extend(list))
    }

    /// Cuts the finished image.
    #[must_use]
    pub fn truncate(self, len: u64) -> Self {
        self.with(|image| image.truncate = Some(len))
    }

    pub fn layout(&self) -> Layout {
        tree::plan(self).layout
    }

    pub fn write(&self, path: &Path) -> io::Result<Layout> {
        let mut file = File::create(path)?;
        self.record(&mut file)
    }

    /// The image in memory; only for small ones.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.record(&mut bytes).expect("memory takes everything");
        bytes
    }

    fn record(&self, sink: &mut dyn Sink) -> io::Result<Layout> {
        let plan = tree::plan(self);
        sink.size(plan.layout.len)?;
        tree::record(self, &plan, sink)?;
        for (offset, bytes) in &self.patches {
            sink.put(*offset, bytes)?;
        }
        if let Some(len) = self.truncate {
            sink.size(len)?;
        }
        Ok(plan.layout)
    }
}

/// What an image is written to; bytes that nobody puts are zeros.
pub trait Sink {
    fn size(&mut self, len: u64) -> io::Result<()>;
    fn put(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;
}

impl Sink for File {
    fn size(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }

    fn put(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }
}

impl Sink for Vec<u8> {
    fn size(&mut self, len: u64) -> io::Result<()> {
        self.resize(len as usize, 0);
        Ok(())
    }

    fn put(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let end = offset as usize + bytes.len();
        if self.len() < end {
            self.resize(end, 0);
        }
        self[offset as usize..end].copy_from_slice(bytes);
        Ok(())
    }
}
