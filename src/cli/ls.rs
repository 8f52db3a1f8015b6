//! `mount-iso ls`: lists an image as `ls -l` lists directories.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::exit::{Code, Failure};
use super::image;
use super::listing::{Item, JsonItem, Table};
use super::messages::Messages;
use super::options::ImageArgs;
use super::output::{self, JsonArray, Stop};
use crate::error::{Error, Result as DiscResult};
use crate::limits::MAX_DEPTH;
use crate::tree::{Presentation, Tree, missing};
use crate::volume::{FileType, Node, NodeId};

/// Lists the files of an image; times are in UTC, owners are numbers
#[derive(Debug, Clone, clap::Args)]
pub struct LsArgs {
    /// The image file or device
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,
    /// Files and directories in the image; the whole image by default
    #[arg(value_name = "PATH")]
    pub paths: Vec<OsString>,
    /// List subdirectories as well
    #[arg(short = 'R', long)]
    pub recursive: bool,
    /// List directories themselves, not what is in them
    #[arg(short = 'd', long)]
    pub directory: bool,
    /// Ignored: names that begin with a dot are always listed
    #[arg(short = 'a', long, hide = true)]
    pub all: bool,
    /// Ignored: the list is always the long one
    #[arg(short = 'l', hide = true)]
    pub long: bool,
    /// Write a JSON array with one object for each file
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub options: ImageArgs,
}

pub fn run(args: &LsArgs) -> Result<Code, Failure> {
    let options = args.options.resolve()?;
    let opened = image::open(&args.image, &options)?;
    let mut messages = Messages::stderr(&args.image);
    let mut paths: Vec<&[u8]> = args.paths.iter().map(|path| path.as_bytes()).collect();
    if paths.is_empty() {
        paths.push(b"/");
    }
    let way = Way { recursive: args.recursive, directory: args.directory };
    output::print(|out| {
        let mut lister = Lister { tree: &opened.tree, presentation: &opened.presentation, messages: &mut messages };
        if args.json {
            let mut sheet = JsonSheet(JsonArray::new(out)?);
            lister.list(&paths, way, &mut sheet)?;
            sheet.0.finish()?;
        } else {
            let named = paths.len() > 1 || args.recursive;
            lister.list(&paths, way, &mut TableSheet { out, named, empty: true })?;
        }
        Ok::<_, Stop>(messages.finish())
    })
}

/// How far a listing goes.
#[derive(Debug, Clone, Copy, Default)]
struct Way {
    recursive: bool,
    directory: bool,
}

/// What listings are written on.
trait Sheet {
    /// The entries of a directory; `None`: what was named itself.
    fn group(&mut self, directory: Option<&[u8]>, items: &[Item]) -> io::Result<()>;
}

struct TableSheet<'a> {
    out: &'a mut dyn Write,
    /// Whether directories get a line with their name.
    named: bool,
    empty: bool,
}

impl Sheet for TableSheet<'_> {
    fn group(&mut self, directory: Option<&[u8]>, items: &[Item]) -> io::Result<()> {
        if !self.empty {
            writeln!(self.out)?;
        }
        self.empty = false;
        if let Some(path) = directory
            && self.named
        {
            let path = if path.is_empty() { b"/" } else { path };
            writeln!(self.out, "{}:", crate::text::printable(path))?;
        }
        let mut table = Table::default();
        for item in items {
            table.push(item);
        }
        table.write(self.out)
    }
}

struct JsonSheet<'a>(JsonArray<'a>);

impl Sheet for JsonSheet<'_> {
    fn group(&mut self, _directory: Option<&[u8]>, items: &[Item]) -> io::Result<()> {
        items.iter().try_for_each(|item| self.0.push(&JsonItem::new(item)))
    }
}

struct Lister<'a, 'm> {
    tree: &'a Tree,
    presentation: &'a Presentation,
    messages: &'a mut Messages<'m>,
}

impl Lister<'_, '_> {
    /// What is named and is no directory comes first, together, as in ls.
    fn list(&mut self, paths: &[&[u8]], way: Way, sheet: &mut dyn Sheet) -> io::Result<()> {
        let mut files = Vec::new();
        let mut directories = Vec::new();
        for path in paths {
            // A final slash asks for what a symbolic link leads to.
            match self.tree.resolve(path, path.ends_with(b"/")) {
                Ok(node) if node.kind == FileType::Directory && !way.directory => directories.push((*path, node.id)),
                Ok(node) if node.kind != FileType::Directory && path.ends_with(b"/") => {
                    self.messages.error(path, &Error::NotADirectory);
                }
                Ok(node) => files.push(self.item(path, path, node.id, node.kind, Ok(node))),
                Err(error) => self.messages.error(path, &error),
            }
        }
        files.sort_by(|left, right| left.name.cmp(&right.name));
        if !files.is_empty() {
            sheet.group(None, &files)?;
        }
        for (path, id) in directories {
            self.directory(path, id, way, sheet)?;
        }
        Ok(())
    }

    /// A directory, and with `-R` those below it, each once: a disc may name a directory twice, even within itself.
    fn directory(&mut self, path: &[u8], id: NodeId, way: Way, sheet: &mut dyn Sheet) -> io::Result<()> {
        let mut visited = HashSet::from([id]);
        let mut todo = vec![(path.to_vec(), id, 0_usize)];
        while let Some((path, id, depth)) = todo.pop() {
            let items = match self.entries(&path, id) {
                Ok(items) => items,
                Err(error) => {
                    self.messages.error(&path, &error);
                    continue;
                }
            };
            self.messages.success();
            sheet.group(Some(&path), &items)?;
            if !way.recursive {
                continue;
            }
            // The last one pushed is listed first.
            for item in items.into_iter().rev().filter(|item| item.kind == FileType::Directory && item.node.is_some()) {
                if depth >= MAX_DEPTH {
                    self.messages.error(&item.path, &Error::Loop);
                } else if visited.insert(item.id) {
                    todo.push((item.path, item.id, depth.saturating_add(1)));
                } else {
                    let what = "not listed again: it is a directory that has another name, or lies within itself";
                    self.messages.failure(&item.path, what, None);
                }
            }
        }
        Ok(())
    }

    fn entries(&mut self, path: &[u8], id: NodeId) -> DiscResult<Vec<Item>> {
        let directory = self.tree.directory(id)?;
        if let Some(error) = missing(&directory, id) {
            self.messages.error(path, &error);
        }
        let mut items: Vec<Item> = directory
            .iter()
            .map(|entry| {
                let path = join(path, entry.name);
                self.item(&path, entry.name, entry.id, entry.kind, self.tree.node(entry.id))
            })
            .collect();
        items.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(items)
    }

    fn item(&mut self, path: &[u8], name: &[u8], id: NodeId, kind: FileType, node: DiscResult<Node>) -> Item {
        let mut target = None;
        if kind == FileType::SymbolicLink {
            match self.tree.read_link(id) {
                Ok(bytes) => target = Some(bytes),
                // A node that can't be had is told once, below.
                Err(error) if node.is_ok() => self.messages.error(path, &error),
                Err(_) => {}
            }
        }
        let node = match node {
            Ok(node) => {
                self.messages.success();
                Some((self.presentation.show(&node), node))
            }
            Err(error) => {
                self.messages.error(path, &error);
                None
            }
        };
        Item { path: path.to_vec(), name: name.to_vec(), id, kind, node, target }
    }
}

fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = directory.to_vec();
    if path.last() != Some(&b'/') && !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

#[cfg(test)]
#[path = "tests/ls.rs"]
mod tests;
