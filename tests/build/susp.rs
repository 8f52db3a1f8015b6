//! The entries of SUSP and RRIP, as bytes.

use super::encode::{both32, long_date, short_date};
use super::image::Rock;
use super::node::{Kind, Node};

/// An entry of its signature and content; the length is told.
pub fn entry(signature: &[u8; 2], version: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![signature[0], signature[1], (content.len() + 4) as u8, version];
    bytes.extend(content);
    bytes
}

/// SUSP 5.1: where the System Use field goes on, in blocks and bytes.
pub fn ce(block: u32, offset: u32, len: u32) -> Vec<u8> {
    entry(b"CE", 1, &[both32(block), both32(offset), both32(len)].concat())
}

/// SUSP 5.2.
pub fn pd(len: u8) -> Vec<u8> {
    entry(b"PD", 1, &vec![0; usize::from(len).saturating_sub(4)])
}

/// SUSP 5.3: check bytes and the bytes to skip in every other record.
pub fn sp(skip: u8) -> Vec<u8> {
    entry(b"SP", 1, &[0xBE, 0xEF, skip])
}

/// SUSP 5.4.
pub fn st() -> Vec<u8> {
    entry(b"ST", 1, &[])
}

/// SUSP 5.5: which extension is in use.
pub fn er(rock: Rock) -> Vec<u8> {
    let (id, description, source): (&[u8], &[u8], &[u8]) = match rock {
        Rock::V1_09 | Rock::V1_10 => (
            b"RRIP_1991A",
            b"THE ROCK RIDGE INTERCHANGE PROTOCOL PROVIDES SUPPORT FOR POSIX FILE SYSTEM SEMANTICS",
            b"PLEASE CONTACT DISC PUBLISHER FOR SPECIFICATION SOURCE.",
        ),
        Rock::V1_12 => (
            b"IEEE_P1282",
            b"THE IEEE P1282 PROTOCOL PROVIDES SUPPORT FOR POSIX FILE SYSTEM SEMANTICS",
            b"PLEASE CONTACT THE IEEE STANDARDS DEPARTMENT, PISCATAWAY, NJ, USA FOR THE P1282 SPECIFICATION.",
        ),
        Rock::Ieee1282 => (b"IEEE_1282", b"POSIX FILE SYSTEM SEMANTICS", b"IEEE"),
    };
    let lens = [id.len() as u8, description.len() as u8, source.len() as u8, 1];
    entry(b"ER", 1, &[&lens, id, description, source].concat())
}

/// RRIP 4.1.1; the serial number is of version 1.12.
pub fn px(mode: u32, nlink: u32, uid: u32, gid: u32, serial: Option<u32>) -> Vec<u8> {
    let mut content = [both32(mode), both32(nlink), both32(uid), both32(gid)].concat();
    content.extend(serial.map(both32).into_iter().flatten());
    entry(b"PX", 1, &content)
}

/// RRIP 4.1.2.
pub fn pn(high: u32, low: u32) -> Vec<u8> {
    entry(b"PN", 1, &[both32(high), both32(low)].concat())
}

/// RRIP 4.1.4.
pub fn nm(flags: u8, name: &[u8]) -> Vec<u8> {
    entry(b"NM", 1, &[&[flags], name].concat())
}

/// RRIP 4.1.5.1: the placeholder of a relocated directory.
pub fn cl(block: u32) -> Vec<u8> {
    entry(b"CL", 1, &both32(block))
}

/// RRIP 4.1.5.2: the first parent of a relocated directory, in its "..".
pub fn pl(block: u32) -> Vec<u8> {
    entry(b"PL", 1, &both32(block))
}

/// RRIP 4.1.5.3.
pub fn re() -> Vec<u8> {
    entry(b"RE", 1, &[])
}

/// RRIP 4.1.6.
pub fn tf(times: &[(u8, i64)], long: bool, zone: i8) -> Vec<u8> {
    let mut flags = if long { 0x80 } else { 0 };
    let mut stamps = Vec::new();
    for (bit, seconds) in times {
        flags |= 1 << bit;
        if long {
            stamps.extend(long_date(*seconds, zone));
        } else {
            stamps.extend(short_date(*seconds, zone));
        }
    }
    entry(b"TF", 1, &[&[flags][..], &stamps].concat())
}

