//! What a drive costs, beside the kernel's erofs on a loop device and beside other programs, in turns, in one run.
//!
//! `scripts/bench` installs the others and calls this; `cargo bench --bench drive` alone measures what is there. The
//! words are those of `scripts/bench --help`.

#[path = "../../tests/build/mod.rs"]
mod build;

mod command;
mod contender;
mod images;
mod machine;
mod mount;
mod plan;
mod requests;
mod round;
mod settings;
mod table;
mod trees;
mod work;

use std::io;
use std::process::ExitCode;

use settings::Settings;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let result = match words.split_first() {
        // This program again, as a process of its own that reads a mount and can be stopped.
        Some((first, rest)) if first == "--work" => work::run(rest).map(|()| true),
        _ => Settings::parse(&words).and_then(|settings| run(&settings)),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything of our own was measured.
fn run(settings: &Settings) -> io::Result<bool> {
    let report = round::all(settings)?;
    print!("{}", report.text);
    if let Some(path) = &settings.write {
        table::put_into(path, &report.text)?;
        eprintln!("bench: written to {}", path.display());
    }
    if !report.missing.is_empty() {
        eprintln!("bench: not measured: {}", report.missing.join("; "));
    }
    Ok(report.missing.is_empty())
}
