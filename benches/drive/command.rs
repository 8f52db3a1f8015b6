//! Commands that come to their end, and what they cost.

use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What was measured, or why not.
#[derive(Debug, Clone, PartialEq)]
pub enum Measured {
    Value(f64),
    /// It was stopped after these seconds.
    TooLong(f64),
    Failed(String),
}

impl Measured {
    pub fn value(&self) -> Option<f64> {
        match self {
            Self::Value(value) => Some(*value),
            _ => None,
        }
    }
}

/// The path of a program, where there is one.
pub fn find(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/sbin", "/usr/local/sbin"].map(std::path::PathBuf::from);
    std::env::split_paths(&path).chain(more).map(|directory| directory.join(program)).find(|path| path.is_file())
}

/// A buffer that begins with a page, as those of cat, dd and cp do: into others some processors copy several times as
/// slowly.
pub fn pages(bytes: usize) -> io::Result<memmap2::MmapMut> {
    memmap2::MmapMut::map_anon(bytes)
}

/// A command that is ended, and killed if need be, when its time is over.
pub fn limited(words: &[String], limit: Duration) -> Command {
    let mut command = Command::new("timeout");
    command.args(["-k", "2", &limit.as_secs_f64().to_string()]).args(words);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Runs a mounting command to its end, with nothing between that would cost time. What it leaves behind has nothing of
/// ours open.
pub fn mounting(words: &[String], limit: Duration) -> io::Result<()> {
    let mut command = Command::new(&words[0]);
    let quiet = command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let (mut child, start) = (quiet.spawn()?, Instant::now());
    loop {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(io::Error::other(status.to_string())),
            None if start.elapsed() > limit => {
                child.kill()?;
                child.wait()?;
                return Err(io::Error::other("took too long"));
            }
            None => std::thread::sleep(Duration::from_micros(50)),
        }
    }
}

/// The seconds that a command takes. Its output goes through a pipe, as some look whether it goes nowhere; what it
/// prints as the last number is returned if `reported`.
pub fn timed(words: &[String], limit: Duration, reported: bool) -> Measured {
    let start = Instant::now();
    let run = || -> io::Result<(std::process::ExitStatus, Vec<u8>)> {
        let mut child = limited(words, limit).stdout(Stdio::piped()).spawn()?;
        let mut last = Vec::new();
        if let Some(mut out) = child.stdout.take() {
            let mut buffer = pages(1 << 18)?;
            loop {
                let count = out.read(&mut buffer)?;
                if count == 0 {
                    break;
                }
                if reported {
                    last.extend_from_slice(&buffer[..count]);
                }
            }
        }
        Ok((child.wait()?, last))
    };
    match run() {
        Ok((status, last)) => match status.code() {
            // grep found nothing, as it should.
            Some(0 | 1) if words[0] == "grep" => Measured::Value(start.elapsed().as_secs_f64()),
            Some(0) if reported => match String::from_utf8_lossy(&last).trim().parse() {
                Ok(value) => Measured::Value(value),
                Err(_) => Measured::Failed("said no number".to_owned()),
            },
            Some(0) => Measured::Value(start.elapsed().as_secs_f64()),
            Some(124 | 137) => Measured::TooLong(limit.as_secs_f64()),
            _ => Measured::Failed(status.to_string()),
        },
        Err(error) => Measured::Failed(error.to_string()),
    }
}

/// Runs a command that has to succeed.
pub fn succeed(words: &[&str], limit: Duration) -> io::Result<()> {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let output = limited(&words, limit).stderr(Stdio::piped()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(io::Error::other(format!("{}: {} {}", words.join(" "), output.status, said.trim())))
}
