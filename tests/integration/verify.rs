//! `mount-iso verify` and `mount --verify`: sound, damaged (which files, which bytes), or nothing to check against.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::build::udf;
use crate::build::{Image, Node, Rock};
use crate::differential::skip;

const SOUND: i32 = 0;
const DAMAGED: i32 = 16;
const UNCHECKED: i32 = 17;

fn run(program: &str, args: &[&str], dir: &Path) -> Output {
    Command::new(program).args(args).current_dir(dir).stdin(Stdio::null()).output().unwrap()
}

/// Whether a program is there; one that is not is told.
fn has(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap().status.success();
    if !found {
        skip(&format!("{program} is not installed"));
    }
    found
}

#[track_caller]
fn succeed(program: &str, args: &[&str], dir: &Path) -> Vec<u8> {
    let output = run(program, args, dir);
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
    output.stdout
}

/// What the program says of an image: its exit code, and the JSON object.
#[track_caller]
fn verify(image: &Path) -> (i32, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_mount-iso")).args(["verify", "--json"]).arg(image).output().unwrap();
    let code = output.status.code().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let word = match code {
        SOUND => "sound",
        DAMAGED => "damaged",
        UNCHECKED => "unchecked",
        _ => panic!("{output:?}"),
    };
    assert_eq!(report["result"], word);
    (code, report)
}

/// Damage of a report that touches a byte: the files and what is said.
fn damage_at(report: &Value, at: u64) -> Vec<(Option<String>, String)> {
    let touches = |damage: &&Value| {
        damage["bytes"].as_array().unwrap().iter().any(|range| {
            let [from, to] = [&range[0], &range[1]].map(|end| end.as_u64().unwrap());
            (from..to).contains(&at)
        })
    };
    let one =
        |damage: &Value| (damage["file"].as_str().map(str::to_owned), damage["what"].as_str().unwrap().to_owned());
    report["damage"].as_array().unwrap().iter().filter(touches).map(one).collect()
}

fn flip(image: &Path, at: u64) {
    let file = File::options().read(true).write(true).open(image).unwrap();
    let mut byte = [0; 1];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x40], at).unwrap();
}

/// The byte at which a text stands in an image, the only time it does.
fn find(image: &Path, text: &[u8]) -> u64 {
    let bytes = std::fs::read(image).unwrap();
    let places: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(text)).collect();
    assert_eq!(places.len(), 1, "{places:?}");
    places[0] as u64
}

/// A tree with texts that can be found again.
fn tree(dir: &Path) -> PathBuf {
    let tree = dir.join("tree");
    std::fs::create_dir_all(tree.join("sub/deeper")).unwrap();
    std::fs::write(tree.join("first.txt"), "the text of the first file\n").unwrap();
    std::fs::write(tree.join("sub/second.txt"), "the text of the second file\n").unwrap();
    std::fs::write(tree.join("sub/deeper/third file"), "the text of the third file\n").unwrap();
    std::fs::write(tree.join("large"), vec![7; 900_000]).unwrap();
    tree
}

/// An image of xorriso, with more of its own commands.
fn xorriso(dir: &Path, image: &str, more: &[&str]) -> Option<PathBuf> {
    if !has("xorriso") {
        return None;
    }
    tree(dir);
    let mut args = vec!["-outdev", image, "-volid", "VERIFY", "-joliet", "on"];
    args.extend(more);
    args.extend(["-map", "tree", "/", "-commit"]);
    succeed("xorriso", &args, dir);
    Some(dir.join(image))
}

