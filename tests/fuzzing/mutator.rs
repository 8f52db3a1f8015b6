//! Changes to packed images, the same in every run.

use crate::entry::packed::PART;

/// Numbers that hurt, as bytes of any width.
const NASTY: [u8; 12] = [0, 1, 2, 4, 8, 0x10, 0x7F, 0x80, 0xFE, 0xFF, b'/', b'.'];

/// xorshift64*.
pub struct Random(u64);

impl Random {
    pub fn new(name: &str) -> Self {
        Self(name.bytes().fold(0x1509_6600_1676_0167, |state, byte| state.rotate_left(9) ^ u64::from(byte)))
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// The place of a byte that is no zero, where one is near: zeros are mostly padding.
fn place(input: &[u8], random: &mut Random) -> usize {
    let at = random.below(input.len());
    (at..input.len().min(at + 64)).find(|at| input[*at] != 0).unwrap_or(at)
}

/// Changes an input in a few places; `other` is one to take parts of.
pub fn mutate(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    if input.is_empty() {
        return;
    }
    // One in eight has its flags changed.
    if random.below(8) == 0 {
        input[0] = random.next() as u8 & 0x1F;
    }
    for _ in 0..=random.below(5) {
        let at = place(input, random);
        match random.below(12) {
            0..4 => input[at] = NASTY[random.below(NASTY.len())],
            4..6 => input[at] ^= 1 << random.below(8),
            6 => input[at] = random.next() as u8,
            7 => {
                // A number in both byte orders.
                let number = [0, 1, 16, 2048, 0x7FFF_FFFF, u32::MAX, random.next() as u32 & 0x3FF][random.below(7)];
                let both = [number.to_le_bytes(), number.to_be_bytes()].concat();
                let end = input.len().min(at + 8);
                let length = end - at;
                input[at..end].copy_from_slice(&both[..length]);
            }
            8 => {
                let end = input.len().min(at + 1 + random.below(32));
                input[at..end].fill(NASTY[random.below(NASTY.len())]);
            }
            9 => {
                // A unit takes the place of another.
                let parts = input.len() / PART;
                let (from, to) = (1 + random.below(parts) * PART, 1 + random.below(parts) * PART);
                if from + PART <= input.len() && to + PART <= input.len() {
                    input.copy_within(from + 4..from + PART, to + 4);
                }
            }
            10 => {
                let (from, parts) = (1 + random.below(other.len() / PART) * PART, 1 + random.below(24));
                if let Some(taken) = other.get(from..from + parts * PART) {
                    input.extend_from_slice(taken);
                }
            }
            _ => {
                // Rarely, as it costs much of the image.
                if random.below(8) == 0 {
                    input.truncate(1 + random.below(input.len() / PART + 1) * PART);
                }
            }
        }
    }
}
