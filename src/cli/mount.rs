//! `mount-iso mount`, the verb that is meant when there is none.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use nix::unistd::geteuid;

use super::announcer::{self, Announcer};
use super::exit::{Code, Failure};
use super::image::{self, shown};
use super::library;
use super::log as logging;
use super::options::{ImageArgs, Options, Unknown};
use super::place::{self, Place};
use super::sd_notify::Notifier;
use super::verify;
use crate::disc::Family;
use crate::fuse::{Renewal, Service};
use crate::mount::{self, Confinement, Drive, Kind, MountError, Request, Standing, table};
use crate::source::Watch;
use crate::sys;
use crate::tree::{Presentation, Tree};

/// Mount an image; the command may be left out
///
/// The image is checked first: what is wrong with it is told, and nothing is mounted. The command returns when the
/// drive can be read. Whatever is asked for, a drive is read-only, and its device files and set-id programs are
/// not trusted.
#[derive(Debug, Clone, Args)]
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

/// A mount, once all words are understood.
#[derive(Debug)]
pub struct Plan {
    /// The image; of a library its folder.
    pub image: PathBuf,
    /// How long an image of a library is kept open unused; `None`: it is no library.
    pub close_after: Option<Duration>,
    pub directory: Option<PathBuf>,
    pub make_directory: bool,
    pub foreground: bool,
    /// Do everything but mount.
    pub fake: bool,
    /// Who is told when the drive is ready.
    pub announcer: Announcer,
    pub options: Options,
}

/// What a drive shows.
#[derive(Debug)]
pub struct Content {
    pub tree: Tree,
    pub presentation: Presentation,
    pub renewal: Option<Renewal>,
}

