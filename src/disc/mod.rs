//! What an image holds, before a tree of it is chosen.

mod choice;
mod identify;

pub use choice::{Chosen, Selection, TreeKind};

use crate::error::{Error, Result};
use crate::iso9660::{self, Iso9660, IsoOptions, IsoTree, Naming};
use crate::source::SharedSource;
use crate::volume::{Volume, VolumeInfo};

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
}

/// An image, probed: the trees that can be opened, none of them read yet.
#[derive(Debug)]
pub struct Disc {
    image: SharedSource,
    iso: iso9660::VolumeSet,
    views: Vec<View>,
}

impl Disc {
    /// Looks at the few sectors that say what an image is.
    ///
    /// # Errors
    /// [`Error::NotADisc`] with the reason, or what the medium says.
    pub fn probe(image: SharedSource, options: &IsoOptions) -> Result<Self> {
        if image.is_empty() {
            return Err(Error::NotADisc("the file is empty".to_owned()));
        }
        let iso = match iso9660::VolumeSet::read(&image, options) {
            Ok(iso) => iso,
            Err(Error::NotADisc(reason)) => return Err(Error::NotADisc(identify::explain(&image, &reason))),
            Err(error) => return Err(error),
        };
        let views = iso.trees().iter().map(View::of_iso).collect();
        Ok(Self { image, iso, views })
    }

    /// Every tree of the image, the richest first.
    pub fn views(&self) -> &[View] {
        &self.views
    }

    pub fn image(&self) -> &SharedSource {
        &self.image
    }

    /// Chooses the tree to show and says why.
    pub fn choose(&self, selection: &Selection) -> Result<Chosen> {
        let joliet_first = !self.iso.rock_ridge_is_announced() || self.iso.primary_is_empty();
        choice::choose(&self.views, joliet_first, selection)
    }

    /// Opens a tree.
    pub fn open(&self, kind: TreeKind, options: &IsoOptions) -> Result<Box<dyn Volume>> {
        let naming = match kind {
            TreeKind::RockRidge => Naming::RockRidge,
            TreeKind::Joliet => Naming::Joliet,
            TreeKind::Enhanced => Naming::Enhanced,
            TreeKind::Primary => Naming::Primary,
        };
        Ok(Box::new(Iso9660::open(self.image.clone(), &self.iso, naming, options)?))
    }
}
