//! What everyday programs find on a mount: the tree that was mastered.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirEntryExt, FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use crate::build::{Content, Image, Node, Rock};
use crate::drive::Drive;

/// Says that something can't be tested here; a failure when `MOUNT_ISO_TEST_ALL` asks for everything.
pub fn skip(what: &str) {
    assert!(std::env::var_os("MOUNT_ISO_TEST_ALL").is_none(), "{what}");
    eprintln!("skipped: {what}");
}

/// What a shell prints; it must succeed without a complaint. `$A` and `$B` are two paths.
fn shell(script: &str, a: &Path, b: &Path) -> String {
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .env("A", a)
        .env("B", b)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .output()
        .expect("there is a shell");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{script}: {}: {said}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        skip(&format!("{program} is not installed"));
    }
    found
}

/// A tree on disk and a disc mastered from it.
struct Mastered {
    dir: tempfile::TempDir,
    tree: PathBuf,
    image: PathBuf,
}

impl Mastered {
    fn new() -> Option<Self> {
        if !installed("xorriso") {
            return None;
        }
        let dir = tempfile::tempdir().expect("a directory");
        let (tree, image) = (dir.path().join("tree"), dir.path().join("disc.iso"));
        fill(&tree);
        let output = Command::new("xorriso")
            .args(["-as", "mkisofs", "-quiet", "-R", "-J", "-joliet-long", "--hardlinks", "-V", "TOOLS", "-o"])
            .arg(&image)
            .arg(&tree)
            .env("LC_ALL", "C.UTF-8")
            .output()
            .expect("xorriso can be run");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(Self { dir, tree, image })
    }

    fn mount(&self) -> Drive {
        Drive::mount(&self.image, "").expect("the disc is mounted")
    }

    fn scratch(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::create_dir(&path).expect("it is new");
        path
    }
}

fn fill(tree: &Path) {
    let file = |name: &str, bytes: &[u8], mode: u32, time: u64| {
        let path = tree.join(name);
        std::fs::create_dir_all(path.parent().expect("it is below")).unwrap();
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        std::fs::File::open(&path).unwrap().set_modified(UNIX_EPOCH + Duration::from_secs(time)).unwrap();
    };
    file("readme.txt", b"read me\n", 0o644, 1_000_000_000);
    file("empty", b"", 0o600, 1_100_000_000);
    file("bin/program", b"#!/bin/sh\necho ran\n", 0o755, 1_200_000_000);
    file("docs/naïve Ω 日本語.txt", b"unicode", 0o640, 1_300_000_000);
    file("docs/new\nline", b"n", 0o444, 946_684_801);
    file(&format!("docs/{}", "n".repeat(255)), b"a long name", 0o644, 1_000_000_000);
    file("deep/1/2/3/4/5/6/7/8/9/file", b"deep", 0o644, 1_400_000_000);
    for number in 0_u64..200 {
        let bytes = Content::Pattern { seed: number, len: number * 997 }.bytes();
        file(&format!("many/file {number}"), &bytes, 0o644, 1_500_000_000 + number);
    }
    file("large", &Content::Pattern { seed: 9, len: 9_000_001 }.bytes(), 0o644, 1_600_000_000);
    std::fs::hard_link(tree.join("readme.txt"), tree.join("docs/hard")).unwrap();
    std::fs::hard_link(tree.join("readme.txt"), tree.join("docs/hard too")).unwrap();
    std::os::unix::fs::symlink("../readme.txt", tree.join("docs/link")).unwrap();
    std::os::unix::fs::symlink("/no/such/place", tree.join("dangling")).unwrap();
    let mut directories: Vec<PathBuf> = walked(tree).into_iter().filter(|path| path.is_dir()).collect();
    directories.push(tree.to_owned());
    for directory in directories {
        std::fs::File::open(directory).unwrap().set_modified(UNIX_EPOCH + Duration::from_secs(1_250_000_000)).unwrap();
    }
}

/// Everything below a directory.
fn walked(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(walked(&entry.path()));
        }
        found.push(entry.path());
    }
    found
}

