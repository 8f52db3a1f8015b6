//! The threads that copy.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Builder};

use super::batch::{Batch, Portion};
use super::file::Files;

/// Threads that take portions from one queue. Whoever waits for a batch works as well.
#[derive(Debug)]
pub struct Crew<'a> {
    pub files: &'a Files<'a>,
    queue: Mutex<Queue>,
    /// There is work, or there will be none.
    called: Condvar,
    /// A portion was done.
    done: Condvar,
    /// Nothing more is begun.
    halt: AtomicBool,
    threads: usize,
}

#[derive(Debug, Default)]
struct Queue {
    portions: VecDeque<(Arc<Batch>, Portion)>,
    closed: bool,
}

impl<'a> Crew<'a> {
    /// Has `threads` threads, of which this is one, while `work` runs.
    pub fn with<R>(files: &'a Files<'a>, threads: usize, work: impl FnOnce(&Self) -> R) -> R {
        let (queue, called, done) = (Mutex::default(), Condvar::new(), Condvar::new());
        let crew = Self { files, queue, called, done, halt: AtomicBool::new(false), threads };
        thread::scope(|scope| {
            for _ in 1..threads {
                // With fewer threads it only takes longer.
                if let Err(error) = Builder::new().spawn_scoped(scope, || crew.serve()) {
                    log::debug!("no further thread: {error}");
                    break;
                }
            }
            let _close = Close(&crew);
            work(&crew)
        })
    }

    /// Whether several threads may copy one file.
    pub const fn is_many(&self) -> bool {
        self.threads > 1
    }

    pub fn add(&self, batch: &Arc<Batch>) {
        let portions = batch.portions();
        self.locked().portions.extend(portions.into_iter().map(|portion| (Arc::clone(batch), portion)));
        self.called.notify_all();
    }

    /// Works until a batch is done.
    pub fn finish(&self, batch: &Batch) {
        let mut queue = self.locked();
        while !batch.is_done() {
            match queue.portions.pop_front() {
                Some(next) => {
                    drop(queue);
                    self.run(next);
                    queue = self.locked();
                }
                None => queue = self.done.wait(queue).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Has nothing more be begun.
    pub fn halt(&self) {
        self.halt.store(true, Ordering::Relaxed);
    }

    pub fn is_halted(&self) -> bool {
        self.halt.load(Ordering::Relaxed)
    }

    fn serve(&self) {
        let mut queue = self.locked();
        loop {
            if let Some(next) = queue.portions.pop_front() {
                drop(queue);
                self.run(next);
                queue = self.locked();
            } else if queue.closed {
                return;
            } else {
                queue = self.called.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn run(&self, (batch, portion): (Arc<Batch>, Portion)) {
        // Told under the lock, so that nobody begins to wait between looking and being told; also when this panics.
        let _told = Told(self);
        batch.run(portion, self.files, &self.halt);
    }

    fn locked(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Told<'c, 'a>(&'c Crew<'a>);

impl Drop for Told<'_, '_> {
    fn drop(&mut self) {
        let queue = self.0.locked();
        self.0.done.notify_all();
        drop(queue);
    }
}

struct Close<'c, 'a>(&'c Crew<'a>);

impl Drop for Close<'_, '_> {
    fn drop(&mut self) {
        self.0.locked().closed = true;
        self.0.called.notify_all();
    }
}
