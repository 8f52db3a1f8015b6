//! `manifest DIR [SECONDS]`: everything about a directory, a line to an entry, on standard output.

mod walk;

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(dir) = arguments.next() else {
        eprintln!("usage: manifest DIR [SECONDS]");
        return ExitCode::from(2);
    };
    let mut bounds = walk::Bounds::default();
    if let Some(seconds) = arguments.next().and_then(|word| word.to_str()?.parse().ok()) {
        bounds.time = Duration::from_secs(seconds);
    }
    let mut out = BufWriter::new(io::stdout().lock());
    match walk::walk(Path::new(&dir), bounds, &mut out).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("manifest: {error}");
            ExitCode::FAILURE
        }
    }
}
