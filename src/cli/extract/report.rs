//! What became of it all, told in the order of the walk whichever thread was first.

use nix::errno::Errno;

use super::batch::ends_all;
use super::job::{End, Outcome};
use super::place::Undone;
use crate::cli::exit::{Code, Failure};
use crate::cli::messages::Messages;
use crate::error::Error;
use crate::text::printable;

/// Something to be told of one file.
#[derive(Debug)]
pub enum Word {
    Ended(Outcome),
    Error(Error),
    Failure(String, Option<&'static str>),
    Note(&'static str, Option<&'static str>),
    Undone(Vec<Undone>),
}

/// A word, and its place in the walk.
#[derive(Debug)]
pub struct Entry {
    pub turn: u64,
    pub path: Vec<u8>,
    pub word: Word,
}

pub struct Report<'a, 'm> {
    messages: &'a mut Messages<'m>,
    fatal: Option<Failure>,
}

impl<'a, 'm> Report<'a, 'm> {
    pub const fn new(messages: &'a mut Messages<'m>) -> Self {
        Self { messages, fatal: None }
    }

    /// Tells of a number of files.
    pub fn tell(&mut self, mut entries: Vec<Entry>, made: usize) {
        for _ in 0..made {
            self.messages.success();
        }
        entries.sort_by_key(|entry| entry.turn);
        for Entry { path, word, .. } in entries {
            match word {
                Word::Ended(outcome) => {
                    self.undone(&path, outcome.undone);
                    self.end(&path, outcome.end);
                }
                Word::Error(error) => self.messages.error(&path, &error),
                Word::Failure(what, hint) => self.messages.failure(&path, what, hint),
                Word::Note(what, hint) => self.messages.note(&path, what, hint),
                Word::Undone(undone) => self.undone(&path, undone),
            }
        }
    }

    /// What ended it all, if something did.
    pub fn finish(self) -> Result<(), Failure> {
        self.fatal.map_or(Ok(()), Err)
    }

    fn end(&mut self, path: &[u8], end: End) {
        let fatal = ends_all(&end);
        let errno = match end {
            End::Made | End::Kept { .. } => return self.messages.success(),
            End::Damaged { what, hint } => {
                self.messages.failure(path, what, hint);
                // Most of a file is worth more than none of it: it counts as part of the work.
                return self.messages.success();
            }
            End::Unfinished => {
                let what = "is there without any permissions, as a run that was killed leaves it";
                return self.messages.failure(path, what, Some("--overwrite replaces files that exist"));
            }
            End::Interrupted => {
                self.fatal.get_or_insert_with(interruption);
                return;
            }
            End::Dropped => return,
            End::Failed(errno) => errno,
        };
        let what = errno.desc();
        if fatal {
            let code = if self.messages.succeeded() > 0 { Code::Partial } else { Code::Failure };
            let message = format!("{}: {what}", printable(path));
            let hint = "make room, or name another directory with --to DIR; `extract -n` goes on with the rest";
            self.fatal.get_or_insert_with(|| Failure::new(code, message).hint(hint));
            return;
        }
        let hint = match errno {
            Errno::EEXIST => Some("--overwrite replaces files that exist, --no-overwrite passes over them"),
            Errno::EISDIR | Errno::ENOTDIR | Errno::ELOOP => {
                Some("something else has that name in the target: remove it, or name another directory with --to DIR")
            }
            Errno::EACCES | Errno::EPERM => Some("name a directory that you may write to with --to DIR"),
            _ => None,
        };
        self.messages.failure(path, format!("cannot be made: {what}"), hint);
    }

    fn undone(&mut self, path: &[u8], undone: Vec<Undone>) {
        for undone in undone {
            match undone {
                Undone::Owner(errno) => {
                    let hint = "run it as root, or with --no-owner";
                    self.messages.failure(path, format!("its owner can't be set: {}", errno.desc()), Some(hint));
                }
                Undone::Mode(errno) => {
                    self.messages.failure(path, format!("its mode can't be set: {}", errno.desc()), None);
                }
                Undone::Times(errno) => {
                    self.messages.failure(path, format!("its times can't be set: {}", errno.desc()), None);
                }
                Undone::SetId => {
                    let what = "its set-user-ID and set-group-ID bits are left out, as it gets another owner";
                    self.messages.note(path, what, None);
                }
            }
        }
    }
}

fn interruption() -> Failure {
    Failure::new(Code::Interrupted, "interrupted: what is there is whole, the rest is missing")
        .hint("the same command with --no-overwrite goes on with the rest")
}
