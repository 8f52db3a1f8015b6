//! The answers to the kernel's requests, from a [`Tree`].
//!
//! `open` and `opendir` answer ENOSYS, so the kernel stops asking and there are no handles (but for `open` where the
//! kernel is to read large files by itself); `forget` needs no
//! answer because node numbers are places on the disc; time-outs are as good as infinite because a disc does
//! not change. What does change is the root of a library: there time-outs are short, and directories are opened.

use std::borrow::Cow;
use std::fs::File;
use std::os::fd::AsFd;
use std::sync::Arc;

use nix::errno::Errno;

use super::ahead::Ahead;
use super::attr::{A_MOMENT, Inode, Inodes, NEVER, Packer};
use super::count::Counter;
use super::gifts::Gifts;
use super::pages::Pages;
use super::passthrough::Passthrough;
use super::reply::{Reply, errno_of};
use super::request::{Operation, Range, Request};
use super::survey::Survey;
use super::thrift::Thrift;
use crate::error::{Error, Result};
use crate::limits::MAX_NAME;
use crate::source::Segment;
use crate::sys;
use crate::tree::{Presentation, Shown, Tree};
use crate::volume::{Attribute, Directory, FileType, NodeId, Parts};

/// Bytes of an entry of a READDIRPLUS answer without its name: `fuse_entry_out` and `fuse_dirent`.
const ENTRY_PLUS: usize = 128 + 24;
const ENTRY: usize = 24;
/// Bytes of the smallest answer that comes straight from the memory map.
const LEAST_LENT: u64 = 64 * 1024;

/// What an event loop uses again and again.
#[derive(Debug, Default)]
pub struct Scratch {
    packer: Packer,
    body: Pages,
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
    attributes: Survey,
    birth_times: Survey,
    gifts: Gifts,
    ahead: Ahead,
    thrift: Thrift,
    /// Files that the kernel reads by itself, and the image that it reads them from.
    passthrough: Option<(Arc<Passthrough>, File)>,
    /// How long the kernel may remember names and attributes, in seconds.
    valid: u64,
}

fn errno(error: &Error) -> Errno {
    Errno::from_raw(error.errno())
}

impl Drive {
    /// `memory`: /proc/meminfo.
    pub fn new(
        tree: Arc<Tree>,
        presentation: Presentation,
        inodes: Inodes,
        gifts: Gifts,
        memory: Option<Arc<File>>,
        valid: u64,
    ) -> Self {
        let size = tree.info().blocks.saturating_mul(tree.info().block_size.into());
        Self {
            tree,
            presentation,
            inodes,
            counter: Counter::default(),
            attributes: Survey::of_attributes(),
            birth_times: Survey::of_birth_times(),
            gifts,
            ahead: Ahead::default(),
            thrift: Thrift::new(memory, size),
            passthrough: None,
            valid,
        }
    }

