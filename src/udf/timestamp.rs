//! The timestamp (ECMA-167 1/7.3, UDF 2.1.4).

use crate::bytes::{u8_at, u16_le};
use crate::time::Timestamp;

/// 1/7.3.1: "no offset was specified".
const UNSPECIFIED: i64 = -2047;

/// A 12-byte timestamp; `None` where it is all zeros.
pub fn read(bytes: &[u8]) -> Option<Timestamp> {
    let bytes = bytes.first_chunk::<12>()?;
    if bytes.iter().skip(2).all(|byte| *byte == 0) {
        return None;
    }
    let kind = u16_le(bytes, 0);
    // The low 12 bits are the offset in minutes, in two's complement.
    let low = i64::from(kind & 0x0FFF);
    let minutes = if low >= 0x800 { low.saturating_sub(0x1000) } else { low };
    // Type 1 is local time; types 0 (UTC) and others have no offset to speak of.
    let offset = if kind >> 12 == 1 && minutes != UNSPECIFIED { minutes } else { 0 };
    let year = i64::from(u16_le(bytes, 2).cast_signed());
    let part = |at| i64::from(u8_at(bytes, at));
    let local = Timestamp::from_civil(year, part(4), part(5), part(6), part(7), part(8));
    let fine = |at| u32::from(u8_at(bytes, at));
    let (centi, hundreds, micro) = (fine(9), fine(10), fine(11));
    let nanoseconds = match centi < 100 && hundreds < 100 && micro < 100 {
        true => centi
            .saturating_mul(10_000)
            .saturating_add(hundreds.saturating_mul(100))
            .saturating_add(micro)
            .saturating_mul(1000),
        false => 0,
    };
    Some(Timestamp { seconds: local.seconds.saturating_sub(offset.saturating_mul(60)), nanoseconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ecma_167_1_7_3_zones_and_microseconds() {
        let at = |zone: u16, micro: u8| read(&[zone as u8, (zone >> 8) as u8, 0xD0, 7, 1, 1, 2, 0, 0, 12, 34, micro]);
        assert_eq!(at(0x1000 | 120, 56).unwrap(), Timestamp { seconds: 946_684_800, nanoseconds: 123_456_000 });
        assert_eq!(at(0x1FFF & (0x1000 | (0x1000 - 60)), 0).unwrap().seconds, 946_695_600);
        assert_eq!(at(0x1801, 100).unwrap(), Timestamp { seconds: 946_692_000, nanoseconds: 0 });
        assert_eq!(read(&[0; 12]), None);
    }
}
