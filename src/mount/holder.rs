//! The processes of a drive: the worker serves, the holder supervises it and tidies, the watcher sleeps.
//!
//! The holder never touches the drive, so it can't hang on it. It keeps the connection to the kernel: when the worker
//! dies, another takes over, and whoever was waiting for an answer gets it. When the holder dies, the watcher learns
//! of that through a pipe of which the holder alone has the other end, and tidies in its place. The worker could not: it
//! is in a sandbox.

use std::ffi::CStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::exit;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, dup2_stderr, dup2_stdin, dup2_stdout, pipe2, setsid};

use super::drive::Drive;
use super::handover::{Former, Handover, Holding, Origin, hand_over};
use super::holders::told;
use super::lives::{End, Lives};
use super::read_ahead;
use super::search::Search;
use super::server::{Event, Observer, Server, Standing};
use super::watcher::{NAME, over, watch};
use super::worker::{FAILURE, IDLE, RENEWAL, RENEWAL_OF_ANOTHER, work};
use crate::sys;

/// The end of a worker that has a moment to end by itself.
const PATIENCE: Duration = Duration::from_secs(2);

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

/// Asks a holder to become the newly installed program.
pub(super) const HANDOVER: Signal = Signal::SIGUSR2;

fn ending() -> SigSet {
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT].into_iter().collect()
}

