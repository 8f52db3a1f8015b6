//! The files that the images are made of.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::build::Content;
use crate::settings::Settings;

/// Entries of the huge directory, and small files.
pub const MANY: u64 = 100_000;

pub fn name(number: u64) -> String {
    format!("file-{number:06}.bin")
}

/// One file.
pub fn one(tree: &Path) -> io::Result<()> {
    file(&tree.join("file"), 1, 100)
}

/// One file of 2 GiB.
pub fn large(tree: &Path, settings: &Settings) -> io::Result<()> {
    file(&tree.join("large"), 2, settings.scaled(2 << 30) / 4096 * 4096)
}

/// Files of 1 to 8 KiB, a hundred to a directory.
pub fn small(tree: &Path, settings: &Settings) -> io::Result<()> {
    for number in 0..settings.scaled(MANY) {
        let directory = tree.join(format!("directory-{:04}", number / 100));
        if number % 100 == 0 {
            fs::create_dir_all(&directory)?;
        }
        file(&directory.join(name(number)), number, 1024 + number * 7919 % 7168)?;
    }
    Ok(())
}

/// Files of some bytes in one directory.
pub fn huge(tree: &Path, settings: &Settings) -> io::Result<()> {
    (0..settings.scaled(MANY)).try_for_each(|number| file(&tree.join(name(number)), number, 100 + number % 1000))
}

/// Like the disc of an operating system: few large files, some of middle size, and many small ones.
pub fn mix(tree: &Path, settings: &Settings) -> io::Result<()> {
    let kinds = [
        ("images", 3, 3, 200 << 20),
        ("packages", 40, 40, 8 << 20),
        ("libraries", 500, 50, 400 << 10),
        ("documents", 4000, 40, 16 << 10),
    ];
    for (kind, count, per, size) in kinds {
        // A small mix has smaller large files, and fewer small ones.
        let (count, size) = match settings.quick {
            true if count > 100 => (count / 20, size),
            true => (count, size / 100),
            false => (count, size),
        };
        for number in 0..count {
            let directory = tree.join(kind).join(format!("part-{:03}", number / per));
            fs::create_dir_all(&directory)?;
            let bytes = size / 2 + number * 7919 % size.max(1);
            file(&directory.join(name(number)), number, bytes)?;
        }
    }
    Ok(())
}

fn file(path: &Path, seed: u64, len: u64) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    let content = Content::Pattern { seed, len };
    let mut file = File::create(path)?;
    let mut buffer = vec![0; usize::try_from(len.min(1 << 20)).unwrap_or(0)];
    let mut at = 0;
    while at < len {
        let count = usize::try_from((len - at).min(1 << 20)).unwrap_or(0);
        content.read(at, &mut buffer[..count]);
        file.write_all(&buffer[..count])?;
        at += count as u64;
    }
    Ok(())
}
