//! What is special about a volume whose parts come and go, as the images of a folder do.

use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::time::Duration;

use super::NodeId;
use crate::error::Result;

/// A directory in the root of such a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Greater than 0; never used for another part.
    pub number: u64,
    pub id: NodeId,
    pub name: Vec<u8>,
}

/// The root directory holds parts, each of which is opened when it is entered.
pub trait Parts: Send + Sync + Debug {
    /// # Errors
    /// [`crate::error::Error::NotFound`] where there is no such part.
    fn find(&self, name: &[u8]) -> Result<NodeId>;

    /// Looks for parts that have come or gone.
    ///
    /// # Errors
    /// When nobody can tell.
    fn refresh(&self) -> Result<()>;

    /// Finds out which numbers were given by the process before this one.
    ///
    /// # Errors
    /// When that can't be read.
    fn recover(&self) -> Result<()>;

    /// Where those are kept, for another program.
    ///
    /// # Errors
    /// When descriptors are short.
    fn ledger(&self) -> io::Result<File>;

    /// The part with the least number greater than `number`.
    fn after(&self, number: u64) -> Option<Part>;

    fn count(&self) -> u64;

    /// Whether a node is the root or a part itself: what is said of it may change, while what is in a part holds as
    /// long as the part is there.
    fn may_change(&self, id: NodeId) -> bool;

    /// Whether the part that a node belongs to is open; of one that is not nothing need be kept.
    fn is_open(&self, id: NodeId) -> bool;

    /// Somebody uses a node that is kept elsewhere.
    fn touch(&self, id: NodeId);

    /// Closes parts that nobody has used lately.
    fn close_idle(&self);

    /// How often that is worth the while.
    fn pause(&self) -> Duration;
}
