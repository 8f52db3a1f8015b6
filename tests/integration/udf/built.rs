//! Images of the builder: a mount shows what was put in.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::dir::{Dir, Entry};
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use super::expected;
use crate::build::Content;
use crate::build::udf::samples::samples;
use crate::build::udf::{Form, Image, Map, Node, Run, Stamp};
use crate::differential::linux;
use crate::drive::Drive;
use crate::manifest::{Deviations, Manifest};

/// An image, mounted.
fn drive(image: &Image, options: &str) -> Drive {
    let file = tempfile::NamedTempFile::new().unwrap();
    image.write(file.path()).unwrap();
    // The drive holds the image open; its name is not needed any more.
    Drive::mount_as(Some("udf"), file.path(), options).unwrap_or_else(|trouble| panic!("{trouble:?}"))
}

/// `MOUNT_ISO_UDF_ONLY` (a part of a sample's name) is for those who look at one difference.
fn wanted() -> Vec<(String, Image)> {
    let only = std::env::var("MOUNT_ISO_UDF_ONLY").unwrap_or_default();
    samples().into_iter().filter(|(name, _)| name.contains(&only)).collect()
}

/// Every structure of the standards that the samples have, by content, owner, mode, times, links and holes.
#[test]
fn as_built() {
    let list = wanted();
    let dir = tempfile::tempdir().unwrap();
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((name, image)) = list.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let path = dir.path().join(name);
                    image.write(&path).unwrap();
                    let complaints = match Drive::mount_as(Some("udf"), &path, "") {
                        Err(trouble) => vec![format!("{trouble:?}")],
                        Ok(drive) => complaints(image, &drive),
                    };
                    std::fs::remove_file(path).unwrap();
                    let complaints = complaints.into_iter().map(|complaint| format!("{name}: {complaint}"));
                    wrong.lock().unwrap().extend(complaints);
                }
            });
        }
    });
    let mut wrong = wrong.into_inner().unwrap();
    wrong.sort();
    assert!(wrong.is_empty(), "{} differences (\"Linux\" is the builder):\n{}", wrong.len(), wrong.join("\n"));
}

/// The numbers that a directory's listing has for "..", and that its parent has (the root's is itself).
fn parents(directory: &Path, is_root: bool) -> std::io::Result<(Option<u64>, u64)> {
    let mut listing = Dir::open(directory, OFlag::O_RDONLY, Mode::empty())?;
    let entries = listing.iter().collect::<Result<Vec<_>, _>>()?;
    let listed = entries.iter().find(|entry| entry.file_name() == c"..").map(Entry::ino);
    let parent = if is_root { directory.to_owned() } else { directory.join("..") };
    Ok((listed, std::fs::symlink_metadata(parent)?.ino()))
}

fn complaints(image: &Image, drive: &Drive) -> Vec<String> {
    let ours = match drive.manifest() {
        Ok(ours) => ours,
        Err(trouble) => return vec![format!("{trouble:?}")],
    };
    let mut list: Vec<String> = expected::manifest(image).differences(&ours).iter().map(ToString::to_string).collect();
    for (path, node) in image.shown() {
        let at = drive.path().join(&path[1..]);
        let Ok(data) = std::fs::symlink_metadata(&at) else { continue };
        let shown = [(data.atime(), data.atime_nsec()), (data.mtime(), data.mtime_nsec())];
        let recorded = [node.times[0], node.times[1]].map(|time| (time.seconds, i64::from(time.micros) * 1000));
        if shown != recorded {
            list.push(format!("{path}: times {shown:?}, recorded {recorded:?}"));
        }
        if data.is_dir() {
            match parents(&at, path == "/") {
                Ok((listed, parent)) if listed == Some(parent) => {}
                other => list.push(format!("{path}: \"..\" in its listing, and its parent: {other:?}")),
            }
        }
        if !node.streams.is_empty() {
            list.extend(streams(&at, node).map(|complaint| format!("{path}: {complaint}")));
        }
    }
    list
}

