//! The processes of a drive: the worker serves, the holder supervises it and tidies, the watcher sleeps.
//!
//! The holder never touches the drive, so it can't hang on it. It keeps the connection to the kernel: when the worker
//! dies, another takes over, and whoever was waiting for an answer gets it. When the holder dies, the watcher learns
//! of that through a pipe of which the holder alone has the other end, and tidies in its place. The worker could not: it
//! is in a sandbox.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::exit;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, dup2_stderr, dup2_stdin, dup2_stdout, pipe2, setsid};

use super::error::{Kind, MountError};
use super::read_ahead;
use super::sandbox::{self, Confinement};
use super::table::{self, Entry};
use super::unmount::{lock, unmount, unmount_at_once};
use crate::sys;

/// The end of a worker that has a moment to end by itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// A mounted file system: the connection to the kernel, and what has to be tidied at its end.
#[derive(Debug)]
pub struct Drive {
    device: OwnedFd,
    /// `None` when somebody else has mounted, and will unmount.
    point: Option<Point>,
}

#[derive(Debug)]
struct Point {
    path: PathBuf,
    /// The number of the file system, which tells our mount from others on the same directory.
    file_system: Option<(u32, u32)>,
    /// Made by us for this mount.
    made: bool,
    /// Locked until every process that has it open is gone; see [`super::wait_for_holder`].
    lock: Option<File>,
}

/// What a worker does, and what it needs from before there was one.
pub trait Server {
    /// In the holder: makes the kernel's acquaintance over the connection.
    ///
    /// # Errors
    /// When there can't be one.
    fn greet(&mut self, device: OwnedFd) -> io::Result<()>;

    /// Whether a worker can go on where another was killed.
    fn can_take_over(&self) -> bool;

    /// A worker has ended with [`RENEWAL`]: the next one is to read the image anew.
    fn renew(&mut self);

    /// What a worker may do beside serving.
    fn confinement(&self) -> Confinement;

    /// When a drive that nobody uses is to be unmounted; `None`: never.
    fn idleness(&self) -> Option<Idleness>;

    /// In a worker: serves until the drive is unmounted. `ready` is to be called when that begins.
    ///
    /// # Errors
    /// When the drive can't be served (any more).
    fn serve(&self, takes_over: bool, ready: Box<dyn FnOnce()>) -> io::Result<()>;
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

/// Holds back the signals that end a program, until there is somebody who unmounts.
///
/// # Errors
/// Never on Linux.
pub fn block_signals() -> io::Result<()> {
    Ok(ending().thread_block()?)
}

/// The opposite of [`block_signals`].
///
/// # Errors
/// Never on Linux.
pub fn unblock_signals() -> io::Result<()> {
    Ok(ending().thread_unblock()?)
}

fn ending() -> SigSet {
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT].into_iter().collect()
}

impl Drive {
    /// A connection that was mounted by somebody else.
    pub fn of_descriptor(device: OwnedFd) -> Self {
        Self { device, point: None }
    }

    /// Mounts.
    ///
    /// # Errors
    /// As [`super::mount`].
    pub fn mount(request: &super::Request, made: bool) -> Result<Self, MountError> {
        // Without the mount table nobody could tidy.
        table::read().map_err(|error| {
            MountError::new(Kind::System, format!("/proc/self/mountinfo: {error}")).hint("mount /proc")
        })?;
        // A drive below ours would be in use by that.
        let lock = if topmost(&request.point).is_none() { lock(&request.point) } else { None };
        let device = super::mount(request)?;
        let file_system = topmost(&request.point).map(|entry| entry.device);
        let point = Point { path: request.point.clone(), file_system, made, lock };
        Ok(Self { device, point: Some(point) })
    }

    /// Unmounts, gently where that works; removes the directory where it was made for this.
    pub fn tidy(self) {
        self.unmount();
        let Self { device, point } = self;
        // With the last descriptor of the connection gone whoever still waits for an answer gets an error.
        drop(device);
        if let Some(point) = point {
            point.remove();
        }
    }

    /// Unmounts if nobody uses it; whether it did.
    fn unmount_unused(&self) -> bool {
        self.point.as_ref().is_some_and(|point| {
            point.is_on_top().unwrap_or(false)
                && match unmount_at_once(&point.path) {
                    Ok(()) => true,
                    Err(error) => {
                        log::debug!("not unmounted though it is idle: {error}");
                        false
                    }
                }
        })
    }

