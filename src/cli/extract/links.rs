//! Files with several names: which of them are there, so that further names become names of the same file.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use nix::fcntl::AtFlags;
use nix::unistd::linkat;

use super::existing::{Existing, Found};
use super::job::{End, Wanted};
use super::place::{self, Name};
use super::stack::open_parent;
use crate::text::printable;
use crate::volume::NodeId;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A thread is about to make it.
    Begun,
    Whole,
    Damaged,
}

/// The first name of a file that has several.
#[derive(Debug)]
struct First {
    path: Vec<u8>,
    state: State,
}

#[derive(Debug)]
pub struct Links {
    target: Arc<OwnedFd>,
    existing: Existing,
    firsts: HashMap<NodeId, First>,
}

impl Links {
    pub fn new(target: Arc<OwnedFd>, existing: Existing) -> Self {
        Self { target, existing, firsts: HashMap::new() }
    }

    /// Whether a first name of the file is being made: another one has to wait for what becomes of it.
    pub fn is_begun(&self, id: NodeId) -> bool {
        self.firsts.get(&id).is_some_and(|first| first.state == State::Begun)
    }

    /// Notes that a name of a file is going to be made, which is its first one unless there is one.
    pub fn begin(&mut self, id: NodeId, path: &[u8]) {
        self.firsts.entry(id).or_insert_with(|| First { path: path.to_vec(), state: State::Begun });
    }

    /// Notes how making a name of a file ended.
    pub fn end(&mut self, id: NodeId, path: &[u8], end: &End) {
        let state = match end {
            End::Made | End::Kept { same: true } => State::Whole,
            End::Damaged { .. } => State::Damaged,
            // The next name is the first one then.
            _ if self.is_begun(id) => {
                self.firsts.remove(&id);
                return;
            }
            _ => return,
        };
        match self.firsts.get(&id) {
            Some(first) if first.state != State::Begun && matches!(end, End::Kept { .. }) => {}
            _ => drop(self.firsts.insert(id, First { path: path.to_vec(), state })),
        }
    }

    /// Another name of a file that is there; `None`: it must be copied, as where the target knows no hard links.
    pub fn link(&mut self, wanted: &Wanted) -> Option<End> {
        let first = self.firsts.get(&wanted.node.id).filter(|first| first.state != State::Begun)?;
        let name = Name::new(&wanted.name)?;
        match self.existing.found(wanted.directory.as_fd(), name) {
            Found::Nothing => {}
            Found::Replaced => place::remove(&wanted.directory, name).ok()?,
            // Told, or kept, by whoever makes it.
            Found::Refused(_) | Found::Kept(_) | Found::Unfinished => return None,
        }
        if self.linked(first, &wanted.directory, name).is_none() {
            // It has as many names as it can have, or was taken away: the copy is the first of the further ones.
            self.firsts.remove(&wanted.node.id);
            return None;
        }
        if first.state == State::Damaged {
            let what = format!("is the same file as {}, which is damaged", printable(&first.path));
            return Some(End::Damaged { what, hint: None });
        }
        Some(End::Made)
    }

    fn linked(&self, first: &First, directory: &OwnedFd, name: Name<'_>) -> Option<()> {
        let parent = open_parent(&self.target, &first.path).ok()?;
        let old = first.path.rsplit(|byte| *byte == b'/').next()?;
        linkat(&parent, old, directory, name.bytes(), AtFlags::empty()).ok()
    }
}
