//! The FUSE side: fuser lives only here.

mod adapter;
mod attr;
mod count;

use std::io;
use std::os::fd::OwnedFd;

use fuser::{Config, Session, SessionACL};

use crate::tree::{Presentation, Tree};
use adapter::Adapter;

/// Event loops that pay off: the kernel's page cache is the bottleneck beyond a few.
const MAX_THREADS: usize = 8;

/// How a tree is served.
#[derive(Debug, Clone, Default)]
pub struct Service {
    pub presentation: Presentation,
    /// Event loops; `None`: as many as there are processors, up to 4.
    pub threads: Option<usize>,
}

/// Serves a tree on an opened /dev/fuse whose file system is mounted already, until it is unmounted.
///
/// `ready` is called once, when the kernel's first request has been answered.
///
/// # Errors
/// When the handshake with the kernel fails, or an event loop does.
pub fn serve(tree: Tree, service: Service, device: OwnedFd, ready: impl FnOnce()) -> io::Result<()> {
    let available = || std::thread::available_parallelism().map_or(2, usize::from).min(4);
    let mut config = Config::default();
    config.n_threads = Some(service.threads.unwrap_or_else(available).clamp(1, MAX_THREADS));
    // Who may look is the kernel's to decide, by `allow_other` and `default_permissions` at mount time.
    let adapter = Adapter::new(tree, service.presentation);
    let session = Session::from_fd(adapter, device, SessionACL::All, config)?;
    ready();
    session.run()
}
