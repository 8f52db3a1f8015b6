use std::path::Path;

use super::*;
use crate::cli::listing::mode_string;
use crate::cli::tests_volume::{Body, TestVolume};
use crate::volume::Device;

fn volume() -> TestVolume {
    let mut volume = TestVolume::default();
    volume.file(1, b"zeta\n", 2, Body::new(vec![0; 12_345])).permissions = Some(0o4755);
    volume.add(1, b"dir", 3, FileType::Directory);
    volume.file(3, b"in\xff", 4, Body::new(vec![0; 5]));
    volume.link(1, b"link", 5, b"dir");
    volume.add(1, b"tty", 6, FileType::CharacterDevice).device = Device { major: 4, minor: 64 };
    volume.file(1, b"old", 7, Body::new(Vec::new())).times = Default::default();
    volume
}

fn list(volume: TestVolume, paths: &[&[u8]], way: Way, json: bool) -> (Code, String, String) {
    let tree = volume.tree();
    let (mut out, mut error) = (Vec::new(), Vec::new());
    let mut messages = Messages::new(Path::new("t.iso"), &mut error);
    let presentation = Presentation::default();
    let mut lister = Lister { tree: &tree, presentation: &presentation, messages: &mut messages };
    if json {
        let mut sheet = JsonSheet(JsonArray::new(&mut out).unwrap());
        lister.list(paths, way, &mut sheet).unwrap();
        sheet.0.finish().unwrap();
    } else {
        let named = way.recursive || paths.len() > 1;
        lister.list(paths, way, &mut TableSheet { out: &mut out, named, empty: true }).unwrap();
    }
    let code = messages.finish();
    drop(messages);
    (code, String::from_utf8(out).unwrap(), String::from_utf8(error).unwrap())
}

#[test]
fn a_directory_as_ls_has_it() {
    let (code, out, error) = list(volume(), &[b"/"], Way::default(), false);
    assert_eq!((code, error.as_str()), (Code::Success, ""));
    assert_eq!(
        out,
        "\
drwxr-xr-x 1 7 8     0 2024-05-03 12:00 dir
lrw-r--r-- 1 7 8     3 2024-05-03 12:00 link -> dir
-rw-r--r-- 1 7 8     0                - old
crw-r--r-- 1 7 8 4, 64 2024-05-03 12:00 tty
-rwsr-xr-x 1 7 8 12345 2024-05-03 12:00 zeta\\x0a
"
    );
}

#[test]
fn named_things_and_directories_themselves() {
    let (_, out, _) = list(volume(), &[b"dir", b"old"], Way::default(), false);
    let names = "-rw-r--r-- 1 7 8 0 - old\n\ndir:\n-rw-r--r-- 1 7 8 5 2024-05-03 12:00 in\\xff\n";
    assert_eq!(out, names);
    let (_, out, _) = list(volume(), &[b"/dir"], Way { directory: true, ..Way::default() }, false);
    assert!(out.ends_with(" /dir\n"), "{out}");
    let (_, out, _) = list(volume(), &[b"link"], Way::default(), false);
    assert!(out.ends_with(" link -> dir\n"), "{out}");
    let (_, out, _) = list(volume(), &[b"link/"], Way::default(), false);
    assert!(out.ends_with(" in\\xff\n"), "{out}");
    let (code, out, error) = list(volume(), &[b"none"], Way::default(), false);
    assert_eq!((code, out.as_str()), (Code::Failure, ""));
    assert!(error.contains("none: no such file or directory"));
}

#[test]
fn a_loop_is_told_and_ends() {
    let mut looped = volume();
    looped.name(3, b"again", 1, FileType::Directory);
    looped.name(3, b"self", 3, FileType::Directory);
    let (code, out, error) = list(looped, &[b"/"], Way { recursive: true, ..Way::default() }, false);
    assert_eq!(code, Code::Partial);
    assert_eq!(out.matches(":\n").collect::<Vec<_>>().len(), 2, "{out}");
    assert!(out.contains("\n\n/dir:\n"), "{out}");
    assert_eq!(error.matches("not listed again").count(), 2, "{error}");
}

#[test]
fn an_unreadable_entry_is_told_and_the_rest_listed() {
    let mut damaged = volume();
    damaged.name(1, b"lost", 99, FileType::Regular);
    let (code, out, error) = list(damaged, &[b"/"], Way::default(), false);
    assert_eq!((code, out.lines().count()), (Code::Partial, 6));
    assert!(out.contains("-????????? ? ? ?     ?                ? lost\n"), "{out}");
    assert!(error.starts_with("mount-iso: t.iso: /lost: at byte 202752: no such record (ECMA-119 9.1)\n"), "{error}");
}

#[test]
fn json_has_what_is_recorded_and_null_for_the_rest() {
    let (_, out, _) = list(volume(), &[b"/"], Way { recursive: true, ..Way::default() }, true);
    let list: serde_json::Value = serde_json::from_str(&out).unwrap();
    let find = |name: &str| list.as_array().unwrap().iter().find(|item| item["name"] == name).unwrap().clone();
    let zeta = find("zeta\n");
    assert_eq!(zeta["mode"], "4755");
    assert_eq!(zeta["mtime"], "2024-05-03T12:00:00.000000005Z");
    assert_eq!((&zeta["size"], &zeta["atime"], &zeta["inode"]), (&12_345.into(), &serde_json::Value::Null, &2.into()));
    assert_eq!(find("link")["target"], "dir");
    assert_eq!(find("tty")["device"]["minor"], 64);
    let inside = find("in\u{fffd}");
    assert_eq!((&inside["path"], &inside["name_bytes"]), (&"/dir/in\u{fffd}".into(), &"696eff".into()));
    assert_eq!(list.as_array().unwrap().len(), 6);
}

#[test]
fn mode_strings_show_every_bit() {
    for (permissions, text) in
        [(0o7777, "-rwsrwsrwt"), (0o7666, "-rwSrwSrwT"), (0o1755, "-rwxr-xr-t"), (0o000, "----------")]
    {
        assert_eq!(mode_string(FileType::Regular, permissions), text);
    }
}
