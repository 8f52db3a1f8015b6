//! From the name of an image on the command line to its tree.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::exit::{Code, Failure};
use super::options::Options;
use crate::container;
use crate::disc::{Chosen, Disc, TreeKind};
use crate::error::Error;
use crate::library;
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
    Disc::probe(source, &options.read).map_err(|error| failed(path, &error))
}

/// Opens an image and the tree of it that the options choose.
pub fn open(path: &Path, options: &Options) -> Result<Opened, Failure> {
    let disc = probe(path, options)?;
    let (chosen, volume) = choose(path, &disc, options)?;
    let presentation = presentation(options, chosen.kind);
    Ok(Opened { disc, chosen, tree: Tree::new(volume), presentation })
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
