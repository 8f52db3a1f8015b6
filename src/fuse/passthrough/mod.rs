//! Large files that the kernel reads from the image by itself (FUSE_PASSTHROUGH), where root asks for that.
//!
//! The kernel passes a file through from its first byte on, so there has to be a file that has nothing else: one of a
//! hidden EROFS, whose data lie in the image. Whoever has such files made must be root, so the holder does it; the worker,
//! which is in a sandbox, asks it through a socket.
//!
//! What was decided about a file holds as long as the drive is there: the kernel refuses to open a file that it passes
//! through in any other way while it is open, and the other way round.

mod erofs;
mod hidden;
mod layout;

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::{read, write};

use crate::source::Source;
use crate::sys;
pub use hidden::Hidden;
use layout::Layout;

/// Bytes of the smallest file that is passed through: it costs the holder about a millisecond, once.
const LEAST: u64 = 1024 * 1024;
/// Files that are passed through at most; each is a file system for the kernel.
const MOST: usize = 512;
/// Answers that a worker remembers.
const KNOWN: usize = 32_768;
/// How long a worker waits for its holder, which may be trying another program.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of the longest message.
const MESSAGE: usize = 4096;
/// The answer for a file that is not passed through.
const NONE: i32 = 0;

/// The files that were asked for, by the kernel's names, and the numbers that the kernel knows theirs by; [`NONE`] for
/// those that are not passed through.
type Table = HashMap<u64, i32>;

/// What holder and worker have of it.
#[derive(Debug)]
pub struct Passthrough {
    /// `None`: no further file is passed through.
    hidden: Option<Hidden>,
    /// In the holder: what was decided.
    table: Mutex<Table>,
    /// The holder's end.
    answers: OwnedFd,
    /// The worker's end, which one asks by at a time.
    asking: Mutex<OwnedFd>,
    /// In the worker: what it was told.
    known: Mutex<Table>,
}

impl Passthrough {
    /// `table`: what was decided already. Without a place for more, that holds still.
    ///
    /// # Errors
    /// When descriptors are short.
    pub fn new(hidden: Option<Hidden>, table: Table) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let (answers, questions) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
        let (asking, known) = (Mutex::new(questions), Mutex::new(Table::new()));
        Ok(Self { hidden, table: Mutex::new(table), answers, asking, known })
    }

    /// In the holder: where questions come in.
    pub fn questions(&self) -> BorrowedFd<'_> {
        self.answers.as_fd()
    }

    /// In the holder: what was decided, for another program.
    pub fn table(&self) -> Table {
        self.table.lock().map(|table| table.clone()).unwrap_or_default()
    }

    /// In the holder: answers a question if one has come. One: whoever asks without end must not keep it from all
    /// else that it does.
    pub fn answer(&self, image: &File, connection: BorrowedFd<'_>) {
        let mut message = [0; MESSAGE];
        let Ok(length @ 1..) = read(&self.answers, &mut message) else { return };
        let question = message.get(..length).unwrap_or_default();
        let Some((name, layout)) = question.split_first_chunk() else { return };
        let file = u64::from_le_bytes(*name);
        let number = self.decide(file, layout, image, connection);
        // A worker that is gone needs none.
        let _ = write(&self.answers, &[&file.to_le_bytes()[..], &number.to_le_bytes()].concat());
    }

    /// In the holder: forgets what was decided about files that nobody can open any more; `keeps`: whether a name is
    /// still that of such a file.
    pub fn forget(&self, keeps: impl Fn(u64) -> bool, connection: BorrowedFd<'_>) {
        let Ok(mut table) = self.table.lock() else { return };
        table.retain(|file, number| {
            let kept = keeps(*file);
            if !kept
                && *number != NONE
                && let Err(error) = sys::close_backing(connection, *number)
            {
                log::debug!("file {file:#x} is not forgotten: {error}");
            }
            kept
        });
    }

    fn decide(&self, file: u64, layout: &[u8], image: &File, connection: BorrowedFd<'_>) -> i32 {
        let Ok(mut table) = self.table.lock() else { return NONE };
        if let Some(decided) = table.get(&file) {
            return *decided;
        }
        if table.len() >= MOST {
            return NONE;
        }
        let Some(hidden) = &self.hidden else { return NONE };
        let made = hidden.show(layout, image).and_then(|shown| sys::open_backing(connection, &shown));
        let number = made.unwrap_or_else(|error| {
            log::info!("file {file:#x} is not passed through: {error}");
            NONE
        });
        table.insert(file, number);
        if table.len() == MOST {
            log::info!("{MOST} files are passed through: no further one is");
        }
        number
    }

    /// In the worker: the number of the file that the kernel is to read in place of one; `None`: it asks us. `direct`:
    /// whoever opens it wants to read past the kernel's memory (`O_DIRECT`).
    ///
    /// # Errors
    /// `EINVAL` for `direct` and a file that is passed through: an EROFS in a file does not have it. `EIO` when the holder
    /// does not answer, as any other way to open it might be refused.
    pub fn backing(&self, file: u64, body: &dyn Source, image: &File, direct: bool) -> Result<Option<i32>, Errno> {
        if body.len() < LEAST {
            return Ok(None);
        }
        let known = self.known.lock().ok().and_then(|known| known.get(&file).copied());
        let number = match known {
            Some(known) => known,
            None => {
                // What can't be passed through now never can.
                let Some(layout) = Layout::of(body, image) else { return Ok(None) };
                let number = self.ask(file, &layout).map_err(|error| {
                    log::warn!("file {file:#x} can't be opened: whether it is passed through is not known: {error}");
                    Errno::EIO
                })?;
                if let Ok(mut known) = self.known.lock()
                    && known.len() < KNOWN
                {
                    known.insert(file, number);
                }
                number
            }
        };
        match number {
            NONE => Ok(None),
            _ if direct => Err(Errno::EINVAL),
            number => Ok(Some(number)),
        }
    }

    fn ask(&self, file: u64, layout: &Layout) -> io::Result<i32> {
        let asking = self.asking.lock().map_err(|_| io::Error::other("a thread has failed"))?;
        write(&*asking, &[&file.to_le_bytes()[..], &layout.to_bytes()].concat())?;
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let mut watched = [PollFd::new(asking.as_fd(), PollFlags::POLLIN)];
            match poll(&mut watched, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::TimedOut)),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
            let mut message = [0; size_of::<u64>() + size_of::<i32>()];
            match read(&*asking, &mut message) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::BrokenPipe)),
                Ok(_) => {}
                Err(Errno::EAGAIN | Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            }
            let (name, number) = message.split_first_chunk().ok_or(io::ErrorKind::InvalidData)?;
            // What was asked by a worker before this one, or given up, is passed over.
            if u64::from_le_bytes(*name) == file {
                return Ok(i32::from_le_bytes(*number.first_chunk().ok_or(io::ErrorKind::InvalidData)?));
            }
        }
    }
}
