//! What a reader has no need of and a verifier wants to be right: every copy of what is recorded twice.

use super::descriptor::{Anchor, Extent, Sequence};
use super::partition::PartitionMap;
use super::space::Space;
use super::tag::{self, Trust, id};
use crate::bytes::{u8_at, u16_le, u32_le};
use crate::error::Defect;
use crate::source::{ExtentList, Extents, Source};
use crate::volume::Metadata;

/// Sectors of a sequence that are looked at; the standard's least is 16.
const MAX_SECTORS: u32 = 64;
/// Bytes of the metadata file compared with its mirror at a time.
const PIECE: usize = 64 * 1024;

/// The volume structures of a UDF image.
pub struct Structures<'a> {
    pub space: &'a Space,
    pub sequence: &'a Sequence,
    pub anchor: &'a Anchor,
    /// The sector that the session begins at, and the last one of it.
    pub session: u32,
    pub last: u32,
}

impl Structures<'_> {
    pub fn examine(&self) -> Metadata {
        let mut found = Metadata::default();
        self.anchors(&mut found);
        let main = self.descriptors(self.anchor.main, "main", &mut found);
        let reserve = self.descriptors(self.anchor.reserve, "reserve", &mut found);
        self.compare(&main, &reserve, &mut found);
        self.integrity(&mut found);
        for map in &self.sequence.volume.maps {
            self.sparing_tables(map, &mut found);
        }
        for map in self.space.partitions() {
            if let PartitionMap::Metadata { main, mirror } = map {
                self.mirror(main, mirror, &mut found);
            }
        }
        found
    }

    fn size(&self) -> u64 {
        u64::from(self.sequence.sector_size)
    }

    fn address(&self, sector: u32) -> u64 {
        u64::from(sector).saturating_mul(self.size())
    }

    fn sector(&self, sector: u32) -> Option<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(self.sequence.sector_size).ok()?];
        self.space.metadata.read_exact_at(&mut bytes, self.address(sector)).ok()?;
        Some(bytes)
    }

    fn place(&self, extent: Extent, what: &'static str, found: &mut Metadata) {
        let start = self.address(extent.location);
        found.places.push((start..start.saturating_add(u64::from(extent.length)), what));
    }

    /// 3/8.4.2.1: every anchor is whole.
    fn anchors(&self, found: &mut Metadata) {
        let usual = [256, 512].map(|sector: u32| self.session.saturating_add(sector));
        let ends = [self.last, self.last.saturating_sub(256)];
        let mut places: Vec<u32> = usual.into_iter().chain(ends).chain([self.anchor.sector]).collect();
        places.sort_unstable();
        places.dedup();
        for sector in places {
            let Some(bytes) = self.sector(sector) else { continue };
            // What only looks like an anchor has at least its identifier, version and location.
            let looks = u16_le(&bytes, 0) == id::ANCHOR && matches!(u16_le(&bytes, 2), 2 | 3);
            if !looks {
                continue;
            }
            let at = self.address(sector);
            let mut tell = |clause, what: String| found.defects.push(Defect::new(at, clause, what));
            match tag::read(&bytes, Some(sector)).map(|tag| tag.trust) {
                None => tell("ECMA-167 3/7.2.3", "the tag checksum of an anchor is wrong".to_owned()),
                Some(Trust::Partial(what)) => tell("ECMA-167 3/7.2", format!("an anchor: {what}")),
                // The one at the end may be a later session's, and name that one's sequences.
                Some(Trust::Whole) => {}
            }
            found.places.push((at..at.saturating_add(self.size()), "an anchor"));
        }
    }

    /// 3/8.4.2: every descriptor of a sequence up to its terminator is whole. Gives what they say, without their tags.
    fn descriptors(&self, extent: Extent, name: &str, found: &mut Metadata) -> Vec<(u16, Vec<u8>)> {
        self.place(extent, "a Volume Descriptor Sequence", found);
        let mut list = Vec::new();
        for number in 0..extent.length.div_ceil(self.sequence.sector_size).min(MAX_SECTORS) {
            let Some(sector) = extent.location.checked_add(number) else { break };
            let at = self.address(sector);
            let Some(bytes) = self.sector(sector) else {
                let what = format!("the {name} Volume Descriptor Sequence can't be read");
                found.defects.push(Defect::new(at, "ECMA-167 3/8.4.2", what));
                break;
            };
            if bytes.iter().all(|byte| *byte == 0) {
                break;
            }
            match tag::read(&bytes, Some(sector)) {
                None => {
                    let what = format!("a descriptor of the {name} sequence has a wrong tag checksum");
                    found.defects.push(Defect::new(at, "ECMA-167 3/7.2.3", what));
                }
                Some(tag) => {
                    if let Trust::Partial(what) = tag.trust {
                        let what = format!("a descriptor of the {name} sequence: {what}");
                        found.defects.push(Defect::new(at, "ECMA-167 3/7.2", what));
                    }
                    if tag.identifier == id::TERMINATING {
                        break;
                    }
                    list.push((tag.identifier, bytes.get(tag::LENGTH..).unwrap_or_default().to_vec()));
                }
            }
        }
        list
    }

    /// 3/8.4.2.2: the reserve sequence says the same as the main one.
    fn compare(&self, main: &[(u16, Vec<u8>)], reserve: &[(u16, Vec<u8>)], found: &mut Metadata) {
        // A pointer leads to an extent of each sequence's own, and genisoimage rolls the dice anew for the identifier in
        // the second Primary Volume Descriptor.
        let own = |list: &[(u16, Vec<u8>)]| {
            let compared = |id: u16| matches!(id, id::PARTITION | id::LOGICAL_VOLUME);
            let mut list: Vec<_> = list.iter().filter(|(id, _)| compared(*id)).cloned().collect();
            list.sort();
            list
        };
        let (main, reserve) = (own(main), own(reserve));
        if main.len() == reserve.len() && main != reserve {
            let differs = main.iter().zip(&reserve).find(|(one, other)| one != other).map_or(0, |(one, _)| one.0);
            let what = format!("the descriptor {differs} of the main sequence is another one in the reserve sequence");
            found.defects.push(Defect::new(self.address(self.anchor.main.location), "ECMA-167 3/8.4.2.2", what));
        }
    }

    /// 3/8.8.2: every descriptor of the integrity sequence is whole.
    fn integrity(&self, found: &mut Metadata) {
        let Some(extent) = self.sequence.volume.integrity else { return };
        self.place(extent, "the Logical Volume Integrity Sequence", found);
        for number in 0..extent.length.div_ceil(self.sequence.sector_size).min(MAX_SECTORS) {
            let Some(sector) = extent.location.checked_add(number) else { break };
            let Some(bytes) = self.sector(sector).filter(|bytes| bytes.iter().any(|byte| *byte != 0)) else { break };
            let what = match tag::read(&bytes, Some(sector)) {
                Some(tag) if tag.identifier == id::TERMINATING => break,
                Some(tag) => match tag.trust {
                    Trust::Whole => continue,
                    Trust::Partial(what) => what,
                },
                None => "its tag checksum is wrong",
            };
            let what = format!("a descriptor of the Logical Volume Integrity Sequence: {what}");
            found.defects.push(Defect::new(self.address(sector), "ECMA-167 3/8.8.2", what));
        }
    }

    /// UDF 2.2.9: all sparing tables are whole and say the same.
    fn sparing_tables(&self, map: &[u8], found: &mut Metadata) {
        if !map.get(5..).unwrap_or_default().starts_with(b"*UDF Sparable") {
            return;
        }
        let length = u32_le(map, 44).min(1 << 20);
        let mut first: Option<Vec<u8>> = None;
        for number in 0..usize::from(u8_at(map, 42)).min(4) {
            let sector = u32_le(map, number.saturating_mul(4).saturating_add(48));
            let at = self.address(sector);
            self.place(Extent { location: sector, length }, "a sparing table", found);
            let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
            let whole = self.space.metadata.read_exact_at(&mut bytes, at).is_ok()
                && tag::read(&bytes, Some(sector)).is_some_and(|tag| tag.trust == Trust::Whole);
            let content = bytes.get(tag::LENGTH..).unwrap_or_default().to_vec();
            if !whole {
                found.defects.push(Defect::new(at, "UDF 2.2.12", "a sparing table is damaged"));
            } else if first.as_ref().is_some_and(|first| *first != content) {
                found.defects.push(Defect::new(at, "UDF 2.2.9", "a sparing table says something else than the first one"));
            } else {
                first = Some(content);
            }
        }
    }

    /// UDF 2.2.13: the mirror has the same blocks as the metadata file.
    fn mirror(&self, main: &ExtentList, mirror: &ExtentList, found: &mut Metadata) {
        for (list, what) in [(main, "the metadata file"), (mirror, "the metadata mirror file")] {
            found.places.extend(list.recorded().into_iter().map(|range| (range, what)));
        }
        if mirror.is_empty() || main == mirror {
            return;
        }
        let image = &self.space.metadata;
        let (one, other) = (Extents::new(image.clone(), main.clone()), Extents::new(image.clone(), mirror.clone()));
        let (mut left, mut right) = (vec![0; PIECE], vec![0; PIECE]);
        let end = one.len().min(other.len()).min(image.len());
        let mut at = 0;
        while at < end {
            let length = usize::try_from(end.saturating_sub(at)).unwrap_or(PIECE).min(PIECE);
            let (Some(left), Some(right)) = (left.get_mut(..length), right.get_mut(..length)) else { break };
            let read = (one.read_exact_at(left, at), other.read_exact_at(right, at));
            let differs = left.iter().zip(right.iter()).position(|(left, right)| left != right);
            if let ((Ok(()), Ok(())), Some(offset)) = (read, differs) {
                let offset = at.saturating_add(u64::try_from(offset).unwrap_or(0));
                let place = |list: &ExtentList| match list.at(offset) {
                    Some((crate::source::Location::Recorded(at), _)) => at,
                    _ => 0,
                };
                let what = format!("the metadata file and its mirror differ (there at byte {})", place(mirror));
                found.defects.push(Defect::new(place(main), "UDF 2.2.13", what));
                return;
            }
            at = at.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        }
    }
}
