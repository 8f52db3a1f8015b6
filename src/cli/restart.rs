//! `mount-iso restart`: drives go on with the newly installed program.

use std::path::PathBuf;

use clap::Args;
use nix::unistd::geteuid;

use super::exit::{Code, Failure};
use super::image::shown;
use super::unmount::{is_own, named};
use crate::mount::{self, table};

/// Have drives served by the program that is installed now, without unmounting them
///
/// After an upgrade drives are still served by the program that mounted them. This has each of them taken over by the
/// one that has its place now; nobody who reads there notices, and files stay open. A program that does not understand
/// the drive or can't read its image does not get it: then all stays as it was. It needs Linux 6.9.
#[derive(Debug, Clone, Args)]
#[command(after_help = super::help::exit_codes())]
pub struct RestartArgs {
    /// Directories, images or labels of drives [default: every drive that is yours, and root's are all]
    #[arg(value_name = "DIR|IMAGE|LABEL", value_hint = clap::ValueHint::AnyPath)]
    pub names: Vec<PathBuf>,
}

pub fn run(args: &RestartArgs) -> Result<Code, Failure> {
    let drives = table::ours()
        .map_err(|error| Failure::new(Code::System, format!("/proc/self/mountinfo: {error}")).hint("mount /proc"))?;
    let mut failures = Vec::new();
    let mut points = Vec::new();
    if args.names.is_empty() {
        points.extend(drives.iter().filter(is_own).map(|drive| drive.point.clone()));
    }
    for name in &args.names {
        match named(name, &drives) {
            Ok(found) => points.extend(found),
            Err(failure) => failures.push(failure),
        }
    }
    points.sort();
    points.dedup();
    let mut done = 0_usize;
    for point in &points {
        // Of several on a directory the topmost.
        let Some(drive) = drives.iter().rfind(|drive| drive.point == *point) else { continue };
        match restart(drive) {
            Ok(()) => {
                done += 1;
                log::info!("{}: served by the program that is installed now", shown(point));
            }
            Err(failure) => failures.push(failure),
        }
    }
    Failure::of_several(failures, done)
}

fn restart(drive: &table::Entry) -> Result<(), Failure> {
    let failed = |code, reason: &str| Failure::new(code, format!("{}: {reason}", shown(&drive.point)));
    let holder = mount::holder(drive).map_err(|error| failed(Code::System, &format!("/proc: {error}")))?;
    let Some(holder) = holder else {
        if !geteuid().is_root() && drive.user() != Some(geteuid().as_raw()) {
            return Err(failed(Code::Usage, "mounted by another user").hint("only root and that user can restart it"));
        }
        return Err(failed(Code::Failure, "no process serves it").hint("`mount-iso unmount` takes it away"));
    };
    holder.restart(drive).map_err(|reason| {
        failed(Code::Failure, &format!("is served as before: {reason}")).hint("the log of the drive tells more")
    })
}
