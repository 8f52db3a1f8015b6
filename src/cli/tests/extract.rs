use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};

use super::*;
use crate::cli::tests_volume::{Body, TestVolume};
use crate::time::Timestamp;
use crate::tree::Presentation;
use crate::volume::FileType;

const CHOICES: Choices = Choices { existing: Existing::Refuse, owners: false, devices: false };

fn extract(volume: TestVolume, to: &Path, paths: &[&[u8]], choices: Choices) -> (Code, String) {
    extract_with(3, volume, to, paths, choices)
}

fn extract_with(threads: u16, volume: TestVolume, to: &Path, paths: &[&[u8]], choices: Choices) -> (Code, String) {
    let tree = volume.tree();
    let mut error = Vec::new();
    let mut messages = Messages::new(Path::new("t.iso"), &mut error);
    let (selection, _) = select(&tree, paths, &mut messages);
    let presentation = Presentation::default();
    let target = Target::open(to).unwrap();
    let extraction = Extraction::new(&tree, &presentation, &mut messages, target, choices);
    extraction.threads(super::threads(Some(threads))).run(&selection).unwrap();
    let code = messages.finish();
    drop(messages);
    (code, String::from_utf8(error).unwrap())
}

fn volume() -> TestVolume {
    let mut volume = TestVolume::default();
    volume.add(1, b"dir", 2, FileType::Directory).permissions = Some(0o2555);
    volume.file(2, b"one", 3, Body::new(b"first".to_vec())).links = Some(2);
    volume.add(2, b"sub", 4, FileType::Directory);
    volume.name(4, b"two", 3, FileType::Regular);
    volume.link(1, b"link", 5, b"../../etc/passwd");
    volume.file(1, b"sparse", 6, Body::new(vec![7; 3 << 20]).hole(1 << 20..2 << 20)).permissions = None;
    volume.add(1, b"pipe", 7, FileType::Fifo).permissions = Some(0o620);
    volume
}

#[test]
fn a_tree_with_all_that_belongs_to_it() {
    let place = tempfile::tempdir().unwrap();
    let to = place.path().join("new/target");
    let (code, error) = extract(volume(), &to, &[], CHOICES);
    assert_eq!(code, Code::Success, "{error}");
    let meta = |path: &str| fs::symlink_metadata(to.join(path)).unwrap();
    let one = meta("dir/one");
    assert_eq!((one.ino(), one.nlink()), (meta("dir/sub/two").ino(), 2));
    assert_eq!((one.mtime(), one.mtime_nsec(), one.mode() & 0o7777), (1_714_737_600, 5, 0o644));
    let dir = meta("dir");
    assert_eq!((dir.mtime(), dir.mode() & 0o7777), (1_714_737_600, 0o555));
    assert!(error.contains("dir: its set-user-ID"), "{error}");
    assert_eq!(fs::read_link(to.join("link")).unwrap(), Path::new("../../etc/passwd"));
    assert_eq!(meta("link").mtime(), 1_714_737_600);
    let sparse = meta("sparse");
    assert_eq!(sparse.len(), 3 << 20);
    assert!(sparse.blocks() * 512 < 3 << 20);
    let bytes = fs::read(to.join("sparse")).unwrap();
    assert_eq!(bytes.iter().filter(|byte| **byte == 7).count(), 2 << 20);
    // No mode recorded: that of a new file.
    fs::write(place.path().join("new file"), "").unwrap();
    let usual = fs::metadata(place.path().join("new file")).unwrap().mode();
    assert_eq!(sparse.mode(), usual);
    assert!(meta("pipe").file_type().is_fifo());
    assert_eq!(meta("pipe").mode() & 0o777, 0o620);
    assert_eq!(fs::metadata(&to).unwrap().mtime(), 1_714_737_600);
    assert_eq!(fs::read_dir(&to).unwrap().count(), 4);
}

#[test]
fn only_what_is_named() {
    let place = tempfile::tempdir().unwrap();
    let (code, error) = extract(volume(), place.path(), &[b"/dir/sub", b"none"], CHOICES);
    assert_eq!(code, Code::Partial);
    assert!(error.contains("t.iso: none: no such file or directory"), "{error}");
    assert_eq!(fs::read(place.path().join("dir/sub/two")).unwrap(), b"first");
    assert!(!place.path().join("dir/one").exists());
    assert!(!place.path().join("pipe").exists());
}

