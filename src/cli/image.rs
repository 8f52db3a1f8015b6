//! From the name of an image on the command line to its tree.

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Arc;

use super::exit::{Code, Failure};
use super::options::{Options, Window};
use crate::container;
use crate::disc::{Chosen, Disc, SessionChoice, TreeKind};
use crate::error::Error;
use crate::library;
use crate::limits::CACHE_BYTES;
use crate::source::{self, SharedSource};
use crate::sys::{self, Track};
use crate::text::printable;
use crate::tree::{Presentation, Tree};
use crate::volume::Volume;

/// An image, ready to be shown.
#[derive(Debug)]
pub struct Opened {
    pub disc: Disc,
    pub chosen: Chosen,
    pub tree: Tree,
    /// The options' presentation, with what Linux has its own way of for this file system.
    pub presentation: Presentation,
}

/// A path as it may be printed.
pub fn shown(path: &Path) -> String {
    printable(path.as_os_str().as_bytes())
}

/// Opens and probes an image without choosing a tree.
pub fn probe(path: &Path, options: &Options) -> Result<Disc, Failure> {
    let source = container::open(path, options.io).map_err(|error| unopened(path, &error))?;
    probe_source(source, path, options)
}

fn probe_source(source: SharedSource, path: &Path, options: &Options) -> Result<Disc, Failure> {
    let mut source = source;
    if options.window != Window::default() {
        let Window { offset, limit } = options.window;
        if offset >= source.len() {
            let message = format!("{}: the file ends before byte {offset}, where the image is to begin", shown(path));
            return Err(Failure::new(Code::Failure, message).hint("offset= is in bytes"));
        }
        let end = limit.map_or(u64::MAX, |limit| offset.saturating_add(limit));
        source = Arc::new(source::Window::new(source, offset..end));
    }
    let mut read = options.read.clone();
    if let Some(drive) = drive(path) {
        read.session = in_drive(read.session, &drive).map_err(|error| failed(path, &error))?;
    }
    Disc::probe(source, &read).map_err(|error| failed(path, &error))
}

/// What a CD drive says of the disc in it.
struct Drive {
    tracks: Vec<Track>,
    last_session: u32,
}

fn drive(path: &Path) -> Option<Drive> {
    let device = File::open(path).ok()?;
    if !device.metadata().ok()?.file_type().is_block_device() {
        return None;
    }
    let tracks = sys::tracks(&device).ok()?;
    Some(Drive { tracks, last_session: sys::last_session(&device).unwrap_or(0) })
}

/// The session of the disc in a drive that is meant: the last one by default, and its number is that of a data track, as
/// Linux has it.
fn in_drive(choice: SessionChoice, drive: &Drive) -> Result<SessionChoice, Error> {
    let number = match choice {
        SessionChoice::First => return Ok(SessionChoice::Sector(drive.last_session)),
        SessionChoice::Sector(_) => return Ok(choice),
        SessionChoice::Number(number) => number,
    };
    let data: Vec<_> = drive.tracks.iter().filter(|track| track.is_data).collect();
    let track = usize::try_from(number).ok().and_then(|number| data.get(number));
    track.map(|track| SessionChoice::Sector(track.start)).ok_or_else(|| {
        Error::Absent(format!(
            "the drive knows {} data tracks of this disc, counted from 0: there is no session {number}",
            data.len()
        ))
    })
}

/// Opens an image and the tree of it that the options choose.
pub fn open(path: &Path, options: &Options) -> Result<Opened, Failure> {
    let disc = probe(path, options)?;
    opened(path, disc, options)
}

fn opened(path: &Path, disc: Disc, options: &Options) -> Result<Opened, Failure> {
    let (chosen, volume) = choose(path, &disc, options)?;
    let presentation = presentation(options, chosen.kind);
    Ok(Opened { disc, chosen, tree: Tree::with_cache(volume, options.cache.unwrap_or(CACHE_BYTES)), presentation })
}

