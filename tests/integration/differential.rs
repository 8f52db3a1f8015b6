//! Images of several writers, shown by us and by others: Linux itself, and the readers that are installed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::build::node::{ASSOCIATED, Continuation, HIDDEN};
use crate::build::zisofs::Version;
use crate::build::{Content, Image, Kind, Node, Rock};
use crate::builder::common;
use crate::drive::Drive;
use crate::manifest::{Deviations, Manifest};
use crate::walk::{Bounds, walk};

/// Says that something can't be tested here; a failure when `MOUNT_ISO_TEST_ALL` asks for everything.
pub fn skip(what: &str) {
    assert!(std::env::var_os("MOUNT_ISO_TEST_ALL").is_none(), "{what}");
    eprintln!("skipped: {what}");
}

/// The folder of the manifests that Linux makes of `jobs`.
pub fn linux(dir: &Path, jobs: &str) -> Option<PathBuf> {
    let (out, success) = oracle(dir, jobs, &dir.join("out"), None)?;
    assert!(success.is_ok(), "the oracle: {success:?}");
    Some(out)
}

/// The same of images that Linux may not survive: those it does not reach have no manifest.
pub fn linux_as_far_as_it_goes(dir: &Path, jobs: &str, out: &Path) -> Option<PathBuf> {
    oracle(dir, jobs, out, Some(120)).map(|(out, _)| out)
}

/// `limit`: seconds.
fn oracle(dir: &Path, jobs: &str, out: &Path, limit: Option<u32>) -> Option<(PathBuf, Result<(), String>)> {
    std::fs::write(dir.join("jobs"), jobs).unwrap();
    let oracle = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/linux");
    let mut command = Command::new(oracle);
    command.arg("--batch").arg(dir.join("jobs")).arg(out);
    command.envs(limit.map(|limit| ("MOUNT_ISO_ORACLE_LIMIT", limit.to_string())));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.code() == Some(77) {
        skip(said.trim());
        return None;
    }
    Some((out.to_owned(), if output.status.success() { Ok(()) } else { Err(said) }))
}

