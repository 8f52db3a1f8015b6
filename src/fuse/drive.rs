//! The answers to the kernel's requests, from a [`Tree`].
//!
//! `open` and `opendir` answer ENOSYS, so the kernel stops asking and there are no handles; `forget` needs no
//! answer because node numbers are places on the disc; time-outs are as good as infinite because a disc does
//! not change.

use std::os::fd::AsFd;
use std::sync::Arc;

use nix::errno::Errno;

use super::attr::{FOREVER, Inodes, NEVER, Packer};
use super::count::Counter;
use super::gifts::Gifts;
use super::reply::{Reply, errno_of};
use super::request::{Operation, Range, Request};
use super::survey::Survey;
use crate::error::{Error, Result};
use crate::limits::MAX_NAME;
use crate::source::Segment;
use crate::tree::{Presentation, Shown, Tree};
use crate::volume::{Attribute, Directory, FileType, NodeId};

/// Bytes of an entry of a READDIRPLUS answer without its name: `fuse_entry_out` and `fuse_dirent`.
const ENTRY_PLUS: usize = 128 + 24;
const ENTRY: usize = 24;

/// What an event loop uses again and again.
#[derive(Debug, Default)]
pub struct Scratch {
    packer: Packer,
    /// For bodies that can't be lent; as large as the largest request.
    body: Vec<u8>,
}

/// Whether there will be more requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Request,
    End,
}

#[derive(Debug)]
pub struct Drive {
    tree: Arc<Tree>,
    presentation: Presentation,
    inodes: Inodes,
    counter: Counter,
    survey: Survey,
    gifts: Option<Gifts>,
}

fn errno(error: &Error) -> Errno {
    Errno::from_raw(error.errno())
}

impl Drive {
    pub fn new(tree: Arc<Tree>, presentation: Presentation, gifts: Option<Gifts>) -> Self {
        let inodes = Inodes { root: tree.root() };
        Self { tree, presentation, inodes, counter: Counter::default(), survey: Survey::default(), gifts }
    }

    /// Answers a request.
    pub fn answer<D: AsFd>(&self, request: &Request<'_>, reply: Reply<'_, D>, scratch: &mut Scratch) -> Next {
        scratch.packer.clear();
        let inode = request.inode;
        let packer = &mut scratch.packer;
        let done = match request.operation {
            Operation::Forget => return Next::Request,
            Operation::Destroy => {
                reply.data(&[]);
                return Next::End;
            }
            Operation::Read(range) => {
                self.read(inode, range, reply, &mut scratch.body);
                return Next::Request;
            }
            Operation::Lookup { name } => self.lookup(inode, name, packer),
            Operation::GetAttr => self.shown(inode).map(|shown| {
                packer.attributes(&shown, inode);
            }),
            Operation::Statx => self.shown(inode).map(|shown| {
                packer.statx(&shown, inode);
            }),
            Operation::ReadLink => self.read_link(inode, packer),
            Operation::ReadDir(range) => self.read_dir(inode, range, false, packer),
            Operation::ReadDirPlus(range) => self.read_dir(inode, range, true, packer),
            Operation::StatFs => {
                self.stat_fs(packer);
                Ok(())
            }
            Operation::GetXattr { name, size } => self.get_xattr(inode, name, size, packer),
            Operation::ListXattr { size } => self.list_xattr(inode, size, packer),
            Operation::Seek { offset, whence } => self.seek(inode, offset, whence).map(|found| {
                packer.u64(found);
            }),
            Operation::Unsupported => Err(Errno::ENOSYS),
            Operation::Writing => Err(Errno::EROFS),
            Operation::Malformed => {
                log::warn!("the kernel sent a request that can't be read: EIO");
                Err(Errno::EIO)
            }
        };
        match done {
            Ok(()) => reply.data(packer.bytes()),
            Err(errno) => reply.error(errno),
        }
        Next::Request
    }

    fn node_id(&self, inode: u64) -> Result<NodeId> {
        self.inodes.node(inode).ok_or(Error::Stale)
    }