/// Everything but what each file system has its own way with: sizes and link counts of directories, and the times of
/// symbolic links, which cp, tar and rsync set or don't.
const LIST: &str = r"cd $A; find . \( -type d -printf '%y %m %U %G %T@ %P\0' \) -o \
    \( -type l -printf '%y %U %G %P -> %l\0' \) -o -printf '%y %m %U %G %n %s %T@ %P\0' | sort -z | tr '\0' '|'";

fn list(directory: &Path) -> String {
    shell(LIST, directory, directory)
}

#[track_caller]
fn assert_same(left: &str, right: &str) {
    let (left, right): (Vec<_>, Vec<_>) = (left.split('|').collect(), right.split('|').collect());
    let only = |a: &[&str], b: &[&str]| a.iter().filter(|line| !b.contains(line)).map(|l| (*l).to_owned()).collect();
    let (gone, new): (Vec<String>, Vec<String>) = (only(&left, &right), only(&right, &left));
    assert!(gone.is_empty() && new.is_empty(), "expected {gone:#?}, found {new:#?}");
}

#[test]
fn find_sees_the_tree() {
    let Some(disc) = Mastered::new() else { return };
    assert_same(&list(&disc.tree), &list(disc.mount().path()));
}

#[test]
fn copies_are_the_tree() {
    let Some(disc) = Mastered::new() else { return };
    let drive = disc.mount();
    let expected = list(&disc.tree);
    let to = disc.scratch("cp");
    shell("cp -a $A/. $B", drive.path(), &to);
    assert_same(&expected, &list(&to));
    let to = disc.scratch("tar");
    shell("tar -C $A -cf - . | tar -C $B -xpf -", drive.path(), &to);
    assert_same(&expected, &list(&to));
    shell("tar -C $A -cf $B.tar . && tar -C $A --compare -f $B.tar", drive.path(), &to);
    if installed("rsync") {
        let to = disc.scratch("rsync");
        shell("rsync -aH $A/ $B", drive.path(), &to);
        assert_same(&expected, &list(&to));
        // Nothing is left to do, not even after a look at every byte.
        assert_eq!(shell("rsync -aHnci --delete $A/ $B", drive.path(), &disc.tree), "");
    }
    if installed("cpio") {
        let to = disc.scratch("cpio");
        shell("cd $A; find . -depth -print0 | cpio -0 --quiet -pdm $B", drive.path(), &to);
        shell("diff -r --no-dereference $A $B", &disc.tree, &to);
    }
}

#[test]
fn checksums_are_right() {
    let Some(disc) = Mastered::new() else { return };
    let drive = disc.mount();
    let sums = disc.dir.path().join("sums");
    shell("cd $A; find . -type f -print0 | xargs -0 sha256sum > $B", &disc.tree, &sums);
    shell("cd $A; sha256sum --quiet --strict -c $B", drive.path(), &sums);
    shell("diff -r --no-dereference $A $B", &disc.tree, drive.path());
}

#[test]
fn stat_and_df_tell_the_truth() {
    let Some(disc) = Mastered::new() else { return };
    let drive = disc.mount();
    let stat =
        "stat -c '%A %a %h %s %u %g %Y %F' $A/large $A/readme.txt $A/empty; stat -c '%N' $A/docs/link | tail -c 18";
    assert_eq!(shell(stat, drive.path(), &disc.tree), shell(stat, &disc.tree, &disc.tree));
    // 9,000,001 bytes take 4395 sectors of 2048 bytes, whole blocks of 512.
    let blocks = std::fs::metadata(drive.path().join("large")).unwrap().blocks();
    assert!((17_579..=17_580).contains(&blocks), "{blocks}");
    assert!(std::fs::metadata(drive.path().join("bin")).unwrap().permissions().mode() & 0o111 != 0);
    assert_eq!(shell("$A/bin/program", drive.path(), &disc.tree), "ran\n");

    let df = shell("df -B1 --output=size,avail,pcent,fstype $A | tail -n 1", drive.path(), &disc.tree);
    let words: Vec<_> = df.split_whitespace().collect();
    // The volume is as large as it states to be; the image may have padding behind it, never the reverse.
    let (size, image) = (words[0].parse::<u64>().unwrap(), std::fs::metadata(&disc.image).unwrap().len());
    assert!(size > 9_000_000 && size <= image, "{size} of {image}");
    assert_eq!(&words[1..3], ["0", "100%"], "nothing is free");
    assert!(words[3].starts_with("fuse"), "{df}");
    // The root counts, and hard links by their names.
    let files =
        || shell("df --output=itotal $A | tail -n 1", drive.path(), &disc.tree).trim().parse::<usize>().unwrap();
    crate::mounting::rig::eventually("they are counted", || files() != 0);
    assert_eq!(files(), walked(&disc.tree).len() + 1);
    assert_eq!(shell("stat -f -c '%l %s' $A", drive.path(), &disc.tree), "255 2048\n");
}