#[test]
fn nothing_is_written_through_a_symbolic_link() {
    let place = tempfile::tempdir().unwrap();
    let (outside, to) = (place.path().join("outside"), place.path().join("to"));
    fs::create_dir_all(outside.join("sub")).unwrap();
    fs::create_dir_all(&to).unwrap();
    fs::write(outside.join("victim"), "safe").unwrap();
    symlink(&outside, to.join("dir")).unwrap();
    symlink(outside.join("victim"), to.join("sparse")).unwrap();
    symlink(outside.join("fresh"), to.join("pipe")).unwrap();
    let (code, error) = extract(volume(), &to, &[], CHOICES);
    assert_eq!(code, Code::Partial);
    for name in ["dir", "sparse", "pipe"] {
        assert!(error.contains(&format!("t.iso: {name}: cannot be made: ")), "{error}");
    }
    let untouched = || {
        assert_eq!(fs::read(outside.join("victim")).unwrap(), b"safe");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 2);
        assert_eq!(fs::read_dir(outside.join("sub")).unwrap().count(), 0);
    };
    untouched();
    let (code, error) = extract(volume(), &to, &[], Choices { existing: Existing::Replace, ..CHOICES });
    assert_eq!(code, Code::Success, "{error}");
    untouched();
    assert!(fs::symlink_metadata(to.join("dir")).unwrap().is_dir());
    assert_eq!(fs::symlink_metadata(to.join("sparse")).unwrap().len(), 3 << 20);
}

#[test]
fn what_exists_is_refused_kept_or_replaced() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir_all(place.path().join("dir")).unwrap();
    fs::write(place.path().join("dir/one"), "mine").unwrap();
    fs::set_permissions(place.path().join("dir"), fs::Permissions::from_mode(0o700)).unwrap();
    let one = || fs::read(place.path().join("dir/one")).unwrap();
    let with = |existing| extract(volume(), place.path(), &[b"dir"], Choices { existing, ..CHOICES });
    let (code, error) = with(Existing::Refuse);
    assert_eq!((code, one().as_slice()), (Code::Partial, &b"mine"[..]));
    assert!(error.contains("dir/one: cannot be made: ") && error.contains("--overwrite"), "{error}");
    assert_eq!(fs::metadata(place.path().join("dir")).unwrap().mode() & 0o777, 0o700);
    let (code, _) = with(Existing::Keep);
    assert_eq!((code, one().as_slice()), (Code::Success, &b"mine"[..]));
    let (code, _) = with(Existing::Replace);
    assert_eq!((code, one().as_slice()), (Code::Success, &b"first"[..]));
    // The directory is not writable by now.
    assert_eq!(with(Existing::Replace).0, Code::Success);
    assert_eq!(fs::metadata(place.path().join("dir")).unwrap().mode() & 0o777, 0o555);
}

#[test]
fn damage_is_told_and_the_rest_of_the_file_kept_in_its_place() {
    let place = tempfile::tempdir().unwrap();
    let mut damaged = volume();
    let body = Body::new(vec![9; 20_000]).bad(5000..7000).bad(16_000..16_001);
    damaged.file(1, b"bad\n", 8, body).links = Some(2);
    damaged.name(1, b"same", 8, FileType::Regular);
    damaged.name(1, b"gone", 99, FileType::Regular);
    let (code, error) = extract(damaged, place.path(), &[], CHOICES);
    assert_eq!(code, Code::Partial);
    let told = "t.iso: bad\\x0a: damaged: 4096 of 20000 bytes cannot be read from byte 4096 on (6144 bytes at 2 places \
                in all), they are zeros in the copy: ";
    assert!(error.contains(told), "{error}");
    assert!(error.contains("same: is the same file as bad\\x0a, which is damaged"), "{error}");
    assert!(error.contains("gone: at byte 202752"), "{error}");
    let bytes = fs::read(place.path().join("bad\n")).unwrap();
    assert_eq!((bytes[4095], bytes[4096], bytes[8191], bytes[8192], bytes[19_999]), (9, 0, 0, 9, 9));
    assert_eq!(bytes.len(), 20_000);
}