    fn unmount(&self) {
        if let Some(point) = self.point.as_ref().filter(|_| self.is_connected()) {
            point.unmount();
        }
    }

    /// Whether the kernel still has the file system. If not, its number may be that of another by now, which may be
    /// mounted on the same directory.
    fn is_connected(&self) -> bool {
        let mut device = [PollFd::new(self.device.as_fd(), PollFlags::empty())];
        let _ = poll(&mut device, PollTimeout::ZERO);
        !device[0].any().unwrap_or(false)
    }
}

fn topmost(point: &Path) -> Option<Entry> {
    table::read().ok()?.into_iter().rfind(|entry| entry.point == point && entry.is_ours())
}

impl Point {
    /// Our mount, if it is mounted; an error when the mount table can't be read.
    fn mounted(&self) -> io::Result<bool> {
        Ok(table::read()?.iter().any(|entry| self.is_of(entry)))
    }

    fn is_of(&self, entry: &Entry) -> bool {
        entry.point == self.path && Some(entry.device) == self.file_system
    }

    /// Whether our mount is the one that unmounting by path would hit; `None` when it is not mounted at all.
    fn is_on_top(&self) -> Option<bool> {
        let table = table::read().ok()?;
        let own = table.iter().find(|entry| self.is_of(entry))?;
        Some(table.iter().rev().find(|entry| entry.point == own.point).is_some_and(|top| top.id == own.id))
    }

    /// Tidies in place of a holder that has been killed.
    fn tidy_orphan(&self) {
        match self.is_on_top() {
            // Something else lies upon it.
            Some(false) => {}
            Some(true) => {
                self.unmount();
                self.remove();
            }
            None => self.remove(),
        }
    }

    fn unmount(&self) {
        match self.is_on_top() {
            Some(true) => {}
            Some(false) => {
                log::warn!("something else is mounted upon the drive: it is left, without an answer");
                return;
            }
            None => return,
        }
        match unmount(&self.path, false) {
            Err(error) if error.kind == Kind::Busy => {
                if let Err(error) = unmount(&self.path, true) {
                    log::error!("{error}");
                }
            }
            Err(error) => log::error!("{error}"),
            Ok(()) => {}
        }
    }

    /// Whether the directory is the one that was mounted on: as soon as it is gone, another command may make one of the
    /// same name for a drive of its own.
    fn is_the_same(&self) -> bool {
        let own = self.lock.as_ref().and_then(|lock| lock.metadata().ok());
        let found = fs::symlink_metadata(&self.path).ok();
        match (own, found) {
            // As long as it is open here its number is not another's.
            (Some(own), Some(found)) => (own.dev(), own.ino()) == (found.dev(), found.ino()),
            (None, found) => found.is_some(),
            (Some(_), None) => false,
        }
    }

    /// Removes the directory if it was made for this mount; only an empty one goes.
    fn remove(&self) {
        if self.made
            && self.is_the_same()
            && let Err(error) = fs::remove_dir(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            log::warn!("{}: {error}", super::error::shown(&self.path));
        }
    }
}

/// Starts holder and worker, and returns when the tree can be read or never will be.
///
/// `detach` is called in the holder when it has left the terminal, to lead the log elsewhere.
///
/// # Errors
/// When there can't be another process; then all is tidied.
pub fn run_in_background(drive: Drive, detach: impl FnOnce(), server: impl Server) -> io::Result<Standing> {
    let (status, theirs) = match pipe2(OFlag::O_CLOEXEC) {
        Ok((ours, theirs)) => (File::from(ours), File::from(theirs)),
        Err(error) => {
            drive.tidy();
            return Err(error.into());
        }
    };
    match sys::fork() {
        Err(error) => {
            drive.tidy();
            Err(error)
        }
        Ok(ForkResult::Parent { .. }) => {
            drop(theirs);
            drop(drive);
            // From here on the holder tidies; a Ctrl-C now is a reader of the pipe less, which the worker sees.
            unblock_signals()?;
            Ok(await_status(status))
        }
        Ok(ForkResult::Child) => {
            drop(status);
            // The terminal and the pipes of a shell must not wait for us.
            let _ = setsid();
            let _ = std::env::set_current_dir("/");
            let _ = close_standard_streams();
            let _ = sys::close_inherited();
            let _ = prctl::set_name(c"mount-iso");
            detach();
            let report = theirs.try_clone();
            let held = match theirs.try_clone() {
                Ok(status) => hold(drive, status_over(status), server, Some(theirs)),
                Err(error) => {
                    drive.tidy();
                    Err(error)
                }
            };
            exit(match held {
                Ok(code) => code,
                Err(error) => {
                    if let Ok(mut report) = report {
                        let _ = report.write_all(error.to_string().as_bytes());
                    }
                    log::error!("{error}");
                    1
                }
            })
        }
    }
}

