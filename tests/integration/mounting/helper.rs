//! The program as mount(8) calls it, and drives that somebody else has mounted.

use std::fs::{self, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::mount::{MsFlags, mount};

use super::rig::{Rig, User, is_root};

fn helper(rig: &Rig, name: &str, args: &[&str]) -> std::process::Output {
    let link = rig.path(name);
    if fs::symlink_metadata(&link).is_err() {
        symlink("mount-iso", &link).unwrap();
    }
    rig.command(&link, args).output().unwrap()
}

#[test]
fn mount_calls_the_program_by_other_names() {
    let rig = Rig::new(User::Nobody);
    rig.directory("m");
    for name in ["mount.mount-iso", "mount.fuse.mount-iso", "mount.iso9660"] {
        let image = rig.path("x.iso");
        let words = "rw,nosuid,nodev,noexec,user=nobody,nofail,_netdev,x-gvfs-show,uid=7";
        let output = helper(&rig, name, &[image.to_str().unwrap(), "m", "-n", "-v", "-o", words]);
        assert!(output.status.success(), "{output:?}");
        assert!(output.stdout.is_empty());
        assert_eq!(rig.mounts()[0].source, image);
        assert!(rig.mounts()[0].options.contains("noexec"));
        assert_eq!(rig.shell("stat -c %u m/hello.txt").stdout, b"7\n");
        rig.succeed(["unmount", "m"]);
    }
}

#[test]
fn the_helper_keeps_to_the_codes_of_mount() {
    let rig = Rig::new(User::Own);
    rig.directory("m");
    let code = |args: &[&str]| helper(&rig, "mount.mount-iso", args).status.code();
    assert_eq!(code(&["missing.iso", "m", "-o", "rw"]), Some(32));
    assert_eq!(code(&["x.iso", "missing", "-o", "rw"]), Some(32));
    assert_eq!(code(&["x.iso", "m", "-o", "rw,nonsense"]), Some(1));
    assert_eq!(code(&["x.iso", "m", "-f", "-s", "-o", "rw,nonsense"]), Some(0));
    assert_eq!(code(&["x.iso"]), Some(1));
    assert_eq!(helper(&rig, "mount.udf", &["x.iso", "m"]).status.code(), Some(32));
    assert_eq!(helper(&rig, "mount.ext4", &["x.iso", "m"]).status.code(), Some(1));
    assert!(rig.mounts().is_empty());
}

#[test]
fn flags_of_a_mount_are_changed_by_root() {
    let rig = Rig::new(User::Own);
    rig.directory("m");
    rig.succeed(["x.iso", "m"]);
    let output = helper(&rig, "mount.mount-iso", &["x.iso", "m", "-o", "rw,remount,noexec"]);
    assert_eq!(output.status.success(), is_root(), "{output:?}");
    assert_eq!(rig.mounts()[0].options.contains("noexec"), is_root());
    assert_eq!(rig.mounts().len(), 1);
    assert!(rig.mounts()[0].options.starts_with("ro,"));
}

#[test]
fn a_descriptor_that_somebody_mounted_is_served() {
    if !is_root() {
        return;
    }
    let rig = Rig::new(User::Nobody);
    let point = rig.directory("m");
    let device = OpenOptions::new().read(true).write(true).open("/dev/fuse").unwrap();
    let number = device.as_raw_fd();
    let data = format!("fd={number},rootmode=40000,user_id=65534,group_id=65534,allow_other");
    mount(Some("somebody"), &point, Some("fuse.mount-iso"), MsFlags::MS_RDONLY, Some(data.as_str())).unwrap();
    fcntl(&device, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    rig.succeed(["x.iso", &format!("/dev/fd/{number}"), "-o", "ro,nosuid,nodev"]);
    drop(device);
    assert_eq!(rig.read(&point.join("hello.txt")).unwrap(), b"hello\n");
    nix::mount::umount(&point).unwrap();
    rig.expect_nothing_left();
}

#[test]
fn help_shows_codes_and_words() {
    let rig = Rig::new(User::Own);
    for args in [&["--help"][..], &["-h"], &["mount", "--help"], &["x.iso", "--help"], &["help", "unmount"]] {
        let text = rig.succeed(args);
        assert!(text.contains("Exit codes:") && text.contains("32"), "{text}");
    }
    let text = rig.succeed(["help", "options"]);
    assert!(text.contains("overriderockperm") && text.contains("iocharset=NAME"), "{text}");
    rig.fail(1, ["--nonsense"]);
    rig.fail(1, [] as [&str; 0]);
    rig.fail(1, ["help", "nonsense"]);
}
