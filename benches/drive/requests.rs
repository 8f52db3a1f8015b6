//! How many requests the kernel sends to FUSE daemons, counted by its tracepoint.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::command::{Measured, succeed};

const TRACING: &str = "/sys/kernel/tracing";

/// Counts the requests of the whole system while `work` runs; needs root.
pub fn count(work: impl FnOnce() -> Measured) -> Measured {
    let event = Path::new(TRACING).join("events/fuse/fuse_request_send/enable");
    let mounted =
        !event.exists() && succeed(&["mount", "-t", "tracefs", "nodev", TRACING], Duration::from_secs(5)).is_ok();
    let result = if event.exists() {
        match counted(&event, work) {
            Ok(measured) => measured,
            Err(error) => Measured::Failed(format!("the kernel does not count: {error}")),
        }
    } else {
        Measured::Failed("the kernel's tracepoints can't be reached".to_owned())
    };
    if mounted && let Err(error) = succeed(&["umount", TRACING], Duration::from_secs(5)) {
        eprintln!("bench: {error}");
    }
    result
}

fn counted(event: &Path, work: impl FnOnce() -> Measured) -> std::io::Result<Measured> {
    let before = total()?;
    fs::write(event, "1")?;
    let measured = work();
    fs::write(event, "0")?;
    let after = total()?;
    Ok(match measured {
        Measured::Value(_) => Measured::Value(after.saturating_sub(before) as f64),
        other => other,
    })
}

/// Events in the buffers of all processors, and those that had to make room.
fn total() -> std::io::Result<u64> {
    let mut sum = 0;
    for processor in fs::read_dir(Path::new(TRACING).join("per_cpu"))? {
        let stats: PathBuf = processor?.path().join("stats");
        for line in fs::read_to_string(stats)?.lines() {
            if let Some((name, number)) = line.split_once(": ")
                && ["entries", "overrun", "dropped events", "read events"].contains(&name)
            {
                sum += number.trim().parse::<u64>().unwrap_or(0);
            }
        }
    }
    Ok(sum)
}