/// Opens the tree of an image that is open already, without its name, which may be that of another file by now.
pub fn reopen(file: &File, path: &Path, options: &Options) -> Result<Opened, Failure> {
    let source = file.try_clone().and_then(|file| container::open_file(file, options.io));
    let disc = probe_source(source.map_err(|error| unopened(path, &error))?, path, options)?;
    opened(path, disc, options)
}

/// Opens the tree of an image as a part of a library.
pub fn volume(path: &Path, options: &Options) -> Result<library::Opened, Failure> {
    let disc = probe(path, options)?;
    let (chosen, volume) = choose(path, &disc, options)?;
    Ok(library::Opened { volume, presentation: presentation(options, chosen.kind) })
}

fn choose(path: &Path, disc: &Disc, options: &Options) -> Result<(Chosen, Box<dyn Volume>), Failure> {
    let chosen = disc.choose(&options.selection).map_err(|error| failed(path, &error))?;
    let volume = disc.open(chosen.kind).map_err(|error| failed(path, &error))?;
    log::info!("{}: showing {}", shown(path), chosen.reason);
    Ok((chosen, volume))
}

/// On UDF `mode=` and `dmode=` hold whatever is recorded, and what nobody owns is nobody's where root mounts:
/// Linux has it so.
fn presentation(options: &Options, kind: TreeKind) -> Presentation {
    /// The user and group that stand for all unknown ones.
    const NOBODY: u32 = 65_534;
    let mut presentation = options.presentation.clone();
    if kind == TreeKind::Udf {
        presentation.override_recorded = true;
        if presentation.default_uid == 0 {
            (presentation.default_uid, presentation.default_gid) = (NOBODY, NOBODY);
        }
    }
    presentation
}

/// The failure of an image that can't even be opened.
fn unopened(path: &Path, error: &std::io::Error) -> Failure {
    use std::io::ErrorKind;
    let reason = match error.raw_os_error() {
        Some(number) => nix::errno::Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    };
    let failure = Failure::new(Code::Failure, format!("{}: {reason}", shown(path)));
    match error.kind() {
        ErrorKind::NotFound => failure.hint("check the name of the image; `mount-iso --help` lists the commands"),
        ErrorKind::PermissionDenied => failure.hint("the image must be readable for you: see `ls -l`"),
        _ => failure,
    }
}

/// The failure that an error of the image is.
pub fn failed(path: &Path, error: &Error) -> Failure {
    let message = match error {
        Error::NotADisc(reason) => format!("{}: not a disc image: {reason}", shown(path)),
        error => format!("{}: {error}", shown(path)),
    };
    Failure::new(Code::Failure, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_session_in_a_drive_or_the_one_that_is_counted() {
        let track = |start, is_data| Track { start, is_data };
        let tracks = vec![track(0, false), track(20_000, true), track(150_000, true)];
        let drive = Drive { tracks, last_session: 150_000 };
        let of = |choice| in_drive(choice, &drive);
        assert_eq!(of(SessionChoice::First).unwrap(), SessionChoice::Sector(150_000));
        assert_eq!(of(SessionChoice::Number(0)).unwrap(), SessionChoice::Sector(20_000));
        assert_eq!(of(SessionChoice::Number(1)).unwrap(), SessionChoice::Sector(150_000));
        assert_eq!(of(SessionChoice::Sector(7)).unwrap(), SessionChoice::Sector(7));
        assert!(of(SessionChoice::Number(2)).unwrap_err().to_string().contains("2 data tracks"));
    }

    #[test]
    fn what_is_no_drive_has_no_tracks() {
        assert!(drive(Path::new("/dev/null")).is_none());
        assert!(sys::tracks(&File::open("/dev/null").unwrap()).is_err());
        assert!(sys::last_session(&File::open("/dev/null").unwrap()).is_err());
    }
}
