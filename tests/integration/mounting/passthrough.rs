//! `-o passthrough`: large files that the kernel reads by itself (root, Linux 6.12 and later).

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use memmap2::Mmap;
use nix::errno::Errno;
use nix::sys::signal::Signal;

use super::restart::upgrade;
use super::rig::{Rig, Stops, User, eventually, is_root};
use super::takeover::{big, read, resends};
use crate::build::{self, Content, udf};

/// Mounts an image; whether this kernel passes files through.
fn mounts(rig: &Rig, args: &[&str]) -> bool {
    if !is_root() {
        eprintln!("skipped: only root can have files passed through");
        return false;
    }
    rig.succeed([&["-v", "--log", "log.txt"], args].concat());
    let log = fs::read_to_string(rig.path("log.txt")).unwrap();
    let refusal = log.lines().find(|line| line.contains("no file is passed through"));
    if let Some(line) = refusal {
        eprintln!("skipped: {line}");
    }
    refusal.is_none()
}

/// Bytes that the worker has written until now, almost all of which are answers; `None` while there is none.
fn answered(rig: &Rig) -> Option<u64> {
    let told = fs::read_to_string(format!("/proc/{}/io", rig.worker()?)).ok()?;
    told.lines().find_map(|line| line.strip_prefix("wchar: "))?.parse().ok()
}

/// How many bytes of answers it takes to read a file, if one worker gives them all and they are right.
fn measured(rig: &Rig, path: &Path, expected: &[u8]) -> Option<u64> {
    let (worker, before) = (rig.worker(), answered(rig)?);
    let right = fs::read(path).ok()? == expected;
    let costs = answered(rig)?.checked_sub(before)?;
    (right && rig.worker() == worker).then_some(costs)
}

fn cost(rig: &Rig, path: &Path, expected: &[u8]) -> u64 {
    measured(rig, path, expected).unwrap_or_else(|| panic!("{} is not as expected", path.display()))
}

#[test]
fn large_files_are_read_without_the_worker() {
    let rig = Rig::new(User::Own);
    big(&rig);
    let expected = fs::read(rig.path("content/numbers")).unwrap();
    if !mounts(&rig, &["-o", "passthrough", "x.iso"]) {
        return;
    }
    let path = rig.path("NUMBERS/numbers");
    let costs = cost(&rig, &path, &expected);
    assert!(costs < 64 * 1024, "{costs} bytes went through the worker");
    let file = File::open(&path).unwrap();
    // SAFETY: nobody writes to it.
    #[allow(unsafe_code)]
    let map = unsafe { Mmap::map(&file).unwrap() };
    assert!(map[..] == expected[..], "the map has something else");
    let small = cost(&rig, &rig.path("NUMBERS/sub/big"), &vec![7; 300_000]);
    assert!(small >= 300_000, "{small}: a small file is not worth it");
    let direct = |name: &str| OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(rig.path(name));
    assert_eq!(direct("NUMBERS/numbers").unwrap_err().raw_os_error(), Some(Errno::EINVAL as i32));
    assert!(direct("NUMBERS/sub/big").is_ok());
    assert!(fs::read(&path).unwrap() == expected, "it opens as before");
    drop((map, file));
    rig.succeed(["unmount", "x.iso"]);
    rig.expect_nothing_left();
    // And without the option:
    rig.succeed(["x.iso"]);
    assert!(cost(&rig, &path, &expected) >= expected.len() as u64);
    direct("NUMBERS/numbers").unwrap();
    rig.succeed(["unmount", "x.iso"]);
    rig.expect_nothing_left();
}

#[test]
fn pieces_holes_and_odd_places_are_those_of_the_disc() {
    use build::{Image, Node, Rock};
    const MIB: u64 = 1024 * 1024;
    let pattern = |seed, len| Content::Pattern { seed, len };
    let iso = [
        ("one", pattern(1, 3 * MIB + 77), true),
        ("apart", pattern(2, 3 * MIB + 1), true),
        ("odd", pattern(3, 2 * MIB), false),
        ("many", pattern(4, 2 * MIB), false),
        ("small", pattern(5, MIB - 1), false),
    ];
    let sections = |name: &str| match name {
        "apart" => vec![MIB, MIB / 2],
        "odd" => vec![2047, 1],
        "many" => vec![16 * 1024; 127],
        _ => vec![],
    };
    let marks = vec![(5000, b"mark".to_vec()), (2 * MIB, b"middle".to_vec()), (4 * MIB - 3, b"end".to_vec())];
    let holes = [
        ("sparse", Content::Holes { len: 4 * MIB, marks }, true),
        ("hole", Content::Holes { len: 4 * MIB, marks: vec![] }, true),
        ("whole", pattern(6, MIB + 513), true),
    ];
    let rig = Rig::new(User::Own);
    let mut image = Image::new().rock_ridge(Rock::V1_12);
    for (name, content, _) in &iso {
        let node = Node::file(content.clone()).sections(&sections(name));
        let apart = if matches!(*name, "apart" | "many") { 3 } else { 0 };
        image = image.add(&format!("/{name}"), node.with(|node| node.apart = apart));
    }
    image.write(&rig.path("iso.iso")).unwrap();
    for size in [512, 2048, 4096] {
        let mut image = udf::Image::new(0x201).block_size(size);
        for (name, content, _) in &holes {
            let node = udf::Node::file(content.clone());
            let sparse = matches!(content, Content::Holes { .. });
            image = image.add(&format!("/{name}"), if sparse { node.sparse(size.into()) } else { node });
        }
        image.write(&rig.path(format!("{size}.udf"))).unwrap();
    }
    let images = [("iso.iso", &iso[..]), ("512.udf", &holes[..]), ("2048.udf", &holes[..]), ("4096.udf", &holes[..])];
    let mount = rig.directory("m");
    for (image, files) in images {
        if !mounts(&rig, &["-o", "passthrough", image, "m"]) {
            return;
        }
        for (name, content, passed_through) in files {
            let costs = cost(&rig, &mount.join(name), &content.bytes());
            assert_eq!(costs < content.len() / 2, *passed_through, "{image}: {name} costs {costs} bytes");
        }
        rig.succeed(["unmount", "m"]);
        rig.expect_nothing_left();
    }
}

