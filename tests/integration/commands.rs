//! The commands that need no mount, as a user calls them.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::build::node::TIME;
use crate::build::{Content, Flat, Image, Node, Rock};
use crate::builder::common;
use crate::manifest::Manifest;
use crate::walk::{Bounds, walk};

/// The program, which ends in two minutes whatever happens.
fn program() -> Command {
    let mut command = Command::new("timeout");
    command.args(["-k", "5", "120", env!("CARGO_BIN_EXE_mount-iso")]).stdin(Stdio::null());
    command
}

fn run<const N: usize>(args: [&str; N]) -> Output {
    program().args(args).output().expect("mount-iso can be run")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("no signal ends it")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The output of a command that succeeds without a word.
fn printed<const N: usize>(args: [&str; N]) -> Vec<u8> {
    let output = run(args);
    assert!(code(&output) == 0 && output.stderr.is_empty(), "{args:?}: {} {}", output.status, said(&output));
    output.stdout
}

fn json<const N: usize>(args: [&str; N]) -> Value {
    serde_json::from_slice(&printed(args)).expect("it is JSON")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary path is UTF-8")
}

/// A directory with an image in it.
struct Case {
    dir: tempfile::TempDir,
    image: PathBuf,
}

impl Case {
    fn new(image: &Image) -> Self {
        let case = Self::empty();
        image.write(&case.image).expect("the image can be written");
        case
    }

    fn empty() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let image = dir.path().join("disc.iso");
        Self { dir, image }
    }

    fn image(&self) -> &str {
        text(&self.image)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn entry<'a>(list: &'a Value, path: &str) -> &'a Value {
    let found = list.as_array().expect("an array").iter().find(|entry| entry["path"] == path);
    found.unwrap_or_else(|| panic!("{path} is not listed: {list:#}"))
}

/// A file of six sectors of which three are cut off, beside a whole one.
fn cut() -> Case {
    let image = Image::new()
        .rock_ridge(Rock::V1_10)
        .add("/a-good", Node::text("good\n"))
        .add("/b-lost", Node::pattern(5, 6 * 2048));
    let len = image.layout().extent("/b-lost") + 3 * 2048;
    Case::new(&image.truncate(len))
}

#[test]
fn info_says_what_a_disc_holds() {
    let case = Case::new(&common().with(|image| image.volume_id = "LABEL".into()));
    let info = json(["info", "--json", case.image()]);
    assert_eq!(info["path"], case.image());
    assert_eq!(info["size"], std::fs::metadata(&case.image).unwrap().len());
    assert_eq!((&info["shown"], &info["missing"]), (&"rock-ridge".into(), &0.into()));
    assert_eq!(info["defects"], Value::Array(Vec::new()));
    let trees: Vec<_> = info["trees"].as_array().unwrap().iter().map(|tree| &tree["tree"]).collect();
    assert_eq!(trees, ["rock-ridge", "joliet", "primary"]);
    assert_eq!((&info["trees"][0]["label"], &info["trees"][0]["block_size"]), (&"LABEL".into(), &2048.into()));
    assert_eq!(json(["info", "--json", "--tree=joliet", case.image()])["shown"], "joliet");
    assert_eq!(json(["info", "--json", "-o", "norock,nojoliet", case.image()])["shown"], "primary");

    let lines = String::from_utf8(printed(["info", case.image()])).unwrap();
    for part in ["label:", "LABEL", "shown:", "ISO 9660 with Rock Ridge", "joliet (Joliet level 3)", "2048 bytes"] {
        assert!(lines.contains(part), "{part} is missing:\n{lines}");
    }
    assert!(!lines.contains("defects"), "{lines}");
}

#[test]
fn info_tells_that_an_image_was_cut_off() {
    let case = cut();
    let info = json(["info", "--json", case.image()]);
    let stated = info["trees"][0]["blocks"].as_u64().unwrap() * info["trees"][0]["block_size"].as_u64().unwrap();
    assert_eq!(info["missing"].as_u64().unwrap(), stated - info["size"].as_u64().unwrap());
    assert!(String::from_utf8(printed(["info", case.image()])).unwrap().contains("it is incomplete, or was cut off"));
}

