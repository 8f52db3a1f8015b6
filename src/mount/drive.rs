//! A mounted file system, and how it is taken off and tidied up after.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::error::{Kind, MountError};
use super::table::{self, Entry};
use super::unmount::{lock, unmount, unmount_at_once};

/// A mounted file system: the connection to the kernel, and what has to be tidied at its end.
#[derive(Debug)]
pub struct Drive {
    pub(super) device: Arc<OwnedFd>,
    /// `None` when somebody else has mounted, and will unmount.
    pub(super) point: Option<Point>,
}

#[derive(Debug)]
pub(super) struct Point {
    pub(super) path: PathBuf,
    /// The number of the file system, which tells our mount from others on the same directory.
    pub(super) file_system: Option<(u32, u32)>,
    /// Made by us for this mount.
    pub(super) made: bool,
    /// Locked until every process that has it open is gone; see [`super::wait_for_holder`].
    pub(super) lock: Option<File>,
}

impl Drive {
    /// A connection that was mounted by somebody else.
    pub fn of_descriptor(device: OwnedFd) -> Self {
        Self { device: Arc::new(device), point: None }
    }

    /// Mounts.
    ///
    /// # Errors
    /// As [`super::mount`].
    pub fn mount(request: &super::Request, made: bool) -> Result<Self, MountError> {
        // Without the mount table nobody could tidy.
        let no_table = |error: io::Error| {
            MountError::new(Kind::System, format!("/proc/self/mountinfo: {error}")).hint("mount /proc")
        };
        fs::metadata("/proc/self/mountinfo").map_err(no_table)?;
        let before = table::on_top(&request.point).map_err(no_table)?;
        // A drive below ours would be in use by that.
        let lock = if before.is_some_and(|entry| entry.is_ours()) { None } else { lock(&request.point) };
        let below = table::device_of_root(&request.point);
        let device = super::mount(request)?;
        let from_table = || topmost(table::read().unwrap_or_default(), &request.point).map(|entry| entry.device);
        let file_system = match below {
            // Ours may have been mounted where this process can't see it.
            Some(below) => table::device_of_root(&request.point).flatten().filter(|ours| Some(*ours) != below),
            // Kernels that don't tell would ask the drive, which nobody serves yet.
            None => None,
        };
        let file_system = file_system.or_else(from_table);
        let point = Point { path: request.point.clone(), file_system, made, lock };
        Ok(Self { device: Arc::new(device), point: Some(point) })
    }

    /// Unmounts, gently where that works; removes the directory where it was made for this.
    pub fn tidy(self) {
        self.unmount();
        let Self { device, point } = self;
        // With the last descriptor of the connection gone whoever still waits for an answer gets an error.
        drop(device);
        if let Some(point) = point {
            point.remove();
        }
    }

    /// Unmounts if nobody uses it; whether it did.
    pub(super) fn unmount_unused(&self) -> bool {
        self.point.as_ref().is_some_and(|point| {
            point.is_on_top().unwrap_or(false)
                && match unmount_at_once(&point.path) {
                    Ok(()) => true,
                    Err(error) => {
                        log::debug!("not unmounted though it is idle: {error}");
                        false
                    }
                }
        })
    }

    pub(super) fn unmount(&self) {
        if let Some(point) = self.point.as_ref().filter(|_| self.is_connected()) {
            point.unmount();
        }
    }

    /// Whether the kernel still has the file system. If not, its number may be that of another by now, which may be
    /// mounted on the same directory.
    pub(super) fn is_connected(&self) -> bool {
        let mut device = [PollFd::new(self.device.as_fd(), PollFlags::empty())];
        let _ = poll(&mut device, PollTimeout::ZERO);
        !device[0].any().unwrap_or(false)
    }
}

fn topmost(table: Vec<Entry>, point: &Path) -> Option<Entry> {
    table.into_iter().rfind(|entry| entry.point == point && entry.is_ours())
}

impl Point {
    /// Our mount, if it is mounted; an error when the mount table can't be read.
    pub(super) fn mounted(&self) -> io::Result<bool> {
        Ok(table::read()?.iter().any(|entry| self.is_of(entry)))
    }

    fn is_of(&self, entry: &Entry) -> bool {
        entry.point == self.path && Some(entry.device) == self.file_system
    }

    /// Whether our mount is the one that unmounting by path would hit; `None` when it is not mounted at all.
    fn is_on_top(&self) -> Option<bool> {
        let table = table::read().ok()?;
        let own = table.iter().find(|entry| self.is_of(entry))?;
        Some(table.iter().rev().find(|entry| entry.point == own.point).is_some_and(|top| top.id == own.id))
    }

    /// Tidies in place of a holder that has been killed.
    pub(super) fn tidy_orphan(&self) {
        match self.is_on_top() {
            // Something else lies upon it.
            Some(false) => {}
            Some(true) => {
                self.unmount();
                self.remove();
            }
            None => self.remove(),
        }
    }

    pub(super) fn unmount(&self) {
        match self.is_on_top() {
            Some(true) => {}
            Some(false) => {
                log::warn!("something else is mounted upon the drive: it is left, without an answer");
                return;
            }
            None => return,
        }
        match unmount(&self.path, false) {
            Err(error) if error.kind == Kind::Busy => {
                if let Err(error) = unmount(&self.path, true) {
                    log::error!("{error}");
                }
            }
            Err(error) => log::error!("{error}"),
            Ok(()) => {}
        }
    }

    /// Whether the directory is the one that was mounted on: as soon as it is gone, another command may make one of the
    /// same name for a drive of its own.
    fn is_the_same(&self) -> bool {
        let own = self.lock.as_ref().and_then(|lock| lock.metadata().ok());
        let found = fs::symlink_metadata(&self.path).ok();
        match (own, found) {
            // As long as it is open here its number is not another's.
            (Some(own), Some(found)) => (own.dev(), own.ino()) == (found.dev(), found.ino()),
            (None, found) => found.is_some(),
            (Some(_), None) => false,
        }
    }

    /// Removes the directory if it was made for this mount; only an empty one goes.
    pub(super) fn remove(&self) {
        if self.made
            && self.is_the_same()
            && let Err(error) = fs::remove_dir(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            log::warn!("{}: {error}", super::error::shown(&self.path));
        }
    }
}
