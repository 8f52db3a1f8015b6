//! Whether an image is sound: its structure, and every checksum that can be found for it.

mod digest;
mod isomd5;
mod libisofs;
mod lists;
mod report;
mod sidecar;
mod structure;

pub use digest::Algorithm;
pub use report::{Check, Damage, Outcome, Report};

use std::path::Path;

use crate::disc::Disc;
use crate::tree::Tree;

/// Told how much there is to do and how much is done.
pub trait Meter {
    /// So many bytes more will have to be read.
    fn more(&self, bytes: u64);
    /// So many bytes were read.
    fn done(&self, bytes: u64);
}

/// For those who don't ask.
#[derive(Debug, Clone, Copy)]
pub struct NoMeter;

impl Meter for NoMeter {
    fn more(&self, _bytes: u64) {}
    fn done(&self, _bytes: u64) {}
}

/// Checks the structure of all trees of a disc, and the checksums that stand in the image for itself: those of
/// implantisomd5 and of libisofs.
pub fn embedded(disc: &Disc, meter: &dyn Meter) -> Report {
    let mut report = Report::default();
    let map = structure::check(disc, &mut report);
    isomd5::check(disc, &map, meter, &mut report);
    libisofs::check(disc, &map, meter, &mut report);
    report
}

/// Checks all that [`embedded`] does; the files that lists in the image name (`SHA256SUMS`, `md5sum.txt`); and the image
/// itself by the checksum files that lie beside it.
pub fn everything(path: &Path, disc: &Disc, tree: &Tree, meter: &dyn Meter) -> Report {
    let mut report = embedded(disc, meter);
    lists::check(tree, meter, &mut report);
    sidecar::check(path, disc.image(), meter, &mut report);
    report
}
