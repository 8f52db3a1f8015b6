//! `mount-iso open`: what a double click on an image does.

use std::ffi::{OsStr, OsString};
use std::io::{IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use nix::unistd::{AccessFlags, User, access, geteuid};

use super::announcer::{Announcer, print_directory};
use super::exit::{Code, Failure};
use super::image::shown;
use super::options::Options;
use super::plan::{Plan, carry_out, mounted_by_us};
use super::unmount::{self, UnmountArgs};
use super::verify;

/// How long a program that shows something is watched for failing. One that goes on longer is at work.
const PATIENCE: Duration = Duration::from_secs(3);

/// Mount images where the desktop shows them, and open them in the file manager
///
/// This is what file managers call. A drive is made in /run/media/USER where that can be written to, else in the home
/// directory: there file managers list it, under the name of the disc, and can eject it. An image that is mounted
/// already is just opened. Failures are shown as notifications of the desktop, and so is what --verify finds.
#[derive(Debug, Clone, Args)]
#[command(after_help = super::help::exit_codes())]
pub struct OpenArgs {
    /// The disc images
    #[arg(value_name = "IMAGE", required = true, value_hint = clap::ValueHint::FilePath)]
    pub images: Vec<PathBuf>,

    /// Make the drives in this directory
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub under: Option<PathBuf>,

    /// Unmount the images instead
    #[arg(short, long, conflicts_with = "under")]
    pub unmount: bool,

    /// Verify the images instead, and tell the result
    #[arg(long, conflicts_with_all = ["under", "unmount"])]
    pub verify: bool,
}

pub fn run(args: &OpenArgs) -> Result<Code, Failure> {
    let mut last = None;
    let mut done = 0_usize;
    // Drives are made in what is then the current directory.
    let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    let under = args.under.as_ref().map(absolute);
    let images: Vec<PathBuf> = args.images.iter().map(absolute).collect();
    for image in &images {
        let result = match args {
            OpenArgs { unmount: true, .. } => take_off(image),
            OpenArgs { verify: true, .. } => check(image),
            _ => open(image, under.as_deref()),
        };
        match result {
            Ok(()) => done += 1,
            Err(failure) => {
                let hint = failure.hint.as_ref().map(|hint| format!("\n{hint}")).unwrap_or_default();
                notify(Tone::Bad, &format!("{}{hint}", failure.message));
                // All but the last are told here; that one ends the command.
                if let Some(earlier) = last.replace(failure) {
                    eprintln!("{earlier}");
                }
            }
        }
    }
    match last {
        None => Ok(Code::Success),
        Some(failure) if done > 0 => Err(Failure { code: Code::Partial, ..failure }),
        Some(failure) => Err(failure),
    }
}

fn take_off(image: &Path) -> Result<(), Failure> {
    unmount::run(&UnmountArgs { names: vec![image.to_owned()], all: false, lazy: false }).map(drop)
}

/// Tells whether an image is sound. That it is damaged is a failure.
fn check(image: &Path) -> Result<(), Failure> {
    let (code, text) = verify::quietly(image)?;
    let _ = std::io::stdout().write_all(text.as_bytes());
    if code == Code::Damaged {
        let first = text.lines().find_map(|line| line.strip_prefix("damaged:")).unwrap_or_default().trim();
        let failure = Failure::new(code, format!("{}: is damaged: {first}", shown(image)));
        return Err(failure.hint("`mount-iso verify` tells everything"));
    }
    notify(Tone::Good, text.trim_end());
    Ok(())
}

fn open(image: &Path, under: Option<&Path>) -> Result<(), Failure> {
    let directory = match mounted_by_us(image).into_iter().next() {
        Some(directory) => {
            print_directory(&directory);
            directory
        }
        None => mount(image, under)?,
    };
    if !has_display() {
        return Ok(());
    }
    show(&directory).map_err(|reason| {
        let message = format!("{}: is mounted, but can't be shown: {reason}", shown(&directory));
        Failure::new(Code::Partial, message).hint("install xdg-utils and a file manager")
    })
}

/// Mounts an image on a new directory, which is printed.
fn mount(image: &Path, under: Option<&Path>) -> Result<PathBuf, Failure> {
    let base = under.map_or_else(base, |under| Ok(under.to_owned()))?;
    std::env::set_current_dir(&base).map_err(|error| {
        Failure::new(Code::Failure, format!("{}: {error}", shown(&base))).hint("name a directory with --under")
    })?;
    carry_out(plan(image))?;
    let found = mounted_by_us(image).into_iter().next();
    found.ok_or_else(|| Failure::new(Code::Failure, format!("{}: was unmounted at once", shown(image))))
}

/// How each of the images is mounted.
pub fn plan(image: &Path) -> Plan {
    Plan {
        image: image.to_owned(),
        close_after: None,
        directory: None,
        make_directory: false,
        foreground: false,
        fake: false,
        options: Options::of_this_user(),
        announcer: Announcer::default(),
    }
}

/// Where file managers look for drives.
fn base() -> Result<PathBuf, Failure> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let user = User::from_uid(geteuid()).ok().flatten().map(|user| Path::new("/run/media").join(user.name));
    // Others don't list what is there; but it is a drive all the same.
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let usable = |path: &PathBuf| path.is_absolute() && path.is_dir() && access(path, AccessFlags::W_OK).is_ok();
    [user, home, runtime].into_iter().flatten().find(usable).ok_or_else(|| {
        Failure::new(Code::Failure, "neither /run/media, HOME nor XDG_RUNTIME_DIR is a directory to make a drive in")
            .hint("name one with --under")
    })
}

