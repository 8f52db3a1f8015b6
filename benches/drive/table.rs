//! The table, in Markdown.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use crate::command::Measured;
use crate::contender::Contender;
use crate::plan::{Step, Unit, What};
use crate::round::Cells;

/// Between these stands what a run wrote.
const BEGIN: &str = "<!-- scripts/bench begins -->";
const END: &str = "<!-- scripts/bench ends -->";

/// Two tables: of mounts, and of extraction; `judged`: with the targets, which small images say nothing about.
pub fn shown(steps: &[&Step], cells: &Cells, notes: &[String], judged: bool) -> String {
    let extracting = |step: &Step| matches!(step.what, What::Extracting);
    let mounted = [Contender::MOUNTED.as_slice(), &[Contender::OursPassthrough, Contender::Plain]].concat();
    let mut text = String::new();
    for (contenders, wanted) in [(mounted, false), (Contender::EXTRACTING.to_vec(), true)] {
        let rows: Vec<(usize, &&Step)> =
            steps.iter().enumerate().filter(|(_, step)| extracting(step) == wanted).collect();
        if rows.is_empty() {
            continue;
        }
        let there: Vec<Contender> = contenders
            .into_iter()
            .filter(|one| rows.iter().any(|(row, _)| cells.contains_key(&(*row, *one))))
            .collect();
        text.push_str(&part(&rows, &there, cells, judged));
    }
    for note in notes {
        let _ = writeln!(text, "- {note}");
    }
    text
}

fn part(rows: &[(usize, &&Step)], contenders: &[Contender], cells: &Cells, judged: bool) -> String {
    let names: String = contenders.iter().map(|one| format!(" {} |", one.name())).collect();
    // Writing to a string can't fail.
    let (goal, line) = if judged { (" target | reached |", "---|---|") } else { ("", "") };
    let mut text = format!("| |{names}{goal}\n|---|{}{line}\n", "---:|".repeat(contenders.len()));
    for (row, step) in rows {
        let _ = write!(text, "| {} |", step.row);
        let ours = cells.get(&(*row, Contender::Ours)).map(Vec::as_slice).unwrap_or_default();
        for one in contenders {
            let theirs = cells.get(&(*row, *one)).map(Vec::as_slice).unwrap_or_default();
            let ratio = match ratio(theirs, ours) {
                Some(ratio) if *one != Contender::Ours => format!(" ({ratio:.2}×)"),
                _ => String::new(),
            };
            let _ = write!(text, " {}{ratio} |", cell(theirs, step.unit()));
        }
        if judged {
            let (target, reached) = goals(*row, step, cells);
            let _ = write!(text, " {target} | {reached} |");
        }
        text.push('\n');
    }
    text.push('\n');
    text
}

/// The goals in words, and whether they were reached.
fn goals(row: usize, step: &Step, cells: &Cells) -> (String, &'static str) {
    let mut words: Vec<String> =
        step.goals.iter().map(|(one, factor)| format!("≥ {factor:.1} {}", one.name())).collect();
    words.extend(step.bound.map(|bound| format!("≤ {}", number(bound, step.unit()))));
    let reached = match [Contender::Ours, Contender::OursPassthrough].map(|ours| reached(ours, row, step, cells)) {
        ["no", "yes"] => "with passthrough",
        [ours, _] => ours,
    };
    (words.join(", "), reached)
}

fn reached(ours: Contender, row: usize, step: &Step, cells: &Cells) -> &'static str {
    let ours = cells.get(&(row, ours)).map(Vec::as_slice).unwrap_or_default();
    let mut reached: Vec<Option<bool>> = Vec::new();
    for (one, factor) in &step.goals {
        let theirs = cells.get(&(row, *one)).map(Vec::as_slice).unwrap_or_default();
        reached.push(match (median(theirs), ratio(theirs, ours)) {
            // What took too long is at least so much slower.
            (Some(Measured::TooLong(limit)), _) => middle(ours).map(|ours| limit / ours >= *factor),
            (_, ratio) => ratio.map(|ratio| ratio >= *factor),
        });
    }
    if let Some(bound) = step.bound {
        reached.push(middle(ours).map(|ours| ours <= bound));
    }
    match reached.as_slice() {
        [] => "",
        list if list.contains(&Some(false)) => "no",
        list if list.contains(&None) => "not measured",
        _ => "yes",
    }
}

/// The median of each round's ratio.
fn ratio(theirs: &[Measured], ours: &[Measured]) -> Option<f64> {
    let pairs = theirs.iter().zip(ours).filter_map(|(theirs, ours)| Some(theirs.value()? / ours.value()?));
    let mut ratios: Vec<f64> = pairs.filter(|ratio| ratio.is_finite()).collect();
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied()
}

fn middle(values: &[Measured]) -> Option<f64> {
    median(values).and_then(|value| value.value())
}

/// The median; what took too long is longer than all that did not.
fn median(values: &[Measured]) -> Option<Measured> {
    if let Some(failed) = values.iter().find(|value| matches!(value, Measured::Failed(_))) {
        return Some(failed.clone());
    }
    let mut values = values.to_vec();
    values.sort_by(|left, right| {
        let key = |value: &Measured| value.value().unwrap_or(f64::INFINITY);
        key(left).total_cmp(&key(right))
    });
    // One that was not asked again after it took too long has no further values.
    match values.last() {
        Some(last @ Measured::TooLong(_)) => Some(last.clone()),
        _ => values.get(values.len() / 2).cloned(),
    }
}

fn cell(values: &[Measured], unit: Unit) -> String {
    match median(values) {
        None => "–".to_owned(),
        Some(Measured::Value(value)) => number(value, unit),
        Some(Measured::TooLong(limit)) => format!("> {limit} s"),
        Some(Measured::Failed(_)) => "failed".to_owned(),
    }
}

fn number(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Seconds if value < 1.0 => format!("{:.2} ms", value * 1000.0),
        Unit::Seconds => format!("{value:.2} s"),
        Unit::MiB => format!("{value:.1} MiB"),
        Unit::Count => format!("{value:.0}"),
    }
}

/// Puts the results into a document, in the place of those of the last run.
pub fn put_into(path: &Path, results: &str) -> io::Result<()> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            format!("# Performance\n\nMeasured by `scripts/bench --write`.\n\n{BEGIN}\n{END}\n")
        }
        Err(error) => return Err(error),
    };
    let whole = |text: &str| -> Option<String> {
        let (before, rest) = text.split_once(BEGIN)?;
        let (_, after) = rest.split_once(END)?;
        Some(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", results.trim()))
    };
    match whole(&text) {
        Some(text) => fs::write(path, text),
        None => fs::write(path, format!("{}\n\n{BEGIN}\n\n{}\n\n{END}\n", text.trim_end(), results.trim())),
    }
}
