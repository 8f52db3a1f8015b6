//! A directory with an image, and the program run in it; all that is mounted there is taken off at the end.

use std::cell::Cell;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use mount_iso::mount::table::{self, Entry};
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use tempfile::TempDir;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_mount-iso");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// Whoever runs the tests.
    Own,
    /// `nobody`, by way of root; whoever runs the tests where that isn't root.
    Nobody,
}

/// Written to by whoever needs to be alone: what one test does to all drives of a user, others would feel.
static ALONE: RwLock<()> = RwLock::new(());

/// Runs a test while no other has a rig.
pub fn alone(test: impl FnOnce()) {
    let alone = ALONE.write().unwrap_or_else(PoisonError::into_inner);
    ADMITTED.set(true);
    test();
    ADMITTED.set(false);
    drop(alone);
}

thread_local! {
    /// Whether this very test is alone, or has a rig already. It must not ask again: whoever waits to be alone goes
    /// first, and would wait for it for ever.
    static ADMITTED: Cell<bool> = const { Cell::new(false) };
}

/// What the first rig of a test has, so that nobody is alone before it is gone; it is to outlive the others.
struct Company {
    _guard: RwLockReadGuard<'static, ()>,
}

impl Company {
    fn join() -> Option<Self> {
        let guard = (!ADMITTED.get()).then(|| ALONE.read().unwrap_or_else(PoisonError::into_inner))?;
        ADMITTED.set(true);
        Some(Self { _guard: guard })
    }
}

impl Drop for Company {
    fn drop(&mut self) {
        ADMITTED.set(false);
    }
}

pub struct Rig {
    pub user: User,
    directory: TempDir,
    /// A copy of the program that every user may run.
    program: PathBuf,
    _company: Option<Company>,
}

pub fn is_root() -> bool {
    geteuid().is_root()
}

