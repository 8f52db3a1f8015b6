//! Standard output: written whole or failed, quiet where the reader has left; and the pieces of listings.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;

use serde::Serialize;

use super::exit::{Code, Failure};
use crate::time::Timestamp;

/// Why a command that writes stopped.
#[derive(Debug)]
pub enum Stop {
    /// Standard output took no more.
    Output(io::Error),
    Failed(Failure),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Runs a command that writes to standard output. Whatever it wrote arrives, also when it fails afterwards.
///
/// # Errors
/// The command's own failure; and every error of standard output but one: a reader that has seen enough
/// (`| head`) ends the command with success.
pub fn print(work: impl FnOnce(&mut dyn Write) -> Result<Code, Stop>) -> Result<Code, Failure> {
    let result = open().map_err(Stop::Output).and_then(|file| {
        let mut out = BufWriter::with_capacity(64 * 1024, file);
        let result = work(&mut out);
        match out.flush() {
            Err(error) if !matches!(result, Err(Stop::Output(_))) => Err(Stop::Output(error)),
            _ => result,
        }
    });
    settle(result)
}

/// What a command that stopped ends with.
pub fn settle(result: Result<Code, Stop>) -> Result<Code, Failure> {
    match result {
        Ok(code) => Ok(code),
        Err(Stop::Failed(failure)) => Err(failure),
        Err(Stop::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Code::Success),
        Err(Stop::Output(error)) => {
            let failure = Failure::new(Code::System, format!("standard output: {error}"));
            Err(match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    failure.hint("make room where the output goes, or send it elsewhere")
                }
                _ => failure.hint("send the output to a file or program that can be written to"),
            })
        }
    }
}

/// Standard output as a file: `std::io::Stdout` looks for line ends in all that passes, which a disc's bytes
/// have no use for.
fn open() -> io::Result<File> {
    let stdout = io::stdout().lock();
    Ok(File::from(stdout.as_fd().try_clone_to_owned()?))
}

/// A text of the disc in JSON: UTF-8, and where it is none, also the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonText {
    pub text: String,
    /// Hexadecimal; only where `text` does not give the bytes exactly.
    pub bytes: Option<String>,
}

impl JsonText {
    pub fn new(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self { text: text.to_owned(), bytes: None },
            Err(_) => {
                let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                Self { text: String::from_utf8_lossy(bytes).into_owned(), bytes: Some(hex) }
            }
        }
    }
}

/// Writes a JSON array, one element a line, as the elements come.
pub struct JsonArray<'a> {
    out: &'a mut dyn Write,
    empty: bool,
}

impl<'a> JsonArray<'a> {
    pub fn new(out: &'a mut dyn Write) -> io::Result<Self> {
        out.write_all(b"[")?;
        Ok(Self { out, empty: true })
    }

    pub fn push(&mut self, element: &impl Serialize) -> io::Result<()> {
        self.out.write_all(if self.empty { b"\n" } else { b",\n" })?;
        self.empty = false;
        serde_json::to_writer(&mut *self.out, element).map_err(io::Error::from)
    }

    pub fn finish(self) -> io::Result<()> {
        self.out.write_all(if self.empty { b"]\n" } else { b"\n]\n" })
    }
}

/// A moment in RFC 3339, with the nanoseconds where there are any.
pub fn rfc3339(time: Timestamp) -> String {
    let whole = time.to_rfc3339();
    match (time.nanoseconds, whole.strip_suffix('Z')) {
        (1.., Some(seconds)) => {
            let fraction = format!("{:09}", time.nanoseconds);
            format!("{seconds}.{}Z", fraction.trim_end_matches('0'))
        }
        _ => whole,
    }
}

/// As `1.5 GiB`; empty below 1 KiB, where the number of bytes says it as well.
pub fn human_size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut out = String::new();
    let mut scale = 1024_u64;
    for unit in UNITS {
        if bytes < scale {
            break;
        }
        let tenths = u128::from(bytes) * 10 / u128::from(scale);
        out = format!("{}.{} {unit}", tenths / 10, tenths % 10);
        scale = scale.saturating_mul(1024);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_left_is_no_failure_and_a_full_disk_is() {
        let left = io::Error::from(io::ErrorKind::BrokenPipe);
        assert_eq!(settle(Err(Stop::Output(left))), Ok(Code::Success));
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let failure = settle(Err(Stop::Output(full))).unwrap_err();
        assert_eq!(failure.code, Code::System);
        assert!(failure.hint.is_some());
    }

    #[test]
    fn json_keeps_bytes_that_are_no_utf8() {
        assert_eq!(JsonText::new("ä".as_bytes()), JsonText { text: "ä".to_owned(), bytes: None });
        assert_eq!(JsonText::new(b"a\xff"), JsonText { text: "a\u{fffd}".to_owned(), bytes: Some("61ff".to_owned()) });
    }

    #[test]
    fn sizes_and_moments_for_people() {
        assert_eq!(human_size(1023), "");
        assert_eq!(human_size(1536), "1.5 KiB");
        assert_eq!(human_size(u64::MAX), "15.9 EiB");
        assert_eq!(rfc3339(Timestamp { seconds: 0, nanoseconds: 50_000_000 }), "1970-01-01T00:00:00.05Z");
        assert_eq!(rfc3339(Timestamp::default()), "1970-01-01T00:00:00Z");
    }
}