/// A tree for writers that take one from disk.
pub fn sample(dir: &Path) {
    let file = |path: &str, bytes: &[u8]| {
        let path = dir.join(path);
        std::fs::create_dir_all(path.parent().expect("it is below")).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    file("readme.txt", b"read me\n");
    file("empty", b"");
    file("Mixed Case.Name", b"mixed");
    file("docs/naïve-Ω-日本語.txt", b"unicode");
    file("docs/deep/er/and/deep/er/still/here/it/is/file", b"deep");
    file("data/large.bin", &Content::Pattern { seed: 3, len: 300_001 }.bytes());
    file("data/zeros", &vec![0; 200_000]);
    file(&format!("data/{}", "long".repeat(55)), b"a long name");
    for number in 0..150 {
        file(&format!("many/file {number}"), format!("{number}\n").as_bytes());
    }
    std::os::unix::fs::symlink("../readme.txt", dir.join("docs/link")).unwrap();
    std::os::unix::fs::symlink("/no/./such/../place", dir.join("absolute")).unwrap();
    std::fs::hard_link(dir.join("readme.txt"), dir.join("docs/hard")).unwrap();
}

/// Images of mastering tools: name and arguments.
const WRITERS: &[(&str, &[&str])] = &[
    ("xorriso-rr-joliet", &["xorriso", "-as", "mkisofs", "-R", "-J", "-joliet-long"]),
    ("xorriso-zisofs", &["xorriso", "-as", "mkisofs", "-R", "-z"]),
    ("xorriso-level-4", &["xorriso", "-as", "mkisofs", "-iso-level", "4", "-J"]),
    ("xorriso-plain", &["xorriso", "-as", "mkisofs", "--norock", "-iso-level", "2"]),
    ("genisoimage-rr-joliet", &["genisoimage", "-quiet", "-R", "-J"]),
    ("genisoimage-r", &["genisoimage", "-quiet", "-r", "-iso-level", "3"]),
    ("genisoimage-plain", &["genisoimage", "-quiet", "-iso-level", "1", "-D"]),
    ("genisoimage-untranslated", &["genisoimage", "-quiet", "-U", "-D"]),
];

/// Images that no mastering tool writes.
fn built() -> Vec<(&'static str, Image)> {
    let chain =
        |how: Continuation| Image::new().rock_ridge(Rock::V1_10).add("/file", Node::text("c").continuation(how));
    let rock = || Image::new().rock_ridge(Rock::V1_10);
    vec![
        ("common", common()),
        ("blocks-512", common().block_size(512)),
        ("blocks-1024", common().block_size(1024)),
        ("plain", common().with(|image| (image.rock, image.joliet) = (None, None))),
        ("joliet-1", common().joliet(1).with(|image| image.rock = None)),
        ("enhanced", common().with(|image| (image.enhanced, image.rock, image.joliet) = (true, None, None))),
        ("rrip-1.09", common().rock_ridge(Rock::V1_09)),
        ("ieee-1282", common().rock_ridge(Rock::Ieee1282)),
        ("xa", common().with(|image| (image.xa, image.skip) = (true, 14))),
        ("skip", common().with(|image| image.skip = 6)),
        ("no-er", common().with(|image| (image.without_er, image.joliet) = (true, None))),
        ("xar", rock().add("/file", Node::pattern(1, 5000).with(|node| node.xar = 1)).add("/next", Node::text("n"))),
        (
            "sections",
            rock().add("/file", Node::pattern(2, 20_000).sections(&[4096, 8192])).add("/next", Node::text("n")),
        ),
        (
            "sections-apart",
            rock().add("/file", Node::pattern(2, 20_000).sections(&[4096, 8192]).with(|node| node.apart = 3)),
        ),
        ("odd-sections", rock().add("/file", Node::pattern(2, 9000).sections(&[2047, 1, 5000]))),
        ("interleaved", rock().add("/file", Node::pattern(4, 30_000).interleaved(2, 3))),
        ("long-times", rock().add("/file", Node::text("t").with(|node| node.long_times = true))),
        ("split-times", rock().add("/file", Node::text("t").with(|node| node.split_times = true))),
        (
            "zones",
            rock()
                .add("/east", Node::text("e").with(|node| node.zone = 23))
                .add("/west", Node::text("w").with(|node| node.zone = -48))
                .add("/1975", Node::text("o").times(&[(1, 157_766_400)]))
                .add("/2099", Node::text("n").times(&[(1, 4_070_908_800)])),
        ),
        ("ce-early", chain(Continuation { keep: Some(1), early: true, ..Default::default() })),
        ("ce-chain", chain(Continuation { per_area: Some(1), ..Default::default() })),
        (
            "ce-spanning",
            rock().add(
                "/file",
                Node::text("c")
                    .with(|node| node.first_entries = vec![crate::build::susp::pd(200); 15])
                    .continuation(Continuation { keep: Some(0), spanning: true, ..Default::default() }),
            ),
        ),
        ("nm-pieces", rock().add("/pieces-of-a-name", Node::text("p").with(|node| node.name_pieces = vec![3, 1, 5]))),
        (
            "links",
            rock()
                .add("/long", Node::link(&"component/".repeat(60)))
                .add("/pieces", Node::link("/usr/share/../lib/x").with(|node| node.link_piece = 9))
                .add("/root", Node::link("/"))
                .add("/dot", Node::link(".")),
        ),
        (
            "devices",
            rock()
                .add("/split", Node::device(true, 8, 1))
                .add(
                    "/low",
                    Node::device(false, 4, 65).with(|node| {
                        node.kind = Kind::Device { block: false, major: 4, minor: 65, split: false };
                    }),
                )
                .add("/socket", Node::socket()),
        ),
        (
            "zisofs",
            rock()
                .add("/one", Node::file(Content::Bytes(b"press me ".repeat(30_000))).zisofs(Version::One, 15))
                .add("/large", Node::file(Content::Bytes(b"press me ".repeat(30_000))).zisofs(Version::One, 17))
                .add("/zeros", Node::file(Content::Bytes(vec![0; 100_000])).zisofs(Version::One, 16)),
        ),
        ("zisofs-2", rock().add("/two", Node::file(Content::Bytes(b"press ".repeat(9000))).zisofs(Version::Two, 16))),
        (
            "sparse",
            rock().add(
                "/sparse",
                Node::file(Content::Holes { len: 1 << 20, marks: vec![(70_000, b"mark".to_vec())] })
                    .with(|node| node.sparse = Some(0)),
            ),
        ),
        (
            "flags",
            Image::new()
                .add("/hidden", Node::text("h").flags(HIDDEN))
                .add("/fork", Node::text("resource").identifier(b"FILE.TXT;1").flags(ASSOCIATED))
                .add("/file.txt", Node::text("data").identifier(b"FILE.TXT;1")),
        ),
        (
            "versions",
            Image::new()
                .add("/two", Node::text("2").identifier(b"TWO.TXT;2"))
                .add("/bare", Node::text("b").identifier(b"BARE"))
                .add("/dot", Node::text("d").identifier(b"DOT."))
                .add("/semi", Node::text("s").identifier(b"SEMI;1")),
        ),
        ("little-only", common().with(|image| image.little_only = true)),
        ("no-path-tables", common().with(|image| image.path_tables = false)),
        (
            "crossing",
            (0..120).fold(rock(), |image, n| image.add(&format!("/file-{n:03}"), Node::text("x"))).with(|image| {
                image.crossing = true;
            }),
        ),
        (
            "relocated-twice",
            rock()
                .add("/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/deep", Node::text("deep"))
                .add("/a/b/c/d/e/f/g/h", Node::dir().relocated())
                .add("/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o", Node::dir().relocated()),
        ),
    ]
}

/// All images, written to `dir`.
fn images(dir: &Path) -> Vec<(String, PathBuf)> {
    let tree = dir.join("tree");
    sample(&tree);
    let mut list = Vec::new();
    for (name, words) in WRITERS {
        let path = dir.join(format!("{name}.iso"));
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg("-o").arg(&path).arg(&tree).env("LC_ALL", "C.UTF-8");
        match command.stdin(Stdio::null()).output() {
            Ok(output) if output.status.success() => list.push(((*name).to_owned(), path)),
            Ok(output) => panic!("{name}: {}", String::from_utf8_lossy(&output.stderr)),
            Err(_) => skip(&format!("{} is not installed", words[0])),
        }
    }
    for (name, image) in built() {
        let path = dir.join(format!("built-{name}.iso"));
        image.write(&path).unwrap();
        list.push((format!("built/{name}"), path));
    }
    list
}

#[test]
fn as_linux_shows_it() {
    let dir = tempfile::tempdir().unwrap();
    let images = images(dir.path());
    let mut jobs = String::new();
    let mut cases = Vec::new();
    for (name, path) in &images {
        for options in ["", "norock", "norock,nojoliet"] {
            let job = format!("{}@{options}", name.replace('/', "-"));
            jobs.push_str(&format!("{job}\t{}\tiso9660\t{options}\n", path.display()));
            cases.push((name, path, options, job));
        }
    }
    let Some(out) = linux(dir.path(), &jobs) else { return };

    let deviations = Deviations::load();
    let mut wrong = Vec::new();
    let mut trees = 0;
    for (name, path, options, job) in &cases {
        let theirs = Manifest::load(&out.join(format!("{job}.tsv")));
        let mode = format!("iso9660,{options}");
        let mode = mode.trim_end_matches(',');
        match Drive::mount(path, options).and_then(|drive| drive.manifest()) {
            Ok(ours) if theirs.mounted() => {
                trees += 1;
                let differences = theirs.differences(&ours);
                let differences = differences.iter().filter(|d| !deviations.allow(name, mode, d));
                wrong.extend(differences.map(|d| format!("{name} -o '{options}': {d}")));
            }
            Ok(_) => {}
            Err(_) if !theirs.mounted() => {}
            Err(trouble) => wrong.push(format!("{name} -o '{options}': {trouble:?}")),
        }
    }
    eprintln!("{trees} trees compared with Linux");
    let stale = deviations.stale("built/");
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    assert!(stale.is_empty(), "no image needs these rows of docs/deviations.md:\n{}", stale.join("\n"));
}

/// Files of a tree with what they hold, as long as the names are those of Rock Ridge.
fn files(node: &Node, path: &str, list: &mut Vec<(String, Vec<u8>)>) {
    for child in &node.children {
        let path = format!("{path}/{}", child.name);
        match child.kind {
            Kind::File(_) => list.push((path.clone(), child.shown())),
            _ => files(child, &path, list),
        }
    }
}

/// What deviates from Linux has no other witness than this: a file holds what was put in it.
#[test]
fn as_built() {
    let dir = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for (name, image) in built().into_iter().filter(|(_, image)| image.rock.is_some()) {
        let path = dir.path().join(format!("{name}.iso"));
        image.write(&path).unwrap();
        let drive = Drive::mount(&path, "").unwrap_or_else(|trouble| panic!("{name}: {trouble:?}"));
        let mut list = Vec::new();
        files(&image.root, "", &mut list);
        for (file, bytes) in list {
            match std::fs::read(drive.path().join(&file[1..])) {
                Ok(read) if read == bytes => {}
                Ok(read) => wrong.push(format!("{name}: {file} holds {} other bytes", read.len())),
                Err(error) => wrong.push(format!("{name}: {file}: {error}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A file behind 4 GiB, and what lies across its sections' boundary.
#[test]
fn five_gigabytes() {
    use std::os::unix::fs::FileExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large.iso");
    let marks = vec![(0xFFFF_F7FE, b"across".to_vec()), ((5 << 30) - 3, b"end".to_vec())];
    let large = Node::file(Content::Holes { len: 5 << 30, marks: marks.clone() });
    Image::new().rock_ridge(Rock::V1_10).add("/large", large).write(&path).unwrap();
    let drive = Drive::mount(&path, "").unwrap();
    let file = std::fs::File::open(drive.path().join("large")).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 5 << 30);
    for (at, mark) in marks {
        let mut bytes = vec![0; mark.len()];
        file.read_exact_at(&mut bytes, at).unwrap();
        assert_eq!(bytes, mark, "at {at}");
    }
}

/// What a tool extracts, as a manifest.
pub fn extracted(tool: &[&str], image: &Path, to: &Path) -> Option<Manifest> {
    std::fs::create_dir_all(to).unwrap();
    let fill = |word: &&str| word.replace("IMAGE", &image.to_string_lossy()).replace("DIR", &to.to_string_lossy());
    let words: Vec<String> = tool.iter().map(fill).collect();
    let output = Command::new(&words[0]).args(&words[1..]).env("LC_ALL", "C.UTF-8").stdin(Stdio::null()).output();
    let output = output.ok()?;
    // 7-Zip fails over links that lead out of the tree, and extracts the rest.
    let fine = output.status.success() || tool[0] == "7z";
    assert!(fine, "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    let mut text = Vec::new();
    walk(to, Bounds::default(), &mut text).unwrap();
    Some(Manifest::parse(&String::from_utf8_lossy(&text)))
}

#[test]
fn as_other_readers_show_it() {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    sample(&tree);
    let mut images = Vec::new();
    for (name, words) in WRITERS.iter().filter(|(name, _)| ["xorriso-rr-joliet", "genisoimage-r"].contains(name)) {
        let path = dir.path().join(format!("{name}.iso"));
        let done = Command::new(words[0]).args(&words[1..]).arg("-o").arg(&path).arg(&tree).output();
        if done.is_ok_and(|done| done.status.success()) {
            images.push(((*name).to_owned(), path));
        }
    }
    let path = dir.path().join("built.iso");
    // bsdtar takes the halves of PN for one number and can't make that device.
    common().with(|image| image.root.children.retain(|node| node.name != "null")).write(&path).unwrap();
    images.push(("built".into(), path));
    // A tool, the options under which we show the same tree, and what it can tell.
    let readers: [(&[&str], &str, &[&str]); 3] = [
        (&["bsdtar", "-xf", "IMAGE", "-C", "DIR"], "", &["missing", "type", "size", "target", "sha256", "mtime"]),
        (
            &["xorriso", "-osirrox", "on", "-indev", "IMAGE", "-extract", "/", "DIR"],
            "",
            &["missing", "type", "size", "target", "sha256"],
        ),
        (&["7z", "x", "-y", "-oDIR", "IMAGE"], "norock", &["sha256"]),
    ];
    let mut wrong = Vec::new();
    for (name, path) in &images {
        for (tool, options, tells) in readers {
            let to = dir.path().join(format!("{name}-{}", tool[0]));
            let Some(theirs) = extracted(tool, path, &to) else {
                skip(&format!("{} is not installed", tool[0]));
                continue;
            };
            let ours = Drive::mount(path, options).and_then(|drive| drive.manifest());
            let ours = ours.unwrap_or_else(|trouble| panic!("{name}: {trouble:?}"));
            let differs = theirs.differences(&ours).into_iter().filter(|d| {
                tells.contains(&d.attribute.as_str())
                    && !d.path.to_ascii_lowercase().starts_with("/rr_moved")
                    && d.path != "/"
            });
            wrong.extend(differs.map(|d| format!("{name}, {}: {d}", tool[0])));
        }
    }
    assert!(wrong.is_empty(), "{} differences (\"Linux\" is the tool):\n{}", wrong.len(), wrong.join("\n"));
}
