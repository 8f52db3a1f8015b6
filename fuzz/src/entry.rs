//! What is fuzzed: images in memory, opened, walked and read by the program's own code.  Used by the fuzz targets and by
//! the short run in the tests.

#[path = "packed.rs"]
pub mod packed;

use std::sync::Arc;

use mount_iso::disc::{Disc, ReadOptions, Selection, SessionChoice, TreeKind};
use mount_iso::tree::Tree;
use mount_iso::verify::{self, NoMeter};
use mount_iso::volume::FileType;

use packed::{Packed, flags};

/// Nodes of one tree that are looked at.
const NODES: usize = 300;
/// Bytes of one file that are read, and of all.
const FILE_BYTES: u64 = 40 * 1024;
const ALL_BYTES: u64 = 256 * 1024;

fn probe(data: &[u8]) -> Option<Disc> {
    let (set, image) = Packed::new(data);
    let mut options = ReadOptions::default();
    if set & flags::EVERYTHING != 0 {
        (options.iso.show_associated, options.udf.unhide, options.udf.undelete) = (true, true, true);
    }
    options.iso.no_compress = set & flags::STORED != 0;
    if set & flags::SECOND != 0 {
        options.session = SessionChoice::Number(1);
    }
    Disc::probe(Arc::new(image), &options).ok()
}

/// Looks at everything a tree has, within bounds.
fn look(tree: &Tree) {
    let mut rest = ALL_BYTES;
    let mut buffer = vec![0; 16 * 1024];
    for step in tree.walk(tree.root()).take(NODES) {
        let Ok(node) = step.node else { continue };
        let _ = tree.attributes(node.id);
        let _ = tree.places(node.id);
        match node.kind {
            FileType::Directory => {
                let _ = tree.parent(node.id);
                let _ = tree.lookup(node.id, b"a name");
            }
            FileType::SymbolicLink => {
                let _ = tree.read_link(node.id);
                let _ = tree.resolve(&step.path, true);
            }
            FileType::Regular => {
                let Ok(body) = tree.file(node.id) else { continue };
                assert_eq!(body.len(), node.size, "stat and the body disagree on the length");
                let end = body.len().min(FILE_BYTES).min(rest);
                let mut at = 0;
                while at < end {
                    let length = (end - at).min(buffer.len() as u64) as usize;
                    if body.read_exact_at(&mut buffer[..length], at).is_err() {
                        break;
                    }
                    at += length as u64;
                }
                rest = rest.saturating_sub(at);
                // The end of a file that is too large to be read whole.
                if body.len() > FILE_BYTES {
                    let _ = body.read_exact_at(&mut buffer[..512], body.len() - 512);
                }
                let _ = body.segment(0);
            }
            _ => {}
        }
    }
}

fn open(data: &[u8], richer: TreeKind, poorer: TreeKind) {
    let Some(disc) = probe(data) else { return };
    let is_poorer = data.first().is_some_and(|set| set & flags::POORER != 0);
    if let Ok(volume) = disc.open(if is_poorer { poorer } else { richer }) {
        look(&Tree::new(volume));
    }
}

/// ISO 9660, plain and with Rock Ridge.
pub fn iso9660(data: &[u8]) {
    open(data, TreeKind::RockRidge, TreeKind::Primary);
}

/// ISO 9660 with Joliet and Enhanced names.
pub fn joliet(data: &[u8]) {
    open(data, TreeKind::Joliet, TreeKind::Enhanced);
}

pub fn udf(data: &[u8]) {
    open(data, TreeKind::Udf, TreeKind::Udf);
}

/// Whatever the disc has, by way of the choice that a mount makes; and verified.
pub fn walk(data: &[u8]) {
    let Some(disc) = probe(data) else { return };
    if let Ok(chosen) = disc.choose(&Selection::default())
        && let Ok(volume) = disc.open(chosen.kind)
    {
        look(&Tree::new(volume));
    }
    let _ = disc.sessions();
    let _ = verify::embedded(&disc, &NoMeter);
}

/// A target: its name and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

#[allow(dead_code, reason = "the fuzz targets name theirs")]
pub const TARGETS: [Target; 4] = [("iso9660", iso9660), ("joliet", joliet), ("udf", udf), ("walk", walk)];
