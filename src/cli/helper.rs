//! The protocol of mount(8) helpers: `mount.mount-iso SPEC DIR [-sfnv] [-N NAMESPACE] [-o OPTIONS] [-t TYPE]`.
//!
//! A link of such a name to mount-iso makes `mount -t mount-iso` and lines of /etc/fstab work.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use log::LevelFilter;

use super::announcer::Announcer;
use super::exit::{Code, Failure};
use super::image::shown;
use super::log as logging;
use super::loop_device;
use super::mount::family;
use super::options::{Options, Unknown};
use super::plan::{Plan, carry_out};

/// The file system type of a helper's name, `iso9660` of `mount.iso9660`; `None` if it is no helper's.
pub fn kind(args: &[OsString]) -> Option<&OsStr> {
    let name = Path::new(args.first()?).file_name()?.as_bytes();
    name.strip_prefix(b"mount.").map(OsStr::from_bytes)
}

/// What mount(8) tells a helper.
#[derive(Debug, Default, PartialEq, Eq)]
struct Order {
    operands: Vec<PathBuf>,
    options: Vec<OsString>,
    types: Option<OsString>,
    sloppy: bool,
    fake: bool,
    verbose: u8,
    help: bool,
}

const USAGE: &str = "mount.mount-iso IMAGE DIR [-sfnv] [-o OPTIONS] [-t TYPE]";

pub fn run(kind: &OsStr, args: &[OsString]) -> Result<Code, Failure> {
    let order = parse(args)?;
    logging::start(logging::level(order.verbose, false));
    if order.help {
        println!("Usage: {USAGE}\n\nThis is how mount(8) calls mount-iso; see `mount-iso --help`.");
        return Ok(Code::Success);
    }
    carry_out(plan_of(kind, &order)?)
}

/// What is to be done, as [`run`] does it, and how much is told.
///
/// # Errors
/// For words that make no sense.
pub fn plan(kind: &OsStr, args: &[OsString]) -> Result<(Plan, LevelFilter), Failure> {
    let order = parse(args)?;
    Ok((plan_of(kind, &order)?, logging::level(order.verbose, false)))
}

fn plan_of(kind: &OsStr, order: &Order) -> Result<Plan, Failure> {
    let [image, directory] = order.operands.as_slice() else {
        return Err(Failure::new(Code::Usage, "an image and a directory are needed").hint(format!("usage: {USAGE}")));
    };
    let mut options = Options::of_this_user();
    options.selection.family = family(&order.types.as_deref().unwrap_or(kind).to_string_lossy())?;
    options.read(&order.options, if order.sloppy { Unknown::Warn } else { Unknown::Refuse })?;
    if options.mount.writable {
        // mount(8) writes `rw` whether the user did or not.
        log::info!("a disc image is never written to: mounted read-only");
    }
    let mut image = image.clone();
    // Past the loop device, which mount(8) has made needlessly: it goes when nobody uses it.
    if let Some((file, part)) = loop_device::backing(&image) {
        log::info!("{}: reading {}", shown(&image), shown(&file));
        image = file;
        options.window = part.narrowed(options.window);
    }
    Ok(Plan {
        image,
        close_after: None,
        directory: Some(directory.clone()),
        make_directory: false,
        foreground: false,
        fake: order.fake,
        announcer: Announcer::default(),
        options,
    })
}

fn parse(args: &[OsString]) -> Result<Order, Failure> {
    let mut order = Order::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_bytes() {
            b"--" => {
                order.operands.extend(args.by_ref().map(PathBuf::from));
            }
            b"--help" => order.help = true,
            [b'-', flags @ ..] if !flags.is_empty() => {
                for (at, flag) in flags.iter().enumerate() {
                    match flag {
                        b's' => order.sloppy = true,
                        b'f' => order.fake = true,
                        b'v' => order.verbose = order.verbose.saturating_add(1),
                        b'h' => order.help = true,
                        // `-r` and `-w` are what it always is; there is no /etc/mtab to leave alone.
                        b'n' | b'r' | b'w' => {}
                        b'o' | b't' | b'N' => {
                            let rest = &flags[at + 1..];
                            let value = if rest.is_empty() {
                                args.next().cloned()
                            } else {
                                Some(OsStr::from_bytes(rest).to_owned())
                            };
                            let Some(value) = value else { return Err(wrong(arg)) };
                            match flag {
                                b'o' => order.options.push(value),
                                b't' => order.types = Some(value),
                                // mount(8) has entered the name space by itself.
                                _ => {}
                            }
                            break;
                        }
                        _ => return Err(wrong(arg)),
                    }
                }
            }
            _ => order.operands.push(arg.into()),
        }
    }
    Ok(order)
}

fn wrong(arg: &OsStr) -> Failure {
    let shown = crate::text::printable(arg.as_bytes());
    Failure::new(Code::Usage, format!("unknown or incomplete flag `{shown}`")).hint(format!("usage: {USAGE}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(args: &[&str]) -> Result<Order, Failure> {
        parse(&args.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn the_words_of_mount_are_understood() {
        let got = order(&["/a b.iso", "/m", "-s", "-f", "-n", "-v", "-o", "rw,uid=5", "-t", "mount-iso.x"]).unwrap();
        let expected = Order {
            operands: vec!["/a b.iso".into(), "/m".into()],
            options: vec!["rw,uid=5".into()],
            types: Some("mount-iso.x".into()),
            sloppy: true,
            fake: true,
            verbose: 1,
            help: false,
        };
        assert_eq!(got, expected);
        assert_eq!(order(&["-fnoro", "-N", "/proc/1/ns/mnt", "a", "--", "-m"]).unwrap().operands.len(), 2);
        assert!(order(&["a", "b", "-x"]).is_err() && order(&["a", "b", "-o"]).is_err());
    }

    #[test]
    fn helpers_are_known_by_their_name() {
        let kind = |name: &str| super::kind(&[name.into()]).map(OsStr::to_owned);
        assert_eq!(kind("/sbin/mount.mount-iso").unwrap(), "mount-iso");
        assert_eq!(kind("mount.fuse.mount-iso").unwrap(), "fuse.mount-iso");
        assert_eq!(kind("/usr/bin/mount-iso"), None);
    }
}
