//! Whether any file of a volume has what programs keep asking for.
//!
//! `ls -l` asks for two extended attributes of every file, and a file manager for its birth time, and each question
//! costs a way to us and back: of a disc of which we can say that it has none the kernel needn't ask again (ENOSYS).

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::tree::Tree;
use crate::volume::{FileType, NodeId};

/// Questions after which a look at all files pays off.
const ENOUGH: u32 = 256;
/// How long a look may take. On a disc that needs longer the questions go on.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub struct Survey {
    what: &'static str,
    /// Whether a volume of this kind may have it.
    may_have: fn(&Tree) -> bool,
    /// Whether a file has it.
    has: fn(&Tree, NodeId) -> Result<bool>,
    asked: AtomicU32,
    none: Arc<AtomicU8>,
}

/// `Survey::none` where there is none.
const NONE: u8 = 1;

impl Survey {
    pub fn of_attributes() -> Self {
        let has = |tree: &Tree, id| tree.attributes(id).map(|found| !found.is_empty());
        Self::new("extended attributes", Tree::has_attributes, has)
    }

    pub fn of_birth_times() -> Self {
        let has = |tree: &Tree, id| tree.node(id).map(|node| node.times.created.is_some());
        Self::new("birth times", Tree::has_birth_times, has)
    }

    fn new(what: &'static str, may_have: fn(&Tree) -> bool, has: fn(&Tree, NodeId) -> Result<bool>) -> Self {
        Self { what, may_have, has, asked: AtomicU32::default(), none: Arc::default() }
    }

    /// Whether it is known that there are none. Counts as a question.
    pub fn knows_of_none(&self, tree: &Arc<Tree>) -> bool {
        if !(self.may_have)(tree) || self.none.load(Ordering::Relaxed) == NONE {
            return true;
        }
        // A library would open all its images for this.
        if tree.parts().is_none() && self.asked.fetch_add(1, Ordering::Relaxed) == ENOUGH {
            let (tree, none, has) = (Arc::clone(tree), Arc::clone(&self.none), self.has);
            let look = move || {
                if has_none(&tree, has) {
                    none.store(NONE, Ordering::Relaxed);
                }
            };
            if let Err(error) = thread::Builder::new().name("survey".to_owned()).spawn(look) {
                log::debug!("no look at the {}: {error}", self.what);
            }
        }
        false
    }
}

/// Whether no file has it; what can't be read might.
fn has_none(tree: &Tree, has: fn(&Tree, NodeId) -> Result<bool>) -> bool {
    let begun = Instant::now();
    let mut todo = vec![tree.root()];
    let mut seen = HashSet::from([tree.root()]);
    while let Some(id) = todo.pop() {
        if has(tree, id).unwrap_or(true) {
            return false;
        }
        let Ok(directory) = tree.directory_once(id) else { return false };
        if directory.gap().is_some() {
            return false;
        }
        for entry in directory.iter() {
            if begun.elapsed() > PATIENCE {
                return false;
            }
            if entry.kind == FileType::Directory {
                if seen.insert(entry.id) {
                    todo.push(entry.id);
                }
            } else if has(tree, entry.id).unwrap_or(true) {
                return false;
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests_volume::{Body, TestVolume};
    use crate::time::Timestamp;

    /// 300 files in a directory, one of which may have a creation time or no attributes that can be read.
    fn tree(change: impl FnOnce(&mut TestVolume)) -> Arc<Tree> {
        let mut volume = TestVolume::default();
        volume.add(1, b"directory", 2, FileType::Directory);
        for number in 10..310 {
            volume.file(2, format!("file {number}").as_bytes(), number, Body::new(Vec::new()));
        }
        change(&mut volume);
        Arc::new(volume.tree())
    }

    /// Whether it is known in the end, and after how many questions at least.
    fn asked(survey: &Survey, tree: &Arc<Tree>) -> Option<u32> {
        let before = (0..ENOUGH).find(|_| survey.knows_of_none(tree));
        assert!(!survey.knows_of_none(tree), "this question has the disc looked at");
        let patience = Instant::now() + Duration::from_secs(5);
        while Arc::strong_count(tree) > 1 && Instant::now() < patience {
            thread::sleep(Duration::from_millis(1));
        }
        before.or_else(|| survey.knows_of_none(tree).then_some(ENOUGH))
    }

    #[test]
    fn who_asks_often_learns_that_a_disc_has_none() {
        let plain = tree(|_| {});
        assert_eq!(asked(&Survey::of_birth_times(), &plain), Some(ENOUGH));
        let born = tree(|volume| {
            volume.node_mut(309).times.created = Some(Timestamp { seconds: 1, nanoseconds: 0 });
        });
        assert_eq!(asked(&Survey::of_birth_times(), &born), None, "one file has one");
        let damaged = tree(|volume| volume.name(2, b"lost", 1000, FileType::Regular));
        assert_eq!(asked(&Survey::of_birth_times(), &damaged), None, "one can't be read");
    }

    #[test]
    fn what_a_volume_can_not_have_needs_no_look() {
        assert!(Survey::of_attributes().knows_of_none(&tree(|_| {})));
    }
}