#[test]
fn nothing_can_be_written() {
    let Some(disc) = Mastered::new() else { return };
    let drive = disc.mount();
    let path = drive.path().join("readme.txt");
    let rofs = Some(libc::EROFS);
    assert_eq!(std::fs::write(&path, "x").unwrap_err().raw_os_error(), rofs);
    assert_eq!(std::fs::remove_file(&path).unwrap_err().raw_os_error(), rofs);
    assert_eq!(std::fs::create_dir(drive.path().join("new")).unwrap_err().raw_os_error(), rofs);
    assert_eq!(std::fs::rename(&path, drive.path().join("x")).unwrap_err().raw_os_error(), rofs);
    let mode = std::fs::Permissions::from_mode(0o777);
    assert_eq!(std::fs::set_permissions(&path, mode).unwrap_err().raw_os_error(), rofs);
    assert_eq!(std::fs::read(&path).unwrap(), b"read me\n");
}

#[test]
fn names_that_are_too_long_are_told_so() {
    let Some(disc) = Mastered::new() else { return };
    let drive = disc.mount();
    for number in 0..64 {
        let name = format!("{number:02}{}", "x".repeat(254));
        let error = std::fs::metadata(drive.path().join("docs").join(name)).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENAMETOOLONG));
    }
    assert_eq!(std::fs::read(drive.path().join("docs").join("n".repeat(255))).unwrap(), b"a long name");
    let absent = std::fs::metadata(drive.path().join("n".repeat(255))).unwrap_err();
    assert_eq!(absent.raw_os_error(), Some(libc::ENOENT));
}

#[test]
fn numbers_are_the_same_after_a_remount() {
    let Some(disc) = Mastered::new() else { return };
    let numbers = |drive: &Drive| -> Vec<(PathBuf, u64, u64)> {
        let mut list: Vec<_> = walked(drive.path())
            .into_iter()
            .map(|path| {
                let data = std::fs::symlink_metadata(&path).unwrap();
                (path.strip_prefix(drive.path()).unwrap().to_owned(), data.ino(), data.nlink())
            })
            .collect();
        list.sort();
        list
    };
    let first = numbers(&disc.mount());
    assert_eq!(first, numbers(&disc.mount()));
    let hard: Vec<_> = first.iter().filter(|(_, _, links)| *links == 3).collect();
    assert_eq!(hard.len(), 3, "{hard:?}");
    assert!(hard.iter().all(|(_, number, _)| *number == hard[0].1), "{hard:?}");
    let different: std::collections::HashSet<_> = first.iter().map(|(_, number, _)| number).collect();
    assert_eq!(different.len(), first.len() - 2, "only hard links share a number");
    // What readdir says is what stat says.
    let drive = disc.mount();
    for directory in ["", "docs", "many", "deep/1/2/3/4/5/6/7/8"] {
        let directory = drive.path().join(directory);
        for entry in std::fs::read_dir(&directory).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.ino(), std::fs::symlink_metadata(entry.path()).unwrap().ino(), "{entry:?}");
        }
    }
}

