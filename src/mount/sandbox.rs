//! What a serving process gives up before it looks at its first request.
//!
//! It needs descriptors that are open already, memory and threads: the connection to the kernel, the image, the log.
//! So whoever might take it over by way of a crafted image can open nothing, start nothing and talk to nobody.

use std::collections::BTreeMap;
use std::io;

use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, Scope};
use nix::sys::prctl::set_no_new_privs;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter,
};

/// System calls that a serving process makes; all others are refused (EPERM).
const CALLS: &[libc::c_long] = &[
    // Data and the kernel's requests.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_lseek,
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
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
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

/// The older forms of some of them, which newer machines don't have.
#[cfg(target_arch = "x86_64")]
const OLDER_CALLS: &[libc::c_long] = &[libc::SYS_poll, libc::SYS_newfstatat];
#[cfg(not(target_arch = "x86_64"))]
const OLDER_CALLS: &[libc::c_long] = &[];

/// Enters the sandbox, as far as the kernel has one; what it lacks is told to whoever looks for mistakes. There must
/// be no other thread yet.
pub fn enter() {
    let steps: [(&str, fn() -> io::Result<()>); 4] = [
        ("no new privileges", no_new_privileges),
        ("capabilities", drop_capabilities),
        ("Landlock", forbid_files),
        ("seccomp", forbid_calls),
    ];
    for (what, step) in steps {
        match step() {
            Ok(()) => log::debug!("sandbox: {what}"),
            Err(error) => log::info!("the sandbox goes without {what}: {error}"),
        }
    }
}

fn no_new_privileges() -> io::Result<()> {
    Ok(set_no_new_privs()?)
}

fn drop_capabilities() -> io::Result<()> {
    use caps::{CapSet, clear};
    // The sets that can give a capability back first.
    for set in [CapSet::Ambient, CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        clear(None, set).map_err(io::Error::other)?;
    }
    Ok(())
}

/// No file can be opened, no connection made.
fn forbid_files() -> io::Result<()> {
    let abi = ABI::V6;
    let ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(abi))
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(abi)))
        .and_then(|ruleset| ruleset.scope(Scope::from_all(abi)))
        .and_then(|ruleset| ruleset.create())
        .map_err(io::Error::other)?;
    let status = ruleset.restrict_self().map_err(io::Error::other)?;
    match status.ruleset {
        landlock::RulesetStatus::NotEnforced => Err(io::Error::other("this kernel does not have it")),
        _ => Ok(()),
    }
}

fn forbid_calls() -> io::Result<()> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH).map_err(io::Error::other)?;
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for call in CALLS.iter().chain(OLDER_CALLS) {
        rules.insert(i64::from(*call), Vec::new());
    }
    // A new thread, and no new process.
    let thread = u64::from(libc::CLONE_THREAD.cast_unsigned());
    let is_thread =
        SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(thread), thread).map_err(other)?;
    rules.insert(i64::from(libc::SYS_clone), vec![SeccompRule::new(vec![is_thread]).map_err(other)?]);
    install(rules, SeccompAction::Errno(libc::EPERM.cast_unsigned()), SeccompAction::Allow, architecture)?;
    // What clone3 is to do can't be looked at from a filter; told that there is none, libraries use clone.
    let rules = BTreeMap::from([(i64::from(libc::SYS_clone3), Vec::new())]);
    install(rules, SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS.cast_unsigned()), architecture)
}

fn install(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    listed: SeccompAction,
    architecture: TargetArch,
) -> io::Result<()> {
    let filter = SeccompFilter::new(rules, otherwise, listed, architecture).map_err(other)?;
    let program: BpfProgram = filter.try_into().map_err(other)?;
    apply_filter(&program).map_err(io::Error::other)
}

fn other(error: seccompiler::BackendError) -> io::Error {
    io::Error::other(error)
}
