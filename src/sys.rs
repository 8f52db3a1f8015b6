//! Where the operating system is met and the libraries have no safe call for it.
#![allow(unsafe_code, reason = "this is the place for it; every block says why it is sound")]

use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nix::unistd::{self, ForkResult};

/// Makes a child process of this one, which must have a single thread.
///
/// # Errors
/// When there are more threads, and whatever fork(2) says.
pub fn fork() -> io::Result<ForkResult> {
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("cannot fork: threads are running already"));
    }
    // SAFETY: there is but one thread, as was just seen, so no lock is held by a thread that the child lacks, and
    // the child may do whatever the parent may.
    unsafe { unistd::fork() }.map_err(io::Error::from)
}

/// A duplicate of a descriptor that somebody handed us by its number, as `/dev/fd/N`.
///
/// # Errors
/// When no such descriptor is open.
pub fn duplicate(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_DUPFD_CLOEXEC takes any number, and answers EBADF for one that isn't open.
    let new = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) };
    if new < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us; nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(new) })
}

/// Gives a signal its default action back. SIGCHLD ignored is inherited, and would hide how our children ended.
///
/// # Errors
/// For signals whose action can't be changed.
pub fn default_action(signal: Signal) -> io::Result<()> {
    let action = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: the new action is no handler, so no code of ours runs in a signal's context.
    unsafe { sigaction(signal, &action) }.map(drop).map_err(io::Error::from)
}

/// Whether a signal was set to be ignored before we were started, as `nohup` and `&` in a script do it.
pub fn is_ignored(signal: Signal) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: without a new action sigaction(2) changes nothing; the old one is written to a structure of its own
    // type, which is valid when all its bytes are zero, too.
    let action = unsafe {
        libc::sigaction(signal as libc::c_int, std::ptr::null(), action.as_mut_ptr());
        action.assume_init()
    };
    action.sa_sigaction == libc::SIG_IGN
}

/// Makes a newly opened /dev/fuse another queue of an existing connection.
///
/// # Errors
/// What the kernel says, as on a descriptor that is none of FUSE.
pub fn join_connection(device: BorrowedFd<'_>, connection: BorrowedFd<'_>) -> io::Result<()> {
    /// `_IOR(229, 0, uint32_t)` of `linux/fuse.h`.
    const FUSE_DEV_IOC_CLONE: libc::c_ulong = 0x8004_E500;
    let number = connection.as_raw_fd().cast_unsigned();
    // SAFETY: the call reads a number of 32 bits from where the pointer points, which lives until it returns.
    let done = unsafe { libc::ioctl(device.as_raw_fd(), FUSE_DEV_IOC_CLONE as _, &raw const number) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Has allocations from 1 MiB on come straight from the kernel, as pages that cost nothing until they are touched.
///
/// Every event loop has a receive buffer of 1 MiB, of which requests touch some KiB. glibc raises the size from which it maps memory whenever a mapped block is freed; from then on such a buffer would
/// come from the heap and be zeroed by hand, which makes all of it resident. Setting the threshold stops that.
pub fn map_large_allocations() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt takes any numbers; at this time there is one thread.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1024 * 1024);
    }
}

/// Gives memory that was freed back to the system, as far as the allocator has it lying about.
pub fn return_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim takes any number, and may be called from any thread at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Closes what the parent left open by mistake or for programs that end soon: a pipe of a script that waits for its
/// end, a lock. What this program opened itself stays.
///
/// # Errors
/// Without /proc.
pub fn close_inherited() -> io::Result<()> {
    let numbers: Vec<RawFd> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2)
        .collect();
    for number in numbers {
        // SAFETY: F_GETFD takes any number. All that Rust and we open is close-on-exec; a descriptor that is not was
        // open before this program began, so no object of it owns the number, and closing it harms none.
        unsafe {
            if libc::fcntl(number, libc::F_GETFD) == 0 {
                libc::close(number);
            }
        }
    }
    Ok(())
}

/// The descriptor that lies in a socket; `None` when the other side closed it without sending one.
///
/// # Errors
/// What recvmsg(2) says.
pub fn receive_descriptor(socket: &OwnedFd) -> io::Result<Option<OwnedFd>> {
    let mut byte = [0; 1];
    let mut data = [IoSliceMut::new(&mut byte)];
    let mut control = cmsg_space!(RawFd);
    let message = loop {
        match recvmsg::<()>(socket.as_raw_fd(), &mut data, Some(&mut control), MsgFlags::MSG_CMSG_CLOEXEC) {
            Err(Errno::EINTR) => {}
            other => break other?,
        }
    };
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(numbers) = part
            && let Some(number) = numbers.first()
        {
            // SAFETY: the kernel has just made this descriptor for us; there was room for one only.
            return Ok(Some(unsafe { OwnedFd::from_raw_fd(*number) }));
        }
    }
    Ok(None)
}
