//! A small file system in memory, with whatever may be wrong with one, for the tests of the commands.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::notes::Notes;
use crate::source::{Segment, SharedSource, Source};
use crate::time::Timestamp;
use crate::tree::Tree;
use crate::volume::{
    Attribute, Device, Directory, DirectoryBuilder, FileType, NameMatch, Node, NodeId, Times, Volume, VolumeInfo,
};

/// A body with holes and bad sectors.
#[derive(Debug, Clone)]
pub struct Body {
    bytes: Vec<u8>,
    bad: Vec<Range<u64>>,
    holes: Vec<Range<u64>>,
}

impl Body {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, bad: Vec::new(), holes: Vec::new() }
    }

    pub fn bad(mut self, range: Range<u64>) -> Self {
        self.bad.push(range);
        self
    }

    pub fn hole(mut self, range: Range<u64>) -> Self {
        self.bytes[range.start as usize..range.end as usize].fill(0);
        self.holes.push(range);
        self
    }
}

impl Source for Body {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset + buffer.len() as u64;
        if self.bad.iter().any(|bad| offset < bad.end && bad.start < end) {
            return Err(io::Error::from_raw_os_error(libc::EIO));
        }
        let bytes = self.bytes.get(offset as usize..end as usize).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn segment(&self, offset: u64) -> Segment {
        if let Some(hole) = self.holes.iter().find(|hole| hole.contains(&offset)) {
            return Segment::Hole { end: hole.end };
        }
        let end = self.holes.iter().map(|hole| hole.start).filter(|start| *start > offset).min();
        Segment::Data { end: end.unwrap_or(self.len()) }
    }
}

#[derive(Debug)]
struct File {
    node: Node,
    parent: NodeId,
    entries: Vec<(Vec<u8>, NodeId, FileType)>,
    body: Option<Body>,
    target: Vec<u8>,
}

/// The volume: node 1 is the root; entries are added by path of numbers, names may be anything.
#[derive(Debug)]
pub struct TestVolume {
    info: VolumeInfo,
    files: BTreeMap<NodeId, File>,
    notes: Notes,
}

pub fn id(number: u64) -> NodeId {
    NodeId::new(number).unwrap()
}

impl Default for TestVolume {
    fn default() -> Self {
        let info = VolumeInfo { label: "TEST".to_owned(), block_size: 2048, blocks: 16, ..VolumeInfo::default() };
        let mut volume = Self { info, files: BTreeMap::new(), notes: Notes::default() };
        volume.put(1, 1, FileType::Directory);
        volume
    }
}

impl TestVolume {
    fn put(&mut self, number: u64, parent: u64, kind: FileType) -> &mut File {
        let node = Node {
            id: id(number),
            kind,
            size: 0,
            recorded: 0,
            permissions: Some(if kind == FileType::Directory { 0o755 } else { 0o644 }),
            uid: Some(7),
            gid: Some(8),
            links: Some(1),
            device: Device::default(),
            times: Times { modified: Some(Timestamp { seconds: 1_714_737_600, nanoseconds: 5 }), ..Times::default() },
        };
        let file = File { node, parent: id(parent), entries: Vec::new(), body: None, target: Vec::new() };
        self.files.insert(id(number), file);
        self.files.get_mut(&id(number)).unwrap()
    }

    /// A name of a node that there is already, or that there never will be.
    pub fn name(&mut self, parent: u64, name: &[u8], number: u64, kind: FileType) {
        self.files.get_mut(&id(parent)).unwrap().entries.push((name.to_vec(), id(number), kind));
    }

    pub fn add(&mut self, parent: u64, name: &[u8], number: u64, kind: FileType) -> &mut Node {
        self.name(parent, name, number, kind);
        &mut self.put(number, parent, kind).node
    }

    pub fn file(&mut self, parent: u64, name: &[u8], number: u64, body: Body) -> &mut Node {
        self.name(parent, name, number, FileType::Regular);
        let file = self.put(number, parent, FileType::Regular);
        file.node.size = body.len();
        file.body = Some(body);
        &mut file.node
    }

    pub fn link(&mut self, parent: u64, name: &[u8], number: u64, target: &[u8]) {
        self.name(parent, name, number, FileType::SymbolicLink);
        let file = self.put(number, parent, FileType::SymbolicLink);
        file.node.size = target.len() as u64;
        file.target = target.to_vec();
    }

    pub fn node_mut(&mut self, number: u64) -> &mut Node {
        &mut self.files.get_mut(&id(number)).unwrap().node
    }

    pub fn tree(self) -> Tree {
        Tree::new(Box::new(self))
    }

    fn get(&self, id: NodeId) -> Result<&File> {
        self.files.get(&id).ok_or_else(|| Error::damaged(id.get() * 2048, "ECMA-119 9.1", "no such record"))
    }
}

impl Volume for TestVolume {
    fn info(&self) -> &VolumeInfo {
        &self.info
    }

    fn root(&self) -> NodeId {
        id(1)
    }

    fn node(&self, id: NodeId) -> Result<Node> {
        Ok(self.get(id)?.node.clone())
    }

    fn parent(&self, directory: NodeId) -> Result<NodeId> {
        Ok(self.get(directory)?.parent)
    }

    fn read_dir(&self, directory: NodeId) -> Result<Directory> {
        let mut builder = DirectoryBuilder::default();
        for (name, id, kind) in &self.get(directory)?.entries {
            builder.push(name, *id, *kind);
        }
        Ok(builder.finish(NameMatch::Exact, |_, _| {}))
    }

    fn open(&self, file: NodeId) -> Result<SharedSource> {
        Ok(Arc::new(self.get(file)?.body.clone().ok_or(Error::IsADirectory)?))
    }

    fn read_link(&self, link: NodeId) -> Result<Vec<u8>> {
        Ok(self.get(link)?.target.clone())
    }

    fn attributes(&self, _id: NodeId) -> Result<Vec<Attribute>> {
        Ok(Vec::new())
    }

    fn has_attributes(&self) -> bool {
        false
    }

    fn notes(&self) -> &Notes {
        &self.notes
    }
}
