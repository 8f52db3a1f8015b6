//! How far a long command is, where somebody looks.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::tree::Tree;
use crate::volume::{FileType, NodeId};

/// Time to find out how much there is to do; longer would be felt.
const COUNTING: Duration = Duration::from_millis(200);

/// A bar over bytes when the total is known, a spinner with the bytes otherwise; hidden unless standard error
/// is a terminal.
pub fn bar(total: impl FnOnce() -> Option<u64>) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match total() {
        Some(total) => {
            (ProgressBar::new(total), "{bar:32} {bytes} of {total_bytes}, {binary_bytes_per_sec}, {eta} left")
        }
        None => (ProgressBar::new_spinner(), "{spinner} {bytes}, {binary_bytes_per_sec}"),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Bytes of all files below some nodes, if that can be said quickly.
pub fn quick_total(tree: &Tree, from: &[NodeId]) -> Option<u64> {
    let begun = Instant::now();
    let mut total = 0_u64;
    for step in from.iter().flat_map(|id| tree.walk(*id)) {
        if begun.elapsed() > COUNTING {
            return None;
        }
        if let Ok(node) = step.node
            && node.kind == FileType::Regular
        {
            total = total.saturating_add(node.size);
        }
    }
    Some(total)
}