#[test]
fn a_loop_ends_and_depth_costs_no_descriptors() {
    let place = tempfile::tempdir().unwrap();
    let mut deep = TestVolume::default();
    for number in 1..1500 {
        deep.add(number, b"d", number + 1, FileType::Directory);
    }
    deep.file(1500, b"bottom", 9000, Body::new(b"x".to_vec())).links = Some(2);
    deep.name(1, b"top", 9000, FileType::Regular);
    deep.name(700, b"round", 3, FileType::Directory);
    let (code, error) = extract(deep, &place.path().join("to"), &[], CHOICES);
    assert_eq!(code, Code::Partial);
    assert_eq!(error.matches("not extracted again").count(), 1, "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert_eq!(fs::metadata(place.path().join("to/top")).unwrap().nlink(), 2);
    assert_eq!(fs::metadata(place.path().join("to/d/d")).unwrap().mtime(), 1_714_737_600);
}

#[test]
fn devices_are_left_to_root_and_that_is_no_failure() {
    let place = tempfile::tempdir().unwrap();
    let mut devices = volume();
    devices.add(1, b"null", 8, FileType::CharacterDevice);
    let (code, error) = extract(devices, place.path(), &[], CHOICES);
    assert_eq!(code, Code::Success);
    assert!(error.contains("null: left out: only root may make devices"), "{error}");
    assert!(!place.path().join("null").exists());
}

#[test]
fn times_before_1970_and_owners() {
    let place = tempfile::tempdir().unwrap();
    let mut old = volume();
    old.node_mut(3).times.modified = Some(Timestamp { seconds: -1, nanoseconds: 500_000_000 });
    old.node_mut(3).permissions = Some(0o4711);
    let root = nix::unistd::geteuid().is_root();
    let (code, error) = extract(old, place.path(), &[b"dir/one"], Choices { owners: true, ..CHOICES });
    let one = fs::metadata(place.path().join("dir/one")).unwrap();
    assert_eq!((one.mtime(), one.mtime_nsec()), (-1, 500_000_000));
    if root {
        assert_eq!(code, Code::Success, "{error}");
        assert_eq!((one.uid(), one.gid(), one.mode() & 0o7777), (7, 8, 0o4711));
    } else {
        assert_eq!((code, one.mode() & 0o7777), (Code::Partial, 0o711));
        assert!(error.contains("--no-owner"), "{error}");
    }
}

#[test]
fn the_default_target_is_named_like_the_disc() {
    let tree = TestVolume::default().tree();
    assert_eq!(default_target(&tree, Path::new("/x/a.iso")), Path::new("TEST"));
}

#[test]
fn a_file_with_many_names_stays_one_whichever_thread_is_first() {
    let (names, files) = (12, 150);
    // Of every fifth file the first name is taken by somebody else's, so that another has to become the first.
    for (threads, existing) in
        [(1, Existing::Refuse), (8, Existing::Refuse), (8, Existing::Keep), (8, Existing::Replace)]
    {
        let place = tempfile::tempdir().unwrap();
        let mut volume = TestVolume::default();
        let taken = |file: u64| file.is_multiple_of(5) && existing != Existing::Replace;
        for number in 0..names {
            volume.add(1, format!("dir-{number}").as_bytes(), 10 + number, FileType::Directory);
        }
        for file in 0..files {
            let (id, name) = (1000 + file, format!("file-{file}"));
            let body = Body::new(format!("file {file}").repeat(1 + file as usize % 7 * 3000).into_bytes());
            volume.file(10, name.as_bytes(), id, body).links = Some(names as u32);
            for number in 1..names {
                volume.name(10 + number, name.as_bytes(), id, FileType::Regular);
            }
            if file.is_multiple_of(5) {
                fs::create_dir_all(place.path().join("dir-0")).unwrap();
                fs::write(place.path().join("dir-0").join(name), "somebody else's").unwrap();
            }
        }
        let (code, error) = extract_with(threads, volume, place.path(), &[], Choices { existing, ..CHOICES });
        let expected = if existing == Existing::Refuse { Code::Partial } else { Code::Success };
        assert_eq!(code, expected, "{error}");
        for file in 0..files {
            let meta = |number| fs::metadata(place.path().join(format!("dir-{number}/file-{file}"))).unwrap();
            let own = u64::from(taken(file));
            for number in own..names {
                assert_eq!(meta(number).ino(), meta(own).ino(), "file {file}, name {number}, {existing:?}");
            }
            assert_eq!(meta(own).nlink(), names - own);
            assert_eq!(meta(own).mtime(), 1_714_737_600);
        }
    }
}

#[test]
fn what_is_told_comes_in_the_order_of_the_disc() {
    let mut told = Vec::new();
    for threads in [1, 8] {
        let place = tempfile::tempdir().unwrap();
        let mut volume = TestVolume::default();
        for number in 0..3000_u64 {
            let body = Body::new(vec![1; 3000]);
            let body = if number % 7 == 3 { body.bad(0..1) } else { body };
            volume.file(1, format!("{number:04}").as_bytes(), 10 + number, body);
        }
        let (code, error) = extract_with(threads, volume, place.path(), &[], CHOICES);
        assert_eq!(code, Code::Partial);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 3000);
        told.push(error);
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0].matches("damaged: 2048 of 3000 bytes").count(), 429);
    let lines: Vec<&str> = told[0].lines().filter(|line| line.contains("damaged")).collect();
    assert!(lines.is_sorted());
}

