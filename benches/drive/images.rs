//! The images, made where they are missing.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use crate::build::{Flat, udf};
use crate::command::{find, succeed};
use crate::settings::Settings;
use crate::trees;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// One entry.
    One,
    /// One large file.
    Large,
    /// 100,000 small files.
    Small,
    /// One directory of 100,000 entries.
    Huge,
    /// A million entries in 1,000 directories.
    Million,
    /// Like the disc of an operating system.
    Mix,
}

/// One set of files, on several file systems.
#[derive(Debug, Clone)]
pub struct Images {
    pub iso: PathBuf,
    pub udf: Option<PathBuf>,
    pub erofs: Option<PathBuf>,
    pub squashfs: Option<PathBuf>,
}

/// What making an image may take.
const LIMIT: Duration = Duration::from_secs(900);

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Large => "large",
            Self::Small => "small",
            Self::Huge => "huge",
            Self::Million => "million",
            Self::Mix => "mix",
        }
    }

    pub fn made(self, settings: &Settings) -> io::Result<Images> {
        let path = |ending: &str| {
            let size = if settings.quick { "quick-" } else { "" };
            settings.directory.join(format!("{size}{}.{ending}", self.name()))
        };
        let (iso, udf) = (path("iso"), path("udf"));
        if self == Self::Million {
            let million = u32::try_from(settings.scaled(1_000_000)).unwrap_or(1);
            let directories = u32::try_from(settings.scaled(1000)).unwrap_or(1);
            made(&iso, |image| Flat { files: million, directories, rock_ridge: true }.write(image))?;
            made(&udf, |image| udf::Flat { files: million, directories, block_size: 2048 }.write(image))?;
            return Ok(Images { iso, udf: Some(udf), erofs: None, squashfs: None });
        }
        let tree = path("tree");
        let from = tree.to_string_lossy().into_owned();
        let need = |image: &Path| -> io::Result<()> {
            if image.exists() || tree.exists() {
                return Ok(());
            }
            match self {
                Self::Large => trees::large(&tree, settings),
                Self::Small => trees::small(&tree, settings),
                Self::Huge => trees::huge(&tree, settings),
                Self::Mix => trees::mix(&tree, settings),
                Self::One | Self::Million => trees::one(&tree),
            }
        };
        let by = |image: &Path, words: &[&str], last: &[&str]| -> io::Result<Option<PathBuf>> {
            if find(words[0]).is_none() {
                return Ok(None);
            }
            need(image)?;
            made(image, |part| {
                let part = part.to_string_lossy();
                let words: Vec<&str> = words.iter().map(|word| if *word == "IMAGE" { &part } else { *word }).collect();
                succeed(&[&words, last].concat(), LIMIT)
            })?;
            Ok(Some(image.to_owned()))
        };
        let words: &[&str] = match self {
            // xorriso takes minutes for so many names in one directory.
            Self::Huge => &["genisoimage", "-quiet", "-R", "-l", "-o", "IMAGE"],
            _ => &["xorriso", "-as", "mkisofs", "-quiet", "-R", "-iso-level", "3", "-o", "IMAGE"],
        };
        let iso = by(&iso, words, &[&from])?
            .ok_or_else(|| io::Error::other(format!("{} is not installed: it makes images", words[0])))?;
        let words = ["genisoimage", "-quiet", "-udf", "-R", "-l", "-allow-limited-size", "-o", "IMAGE"];
        let udf = by(&udf, &words, &[&from])?;
        let erofs = by(&path("erofs"), &["mkfs.erofs", "--quiet", "-Enoinline_data", "IMAGE"], &[&from])?;
        let words = ["mksquashfs", from.as_str(), "IMAGE", "-noI", "-noD", "-noF", "-noX", "-no-progress", "-quiet"];
        let squashfs = by(&path("squashfs"), &words, &[])?;
        if tree.exists() {
            fs::remove_dir_all(&tree)?;
        }
        Ok(Images { iso, udf, erofs, squashfs })
    }
}

/// Makes an image, which has its name only when it is whole.
fn made(image: &Path, make: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    if image.exists() {
        return Ok(());
    }
    eprintln!("bench: making {}", image.display());
    let part = image.with_extension("part");
    if part.exists() {
        fs::remove_file(&part)?;
    }
    make(&part)?;
    // What is written now must not be written while something is measured.
    File::open(&part)?.sync_all()?;
    fs::rename(part, image)
}

/// Brings an image into the page cache.
pub fn cache(image: &Path) -> io::Result<()> {
    io::copy(&mut File::open(image)?, &mut io::sink()).map(drop)
}

/// Takes an image out of the page cache, as far as nobody has it mapped.
pub fn evict(image: &Path) -> io::Result<()> {
    let file = File::open(image)?;
    file.sync_all()?;
    posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).map_err(io::Error::from)
}
