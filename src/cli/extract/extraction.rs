//! What is asked for, and the threads that do it.

use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use indicatif::ProgressBar;
use nix::sys::stat::Mode;
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid};

use super::Target;
use super::copy::Copier;
use super::crew::Crew;
use super::existing::Existing;
use super::file::Files;
use super::interrupt::Interrupt;
use super::maker::Maker;
use super::place::Attributes;
use super::report::Report;
use super::selection::Selection;
use crate::cli::exit::Failure;
use crate::cli::messages::Messages;
use crate::time::Timestamp;
use crate::tree::{Presentation, Tree};
use crate::volume::{FileType, Node};

#[derive(Debug, Clone, Copy)]
pub struct Choices {
    pub existing: Existing,
    pub owners: bool,
    pub devices: bool,
}

/// How files should be.
#[derive(Debug)]
pub struct Wishes<'a> {
    pub choices: Choices,
    presentation: &'a Presentation,
}

impl Wishes<'_> {
    /// What the disc records, or the options say; not what a mount would show for want of both.
    pub fn attributes(&self, node: &Node) -> Attributes {
        let shown = self.presentation.show(node);
        let asked = match node.kind {
            FileType::Directory => self.presentation.directory_mode,
            _ => self.presentation.file_mode,
        };
        let mode = node.permissions.is_some() || asked.is_some();
        let uid = node.uid.is_some() || self.presentation.uid.is_some();
        let gid = node.gid.is_some() || self.presentation.gid.is_some();
        let modified = node.times.modified.or(node.times.created);
        let spec = |time: Timestamp| TimeSpec::new(time.seconds, time.nanoseconds.into());
        Attributes {
            owner: (self.choices.owners && (uid || gid))
                .then(|| (uid.then(|| Uid::from_raw(shown.uid)), gid.then(|| Gid::from_raw(shown.gid)))),
            mode: mode.then(|| Mode::from_bits_truncate(shown.permissions.into())),
            times: modified.map(|modified| (spec(node.times.accessed.unwrap_or(modified)), spec(modified))),
        }
    }
}

pub struct Extraction<'a, 'm> {
    tree: &'a Tree,
    wishes: Wishes<'a>,
    messages: &'a mut Messages<'m>,
    target: Arc<OwnedFd>,
    /// Whether the target gets the attributes of the root.
    target_is_ours: bool,
    threads: NonZeroUsize,
    interrupt: Option<&'a Interrupt>,
    bar: ProgressBar,
}

impl<'a, 'm> Extraction<'a, 'm> {
    pub fn new(
        tree: &'a Tree,
        presentation: &'a Presentation,
        messages: &'a mut Messages<'m>,
        target: Target,
        choices: Choices,
    ) -> Self {
        Self {
            tree,
            wishes: Wishes { choices, presentation },
            messages,
            target: Arc::new(target.file),
            target_is_ours: target.made,
            threads: NonZeroUsize::MIN,
            interrupt: None,
            bar: ProgressBar::hidden(),
        }
    }

    #[must_use]
    pub const fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.threads = threads;
        self
    }

    #[must_use]
    pub fn watched(mut self, interrupt: &'a Interrupt, bar: &ProgressBar) -> Self {
        self.interrupt = Some(interrupt);
        self.bar = bar.clone();
        self
    }

    /// Copies what is selected. What fails for one file is told, and the next one follows.
    ///
    /// # Errors
    /// What would fail for every further file too: no space left, an interruption.
    pub fn run(self, selection: &Selection) -> Result<(), Failure> {
        if matches!(selection, Selection::Some(names) if names.is_empty()) {
            return Ok(());
        }
        let ours = self.target_is_ours && *selection == Selection::All;
        let copier = Copier::new(self.interrupt, self.bar);
        let files = Files::new(copier, self.wishes.choices.existing, Arc::clone(&self.target));
        let mut report = Report::new(self.messages);
        Crew::with(&files, self.threads.get(), |crew| {
            Maker::new(self.tree, &self.wishes, crew, self.target, &mut report).run(selection, ours);
        });
        report.finish()
    }
}
