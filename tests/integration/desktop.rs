//! A desktop session: image files as those see them who use the mouse.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::mounting::is_root;
use crate::packages::{bounded, home, installed, succeeded};

const PROGRAM: &str = env!("CARGO_BIN_EXE_mount-iso");

/// A program that can't do more than write down what it is told.
fn stand_in(path: &Path, notes: &Path) {
    fs::write(path, format!("#!/bin/sh\nprintf '%s\\n' \"$@\" >>'{}'\n", notes.display())).unwrap();
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn a_double_click_mounts_and_opens_an_image_and_the_file_manager_ejects_it() {
    let programs = [
        "Xvfb",
        "thunar",
        "openbox",
        "xdotool",
        "import",
        "dbus-run-session",
        "gio",
        "xdg-open",
        "xorriso",
        "update-mime-database",
    ];
    if !is_root() || !installed(&programs) {
        return;
    }
    // Desktops don't show what is mounted where a name begins with a dot.
    let directory = tempfile::Builder::new().prefix("desktop").tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::create_dir_all(at("content")).unwrap();
    fs::write(at("content/hello.txt"), "hello\n").unwrap();
    let mut master = bounded("xorriso");
    master.args(["-as", "mkisofs", "-quiet", "-R", "-V", "A LABEL", "-o", "x.iso", "content"]);
    succeeded(master.current_dir(directory.path()).output().unwrap());
    // As a user installs it for himself.
    let local = at("home/.local");
    let mut install = bounded(home().join("scripts/install"));
    install.env("PREFIX", &local).env("SBINDIR", local.join("sbin")).env("SYSCONFDIR", local.join("etc"));
    succeeded(install.env("BINARY", PROGRAM).env_remove("DESTDIR").output().unwrap());
    stand_in(&local.join("bin/notify-send"), &at("notified"));

    let shots = Path::new(PROGRAM).parent().unwrap().parent().unwrap().join("desktop");
    fs::create_dir_all(&shots).unwrap();
    let mut session = Command::new("timeout");
    session.args(["-k", "5", "90", "unshare", "--mount", "--propagation=private", "--pid", "--net", "--ipc", "--fork"]);
    session.arg("--kill-child").arg(home().join("tests/desktop/session")).arg(directory.path()).arg(&shots);
    // To files: whatever the session leaves running must not hold our streams.
    session.stdin(Stdio::null()).stdout(fs::File::create(at("told")).unwrap());
    let status = session.stderr(fs::File::create(at("complaints")).unwrap()).status().unwrap();
    let told = fs::read_to_string(at("told")).unwrap();
    let complaints = fs::read_to_string(at("complaints")).unwrap();
    assert!(status.success(), "{status}\n{told}\n{complaints}\nscreenshots: {}", shots.display());

    let place = "DIR/home/A LABEL";
    let expected = [
        // Nobody else handles images here.
        "default before: zz-mount-iso.desktop",
        "default after: zz-mount-iso.desktop",
        r"mounted: DIR/home/isos/Test\040Disc.iso ro,user_id=0,group_id=0,default_permissions,allow_other",
        "window: A LABEL - Thunar",
        "sidebar: A LABEL",
        "file: hello.txt",
        &format!("opened: {place}"),
        "drives: 1",
        "ejected",
    ];
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines[..lines.len() - 1], expected, "{complaints}");
    let last = lines.last().unwrap();
    assert!(last.starts_with("bad image: 32 ") && last.contains("bad.iso: not a disc image"), "{last}");
    for shot in ["folder", "drive", "ejected"] {
        assert!(fs::metadata(shots.join(format!("{shot}.png"))).unwrap().len() > 1000, "{shot}");
    }
}

#[test]
fn the_files_for_desktops_are_well_formed_and_name_the_same_types() {
    let folder = home().join("packaging/desktop");
    let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let types = |name: &str, key: &str| {
        let text = text(name);
        let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_else(|| panic!("{name}: no {key}"));
        line.trim_end_matches(';').split(';').map(str::to_owned).collect::<Vec<_>>()
    };
    let known = types("zz-mount-iso.desktop", "MimeType=");
    assert!(known.contains(&"application/x-cd-image".to_owned()));
    assert_eq!(types("dolphin.desktop", "MimeType="), known);
    for action in ["mount-iso-mount.nemo_action", "mount-iso-unmount.nemo_action", "mount-iso-verify.nemo_action"] {
        assert_eq!(types(action, "Mimetypes="), known);
    }
    // What is called exists.
    for name in ["zz-mount-iso.desktop", "dolphin.desktop", "mount-iso-mount.nemo_action"] {
        for call in text(name).lines().filter_map(|line| line.strip_prefix("Exec=mount-iso ")) {
            let verb = call.split(' ').next().unwrap();
            let output = Command::new(PROGRAM).args([verb, "--help"]).output().unwrap();
            assert!(output.status.success(), "{call}");
        }
    }
    for action in types("zz-mount-iso.desktop", "Actions=") {
        assert!(text("zz-mount-iso.desktop").contains(&format!("\n[Desktop Action {action}]\n")), "{action}");
    }
    if installed(&["desktop-file-validate", "update-mime-database"]) {
        succeeded(bounded("desktop-file-validate").arg(folder.join("zz-mount-iso.desktop")).output().unwrap());
        let mime = tempfile::tempdir().unwrap();
        fs::create_dir(mime.path().join("packages")).unwrap();
        fs::copy(folder.join("mount-iso.xml"), mime.path().join("packages/mount-iso.xml")).unwrap();
        let checked = bounded("update-mime-database").arg("-V").arg(mime.path()).output().unwrap();
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        succeeded(checked);
        assert!(!said.contains("mount-iso.xml"), "{said}");
    }
}
