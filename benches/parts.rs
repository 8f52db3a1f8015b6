//! The parts of a drive, measured alone: opening an image, parsing a directory, look-up, reading.
//!
//! `cargo bench --bench parts [FILTER]`. The images are made by the tests' own builder, and are in the page cache.

#[path = "../tests/build/mod.rs"]
mod build;

use std::path::{Path, PathBuf};

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use mount_iso::container;
use mount_iso::disc::{Disc, ReadOptions, Selection};
use mount_iso::source::IoMode;
use mount_iso::tree::Tree;
use mount_iso::volume::{NodeId, Volume};

use build::{Content, Flat, Image, Node, Rock, udf};

fn main() {
    divan::main();
}

const FILES: u32 = 10_000;
const LARGE: u64 = 16 << 20;

/// The two families of file systems.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Family {
    Iso9660,
    Udf,
}

use Family::{Iso9660, Udf};

/// An image in a directory that goes with it.
struct Made {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

fn made(write: impl FnOnce(&Path)) -> Made {
    let directory = tempfile::tempdir().expect("a directory for an image");
    let path = directory.path().join("image");
    write(&path);
    Made { _directory: directory, path }
}

/// One directory of many files.
fn flat(family: Family) -> Made {
    made(|path| {
        let written = match family {
            Iso9660 => Flat { files: FILES, directories: 0, rock_ridge: true }.write(path),
            Udf => udf::Flat { files: FILES, directories: 0, block_size: 2048 }.write(path),
        };
        written.expect("the image can be written");
    })
}

fn large(family: Family) -> Made {
    made(|path| match family {
        Iso9660 => {
            let image = Image::new().rock_ridge(Rock::V1_10).add("/large", Node::pattern(1, LARGE));
            image.write(path).map(drop).expect("the image can be written");
        }
        Udf => {
            let file = udf::Node::file(Content::Pattern { seed: 1, len: LARGE });
            udf::Image::new(0x0201).add("/large", file).write(path).map(drop).expect("the image can be written");
        }
    })
}

fn volume(image: &Path) -> Box<dyn Volume> {
    let source = container::open(image, IoMode::Auto).expect("the image can be opened");
    let disc = Disc::probe(source, &ReadOptions::default()).expect("it is a disc");
    let chosen = disc.choose(&Selection::default()).expect("it has a tree");
    disc.open(chosen.kind).expect("the tree can be opened")
}

/// Opening an image, until its root is known.
#[divan::bench(args = [Iso9660, Udf])]
fn open(bencher: Bencher, family: Family) {
    let image = flat(family);
    bencher.bench(|| volume(&image.path).root());
}

/// Reading and packing a directory of 10,000 entries.
#[divan::bench(args = [Iso9660, Udf])]
fn directory(bencher: Bencher, family: Family) {
    let image = flat(family);
    let volume = volume(&image.path);
    bencher.counter(divan::counter::ItemsCount::new(FILES)).bench(|| volume.read_dir(volume.root()));
}

/// The attributes of 10,000 files, one after the other.
#[divan::bench(args = [Iso9660, Udf])]
fn attributes(bencher: Bencher, family: Family) {
    let image = flat(family);
    let volume = volume(&image.path);
    let listed = volume.read_dir(volume.root()).expect("the root can be read");
    let ids: Vec<NodeId> = listed.iter().map(|entry| entry.id).collect();
    bencher.counter(divan::counter::ItemsCount::new(FILES)).bench(|| {
        for id in &ids {
            black_box(volume.node(*id).expect("a file"));
        }
    });
}

/// Looking names up in a directory of 10,000 entries that is in the cache.
#[divan::bench(args = [Iso9660, Udf])]
fn look_up(bencher: Bencher, family: Family) {
    let image = flat(family);
    let tree = Tree::new(volume(&image.path));
    let listed = tree.directory(tree.root()).expect("the root can be read");
    let names: Vec<Vec<u8>> = listed.iter().step_by(10).map(|entry| entry.name.to_vec()).collect();
    bencher.counter(divan::counter::ItemsCount::new(names.len())).bench(|| {
        for name in &names {
            black_box(tree.lookup(tree.root(), name).expect("a name of the directory"));
        }
    });
}

/// Reading a file of 16 MiB by pieces of 128 KiB.
#[divan::bench(args = [Iso9660, Udf])]
fn read(bencher: Bencher, family: Family) {
    let image = large(family);
    let tree = Tree::new(volume(&image.path));
    let listed = tree.directory(tree.root()).expect("the root can be read");
    let body = tree.file(listed.get(0).expect("there is a file").id).expect("its body");
    let mut buffer = vec![0; 128 << 10];
    bencher.counter(BytesCount::new(LARGE)).bench_local(|| {
        for at in (0..LARGE).step_by(buffer.len()) {
            body.read_exact_at(&mut buffer, at).expect("the image can be read");
        }
        black_box(buffer[0])
    });
}
