//! Answers to the kernel: one writev(2) each, with a header before them.

use std::io::{self, IoSlice};
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::sys::uio::writev;

use super::activity::Activity;

/// Bytes before every answer and message (`struct fuse_out_header`).
const HEADER: usize = 16;

/// The one answer that a request gets.
pub struct Reply<'a, D> {
    device: &'a D,
    unique: u64,
    activity: &'a Activity,
}

impl<'a, D: AsFd> Reply<'a, D> {
    pub fn new(device: &'a D, unique: u64, activity: &'a Activity) -> Self {
        Self { device, unique, activity }
    }

    pub fn data(self, body: &[u8]) {
        self.send(0, body);
    }

    pub fn error(self, errno: Errno) {
        if errno == Errno::EIO {
            self.activity.failed();
        }
        self.send(-(errno as i32), &[]);
    }

    fn send(self, error: i32, body: &[u8]) {
        match send(self.device, error, self.unique, body) {
            Ok(()) => {}
            // Whoever asked has been killed meanwhile, or the drive has been taken off.
            Err(Errno::ENOENT | Errno::ENODEV) => {}
            Err(reason) => {
                // The body lies in a memory map whose file has shrunk or whose medium fails (EFAULT): the reader
                // must get an error. Where the kernel has ended the request by itself this one finds none.
                log::warn!("an answer of {} bytes could not be given: {}", body.len(), reason.desc());
                self.activity.failed();
                let _ = send(self.device, -(Errno::EIO as i32), self.unique, &[]);
            }
        }
    }
}

/// Messages that the kernel did not ask for (`enum fuse_notify_code`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    InvalidateInode = 2,
    InvalidateEntry = 3,
    Store = 4,
    Resend = 7,
    /// All names are to be asked for again.
    NextEpoch = 8,
}

/// Sends a message.
///
/// # Errors
/// What the kernel says: ENOENT where it does not know the file.
pub fn notify(device: &impl AsFd, notice: Notice, fixed: &[u8], body: &[u8]) -> Result<(), Errno> {
    let length = length(HEADER.saturating_add(fixed.len()).saturating_add(body.len()))?;
    let header = header(length, notice as i32, 0);
    let parts = [IoSlice::new(&header), IoSlice::new(fixed), IoSlice::new(body)];
    writev(device, &parts).map(drop)
}

fn send(device: &impl AsFd, error: i32, unique: u64, body: &[u8]) -> Result<(), Errno> {
    let header = header(length(HEADER.saturating_add(body.len()))?, error, unique);
    let parts = [IoSlice::new(&header), IoSlice::new(body)];
    writev(device, if body.is_empty() { &parts[..1] } else { &parts }).map(drop)
}

fn length(bytes: usize) -> Result<u32, Errno> {
    u32::try_from(bytes).map_err(|_| Errno::EMSGSIZE)
}

fn header(length: u32, error: i32, unique: u64) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&length.to_ne_bytes());
    header[4..8].copy_from_slice(&error.to_ne_bytes());
    header[8..].copy_from_slice(&unique.to_ne_bytes());
    header
}

/// What went wrong below, in the words of the kernel.
pub fn errno_of(error: &io::Error) -> Errno {
    // A range beyond the end of the image, and data that does not decode, are lost data like a bad sector.
    log::debug!("read error: {error}");
    Errno::EIO
}
