//! `mount-iso verify`: whether an image is sound.

use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use serde::Serialize;

use super::exit::{Code, Failure};
use super::image::{self, Opened, shown};
use super::options::{ImageArgs, Options};
use super::output::{self, JsonText};
use super::progress;
use crate::text::printable;
use crate::verify::{self, Damage, Meter, Outcome, Report};

/// Says whether an image is sound, by its structure and by every checksum that is found
///
/// Checksums are those that implantisomd5 and xorriso (-md5 on) put into an image, those of lists in the image as
/// SHA256SUMS and md5sum.txt, and those of the image itself in files beside it, as disc.iso.sha256 or a SHA256SUMS that
/// names it.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = super::help::exit_codes())]
pub struct VerifyArgs {
    /// The image file or device
    #[arg(value_name = "IMAGE", value_hint = clap::ValueHint::FilePath)]
    pub image: PathBuf,
    /// Write a JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub options: ImageArgs,
}

/// The bar's length grows with what is found to be done.
struct Bar(ProgressBar);

impl Meter for Bar {
    fn more(&self, bytes: u64) {
        self.0.inc_length(bytes);
    }

    fn done(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}

pub fn run(args: &VerifyArgs) -> Result<Code, Failure> {
    let options = args.options.resolve()?;
    let opened = image::open(&args.image, &options)?;
    let bar = progress::bar(|| Some(0));
    let report = verify::everything(&args.image, &opened.disc, &opened.tree, &Bar(bar.clone()));
    bar.finish_and_clear();
    let code = code(&report);
    output::print(|out| {
        if args.json {
            serde_json::to_writer_pretty(&mut *out, &Json::new(&args.image, &report)).map_err(io::Error::from)?;
            writeln!(out)?;
        } else {
            write(&args.image, &report, out)?;
        }
        Ok(code)
    })
}

/// Verifies an image without a word: the exit code, and what `verify` prints.
///
/// # Errors
/// When it can't be opened.
pub fn quietly(path: &Path) -> Result<(Code, String), Failure> {
    let opened = image::open(path, &Options::of_this_user())?;
    let report = verify::everything(path, &opened.disc, &opened.tree, &Bar(ProgressBar::hidden()));
    let mut text = Vec::new();
    write(path, &report, &mut text).map_err(|error| Failure::new(Code::Internal, error.to_string()))?;
    Ok((code(&report), String::from_utf8_lossy(&text).into_owned()))
}

fn code(report: &Report) -> Code {
    match report.outcome() {
        Outcome::Sound => Code::Success,
        Outcome::Damaged => Code::Damaged,
        Outcome::Unchecked => Code::Unchecked,
    }
}

/// Verifies what can be verified without a look beside the image, before it is mounted.
///
/// # Errors
/// When it is damaged: what is wrong first, and how much more.
pub fn before_mounting(path: &Path, opened: &Opened) -> Result<(), Failure> {
    let bar = progress::bar(|| Some(0));
    let report = verify::embedded(&opened.disc, &Bar(bar.clone()));
    bar.finish_and_clear();
    let Some(first) = report.damage.first() else { return Ok(()) };
    let more = match report.damage.len().saturating_sub(1) {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let message = format!("{}: not mounted, it is damaged: {}{more}", shown(path), line(first));
    Err(Failure::new(Code::Damaged, message)
        .hint("`mount-iso verify` tells everything; without --verify it is mounted as far as it is sound"))
}

/// One damage in one line: where, what and by which clause.
fn line(damage: &Damage) -> String {
    let mut text = String::new();
    if let Some(file) = &damage.file {
        let file = if file.is_empty() { "/".to_owned() } else { printable(file) };
        text.push_str(&format!("{file}: "));
    }
    text.push_str(&printable(damage.what.as_bytes()));
    if !damage.bytes.is_empty() {
        text.push_str(&format!(" ({})", places(&damage.bytes)));
    }
    if !damage.clause.is_empty() {
        text.push_str(&format!(" [{}]", damage.clause));
    }
    text
}

/// Ranges as people write them, the last byte included; of many the first ones.
fn places(ranges: &[Range<u64>]) -> String {
    const SHOWN: usize = 4;
    let one = |range: &Range<u64>| match range.end.saturating_sub(range.start) {
        0 | 1 => format!("at byte {}", range.start),
        _ => format!("bytes {} to {}", range.start, range.end.saturating_sub(1)),
    };
    let mut text: Vec<_> = ranges.iter().take(SHOWN).map(one).collect();
    if ranges.len() > SHOWN {
        text.push(format!("and {} more ranges", ranges.len() - SHOWN));
    }
    text.join(", ")
}

fn write(path: &Path, report: &Report, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "image:      {}", shown(path))?;
    writeln!(out, "structure:  {} files and directories looked at", report.nodes)?;
    for check in &report.checks {
        let right = check.compared.saturating_sub(check.wrong);
        writeln!(out, "checksums:  {right} of {} right: {}", check.compared, printable(check.title.as_bytes()))?;
    }
    if report.checks.is_empty() {
        writeln!(out, "checksums:  none found, in the image or beside it")?;
    }
    for damage in &report.damage {
        writeln!(out, "damaged:    {}", line(damage))?;
    }
    let result = match report.outcome() {
        Outcome::Sound => "sound",
        Outcome::Damaged => "damaged",
        Outcome::Unchecked => "nothing to check against: the structure is sound, the data of files may be anything",
    };
    writeln!(out, "result:     {result}")
}

#[derive(Debug, Serialize)]
struct Json {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_bytes: Option<String>,
    /// `sound`, `damaged` or `unchecked`.
    result: &'static str,
    nodes: u64,
    checks: Vec<JsonCheck>,
    damage: Vec<JsonDamage>,
}

#[derive(Debug, Serialize)]
struct JsonCheck {
    title: String,
    compared: usize,
    wrong: usize,
}

#[derive(Debug, Serialize)]
struct JsonDamage {
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_bytes: Option<String>,
    /// First byte and the one behind the last.
    bytes: Vec<[u64; 2]>,
    clause: Option<&'static str>,
    what: String,
}

impl Json {
    fn new(path: &Path, report: &Report) -> Self {
        let path = JsonText::new(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()));
        let damage = report.damage.iter().map(|damage| {
            let file = damage.file.as_deref().map(JsonText::new);
            JsonDamage {
                file: file.as_ref().map(|file| file.text.clone()),
                file_bytes: file.and_then(|file| file.bytes),
                bytes: damage.bytes.iter().map(|range| [range.start, range.end]).collect(),
                clause: Some(damage.clause).filter(|clause| !clause.is_empty()),
                what: damage.what.clone(),
            }
        });
        let checks = report.checks.iter().map(|check| JsonCheck {
            title: check.title.clone(),
            compared: check.compared,
            wrong: check.wrong,
        });
        Self {
            path: path.text,
            path_bytes: path.bytes,
            result: report.outcome().word(),
            nodes: report.nodes,
            checks: checks.collect(),
            damage: damage.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::single_range_in_vec_init, reason = "a list of one range is meant")]
    fn damage_says_where_and_what() {
        let damage = Damage {
            file: Some(b"a\x1b".to_vec()),
            bytes: vec![2048..4096, 5..6],
            clause: "ECMA-119 9.1.3",
            what: "it is wrong".to_owned(),
        };
        assert_eq!(line(&damage), "a\\x1b: it is wrong (bytes 2048 to 4095, at byte 5) [ECMA-119 9.1.3]");
        let report = Report { damage: vec![damage], ..Report::default() };
        let json = serde_json::to_value(Json::new(Path::new("x.iso"), &report)).unwrap();
        assert_eq!((&json["result"], &json["damage"][0]["bytes"][0][1]), (&"damaged".into(), &4096.into()));
        assert_eq!(Report::default().outcome(), Outcome::Unchecked);
        assert_eq!(
            places(&[0..1, 2..3, 4..5, 6..7, 8..9]),
            "at byte 0, at byte 2, at byte 4, at byte 6, and 1 more ranges"
        );
    }
}
