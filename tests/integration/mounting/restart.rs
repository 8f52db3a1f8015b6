//! `mount-iso restart`: drives go on with another program, and no reader notices (Linux 6.9 and later).

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::rig::{PROGRAM, Rig, Stops, User, alone, eventually, is_root};
use super::takeover::{big, read, resends};

/// Puts another file with the same program in the place of the one that drives were mounted by.
pub fn upgrade(rig: &Rig) -> u64 {
    let (new, program) = (rig.path("new"), rig.path("mount-iso"));
    assert!(Command::new("cp").arg(PROGRAM).arg(&new).status().unwrap().success());
    fs::rename(&new, &program).unwrap();
    fs::metadata(&program).unwrap().ino()
}

/// The file that a process runs.
fn program_of(process: Pid) -> u64 {
    fs::metadata(format!("/proc/{process}/exe")).unwrap().ino()
}

fn descriptors(process: Pid) -> usize {
    fs::read_dir(format!("/proc/{process}/fd")).unwrap().count()
}

#[test]
fn readers_do_not_notice_that_the_program_is_another() {
    if !resends() {
        return;
    }
    for user in [User::Own, User::Nobody] {
        let rig = Rig::new(user);
        big(&rig);
        rig.succeed(["-p", "x.iso", "made"]);
        let mount = rig.path("made");
        let holder = rig.processes()[0];
        let mut first = None;
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let _stops = Stops(&stop);
            // Another user's drive is no place for root.
            let own = user == User::Own || !is_root();
            let readers: Vec<_> = (0..if own { 4 } else { 0 })
                .map(|seed| {
                    let (path, stop) = (mount.join("numbers"), &stop);
                    scope.spawn(move || read(&path, seed, stop))
                })
                .collect();
            for _ in 0..if std::env::var_os("MOUNT_ISO_TEST_LONG").is_some() { 100 } else { 10 } {
                let program = upgrade(&rig);
                rig.succeed(["restart", "made"]);
                eventually("three processes", || rig.processes().len() == 3);
                let processes = rig.processes();
                assert_eq!(processes[0], holder);
                assert!(processes.iter().all(|process| program_of(*process) == program), "all three are the new one");
                first.get_or_insert_with(|| descriptors(holder));
                assert_eq!(rig.read(&mount.join("hello.txt")).as_deref(), Some(&b"hello\n"[..]));
            }
            stop.store(true, Ordering::Relaxed);
            for reader in readers {
                assert!(reader.join().unwrap() > 0);
            }
        });
        // It still opens and closes some while its drive is served already.
        eventually("as many descriptors as at first", || Some(descriptors(holder)) <= first);
        rig.succeed(["unmount", "made"]);
        rig.expect_nothing_left();
        assert!(!mount.exists(), "the directory that was made goes, as ever");
    }
}

#[test]
fn a_program_that_cannot_go_on_does_not_get_the_drive() {
    if !resends() {
        return;
    }
    let rig = Rig::new(User::Own);
    rig.succeed(["x.iso", "--log", "log.txt"]);
    let mount = rig.path("A LABEL");
    let former = rig.path("former");
    fs::rename(rig.path("mount-iso"), &former).unwrap();
    let restart = || rig.command(&former, ["restart", "A LABEL"]).output().unwrap();
    for (script, reason) in [
        ("#!/bin/sh\necho no such verb >&2\nexit 3\n", "no such verb"),
        ("#!/bin/sh\nexit 3\n", "failed"),
        ("\x7fELF", "rror"),
    ] {
        fs::write(rig.path("mount-iso"), script).unwrap();
        fs::set_permissions(rig.path("mount-iso"), fs::Permissions::from_mode(0o755)).unwrap();
        let output = restart();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(32) && said.contains(reason), "{output:?}");
        assert_eq!(fs::read(mount.join("hello.txt")).unwrap(), b"hello\n");
    }
    fs::remove_file(rig.path("mount-iso")).unwrap();
    assert_eq!(restart().status.code(), Some(32));
    // Nor one that can't read the image any more.
    upgrade(&rig);
    let image = OpenOptions::new().write(true).open(rig.path("x.iso")).unwrap();
    let mut content = Vec::new();
    File::open(rig.path("x.iso")).unwrap().read_to_end(&mut content).unwrap();
    image.set_len(10).unwrap();
    let output = restart();
    assert_eq!(output.status.code(), Some(32), "{output:?}");
    image.write_all_at(&content, 0).unwrap();
    eventually("the image is as before", || fs::read(mount.join("hello.txt")).is_ok_and(|bytes| bytes == b"hello\n"));
    assert!(fs::read_to_string(rig.path("log.txt")).unwrap().contains("no other program takes over"));
    rig.succeed(["restart", "x.iso"]);
    rig.succeed(["unmount", "x.iso"]);
    rig.expect_nothing_left();
}

