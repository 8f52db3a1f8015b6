//! The Volume Descriptor Set (ECMA-119 6.7.1): which trees an ISO 9660 image has.

use std::sync::Arc;

use super::Naming;
use super::descriptor::{Descriptor, Kind};
use super::extent::Geometry;
use super::options::IsoOptions;
use super::record::{LOGICAL_SECTOR, Record};
use super::rockridge::RockRidge;
use super::scan::Scan;
use super::susp::{self, Reader};
use crate::error::{Defect, Error, Result};
use crate::limits::MAX_VOLUME_DESCRIPTORS;
use crate::notes::Notes;
use crate::source::{Cached, SharedSource, Source};
use crate::text::printable;
use crate::volume::VolumeInfo;

/// The System Area (6.2.1) comes before the descriptors.
const SYSTEM_AREA: u64 = 16;
/// Bytes of CD-ROM XA attributes before the System Use fields of an XA disc.
const XA_ATTRIBUTES: u8 = 14;

/// A tree of an image: a descriptor whose root directory can be read, and the names to read it with.
#[derive(Debug, Clone)]
pub struct IsoTree {
    pub naming: Naming,
    /// What is special about it, as `RRIP_1991A` or `Joliet level 3`.
    pub detail: String,
    pub info: VolumeInfo,
    pub(super) geometry: Geometry,
    pub(super) root: Record,
    /// Bytes to skip in each System Use area (SUSP 5.3).
    pub(super) skip: u8,
    /// Whether the disc itself announces Rock Ridge by an ER entry, as the standard demands.
    pub(super) announced: bool,
    /// Whether files may have extended attributes (AAIP).
    pub(super) attributes: bool,
    /// Whether the root directory has no entry beside `.` and `..`.
    pub(super) empty: bool,
}

/// What the descriptors of an image say.
#[derive(Debug)]
pub struct VolumeSet {
    trees: Vec<IsoTree>,
    pub(super) metadata: Arc<Cached>,
    pub(super) notes: Arc<Notes>,
}

impl VolumeSet {
    /// Reads the descriptors of the session that `sbsector=` names (the first one by default).
    ///
    /// # Errors
    /// [`Error::NotADisc`] where there are none; [`Error::Damaged`] where no root directory of any can be read.
    pub fn read(metadata: &Arc<Cached>, options: &IsoOptions) -> Result<Self> {
        let notes = Arc::new(Notes::default());
        let found = descriptors(metadata, &notes, u64::from(options.session_start))?;
        let set = Self { trees: Vec::new(), metadata: Arc::clone(metadata), notes };
        set.with_trees(&found)
    }

    /// The trees, the richest first.
    pub fn trees(&self) -> &[IsoTree] {
        &self.trees
    }

    pub(super) fn tree(&self, naming: Naming) -> Option<&IsoTree> {
        self.trees.iter().find(|tree| tree.naming == naming)
    }

    /// Tells a defect of the disc together with ours.
    pub fn report(&self, defect: Defect) {
        self.notes.report(defect);
    }

    /// Whether the primary tree has no entries: then Joliet is chosen in spite of Rock Ridge.
    pub fn primary_is_empty(&self) -> bool {
        self.tree(Naming::Primary).is_some_and(|tree| tree.empty)
    }

    /// Whether Rock Ridge is announced by an ER entry (SUSP 5.5) and not only guessed at.
    pub fn rock_ridge_is_announced(&self) -> bool {
        self.tree(Naming::RockRidge).is_some_and(|tree| tree.announced)
    }

    fn with_trees(mut self, found: &[Descriptor]) -> Result<Self> {
        let first = |wanted: fn(Kind) -> bool| found.iter().find(|descriptor| wanted(descriptor.kind()));
        let primary = first(|kind| kind == Kind::Primary);
        let joliet = first(|kind| matches!(kind, Kind::Joliet(_)));
        let enhanced = first(|kind| kind == Kind::Enhanced);
        let label = label(primary, joliet);
        let mut failed = None;
        for (naming, descriptor) in
            [(Naming::Primary, primary), (Naming::Joliet, joliet), (Naming::Enhanced, enhanced)]
        {
            let Some(descriptor) = descriptor else { continue };
            match self.tree_of(descriptor, naming, &label) {
                Ok(tree) => self.trees.push(tree),
                Err(error) => {
                    if let Error::Damaged(defect) = &error {
                        self.notes.report(defect.clone());
                    }
                    failed = failed.or(Some(error));
                }
            }
        }
        if let Some(tree) = self.tree(Naming::Primary).and_then(|tree| self.rock_ridge(tree)) {
            self.trees.push(tree);
        }
        if self.trees.is_empty() {
            return Err(failed.unwrap_or_else(|| Error::NotADisc("its volume descriptors describe no tree".to_owned())));
        }
        let rank = |naming| match naming {
            Naming::RockRidge => 0,
            Naming::Joliet => 1,
            Naming::Enhanced => 2,
            Naming::Primary => 3,
        };
        self.trees.sort_by_key(|tree| rank(tree.naming));
        Ok(self)
    }

