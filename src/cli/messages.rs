//! What goes wrong with single files while a command goes on: told on standard error, counted for the exit code.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;

use indicatif::ProgressBar;

use super::exit::Code;
use super::image::shown;
use crate::error::Error;
use crate::text::printable;

/// Tells and counts. Every hint is given once, at the end.
pub struct Messages<'a> {
    image: String,
    error: Box<dyn Write + 'a>,
    /// The bar that has to step aside for a line.
    bar: Option<ProgressBar>,
    hints: Vec<&'static str>,
    succeeded: u64,
    failed: u64,
}

impl<'a> Messages<'a> {
    pub fn new(image: &Path, error: impl Write + 'a) -> Self {
        Self { image: shown(image), error: Box::new(error), bar: None, hints: Vec::new(), succeeded: 0, failed: 0 }
    }

    /// To standard error.
    pub fn stderr(image: &Path) -> Self {
        Self::new(image, io::stderr())
    }

    pub fn step_aside(&mut self, bar: ProgressBar) {
        self.bar = Some(bar);
    }

    /// Something was done.
    pub fn success(&mut self) {
        self.succeeded = self.succeeded.saturating_add(1);
    }

    pub fn succeeded(&self) -> u64 {
        self.succeeded
    }

    /// Something could not be done, or not wholly.
    pub fn failure(&mut self, path: &[u8], what: impl Display, hint: Option<&'static str>) {
        self.failed = self.failed.saturating_add(1);
        self.note(path, what, hint);
    }

    pub fn error(&mut self, path: &[u8], error: &Error) {
        self.failure(path, error, hint(error));
    }

    /// Something worth knowing that is no failure.
    pub fn note(&mut self, path: &[u8], what: impl Display, hint: Option<&'static str>) {
        let path = if path.is_empty() { "/".to_owned() } else { printable(path) };
        self.line(&format!("mount-iso: {}: {path}: {what}", self.image));
        if let Some(hint) = hint
            && !self.hints.contains(&hint)
        {
            self.hints.push(hint);
        }
    }

    /// Gives the hints and says how it all went.
    pub fn finish(&mut self) -> Code {
        for hint in std::mem::take(&mut self.hints) {
            self.line(&format!("  hint: {hint}"));
        }
        match (self.failed, self.succeeded) {
            (0, _) => Code::Success,
            (_, 0) => Code::Failure,
            _ => Code::Partial,
        }
    }

    fn line(&mut self, line: &str) {
        let error = &mut self.error;
        // Where standard error is gone, nobody is left to be told; the exit code still says it.
        let mut write = || {
            let _ = writeln!(error, "{line}");
        };
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

/// What solves an error of the disc, where something does.
fn hint(error: &Error) -> Option<&'static str> {
    match error {
        Error::Read { source, .. } => Some(read_hint(source)),
        Error::Damaged(_) | Error::NotADisc(_) => {
            Some("compare the image's checksum with the original's, and copy it again if they differ")
        }
        Error::NotFound | Error::NotADirectory => Some("`mount-iso ls -R IMAGE` lists the names of the image"),
        Error::IsADirectory => Some("`mount-iso extract` copies directories"),
        Error::Loop | Error::NotALink | Error::Stale | Error::Absent(_) => None,
    }
}

/// What solves an error of reading the image.
pub fn read_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "the image ends too early: copy or download it again",
        _ => "copy the medium with `ddrescue` and use the copy, or copy the image again",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_given_once_and_names_are_safe() {
        let mut text = Vec::new();
        let mut messages = Messages::new(Path::new("a.iso"), &mut text);
        messages.error(b"x\x1b[2J", &Error::NotFound);
        messages.error(b"y", &Error::NotFound);
        assert_eq!(messages.finish(), Code::Failure);
        messages.success();
        assert_eq!(messages.finish(), Code::Partial);
        drop(messages);
        let text = String::from_utf8(text).unwrap();
        assert_eq!(
            text,
            "mount-iso: a.iso: x\\x1b[2J: no such file or directory\nmount-iso: a.iso: y: no such file or directory\n  \
             hint: `mount-iso ls -R IMAGE` lists the names of the image\n"
        );
    }
}
