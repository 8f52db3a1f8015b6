//! A file or block device, read by position; and the choice between that and a memory map.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::Path;
use std::sync::Arc;

use nix::sys::statfs::{FsType, fstatfs};

use super::mapped::Mapped;
use super::{InFile, SharedSource, Source, range_within};

/// How the image is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IoMode {
    /// A memory map for regular files of local file systems, positioned reads for all else.
    #[default]
    Auto,
    Mmap,
    Pread,
}

/// A file that is read by position.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    len: u64,
    /// No device, whose bad sectors should be tried once and in order.
    regular: bool,
}

impl FileSource {
    /// # Errors
    /// When the length can't be found.
    pub fn new(mut file: File) -> io::Result<Self> {
        // The metadata of a block device has length 0; its end can be sought.
        let len = file.seek(SeekFrom::End(0))?;
        let regular = file.metadata()?.is_file();
        Ok(Self { file, len, regular })
    }
}

impl Source for FileSource {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        range_within(offset, buffer.len(), self.len)?;
        self.file.read_exact_at(buffer, offset)
    }

    fn in_file(&self, offset: u64) -> Option<InFile<'_>> {
        let len = self.len.checked_sub(offset)?;
        self.regular.then_some(InFile { file: &self.file, at: offset, len })
    }
}

/// Opens an image file or block device.
///
/// # Errors
/// When it can't be opened, is neither a file nor a block device, or can't be mapped though `Mmap` was asked for.
pub fn open(path: &Path, mode: IoMode) -> io::Result<SharedSource> {
    of_file(File::open(path)?, mode)
}

/// The bytes of a file that is open already.
///
/// # Errors
/// As [`open`].
pub fn of_file(file: File, mode: IoMode) -> io::Result<SharedSource> {
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(io::Error::other("is a directory, not a disc image"));
    }
    if !kind.is_file() && !kind.is_block_device() {
        return Err(io::Error::other("is neither a regular file nor a block device"));
    }
    let mapped = match mode {
        IoMode::Mmap => true,
        IoMode::Pread => false,
        IoMode::Auto => kind.is_file() && is_local(&file),
    };
    if mapped && file.metadata()?.len() != 0 {
        match Mapped::new(file.try_clone()?) {
            Ok(source) => return Ok(Arc::new(source)),
            Err(error) if mode == IoMode::Mmap => return Err(error),
            Err(error) => log::debug!("no memory map ({error}), reading by position"),
        }
    }
    Ok(Arc::new(FileSource::new(file)?))
}

/// Whether a file lies on a file system whose pages don't vanish with a network or another process.
pub fn is_local(file: &File) -> bool {
    const CIFS: i64 = 0xFF53_4D42;
    const SMB2: i64 = 0xFE53_4D42;
    const CEPH: i64 = 0x00C3_6400;
    const V9FS: i64 = 0x0102_1997;
    const AFS: i64 = 0x5346_414F;
    const FUSE: i64 = 0x6573_5546;
    const NFS: i64 = 0x6969;
    const SMB: i64 = 0x517B;
    let Ok(found) = fstatfs(file) else { return false };
    let FsType(number) = found.filesystem_type();
    #[allow(clippy::useless_conversion, reason = "the width of the field differs between platforms")]
    let number = i64::from(number);
    ![CIFS, SMB2, CEPH, V9FS, AFS, FUSE, NFS, SMB].contains(&number)
}
