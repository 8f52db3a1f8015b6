//! Which part of a tree is extracted.

use std::collections::{BTreeMap, VecDeque};

use crate::error::{Error, Result};
use crate::limits::{MAX_LINKS, MAX_TARGET};
use crate::tree::Tree;
use crate::volume::{FileType, NodeId};

/// What of a directory is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    All,
    Some(BTreeMap<Vec<u8>, Selection>),
}

impl Selection {
    pub fn none() -> Self {
        Self::Some(BTreeMap::new())
    }

    /// Adds what lies at a path, and everything below it.
    pub fn add(&mut self, path: &[Vec<u8>]) {
        match (path.split_first(), &mut *self) {
            (None, _) => *self = Self::All,
            (Some(_), Self::All) => {}
            (Some((name, rest)), Self::Some(names)) => names.entry(name.clone()).or_insert_with(Self::none).add(rest),
        }
    }

    /// What of an entry is wanted, if it is.
    pub fn of(&self, name: &[u8]) -> Option<&Self> {
        match self {
            Self::All => Some(self),
            Self::Some(names) => names.get(name),
        }
    }
}

/// The one path of what a path leads to: no `.` and `..`, no symbolic link on the way, names as the directory has them.
/// A symbolic link at the end is not followed.
pub fn canonical(tree: &Tree, path: &[u8]) -> Result<(Vec<Vec<u8>>, NodeId)> {
    let mut todo: VecDeque<Vec<u8>> = split(path).collect();
    let mut here: Vec<(Vec<u8>, NodeId)> = Vec::new();
    let mut links = 0_usize;
    while let Some(name) = todo.pop_front() {
        let directory = here.last().map_or_else(|| tree.root(), |(_, id)| *id);
        match name.as_slice() {
            b"." => continue,
            b".." => {
                here.pop();
                continue;
            }
            _ => {}
        }
        let listed = tree.directory(directory)?;
        let entry = listed.find(&name).ok_or(Error::NotFound)?;
        let kind = tree.node(entry.id)?.kind;
        if todo.is_empty() || kind == FileType::Directory {
            here.push((entry.name.to_vec(), entry.id));
            continue;
        }
        if kind != FileType::SymbolicLink {
            return Err(Error::NotADirectory);
        }
        links = links.saturating_add(1);
        let target = tree.read_link(entry.id)?;
        if links > MAX_LINKS || todo.iter().map(Vec::len).sum::<usize>() > MAX_TARGET {
            return Err(Error::Loop);
        }
        if target.first() == Some(&b'/') {
            here.clear();
        }
        for component in split(&target).collect::<Vec<_>>().into_iter().rev() {
            todo.push_front(component);
        }
    }
    let id = here.last().map_or_else(|| tree.root(), |(_, id)| *id);
    Ok((here.into_iter().map(|(name, _)| name).collect(), id))
}

fn split(path: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    path.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests_volume::{Body, TestVolume};

    #[test]
    fn the_wider_wish_wins() {
        let path = |text: &str| split(text.as_bytes()).collect::<Vec<_>>();
        let mut selection = Selection::none();
        selection.add(&path("a/b/c"));
        selection.add(&path("a/b"));
        selection.add(&path("a/b/d"));
        let a = selection.of(b"a").unwrap();
        assert_eq!((a.of(b"b"), a.of(b"x"), selection.of(b"b")), (Some(&Selection::All), None, None));
        selection.add(&[]);
        assert_eq!(selection, Selection::All);
    }

    #[test]
    fn links_on_the_way_are_followed_and_the_last_is_not() {
        let mut volume = TestVolume::default();
        volume.add(1, b"dir", 2, FileType::Directory);
        volume.file(2, b"file", 3, Body::new(Vec::new()));
        volume.link(2, b"up", 4, b"../round/../dir");
        volume.link(1, b"round", 5, b"/dir");
        volume.link(1, b"self", 6, b"self/x");
        let tree = volume.tree();
        let path = |text: &str| {
            canonical(&tree, text.as_bytes()).map(|(path, id)| (String::from_utf8(path.join(&b'/')).unwrap(), id.get()))
        };
        assert_eq!(path("/round/up/./file").unwrap(), ("dir/file".to_owned(), 3));
        assert_eq!(path("round").unwrap(), ("round".to_owned(), 5));
        assert_eq!(path("../..").unwrap(), (String::new(), 1));
        assert!(matches!(path("dir/file/x"), Err(Error::NotADirectory)));
        assert!(matches!(path("self/x"), Err(Error::Loop)));
    }
}
