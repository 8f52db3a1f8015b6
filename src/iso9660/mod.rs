//! ISO 9660 (ECMA-119) with Rock Ridge, Joliet and Enhanced names.

mod aaip;
mod datetime;
mod descriptor;
mod directory;
mod examine;
mod extent;
mod joliet;
mod links;
mod name;
mod options;
mod record;
mod rockridge;
mod scan;
mod sparse;
mod sums;
mod susp;
mod volume;
mod volume_set;
mod zisofs;

pub use examine::examine;
pub use options::{Check, IsoOptions, Map};
pub use sums::Sums;
pub use volume::Iso9660;
pub use volume_set::{IsoTree, VolumeSet, session};

/// Which names a tree is read with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Naming {
    Primary,
    RockRidge,
    Joliet,
    Enhanced,
}
