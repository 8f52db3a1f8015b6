//! What a mount shows where the disc records something, and where it does not.

use crate::time::Timestamp;
use crate::volume::{Device, FileType, Node, NodeId};

/// Read and execute for all: what Linux shows on discs without permissions.
const DEFAULT_PERMISSIONS: u16 = 0o555;

/// Owner and permissions as the mount options have them (the words of mount(8) for iso9660 and udf).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presentation {
    /// `uid=`: owner of everything, even where the disc records one.
    pub uid: Option<u32>,
    /// `gid=`.
    pub gid: Option<u32>,
    /// Owner where the disc records none: whoever mounted.
    pub default_uid: u32,
    pub default_gid: u32,
    /// `mode=`: permissions of files where the disc records none.
    pub file_mode: Option<u16>,
    /// `dmode=`.
    pub directory_mode: Option<u16>,
    /// `overriderockperm`: `mode=` and `dmode=` also where the disc records permissions.
    pub override_recorded: bool,
    /// `fmask=` or `umask=`: bits taken away from files.
    pub file_mask: u16,
    /// `dmask=` or `umask=`: bits taken away from directories.
    pub directory_mask: u16,
}

impl Default for Presentation {
    /// As Linux shows a disc that root mounts.
    fn default() -> Self {
        Self {
            uid: None,
            gid: None,
            default_uid: 0,
            default_gid: 0,
            file_mode: None,
            directory_mode: None,
            override_recorded: false,
            file_mask: 0,
            directory_mask: 0,
        }
    }
}

/// A file as `stat` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    pub id: NodeId,
    pub kind: FileType,
    pub size: u64,
    /// Units of 512 bytes.
    pub blocks: u64,
    /// The low 12 bits of the mode.
    pub permissions: u16,
    pub uid: u32,
    pub gid: u32,
    pub links: u32,
    pub device: Device,
    pub modified: Timestamp,
    pub accessed: Timestamp,
    pub changed: Timestamp,
    pub created: Option<Timestamp>,
}

impl Presentation {
    pub fn show(&self, node: &Node) -> Shown {
        let directory = node.kind == FileType::Directory;
        let (asked, mask) = match directory {
            true => (self.directory_mode, self.directory_mask),
            false => (self.file_mode, self.file_mask),
        };
        // Symbolic links and special files keep their recorded permissions, as Linux has it.
        let overridable = directory || node.kind == FileType::Regular;
        let permissions = match (node.permissions, asked) {
            (Some(_), Some(asked)) if self.override_recorded && overridable => asked,
            (Some(recorded), _) => recorded,
            (None, asked) => asked.unwrap_or(DEFAULT_PERMISSIONS),
        };
        let modified = node.times.modified.or(node.times.created).unwrap_or_default();
        Shown {
            id: node.id,
            kind: node.kind,
            size: node.size,
            blocks: node.recorded.div_ceil(512),
            permissions: permissions & !mask & 0o7777,
            uid: self.uid.or(node.uid).unwrap_or(self.default_uid),
            gid: self.gid.or(node.gid).unwrap_or(self.default_gid),
            // A link count of 0 would mean "deleted" to programs.
            links: node.links.unwrap_or(1).max(1),
            device: node.device,
            modified,
            accessed: node.times.accessed.unwrap_or(modified),
            changed: node.times.changed.unwrap_or(modified),
            created: node.times.created,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::Times;

    fn node(kind: FileType, permissions: Option<u16>) -> Node {
        Node {
            id: NodeId::new(9).unwrap(),
            kind,
            size: 1000,
            recorded: 1025,
            permissions,
            uid: permissions.map(|_| 7),
            gid: None,
            links: None,
            device: Device::default(),
            times: Times::default(),
        }
    }

    #[test]
    fn unrecorded_attributes_are_those_of_the_mount() {
        let own = Presentation { default_uid: 1000, default_gid: 100, file_mask: 0o022, ..Presentation::default() };
        let shown = own.show(&node(FileType::Regular, None));
        assert_eq!((shown.permissions, shown.uid, shown.gid, shown.links), (0o555, 1000, 100, 1));
        assert_eq!(shown.blocks, 3);
        assert_eq!(own.show(&node(FileType::Regular, Some(0o4777))).permissions, 0o4755);
        assert_eq!(own.show(&node(FileType::Regular, Some(0o644))).uid, 7);
    }

    #[test]
    fn mode_applies_to_recorded_permissions_only_when_told_to() {
        let mut asked = Presentation { file_mode: Some(0o400), directory_mode: Some(0o500), ..Presentation::default() };
        assert_eq!(asked.show(&node(FileType::Regular, Some(0o644))).permissions, 0o644);
        assert_eq!(asked.show(&node(FileType::Regular, None)).permissions, 0o400);
        asked.override_recorded = true;
        assert_eq!(asked.show(&node(FileType::Regular, Some(0o644))).permissions, 0o400);
        assert_eq!(asked.show(&node(FileType::Directory, Some(0o755))).permissions, 0o500);
        assert_eq!(asked.show(&node(FileType::SymbolicLink, Some(0o777))).permissions, 0o777);
    }
}