    fn shown_node(&self, id: NodeId) -> Result<Shown> {
        self.tree.node(id).map(|node| self.presentation.show(&node))
    }

    fn shown(&self, inode: u64) -> Result<Shown, Errno> {
        self.node_id(inode).and_then(|id| self.shown_node(id)).map_err(|error| errno(&error))
    }

    fn lookup(&self, parent: u64, name: &[u8], packer: &mut Packer) -> Result<(), Errno> {
        // The kernel lets names of up to 1024 bytes through to FUSE.
        if name.len() > MAX_NAME {
            return Err(Errno::ENAMETOOLONG);
        }
        match self.find(parent, name) {
            Ok(shown) => {
                packer.entry(&shown, self.inodes.inode(shown.id), FOREVER);
                Ok(())
            }
            Err(Error::NotFound) => {
                packer.bare_entry(0, FOREVER);
                Ok(())
            }
            Err(error) => Err(errno(&error)),
        }
    }

    fn find(&self, parent: u64, name: &[u8]) -> Result<Shown> {
        let parent = self.node_id(parent)?;
        // Look-ups of "." and ".." come from file handles (export), not from paths.
        let id = match name {
            b"." => parent,
            b".." => self.tree.parent(parent)?,
            name => self.tree.lookup(parent, name)?,
        };
        self.shown_node(id)
    }

    fn read_link(&self, inode: u64, packer: &mut Packer) -> Result<(), Errno> {
        let target = self.node_id(inode).and_then(|id| self.tree.read_link(id)).map_err(|error| errno(&error))?;
        packer.raw(&target);
        Ok(())
    }

    fn read<D: AsFd>(&self, inode: u64, range: Range, reply: Reply<'_, D>, buffer: &mut Vec<u8>) {
        let found = self.node_id(inode).and_then(|id| Ok((id, self.tree.file(id)?)));
        let (id, body) = match found {
            Ok(found) => found,
            Err(error) => return reply.error(errno(&error)),
        };
        if let Some(gifts) = &self.gifts {
            gifts.asked(id, body.len());
        }
        let end = range.offset.saturating_add(u64::from(range.size)).min(body.len());
        if range.offset >= end {
            return reply.data(&[]);
        }
        if let Some(lent) = body.lend(range.offset..end) {
            return reply.data(lent.for_syscall());
        }
        let Ok(length) = usize::try_from(end - range.offset) else { return reply.error(Errno::EINVAL) };
        if buffer.len() < length {
            buffer.resize(length, 0);
        }
        let Some(buffer) = buffer.get_mut(..length) else { return reply.error(Errno::EIO) };
        match body.read_exact_at(buffer, range.offset) {
            Ok(()) => reply.data(buffer),
            Err(error) => reply.error(errno_of(&error)),
        }
    }

