//! The command line.

pub mod announcer;
pub mod cat;
pub mod completions;
pub mod exit;
pub mod extract;
pub mod fstab;
pub mod help;
pub mod helper;
pub mod image;
pub mod info;
pub mod library;
pub mod list;
pub mod listing;
pub mod log;
pub mod loop_device;
pub mod ls;
pub mod man;
pub mod messages;
pub mod mount;
pub mod open;
pub mod options;
pub mod output;
pub mod pages;
pub mod pieces;
pub mod place;
pub mod plan;
pub mod progress;
pub mod restart;
pub mod resume;
pub mod sd_notify;
pub mod split;
pub mod unmount;
pub mod verb;
pub mod verify;
pub mod words;

#[cfg(test)]
pub mod tests_volume;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use exit::{Code, Failure};

/// A virtual drive for disc images.
#[derive(Debug, Parser)]
#[command(
    name = "mount-iso",
    version,
    about = help::ABOUT,
    long_about = help::LONG_ABOUT,
    override_usage = help::USAGE,
    after_help = help::after(),
    after_long_help = help::after_long(),
    disable_help_subcommand = true,
    subcommand_required = true,
    max_term_width = 100
)]
struct Cli {
    #[command(flatten)]
    talk: Talk,

    #[command(subcommand)]
    verb: Verb,
}

impl Cli {
    /// How much is told.
    fn level(&self) -> ::log::LevelFilter {
        log::level(if self.verb.debugs() { 2 } else { self.talk.verbose }, self.talk.quiet)
    }
}

#[derive(Debug, Clone, Args)]
struct Talk {
    /// Tell more; twice for debugging
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,

    /// Tell nothing but errors
    #[arg(short, long, global = true)]
    quiet: bool,
}

/// A command line that mounts, as most do. The tables of all verbs would take longer than opening the image.
#[derive(Debug, Parser)]
#[command(name = "mount-iso mount", disable_version_flag = true)]
struct Mounting {
    #[command(flatten)]
    talk: Talk,

    #[command(flatten)]
    args: mount::MountArgs,
}

/// Every verb; a new one is a line here and a line in [`Verb::run`].
#[derive(Debug, Subcommand)]
enum Verb {
    Mount(Box<mount::MountArgs>),
    #[command(visible_aliases = ["umount", "eject", "detach"])]
    Unmount(unmount::UnmountArgs),
    Library(library::LibraryArgs),
    #[command(visible_alias = "status")]
    List(list::ListArgs),
    Open(open::OpenArgs),
    Restart(restart::RestartArgs),
    Fstab(fstab::FstabArgs),
    Info(info::InfoArgs),
    Ls(ls::LsArgs),
    Cat(cat::CatArgs),
    Extract(extract::ExtractArgs),
    Verify(verify::VerifyArgs),
    #[command(hide = true)]
    Resume(resume::ResumeArgs),
    #[command(hide = true)]
    Completions(completions::CompletionsArgs),
    #[command(hide = true)]
    Man(man::ManArgs),
    Help(help::HelpArgs),
}

impl Verb {
    fn run(&self) -> Result<Code, Failure> {
        match self {
            Self::Mount(args) => mount::run(args),
            Self::Unmount(args) => unmount::run(args),
            Self::Library(args) => library::run(args),
            Self::List(args) => list::run(args),
            Self::Open(args) => open::run(args),
            Self::Restart(args) => restart::run(args),
            Self::Resume(args) => resume::run(args),
            Self::Fstab(args) => fstab::run(args),
            Self::Info(args) => info::run(args),
            Self::Ls(args) => ls::run(args),
            Self::Cat(args) => cat::run(args),
            Self::Extract(args) => extract::run(args),
            Self::Verify(args) => verify::run(args),
            Self::Completions(args) => completions::run(command(), args),
            Self::Man(args) => man::run(command(), args),
            Self::Help(args) => help::run(command(), args),
        }
    }

    /// Debugging shows everything, whatever `-v` says.
    fn debugs(&self) -> bool {
        matches!(self, Self::Mount(args) if args.debug)
    }
}

/// The whole command line as clap has it, for help, completions and manual pages.
pub fn command() -> clap::Command {
    Cli::command()
}

/// What a command line says, whose verb may be left out.
fn parse(args: Vec<OsString>) -> Result<Cli, clap::Error> {
    let args = verb::supplied(args);
    let mounts = args.get(1).is_some_and(|verb| verb == "mount");
    if mounts && let Some(args) = args.get(2..).and_then(mount::MountArgs::plain) {
        return Ok(Cli { talk: Talk { verbose: 0, quiet: false }, verb: Verb::Mount(Box::new(args)) });
    }
    if mounts && let Ok(Mounting { talk, args }) = Mounting::try_parse_from(args.iter().skip(1)) {
        return Ok(Cli { talk, verb: Verb::Mount(Box::new(args)) });
    }
    // Which also tells what is wrong with it.
    Cli::try_parse_from(args)
}

/// Runs mount-iso with the arguments of a process, the first of which is its name.
pub fn main(args: Vec<OsString>) -> ExitCode {
    // A parent that ignores this signal passes that on, and then nobody can tell how a child process ended.
    let _ = crate::sys::default_action(nix::sys::signal::Signal::SIGCHLD);
    let result = match helper::kind(&args) {
        Some(kind) => helper::run(kind, args.get(1..).unwrap_or_default()),
        None => match parse(args) {
            Ok(cli) => {
                log::start(cli.level());
                cli.verb.run()
            }
            Err(error) => return usage(&error),
        },
    };
    match result {
        Ok(code) => code.into(),
        Err(failure) => {
            eprintln!("{failure}");
            failure.code.into()
        }
    }
}

/// Help goes to standard output and is a success; all else is wrong usage.
fn usage(error: &clap::Error) -> ExitCode {
    // Nobody is left to be told where the streams are gone.
    let _ = error.print();
    if error.use_stderr() { Code::Usage.into() } else { Code::Success.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_mean_what_clap_takes_them_for() {
        let words = |text: &str| -> Vec<OsString> { text.split('|').map(OsString::from).collect() };
        for text in ["x.iso", "x.iso|dir", "mount|mount", "a b|=", "x.iso|"] {
            let clap = Mounting::try_parse_from([words("mount"), words(text)].concat()).ok().map(|parsed| parsed.args);
            assert_eq!(mount::MountArgs::plain(&words(text)), clap, "{text}");
        }
        for text in ["", "-h", "x.iso|-o|ro", "x.iso|dir|more", "-", "--|x"] {
            assert_eq!(mount::MountArgs::plain(&words(text)), None, "{text}");
        }
    }

    #[test]
    fn clap_finds_the_command_line_sound() {
        super::command().debug_assert();
    }
}
