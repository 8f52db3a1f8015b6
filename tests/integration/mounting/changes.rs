//! An image that changes, shrinks, vanishes and comes back while it is mounted.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::rig::{Rig, Stops, User, eventually};

/// Makes an image of a file of 8 MiB that comes last, and one that comes first.
fn image(rig: &Rig, name: &str, fill: u8) {
    let content = rig.path(format!("content-{name}"));
    fs::create_dir_all(content.join("sub")).unwrap();
    fs::write(content.join("a-first"), format!("first of {name}")).unwrap();
    fs::write(content.join("sub/z-last"), vec![fill; 8 * 1024 * 1024]).unwrap();
    let made = Command::new("xorriso")
        .args(["-as", "mkisofs", "-quiet", "-R", "-V", "CHANGES", "-o", name])
        .arg(&content)
        .current_dir(rig.path(""))
        .status();
    assert!(made.unwrap().success());
}

fn errno(result: io::Result<Vec<u8>>) -> Option<Errno> {
    result.err().and_then(|error| error.raw_os_error()).map(Errno::from_raw)
}

/// Past what the kernel remembers.
fn read_anew(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    nix::fcntl::posix_fadvise(&file, 0, 0, nix::fcntl::PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
    let mut bytes = vec![0; usize::try_from(file.metadata()?.len()).unwrap()];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

#[test]
fn what_a_shortened_image_lacks_is_an_error_and_comes_back_with_it() {
    for io in ["mmap", "pread"] {
        let rig = Rig::new(User::Own);
        image(&rig, "x.iso", 3);
        let whole = fs::read(rig.path("x.iso")).unwrap();
        rig.succeed(["x.iso", "-o", &format!("io={io}"), "--log", "log.txt"]);
        let mount = rig.path("CHANGES");
        let holder = rig.processes()[0];
        let open = File::open(mount.join("a-first")).unwrap();
        let file = OpenOptions::new().write(true).open(rig.path("x.iso")).unwrap();
        for _ in 0..3 {
            file.set_len(1024 * 1024).unwrap();
            let begun = Instant::now();
            assert_eq!(errno(read_anew(&mount.join("sub/z-last"))), Some(Errno::EIO));
            assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
            // What is there is served, to who had it open before, too.
            let mut text = [0; 5];
            open.read_exact_at(&mut text, 0).unwrap();
            assert_eq!(&text, b"first");
            assert_eq!(read_anew(&mount.join("a-first")).unwrap(), b"first of x.iso");
            file.write_all_at(&whole, 0).unwrap();
            eventually("the file is whole again", || {
                read_anew(&mount.join("sub/z-last")).is_ok_and(|bytes| bytes == [3; 8 * 1024 * 1024])
            });
        }
        assert_eq!(rig.processes()[0], holder, "{}", fs::read_to_string(rig.path("log.txt")).unwrap());
        drop(open);
        rig.succeed(["unmount", "x.iso"]);
    }
}

/// How often the image is cut and made whole again; often with MOUNT_ISO_TEST_LONG.
fn cycles() -> usize {
    if std::env::var_os("MOUNT_ISO_TEST_LONG").is_some() { 1000 } else { 25 }
}

#[test]
fn readers_of_an_image_that_is_cut_and_comes_back_get_right_bytes_or_errors() {
    const LENGTH: u64 = 8 * 1024 * 1024;
    const BLOCK: u64 = 16 * 1024;
    for io in ["mmap", "pread"] {
        let rig = Rig::new(User::Own);
        fs::create_dir(rig.path("tree")).unwrap();
        // No byte is 0, and every eight tell their place.
        let numbers = (0..LENGTH / 8).flat_map(|place| (place | 0x0101_0101_0000_0000).to_le_bytes());
        fs::write(rig.path("tree/numbers"), numbers.collect::<Vec<u8>>()).unwrap();
        let made = Command::new("xorriso")
            .args(["-as", "mkisofs", "-quiet", "-R", "-V", "CUT", "-o", "cut.iso", "tree"])
            .current_dir(rig.path(""))
            .status();
        assert!(made.unwrap().success());
        let whole = fs::read(rig.path("cut.iso")).unwrap();
        rig.succeed(["cut.iso", "-o", &format!("io={io}")]);
        let path = rig.path("CUT/numbers");
        let (stop, right, lost) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
        thread::scope(|scope| {
            let _stops = Stops(&stop);
            for seed in 0..8_u64 {
                let (path, stop, right, lost) = (&path, &stop, &right, &lost);
                scope.spawn(move || {
                    let mut state = seed;
                    let mut block = [0; BLOCK as usize];
                    while !stop.load(Ordering::Relaxed) {
                        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                        let at = (state >> 33) % (LENGTH / BLOCK) * BLOCK;
                        let read = File::open(path).and_then(|file| {
                            nix::fcntl::posix_fadvise(
                                &file,
                                0,
                                0,
                                nix::fcntl::PosixFadviseAdvice::POSIX_FADV_DONTNEED,
                            )?;
                            file.read_exact_at(&mut block, at)
                        });
                        match read {
                            Ok(()) => {
                                let (numbers, _) = block.as_chunks::<8>();
                                for (place, number) in (at / 8..).zip(numbers) {
                                    let number = u64::from_le_bytes(*number);
                                    assert_eq!(number, place | 0x0101_0101_0000_0000, "{io} at {at}");
                                }
                                right.fetch_add(1, Ordering::Relaxed);
                            }
                            // Never short: an error.
                            Err(error) => {
                                let errno = error.raw_os_error().map(Errno::from_raw);
                                assert!(matches!(errno, Some(Errno::EIO | Errno::ESTALE)), "{error:?}");
                                lost.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                    }
                });
            }
            let file = OpenOptions::new().write(true).open(rig.path("cut.iso")).unwrap();
            for cycle in 0..cycles() {
                // In the middle of a page, too.
                let cut = 1024 * 1024 + cycle as u64 * 1000;
                file.set_len(cut).unwrap();
                thread::sleep(Duration::from_millis(3));
                file.write_all_at(&whole[cut as usize..], cut).unwrap();
                thread::sleep(Duration::from_millis(3));
            }
            let then = right.load(Ordering::Relaxed);
            eventually("it is whole again", || right.load(Ordering::Relaxed) > then + 1000);
            stop.store(true, Ordering::Relaxed);
        });
        assert!(lost.load(Ordering::Relaxed) > 0, "no reader has met the damage");
        eventually("every byte is there", || read_anew(&path).is_ok_and(|bytes| bytes.len() as u64 == LENGTH));
        rig.succeed(["unmount", "cut.iso"]);
        rig.expect_nothing_left();
    }
}

#[test]
fn another_image_in_its_place_is_shown_and_no_byte_of_the_former() {
    let rig = Rig::new(User::Own);
    image(&rig, "x.iso", 3);
    image(&rig, "y.iso", 4);
    fs::write(rig.path("content-y.iso/new"), "new").unwrap();
    image(&rig, "y.iso", 4);
    rig.succeed(["x.iso", "--log", "log.txt"]);
    let mount = rig.path("CHANGES");
    assert_eq!(fs::read(mount.join("a-first")).unwrap(), b"first of x.iso");
    assert_eq!(errno(fs::read(mount.join("new"))), Some(Errno::ENOENT));
    let open = File::open(mount.join("sub/z-last")).unwrap();
    let mut block = [0; 4096];
    open.read_exact_at(&mut block, 0).unwrap();
    // Onto the same file, as a download does it.
    let bytes = fs::read(rig.path("y.iso")).unwrap();
    OpenOptions::new().write(true).open(rig.path("x.iso")).unwrap().write_all_at(&bytes, 0).unwrap();
    eventually("the other image is shown", || {
        fs::read(mount.join("a-first")).is_ok_and(|bytes| bytes == b"first of y.iso")
    });
    assert_eq!(fs::read(mount.join("new")).unwrap(), b"new");
    assert!(fs::read_dir(&mount).unwrap().any(|entry| entry.unwrap().file_name() == "new"));
    assert_eq!(fs::read(mount.join("sub/z-last")).unwrap(), [4; 8 * 1024 * 1024]);
    // What was open is of an image that is no more.
    let read = open.read_exact_at(&mut block, 5 * 1024 * 1024);
    let read = read.map_err(|error| error.raw_os_error().map(Errno::from_raw));
    assert!(matches!(read, Err(Some(Errno::ESTALE | Errno::EIO))), "{read:?}");
    let log = fs::read_to_string(rig.path("log.txt")).unwrap();
    assert_eq!(log.matches("has changed").count(), 1, "{log}");
    drop(open);
    rig.succeed(["unmount", "x.iso"]);
}

#[test]
fn an_image_whose_name_is_gone_is_shown_on() {
    let rig = Rig::new(User::Own);
    image(&rig, "x.iso", 3);
    rig.succeed(["x.iso", "--log", "log.txt"]);
    fs::remove_file(rig.path("x.iso")).unwrap();
    let mount = rig.path("CHANGES");
    eventually("it is told", || fs::read_to_string(rig.path("log.txt")).unwrap().contains("name is gone"));
    assert_eq!(fs::read(mount.join("sub/z-last")).unwrap(), [3; 8 * 1024 * 1024]);
    rig.succeed(["unmount", "CHANGES"]);
    rig.expect_nothing_left();
}