    fn tree_of(&self, descriptor: &Descriptor, naming: Naming, label: &str) -> Result<IsoTree> {
        let (geometry, root) = self.geometry(descriptor)?;
        let detail = match descriptor.kind() {
            Kind::Joliet(level) => format!("Joliet level {level}"),
            Kind::Enhanced => "ISO 9660:1999".to_owned(),
            _ if descriptor.is_extended_architecture() => "CD-ROM XA".to_owned(),
            _ => String::new(),
        };
        let space = descriptor.volume_space_size();
        if !space.agree() {
            let at = descriptor.at.saturating_add(80);
            let what = format!("the Volume Space Size is {} and {} in one: using {0}", space.little, space.big);
            self.notes.report(Defect::new(at, "ECMA-119 8.4.8", what));
        }
        let info = VolumeInfo {
            label: label.to_owned(),
            uuid: descriptor.uuid(),
            block_size: geometry.block_size,
            blocks: u64::from(space.little),
            end: Some(geometry.address(space.little)),
            texts: descriptor.texts(),
            times: descriptor.times(),
        };
        let empty = Scan::new(&self.metadata, &self.notes, geometry.directory(&root)).take(3).count() < 3;
        Ok(IsoTree { naming, detail, info, geometry, root, skip: 0, announced: false, attributes: false, empty })
    }

    /// Finds the logical block size by which the root directory is where its record says.
    fn geometry(&self, descriptor: &Descriptor) -> Result<(Geometry, Record)> {
        let recorded = descriptor.logical_block_size();
        let root = descriptor.root();
        let at = descriptor.at.saturating_add(128);
        let valid = |size: u16| matches!(size, 512 | 1024 | 2048);
        let mut sizes: Vec<u16> =
            [recorded.little, recorded.big].into_iter().filter(|size| valid(*size)).collect();
        if sizes.is_empty() {
            sizes.push(2048);
        }
        if !recorded.agree() || !valid(recorded.little) {
            let what = format!("the Logical Block Size is {} and {} in one", recorded.little, recorded.big);
            self.notes.report(Defect::new(at, "ECMA-119 8.4.12", what));
        }
        let set = (descriptor.volume_set_size() > 1).then(|| descriptor.volume_sequence());
        let mut why = None;
        for size in sizes {
            let geometry = Geometry { block_size: u32::from(size), image: self.metadata.len(), volume: set };
            let directory = geometry.directory(&root);
            match Scan::new(&self.metadata, &self.notes, directory.clone()).next() {
                Some(record) if record.is_self() || root.length() == record.length() => return Ok((geometry, root)),
                Some(record) if geometry.is_first_of(&record, directory.start) => return Ok((geometry, root)),
                _ => why = why.or(Some(directory.start)),
            }
        }
        let start = why.unwrap_or(0);
        let what = match start >= self.metadata.len() {
            true => format!("the root directory lies at byte {start}, beyond the end of the image ({} bytes)", self.metadata.len()),
            false => format!("at byte {start}, where the root directory should be, is none"),
        };
        Err(Error::damaged(descriptor.at.saturating_add(156), "ECMA-119 8.4.18", what))
    }

    /// The Rock Ridge tree, where the primary one has the entries for it.
    fn rock_ridge(&self, primary: &IsoTree) -> Option<IsoTree> {
        // What stands there may be anything; that is told when it is read as what it turns out to be.
        let notes = Notes::default();
        let reader = Reader { metadata: &self.metadata, block_size: primary.geometry.block_size, notes: &notes };
        let directory = primary.geometry.directory(&primary.root);
        let mut records = Scan::new(&self.metadata, &self.notes, directory);
        let first = records.next()?;
        let (area, at) = first.system_use();
        let mut found = announcement(area, at, 0, &reader);
        if found.skip.is_none() && area.len() > usize::from(XA_ATTRIBUTES) {
            let behind_xa = announcement(area, at, XA_ATTRIBUTES, &reader);
            if behind_xa.skip.is_some() || (behind_xa.present && !found.present) {
                found = Announcement { skip: behind_xa.skip.or(Some(XA_ATTRIBUTES)), ..behind_xa };
            }
        }
        let skip = found.skip.unwrap_or(0);
        // Some writers announce nothing and write the entries all the same; Linux finds those, too.
        let unannounced = || {
            records.take(8).any(|record| {
                let (area, at) = record.system_use();
                RockRidge::read(area, at, skip, &reader).present
            })
        };
        if found.extensions.is_empty() && !found.present && !unannounced() {
            return None;
        }
        let announced = !found.extensions.is_empty();
        let attributes = found.attributes || found.extensions.iter().any(|name| name.starts_with("AAIP"));
        let mut detail = found.extensions.join(", ");
        if !announced {
            "not announced by an ER entry".clone_into(&mut detail);
        }
        Some(IsoTree { naming: Naming::RockRidge, detail, skip, announced, attributes, ..primary.clone() })
    }
}

/// What the first record of the root directory says of the extensions in use.
#[derive(Debug, Default)]
struct Announcement {
    skip: Option<u8>,
    extensions: Vec<String>,
    present: bool,
    /// An AL entry is there: xorriso writes some at the root of every image that has any, and no ER entry.
    attributes: bool,
}