#[test]
fn many_readers_at_once_read_the_same() {
    let Some(disc) = Mastered::new() else { return };
    let drive = disc.mount();
    let large = Content::Pattern { seed: 9, len: 9_000_001 }.bytes();
    std::thread::scope(|scope| {
        for reader in 0..8_u64 {
            let (drive, large) = (&drive, &large);
            scope.spawn(move || {
                let file = std::fs::File::open(drive.path().join("large")).unwrap();
                let mut state = reader.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
                let mut buffer = vec![0; 200_000];
                for _ in 0..100 {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let at = (state >> 33) as usize % large.len();
                    let n = file.read_at(&mut buffer, at as u64).unwrap();
                    assert_eq!(n, buffer.len().min(large.len() - at), "reads are whole");
                    assert!(buffer[..n] == large[at..at + n]);
                }
                for number in (reader..200).step_by(3) {
                    let bytes = std::fs::read(drive.path().join(format!("many/file {number}"))).unwrap();
                    assert!(bytes == Content::Pattern { seed: number, len: number * 997 }.bytes());
                }
                assert_eq!(std::fs::read_dir(drive.path().join("many")).unwrap().count(), 200);
            });
        }
    });
}

#[test]
fn extended_attributes_are_those_of_the_disc() {
    if !installed("xorriso") || !installed("getfattr") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (tree, image) = (dir.path().join("tree"), dir.path().join("disc.iso"));
    std::fs::create_dir_all(tree.join("dir")).unwrap();
    for name in ["file", "plain", "dir/inner"] {
        std::fs::write(tree.join(name), name).unwrap();
    }
    let long = "v".repeat(700);
    let output = Command::new("xorriso")
        .args(["-xattr", "on", "-volid", "XATTR", "-outdev"])
        .arg(&image)
        .arg("-map")
        .args([&tree, Path::new("/")])
        .args(["-setfattr", "user.comment", "hello", "/file", "--"])
        .args(["-setfattr", "user.long", &long, "/file", "--"])
        .args(["-setfattr", "user.note", "of a directory", "/dir", "--"])
        .args(["-commit", "-end"])
        .output()
        .expect("xorriso can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let drive = Drive::mount(&image, "").expect("the disc is mounted");
    let get = |words: &str| shell(&format!("cd $A; {words}"), drive.path(), drive.path());
    assert_eq!(get("getfattr --only-values -n user.comment file"), "hello");
    assert_eq!(get("getfattr --only-values -n user.long file"), long);
    assert_eq!(get("getfattr --only-values -n user.note dir"), "of a directory");
    let names = get("getfattr -d file | sort");
    assert!(names.contains("user.comment=\"hello\"") && names.contains("user.long="), "{names}");
    assert_eq!(get("getfattr -d plain dir/inner"), "");
    assert_eq!(
        get("getfattr -n user.none file 2>&1 || true"),
        "file: user.none: No such attribute\n",
        "what is not there is told as such"
    );
}

/// struct file_handle of open_by_handle_at(2), with room for any handle.
#[repr(C)]
struct Handle {
    bytes: u32,
    kind: i32,
    data: [u8; 128],
}

fn handle_of(path: &Path) -> Handle {
    let path = std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap();
    let mut handle = Handle { bytes: 128, kind: 0, data: [0; 128] };
    let mut mount = 0;
    // SAFETY: the path ends with NUL; the handle is laid out as the kernel has it and says how much room it has.
    let result = unsafe {
        libc::syscall(libc::SYS_name_to_handle_at, libc::AT_FDCWD, path.as_ptr(), &raw mut handle, &raw mut mount, 0)
    };
    assert_eq!(result, 0, "name_to_handle_at: {}", std::io::Error::last_os_error());
    handle
}

fn open_handle(mount: &std::fs::File, handle: &Handle) -> std::io::Result<OwnedFd> {
    // SAFETY: the handle is one that the kernel has written.
    let result =
        unsafe { libc::syscall(libc::SYS_open_by_handle_at, mount.as_raw_fd(), &raw const *handle, libc::O_RDONLY) };
    match i32::try_from(result) {
        // SAFETY: the kernel has just opened it for us.
        Ok(file) if file >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(file) }),
        _ => Err(std::io::Error::last_os_error()),
    }
}

