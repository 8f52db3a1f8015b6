//! The directories between the target and where the extraction is, open as far as descriptors go.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use nix::errno::Errno;

use super::place::{Attributes, Name, open_directory};
use super::selection::Selection;
use crate::volume::Directory;

/// Directories kept open; of those further up only the target itself is. A process has 1024 descriptors
/// as a rule, and directories may lie deeper than that.
const OPEN: usize = 64;

/// A directory that is being filled.
#[derive(Debug)]
pub struct Frame<'s> {
    pub directory: Arc<Directory>,
    pub next: usize,
    pub selected: &'s Selection,
    /// In the tree and below the target alike; empty for the target.
    pub path: Vec<u8>,
    /// Its last component.
    pub name: Vec<u8>,
    /// What it gets when it is full.
    pub attributes: Option<Attributes>,
    pub file: Option<Arc<OwnedFd>>,
}

#[derive(Debug)]
pub struct Stack<'s> {
    target: Arc<OwnedFd>,
    frames: Vec<Frame<'s>>,
}

impl<'s> Stack<'s> {
    pub fn new(target: Arc<OwnedFd>) -> Self {
        Self { target, frames: Vec::new() }
    }

    pub fn depth(&self) -> usize {
        self.frames.len()
    }

    pub fn top(&mut self) -> Option<&mut Frame<'s>> {
        self.frames.last_mut()
    }

    pub fn push(&mut self, frame: Frame<'s>) {
        self.frames.push(frame);
        self.close_far(self.frames.len());
    }

    pub fn pop(&mut self) -> Option<Frame<'s>> {
        self.frames.pop()
    }

    /// The top directory, opened again from above where that was closed.
    pub fn file(&mut self) -> nix::Result<Arc<OwnedFd>> {
        let opened = self.frames.iter().rposition(|frame| frame.file.is_some());
        let mut file = match opened.and_then(|level| self.frames.get(level)) {
            Some(Frame { file: Some(file), .. }) => Arc::clone(file),
            _ => Arc::clone(&self.target),
        };
        let from = opened.map_or(0, |level| level.saturating_add(1));
        for level in from..self.frames.len() {
            let Some(frame) = self.frames.get_mut(level) else { break };
            // The first frame is the target itself.
            if level > 0 {
                let name = Name::new(&frame.name).ok_or(Errno::EINVAL)?;
                file = Arc::new(open_directory(&file, name)?);
            }
            frame.file = Some(Arc::clone(&file));
            self.close_far(level.saturating_add(1));
        }
        Ok(file)
    }

    fn close_far(&mut self, depth: usize) {
        if let Some(far) = depth.checked_sub(OPEN.saturating_add(1))
            && let Some(frame) = self.frames.get_mut(far)
        {
            frame.file = None;
        }
    }
}

/// Opens the directory that a path below the target lies in.
pub fn open_parent(target: &Arc<OwnedFd>, path: &[u8]) -> nix::Result<Arc<OwnedFd>> {
    let mut file = Arc::clone(target);
    let mut names = path.split(|byte| *byte == b'/').peekable();
    while let Some(name) = names.next() {
        if names.peek().is_some() {
            file = Arc::new(open_directory(&file, Name::new(name).ok_or(Errno::EINVAL)?)?);
        }
    }
    Ok(file)
}
