use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::cli::tests_volume::{Body, TestVolume};
use crate::tree::{Presentation, Tree};

/// A large number, as hard links have them.
const LINKED: u64 = 1 << 62 | 77;

fn opened() -> Opened {
    let mut volume = TestVolume::default();
    volume.add(1, b"sub", 5, FileType::Directory);
    volume.file(5, b"file", 9, Body::new(b"body".to_vec()));
    volume.file(1, b"linked", LINKED, Body::new(b"linked".to_vec()));
    let presentation = Presentation { default_uid: 65_534, ..Presentation::default() };
    Opened { volume: Box::new(volume), presentation }
}

struct Fixture {
    folder: tempfile::TempDir,
    opened: Arc<AtomicUsize>,
    tree: Tree,
}

fn fixture(names: &[&str], idle: Duration) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        fs::write(folder.path().join(name), name).unwrap();
    }
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let opener: Opener = Box::new(move |path| {
        counted.fetch_add(1, Ordering::Relaxed);
        if path.ends_with("bad.iso") { Err("bad.iso: not a disc image".to_owned()) } else { Ok(opened()) }
    });
    let library = Library::new(folder.path().to_owned(), idle, opener, None).unwrap();
    Fixture { folder, opened: count, tree: Tree::new(Box::new(library)) }
}

impl Fixture {
    fn opened(&self) -> usize {
        self.opened.load(Ordering::Relaxed)
    }

    fn names(&self) -> Vec<String> {
        let directory = self.tree.directory(self.tree.root()).unwrap();
        directory.iter().map(|entry| String::from_utf8_lossy(entry.name).into_owned()).collect()
    }

    fn text(&self, path: &str) -> String {
        let node = self.tree.resolve(path.as_bytes(), true).unwrap();
        let mut text = vec![0; usize::try_from(node.size).unwrap()];
        self.tree.file(node.id).unwrap().read_exact_at(&mut text, 0).unwrap();
        String::from_utf8(text).unwrap()
    }
}

#[test]
fn images_are_opened_when_they_are_entered_and_not_before() {
    let fixture = fixture(&["b.iso", "a.ISO", "bad.iso", "note.txt"], Duration::from_secs(60));
    let tree = &fixture.tree;
    assert_eq!(fixture.names(), ["a", "b", "bad"]);
    for name in ["a", "b", "bad"] {
        let node = tree.resolve(name.as_bytes(), true).unwrap();
        assert_eq!(node.kind, FileType::Directory);
        assert!(tree.attributes(node.id).unwrap().is_empty());
        assert_eq!(tree.parent(node.id).unwrap(), tree.root());
    }
    assert_eq!((fixture.opened(), tree.count()), (0, 4));
    assert_eq!(fixture.text("b/sub/file"), "body");
    assert_eq!(fixture.text("b/linked"), "linked");
    assert_eq!(fixture.opened(), 1);
    let bad = tree.resolve(b"bad", true).unwrap();
    assert_eq!(tree.directory(bad.id).unwrap_err().errno(), libc::EIO);
    assert!(matches!(tree.resolve(b"note", true), Err(Error::NotFound)));
    assert!(matches!(tree.node(NodeId::new(9 << 44).unwrap()), Err(Error::Stale)));
}

#[test]
fn paths_lead_down_and_up_again() {
    let fixture = fixture(&["a.iso", "b.iso"], Duration::from_secs(60));
    let tree = &fixture.tree;
    let at = |path: &str| tree.resolve(path.as_bytes(), true).unwrap().id;
    assert_eq!(tree.parent(at("a/sub")).unwrap(), at("a"));
    assert_eq!(at("a/sub/../../b/sub/.."), at("b"));
    assert_ne!(at("a/sub/file"), at("b/sub/file"));
    assert_eq!(tree.node(at("a/sub/file")).unwrap().id, at("a/sub/file"));
    assert_eq!(tree.node(at("a/linked")).unwrap().id, at("a/linked"));
}

#[test]
fn images_come_and_go() {
    let fixture = fixture(&["a.iso", "b.iso"], Duration::from_secs(60));
    let tree = &fixture.tree;
    assert_eq!(fixture.names(), ["a", "b"]);
    let old = tree.resolve(b"a/sub/file", true).unwrap().id;
    fs::remove_file(fixture.folder.path().join("a.iso")).unwrap();
    fs::write(fixture.folder.path().join("c.iso"), "").unwrap();
    // Where the file system's clock is coarse.
    std::thread::sleep(LOOK_HOLDS + Duration::from_millis(50));
    assert_eq!(fixture.names(), ["b", "c"]);
    assert!(matches!(tree.node(old), Err(Error::Stale)));
    assert!(matches!(tree.resolve(b"a", true), Err(Error::NotFound)));
    // Another file under the name of one that was there.
    let old = tree.resolve(b"b", true).unwrap().id;
    fs::write(fixture.folder.path().join("b.iso"), "another image").unwrap();
    std::thread::sleep(LOOK_HOLDS + Duration::from_millis(50));
    assert_ne!(tree.resolve(b"b", true).unwrap().id, old);
    assert_eq!(fixture.text("b/sub/file"), "body");
}

#[test]
fn what_nobody_uses_is_closed_and_opened_again_under_the_same_numbers() {
    let fixture = fixture(&["a.iso"], Duration::from_millis(200));
    let tree = &fixture.tree;
    let id = tree.resolve(b"a/linked", true).unwrap().id;
    let body = tree.file(id).unwrap();
    let parts = tree.parts().unwrap();
    tree.tidy();
    assert!(parts.is_open(id));
    std::thread::sleep(Duration::from_millis(150));
    // What comes from a cache is use as well.
    tree.file(id).unwrap();
    std::thread::sleep(Duration::from_millis(150));
    tree.tidy();
    assert!(parts.is_open(id));
    std::thread::sleep(Duration::from_millis(250));
    tree.tidy();
    assert!(!parts.is_open(id));
    // Whoever still reads is served, and then nothing holds the image.
    assert_eq!((body.len(), Arc::strong_count(&body)), (6, 1));
    assert_eq!(tree.node(id).unwrap().size, 6);
    assert_eq!(fixture.opened(), 2);
}

#[test]
fn only_so_many_images_are_open_at_once() {
    let names: Vec<String> = (0..MAX_OPEN + 10).map(|number| format!("{number}.iso")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let fixture = fixture(&names, Duration::from_secs(60));
    for name in fixture.names() {
        assert_eq!(fixture.text(&format!("{name}/sub/file")), "body");
    }
    let parts = fixture.tree.parts().unwrap();
    let all = std::iter::successors(parts.after(0), |part| parts.after(part.number));
    assert!(all.filter(|part| parts.is_open(part.id)).count() <= MAX_OPEN);
}

#[test]
fn owners_that_nobody_recorded_are_those_of_the_image() {
    let mut opened = opened();
    opened.presentation.override_recorded = true;
    opened.presentation.file_mode = Some(0o400);
    let mut node = opened.volume.node(NodeId::new(9).unwrap()).unwrap();
    node.uid = None;
    let adapted = adapted(node, ROOT, &opened);
    assert_eq!((adapted.uid, adapted.gid, adapted.permissions), (Some(65_534), Some(8), None));
}
