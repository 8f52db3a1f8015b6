//! What the figures were measured on.

use std::fs;
use std::hint::black_box;
use std::io;

use crate::settings::Settings;

/// A few lines that name the machine and its state.
pub fn described(settings: &Settings, rounds: usize) -> String {
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let memory = text("/proc/meminfo");
    let gib = |name: &str| {
        let kib: f64 = field(&memory, name).split(' ').next().and_then(|kib| kib.parse().ok()).unwrap_or(0.0);
        kib / 1024.0 / 1024.0
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = text("/proc/loadavg");
    let load = load.split(' ').take(3).collect::<Vec<_>>().join(" ");
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |now| now.as_secs());
    format!(
        "Measured on {}: {cores} processors ({}), Linux {}, {:.1} GiB of memory of which {:.1} GiB were available, load \
         {load} at the end. Images in {}, copies in {}. {} in turns; medians, and ratios of each round's values: how \
         many times as long, or as much, as mount-iso the other one takes.{}\n",
        date(seconds),
        field(&text("/proc/cpuinfo"), "model name"),
        text("/proc/sys/kernel/osrelease").trim(),
        gib("MemTotal"),
        gib("MemAvailable"),
        place(&settings.directory),
        place(&settings.out),
        if rounds == 1 { "One round".to_owned() } else { format!("{rounds} rounds") },
        if settings.quick {
            " The images are small ones, for a look whether all works: the figures say little."
        } else {
            ""
        },
    )
}

/// The file system of a path that exists.
fn place(path: &std::path::Path) -> String {
    use nix::sys::statfs::{EXT4_SUPER_MAGIC, TMPFS_MAGIC, XFS_SUPER_MAGIC, statfs};
    let existing = path.ancestors().find(|path| path.exists()).unwrap_or(path);
    match statfs(existing).map(|found| found.filesystem_type()) {
        Ok(EXT4_SUPER_MAGIC) => "ext4".to_owned(),
        Ok(TMPFS_MAGIC) => "tmpfs".to_owned(),
        Ok(XFS_SUPER_MAGIC) => "xfs".to_owned(),
        _ => "a file system".to_owned(),
    }
}

/// The day of a time, by the Gregorian calendar (civil_from_days).
fn date(seconds: u64) -> String {
    let days = seconds / 86_400 + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    format!("{:04}-{month:02}-{day:02}", year + era * 400 + u64::from(month <= 2))
}

/// Touches so much memory and gives it back. A virtual machine is given memory when it touches it first, and may be taken
/// what is free: whoever gets that anew waits for it, and not for what is measured.
pub fn touch_memory(bytes: usize) -> io::Result<()> {
    const PAGE: usize = 4096;
    let kib = fs::read_to_string("/proc/meminfo")?
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:")?.trim().strip_suffix(" kB")?.parse::<usize>().ok());
    // Where there is little it would push out the image.
    if kib.is_none_or(|kib| kib / 2 < bytes / 1024) {
        return Ok(());
    }
    let mut memory = memmap2::MmapMut::map_anon(bytes)?;
    memory.iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
    black_box(&memory[0]);
    Ok(())
}
