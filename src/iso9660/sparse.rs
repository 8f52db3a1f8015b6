//! The sparse file format (RRIP 4.1.7): tables of 256 regions, the lowest of 256 bytes each.

use std::collections::HashSet;

use super::rockridge::Sparse;
use crate::bytes::u32_le;
use crate::source::{ExtentList, Location, SharedSource};

/// Bytes of a table: 256 entries of eight bytes (7.3.3).
const TABLE: u64 = 2048;
/// The unit that data regions are counted in.
const REGION: u64 = 256;
const EMPTY: u32 = 0x8000_0000;
const SUB_TABLE: u32 = 0x4000_0000;
const NUMBER: u32 = 0x00FF_FFFF;
/// Deeper tables would cover more than 2^64 bytes.
const MAX_DEPTH: u8 = 7;
/// Tables read for one file: as many as its extents may be of.
const MAX_TABLES: usize = 65_536;

/// Where the regions of a sparse file lie, as extents of its recorded bytes (`stored`).
///
/// Regions that lead nowhere are mapped behind the end of `stored`, so reading them is an error.
///
/// # Errors
/// What is wrong with the tables as a whole.
pub fn regions(stored: &SharedSource, sparse: Sparse) -> Result<ExtentList, String> {
    if sparse.depth == 0 || sparse.depth > MAX_DEPTH {
        return Err(format!("a sparse file has a table depth of {} instead of 1 to {MAX_DEPTH}", sparse.depth));
    }
    let mut list = ExtentList::default();
    // The root table is the second block of the file; the first is its header.
    let mut todo = vec![Table { block: 1, depth: sparse.depth, next: 0, bytes: Vec::new() }];
    let mut seen = HashSet::new();
    while let Some(table) = todo.last_mut() {
        if table.bytes.is_empty() {
            if !seen.insert(table.block) || seen.len() > MAX_TABLES {
                return Err("the tables of a sparse file form a loop".to_owned());
            }
            table.bytes = vec![0; usize::try_from(TABLE).unwrap_or_default()];
            stored
                .read_exact_at(&mut table.bytes, table.block.saturating_mul(TABLE))
                .map_err(|error| format!("a table of a sparse file can't be read ({error})"))?;
        }
        let rest = sparse.size.saturating_sub(list.len());
        if rest == 0 || list.is_full() {
            list.push(rest, Location::Lost);
            break;
        }
        let Some(entry) = table.bytes.get(table.next..).filter(|entries| entries.len() >= 8) else {
            todo.pop();
            continue;
        };
        let (entry, depth) = (u32_le(entry, 0), table.depth);
        table.next = table.next.saturating_add(8);
        // An entry of a table of depth d covers 256^d bytes.
        let span = 1_u64.checked_shl(u32::from(depth).saturating_mul(8)).unwrap_or(u64::MAX).min(rest);
        let number = u64::from(entry & NUMBER);
        if entry & EMPTY != 0 {
            list.push(span, Location::Zeros);
        } else if entry & SUB_TABLE == 0 {
            list.push(span, Location::Recorded(number.saturating_mul(REGION)));
        } else if depth > 1 {
            todo.push(Table { block: number, depth: depth.saturating_sub(1), next: 0, bytes: Vec::new() });
        } else {
            list.push(span, Location::Lost);
        }
    }
    match list.len() == sparse.size {
        true => Ok(list),
        false => Err("the tables of a sparse file do not cover its size".to_owned()),
    }
}

#[derive(Debug)]
struct Table {
    block: u64,
    depth: u8,
    next: usize,
    bytes: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::source::{Extents, Memory, Source};

    fn stored(tables: &[(usize, usize, u32)], length: usize) -> SharedSource {
        let mut bytes = vec![0x55; length];
        for table in tables.iter().map(|entry| entry.0).collect::<HashSet<_>>() {
            for entry in 0..256 {
                bytes[table * 2048 + entry * 8..][..4].copy_from_slice(&EMPTY.to_le_bytes());
            }
        }
        for (table, entry, value) in tables {
            bytes[table * 2048 + entry * 8..][..4].copy_from_slice(&value.to_le_bytes());
        }
        Arc::new(Memory(bytes.into()))
    }

    #[test]
    fn rrip_4_1_7_holes_data_and_sub_tables() {
        // Root of depth 2: region 0 a table, region 1 a hole, region 2 64 KiB of data from byte 8192 on.
        let source = stored(&[(1, 0, SUB_TABLE | 2), (1, 2, 32), (2, 1, 31)], 8192 + 65536);
        let list = regions(&source, Sparse { size: 3 * 65_536, depth: 2 }).unwrap();
        let body = Extents::new(source, list);
        let mut all = vec![9; 3 * 65_536];
        body.read_exact_at(&mut all, 0).unwrap();
        assert!(all[..256].iter().all(|byte| *byte == 0));
        assert!(all[256..512].iter().all(|byte| *byte == 0x55));
        assert!(all[512..2 * 65_536].iter().all(|byte| *byte == 0));
        assert!(all[2 * 65_536..].iter().all(|byte| *byte == 0x55));
    }

    #[test]
    fn loops_and_wrong_depths_are_errors() {
        let source = stored(&[(1, 0, SUB_TABLE | 1)], 8192);
        assert!(regions(&source, Sparse { size: 1 << 20, depth: 3 }).is_err());
        for depth in [0, 8, 255] {
            assert!(regions(&source, Sparse { size: 1, depth }).is_err());
        }
        let lowest = regions(&source, Sparse { size: 300, depth: 1 }).unwrap();
        assert!(Extents::new(source, lowest).read_exact_at(&mut [0; 1], 0).is_err(), "a table at depth 1");
    }
}
