//! A mount, taken off when this goes.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::command::{self, Measured};
use crate::contender::Contender;
use crate::settings::Settings;

#[derive(Debug)]
pub struct Mount {
    pub point: PathBuf,
    /// Seconds until the first names of the root were there.
    pub took: f64,
}

impl Mount {
    pub fn new(contender: Contender, image: &Path, settings: &Settings) -> io::Result<Self> {
        let point = settings.directory.join(format!("mount-{}", settings.tag));
        fs::create_dir_all(&point)?;
        let limit = settings.limit;
        let outside = fs::metadata(&point)?.dev();
        let words = contender.mounting(&image.to_string_lossy(), &point.to_string_lossy());
        let mut mount = Self { point, took: 0.0 };
        let start = Instant::now();
        command::mounting(&words, limit)
            .map_err(|error| io::Error::other(format!("{} can't mount: {error}", contender.name())))?;
        while fs::metadata(&mount.point)?.dev() == outside {
            if start.elapsed() > limit {
                return Err(io::Error::other(format!("{}: nothing is mounted", contender.name())));
            }
            sleep(Duration::from_micros(100));
        }
        let mounted = start.elapsed().as_secs_f64();
        match crate::work::measure(&["first".to_owned(), mount.text()], limit) {
            Measured::Value(listed) => mount.took = mounted + listed,
            other => return Err(io::Error::other(format!("{}: no first ls: {other:?}", contender.name()))),
        }
        Ok(mount)
    }

    pub fn text(&self) -> String {
        self.point.to_string_lossy().into_owned()
    }

    /// Memory of all processes that serve the mount, in MiB: a line of `/proc/PID/status`.
    pub fn memory(&self, field: &str) -> Measured {
        let processes = self.processes();
        if processes.is_empty() {
            return Measured::Failed("no process".to_owned());
        }
        let statuses = processes.iter().filter_map(|path| fs::read_to_string(path.join("status")).ok());
        let kib = |status: String| -> Option<f64> {
            status.lines().find_map(|line| line.strip_prefix(field)?.split_whitespace().next()?.parse().ok())
        };
        Measured::Value(statuses.filter_map(kib).sum::<f64>() / 1024.0)
    }

    /// Processes, but this one, in whose command line the mount point stands. Zombies have no command line.
    fn processes(&self) -> Vec<PathBuf> {
        let own = std::process::id().to_string();
        let serves = |path: &PathBuf| {
            let line = fs::read(path.join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&self.text())
        };
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        processes
            .filter(|entry| entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()))
            .filter(|entry| entry.file_name().to_string_lossy() != own)
            .map(|entry| entry.path())
            .filter(serves)
            .collect()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let unmount = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).chain([self.text()]).collect();
            command::limited(&words, Duration::from_secs(10)).status().is_ok_and(|status| status.success())
        };
        let ways = [&["umount"][..], &["fusermount3", "-u"], &["fusermount", "-u"], &["umount", "-l"]];
        let busy = [&["umount", "-l"][..], &["fusermount3", "-u", "-z"]];
        let done = ways.iter().any(|words| unmount(words)) || busy.iter().any(|words| unmount(words));
        let start = Instant::now();
        while done && !self.processes().is_empty() && start.elapsed() < Duration::from_secs(2) {
            sleep(Duration::from_millis(1));
        }
        for left in self.processes() {
            if let Some(pid) = left.file_name() {
                // Reported below, where its directory stays.
                let _ = Command::new("kill").arg("-9").arg(pid).status();
            }
        }
        if let Err(error) = fs::remove_dir(&self.point) {
            eprintln!("bench: {}: {error}", self.point.display());
        }
    }
}
