//! A medium that fails while it is read: what it withholds is an error, never an answer.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use mount_iso::disc::{Disc, ReadOptions, TreeKind};
use mount_iso::error::Error;
use mount_iso::source::{Memory, Source};
use mount_iso::tree::Tree;

use crate::build::node::Continuation;
use crate::build::zisofs::Version;
use crate::build::{Content, Image, Node, Rock};
use crate::drive::Drive;

/// An image of which some bytes can't be read, until they can.
#[derive(Debug)]
struct Faulty {
    image: Memory,
    bad: Mutex<Option<Range<u64>>>,
    /// Reads that met a bad byte.
    retries: AtomicUsize,
}

impl Faulty {
    fn new(image: Vec<u8>) -> Arc<Self> {
        Arc::new(Self { image: Memory(image.into()), bad: Mutex::new(None), retries: AtomicUsize::new(0) })
    }

    fn scratch(&self, bad: Option<Range<u64>>) {
        *self.bad.lock().unwrap() = bad;
    }
}

impl Source for Faulty {
    fn len(&self) -> u64 {
        self.image.len()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset + buffer.len() as u64;
        if self.bad.lock().unwrap().as_ref().is_some_and(|bad| bad.start < end && offset < bad.end) {
            self.retries.fetch_add(1, Ordering::Relaxed);
            return Err(io::Error::from_raw_os_error(libc::EIO));
        }
        self.image.read_exact_at(buffer, offset)
    }
}

/// The Rock Ridge tree of an image; a new one has nothing cached, so it is made when the image is scratched already.
fn tree(source: &Arc<Faulty>) -> Tree {
    let disc = Disc::probe(Arc::clone(source) as Arc<dyn Source>, &ReadOptions::default()).unwrap();
    Tree::new(disc.open(TreeKind::RockRidge).unwrap())
}

/// A directory of several sectors, the first of which can be read.
fn large() -> (Arc<Faulty>, u64) {
    let mut image = Image::new().rock_ridge(Rock::V1_12).add("/dir", Node::dir());
    for number in 0..800 {
        image = image.add(&format!("/dir/file-{number:03}"), Node::text("x"));
    }
    let at = image.layout().extent("/dir");
    (Faulty::new(image.bytes()), at)
}

#[test]
fn a_name_in_an_unreadable_sector_is_an_error_and_not_absent() {
    let (source, at) = large();
    source.scratch(Some(at + 4096..at + 6144));
    let tree = tree(&source);
    let dir = tree.resolve(b"/dir", false).unwrap().id;
    let partial = tree.directory(dir).unwrap();
    assert!((1..800).contains(&partial.len()), "{} names", partial.len());
    let missing =
        (0..800).map(|number| format!("file-{number:03}")).find(|name| partial.find(name.as_bytes()).is_none());
    let missing = missing.unwrap();
    assert!(matches!(tree.lookup(dir, missing.as_bytes()), Err(Error::Read { .. })));
    assert!(tree.lookup(dir, b"file-000").is_ok());
    // The medium recovers, and nothing that was read before stands in the way.
    source.scratch(None);
    assert_eq!(tree.directory(dir).unwrap().len(), 800);
    assert!(tree.lookup(dir, missing.as_bytes()).is_ok());
    assert!(matches!(tree.lookup(dir, b"never there"), Err(Error::NotFound)));
}

#[test]
fn a_bad_sector_is_not_retried_for_each_of_its_neighbours() {
    let (source, at) = large();
    source.scratch(Some(at + 4096..at + 6144));
    let tree = tree(&source);
    let dir = tree.resolve(b"/dir", false).unwrap().id;
    source.retries.store(0, Ordering::Relaxed);
    let names = tree.directory(dir).unwrap().len();
    let retries = source.retries.load(Ordering::Relaxed);
    assert!(retries <= 8, "{retries} failing reads for a directory of {names} names");
}

