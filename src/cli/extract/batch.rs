//! Files that are made together: in the order in which their data lie on the disc, by all threads.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use nix::errno::Errno;

use super::copy::{PIECE, Way};
use super::file::Files;
use super::job::{End, Job, Outcome};
use super::lost::Lost;
use super::place::Draft;
use crate::volume::NodeId;

/// Files of a portion, which one thread makes: those of one directory as far as they go, since a directory lets one
/// thread at a time into it.
const PORTION: usize = 128;
/// Files after which a portion may end with a directory.
const LEAST: usize = 32;
/// Files after which a signal is looked for.
const ASKED: usize = 16;
/// Bytes of a portion.
const PORTION_BYTES: u64 = PIECE;

/// A file whose parts are copied by several threads.
#[derive(Debug)]
pub struct Large {
    job: Job,
    draft: RwLock<Option<Draft>>,
    left: AtomicUsize,
    /// Had by the thread that writes; the others go through maps.
    cursor: Mutex<()>,
    lost: Mutex<Vec<Lost>>,
    broken: Mutex<Option<End>>,
}

impl Large {
    pub fn new(job: Job, draft: Draft) -> Self {
        let (cursor, lost, broken) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { job, draft: RwLock::new(Some(draft)), left: AtomicUsize::new(0), cursor, lost, broken }
    }
}

/// What one thread does without asking.
#[derive(Debug)]
pub enum Portion {
    Jobs(Range<usize>),
    /// A part of a large file.
    Part(usize, Range<u64>),
}

/// A file of which there is more to say than that it was made.
#[derive(Debug)]
pub struct Ended {
    pub turn: u64,
    pub path: Vec<u8>,
    /// Where other names of it may follow.
    pub linked: Option<NodeId>,
    pub outcome: Outcome,
}

#[derive(Debug, Default)]
pub struct Batch {
    jobs: Vec<Job>,
    large: Vec<Large>,
    /// Portions that are not done.
    left: AtomicUsize,
    ends: Mutex<Vec<Ended>>,
    /// Files made of which there is nothing to tell.
    made: AtomicUsize,
}

impl Batch {
    pub fn new(mut jobs: Vec<Job>, large: Vec<Large>) -> Self {
        jobs.sort_by_cached_key(|job| (job.place(), job.wanted.turn));
        Self { jobs, large, ..Self::default() }
    }

    /// The portions, which have to be run once each.
    pub fn portions(&self) -> Vec<Portion> {
        let mut portions = Vec::new();
        for (index, large) in self.large.iter().enumerate() {
            let len = large.job.body.len();
            let parts = (0..len).step_by(usize::try_from(PIECE).unwrap_or(usize::MAX));
            let parts: Vec<_> = parts.map(|at| Portion::Part(index, at..at.saturating_add(PIECE).min(len))).collect();
            large.left.store(parts.len(), Ordering::Relaxed);
            portions.extend(parts);
        }
        let (mut start, mut bytes) = (0, 0_u64);
        for (index, job) in self.jobs.iter().enumerate() {
            let count = index.saturating_sub(start);
            let before = index.checked_sub(1).and_then(|before| self.jobs.get(before));
            let elsewhere = before.is_some_and(|before| !same_directory(before, job));
            if count >= PORTION || bytes >= PORTION_BYTES || (count >= LEAST && elsewhere) {
                portions.push(Portion::Jobs(start..index));
                (start, bytes) = (index, 0);
            }
            bytes = bytes.saturating_add(job.body.len());
        }
        if start < self.jobs.len() {
            portions.push(Portion::Jobs(start..self.jobs.len()));
        }
        self.left.store(portions.len(), Ordering::Relaxed);
        portions
    }

    /// Runs a portion; a file that ends everything sets `halt`.
    pub fn run(&self, portion: Portion, files: &Files<'_>, halt: &AtomicBool) {
        // Also when this thread panics: nobody waits for it then.
        let _done = Done(&self.left);
        match portion {
            Portion::Jobs(range) => {
                for (number, job) in self.jobs.get(range).unwrap_or_default().iter().enumerate() {
                    if halt.load(Ordering::Relaxed) {
                        return;
                    }
                    let asked = number.is_multiple_of(ASKED) && files.copier.interrupted();
                    self.note(job, if asked { End::Interrupted.into() } else { files.make(job) }, halt);
                }
            }
            Portion::Part(index, range) => {
                let Some(large) = self.large.get(index) else { return };
                self.part(large, range, files, halt);
                if large.left.fetch_sub(1, Ordering::AcqRel) == 1 {
                    self.note(&large.job, end(large, files), halt);
                }
            }
        }
    }

    fn part(&self, large: &Large, range: Range<u64>, files: &Files<'_>, halt: &AtomicBool) {
        let broken = || large.broken.lock().unwrap_or_else(PoisonError::into_inner);
        let draft = large.draft.read().unwrap_or_else(PoisonError::into_inner);
        let Some(draft) = draft.as_ref().filter(|_| broken().is_none()) else { return };
        let end = if halt.load(Ordering::Relaxed) {
            End::Dropped
        } else {
            let cursor = large.cursor.try_lock();
            let way = if cursor.is_ok() { Way::Stream } else { Way::Map };
            match files.copier.part(large.job.body.as_ref(), range, draft.file(), way) {
                Ok(lost) => {
                    large.lost.lock().unwrap_or_else(PoisonError::into_inner).extend(lost);
                    return;
                }
                Err(error) => error.into(),
            }
        };
        broken().get_or_insert(end);
    }

    fn note(&self, job: &Job, outcome: Outcome, halt: &AtomicBool) {
        if ends_all(&outcome.end) {
            halt.store(true, Ordering::Relaxed);
        }
        if matches!(outcome.end, End::Made) && outcome.undone.is_empty() && job.wanted.linked().is_none() {
            self.made.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let linked = job.wanted.linked();
        let ended = Ended { turn: job.wanted.turn, path: job.wanted.path.clone(), linked, outcome };
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).push(ended);
    }

    /// What there is to say, and how many files were made besides.
    pub fn ends(&self) -> (Vec<Ended>, usize) {
        let ends = std::mem::take(&mut *self.ends.lock().unwrap_or_else(PoisonError::into_inner));
        (ends, self.made.load(Ordering::Relaxed))
    }

    pub fn is_done(&self) -> bool {
        self.left.load(Ordering::Acquire) == 0
    }
}

/// Whether every other file would meet the same.
pub fn ends_all(end: &End) -> bool {
    matches!(end, End::Interrupted | End::Failed(Errno::ENOSPC | Errno::EDQUOT | Errno::EROFS))
}

struct Done<'a>(&'a AtomicUsize);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn same_directory(left: &Job, right: &Job) -> bool {
    Arc::ptr_eq(&left.wanted.directory, &right.wanted.directory)
}

fn end(large: &Large, files: &Files<'_>) -> Outcome {
    let draft = large.draft.write().unwrap_or_else(PoisonError::into_inner).take();
    let broken = large.broken.lock().unwrap_or_else(PoisonError::into_inner).take();
    let lost = std::mem::take(&mut *large.lost.lock().unwrap_or_else(PoisonError::into_inner));
    match (broken, draft) {
        (None, Some(draft)) => files.publish(&large.job, draft, lost),
        (broken, _) => broken.unwrap_or(End::Dropped).into(),
    }
}
