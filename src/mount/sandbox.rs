//! What a serving process gives up before it looks at its first request.
//!
//! It needs descriptors that are open already, memory and threads: the connection to the kernel, the image, the log.
//! So whoever might take it over by way of a crafted image can open nothing, start nothing and talk to nobody.

use std::io;

use landlock::{
    ABI, Access, AccessFs, AccessNet, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr, Scope,
};
use nix::errno::Errno;
use nix::sys::prctl::set_no_new_privs;
use seccompiler::apply_filter;

use super::filter::{self, Verdict};

/// System calls that a serving process makes; all others are refused (EPERM).
const CALLS: &[libc::c_long] = &[
    // Data and the kernel's requests.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_preadv2,
    libc::SYS_lseek,
    libc::SYS_fadvise64,
    libc::SYS_statx,
    libc::SYS_fstat,
    libc::SYS_fcntl,
    libc::SYS_close,
    libc::SYS_ppoll,
    // A log that is a datagram socket, connected before.
    libc::SYS_sendto,
    // Memory.
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    // Threads.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    // Only ever more modest.
    libc::SYS_setpriority,
    libc::SYS_gettid,
    libc::SYS_membarrier,
    libc::SYS_prctl,
    // Signals to itself, and its end.
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_tgkill,
    libc::SYS_tkill,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Time, and chance for hash tables.
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_getrandom,
];

/// For whoever may open files, and watches a folder.
const FILE_CALLS: &[libc::c_long] = &[
    libc::SYS_openat,
    libc::SYS_getdents64,
    libc::SYS_readlinkat,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_ioctl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
];

/// The older forms of some of them, which newer machines don't have.
#[cfg(target_arch = "x86_64")]
const OLDER_CALLS: &[libc::c_long] = &[libc::SYS_poll, libc::SYS_newfstatat];
#[cfg(not(target_arch = "x86_64"))]
const OLDER_CALLS: &[libc::c_long] = &[];

/// What a process may still do in the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confinement {
    /// Everything it could before.
    None,
    /// Use what is open, and nothing else.
    Descriptors,
    /// Read files besides: the images of a library are opened when somebody enters them.
    Readable,
}

type Step = fn(Confinement) -> io::Result<()>;

/// Enters the sandbox, as far as the kernel has one; what it lacks is told to whoever looks for mistakes. There must
/// be no other thread yet.
pub fn enter(confinement: Confinement) {
    if confinement == Confinement::None {
        return;
    }
    let steps: [(&str, Step); 4] = [
        ("no new privileges", no_new_privileges),
        ("capabilities", drop_capabilities),
        ("Landlock", forbid_files),
        ("seccomp", forbid_calls),
    ];
    for (what, step) in steps {
        match step(confinement) {
            Ok(()) => log::debug!("sandbox: {what}"),
            Err(error) => log::info!("the sandbox goes without {what}: {error}"),
        }
    }
}

fn no_new_privileges(_: Confinement) -> io::Result<()> {
    Ok(set_no_new_privs()?)
}

fn drop_capabilities(confinement: Confinement) -> io::Result<()> {
    use caps::{CapSet, Capability, CapsHashSet};
    let mut kept = CapsHashSet::new();
    // What root could read before it can read still.
    let reads = Capability::CAP_DAC_READ_SEARCH;
    if confinement == Confinement::Readable
        && caps::has_cap(None, CapSet::Permitted, reads).map_err(io::Error::other)?
    {
        kept.insert(reads);
    }
    // The sets that can give a capability back first.
    for set in [CapSet::Ambient, CapSet::Inheritable] {
        caps::clear(None, set).map_err(io::Error::other)?;
    }
    for set in [CapSet::Effective, CapSet::Permitted] {
        caps::set(None, set, &kept).map_err(io::Error::other)?;
    }
    Ok(())
}

/// No file can be opened, or none be written, and no connection made.
fn forbid_files(confinement: Confinement) -> io::Result<()> {
    let abi = ABI::V6;
    let readable = match confinement {
        Confinement::Readable => vec![PathBeneath::new(
            PathFd::new("/").map_err(io::Error::other)?,
            AccessFs::from_read(abi) & !AccessFs::Execute,
        )],
        _ => Vec::new(),
    };
    let ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(abi))
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(abi)))
        .and_then(|ruleset| ruleset.scope(Scope::from_all(abi)))
        .and_then(|ruleset| ruleset.create())
        .and_then(|ruleset| ruleset.add_rules(readable.into_iter().map(Ok::<_, landlock::RulesetError>)))
        .map_err(io::Error::other)?;
    let status = ruleset.restrict_self().map_err(io::Error::other)?;
    match status.ruleset {
        landlock::RulesetStatus::NotEnforced => Err(io::Error::other("this kernel does not have it")),
        _ => Ok(()),
    }
}

fn forbid_calls(confinement: Confinement) -> io::Result<()> {
    let files = if confinement == Confinement::Readable { FILE_CALLS } else { &[] };
    let number = |call: &libc::c_long| u32::try_from(*call).map_err(io::Error::other);
    let calls = CALLS.iter().chain(OLDER_CALLS).chain(files);
    let mut listed: Vec<(u32, Verdict)> =
        calls.map(|call| Ok((number(call)?, Verdict::Allow))).collect::<io::Result<_>>()?;
    // A new thread, and no new process.
    listed.push((number(&libc::SYS_clone)?, Verdict::AllowWith(libc::CLONE_THREAD.cast_unsigned())));
    // What clone3 is to do can't be looked at from a filter; told that there is none, libraries use clone.
    listed.push((number(&libc::SYS_clone3)?, Verdict::Fail(Errno::ENOSYS)));
    let program = filter::program(architecture()?, &listed, Verdict::Fail(Errno::EPERM))?;
    apply_filter(&program).map_err(io::Error::other)
}

/// The number that Linux names this machine's kind of calls by (`AUDIT_ARCH_…`): that of ELF, little-endian, 64 bits.
fn architecture() -> io::Result<u32> {
    const LITTLE_64: u32 = 0xC000_0000;
    match std::env::consts::ARCH {
        "x86_64" => Ok(LITTLE_64 | 62),
        "aarch64" => Ok(LITTLE_64 | 183),
        "riscv64" => Ok(LITTLE_64 | 243),
        other => Err(io::Error::other(format!("the calls of {other} are not known"))),
    }
}