pub fn run(args: &MountArgs) -> Result<Code, Failure> {
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
    if let Some(number) = args.ready_fd.filter(|number| !sys::is_inherited(*number)) {
        return Err(Failure::new(Code::Usage, format!("--ready-fd {number}: there is no such descriptor"))
            .hint("whoever starts mount-iso has to leave it open: `mount-iso --ready-fd 3 IMAGE 3>FILE`"));
    }
    let announcer = Announcer::new(args.ready_fd);
    options.mount.verify |= args.verify;
    options.mount.log = args.log.clone().or(options.mount.log);
    if (options.mount.writable && !args.read_only) || args.read_write {
        log::warn!("{}: a disc image is never written to: mounted read-only", shown(&args.image));
    }
    carry_out(Plan {
        image: args.image.clone(),
        close_after: None,
        directory: args.directory.clone(),
        make_directory: args.mkdir,
        foreground: args.foreground || args.debug,
        fake: false,
        announcer,
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

impl From<MountError> for Failure {
    fn from(error: MountError) -> Self {
        let code = match error.kind {
            Kind::Permission => Code::Usage,
            Kind::System => Code::System,
            Kind::Point | Kind::Busy => Code::Failure,
        };
        Self { code, message: error.message, hint: error.hint }
    }
}

/// Mounts, whichever way the wish was worded.
pub fn carry_out(mut plan: Plan) -> Result<Code, Failure> {
    if plan.options.mount.remount {
        return remount(&plan);
    }
    let content = match plan.close_after {
        Some(_) if plan.options.mount.verify => {
            let message = format!("{}: `verify` is for single images", shown(&plan.image));
            return Err(
                Failure::new(Code::Usage, message).hint("`mount-iso verify IMAGE` verifies any of the folder's")
            );
        }
        Some(idle) => library::open(&plan.image, plan.directory.as_deref(), &plan.options, idle)?,
        None => {
            let opened = image::open(&plan.image, &plan.options)?;
            if plan.options.mount.verify {
                verify::before_mounting(&plan.image, &opened)?;
            }
            let renewal = renewal(&plan.image, &plan.options);
            Content { tree: opened.tree, presentation: opened.presentation, renewal }
        }
    };
    if plan.fake {
        return Ok(Code::Success);
    }
    let log_file = match &plan.options.mount.log {
        Some(path) => Some(logging::open(path).map_err(|error| {
            Failure::new(Code::Failure, format!("{}: {error}", shown(path))).hint("name a file you may write to")
        })?),
        None => None,
    };
    let elsewhere = mounted_by_us(&plan.image);
    // From the first thing that is made until there is a process that tidies.
    mount::block_signals().map_err(|error| Failure::new(Code::Internal, error.to_string()))?;
    let (drive, place) = match &plan.directory {
        Some(directory) if let Some(number) = place::descriptor(directory) => {
            if plan.options.mount.idle_timeout.is_some() {
                let message = format!("{}: idle_timeout= is for drives that mount-iso mounts itself", shown(directory));
                return Err(Failure::new(Code::Usage, message).hint("leave it out: whoever has mounted unmounts"));
            }
            let device = sys::duplicate(number)
                .map_err(|error| Failure::new(Code::Failure, format!("{}: {error}", shown(directory))))?;
            (Drive::of_descriptor(device), None)
        }
        Some(directory) => {
            let place = place::named(directory, plan.make_directory)?;
            if let Some(other) = elsewhere.iter().find(|other| **other != place.path) {
                log::warn!("{}: is also mounted on {}", shown(&plan.image), shown(other));
            }
            (mount_on(&plan, &place)?, Some(place))
        }
        None => {
            if let Some(other) = elsewhere.first() {
                if is_plain(&plan.options) {
                    log::warn!("{}: is mounted already", shown(&plan.image));
                    announcer::print_directory(other);
                    return Ok(Code::Success);
                }
                log::warn!("{}: is also mounted on {}, perhaps with other options", shown(&plan.image), shown(other));
            }
            let place = place::new(&content.tree.info().label, &plan.image)?;
            (mount_on(&plan, &place)?, Some(place))
        }
    };
    let running = &plan.options.mount;
    let service = Service::new(content.tree, content.presentation, running.threads, !running.no_restart)
        .with_idle_limit(running.idle_timeout)
        .with_renewal(content.renewal)
        .confined(match plan.close_after {
            _ if running.no_sandbox => Confinement::None,
            Some(_) => Confinement::Readable,
            None => Confinement::Descriptors,
        });
    let mut announcer = std::mem::take(&mut plan.announcer);
    announcer.prints = plan.directory.is_none();
    announcer.point = place.map(|place| place.path);
    let failed = |error: io::Error| Failure::new(Code::System, format!("no process could be started: {error}"));
    if plan.foreground {
        if log_file.is_some() {
            logging::leave_terminal(log_file);
        }
        announcer.notifier = Notifier::of_environment();
        announcer.take_descriptor();
        announcer.image = plan.image.clone();
        return match mount::run_in_foreground(drive, announcer.observer(), service).map_err(failed)? {
            0 => Ok(Code::Success),
            _ => Err(Failure::new(Code::System, "the drive's serving process ended before its time")
                .hint("the messages above say why; -d shows more")),
        };
    }
    match mount::run_in_background(drive, || logging::leave_terminal(log_file), service).map_err(failed)? {
        Standing::Ready => {
            announcer.ready();
            Ok(Code::Success)
        }
        Standing::Failed(reason) => {
            let reason = if reason.is_empty() { "its process ended".to_owned() } else { reason };
            Err(Failure::new(Code::System, format!("the drive could not be served: {reason}"))
                .hint("-d stays in the foreground and shows what happens"))
        }
    }
}

/// How the image is watched and read anew; `None` for what is no file: a disc in a drive is another disc.
fn renewal(image: &Path, options: &Options) -> Option<Renewal> {
    let opened = (|| {
        let file = Arc::new(File::open(image)?);
        if !file.metadata()?.is_file() {
            return Ok(None);
        }
        Ok(Some((Watch::new(Arc::clone(&file), image)?, file)))
    })();
    let (watch, file) = match opened {
        Ok(opened) => opened?,
        Err(error) => {
            let error: io::Error = error;
            log::warn!("{}: changes of the image will not be noticed: {error}", shown(image));
            return None;
        }
    };
    let (path, options) = (image.to_owned(), options.clone());
    let same = Arc::clone(&file);
    let reopen = move || {
        let opened = image::reopen(&same, &path, &options).and_then(|opened| {
            if options.mount.verify {
                verify::before_mounting(&path, &opened)?;
            }
            Ok(opened)
        });
        opened.map(|opened| (opened.tree, opened.presentation)).map_err(|failure| failure.message)
    };
    Some(Renewal::new(watch, file, Box::new(reopen)))
}

/// Whether nothing was asked for that changes what a drive shows.
fn is_plain(options: &Options) -> bool {
    let usual = Options::of_this_user();
    (&options.selection, &options.read, &options.presentation, options.window)
        == (&usual.selection, &usual.read, &usual.presentation, usual.window)
}

/// Where this user has mounted the image already.
pub(super) fn mounted_by_us(image: &Path) -> Vec<PathBuf> {
    let user = geteuid().as_raw();
    let table = table::ours().unwrap_or_default();
    let own = table.into_iter().filter(|entry| entry.user() == Some(user) && entry.shows(image));
    own.filter(|entry| !mount::is_stale(&entry.point, entry.user())).map(|entry| entry.point).collect()
}

fn mount_on(plan: &Plan, place: &Place) -> Result<Drive, Failure> {
    let request = request(plan, &place.path);
    Drive::mount(&request, place.made).map_err(|error| {
        place.abandon();
        Failure::from(error)
    })
}

fn request(plan: &Plan, point: &Path) -> Request {
    let options = &plan.options.mount;
    // What root mounts all may see, as with a mount of the kernel's own; the kernel then checks permissions.
    let root = geteuid().is_root();
    Request {
        source: options.source.clone().unwrap_or_else(|| source(&plan.image)),
        point: point.to_owned(),
        no_exec: options.no_exec,
        sync: options.sync,
        dir_sync: options.dir_sync,
        no_atime: options.no_atime,
        no_symlinks: options.no_symlinks,
        contexts: options.contexts.clone(),
        allow_other: options.allow_other.unwrap_or(root),
        default_permissions: options.default_permissions.unwrap_or(root),
    }
}

/// What the mount table shows: mount(8) compares it with the lines of /etc/fstab, so it must be the path itself.
fn source(image: &Path) -> OsString {
    let absolute = fs::canonicalize(image).or_else(|_| std::path::absolute(image));
    absolute.map_or_else(|_| image.as_os_str().to_owned(), PathBuf::into_os_string)
}

fn remount(plan: &Plan) -> Result<Code, Failure> {
    let Some(directory) = &plan.directory else {
        return Err(
            Failure::new(Code::Usage, "remount needs the directory of the mount").hint("`mount -o remount,noexec DIR`")
        );
    };
    let point = mount::absolute(directory);
    let topmost = table::read().ok().and_then(|table| table.into_iter().rfind(|entry| entry.point == point));
    if !topmost.is_some_and(|entry| entry.is_ours()) {
        let message = format!("{}: no drive of mount-iso is mounted there", shown(directory));
        return Err(Failure::new(Code::Failure, message).hint("`mount-iso list` shows the drives"));
    }
    mount::remount(&request(plan, &point))?;
    Ok(Code::Success)
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
