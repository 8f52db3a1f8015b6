//! What a tree says of a file, as the kernel wants it laid out (`linux/fuse.h`).

use crate::time::Timestamp;
use crate::tree::Shown;
use crate::volume::{Device, FileType, NodeId};

/// The kernel's name for the root of every FUSE file system.
pub const ROOT: u64 = 1;
/// As good as for ever, in seconds, and not so long that the kernel's clock arithmetic minds.
pub const FOREVER: u64 = 10 * 365 * 86_400;
pub const NEVER: u64 = 0;
/// What may change, in a library of images.
pub const A_MOMENT: u64 = 1;
/// What a reader should read at a time.
const IO_SIZE: u32 = 4096;

/// The numbers of a file: the one that the kernel names it by, and the one that programs see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inode {
    pub named: u64,
    pub shown: u64,
}

/// Generations whose files are those of this one: a bit for each remainder by 256.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kin([u64; 4]);

impl FromIterator<u64> for Kin {
    fn from_iter<I: IntoIterator<Item = u64>>(generations: I) -> Self {
        let mut kin = Self::default();
        for generation in generations {
            if let Some(bits) = kin.0.get_mut((generation / 64 % 4) as usize) {
                *bits |= 1 << (generation % 64);
            }
        }
        kin
    }
}

impl Kin {
    fn has(self, generation: u64) -> bool {
        self.0.get((generation / 64 % 4) as usize).is_some_and(|bits| bits >> (generation % 64) & 1 == 1)
    }
}

/// Between node numbers and inode numbers: the same, but for the root; and in what the kernel names a file by is how
/// often the image has been read anew, so that whoever has a file of another image open is not given one of this.
#[derive(Debug, Clone, Copy)]
pub struct Inodes {
    pub root: NodeId,
    pub generation: u64,
    /// Earlier generations of the same image: what is open of them can be read on.
    pub kin: Kin,
}

impl Inodes {
    /// A node number is an address on the disc, and no disc has so many bytes.
    const GENERATION_BITS: u32 = 8;
    const SHIFT: u32 = u64::BITS - Self::GENERATION_BITS;

    fn mark(self) -> u64 {
        self.generation << Self::SHIFT
    }

    pub fn inode(self, id: NodeId) -> Inode {
        if id == self.root {
            return Inode { named: ROOT, shown: ROOT };
        }
        Inode { named: id.get() ^ self.mark(), shown: id.get() }
    }

    /// Whether the kernel may still ask for a file of this name, and it is one that it had before this generation.
    pub fn is_of_kin(self, named: u64) -> bool {
        let of = named >> Self::SHIFT;
        of != self.mark() >> Self::SHIFT && self.kin.has(of)
    }

    /// The node that the kernel names; `None` for one of a former image.
    pub fn node(self, named: u64) -> Option<NodeId> {
        if named == ROOT {
            return Some(self.root);
        }
        if self.generation == 0 {
            // In a library of images, which is never read anew, the upper bits are a part of the number.
            return NodeId::new(named);
        }
        let of = named >> Self::SHIFT;
        let is_kin = of == self.mark() >> Self::SHIFT || self.kin.has(of);
        if is_kin { NodeId::new(named & (u64::MAX >> Self::GENERATION_BITS)) } else { None }
    }
}

/// Numbers laid one behind another.
#[derive(Debug, Default)]
pub struct Packer(Vec<u8>);

