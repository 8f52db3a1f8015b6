//! The structure of an image: every tree walked, every file looked for, and where all of it lies.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use super::report::{Damage, Report};
use crate::disc::{Disc, TreeKind};
use crate::error::{Defect, Error};
use crate::limits::MAX_NOTES;
use crate::tree::Tree;
use crate::volume::{FileType, NodeId, Places};

/// A name in a tree; the path is put together from the names above when it is asked for.
#[derive(Debug)]
struct Name {
    above: Option<u32>,
    name: Box<[u8]>,
}

/// What lies where in the image.
#[derive(Debug, Default)]
pub struct Map {
    names: Vec<Name>,
    /// Bodies of files, by where they begin.
    bodies: Vec<(Range<u64>, u32)>,
    /// What describes files, by where it begins.
    descriptions: Vec<(Range<u64>, u32)>,
}

impl Map {
    /// The path of a name, without a leading `/`.
    fn path(&self, index: u32) -> Vec<u8> {
        let mut parts = Vec::new();
        let mut next = Some(index);
        while let Some(name) = next.and_then(|index| self.names.get(usize::try_from(index).ok()?)) {
            parts.push(name.name.as_ref());
            next = name.above;
        }
        let mut path = Vec::new();
        for part in parts.into_iter().rev().filter(|part| !part.is_empty()) {
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(part);
        }
        path
    }

    fn sort(&mut self) {
        self.bodies.sort_by_key(|(range, _)| range.start);
        self.descriptions.sort_by_key(|(range, _)| range.start);
    }

    /// The file whose body a byte of the image belongs to.
    pub fn file_at(&self, at: u64) -> Option<Vec<u8>> {
        self.files_in(&(at..at.saturating_add(1))).into_iter().next()
    }

    /// The files whose bodies have bytes in a range: a path for each body.
    pub fn files_in(&self, range: &Range<u64>) -> Vec<Vec<u8>> {
        let touches = |body: &Range<u64>| body.start < range.end && range.start < body.end;
        let mut seen = HashSet::new();
        let found = self.bodies.iter().filter(|(body, _)| touches(body) && seen.insert((body.start, body.end)));
        found.map(|(_, index)| self.path(*index)).collect()
    }

    /// The file that a byte of the image describes.
    fn described_at(&self, at: u64) -> Option<Vec<u8>> {
        let behind = self.descriptions.partition_point(|(range, _)| range.start <= at);
        let (range, index) = self.descriptions.get(behind.checked_sub(1)?)?;
        range.contains(&at).then(|| self.path(*index))
    }
}

/// Where an error is, as a defect.
fn defect(error: &Error) -> Defect {
    match error {
        Error::Damaged(defect) => defect.clone(),
        Error::Read { at, source } => Defect::new(*at, "", format!("it can't be read: {source}")),
        other => Defect::new(0, "", other.to_string()),
    }
}

/// Walks all trees of a disc and tells what is wrong with them.
pub fn check(disc: &Disc, report: &mut Report) -> Map {
    let mut map = Map::default();
    let mut defects: Vec<(Defect, Option<u32>)> = Vec::new();
    let mut metadata = disc.examine();
    let mut directories = BTreeSet::new();
    let has_rock_ridge = disc.views().iter().any(|view| view.kind == TreeKind::RockRidge);
    for view in disc.views() {
        // The records of the plain tree are those of Rock Ridge.
        if view.kind == TreeKind::Primary && has_rock_ridge {
            continue;
        }
        let tree = match disc.open(view.kind) {
            Ok(volume) => Tree::new(volume),
            Err(error) => {
                defects.push((defect(&error), None));
                continue;
            }
        };
        let mut walked = Walked { map: &mut map, defects: &mut defects, directories: &mut directories };
        report.nodes = report.nodes.saturating_add(walked.walk(&tree));
        let notes = tree.notes().list();
        defects.extend(notes.into_iter().map(|note| (note, None)));
        let image = disc.image().len();
        if let Some(end) = view.info.end.filter(|end| *end > image) {
            let what = format!("the volume ends at byte {end}, and the image {} bytes before", end.saturating_sub(image));
            defects.push((Defect::new(image, "", what), None));
        }
    }
    map.sort();
    metadata.places.extend(directories.iter().map(|(start, end)| (*start..*end, "a directory")));
    defects.extend(metadata.defects.into_iter().map(|defect| (defect, None)));
    defects.extend(overlaps(&map, metadata.places).into_iter().map(|(defect, index)| (defect, Some(index))));
    defects.extend(crossing(&directories).into_iter().map(|defect| (defect, None)));
    let mut seen = HashSet::new();
    for (defect, index) in defects {
        if !seen.insert((defect.at, defect.clause, defect.what.clone())) || report.damage.len() >= MAX_NOTES {
            continue;
        }
        let file = index.map(|index| map.path(index)).or_else(|| map.described_at(defect.at));
        report.damage.push(Damage::of_defect(defect, file));
    }
    map
}