/// Starts holder and worker, and returns when the tree can be read or never will be.
///
/// `detach` is called in the holder when it has left the terminal, to lead the log elsewhere.
///
/// # Errors
/// When there can't be another process; then all is tidied.
pub fn run_in_background(
    drive: Drive,
    origin: Origin,
    detach: impl FnOnce(),
    server: impl Server,
) -> io::Result<Standing> {
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
                Ok(status) => hold(drive, Past::None(origin), status_over(status), server, Some(theirs)),
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
pub fn run_in_foreground(drive: Drive, origin: Origin, observer: Observer, server: impl Server) -> io::Result<i32> {
    hold(drive, Past::None(origin), observer, server, None)
}

/// Goes on as the holder of a drive that another program has handed over.
///
/// # Errors
/// When there can't be another process.
pub fn resume(handover: Handover, observer: Observer, server: impl Server) -> io::Result<i32> {
    let Handover { drive, former, origin, .. } = handover;
    let _ = prctl::set_name(c"mount-iso");
    hold(drive, Past::Former(origin, former), observer, server, None)
}

/// What was before.
enum Past {
    /// Nothing: the drive is new.
    None(Origin),
    /// A holder that was another program.
    Former(Origin, Former),
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

/// Greets the kernel, forks workers, and waits for their end or for a signal.
fn hold(
    mut drive: Drive,
    past: Past,
    observer: Observer,
    mut server: impl Server,
    report: Option<File>,
) -> io::Result<i32> {
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
    awaited.add(HANDOVER);
    let prepared = (|| -> io::Result<_> {
        sys::default_action(Signal::SIGCHLD)?;
        awaited.thread_block()?;
        let signals = SignalFd::with_flags(&awaited, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        // Without the byte that says so, and nobody holding the other end: the holder has been killed.
        let pulse = pipe2(OFlag::O_CLOEXEC)?;
        let news = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok((signals, pulse, Arc::new(news)))
    })();
    let (signals, (theirs, pulse), news) = match prepared {
        Ok((signals, (theirs, pulse), news)) => (signals, (File::from(theirs), File::from(pulse)), news),
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
    let (origin, former, mut lives) = match past {
        Past::None(origin) => {
            if let Err(error) = server.greet(Arc::clone(&drive.device)) {
                return given_up(error, server, drive);
            }
            (origin, None, Lives::default())
        }
        Past::Former(origin, former) => {
            // What it was asked and has not answered is asked again of the next one.
            finish(former.worker);
            log::info!("goes on as version {}", env!("CARGO_PKG_VERSION"));
            (origin, Some(former), Lives::resumed())
        }
    };
    let mut post = Post { signals, news, watcher: None, observer, search: Search::default(), refusal: None };
    let mut unwatched = Some((theirs, former));
    loop {
        let takes_over = lives.begun();
        let worker = match sys::fork() {
            Err(error) => return given_up(error, server, drive),
            Ok(ForkResult::Child) => {
                let teller = Arc::clone(&post.news);
                drop((pulse, post, unwatched));
                exit(work(&server, takes_over, teller, report))
            }
            Ok(ForkResult::Parent { child }) => child,
        };
        // After the worker, which has more to do before it can answer.
        if !takes_over && let Some(number) = drive.point.as_ref().and_then(|point| point.file_system) {
            read_ahead::raise(number);
        }
        if let Some((theirs, former)) = unwatched.take() {
            match fork_as(NAME) {
                Ok(ForkResult::Child) => {
                    let Drive { device, point } = drive;
                    // What the others hold must not live on in this process.
                    drop((pulse, post, former, device, server, report, origin));
                    watch(theirs, point.as_ref())
                }
                Ok(ForkResult::Parent { child }) => post.watcher = Some(child),
                Err(error) => log::error!("the drive will be left dead if this process is killed: {error}"),
            }
            if let Some(Former { watcher, pulse, .. }) = former {
                over(&pulse);
                let _ = watcher.map(|watcher| waitpid(watcher, None));
            }
        }
        // The kernel has had its first answer, and keeps what it asks now until the worker is there: nobody needs to
        // wait for that.
        let wanted = takes_over || (post.observer)(Event::Ready).is_ok();
        let end = loop {
            match supervise(&mut drive, &server, worker, &mut post, wanted) {
                End::Handover => {
                    let holding =
                        Holding { drive: &drive, origin: &origin, worker, watcher: post.watcher, pulse: &pulse };
                    post.refuse(&refusal(&holding, &server));
                }
                end => break end,
            }
        };
        if let End::Found = end {
            log::warn!("the image is back in another file: it is read there");
            finish(worker);
            if let Err(error) = server.follow() {
                log::error!("the image can't be read where it was found: {error}");
            }
            continue;
        }
        match end {
            End::Died(how) if server.can_take_over() && drive.is_connected() && lives.another(how) => {
                log::error!("the serving process was ended by {how}: another takes over");
                continue;
            }
            End::Over(code @ (RENEWAL | RENEWAL_OF_ANOTHER)) if server.can_take_over() && drive.is_connected() => {
                server.renew(code == RENEWAL);
                continue;
            }
            End::Died(how) => log::error!("the serving process was ended by {how}: unmounting"),
            End::Over(_) | End::Found | End::Handover => {}
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

/// Forks a process that has another name from its first moment.
fn fork_as(name: &CStr) -> io::Result<ForkResult> {
    let own = sys::name()?;
    prctl::set_name(name)?;
    let side = sys::fork();
    if !matches!(side, Ok(ForkResult::Child)) {
        prctl::set_name(&own)?;
    }
    side
}

/// Where the holder hears of something, and whom it tells.
struct Post {
    signals: SignalFd,
    news: Arc<EventFd>,
    watcher: Option<Pid>,
    observer: Observer,
    search: Search,
    /// Why no other program took over, for whoever wanted that.
    refusal: Option<File>,
}

/// Has another program take over; why it does not.
fn refusal(holding: &Holding<'_>, server: &impl Server) -> String {
    let legacy = match server.legacy() {
        Ok(Some(legacy)) => legacy,
        Ok(None) => return NO_HANDOVER.to_owned(),
        Err(error) => return error.to_string(),
    };
    match hand_over(holding, &legacy) {
        Ok(never) => match never {},
        Err(reason) => reason,
    }
}

/// Why a drive can't be handed over.
const NO_HANDOVER: &str = "only with Linux 6.9 or later, and without `norestart`, can another process go on with a drive: unmount and mount anew";

impl Post {
    /// What the worker has said.
    fn read_news(&mut self, drive: &Drive, server: &impl Server) {
        let Ok(said) = self.news.read() else { return };
        // What can't be taken over can't follow its image either.
        if said >= FAILURE && server.can_take_over() {
            self.search.wish();
        }
        if said % FAILURE >= IDLE && drive.unmount_unused() {
            log::info!("nobody has used the drive: unmounted");
        }
    }

    /// Tells why the drive stays with this program: in the log, and in a file that `mount-iso restart` finds among
    /// the descriptors of this process.
    fn refuse(&mut self, reason: &str) {
        log::error!("no other program takes over: {reason}");
        self.refusal = told(reason).inspect_err(|error| log::debug!("a refusal can't be told: {error}")).ok();
    }

    fn ending(&mut self) {
        self.search.stop();
        // There is nobody left to be told of an error.
        let _ = (self.observer)(Event::Ending);
    }
}

/// The holder: waits until the worker has ended or a signal asks for the end.
fn supervise(drive: &mut Drive, server: &impl Server, worker: Pid, post: &mut Post, wanted: bool) -> End {
    let mut wanted = wanted;
    // Becomes readable (POLLPRI) whenever something is mounted or unmounted.
    let table = drive.point.as_ref().filter(|point| point.made).and_then(|_| File::open("/proc/self/mountinfo").ok());
    // What was heard while another program was tried has been forgotten.
    let mut look_first = true;
    loop {
        let waits = wanted && !std::mem::take(&mut look_first);
        let mut watched = vec![PollFd::new(post.signals.as_fd(), PollFlags::POLLIN)];
        watched.push(PollFd::new(post.news.as_fd(), PollFlags::POLLIN));
        watched.extend(server.questions().map(|questions| PollFd::new(questions, PollFlags::POLLIN)));
        if let Some(table) = table.as_ref().filter(|_| drive.point.is_some()) {
            watched.push(PollFd::new(table.as_fd(), PollFlags::POLLPRI));
        }
        let limit = if waits { post.search.pause() } else { Some(Duration::ZERO) };
        let _ =
            poll(&mut watched, limit.map_or(PollTimeout::NONE, |limit| limit.try_into().unwrap_or(PollTimeout::MAX)));
        let mut handover = false;
        while let Ok(Some(signal)) = post.signals.read_signal() {
            if signal.ssi_signo == HANDOVER as u32 {
                handover = true;
            } else if signal.ssi_signo != Signal::SIGCHLD as u32 {
                log::info!("ended by a signal");
                wanted = false;
            }
        }
        if handover && wanted {
            return End::Handover;
        }
        let state = waitpid(worker, Some(WaitPidFlag::WNOHANG));
        // After that: what a worker says before its end is heard.
        post.read_news(drive, server);
        server.answer();
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
        if post.search.goes_on(server) {
            return End::Found;
        }
        // No zombie is to be left of one that was killed.
        let _ = post.watcher.map(|watcher| waitpid(watcher, Some(WaitPidFlag::WNOHANG)));
        // Unmounted here, while files of it are still open or another name space has a copy: the directory can go.
        if let Some(point) = drive.point.take_if(|point| point.made && point.mounted().is_ok_and(|mounted| !mounted)) {
            // Taken away: from now on a directory of that name is somebody else's.
            point.remove();
        }
    }
}

/// Ends a worker, unless the kernel keeps it: then it is not waited for.
fn finish(worker: Pid) {
    let _ = kill(worker, Signal::SIGKILL);
    end(worker);
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
    std::thread::sleep(Duration::from_millis(5));
    let _ = waitpid(worker, Some(WaitPidFlag::WNOHANG));
}