#[test]
fn what_was_asked_for_at_mount_time_holds_afterwards() {
    if !resends() {
        return;
    }
    let rig = Rig::new(User::Own);
    rig.directory("m");
    rig.succeed(["-o", "uid=77,tree=joliet,fmode=0400", "--log", "log.txt", "-v", "x.iso", "m"]);
    let shown = |name: &str| {
        let metadata = fs::metadata(rig.path("m").join(name)).unwrap();
        (metadata.ino(), metadata.uid(), metadata.mode(), metadata.len(), metadata.mtime())
    };
    let before = [shown("hello.txt"), shown("sub/big"), shown("")];
    // The image may have another name by now, and another file its own.
    fs::rename(rig.path("x.iso"), rig.path("y.iso")).unwrap();
    fs::write(rig.path("x.iso"), "something else").unwrap();
    upgrade(&rig);
    rig.succeed(["restart", "m"]);
    assert_eq!([shown("hello.txt"), shown("sub/big"), shown("")], before);
    let log = fs::read_to_string(rig.path("log.txt")).unwrap();
    assert!(log.contains("goes on as version"), "{log}");
    // And changes of it are noticed, under whatever name.
    let made = Command::new("xorriso")
        .args(["-as", "mkisofs", "-quiet", "-R", "-J", "-V", "OTHER", "-o", "z.iso", "content/sub"])
        .current_dir(rig.path(""))
        .status();
    assert!(made.unwrap().success());
    assert!(Command::new("cp").args(["z.iso", "y.iso"]).current_dir(rig.path("")).status().unwrap().success());
    eventually("the other image", || fs::metadata(rig.path("m/big")).is_ok());
    upgrade(&rig);
    rig.succeed(["restart", "m"]);
    assert_eq!(fs::read(rig.path("m/big")).unwrap(), vec![7; 300_000]);
    assert!(!Path::new(&rig.path("m/hello.txt")).exists());
    rig.succeed(["unmount", "m"]);
    rig.expect_nothing_left();
}

#[test]
fn drives_in_the_foreground_and_by_the_helper_go_on_too() {
    if !resends() || !is_root() {
        return;
    }
    // As all drives of the user are meant.
    alone(in_the_foreground_and_by_the_helper);
}

fn in_the_foreground_and_by_the_helper() {
    let rig = Rig::new(User::Own);
    // Drives of others that can't be restarted, as dead ones, are told of, and are no business of this test.
    let restart = || {
        let output = rig.run(["restart"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() || !said.contains(&*rig.path("").to_string_lossy()), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        (output.status.success(), said.lines().filter(|line| line.starts_with("mount-iso: ")).count())
    };
    let (succeeds, others) = restart();
    assert_eq!(succeeds, others == 0, "nothing to do is no failure");
    rig.directory("m");
    let mut child = rig.spawn(["-f", "x.iso"]);
    eventually("the drive", || rig.path("A LABEL/hello.txt").exists());
    std::os::unix::fs::symlink("mount-iso", rig.path("mount.mount-iso")).unwrap();
    let helped = rig.command(rig.path("mount.mount-iso"), ["x.iso", "m", "-o", "rw,mode=0400"]).output().unwrap();
    assert!(helped.status.success(), "{helped:?}");
    let program = upgrade(&rig);
    assert_eq!(restart(), (succeeds, others));
    assert!(rig.processes().iter().all(|process| program_of(*process) == program));
    for mount in ["m", "A LABEL"] {
        assert_eq!(fs::read(rig.path(mount).join("hello.txt")).unwrap(), b"hello\n");
    }
    rig.succeed(["unmount", "m"]);
    rig.signal(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT);
    assert!(child.wait().unwrap().success());
    let mut printed = String::new();
    child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    assert_eq!(printed.lines().count(), 1, "the directory is printed once: {printed}");
    rig.expect_nothing_left();
}

#[test]
fn drives_that_cannot_be_handed_over_say_so() {
    let rig = Rig::new(User::Own);
    rig.succeed(["x.iso", "-o", "norestart"]);
    assert!(rig.fail(32, ["restart", "x.iso"]).contains("norestart"));
    assert!(rig.fail(32, ["restart", "missing"]).contains("missing"));
    rig.succeed(["unmount", "x.iso"]);
    if is_root() && resends() {
        rig.succeed(["x.iso"]);
        let nobody = Rig::new(User::Nobody);
        let point = rig.path("A LABEL").into_os_string();
        assert!(nobody.fail(1, ["restart".into(), point]).contains("only root"));
        assert_eq!(nobody.succeed(["restart"]), "", "the drives of others are left alone");
    }
}
