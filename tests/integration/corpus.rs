//! Every image of a corpus, mounted and compared with what Linux itself showed of it.
//!
//! `MOUNT_ISO_CORPUS` names a folder with the images and, under `expected/`, a manifest for each image and mode.
//! `MOUNT_ISO_CORPUS_ONLY` (a part of the image's name) is for those who look at one difference.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::drive::{Drive, Trouble};
use crate::manifest::{Deviations, Difference, Manifest};

struct Case {
    image: String,
    mode: String,
    expected: PathBuf,
}

/// The images' names with their modes; only those that are in the corpus.
fn cases(corpus: &Path, only: &str) -> Vec<Case> {
    // `MOUNT_ISO_CORPUS_MODE` is for those who look at one file system.
    let wanted = std::env::var("MOUNT_ISO_CORPUS_MODE").unwrap_or_default();
    let mut list = Vec::new();
    let mut folders = vec![corpus.join("expected")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name =
                path.strip_prefix(corpus.join("expected")).expect("it lies there").to_string_lossy().into_owned();
            let Some((image, mode)) = name.strip_suffix(".tsv").and_then(|name| name.rsplit_once('@')) else {
                continue;
            };
            let known = matches!(mode, "iso9660" | "iso9660,norock" | "iso9660,norock,nojoliet" | "udf" | "auto");
            if known && mode.starts_with(&wanted) && image.contains(only) && corpus.join(image).is_file() {
                list.push(Case { image: image.into(), mode: mode.into(), expected: path.clone() });
            }
        }
    }
    list.sort_by(|a, b| (&a.image, &a.mode).cmp(&(&b.image, &b.mode)));
    list
}

/// What became of an image, and what is wrong with that.
fn judge(corpus: &Path, case: &Case, deviations: &Deviations) -> (&'static str, Vec<String>) {
    let expected = Manifest::load(&case.expected);
    let (kind, options) = case.mode.split_once(',').unwrap_or((&case.mode, ""));
    let kind = (kind != "auto").then_some(kind);
    // Of what is broken, or refused by Linux, only this is asked: no hang, no death.
    let lenient = case.image.starts_with("broken/") || !expected.mounted();
    let manifest = Drive::mount_as(kind, &corpus.join(&case.image), options).and_then(|drive| drive.manifest());
    match manifest {
        Err(Trouble::Hung(what)) => ("hung", vec![format!("{what}: no answer")]),
        Err(Trouble::Died(why)) => ("died", vec![why]),
        Err(Trouble::Refused(_)) if lenient => ("refused, as it may be", Vec::new()),
        Err(Trouble::Refused(why)) => {
            let refusal = Difference {
                path: "/".into(),
                attribute: "mount".into(),
                theirs: "mounts it".into(),
                ours: format!("refused: {why}"),
            };
            if deviations.allow(&case.image, &case.mode, &refusal) {
                return ("differs on purpose", Vec::new());
            }
            ("refused", vec![refusal.to_string()])
        }
        Ok(_) if lenient => ("mounted", Vec::new()),
        Ok(ours) => {
            let all = expected.differences(&ours);
            let wrong: Vec<_> = all.iter().filter(|d| !deviations.allow(&case.image, &case.mode, d)).collect();
            let verdict = match (all.is_empty(), wrong.is_empty()) {
                (true, _) => "equal",
                (false, true) => "differs on purpose",
                (false, false) => "differs",
            };
            (verdict, wrong.iter().map(ToString::to_string).collect())
        }
    }
}

#[test]
fn corpus() {
    let Some(corpus) = std::env::var_os("MOUNT_ISO_CORPUS").map(PathBuf::from) else {
        eprintln!("corpus: skipped, MOUNT_ISO_CORPUS is not set");
        return;
    };
    let only = std::env::var("MOUNT_ISO_CORPUS_ONLY").unwrap_or_default();
    let cases = cases(&corpus, &only);
    assert!(!cases.is_empty(), "{} has no images with manifests", corpus.display());
    let deviations = Deviations::load();
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (verdict, wrong) = judge(&corpus, case, &deviations);
                    results.lock().expect("no judge panics").push((case, verdict, wrong));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("no judge panics");
    results.sort_by(|a, b| (&a.0.image, &a.0.mode).cmp(&(&b.0.image, &b.0.mode)));

    let mut table: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut failed = 0;
    for (case, verdict, wrong) in &results {
        let class = case.image.split('/').next().unwrap_or_default();
        *table.entry((class, verdict)).or_default() += 1;
        if wrong.is_empty() {
            continue;
        }
        failed += 1;
        eprintln!("{} -o {}: {verdict}", case.image, case.mode);
        for line in wrong.iter().take(5) {
            eprintln!("    {line}");
        }
        if wrong.len() > 5 {
            eprintln!("    and {} more", wrong.len() - 5);
        }
    }
    eprintln!("{:<12} {:<24} {:>6}", "class", "verdict", "mounts");
    for ((class, verdict), count) in &table {
        eprintln!("{class:<12} {verdict:<24} {count:>6}");
    }
    assert_eq!(failed, 0, "of {} mounts so many are not as Linux shows them", results.len());
    if only.is_empty() && std::env::var_os("MOUNT_ISO_CORPUS_MODE").is_none() {
        let stale = deviations.stale("");
        assert!(stale.is_empty(), "no image needs these rows of docs/deviations.md:\n{}", stale.join("\n"));
    }
}