/// ECMA-167 4/9.2, UDF 3.3.5: every stream is an extended attribute whose name ends in the stream's.
fn streams(at: &Path, node: &Node) -> impl Iterator<Item = String> {
    let all = attributes(at);
    node.streams.iter().filter_map(move |(name, content)| {
        let crate::build::udf::Name::Text(name) = name else { return None };
        match all.iter().find(|(shown, _)| shown.ends_with(name.as_str())) {
            Some((_, value)) if *value == content.bytes() => None,
            found => {
                Some(format!("the stream {name} is {found:?} of {:?}", all.iter().map(|a| &a.0).collect::<Vec<_>>()))
            }
        }
    })
}

fn attributes(at: &Path) -> Vec<(String, Vec<u8>)> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(at.as_os_str().as_bytes()).unwrap();
    let mut list = vec![0u8; 65_536];
    // SAFETY: the buffers are as long as is said.
    let len = unsafe { libc::llistxattr(path.as_ptr(), list.as_mut_ptr().cast(), list.len()) };
    list.truncate(usize::try_from(len).unwrap_or(0));
    let names = list.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names
        .map(|name| {
            let key = std::ffi::CString::new(name).unwrap();
            let mut value = vec![0u8; 65_536];
            // SAFETY: as above.
            let len = unsafe { libc::lgetxattr(path.as_ptr(), key.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
            value.truncate(usize::try_from(len).unwrap_or(0));
            (String::from_utf8_lossy(name).into_owned(), value)
        })
        .collect()
}

/// The builder, judged by Linux; and where Linux differs on images that are right, a row says why.
#[test]
fn as_linux_shows_it() {
    let dir = tempfile::tempdir().unwrap();
    let list = wanted();
    let mut jobs = String::new();
    for (name, image) in &list {
        let path = dir.path().join(name);
        image.write(&path).unwrap();
        jobs.push_str(&format!("{name}\t{}\tudf\n", path.display()));
    }
    let Some(out) = linux(dir.path(), &jobs) else { return };
    let deviations = Deviations::load();
    let mut wrong = Vec::new();
    for (name, image) in &list {
        let theirs = Manifest::load(&out.join(format!("{name}.tsv")));
        let key = format!("built-udf/{name}");
        let ours = expected::manifest(image);
        if !theirs.mounted() {
            let difference = crate::manifest::Difference {
                path: "/".into(),
                attribute: "mount".into(),
                theirs: theirs.errors.join(" "),
                ours: "mounts it".into(),
            };
            if !deviations.allow(&key, "udf", &difference) {
                wrong.push(format!("{name}: {difference}"));
            }
            continue;
        }
        let differences = theirs.differences(&ours);
        let differences = differences.iter().filter(|d| !deviations.allow(&key, "udf", d));
        wrong.extend(differences.map(|d| format!("{name}: {d}")));
    }
    assert!(wrong.is_empty(), "{} differences (\"ours\" is the builder):\n{}", wrong.len(), wrong.join("\n"));
    if std::env::var_os("MOUNT_ISO_UDF_ONLY").is_none() {
        let stale = deviations.stale("built-udf/");
        assert!(stale.is_empty(), "no image needs these rows of docs/deviations.md:\n{}", stale.join("\n"));
    }
}

/// The data and holes of a file, as SEEK_DATA and SEEK_HOLE tell them.
fn islands(file: &File, len: i64) -> Vec<(i64, i64)> {
    let mut list = Vec::new();
    let mut at = 0;
    loop {
        // SAFETY: the descriptor is open.
        let (from, to) = unsafe {
            let from = libc::lseek(file.as_raw_fd(), at, libc::SEEK_DATA);
            if from < 0 {
                break;
            }
            (from, libc::lseek(file.as_raw_fd(), from, libc::SEEK_HOLE))
        };
        list.push((from, to));
        at = to;
        if at >= len || list.len() > 100 {
            break;
        }
    }
    list
}

/// ECMA-167 4/14.14.1.1: extents that are not recorded are holes.
#[test]
fn holes_are_holes() {
    let bs = 2048;
    let marks = vec![(5000, b"mark".to_vec()), (1 << 39, b"middle".to_vec()), ((1 << 40) - 3, b"end".to_vec())];
    let content = Content::Holes { len: 1 << 40, marks: marks.clone() };
    let runs = |hole| [Run::Recorded(2 * bs), hole, Run::Recorded(bs)];
    let image = Image::new(0x201)
        .add("/terabyte", Node::file(content).sparse(bs))
        .add("/allocated", Node::pattern(1, 5 * bs).runs(&runs(Run::Allocated(2 * bs))))
        .add("/unallocated", Node::pattern(1, 5 * bs).runs(&runs(Run::Unallocated(2 * bs))));
    let drive = drive(&image, "");
    let file = File::open(drive.path().join("terabyte")).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 1 << 40);
    for (at, mark) in &marks {
        let mut bytes = vec![0; mark.len()];
        file.read_exact_at(&mut bytes, *at).unwrap();
        assert_eq!(bytes, *mark);
    }
    let mut zeros = vec![1; 100_000];
    file.read_exact_at(&mut zeros, 3 << 38).unwrap();
    assert!(zeros.iter().all(|byte| *byte == 0));
    assert!(file.metadata().unwrap().blocks() < 100, "blocks that are not there are counted");
    let middle = 1 << 39;
    let end = 1 << 40;
    assert_eq!(islands(&file, end), [(4096, 6144), (middle, middle + 2048), (end - 2048, end)]);
    for (name, wanted) in
        [("allocated", vec![(0, 4096), (8192, 10_240)]), ("unallocated", vec![(0, 4096), (8192, 10_240)])]
    {
        let file = File::open(drive.path().join(name)).unwrap();
        assert_eq!(islands(&file, 5 * 2048), wanted, "{name}");
        let mut bytes = vec![0; 5 * 2048];
        file.read_exact_at(&mut bytes, 0).unwrap();
        let pattern = Content::Pattern { seed: 1, len: 5 * bs }.bytes();
        for (at, (shown, put)) in bytes.chunks(2048).zip(pattern.chunks(2048)).enumerate() {
            let data = wanted.iter().any(|(from, to)| (*from..*to).contains(&(at as i64 * 2048)));
            assert!(if data { shown == put } else { shown == [0; 2048] }, "{name}: block {at}");
        }
    }
}

