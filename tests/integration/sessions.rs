//! Sessions of a multi-session disc, found in an image of it, and each shown as Linux shows it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use crate::differential::{linux, skip};
use crate::drive::{Drive, Trouble};
use crate::manifest::Manifest;

const PROGRAM: &str = env!("CARGO_BIN_EXE_mount-iso");

/// An image, and where the sessions in it begin.
struct Disc {
    name: &'static str,
    /// `iso9660` or `udf`.
    kind: &'static str,
    starts: &'static [u32],
}

/// Three sessions of genisoimage behind one another, as a CD has them: the later ones know the files of the earlier.
fn appended(dir: &Path, image: &str, words: &[&str], starts: &[u32]) -> bool {
    let file = std::fs::File::create(dir.join(image)).unwrap();
    for (number, start) in starts.iter().enumerate() {
        let mut command = Command::new("genisoimage");
        command.args(["-quiet", "-R", "-V", &format!("SESSION {number}")]).args(words);
        if number > 0 {
            let before = starts[number - 1];
            command.arg("-M").arg(dir.join(image)).arg("-C").arg(format!("{before},{start}"));
        }
        command.arg("-o").arg(dir.join("session")).arg(dir.join(format!("tree-{number}")));
        match command.stdin(Stdio::null()).output() {
            Err(_) => {
                skip("genisoimage is not installed");
                return false;
            }
            Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        }
        let session = std::fs::read(dir.join("session")).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &session, u64::from(*start) * 2048).unwrap();
    }
    true
}

/// What xorriso makes when it adds to an image: the newest session's descriptors stand at the beginning, too.
fn overwritten(dir: &Path, image: &str) -> bool {
    for number in 0..3 {
        let output = Command::new("xorriso")
            .args([
                "-dev",
                image,
                "-volid",
                &format!("SESSION_{number}"),
                "-map",
                &format!("tree-{number}"),
                "/",
                "-commit",
            ])
            .current_dir(dir)
            .stdin(Stdio::null())
            .output();
        match output {
            Err(_) => {
                skip("xorriso is not installed");
                return false;
            }
            Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        }
    }
    true
}

/// Makes the images, and a tree for each session: every one has a file of its own, and one that each session replaces.
fn discs(dir: &Path) -> Vec<Disc> {
    for number in 0..3 {
        let tree = dir.join(format!("tree-{number}"));
        std::fs::create_dir_all(tree.join("sub")).unwrap();
        std::fs::write(tree.join(format!("of-session-{number}")), vec![b'0' + number; 70_000]).unwrap();
        let replaced = tree.join("sub/replaced");
        std::fs::write(&replaced, format!("by session {number}\n")).unwrap();
        // genisoimage takes a file with the time of an earlier session's for that one.
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000 + 1000 * u64::from(number));
        std::fs::File::options().write(true).open(replaced).unwrap().set_modified(time).unwrap();
    }
    let mut list = Vec::new();
    let mut add = |made: bool, name, kind, starts| {
        if made {
            list.push(Disc { name, kind, starts });
        }
    };
    add(appended(dir, "appended.iso", &[], &[0, 300, 707]), "appended.iso", "iso9660", &[0, 300, 707]);
    add(appended(dir, "bridge.iso", &["-J", "-udf"], &[0, 500, 1000]), "bridge.iso", "udf", &[0, 500, 1000]);
    // The first session begins behind the copy, and those of 70,000 bytes more behind it at multiples of 32 sectors.
    add(overwritten(dir, "added.iso"), "added.iso", "iso9660", &[32, 96, 160]);
    // growisofs copies the newest session's descriptors over the first one's, which are lost by that.
    if list.iter().any(|disc| disc.name == "appended.iso") {
        let mut bytes = std::fs::read(dir.join("appended.iso")).unwrap();
        bytes.copy_within((707 + 16) * 2048..(707 + 18) * 2048, 16 * 2048);
        std::fs::write(dir.join("grown.iso"), bytes).unwrap();
        list.push(Disc { name: "grown.iso", kind: "iso9660", starts: &[0, 300, 707] });
    }
    list
}

fn listed(image: &Path) -> Vec<u64> {
    let output = Command::new(PROGRAM).args(["info", "--json", "--sessions"]).arg(image).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    report["sessions"].as_array().unwrap().iter().map(|session| session["start"].as_u64().unwrap()).collect()
}

