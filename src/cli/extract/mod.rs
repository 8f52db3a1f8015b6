//! `mount-iso extract`: copies files out of an image.

mod batch;
mod copy;
mod crew;
mod existing;
mod extraction;
mod file;
mod interrupt;
mod job;
mod links;
mod lost;
mod maker;
mod place;
mod report;
mod selection;
mod stack;

use std::ffi::{OsStr, OsString};
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::value_parser;

use super::exit::{Code, Failure};
use super::image::{self, shown};
use super::messages::Messages;
use super::options::ImageArgs;
use super::output::{self, Stop};
use super::progress;
use crate::text::label_as_name;
use crate::tree::Tree;
use existing::Existing;
use extraction::{Choices, Extraction};
use interrupt::Interrupt;
use selection::{Selection, canonical};

/// Copies files of an image into a directory, with times, modes, links and holes
#[derive(Debug, Clone, clap::Args)]
pub struct ExtractArgs {
    /// The image file or device
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,
    /// Files and directories in the image; the whole image by default
    #[arg(value_name = "PATH")]
    pub paths: Vec<OsString>,
    /// Where to, made if missing; by default a directory named like the disc
    #[arg(short = 'C', long = "to", value_name = "DIR")]
    pub to: Option<PathBuf>,
    /// Restore owners, as root does by default
    #[arg(long, overrides_with = "no_owner")]
    pub same_owner: bool,
    /// Give everything to the user who extracts
    #[arg(long, overrides_with = "same_owner")]
    pub no_owner: bool,
    /// Pass over files that exist, as to go on after an interruption; without it they are told as failures
    #[arg(short = 'n', long, conflicts_with = "overwrite")]
    pub no_overwrite: bool,
    /// Replace files that exist
    #[arg(long)]
    pub overwrite: bool,
    /// Threads that copy; by default as many as there are processors, but no more than four
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=64))]
    pub threads: Option<u16>,
    #[command(flatten)]
    pub options: ImageArgs,
}

pub fn run(args: &ExtractArgs) -> Result<Code, Failure> {
    let options = args.options.resolve()?;
    let opened = image::open(&args.image, &options)?;
    let mut messages = Messages::stderr(&args.image);
    let paths: Vec<&[u8]> = args.paths.iter().map(|path| path.as_bytes()).collect();
    let (selection, from) = select(&opened.tree, &paths, &mut messages);
    if from.is_empty() {
        return Ok(messages.finish());
    }
    let to = args.to.clone().unwrap_or_else(|| default_target(&opened.tree, &args.image));
    let target = Target::open(&to)?;
    let root = nix::unistd::geteuid().is_root();
    let choices = Choices {
        existing: match (args.overwrite, args.no_overwrite) {
            (true, _) => Existing::Replace,
            (false, true) => Existing::Keep,
            (false, false) => Existing::Refuse,
        },
        owners: !args.no_owner && (args.same_owner || root),
        devices: root,
    };
    // Before the thread of the progress bar exists, so that it holds the signals back too.
    let interrupt = Interrupt::new();
    let bar = progress::bar(|| progress::quick_total(&opened.tree, &from));
    messages.step_aside(bar.clone());
    let result = Extraction::new(&opened.tree, &opened.presentation, &mut messages, target, choices)
        .watched(&interrupt, &bar)
        .threads(threads(args.threads))
        .run(&selection);
    bar.finish_and_clear();
    let code = messages.finish();
    result?;
    if args.to.is_some() {
        return Ok(code);
    }
    output::print(|out| {
        writeln!(out, "extracted into {}", shown(&to))?;
        Ok::<_, Stop>(code)
    })
}

/// How many threads copy: more than four wait for one another in the file systems as a rule.
fn threads(asked: Option<u16>) -> NonZeroUsize {
    let usual = || std::thread::available_parallelism().map_or(NonZeroUsize::MIN, |many| many.min(FOUR));
    asked.and_then(|asked| NonZeroUsize::new(asked.into())).unwrap_or_else(usual)
}

const FOUR: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3);

/// What the paths name, and the nodes they lead to.
fn select(tree: &Tree, paths: &[&[u8]], messages: &mut Messages<'_>) -> (Selection, Vec<crate::volume::NodeId>) {
    if paths.is_empty() {
        return (Selection::All, vec![tree.root()]);
    }
    let mut selection = Selection::none();
    let mut from = Vec::new();
    for path in paths {
        match canonical(tree, path) {
            Ok((names, id)) => {
                selection.add(&names);
                from.push(id);
            }
            Err(error) => messages.error(path, &error),
        }
    }
    (selection, from)
}

/// The directory of the label; where that says nothing, of the image's name without its extension.
fn default_target(tree: &Tree, image: &Path) -> PathBuf {
    let label = label_as_name(&tree.info().label);
    if !label.is_empty() {
        return label.into();
    }
    let stem = image.file_stem().map(OsStr::to_string_lossy).unwrap_or_default();
    match label_as_name(&stem) {
        name if name.is_empty() => "disc".into(),
        name => name.into(),
    }
}

/// The directory that everything goes into.
#[derive(Debug)]
struct Target {
    file: OwnedFd,
    /// Whether it is ours to give attributes to.
    made: bool,
}

impl Target {
    /// Opens a directory, which is made if missing. Here symbolic links are followed: the user named it.
    fn open(path: &Path) -> Result<Self, Failure> {
        let made = !path.exists();
        let open = || -> io::Result<OwnedFd> {
            std::fs::create_dir_all(path)?;
            let file = std::fs::File::open(path)?;
            if !file.metadata()?.is_dir() {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            Ok(file.into())
        };
        let file = open().map_err(|error| {
            Failure::new(Code::Failure, format!("{}: {error}", shown(path)))
                .hint("name a directory that can be written to with --to DIR")
        })?;
        Ok(Self { file, made })
    }
}

#[cfg(test)]
#[path = "../tests/extract.rs"]
mod tests;