/// Tells threads to stop however a test ends: a scope waits for them, also when it is left by a panic.
pub struct Stops<'a>(pub &'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Waits for something that processes do in their own time.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < end, "never came about: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Rig {
    pub fn new(user: User) -> Self {
        let company = Company::join();
        let directory = tempfile::Builder::new().prefix("mounting").tempdir().unwrap();
        let everybody = fs::Permissions::from_mode(0o777);
        fs::set_permissions(directory.path(), everybody.clone()).unwrap();
        let program = directory.path().join("mount-iso");
        // By another process: a descriptor open for writing that a test in another thread inherits at the wrong
        // moment makes the program a busy text file.
        assert!(Command::new("cp").arg(PROGRAM).arg(&program).status().unwrap().success());
        if is_root() {
            // As udev sets it on every distribution.
            fs::set_permissions("/dev/fuse", fs::Permissions::from_mode(0o666)).unwrap();
        }
        let content = directory.path().join("content/sub");
        fs::create_dir_all(&content).unwrap();
        fs::write(directory.path().join("content/hello.txt"), "hello\n").unwrap();
        fs::write(content.join("big"), vec![7; 300_000]).unwrap();
        let made = Command::new("xorriso")
            .args(["-as", "mkisofs", "-quiet", "-R", "-J", "-V", "A LABEL", "-o", "x.iso", "content"])
            .current_dir(directory.path())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success());
        Self { user, directory, program, _company: company }
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().canonicalize().unwrap().join(name)
    }

    /// Makes a directory that the user may mount on.
    pub fn directory(&self, name: impl AsRef<Path>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        path
    }

    pub fn command<A: AsRef<OsStr>>(&self, program: impl AsRef<OsStr>, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = if self.user == User::Nobody && is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.args(args).current_dir(self.directory.path()).stdin(Stdio::null());
        command
    }

    /// Runs the program to its end, which is also that of its output: what stays behind must not hold it.
    pub fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Output {
        self.command(&self.program, args).output().unwrap()
    }

    pub fn spawn<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> std::process::Child {
        // Whoever runs the tests in the background may have told all of us to ignore these.
        let words = [OsString::from("--default-signal=INT,HUP,QUIT"), self.program.clone().into_os_string()];
        let words = words.into_iter().chain(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self.command("env", words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs the program; it has to succeed.
    #[track_caller]
    pub fn succeed<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> String {
        let output = self.run(args);
        assert!(
            output.status.success(),
            "{output:?}\n{}",
            fs::read_to_string(self.path("log.txt")).unwrap_or_default()
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs the program; it has to fail with this code. What it said.
    #[track_caller]
    pub fn fail<A: AsRef<OsStr>>(&self, code: i32, args: impl IntoIterator<Item = A>) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Runs a shell command as the user; what it wrote.
    pub fn shell(&self, script: &str) -> Output {
        self.command("sh", ["-c", script]).output().unwrap()
    }

    /// The content of a file, as the user sees it.
    pub fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let output = self.command("cat", [OsStr::new("--"), path.as_os_str()]).output().unwrap();
        output.status.success().then_some(output.stdout)
    }

    pub fn mounts(&self) -> Vec<Entry> {
        let below = self.path("");
        table::ours().unwrap().into_iter().filter(|entry| entry.point.starts_with(&below)).collect()
    }

    /// The processes of a drive of this rig: holder, worker, and the watcher, which is the last; as far as they live.
    pub fn processes(&self) -> Vec<Pid> {
        let mut found = self.found();
        found.sort_by_key(|process| process.role);
        found.into_iter().map(|process| process.pid).collect()
    }

    /// The process that serves a drive of this rig, unless one has just ended and the other is yet to come.
    pub fn worker(&self) -> Option<Pid> {
        self.found().into_iter().find(|process| process.role == Role::Worker).map(|process| process.pid)
    }

    fn found(&self) -> Vec<Process> {
        let mut found: Vec<(Pid, Pid, bool)> = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let Ok(target) = fs::read_link(entry.path().join("exe")) else { continue };
            let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
            let after = stat.rsplit(") ").next().unwrap();
            let parent = after.split(' ').nth(1).unwrap().parse().unwrap();
            if target == self.path("mount-iso") && !after.starts_with('Z') {
                found.push((Pid::from_raw(pid), Pid::from_raw(parent), stat.contains(" (iso-watcher) ")));
            }
        }
        let is_parent = |process: Pid| found.iter().any(|(_, parent, _)| *parent == process);
        let role = |(pid, parent, watches): &(Pid, Pid, bool)| match found.iter().any(|(other, ..)| other == parent) {
            // It has the watcher's name, too, at the moment when it starts it.
            false if is_parent(*pid) || !watches => Role::Holder,
            true if !watches => Role::Worker,
            _ => Role::Watcher,
        };
        found.iter().map(|process| Process { pid: process.0, role: role(process) }).collect()
    }

    pub fn signal(&self, pid: Pid, signal: Signal) {
        kill(pid, signal).unwrap();
    }

    /// Nothing of a drive is left: no mount, no process.
    #[track_caller]
    pub fn expect_nothing_left(&self) {
        eventually("the mount and its processes are gone", || self.mounts().is_empty() && self.processes().is_empty());
    }

    /// The names in the directory of the rig that were not there at first.
    pub fn new_names(&self) -> Vec<OsString> {
        let names = fs::read_dir(self.directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut new: Vec<_> =
            names.filter(|name| !["content", "x.iso", "mount-iso"].iter().any(|old| name == old)).collect();
        new.sort();
        new
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        for entry in self.mounts().iter().rev() {
            if umount2(&entry.point, MntFlags::MNT_DETACH).is_err() {
                let _ = Command::new("fusermount3").args(["-u", "-z", "--"]).arg(&entry.point).status();
            }
        }
        for pid in self.processes() {
            let _ = kill(pid, Signal::SIGKILL);
        }
    }
}

struct Process {
    pid: Pid,
    role: Role,
}

/// What a process is of a drive, in the order in which they are told. A worker without a holder counts as one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Holder,
    Worker,
    Watcher,
}
