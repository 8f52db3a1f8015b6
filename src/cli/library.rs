//! `mount-iso library`: a folder of images as one drive.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::announcer::Announcer;
use super::exit::{Code, Failure};
use super::image::{self, shown};
use super::options::{ImageArgs, Options};
use super::plan::{Content, Plan, carry_out};
use crate::library::{Library, Opener};
use crate::limits::CACHE_BYTES;
use crate::mount;
use crate::tree::Tree;

/// Seconds after which an image that nobody uses is closed.
const IDLE: u32 = 60;

/// Mount a folder of images: each is a directory, opened when it is entered
///
/// The files of the folder whose names end with .iso, .udf or .img are shown as directories, named without that end.
/// Images that come to the folder or go from it come and go in the drive. One that can't be read is shown all the
/// same: whoever enters it gets an input/output error, and the log says why.
#[derive(Debug, Clone, Args)]
#[command(after_help = super::help::exit_codes())]
pub struct LibraryArgs {
    /// The folder with the images
    #[arg(value_name = "FOLDER", value_hint = clap::ValueHint::DirPath)]
    pub folder: PathBuf,

    /// Where to mount it
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub directory: PathBuf,

    #[command(flatten)]
    pub options: ImageArgs,

    /// Seconds after which an image that nobody uses is closed
    #[arg(long, value_name = "SECONDS", default_value_t = IDLE, value_parser = clap::value_parser!(u32).range(1..))]
    pub close_after: u32,

    /// Stay in the foreground; Ctrl-C unmounts
    #[arg(short, long)]
    pub foreground: bool,

    /// Make the directory DIR if it is missing, and remove it when the drive is unmounted
    #[arg(short = 'p', long)]
    pub mkdir: bool,

    /// File to log to [default: the system log; standard error in the foreground]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub log: Option<PathBuf>,
}

pub fn run(args: &LibraryArgs) -> Result<Code, Failure> {
    carry_out(plan(args)?)
}

/// What is to be done.
///
/// # Errors
/// For words that make no sense.
pub fn plan(args: &LibraryArgs) -> Result<Plan, Failure> {
    let mut options = args.options.resolve()?;
    options.mount.log = args.log.clone().or(options.mount.log);
    Ok(Plan {
        image: args.folder.clone(),
        close_after: Some(Duration::from_secs(args.close_after.into())),
        directory: Some(args.directory.clone()),
        make_directory: args.mkdir,
        foreground: args.foreground,
        fake: false,
        options,
        announcer: Announcer::default(),
    })
}

/// The folder as a tree. No image is opened. `ledger`: what another program has left of it.
///
/// # Errors
/// When the folder can't be read, or the drive would lie in it and so show itself.
pub fn open(
    folder: &Path,
    directory: Option<&Path>,
    options: &Options,
    idle: Duration,
    ledger: Option<File>,
) -> Result<Content, Failure> {
    let failed = |reason: String| Failure::new(Code::Failure, format!("{}: {reason}", shown(folder)));
    let path = std::fs::canonicalize(folder)
        .map_err(|error| failed(error.to_string()).hint("name a folder that has images in it"))?;
    if directory.is_some_and(|directory| mount::absolute(directory) == path) {
        return Err(failed("the drive would hide the images themselves".to_owned())
            .hint("name another directory to mount it on; -p makes it"));
    }
    let presentation = options.presentation.clone();
    let cache = options.cache.unwrap_or(CACHE_BYTES);
    let options = options.clone();
    let opener: Opener = Box::new(move |image| image::volume(image, &options).map_err(|failure| failure.to_string()));
    let library = Library::new(path, idle, opener, ledger)
        .map_err(|error| failed(error.to_string()).hint("name a folder that you may read"))?;
    Ok(Content { tree: Tree::with_cache(Box::new(library), cache), presentation, renewal: None })
}
