//! What is to be made, and what became of it.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use nix::errno::Errno;

use super::place::{Attributes, Undone};
use crate::source::SharedSource;
use crate::volume::{Node, NodeId};

/// A name that a file is to get.
#[derive(Debug)]
pub struct Wanted {
    /// Its place in the walk: what is told is told in this order.
    pub turn: u64,
    pub directory: Arc<OwnedFd>,
    pub name: Vec<u8>,
    /// Below the target.
    pub path: Vec<u8>,
    pub node: Node,
    pub attributes: Attributes,
}

impl Wanted {
    /// Where other names of the file may follow.
    pub fn linked(&self) -> Option<NodeId> {
        (self.node.links.unwrap_or(1) > 1).then_some(self.node.id)
    }
}

/// A regular file that is to be made of a body.
#[derive(Debug)]
pub struct Job {
    pub wanted: Wanted,
    pub body: SharedSource,
}

impl Job {
    /// The byte of the image where its data begin; those of no known place come first.
    pub fn place(&self) -> u64 {
        self.body.in_file(0).map_or(0, |run| run.at)
    }
}

/// How making a file ended.
#[derive(Debug)]
pub enum End {
    Made,
    /// Made, but not whole.
    Damaged {
        what: String,
        hint: Option<&'static str>,
    },
    Kept {
        /// It seems to be the very file, which others may be linked to.
        same: bool,
    },
    /// What is there has no permissions.
    Unfinished,
    Failed(Errno),
    Interrupted,
    /// Not begun, as something else ended it all.
    Dropped,
}

impl From<Errno> for End {
    fn from(errno: Errno) -> Self {
        Self::Failed(errno)
    }
}

#[derive(Debug)]
pub struct Outcome {
    pub end: End,
    pub undone: Vec<Undone>,
}

impl<E: Into<End>> From<E> for Outcome {
    fn from(end: E) -> Self {
        Self { end: end.into(), undone: Vec::new() }
    }
}
