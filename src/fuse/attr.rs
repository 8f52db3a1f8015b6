//! What a tree says of a file, in the words of FUSE.

use fuser::{FileAttr, FileType as FuseType, INodeNo};

use crate::tree::Shown;
use crate::volume::{Device, FileType, NodeId};

/// The kernel's name for the root of every FUSE file system.
const ROOT: u64 = 1;

/// Between node numbers and inode numbers: the same, but for the root.
#[derive(Debug, Clone, Copy)]
pub struct Inodes {
    pub root: NodeId,
}

impl Inodes {
    pub fn inode(self, id: NodeId) -> INodeNo {
        INodeNo(if id == self.root { ROOT } else { id.get() })
    }

    pub fn node(self, inode: INodeNo) -> Option<NodeId> {
        if inode.0 == ROOT { Some(self.root) } else { NodeId::new(inode.0) }
    }
}

pub fn kind(kind: FileType) -> FuseType {
    match kind {
        FileType::Regular => FuseType::RegularFile,
        FileType::Directory => FuseType::Directory,
        FileType::SymbolicLink => FuseType::Symlink,
        FileType::CharacterDevice => FuseType::CharDevice,
        FileType::BlockDevice => FuseType::BlockDevice,
        FileType::Fifo => FuseType::NamedPipe,
        FileType::Socket => FuseType::Socket,
    }
}

/// As the kernel's `new_encode_dev` packs a device number into 32 bits.
fn device(device: Device) -> u32 {
    (device.minor & 0xFF) | (device.major << 8) | ((device.minor & !0xFF) << 12)
}

pub fn attr(shown: &Shown, inode: INodeNo, block_size: u32) -> FileAttr {
    FileAttr {
        ino: inode,
        size: shown.size,
        blocks: shown.blocks,
        atime: shown.accessed.into(),
        mtime: shown.modified.into(),
        ctime: shown.changed.into(),
        crtime: shown.created.unwrap_or(shown.modified).into(),
        kind: kind(shown.kind),
        perm: shown.permissions,
        nlink: shown.links,
        uid: shown.uid,
        gid: shown.gid,
        rdev: device(shown.device),
        blksize: block_size,
        flags: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_numbers_are_packed_as_the_kernel_unpacks_them() {
        for (major, minor) in [(1, 3), (8, 300), (4095, 1_048_575)] {
            let packed = u64::from(device(Device { major, minor }));
            assert_eq!(u64::from(major), (packed & 0xF_FF00) >> 8);
            assert_eq!(u64::from(minor), (packed & 0xFF) | ((packed >> 12) & 0xF_FF00));
        }
    }
}
