//! Moments as discs record them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment: seconds since 1970-01-01T00:00:00Z, which may be negative, and nanoseconds (0..1_000_000_000)
/// after that second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp {
    pub seconds: i64,
    pub nanoseconds: u32,
}

/// Seconds of a day.
const DAY: i64 = 86_400;

impl Timestamp {
    /// From a date of the Gregorian calendar and a time of day in UTC. Parts out of their range carry over
    /// (month 13 is January of the next year), and months far out of it count as Linux has them (`mktime64`).
    pub fn from_civil(year: i64, month: i64, day: i64, hour: i64, minute: i64, second: i64) -> Self {
        // Years that begin in March, so the leap day is a year's last.
        let (year, month) = if month <= 2 { (year.saturating_sub(1), month + 10) } else { (year, month - 2) };
        let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
        // 367/12 days a month are rounded down to the right number.
        let days = year
            .saturating_mul(365)
            .saturating_add(leap_days)
            .saturating_add(367_i64.saturating_mul(month) / 12)
            .saturating_add(day)
            .saturating_sub(719_499);
        let seconds = days
            .saturating_mul(DAY)
            .saturating_add(hour.saturating_mul(3600))
            .saturating_add(minute.saturating_mul(60))
            .saturating_add(second);
        Self { seconds, nanoseconds: 0 }
    }

    /// Year, month, day, hour, minute and second in UTC.
    pub fn to_civil(self) -> (i64, u8, u8, u8, u8, u8) {
        let days = self.seconds.div_euclid(DAY);
        let of_day = self.seconds.rem_euclid(DAY);
        let shifted = days.saturating_add(719_468);
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = era.saturating_mul(400).saturating_add(year_of_era).saturating_add(i64::from(month <= 2));
        let part = |n: i64| u8::try_from(n).unwrap_or(0);
        (year, part(month), part(day), part(of_day / 3600), part(of_day / 60 % 60), part(of_day % 60))
    }

    /// As `2026-11-22T21:20:00Z`.
    pub fn to_rfc3339(self) -> String {
        let (year, month, day, hour, minute, second) = self.to_civil();
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        let nanoseconds = Duration::from_nanos(u64::from(time.nanoseconds));
        let seconds = Duration::from_secs(time.seconds.unsigned_abs());
        let whole = if time.seconds < 0 { UNIX_EPOCH.checked_sub(seconds) } else { UNIX_EPOCH.checked_add(seconds) };
        whole.and_then(|moment| moment.checked_add(nanoseconds)).unwrap_or(UNIX_EPOCH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn civil_dates_go_there_and_back() {
        for (civil, seconds) in [
            ((1970, 1, 1, 0, 0, 0), 0),
            ((2000, 2, 29, 12, 0, 1), 951_825_601),
            ((1900, 3, 1, 0, 0, 0), -2_203_891_200),
            ((2155, 12, 31, 23, 59, 59), 5_869_583_999),
            ((1969, 12, 31, 23, 59, 59), -1),
        ] {
            let (year, month, day, hour, minute, second) = civil;
            let time = Timestamp::from_civil(year, month, day, hour, minute, second);
            assert_eq!(time.seconds, seconds, "{civil:?}");
            let back = time.to_civil();
            assert_eq!((back.0, i64::from(back.1), i64::from(back.2)), (year, month, day));
            assert_eq!((i64::from(back.3), i64::from(back.4), i64::from(back.5)), (hour, minute, second));
        }
    }

    #[test]
    fn every_day_is_the_one_after_the_day_before() {
        for day in -200_000..200_000 {
            let (year, month, of_month, ..) = Timestamp { seconds: day * DAY, nanoseconds: 0 }.to_civil();
            let time = Timestamp::from_civil(year, month.into(), of_month.into(), 0, 0, 0);
            assert_eq!(time.seconds, day * DAY, "{year}-{month}-{of_month}");
        }
    }

    #[test]
    fn parts_out_of_range_carry_over() {
        assert_eq!(Timestamp::from_civil(1999, 13, 1, 0, 0, 0), Timestamp::from_civil(2000, 1, 1, 0, 0, 0));
        assert_eq!(Timestamp::from_civil(2000, 1, 0, 0, 0, 0), Timestamp::from_civil(1999, 12, 31, 0, 0, 0));
        // What Linux makes of month 66 (mutant 621 beside it).
        assert_eq!(Timestamp::from_civil(2020, 66, 3, 4, 5, 7).seconds, 1_749_701_107);
    }
}
