//! ISO 9660 (ECMA-119) with Rock Ridge, Joliet and Enhanced names.

mod options;

pub use options::{Check, IsoOptions, Map};

use crate::disc::View;
use crate::error::{Error, Result};
use crate::source::SharedSource;
use crate::volume::{Attribute, Directory, Node, NodeId, Volume, VolumeInfo};

/// Which names a tree is read with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Naming {
    Primary,
    RockRidge,
    Joliet,
    Enhanced,
}

#[derive(Debug)]
pub struct VolumeSet;

impl VolumeSet {
    pub fn read(_image: &SharedSource, _options: &IsoOptions) -> Result<Self> {
        Err(Error::NotADisc("stub".into()))
    }
    pub fn views(&self) -> Vec<View> {
        Vec::new()
    }
    pub fn primary_is_empty(&self) -> bool {
        false
    }
}

#[derive(Debug)]
pub struct Iso9660;

impl Iso9660 {
    pub fn open(_image: SharedSource, _set: &VolumeSet, _naming: Naming, _options: &IsoOptions) -> Result<Self> {
        Err(Error::Stale)
    }
}

impl Volume for Iso9660 {
    fn info(&self) -> &VolumeInfo { todo!() }
    fn root(&self) -> NodeId { todo!() }
    fn node(&self, _id: NodeId) -> Result<Node> { todo!() }
    fn parent(&self, _d: NodeId) -> Result<NodeId> { todo!() }
    fn read_dir(&self, _d: NodeId) -> Result<Directory> { todo!() }
    fn open(&self, _f: NodeId) -> Result<SharedSource> { todo!() }
    fn read_link(&self, _l: NodeId) -> Result<Vec<u8>> { todo!() }
    fn attributes(&self, _id: NodeId) -> Result<Vec<Attribute>> { todo!() }
    fn notes(&self) -> &crate::notes::Notes { todo!() }
}
