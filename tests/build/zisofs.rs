//! zisofs, versions 1 and 2: a file in blocks that are compressed each for itself.

use std::io::Write;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    One,
    Two,
}

#[derive(Debug, Clone, Copy)]
pub struct Zisofs {
    pub version: Version,
    /// The binary logarithm of the block size: 15, 16 or 17.
    pub shift: u8,
}

impl Zisofs {
    /// The recorded form of `content`.
    pub fn compress(self, content: &[u8]) -> Vec<u8> {
        let mut blocks: Vec<Vec<u8>> = Vec::new();
        for block in content.chunks(1 << self.shift) {
            // A block of zeros is recorded as no bytes at all.
            if block.iter().all(|byte| *byte == 0) {
                blocks.push(Vec::new());
                continue;
            }
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(block).expect("writing to memory");
            blocks.push(encoder.finish().expect("writing to memory"));
        }
        let mut out = Vec::new();
        let (header, pointer) = match self.version {
            Version::One => {
                out.extend([0x37, 0xE4, 0x53, 0x96, 0xC9, 0xDB, 0xD6, 0x07]);
                out.extend((content.len() as u32).to_le_bytes());
                out.extend([4, self.shift, 0, 0]);
                (16, 4)
            }
            Version::Two => {
                out.extend([0xEF, 0x22, 0x55, 0xA1, 0xBC, 0x1B, 0x95, 0xA0, 0, 6, 1, self.shift]);
                out.extend((content.len() as u64).to_le_bytes());
                out.extend([0; 4]);
                (24, 8)
            }
        };
        let mut at = header + pointer * (blocks.len() as u64 + 1);
        for len in std::iter::once(0).chain(blocks.iter().map(|block| block.len() as u64)) {
            at += len;
            out.extend(&at.to_le_bytes()[..pointer as usize]);
        }
        for block in blocks {
            out.extend(block);
        }
        out
    }

    /// The ZF entry.
    pub fn entry(self, size: u64) -> Vec<u8> {
        match self.version {
            Version::One => {
                let mut entry = vec![b'Z', b'F', 16, 1, b'p', b'z', 4, self.shift];
                entry.extend(super::encode::both32(size as u32));
                entry
            }
            Version::Two => {
                let mut entry = vec![b'Z', b'F', 16, 2, b'P', b'Z', 6, self.shift];
                entry.extend(size.to_le_bytes());
                entry
            }
        }
    }
}
