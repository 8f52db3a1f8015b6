//! What can go wrong with descriptors, and images in memory that are changed by hand.

use super::layout::Layout;
use super::tag;

/// Which volume descriptor sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Copy {
    Main,
    Reserve,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    Checksum,
    Crc,
    Location,
    Version,
    Zeros,
}

impl Damage {
    pub fn apply(self, descriptor: &mut [u8]) {
        match self {
            Self::Checksum => descriptor[4] ^= 0x55,
            Self::Crc => *descriptor.last_mut().expect("it has bytes") ^= 0x55,
            Self::Location => {
                descriptor[12] ^= 0x55;
                descriptor[4] = tag::checksum(descriptor);
            }
            Self::Version => {
                descriptor[2] = 9;
                descriptor[4] = tag::checksum(descriptor);
            }
            Self::Zeros => descriptor.fill(0),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Disc {
    pub bytes: Vec<u8>,
    pub layout: Layout,
}

impl Disc {
    pub fn put(&mut self, at: u64, bytes: &[u8]) {
        self.bytes[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
    }

    /// Makes CRC and checksum of the descriptor at `at` right again.
    pub fn sign(&mut self, at: u64) {
        tag::sign(&mut self.bytes[at as usize..]);
    }

    /// Changes a field of a descriptor, whose tag is made right again.
    pub fn set(&mut self, descriptor: u64, field: u64, bytes: &[u8]) {
        self.put(descriptor + field, bytes);
        self.sign(descriptor);
    }

    /// The same for a file identifier descriptor that lies in the entry of its directory.
    pub fn set_fid(&mut self, path: &str, field: u64, bytes: &[u8]) {
        let fid = self.layout.fid(path);
        self.set(fid, field, bytes);
        let parent = match path.rsplit_once('/') {
            Some(("", _)) | None => "/",
            Some((parent, _)) => parent,
        };
        let icb = self.layout.icb(parent);
        if (icb..icb + u64::from(self.layout.block_size)).contains(&fid) {
            self.sign(icb);
        }
    }

    /// The same change in both volume descriptor sequences.
    pub fn set_both(&mut self, id: u16, field: u64, bytes: &[u8]) {
        for copy in [Copy::Main, Copy::Reserve] {
            self.set(self.layout.descriptor(copy, id), field, bytes);
        }
    }
}