#[test]
fn an_unreadable_continuation_area_is_an_error_and_not_another_file() {
    let far = || Continuation { keep: Some(1), ..Default::default() };
    let image = Image::new().rock_ridge(Rock::V1_10).add("/link", Node::link("to/somewhere").continuation(far())).add(
        "/pressed",
        Node::file(Content::Bytes(b"press ".repeat(9000))).zisofs(Version::One, 15).continuation(far()),
    );
    let layout = image.layout();
    let source = Faulty::new(image.bytes());
    let healthy = tree(&source);
    for path in ["/link", "/pressed"] {
        let node = healthy.resolve(path.as_bytes(), false).unwrap();
        let record = layout.entry(path, "CE");
        let number = |at: u64| {
            let mut bytes = [0; 4];
            source.image.read_exact_at(&mut bytes, at).unwrap();
            u64::from(u32::from_le_bytes(bytes))
        };
        let start = number(record + 4) * 2048 + number(record + 12);
        source.scratch(Some(start..start + number(record + 20)));
        let cold = tree(&source);
        assert!(matches!(cold.node(node.id), Err(Error::Read { .. })), "{path}");
        assert!(cold.file(node.id).is_err() && cold.read_link(node.id).is_err(), "{path}");
        source.scratch(None);
    }
}

#[test]
fn a_section_that_cannot_be_read_is_an_error_and_not_the_end_of_the_file() {
    let mut image = Image::new().rock_ridge(Rock::V1_10);
    // Enough records before it that its sections begin in one sector and end in the next.
    for number in 0..8 {
        image = image.add(&format!("/a-file-before-{number:02}"), Node::text("b"));
    }
    let image = image.add("/sections", Node::pattern(2, 40_000).sections(&[4096; 9]));
    let layout = image.layout();
    let source = Faulty::new(image.bytes());
    let node = tree(&source).resolve(b"/sections", false).unwrap();
    assert_eq!(node.size, 40_000);
    let first = layout.record("/sections");
    let next_sector = (first / 2048 + 1) * 2048;
    assert!(next_sector - first < 1000, "the sections must cross the sector: {}", next_sector - first);
    source.scratch(Some(next_sector..next_sector + 2048));
    let cold = tree(&source);
    assert!(matches!(cold.node(node.id), Err(Error::Read { .. })));
    assert!(cold.file(node.id).is_err());
    source.scratch(None);
    assert_eq!(cold.node(node.id).unwrap().size, 40_000);
}

#[test]
fn a_listing_that_lacks_names_ends_in_an_error() {
    let mut image = Image::new().rock_ridge(Rock::V1_12).add("/dir", Node::dir());
    for number in 0..800 {
        image = image.add(&format!("/dir/link-{number:03}"), Node::link("x"));
    }
    let at = image.layout().extent("/dir");
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("cut.iso");
    image.truncate(at + 4096).write(&path).unwrap();
    let drive = Drive::mount(&path, "").unwrap();
    let mut names = 0;
    let mut errors = Vec::new();
    for entry in std::fs::read_dir(drive.path().join("dir")).unwrap() {
        match entry {
            Ok(_) => names += 1,
            Err(error) => errors.push(error.raw_os_error()),
        }
    }
    assert!((20..800).contains(&names), "{names} names");
    assert_eq!(errors, [Some(libc::EIO)]);
    // The commands tell it, too, and give what is there.
    let run = |words: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mount-iso"));
        command.args(words).arg(&path).current_dir(scratch.path()).output().unwrap()
    };
    let listed =
        std::process::Command::new(env!("CARGO_BIN_EXE_mount-iso")).arg("ls").arg(&path).arg("dir").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&listed.stdout).lines().count(), names);
    assert!(
        !listed.status.success() && String::from_utf8_lossy(&listed.stderr).contains("names are missing"),
        "{listed:?}"
    );
    let extracted = run(&["extract", "-C", "out"]);
    assert_eq!(extracted.status.code(), Some(64), "{extracted:?}");
    assert!(String::from_utf8_lossy(&extracted.stderr).contains("names are missing"), "{extracted:?}");
    assert_eq!(std::fs::read_dir(scratch.path().join("out/dir")).unwrap().count(), names);
    let verified = run(&["verify"]);
    assert_eq!(verified.status.code(), Some(16), "{verified:?}");
}
