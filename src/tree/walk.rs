//! A walk over a tree that no disc can make endless.

use std::collections::HashSet;
use std::sync::Arc;

use super::Tree;
use crate::error::{Error, Result};
use crate::limits::MAX_DEPTH;
use crate::volume::{Directory, FileType, Node, NodeId};

/// One node of a walk.
#[derive(Debug)]
pub struct Step {
    /// Relative to where the walk began, without a leading `/`; empty for the first step.
    pub path: Vec<u8>,
    pub depth: usize,
    /// The node, or why it can't be had.
    pub node: Result<Node>,
    /// Of a directory: why its entries do not follow, or not all of them.
    pub closed: Option<Error>,
}

/// Depth first, in the order of the disc, a directory before its entries. Each directory is entered once: a
/// second name of it, and a loop, are told as [`Error::Loop`].
#[derive(Debug)]
pub struct Walk<'a> {
    tree: &'a Tree,
    first: Option<NodeId>,
    open: Vec<Open>,
    visited: HashSet<NodeId>,
}

#[derive(Debug)]
struct Open {
    directory: Arc<Directory>,
    next: usize,
    path: Vec<u8>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(tree: &'a Tree, from: NodeId) -> Self {
        Self { tree, first: Some(from), open: Vec::new(), visited: HashSet::new() }
    }

    fn step(&mut self, id: NodeId, path: Vec<u8>, depth: usize) -> Step {
        let node = self.tree.node(id);
        let mut closed = None;
        if node.as_ref().is_ok_and(|node| node.kind == FileType::Directory) {
            closed = self.enter(id, &path).err();
        }
        Step { path, depth, node, closed }
    }

    fn enter(&mut self, id: NodeId, path: &[u8]) -> Result<()> {
        if self.open.len() >= MAX_DEPTH || !self.visited.insert(id) {
            return Err(Error::Loop);
        }
        let directory = self.tree.directory(id)?;
        let missing = super::missing(&directory, id);
        self.open.push(Open { directory, next: 0, path: path.to_vec() });
        missing.map_or(Ok(()), Err)
    }
}

impl Iterator for Walk<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        if let Some(first) = self.first.take() {
            return Some(self.step(first, Vec::new(), 0));
        }
        loop {
            let depth = self.open.len();
            let top = self.open.last_mut()?;
            let Some(entry) = top.directory.get(top.next) else {
                self.open.pop();
                continue;
            };
            let mut path = top.path.clone();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(entry.name);
            let id = entry.id;
            top.next = top.next.saturating_add(1);
            return Some(self.step(id, path, depth));
        }
    }
}
