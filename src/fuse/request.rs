//! The kernel's requests, as it lays them into the buffer of a read(2) on /dev/fuse (`linux/fuse.h`).

/// Bytes of the header of every request (`struct fuse_in_header`).
const HEADER: usize = 40;

/// A request. All numbers are in the byte order of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// What the answer must carry.
    pub unique: u64,
    /// The file that is meant.
    pub inode: u64,
    pub operation: Operation<'a>,
}

/// A part of a file or directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// Byte of a file; position in a directory.
    pub offset: u64,
    /// Bytes that the answer may have.
    pub size: u32,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation<'a> {
    Lookup {
        name: &'a [u8],
    },
    /// Has no answer.
    Forget,
    GetAttr,
    /// Attributes with the birth time, since version 7.39 of the protocol.
    Statx,
    ReadLink,
    /// With the flags of open(2).
    Open {
        flags: u32,
    },
    Release,
    Read(Range),
    OpenDir,
    ReleaseDir,
    ReadDir(Range),
    ReadDirPlus(Range),
    StatFs,
    GetXattr {
        name: &'a [u8],
        size: u32,
    },
    ListXattr {
        size: u32,
    },
    Seek {
        offset: u64,
        whence: u32,
    },
    /// The file system is gone.
    Destroy,
    /// A device can't be looked through that way, and the kernel needn't ask again.
    Unsupported,
    /// Nothing that a read-only file system does.
    Writing,
    /// No request that this version of the protocol has, or one that is cut short.
    Malformed,
}

impl<'a> Request<'a> {
    /// `None` where there is not even a header.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let header = Fields(bytes.get(..HEADER)?);
        let (opcode, unique, inode) = (header.u32(4)?, header.u64(8)?, header.u64(16)?);
        let body = bytes.get(HEADER..)?;
        let operation = operation(opcode, body).unwrap_or(Operation::Malformed);
        Some(Self { unique, inode, operation })
    }
}

fn operation(opcode: u32, body: &[u8]) -> Option<Operation<'_>> {
    let fields = Fields(body);
    let range = || Some(Range { offset: fields.u64(8)?, size: fields.u32(16)? });
    Some(match opcode {
        1 => Operation::Lookup { name: text(body)? },
        // FORGET, BATCH_FORGET; and NOTIFY_REPLY, which we never ask for.
        2 | 42 | 41 => Operation::Forget,
        3 => Operation::GetAttr,
        5 => Operation::ReadLink,
        14 => Operation::Open { flags: fields.u32(0)? },
        15 => Operation::Read(range()?),
        17 => Operation::StatFs,
        18 => Operation::Release,
        22 => Operation::GetXattr { size: fields.u32(0)?, name: text(body.get(8..)?)? },
        23 => Operation::ListXattr { size: fields.u32(0)? },
        27 => Operation::OpenDir,
        28 => Operation::ReadDir(range()?),
        29 => Operation::ReleaseDir,
        38 => Operation::Destroy,
        44 => Operation::ReadDirPlus(range()?),
        46 => Operation::Seek { offset: fields.u64(8)?, whence: fields.u32(16)? },
        52 => Operation::Statx,
        // SETATTR, SYMLINK, MKNOD, MKDIR, UNLINK, RMDIR, RENAME, LINK, WRITE, SETXATTR, REMOVEXATTR, CREATE,
        // FALLOCATE, RENAME2, COPY_FILE_RANGE, TMPFILE.
        4 | 6 | 8..=13 | 16 | 21 | 24 | 35 | 43 | 45 | 47 | 51 => Operation::Writing,
        // FLUSH, ACCESS, INTERRUPT and all that comes to be.
        _ => Operation::Unsupported,
    })
}

/// A text that ends with a zero byte.
fn text(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    bytes.get(..end)
}

/// Numbers by their place.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn u32(&self, at: usize) -> Option<u32> {
        Some(u32::from_ne_bytes(*self.0.get(at..)?.first_chunk()?))
    }

    fn u64(&self, at: usize) -> Option<u64> {
        Some(u64::from_ne_bytes(*self.0.get(at..)?.first_chunk()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(opcode: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(u32::try_from(HEADER + body.len()).unwrap().to_ne_bytes());
        bytes.extend(opcode.to_ne_bytes());
        bytes.extend(77_u64.to_ne_bytes());
        bytes.extend(5_u64.to_ne_bytes());
        bytes.extend([0; 16]);
        bytes.extend(body);
        bytes
    }

    #[test]
    fn requests_are_read_as_linux_lays_them_out() {
        let bytes = request(1, b"name\0");
        let lookup = Request::parse(&bytes).unwrap();
        assert_eq!(lookup, Request { unique: 77, inode: 5, operation: Operation::Lookup { name: b"name" } });
        let mut body = vec![0; 40];
        body[8..16].copy_from_slice(&4096_u64.to_ne_bytes());
        body[16..20].copy_from_slice(&512_u32.to_ne_bytes());
        let bytes = request(15, &body);
        let range = Range { offset: 4096, size: 512 };
        assert_eq!(Request::parse(&bytes).unwrap().operation, Operation::Read(range));
    }

    #[test]
    fn a_request_cut_anywhere_is_none_or_malformed() {
        let whole = request(22, b"\x10\0\0\0\0\0\0\0user.x\0");
        let named = Operation::GetXattr { name: b"user.x", size: u32::from_ne_bytes([16, 0, 0, 0]) };
        assert_eq!(Request::parse(&whole).unwrap().operation, named);
        for length in 0..whole.len() {
            let cut = Request::parse(&whole[..length]);
            assert!(cut.is_none_or(|cut| cut.operation == Operation::Malformed), "{length}");
        }
    }
}
