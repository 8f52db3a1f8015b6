//! The first exchange with the kernel: what the protocol is, and which of its parts are used. fuser lives here.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};

use fuser::{Config, Filesystem, InitFlags, KernelConfig, Request, Session, SessionACL};

/// Bytes of the largest request and answer: what Linux allows (`fs.fuse.max_pages_limit`, 256 pages of 4 KiB).
pub const MAX_TRANSFER: u32 = 1024 * 1024;
/// File systems that may lie upon one another, if files are read without us: the image's, the one that such a file is
/// of, and ours, which is the second one above the first. Linux allows no more.
const STACK_DEPTH: u32 = 2;
/// Requests that the kernel may have under way in the background (read-ahead).
const BACKGROUND: u16 = 64;

/// What was agreed on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Protocol {
    /// Requests that nobody answered can be had again (Linux 6.9), so another process can take over.
    pub resends: bool,
    /// Files can be read without us.
    pub passes_through: bool,
}

/// Makes the agreement on a connection whose file system is mounted. Once in its life.
///
/// `passes_through`: files are to be read without us, if the kernel can. Then nothing can be laid over the drive
/// (overlayfs), which counts as the second of two file systems above the image.
///
/// # Errors
/// When the kernel is gone, or older than version 7.6 of the protocol.
pub fn handshake(device: BorrowedFd<'_>, passes_through: bool) -> io::Result<Protocol> {
    let agreed = Arc::new(Mutex::new(Protocol::default()));
    let greeter = Greeter { passes_through, agreed: Arc::clone(&agreed) };
    let device: OwnedFd = device.try_clone_to_owned()?;
    // Who may look is the kernel's to decide, by `allow_other` and `default_permissions` at mount time.
    drop(Session::from_fd(greeter, device, SessionACL::All, Config::default())?);
    let agreed = agreed.lock().map_or_else(|_| Protocol::default(), |agreed| *agreed);
    Ok(agreed)
}

struct Greeter {
    passes_through: bool,
    agreed: Arc<Mutex<Protocol>>,
}

impl Filesystem for Greeter {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        let wanted = InitFlags::FUSE_NO_OPEN_SUPPORT
            | InitFlags::FUSE_NO_OPENDIR_SUPPORT
            | InitFlags::FUSE_PARALLEL_DIROPS
            | InitFlags::FUSE_CACHE_SYMLINKS
            | InitFlags::FUSE_DO_READDIRPLUS
            | InitFlags::FUSE_EXPORT_SUPPORT
            | InitFlags::FUSE_ASYNC_READ
            | InitFlags::FUSE_HAS_RESEND;
        let offered = config.capabilities();
        if let Err(refused) = config.add_capabilities(wanted & offered) {
            log::debug!("the kernel refuses {refused:?}");
        }
        if let Err(most) = config.set_max_background(BACKGROUND) {
            log::debug!("at most {most} requests in the background");
        }
        if let Err(most) = config.set_max_write(MAX_TRANSFER) {
            log::debug!("at most {most} bytes a request");
        }
        let passes_through = self.passes_through
            && config.add_capabilities(InitFlags::FUSE_PASSTHROUGH).is_ok()
            && config.set_max_stack_depth(STACK_DEPTH).is_ok();
        if let Ok(mut agreed) = self.agreed.lock() {
            agreed.passes_through = passes_through;
            agreed.resends = offered.contains(InitFlags::FUSE_HAS_RESEND);
        }
        Ok(())
    }
}
