//! How many files a volume has: not recorded anywhere on a disc, so counted when somebody asks.

use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use crate::sys;
use crate::tree::Tree;

/// How long the first caller waits; umount(8) is one of them. A count that takes longer goes on in the background; until then the number
/// is 0, which `df -i` shows as unknown, and Linux shows always.
const PATIENCE: Duration = Duration::from_millis(25);

#[derive(Debug, Default)]
pub struct Counter {
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Idle,
    Counting,
    Counted(u64),
}

impl Counter {
    /// Files, directories and all else in the volume, the root included; 0 while that is not known.
    pub fn count(&self, tree: &Arc<Tree>) -> u64 {
        let (lock, counted) = &*self.state;
        let Ok(mut state) = lock.lock() else { return 0 };
        if matches!(*state, State::Idle) {
            *state = State::Counting;
            let (tree, shared) = (Arc::clone(tree), Arc::clone(&self.state));
            let spawned = thread::Builder::new().name("count".to_owned()).spawn(move || {
                // Whoever reads meanwhile goes first.
                sys::yield_to_others();
                let found = tree.count();
                if let Ok(mut state) = shared.0.lock() {
                    *state = State::Counted(found);
                }
                shared.1.notify_all();
            });
            if let Err(error) = spawned {
                log::debug!("the files are not counted: {error}");
                *state = State::Idle;
                return 0;
            }
        }
        let counting = |state: &mut State| matches!(*state, State::Counting);
        match counted.wait_timeout_while(state, PATIENCE, counting) {
            Ok((state, _)) => match *state {
                State::Counted(found) => found,
                _ => 0,
            },
            Err(_) => 0,
        }
    }
}
