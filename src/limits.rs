//! Every bound that protects us from an image, with its reason.

/// Bytes of one cached block of metadata. (Fuzzing reads a few bytes each of images that it throws away again.)
pub const METADATA_BLOCK: u64 = if cfg!(fuzzing) { 2 * 1024 } else { 64 * 1024 };
/// Metadata blocks kept: 2 MiB. A walk goes through them in their order, so more would save nothing.
pub const METADATA_BLOCKS: usize = 32;
/// Single sectors of metadata, or parts of them, kept, of what is looked at here and there: 2 MiB at most. A listing with attributes looks twice at the first
/// sector of every directory in it.
pub const METADATA_SECTORS: usize = if cfg!(fuzzing) { 16 } else { 1024 };
/// Defects told before we fall silent.
pub const MAX_NOTES: usize = 200;
/// Logical sectors searched for volume descriptors behind the System Area. ECMA-119 6.3 sets no bound;
/// Linux reads 84.
pub const MAX_VOLUME_DESCRIPTORS: u64 = 84;
/// Continuation Areas followed for one directory record. SUSP 5.1 sets no bound; Linux follows 32.
pub const MAX_CONTINUATIONS: usize = 32;
/// Bytes of all Continuation Areas of one directory record.
pub const MAX_CONTINUATION_BYTES: u64 = 64 * 1024;
/// File sections of one file (ECMA-119 6.5.1 sets no bound): 64 TiB in sections of 4 GiB.
pub const MAX_SECTIONS: usize = 16_384;
/// Bytes of a name that Linux can hold (`NAME_MAX`).
pub const MAX_NAME: usize = 255;
/// Bytes of a symbolic link's target (`PATH_MAX`, less the final zero).
pub const MAX_TARGET: usize = 4095;
/// Directories above one another that a walk follows. Linux paths end at 4096 bytes.
pub const MAX_DEPTH: usize = 2048;
/// Symbolic links followed in one path, as Linux does.
pub const MAX_LINKS: usize = 40;
/// Bytes of memory for packed directories and opened file bodies (extents, decoded blocks), unless `cache=` says
/// another number. The kernel remembers what it was told, so this is for what comes next in a walk.
pub const CACHE_BYTES: usize = 8 * 1024 * 1024;
/// The most that `cache=` may say, in MiB.
pub const MAX_CACHE_MIB: usize = 64 * 1024;
/// Bytes of one directory that are read. The Data Length of a directory record has 32 bits; this is what
/// about four million entries need. (Fuzzing has small images and learns nothing from a long run of zeros.)
pub const MAX_DIRECTORY_BYTES: u64 = if cfg!(fuzzing) { 64 * 1024 } else { 1024 * 1024 * 1024 };
/// Hard-linked files whose record is remembered.
pub const LINK_CACHE: usize = 65_536;
/// Decoded blocks (zisofs) kept for each open file.
pub const DECODED_BLOCKS: usize = 8;
/// Entries of one ICB that are followed (Linux: 1024; honest writers need two for each rewriting).
pub const MAX_ICB_HOPS: usize = 1024;
/// Extents of one file.
pub const MAX_EXTENTS: usize = 1 << 18;
/// Bytes of a Virtual Allocation Table or a sparing table: four million blocks, the whole of a Blu-ray disc.
pub const MAX_VAT_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes of an extended attribute (Linux: `XATTR_SIZE_MAX`).
pub const MAX_ATTRIBUTE_BYTES: u64 = 65_536;
/// How long the files of a volume are counted.
pub const MAX_COUNT_TIME: std::time::Duration = std::time::Duration::from_secs(60);
/// Bytes lent from the memory map of an image after which its pages are given back.
pub const LENT_BYTES: u64 = 16 * 1024 * 1024;
