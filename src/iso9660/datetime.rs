//! The two forms of a date: 7 bytes (ECMA-119 9.1.5) and 17 digits (8.4.26.1).

use crate::bytes::u8_at;
use crate::time::Timestamp;

/// Offsets from Greenwich beyond these many quarters of an hour are rubbish (9.1.5: -48 to +52; Linux takes
/// -52 to +52).
const QUARTERS: std::ops::RangeInclusive<i8> = -52..=52;
const QUARTER: i64 = 900;

fn in_zone(local: Timestamp, quarters: u8) -> Timestamp {
    let quarters = quarters.cast_signed();
    if !QUARTERS.contains(&quarters) {
        return local;
    }
    let seconds = local.seconds.saturating_sub(i64::from(quarters).saturating_mul(QUARTER));
    Timestamp { seconds, ..local }
}

/// ECMA-119 9.1.5: years since 1900, month, day, hour, minute, second, offset in quarters of an hour.
/// `None` where all numbers are zero, which means "not specified".
pub fn short(bytes: &[u8]) -> Option<Timestamp> {
    let part = |at| i64::from(u8_at(bytes, at));
    if bytes.len() < 7 || bytes.iter().take(6).all(|byte| *byte == 0) {
        return None;
    }
    let year = part(0).saturating_add(1900);
    let local = Timestamp::from_civil(year, part(1), part(2), part(3), part(4), part(5));
    Some(in_zone(local, u8_at(bytes, 6)))
}

/// ECMA-119 8.4.26.1: sixteen digits YYYYMMDDhhmmsscc and the offset. `None` where they are all zero, or no
/// digits at all.
pub fn long(bytes: &[u8]) -> Option<Timestamp> {
    let digits = bytes.get(..16)?;
    let mut number = digits.iter();
    // NUL and space stand for 0 in what some writers leave.
    let mut take = |count: usize| -> Option<i64> {
        number.by_ref().take(count).try_fold(0_i64, |value, byte| {
            let digit = match byte {
                b'0'..=b'9' => i64::from(byte.wrapping_sub(b'0')),
                0 | b' ' => 0,
                _ => return None,
            };
            Some(value.saturating_mul(10).saturating_add(digit))
        })
    };
    let (year, month, day) = (take(4)?, take(2)?, take(2)?);
    let (hour, minute, second, hundredths) = (take(2)?, take(2)?, take(2)?, take(2)?);
    if [year, month, day, hour, minute, second, hundredths].iter().all(|part| *part == 0) {
        return None;
    }
    let nanoseconds = u32::try_from(hundredths).ok()?.saturating_mul(10_000_000);
    let local = Timestamp { nanoseconds, ..Timestamp::from_civil(year, month, day, hour, minute, second) };
    Some(in_zone(local, u8_at(bytes, 16)))
}

/// The digits of a long date as blkid(8) shows a UUID made of them: `YYYY-MM-DD-HH-MM-SS-cc`.
pub fn as_uuid(bytes: &[u8]) -> Option<String> {
    let digits = std::str::from_utf8(bytes.get(..16)?).ok()?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) || digits.bytes().all(|byte| byte == b'0') {
        return None;
    }
    let parts: Option<Vec<&str>> =
        [0..4, 4..6, 6..8, 8..10, 10..12, 12..14, 14..16].into_iter().map(|range| digits.get(range)).collect();
    Some(parts?.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_dates_reach_from_1900_to_2155_in_their_zones() {
        assert_eq!(short(&[0; 7]), None);
        assert_eq!(short(&[0, 0, 0, 0, 0, 0, 8]), None);
        assert_eq!(short(&[100, 1, 1, 2, 0, 0, 8]).unwrap().seconds, 946_684_800);
        assert_eq!(short(&[99, 12, 31, 19, 0, 0, 0xEC]).unwrap().seconds, 946_684_800);
        assert_eq!(short(&[255, 12, 31, 23, 59, 59, 0]).unwrap().seconds, 5_869_583_999);
        assert_eq!(short(&[100, 1, 1, 0, 0, 0, 100]).unwrap().seconds, 946_684_800, "an impossible zone is UTC");
        assert_eq!(short(&[100; 6]), None);
    }

    #[test]
    fn long_dates_have_hundredths() {
        let time = long(b"2000010102000050\x08").unwrap();
        assert_eq!((time.seconds, time.nanoseconds), (946_684_800, 500_000_000));
        assert_eq!(long(b"0000000000000000\0"), None);
        assert_eq!(long(&[0; 17]), None);
        assert_eq!(long(b"not a date at al\0"), None);
        assert_eq!(as_uuid(b"2011032412345600\0").as_deref(), Some("2011-03-24-12-34-56-00"));
        assert_eq!(as_uuid(b"0000000000000000\0"), None);
    }
}
