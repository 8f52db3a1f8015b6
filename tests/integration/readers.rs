//! The images nobody should write, and what other readers do with them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::build::hostile::{self, GOOD, Hostile};
use crate::build::udf;
use crate::drive::{Drive, Trouble};
use crate::manifest::Manifest;

/// What a reader does with one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It comes to an end, and the good file is read.
    Good,
    /// It comes to an end, and says that the image or the good file can't be read or is not there.
    Lacking,
    /// The good file has other content.
    Wrong,
    /// No end within [`SECONDS`].
    Endless,
    /// Ended by a signal, or a mount whose server went away.
    Dead,
}

/// Time that a reader has for one thing.
const SECONDS: &str = "20";

/// Runs a program in bounded time, memory (4 GiB) and disk space.
fn bounded(words: &[&str]) -> Output {
    let limits = ["-k", "5", SECONDS, "prlimit", "--as=4294967296", "--fsize=1073741824", "--core=0", "--"];
    Command::new("timeout").args(limits).args(words).env("LC_ALL", "C.UTF-8").stdin(Stdio::null()).output().unwrap()
}

/// How a program ended, if not by itself.
fn end(output: &Output) -> Option<Outcome> {
    match output.status.code() {
        // Those of timeout(1), and 128 with the signal that ended what it ran.
        Some(124 | 137) => Some(Outcome::Endless),
        Some(code) if code < 128 => None,
        _ => Some(Outcome::Dead),
    }
}

fn content(bytes: Option<&[u8]>) -> Outcome {
    match bytes {
        Some(bytes) if bytes == GOOD.as_bytes() => Outcome::Good,
        Some(_) => Outcome::Wrong,
        None => Outcome::Lacking,
    }
}

/// The good file below a directory; without Rock Ridge its name is its identifier's.
fn good_in(directory: &Path) -> Option<Vec<u8>> {
    ["good", "GOOD", "GOOD.;1", "GOOD;1"].iter().find_map(|name| std::fs::read(directory.join(name)).ok())
}

/// Lists an image, and takes the good file out of it.
fn extracted(list: &[&str], extract: &[&str], into: &Path) -> Outcome {
    for words in [list, extract] {
        if let Some(end) = end(&bounded(words)) {
            return end;
        }
    }
    content(good_in(into).as_deref())
}

fn seven_zip(image: &str, into: &str) -> Outcome {
    let target = format!("-o{into}");
    extracted(&["7z", "l", image], &["7z", "x", "-y", &target, image, "good", "GOOD"], Path::new(into))
}

fn bsdtar(image: &str, into: &str) -> Outcome {
    let extract = ["bsdtar", "-x", "-C", into, "-f", image, "--fast-read", "[Gg][Oo][Oo][Dd]*"];
    extracted(&["bsdtar", "-t", "-v", "-f", image], &extract, Path::new(into))
}

fn xorriso(image: &str, into: &str) -> Outcome {
    let open = ["xorriso", "-abort_on", "NEVER", "-osirrox", "on", "-indev", image];
    let target = format!("{into}/good");
    let list = [&open[..], &["-find", "/", "-exec", "lsdl"]].concat();
    extracted(&list, &[&open[..], &["-extract", "/good", &target]].concat(), Path::new(into))
}

fn fuseiso(image: &str, into: &str) -> Outcome {
    let mounted = bounded(&["fuseiso", image, into]);
    let outcome = end(&mounted).unwrap_or_else(|| {
        if !mounted.status.success() {
            return Outcome::Lacking;
        }
        let listed = bounded(&["ls", "-lR", into]);
        let read = bounded(&["sh", "-c", "cat \"$1/good\" || cat \"$1/GOOD\"", "sh", into]);
        let said = String::from_utf8_lossy(&[&listed.stderr[..], &read.stderr[..]].concat()).into_owned();
        // What a mount says whose server is gone.
        if said.contains("not connected") || said.contains("Software caused connection abort") {
            return Outcome::Dead;
        }
        let bytes = read.status.success().then_some(&read.stdout[..]);
        end(&listed).or_else(|| end(&read)).unwrap_or_else(|| content(bytes))
    });
    let _ = Command::new("fusermount3").args(["-u", "-z", "--", into]).stderr(Stdio::null()).status();
    outcome
}

fn ours(image: &str, kind: &str) -> Outcome {
    let of = |trouble: Trouble| match trouble {
        Trouble::Refused(_) => Outcome::Lacking,
        Trouble::Hung(_) => Outcome::Endless,
        Trouble::Died(_) => Outcome::Dead,
    };
    match Drive::mount_as(Some(kind), Path::new(image), "") {
        Ok(drive) => drive.manifest().map_or_else(of, |_| content(good_in(drive.path()).as_deref())),
        Err(trouble) => of(trouble),
    }
}

/// Those of Linux's own file systems, in the order of the images.
fn linux(images: &[PathBuf], kind: &str, directory: &Path, sum: &str) -> Option<Vec<Outcome>> {
    let mut outcomes = vec![None; images.len()];
    // A boot ends with the image that Linux does not survive; the next one begins behind it.
    while let Some(first) = outcomes.iter().position(Option::is_none) {
        let batch = first..images.len().min(first + 25);
        let jobs: String = batch.clone().map(|at| format!("{at}\t{}\t{kind}\t\n", images[at].display())).collect();
        let out = crate::differential::linux_as_far_as_it_goes(directory, &jobs, &directory.join("linux"))?;
        for at in batch {
            let manifest = Manifest::load(&out.join(format!("{at}.tsv")));
            let says = |what: &str| manifest.errors.iter().any(|error| error.contains(what));
            if says("not reached") {
                break;
            }
            let found = ["/good", "/GOOD"].iter().find_map(|path| manifest.entries.get(*path));
            outcomes[at] = Some(match found.and_then(|row| row.get("sha256")) {
                _ if says("hung or crashed") => Outcome::Dead,
                Some(found) if found == sum => Outcome::Good,
                Some(found) if found != "-" => Outcome::Wrong,
                _ => Outcome::Lacking,
            });
        }
    }
    Some(outcomes.into_iter().flatten().collect())
}

