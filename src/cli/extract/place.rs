//! Files and directories made relative to an open directory, following no symbolic link whatever is there already.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, RenameFlags, openat, renameat2};
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, UtimensatFlags, fchmod, fchmodat, fstatat, futimens, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, fchownat, linkat, unlinkat};

use crate::text::with_suffix;

/// A name that can't lead out of its directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name<'a>(&'a [u8]);

impl<'a> Name<'a> {
    pub fn new(name: &'a [u8]) -> Option<Self> {
        let plain = !name.is_empty() && name != b"." && name != b".." && !name.iter().any(|byte| b"/\0".contains(byte));
        plain.then_some(Self(name))
    }

    pub const fn bytes(self) -> &'a [u8] {
        self.0
    }
}

/// Opens a directory; `ENOTDIR` or `ELOOP` where the name is a symbolic link.
pub fn open_directory(parent: impl AsFd, name: Name<'_>) -> nix::Result<OwnedFd> {
    openat(parent, name.0, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())
}

/// What stands at a name itself.
pub fn stat(directory: impl AsFd, name: Name<'_>) -> nix::Result<Option<FileStat>> {
    match fstatat(directory, name.0, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes whatever stands at a name but a directory; nothing there is as good.
pub fn remove(directory: impl AsFd, name: Name<'_>) -> nix::Result<()> {
    match unlinkat(directory, name.0, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(error) => Err(error),
    }
}

/// A file that has no name yet, or only a temporary one: an interrupted run leaves no short file that looks whole. It
/// can be read and written, as a map of it wants.
#[derive(Debug)]
pub struct Draft {
    directory: Arc<OwnedFd>,
    file: File,
    temporary: Option<Vec<u8>>,
}

impl Draft {
    /// Begins a file that will be called `name`.
    pub fn new(directory: &Arc<OwnedFd>, name: Name<'_>, mode: Mode) -> nix::Result<Self> {
        if Path::new("/proc/self/fd").exists() {
            match openat(directory, ".", OFlag::O_TMPFILE | OFlag::O_RDWR | OFlag::O_CLOEXEC, mode) {
                Ok(file) => return Ok(Self { directory: Arc::clone(directory), file: file.into(), temporary: None }),
                // File systems without nameless files.
                Err(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::ENOENT | Errno::EINVAL) => {}
                Err(error) => return Err(error),
            }
        }
        Self::named(directory, name, mode)
    }

    fn named(directory: &Arc<OwnedFd>, name: Name<'_>, mode: Mode) -> nix::Result<Self> {
        let mut hidden = vec![b'.'];
        hidden.extend_from_slice(name.0);
        let temporary = with_suffix(&hidden, &format!(".{}.part", std::process::id()));
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_RDWR | OFlag::O_CLOEXEC;
        let file = openat(directory, temporary.as_slice(), flags, mode)?;
        Ok(Self { directory: Arc::clone(directory), file: file.into(), temporary: Some(temporary) })
    }

    pub const fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file its name; `EEXIST` where that is taken.
    pub fn publish(mut self, name: Name<'_>) -> nix::Result<()> {
        let Some(temporary) = &self.temporary else {
            let itself = format!("/proc/self/fd/{}", self.file.as_raw_fd());
            return linkat(AT_FDCWD, itself.as_str(), &self.directory, name.0, AtFlags::AT_SYMLINK_FOLLOW);
        };
        let (from, to) = (temporary.as_slice(), name.0);
        let exclusive = RenameFlags::RENAME_NOREPLACE;
        match renameat2(&self.directory, from, &self.directory, to, exclusive) {
            Err(Errno::EINVAL | Errno::ENOSYS) => {
                // No exclusive renaming here: a hard link is as exclusive; the temporary name goes below.
                linkat(&self.directory, from, &self.directory, to, AtFlags::empty())?;
            }
            result => {
                result?;
                self.temporary = None;
            }
        }
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // Best effort: what is left is called `.part`.
            let _ = unlinkat(&self.directory, temporary.as_slice(), UnlinkatFlags::NoRemoveDir);
        }
    }
}

/// What a file gets besides its bytes; `None` where the disc says nothing or nobody asked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Attributes {
    pub owner: Option<(Option<Uid>, Option<Gid>)>,
    pub mode: Option<Mode>,
    /// Access and modification.
    pub times: Option<(TimeSpec, TimeSpec)>,
}

/// Where attributes are put.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    Open(BorrowedFd<'a>),
    /// A name itself, also where it is a symbolic link.
    Named(BorrowedFd<'a>, Name<'a>),
}

/// The set-user-ID and set-group-ID bits.
const SET_ID: Mode = Mode::S_ISUID.union(Mode::S_ISGID);

/// What was left undone.
#[derive(Debug, PartialEq, Eq)]
pub enum Undone {
    Owner(Errno),
    Mode(Errno),
    Times(Errno),
    /// Set-id bits would give the rights of a user that the disc never meant.
    SetId,
}

impl Attributes {
    /// Owner first, as changing it takes the set-id bits away; the mode last, as a file without permissions is one that
    /// is not whole yet.
    pub fn apply(&self, place: Place<'_>) -> Vec<Undone> {
        let mut undone = Vec::new();
        let mut owned = false;
        if let Some((uid, gid)) = self.owner {
            let result = match place {
                Place::Open(file) => fchown(file, uid, gid),
                Place::Named(directory, name) => fchownat(directory, name.0, uid, gid, AtFlags::AT_SYMLINK_NOFOLLOW),
            };
            owned = result.is_ok() && uid.is_some() && gid.is_some();
            undone.extend(result.err().map(Undone::Owner));
        }
        if let Some((accessed, modified)) = &self.times {
            let result = match place {
                Place::Open(file) => futimens(file, accessed, modified),
                Place::Named(directory, name) => {
                    utimensat(directory, name.0, accessed, modified, UtimensatFlags::NoFollowSymlink)
                }
            };
            undone.extend(result.err().map(Undone::Times));
        }
        if let Some(mut mode) = self.mode {
            if !owned && mode.intersects(SET_ID) {
                mode -= SET_ID;
                undone.push(Undone::SetId);
            }
            let result = match place {
                Place::Open(file) => fchmod(file, mode),
                Place::Named(directory, name) => fchmodat(directory, name.0, mode, FchmodatFlags::NoFollowSymlink),
            };
            undone.extend(result.err().map(Undone::Mode));
        }
        undone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_none() {
        for name in [&b""[..], b".", b"..", b"a/b", b"/", b"a\0"] {
            assert_eq!(Name::new(name), None);
        }
        assert!(Name::new(b"..a").is_some());
    }

    #[test]
    fn a_draft_has_no_name_before_it_is_whole_and_replaces_nothing() {
        let target = tempfile::tempdir().unwrap();
        let directory = Arc::new(OwnedFd::from(File::open(target.path()).unwrap()));
        let name = Name::new(b"file").unwrap();
        for make in [Draft::new, Draft::named] {
            let draft = make(&directory, name, Mode::from_bits_truncate(0o600)).unwrap();
            assert_eq!(stat(&directory, name).unwrap(), None);
            draft.publish(name).unwrap();
            assert!(stat(&directory, name).unwrap().is_some());
            let second = make(&directory, name, Mode::from_bits_truncate(0o600)).unwrap();
            assert_eq!(second.publish(name), Err(Errno::EEXIST));
            assert_eq!(std::fs::read_dir(target.path()).unwrap().count(), 1);
            remove(&directory, name).unwrap();
        }
    }
}
