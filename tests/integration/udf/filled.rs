//! Volumes that mkudffs makes and Linux itself fills: we show what Linux shows.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::differential::{extracted, linux, skip};
use crate::drive::{Drive, Trouble};
use crate::manifest::{Deviations, Manifest};

/// Media type, revisions, block sizes, length in MiB, and more words for mkudffs.
type Volume = (&'static str, &'static [&'static str], &'static [u32], u64, &'static [&'static str]);

const VOLUMES: &[Volume] = &[
    ("hd", &["1.01", "1.02", "1.50", "2.00", "2.01"], &[512, 2048], 24, &[]),
    ("hd", &["2.01"], &[1024, 4096], 24, &[]),
    ("hd", &["2.01"], &[2048], 24, &["--ad=short"]),
    ("hd", &["2.01"], &[2048], 24, &["--ad=long"]),
    ("hd", &["2.01"], &[2048], 24, &["--noefe"]),
    ("hd", &["2.01"], &[2048], 24, &["--space=unalloctable"]),
    ("hd", &["1.50"], &[2048], 24, &["--strategy=4096"]),
    ("hd", &["2.01"], &[512], 24, &["--bootarea=mbr"]),
    ("dvdram", &["1.02", "1.50", "2.00", "2.01"], &[2048], 24, &[]),
    ("dvdrw", &["1.50", "2.00", "2.01"], &[2048], 24, &[]),
    ("cdrw", &["1.50", "2.00", "2.01"], &[2048], 48, &[]),
    ("cdrw", &["2.01"], &[2048], 48, &["--spartable=4", "--sparspace=64"]),
    ("worm", &["1.50"], &[512], 0, &[]),
    ("mo", &["1.02", "1.50"], &[512], 0, &[]),
    ("dvd", &["1.02", "2.01"], &[2048], 8, &[]),
    ("cd", &["1.50", "2.01"], &[2048], 8, &[]),
    ("cdr", &["1.50", "2.01"], &[2048], 8, &[]),
    ("cdr", &["2.01"], &[2048], 8, &["--closed"]),
    ("dvdr", &["1.50", "2.00", "2.01"], &[2048], 8, &[]),
    ("bdr", &["2.50", "2.60"], &[2048], 8, &[]),
    ("bdr", &["2.60"], &[2048], 8, &["--closed"]),
];

/// The volumes, empty; their names say whether Linux can write to them.
fn volumes(dir: &Path) -> Vec<(String, PathBuf, bool)> {
    let mut list = Vec::new();
    for (media, revisions, sizes, mebibytes, more) in VOLUMES {
        for revision in *revisions {
            for size in *sizes {
                let name = format!("{media}-{revision}-{size}{}", more.concat().replace(['-', '='], ""));
                let path = dir.join(format!("{name}.udf"));
                let open = ["cdr", "dvdr", "bdr"].contains(media);
                // Those of 4096 strategy fit only in 64 KiB.
                let bytes = if *mebibytes == 0 { 65_536 } else { mebibytes << 20 };
                let mut command = Command::new("mkudffs");
                command.arg("--utf8").args(["-m", media, "-r", revision, "-b", &size.to_string()]).args(*more);
                command.arg(format!("--label=Größe {media}"));
                command.arg("--new-file").arg(&path).arg((bytes / u64::from(*size)).to_string());
                match command.stdin(Stdio::null()).output() {
                    Err(_) => {
                        skip("mkudffs is not installed");
                        return Vec::new();
                    }
                    Ok(output) => {
                        let said = String::from_utf8_lossy(&output.stderr).into_owned();
                        assert!(output.status.success(), "mkudffs can't make {name}: {said}");
                    }
                }
                list.push((name, path, !open && !["dvd", "cd"].contains(media)));
            }
        }
    }
    list
}

#[test]
fn as_linux_fills_it() {
    let dir = tempfile::tempdir().unwrap();
    let list = volumes(dir.path());
    let mut jobs = String::new();
    for (name, path, writable) in &list {
        let kind = if *writable { "udf+fill" } else { "udf" };
        jobs.push_str(&format!("{name}\t{}\t{kind}\n", path.display()));
    }
    let Some(out) = linux(dir.path(), &jobs) else { return };
    let deviations = Deviations::load();
    let (mut wrong, mut entries) = (Vec::new(), 0);
    for (name, path, writable) in &list {
        let theirs = Manifest::load(&out.join(format!("{name}.tsv")));
        let ours = match Drive::mount_as(Some("udf"), path, "").and_then(|drive| drive.manifest()) {
            Ok(ours) => ours,
            Err(Trouble::Refused(why)) => {
                wrong.push(format!("{name}: refused: {why}; Linux: {:?}", theirs.errors));
                continue;
            }
            Err(trouble) => {
                wrong.push(format!("{name}: {trouble:?}"));
                continue;
            }
        };
        if !theirs.mounted() {
            eprintln!("{name}: Linux does not mount it: {:?}", theirs.errors);
            continue;
        }
        // What can be written once Linux 6.1 mounts read-only.
        if *writable && !name.starts_with("worm") && theirs.entries.len() < 2 {
            wrong.push(format!("{name}: Linux put nothing in it"));
        }
        entries += theirs.entries.len();
        let differences = theirs.differences(&ours);
        let differences = differences.iter().filter(|d| !deviations.allow(&format!("filled/{name}"), "udf", d));
        wrong.extend(differences.map(|d| format!("{name}: {d}")));
    }
    eprintln!("{entries} entries of {} volumes compared", list.len());
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    let stale = deviations.stale("filled/");
    assert!(stale.is_empty(), "no image needs these rows of docs/deviations.md:\n{}", stale.join("\n"));
}

/// 7-Zip knows neither links nor strategy 4096 nor maps but the physical one: a plain tree is what it can tell about.
#[test]
fn as_7_zip_shows_it() {
    use crate::build::udf::{Image, Node};
    let dir = tempfile::tempdir().unwrap();
    for revision in [0x102, 0x150, 0x201] {
        let image = Image::new(revision)
            .add("/docs/read.me", Node::text("hello\n"))
            .add("/Ω-日本語", Node::text("unicode"))
            .add("/large", Node::pattern(1, 300_001))
            .add("/pieces", Node::pattern(2, 20 * 2048 + 5).fragments(2048));
        let path = dir.path().join(format!("{revision:x}.udf"));
        image.write(&path).unwrap();
        let tool: &[&str] = &["7z", "x", "-y", "-oDIR", "IMAGE"];
        let Some(theirs) = extracted(tool, &path, &dir.path().join(format!("{revision:x}"))) else {
            return skip("7z is not installed");
        };
        let drive = Drive::mount_as(Some("udf"), &path, "").unwrap();
        let differences = theirs.differences(&drive.manifest().unwrap());
        let told = ["missing", "extra", "type", "size", "sha256"];
        let wrong: Vec<_> = differences.iter().filter(|d| told.contains(&d.attribute.as_str())).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
