//! An image to be: its tree and what is the same for all of it.

use std::fs::File;
use std::io;
use std::path::Path;

use super::allocation::Form;
use super::damage::{Copy, Damage, Disc};
use super::layout::Layout;
use super::map::Map;
use super::node::{Kind, Node};
use super::plan::Plan;
use super::time::{Stamp, TIME};
use crate::build::image::Sink;

/// Where an anchor volume descriptor pointer lies (ECMA-167 3/8.4.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    At(u32),
    /// This many sectors before the last one.
    End(u32),
}

/// ECMA-167 2/8.3: the volume recognition sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recognition {
    pub identifiers: Vec<&'static str>,
    /// Bytes from one to the next; 2048 or a sector where that is larger.
    pub step: Option<u64>,
}

/// ECMA-167 3/10.10: the logical volume integrity descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Integrity {
    Open,
    Closed,
    Missing,
}

#[derive(Debug, Clone)]
pub struct Image {
    pub revision: u16,
    /// Of sectors and blocks.
    pub block_size: u32,
    pub label: String,
    pub root: Node,
    pub maps: Vec<Map>,
    pub recognition: Recognition,
    pub anchors: Vec<Anchor>,
    pub integrity: Integrity,
    /// A descriptor of the main or the reserve sequence, by its tag identifier.
    pub damage: Vec<(Copy, u16, Damage)>,
    /// ECMA-167 3/8.4.2: the sequences go on in another extent, by a volume descriptor pointer.
    pub chained: bool,
    /// Descriptors with lower sequence numbers, that point to nothing, stand behind those that prevail.
    pub superseded: bool,
    /// ECMA-167 4/8.3.1: a file set descriptor that a later one replaces.
    pub older_file_set: bool,
    /// File Entries or Extended File Entries; `None`: as the revision has it.
    pub extended: Option<bool>,
    /// The form of what is not embedded; `None`: short where it can be.
    pub form: Option<Form>,
    pub strategy: u16,
    pub first_block: u32,
    /// Zeros behind the volume, in sectors.
    pub padding: u64,
    pub truncate: Option<u64>,
    pub created: Stamp,
}

impl Image {
    pub fn new(revision: u16) -> Self {
        let nsr = if revision < 0x200 { "NSR02" } else { "NSR03" };
        Self {
            revision,
            block_size: 2048,
            label: "VOLUME".into(),
            root: Node::dir(),
            maps: vec![Map::Physical],
            recognition: Recognition { identifiers: vec!["BEA01", nsr, "TEA01"], step: None },
            anchors: vec![Anchor::At(256), Anchor::End(0)],
            integrity: Integrity::Closed,
            damage: Vec::new(),
            chained: false,
            superseded: false,
            older_file_set: false,
            extended: None,
            form: None,
            strategy: 4,
            first_block: 2,
            padding: 0,
            truncate: None,
            created: Stamp::new(TIME),
        }
    }

    /// Any change that has no method of its own.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    #[must_use]
    pub fn block_size(self, size: u32) -> Self {
        self.with(|image| image.block_size = size)
    }

    #[must_use]
    pub fn maps(self, maps: &[Map]) -> Self {
        self.with(|image| image.maps = maps.to_vec())
    }

    #[must_use]
    pub fn anchors(self, anchors: &[Anchor]) -> Self {
        self.with(|image| image.anchors = anchors.to_vec())
    }