#[test]
fn what_is_passed_through_outlives_workers_and_programs() {
    let rig = Rig::new(User::Own);
    big(&rig);
    let expected = fs::read(rig.path("content/numbers")).unwrap();
    if !resends() || !mounts(&rig, &["-o", "passthrough", "x.iso"]) {
        return;
    }
    let path = rig.path("NUMBERS/numbers");
    let open = File::open(&path).unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let _stops = Stops(&stop);
        let readers: Vec<_> = (0..4)
            .map(|seed| {
                let (path, stop) = (&path, &stop);
                scope.spawn(move || read(path, seed, stop))
            })
            .collect();
        for time in 0..10 {
            let before = rig.worker().unwrap();
            if time % 2 == 0 {
                rig.signal(before, Signal::SIGKILL);
            } else {
                upgrade(&rig);
                rig.succeed(["restart", "x.iso"]);
            }
            eventually("another worker", || rig.worker().is_some_and(|worker| worker != before));
            // While it is open the kernel takes it in no other way.
            assert!(fs::read(&path).unwrap() == expected, "it opens as before");
        }
        stop.store(true, Ordering::Relaxed);
        for reader in readers {
            assert!(reader.join().unwrap() > 0);
        }
    });
    assert!(cost(&rig, &path, &expected) < 64 * 1024, "it is passed through still");
    drop(open);
    rig.succeed(["unmount", "x.iso"]);
    rig.expect_nothing_left();
}

#[test]
fn an_image_that_is_cut_gives_errors_and_never_zeros() {
    let rig = Rig::new(User::Own);
    big(&rig);
    let whole = fs::read(rig.path("x.iso")).unwrap();
    let expected = fs::read(rig.path("content/numbers")).unwrap();
    if !mounts(&rig, &["-o", "passthrough", "x.iso"]) {
        return;
    }
    let path = rig.path("NUMBERS/numbers");
    let open = File::open(&path).unwrap();
    let image = OpenOptions::new().write(true).open(rig.path("x.iso")).unwrap();
    // In the middle of a page.
    image.set_len(whole.len() as u64 / 2 + 1000).unwrap();
    let (mut right, mut lost) = (0, 0);
    for (number, block) in expected.chunks(4096).enumerate() {
        let mut bytes = vec![0; block.len()];
        match open.read_exact_at(&mut bytes, number as u64 * 4096) {
            Ok(()) => {
                assert!(bytes == block, "block {number}");
                right += 1;
            }
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(Errno::EIO as i32), "block {number}: {error}");
                lost += 1;
            }
        }
    }
    assert!(right > 2000 && lost > 2000, "{right} blocks, and {lost} errors");
    image.write_all_at(&whole, 0).unwrap();
    let anew = || File::open(&path).and_then(|mut file| file.read_to_end(&mut Vec::new())).is_ok();
    eventually("it can be read again", anew);
    assert!(fs::read(&path).unwrap() == expected);
    let mut bytes = vec![0; expected.len()];
    open.read_exact_at(&mut bytes, 0).unwrap();
    assert!(bytes == expected, "what was open all the time");
    drop(open);
    thread::sleep(Duration::from_millis(50));
    rig.succeed(["unmount", "x.iso"]);
    rig.expect_nothing_left();
}

#[test]
fn another_image_in_its_place_is_passed_through_in_turn() {
    let rig = Rig::new(User::Own);
    big(&rig);
    let former = fs::read(rig.path("content/numbers")).unwrap();
    fs::rename(rig.path("x.iso"), rig.path("former.iso")).unwrap();
    let turned: Vec<u8> = former.iter().rev().copied().collect();
    fs::write(rig.path("content/numbers"), &turned).unwrap();
    fs::write(rig.path("content/another"), "file").unwrap();
    assert!(rig.shell("xorriso -as mkisofs -quiet -R -V ANOTHER -o other.iso content").status.success());
    fs::copy(rig.path("former.iso"), rig.path("x.iso")).unwrap();
    if !mounts(&rig, &["-o", "passthrough", "x.iso"]) {
        return;
    }
    let path = rig.path("NUMBERS/numbers");
    assert!(cost(&rig, &path, &former) < 64 * 1024);
    let image = OpenOptions::new().write(true).open(rig.path("x.iso")).unwrap();
    for (name, expected) in [("other.iso", &turned), ("former.iso", &former), ("other.iso", &turned)] {
        let bytes = fs::read(rig.path(name)).unwrap();
        image.write_all_at(&bytes, 0).unwrap();
        image.set_len(bytes.len() as u64).unwrap();
        eventually("the other one is passed through", || {
            measured(&rig, &path, expected).is_some_and(|costs| costs < 64 * 1024)
        });
    }
    rig.succeed(["unmount", "x.iso"]);
    rig.expect_nothing_left();
}
