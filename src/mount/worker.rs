//! The process that serves a drive.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::eventfd::EventFd;

use super::sandbox;
use super::server::{Idleness, Server};
use crate::sys;

/// What a worker adds to its holder's counter: nobody uses the drive.
pub(super) const IDLE: u64 = 1;
/// The same: something of the image could not be read.
pub(super) const FAILURE: u64 = 1 << 32;

/// The end of a worker that asks for another which reads the image anew.
pub const RENEWAL: i32 = 75;
/// The same, of one whose own image was another than the first.
pub const RENEWAL_OF_ANOTHER: i32 = 76;

/// The worker: serves until the drive is unmounted.
pub(super) fn work(server: &impl Server, takes_over: bool, teller: Arc<EventFd>, report: Option<File>) -> i32 {
    sys::arrange_heap();
    // A thread that panics would leave its request without an answer; a process that ends leaves it to the next one.
    std::panic::set_hook(Box::new(|panic| {
        log::error!("a mistake of mount-iso itself: {panic}");
        std::process::abort();
    }));
    sandbox::enter(server.confinement());
    let other = Arc::clone(&teller);
    // A counter that is full says it already.
    server.tell_of_failures(Box::new(move || {
        let _ = other.write(FAILURE);
    }));
    if let Some(idleness) = server.idleness() {
        let thread = std::thread::Builder::new().name("idle".to_owned());
        if let Err(error) = thread.spawn(move || watch_use(&idleness, &teller)) {
            log::error!("cannot start a thread: {error}");
            return 1;
        }
    }
    match server.serve(takes_over) {
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
fn watch_use(idleness: &Idleness, teller: &EventFd) {
    let unseen = idleness.limit / 4;
    let limit = idleness.limit.saturating_add(unseen);
    loop {
        let idle = (idleness.clock)();
        // What the kernel asks when it is told to unmount winds up the clock, so a busy drive is asked of once in
        // this time.
        let pause = limit.checked_sub(idle).unwrap_or_else(|| {
            // A counter that is full says it already; at the holder's end another thread ends this process.
            let _ = teller.write(IDLE);
            unseen
        });
        std::thread::sleep(pause.max(Duration::from_millis(50)));
    }
}
