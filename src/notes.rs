//! The defects of a disc that were met and tolerated: each is told once, and not without end.

use std::collections::HashSet;
use std::sync::Mutex;

use crate::error::Defect;
use crate::limits::MAX_NOTES;

/// Collects defects. Every distinct one is logged once as a warning; after [`MAX_NOTES`] one last line
/// says that there are more, so a hostile image can fill neither the log nor the memory.
#[derive(Debug, Default)]
pub struct Notes {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    known: HashSet<(u64, &'static str)>,
    list: Vec<Defect>,
    full: bool,
}

impl Notes {
    /// Remembers a defect and warns of it, unless it is known already.
    pub fn report(&self, defect: Defect) {
        let Ok(mut seen) = self.seen.lock() else { return };
        if seen.full || !seen.known.insert((defect.at, defect.clause)) {
            return;
        }
        if seen.list.len() >= MAX_NOTES {
            seen.full = true;
            log::warn!("more than {MAX_NOTES} defects: further ones are not listed");
            return;
        }
        log::warn!("{defect}");
        seen.list.push(defect);
    }

    /// What was met until now, in the order it was met.
    pub fn list(&self) -> Vec<Defect> {
        self.seen.lock().map(|seen| seen.list.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_defect_is_told_once_and_the_list_has_an_end() {
        let notes = Notes::default();
        for at in 0..2 * MAX_NOTES as u64 {
            notes.report(Defect::new(at, "ECMA-119 9.1", "first"));
            notes.report(Defect::new(at, "ECMA-119 9.1", "again"));
        }
        assert_eq!(notes.list().len(), MAX_NOTES);
        assert!(notes.list().iter().all(|defect| defect.what == "first"));
    }
}
