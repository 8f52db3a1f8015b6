//! `mount-iso resume`: what a holder that is to become this program calls; nobody else does.

use std::ffi::OsString;
use std::os::fd::RawFd;

use clap::Args;
use log::LevelFilter;

use super::exit::{Code, Failure};
use super::plan::{self, Plan};
use super::{Verb, helper, library, log as logging, mount, open};
use crate::mount::Handover;

/// Go on with a drive of another version
#[derive(Debug, Clone, Args)]
pub struct ResumeArgs {
    /// The descriptor that tells of it
    #[arg(value_name = "N")]
    pub state: RawFd,

    /// When it was handed over, which makes every such command another one
    #[arg(value_name = "MOMENT")]
    pub moment: String,

    /// Only see whether it would work
    #[arg(long)]
    pub check: bool,

    /// The command that mounted it
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

pub fn run(args: &ResumeArgs) -> Result<Code, Failure> {
    let (mut plan, level) = plan_of(&args.command)?;
    let handover = Handover::take(args.state, args.command.clone())
        .map_err(|error| Failure::new(Code::Failure, error.to_string()).hint("unmount the drive, and mount it anew"))?;
    plan.adopt(&handover.origin);
    if args.check {
        return plan::content_again(&plan, &handover.legacy).map(|_| Code::Success);
    }
    logging::start(level);
    if !plan.foreground || plan.options.mount.log.is_some() {
        let file = plan.options.mount.log.as_ref().map(|path| logging::open(path)).transpose();
        let (file, error) = file.map_or_else(|error| (None, Some(error)), |file| (file, None));
        logging::leave_terminal(file);
        if let Some(error) = error {
            log::warn!("the log file can't be opened any more: {error}");
        }
    }
    plan::resume(plan, handover).inspect_err(|failure| log::error!("{failure}"))
}

/// What a command that mounts was to do, and how much it was to tell.
fn plan_of(command: &[OsString]) -> Result<(Plan, LevelFilter), Failure> {
    if let Some(kind) = helper::kind(command) {
        return helper::plan(kind, command.get(1..).unwrap_or_default());
    }
    let unknown =
        |reason: String| Failure::new(Code::Usage, format!("the command that mounted is not understood: {reason}"));
    let cli = super::parse(command.to_vec()).map_err(|error| unknown(error.to_string()))?;
    let level = cli.level();
    let plan = match &cli.verb {
        Verb::Mount(args) => mount::plan(args)?,
        Verb::Library(args) => library::plan(args)?,
        Verb::Open(args) => open::plan(args.images.first().ok_or_else(|| unknown("it names no image".to_owned()))?),
        _ => return Err(unknown("it does not mount".to_owned())),
    };
    Ok((plan, level))
}
