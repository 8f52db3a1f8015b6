//! Images of very many small files, written as they are made.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;

use super::allocation::{Ad, Form, long};
use super::damage::Copy;
use super::directory::Identifier;
use super::entry::{Entry, kind, permissions};
use super::image::Image;
use super::layout::Layout;
use super::node::characteristic;
use super::space::{Address, Spaces};
use super::text::compressed;
use super::{sequence, volume};

/// `files` files, all in the root or spread over `directories`.
///
/// File n is called `file-NNNNNNN.txt`, directory n `dir-NNNN`; every file holds [`Flat::TEXT`] in its ICB.
#[derive(Debug, Clone, Copy)]
pub struct Flat {
    pub files: u32,
    pub directories: u32,
    pub block_size: u32,
}

/// The first block behind the file set descriptor.
const ROOT: u32 = 4;
const REVISION: u16 = 0x201;

impl Flat {
    pub const TEXT: &'static [u8] = b"one of many\n";

    pub fn write(self, path: &Path) -> io::Result<()> {
        let image = Image::new(REVISION).block_size(self.block_size);
        let bs = self.block_size;
        let per = if self.directories == 0 { self.files } else { self.files.div_ceil(self.directories) };
        let root_len =
            if self.directories == 0 { self.len(0..self.files, false) } else { self.len(0..self.directories, true) };
        let directories = ROOT + 1 + root_len.div_ceil(bs);
        let bodies = directories + self.directories;
        let body = self.len(0..per, false).div_ceil(bs);
        let files = bodies + self.directories * body;

        let mut layout =
            Layout { partition_start: image.partition_start(), partition_len: files + self.files, ..Layout::default() };
        let spaces = Spaces::new(&image);
        let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
        let mut put = |at: u64, bytes: &[u8]| {
            out.seek(SeekFrom::Start(at))?;
            out.write_all(bytes)
        };
        for (at, bytes) in sequence::recognition(&image) {
            put(at, &bytes)?;
        }
        let byte = |sector: u32| u64::from(sector) * u64::from(bs);
        put(byte(256), &volume::anchor(&image, 256))?;
        let file_set = long(2 * bs, Address { block: 2, partition: 0 }, 0);
        for copy in [Copy::Main, Copy::Reserve] {
            for (sector, bytes) in sequence::sectors(&image, copy, &spaces, &file_set, &mut layout) {
                put(byte(sector), &bytes)?;
            }
        }
        let integrity = volume::integrity(&image, layout.partition_len, self.files, self.directories + 1, 16);
        put(byte(image.integrity_sector()), &integrity)?;
        let start = layout.partition_start;
        let root = long(bs, Address { block: ROOT, partition: 0 }, 0);
        put(byte(start + 2), &volume::file_set(&image, 0, "FILES", &root, 2))?;
        put(byte(start + 3), &volume::terminating(image.tag_version(), 3))?;

        out.seek(SeekFrom::Start(byte(start + ROOT)))?;
        let mut blocks = Blocks { out, bs: bs as usize, used: 0 };
        blocks.entry(&self.directory(ROOT, ROOT + 1, root_len, self.directories + 2))?;
        if self.directories == 0 {
            self.identifiers(&mut blocks, ROOT, ROOT + 1, 0..self.files, files, false)?;
        } else {
            self.identifiers(&mut blocks, ROOT, ROOT + 1, 0..self.directories, directories, true)?;
            for number in 0..self.directories {
                let len = self.len(self.range(number, per), false);
                blocks.entry(&self.directory(directories + number, bodies + number * body, len, 2))?;
            }
            for number in 0..self.directories {
                let (range, at) = (self.range(number, per), bodies + number * body);
                self.identifiers(&mut blocks, ROOT, at, range, files, false)?;
                blocks.out.seek(SeekFrom::Start(byte(start + at + body)))?;
            }
        }
        for number in 0..self.files {
            let location = Address { block: files + number, partition: 0 };
            let mut entry = Entry::new(kind::REGULAR, location, true, 3);
            (entry.permissions, entry.unique) = (permissions(0o644), 16 + u64::from(number));
            (entry.form, entry.len, entry.ads) = (Form::Embedded, Self::TEXT.len() as u64, Self::TEXT.to_vec());
            blocks.entry(&entry)?;
        }
        let file = blocks.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.set_len(byte(start + layout.partition_len))
    }

    fn range(self, number: u32, per: u32) -> Range<u32> {
        (number * per).min(self.files)..((number + 1) * per).min(self.files)
    }

    /// All descriptors but the parent's have one length.
    fn len(self, range: Range<u32>, directories: bool) -> u32 {
        40 + range.len() as u32 * if directories { 48 } else { 56 }
    }

    fn directory(self, icb: u32, body: u32, len: u32, links: u32) -> Entry {
        let mut entry = Entry::new(kind::DIRECTORY, Address { block: icb, partition: 0 }, true, 3);
        (entry.permissions, entry.links) = (permissions(0o755), links as u16);
        entry.len = u64::from(len);
        entry.blocks = u64::from(len.div_ceil(self.block_size));
        entry.ads = Ad { kind: 0, len, at: Address { block: body, partition: 0 } }.bytes(Form::Short, 0);
        entry
    }

    fn identifiers(
        self,
        blocks: &mut Blocks,
        parent: u32,
        body: u32,
        range: Range<u32>,
        icbs: u32,
        directories: bool,
    ) -> io::Result<()> {
        let mut at = 0;
        let mut put = |blocks: &mut Blocks, identifier: Identifier| {
            let bytes = identifier.bytes(3, body + at / self.block_size);
            at += bytes.len() as u32;
            blocks.bytes(&bytes)
        };
        let icb = |block: u32| long(self.block_size, Address { block, partition: 0 }, 0);
        let characteristics = characteristic::PARENT | characteristic::DIRECTORY;
        let identifier = |characteristics, name, block| Identifier {
            characteristics,
            name,
            icb: icb(block),
            implementation_use: Vec::new(),
        };
        put(blocks, identifier(characteristics, Vec::new(), parent))?;
        for number in range {
            let (bits, name) = if directories {
                (characteristic::DIRECTORY, format!("dir-{number:04}"))
            } else {
                (0, format!("file-{number:07}.txt"))
            };
            put(blocks, identifier(bits, compressed(&name), icbs + number))?;
        }
        blocks.finish()
    }
}

/// What fills blocks one after the other.
struct Blocks {
    out: BufWriter<File>,
    bs: usize,
    used: usize,
}

impl Blocks {
    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.used += bytes.len();
        self.out.write_all(bytes)
    }

    fn finish(&mut self) -> io::Result<()> {
        let rest = self.used.next_multiple_of(self.bs) - self.used;
        self.used = 0;
        self.out.write_all(&vec![0; rest])
    }

    fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        self.bytes(&entry.bytes())?;
        self.finish()
    }
}
