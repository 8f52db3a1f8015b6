//! Whom a mount tells that its drive is ready: the terminal, a descriptor, systemd.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::image::shown;
use super::sd_notify::Notifier;
use crate::mount::{Event, Observer};
use crate::sys;

#[derive(Debug, Default)]
pub struct Announcer {
    pub image: PathBuf,
    /// `None` where somebody else has mounted.
    pub point: Option<PathBuf>,
    /// The directory was made for the drive, and goes to standard output.
    pub prints: bool,
    /// `--ready-fd`: a number that was handed to us. The holder of a drive in the background closes all such.
    ready_fd: Option<RawFd>,
    /// The same, taken possession of.
    descriptor: Option<OwnedFd>,
    pub notifier: Option<Notifier>,
}

impl Announcer {
    /// `ready_fd`: the number of a descriptor that is to be told.
    pub fn new(ready_fd: Option<RawFd>) -> Self {
        Self { ready_fd, ..Self::default() }
    }

    /// Makes the descriptor ours, so that processes to come can let go of it.
    pub fn take_descriptor(&mut self) {
        if let Some(number) = self.ready_fd.take() {
            match sys::inherited(number) {
                Ok(descriptor) => self.descriptor = Some(descriptor),
                Err(error) => log::warn!("--ready-fd {number}: {error}"),
            }
        }
    }

    /// The drive can be read.
    pub fn ready(&mut self) {
        if let Some(point) = self.point.as_ref().filter(|_| self.prints) {
            print_directory(point);
        }
        self.take_descriptor();
        if let Some(descriptor) = self.descriptor.take()
            && let Err(error) = File::from(descriptor).write_all(&line(self.point.as_deref().unwrap_or(Path::new(""))))
        {
            log::warn!("--ready-fd: {error}");
        }
        if let Some(notifier) = &self.notifier {
            let place = self.point.as_deref().map(|point| format!(" on {}", shown(point))).unwrap_or_default();
            notifier.send(&format!("READY=1\nSTATUS=Showing {}{place}", shown(&self.image)));
        }
    }

    /// Whom the holder of a drive in the foreground tells.
    pub fn observer(mut self) -> Observer {
        Box::new(move |event| {
            match event {
                Event::Ready => self.ready(),
                Event::Ending => {
                    if let Some(notifier) = &self.notifier {
                        notifier.send("STOPPING=1");
                    }
                }
            }
            Ok(())
        })
    }
}

/// As bytes, for scripts: `cd "$(mount-iso disc.iso)"`.
pub fn print_directory(path: &Path) {
    let mut out = io::stdout();
    // The drive is there, whoever is told.
    let _ = out.write_all(&line(path)).and_then(|()| out.flush());
}

fn line(path: &Path) -> Vec<u8> {
    let mut line = path.as_os_str().as_bytes().to_vec();
    line.push(b'\n');
    line
}
