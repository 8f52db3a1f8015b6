//! A bounded look at two trees of a bridge disc, to tell a stub from the real thing.

use std::collections::{BTreeSet, HashSet, VecDeque};

use super::choice::{Chosen, TreeKind};
use crate::volume::{FileType, Volume};

/// Directories that are looked at.
const MAX_DIRECTORIES: usize = 64;
/// Names after which no further directory is looked at: mounting waits for this.
const MAX_NAMES: usize = 1500;
/// Bytes of a directory that is looked at: reading a larger one would cost more than mounting may.
const MAX_DIRECTORY_BYTES: u64 = 256 * 1024;

/// What a bounded look at a tree found.
#[derive(Debug, Default)]
pub struct Census {
    names: BTreeSet<String>,
    /// There was more than was looked at.
    more: bool,
}

impl Census {
    /// How many names were found.
    pub fn count(&self) -> usize {
        self.names.len()
    }

    /// Whether there is more than was looked at.
    pub fn is_partial(&self) -> bool {
        self.more
    }

    pub fn take(volume: &dyn Volume) -> Self {
        let mut found = Self::default();
        let mut todo = VecDeque::from([(volume.root(), String::new())]);
        let mut seen = HashSet::from([volume.root()]);
        let mut looked = 0_usize;
        while let Some((id, path)) = todo.pop_front() {
            looked = looked.saturating_add(1);
            if looked > MAX_DIRECTORIES || found.names.len() >= MAX_NAMES {
                found.more = true;
                break;
            }
            if !volume.node(id).is_ok_and(|node| node.size <= MAX_DIRECTORY_BYTES) {
                found.more = true;
                continue;
            }
            let Ok(directory) = volume.read_dir(id) else { continue };
            let mut below = Vec::new();
            for entry in directory.iter() {
                let name = format!("{path}/{}", String::from_utf8_lossy(entry.name).to_lowercase());
                if entry.kind == FileType::Directory && seen.insert(entry.id) {
                    below.push((entry.id, name.clone()));
                }
                found.names.insert(name);
            }
            // In one order for both trees, so that the same part of each is looked at.
            below.sort_by(|left, right| left.1.cmp(&right.1));
            todo.extend(below);
        }
        found
    }
}

/// Of the UDF tree and the best of ISO 9660 the one to show: the one with more in it; of equal ones Rock Ridge,
/// which says more of each file, and UDF before Joliet and plain names, as Linux and Windows have it.
pub fn prefer(udf: &Census, iso: &Census, chosen: Chosen) -> Chosen {
    let (ours, theirs) = (udf.names.len(), iso.names.len());
    let title = chosen.kind.title();
    let choose_udf = |why: String| Chosen { kind: TreeKind::Udf, reason: format!("UDF: {why}") };
    if udf.more != iso.more {
        return match udf.more {
            true => choose_udf(format!("it has more files than {title}")),
            false => Chosen { reason: format!("{}, and it has more files than UDF", chosen.reason), ..chosen },
        };
    }
    if !udf.more && ours > theirs {
        return choose_udf(format!("it has {ours} files and directories, {title} only {theirs}"));
    }
    if !udf.more && theirs > ours {
        let reason = format!("{}, and it has {theirs} files and directories, UDF only {ours}", chosen.reason);
        return Chosen { reason, ..chosen };
    }
    if chosen.kind == TreeKind::RockRidge && udf.names == iso.names {
        let reason = format!("{}, and UDF shows the same files", chosen.reason);
        return Chosen { reason, ..chosen };
    }
    choose_udf(format!("it shows as much as {title}, with full names and exact times"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn census(names: &[&str], more: bool) -> Census {
        Census { names: names.iter().map(|name| (*name).to_owned()).collect(), more }
    }

    fn iso(kind: TreeKind) -> Chosen {
        Chosen { kind, reason: "r".to_owned() }
    }

    #[test]
    fn a_stub_loses_and_an_equal_tree_keeps_rock_ridge() {
        let stub = census(&["/readme.txt"], false);
        let full = census(&["/a", "/b", "/b/c"], false);
        assert_eq!(prefer(&full, &stub, iso(TreeKind::Primary)).kind, TreeKind::Udf);
        assert_eq!(prefer(&stub, &full, iso(TreeKind::Joliet)).kind, TreeKind::Joliet);
        assert_eq!(prefer(&full, &full, iso(TreeKind::RockRidge)).kind, TreeKind::RockRidge);
        assert_eq!(prefer(&full, &full, iso(TreeKind::Joliet)).kind, TreeKind::Udf);
        assert_eq!(prefer(&census(&[], true), &full, iso(TreeKind::RockRidge)).kind, TreeKind::Udf);
        assert_eq!(prefer(&full, &census(&[], true), iso(TreeKind::RockRidge)).kind, TreeKind::RockRidge);
        assert_eq!(prefer(&census(&[], false), &census(&[], false), iso(TreeKind::Primary)).kind, TreeKind::Udf);
    }
}
