//! `mount-iso cat`: the bytes of files, on standard output.

use std::ffi::OsString;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::exit::{Code, Failure};
use super::messages::{Messages, read_hint};
use super::options::ImageArgs;
use super::output::{self, Stop};
use super::pieces::{self, Piece};
use super::{image, listing};
use crate::error::Error;
use crate::source::SharedSource;
use crate::tree::Tree;
use crate::volume::FileType;

/// Writes files of an image to standard output
#[derive(Debug, Clone, clap::Args)]
pub struct CatArgs {
    /// The image file or device
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,
    /// Files in the image; symbolic links are followed inside the image
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<OsString>,
    #[command(flatten)]
    pub options: ImageArgs,
}

pub fn run(args: &CatArgs) -> Result<Code, Failure> {
    let options = args.options.resolve()?;
    let opened = image::open(&args.image, &options)?;
    let mut messages = Messages::stderr(&args.image);
    let paths: Vec<&[u8]> = args.paths.iter().map(|path| path.as_bytes()).collect();
    output::print(|out| write(&opened.tree, &paths, out, &mut messages))
}

fn write(tree: &Tree, paths: &[&[u8]], out: &mut dyn Write, messages: &mut Messages<'_>) -> Result<Code, Stop> {
    for path in paths {
        match open(tree, path) {
            Ok(body) => copy(&body, path, out, messages)?,
            Err(Refused::Disc(error)) => messages.error(path, &error),
            Err(Refused::Kind(kind)) => {
                messages.failure(path, format!("is a {}, which has no bytes", listing::kind_title(kind)), None);
            }
        }
    }
    Ok(messages.finish())
}

enum Refused {
    Disc(Error),
    Kind(FileType),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Disc(error)
    }
}

fn open(tree: &Tree, path: &[u8]) -> Result<SharedSource, Refused> {
    let node = tree.resolve(path, true)?;
    match node.kind {
        FileType::Regular if path.ends_with(b"/") => Err(Error::NotADirectory.into()),
        FileType::Regular => Ok(tree.file(node.id)?),
        FileType::Directory => Err(Error::IsADirectory.into()),
        kind => Err(Refused::Kind(kind)),
    }
}

/// Everything up to the first sector that can't be read: what came after it would stand at a wrong place.
fn copy(body: &SharedSource, path: &[u8], out: &mut dyn Write, messages: &mut Messages<'_>) -> io::Result<()> {
    let mut lost = None;
    pieces::read(body.as_ref(), |piece| {
        match piece {
            Piece::Data { bytes, .. } => out.write_all(bytes)?,
            Piece::Hole { at, end } => zeros(end.saturating_sub(at), out)?,
            Piece::Lost { at, error, .. } => {
                lost = Some((at, error));
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok::<_, io::Error>(ControlFlow::Continue(()))
    })?;
    match lost {
        None => messages.success(),
        Some((at, error)) => {
            // In the order of a terminal: the bytes that could be read, then the message.
            out.flush()?;
            let what = format!("cannot read at byte {at} of {}: {error}", body.len());
            messages.failure(path, what, Some(read_hint(&error)));
        }
    }
    Ok(())
}

fn zeros(count: u64, out: &mut dyn Write) -> io::Result<()> {
    let block = [0; 8192];
    let mut left = count;
    while left > 0 {
        let now = left.min(8192);
        out.write_all(block.get(..usize::try_from(now).unwrap_or(0)).unwrap_or(&block))?;
        left = left.saturating_sub(now);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests_volume::{Body, TestVolume};
    use std::path::Path;

    fn cat(paths: &[&[u8]]) -> (Code, Vec<u8>, String) {
        let mut volume = TestVolume::default();
        volume.file(1, b"good", 2, Body::new(b"good\n".to_vec()));
        volume.file(1, b"bad", 3, Body::new(vec![9; 10_000]).bad(7000..7001));
        volume.file(1, b"sparse", 4, Body::new(vec![1; 30_000]).hole(2048..22_528));
        volume.add(1, b"dir", 5, FileType::Directory);
        volume.link(5, b"link", 6, b"/good");
        volume.add(1, b"pipe", 7, FileType::Fifo);
        let (mut out, mut error) = (Vec::new(), Vec::new());
        let mut messages = Messages::new(Path::new("t.iso"), &mut error);
        let code = write(&volume.tree(), paths, &mut out, &mut messages).unwrap();
        drop(messages);
        (code, out, String::from_utf8(error).unwrap())
    }

    #[test]
    fn files_and_links_inside_the_image() {
        let (code, out, error) = cat(&[b"good", b"/dir/link"]);
        assert_eq!((code, out.as_slice(), error.as_str()), (Code::Success, &b"good\ngood\n"[..], ""));
    }

    #[test]
    fn holes_are_zeros() {
        let (_, out, _) = cat(&[b"sparse"]);
        assert_eq!(out.len(), 30_000);
        assert_eq!(out.iter().filter(|byte| **byte == 0).count(), 20_480);
        assert_eq!((out[2047], out[2048], out[22_527], out[22_528]), (1, 0, 0, 1));
    }

    #[test]
    fn a_damaged_file_is_written_up_to_the_bad_sector() {
        let (code, out, error) = cat(&[b"bad"]);
        assert_eq!((code, out), (Code::Failure, vec![9; 6144]));
        assert!(error.starts_with("mount-iso: t.iso: bad: cannot read at byte 6144 of 10000: "), "{error}");
        assert!(error.contains("  hint: "));
        let (code, out, _) = cat(&[b"bad", b"good"]);
        assert_eq!((code, out.len()), (Code::Partial, 6149));
    }

    #[test]
    fn what_has_no_bytes_is_refused() {
        let (code, out, error) = cat(&[b"dir", b"pipe", b"none", b"good/"]);
        assert_eq!((code, out.len()), (Code::Failure, 0));
        for message in ["dir: is a directory", "pipe: is a FIFO", "none: no such file", "good/: not a directory"] {
            assert!(error.contains(message), "{error}");
        }
    }
}
