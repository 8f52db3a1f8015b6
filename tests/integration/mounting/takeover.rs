//! A serving process that dies is followed by another, and no reader notices (Linux 6.9 and later).

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::rig::{Rig, Stops, User, eventually};

/// Whether the kernel gives unanswered requests to another process.
pub fn resends() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut parts = release.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (parts.next().unwrap(), parts.next().unwrap());
    if version < (6, 9) {
        eprintln!("skipped: Linux {} does not give requests to another process", release.trim());
    }
    version >= (6, 9)
}

/// How often a worker is killed; often with MOUNT_ISO_TEST_LONG.
fn kills() -> usize {
    if std::env::var_os("MOUNT_ISO_TEST_LONG").is_some() { 200 } else { 30 }
}

/// An image with one file of 24 MiB, each 8 bytes of which tell their place.
pub fn big(rig: &Rig) {
    let content: Vec<u8> = (0..3 * 1024 * 1024_u64).flat_map(u64::to_le_bytes).collect();
    fs::write(rig.path("content/numbers"), content).unwrap();
    let made = Command::new("xorriso")
        .args(["-as", "mkisofs", "-quiet", "-R", "-V", "NUMBERS", "-o", "x.iso", "content"])
        .current_dir(rig.path(""))
        .status();
    assert!(made.unwrap().success());
}

/// Reads here and there until told to stop, past what the kernel remembers; every byte must be right.
pub fn read(path: &Path, seed: u64, stop: &AtomicBool) -> u64 {
    let file = File::open(path).unwrap();
    let mut state = seed;
    let mut reads = 0;
    let mut block = vec![0; 64 * 1024];
    while !stop.load(Ordering::Relaxed) {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = (state >> 33) % 383 * 65_536;
        nix::fcntl::posix_fadvise(&file, 0, 0, nix::fcntl::PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
        file.read_exact_at(&mut block, at).unwrap();
        let (numbers, _) = block.as_chunks::<8>();
        for (place, number) in (at / 8..).zip(numbers) {
            assert_eq!(u64::from_le_bytes(*number), place);
        }
        reads += 1;
    }
    reads
}

#[test]
fn readers_do_not_notice_that_workers_are_killed() {
    if !resends() {
        return;
    }
    for user in [User::Own, User::Nobody] {
        let rig = Rig::new(user);
        big(&rig);
        rig.succeed(["x.iso"]);
        let mount = rig.path("NUMBERS");
        let holder = rig.processes()[0];
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let _stops = Stops(&stop);
            // Another user's drive is no place for root: there a program of that user's reads.
            let own = user == User::Own || !super::rig::is_root();
            let readers: Vec<_> = (0..if own { 8 } else { 0 })
                .map(|seed| {
                    let (path, stop) = (mount.join("numbers"), &stop);
                    scope.spawn(move || read(&path, seed, stop))
                })
                .collect();
            let mut expected = fs::read(rig.path("content/numbers")).unwrap();
            for _ in 0..kills() {
                let before = rig.worker().unwrap();
                rig.signal(before, Signal::SIGKILL);
                if !own {
                    assert_eq!(rig.read(&mount.join("hello.txt")).as_deref(), Some(&b"hello\n"[..]));
                    assert_eq!(rig.read(&mount.join("numbers")).as_ref(), Some(&expected));
                }
                eventually("another worker", || rig.worker().is_some_and(|worker| worker != before));
            }
            expected.clear();
            stop.store(true, Ordering::Relaxed);
            for reader in readers {
                assert!(reader.join().unwrap() > 0);
            }
        });
        assert_eq!(rig.processes()[0], holder);
        rig.succeed(["unmount", "x.iso"]);
        rig.expect_nothing_left();
    }
}

#[test]
fn a_drive_whose_workers_all_crash_is_given_up_and_not_left_dead() {
    if !resends() {
        return;
    }
    let rig = Rig::new(User::Own);
    rig.succeed(["x.iso", "--log", "log.txt"]);
    let begun = Instant::now();
    while !rig.mounts().is_empty() {
        if let Some(worker) = rig.worker() {
            // It may have ended by itself meanwhile.
            let _ = nix::sys::signal::kill(worker, Signal::SIGSEGV);
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "it goes on for ever");
    }
    rig.expect_nothing_left();
    let log = fs::read_to_string(rig.path("log.txt")).unwrap();
    assert!(log.contains("another takes over") && log.contains("SIGSEGV: unmounting"), "{log}");
}

#[test]
fn a_library_is_taken_over_with_all_its_numbers() {
    if !resends() {
        return;
    }
    let rig = Rig::new(User::Own);
    rig.directory("folder");
    rig.directory("m");
    big(&rig);
    for name in ["a", "b", "c"] {
        fs::hard_link(rig.path("x.iso"), rig.path(format!("folder/{name}.iso"))).unwrap();
    }
    rig.succeed(["library", "folder", "m", "--log", "log.txt"]);
    let numbers = || {
        let number = |name: &str| std::os::unix::fs::MetadataExt::ino(&fs::metadata(rig.path("m").join(name)).unwrap());
        ["a", "c", "a/numbers", "c/hello.txt", "c/sub/big"].map(number)
    };
    let before = numbers();
    fs::remove_file(rig.path("folder/b.iso")).unwrap();
    fs::hard_link(rig.path("x.iso"), rig.path("folder/d.iso")).unwrap();
    eventually("another image", || rig.path("m/d/hello.txt").exists());
    let open = File::open(rig.path("m/c/numbers")).unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let _stops = Stops(&stop);
        let readers: Vec<_> = ["a", "c", "d", "a"]
            .into_iter()
            .zip(0..)
            .map(|(name, seed)| {
                let (path, stop) = (rig.path(format!("m/{name}/numbers")), &stop);
                scope.spawn(move || read(&path, seed, stop))
            })
            .collect();
        for round in 0..10 {
            let before = rig.worker().unwrap();
            match round % 2 {
                0 => rig.signal(before, Signal::SIGKILL),
                _ => drop(rig.succeed(["restart", "m"])),
            }
            eventually("another worker", || rig.worker().is_some_and(|worker| worker != before));
            assert_eq!(fs::read(rig.path("m/d/hello.txt")).unwrap(), b"hello\n");
        }
        stop.store(true, Ordering::Relaxed);
        for reader in readers {
            assert!(reader.join().unwrap() > 0);
        }
    });
    assert_eq!(numbers(), before);
    assert!(!rig.path("m/b").exists());
    let mut last = [0; 8];
    open.read_exact_at(&mut last, 24 * 1024 * 1024 - 8).unwrap();
    assert_eq!(u64::from_le_bytes(last), 3 * 1024 * 1024 - 1);
    drop(open);
    rig.succeed(["unmount", "m"]);
    rig.expect_nothing_left();
}
