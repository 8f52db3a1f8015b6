//! Numbers and dates as ECMA-119 records them.

/// ECMA-119 7.2.3: little-endian, then big-endian.
pub fn both16(value: u16) -> [u8; 4] {
    let (l, b) = (value.to_le_bytes(), value.to_be_bytes());
    [l[0], l[1], b[0], b[1]]
}

/// ECMA-119 7.3.3: little-endian, then big-endian.
pub fn both32(value: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&value.to_le_bytes());
    bytes[4..].copy_from_slice(&value.to_be_bytes());
    bytes
}

/// A moment in its parts: year, month, day, hour, minute, second.
pub fn civil(seconds: i64) -> (i64, u8, u8, u8, u8, u8) {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days are counted from 0000-03-01, so that the leap day is a year's last.
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month as u8, day as u8, (rest / 3600) as u8, (rest / 60 % 60) as u8, (rest % 60) as u8)
}

/// ECMA-119 9.1.5: seven bytes; `zone` is the offset from UTC in quarters of an hour.
pub fn short_date(seconds: i64, zone: i8) -> [u8; 7] {
    let (year, month, day, hour, minute, second) = civil(seconds + i64::from(zone) * 900);
    [(year - 1900) as u8, month, day, hour, minute, second, zone as u8]
}

/// ECMA-119 8.4.26.1: seventeen bytes.
pub fn long_date(seconds: i64, zone: i8) -> [u8; 17] {
    let (year, month, day, hour, minute, second) = civil(seconds + i64::from(zone) * 900);
    let digits = format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}00");
    let mut bytes = [0; 17];
    bytes[..16].copy_from_slice(&digits.as_bytes()[..16]);
    bytes[16] = zone as u8;
    bytes
}

/// ECMA-119 8.4.26.1: a date that is not specified.
pub const NO_DATE: [u8; 17] = *b"0000000000000000\0";

/// `text` in a field of `len` bytes, padded with `pad`.
pub fn padded(text: &[u8], len: usize, pad: u8) -> Vec<u8> {
    let mut field = vec![pad; len];
    let n = text.len().min(len);
    field[..n].copy_from_slice(&text[..n]);
    field
}

/// UTF-16, big-endian, as Joliet's UCS-2 fields hold it.
pub fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

/// The next multiple of `unit` at or after `value`.
pub fn align(value: u64, unit: u64) -> u64 {
    value.div_ceil(unit) * unit
}
