//! Drives under load, and short of what they need.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::sys::signal::Signal;

use crate::mounting::rig::{Rig, Stops, User, eventually};

/// Files of a small tree, and the bytes of its large file.
const FILES: usize = 200;
const LARGE: usize = 16 * 1024 * 1024;
const BLOCK: usize = 64 * 1024;

/// A file of which every eight bytes tell their place, and small files that tell their number.
fn content(rig: &Rig) {
    let tree = rig.path("tree");
    fs::create_dir_all(tree.join("small")).unwrap();
    let numbers: Vec<u8> = (0..LARGE as u64 / 8).flat_map(u64::to_le_bytes).collect();
    fs::write(tree.join("large"), numbers).unwrap();
    for number in 0..FILES {
        fs::write(tree.join(format!("small/{number}")), format!("{number} ").repeat(300)).unwrap();
    }
    make(rig, "load.iso", "LOAD", &tree);
}

fn make(rig: &Rig, name: &str, label: &str, tree: &Path) {
    let made = Command::new("xorriso")
        .args(["-as", "mkisofs", "-quiet", "-R", "-V", label, "-o", name])
        .arg(tree)
        .current_dir(rig.path(""))
        .status();
    assert!(made.unwrap().success());
}

/// Some block of the large file, past what the kernel remembers; it must be right.
fn read_block(file: &File, state: &mut u64) {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let at = (*state >> 33) % (LARGE / BLOCK) as u64 * BLOCK as u64;
    let mut block = vec![0; BLOCK];
    posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
    file.read_exact_at(&mut block, at).unwrap();
    let (numbers, _) = block.as_chunks::<8>();
    assert!((at / 8..).zip(numbers).all(|(place, number)| u64::from_le_bytes(*number) == place));
}

fn read_small(mount: &Path, number: usize) {
    let text = fs::read(mount.join(format!("small/{number}"))).unwrap();
    assert_eq!(text, format!("{number} ").repeat(300).into_bytes());
}

#[test]
fn sixty_four_readers_get_what_is_theirs() {
    let rig = Rig::new(User::Own);
    content(&rig);
    rig.succeed(["load.iso"]);
    let mount = rig.path("LOAD");
    thread::scope(|scope| {
        for reader in 0..64 {
            let mount = &mount;
            scope.spawn(move || {
                let file = File::open(mount.join("large")).unwrap();
                let mut state = reader as u64;
                for turn in 0..20 {
                    read_block(&file, &mut state);
                    read_small(mount, (reader * 7 + turn * 13) % FILES);
                }
            });
        }
    });
    rig.succeed(["unmount", "load.iso"]);
    rig.expect_nothing_left();
}

#[test]
fn a_lazy_unmount_in_the_middle_takes_nothing_from_who_has_a_file_open() {
    let rig = Rig::new(User::Own);
    content(&rig);
    rig.succeed(["load.iso"]);
    let mount = rig.path("LOAD");
    let done = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let _stops = Stops(&stop);
        for reader in 0..8 {
            let (file, done, stop) = (File::open(mount.join("large")).unwrap(), &done, &stop);
            scope.spawn(move || {
                let mut state = reader;
                while !stop.load(Ordering::Relaxed) {
                    read_block(&file, &mut state);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        eventually("they are reading", || done.load(Ordering::Relaxed) > 20);
        rig.succeed(["unmount", "--lazy", "load.iso"]);
        eventually("its directory is gone", || !mount.exists());
        let then = done.load(Ordering::Relaxed);
        eventually("they go on", || done.load(Ordering::Relaxed) > then + 40);
        stop.store(true, Ordering::Relaxed);
    });
    rig.expect_nothing_left();
}

#[test]
fn sixteen_descriptors_are_enough() {
    let rig = Rig::new(User::Own);
    content(&rig);
    let output = rig.shell("ulimit -n 16 && exec ./mount-iso load.iso");
    assert!(output.status.success(), "{output:?}");
    let mount = rig.path("LOAD");
    for number in 0..FILES {
        read_small(&mount, number);
    }
    rig.succeed(["unmount", "load.iso"]);
    rig.expect_nothing_left();
}

#[test]
fn forty_eight_mebibytes_are_enough() {
    let rig = Rig::new(User::Own);
    content(&rig);
    // What is not of a file: heap, stacks, anonymous maps.
    let output = rig.shell("ulimit -d 49152 && exec ./mount-iso load.iso");
    assert!(output.status.success(), "{output:?}");
    let mount = rig.path("LOAD");
    let file = File::open(mount.join("large")).unwrap();
    let mut state = 1;
    for number in 0..FILES {
        read_small(&mount, number);
        read_block(&file, &mut state);
    }
    drop(file);
    rig.succeed(["unmount", "load.iso"]);
    rig.expect_nothing_left();
}

/// Ten times a second ten years on, and back.
const JUMPS: &str = r#"
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && clock == CLOCK_REALTIME) {
        struct timespec now;
        syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
        time->tv_sec += now.tv_nsec / 100000000 % 2 ? 315360000 : -315360000;
    }
    return result;
}
"#;

