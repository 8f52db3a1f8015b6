//! What is measured beside one another.

use std::path::Path;

use crate::command::find;
use crate::images::Images;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contender {
    Ours,
    /// Ours, of the UDF image with the same files.
    OursUdf,
    /// Ours, with large files that the kernel reads by itself.
    OursPassthrough,
    Erofs,
    Fuseiso,
    Squashfuse,
    Archivemount,
    /// The image file itself.
    Plain,
    SevenZip,
    Bsdtar,
    Xorriso,
}

impl Contender {
    pub const MOUNTED: [Self; 6] =
        [Self::Ours, Self::OursUdf, Self::Erofs, Self::Fuseiso, Self::Squashfuse, Self::Archivemount];
    pub const EXTRACTING: [Self; 5] = [Self::Ours, Self::OursUdf, Self::SevenZip, Self::Bsdtar, Self::Xorriso];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Ours => "mount-iso",
            Self::OursUdf => "mount-iso, UDF",
            Self::OursPassthrough => "`-o passthrough`",
            Self::Erofs => "erofs, loop",
            Self::Fuseiso => "fuseiso",
            Self::Squashfuse => "squashfuse",
            Self::Archivemount => "archivemount",
            Self::Plain => "cat of the image",
            Self::SevenZip => "7z",
            Self::Bsdtar => "bsdtar",
            Self::Xorriso => "xorriso",
        }
    }

    pub const fn is_ours(self) -> bool {
        matches!(self, Self::Ours | Self::OursUdf | Self::OursPassthrough)
    }

    /// The program that mounts or extracts; it may be missing.
    pub const fn program(self) -> &'static str {
        match self {
            Self::Ours | Self::OursUdf | Self::OursPassthrough => env!("CARGO_BIN_EXE_mount-iso"),
            Self::Erofs => "mkfs.erofs",
            Self::Fuseiso => "fuseiso",
            Self::Squashfuse => "squashfuse",
            Self::Archivemount => "archivemount",
            Self::Plain => "cat",
            Self::SevenZip => "7z",
            Self::Bsdtar => "bsdtar",
            Self::Xorriso => "xorriso",
        }
    }

    /// Why it can't be measured here.
    pub fn absence(self) -> Option<String> {
        if !self.is_ours() && find(self.program()).is_none() {
            return Some(format!("{}: {} is not installed", self.name(), self.program()));
        }
        let root = nix::unistd::geteuid().is_root();
        match self {
            Self::Erofs if !root => Some(format!("{}: only root may mount it", self.name())),
            Self::OursPassthrough if !root => Some(format!("{}: it is for root alone", self.name())),
            Self::OursPassthrough if !passes_through() => Some(format!("{}: it takes Linux 6.12", self.name())),
            _ => None,
        }
    }

    /// The image that it reads.
    pub fn image(self, images: &Images) -> Option<&Path> {
        match self {
            Self::OursUdf => images.udf.as_deref(),
            Self::Erofs => images.erofs.as_deref(),
            Self::Squashfuse => images.squashfs.as_deref(),
            _ => Some(&images.iso),
        }
    }

    /// The command that mounts an image; what the kernel or the program then does in the background is its own.
    pub fn mounting(self, image: &str, point: &str) -> Vec<String> {
        let words: Vec<&str> = match self {
            Self::Ours => vec![self.program(), image, point],
            Self::OursUdf => vec![self.program(), "--tree=udf", image, point],
            Self::OursPassthrough => vec![self.program(), "-o", "passthrough", image, point],
            Self::Erofs => vec!["mount", "-t", "erofs", "-o", "loop,ro", image, point],
            _ => vec![self.program(), image, point],
        };
        words.into_iter().map(str::to_owned).collect()
    }

    pub fn extracting(self, image: &str, to: &str) -> Vec<String> {
        let words: Vec<String> = match self {
            Self::OursUdf => [self.program(), "extract", "--tree=udf", image, "-C", to].map(str::to_owned).to_vec(),
            Self::SevenZip => vec!["7z".into(), "x".into(), "-y".into(), "-bd".into(), format!("-o{to}"), image.into()],
            Self::Bsdtar => ["bsdtar", "-xf", image, "-C", to].map(str::to_owned).to_vec(),
            Self::Xorriso => {
                ["xorriso", "-osirrox", "on", "-indev", image, "-extract", "/", to].map(str::to_owned).to_vec()
            }
            _ => [self.program(), "extract", image, "-C", to].map(str::to_owned).to_vec(),
        };
        words
    }
}

/// Whether this Linux can mount an EROFS that is in a file.
fn passes_through() -> bool {
    let release = nix::sys::utsname::uname().ok();
    let release = release.as_ref().and_then(|name| name.release().to_str()).unwrap_or_default();
    let mut parts = release.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (6, 12)
}