#[test]
fn what_implantisomd5_implants() {
    let dir = tempfile::tempdir().unwrap();
    if !has("implantisomd5") {
        return;
    }
    let Some(image) = xorriso(dir.path(), "x.iso", &[]) else { return };
    assert_eq!(verify(&image).0, UNCHECKED, "before a checksum is implanted there is nothing to check against");
    succeed("implantisomd5", &["x.iso"], dir.path());
    let (code, report) = verify(&image);
    assert_eq!((code, &report["checks"][0]["compared"]), (SOUND, &1.into()), "{report}");
    assert!(run("checkisomd5", &["x.iso"], dir.path()).status.success());
    // In the middle of the large file, which fills most fragments.
    let at = find(&image, &[7; 900_000]) + 500_000;
    flip(&image, at);
    let (code, report) = verify(&image);
    assert_eq!(code, DAMAGED);
    assert!(!run("checkisomd5", &["x.iso"], dir.path()).status.success());
    let found = damage_at(&report, at);
    assert!(found.iter().any(|(file, _)| file.as_deref() == Some("large")), "{report}");
    // The sums of fragments say where: not the whole image.
    let range = &report["damage"][0]["bytes"][0];
    let length = range[1].as_u64().unwrap() - range[0].as_u64().unwrap();
    assert!(length < 200_000, "{report}");
}