#[test]
fn file_handles_outlive_a_remount() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root opens file handles");
        return;
    }
    let Some(disc) = Mastered::new() else { return };
    let names = ["large", "docs/hard", "deep/1/2/3/4/5/6/7/8/9/file", "many/file 150", "deep/1/2/3/4/5/6/7/8", "docs"];
    let drive = disc.mount();
    let handles: Vec<_> = names.map(|name| handle_of(&drive.path().join(name))).into();
    drop(drive);
    let drive = disc.mount();
    let root = std::fs::File::open(drive.path()).unwrap();
    for (name, handle) in names.iter().zip(&handles) {
        let file = open_handle(&root, handle).unwrap_or_else(|error| panic!("{name}: {error}"));
        let file = std::fs::File::from(file);
        let (by_handle, by_name) = (file.metadata().unwrap(), std::fs::metadata(drive.path().join(name)).unwrap());
        assert_eq!((by_handle.ino(), by_handle.len()), (by_name.ino(), by_name.len()), "{name}");
        if by_name.is_file() {
            let path = format!("/proc/self/fd/{}", file.as_raw_fd());
            assert!(std::fs::read(path).unwrap() == std::fs::read(disc.tree.join(name)).unwrap(), "{name}");
        } else {
            // A directory finds its way up: its path is known again.
            let path = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap();
            assert_eq!(path, drive.path().join(name).canonicalize().unwrap());
        }
    }
    // A number that names nothing is stale, whatever stands at that place.
    let mut wrong = handle_of(&drive.path().join("large"));
    wrong.data[..4].copy_from_slice(&0x7FFF_FFF1_u32.to_ne_bytes());
    let error = open_handle(&root, &wrong).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ESTALE), "{error}");
}

#[test]
fn lost_data_is_an_error_and_never_zeros() {
    let image = Image::new()
        .rock_ridge(Rock::V1_10)
        .add("/a-good", Node::pattern(1, 50_000))
        .add("/b-lost", Node::pattern(2, 1_000_000));
    let start = image.layout().extent("/b-lost");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cut.iso");
    // The image ends in the middle of a page.
    let good = 300_000;
    image.truncate(start + good).write(&path).unwrap();
    for options in ["io=mmap", "io=pread"] {
        let drive = Drive::mount(&path, options).expect("what is there is mounted");
        let file = std::fs::File::open(drive.path().join("b-lost")).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 1_000_000);
        let expected = Content::Pattern { seed: 2, len: 1_000_000 }.bytes();
        let mut buffer = vec![0; 4096];
        for at in (0..1_000_000_u64).step_by(4096) {
            let whole = (1_000_000 - at).min(4096);
            match file.read_at(&mut buffer, at) {
                Ok(n) => {
                    assert!(at + whole <= good, "{options}: byte {at} was read though it is lost");
                    assert_eq!(n as u64, whole, "{options}: short at {at}");
                    assert!(buffer[..n] == expected[at as usize..][..n]);
                }
                Err(error) => {
                    assert_eq!(error.raw_os_error(), Some(libc::EIO), "{options} at {at}");
                    assert!(at + whole > good, "{options}: byte {at} is there and can't be read");
                }
            }
        }
        assert!(
            std::fs::read(drive.path().join("a-good")).unwrap() == Content::Pattern { seed: 1, len: 50_000 }.bytes()
        );
    }
}