/// Is the holder itself, until the drive is unmounted or a signal ends it.
///
/// # Errors
/// When there can't be another process.
pub fn run_in_foreground(drive: Drive, observer: Observer, server: impl Server) -> io::Result<i32> {
    hold(drive, observer, server, None)
}

/// The byte that says that all is well; anything else in the pipe is the text of an error.
const READY: u8 = 0;

fn status_over(status: File) -> Observer {
    let mut status = Some(status);
    Box::new(move |event| match event {
        // Nobody there: the command was interrupted.
        Event::Ready => status.take().map_or(Ok(()), |mut status| status.write_all(&[READY])),
        Event::Ending => Ok(()),
    })
}

fn await_status(mut status: File) -> Standing {
    let mut first = [0; 1];
    match status.read_exact(&mut first) {
        Ok(()) if first == [READY] => Standing::Ready,
        Ok(()) => {
            let mut text = first.to_vec();
            let _ = status.read_to_end(&mut text);
            Standing::Failed(String::from_utf8_lossy(&text).into_owned())
        }
        Err(_) => Standing::Failed(String::new()),
    }
}

fn close_standard_streams() -> io::Result<()> {
    let nothing = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&nothing)?;
    dup2_stdout(&nothing)?;
    dup2_stderr(&nothing)?;
    Ok(())
}

/// What a worker tells its holder, over a pipe: one byte each.
mod news {
    pub const READY: u8 = b'r';
    /// Nobody uses the drive.
    pub const IDLE: u8 = b'i';
}

/// Greets the kernel, forks workers, and waits for their end or for a signal.
fn hold(mut drive: Drive, observer: Observer, mut server: impl Server, report: Option<File>) -> io::Result<i32> {
    let mut awaited = ending();
    if report.is_none() {
        // `nohup` and the `&` of scripts have told us to ignore these.
        for signal in [Signal::SIGINT, Signal::SIGHUP] {
            if sys::is_ignored(signal) {
                awaited.remove(signal);
            }
        }
    }
    awaited.add(Signal::SIGCHLD);
    let prepared = (|| -> io::Result<_> {
        sys::default_action(Signal::SIGCHLD)?;
        awaited.thread_block()?;
        let signals = SignalFd::with_flags(&awaited, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        // Without the byte that says so, and nobody holding the other end: the holder has been killed.
        let pulse = pipe2(OFlag::O_CLOEXEC)?;
        let (news, teller) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        // Who kills all that is called mount-iso does not mean the watcher.
        let name = prctl::get_name()?;
        prctl::set_name(c"iso-watcher")?;
        let side = sys::fork();
        if !matches!(side, Ok(ForkResult::Child)) {
            prctl::set_name(&name)?;
        }
        Ok((signals, pulse, File::from(news), File::from(teller), side?))
    })();
    let prepared = match prepared {
        Ok((signals, (pulse, theirs), news, teller, ForkResult::Child)) => {
            let Drive { device, point } = drive;
            // What the others hold must not live on in this process.
            drop((signals, theirs, news, teller, device, server, observer, report));
            watch(File::from(pulse), point.as_ref())
        }
        Ok((signals, (_, pulse), news, teller, ForkResult::Parent { child })) => {
            Ok((signals, File::from(pulse), news, teller, child))
        }
        Err(error) => Err(error),
    };
    let (signals, pulse, news, teller, watcher) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            drop(server);
            drive.tidy();
            return Err(error);
        }
    };
    let given_up = |error: io::Error, server, drive: Drive| {
        drop(server);
        drive.tidy();
        over(&pulse);
        Err(error)
    };
    if let Err(error) = drive.device.try_clone().and_then(|device| server.greet(device)) {
        return given_up(error, server, drive);
    }
    if let Some(number) = drive.point.as_ref().and_then(|point| point.file_system) {
        read_ahead::raise(number);
    }
    let mut post = Post { signals, news, watcher, observer, ready: false };
    let mut lives = Lives::default();
    loop {
        let takes_over = lives.begun();
        let worker = match sys::fork() {
            Err(error) => return given_up(error, server, drive),
            Ok(ForkResult::Child) => {
                drop((pulse, post));
                exit(work(&server, takes_over, teller, report))
            }
            Ok(ForkResult::Parent { child }) => child,
        };
        let end = supervise(&mut drive, worker, &mut post);
        match end {
            End::Died(how) if server.can_take_over() && drive.is_connected() && lives.another(how) => {
                log::error!("the serving process was ended by {how}: another takes over");
                continue;
            }
            End::Over(RENEWAL) if server.can_take_over() && drive.is_connected() => {
                server.renew();
                continue;
            }
            End::Died(how) => log::error!("the serving process was ended by {how}: unmounting"),
            End::Over(_) => {}
        }
        post.ending();
        // The queues, too: whoever still waits for an answer gets an error.
        drop(server);
        drive.tidy();
        over(&pulse);
        // Only now may the command learn that its drive failed.
        drop(report);
        return Ok(if let End::Over(code) = end { code } else { 1 });
    }
}