#[test]
fn what_xorriso_records() {
    let dir = tempfile::tempdir().unwrap();
    let Some(image) = xorriso(dir.path(), "x.iso", &["-md5", "on"]) else { return };
    let (code, report) = verify(&image);
    assert_eq!(code, SOUND, "{report}");
    let compared = |report: &Value| {
        report["checks"].as_array().unwrap().iter().map(|check| check["compared"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    // The copy of the descriptors, and those of the session, its tree and its data; four files.
    assert_eq!(compared(&report), [4, 4], "{report}");
    for (name, text) in [("first.txt", "first"), ("sub/second.txt", "second"), ("sub/deeper/third file", "third")] {
        let at = find(&image, format!("the text of the {text} file").as_bytes());
        flip(&image, at + 5);
        let (code, report) = verify(&image);
        let found = damage_at(&report, at + 5);
        assert_eq!(code, DAMAGED);
        assert!(found.iter().any(|(file, what)| file.as_deref() == Some(name) && what.contains("MD5")), "{report}");
        let others = report["damage"].as_array().unwrap().iter().filter_map(|damage| damage["file"].as_str());
        assert_eq!(others.collect::<Vec<_>>(), [name], "only the file that is damaged is named");
        flip(&image, at + 5);
    }
    assert_eq!(verify(&image).0, SOUND);
}

/// Whatever byte of a session is wrong, it is never called sound.
#[test]
fn no_damaged_byte_is_called_sound() {
    let dir = tempfile::tempdir().unwrap();
    let Some(image) = xorriso(dir.path(), "x.iso", &["-md5", "on"]) else { return };
    let toc = String::from_utf8(succeed("xorriso", &["-indev", "x.iso", "-toc"], dir.path())).unwrap();
    let line = toc.lines().find(|line| line.starts_with("ISO session")).expect("xorriso lists the session");
    let words: Vec<_> = line.split(',').map(str::trim).collect();
    let start: u64 = words[1].parse().unwrap();
    let size: u64 = words[2].trim_end_matches('s').parse().unwrap();
    // The session ends with its tag; behind that is padding.
    let tags = std::fs::read(&image).unwrap();
    let last = (start..start + size)
        .rev()
        .find(|block| tags[(block * 2048) as usize..].starts_with(b"libisofs_checksum_tag_v1"))
        .unwrap();
    let places = (start * 2048..last * 2048).step_by(12_347);
    let mut count = 0;
    for at in places {
        flip(&image, at);
        let output = Command::new(env!("CARGO_BIN_EXE_mount-iso")).arg("verify").arg(&image).output().unwrap();
        // Damage of what is needed to find the tree at all is a refusal.
        assert!(matches!(output.status.code(), Some(DAMAGED | 32)), "byte {at}: {output:?}");
        flip(&image, at);
        count += 1;
    }
    assert!(count > 50, "{count}");
    assert_eq!(verify(&image).0, SOUND);
}

#[test]
fn lists_in_the_image() {
    let dir = tempfile::tempdir().unwrap();
    let tree = tree(dir.path());
    if !has("xorriso") {
        return;
    }
    let sums = succeed("sh", &["-c", "find . -type f | sort | xargs -d '\\n' sha256sum"], &tree);
    std::fs::write(tree.join("SHA256SUMS"), sums).unwrap();
    let sums = succeed("md5sum", &["--tag", "second.txt"], &tree.join("sub"));
    std::fs::write(tree.join("sub/md5sum.txt"), sums).unwrap();
    let sums = succeed("sh", &["-c", "sha1sum large | cut -c1-40"], &tree);
    std::fs::write(tree.join("large.sha1"), sums).unwrap();
    std::fs::write(tree.join("MD5SUMS"), "d41d8cd98f00b204e9800998ecf8427e  of/another/disc\n").unwrap();
    succeed("xorriso", &["-as", "mkisofs", "-quiet", "-R", "-o", "x.iso", "tree"], dir.path());
    let image = dir.path().join("x.iso");
    let (code, report) = verify(&image);
    assert_eq!(code, SOUND, "{report}");
    let compared: Vec<_> = report["checks"].as_array().unwrap().iter().map(|check| check["compared"].clone()).collect();
    assert_eq!(compared.len(), 3, "{report}");
    assert!([4, 1, 1].iter().all(|count| compared.contains(&(*count).into())), "{report}");
    let at = find(&image, b"the text of the second file");
    flip(&image, at);
    let (code, report) = verify(&image);
    let found = damage_at(&report, at);
    assert_eq!((code, found.len()), (DAMAGED, 2), "{report}");
    assert!(found.iter().all(|(file, _)| file.as_deref() == Some("sub/second.txt")));
    assert!(found.iter().any(|(_, what)| what.contains("SHA-256 of SHA256SUMS")), "{report}");
    assert!(found.iter().any(|(_, what)| what.contains("MD5 of sub/md5sum.txt")), "{report}");
}

/// A file that a list names and that is not there.
#[test]
fn a_file_that_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let tree = tree(dir.path());
    if !has("genisoimage") {
        return;
    }
    std::fs::write(tree.join("gone"), "gone").unwrap();
    let sums = succeed("sh", &["-c", "sha512sum *.txt gone"], &tree);
    std::fs::write(tree.join("SHA512SUMS"), sums).unwrap();
    std::fs::remove_file(tree.join("gone")).unwrap();
    succeed("genisoimage", &["-quiet", "-R", "-o", "x.iso", "tree"], dir.path());
    let (code, report) = verify(&dir.path().join("x.iso"));
    let damage = &report["damage"][0];
    assert_eq!((code, damage["file"].as_str()), (DAMAGED, Some("gone")), "{report}");
}

#[test]
fn checksums_beside_the_image() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disc.iso");
    Image::new().rock_ridge(Rock::V1_12).add("/file", Node::text("x")).write(&path).unwrap();
    let own = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    let digest = |program: &str| {
        let output = String::from_utf8(succeed(program, &["disc.iso"], dir.path())).unwrap();
        output.split(' ').next().unwrap().to_owned()
    };
    assert_eq!(verify(&path).0, UNCHECKED);
    // What tells about other images tells nothing about this one.
    own("SHA1SUMS", &format!("{}  other.iso\n", digest("sha1sum")));
    assert_eq!(verify(&path).0, UNCHECKED);
    let sums = [
        ("disc.iso.sha256", format!("{}  disc.iso\n", digest("sha256sum"))),
        ("disc.md5", digest("md5sum")),
        ("SHA512SUMS", format!("{} *disc.iso\n{}  other.iso\n", digest("sha512sum"), "0".repeat(128))),
        ("Some-CHECKSUM", format!("# disc.iso: 5 bytes\nSHA256 (disc.iso) = {}\n", digest("sha256sum"))),
    ];
    for (number, (name, text)) in sums.iter().enumerate() {
        own(name, text);
        let (code, report) = verify(&path);
        assert_eq!((code, report["checks"].as_array().unwrap().len()), (SOUND, number + 1), "{report}");
    }
    // A byte that belongs to nothing: only these notice.
    flip(&path, 5);
    let (code, report) = verify(&path);
    assert_eq!((code, report["damage"].as_array().unwrap().len()), (DAMAGED, 4), "{report}");
    assert_eq!(damage_at(&report, 5).len(), 4);
}

/// Every byte that ISO 9660 records twice, and what the tables say a second time.
#[test]
fn structure_of_iso9660() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.iso");
    let image = || {
        Image::new()
            .rock_ridge(Rock::V1_12)
            .joliet(3)
            .add("/dir/sub/file", Node::text("x"))
            .add("/other/f", Node::text("y"))
    };
    image().write(&path).unwrap();
    let (code, report) = verify(&path);
    assert_eq!(code, UNCHECKED, "{report}");
    let layout = image().layout();
    let pvd = 16 * 2048;
    let bytes = std::fs::read(&path).unwrap();
    let table = |at: usize, big: bool| {
        let field: [u8; 4] = bytes[pvd + at..pvd + at + 4].try_into().unwrap();
        2048 * u64::from(if big { u32::from_be_bytes(field) } else { u32::from_le_bytes(field) })
    };
    let pvd = pvd as u64;
    let record = layout.record("/dir/sub/file");
    let places = [
        ("ECMA-119 8.4.8", pvd + 80 + 7),
        ("ECMA-119 8.4.10", pvd + 120 + 3),
        ("ECMA-119 8.4.13", pvd + 132 + 7),
        ("ECMA-119 9.1.3", pvd + 156 + 2 + 7),
        ("ECMA-119 9.1.3", record + 2 + 7),
        ("ECMA-119 9.1.4", record + 10 + 7),
        ("ECMA-119 9.1.9", record + 28 + 3),
        ("RRIP 4.1.1", layout.entry("/dir/sub/file", "PX") + 4 + 7),
        ("ECMA-119 9.4.3", table(140, false) + 10 + 2),
        ("ECMA-119 9.4.3", table(148, true) + 10 + 5),
        ("ECMA-119 9.4.4", table(140, false) + 10 + 6),
        ("ECMA-119 9.4.5", table(148, true) + 10 + 8),
    ];
    for (clause, at) in places {
        flip(&path, at);
        let (code, report) = verify(&path);
        assert_eq!(code, DAMAGED, "byte {at} ({clause})");
        let clauses: Vec<_> =
            report["damage"].as_array().unwrap().iter().map(|damage| damage["clause"].as_str().unwrap_or("")).collect();
        assert!(clauses.contains(&clause), "{clause} at {at}: {report}");
        flip(&path, at);
    }
    // A file that lies in a directory, and one that is cut off.
    let dir_at = (layout.extent("/dir") / 2048) as u32;
    let mut both = dir_at.to_le_bytes().to_vec();
    both.extend(dir_at.to_be_bytes());
    let mut overlapping = bytes.clone();
    overlapping[record as usize + 2..record as usize + 10].copy_from_slice(&both);
    std::fs::write(&path, &overlapping).unwrap();
    let (code, report) = verify(&path);
    assert_eq!(code, DAMAGED);
    let found = damage_at(&report, u64::from(dir_at) * 2048);
    assert!(
        found
            .iter()
            .any(|(file, what)| { file.as_deref() == Some("dir/sub/file") && what.contains("lies in a directory") }),
        "{report}"
    );
    std::fs::write(&path, &bytes[..bytes.len() - 2048]).unwrap();
    let (code, report) = verify(&path);
    assert_eq!(code, DAMAGED);
    assert!(report.to_string().contains("beyond the end of the image"), "{report}");
}

