//! The manifest that a mount of a built image should have.

use std::collections::HashMap;
use std::fmt::Write;

use crate::build::Content;
use crate::build::udf::directory::{CURRENT, PARENT, ROOT, components};
use crate::build::udf::{Image, Kind, Node};
use crate::manifest::Manifest;
use crate::walk::{Sha256, escaped};

/// What is larger is not hashed.
const HASHED: u64 = 1 << 26;

pub fn manifest(image: &Image) -> Manifest {
    let mut links: HashMap<*const Node, u32> = HashMap::new();
    let shown = image.shown();
    // A name that is hidden is counted, one that is deleted is not.
    for (_, node) in &shown {
        *links.entry(*node).or_default() += 1;
    }
    let mut text = format!("#cols\t{}\n", crate::walk::COLUMNS);
    for (path, node) in &shown {
        let letter = match &node.kind {
            Kind::Directory => 'd',
            Kind::File(_) => 'f',
            Kind::Link(_) => 'l',
            Kind::Fifo => 'p',
            Kind::Socket => 's',
            Kind::Device { block: true, .. } => 'b',
            Kind::Device { block: false, .. } => 'c',
            Kind::Hard(_) => unreachable!("it stands for its target"),
        };
        let target =
            if let Kind::Link(target) = &node.kind { escaped(target_of(target).as_bytes()) } else { "-".into() };
        let size = match &node.kind {
            Kind::File(content) => content.len(),
            Kind::Link(target) => target_of(target).len() as u64,
            _ => 0,
        };
        let hash = match &node.kind {
            Kind::File(content) if content.len() <= HASHED => hash(content),
            _ => "-".into(),
        };
        let rdev = match node.kind {
            Kind::Device { major, minor, .. } => format!("{major}:{minor}"),
            _ => "-".into(),
        };
        writeln!(
            text,
            "{}\t{letter}\t{:04o}\t{}\t{}\t{size}\t{}\t{}\t{rdev}\t{target}\t{hash}\t-",
            escaped(path.as_bytes()),
            node.mode,
            node.uid,
            node.gid,
            links[&std::ptr::from_ref(*node)],
            node.times[1].seconds,
        )
        .unwrap();
    }
    Manifest::parse(&text)
}

/// The text that components of a path stand for.
pub fn target_of(target: &str) -> String {
    let parts: Vec<String> = components(target)
        .into_iter()
        .map(|(kind, name)| match kind {
            ROOT => String::new(),
            CURRENT => ".".into(),
            PARENT => "..".into(),
            _ => text(&name),
        })
        .collect();
    if parts == [""] { "/".into() } else { parts.join("/") }
}

fn text(name: &[u8]) -> String {
    match name.split_first() {
        Some((8, rest)) => rest.iter().map(|byte| char::from(*byte)).collect(),
        Some((_, rest)) => {
            let units: Vec<u16> = rest.chunks_exact(2).map(|unit| u16::from_be_bytes([unit[0], unit[1]])).collect();
            String::from_utf16(&units).expect("it was made from text")
        }
        None => String::new(),
    }
}

fn hash(content: &Content) -> String {
    let mut hash = Sha256::new();
    hash.add(&content.bytes());
    hash.hex()
}