struct Walked<'a> {
    map: &'a mut Map,
    defects: &'a mut Vec<(Defect, Option<u32>)>,
    directories: &'a mut BTreeSet<(u64, u64)>,
}

impl Walked<'_> {
    /// Looks at every node of a tree; says how many there were.
    fn walk(&mut self, tree: &Tree) -> u64 {
        let mut nodes = 0_u64;
        // The names of the directories that the walk is in, by depth.
        let mut above: Vec<u32> = Vec::new();
        let mut numbers: Vec<NodeId> = Vec::new();
        for step in tree.walk(tree.root()) {
            nodes = nodes.saturating_add(1);
            let Ok(index) = u32::try_from(self.map.names.len()) else { break };
            above.truncate(step.depth);
            let name = step.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            self.map.names.push(Name { above: above.last().copied(), name: name.into() });
            above.push(index);
            numbers.truncate(step.depth);
            if let Some(error) = &step.closed {
                // A second name of a directory is no damage, as long as that does not lie in itself.
                let id = step.node.as_ref().ok().map(|node| node.id);
                let is_second = matches!(error, Error::Loop) && id.is_some_and(|id| !numbers.contains(&id));
                if !is_second {
                    self.defects.push((defect(error), Some(index)));
                }
            }
            if let Ok(node) = &step.node {
                numbers.push(node.id);
            }
            let node = match step.node {
                Ok(node) => node,
                Err(error) => {
                    self.defects.push((defect(&error), Some(index)));
                    continue;
                }
            };
            let opened = match node.kind {
                FileType::Regular => tree.file(node.id).map(drop),
                FileType::SymbolicLink => tree.read_link(node.id).map(drop),
                _ => Ok(()),
            };
            let looked = opened.and_then(|()| tree.places(node.id));
            match looked {
                Ok(places) => self.place(node.kind, places, index),
                Err(error) => self.defects.push((defect(&error), Some(index))),
            }
        }
        nodes
    }

    fn place(&mut self, kind: FileType, places: Places, index: u32) {
        let Places { description, body } = places;
        // A body that lies in what describes it (ECMA-167 4/14.6.8) is no place of its own.
        let outside = |range: &Range<u64>| range.start < description.start || range.end > description.end;
        let body = body.into_iter().filter(|range| !range.is_empty() && outside(range));
        match kind {
            FileType::Directory => self.directories.extend(body.map(|range| (range.start, range.end))),
            FileType::Regular => self.map.bodies.extend(body.map(|range| (range, index))),
            _ => {}
        }
        if !description.is_empty() {
            self.map.descriptions.push((description, index));
        }
    }
}

/// Files whose bodies lie where something else does.
fn overlaps(map: &Map, mut places: Vec<(Range<u64>, &'static str)>) -> Vec<(Defect, u32)> {
    places.sort_by_key(|(range, _)| (range.start, range.end));
    let mut merged: Vec<(Range<u64>, &'static str)> = Vec::new();
    for (range, what) in places {
        match merged.last_mut().filter(|(last, _)| range.start < last.end) {
            Some((last, _)) => last.end = last.end.max(range.end),
            None => merged.push((range, what)),
        }
    }
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for (body, index) in &map.bodies {
        let next = merged.partition_point(|(range, _)| range.end <= body.start);
        let Some((range, what)) = merged.get(next).filter(|(range, _)| range.start < body.end) else { continue };
        if seen.insert((body.start, body.end)) {
            let at = body.start.max(range.start);
            found.push((Defect::new(at, "", format!("the data of a file lies in {what}")), *index));
        }
    }
    found
}

/// Directories that share some of their bytes, and not all.
fn crossing(directories: &BTreeSet<(u64, u64)>) -> Vec<Defect> {
    let mut end = 0;
    let mut found = Vec::new();
    for (start, this) in directories {
        if *start < end {
            found.push(Defect::new(*start, "", "a directory begins within another one"));
        }
        end = end.max(*this);
    }
    found
}