#[test]
fn ls_gives_programs_what_the_disc_records() {
    let image = common().add("/born", Node::text("b").times(&[(0, TIME - 86_400), (1, TIME + 1), (2, TIME + 2)]));
    let case = Case::new(&image);
    let list = json(["ls", "-R", "--json", case.image()]);
    let file = entry(&list, "/docs/read.me");
    assert_eq!(
        (&file["type"], &file["mode"], &file["uid"], &file["gid"], &file["size"], &file["links"]),
        (&"file".into(), &"0600".into(), &12.into(), &34.into(), &6.into(), &1.into())
    );
    assert_eq!(
        (&file["name"], &file["mtime"], &file["birth"]),
        (&"read.me".into(), &"2020-02-03T04:05:06Z".into(), &Value::Null)
    );
    let born = entry(&list, "/born");
    assert_eq!(
        (&born["birth"], &born["mtime"], &born["atime"]),
        (&"2020-02-02T04:05:06Z".into(), &"2020-02-03T04:05:07Z".into(), &"2020-02-03T04:05:08Z".into())
    );
    assert_eq!(
        (&entry(&list, "/link")["type"], &entry(&list, "/link")["target"]),
        (&"symlink".into(), &"docs/read.me".into())
    );
    assert_eq!(entry(&list, "/null")["device"], serde_json::json!({ "major": 1, "minor": 3 }));
    assert_eq!(entry(&list, "/docs/über uns.txt")["size"], 2);
    assert_eq!(entry(&list, "/a/b/c/d/e/f/g/h/deep")["type"], "file");
    let numbers: std::collections::HashSet<_> =
        list.as_array().unwrap().iter().map(|entry| entry["inode"].as_u64().unwrap()).collect();
    assert_eq!(numbers.len(), list.as_array().unwrap().len(), "two files have one number");
    // What a disc without Rock Ridge does not record belongs to whoever asks.
    let plain = json(["ls", "--json", "--tree=primary", case.image(), "/docs"]);
    let uid = nix::unistd::geteuid().as_raw();
    assert_eq!(
        (&entry(&plain, "/docs/empty")["uid"], &entry(&plain, "/docs/empty")["mode"]),
        (&uid.into(), &"0555".into())
    );
}

#[test]
fn ls_is_the_long_list_of_ls() {
    let case = Case::new(&common());
    let lines = String::from_utf8(printed(["ls", case.image()])).unwrap();
    for part in ["crw------- 1  0  0   1, 3 2020-02-03 04:05 null", "link -> docs/read.me", "prw-r--r--"] {
        assert!(lines.split('\n').any(|line| squeezed(line).contains(&squeezed(part))), "{part}:\n{lines}");
    }
    let one = String::from_utf8(printed(["ls", case.image(), "docs/read.me"])).unwrap();
    assert_eq!(squeezed(&one), "-rw------- 1 12 34 6 2020-02-03 04:05 docs/read.me");
    let all = String::from_utf8(printed(["ls", "-R", case.image()])).unwrap();
    assert!(all.contains("\n/a/b/c/d/e/f/g/h:\n") && !all.to_lowercase().contains("rr_moved"), "{all}");
}

fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn names_and_labels_do_not_steer_a_terminal() {
    let image = Image::new()
        .rock_ridge(Rock::V1_10)
        .with(|image| image.volume_id = "L\x1b]0;TITLE\x07".into())
        .add("/x", Node::text("x").rock_name(b"a\x1b[2J\xff"))
        .add("/y", Node::link("to\x1b[31m"))
        .add("/z", Node::text("z").rock_name("\u{202e}txt.exe".as_bytes()));
    let case = Case::new(&image);
    for args in [vec!["ls", "-R"], vec!["info"], vec!["ls", "-R", "--json"], vec!["info", "--json"]] {
        let out = program().args(&args).arg(&case.image).output().unwrap();
        assert_eq!(code(&out), 0, "{}", said(&out));
        assert!(!out.stdout.iter().any(|byte| *byte < 32 && *byte != b'\n'), "{args:?}: {out:?}");
    }
    let lines = String::from_utf8(printed(["ls", case.image()])).unwrap();
    assert!(lines.contains(r"a\x1b[2J\xff") && lines.contains(r"to\x1b[31m") && lines.contains(r"\xe2\x80\xaetxt.exe"));
    // Errors, too, and the command line's own words.
    let output = program().args(["ls"]).arg(&case.image).arg("no\x1b[2J").output().unwrap();
    assert!(code(&output) == 32 && !said(&output).contains('\x1b'), "{}", said(&output));
    let list = json(["ls", "--json", case.image()]);
    let odd = list.as_array().unwrap().iter().find(|entry| entry["name_bytes"].is_string()).unwrap();
    assert_eq!(odd["name_bytes"], "611b5b324aff");
}

#[test]
fn cat_writes_files_one_after_the_other() {
    let case = Case::new(&common());
    let out = printed(["cat", case.image(), "/docs/read.me", "link", "large.bin"]);
    assert_eq!(&out[..12], b"hello\nhello\n");
    assert!(out[12..] == Content::Pattern { seed: 7, len: 100_001 }.bytes());
}

#[test]
fn cat_writes_the_good_part_of_a_damaged_file() {
    let case = cut();
    let good = Content::Pattern { seed: 5, len: 6 * 2048 }.bytes()[..3 * 2048].to_vec();
    let output = run(["cat", case.image(), "b-lost"]);
    assert_eq!(code(&output), 32);
    assert!(output.stdout == good, "{} bytes instead of {}", output.stdout.len(), good.len());
    assert!(said(&output).contains("b-lost: cannot read at byte 6144 of 12288"), "{}", said(&output));
    let output = run(["cat", case.image(), "a-good", "b-lost"]);
    assert_eq!((code(&output), output.stdout), (64, [b"good\n", good.as_slice()].concat()));
}

/// A tree with all that a disc can keep.
fn source(dir: &Path) {
    let write = |name: &str, bytes: &[u8], mode: u32, time: u64| {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(time);
        std::fs::File::open(&path).unwrap().set_modified(time).unwrap();
    };
    write("docs/a file", b"content", 0o640, 1_000_000_000);
    write("docs/program", b"#!/bin/sh\n", 0o755, 1_500_000_000);
    write("docs/read-only/file", b"r", 0o444, 946_684_800);
    write("large", &Content::Pattern { seed: 1, len: 500_001 }.bytes(), 0o600, 1_700_000_000);
    write("empty", b"", 0o644, 1_700_000_001);
    std::fs::hard_link(dir.join("large"), dir.join("docs/large too")).unwrap();
    std::os::unix::fs::symlink("docs/a file", dir.join("link")).unwrap();
    std::os::unix::fs::symlink("/no/./such/../place", dir.join("docs/dangling")).unwrap();
    std::fs::set_permissions(dir.join("docs/read-only"), std::fs::Permissions::from_mode(0o555)).unwrap();
    for (name, time) in [("docs/read-only", 1_200_000_000), ("docs", 1_300_000_000), ("", 1_400_000_000)] {
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(time);
        std::fs::File::open(dir.join(name)).unwrap().set_modified(time).unwrap();
    }
}

/// A disc of [`source`], which lies in `tree` beside it; `None` without xorriso.
fn mastered() -> Option<Case> {
    let case = Case::empty();
    let tree = case.path("tree");
    std::fs::create_dir(&tree).unwrap();
    source(&tree);
    let words = ["-as", "mkisofs", "-quiet", "-R", "--hardlinks", "-V", "TREE", "-o"];
    match Command::new("xorriso").args(words).arg(&case.image).arg(&tree).output() {
        Ok(output) => assert!(output.status.success(), "{}", said(&output)),
        Err(_) => {
            assert!(std::env::var_os("MOUNT_ISO_TEST_ALL").is_none(), "xorriso is not installed");
            eprintln!("skipped: xorriso is not installed");
            return None;
        }
    }
    Some(case)
}

