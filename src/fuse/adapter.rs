//! The thin layer between the kernel's requests and a [`Tree`].
//!
//! `open` and `opendir` answer ENOSYS, so the kernel stops asking and there are no handles; `forget` needs no
//! answer because node numbers are places on the disc; time-outs are as good as infinite because a disc does
//! not change.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::Duration;

use fuser::{
    AccessFlags, Errno, FileAttr, FileHandle, Filesystem, Generation, INodeNo, InitFlags, KernelConfig, LockOwner,
    OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyLseek, ReplyOpen,
    ReplyStatfs, ReplyXattr, Request,
};

use super::attr::{self, Inodes};
use super::count::Counter;
use crate::error::{Error, Result};
use crate::limits::MAX_NAME;
use crate::source::Segment;
use crate::tree::{Presentation, Shown, Tree};
use crate::volume::{Attribute, FileType, NodeId};

/// As good as for ever, and not so long that the kernel's clock arithmetic minds.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 86_400);
const NEVER: Duration = Duration::ZERO;
/// Node numbers are never used for another file.
const GENERATION: Generation = Generation(0);
/// Requests that the kernel may have under way in the background (read-ahead).
const BACKGROUND: u16 = 64;
/// What a reader should read at a time.
const BLOCK_SIZE: u32 = 4096;

thread_local! {
    /// For bodies that can't be lent: one buffer for each event loop, as large as its largest request.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

#[derive(Debug)]
pub struct Adapter {
    tree: Arc<Tree>,
    presentation: Presentation,
    inodes: Inodes,
    counter: Counter,
}

fn errno(error: &Error) -> Errno {
    Errno::from_i32(error.errno())
}

fn io_errno(error: &io::Error) -> Errno {
    // A range beyond the end of the image, and data that does not decode, are lost data like a bad sector.
    log::debug!("read error: {error}");
    Errno::EIO
}

impl Adapter {
    pub fn new(tree: Tree, presentation: Presentation) -> Self {
        let inodes = Inodes { root: tree.root() };
        Self { tree: Arc::new(tree), presentation, inodes, counter: Counter::default() }
    }

    fn node_id(&self, inode: INodeNo) -> Result<NodeId> {
        self.inodes.node(inode).ok_or(Error::Stale)
    }

    fn shown(&self, id: NodeId) -> Result<Shown> {
        self.tree.node(id).map(|node| self.presentation.show(&node))
    }

    fn attr_of(&self, id: NodeId) -> Result<FileAttr> {
        let shown = self.shown(id)?;
        Ok(attr::attr(&shown, self.inodes.inode(id), BLOCK_SIZE))
    }

    fn find(&self, parent: INodeNo, name: &OsStr) -> Result<FileAttr> {
        let parent = self.node_id(parent)?;
        // Look-ups of "." and ".." come from file handles (export), not from paths.
        let id = match name.as_bytes() {
            b"." => parent,
            b".." => self.tree.parent(parent)?,
            name => self.tree.lookup(parent, name)?,
        };
        self.attr_of(id)
    }

    /// The entry at a position: `.`, `..`, and then those of the directory.
    fn entry<'a>(
        &self,
        directory: &'a crate::volume::Directory,
        id: NodeId,
        position: u64,
    ) -> Option<(NodeId, FileType, &'a OsStr)> {
        match position {
            0 => Some((id, FileType::Directory, OsStr::new("."))),
            1 => {
                let parent = self.tree.parent(id).unwrap_or(id);
                Some((parent, FileType::Directory, OsStr::new("..")))
            }
            _ => {
                let entry = directory.get(usize::try_from(position.checked_sub(2)?).ok()?)?;
                Some((entry.id, entry.kind, OsStr::from_bytes(entry.name)))
            }
        }
    }

    fn read_into(&self, inode: INodeNo, offset: u64, size: u32, reply: ReplyData) {
        let body = match self.node_id(inode).and_then(|id| self.tree.file(id)) {
            Ok(body) => body,
            Err(error) => return reply.error(errno(&error)),
        };
        let end = offset.saturating_add(u64::from(size)).min(body.len());
        if offset >= end {
            return reply.data(&[]);
        }
        if let Some(lent) = body.lend(offset..end) {
            return reply.data(lent.for_syscall());
        }
        let Ok(length) = usize::try_from(end - offset) else { return reply.error(Errno::EINVAL) };
        SCRATCH.with_borrow_mut(|scratch| {
            if scratch.len() < length {
                scratch.resize(length, 0);
            }
            let Some(buffer) = scratch.get_mut(..length) else { return reply.error(Errno::EIO) };
            match body.read_exact_at(buffer, offset) {
                Ok(()) => reply.data(buffer),
                Err(error) => reply.error(io_errno(&error)),
            }
        });
    }

    /// ENOSYS makes the kernel never ask again, on discs that can't have any.
    fn extended_attributes(&self, inode: INodeNo) -> Result<Vec<Attribute>, Errno> {
        if !self.tree.has_attributes() {
            return Err(Errno::ENOSYS);
        }
        self.node_id(inode).and_then(|id| self.tree.attributes(id)).map_err(|error| errno(&error))
    }

    /// SEEK_DATA and SEEK_HOLE.
    fn seek(&self, inode: INodeNo, offset: i64, whence: i32) -> Result<i64, Errno> {
        let id = self.node_id(inode).map_err(|error| errno(&error))?;
        let body = self.tree.file(id).map_err(|error| errno(&error))?;
        let mut at = u64::try_from(offset).map_err(|_| Errno::EINVAL)?;
        if at >= body.len() {
            return Err(Errno::ENXIO);
        }
        loop {
            let (hole, end) = match body.segment(at) {
                Segment::Data { end } => (false, end),
                Segment::Hole { end } => (true, end),
            };
            let found = match whence {
                libc::SEEK_DATA => !hole,
                libc::SEEK_HOLE => hole,
                _ => return Err(Errno::EINVAL),
            };
            if found {
                break;
            }
            at = end.max(at + 1);
            if at >= body.len() {
                // The end of a file counts as a hole.
                if whence == libc::SEEK_HOLE {
                    at = body.len();
                    break;
                }
                return Err(Errno::ENXIO);
            }
        }
        i64::try_from(at).map_err(|_| Errno::EOVERFLOW)
    }
}

