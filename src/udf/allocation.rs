//! Allocation descriptors (ECMA-167 4/14.14): where the bytes of a file lie.

use std::collections::HashSet;

use super::descriptor::LongAd;
use super::icb::{Address, Form, Icb};
use super::tag::{self, id};
use super::space::Space;
use crate::bytes::{u16_le, u32_le};
use crate::error::Defect;
use crate::limits::MAX_EXTENTS;
use crate::source::{ExtentList, Location, Source};

/// The length proper in the Extent Length; the two bits above are the type (4/14.14.1.1).
const LENGTH: u32 = 0x3FFF_FFFF;

/// Reads the allocation descriptors of a file into extents of the image, [`Icb::length`] bytes in all.
///
/// What can't be found is mapped to [`Location::Lost`] and told, so it reads as an error and never as zeros. With `mirror`
/// the blocks of a metadata partition are those of its mirror.
pub fn extents(space: &Space, icb: &Icb, mirror: bool) -> ExtentList {
    let size = icb.length();
    let mut list = ExtentList::default();
    let report = |what: String| space.notes.report(Defect::new(icb.at, "ECMA-167 4/14.14", what));
    let (descriptors, missing) = icb.allocation();
    if missing > 0 {
        report(format!("the allocation descriptors reach {missing} bytes beyond their block"));
    }
    match icb.form() {
        Some(Form::Embedded) => {
            let held = u64::try_from(descriptors.len()).unwrap_or(0);
            list.push(held.min(size), Location::Recorded(icb.allocation_at()));
        }
        Some(form) => {
            let mut reader = Reader { space, form, partition: icb.address.partition, mirror, size, count: 0 };
            if let Err(what) = reader.read_all(descriptors, &mut list) {
                report(what);
            }
        }
        None => report("the allocation descriptors are of an unknown form".to_owned()),
    }
    list.truncate(size);
    let short = size.saturating_sub(list.len());
    if short > 0 {
        report(format!("the extents of a file are {short} bytes shorter than its Information Length"));
        list.push(short, Location::Lost);
    }
    list
}

struct Reader<'a> {
    space: &'a Space,
    form: Form,
    /// The partition that short_ad refers to: the one of the ICB.
    partition: u16,
    mirror: bool,
    size: u64,
    count: usize,
}

impl Reader<'_> {
    fn width(&self) -> usize {
        match self.form {
            Form::Short => 8,
            Form::Long => 16,
            _ => 20,
        }
    }

    fn descriptor(&self, bytes: &[u8]) -> LongAd {
        match self.form {
            Form::Short => LongAd { length: u32_le(bytes, 0), block: u32_le(bytes, 4), partition: self.partition },
            Form::Long => LongAd::read(bytes, 0),
            _ => LongAd { length: u32_le(bytes, 0), block: u32_le(bytes, 12), partition: u16_le(bytes, 16) },
        }
    }

    fn read_all(&mut self, first: &[u8], list: &mut ExtentList) -> Result<(), String> {
        let mut seen = HashSet::new();
        let mut next = self.read(first, list)?;
        while let Some(address) = next {
            if !seen.insert(address) {
                return Err("the extents of allocation descriptors form a loop".to_owned());
            }
            let run = self.space.read_block(address).map_err(|error| {
                format!("an extent of allocation descriptors can't be read: {error}")
            })?;
            let tag = tag::read(&run.bytes, None).filter(|tag| tag.identifier == id::ALLOCATION_EXTENT);
            if tag.is_none() {
                return Err(format!("at byte {} should be an Allocation Extent Descriptor", run.at));
            }
            let length = usize::try_from(u32_le(&run.bytes, 20)).unwrap_or(usize::MAX);
            let rest = run.bytes.get(24..).unwrap_or_default();
            next = self.read(rest.get(..length).unwrap_or(rest), list)?;
        }
        Ok(())
    }

    /// Reads descriptors up to the end of the file; gives where they continue.
    fn read(&mut self, bytes: &[u8], list: &mut ExtentList) -> Result<Option<Address>, String> {
        for bytes in bytes.chunks_exact(self.width()) {
            let ad = self.descriptor(bytes);
            let length = u64::from(ad.length & LENGTH);
            // 4/12.1: a length of 0 ends the list.
            if length == 0 || list.len() >= self.size {
                return Ok(None);
            }
            self.count = self.count.saturating_add(1);
            if self.count > MAX_EXTENTS {
                return Err(format!("a file has more than {MAX_EXTENTS} extents"));
            }
            match ad.length >> 30 {
                0 => match self.space.partition(ad.partition) {
                    Some(map) => map.append(ad.block, length, self.space.block_size, self.mirror, list),
                    None => list.push(length, Location::Lost),
                },
                // Allocated but not recorded, and not allocated: both read as zeros.
                1 | 2 => list.push(length, Location::Zeros),
                _ => return Ok(Some(Address::of(&ad))),
            }
        }
        Ok(None)
    }
}

/// What of a list of extents is recorded in the image: holes and what lies beyond its end are left out.
pub fn recorded(space: &Space, list: &ExtentList) -> ExtentList {
    let mut found = ExtentList::default();
    for extent in list.iter() {
        if let Location::Recorded(at) = extent.location {
            found.push(extent.len.min(space.metadata.len().saturating_sub(at)), extent.location);
        }
    }
    found
}

/// The whole body of a small file in memory, in its extents' order.
///
/// # Errors
/// Where the first byte that can't be read is, and why.
pub fn read_whole(space: &Space, list: &ExtentList, limit: u64) -> crate::error::Result<Vec<u8>> {
    let body = crate::source::Extents::new(space.metadata.clone(), list.clone());
    // More than the image has is not recorded in it, whatever the lengths say.
    let length = usize::try_from(list.len().min(limit).min(space.metadata.len())).unwrap_or(0);
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| crate::error::Error::Read {
        at: 0,
        source: std::io::Error::from(std::io::ErrorKind::OutOfMemory),
    })?;
    bytes.resize(length, 0);
    match body.read_exact_at(&mut bytes, 0) {
        Ok(()) => Ok(bytes),
        Err(source) => {
            let at = match list.at(0) {
                Some((Location::Recorded(at), _)) => at,
                _ => 0,
            };
            Err(crate::error::Error::Read { at, source })
        }
    }
}