/// UDF 2.3.6.1 and 2.3.6.2: 0xFFFFFFFF is no owner, shown as Linux shows it; mount(8): `uid=`, `uid=forget`, `uid=ignore`.
#[test]
fn owners() {
    let image = Image::new(0x201)
        .add("/unset", Node::text("u").owner(u32::MAX, u32::MAX))
        .add("/set", Node::text("s").owner(12, 34));
    for (options, unset, set) in [
        ("", (65_534, 65_534), (12, 34)),
        ("uid=7,gid=8", (7, 8), (7, 8)),
        ("uid=forget,gid=forget", (65_534, 65_534), (12, 34)),
    ] {
        let drive = drive(&image, options);
        for (name, wanted) in [("unset", unset), ("set", set)] {
            let data = std::fs::metadata(drive.path().join(name)).unwrap();
            assert_eq!((data.uid(), data.gid()), wanted, "{name} with -o '{options}'");
        }
    }
}

/// ECMA-167 4/14.4.3 and mount(8): `unhide` and `undelete`.
#[test]
fn hidden_and_deleted_names() {
    use crate::build::udf::node::characteristic::{DELETED, HIDDEN};
    let image = Image::new(0x201)
        .add("/plain", Node::text("p"))
        .add("/hidden", Node::text("h").characteristics(HIDDEN))
        .add("/deleted", Node::text("d").characteristics(DELETED));
    for (options, wanted) in [
        ("", vec!["plain"]),
        ("unhide", vec!["hidden", "plain"]),
        ("undelete", vec!["deleted", "plain"]),
        ("unhide,undelete", vec!["deleted", "hidden", "plain"]),
    ] {
        let drive = drive(&image, options);
        let list = std::fs::read_dir(drive.path()).unwrap();
        let mut names: Vec<String> = list.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, wanted, "-o '{options}'");
    }
}