impl Filesystem for Adapter {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        let wanted = InitFlags::FUSE_NO_OPEN_SUPPORT
            | InitFlags::FUSE_NO_OPENDIR_SUPPORT
            | InitFlags::FUSE_PARALLEL_DIROPS
            | InitFlags::FUSE_CACHE_SYMLINKS
            | InitFlags::FUSE_DO_READDIRPLUS
            | InitFlags::FUSE_EXPORT_SUPPORT
            | InitFlags::FUSE_ASYNC_READ;
        let offered = config.capabilities();
        if let Err(refused) = config.add_capabilities(wanted & offered) {
            log::debug!("the kernel refuses {refused:?}");
        }
        if let Err(most) = config.set_max_background(BACKGROUND) {
            log::debug!("at most {most} requests in the background");
        }
        Ok(())
    }

    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        // The kernel lets names of up to 1024 bytes through to FUSE.
        if name.len() > MAX_NAME {
            return reply.error(Errno::ENAMETOOLONG);
        }
        match self.find(parent, name) {
            Ok(attr) => reply.entry(&FOREVER, &attr, GENERATION),
            Err(Error::NotFound) => {
                // An entry without a number is one that the kernel may remember as absent.
                let absent = FileAttr { ino: INodeNo(0), ..nothing() };
                reply.entry(&FOREVER, &absent, GENERATION);
            }
            Err(error) => reply.error(errno(&error)),
        }
    }

    fn getattr(&self, _request: &Request, inode: INodeNo, _handle: Option<FileHandle>, reply: ReplyAttr) {
        match self.node_id(inode).and_then(|id| self.attr_of(id)) {
            Ok(attr) => reply.attr(&FOREVER, &attr),
            Err(error) => reply.error(errno(&error)),
        }
    }

    fn readlink(&self, _request: &Request, inode: INodeNo, reply: ReplyData) {
        match self.node_id(inode).and_then(|id| self.tree.read_link(id)) {
            Ok(target) => reply.data(&target),
            Err(error) => reply.error(errno(&error)),
        }
    }

    fn open(&self, _request: &Request, _inode: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        reply.error(Errno::ENOSYS);
    }

    fn read(
        &self,
        _request: &Request,
        inode: INodeNo,
        _handle: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        self.read_into(inode, offset, size, reply);
    }

    fn flush(&self, _request: &Request, _inode: INodeNo, _handle: FileHandle, _owner: LockOwner, reply: ReplyEmpty) {
        reply.error(Errno::ENOSYS);
    }

    fn opendir(&self, _request: &Request, _inode: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        reply.error(Errno::ENOSYS);
    }

    fn readdir(&self, _request: &Request, inode: INodeNo, _handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let found = self.node_id(inode).and_then(|id| Ok((id, self.tree.directory(id)?)));
        let (id, directory) = match found {
            Ok(found) => found,
            Err(error) => return reply.error(errno(&error)),
        };
        let mut position = offset;
        while let Some((entry, kind, name)) = self.entry(&directory, id, position) {
            position += 1;
            // A directory of UDF does not tell symbolic links and devices from files.
            let kind = self.tree.node(entry).map_or(kind, |node| node.kind);
            if reply.add(self.inodes.inode(entry), position, attr::kind(kind), name) {
                break;
            }
        }
        reply.ok();
    }

    fn readdirplus(
        &self,
        _request: &Request,
        inode: INodeNo,
        _handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let found = self.node_id(inode).and_then(|id| Ok((id, self.tree.directory(id)?)));
        let (id, directory) = match found {
            Ok(found) => found,
            Err(error) => return reply.error(errno(&error)),
        };
        let mut position = offset;
        while let Some((entry, kind, name)) = self.entry(&directory, id, position) {
            position += 1;
            // A file whose attributes can't be had is listed all the same; whoever asks for them gets the error.
            let (attr, valid) = match self.attr_of(entry) {
                Ok(attr) => (attr, FOREVER),
                Err(_) => {
                    let known = FileAttr { ino: self.inodes.inode(entry), kind: attr::kind(kind), ..nothing() };
                    (known, NEVER)
                }
            };
            if reply.add(attr.ino, position, name, &valid, &attr, GENERATION) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _request: &Request, _inode: INodeNo, reply: ReplyStatfs) {
        let info = self.tree.info();
        let name_length = u32::try_from(MAX_NAME).unwrap_or(u32::MAX);
        let files = self.counter.count(&self.tree);
        reply.statfs(info.blocks, 0, 0, files, 0, info.block_size, name_length, info.block_size);
    }

    fn getxattr(&self, _request: &Request, inode: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        match self.extended_attributes(inode) {
            Err(error) => reply.error(error),
            Ok(attributes) => match attributes.iter().find(|attribute| attribute.name == name.as_bytes()) {
                Some(attribute) => reply_sized(&attribute.value, size, reply),
                None => reply.error(Errno::ENODATA),
            },
        }
    }

    fn listxattr(&self, _request: &Request, inode: INodeNo, size: u32, reply: ReplyXattr) {
        match self.extended_attributes(inode) {
            Err(error) => reply.error(error),
            Ok(attributes) => {
                let names: Vec<u8> = attributes.iter().flat_map(|found| [&found.name[..], &[0]].concat()).collect();
                reply_sized(&names, size, reply);
            }
        }
    }

    fn access(&self, _request: &Request, _inode: INodeNo, _mask: AccessFlags, reply: ReplyEmpty) {
        reply.error(Errno::ENOSYS);
    }

    fn lseek(
        &self,
        _request: &Request,
        inode: INodeNo,
        _handle: FileHandle,
        offset: i64,
        whence: i32,
        reply: ReplyLseek,
    ) {
        match self.seek(inode, offset, whence) {
            Ok(found) => reply.offset(found),
            Err(error) => reply.error(error),
        }
    }
}

/// The answer to a caller with a buffer of `size` bytes; 0 asks how many there are.
fn reply_sized(bytes: &[u8], size: u32, reply: ReplyXattr) {
    match u32::try_from(bytes.len()) {
        Ok(length) if size == 0 => reply.size(length),
        Ok(length) if length <= size => reply.data(bytes),
        _ => reply.error(Errno::ERANGE),
    }
}

/// Attributes that say nothing.
fn nothing() -> FileAttr {
    let epoch = std::time::UNIX_EPOCH;
    FileAttr {
        ino: INodeNo(0),
        size: 0,
        blocks: 0,
        atime: epoch,
        mtime: epoch,
        ctime: epoch,
        crtime: epoch,
        kind: fuser::FileType::RegularFile,
        perm: 0,
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: BLOCK_SIZE,
        flags: 0,
    }
}
