//! Images of very many small files, written as they are made.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use super::encode::{align, both16, both32, long_date, padded, short_date};
use super::node::TIME;
use super::susp;

/// `files` files of one shared block, all in the root or spread over `directories`.
///
/// File n is called `file-NNNNNNN.txt` (Rock Ridge) or `FNNNNNNN.TXT;1`, directory n `dir-NNNN` or `DNNNN`; every
/// file holds [`Flat::TEXT`].
#[derive(Debug, Clone, Copy)]
pub struct Flat {
    pub files: u32,
    pub directories: u32,
    pub rock_ridge: bool,
}

impl Flat {
    pub const TEXT: &'static [u8] = b"one of many\n";

    pub fn write(self, path: &Path) -> io::Result<()> {
        let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
        let directories = self.directories;
        // The text lies in block 19, the path tables and the root behind it.
        let text_block = 19;
        let tables = self.table_size().div_ceil(2048);
        let mut block = 20 + 2 * tables;
        let per = if directories == 0 { self.files } else { self.files.div_ceil(directories) };
        let root_block = block;
        let root_size =
            if directories == 0 { self.size(true, self.files, false) } else { self.size(true, directories, true) };
        block += root_size / 2048 + 1;
        out.seek(SeekFrom::Start(u64::from(text_block) * 2048))?;
        out.write_all(&padded(Self::TEXT, 2048, 0))?;
        for big in [false, true] {
            let table = self.path_table(root_block, block, big);
            out.write_all(&padded(&table, tables as usize * 2048, 0))?;
        }
        let mut sector = Sectors::default();
        self.dots(&mut sector, &mut out, root_block, root_size, root_block, root_size, true)?;
        if directories == 0 {
            self.files(&mut sector, &mut out, 0..self.files, text_block)?;
            sector.finish(&mut out)?;
        } else {
            let mut start = block;
            for number in 0..directories {
                let range = self.range(number, per);
                let size = self.size(false, range.len() as u32, false);
                let name = format!("D{number:04}");
                let long = format!("dir-{number:04}");
                sector.push(&mut out, &self.record(name.as_bytes(), &long, start, size, true))?;
                start += size / 2048;
            }
            sector.finish(&mut out)?;
            out.write_all(&[0; 2048])?;
            let mut start = block;
            for number in 0..directories {
                let range = self.range(number, per);
                let size = self.size(false, range.len() as u32, false);
                let mut sector = Sectors::default();
                self.dots(&mut sector, &mut out, start, size, root_block, root_size, false)?;
                self.files(&mut sector, &mut out, range, text_block)?;
                sector.finish(&mut out)?;
                start += size / 2048;
            }
            block = start;
        }
        out.seek(SeekFrom::Start(32_768))?;
        out.write_all(&self.descriptor(root_block, root_size, block))?;
        out.write_all(&padded(b"\xFFCD001\x01", 2048, 0))?;
        out.seek(SeekFrom::Start(u64::from(root_block + root_size / 2048) * 2048))?;
        out.write_all(&padded(&susp::er(super::Rock::V1_10), 2048, 0))?;
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.set_len(u64::from(block) * 2048)
    }

    fn range(self, number: u32, per: u32) -> std::ops::Range<u32> {
        (number * per).min(self.files)..((number + 1) * per).min(self.files)
    }

    /// All records but the dots have one length, so a directory's size is known before it is written.
    fn size(self, root: bool, count: u32, directories: bool) -> u32 {
        let dots = [self.dot(0, 0, 0, root).len(), self.dot(0, 0, 1, false).len()].iter().sum::<usize>() as u32;
        let len = if directories {
            self.record(b"D0000", "dir-0000", 0, 0, true).len()
        } else {
            self.record(b"F0000000.TXT;1", "file-0000000.txt", 0, 0, false).len()
        } as u32;
        let first = (2048 - dots) / len;
        if count <= first {
            return 2048;
        }
        2048 + (count - first).div_ceil(2048 / len) * 2048
    }

    #[expect(clippy::too_many_arguments, reason = "two extents and where to write")]
    fn dots(
        self,
        sector: &mut Sectors,
        out: &mut impl Write,
        block: u32,
        size: u32,
        parent: u32,
        parent_size: u32,
        root: bool,
    ) -> io::Result<()> {
        sector.push(out, &self.dot(block, size, 0, root))?;
        sector.push(out, &self.dot(parent, parent_size, 1, false))
    }

    fn dot(self, block: u32, size: u32, identifier: u8, root: bool) -> Vec<u8> {
        let mut system_use = Vec::new();
        if self.rock_ridge {
            if root {
                system_use.extend(susp::sp(0));
            }
            system_use.extend(susp::px(0o040_755, 2, 0, 0, None));
            if root {
                // The ER entry has the block behind the root.
                let len = susp::er(super::Rock::V1_10).len() as u32;
                system_use.extend(susp::ce(block + size / 2048, 0, len));
            }
        }
        raw(&[identifier], block, size, 2, &system_use)
    }

