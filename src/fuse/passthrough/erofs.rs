//! The smallest EROFS there can be: a root with one file, whose data lie in another file, the image.
//!
//! The names are those of `fs/erofs/erofs_fs.h` of Linux. All numbers are little-endian.

use std::io;

use super::layout::Layout;

/// The name of the file.
pub const NAME: &str = "f";

const SUPER_OFFSET: usize = 1024;
const SUPER_MAGIC: u32 = 0xE0F5_E1E2;
const INCOMPAT_CHUNKED_FILE: u32 = 0x4;
const INCOMPAT_DEVICE_TABLE: u32 = 0x8;
/// Bytes of a slot of the device table, and the unit of its place.
const DEVICE_SLOT: usize = 128;
/// Right behind the superblock.
const DEVICE_TABLE: usize = SUPER_OFFSET + 128;
/// Inodes are numbered by their place, in units of so many bytes.
const INODE_UNIT: usize = 32;
const ROOT: usize = 2048;
const FILE: usize = 2048 + 64;
/// Behind the inode of the file; beginnings of chunks, 8 bytes each.
const INDEXES: usize = FILE + 64;
/// An inode of 64 bytes (`EROFS_INODE_LAYOUT_EXTENDED`), and where its data are (`i_format`).
const EXTENDED: u16 = 1;
const FLAT_PLAIN: u16 = 0 << 1;
const CHUNK_BASED: u16 = 4 << 1;
/// Chunks are told with their device (`EROFS_CHUNK_FORMAT_INDEXES`).
const FORMAT_INDEXES: u32 = 0x20;
/// The image; 0 would be this file system itself.
const IMAGE_DEVICE: u16 = 1;
const NULL_BLOCK: u32 = u32::MAX;
const DIRECTORY: u8 = 2;
const REGULAR: u8 = 1;
/// The largest block, on whose multiples directories begin whatever the block's size is.
const PAGE: usize = 4096;

/// Bytes with room for all that is put to a place.
struct Writer(Vec<u8>);

impl Writer {
    fn put(&mut self, at: usize, bytes: &[u8]) {
        let end = at.saturating_add(bytes.len());
        if self.0.len() < end {
            self.0.resize(end, 0);
        }
        if let Some(place) = self.0.get_mut(at..end) {
            place.copy_from_slice(bytes);
        }
    }

    fn u16(&mut self, at: usize, value: u16) {
        self.put(at, &value.to_le_bytes());
    }

    fn u32(&mut self, at: usize, value: u32) {
        self.put(at, &value.to_le_bytes());
    }

    fn u64(&mut self, at: usize, value: u64) {
        self.put(at, &value.to_le_bytes());
    }
}

/// The file system for a file. `image`: bytes of the image.
///
/// # Errors
/// For an image of more blocks than 32 bits can count.
pub fn file_system(layout: &Layout, image: u64) -> io::Result<Vec<u8>> {
    let bits = layout.block_bits();
    let block = |byte: u64| {
        let number = u32::try_from(byte >> bits).ok().filter(|number| *number != NULL_BLOCK);
        number.ok_or_else(|| io::Error::other("the image has too many blocks"))
    };
    let mut out = Writer(Vec::new());
    let places = layout.places();
    for (index, place) in (INDEXES..).step_by(8).zip(&places) {
        // struct erofs_inode_chunk_index: startblk_hi, device_id, startblk_lo.
        match place {
            Some(place) => {
                out.u16(index + 2, IMAGE_DEVICE);
                out.u32(index + 4, block(*place)?);
            }
            None => out.u32(index + 4, NULL_BLOCK),
        }
    }
    let directory = out.0.len().next_multiple_of(PAGE);
    // Three entries of 12 bytes (nid, nameoff, file_type), then their names.
    let entries = [(ROOT, ".", DIRECTORY), (ROOT, "..", DIRECTORY), (FILE, NAME, REGULAR)];
    let mut name_at = entries.len() * 12;
    for (entry, (inode, name, kind)) in (directory..).step_by(12).zip(entries) {
        out.u64(entry, (inode / INODE_UNIT) as u64);
        out.u16(entry + 8, u16::try_from(name_at).map_err(io::Error::other)?);
        out.put(entry + 10, &[kind]);
        out.put(directory + name_at, name.as_bytes());
        name_at += name.len();
    }
    let size = name_at as u64;
    let end = (directory + name_at).next_multiple_of(PAGE);
    out.put(end - 1, &[0]);
    // struct erofs_inode_extended: i_format, i_xattr_icount, i_mode, …, i_size, i_u, i_ino, i_uid, i_gid, i_mtime,
    // i_mtime_nsec, i_nlink. Whoever reads has been let in by FUSE.
    let inodes = [
        (ROOT, EXTENDED | FLAT_PLAIN, 0o040_555, size, block(directory as u64)?, 2),
        (FILE, EXTENDED | CHUNK_BASED, 0o100_444, layout.size(), FORMAT_INDEXES | (layout.chunk_bits() - bits), 1),
    ];
    for (at, format, mode, size, place, links) in inodes {
        out.u16(at, format);
        out.u16(at + 4, mode);
        out.u64(at + 8, size);
        out.u32(at + 16, place);
        out.u32(at + 20, u32::try_from(at / INODE_UNIT).map_err(io::Error::other)?);
        out.u32(at + 44, links);
    }
    // struct erofs_deviceslot: tag[64], blocks_lo.
    out.u32(DEVICE_TABLE + 64, block(image)?);
    // struct erofs_super_block; meta_blkaddr is 0, so inodes are numbered from the first byte on.
    out.u32(SUPER_OFFSET, SUPER_MAGIC);
    out.put(SUPER_OFFSET + 12, &[u8::try_from(bits).map_err(io::Error::other)?]);
    out.u16(SUPER_OFFSET + 14, u16::try_from(ROOT / INODE_UNIT).map_err(io::Error::other)?);
    out.u64(SUPER_OFFSET + 16, inodes.len() as u64);
    out.u32(SUPER_OFFSET + 36, block(end as u64)?);
    out.u32(SUPER_OFFSET + 80, INCOMPAT_CHUNKED_FILE | INCOMPAT_DEVICE_TABLE);
    out.u16(SUPER_OFFSET + 86, 1);
    out.u16(SUPER_OFFSET + 88, u16::try_from(DEVICE_TABLE / DEVICE_SLOT).map_err(io::Error::other)?);
    Ok(out.0)
}