fn manifest(dir: &Path) -> Manifest {
    let mut lines = Vec::new();
    walk(dir, Bounds::default(), &mut lines).unwrap();
    Manifest::parse(&String::from_utf8(lines).unwrap())
}

fn differences(theirs: &Manifest, ours: &Manifest) -> Vec<String> {
    theirs.differences(ours).iter().map(ToString::to_string).collect()
}

#[test]
fn extract_restores_times_modes_owners_and_links() {
    let Some(case) = mastered() else { return };
    let to = case.path("out");
    printed(["extract", case.image(), "-C", text(&to)]);
    let (theirs, ours) = (manifest(&case.path("tree")), manifest(&to));
    assert_eq!(differences(&theirs, &ours), [""; 0], "\"Linux\" is the tree that was mastered");
    let inode = |name: &str| std::fs::metadata(to.join(name)).unwrap().ino();
    assert_eq!(inode("large"), inode("docs/large too"));
    // Once more: everything is there, and told so; then passed over; then replaced.
    let again = run(["extract", case.image(), "-C", text(&to)]);
    assert!(matches!(code(&again), 32 | 64) && said(&again).contains("--overwrite"), "{}", said(&again));
    printed(["extract", "-n", case.image(), "-C", text(&to)]);
    std::fs::write(to.join("empty"), "no more").unwrap();
    printed(["extract", "--overwrite", case.image(), "-C", text(&to)]);
    // A directory that was there before is the user's own: its time is not that of the disc.
    let (root, rest): (Vec<_>, Vec<_>) =
        differences(&theirs, &manifest(&to)).into_iter().partition(|line| line.starts_with("/: mtime"));
    assert!(root.len() == 1 && rest.is_empty(), "{root:?} {rest:?}");
}

#[test]
fn extract_takes_what_is_named_and_names_the_directory_after_the_disc() {
    let Some(case) = mastered() else { return };
    let here = case.path("here");
    std::fs::create_dir(&here).unwrap();
    let output = program().args(["extract", "../disc.iso", "docs/program"]).current_dir(&here).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(output.stdout, b"extracted into TREE\n");
    assert_eq!(std::fs::read(here.join("TREE/docs/program")).unwrap(), b"#!/bin/sh\n");
    assert_eq!(std::fs::read_dir(here.join("TREE/docs")).unwrap().count(), 1);
}

#[test]
fn extract_keeps_holes() {
    let holes = Content::Holes { len: 64 << 20, marks: vec![(40 << 20, b"mark".to_vec())] };
    let image =
        Image::new().rock_ridge(Rock::V1_12).add("/sparse", Node::file(holes).with(|node| node.sparse = Some(0)));
    let case = Case::new(&image);
    let to = case.path("out");
    printed(["extract", case.image(), "-C", text(&to)]);
    let data = std::fs::metadata(to.join("sparse")).unwrap();
    assert_eq!(data.len(), 64 << 20);
    assert!(data.blocks() * 512 < 1 << 20, "{} blocks", data.blocks());
    let bytes = std::fs::read(to.join("sparse")).unwrap();
    assert_eq!((&bytes[40 << 20..][..4], bytes.iter().filter(|byte| **byte != 0).count()), (&b"mark"[..], 4));
}

