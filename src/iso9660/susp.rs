//! The System Use Sharing Protocol (SUSP 1.12): how several extensions share the System Use areas.

use std::collections::HashSet;

use crate::bytes::{both_u32, u8_at, u32_le};
use crate::error::Defect;
use crate::limits::{MAX_CONTINUATION_BYTES, MAX_CONTINUATIONS};
use crate::notes::Notes;
use crate::source::{Cached, Source};

/// The fixed part of a System Use Entry: signature, length, version (SUSP 4.1).
const HEADER: usize = 4;

/// One System Use Entry.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    pub signature: [u8; 2],
    pub version: u8,
    /// What follows the four bytes of signature, length and version.
    pub data: &'a [u8],
    /// Byte address in the image.
    pub at: u64,
}

/// Where to read Continuation Areas, and where to tell what is wrong with them.
#[derive(Debug)]
pub struct Reader<'a> {
    pub metadata: &'a Cached,
    pub block_size: u32,
    pub notes: &'a Notes,
}

impl Reader<'_> {
    /// Shows every entry of a System Use area and of the Continuation Areas behind it to `visit`, in order.
    ///
    /// What is malformed ends an area; all that was read before it counts. Gives where a Continuation Area is that
    /// the medium failed to give; one beyond the end of the image is malformed.
    pub fn visit(&self, area: &[u8], at: u64, visit: &mut dyn FnMut(Entry<'_>)) -> Option<u64> {
        let mut next = self.scan(area, at, visit);
        let mut seen = HashSet::new();
        let mut total = 0_u64;
        while let Some((named_at, start, length)) = next {
            let broken = |what: &str| -> Option<u64> {
                self.notes.report(Defect::new(named_at, "SUSP 5.1", what));
                None
            };
            total = total.saturating_add(length);
            if !seen.insert(start) {
                return broken("the Continuation Areas form a loop: its CE entry is ignored");
            }
            if seen.len() > MAX_CONTINUATIONS || total > MAX_CONTINUATION_BYTES {
                return broken("more Continuation Areas than a directory record can need: the rest is ignored");
            }
            let mut continuation = vec![0; usize::try_from(length).unwrap_or(0)];
            if let Err(error) = self.metadata.read_exact_at(&mut continuation, start) {
                broken(&format!("the Continuation Area at byte {start} can't be read ({error})"));
                return (error.kind() != std::io::ErrorKind::UnexpectedEof).then_some(start);
            }
            next = self.scan(&continuation, start, visit);
        }
        None
    }

    /// The entries of one area; gives the CE entry that stands in it: where it stands, where it leads, how long
    /// that area is.
    fn scan(&self, area: &[u8], at: u64, visit: &mut dyn FnMut(Entry<'_>)) -> Option<(u64, u64, u64)> {
        let mut continuation = None;
        let mut rest = area;
        let mut here = at;
        // SUSP 4: up to three bytes too short for an entry may be left, and a single one is padding.
        while rest.len() >= HEADER {
            let mut length = usize::from(u8_at(rest, 2));
            if let Some(right) = relocation_length(rest).filter(|right| (HEADER..*right).contains(&length)) {
                // The only way to a whole directory; what the entry says twice is not guessed.
                let what = format!("the entry is {length} bytes long and holds what one of {right} bytes does");
                self.notes.report(Defect::new(here, "RRIP 4.1.5", what));
                length = right;
            }
            let (Some(entry), Some(later)) = (rest.get(..length), rest.get(length..)) else {
                self.notes.report(Defect::new(here, "SUSP 4.1", "a System Use Entry reaches beyond its area"));
                break;
            };
            let Some((header, data)) = entry.split_first_chunk::<HEADER>() else {
                // Zeros fill the areas of many writers; that is no defect worth a warning.
                if rest.iter().any(|byte| *byte != 0) {
                    self.notes.report(Defect::new(here, "SUSP 4.1", "a System Use Entry is shorter than its header"));
                }
                // Linux passes over one of three bytes, too: whole ones may stand behind it.
                if length < HEADER - 1 {
                    break;
                }
                rest = later;
                here = here.saturating_add(u64::try_from(length).unwrap_or(0));
                continue;
            };
            let [first, second, _, version] = *header;
            match &[first, second] {
                b"ST" => break,
                b"CE" if data.len() >= 24 => {
                    let start = u64::from(u32_le(data, 0))
                        .saturating_mul(u64::from(self.block_size))
                        .saturating_add(u64::from(u32_le(data, 8)));
                    let area = (here, start, u64::from(u32_le(data, 16)));
                    match continuation {
                        None => continuation = Some(area),
                        Some(_) => self.notes.report(Defect::new(here, "SUSP 5.1", "a second CE entry in one area")),
                    }
                }
                _ => visit(Entry { signature: [first, second], version, data, at: here }),
            }
            rest = later;
            here = here.saturating_add(u64::try_from(length).unwrap_or(0));
        }
        continuation
    }
}

/// The length of the CL or PL entry (RRIP 4.1.5.1, 4.1.5.2) that stands here, whatever it says of its length, if both
/// halves of its number agree.
fn relocation_length(bytes: &[u8]) -> Option<usize> {
    const LENGTH: usize = 12;
    let entry = bytes.get(..LENGTH)?;
    let number = both_u32(entry, 4);
    (matches!(entry.get(..2), Some(b"CL" | b"PL")) && number.agree()).then_some(LENGTH)
}

/// SUSP 5.3: the SP entry; gives how many bytes to skip in every other System Use area.
pub fn sharing_protocol(entry: &Entry<'_>) -> Option<u8> {
    match entry.data {
        [0xBE, 0xEF, skip, ..] if entry.signature == *b"SP" => Some(*skip),
        _ => None,
    }
}

/// SUSP 5.5: the identifier of the extension that an ER entry announces.
pub fn extension_reference<'a>(entry: &Entry<'a>) -> Option<&'a [u8]> {
    if entry.signature != *b"ER" {
        return None;
    }
    let length = usize::from(u8_at(entry.data, 0));
    entry.data.get(4..)?.get(..length)
}