/// ECMA-167 4/14.4.5: two descriptors with one name: both files can be had.
#[test]
fn duplicate_names() {
    let name =
        |text: &str| Node::text(text).with(|node| node.identifier = Some(crate::build::udf::Name::Text("same".into())));
    let image = Image::new(0x201).add("/one", name("first")).add("/two", name("second")).add("/x", Node::text("x"));
    let drive = drive(&image, "");
    let list: Vec<_> = std::fs::read_dir(drive.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(std::fs::read_to_string(drive.path().join("same")).unwrap(), "first");
    assert!(list.contains(&drive.path().join("x")), "{list:?}");
    let mut distinct = list.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), list.len(), "a name is listed twice: {list:?}");
}

/// One ICB is one file, whatever names it: the inode numbers agree.
#[test]
fn hard_links_agree() {
    let image = Image::new(0x250)
        .maps(&[Map::Physical, Map::metadata()])
        .add("/one", Node::text("one").form(Form::Embedded))
        .add("/dir/two", Node::hard("/one"))
        .add("/other", Node::text("one"));
    let drive = drive(&image, "");
    let number = |path: &str| std::fs::metadata(drive.path().join(path)).unwrap().ino();
    assert_eq!(number("one"), number("dir/two"));
    assert_ne!(number("one"), number("other"));
}

/// A number is the partition reference and the block of the ICB, so it is the same after a remount.
#[test]
fn numbers_are_partition_and_block() {
    let image = Image::new(0x250)
        .maps(&[Map::Physical, Map::metadata()])
        .add("/one", Node::text("one"))
        .add("/dir/two", Node::pattern(1, 9000));
    let layout = image.layout();
    for _ in 0..2 {
        let drive = drive(&image, "");
        for path in ["/one", "/dir", "/dir/two"] {
            let place = layout.place(path);
            let wanted = (u64::from(place.partition) + 1) << 32 | u64::from(place.block);
            let data = std::fs::metadata(drive.path().join(&path[1..])).unwrap();
            assert_eq!(data.ino(), wanted, "{path}");
        }
        assert_eq!(std::fs::metadata(drive.path()).unwrap().ino(), 1);
    }
}

/// mount(8): `mode=` and `dmode=` replace what a UDF disc records, without `overriderockperm`.
#[test]
fn mode_and_dmode_hold_always() {
    let image =
        Image::new(0x201).add("/file", Node::text("f").mode(0o640)).add("/dir/inside", Node::text("i").mode(0o4755));
    for (options, wanted) in [
        ("", [0o640, 0o755, 0o4755]),
        ("mode=0604,dmode=0711", [0o604, 0o711, 0o604]),
        ("umask=077", [0o600, 0o700, 0o4700]),
    ] {
        let drive = drive(&image, options);
        let mode = |path: &str| std::fs::metadata(drive.path().join(path)).unwrap().mode() & 0o7777;
        assert_eq!(["file", "dir", "dir/inside"].map(mode), wanted, "-o '{options}'");
    }
}

/// UDF 3.3.4.5 and 3.3.4.6: what an implementation or application left is an extended attribute; free space is none.
#[test]
fn attributes_of_implementations_are_shown() {
    use crate::build::udf::attribute::{application, implementation};
    let image = Image::new(0x201).add(
        "/file",
        Node::text("f")
            .attribute(implementation("*builder system", 0x201, b"left here"))
            .attribute(implementation("*UDF FreeEASpace", 0x201, &[0; 30]))
            .attribute(application("*builder program", b"by a program")),
    );
    let drive = drive(&image, "");
    let found = attributes(&drive.path().join("file"));
    let [(system, left), (program, by)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((system.as_str(), program.as_str()), ("user.udf.*builder system", "user.udf.*builder program"));
    // The checksum of the attribute's header comes first.
    assert_eq!(left.get(2..11), Some(&b"left here"[..]));
    assert_eq!(by, b"by a program");
}

/// ECMA-167 1/7.3.1: a time without a year is no time; mounting and listing go on.
#[test]
fn times_that_are_not_recorded() {
    let image =
        Image::new(0x201).add("/a", Node::text("a").times([Stamp { kind: 0, ..Stamp::new(-62_167_219_200) }; 4]));
    let drive = drive(&image, "");
    assert_eq!(std::fs::read(drive.path().join("a")).unwrap(), b"a");
}