#[test]
fn a_clock_that_jumps_is_not_minded() {
    let rig = Rig::new(User::Own);
    content(&rig);
    fs::write(rig.path("jumps.c"), JUMPS).unwrap();
    if !rig.shell("cc -shared -fPIC -o jumps.so jumps.c").status.success() {
        crate::tools::skip("no C compiler");
        return;
    }
    let year = rig.shell("LD_PRELOAD=./jumps.so date +%Y").stdout;
    assert_ne!(year, rig.shell("date +%Y").stdout, "the clock jumps");
    let output = rig.shell(r#"LD_PRELOAD="$PWD/jumps.so" ./mount-iso --idle-timeout=3 load.iso"#);
    assert!(output.status.success(), "{output:?}");
    let begun = Instant::now();
    let mount = rig.path("LOAD");
    let file = File::open(mount.join("large")).unwrap();
    let jumps = rig.path("jumps.so");
    let has_jumps = |pid: nix::unistd::Pid| {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
        maps.contains(jumps.to_str().unwrap())
    };
    let (mut state, mut number) = (1, 0);
    let mut read_for = |time: Duration| {
        let begun = Instant::now();
        while begun.elapsed() < time {
            read_block(&file, &mut state);
            read_small(&mount, number % FILES);
            number += 1;
        }
    };
    read_for(Duration::from_secs(1));
    // Another worker, and another program.
    let first = rig.worker().unwrap();
    assert!(has_jumps(first));
    rig.signal(first, Signal::SIGKILL);
    read_for(Duration::from_secs(1));
    rig.succeed(["restart", "load.iso"]);
    assert!(rig.worker().is_some_and(has_jumps));
    // Longer than the time after which an idle drive goes.
    read_for(Duration::from_millis(2500));
    assert!(begun.elapsed() > Duration::from_secs(4) && rig.mounts().len() == 1);
    drop(file);
    let idle = Instant::now();
    eventually("an idle drive goes", || rig.mounts().is_empty());
    assert!(idle.elapsed() > Duration::from_secs(1), "{:?}", idle.elapsed());
    rig.expect_nothing_left();
}

/// A stopped process can hold up whoever looks at it, and so other tests: these are for runs that have the machine for
/// themselves, with MOUNT_ISO_TEST_LONG.
fn alone() -> bool {
    let alone = std::env::var_os("MOUNT_ISO_TEST_LONG").is_some();
    if !alone {
        eprintln!("skipped: stops processes (MOUNT_ISO_TEST_LONG is not set)");
    }
    alone
}

#[test]
fn a_drive_that_is_stopped_for_a_while_goes_on() {
    if !alone() {
        return;
    }
    let rig = Rig::new(User::Own);
    content(&rig);
    rig.succeed(["load.iso"]);
    let mount = rig.path("LOAD");
    let done = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let _stops = Stops(&stop);
        for reader in 0..4 {
            let (file, done, stop) = (File::open(mount.join("large")).unwrap(), &done, &stop);
            scope.spawn(move || {
                let mut state = reader;
                while !stop.load(Ordering::Relaxed) {
                    read_block(&file, &mut state);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // Asked for once: /proc may not tell of a process that is stopped.
        let processes = rig.processes();
        for _ in 0..5 {
            let stopped: Vec<_> = processes.iter().map(|pid| Stopped::new(&rig, *pid)).collect();
            thread::sleep(Duration::from_millis(50));
            drop(stopped);
            let then = done.load(Ordering::Relaxed);
            eventually("they go on", || done.load(Ordering::Relaxed) > then + 8);
        }
        stop.store(true, Ordering::Relaxed);
    });
    rig.succeed(["unmount", "load.iso"]);
}

/// Ends the stop of a process however the test ends.
struct Stopped<'a>(&'a Rig, nix::unistd::Pid);

impl<'a> Stopped<'a> {
    fn new(rig: &'a Rig, pid: nix::unistd::Pid) -> Self {
        rig.signal(pid, Signal::SIGSTOP);
        Self(rig, pid)
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.0.signal(self.1, Signal::SIGCONT);
    }
}

#[test]
fn a_medium_that_does_not_answer_holds_up_only_who_asks_it() {
    if !alone() {
        return;
    }
    // The medium is a drive whose serving process is stopped: it answers what the kernel remembers, and nothing else.
    let medium = Rig::new(User::Own);
    let inner = medium.path("inner");
    fs::create_dir(&inner).unwrap();
    content(&medium);
    fs::rename(medium.path("load.iso"), inner.join("load.iso")).unwrap();
    make(&medium, "x.iso", "MEDIUM", &inner);
    medium.succeed(["x.iso"]);
    let image = medium.path("MEDIUM/load.iso");
    let point: PathBuf = medium.directory("point");
    medium.succeed([image.as_os_str(), point.as_os_str(), "-o".as_ref(), "threads=2".as_ref()]);
    // What will be there: the directories, and a small file in the memory of the medium's kernel cache.
    for number in 0..FILES {
        read_small(&point, number);
    }
    let processes = medium.processes();
    let worker = processes.iter().copied().find(|pid| serves(&medium, *pid, "x.iso")).unwrap();
    let stopped = Stopped::new(&medium, worker);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..8_u64)
            .map(|reader| {
                let file = File::open(point.join("large")).unwrap();
                scope.spawn(move || {
                    let mut block = vec![0; BLOCK];
                    file.read_exact_at(&mut block, reader * (LARGE / 8) as u64).unwrap();
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(200));
        let begun = Instant::now();
        let point = &point;
        let others = scope.spawn(move || {
            for number in 0..FILES {
                // Asked for anew, and answered from what the medium has given before.
                let file = File::open(point.join(format!("small/{number}"))).unwrap();
                posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
                read_small(point, number);
            }
        });
        while !others.is_finished() && begun.elapsed() < Duration::from_secs(10) {
            thread::sleep(Duration::from_millis(1));
        }
        let took = begun.elapsed();
        let waiting = readers.iter().filter(|reader| !reader.is_finished()).count();
        drop(stopped);
        for reader in readers {
            reader.join().unwrap();
        }
        others.join().unwrap();
        assert!(waiting > 0, "the medium has answered");
        assert!(took < Duration::from_secs(5), "{took:?}");
    });
    medium.succeed(["unmount".as_ref(), point.as_os_str()]);
    medium.succeed(["unmount", "x.iso"]);
}

/// Whether a process is the worker of a drive that shows the image of this name.
fn serves(rig: &Rig, pid: nix::unistd::Pid, image: &str) -> bool {
    let text = |name: &str| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let stat = String::from_utf8_lossy(&text("stat")).into_owned();
    let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)?.parse::<i32>().ok());
    let is_child = rig.processes().iter().any(|other| Some(other.as_raw()) == parent);
    let arguments = text("cmdline");
    let named = arguments.split(|byte| *byte == 0).any(|argument| argument.ends_with(image.as_bytes()));
    is_child && named && text("comm") == b"mount-iso\n"
}
