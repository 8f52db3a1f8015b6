//! The descriptors through which the kernel's requests come, one queue each.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::unistd::read;

use super::handshake::MAX_TRANSFER;
use crate::sys;

/// Bytes of the buffer for requests. The kernel insists on room for the largest write it might send, though it
/// never sends one; of the buffer only the first page is ever touched.
const BUFFER: usize = MAX_TRANSFER as usize + 4096;

/// A connection to the kernel, with as many queues of unanswered requests as there are event loops. They are made
/// before the serving process is, so that they outlive it, and with them the requests.
#[derive(Debug)]
pub struct Connection {
    queues: Vec<Arc<OwnedFd>>,
}

impl Connection {
    /// Queues beside the first one are not to be had where /dev/fuse can't be opened (as in a container that was
    /// given the open descriptor); then the loops share.
    pub fn new(device: Arc<OwnedFd>, loops: usize) -> Self {
        let mut queues = vec![device];
        while queues.len() < loops {
            let Some(first) = queues.first() else { break };
            match clone(first.as_fd()) {
                Ok(another) => queues.push(Arc::new(another)),
                Err(error) => {
                    log::debug!("the event loops share a queue: {error}");
                    break;
                }
            }
        }
        Self { queues }
    }

    /// The queues that another program has left.
    pub fn of_queues(queues: Vec<Arc<OwnedFd>>) -> Self {
        Self { queues }
    }

    /// The same queues, for another program.
    pub fn queues(&self) -> Vec<Arc<OwnedFd>> {
        self.queues.clone()
    }

    /// The queue of an event loop.
    pub fn queue(&self, number: usize) -> Option<&OwnedFd> {
        self.queues.get(number.checked_rem(self.queues.len())?).map(Arc::as_ref)
    }

    pub fn first(&self) -> Option<&OwnedFd> {
        self.queue(0)
    }
}

fn clone(device: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let another = OpenOptions::new().read(true).write(true).open("/dev/fuse")?;
    sys::join_connection(another.as_fd(), device)?;
    Ok(another.into())
}

/// What comes through a queue.
#[derive(Debug)]
pub struct Inbox(Box<[u8]>);

impl Inbox {
    pub fn new() -> Self {
        Self(vec![0; BUFFER].into_boxed_slice())
    }

    /// Waits for a request; `None` when the file system is unmounted.
    ///
    /// # Errors
    /// Whatever the kernel says that is not meant to be tried again.
    pub fn receive(&mut self, queue: &OwnedFd) -> io::Result<Option<&[u8]>> {
        loop {
            match read(queue, &mut self.0) {
                Ok(length) => return Ok(self.0.get(..length)),
                // A request that was taken back, or a signal.
                Err(Errno::ENOENT | Errno::EINTR | Errno::EAGAIN) => {}
                Err(Errno::ENODEV) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