    /// The entry at a position: `.`, `..`, and then those of the directory.
    fn entry<'a>(&self, directory: &'a Directory, id: NodeId, position: u64) -> Option<(NodeId, FileType, &'a [u8])> {
        match position {
            0 => Some((id, FileType::Directory, b".")),
            1 => Some((self.tree.parent(id).unwrap_or(id), FileType::Directory, b"..")),
            _ => {
                let entry = directory.get(usize::try_from(position.checked_sub(2)?).ok()?)?;
                Some((entry.id, entry.kind, entry.name))
            }
        }
    }

    fn read_dir(&self, inode: u64, range: Range, plus: bool, packer: &mut Packer) -> Result<(), Errno> {
        let found = self.node_id(inode).and_then(|id| Ok((id, self.tree.directory(id)?)));
        let (id, directory) = found.map_err(|error| errno(&error))?;
        let room = usize::try_from(range.size).unwrap_or(usize::MAX);
        let fixed = if plus { ENTRY_PLUS } else { ENTRY };
        let mut position = range.offset;
        while let Some((entry, kind, name)) = self.entry(&directory, id, position) {
            position += 1;
            if packer.len() + (fixed + name.len()).next_multiple_of(8) > room {
                break;
            }
            let inode = self.inodes.inode(entry);
            if plus {
                let kind = self.entry_plus(entry, inode, kind, name, packer);
                packer.dirent(inode, position, kind, name);
            } else {
                // A directory of UDF does not tell symbolic links and devices from files.
                let kind = self.tree.node(entry).map_or(kind, |node| node.kind);
                packer.dirent(inode, position, kind, name);
            }
        }
        if let Some(gifts) = self.gifts.as_ref().filter(|_| plus) {
            gifts.listed(id, &directory);
        }
        Ok(())
    }

    /// The attributes that go before an entry; what kind of file it is.
    fn entry_plus(&self, id: NodeId, inode: u64, kind: FileType, name: &[u8], packer: &mut Packer) -> FileType {
        if matches!(name, b"." | b"..") {
            // The kernel takes no attributes from these.
            packer.bare_entry(0, NEVER);
            return kind;
        }
        match self.shown_node(id) {
            Ok(shown) => {
                packer.entry(&shown, inode, FOREVER);
                shown.kind
            }
            // A file whose attributes can't be had is listed all the same, without them; whoever asks for them
            // gets the error.
            Err(_) => {
                packer.bare_entry(0, NEVER);
                kind
            }
        }
    }

    fn stat_fs(&self, packer: &mut Packer) {
        let info = self.tree.info();
        let name_length = u32::try_from(MAX_NAME).unwrap_or(u32::MAX);
        let files = self.counter.count(&self.tree);
        packer.u64(info.blocks).u64(0).u64(0).u64(files).u64(0);
        packer.u32(info.block_size).u32(name_length).u32(info.block_size).zeros(28);
    }

    /// ENOSYS makes the kernel never ask again, on discs that have none.
    fn extended_attributes(&self, inode: u64) -> Result<Vec<Attribute>, Errno> {
        if self.survey.knows_of_none(&self.tree) {
            return Err(Errno::ENOSYS);
        }
        self.node_id(inode).and_then(|id| self.tree.attributes(id)).map_err(|error| errno(&error))
    }

    fn get_xattr(&self, inode: u64, name: &[u8], size: u32, packer: &mut Packer) -> Result<(), Errno> {
        let attributes = self.extended_attributes(inode)?;
        let found = attributes.iter().find(|attribute| attribute.name == name).ok_or(Errno::ENODATA)?;
        sized(&found.value, size, packer)
    }

    fn list_xattr(&self, inode: u64, size: u32, packer: &mut Packer) -> Result<(), Errno> {
        let attributes = self.extended_attributes(inode)?;
        let names: Vec<u8> = attributes.iter().flat_map(|found| [&found.name[..], &[0]].concat()).collect();
        sized(&names, size, packer)
    }

    /// SEEK_DATA and SEEK_HOLE.
    fn seek(&self, inode: u64, offset: u64, whence: u32) -> Result<u64, Errno> {
        let body = self.node_id(inode).and_then(|id| self.tree.file(id)).map_err(|error| errno(&error))?;
        let wants_hole = match i32::try_from(whence) {
            Ok(libc::SEEK_DATA) => false,
            Ok(libc::SEEK_HOLE) => true,
            _ => return Err(Errno::EINVAL),
        };
        let mut at = offset;
        while at < body.len() {
            let (hole, end) = match body.segment(at) {
                Segment::Data { end } => (false, end),
                Segment::Hole { end } => (true, end),
            };
            if hole == wants_hole {
                return Ok(at);
            }
            at = end.max(at + 1);
        }
        // The end of a file counts as a hole, for whoever is before it.
        if wants_hole && offset < body.len() { Ok(body.len()) } else { Err(Errno::ENXIO) }
    }
}

/// The answer to a caller with a buffer of `size` bytes; 0 asks how many there are.
fn sized(bytes: &[u8], size: u32, packer: &mut Packer) -> Result<(), Errno> {
    match u32::try_from(bytes.len()) {
        Ok(length) if size == 0 => packer.u32(length).u32(0),
        Ok(length) if length <= size => packer.raw(bytes),
        _ => return Err(Errno::ERANGE),
    };
    Ok(())
}
