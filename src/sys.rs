//! Where the operating system is met and the libraries have no safe call for it.
#![allow(unsafe_code, reason = "this is the place for it; every block says why it is sound")]

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;

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
    // The directory of a process's threads has two links and one for each; asking that takes no descriptor.
    if std::fs::metadata("/proc/self/task")?.nlink() != 3 {
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

/// Whether a descriptor of this number was left open for us by whoever started us: all that Rust and we open is
/// close-on-exec.
pub fn is_inherited(number: RawFd) -> bool {
    // SAFETY: F_GETFD takes any number.
    unsafe { libc::fcntl(number, libc::F_GETFD) == 0 }
}

/// Takes possession of a descriptor that whoever started us left open for us, by its number. Of the standard streams
/// a duplicate is made.
///
/// # Errors
/// When there is no such descriptor.
pub fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    if !is_inherited(number) {
        return Err(io::Error::from(Errno::EBADF));
    }
    let new = duplicate(number)?;
    if number > 2 {
        // SAFETY: the descriptor was open before this program began, so no object of it owns the number.
        unsafe { libc::close(number) };
    }
    Ok(new)
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

/// `struct fuse_backing_map` of `linux/fuse.h`.
#[repr(C)]
struct BackingMap {
    file: i32,
    flags: u32,
    padding: u64,
}

/// Has the kernel read a file in place of asking whoever serves the connection; the number that an answer to `open`
/// names it by.
///
/// # Errors
/// What the kernel says: `EPERM` for whoever is not root, `ELOOP` for a file system that lies too high on others.
pub fn open_backing(connection: BorrowedFd<'_>, file: &File) -> io::Result<i32> {
    /// `_IOW(229, 1, struct fuse_backing_map)`.
    const FUSE_DEV_IOC_BACKING_OPEN: libc::c_ulong = 0x4010_E501;
    let map = BackingMap { file: file.as_raw_fd(), flags: 0, padding: 0 };
    // SAFETY: the call reads a structure of this layout, which lives until it returns.
    let number = unsafe { libc::ioctl(connection.as_raw_fd(), FUSE_DEV_IOC_BACKING_OPEN as _, &raw const map) };
    if number <= 0 { Err(io::Error::last_os_error()) } else { Ok(number) }
}

/// Has the kernel forget a number of [`open_backing`]; who has the file open reads on.
///
/// # Errors
/// When it knows no such number.
pub fn close_backing(connection: BorrowedFd<'_>, number: i32) -> io::Result<()> {
    /// `_IOW(229, 2, uint32_t)`.
    const FUSE_DEV_IOC_BACKING_CLOSE: libc::c_ulong = 0x4004_E502;
    // SAFETY: the call reads a number of 32 bits, which lives until it returns.
    let done = unsafe { libc::ioctl(connection.as_raw_fd(), FUSE_DEV_IOC_BACKING_CLOSE as _, &raw const number) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Whether the kernel has a byte of a file in memory, or there is no such byte. What it would have to wait for is not
/// waited for, though it may begin to read there.
pub fn is_resident(file: &File, offset: u64) -> bool {
    let Ok(offset) = libc::off_t::try_from(offset) else { return true };
    let mut byte = 0_u8;
    let part = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    // SAFETY: one part of one byte, which lives until the call returns.
    unsafe { libc::preadv2(file.as_raw_fd(), &raw const part, 1, offset, libc::RWF_NOWAIT) >= 0 }
}

/// Bytes of a file that the kernel has in memory; it reads none for being asked (mincore(2)).
#[cfg(test)]
pub fn bytes_in_memory(file: &File) -> io::Result<usize> {
    const PAGE: usize = 4096;
    // SAFETY: nothing looks into the map.
    let map = unsafe { memmap2::Mmap::map(file)? };
    let mut pages = vec![0_u8; map.len().div_ceil(PAGE)];
    // SAFETY: there is a byte for each page of the map.
    let result = unsafe { libc::mincore(map.as_ptr().cast_mut().cast(), map.len(), pages.as_mut_ptr()) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(pages.iter().filter(|page| **page & 1 != 0).count() * PAGE)
}

/// Has allocations from 1 MiB on come straight from the kernel, as pages that cost nothing until they are touched, and
/// all others from one heap.
///
/// Every event loop has a receive buffer of 1 MiB, of which requests touch some KiB. glibc raises the size from which it maps memory whenever a mapped block is freed; from then on such a buffer would
/// come from the heap and be zeroed by hand, which makes all of it resident. Setting the threshold stops that.
///
/// Heaps of threads grow by a page at a time, with a system call for each; the first one grows by 128 KiB.
pub fn arrange_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt takes any numbers; at this time there is one thread.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1024 * 1024);
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// The name of this process, as `ps` shows it.
///
/// # Errors
/// Never on Linux.
pub fn name() -> io::Result<CString> {
    let mut name = [0_u8; 16];
    // SAFETY: the kernel writes 16 bytes, the last of which is 0.
    let result = unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
    Errno::result(result)?;
    CStr::from_bytes_until_nul(&name).map(CStr::to_owned).map_err(io::Error::other)
}

/// Makes the calling thread wait for all others that have work to do.
pub fn yield_to_others() {
    /// The greatest there is.
    const NICENESS: libc::c_int = 19;
    // SAFETY: setpriority takes any numbers; 0 is the calling thread, and that alone, as Linux has it.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS as _, 0, NICENESS);
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
/// end, a lock. What this program opened itself stays; it has not opened many files yet.
///
/// # Errors
/// Where the kernel does not tell what is open.
pub fn close_inherited() -> io::Result<()> {
    for number in inherited_descriptors()? {
        // SAFETY: the descriptor was open before this program began, so no object of it owns the number, and closing it
        // harms none.
        unsafe { libc::close(number) };
    }
    Ok(())
}

/// The descriptors above the standard streams that were left open for us; those that are too high to be among our own may
/// have been closed.
fn inherited_descriptors() -> io::Result<Vec<RawFd>> {
    /// As many as most processes may have.
    const USUAL: RawFd = 1024;
    // Asking for each takes a third of the time that /proc takes, which makes a file for each that is open.
    // SAFETY: F_GETFD takes any number.
    let flags = |number: RawFd| unsafe { libc::fcntl(number, libc::F_GETFD) };
    let open: Vec<(RawFd, libc::c_int)> =
        (3..USUAL).map(|number| (number, flags(number))).filter(|(_, flags)| *flags >= 0).collect();
    // New ones get the lowest number that is free; so while many are, none of ours is above them.
    let ours_are_low = open.len() < 512;
    // SAFETY: no object of this program owns any of these.
    if ours_are_low && unsafe { libc::syscall(libc::SYS_close_range, USUAL, libc::c_uint::MAX, 0) } == 0 {
        return Ok(open.into_iter().filter(|(_, flags)| *flags == 0).map(|(number, _)| number).collect());
    }
    let entries = std::fs::read_dir("/proc/self/fd")?;
    let numbers: Vec<RawFd> = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    Ok(numbers.into_iter().filter(|number| *number > 2 && is_inherited(*number)).collect())
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

/// What a loop device shows of which file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoopStatus {
    /// Device number of the file system that the file lies on, in the kernel's encoding.
    pub device: u64,
    pub inode: u64,
    /// Bytes of the file before the first of the device.
    pub offset: u64,
    /// Bytes of the file that the device shows at most; 0: all there are.
    pub size_limit: u64,
}

/// `struct loop_info64` of linux/loop.h.
#[repr(C)]
struct LoopInfo {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// Asks a loop device for its status.
///
/// # Errors
/// When it is no loop device, or has no file.
pub fn loop_status(device: &File) -> io::Result<LoopStatus> {
    const LOOP_GET_STATUS64: libc::c_ulong = 0x4C05;
    let mut info = std::mem::MaybeUninit::<LoopInfo>::zeroed();
    // SAFETY: the kernel fills in a structure of this layout, or fails; other drivers answer ENOTTY. All zeros are
    // a valid value of it, too. The type of the request's number differs between C libraries.
    let info = unsafe {
        if libc::ioctl(device.as_raw_fd(), LOOP_GET_STATUS64 as _, info.as_mut_ptr()) < 0 {
            return Err(io::Error::last_os_error());
        }
        info.assume_init()
    };
    Ok(LoopStatus { device: info.device, inode: info.inode, offset: info.offset, size_limit: info.size_limit })
}

/// Has the file system that a path lies on answer for it: stat(2) is content with what the kernel remembers, also
/// of a file system whose process is gone. Automounters are not woken.
///
/// # Errors
/// What statx(2) says.
pub fn ask(path: &CStr) -> Result<(), Errno> {
    let flags = libc::AT_STATX_FORCE_SYNC | libc::AT_NO_AUTOMOUNT;
    let mut answer = std::mem::MaybeUninit::<libc::statx>::uninit();
    // SAFETY: the path ends with a NUL, and the kernel writes no more than the structure that it is given.
    let result =
        unsafe { libc::statx(libc::AT_FDCWD, path.as_ptr(), flags, libc::STATX_BASIC_STATS, answer.as_mut_ptr()) };
    Errno::result(result).map(drop)
}

/// Ends a process that is a fork of one with more to do at its end: no buffer is written, no destructor runs.
pub fn exit_at_once(code: i32) -> ! {
    // SAFETY: _exit(2) takes any number and does not return.
    unsafe { libc::_exit(code) }
}

/// A track of a disc in a drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Track {
    /// The logical sector it begins at.
    pub start: u32,
    pub is_data: bool,
}

/// `struct cdrom_tochdr` of linux/cdrom.h.
#[derive(Default)]
#[repr(C)]
struct TocHeader {
    first: u8,
    last: u8,
}

/// `struct cdrom_tocentry`; the address is a union whose other half is shorter.
#[derive(Default)]
#[repr(C)]
struct TocEntry {
    track: u8,
    address_and_control: u8,
    format: u8,
    start: i32,
    mode: u8,
}

/// `struct cdrom_multisession`.
#[derive(Default)]
#[repr(C)]
struct LastSession {
    start: i32,
    is_xa: u8,
    format: u8,
}

const CDROMREADTOCHDR: libc::c_ulong = 0x5305;
const CDROMREADTOCENTRY: libc::c_ulong = 0x5306;
const CDROMMULTISESSION: libc::c_ulong = 0x5310;
const CDROM_LBA: u8 = 1;
const CDROM_DATA_TRACK: u8 = 4;

fn ask_drive<T>(device: &impl AsRawFd, request: libc::c_ulong, answer: &mut T) -> io::Result<()> {
    // SAFETY: the three requests of this file write to the structure of linux/cdrom.h that `answer` is, and no further;
    // what is no CD drive answers ENOTTY or EINVAL.
    match unsafe { libc::ioctl(device.as_raw_fd(), request as _, std::ptr::from_mut(answer)) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The tracks of the disc in a drive, in their order.
///
/// # Errors
/// For what is no CD drive, and without a disc.
pub fn tracks(device: &impl AsRawFd) -> io::Result<Vec<Track>> {
    let mut header = TocHeader::default();
    ask_drive(device, CDROMREADTOCHDR, &mut header)?;
    let entry = |track| {
        let mut entry = TocEntry { track, format: CDROM_LBA, ..TocEntry::default() };
        ask_drive(device, CDROMREADTOCENTRY, &mut entry)?;
        let start = u32::try_from(entry.start).map_err(io::Error::other)?;
        // Two halves of a byte; the control bits are the upper ones.
        Ok(Track { start, is_data: entry.address_and_control >> 4 & CDROM_DATA_TRACK != 0 })
    };
    (header.first..=header.last).map(entry).collect()
}

/// The sector at which the last session of the disc in a drive begins; 0 where there is but one.
///
/// # Errors
/// For what is no CD drive, and without a disc.
pub fn last_session(device: &impl AsRawFd) -> io::Result<u32> {
    let mut answer = LastSession { format: CDROM_LBA, ..LastSession::default() };
    ask_drive(device, CDROMMULTISESSION, &mut answer)?;
    // Linux, too, takes only the last session of an XA disc for one.
    if answer.is_xa == 0 { Ok(0) } else { u32::try_from(answer.start).map_err(io::Error::other) }
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
