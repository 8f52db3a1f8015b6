//! The process that sleeps until the holder of a drive has been killed, and tidies in its place.

use std::ffi::CStr;
use std::fs::File;
use std::io::{Read, Write};

use super::drive::Point;
use crate::sys;

/// What the process is called: who kills all that is called mount-iso does not mean it.
pub(super) const NAME: &CStr = c"iso-watcher";

/// The watcher: sleeps until the holder is gone.
pub(super) fn watch(mut pulse: File, point: Option<&Point>) -> ! {
    let mut word = [0; 1];
    if matches!(pulse.read(&mut word), Ok(0))
        && let Some(point) = point
    {
        log::error!("the supervising process has been killed: unmounting");
        point.tidy_orphan();
    }
    sys::exit_at_once(0)
}

/// Tells the watcher that all is tidied.
pub(super) fn over(mut pulse: &File) {
    // Nobody there: it has been killed.
    let _ = pulse.write_all(&[0]);
}
