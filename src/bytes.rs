//! Numbers as ECMA-119 records them, taken from a fixed place of a fixed-size view.
//!
//! Every function takes the whole array and a constant offset, so a wrong offset fails to compile or gives
//! zero, never a panic.

/// ECMA-119 7.2.1 / 7.3.1: the bytes at an offset, least significant first.
pub fn u16_le(bytes: &[u8], at: usize) -> u16 {
    array(bytes, at).map_or(0, u16::from_le_bytes)
}

pub fn u16_be(bytes: &[u8], at: usize) -> u16 {
    array(bytes, at).map_or(0, u16::from_be_bytes)
}

pub fn u32_le(bytes: &[u8], at: usize) -> u32 {
    array(bytes, at).map_or(0, u32::from_le_bytes)
}

pub fn u32_be(bytes: &[u8], at: usize) -> u32 {
    array(bytes, at).map_or(0, u32::from_be_bytes)
}

pub fn u64_le(bytes: &[u8], at: usize) -> u64 {
    array(bytes, at).map_or(0, u64::from_le_bytes)
}

/// One byte; zero beyond the end.
pub fn u8_at(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

/// A number recorded in both byte orders; the halves may disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Both<T> {
    pub little: T,
    pub big: T,
}

impl<T: PartialEq + Copy> Both<T> {
    /// Whether the two halves say the same, as the standard demands.
    pub fn agree(&self) -> bool {
        self.little == self.big
    }
}

/// ECMA-119 7.2.3: a 16-bit number in both byte orders.
pub fn both_u16(bytes: &[u8], at: usize) -> Both<u16> {
    Both { little: u16_le(bytes, at), big: u16_be(bytes, at.saturating_add(2)) }
}

/// ECMA-119 7.3.3: a 32-bit number in both byte orders.
pub fn both_u32(bytes: &[u8], at: usize) -> Both<u32> {
    Both { little: u32_le(bytes, at), big: u32_be(bytes, at.saturating_add(4)) }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}
