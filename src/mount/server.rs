//! What holder and worker need of whoever serves a drive, and whom they tell of it.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use super::sandbox::Confinement;
#[cfg(doc)]
use super::worker::RENEWAL;

/// What a worker does, and what it needs from before there was one.
pub trait Server {
    /// In the holder: makes the kernel's acquaintance over the connection.
    ///
    /// # Errors
    /// When there can't be one.
    fn greet(&mut self, device: Arc<OwnedFd>) -> io::Result<()>;

    /// Whether a worker can go on where another was killed.
    fn can_take_over(&self) -> bool;

    /// A worker has ended with [`RENEWAL`]: the next one is to read the image anew. `was_first`: what it has shown was
    /// the image that was mounted, and not another that was put in its place.
    fn renew(&mut self, was_first: bool);

    /// In a worker: whom to tell when something of the image could not be read.
    fn tell_of_failures(&self, listener: Box<dyn Fn() + Send + Sync>);

    /// In a process of its own, as it may have to wait: where the image is after a failure.
    fn search(&self) -> Whereabouts;

    /// In the holder: the next worker is to read the image where it was found.
    ///
    /// # Errors
    /// When it is not there.
    fn follow(&mut self) -> io::Result<()>;

    /// In the holder: where a worker asks for what it may not do itself; `None`: it never does.
    fn questions(&self) -> Option<BorrowedFd<'_>>;

    /// In the holder: answers what was asked there.
    fn answer(&self);

    /// What another program needs for going on; `None` when none can.
    ///
    /// # Errors
    /// When descriptors are short.
    fn legacy(&self) -> io::Result<Option<Legacy>>;

    /// What a worker may do beside serving.
    fn confinement(&self) -> Confinement;

    /// When a drive that nobody uses is to be unmounted; `None`: never.
    fn idleness(&self) -> Option<Idleness>;

    /// In a worker: serves until the drive is unmounted.
    ///
    /// # Errors
    /// When the drive can't be served (any more).
    fn serve(&self, takes_over: bool) -> io::Result<()>;
}

/// What a server leaves to one of another program.
#[derive(Debug, Default)]
pub struct Legacy {
    /// The connection to the kernel.
    pub queues: Vec<Arc<OwnedFd>>,
    /// The image, where that is a file.
    pub image: Option<File>,
    /// What a library has kept of the numbers it has given.
    pub ledger: Option<File>,
    /// Which version of it was read: bytes, seconds and nanoseconds.
    pub version: Option<(u64, i64, i64)>,
    /// How often it has been read anew.
    pub generation: u64,
    /// The generations that were of the same image.
    pub kin: Vec<u64>,
    /// What was decided about files that the kernel reads by itself; `None`: it does not.
    pub passed_through: Option<HashMap<u64, i32>>,
}

/// Where an image is after its medium has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whereabouts {
    /// Where it was; what fails is the medium.
    Here,
    /// Under its name there is another file with the same image.
    Elsewhere,
    /// Its name is gone, or that of something else.
    Lost,
}

/// How long a drive may be without a user, and the clock that tells how long it is. Users are not seen as long as
/// the kernel answers them from its memory, which is at most a quarter of that time.
pub struct Idleness {
    pub limit: Duration,
    pub clock: Box<dyn Fn() -> Duration + Send>,
}

/// What happens to a drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The tree can be read.
    Ready,
    /// It will be unmounted, or has been.
    Ending,
}

/// Is told in the holder what happens. When nobody is there to hear that the drive is ready, nobody wants it.
pub type Observer = Box<dyn FnMut(Event) -> io::Result<()>>;

/// How a start ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Standing {
    /// The tree can be read.
    Ready,
    /// It was not to be, and all is tidied. What the worker said, if anything.
    Failed(String),
}
