//! ECMA-167 4/14.14: allocation descriptors, and the chains of allocation extents.

use super::space::Address;
use super::tag;

/// ECMA-167 4/14.6.8: the form of a file's allocation descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Short = 0,
    Long = 1,
    Extended = 2,
    /// The content stands in the place of the descriptors.
    Embedded = 3,
}

impl Form {
    pub fn size(self) -> usize {
        match self {
            Self::Short => 8,
            Self::Long => 16,
            Self::Extended => 20,
            Self::Embedded => 0,
        }
    }
}

/// ECMA-167 4/14.14.1.1: a part of a file's body, by its type of extent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// Type 0.
    Recorded(u64),
    /// Type 1: allocated, not recorded; bytes of something else lie there.
    Allocated(u64),
    /// Type 2: not allocated.
    Unallocated(u64),
    /// Unused blocks between the extents.
    Gap(u32),
}

/// An extent as a descriptor says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ad {
    /// The two upper bits of the length.
    pub kind: u32,
    pub len: u32,
    pub at: Address,
}

impl Ad {
    pub fn bytes(self, form: Form, unique: u32) -> Vec<u8> {
        let len = (self.len | self.kind << 30).to_le_bytes();
        let block = self.at.block.to_le_bytes();
        let partition = self.at.partition.to_le_bytes();
        match form {
            Form::Short => [len, block].concat(),
            Form::Long => [&len[..], &block, &partition, &[0, 0], &unique.to_le_bytes()].concat(),
            Form::Extended => {
                let recorded = if self.kind == 0 { self.len } else { 0 }.to_le_bytes();
                [&len[..], &recorded, &self.len.to_le_bytes(), &block, &partition, &[0, 0]].concat()
            }
            Form::Embedded => Vec::new(),
        }
    }
}

/// ECMA-167 4/14.14.2: a reference to an ICB; `unique` is UDF 2.3.4.3's.
pub fn long(len: u32, at: Address, unique: u32) -> Vec<u8> {
    Ad { kind: 0, len, at }.bytes(Form::Long, unique)
}

/// What stands in the ICB, and the allocation extents (ECMA-167 4/14.5) behind it.
pub struct Chain {
    pub inline: Vec<u8>,
    pub extents: Vec<(Address, Vec<u8>)>,
}

/// `room` bytes are in the ICB; `most` descriptors go to one place at most.
pub fn chain(
    form: Form,
    ads: &[Ad],
    room: usize,
    most: Option<usize>,
    block_size: u32,
    version: u16,
    take: &mut dyn FnMut() -> Address,
) -> Chain {
    let mut places: Vec<(Option<Address>, Vec<u8>)> = vec![(None, Vec::new())];
    let mut rest = ads;
    loop {
        let room = if places.len() == 1 { room } else { block_size as usize - 24 };
        let fits = (room / form.size()).min(most.unwrap_or(usize::MAX));
        let last = rest.len() <= fits;
        let (now, later) = rest.split_at(if last { rest.len() } else { fits - 1 });
        let list = &mut places.last_mut().expect("there is one").1;
        list.extend(now.iter().flat_map(|ad| ad.bytes(form, 0)));
        if last {
            break;
        }
        let at = take();
        list.extend(Ad { kind: 3, len: block_size, at }.bytes(form, 0));
        places.push((Some(at), Vec::new()));
        rest = later;
    }
    let mut places = places.into_iter();
    let inline = places.next().expect("there is one").1;
    let extents = places.map(|(at, list)| {
        let at = at.expect("only the first has none");
        let mut bytes = vec![0; 24];
        bytes[20..24].copy_from_slice(&(list.len() as u32).to_le_bytes());
        bytes.extend(list);
        tag::fill(&mut bytes, tag::ALLOCATION, version, at.block);
        (at, bytes)
    });
    Chain { inline, extents: extents.collect() }
}