fn has_display() -> bool {
    ["WAYLAND_DISPLAY", "DISPLAY"].iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// Opens a directory in the file manager.
fn show(directory: &Path) -> Result<(), String> {
    let mut reason = "neither xdg-open nor gio is installed".to_owned();
    for words in [&["xdg-open"] as &[_], &["gio", "open"]] {
        match start(words, &[directory.as_os_str()]).map(watch) {
            None => {}
            Some(None) => return Ok(()),
            Some(Some(status)) if status.success() => return Ok(()),
            Some(Some(status)) => reason = format!("{} failed ({status})", words.join(" ")),
        }
    }
    Err(reason)
}

/// How something went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tone {
    Good,
    Bad,
}

/// Tells the desktop how it went, when nobody reads standard error.
fn notify(tone: Tone, text: &str) {
    if std::io::stderr().is_terminal() || !has_display() {
        return;
    }
    // Both read markup.
    let marked_up = text.replace('&', "&amp;").replace('<', "&lt;");
    let ways: [(&[&str], &str); 3] = [
        (&["notify-send", "--app-name=mount-iso", "--icon=media-optical", "--", "Virtual drive"], &marked_up),
        (
            &[
                "zenity",
                if tone == Tone::Bad { "--error" } else { "--info" },
                "--title=mount-iso",
                "--no-markup",
                "--text",
            ],
            text,
        ),
        (&["kdialog", "--title", "mount-iso", if tone == Tone::Bad { "--error" } else { "--msgbox" }], text),
    ];
    for (words, text) in ways {
        // A dialogue waits for its reader, and is as good as read.
        if start(words, &[OsStr::new(text)]).map(watch).is_some_and(|end| end.is_none_or(|status| status.success())) {
            return;
        }
    }
    log::debug!("no notification could be shown");
}

/// Starts a program that is on its own from then on; `None` where there is none of that name.
fn start(words: &[&str], more: &[&OsStr]) -> Option<Child> {
    let (name, words) = words.split_first()?;
    let program = find(name)?;
    let mut command = Command::new(program);
    command.args(words).args(more).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
}

/// How a program ended, if it did within [`PATIENCE`].
fn watch(mut child: Child) -> Option<ExitStatus> {
    let end = Instant::now() + PATIENCE;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(10)),
            _ => return None,
        }
    }
}

fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/local/bin:/usr/bin:/bin"));
    let directories = path.as_bytes().split(|byte| *byte == b':').map(OsStr::from_bytes);
    directories.map(|directory| Path::new(directory).join(name)).find(|path| access(path, AccessFlags::X_OK).is_ok())
}
