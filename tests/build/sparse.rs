//! RRIP 4.1.7: sparse files, recorded as tables of 256 entries over what is not empty.

const EMPTY: u32 = 1 << 31;
const TABLE: u32 = 1 << 30;

/// The recorded form of a sparse file, and the depth of its root table.
#[derive(Debug, Clone)]
pub struct Sparse {
    pub recorded: Vec<u8>,
    pub depth: u8,
    pub size: u64,
}

/// Records `marks` in a file of `size` bytes; `depth` may be more than the size needs.
pub fn sparse(size: u64, marks: &[(u64, Vec<u8>)], depth: Option<u8>) -> Sparse {
    let needed = (1..=7u32).find(|depth| 256u128.pow(depth + 1) >= u128::from(size)).unwrap_or(7);
    let depth = depth.unwrap_or(needed as u8);
    // Block 0 is the header, block 1 the root table.
    let mut recorded = vec![0; 2 * 2048];
    fill(&mut recorded, 1, depth, 0, size, marks);
    Sparse { recorded, depth, size }
}

fn fill(recorded: &mut Vec<u8>, block: usize, depth: u8, start: u64, size: u64, marks: &[(u64, Vec<u8>)]) {
    let unit = 256u64.saturating_pow(u32::from(depth));
    for index in 0..256u64 {
        let from = start.saturating_add(index.saturating_mul(unit));
        let to = from.saturating_add(unit).min(size);
        let covered: u64 =
            marks.iter().map(|(at, mark)| (at + mark.len() as u64).min(to).saturating_sub((*at).max(from))).sum();
        let entry = if from >= to || covered == 0 {
            EMPTY
        } else if depth == 1 || covered == to - from && unit <= 65_536 {
            // What is wholly recorded may be so in one run, at any depth.
            let at = recorded.len().next_multiple_of(256);
            let mut data = vec![0; (to - from) as usize];
            super::Content::Holes { len: size, marks: marks.to_vec() }.read(from, &mut data);
            recorded.resize(at, 0);
            recorded.extend(data);
            (at / 256) as u32
        } else {
            let table = recorded.len().div_ceil(2048);
            recorded.resize((table + 1) * 2048, 0);
            fill(recorded, table, depth - 1, from, size, marks);
            TABLE | table as u32
        };
        let at = block * 2048 + index as usize * 8;
        recorded[at..at + 8].copy_from_slice(&super::encode::both32(entry));
    }
}