    /// Has the kernel read large files by itself. `image`: where their data are.
    #[must_use]
    pub fn passing_through(mut self, passthrough: Option<(Arc<Passthrough>, File)>) -> Self {
        self.passthrough = passthrough;
        self
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
                packer.attributes(&shown, self.inodes.inode(shown.id), self.valid(shown.id));
            }),
            Operation::Statx => self.statx(inode, packer),
            Operation::ReadLink => self.read_link(inode, packer),
            Operation::Open { flags } => self.open(inode, flags, packer),
            Operation::OpenDir => self.open_dir(inode, packer),
            Operation::Release | Operation::ReleaseDir => Ok(()),
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

    /// The kernel asks this where a birth time is wanted. After ENOSYS it asks for what else there is, where it does
    /// not have that already.
    fn statx(&self, inode: u64, packer: &mut Packer) -> Result<(), Errno> {
        if self.birth_times.knows_of_none(&self.tree) {
            return Err(Errno::ENOSYS);
        }
        let shown = self.shown(inode)?;
        packer.statx(&shown, self.inodes.inode(shown.id), self.valid(shown.id));
        Ok(())
    }

    fn lookup(&self, parent: u64, name: &[u8], packer: &mut Packer) -> Result<(), Errno> {
        // The kernel lets names of up to 1024 bytes through to FUSE.
        if name.len() > MAX_NAME {
            return Err(Errno::ENAMETOOLONG);
        }
        match self.find(parent, name) {
            Ok(shown) => {
                packer.entry(&shown, self.inodes.inode(shown.id), self.valid(shown.id));
                Ok(())
            }
            Err(Error::NotFound) => {
                // Where images come and go what is absent may be there the next moment.
                let lasts = self.node_id(parent).is_ok_and(|parent| self.tree.lasts(parent));
                packer.bare_entry(0, if lasts { self.valid } else { NEVER });
                Ok(())
            }
            Err(error) => Err(errno(&error)),
        }
    }

    /// How many seconds the kernel needn't ask again.
    fn valid(&self, id: NodeId) -> u64 {
        if self.tree.lasts(id) { self.valid } else { A_MOMENT.min(self.valid) }
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

    fn read<D: AsFd>(&self, inode: u64, range: Range, reply: Reply<'_, D>, pages: &mut Pages) {
        let found = self.node_id(inode).and_then(|id| Ok((id, self.tree.file(id)?)));
        let (id, body) = match found {
            Ok(found) => found,
            Err(error) => return reply.error(errno(&error)),
        };
        self.gifts.asked(id, body.len());
        let end = range.offset.saturating_add(u64::from(range.size)).min(body.len());
        if range.offset >= end {
            return reply.data(&[]);
        }
        let place = body.in_file(range.offset);
        let mut once = false;
        if let Some(place) = &place {
            let goes_on = self.ahead.reads(place, end - range.offset);
            once = end - range.offset >= LEAST_LENT && self.thrift.is_due(end - range.offset) && goes_on;
            // Few bytes are copied sooner than they are mapped; and the kernel reads on a medium for who reads, far
            // better than for who waits in a map.
            if !once
                && end - range.offset >= LEAST_LENT
                && sys::is_resident(place.file, place.at)
                && sys::is_resident(place.file, place.at.saturating_add(end - 1 - range.offset))
                && let Some(lent) = body.lend(range.offset..end)
            {
                return reply.data(lent.for_syscall());
            }
        }
        let Ok(length) = usize::try_from(end - range.offset) else { return reply.error(Errno::EINVAL) };
        let buffer = match pages.of(length) {
            Ok(buffer) => buffer,
            Err(error) => return reply.error(errno_of(&error)),
        };
        match body.read_exact_at(buffer, range.offset) {
            Ok(()) => reply.data(buffer),
            Err(error) => return reply.error(errno_of(&error)),
        }
        if let Some(place) = place.filter(|_| once) {
            self.thrift.let_go(&place, place.len.min(end - range.offset));
        }
    }

    /// The kernel need never ask for leave to open a file, unless it is to read some by itself.
    fn open(&self, inode: u64, flags: u32, packer: &mut Packer) -> Result<(), Errno> {
        const KEEP_CACHE: u32 = 1 << 1;
        const NO_FLUSH: u32 = 1 << 5;
        const PASSTHROUGH: u32 = 1 << 7;
        let (passthrough, image) = self.passthrough.as_ref().ok_or(Errno::ENOSYS)?;
        let body = self.node_id(inode).and_then(|id| self.tree.file(id)).map_err(|error| errno(&error))?;
        let direct = flags & libc::O_DIRECT.cast_unsigned() != 0;
        match passthrough.backing(inode, &*body, image, direct)? {
            Some(number) => packer.u64(0).u32(PASSTHROUGH | NO_FLUSH).u32(number.cast_unsigned()),
            None => packer.u64(0).u32(KEEP_CACHE | NO_FLUSH).u32(0),
        };
        Ok(())
    }

    /// On a disc the kernel need never ask for leave to list a directory, and may keep what it was told. In a
    /// library it has to ask, for the root changes.
    fn open_dir(&self, inode: u64, packer: &mut Packer) -> Result<(), Errno> {
        const KEEP_CACHE: u32 = 1 << 1;
        const CACHE_DIR: u32 = 1 << 3;
        let parts = self.tree.parts().ok_or(Errno::ENOSYS)?;
        let id = self.node_id(inode).map_err(|error| errno(&error))?;
        let flags = if id == self.tree.root() {
            parts.refresh().map_err(|error| errno(&error))?;
            0
        } else {
            KEEP_CACHE | CACHE_DIR
        };
        packer.u64(0).u32(flags).u32(0);
        Ok(())
    }

    /// What a directory can be listed from.
    fn listing(&self, inode: u64) -> Result<(NodeId, Listing<'_>)> {
        let id = self.node_id(inode)?;
        Ok((
            id,
            match self.tree.parts() {
                Some(parts) if id == self.tree.root() => Listing::Parts(parts),
                _ => Listing::Directory(self.tree.directory(id)?),
            },
        ))
    }

    /// The entry at a position, or behind it: `.`, `..`, and then those of the directory.
    fn entry<'a>(&self, listing: &'a Listing<'_>, id: NodeId, position: u64) -> Option<Entry<'a>> {
        let entry = |id, name: &'static [u8]| {
            let name = Cow::Borrowed(name);
            Some(Entry { next: position + 1, id, kind: FileType::Directory, name })
        };
        match position {
            0 => entry(id, b"."),
            1 => entry(self.tree.parent(id).unwrap_or(id), b".."),
            _ => listing.entry(position - 2),
        }
    }

    fn read_dir(&self, inode: u64, range: Range, plus: bool, packer: &mut Packer) -> Result<(), Errno> {
        let (id, listing) = self.listing(inode).map_err(|error| errno(&error))?;
        let room = usize::try_from(range.size).unwrap_or(usize::MAX);
        let fixed = if plus { ENTRY_PLUS } else { ENTRY };
        let mut position = range.offset;
        while let Some(entry) = self.entry(&listing, id, position) {
            position = entry.next;
            if packer.len() + (fixed + entry.name.len()).next_multiple_of(8) > room {
                break;
            }
            let inode = self.inodes.inode(entry.id);
            if plus {
                let kind = self.entry_plus(entry.id, inode, entry.kind, &entry.name, packer);
                packer.dirent(inode.shown, position, kind, &entry.name);
            } else {
                // A directory of UDF does not tell symbolic links and devices from files.
                let kind = self.tree.node(entry.id).map_or(entry.kind, |node| node.kind);
                packer.dirent(inode.shown, position, kind, &entry.name);
            }
        }
        // Names may be missing, which a listing that just ends would not tell.
        if packer.len() == 0 && listing.has_gap() {
            return Err(Errno::EIO);
        }
        if let (true, Listing::Directory(directory)) = (plus, &listing) {
            self.gifts.listed(id, directory);
        }
        Ok(())
    }

    /// The attributes that go before an entry; what kind of file it is.
    fn entry_plus(&self, id: NodeId, inode: Inode, kind: FileType, name: &[u8], packer: &mut Packer) -> FileType {
        if matches!(name, b"." | b"..") {
            // The kernel takes no attributes from these.
            packer.bare_entry(0, NEVER);
            return kind;
        }
        match self.shown_node(id) {
            Ok(shown) => {
                packer.entry(&shown, inode, self.valid(shown.id));
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
        if self.attributes.knows_of_none(&self.tree) {
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

/// Where the entries of a directory come from.
enum Listing<'a> {
    Directory(Arc<Directory>),
    /// These come and go while they are listed, so their place in the listing is their number.
    Parts(&'a dyn Parts),
}

struct Entry<'a> {
    /// The position to go on from.
    next: u64,
    id: NodeId,
    kind: FileType,
    name: Cow<'a, [u8]>,
}

impl Listing<'_> {
    /// The entry at a position behind `.` and `..`.
    fn has_gap(&self) -> bool {
        matches!(self, Self::Directory(directory) if directory.gap().is_some())
    }

    fn entry(&self, position: u64) -> Option<Entry<'_>> {
        match self {
            Self::Directory(directory) => {
                let entry = directory.get(usize::try_from(position).ok()?)?;
                let name = Cow::Borrowed(entry.name);
                Some(Entry { next: position + 3, id: entry.id, kind: entry.kind, name })
            }
            Self::Parts(parts) => {
                let part = parts.after(position)?;
                let name = Cow::Owned(part.name);
                Some(Entry { next: part.number + 2, id: part.id, kind: FileType::Directory, name })
            }
        }
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
