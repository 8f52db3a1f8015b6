//! Whether any file of a volume has extended attributes, found out when programs keep asking for them.
//!
//! `ls -l` asks for two of every file, and each question costs a way to us and back: on a disc of which we can say
//! that it has none the kernel needn't ask again (ENOSYS).

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::tree::Tree;
use crate::volume::FileType;

/// Questions after which a look at all files pays off.
const ENOUGH: u32 = 256;
/// How long a look may take. On a disc that needs longer the questions go on.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub struct Survey {
    asked: AtomicU32,
    none: Arc<AtomicU8>,
}

/// `Survey::none` where there is none.
const NONE: u8 = 1;

impl Survey {
    /// Whether it is known that there are none. Counts as a question.
    pub fn knows_of_none(&self, tree: &Arc<Tree>) -> bool {
        if !tree.has_attributes() || self.none.load(Ordering::Relaxed) == NONE {
            return true;
        }
        // A library would open all its images for this.
        if tree.parts().is_none() && self.asked.fetch_add(1, Ordering::Relaxed) == ENOUGH {
            let (tree, none) = (Arc::clone(tree), Arc::clone(&self.none));
            let look = move || {
                if has_none(&tree) {
                    none.store(NONE, Ordering::Relaxed);
                }
            };
            if let Err(error) = thread::Builder::new().name("survey".to_owned()).spawn(look) {
                log::debug!("no look at the extended attributes: {error}");
            }
        }
        false
    }
}

fn has_none(tree: &Tree) -> bool {
    let begun = Instant::now();
    let mut todo = vec![tree.root()];
    let mut seen = HashSet::from([tree.root()]);
    while let Some(id) = todo.pop() {
        if tree.attributes(id).map_or(true, |found| !found.is_empty()) {
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
            } else if tree.attributes(entry.id).map_or(true, |found| !found.is_empty()) {
                return false;
            }
        }
    }
    true
}