/// The watcher: sleeps until the holder is gone.
fn watch(mut pulse: File, point: Option<&Point>) -> ! {
    let mut word = [0; 1];
    if matches!(pulse.read(&mut word), Ok(0))
        && let Some(point) = point
    {
        log::error!("the supervising process has been killed: unmounting");
        point.tidy_orphan();
    }
    sys::exit_at_once(0)
}

/// Tells the watcher that all is tidied.
fn over(mut pulse: &File) {
    // Nobody there: it has been killed.
    let _ = pulse.write_all(&[0]);
}

/// How a worker's time ended.
enum End {
    /// With the drive's.
    Over(i32),
    /// Before its time.
    Died(Signal),
}

/// How often there may be another worker: a request that kills every one must not go on for ever.
#[derive(Default)]
struct Lives {
    begun: Option<Instant>,
    /// Short ones, one after another.
    short: u32,
}

impl Lives {
    /// A life so short was perhaps ended by its first request.
    const SHORT: Duration = Duration::from_millis(250);
    /// After so many, one after another, the drive is given up.
    const MOST: u32 = 5;
    /// Killed from outside, and by no request; but short of memory it may go on so.
    const MOST_KILLED: u32 = 500;

    /// A worker begins; whether it is not the first.
    fn begun(&mut self) -> bool {
        self.begun.replace(Instant::now()).is_some()
    }

    /// Whether there may be another one after the one that a signal has ended.
    fn another(&mut self, signal: Signal) -> bool {
        let short = self.begun.is_some_and(|begun| begun.elapsed() < Self::SHORT);
        self.short = if short { self.short.saturating_add(1) } else { 0 };
        self.short < if signal == Signal::SIGKILL { Self::MOST_KILLED } else { Self::MOST }
    }
}

/// The end of a worker that asks for another which reads the image anew.
pub const RENEWAL: i32 = 75;

/// The worker: serves until the drive is unmounted.
fn work(server: &impl Server, takes_over: bool, teller: File, report: Option<File>) -> i32 {
    sys::map_large_allocations();
    // A thread that panics would leave its request without an answer; a process that ends leaves it to the next one.
    std::panic::set_hook(Box::new(|panic| {
        log::error!("a mistake of mount-iso itself: {panic}");
        std::process::abort();
    }));
    sandbox::enter(server.confinement());
    let teller = Arc::new(teller);
    if let Some(idleness) = server.idleness() {
        let teller = Arc::clone(&teller);
        let thread = std::thread::Builder::new().name("idle".to_owned());
        if let Err(error) = thread.spawn(move || watch_use(&idleness, &teller)) {
            log::error!("cannot start a thread: {error}");
            return 1;
        }
    }
    // Without a holder there is nobody to be told.
    let ready = Box::new(move || drop((&*teller).write_all(&[news::READY])));
    match server.serve(takes_over, ready) {
        Ok(()) => 0,
        Err(error) => {
            log::error!("{error}");
            if let Some(mut report) = report {
                let _ = report.write_all(error.to_string().as_bytes());
            }
            1
        }
    }
}