#[test]
fn holes_can_be_sought() {
    let holes = Content::Holes { len: 4 << 20, marks: vec![(1 << 20, b"mark".to_vec())] };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sparse.iso");
    Image::new()
        .rock_ridge(Rock::V1_12)
        .add("/sparse", Node::file(holes).with(|node| node.sparse = Some(0)))
        .write(&path)
        .unwrap();
    let drive = Drive::mount(&path, "").expect("the disc is mounted");
    let file = std::fs::File::open(drive.path().join("sparse")).unwrap();
    let seek = |at: i64, whence| nix::unistd::lseek(&file, at, whence);
    let data = seek(0, nix::unistd::Whence::SeekData).unwrap();
    assert!(((1 << 20) - 65_536..=1 << 20).contains(&data), "{data}");
    let hole = seek(data, nix::unistd::Whence::SeekHole).unwrap();
    assert!(hole > 1 << 20 && hole <= (1 << 20) + 65_536, "{hole}");
    assert!(seek(hole, nix::unistd::Whence::SeekData).is_err());
    let data = file.metadata().unwrap();
    assert!(data.blocks() * 512 < 1 << 20, "{} blocks of a file of 4 MiB of holes", data.blocks());
}

#[test]
fn lookups_ignore_case_only_where_they_should() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("case.iso");
    let image = Image::new().rock_ridge(Rock::V1_10).joliet(3).add("/Read Me.txt", Node::text("r"));
    image.write(&path).unwrap();
    let finds = |options: &str, name: &str| {
        Drive::mount(&path, options).expect("the disc is mounted").path().join(name).exists()
    };
    assert!(finds("", "Read Me.txt") && !finds("", "READ ME.TXT"));
    assert!(finds("norock", "READ ME.TXT") && finds("norock", "Read Me.txt."));
    assert!(!finds("norock,check=strict", "READ ME.TXT"));
    assert!(finds("check=relaxed", "READ ME.TXT"));
}

#[test]
fn an_image_that_shrinks_costs_only_what_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shrinks.iso");
    let image = Image::new()
        .rock_ridge(Rock::V1_10)
        .add("/a-good", Node::pattern(1, 50_000))
        .add("/b-lost", Node::pattern(2, 1_000_000));
    for options in ["io=mmap", "io=pread"] {
        let layout = image.write(&path).unwrap();
        let drive = Drive::mount(&path, options).expect("the disc is mounted");
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_len(layout.extent("/b-lost") + 300_000).unwrap();
        let lost = std::fs::File::open(drive.path().join("b-lost")).unwrap();
        let mut buffer = vec![0; 4096];
        let error = lost.read_at(&mut buffer, 900_000).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EIO), "{options}");
        lost.read_exact_at(&mut buffer, 0).unwrap();
        assert!(buffer == Content::Pattern { seed: 2, len: 1_000_000 }.bytes()[..4096]);
        assert!(
            std::fs::read(drive.path().join("a-good")).unwrap() == Content::Pattern { seed: 1, len: 50_000 }.bytes()
        );
        assert_eq!(std::fs::read_dir(drive.path()).unwrap().count(), 2, "{options}: the drive lives");
    }
}

#[test]
fn the_root_is_number_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("root.iso");
    Image::new().rock_ridge(Rock::V1_10).add("/dir/file", Node::text("f")).write(&path).unwrap();
    let drive = Drive::mount(&path, "").expect("the disc is mounted");
    let number = |name: &str| std::fs::metadata(drive.path().join(name)).unwrap().ino();
    assert_eq!((number(""), number("dir/..")), (1, 1));
    assert!(number("dir") != 1 && number("dir/file") != 1);
}

#[test]
fn the_enhanced_tree_has_its_own_names() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("enhanced.iso");
    let name = "a long name of mixed Case and of more than thirty-one characters.text";
    let image = Image::new().with(|image| image.enhanced = true).add(&format!("/{name}"), Node::text("f"));
    image.write(&path).unwrap();
    for options in ["", "tree=enhanced"] {
        let drive = Drive::mount(&path, options).expect("the disc is mounted");
        assert_eq!(std::fs::read(drive.path().join(name)).unwrap(), b"f", "{options}");
    }
    let drive = Drive::mount(&path, "tree=primary").expect("the disc is mounted");
    assert!(!drive.path().join(name).exists() && std::fs::read_dir(drive.path()).unwrap().count() == 1);
}