    #[must_use]
    pub fn recognition(self, identifiers: &[&'static str]) -> Self {
        self.with(|image| image.recognition.identifiers = identifiers.to_vec())
    }

    #[must_use]
    pub fn damage(self, copy: Copy, tag: u16, damage: Damage) -> Self {
        self.with(|image| image.damage.push((copy, tag, damage)))
    }

    /// Adds a node; directories on the way come to be.  "/" changes the root.
    #[must_use]
    pub fn add(mut self, path: &str, mut node: Node) -> Self {
        let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let Some(name) = parts.pop() else {
            node.children = std::mem::take(&mut self.root.children);
            self.root = node;
            return self;
        };
        let mut dir = &mut self.root;
        for part in parts {
            let at = dir.children.iter().position(|child| child.name == part && child.is_dir());
            let at = at.unwrap_or_else(|| {
                dir.children.push(Node::dir().with(|new| new.name = part.into()));
                dir.children.len() - 1
            });
            dir = &mut dir.children[at];
        }
        node.name = name.into();
        match dir.children.iter_mut().find(|child| child.name == name && child.is_dir() && node.is_dir()) {
            Some(there) => {
                node.children = std::mem::take(&mut there.children);
                *there = node;
            }
            None => dir.children.push(node),
        }
        self
    }

    pub fn extended_entries(&self) -> bool {
        self.extended.unwrap_or(self.revision >= 0x200)
    }

    /// ECMA-167 3/7.2.2: version 2 goes with NSR02, version 3 with NSR03.
    pub fn tag_version(&self) -> u16 {
        if self.revision < 0x200 { 2 } else { 3 }
    }

    /// The sector of the main sequence; behind it lie the reserve one, the integrity sequence, what chained sequences go
    /// on in, and the sparing tables.
    pub fn sequence_start(&self) -> u32 {
        65_536 / self.block_size
    }

    pub fn integrity_sector(&self) -> u32 {
        self.sequence_start() + 32
    }

    pub fn chained_sector(&self, copy: Copy) -> u32 {
        self.sequence_start() + if copy == Copy::Main { 48 } else { 64 }
    }

    pub fn sparing_sector(&self, table: u32) -> u32 {
        self.sequence_start() + 80 + table * self.sparing_blocks()
    }

    pub fn sparing_blocks(&self) -> u32 {
        (56 + 8 * self.sparing_entries()).div_ceil(self.block_size)
    }

    /// Those in use and eight that are not.
    pub fn sparing_entries(&self) -> u32 {
        let used = self.maps.iter().find_map(|map| match map {
            Map::Sparable(sparing) => Some(sparing.remapped.len() as u32),
            _ => None,
        });
        used.unwrap_or(0) + 8
    }

    /// The sector from which packets are spared.
    pub fn spare_start(&self) -> u32 {
        if self.anchors.contains(&Anchor::At(512)) { 544 } else { 288 }
    }

    pub fn partition_start(&self) -> u32 {
        let more = self.maps.iter().map(|map| match map {
            Map::Second => Map::SECOND,
            Map::Sparable(sparing) => sparing.remapped.len() as u32 * u32::from(sparing.packet),
            _ => 0,
        });
        self.spare_start() + more.sum::<u32>()
    }

    pub fn layout(&self) -> Layout {
        Plan::new(self).layout
    }

    pub fn write(&self, path: &Path) -> io::Result<Layout> {
        let mut file = File::create(path)?;
        self.record(&mut file)
    }

    /// The image in memory, to be damaged; only for small ones.
    pub fn disc(&self) -> Disc {
        let mut bytes = Vec::new();
        let layout = self.record(&mut bytes).expect("memory takes everything");
        Disc { bytes, layout }
    }

    fn record(&self, sink: &mut dyn Sink) -> io::Result<Layout> {
        let plan = Plan::new(self);
        sink.size(plan.layout.len)?;
        plan.record(sink)?;
        if let Some(len) = self.truncate {
            sink.size(len)?;
        }
        Ok(plan.layout)
    }

    /// What a mount shows: paths and nodes; a hard link's node is the one it names.
    pub fn shown(&self) -> Vec<(String, &Node)> {
        let mut list = vec![(String::from("/"), &self.root)];
        let mut at = 0;
        while at < list.len() {
            let (path, node) = (list[at].0.clone(), list[at].1);
            at += 1;
            for child in node.children.iter().filter(|child| !child.is_hidden()) {
                let target = if let Kind::Hard(path) = &child.kind { self.node(path) } else { child };
                list.push((format!("{}/{}", path.trim_end_matches('/'), child.shown_name()), target));
            }
        }
        list
    }

    pub fn node(&self, path: &str) -> &Node {
        path.split('/').filter(|part| !part.is_empty()).fold(&self.root, |dir, part| {
            dir.children.iter().find(|child| child.name == part).unwrap_or_else(|| panic!("the image has no {path}"))
        })
    }
}
