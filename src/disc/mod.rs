//! What an image holds, before a tree of it is chosen.

mod census;
mod choice;
mod identify;
mod session;

pub use census::Census;
pub use choice::{Chosen, Family, Selection, TreeKind};
pub use session::{Session, SessionChoice};

use std::sync::Arc;

use crate::error::{Defect, Error, Result};
use crate::iso9660::{self, Iso9660, IsoOptions, IsoTree, Naming, Sums};
use crate::source::{Cached, SharedSource};
use crate::udf::{Udf, UdfOptions, UdfVolume};
use crate::volume::{Metadata, Volume, VolumeInfo};

/// A way to read an image as a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    pub kind: TreeKind,
    /// What is special about it, as `RRIP 1.12` or `Joliet level 3`.
    pub detail: String,
    pub info: VolumeInfo,
}

impl View {
    fn of_iso(tree: &IsoTree) -> Self {
        let kind = match tree.naming {
            Naming::RockRidge => TreeKind::RockRidge,
            Naming::Joliet => TreeKind::Joliet,
            Naming::Enhanced => TreeKind::Enhanced,
            Naming::Primary => TreeKind::Primary,
        };
        Self { kind, detail: tree.detail.clone(), info: tree.info.clone() }
    }

    fn of_udf(volume: &UdfVolume) -> Self {
        Self { kind: TreeKind::Udf, detail: volume.detail.clone(), info: volume.info.clone() }
    }
}

/// The options that change what is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadOptions {
    pub iso: IsoOptions,
    pub udf: UdfOptions,
    pub session: SessionChoice,
}

/// An image, probed: the trees that can be opened, none of them read yet.
#[derive(Debug)]
pub struct Disc {
    image: SharedSource,
    iso: Option<iso9660::VolumeSet>,
    udf: Option<UdfVolume>,
    /// Why the UDF volume that is announced can't be used.
    broken_udf: Option<Defect>,
    views: Vec<View>,
    options: ReadOptions,
}

impl Disc {
    /// Looks at the few sectors that say what an image is.
    ///
    /// # Errors
    /// [`Error::NotADisc`] with the reason, [`Error::Damaged`] where nothing of the disc can be shown, or what the
    /// medium says; [`Error::Absent`] where the image has no session of the number that was asked for.
    pub fn probe(image: SharedSource, options: &ReadOptions) -> Result<Self> {
        if image.is_empty() {
            return Err(Error::NotADisc("the file is empty".to_owned()));
        }
        let options = &session::choose(&image, options)?;
        // Both look at the same sectors first.
        let metadata = Arc::new(Cached::new(image.clone()));
        let (udf, broken_udf) = match UdfVolume::read(&metadata, &options.udf) {
            Ok(udf) => (udf, None),
            Err(Error::Damaged(defect)) => (None, Some(defect)),
            Err(Error::Read { at, source }) => (None, Some(Defect::new(at, "ECMA-167 3/8.4", source.to_string()))),
            Err(error) => return Err(error),
        };
        let iso = match iso9660::VolumeSet::read(&metadata, &options.iso) {
            Ok(iso) => Some(iso),
            Err(_) if udf.is_some() => None,
            Err(Error::NotADisc(reason)) => {
                return Err(match broken_udf {
                    Some(defect) => Error::Damaged(defect),
                    None => Error::NotADisc(identify::explain(&image, &reason)),
                });
            }
            Err(error) => return Err(error),
        };
        if let (Some(defect), Some(iso)) = (&broken_udf, &iso) {
            iso.report(defect.clone());
        }
        let mut views: Vec<View> = udf.iter().map(View::of_udf).collect();
        views.extend(iso.iter().flat_map(|iso| iso.trees()).map(View::of_iso));
        views.sort_by_key(|view| TreeKind::ALL.iter().position(|kind| *kind == view.kind));
        Ok(Self { image, iso, udf, broken_udf, views, options: options.clone() })
    }

    /// Every tree of the image, the richest first.
    pub fn views(&self) -> &[View] {
        &self.views
    }

    /// The sessions of the image, the oldest first; see [`Session`].  Looks through the whole image for them.
    pub fn sessions(&self) -> Vec<Session> {
        session::find(&self.image)
    }

    pub fn image(&self) -> &SharedSource {
        &self.image
    }

    /// Chooses the tree to show and says why.
    ///
    /// # Errors
    /// [`Error::Absent`] where the disc has no tree that was asked for; with [`Family::Udf`], what is wrong with
    /// its UDF volume.
    pub fn choose(&self, selection: &Selection) -> Result<Chosen> {
        if let (Some(Family::Udf), Some(defect)) = (selection.family, &self.broken_udf) {
            return Err(Error::Damaged(defect.clone()));
        }
        let joliet_first =
            self.iso.as_ref().is_some_and(|iso| !iso.rock_ridge_is_announced() || iso.primary_is_empty());
        let chosen = choice::choose(&self.views, joliet_first, selection)?;
        let bridge = selection.tree.is_none() && self.udf.is_some() && chosen.kind != TreeKind::Udf;
        if !bridge || selection.family == Some(Family::Iso9660) {
            return Ok(chosen);
        }
        Ok(census::prefer(&self.look(TreeKind::Udf), &self.look(chosen.kind), chosen))
    }

    /// A bounded look at what is in a tree; one that can't be opened has nothing in it.
    pub fn look(&self, kind: TreeKind) -> Census {
        self.open(kind).map(|volume| Census::take(volume.as_ref())).unwrap_or_default()
    }

    /// Looks at what a reader does without: both halves of numbers, every copy of what is recorded twice, path tables.
    pub fn examine(&self) -> Metadata {
        let mut found = self.iso.as_ref().map(|iso| iso9660::examine(iso, &self.options.iso)).unwrap_or_default();
        if let Some(udf) = &self.udf {
            let Metadata { places, defects } = udf.examine(&self.options.udf);
            found.places.extend(places);
            found.defects.extend(defects);
        }
        found.defects.extend(self.broken_udf.clone());
        found
    }

    /// Where libisofs recorded checksums of all files, if it did.
    pub fn sums(&self) -> Option<Sums> {
        let set = self.iso.as_ref()?;
        let volume = Iso9660::open(self.image.clone(), set, Naming::RockRidge, &self.options.iso).ok()?;
        volume.sums().cloned()
    }

    /// The logical sector at which the session that is read begins.
    pub fn session_start(&self) -> u32 {
        self.options.iso.session_start
    }

    /// Opens a tree.
    ///
    /// # Errors
    /// [`Error::Absent`] where the disc has no such tree.
    pub fn open(&self, kind: TreeKind) -> Result<Box<dyn Volume>> {
        let absent = || Error::Absent(format!("this disc has no {} tree", kind.word()));
        let naming = match kind {
            TreeKind::Udf => {
                let volume = self.udf.as_ref().ok_or_else(absent)?;
                return Ok(Box::new(Udf::open(self.image.clone(), volume, &self.options.udf)?));
            }
            TreeKind::RockRidge => Naming::RockRidge,
            TreeKind::Joliet => Naming::Joliet,
            TreeKind::Enhanced => Naming::Enhanced,
            TreeKind::Primary => Naming::Primary,
        };
        let set = self.iso.as_ref().ok_or_else(absent)?;
        Ok(Box::new(Iso9660::open(self.image.clone(), set, naming, &self.options.iso)?))
    }
}