/// A reader of other people: its name, its program, whether it reads UDF, and how it is asked.
type Reader = (&'static str, &'static str, bool, fn(&str, &str) -> Outcome);

const READERS: [Reader; 4] = [
    ("7-Zip", "7z", true, seven_zip),
    ("bsdtar", "bsdtar", false, bsdtar),
    ("xorriso", "xorriso", false, xorriso),
    ("fuseiso", "fuseiso", false, fuseiso),
];

fn row(name: &str, kind: &str, list: &[Hostile], outcomes: &[Outcome]) -> String {
    let count = |wanted: Outcome, only_good: bool| {
        let pairs = list.iter().zip(outcomes).skip(1);
        pairs.filter(|(hostile, outcome)| **outcome == wanted && (hostile.good || !only_good)).count()
    };
    let [good, lacking, wrong] = [Outcome::Good, Outcome::Lacking, Outcome::Wrong].map(|wanted| count(wanted, true));
    let [endless, dead] = [Outcome::Endless, Outcome::Dead].map(|wanted| count(wanted, false));
    format!("| {kind} | {name} | {good} | {lacking} | {wrong} | {endless} | {dead} |")
}

/// Every one with MOUNT_ISO_TEST_LONG; the first one is always as it should be.
fn images(kind: &str) -> Vec<Hostile> {
    let step = if std::env::var_os("MOUNT_ISO_TEST_LONG").is_some() { 1 } else { 20 };
    let (whole, list) = match kind {
        // The images of the catalogue also have what 7-Zip refuses a whole volume for: links, devices, strategy 4096.
        "udf" => {
            let plain = udf::Image::new(0x201).add("/good", udf::Node::text(GOOD));
            (plain.disc().bytes, udf::hostile::catalogue())
        }
        _ => (hostile::base().bytes(), hostile::catalogue()),
    };
    let list = list.into_iter().step_by(step);
    let whole = Hostile { name: "whole".into(), image: whole, good: true, note: "nothing is wrong" };
    std::iter::once(whole).chain(list).collect()
}

/// Other readers are asked where they are; what is tested is ours.
fn is_there(program: &str) -> bool {
    let found = Command::new(program).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        crate::system::sandbox::note(&format!("{program} is not installed"));
    }
    found
}

#[test]
fn beside_other_readers() {
    for (kind, shown) in [("iso9660", "ISO 9660"), ("udf", "UDF")] {
        let list = images(kind);
        let directory = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> =
            list.iter().map(|hostile| directory.path().join(format!("{}.iso", hostile.name))).collect();
        for (hostile, path) in list.iter().zip(&paths) {
            std::fs::write(path, &hostile.image).unwrap();
        }
        let asked: Vec<Reader> =
            READERS.into_iter().filter(|(_, program, udf, _)| (*udf || kind != "udf") && is_there(program)).collect();
        let all = Mutex::new(BTreeMap::new());
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let image = path.to_str().unwrap();
                        let place = paths.iter().position(|other| other == path).unwrap();
                        all.lock().unwrap().insert(("mount-iso", place), ours(image, kind));
                        for (name, _, _, ask) in &asked {
                            let into = tempfile::tempdir().unwrap();
                            let outcome = ask(image, into.path().to_str().unwrap());
                            all.lock().unwrap().insert((*name, place), outcome);
                        }
                    }
                });
            }
        });
        let all = all.into_inner().unwrap();
        let of = |name: &str| -> Vec<Outcome> { (0..list.len()).map(|place| all[&(name, place)]).collect() };
        let mut rows = vec![("mount-iso", of("mount-iso"))];
        let sum = Drive::mount_as(Some(kind), &paths[0], "").unwrap().manifest().unwrap();
        let sum = sum.entries["/good"]["sha256"].clone();
        rows.extend(linux(&paths, kind, directory.path(), &sum).map(|outcomes| ("Linux", outcomes)));
        rows.extend(asked.iter().map(|(name, ..)| (*name, of(name))));
        for (name, outcomes) in &rows {
            eprintln!("{}", row(name, shown, &list, outcomes));
            for (hostile, outcome) in list.iter().zip(outcomes).skip(1) {
                if hostile.good && *outcome != Outcome::Good || matches!(outcome, Outcome::Endless | Outcome::Dead) {
                    eprintln!("  {name}: {} ({}): {outcome:?}", hostile.name, hostile.note);
                }
            }
            // Whoever is asked reads what nothing is wrong with, or is asked in the wrong way.
            assert_eq!(outcomes[0], Outcome::Good, "{name}, {kind}");
        }
        let ours = list.iter().zip(&rows[0].1);
        let bad = |(hostile, outcome): &(&Hostile, &Outcome)| match outcome {
            Outcome::Good => false,
            Outcome::Lacking => hostile.good,
            Outcome::Wrong => hostile.good,
            Outcome::Endless | Outcome::Dead => true,
        };
        let bad: Vec<_> = ours.filter(bad).map(|(hostile, outcome)| (&hostile.name, outcome)).collect();
        assert!(bad.is_empty(), "{bad:?}");
    }
}
