//! `mount-iso mount`, the verb that is meant when there is none.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::Args;

use super::announcer::Announcer;
use super::exit::{Code, Failure};
use super::image::shown;
use super::options::{ImageArgs, Options, Unknown};
use super::plan::{Plan, carry_out};
use crate::disc::Family;
use crate::sys;

/// Mount an image; the command may be left out
///
/// The image is checked first: what is wrong with it is told, and nothing is mounted. The command returns when the
/// drive can be read. Whatever is asked for, a drive is read-only, and its device files and set-id programs are
/// not trusted.
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[command(override_usage = "mount-iso [mount] [OPTIONS] IMAGE [DIR]", after_help = super::help::exit_codes())]
pub struct MountArgs {
    /// The disc image, or a block device
    #[arg(value_name = "IMAGE", value_hint = clap::ValueHint::FilePath)]
    pub image: PathBuf,

    /// Where to mount it; without, a directory is made, printed, and removed when the drive is unmounted
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub directory: Option<PathBuf>,

    #[command(flatten)]
    pub options: ImageArgs,

    /// Verify the structure and the embedded checksums first, and mount only what is sound
    #[arg(long)]
    pub verify: bool,

    /// Stay in the foreground; Ctrl-C unmounts
    #[arg(short, long)]
    pub foreground: bool,

    /// Debug: stay in the foreground and tell everything
    #[arg(short, long)]
    pub debug: bool,

    /// Make the directory DIR if it is missing, and remove it when the drive is unmounted
    #[arg(short = 'p', long)]
    pub mkdir: bool,

    /// File to log to [default: the system log; standard error in the foreground]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub log: Option<PathBuf>,

    /// Unmount when nobody has used the drive for so long: seconds, or with a unit as 15min or 2h
    #[arg(long, value_name = "TIME")]
    pub idle_timeout: Option<String>,

    /// For use in containers: all users may look, and the kernel enforces the permissions of the files
    #[arg(long)]
    pub container: bool,

    /// Write the directory and a newline to this open descriptor when the drive is ready, and close it
    #[arg(long, value_name = "N")]
    pub ready_fd: Option<i32>,

    /// Threads that answer the kernel [default: as many as processors, at most 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,

    /// Answer the kernel with a single thread, as fuseiso does
    #[arg(short = 's', long = "single-thread", conflicts_with = "threads")]
    pub single_thread: bool,

    /// Encoding of the names that are shown, as `-o iocharset=` and as fuseiso has it
    #[arg(short = 'c', long, value_name = "NAME")]
    pub charset: Option<OsString>,

    /// File system type, as for mount(8): iso9660, udf, auto, mount-iso
    #[arg(short = 't', long = "types", value_name = "TYPE")]
    pub types: Option<String>,

    /// Read-only, which the drive always is
    #[arg(short = 'r', long = "read-only")]
    pub read_only: bool,

    /// Accepted; the drive is read-only all the same
    #[arg(short = 'w', long = "rw", visible_alias = "read-write")]
    pub read_write: bool,

    /// Accepted as for mount(8), without an effect
    #[arg(short = 'n', hide = true)]
    pub no_table: bool,
}

impl MountArgs {
    /// What an image and perhaps a directory say that stand alone, as they mostly do; `None` for all else, which clap has
    /// to look at.
    pub fn plain(words: &[OsString]) -> Option<Self> {
        let is_plain = |word: &&OsString| !matches!(word.as_bytes().first(), None | Some(b'-'));
        let image = words.first().filter(is_plain)?.into();
        let directory = match words.get(1..)? {
            [] => None,
            [directory] => Some(Some(directory).filter(is_plain)?.into()),
            _ => return None,
        };
        Some(Self { image, directory, ..Self::default() })
    }
}

pub fn run(args: &MountArgs) -> Result<Code, Failure> {
    if let Some(number) = args.ready_fd.filter(|number| !sys::is_inherited(*number)) {
        return Err(Failure::new(Code::Usage, format!("--ready-fd {number}: there is no such descriptor"))
            .hint("whoever starts mount-iso has to leave it open: `mount-iso --ready-fd 3 IMAGE 3>FILE`"));
    }
    let plan = plan(args)?;
    if (plan.options.mount.writable && !args.read_only) || args.read_write {
        log::warn!("{}: a disc image is never written to: mounted read-only", shown(&args.image));
    }
    carry_out(plan)
}

/// What is to be done.
///
/// # Errors
/// For words that make no sense.
pub fn plan(args: &MountArgs) -> Result<Plan, Failure> {
    let mut options = Options::of_this_user();
    if let Some(types) = &args.types {
        options.selection.family = family(types)?;
    }
    args.options.read_into(&mut options, Unknown::Refuse)?;
    if let Some(charset) = &args.charset {
        let mut option = OsString::from("iocharset=");
        option.push(charset);
        options.read(&[option], Unknown::Refuse)?;
    }
    if let Some(threads) = args.threads.or(args.single_thread.then_some(1)) {
        options.mount.threads = Some(threads.into());
    }
    if let Some(time) = &args.idle_timeout {
        options.read(&[OsString::from(format!("idle_timeout={time}"))], Unknown::Refuse)?;
    }
    if args.container {
        options.read(&[OsString::from("allow_other,default_permissions")], Unknown::Refuse)?;
    }
    options.mount.verify |= args.verify;
    options.mount.log = args.log.clone().or(options.mount.log);
    Ok(Plan {
        image: args.image.clone(),
        close_after: None,
        directory: args.directory.clone(),
        make_directory: args.mkdir,
        foreground: args.foreground || args.debug,
        fake: false,
        announcer: Announcer::new(args.ready_fd),
        options,
    })
}

/// The file system that a type of mount(8) restricts the choice of tree to; `None` where it leaves it open.
///
/// # Errors
/// For a type that is none of ours.
pub fn family(types: &str) -> Result<Option<Family>, Failure> {
    const KNOWN: [(&str, Option<Family>); 5] = [
        ("iso9660", Some(Family::Iso9660)),
        ("udf", Some(Family::Udf)),
        ("auto", None),
        ("mount-iso", None),
        ("fuse.mount-iso", None),
    ];
    let is =
        |word: &str, known: &str| word.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let named = |word: &str| KNOWN.iter().find(|(known, _)| is(word, known)).map(|(_, family)| *family);
    let mut found = types.split(',').filter_map(named);
    match (found.next(), found.next()) {
        (Some(family), None) => Ok(family),
        // Several types are a list to try, and we try all there are.
        (Some(_), Some(_)) => Ok(None),
        (None, _) => {
            let message = format!("the file system type `{}` is not known here", types.escape_debug());
            Err(Failure::new(Code::Usage, message).hint("leave the type out, or use iso9660 or udf"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_those_of_mount() {
        for types in ["auto", "mount-iso", "fuse.mount-iso", "udf,iso9660", "mount-iso.x"] {
            assert_eq!(family(types).unwrap(), None, "{types}");
        }
        assert_eq!(family("iso9660").unwrap(), Some(Family::Iso9660));
        assert_eq!(family("udf").unwrap(), Some(Family::Udf));
        assert!(family("ext4").is_err() && family("iso96600").is_err());
    }
}
