//! An image that changes, shrinks, vanishes and comes back while it is mounted.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::rig::{Rig, User, eventually};

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
        let file = OpenOptions::new().write(true).open(rig.path("x.iso")).unwrap();
        for _ in 0..3 {
            file.set_len(1024 * 1024).unwrap();
            let begun = Instant::now();
            assert_eq!(errno(read_anew(&mount.join("sub/z-last"))), Some(Errno::EIO));
            assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
            // What is there is served.
            assert_eq!(read_anew(&mount.join("a-first")).unwrap(), b"first of x.iso");
            file.write_all_at(&whole, 0).unwrap();
            eventually("the file is whole again", || {
                read_anew(&mount.join("sub/z-last")).is_ok_and(|bytes| bytes == [3; 8 * 1024 * 1024])
            });
        }
        assert_eq!(rig.processes()[0], holder, "{}", fs::read_to_string(rig.path("log.txt")).unwrap());
        rig.succeed(["unmount", "x.iso"]);
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