/// Every descriptor of UDF has a checksum; of what is recorded twice, both are looked at.
#[test]
fn structure_of_udf() {
    use udf::{Map, Node};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.udf");
    let image = udf::Image::new(0x250).maps(&[Map::Physical, Map::metadata()]);
    let disc = image.add("/dir/file", Node::text("x")).add("/large", Node::pattern(1, 10_000)).disc();
    std::fs::write(&path, &disc.bytes).unwrap();
    let (code, report) = verify(&path);
    assert_eq!(code, UNCHECKED, "{report}");
    let last = disc.bytes.len() as u64 / 2048 - 1;
    let mirror = disc.layout.icb("/large");
    for (what, at) in [
        ("anchor at 256", 256 * 2048 + 20),
        ("anchor at the end", last * 2048 + 20),
        ("main sequence", 32 * 2048 + 30),
        ("reserve sequence", 48 * 2048 + 30),
        ("integrity", 64 * 2048 + 30),
        ("file entry", mirror + 60),
    ] {
        flip(&path, at);
        let output = Command::new(env!("CARGO_BIN_EXE_mount-iso")).arg("verify").arg(&path).output().unwrap();
        assert_eq!(output.status.code(), Some(DAMAGED), "{what}: {output:?}");
        flip(&path, at);
    }
    assert_eq!(verify(&path).0, UNCHECKED);
}