/// Tells the holder whenever nobody has used the drive for long enough.
fn watch_use(idleness: &Idleness, teller: &File) {
    let unseen = idleness.limit / 4;
    let limit = idleness.limit.saturating_add(unseen);
    loop {
        let idle = (idleness.clock)();
        // What the kernel asks when it is told to unmount winds up the clock, so a busy drive is asked of once in
        // this time.
        let pause = limit.checked_sub(idle).unwrap_or_else(|| {
            // A pipe that is full says it already; at the holder's end another thread ends this process.
            let _ = (&*teller).write_all(&[news::IDLE]);
            unseen
        });
        std::thread::sleep(pause.max(Duration::from_millis(50)));
    }
}

/// Where the holder hears of something, and whom it tells.
struct Post {
    signals: SignalFd,
    news: File,
    watcher: Pid,
    observer: Observer,
    /// The drive is ready, which is told once, however many workers there are.
    ready: bool,
}

impl Post {
    /// What the worker has said; whether the drive is still wanted.
    fn read_news(&mut self, drive: &Drive) -> bool {
        let mut wanted = true;
        let mut word = [0; 1];
        while matches!(self.news.read(&mut word), Ok(1)) {
            match word {
                [news::READY] if self.ready => {}
                [news::READY] => {
                    self.ready = true;
                    wanted = (self.observer)(Event::Ready).is_ok();
                }
                _ if drive.unmount_unused() => log::info!("nobody has used the drive: unmounted"),
                _ => {}
            }
        }
        wanted
    }

    fn ending(&mut self) {
        // There is nobody left to be told of an error.
        let _ = (self.observer)(Event::Ending);
    }
}

/// The holder: waits until the worker has ended or a signal asks for the end.
fn supervise(drive: &mut Drive, worker: Pid, post: &mut Post) -> End {
    // Becomes readable (POLLPRI) whenever something is mounted or unmounted.
    let table = drive.point.as_ref().filter(|point| point.made).and_then(|_| File::open("/proc/self/mountinfo").ok());
    loop {
        let mut watched = vec![
            PollFd::new(post.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(post.news.as_fd(), PollFlags::POLLIN),
        ];
        if let Some(table) = table.as_ref().filter(|_| drive.point.is_some()) {
            watched.push(PollFd::new(table.as_fd(), PollFlags::POLLPRI));
        }
        let _ = poll(&mut watched, PollTimeout::NONE);
        let mut wanted = true;
        while let Ok(Some(signal)) = post.signals.read_signal() {
            if signal.ssi_signo != Signal::SIGCHLD as u32 {
                log::info!("ended by a signal");
                wanted = false;
            }
        }
        let state = waitpid(worker, Some(WaitPidFlag::WNOHANG));
        // After that: what a worker says before its end is heard.
        wanted &= post.read_news(drive);
        match state {
            Ok(WaitStatus::Exited(_, code)) => return End::Over(code),
            Ok(WaitStatus::Signaled(_, signal, _)) => return End::Died(signal),
            Ok(_) => {}
            Err(_) => return End::Over(1),
        }
        if !wanted {
            drive.unmount();
            end(worker);
            return End::Over(0);
        }
        // No zombie is to be left of one that was killed.
        let _ = waitpid(post.watcher, Some(WaitPidFlag::WNOHANG));
        // Unmounted here, while files of it are still open or another name space has a copy: the directory can go.
        if let Some(point) = drive.point.take_if(|point| point.made && point.mounted().is_ok_and(|mounted| !mounted)) {
            // Taken away: from now on a directory of that name is somebody else's.
            point.remove();
        }
    }
}

/// Waits for the worker, which ends when its drive is unmounted; not forever, as files may still be open.
fn end(worker: Pid) {
    let limit = Instant::now() + PATIENCE;
    while Instant::now() < limit {
        match waitpid(worker, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => std::thread::sleep(Duration::from_millis(5)),
            _ => return,
        }
    }
    let _ = kill(worker, Signal::SIGKILL);
    let _ = waitpid(worker, None);
}