#[test]
fn extract_never_leaves_its_target() {
    let image = Image::new()
        .rock_ridge(Rock::V1_10)
        .add("/docs/file", Node::text("inside"))
        .add("/aaa", Node::link("../outside"))
        .add("/dir/inner", Node::text("inner").rock_name(b"../../outside/dot-dot"))
        .add("/up", Node::text("up").rock_name(b".."))
        .add("/zzz/file", Node::text("through a link of the disc"))
        .with(|image| {
            // A directory with the name of the link before it.
            let zzz = image.root.children.iter_mut().find(|node| node.name == "zzz").expect("it was added");
            zzz.rock_name = Some(b"aaa".to_vec());
        });
    let case = Case::new(&image);
    let (to, outside) = (case.path("out"), case.path("outside"));
    std::fs::create_dir(&to).unwrap();
    std::fs::create_dir(&outside).unwrap();
    // And a link that was there before.
    std::os::unix::fs::symlink(&outside, to.join("docs")).unwrap();
    for flags in [&[][..], &["-n"], &["--overwrite"]] {
        let output = program().arg("extract").args(flags).arg(&case.image).arg("-C").arg(&to).output().unwrap();
        assert!(matches!(code(&output), 0 | 64), "{}: {}", output.status, said(&output));
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0, "with {flags:?} something came out");
    }
    let beside = std::fs::read_dir(case.dir.path()).unwrap().count();
    assert_eq!(beside, 3, "the image, the target and the directory outside");
    assert_eq!(std::fs::read(to.join("docs/file")).unwrap(), b"inside", "--overwrite replaces the link by a directory");
}

#[test]
fn extract_keeps_the_good_parts_of_a_damaged_file_in_their_places() {
    let case = cut();
    let to = case.path("out");
    let output = run(["extract", case.image(), "-C", text(&to)]);
    assert_eq!(code(&output), 64, "{}", said(&output));
    let bytes = std::fs::read(to.join("b-lost")).unwrap();
    let whole = Content::Pattern { seed: 5, len: 6 * 2048 }.bytes();
    assert_eq!(bytes.len(), whole.len());
    assert!(bytes[..3 * 2048] == whole[..3 * 2048]);
    assert_eq!(std::fs::read(to.join("a-good")).unwrap(), b"good\n");
}

#[test]
fn extract_copies_a_large_file_by_parts_from_several_threads() {
    const LEN: u64 = (40 << 20) + 777;
    let image = Image::new()
        .rock_ridge(Rock::V1_10)
        .add("/a-large", Node::pattern(3, LEN))
        .add("/b-middle", Node::pattern(4, (3 << 20) + 5))
        .add("/z-cut", Node::pattern(5, LEN));
    let len = image.layout().extent("/z-cut") + (33 << 20);
    let case = Case::new(&image.truncate(len));
    let (whole, cut) = (Content::Pattern { seed: 3, len: LEN }.bytes(), Content::Pattern { seed: 5, len: LEN }.bytes());
    for threads in ["1", "2", "5"] {
        let to = case.path(threads);
        let output = run(["extract", "--threads", threads, case.image(), "-C", text(&to)]);
        assert_eq!(code(&output), 64, "{}", said(&output));
        assert!(said(&output).contains("z-cut: damaged: "), "{}", said(&output));
        assert!(std::fs::read(to.join("a-large")).unwrap() == whole, "{threads} threads");
        let middle = Content::Pattern { seed: 4, len: (3 << 20) + 5 }.bytes();
        assert!(std::fs::read(to.join("b-middle")).unwrap() == middle, "{threads} threads");
        let bytes = std::fs::read(to.join("z-cut")).unwrap();
        assert_eq!(bytes.len(), cut.len());
        assert!(bytes[..33 << 20] == cut[..33 << 20], "{threads} threads");
        assert!(bytes[33 << 20..].iter().all(|byte| *byte == 0), "{threads} threads");
        assert_eq!(std::fs::metadata(to.join("a-large")).unwrap().mtime(), TIME);
    }
}

