//! `mount-iso unmount`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use nix::unistd::geteuid;

use super::exit::{Code, Failure};
use super::image::{self, shown};
use super::options::Options;
use crate::mount::{self, MountError, table};
use crate::text::label_as_name;

/// How long the end of a drive's processes is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Unmount drives, named by their directory, their image or their label
#[derive(Debug, Clone, Args)]
#[command(after_help = super::help::exit_codes())]
pub struct UnmountArgs {
    /// Directories, images, or labels of discs
    #[arg(value_name = "DIR|IMAGE|LABEL", required_unless_present = "all", value_hint = clap::ValueHint::AnyPath)]
    pub names: Vec<PathBuf>,

    /// All drives of mount-iso that you have mounted; as root, those of all users
    #[arg(short, long, conflicts_with = "names")]
    pub all: bool,

    /// Also drives that are in use: they vanish at once, and end when nobody uses them any more
    #[arg(short, long)]
    pub lazy: bool,
}

pub fn run(args: &UnmountArgs) -> Result<Code, Failure> {
    let drives = table::ours()
        .map_err(|error| Failure::new(Code::System, format!("/proc/self/mountinfo: {error}")).hint("mount /proc"))?;
    let mut points = Vec::new();
    let mut failures = Vec::new();
    if args.all {
        points.extend(drives.iter().filter(is_own).map(|drive| drive.point.clone()));
    }
    for name in &args.names {
        match named(name, &drives) {
            Ok(found) => points.extend(found),
            Err(failure) => failures.push(failure),
        }
    }
    // What was mounted last goes first: it may lie upon another, or in it.
    let mut done = 0_usize;
    for point in points.iter().rev() {
        match take_off(point, args.lazy) {
            Ok(()) => {
                done += 1;
                log::info!("{}: unmounted", shown(point));
            }
            Err(error) => failures.push(error.into()),
        }
    }
    Failure::of_several(failures, done)
}

/// Unmounts, and waits for the drive's processes where they end now.
fn take_off(point: &Path, lazy: bool) -> Result<(), MountError> {
    // A drive that nobody uses ends now, lazily or not, and its directory is removed before this returns. That matters
    // where nothing outlives the command: when it is the last thing that a container does.
    if lazy && mount::unmount_at_once(point).is_err() {
        return mount::unmount(point, true);
    }
    if !lazy {
        mount::unmount(point, false)?;
    }
    mount::wait_for_holder(point, PATIENCE);
    Ok(())
}

/// The mount points that a directory or an image stands for.
pub(super) fn named(name: &Path, drives: &[table::Entry]) -> Result<Vec<PathBuf>, Failure> {
    let path = mount::absolute(name);
    if drives.iter().any(|drive| drive.point == path) {
        // One of several mounts on a directory: the topmost.
        return Ok(vec![path]);
    }
    let shows = drives.iter().filter(|drive| drive.shows(&path) || drive.source == name.as_os_str());
    let (mut own, foreign): (Vec<_>, Vec<_>) = shows.partition(is_own);
    if own.is_empty() && foreign.is_empty() {
        own = drives.iter().filter(is_own).filter(|drive| is_labelled(drive, name)).collect();
    }
    match (own.is_empty(), foreign.first()) {
        (false, _) => Ok(own.into_iter().map(|drive| drive.point.clone()).collect()),
        (true, Some(_)) => Err(Failure::new(Code::Usage, format!("{}: mounted by another user", shown(name)))
            .hint("only root and the user who mounted it can unmount it")),
        (true, None) => Err(not_mounted(name, &path)),
    }
}

pub(super) fn is_own(drive: &&table::Entry) -> bool {
    geteuid().is_root() || drive.user() == Some(geteuid().as_raw())
}

/// Whether the disc of a drive has this label, as the disc records it or as a directory is named after it.
fn is_labelled(drive: &table::Entry, label: &Path) -> bool {
    let Some(label) = label.to_str() else { return false };
    // An image that can't be opened any more has no label.
    image::open(Path::new(&drive.source), &Options::of_this_user()).is_ok_and(|opened| {
        let recorded = &opened.tree.info().label;
        recorded == label || label_as_name(recorded) == label
    })
}

fn not_mounted(name: &Path, path: &Path) -> Failure {
    let other = table::read().unwrap_or_default().into_iter().rfind(|entry| entry.point == path);
    match other {
        Some(other) => {
            let kind = other.kind.to_string_lossy().escape_debug().to_string();
            Failure::new(Code::Failure, format!("{}: is a mount of type {kind}, not a drive of mount-iso", shown(name)))
                .hint("`umount` unmounts it")
        }
        None => Failure::new(Code::Failure, format!("{}: is not mounted", shown(name)))
            .hint("`mount-iso list` shows the drives that are"),
    }
}
