//! Names of images and directories with every byte that is special to somebody on the way to the mount table.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use super::rig::{Rig, User};

const NAMES: &[&[u8]] = &[
    b"a,suid,fsname=b.iso",
    b"back\\slash\\,.iso",
    b"two  words\ttab.iso",
    b"new\nline.iso",
    b"quote\"'`$x.iso",
    b"-dash.iso",
    b"--help",
    b"\xff\xfe no text \xc3.iso",
    b"#hash#.iso",
    b"list",
    b"\\040octal\\054.iso",
    b"=.iso",
];

#[test]
fn the_mount_table_shows_the_images_own_path() {
    for user in [User::Own, User::Nobody] {
        let rig = Rig::new(user);
        for (number, name) in NAMES.iter().enumerate() {
            let name = OsStr::from_bytes(name);
            let image = rig.path(name);
            fs::copy(rig.path("x.iso"), &image).unwrap();
            let place = rig.directory(format!("m{number}"));
            rig.succeed([OsStr::new("--"), name, place.as_os_str()]);
            let mounts = rig.mounts();
            assert_eq!(mounts[0].source, image, "{user:?}");
            assert_eq!((mounts[0].point.as_path(), mounts.len()), (place.as_path(), 1));
            assert!(!mounts[0].options.contains(",suid"));
            assert!(rig.read(&place.join("hello.txt")).is_some());
            rig.succeed([OsStr::new("unmount"), OsStr::new("--"), name]);
            assert!(rig.mounts().is_empty(), "{name:?}");
        }
    }
}

#[test]
fn directories_may_have_any_name() {
    for user in [User::Own, User::Nobody] {
        let rig = Rig::new(user);
        for name in NAMES {
            let name = OsStr::from_bytes(name);
            let place = rig.directory(name);
            rig.succeed([OsStr::new("x.iso"), OsStr::new("--"), name]);
            assert_eq!(rig.mounts()[0].point, place);
            assert!(rig.read(&place.join("hello.txt")).is_some());
            rig.succeed([OsStr::new("unmount"), OsStr::new("--"), name]);
            assert!(rig.mounts().is_empty(), "{name:?} {user:?}");
            fs::remove_dir(&place).unwrap();
        }
    }
}

#[test]
fn the_list_keeps_names_exact_and_terminals_safe() {
    let rig = Rig::new(User::Own);
    let name = OsStr::from_bytes(b"x\x1b[31m\xff.iso");
    fs::copy(rig.path("x.iso"), rig.path(name)).unwrap();
    rig.directory("m");
    rig.succeed([name, OsStr::new("m")]);
    let text = rig.succeed(["list"]);
    assert!(text.contains("x\\x1b[31m\\xff.iso") && !text.contains('\x1b'), "{text}");
    let json: serde_json::Value = serde_json::from_str(&rig.succeed(["status", "--json"])).unwrap();
    let point = rig.path("m");
    let drive = json.as_array().unwrap().iter().find(|drive| drive["directory"] == point.to_str().unwrap()).unwrap();
    let hex = drive["image_bytes"].as_str().unwrap();
    assert!(hex.ends_with("781b5b33316dff2e69736f"));
    assert_eq!((&drive["stale"], &drive["type"]), (&false.into(), &"fuse.mount-iso".into()));
    assert!(drive.get("directory_bytes").is_none());
}

#[test]
fn images_named_like_verbs_are_reached_by_their_path() {
    let rig = Rig::new(User::Own);
    fs::copy(rig.path("x.iso"), rig.path("list")).unwrap();
    for (number, args) in [["./list"].as_slice(), &["mount", "list"], &["--", "list"]].into_iter().enumerate() {
        let place = rig.directory(format!("m{number}"));
        rig.succeed(args.iter().map(OsStr::new).chain([place.as_os_str()]));
        assert_eq!(rig.mounts()[0].source, rig.path("list"));
        rig.succeed([OsStr::new("unmount"), place.as_os_str()]);
    }
}

#[test]
fn flags_may_stand_anywhere() {
    let rig = Rig::new(User::Own);
    rig.directory("m");
    for args in [
        ["-o", "ro,uid=5", "x.iso", "m"],
        ["x.iso", "-o", "ro,uid=5", "m"],
        ["x.iso", "m", "-o", "ro,uid=5"],
        ["x.iso", "m", "--options", "uid=5"],
    ] {
        rig.succeed(args);
        let output = rig.shell("stat -c %u m/hello.txt");
        assert_eq!(output.stdout, b"5\n", "{output:?}");
        rig.succeed(["unmount", "m"]);
    }
}
