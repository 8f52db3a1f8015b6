//! From a wish that is understood to a drive that is served.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::geteuid;

use super::announcer::{self, Announcer};
use super::exit::{Code, Failure};
use super::image::{self, shown};
use super::library;
use super::log as logging;
use super::options::{Options, Window};
use super::place::{self, Place};
use super::sd_notify::Notifier;
use super::verify;
use crate::fuse::{Renewal, Service};
use crate::mount::{self, Confinement, Drive, Handover, Kind, Legacy, MountError, Origin, Request, Standing, table};
use crate::sys;
use crate::tree::{Presentation, Tree};

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
    if plan.close_after.is_some() && plan.options.mount.verify {
        let message = format!("{}: `verify` is for single images", shown(&plan.image));
        return Err(Failure::new(Code::Usage, message).hint("`mount-iso verify IMAGE` verifies any of the folder's"));
    }
    let content = content(&plan)?;
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
    let service = service(&plan, content);
    let origin = origin(&plan);
    // What the choice of a tree has taken would be that of three processes.
    sys::return_memory();
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
        return match mount::run_in_foreground(drive, origin, announcer.observer(), service).map_err(failed)? {
            0 => Ok(Code::Success),
            _ => Err(Failure::new(Code::System, "the drive's serving process ended before its time")
                .hint("the messages above say why; -d shows more")),
        };
    }
    match mount::run_in_background(drive, origin, || logging::leave_terminal(log_file), service).map_err(failed)? {
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

/// Opens what is to be shown.
fn content(plan: &Plan) -> Result<Content, Failure> {
    if let Some(idle) = plan.close_after {
        return library::open(&plan.image, plan.directory.as_deref(), &plan.options, idle, None);
    }
    let opened = image::open(&plan.image, &plan.options)?;
    if plan.options.mount.verify {
        verify::before_mounting(&plan.image, &opened)?;
    }
    let renewal = renewal(File::open(&plan.image), &plan.image, &plan.options);
    Ok(Content { tree: opened.tree, presentation: opened.presentation, renewal })
}

/// Opens what another program has shown until now.
///
/// # Errors
/// When that can't be read.
pub fn content_again(plan: &Plan, legacy: &Legacy) -> Result<Content, Failure> {
    if let (Some(idle), Some(ledger)) = (plan.close_after, &legacy.ledger) {
        let failed = |error: io::Error| Failure::new(Code::System, error.to_string());
        let ledger = ledger.try_clone().map_err(failed)?;
        return library::open(&plan.image, None, &plan.options, idle, Some(ledger));
    }
    let Some(file) = &legacy.image else { return content(plan) };
    let opened = image::reopen(file, &plan.image, &plan.options)?;
    let renewal = renewal(file.try_clone(), &plan.image, &plan.options);
    Ok(Content { tree: opened.tree, presentation: opened.presentation, renewal })
}

/// Goes on where another program has stopped.
///
/// # Errors
/// When what it has shown can't be read, and when there can't be another process.
pub fn resume(mut plan: Plan, mut handover: Handover) -> Result<Code, Failure> {
    let content = content_again(&plan, &handover.legacy)?;
    let mut announcer = std::mem::take(&mut plan.announcer);
    announcer.image.clone_from(&plan.image);
    announcer.point = handover.directory().map(Path::to_owned);
    announcer.notifier = Notifier::of_environment().filter(|_| plan.foreground);
    let service = service(&plan, content).resumed(handover.take_legacy());
    let ended = mount::resume(handover, announcer.observer(), service);
    match ended.map_err(|error| Failure::new(Code::System, format!("no process could be started: {error}")))? {
        0 => Ok(Code::Success),
        _ => Err(Failure::new(Code::System, "the drive's serving process ended before its time")),
    }
}

impl Plan {
    /// Makes it the plan of a drive that is there: names are those that it was found by.
    pub fn adopt(&mut self, origin: &Origin) {
        self.image.clone_from(&origin.image);
        self.options.mount.log.clone_from(&origin.log);
        let (offset, limit) = origin.window;
        self.options.window = Window { offset, limit };
    }
}

/// What another program has to know for going on with the drive.
fn origin(plan: &Plan) -> Origin {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    Origin {
        program: mount::program().unwrap_or_default(),
        args: std::env::args_os().collect(),
        image: absolute(&plan.image),
        window: (plan.options.window.offset, plan.options.window.limit),
        log: plan.options.mount.log.as_deref().map(absolute),
    }
}

fn service(plan: &Plan, content: Content) -> Service {
    let running = &plan.options.mount;
    Service::new(content.tree, content.presentation, running.threads, !running.no_restart)
        .with_idle_limit(running.idle_timeout)
        .with_renewal(content.renewal)
        .with_passthrough(running.passthrough)
        .confined(match plan.close_after {
            _ if running.no_sandbox => Confinement::None,
            Some(_) => Confinement::Readable,
            None => Confinement::Descriptors,
        })
}

/// How the image is watched and read anew; `None` for what is no file: a disc in a drive is another disc.
fn renewal(image: io::Result<File>, path: &Path, options: &Options) -> Option<Renewal> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let (name, options) = (absolute.clone(), options.clone());
    let reopen = move |file: &File| {
        let opened = image::reopen(file, &name, &options).and_then(|opened| {
            if options.mount.verify {
                verify::before_mounting(&name, &opened)?;
            }
            Ok(opened)
        });
        opened.map(|opened| (opened.tree, opened.presentation)).map_err(|failure| failure.message)
    };
    let renewal = image.and_then(|file| {
        if !file.metadata()?.is_file() {
            return Ok(None);
        }
        Renewal::new(file, absolute, Box::new(reopen)).map(Some)
    });
    renewal.unwrap_or_else(|error| {
        log::warn!("{}: changes of the image will not be noticed: {error}", shown(path));
        None
    })
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
