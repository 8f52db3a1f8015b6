//! The sessions of a multi-session image, found without a table of contents.

use std::collections::HashSet;

use super::ReadOptions;
use crate::error::{Error, Result};
use crate::iso9660;
use crate::source::SharedSource;
use crate::udf;

/// Bytes of a logical sector.
const SECTOR: u64 = 2048;
/// Sectors of the System Area before the descriptors (ECMA-119 6.2.1); the Volume Recognition Sequence (ECMA-167 2/8.3)
/// begins there, too.
const SYSTEM_AREA: u32 = 16;
/// Up to this size an image may be that of a CD, on which a session begins at any sector.
const LARGEST_CD: u64 = 1 << 30;
/// On DVDs and Blu-ray discs recording begins at an ECC block: at multiples of this many sectors. No session is shorter.
const ECC_BLOCK: u32 = 16;
/// Where libisofs puts the first session of a medium that can be overwritten: at the medium's beginning stands a copy of
/// the newest session's descriptors.
const BEHIND_THE_COPY: u32 = 32;

/// Which session of a multi-session image is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SessionChoice {
    /// The one whose descriptors lie at the beginning of the image.
    #[default]
    First,
    /// `session=`: counted from 0, the oldest first.
    Number(u32),
    /// `sbsector=`: the logical sector it begins at.
    Sector(u32),
}

/// A session, from its first sector up to the next session's or the end of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The logical sector it begins at; its descriptors follow 16 sectors later.
    pub start: u32,
    /// The logical sector behind it.
    pub end: u32,
    /// Its Volume Identifier; empty where only UDF was recorded.
    pub label: String,
    /// The block of the root directory, in the Primary Volume Descriptor.
    root: Option<u32>,
}

/// The sessions of an image, the oldest first.
///
/// A session's descriptors tell themselves where they are: their root directory lies behind them and says so. Those of
/// an image that is a file on the disc don't, so it is not taken for a session. Reads 6 bytes of every sector of an image
/// up to 1 GiB, of every sixteenth of a larger one; what can't be read begins no session.
pub fn find(image: &SharedSource) -> Vec<Session> {
    let sectors = u32::try_from(image.len().div_ceil(SECTOR)).unwrap_or(u32::MAX);
    let step = if image.len() <= LARGEST_CD { 1 } else { ECC_BLOCK };
    let mut found = Vec::new();
    let mut start = 0;
    while start < sectors {
        let session = begins(image, start);
        start = start.saturating_add(if session.is_some() { ECC_BLOCK } else { step });
        found.extend(session);
    }
    // Descriptors with the root directory of others are a copy of those.
    let mut roots = HashSet::new();
    found.retain(|session| session.start == 0 || session.root.is_none_or(|root| roots.insert(root)));
    let is_copy = found.first().is_some_and(|first| first.root.is_some_and(|root| roots.contains(&root)));
    if is_copy && found.get(1).is_some_and(|second| second.start == BEHIND_THE_COPY) {
        found.remove(0);
    }
    let ends: Vec<_> = found.iter().skip(1).map(|next| next.start).chain([sectors]).collect();
    for (session, end) in found.iter_mut().zip(ends) {
        session.end = end;
    }
    found
}

/// The session that begins at a sector, if one does.
fn begins(image: &SharedSource, start: u32) -> Option<Session> {
    let mut identifier = [0; 6];
    let at = u64::from(start.checked_add(SYSTEM_AREA)?).saturating_mul(SECTOR);
    image.read_exact_at(&mut identifier, at).ok()?;
    let session = |label: String, root| Session { start, end: start, label, root };
    match &identifier {
        b"\x01CD001" => iso9660::session(image, start).map(|(label, root)| session(label, Some(root))),
        b"\0BEA01" => udf::is_session(image, start).then(|| session(String::new(), None)),
        _ => None,
    }
}

/// The options with the beginning and the end of the session that was chosen.
///
/// # Errors
/// [`Error::Absent`] where there is no such session; says how many there are.
pub(super) fn choose(image: &SharedSource, options: &ReadOptions) -> Result<ReadOptions> {
    let mut options = options.clone();
    let number = match options.session {
        SessionChoice::First => return Ok(options),
        SessionChoice::Sector(start) => {
            (options.iso.session_start, options.udf.session_start) = (start, start);
            return Ok(options);
        }
        SessionChoice::Number(number) => number,
    };
    let sessions = find(image);
    // Linux's udf takes the sector of a session for its number.
    let counted = usize::try_from(number).ok().and_then(|number| sessions.get(number));
    let found = counted.or_else(|| sessions.iter().find(|session| session.start == number && number != 0));
    let Some(session) = found else { return Err(Error::Absent(none(number, &sessions))) };
    (options.iso.session_start, options.udf.session_start) = (session.start, session.start);
    // The table that a later session wrote at its end is not this one's (UDF 2.2.11).
    if sessions.last() != Some(session) && options.udf.last_block.is_none() {
        options.udf.last_block = session.end.checked_sub(1);
    }
    Ok(options)
}

fn none(number: u32, sessions: &[Session]) -> String {
    let starts: Vec<_> = sessions.iter().map(|session| session.start.to_string()).collect();
    match starts.as_slice() {
        [] => format!("no session is found in the image, so none has the number {number}"),
        [_] => format!("the image has one session, number 0: there is no session {number}"),
        starts => format!(
            "the image has {} sessions, numbers 0 to {}, which begin at the sectors {}: there is no session {number}",
            starts.len(),
            starts.len().saturating_sub(1),
            starts.join(", ")
        ),
    }
}
