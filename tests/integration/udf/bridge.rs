//! Bridge discs: ISO 9660 and UDF side by side, and which of them is shown.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::build::udf;
use crate::build::{Descriptor, Image, Node, Rock};
use crate::differential::{extracted, linux, sample, skip};
use crate::drive::Drive;
use crate::manifest::Manifest;

/// The ISO 9660 half laid over the start of the UDF half, as Windows' installation images have it.
fn bridge(iso: Image, udf: udf::Image) -> Vec<u8> {
    let area = |identifier: &str| {
        let mut bytes = vec![0; 2048];
        bytes[1..6].copy_from_slice(identifier.as_bytes());
        bytes[6] = 1;
        Descriptor::Raw(bytes)
    };
    // ECMA-167 2/8.3.1: the recognition area of UDF comes behind the descriptors of ISO 9660.
    let mut list = Descriptor::usual(&iso);
    list.extend([area("BEA01"), area("NSR03"), area("TEA01")]);
    let half = iso.descriptors(list).bytes();
    assert!(half.len() <= 65_536, "the ISO 9660 half reaches into the UDF half");
    let mut disc = udf.disc().bytes;
    disc[..half.len()].copy_from_slice(&half);
    disc
}

fn names(path: &Path, kind: Option<&str>, options: &str) -> Vec<String> {
    let drive = Drive::mount_as(kind, path, options).unwrap_or_else(|trouble| panic!("{trouble:?}"));
    let list = std::fs::read_dir(drive.path()).unwrap();
    let mut names: Vec<_> = list.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A stub whose only file tells to use UDF loses to the tree that has the files; `-t` and `tree=` restrict the choice.
#[test]
fn a_stub_loses() {
    let stub = Image::new().add("/README.TXT", Node::text("This disc contains a \"UDF\" file system.\n"));
    let files = udf::Image::new(0x102)
        .add("/setup.exe", udf::Node::pattern(1, 5000))
        .add("/sources/install.wim", udf::Node::pattern(2, 50_000));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bridge(stub, files)).unwrap();
    let (udf, iso) = (["setup.exe", "sources"], ["readme.txt"]);
    assert_eq!(names(file.path(), None, ""), udf);
    assert_eq!(names(file.path(), Some("udf"), ""), udf);
    assert_eq!(names(file.path(), None, "tree=udf"), udf);
    assert_eq!(names(file.path(), Some("iso9660"), ""), iso);
    assert_eq!(names(file.path(), None, "tree=primary"), iso);
}

/// The other way round: a UDF half that holds nothing.
#[test]
fn an_empty_udf_half_loses() {
    let iso = Image::new().rock_ridge(Rock::V1_12).add("/a", Node::text("a")).add("/b", Node::text("b"));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bridge(iso, udf::Image::new(0x102))).unwrap();
    assert_eq!(names(file.path(), None, ""), ["a", "b"]);
    assert!(names(file.path(), Some("udf"), "").is_empty());
}

/// Identical trees: Rock Ridge says more about owners and links.
#[test]
fn rock_ridge_wins_between_equals() {
    let iso = Image::new()
        .rock_ridge(Rock::V1_12)
        .add("/file", Node::text("one text").mode(0o640).owner(12, 34))
        .add("/link", Node::link("file"));
    let udf = udf::Image::new(0x102).add("/file", udf::Node::text("one text"));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bridge(iso, udf)).unwrap();
    assert_eq!(names(file.path(), None, ""), ["file", "link"]);
}

/// A damaged UDF half leaves the other.
#[test]
fn a_broken_udf_half_leaves_iso9660() {
    let iso = Image::new().rock_ridge(Rock::V1_12).add("/a", Node::text("a"));
    let udf = udf::Image::new(0x102).add("/b", udf::Node::text("b")).add("/c", udf::Node::text("c"));
    let layout = udf.layout();
    let mut disc = bridge(iso, udf);
    disc[layout.file_set as usize..layout.file_set as usize + 512].fill(0);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), disc).unwrap();
    assert_eq!(names(file.path(), None, ""), ["a"]);
}

/// Bridges of genisoimage, as Linux and 7-Zip show their UDF half.
#[test]
fn genisoimage() {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    sample(&tree);
    let mut jobs = String::new();
    let mut images = Vec::new();
    for (name, words) in [
        ("udf", vec!["-udf"]),
        ("udf-rr-joliet", vec!["-udf", "-R", "-J", "-joliet-long"]),
        ("udf-dvd", vec!["-udf", "-r", "-iso-level", "3", "-allow-limited-size"]),
    ] {
        let path = dir.path().join(format!("{name}.iso"));
        let mut command = Command::new("genisoimage");
        command.args(["-quiet", "-f", "-D"]).args(&words).arg("-o").arg(&path).arg(&tree).env("LC_ALL", "C.UTF-8");
        match command.stdin(Stdio::null()).output() {
            Ok(output) if output.status.success() => {}
            Ok(output) => panic!("{name}: {}", String::from_utf8_lossy(&output.stderr)),
            Err(_) => return skip("genisoimage is not installed"),
        }
        jobs.push_str(&format!("{name}\t{}\tudf\n", path.display()));
        images.push((name, path));
    }
    let linux = linux(dir.path(), &jobs);
    let mut wrong = Vec::new();
    for (name, path) in &images {
        let drive = Drive::mount_as(Some("udf"), path, "").unwrap_or_else(|trouble| panic!("{name}: {trouble:?}"));
        let ours = drive.manifest().unwrap_or_else(|trouble| panic!("{name}: {trouble:?}"));
        if let Some(out) = &linux {
            let theirs = Manifest::load(&out.join(format!("{name}.tsv")));
            assert!(theirs.mounted(), "Linux does not mount {name}: {:?}", theirs.errors);
            wrong.extend(theirs.differences(&ours).iter().map(|d| format!("{name}: {d}")));
        }
        let tool: &[&str] = &["7z", "x", "-y", "-oDIR", "IMAGE"];
        let Some(theirs) = extracted(tool, path, &dir.path().join(format!("{name}-7z"))) else {
            skip("7z is not installed");
            continue;
        };
        let told = |d: &&crate::manifest::Difference| ["missing", "sha256"].contains(&d.attribute.as_str());
        let differences = theirs.differences(&ours);
        wrong.extend(differences.iter().filter(told).map(|d| format!("{name}, 7z: {d}")));
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}