#[test]
fn an_interrupted_extract_leaves_only_whole_files_and_goes_on() {
    let case = Case::empty();
    Flat { files: 30_000, directories: 100, rock_ridge: true }.write(&case.image).unwrap();
    let to = case.path("out");
    let mut child = program().args(["extract", case.image(), "-C", text(&to)]).stderr(Stdio::piped()).spawn().unwrap();
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !to.join("dir-0002").exists() && std::time::Instant::now() < end {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let pid = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    let status = child.wait().unwrap();
    let files = || {
        let mut found = 0;
        for directory in std::fs::read_dir(&to).unwrap() {
            for file in std::fs::read_dir(directory.unwrap().path()).unwrap() {
                assert_eq!(file.unwrap().metadata().unwrap().len(), Flat::TEXT.len() as u64);
                found += 1;
            }
        }
        found
    };
    // A machine that was busy may have let it come to its end.
    if status.success() {
        assert_eq!(files(), 30_000);
        return;
    }
    assert_eq!(status.code(), Some(8), "{status}");
    assert!(files() < 30_000);
    printed(["extract", "-n", case.image(), "-C", text(&to)]);
    assert_eq!(files(), 30_000);
}

#[test]
fn exit_codes_are_those_of_the_table() {
    let case = Case::new(&common());
    let no_disc = case.path("text.iso");
    std::fs::write(&no_disc, "no disc at all".repeat(9000)).unwrap();
    let image = case.image();
    for (expected, args) in [
        (0, vec!["--help"]),
        (0, vec!["--version"]),
        (0, vec!["help", "options"]),
        (0, vec!["ls", image]),
        (1, vec![]),
        (1, vec!["ls", "--no-such-flag", image]),
        (1, vec!["ls", "-o", "no-such-word", image]),
        (1, vec!["completions", "no-such-shell"]),
        (32, vec!["ls", text(&no_disc)]),
        (32, vec!["info", "/no/such/image.iso"]),
        (32, vec!["ls", image, "none"]),
        (32, vec!["cat", image, "docs"]),
        (32, vec!["cat", "--tree=enhanced", image, "link"]),
        (32, vec!["extract", image, "none", "-C", "/nowhere"]),
        (64, vec!["ls", image, "none", "docs"]),
        (64, vec!["cat", image, "docs/read.me", "none"]),
    ] {
        let output = program().args(&args).output().unwrap();
        assert_eq!(code(&output), expected, "{args:?}: {}", said(&output));
        assert_eq!(expected == 0, output.stderr.is_empty(), "{args:?}: {}", said(&output));
    }
    // A full disk is neither the user's mistake nor the image's.
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = program().args(["cat", image, "large.bin"]).stdout(full).output().unwrap();
    assert_eq!(code(&output), 2, "{}", said(&output));
    assert!(!Path::new("/nowhere").exists());
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let case = Case::empty();
    Flat { files: 50_000, directories: 10, rock_ridge: true }.write(&case.image).unwrap();
    for args in [&["ls", "-R"][..], &["ls", "-R", "--json"]] {
        let mut child =
            program().args(args).arg(&case.image).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(!line.is_empty() && output.status.success() && output.stderr.is_empty(), "{args:?}: {output:?}");
    }
}

#[test]
fn completions_and_pages_are_made() {
    let dir = tempfile::tempdir().unwrap();
    for (shell, part) in [("bash", "complete -F"), ("zsh", "#compdef mount-iso"), ("fish", "complete -c mount-iso")] {
        let script = printed(["completions", shell]);
        let path = dir.path().join(shell);
        std::fs::write(&path, &script).unwrap();
        let script = String::from_utf8(script).unwrap();
        assert!(script.contains(part) && script.contains("extract") && script.contains("no-overwrite"), "{shell}");
        // A shell that is installed must be able to read its own.
        if let Ok(output) = Command::new(shell).arg("-n").arg(&path).output() {
            assert!(output.status.success(), "{shell}: {}", said(&output));
        }
    }
    let pages = dir.path().join("man/man1");
    printed(["man", text(&pages)]);
    for name in ["mount-iso", "mount-iso-mount", "mount-iso-unmount", "mount-iso-list", "mount-iso-extract"] {
        let page = std::fs::read_to_string(pages.join(format!("{name}.1"))).unwrap();
        assert!(page.contains(".TH") && page.contains("EXIT STATUS"), "{name}");
    }
    assert!(!pages.join("mount-iso-completions.1").exists());
    assert_eq!(printed(["man"]), std::fs::read(pages.join("mount-iso.1")).unwrap());
}
