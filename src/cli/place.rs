//! Where an image is mounted: on the directory that was named, or on a new one.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::RawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use log::{info, log_enabled};
use nix::errno::Errno;
use nix::unistd::geteuid;

use super::exit::{Code, Failure};
use super::image::shown;
use crate::mount::{self, table};
use crate::text::{label_as_name, with_suffix};

/// Directories of one name that are tried.
const MAX_SAME_NAME: u32 = 1000;

/// A directory to mount on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Absolute.
    pub path: PathBuf,
    /// Made by us: it goes with the drive.
    pub made: bool,
}

impl Place {
    /// Removes what was made for a mount that was not to be.
    pub fn abandon(&self) {
        if self.made {
            let _ = fs::remove_dir(&self.path);
        }
    }
}

/// `N` of `/dev/fd/N`: a descriptor of /dev/fuse whose file system somebody else has mounted.
pub fn descriptor(directory: &Path) -> Option<RawFd> {
    directory.to_str()?.strip_prefix("/dev/fd/")?.parse().ok()
}

/// The directory that was named; `make` makes it where it is missing.
pub fn named(directory: &Path, make: bool) -> Result<Place, Failure> {
    let failed = |what: &str| Failure::new(Code::Failure, format!("{}: {what}", shown(directory)));
    match fs::metadata(directory) {
        Ok(found) if !found.is_dir() => Err(failed("the mount point is not a directory")
            .hint("name a directory, or none: then one is made in the current directory")),
        Ok(_) => {
            let place = Place { path: mount::absolute(directory), made: false };
            match on_top(&place.path) {
                // The kernel remembers the directory of a drive that is dead.
                Some(entry) if entry.is_ours() && mount::is_stale(&place.path, entry.user()) => {
                    clear_stale(&place.path)?;
                }
                // Looking into a directory of the automounter would wait for this very mount.
                Some(entry) if entry.kind == "autofs" => {}
                _ => note_content(&place.path),
            }
            Ok(place)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && make => match fs::create_dir(directory) {
            Ok(()) => Ok(Place { path: mount::absolute(directory), made: true }),
            Err(error) => Err(failed(&format!("the mount point can't be made: {error}"))
                .hint("name a directory in one that exists and that you may write to")),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(failed("the mount point does not exist")
            .hint("make it with `mkdir`, or add -p: then it is made, and removed when the drive is unmounted")),
        Err(error) if error.raw_os_error() == Some(Errno::ENOTCONN as i32) => {
            let path = mount::absolute(directory);
            clear_stale(&path)?;
            Ok(Place { path, made: false })
        }
        Err(error) => Err(failed(&format!("the mount point can't be used: {error}"))
            .hint("name a directory of your own, or none: then one is made in the current directory")),
    }
}

/// What is mounted on a directory, if anything is.
fn on_top(path: &Path) -> Option<table::Entry> {
    table::on_top(path).unwrap_or_default()
}

/// Takes off the remains of a drive whose processes were killed.
fn clear_stale(path: &Path) -> Result<(), Failure> {
    let own =
        |entry: &table::Entry| entry.is_ours() && (geteuid().is_root() || entry.user() == Some(geteuid().as_raw()));
    match on_top(path) {
        Some(entry) if own(&entry) => {
            info!("{}: taking off a drive whose process is gone", shown(path));
            Ok(mount::unmount(path, true)?)
        }
        _ => Err(Failure::new(Code::Failure, format!("{}: a file system there has lost its process", shown(path)))
            .hint("take it off with `umount -l` or `fusermount3 -uz`")),
    }
}

fn note_content(path: &Path) {
    if log_enabled!(log::Level::Info) && fs::read_dir(path).is_ok_and(|mut content| content.next().is_some()) {
        info!("{}: what is in the directory is hidden while the drive is there", shown(path));
    }
}

/// Makes a directory in the current one, named after the disc, else after the image.
pub fn new(label: &str, image: &Path) -> Result<Place, Failure> {
    let hint = "name a directory to mount on: `mount-iso IMAGE DIR`";
    let failed = |error: io::Error| {
        Failure::new(Code::Failure, format!("cannot make a directory here to mount on: {error}")).hint(hint)
    };
    let here = std::env::current_dir().and_then(fs::canonicalize).map_err(failed)?;
    let name = name(label, image);
    for number in 0..MAX_SAME_NAME {
        let suffix = if number == 0 { String::new() } else { format!(" ({number})") };
        let path = here.join(OsString::from_vec(with_suffix(&name, &suffix)));
        match fs::create_dir(&path) {
            Ok(()) => return Ok(Place { path, made: true }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Err(failed(io::ErrorKind::AlreadyExists.into()))
}

fn name(label: &str, image: &Path) -> Vec<u8> {
    let label = label_as_name(label);
    if !label.is_empty() {
        return label.into_bytes();
    }
    let stem = image.file_stem().unwrap_or_default().as_bytes();
    let start = stem.iter().position(|byte| !matches!(byte, b'.' | b'-' | b' ')).unwrap_or(stem.len());
    match &stem[start..] {
        [] => b"disc".to_vec(),
        stem => stem.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_named_after_the_disc_else_the_image() {
        assert_eq!(name("DEBIAN 12", Path::new("/x/a.iso")), b"DEBIAN 12");
        assert_eq!(name("  ", Path::new("/x/a.b.iso")), b"a.b");
        assert_eq!(name("", Path::new("--x.iso")), b"x");
        assert_eq!(name("..", Path::new("/..")), b"disc");
        let odd = OsString::from_vec(b"a\xff.iso".to_vec());
        assert_eq!(name("", Path::new(&odd)), b"a\xff");
    }

    #[test]
    fn descriptors_are_told_from_directories() {
        assert_eq!(descriptor(Path::new("/dev/fd/7")), Some(7));
        assert_eq!(descriptor(Path::new("/dev/fd")), None);
        assert_eq!(descriptor(Path::new("/dev/fd/x")), None);
    }
}