#[test]
fn a_large_file_is_copied_by_several_threads_with_its_holes_and_its_damage() {
    const MIB: u64 = 1 << 20;
    let bytes: Vec<u8> = (0..40 * MIB + 12_345).map(|at| (at / 4096 + at) as u8).collect();
    let mut volume = TestVolume::default();
    let body =
        Body::new(bytes.clone()).hole(9 * MIB..21 * MIB).bad(8 * MIB - 1..8 * MIB + 1).bad(30 * MIB..30 * MIB + 1);
    volume.file(1, b"large", 2, body).links = Some(2);
    volume.name(1, b"same", 2, FileType::Regular);
    let place = tempfile::tempdir().unwrap();
    let (code, error) = extract_with(4, volume, place.path(), &[], CHOICES);
    assert_eq!(code, Code::Partial);
    let told =
        "large: damaged: 4096 of 41955385 bytes cannot be read from byte 8386560 on (6144 bytes at 2 places in all)";
    assert!(error.contains(told), "{error}");
    assert!(error.contains("same: is the same file as large, which is damaged"), "{error}");
    let mut expected = bytes;
    for range in [9 * MIB..21 * MIB, 8 * MIB - 2048..8 * MIB + 2048, 30 * MIB..30 * MIB + 2048] {
        expected[range.start as usize..range.end as usize].fill(0);
    }
    assert!(fs::read(place.path().join("large")).unwrap() == expected);
    let meta = fs::metadata(place.path().join("large")).unwrap();
    assert!(meta.blocks() * 512 < 30 * MIB, "{} blocks", meta.blocks());
    assert_eq!((meta.nlink(), meta.mtime(), meta.mode() & 0o7777), (2, 1_714_737_600, 0o644));
}

#[test]
fn what_a_killed_run_left_is_not_kept_as_if_it_were_whole() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("sparse"), "short").unwrap();
    fs::set_permissions(place.path().join("sparse"), fs::Permissions::from_mode(0o000)).unwrap();
    let (code, error) = extract(volume(), place.path(), &[], Choices { existing: Existing::Keep, ..CHOICES });
    assert_eq!(code, Code::Partial);
    assert!(error.contains("sparse: is there without any permissions") && error.contains("--overwrite"), "{error}");
    let (code, error) = extract(volume(), place.path(), &[], Choices { existing: Existing::Replace, ..CHOICES });
    assert_eq!(code, Code::Success, "{error}");
    assert_eq!(fs::metadata(place.path().join("sparse")).unwrap().len(), 3 << 20);
}
