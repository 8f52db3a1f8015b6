//! ECMA-119 8: volume descriptors.

use super::encode::{NO_DATE, both16, both32, long_date, padded, utf16};
use super::image::Image;
use super::tree::{Plan, Which};

#[derive(Debug, Clone)]
pub enum Descriptor {
    Primary,
    Joliet,
    /// ECMA-119 8.5 with version 2: an Enhanced Volume Descriptor.
    Enhanced,
    /// ECMA-119 8.2 with this boot catalogue in El Torito's place.
    Boot(u32),
    /// A descriptor of a type that no standard names.
    Unknown(u8),
    /// The bytes of the sector.
    Raw(Vec<u8>),
    Terminator,
}

impl Descriptor {
    /// What an image with these options has.
    pub fn usual(image: &Image) -> Vec<Self> {
        let mut list = vec![Self::Primary];
        if image.joliet.is_some() {
            list.push(Self::Joliet);
        }
        if image.enhanced {
            list.push(Self::Enhanced);
        }
        list.push(Self::Terminator);
        list
    }

    pub fn bytes(&self, image: &Image, plan: &Plan) -> Vec<u8> {
        let mut sector = match self {
            Self::Raw(bytes) => padded(bytes, 2048, 0),
            Self::Unknown(kind) => padded(&[&[*kind][..], b"CD001\x01"].concat(), 2048, 0),
            Self::Terminator => padded(b"\xFFCD001\x01", 2048, 0),
            Self::Boot(block) => {
                let mut sector = padded(b"\0CD001\x01EL TORITO SPECIFICATION", 2048, 0);
                sector[71..75].copy_from_slice(&block.to_le_bytes());
                sector
            }
            Self::Primary => volume(image, plan, Which::Primary),
            Self::Joliet => volume(image, plan, Which::Joliet),
            Self::Enhanced => volume(image, plan, Which::Enhanced),
        };
        sector.truncate(2048);
        sector
    }
}

fn volume(image: &Image, plan: &Plan, which: Which) -> Vec<u8> {
    let mut sector = vec![0; 2048];
    let mut put = |at: usize, bytes: &[u8]| sector[at..at + bytes.len()].copy_from_slice(bytes);
    let both = |value: u32| -> [u8; 8] {
        let mut bytes = both32(value);
        if image.little_only {
            bytes[4..].fill(0);
        }
        bytes
    };
    let joliet = which == Which::Joliet;
    let text = |text: &str, len: usize| -> Vec<u8> {
        if !joliet {
            return padded(text.as_bytes(), len, b' ');
        }
        let mut field: Vec<u8> = utf16(text).into_iter().take(len / 2 * 2).collect();
        while field.len() + 1 < len {
            field.extend([0, b' ']);
        }
        padded(&field, len, 0)
    };
    put(0, if which == Which::Primary { b"\x01CD001\x01" } else { b"\x02CD001\x01" });
    if which == Which::Enhanced {
        put(6, &[2]);
    }
    put(8, &text("LINUX", 32));
    let id = if joliet { image.joliet_id.as_ref() } else { None };
    put(40, &text(id.unwrap_or(&image.volume_id), 32));
    let blocks = plan.layout.len / u64::from(image.block_size);
    put(80, &both(image.space_size.unwrap_or(blocks.min(u64::from(u32::MAX)) as u32)));
    if joliet {
        put(88, [b"%/@", b"%/C", b"%/E"][usize::from(image.joliet.unwrap_or(3).clamp(1, 3)) - 1]);
    }
    put(120, &both16(1));
    put(124, &both16(1));
    let mut size = both16(image.block_size as u16);
    if image.little_only {
        size[2..].fill(0);
    }
    put(128, &size);
    if let Some(tables) = plan.tables.get(&which) {
        put(132, &both(tables.little.len() as u32));
        put(140, &plan.block(image, tables.little_at).to_le_bytes());
        put(148, &plan.block(image, tables.big_at).to_be_bytes());
    }
    put(156, &plan.root_record(image, which));
    for (at, len, what) in [(190, 128, "SET"), (318, 128, "PUBLISHER"), (446, 128, "PREPARER"), (574, 128, "BUILDER")] {
        put(at, &text(what, len));
    }
    for at in [702, 739, 776] {
        put(at, &text("", 37));
    }
    put(813, &long_date(image.created, 0));
    put(830, &long_date(image.created, 0));
    put(847, &NO_DATE);
    put(864, &NO_DATE);
    put(881, &[if which == Which::Enhanced { 2 } else { 1 }]);
    if image.xa {
        put(1024, b"CD-XA001");
    }
    sector
}
