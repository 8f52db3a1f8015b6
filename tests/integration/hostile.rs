//! The images nobody should write: none hangs or ends the program, and `good` stays readable.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::build::hostile::{self, GOOD, Hostile};
use crate::drive::{Drive, Trouble};

/// What is wrong about a hostile image, mounted with each of these options.
fn complaint(hostile: &Hostile, kind: &str, all: &[&str], dir: &std::path::Path) -> Option<String> {
    let path = dir.join(format!("{}.iso", hostile.name));
    std::fs::write(&path, &hostile.image).expect("the image can be written");
    let mut complaints = Vec::new();
    for options in all {
        let drive = match Drive::mount_as(Some(kind), &path, options) {
            Ok(drive) => drive,
            Err(Trouble::Refused(_)) if !hostile.good => continue,
            Err(trouble) => {
                complaints.push(format!("-o '{options}': {trouble:?}"));
                continue;
            }
        };
        if let Err(trouble) = drive.manifest() {
            complaints.push(format!("-o '{options}': {trouble:?}"));
        }
        // Without Rock Ridge the name is its identifier's.
        let good = ["good", "GOOD"].iter().find_map(|name| std::fs::read(drive.path().join(name)).ok());
        if hostile.good && good.as_deref() != Some(GOOD.as_bytes()) {
            let good = good.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            complaints.push(format!("-o '{options}': good reads as {good:?}"));
        }
    }
    let _ = std::fs::remove_file(path);
    (!complaints.is_empty()).then(|| format!("{} ({}): {}", hostile.name, hostile.note, complaints.join("; ")))
}

/// Mutants 648, 650 and 852 of those beside Linux: nothing is lost with the record of a directory itself.
#[test]
fn a_directory_whose_own_record_is_damaged() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image.iso");
    // Another name, and one that is longer than its record has room for what follows; both of one directory, or of the root.
    for (record, at, byte) in [("/.", 33, 0xCD), ("/dir/.", 33, 0xCD), ("/dir/.", 32, 10), ("/dir/.", 32, 0xD5)] {
        let image = hostile::base().patched(|layout| vec![(layout.record(record) + at, vec![byte])]);
        std::fs::write(&path, image.bytes()).unwrap();
        let drive = Drive::mount_as(Some("iso9660"), &path, "").unwrap();
        for name in ["", "dir"] {
            let mode = std::fs::metadata(drive.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode, 0o040_755, "{record} {at}: {name}");
        }
        let list = |name: &str| {
            let entries = std::fs::read_dir(drive.path().join(name)).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        assert_eq!(list(""), ["dir", "good", "link", "null", "other", "victim"], "{record} {at}");
        assert_eq!(list("dir"), ["inside", "sub"], "{record} {at}");
        assert_eq!(std::fs::read(drive.path().join("link")).unwrap(), b"inside\n", "{record} {at}");
    }
}

/// Mutants 192, 342 and 598: the name stands before a damaged entry, or behind one that can be passed over.
#[test]
fn a_name_beside_a_damaged_entry_is_kept() {
    use crate::build::Node;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image.iso");
    let named = |change: fn(&mut Node)| Node::text(GOOD).with(change);
    for node in [
        named(|node| node.first_entries = vec![vec![4, 5, 3]]),
        named(|node| node.entries = vec![vec![b'Z', b'Z', 255, 1]]),
    ] {
        std::fs::write(&path, hostile::base().add("/a.name=of.its own", node).bytes()).unwrap();
        let drive = Drive::mount_as(Some("iso9660"), &path, "").unwrap();
        assert_eq!(std::fs::read(drive.path().join("a.name=of.its own")).unwrap(), GOOD.as_bytes());
    }
}

/// Mutant 552 of those beside Linux, and the same at its parent.
#[test]
fn a_relocated_directory_whose_entry_has_a_wrong_length() {
    use crate::build::Node;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image.iso");
    for (record, entry) in [("/dir/sub", "CL"), ("/dir/sub/..", "PL")] {
        let image = hostile::base().add("/dir/sub", Node::dir().relocated());
        let image = image.patched(|layout| vec![(layout.entry(record, entry) + 2, vec![5])]);
        std::fs::write(&path, image.bytes()).unwrap();
        let drive = Drive::mount_as(Some("iso9660"), &path, "").unwrap();
        assert_eq!(std::fs::read(drive.path().join("dir/sub/below")).unwrap(), b"below\n", "{entry}");
        assert_eq!(std::fs::read(drive.path().join("dir/sub/../inside")).unwrap(), b"inside\n", "{entry}");
    }
}

#[test]
fn hostile() {
    let mut list = hostile::catalogue();
    for sectors in 0..=hostile::sectors() {
        let image = hostile::truncated(sectors);
        list.push(Hostile { name: format!("cut-at-{sectors}"), image, good: false, note: "cut short" });
    }
    let with_good = list.iter().filter(|hostile| hostile.good).count();
    eprintln!("{} hostile images of ISO 9660, {with_good} of them with a good file", list.len());
    assert!(with_good >= 50, "{with_good}");
    check(&list, "iso9660", &["", "norock"]);
}

/// Mounts them all.
pub fn check(list: &[Hostile], kind: &str, options: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let (next, complaints) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(hostile) = list.get(next.fetch_add(1, Ordering::Relaxed)) {
                    complaints.lock().expect("nobody panics").extend(complaint(hostile, kind, options, dir.path()));
                }
            });
        }
    });
    let complaints = complaints.into_inner().expect("nobody panics");
    assert!(complaints.is_empty(), "{} of {}:\n{}", complaints.len(), list.len(), complaints.join("\n"));
}
