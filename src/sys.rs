//! Where the operating system is met and the libraries have no safe call for it.
#![allow(unsafe_code, reason = "this is the place for it; every block says why it is sound")]

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use memmap2::MmapRaw;
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

/// Has allocations from 1 MiB on come straight from the kernel, as pages that cost nothing until they are touched.
///
/// fuser allocates a zeroed receive buffer of 16 MiB for every thread, of which requests touch some KiB. glibc
/// raises the size from which it maps memory whenever a mapped block is freed; from then on such a buffer would
/// come from the heap and be zeroed by hand, which makes all of it resident. Setting the threshold stops that.
pub fn map_large_allocations() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt takes any numbers; at this time there is one thread.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1024 * 1024);
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

/// Makes a file share blocks with another, as FICLONERANGE does it.
///
/// # Errors
/// `EXDEV`, `EOPNOTSUPP` and the like where the file systems can't; `EINVAL` where the range does not fit their blocks.
pub fn share_range(from: &File, at: u64, len: u64, to: &File, to_at: u64) -> io::Result<()> {
    let range =
        libc::file_clone_range { src_fd: from.as_raw_fd().into(), src_offset: at, src_length: len, dest_offset: to_at };
    // SAFETY: the request reads a structure of this type, which lives until the call returns.
    let result = unsafe { libc::ioctl(to.as_raw_fd(), libc::FICLONERANGE, &raw const range) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Has the kernel read a part of a file into the map of another, from `done` bytes of the map on; how many bytes it
/// read. A map whose file has shrunk is an error, `EFAULT`, and no signal, as none of our code touches it.
///
/// # Errors
/// What pread(2) says.
pub fn read_into_map(file: &File, offset: i64, map: &MmapRaw, done: usize) -> io::Result<usize> {
    let Some(len) = map.len().checked_sub(done) else { return Ok(0) };
    // SAFETY: the pointer stays within the map, behind which `len` bytes lie, and no reference to them exists.
    let read = unsafe { libc::pread(file.as_raw_fd(), map.as_mut_ptr().add(done).cast(), len, offset) };
    usize::try_from(read).map_err(|_| io::Error::last_os_error())
}
