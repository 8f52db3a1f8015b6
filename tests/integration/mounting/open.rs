//! What a double click does, without a desktop: a drive where desktops look, the file manager, and failures told.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Output;

use super::rig::{Rig, User};

/// Programs of a desktop that write down what they are told, and end as they are told.
fn stand_in(rig: &Rig, name: &str, status: i32) {
    let notes = rig.path(format!("{name}.told"));
    fs::write(&notes, "").unwrap();
    fs::set_permissions(&notes, fs::Permissions::from_mode(0o666)).unwrap();
    let program = rig.path(format!("bin/{name}"));
    let script = format!("#!/bin/sh\nprintf '%s\\n' \"$@\" >>'{}'\nexit {status}\n", notes.display());
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
}

fn told(rig: &Rig, name: &str) -> String {
    fs::read_to_string(rig.path(format!("{name}.told"))).unwrap()
}

fn open(rig: &Rig, display: Option<&str>, args: &[&str]) -> Output {
    let mut command = rig.command(rig.path("mount-iso"), [&["open"], args].concat());
    command.env_remove("WAYLAND_DISPLAY").env_remove("DISPLAY").env("HOME", rig.path("home"));
    // Nothing of the desktop that whoever runs the tests may have.
    command.env("PATH", rig.path("bin"));
    if let Some(display) = display {
        command.env("DISPLAY", display);
    }
    command.output().unwrap()
}

fn rig() -> Rig {
    let rig = Rig::new(User::Nobody);
    let bin = rig.directory("bin");
    rig.directory("home");
    // What the rig itself runs.
    symlink("/usr/bin/setpriv", bin.join("setpriv")).unwrap();
    rig
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_drive_is_made_at_home_and_one_that_is_there_is_used() {
    let rig = rig();
    let place = rig.path("home/A LABEL");
    for _ in 0..2 {
        let output = open(&rig, None, &["x.iso"]);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(text(&output.stdout), format!("{}\n", place.display()));
        assert_eq!(rig.mounts().len(), 1);
    }
    assert_eq!(rig.read(&place.join("hello.txt")).unwrap(), b"hello\n");
    assert!(open(&rig, None, &["--unmount", "x.iso"]).status.success());
    assert!(!place.exists());
    rig.expect_nothing_left();
}

#[test]
fn several_images_are_opened_and_the_file_manager_shows_each() {
    let rig = rig();
    stand_in(&rig, "xdg-open", 0);
    stand_in(&rig, "notify-send", 0);
    fs::copy(rig.path("x.iso"), rig.path("y.iso")).unwrap();
    rig.directory("drives");
    let output = open(&rig, Some(":nowhere"), &["--under", "drives", "x.iso", "missing.iso", "y.iso"]);
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    let places = [rig.path("drives/A LABEL"), rig.path("drives/A LABEL (1)")];
    let expected = format!("{}\n{}\n", places[0].display(), places[1].display());
    assert_eq!((text(&output.stdout), told(&rig, "xdg-open")), (expected.clone(), expected));
    let notice = told(&rig, "notify-send");
    assert!(notice.contains("missing.iso: No such file or directory\ncheck the name of the image"), "{notice}");
    assert!(text(&output.stderr).contains("missing.iso"));
    assert!(open(&rig, None, &["-u", "x.iso", "y.iso"]).status.success());
    rig.expect_nothing_left();
}

#[test]
fn failures_are_told_by_whatever_the_desktop_has() {
    let rig = rig();
    fs::write(rig.path("a<b>&.iso"), "no disc").unwrap();
    stand_in(&rig, "notify-send", 1);
    stand_in(&rig, "zenity", 0);
    let output = open(&rig, Some(":nowhere"), &["a<b>&.iso"]);
    assert_eq!(output.status.code(), Some(32));
    assert!(told(&rig, "notify-send").contains("a&lt;b>&amp;.iso: not a disc image"));
    assert!(told(&rig, "zenity").contains("a<b>&.iso: not a disc image"));
    // Nothing is shown twice, and nothing where there is no display.
    stand_in(&rig, "notify-send", 0);
    stand_in(&rig, "zenity", 0);
    assert_eq!(open(&rig, Some(":nowhere"), &["a<b>&.iso"]).status.code(), Some(32));
    assert_eq!(open(&rig, None, &["a<b>&.iso"]).status.code(), Some(32));
    assert_eq!(told(&rig, "notify-send").matches("Virtual drive").count(), 1);
    assert_eq!(told(&rig, "zenity"), "");
    // A drive that can't be shown stays.
    let output = open(&rig, Some(":nowhere"), &["x.iso"]);
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    assert!(text(&output.stderr).contains("is mounted, but can't be shown: neither xdg-open nor gio"));
    assert!(rig.path("home/A LABEL/hello.txt").parent().is_some_and(|_| rig.mounts().len() == 1));
    rig.succeed(["unmount", "x.iso"]);
    rig.expect_nothing_left();
}

#[test]
fn verifying_tells_the_desktop_what_it_finds() {
    let rig = rig();
    stand_in(&rig, "notify-send", 0);
    let output = open(&rig, Some(":nowhere"), &["--verify", "x.iso"]);
    assert!(output.status.success(), "{output:?}");
    assert!(text(&output.stdout).contains("result:     "), "{output:?}");
    assert!(told(&rig, "notify-send").contains("result:     "));
    // A checksum beside the image that is not its own.
    let sum = format!("{}  x.iso\n", "0".repeat(64));
    fs::write(rig.path("x.iso.sha256"), sum).unwrap();
    let output = open(&rig, Some(":nowhere"), &["--verify", "x.iso"]);
    assert_eq!(output.status.code(), rig.run(["verify", "x.iso"]).status.code());
    assert!(!output.status.success());
    assert!(told(&rig, "notify-send").contains("x.iso: is damaged: "), "{}", told(&rig, "notify-send"));
    assert!(rig.mounts().is_empty());
}
