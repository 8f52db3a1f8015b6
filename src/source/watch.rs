//! Notices that an image changes while it is in use.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

/// A change is over when nothing more has happened for so long...
const QUIET: Duration = Duration::from_millis(200);
/// ...or when it has been going on for so long: an image that is being downloaded changes all the time.
const LONG: Duration = Duration::from_secs(2);
/// Changes made elsewhere, on a network file system, are told by nobody: so often they are looked for.
const ROUND: Duration = Duration::from_secs(2);

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// Bytes.
    pub size: u64,
    /// Of the last change of the content: seconds and nanoseconds since 1970.
    pub modified: (i64, i64),
}

impl Version {
    /// Bytes, seconds and nanoseconds.
    pub fn parts(self) -> (u64, i64, i64) {
        (self.size, self.modified.0, self.modified.1)
    }

    fn of(metadata: &Metadata) -> Self {
        Self { size: metadata.size(), modified: (metadata.mtime(), metadata.mtime_nsec()) }
    }
}

/// What has happened to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Its content or size; the same file.
    Content { before: Version, now: Version },
    /// Its name is that of another file now, or of none. What is open is the former one still.
    Replaced,
}

/// Watches an image file.
#[derive(Debug)]
pub struct Watch {
    file: Arc<File>,
    version: Version,
    events: Option<Inotify>,
    gone: bool,
}

impl Watch {
    /// Of an open file; its name may be that of another by now.
    ///
    /// # Errors
    /// When the file can't be asked.
    pub fn new(file: Arc<File>) -> io::Result<Self> {
        let version = Version::of(&file.metadata()?);
        let events = events(&file).inspect_err(|error| log::debug!("changes are looked for: {error}")).ok();
        Ok(Self { file, version, events, gone: false })
    }

    /// Takes the image as it is now for the one that changes are told of.
    ///
    /// # Errors
    /// When the file can't be asked.
    pub fn renew(&mut self) -> io::Result<()> {
        self.version = Version::of(&self.file.metadata()?);
        Ok(())
    }

    /// The version that changes are told of.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Waits for the next change.
    ///
    /// # Errors
    /// When the file can't be asked any more.
    pub fn wait(&mut self) -> io::Result<Change> {
        let mut begun: Option<Instant> = None;
        loop {
            let replaced = self.await_event(if begun.is_some() { QUIET } else { ROUND })?;
            if replaced && !self.gone {
                self.gone = true;
                return Ok(Change::Replaced);
            }
            let now = Version::of(&self.file.metadata()?);
            if now == self.version {
                begun = None;
                continue;
            }
            // Once more, until it stays as it is.
            let since = *begun.get_or_insert_with(Instant::now);
            let settled = !self.await_silence(QUIET)?;
            if settled || since.elapsed() > LONG {
                let now = Version::of(&self.file.metadata()?);
                let before = std::mem::replace(&mut self.version, now);
                return Ok(Change::Content { before, now });
            }
        }
    }

    /// Waits for an event, or for the time to pass. Whether the name has gone to another file.
    fn await_event(&mut self, limit: Duration) -> io::Result<bool> {
        // Where events are told nothing else is to be expected.
        let timeout = if self.events.is_some() && limit == ROUND { None } else { Some(limit) };
        self.await_readable(timeout)?;
        self.take_events()
    }

    /// Whether anything happens within the time.
    fn await_silence(&mut self, limit: Duration) -> io::Result<bool> {
        let version = Version::of(&self.file.metadata()?);
        self.await_readable(Some(limit))?;
        let replaced = self.take_events()?;
        Ok(replaced || Version::of(&self.file.metadata()?) != version)
    }

    fn await_readable(&self, limit: Option<Duration>) -> io::Result<()> {
        let timeout = match limit {
            Some(limit) => PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX),
            None => PollTimeout::NONE,
        };
        let Some(events) = &self.events else {
            std::thread::sleep(limit.unwrap_or(ROUND));
            return Ok(());
        };
        let mut watched = [PollFd::new(events.as_fd(), PollFlags::POLLIN)];
        match poll(&mut watched, timeout) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn take_events(&self) -> io::Result<bool> {
        let Some(events) = &self.events else { return Ok(self.file.metadata()?.nlink() == 0) };
        let mut gone = false;
        loop {
            match events.read_events() {
                Ok(found) => {
                    let leaves = AddWatchFlags::IN_MOVE_SELF | AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_IGNORED;
                    gone |= found.iter().any(|event| event.mask.intersects(leaves));
                    // A file that is still open tells of the loss of its last name as a change of attributes.
                    gone |= self.file.metadata()?.nlink() == 0;
                }
                Err(Errno::EAGAIN) => return Ok(gone),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn events(file: &File) -> nix::Result<Inotify> {
    let events = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
    let wanted = AddWatchFlags::IN_MODIFY
        | AddWatchFlags::IN_ATTRIB
        | AddWatchFlags::IN_CLOSE_WRITE
        | AddWatchFlags::IN_MOVE_SELF
        | AddWatchFlags::IN_DELETE_SELF;
    events.add_watch(format!("/proc/self/fd/{}", file.as_raw_fd()).as_str(), wanted)?;
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::fs::{OpenOptions, remove_file, write};
    use std::sync::mpsc::channel;
    use std::thread;

    /// Changes that are seen while something is done to a file.
    fn seen(act: impl FnOnce(&Path), count: usize) -> Vec<Change> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.iso");
        write(&path, [1; 4096]).unwrap();
        let file = File::open(&path).unwrap();
        let mut watch = Watch::new(Arc::new(file)).unwrap();
        let (sender, receiver) = channel();
        thread::spawn(move || {
            while let Ok(change) = watch.wait() {
                if sender.send(change).is_err() {
                    break;
                }
            }
        });
        act(&path);
        (0..count).map(|_| receiver.recv_timeout(Duration::from_secs(20)).unwrap()).collect()
    }

    #[test]
    fn a_shorter_image_is_a_change_and_its_return_another() {
        let changes = seen(
            |path| {
                let file = OpenOptions::new().write(true).open(path).unwrap();
                file.set_len(100).unwrap();
                thread::sleep(QUIET * 3);
                file.set_len(4096).unwrap();
            },
            2,
        );
        let sizes: Vec<_> = changes
            .iter()
            .map(|change| match change {
                Change::Content { before, now } => (before.size, now.size),
                Change::Replaced => panic!("it is the same file"),
            })
            .collect();
        assert_eq!(sizes, [(4096, 100), (100, 4096)]);
    }

    #[test]
    fn an_image_that_is_removed_is_replaced_by_nothing() {
        assert_eq!(seen(|path| remove_file(path).unwrap(), 1), [Change::Replaced]);
    }
}