    fn files(
        self,
        sector: &mut Sectors,
        out: &mut impl Write,
        range: std::ops::Range<u32>,
        block: u32,
    ) -> io::Result<()> {
        // Numbers are counted up in place: formatting a million names is most of the time otherwise.
        let mut record = self.record(b"F0000000.TXT;1", "file-0000000.txt", block, Self::TEXT.len() as u32, false);
        let long = record.windows(5).position(|window| window == b"file-").map(|at| at + 5);
        for number in range {
            let mut digits = [b'0'; 7];
            let mut rest = number;
            for digit in digits.iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
            record[34..41].copy_from_slice(&digits);
            if let Some(at) = long {
                record[at..at + 7].copy_from_slice(&digits);
            }
            sector.push(out, &record)?;
        }
        Ok(())
    }

    fn record(self, identifier: &[u8], name: &str, block: u32, size: u32, dir: bool) -> Vec<u8> {
        let mut system_use = Vec::new();
        if self.rock_ridge {
            system_use.extend(susp::nm(0, name.as_bytes()));
            let (mode, nlink) = if dir { (0o040_755, 2) } else { (0o100_644, 1) };
            system_use.extend(susp::px(mode, nlink, 0, 0, None));
        }
        raw(identifier, block, size, if dir { 2 } else { 0 }, &system_use)
    }

    fn table_size(self) -> u32 {
        10 + self.directories * 14
    }

    /// ECMA-119 9.4; `first` is the block of the first directory.
    fn path_table(self, root: u32, first: u32, big: bool) -> Vec<u8> {
        let mut table = Vec::new();
        let per = self.files.div_ceil(self.directories.max(1));
        let mut record = |identifier: &[u8], block: u32| {
            table.extend([identifier.len() as u8, 0]);
            table.extend(if big { block.to_be_bytes() } else { block.to_le_bytes() });
            table.extend(if big { 1u16.to_be_bytes() } else { 1u16.to_le_bytes() });
            table.extend(identifier);
            table.extend(&[0][..identifier.len() % 2]);
        };
        record(&[0], root);
        let mut block = first;
        for number in 0..self.directories {
            record(format!("D{number:04}").as_bytes(), block);
            block += self.size(false, self.range(number, per).len() as u32, false) / 2048;
        }
        table
    }

    fn descriptor(self, root: u32, size: u32, blocks: u32) -> Vec<u8> {
        let mut sector = vec![0; 2048];
        let mut put = |at: usize, bytes: &[u8]| sector[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"\x01CD001\x01");
        put(8, &[b' '; 32]);
        put(40, &padded(b"MANY", 32, b' '));
        put(80, &both32(blocks));
        put(120, &both16(1));
        put(124, &both16(1));
        put(128, &both16(2048));
        let tables = self.table_size();
        put(132, &both32(tables));
        put(140, &20u32.to_le_bytes());
        put(148, &(20 + tables.div_ceil(2048)).to_be_bytes());
        put(156, &raw(&[0], root, size, 2, &[]));
        put(190, &[b' '; 623]);
        put(813, &long_date(TIME, 0));
        put(830, &long_date(TIME, 0));
        put(881, &[1]);
        sector
    }
}

/// ECMA-119 9.1: a directory record.
pub fn raw(identifier: &[u8], block: u32, size: u32, flags: u8, system_use: &[u8]) -> Vec<u8> {
    let mut record = vec![0, 0];
    record.extend(both32(block));
    record.extend(both32(size));
    record.extend(short_date(TIME, 0));
    record.extend([flags, 0, 0]);
    record.extend(both16(1));
    record.push(identifier.len() as u8);
    record.extend(identifier);
    if identifier.len().is_multiple_of(2) {
        record.push(0);
    }
    record.extend(system_use);
    record.resize(align(record.len() as u64, 2) as usize, 0);
    record[0] = record.len() as u8;
    record
}

/// Records in sectors, none crossing into the next.
#[derive(Default)]
struct Sectors {
    used: usize,
}

impl Sectors {
    fn push(&mut self, out: &mut impl Write, record: &[u8]) -> io::Result<()> {
        if self.used + record.len() > 2048 {
            self.finish(out)?;
        }
        self.used += record.len();
        out.write_all(record)
    }

    fn finish(&mut self, out: &mut impl Write) -> io::Result<()> {
        if self.used > 0 {
            out.write_all(&[0; 2048][self.used..])?;
            self.used = 0;
        }
        Ok(())
    }
}