/// What mastering tools write is sound: no tool's habit is taken for damage.
#[test]
fn what_tools_write_is_not_called_damaged() {
    let dir = tempfile::tempdir().unwrap();
    crate::differential::sample(&dir.path().join("tree"));
    let tools: [&[&str]; 6] = [
        &["xorriso", "-as", "mkisofs", "-quiet", "-R", "-J", "-joliet-long", "-o", "x.iso", "tree"],
        &["xorriso", "-as", "mkisofs", "-quiet", "-R", "-z", "-iso-level", "4", "-o", "x.iso", "tree"],
        &["genisoimage", "-quiet", "-R", "-J", "-udf", "-o", "x.iso", "tree"],
        &["genisoimage", "-quiet", "-iso-level", "1", "-D", "-o", "x.iso", "tree"],
        &["bsdtar", "-cf", "x.iso", "--format=iso9660", "tree"],
        &["mkudffs", "--utf8", "-m", "bdr", "-r", "2.50", "--new-file", "x.iso", "8192"],
    ];
    for words in tools {
        if !has(words[0]) {
            continue;
        }
        let image = dir.path().join("x.iso");
        let _ = std::fs::remove_file(&image);
        succeed(words[0], &words[1..], dir.path());
        let (code, report) = verify(&image);
        assert_eq!(code, UNCHECKED, "{words:?}: {report}");
    }
}

/// `--verify` mounts what is sound, and says why it does not mount the rest.
#[test]
fn only_what_is_sound_is_mounted() {
    use crate::mounting::rig::{Rig, User};
    let rig = Rig::new(User::Own);
    let mount = rig.directory("mnt");
    let (image, point) = (rig.path("x.iso"), mount.to_string_lossy().into_owned());
    let image = image.to_string_lossy();
    rig.succeed(["--verify", &*image, &*point]);
    assert_eq!(rig.read(&mount.join("hello.txt")).unwrap(), b"hello\n");
    rig.succeed(["unmount", &*point]);
    rig.expect_nothing_left();
    // The big-endian half of the Volume Space Size.
    flip(Path::new(&*image), 16 * 2048 + 87);
    for words in [vec!["--verify", &*image, &*point], vec!["-o", "ro,verify", &*image, &*point]] {
        let said = rig.fail(DAMAGED, words);
        assert!(said.contains("not mounted, it is damaged") && said.contains("Volume Space Size"), "{said}");
        assert!(said.contains("mount-iso verify"), "{said}");
    }
    rig.expect_nothing_left();
    rig.succeed([&*image, &*point]);
    rig.succeed(["unmount", &*point]);
}

/// For people: what was looked at, what is wrong, and the result in one line.
#[test]
fn lines_for_people() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.iso");
    Image::new().rock_ridge(Rock::V1_12).add("/file", Node::text("x")).write(&path).unwrap();
    let lines = |code| {
        let output = Command::new(env!("CARGO_BIN_EXE_mount-iso")).arg("verify").arg(&path).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let text = lines(UNCHECKED);
    assert!(text.contains("checksums:  none found") && text.contains("result:     nothing to check against"), "{text}");
    flip(&path, 16 * 2048 + 87);
    let text = lines(DAMAGED);
    assert!(text.contains("damaged:    the Volume Space Size") && text.ends_with("result:     damaged\n"), "{text}");
}