fn announcement(area: &[u8], at: u64, skip: u8, reader: &Reader<'_>) -> Announcement {
    let mut found = Announcement::default();
    let skipped = area.get(usize::from(skip)..).unwrap_or_default();
    reader.visit(skipped, at.saturating_add(u64::from(skip)), &mut |entry| {
        if let Some(skip) = susp::sharing_protocol(&entry) {
            found.skip = Some(skip);
        }
        if let Some(identifier) = susp::extension_reference(&entry) {
            found.extensions.push(printable(identifier));
        }
        found.attributes |= entry.signature == *b"AL";
        found.present |= matches!(&entry.signature, b"PX" | b"TF" | b"NM" | b"RR" | b"PL");
    });
    found
}

/// The Volume Identifier and the block of the root directory of a session whose Primary Volume Descriptor lies 16 sectors
/// behind `start`.
///
/// `None` where the root directory does not say itself that it is there, as in a part of an image with block numbers that
/// count from elsewhere. At the beginning of the image that is not asked for.
pub fn session(image: &SharedSource, start: u32) -> Option<(String, u32)> {
    let at = u64::from(start).saturating_add(SYSTEM_AREA).saturating_mul(LOGICAL_SECTOR);
    let mut bytes = Box::new([0; 2048]);
    image.read_exact_at(bytes.as_mut_slice(), at).ok()?;
    let descriptor = Descriptor::new(bytes, at).filter(|descriptor| descriptor.kind() == Kind::Primary)?;
    let root = descriptor.root();
    let block = root.location().little;
    let block_size = u32::from(descriptor.logical_block_size().little);
    let geometry = Geometry { block_size, image: image.len(), volume: None };
    let is_here = || {
        let behind = geometry.address(block) > at;
        let mut record = [0; 255];
        let directory = geometry.directory(&root);
        let available = usize::try_from(directory.len).unwrap_or(usize::MAX).min(record.len());
        let bytes = record.get_mut(..available)?;
        image.read_exact_at(bytes, directory.start).ok()?;
        let own = Record::new(bytes.get(..usize::from(*bytes.first()?))?, directory.start)?;
        Some(behind && own.is_self() && own.location().little == block)
    };
    (start == 0 || is_here() == Some(true)).then(|| (descriptor.volume_identifier(), block))
}

/// All descriptors of a session up to its terminator.
pub(super) fn descriptors(metadata: &Cached, notes: &Notes, session: u64) -> Result<Vec<Descriptor>> {
    let first = session.saturating_add(SYSTEM_AREA);
    let mut found: Vec<Descriptor> = Vec::new();
    let mut terminated = false;
    for sector in first..first.saturating_add(MAX_VOLUME_DESCRIPTORS) {
        let at = sector.saturating_mul(LOGICAL_SECTOR);
        let mut bytes = Box::new([0; 2048]);
        if let Err(error) = metadata.read_exact_at(bytes.as_mut_slice(), at) {
            let cut = error.kind() == std::io::ErrorKind::UnexpectedEof;
            if !found.is_empty() || cut {
                break;
            }
            return Err(Error::Read { at, source: error });
        }
        // Whatever else stands there (a UDF descriptor, nothing at all) does not end the set: Linux reads on.
        let Some(descriptor) = Descriptor::new(bytes, at) else { continue };
        match descriptor.kind() {
            Kind::Terminator => {
                terminated = true;
                break;
            }
            Kind::Primary if found.iter().any(|other| other.kind() == Kind::Primary) => {}
            _ => found.push(descriptor),
        }
    }
    if found.is_empty() {
        let at = first.saturating_mul(LOGICAL_SECTOR);
        let reason = match metadata.len() <= at {
            true => format!("it ends at byte {}, before the volume descriptors (byte {at})", metadata.len()),
            false => format!("no ISO 9660 volume descriptor (CD001) from byte {at} on"),
        };
        return Err(Error::NotADisc(reason));
    }
    if !terminated {
        let at = found.last().map_or(0, |last| last.at.saturating_add(LOGICAL_SECTOR));
        notes.report(Defect::new(at, "ECMA-119 8.3", "the Volume Descriptor Set Terminator is missing"));
    }
    Ok(found)
}

/// The label as blkid(8) gives it: that of Joliet, and where it is cut, the primary one that goes on.
fn label(primary: Option<&Descriptor>, joliet: Option<&Descriptor>) -> String {
    let primary = primary.map(Descriptor::volume_identifier).unwrap_or_default();
    let joliet = joliet.map(Descriptor::volume_identifier).unwrap_or_default();
    if joliet.is_empty() {
        return primary;
    }
    // Joliet holds 16 characters, the primary field 32 bytes of a poorer set, in which `_` stands for the rest.
    let kept = joliet.chars().count();
    let mut pairs = joliet.chars().zip(primary.chars());
    let same = |(left, right): (char, char)| left.to_lowercase().eq(right.to_lowercase()) || right == '_';
    if kept == 16 && primary.chars().count() > kept && pairs.all(same) {
        return joliet.chars().chain(primary.chars().skip(kept)).collect();
    }
    joliet
}