impl Packer {
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.raw(&value.to_ne_bytes())
    }

    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_ne_bytes())
    }

    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_ne_bytes())
    }

    pub fn zeros(&mut self, count: usize) -> &mut Self {
        self.0.resize(self.0.len().saturating_add(count), 0);
        self
    }

    /// `struct fuse_attr`.
    fn attr(&mut self, shown: &Shown, inode: Inode) -> &mut Self {
        self.u64(inode.shown).u64(shown.size).u64(shown.blocks);
        let times = [shown.accessed, shown.modified, shown.changed];
        for time in times {
            self.raw(&time.seconds.to_ne_bytes());
        }
        for time in times {
            self.u32(time.nanoseconds);
        }
        self.u32(mode(shown)).u32(shown.links).u32(shown.uid).u32(shown.gid);
        self.u32(device(shown.device)).u32(IO_SIZE).u32(0)
    }

    /// `struct fuse_entry_out`. `valid` seconds long the kernel needn't ask again.
    pub fn entry(&mut self, shown: &Shown, inode: Inode, valid: u64) -> &mut Self {
        self.entry_head(inode.named, valid).attr(shown, inode)
    }

    /// An entry of which nothing is known but its number and type, and which is asked for when it is needed; with
    /// the number 0 one that the kernel may remember as absent (as an answer to a look-up).
    pub fn bare_entry(&mut self, inode: u64, valid: u64) -> &mut Self {
        self.entry_head(inode, valid).zeros(88)
    }

    fn entry_head(&mut self, inode: u64, valid: u64) -> &mut Self {
        // Numbers are never used for another file, so there is but one generation of each.
        self.u64(inode).u64(0).u64(valid).u64(valid).u64(0)
    }

    /// `struct fuse_attr_out`.
    pub fn attributes(&mut self, shown: &Shown, inode: Inode, valid: u64) -> &mut Self {
        self.u64(valid).u64(0).attr(shown, inode)
    }

    /// `struct fuse_statx_out`.
    pub fn statx(&mut self, shown: &Shown, inode: Inode, valid: u64) -> &mut Self {
        self.u64(valid).u64(0).u64(0).u64(0);
        let birth = if shown.created.is_some() { libc::STATX_BTIME } else { 0 };
        self.u32(libc::STATX_BASIC_STATS | birth).u32(IO_SIZE).u64(0);
        self.u32(shown.links).u32(shown.uid).u32(shown.gid);
        // The upper half of a mode is empty.
        self.u16(u16::try_from(mode(shown)).unwrap_or(0)).u16(0);
        self.u64(inode.shown).u64(shown.size).u64(shown.blocks).u64(0);
        for time in [shown.accessed, shown.created.unwrap_or_default(), shown.changed, shown.modified] {
            self.time(time);
        }
        self.u32(shown.device.major).u32(shown.device.minor).u64(0).zeros(112)
    }

    /// `struct fuse_sx_time`.
    fn time(&mut self, time: Timestamp) -> &mut Self {
        self.raw(&time.seconds.to_ne_bytes()).u32(time.nanoseconds).u32(0)
    }

    /// `struct fuse_dirent`, padded to eight bytes.
    pub fn dirent(&mut self, inode: u64, next: u64, kind: FileType, name: &[u8]) -> &mut Self {
        let length = u32::try_from(name.len()).unwrap_or(0);
        self.u64(inode).u64(next).u32(length).u32(kind.mode() >> 12).raw(name);
        let odd = self.0.len() % 8;
        self.zeros(if odd == 0 { 0 } else { 8 - odd })
    }
}

fn mode(shown: &Shown) -> u32 {
    shown.kind.mode() | u32::from(shown.permissions)
}

/// As the kernel's `new_encode_dev` packs a device number into 32 bits.
fn device(device: Device) -> u32 {
    (device.minor & 0xFF) | (device.major << 8) | ((device.minor & !0xFF) << 12)
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

    const NINE: Inode = Inode { named: 9, shown: 9 };

    #[test]
    fn files_of_a_former_image_are_told_from_those_of_this_one() {
        let id = |number| NodeId::new(number).unwrap();
        let inodes = |generation| Inodes { root: id(34_816), generation, kin: Kin::default() };
        for generation in [0, 1, 255, 257] {
            let now = inodes(generation);
            let inode = now.inode(id(40_960));
            assert_eq!((inode.shown, now.node(inode.named)), (40_960, Some(id(40_960))));
            assert_eq!(now.node(now.inode(now.root).named), Some(now.root));
            assert_eq!(inodes(generation + 1).node(inode.named), None);
            let same = Inodes { kin: [generation].into_iter().collect(), ..inodes(generation + 1) };
            assert_eq!(same.node(inode.named), Some(id(40_960)));
        }
    }

    #[test]
    fn the_structures_have_the_sizes_of_linux() {
        let shown = Shown {
            id: NodeId::new(9).unwrap(),
            kind: FileType::Regular,
            size: 1,
            blocks: 1,
            permissions: 0o644,
            uid: 0,
            gid: 0,
            links: 1,
            device: Device::default(),
            modified: Timestamp::default(),
            accessed: Timestamp::default(),
            changed: Timestamp::default(),
            created: None,
        };
        assert_eq!(Packer::default().entry(&shown, NINE, FOREVER).len(), 128);
        assert_eq!(Packer::default().bare_entry(9, NEVER).len(), 128);
        assert_eq!(Packer::default().attributes(&shown, NINE, FOREVER).len(), 104);
        assert_eq!(Packer::default().statx(&shown, NINE, FOREVER).len(), 288);
        assert_eq!(Packer::default().dirent(9, 1, FileType::Fifo, b"abc").len(), 32);
    }
}
