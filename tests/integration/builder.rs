//! The image builder, judged by readers that are not ours.

use std::path::Path;
use std::process::Command;

use crate::build::node::Continuation;
use crate::build::{Content, Flat, Image, Node, Rock};

/// What a program prints, or nothing when it is not installed.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).env("LC_ALL", "C.UTF-8").output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary path is UTF-8")
}

/// An image of everything that every reader knows.
pub fn common() -> Image {
    Image::new()
        .rock_ridge(Rock::V1_12)
        .joliet(3)
        .add("/docs/read.me", Node::text("hello\n").mode(0o600).owner(12, 34))
        .add("/docs/über uns.txt", Node::text("ü"))
        .add("/docs/empty", Node::text(""))
        .add("/link", Node::link("docs/read.me"))
        .add("/absolute", Node::link("/etc/../etc/./passwd"))
        .add("/null", Node::device(false, 1, 3))
        .add("/pipe", Node::fifo())
        .add("/large.bin", Node::pattern(7, 100_001))
        .add(&format!("/{}", "n".repeat(240)), Node::text("long name"))
        .add("/continued", Node::text("c").continuation(Continuation { per_area: Some(1), ..Default::default() }))
        .add("/a/b/c/d/e/f/g/h/deep", Node::text("deep"))
        .add("/a/b/c/d/e/f/g/h", Node::dir().relocated())
}

#[test]
fn other_readers_agree() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("common.iso");
    let image = common();
    let layout = image.write(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(bytes.len() as u64, layout.len);
    assert_eq!(&bytes[layout.extent("/docs/read.me") as usize..][..6], b"hello\n");

    if let Some(list) = output("bsdtar", &["-tvf", text(&path)]) {
        for line in
            ["docs/über uns.txt", "link -> docs/read.me", "absolute -> /etc/../etc/./passwd", "a/b/c/d/e/f/g/h/deep"]
        {
            assert!(list.contains(line), "bsdtar does not list {line}:\n{list}");
        }
        assert!(list.contains("-rw-------") && list.contains("12") && list.contains("100001"), "{list}");
        assert!(!list.contains("Damaged") && !list.contains("bsdtar:"), "{list}");
        let large = Command::new("bsdtar").args(["-xOf", text(&path), "large.bin"]).output().unwrap().stdout;
        assert!(large == Content::Pattern { seed: 7, len: 100_001 }.bytes(), "bsdtar extracts other bytes");
    }
    if let Some(list) = output("xorriso", &["-indev", text(&path), "-find", "/", "-exec", "lsdl"]) {
        for line in ["'/docs/read.me'", "'/link' -> 'docs/read.me'", "'/a/b/c/d/e/f/g/h/deep'", "'/continued'"] {
            assert!(list.contains(line), "xorriso does not list {line}:\n{list}");
        }
        assert!(!list.contains("FATAL") && !list.contains("SORRY") && !list.contains("FAILURE"), "{list}");
    }
    if let Some(list) = output("isoinfo", &["-R", "-f", "-i", text(&path)]) {
        assert!(list.contains("/docs/read.me") && list.contains(&"n".repeat(240)), "{list}");
    }
    if let Some(list) = output("isoinfo", &["-J", "-f", "-i", text(&path)]) {
        assert!(list.contains("/docs/read.me") && list.contains("/a/b/c/d/e/f/g/h/deep"), "{list}");
    }
    if let Some(list) = output("isoinfo", &["-p", "-i", text(&path)]) {
        assert!(list.lines().any(|line| line.contains("DOCS")), "the path table is odd: {list}");
    }
    if let Some(list) = output("7z", &["l", "-slt", text(&path)]) {
        assert!(list.contains("Path = docs/read.me") && list.contains("Size = 100001"), "{list}");
        assert!(!list.contains("Errors"), "{list}");
    }
}

#[test]
fn small_blocks_move_no_data() {
    for block in [512, 1024] {
        let image = common().block_size(block);
        let (bytes, layout) = (image.bytes(), image.layout());
        let record = layout.record("/large.bin") as usize;
        let extent = u32::from_le_bytes(bytes[record + 2..record + 6].try_into().unwrap());
        assert_eq!(u64::from(extent) * u64::from(block), layout.extent("/large.bin"));
    }
}

#[test]
fn five_gigabytes_take_no_space() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large.iso");
    let marks = vec![(0, b"start".to_vec()), (0xFFFF_F7FE, b"across".to_vec()), ((5 << 30) - 3, b"end".to_vec())];
    let layout = Image::new()
        .rock_ridge(Rock::V1_10)
        .add("/large", Node::file(Content::Holes { len: 5 << 30, marks }))
        .write(&path)
        .unwrap();
    assert_eq!(layout.place("/large").records.len(), 2);
    let data = std::fs::metadata(&path).unwrap();
    assert!(data.len() > 5 << 30);
    assert!(std::os::unix::fs::MetadataExt::blocks(&data) < 4096, "the holes are written out");
    if let Some(list) = output("xorriso", &["-indev", text(&path), "-find", "/large", "-exec", "lsdl"]) {
        assert!(list.contains("5368709120"), "{list}");
    }
}

#[test]
fn a_million_files_are_written_quickly() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("many.iso");
    for flat in [
        Flat { files: 1_000_000, directories: 0, rock_ridge: true },
        Flat { files: 1_000_000, directories: 1000, rock_ridge: false },
    ] {
        let start = std::time::Instant::now();
        flat.write(&path).unwrap();
        eprintln!("{flat:?}: {:?}", start.elapsed());
    }
    let flat = Flat { files: 5000, directories: 10, rock_ridge: true };
    flat.write(&path).unwrap();
    if let Some(list) = output("bsdtar", &["-tf", text(&path)]) {
        assert_eq!(
            list.lines().filter(|line| line.contains("/file-")).count(),
            5000,
            "{}",
            &list[..list.len().min(500)]
        );
        assert!(list.contains("dir-0009/file-0004999.txt"));
    }
}

#[test]
fn the_hostile_images_can_be_built() {
    let list = crate::build::hostile::catalogue();
    let names: std::collections::HashSet<_> = list.iter().map(|hostile| &hostile.name).collect();
    assert_eq!(names.len(), list.len(), "two images have one name");
    assert!(list.len() > 100);
    // What stays good is good before a reader sees it: the bytes are there.
    for hostile in list.iter().filter(|hostile| hostile.good) {
        let good = crate::build::hostile::GOOD.as_bytes();
        assert!(hostile.image.windows(good.len()).any(|window| window == good), "{}", hostile.name);
    }
}
