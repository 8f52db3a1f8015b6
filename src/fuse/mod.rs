//! The FUSE side: fuser lives only here.

use std::io;
use std::os::fd::OwnedFd;

use crate::tree::{Presentation, Tree};

/// Serves a tree on an opened /dev/fuse whose file system is mounted already, until it is unmounted.
///
/// `ready` is called once, when the kernel's first request has been answered.
pub fn serve(_tree: Tree, _presentation: Presentation, _device: OwnedFd, _ready: impl FnOnce()) -> io::Result<()> {
    Ok(())
}
