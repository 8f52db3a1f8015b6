//! ECMA-167 1/7.3: timestamps.

use crate::build::encode::civil;

/// 2020-02-03 04:05:06 UTC: the time of what names none.
pub const TIME: i64 = 1_580_702_706;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Seconds and microseconds of UTC.
    pub seconds: i64,
    pub micros: u32,
    /// Minutes from UTC; -2047: not specified.
    pub zone: i16,
    /// ECMA-167 1/7.3.1: 0 is UTC, 1 local time.
    pub kind: u8,
}

impl Stamp {
    pub const fn new(seconds: i64) -> Self {
        Self { seconds, micros: 0, zone: 0, kind: 1 }
    }

    pub const fn micros(mut self, micros: u32) -> Self {
        self.micros = micros;
        self
    }

    pub const fn zone(mut self, zone: i16) -> Self {
        self.zone = zone;
        self
    }

    pub fn bytes(self) -> [u8; 12] {
        let shift = if self.zone == -2047 || self.kind == 0 { 0 } else { i64::from(self.zone) * 60 };
        let (year, month, day, hour, minute, second) = civil(self.seconds + shift);
        let zone = (self.zone as u16 & 0xFFF | u16::from(self.kind) << 12).to_le_bytes();
        let year = (year as i16).to_le_bytes();
        let part = |unit: u32| (self.micros / unit % 100) as u8;
        [zone[0], zone[1], year[0], year[1], month, day, hour, minute, second, part(10_000), part(100), part(1)]
    }
}
