//! `mount-iso list`: the drives that are mounted.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt;

use clap::Args;
use serde::Serialize;

use super::exit::{Code, Failure};
use crate::mount::{self, State, table};
use crate::text::printable;

/// List the drives that are mounted
#[derive(Debug, Clone, Args)]
#[command(after_help = super::help::exit_codes())]
pub struct ListArgs {
    /// As JSON, for programs
    #[arg(long)]
    pub json: bool,
}

/// A drive, as JSON has it. Names that are no UTF-8 stand there once to be read and once, in hexadecimal, exact.
#[derive(Debug, Serialize)]
struct Drive {
    directory: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    directory_bytes: Option<String>,
    image: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_bytes: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    uid: Option<u32>,
    /// `ok`; `stale`: its serving process is gone; `silent`: it does not answer.
    state: &'static str,
    stale: bool,
    options: Vec<String>,
}

impl Drive {
    fn of(entry: &table::Entry) -> Self {
        let state = mount::state(&entry.point, entry.user());
        Self {
            directory: entry.point.to_string_lossy().into_owned(),
            directory_bytes: exact(entry.point.as_os_str()),
            image: entry.source.to_string_lossy().into_owned(),
            image_bytes: exact(&entry.source),
            kind: entry.kind.to_string_lossy().into_owned(),
            uid: entry.user(),
            state: state.word(),
            stale: state == State::Stale,
            options: entry.options.split(',').map(str::to_owned).collect(),
        }
    }
}

/// The bytes of a name in hexadecimal, if they are no UTF-8.
fn exact(name: &OsStr) -> Option<String> {
    if name.to_str().is_some() {
        return None;
    }
    Some(name.as_bytes().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

pub fn run(args: &ListArgs) -> Result<Code, Failure> {
    let entries = table::ours()
        .map_err(|error| Failure::new(Code::System, format!("/proc/self/mountinfo: {error}")).hint("mount /proc"))?;
    let text = if args.json {
        let drives: Vec<_> = entries.iter().map(Drive::of).collect();
        let text = serde_json::to_string_pretty(&drives)
            .map_err(|error| Failure::new(Code::Internal, format!("JSON: {error}")))?;
        text + "\n"
    } else {
        columns(&entries)
    };
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Code::System, format!("standard output: {error}")))
        }
        _ => Ok(Code::Success),
    }
}

fn columns(entries: &[table::Entry]) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let state = |entry: &table::Entry| mount::state(&entry.point, entry.user()).word();
    let shown = |name: &OsStr| printable(name.as_bytes());
    let row = |entry: &table::Entry| [shown(entry.point.as_os_str()), state(entry).to_owned(), shown(&entry.source)];
    let head = ["DIRECTORY", "STATE", "IMAGE"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head).chain(entries.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let (first, second) = (width(0), width(1));
    rows.iter().map(|[point, state, image]| format!("{point:first$}  {state:second$}  {image}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_no_text_are_kept_in_hexadecimal() {
        assert_eq!(exact(OsStr::new("plain")), None);
        assert_eq!(exact(OsStr::from_bytes(b"a\xff")).unwrap(), "61ff");
    }
}
