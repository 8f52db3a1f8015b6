//! A file as a line of `ls -l` and as an object of JSON.

use std::io::{self, Write};

use serde::Serialize;

use super::output::{JsonText, rfc3339};
use crate::text::printable;
use crate::time::Timestamp;
use crate::tree::Shown;
use crate::volume::{FileType, Node, NodeId};

/// One file of a listing.
#[derive(Debug, Clone)]
pub struct Item {
    pub path: Vec<u8>,
    pub name: Vec<u8>,
    pub id: NodeId,
    pub kind: FileType,
    /// As a mount shows it and as the disc records it; `None` where it can't be read.
    pub node: Option<(Shown, Node)>,
    /// Of a symbolic link.
    pub target: Option<Vec<u8>>,
}

/// The name of a kind of file, for people.
pub const fn kind_title(kind: FileType) -> &'static str {
    match kind {
        FileType::Regular => "regular file",
        FileType::Directory => "directory",
        FileType::SymbolicLink => "symbolic link",
        FileType::CharacterDevice => "character device",
        FileType::BlockDevice => "block device",
        FileType::Fifo => "FIFO",
        FileType::Socket => "socket",
    }
}

const fn letter(kind: FileType) -> char {
    match kind {
        FileType::Regular => '-',
        FileType::Directory => 'd',
        FileType::SymbolicLink => 'l',
        FileType::CharacterDevice => 'c',
        FileType::BlockDevice => 'b',
        FileType::Fifo => 'p',
        FileType::Socket => 's',
    }
}

/// As `-rwsr-xr-t`.
pub fn mode_string(kind: FileType, permissions: u16) -> String {
    let mut out = String::from(letter(kind));
    // Of each triple: its place, the bit that changes its x, and the letters of that bit with and without x.
    for (shift, special, with, without) in [(6, 0o4000, 's', 'S'), (3, 0o2000, 's', 'S'), (0, 0o1000, 't', 'T')] {
        let bits = permissions >> shift;
        out.push(if bits & 4 != 0 { 'r' } else { '-' });
        out.push(if bits & 2 != 0 { 'w' } else { '-' });
        out.push(match (permissions & special != 0, bits & 1 != 0) {
            (true, true) => with,
            (true, false) => without,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    out
}

/// As `2024-05-03 12:00`.
pub fn date(time: Timestamp) -> String {
    let (year, month, day, hour, minute, _) = time.to_civil();
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}")
}

const fn is_device(kind: FileType) -> bool {
    matches!(kind, FileType::CharacterDevice | FileType::BlockDevice)
}

/// Lines whose columns stand below one another.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<([String; COLUMNS], String)>,
    widths: [usize; COLUMNS],
}

/// Mode, links, owner, group, size, date; all to the right, as numbers are read.
const COLUMNS: usize = 6;

impl Table {
    pub fn push(&mut self, item: &Item) {
        let cells = match &item.node {
            Some((shown, node)) => [
                mode_string(shown.kind, shown.permissions),
                shown.links.to_string(),
                shown.uid.to_string(),
                shown.gid.to_string(),
                match is_device(shown.kind) {
                    true => format!("{}, {}", shown.device.major, shown.device.minor),
                    false => shown.size.to_string(),
                },
                node.times.modified.or(node.times.created).map_or_else(|| "-".to_owned(), date),
            ],
            None => {
                let unknown = || "?".to_owned();
                let mode = format!("{}?????????", letter(item.kind));
                [mode, unknown(), unknown(), unknown(), unknown(), unknown()]
            }
        };
        for (width, cell) in self.widths.iter_mut().zip(&cells) {
            *width = cell.len().max(*width);
        }
        let mut name = printable(&item.name);
        if let Some(target) = &item.target {
            name.push_str(" -> ");
            name.push_str(&printable(target));
        }
        self.rows.push((cells, name));
    }

    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        for (cells, name) in &self.rows {
            for (cell, width) in cells.iter().zip(&self.widths) {
                write!(out, "{cell:>width$} ", width = *width)?;
            }
            writeln!(out, "{name}")?;
        }
        Ok(())
    }
}

/// One file in JSON. What the disc does not record, and what does not apply, is `null`.
#[derive(Debug, Serialize)]
pub struct JsonItem {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_bytes: Option<String>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name_bytes: Option<String>,
    #[serde(rename = "type")]
    kind: &'static str,
    /// Octal, as `0755`.
    mode: Option<String>,
    uid: Option<u32>,
    gid: Option<u32>,
    links: Option<u32>,
    size: Option<u64>,
    recorded: Option<u64>,
    mtime: Option<String>,
    atime: Option<String>,
    ctime: Option<String>,
    birth: Option<String>,
    device: Option<JsonDevice>,
    target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_bytes: Option<String>,
    inode: u64,
}

#[derive(Debug, Serialize)]
struct JsonDevice {
    major: u32,
    minor: u32,
}

impl JsonItem {
    pub fn new(item: &Item) -> Self {
        let shown = item.node.as_ref().map(|(shown, _)| shown);
        let node = item.node.as_ref().map(|(_, node)| node);
        let mut absolute = vec![b'/'];
        absolute.extend(item.path.iter().skip_while(|byte| **byte == b'/'));
        let path = JsonText::new(&absolute);
        let name = JsonText::new(item.name.rsplit(|byte| *byte == b'/').find(|part| !part.is_empty()).unwrap_or(b"/"));
        let target = item.target.as_deref().map(JsonText::new);
        let time = |time: Option<Option<Timestamp>>| time.flatten().map(rfc3339);
        Self {
            path: path.text,
            path_bytes: path.bytes,
            name: name.text,
            name_bytes: name.bytes,
            kind: json_kind(item.kind),
            mode: shown.map(|shown| format!("{:04o}", shown.permissions)),
            uid: shown.map(|shown| shown.uid),
            gid: shown.map(|shown| shown.gid),
            links: shown.map(|shown| shown.links),
            size: shown.map(|shown| shown.size),
            recorded: node.map(|node| node.recorded),
            mtime: time(node.map(|node| node.times.modified)),
            atime: time(node.map(|node| node.times.accessed)),
            ctime: time(node.map(|node| node.times.changed)),
            birth: time(node.map(|node| node.times.created)),
            device: shown
                .filter(|shown| is_device(shown.kind))
                .map(|shown| JsonDevice { major: shown.device.major, minor: shown.device.minor }),
            target: target.as_ref().map(|target| target.text.clone()),
            target_bytes: target.and_then(|target| target.bytes),
            inode: item.id.get(),
        }
    }
}

const fn json_kind(kind: FileType) -> &'static str {
    match kind {
        FileType::Regular => "file",
        FileType::Directory => "directory",
        FileType::SymbolicLink => "symlink",
        FileType::CharacterDevice => "character-device",
        FileType::BlockDevice => "block-device",
        FileType::Fifo => "fifo",
        FileType::Socket => "socket",
    }
}