/// Every session by its number and by its sector is what Linux shows when it is told the sector.
#[test]
fn as_linux_shows_them() {
    let dir = tempfile::tempdir().unwrap();
    let discs = discs(dir.path());
    let mut jobs = String::new();
    let mut cases = Vec::new();
    for disc in &discs {
        let image = dir.path().join(disc.name);
        assert_eq!(
            listed(&image),
            disc.starts.iter().map(|start| u64::from(*start)).collect::<Vec<_>>(),
            "{}",
            disc.name
        );
        for (number, start) in disc.starts.iter().enumerate() {
            let job = format!("{}@{start}", disc.name);
            let option = if disc.kind == "udf" { "session" } else { "sbsector" };
            jobs.push_str(&format!("{job}\t{}\t{}\t{option}={start}\n", image.display(), disc.kind));
            cases.push((disc, number, *start, job));
        }
    }
    let Some(out) = linux(dir.path(), &jobs) else { return };
    let mut wrong = Vec::new();
    for (disc, number, start, job) in cases {
        let theirs = Manifest::load(&out.join(format!("{job}.tsv")));
        let mut counted = vec![format!("session={number}"), format!("sbsector={start}")];
        if disc.kind == "udf" {
            counted.push(format!("session={start}"));
        }
        assert!(theirs.mounted() && theirs.entries.len() >= 4, "{job}: {:?}", theirs.errors);
        for options in counted {
            let image = dir.path().join(disc.name);
            match Drive::mount_as(Some(disc.kind), &image, &options).and_then(|drive| drive.manifest()) {
                Ok(ours) => {
                    let differences = theirs.differences(&ours);
                    wrong.extend(differences.iter().map(|d| format!("{} -o {options}: {d}", disc.name)));
                }
                Err(trouble) => wrong.push(format!("{} -o {options}: {trouble:?}", disc.name)),
            }
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// Each session shows its own version of a file, and without a number that of the descriptors at the beginning.
#[test]
fn each_shows_its_own_files() {
    let dir = tempfile::tempdir().unwrap();
    for disc in discs(dir.path()) {
        let image = dir.path().join(disc.name);
        let replaced = |options: &str| {
            let drive =
                Drive::mount_as(Some(disc.kind), &image, options).unwrap_or_else(|trouble| panic!("{trouble:?}"));
            std::fs::read_to_string(drive.path().join("sub/replaced")).unwrap()
        };
        for number in 0..3 {
            // growisofs wrote over the first session's descriptors.
            let shown = if disc.name == "grown.iso" && number == 0 { 2 } else { number };
            assert_eq!(replaced(&format!("session={number}")), format!("by session {shown}\n"), "{}", disc.name);
        }
        let newest = ["added.iso", "grown.iso"].contains(&disc.name);
        assert_eq!(replaced(""), format!("by session {}\n", if newest { 2 } else { 0 }), "{}", disc.name);
        match Drive::mount_as(Some(disc.kind), &image, "session=3") {
            Err(Trouble::Refused(why)) => {
                assert!(why.contains("3 sessions, numbers 0 to 2") && why.contains("no session 3"), "{why}");
            }
            other => panic!("{other:?}"),
        }
    }
}

/// An image on a disc is a file of it and no session.
#[test]
fn an_image_in_an_image_is_no_session() {
    use crate::build::{Content, Image, Node, Rock};
    let dir = tempfile::tempdir().unwrap();
    let inner = Image::new().rock_ridge(Rock::V1_12).add("/inner", Node::text("inner"));
    let file = Node::file(Content::Bytes(inner.bytes()));
    let udf = crate::build::udf::Image::new(0x201).add("/udf", crate::build::udf::Node::text("inner"));
    let bridge = Node::file(Content::Bytes(udf.disc().bytes));
    let path = dir.path().join("outer.iso");
    Image::new().rock_ridge(Rock::V1_12).add("/a.iso", file).add("/b.udf", bridge).write(&path).unwrap();
    assert_eq!(listed(&path), [0]);
    match Drive::mount(&path, "session=1") {
        Err(Trouble::Refused(why)) => assert!(why.contains("has one session, number 0"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert!(Drive::mount(&path, "session=0").is_ok());
}

/// UDF 2.2.11: a session that was closed has its own table, and a later one's is not taken for it; `lastblock=` says where
/// the disc ended at that time.
#[test]
fn a_virtual_allocation_table_is_that_of_its_session() {
    use crate::build::udf::{Anchor, Image, Map, Node};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vat.udf");
    let image = |text: &str| {
        let image = Image::new(0x150).maps(&[Map::Physical, Map::vat()]).anchors(&[Anchor::At(256)]);
        image.add("/file", Node::text(text)).disc().bytes
    };
    // The older volume, and behind it the end of a newer one: the last block is that of a table, of the same partition.
    let (older, newer) = (image("older"), image("newer text"));
    let mut bytes = older.clone();
    bytes.extend_from_slice(&newer);
    std::fs::write(&path, &bytes).unwrap();
    let last = older.len() / 2048 - 1;
    let drive = Drive::mount_as(Some("udf"), &path, &format!("lastblock={last}")).unwrap();
    assert_eq!(std::fs::read(drive.path().join("file")).unwrap(), b"older");
}

/// mount(8), Mount options for udf: the anchor is looked for where `anchor=` says, and elsewhere if it isn't there.
#[test]
fn an_anchor_by_its_sector() {
    use crate::build::udf::{Anchor, Image, Node};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("anchor.udf");
    let image = Image::new(0x201).anchors(&[Anchor::At(300)]).add("/file", Node::text("x"));
    // Far enough from the end not to be found there.
    image.with(|image| image.padding = 4000).write(&path).unwrap();
    assert!(matches!(Drive::mount_as(Some("udf"), &path, ""), Err(Trouble::Refused(_))));
    for options in ["anchor=300", "anchor=300,bs=2048", "anchor=300,novrs,lastblock=400"] {
        let drive = Drive::mount_as(Some("udf"), &path, options).unwrap_or_else(|trouble| panic!("{trouble:?}"));
        assert_eq!(std::fs::read(drive.path().join("file")).unwrap(), b"x", "{options}");
    }
    Image::new(0x201).add("/file", Node::text("x")).write(&path).unwrap();
    let drive = Drive::mount_as(Some("udf"), &path, "anchor=300").unwrap();
    assert_eq!(std::fs::read(drive.path().join("file")).unwrap(), b"x");
}
