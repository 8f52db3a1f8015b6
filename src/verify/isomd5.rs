//! The checksum that implantisomd5 puts into the Application Use field of the Primary Volume Descriptor.

use super::Meter;
use super::digest::{Algorithm, Hasher, each_piece, hexadecimal};
use super::report::{Check, Damage, Report, only};
use super::structure::Map;
use crate::disc::Disc;

/// The descriptor that holds it is the first of type 1 from sector 16 on.
const FIRST: u64 = 16;
const LAST: u64 = 32;
const SECTOR: u64 = 2048;
/// ECMA-119 8.4.32: the field, and where it is in the descriptor.
const FIELD: usize = 883;
const FIELD_BYTES: usize = 512;
/// The sums of fragments are taken behind the first piece of so many bytes that begins in the next fragment.
const PIECE: u64 = 16 * SECTOR;
/// Hexadecimal digits of all fragments together.
const FRAGMENT_DIGITS: usize = 60;

/// What the field says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Implanted {
    /// Byte address of the field.
    at: u64,
    /// Bytes that the sum covers.
    covered: u64,
    digest: String,
    fragments: u64,
    fragment_sums: String,
}

/// Reads `KEY = VALUE;` pairs.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let behind = text.split_once(key)?.1;
    Some(behind.trim_start_matches([' ', '=']).split(';').next().unwrap_or_default())
}

fn read(disc: &Disc) -> Option<Implanted> {
    let image = disc.image();
    let mut sector = [0; 2048];
    let at = (FIRST..LAST).map(|number| number.saturating_mul(SECTOR)).find(|at| {
        image.read_exact_at(&mut sector, *at).is_ok() && sector.starts_with(b"\x01CD001")
    })?;
    let field = sector.get(FIELD..FIELD.saturating_add(FIELD_BYTES))?;
    let text = String::from_utf8_lossy(field);
    let digest = value(&text, "ISO MD5SUM").filter(|digest| digest.len() == 32)?.to_ascii_lowercase();
    let skipped: u64 = value(&text, "SKIPSECTORS")?.parse().ok()?;
    // The big-endian half of the Volume Space Size, whatever the size of a block.
    let sectors = u64::from(crate::bytes::u32_be(&sector, 84));
    Some(Implanted {
        at: at.saturating_add(u64::try_from(FIELD).ok()?),
        covered: sectors.saturating_sub(skipped).saturating_mul(SECTOR),
        digest,
        fragments: value(&text, "FRAGMENT COUNT").and_then(|count| count.parse().ok()).unwrap_or(0),
        fragment_sums: value(&text, "FRAGMENT SUMS").unwrap_or_default().to_owned(),
    })
}

/// Whether a prefix of the image has the sum of its fragment: the first digit of as many bytes as a fragment has digits.
fn fragment_is_right(implanted: &Implanted, number: u64, digest: &[u8]) -> bool {
    let Some(count) = usize::try_from(implanted.fragments).ok().filter(|count| *count > 0) else { return true };
    let digits = FRAGMENT_DIGITS.checked_div(count).unwrap_or(0);
    let start = usize::try_from(number.saturating_sub(1)).unwrap_or(0).saturating_mul(digits);
    let Some(recorded) = implanted.fragment_sums.get(start..start.saturating_add(digits)) else { return true };
    let found = digest.iter().take(digits).map(|byte| format!("{byte:x}").chars().next().unwrap_or('0'));
    found.eq(recorded.chars())
}

pub fn check(disc: &Disc, map: &Map, meter: &dyn Meter, report: &mut Report) {
    let Some(implanted) = read(disc) else { return };
    let title = "MD5 of the image, implanted by implantisomd5".to_owned();
    let mut check = Check { title, compared: 1, wrong: 0 };
    meter.more(implanted.covered);
    let field = implanted.at..implanted.at.saturating_add(512);
    let size = implanted.covered.checked_div(implanted.fragments.saturating_add(1)).unwrap_or(0);
    let mut hasher = Hasher::new(Algorithm::Md5);
    let (mut previous, mut good, mut bad) = (0, 0, None);
    let read = each_piece(disc.image().as_ref(), 0, implanted.covered, meter, |at, bytes| {
        let mut here = at;
        for piece in bytes.chunks_mut(usize::try_from(PIECE).unwrap_or(2048)) {
            // The field itself counts as spaces.
            for (address, byte) in (here..).zip(piece.iter_mut()) {
                if field.contains(&address) {
                    *byte = b' ';
                }
            }
            hasher.update(piece);
            let fragment = if implanted.fragments == 0 { 0 } else { here.checked_div(size).unwrap_or(0) };
            let end = here.saturating_add(u64::try_from(piece.len()).unwrap_or(0));
            if fragment != previous {
                previous = fragment;
                if bad.is_none() && !fragment_is_right(&implanted, fragment, &hasher.clone().finish()) {
                    bad = Some(good..end);
                }
                good = end;
            }
            here = end;
        }
        true
    });
    if let Err((at, error)) = read {
        check.wrong = 1;
        let what = format!("the image can't be read, so its implanted checksum can't be compared: {error}");
        report.damage.push(Damage::of_checksum(map.file_at(at), only(at..at.saturating_add(SECTOR)), what));
    } else if hexadecimal(&hasher.finish()) != implanted.digest {
        check.wrong = 1;
        // Sums of fragments are those of all bytes before: the first wrong one tells, the later ones are wrong with it.
        let range = bad.unwrap_or(good..implanted.covered);
        let files = map.files_in(&range);
        let what = "the bytes do not have the checksum that implantisomd5 recorded";
        let damage = match files.as_slice() {
            [one] => Damage::of_checksum(Some(one.clone()), vec![range], what),
            [] => Damage::of_checksum(None, vec![range], what),
            [first, ..] => {
                let others = files.len().saturating_sub(1);
                let first = crate::text::printable(first);
                Damage::of_checksum(None, vec![range], format!("{what}: in them lie {first} and {others} other files"))
            }
        };
        report.damage.push(damage);
    }
    report.checks.push(check);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_read_key_by_key() {
        let text = "ISO MD5SUM = 0123;SKIPSECTORS = 15;RHLISOSTATUS=1;FRAGMENT SUMS = abc;FRAGMENT COUNT = 20;THIS IS NOT";
        assert_eq!(value(text, "ISO MD5SUM"), Some("0123"));
        assert_eq!(value(text, "SKIPSECTORS"), Some("15"));
        assert_eq!(value(text, "FRAGMENT COUNT"), Some("20"));
        assert_eq!(value(text, "NONE"), None);
    }

    #[test]
    fn a_fragment_has_the_first_digit_of_each_byte() {
        let implanted = Implanted {
            at: 0,
            covered: 0,
            digest: String::new(),
            fragments: 20,
            fragment_sums: format!("{}a5f{}", "0".repeat(3), "0".repeat(54)),
        };
        assert!(fragment_is_right(&implanted, 2, &[0xAB, 0x05, 0xF0, 9]));
        assert!(!fragment_is_right(&implanted, 2, &[0xAB, 0x50 - 0x10, 0xF0]));
    }
}
