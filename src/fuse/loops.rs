//! The event loops: as many as were asked for, and more while all of those wait for a medium.
//!
//! A loop that reads from a slow or failing medium answers nobody else. When all have been at it for a while others
//! join them, so that what the kernel and we have in memory is there for everybody.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use super::activity::Activity;
use super::connection::{Connection, Inbox};
use super::drive::{Drive, Next, Scratch};
use super::reply::Reply;
use super::request::Request;

/// How long all loops may be busy with what they have.
const PATIENCE: Duration = Duration::from_millis(20);
/// Loops at most.
const MOST: usize = 64;

#[derive(Debug)]
pub struct Loops {
    drive: Drive,
    connection: Arc<Connection>,
    activity: Arc<Activity>,
    running: AtomicUsize,
    busy: AtomicUsize,
    /// Requests answered.
    answered: AtomicUsize,
    /// The relief is awake already.
    called: AtomicBool,
    call: Mutex<bool>,
    calling: Condvar,
}

impl Loops {
    pub fn new(drive: Drive, connection: Arc<Connection>, activity: Arc<Activity>) -> Self {
        Self {
            drive,
            connection,
            activity,
            running: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            answered: AtomicUsize::new(0),
            called: AtomicBool::new(false),
            call: Mutex::new(false),
            calling: Condvar::new(),
        }
    }

    /// Serves until the drive is unmounted.
    ///
    /// # Errors
    /// When no thread can be started, and what the kernel says to this loop.
    pub fn run(self, count: usize) -> io::Result<()> {
        let loops = Arc::new(self);
        // The first loop is this thread, and has answered before the others are there.
        loops.running.fetch_add(1, Ordering::SeqCst);
        let relief = Arc::clone(&loops);
        thread::Builder::new().name("relief".to_owned()).spawn(move || {
            (1..count).for_each(|number| relief.add(number));
            relief.relieve();
        })?;
        loops.serve(0)
    }

    /// Another loop, where there can be one.
    fn add(self: &Arc<Self>, number: usize) {
        let own = Arc::clone(self);
        let thread = thread::Builder::new().name(format!("loop-{number}"));
        // Before it runs, so that it counts when the next one is considered.
        self.running.fetch_add(1, Ordering::SeqCst);
        let started = thread.spawn(move || {
            if let Err(error) = own.serve(number) {
                log::error!("an event loop has ended: {error}");
            }
            own.running.fetch_sub(1, Ordering::SeqCst);
        });
        if let Err(error) = started {
            log::warn!("no further event loop: {error}");
            self.running.fetch_sub(1, Ordering::SeqCst);
        }
    }

    fn serve(&self, number: usize) -> io::Result<()> {
        let Some(queue) = self.connection.queue(number) else { return Ok(()) };
        let mut inbox = Inbox::new();
        let mut scratch = Scratch::default();
        while let Some(bytes) = inbox.receive(queue)? {
            let Some(request) = Request::parse(bytes) else {
                return Err(io::Error::other("the kernel sent a request without a header"));
            };
            self.activity.touch();
            if self.busy.fetch_add(1, Ordering::SeqCst) + 1 >= self.running.load(Ordering::SeqCst) {
                self.call_for_relief();
            }
            let next = self.drive.answer(&request, Reply::new(queue, request.unique, &self.activity), &mut scratch);
            self.busy.fetch_sub(1, Ordering::SeqCst);
            self.answered.fetch_add(1, Ordering::SeqCst);
            if next == Next::End {
                break;
            }
        }
        Ok(())
    }

    fn call_for_relief(&self) {
        if self.called.load(Ordering::SeqCst) || self.called.swap(true, Ordering::SeqCst) {
            return;
        }
        if let Ok(mut call) = self.call.lock() {
            *call = true;
        }
        self.calling.notify_one();
    }

    /// The thread that watches, when it is called, whether anybody gets on.
    fn relieve(self: &Arc<Self>) {
        loop {
            let Ok(call) = self.call.lock() else { return };
            let Ok(mut call) = self.calling.wait_while(call, |call| !*call) else { return };
            *call = false;
            drop(call);
            loop {
                self.look();
                self.called.store(false, Ordering::SeqCst);
                // Whoever has found all busy until now did not call; from here on it does.
                if self.busy.load(Ordering::SeqCst) < self.running.load(Ordering::SeqCst) {
                    break;
                }
                self.called.store(true, Ordering::SeqCst);
            }
        }
    }

    /// Watches for a moment whether anybody gets on, and starts another loop where nobody does.
    fn look(self: &Arc<Self>) {
        let answered = self.answered.load(Ordering::SeqCst);
        thread::sleep(PATIENCE);
        let running = self.running.load(Ordering::SeqCst);
        let all_busy = running != 0 && self.busy.load(Ordering::SeqCst) >= running;
        if all_busy && self.answered.load(Ordering::SeqCst) == answered && running < MOST {
            log::debug!("{running} event loops wait for the medium: another one joins them");
            self.add(running);
        }
    }
}