/// RRIP 4.1.7.
pub fn sf(size: u64, depth: u8) -> Vec<u8> {
    entry(b"SF", 1, &[&both32((size >> 32) as u32)[..], &both32(size as u32), &[depth]].concat())
}

/// RRIP 1.09: which entries a record has; later versions dropped it.
pub fn rr(flags: u8) -> Vec<u8> {
    entry(b"RR", 1, &[flags])
}

/// RRIP 4.1.3: the entries of a symbolic link; `piece` bounds the component area of one.
pub fn sl(components: &[(u8, Vec<u8>)], piece: usize) -> Vec<Vec<u8>> {
    let mut areas: Vec<Vec<u8>> = vec![Vec::new()];
    let mut current = 0;
    for (flags, content) in components {
        let mut rest = &content[..];
        loop {
            let room = piece.saturating_sub(areas[current].len());
            if room < 2 || room == 2 && !rest.is_empty() {
                areas.push(Vec::new());
                current += 1;
                continue;
            }
            let n = rest.len().min(room - 2);
            // Component flag CONTINUE: the next component is the rest of this one.
            let more = u8::from(n < rest.len());
            areas[current].extend([flags | more, n as u8]);
            areas[current].extend(&rest[..n]);
            rest = &rest[n..];
            if rest.is_empty() {
                break;
            }
        }
    }
    areas.iter().enumerate().map(|(i, area)| entry(b"SL", 1, &[&[u8::from(i < current)][..], area].concat())).collect()
}

/// A target's components: root, ".", ".." and names.
pub fn components(target: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut components = Vec::new();
    if target.first() == Some(&b'/') {
        components.push((8, Vec::new()));
    }
    for part in target.split(|byte| *byte == b'/').filter(|part| !part.is_empty()) {
        components.push(match part {
            b"." => (2, Vec::new()),
            b".." => (4, Vec::new()),
            name => (0, name.to_vec()),
        });
    }
    components
}

/// The entries that RRIP asks of a node: NM (unless for a "."), PX, TF, and those of its kind.
pub fn due(node: &Node, rock: Rock, named: bool, nlink: u32, serial: u32) -> Vec<Vec<u8>> {
    let mut entries = node.first_entries.clone();
    if node.without_entries {
        entries.extend(node.entries.clone());
        return entries;
    }
    if rock == Rock::V1_09 {
        let mut flags = 0x81;
        for (flag, has) in [
            (0x02, matches!(node.kind, Kind::Device { .. })),
            (0x04, matches!(node.kind, Kind::Link(_))),
            (0x08, named),
        ] {
            flags |= if has { flag } else { 0 };
        }
        entries.push(rr(flags));
    }
    if named {
        let name = node.rock_name.clone().unwrap_or_else(|| node.name.as_bytes().to_vec());
        let mut rest = &name[..];
        let pieces = node.name_pieces.iter().copied().chain(std::iter::repeat(250));
        for piece in pieces {
            let n = rest.len().min(piece);
            let more = u8::from(n < rest.len());
            entries.push(nm(node.name_flags.unwrap_or(more), &rest[..n]));
            rest = &rest[n..];
            if rest.is_empty() {
                break;
            }
        }
    }
    let serial = node.serial.or((rock == Rock::V1_12 || rock == Rock::Ieee1282).then_some(serial));
    entries.push(px(node.st_mode(), node.nlink.unwrap_or(nlink), node.uid, node.gid, serial));
    if node.split_times {
        entries.extend(node.times.iter().map(|time| tf(&[*time], node.long_times, node.zone)));
    } else if !node.times.is_empty() {
        entries.push(tf(&node.times, node.long_times, node.zone));
    }
    match &node.kind {
        Kind::Link(target) => {
            let components = node.components.clone().unwrap_or_else(|| components(target));
            entries.extend(sl(&components, node.link_piece));
        }
        Kind::Device { major, minor, split: true, .. } => entries.push(pn(*major, *minor)),
        Kind::Device { major, minor, split: false, .. } => entries.push(pn(0, major << 8 | minor)),
        Kind::File(content) => {
            if let Some(zisofs) = node.zisofs {
                entries.push(zisofs.entry(content.len()));
            }
            if let Some(depth) = node.sparse {
                let form = node.sparse_form(content, depth);
                entries.push(sf(form.size, form.depth));
            }
        }
        _ => {}
    }
    if named {
        entries.extend(node.entries.clone());
    }
    entries
}
