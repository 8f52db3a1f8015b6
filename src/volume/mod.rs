//! The contract between a file system on a disc and everything that shows it.

mod directory;
mod parts;

pub use directory::{Directory, DirectoryBuilder, Entry, Gap, NameMatch};
pub use parts::{Part, Parts};

use std::fmt::Debug;
use std::num::NonZeroU64;
use std::ops::Range;

use crate::error::{Defect, Result};
use crate::source::SharedSource;
use crate::time::Timestamp;

/// The number of a file: derived from where it lies on the disc, so it is the same after a remount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(NonZeroU64);

impl NodeId {
    pub const fn new(value: u64) -> Option<Self> {
        match NonZeroU64::new(value) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

/// What kind of file a node is (POSIX).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileType {
    Regular,
    Directory,
    SymbolicLink,
    CharacterDevice,
    BlockDevice,
    Fifo,
    Socket,
}

impl FileType {
    /// From the file type bits of a POSIX mode; `None` where they name no type.
    pub const fn from_mode(mode: u32) -> Option<Self> {
        match mode & libc::S_IFMT {
            libc::S_IFREG => Some(Self::Regular),
            libc::S_IFDIR => Some(Self::Directory),
            libc::S_IFLNK => Some(Self::SymbolicLink),
            libc::S_IFCHR => Some(Self::CharacterDevice),
            libc::S_IFBLK => Some(Self::BlockDevice),
            libc::S_IFIFO => Some(Self::Fifo),
            libc::S_IFSOCK => Some(Self::Socket),
            _ => None,
        }
    }

    /// The file type bits of a POSIX mode.
    pub const fn mode(self) -> u32 {
        match self {
            Self::Regular => libc::S_IFREG,
            Self::Directory => libc::S_IFDIR,
            Self::SymbolicLink => libc::S_IFLNK,
            Self::CharacterDevice => libc::S_IFCHR,
            Self::BlockDevice => libc::S_IFBLK,
            Self::Fifo => libc::S_IFIFO,
            Self::Socket => libc::S_IFSOCK,
        }
    }
}

/// The number of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Device {
    pub major: u32,
    pub minor: u32,
}

/// The times of a node; `None` where the disc does not record one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Times {
    pub modified: Option<Timestamp>,
    pub accessed: Option<Timestamp>,
    /// Last change of the attributes.
    pub changed: Option<Timestamp>,
    /// Creation: the birth time.
    pub created: Option<Timestamp>,
}

/// What the disc records of a file; `None` means "not recorded". What a mount shows instead is decided in
/// [`crate::tree::Presentation`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub id: NodeId,
    pub kind: FileType,
    /// Bytes of the body as a reader sees it (decoded); of a symbolic link, of its target.
    pub size: u64,
    /// Bytes that the body takes on the disc.
    pub recorded: u64,
    /// Permission bits, set-id and sticky bits: the low 12 bits of a POSIX mode.
    pub permissions: Option<u16>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub links: Option<u32>,
    pub device: Device,
    pub times: Times,
}

/// An extended attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// With its name space, as `user.comment`.
    pub name: Vec<u8>,
    pub value: Vec<u8>,
}

/// What a volume says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VolumeInfo {
    /// The name that a user sees; may be empty.
    pub label: String,
    /// In the form of `blkid` (`YYYY-MM-DD-HH-MM-SS-cc` on ISO 9660).
    pub uuid: Option<String>,
    /// Bytes of a logical block.
    pub block_size: u32,
    /// Logical blocks in the volume, as the volume states it.
    pub blocks: u64,
    /// The byte of the image that the volume ends at, as it says; `None` where it does not say.
    pub end: Option<u64>,
    /// Further named texts of the volume's descriptors, in the order they are worth reading.
    pub texts: Vec<(&'static str, String)>,
    /// Further named times.
    pub times: Vec<(&'static str, Timestamp)>,
}

/// Where a node is recorded: ranges of bytes of the image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// What describes it: its directory record, its ICB.
    pub description: Range<u64>,
    /// Its stored body, in its order and without what is not recorded; of a directory, its entries.
    pub body: Vec<Range<u64>>,
}

/// What a volume has beside its nodes, looked at for its own sake.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Where it lies, and what it is.
    pub places: Vec<(Range<u64>, &'static str)>,
    pub defects: Vec<Defect>,
}

/// A file system on a disc.
///
/// Every method may be called from several threads at once. Errors name the byte of the image.
pub trait Volume: Send + Sync + Debug {
    fn info(&self) -> &VolumeInfo;
    fn root(&self) -> NodeId;
    /// # Errors
    /// [`crate::error::Error::Stale`] when the number names no file here.
    fn node(&self, id: NodeId) -> Result<Node>;
    /// The directory that a directory lies in; of the root, the root.
    fn parent(&self, directory: NodeId) -> Result<NodeId>;
    /// The whole directory, without `.` and `..`.
    fn read_dir(&self, directory: NodeId) -> Result<Directory>;
    /// The body of a regular file, decoded.
    fn open(&self, file: NodeId) -> Result<SharedSource>;
    fn read_link(&self, link: NodeId) -> Result<Vec<u8>>;
    /// Whether any file may have extended attributes.
    fn has_attributes(&self) -> bool;
    fn attributes(&self, id: NodeId) -> Result<Vec<Attribute>>;
    /// Whether any file may have a creation time.
    fn has_birth_times(&self) -> bool {
        true
    }
    /// Where a node is recorded; nowhere where the volume is none of a disc.
    fn places(&self, _id: NodeId) -> Result<Places> {
        Ok(Places::default())
    }
    /// The MD5 of a file's stored body, where the disc records one (libisofs).
    fn recorded_md5(&self, _file: NodeId) -> Result<Option<[u8; 16]>> {
        Ok(None)
    }
    /// The defects met and tolerated until now.
    fn notes(&self) -> &crate::notes::Notes;
    /// The parts of a volume that is made up of such.
    fn parts(&self) -> Option<&dyn Parts> {
        None
    }
}
