//! The Rock Ridge Interchange Protocol (RRIP 1.09, 1.10 and 1.12): POSIX files on ISO 9660.

use super::datetime;
use super::susp::{Entry, Reader};
use super::zisofs::Compression;
use crate::bytes::{u8_at, u32_le};
use crate::error::Defect;
use crate::limits::MAX_TARGET;
use crate::volume::{Device, Times};

/// PX, POSIX file attributes (RRIP 4.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Posix {
    pub mode: u32,
    pub links: u32,
    pub uid: u32,
    pub gid: u32,
    /// File Serial Number; since RRIP 1.12.
    pub serial: Option<u32>,
}

/// SF, sparse files (RRIP 4.1.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sparse {
    pub size: u64,
    pub depth: u8,
}

/// All that the System Use area of one record says in the words of Rock Ridge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RockRidge {
    pub posix: Option<Posix>,
    pub device: Option<Device>,
    /// NM, alternate name (4.1.4), put together from its parts.
    pub name: Option<Vec<u8>>,
    /// SL, symbolic link (4.1.3), put together from its components.
    pub target: Option<Vec<u8>>,
    /// CL, child link (4.1.5.1): the logical block of a relocated directory.
    pub child: Option<u32>,
    /// PL, parent link (4.1.5.2).
    pub parent: Option<u32>,
    /// RE, relocated directory (4.1.5.3).
    pub relocated: bool,
    pub times: Times,
    pub sparse: Option<Sparse>,
    pub compression: Option<Compression>,
    /// Whether any entry of Rock Ridge was there.
    pub present: bool,
    /// The byte address of a Continuation Area that the medium failed to give.
    pub unread: Option<u64>,
}

impl RockRidge {
    /// Reads a System Use area, `skip` bytes into it (SUSP 5.3), and what continues it.
    pub fn read(area: &[u8], at: u64, skip: u8, reader: &Reader<'_>) -> Self {
        let mut found = Self::default();
        let mut target = TargetBuilder::default();
        let skipped = area.get(usize::from(skip)..).unwrap_or_default();
        let unread = reader.visit(skipped, at.saturating_add(u64::from(skip)), &mut |entry| {
            if let Err(what) = found.take(&entry, &mut target) {
                reader.notes.report(Defect::new(entry.at, clause(entry.signature), what));
            }
        });
        found.unread = unread;
        found.target = target.finish();
        found
    }

    fn take(&mut self, entry: &Entry<'_>, target: &mut TargetBuilder) -> Result<(), &'static str> {
        let data = entry.data;
        let number = |at| u32_le(data, at);
        let long_enough = |length: usize| match data.len() >= length {
            true => Ok(()),
            false => Err("the entry is too short for its fields and is ignored"),
        };
        match &entry.signature {
            b"PX" => {
                long_enough(32)?;
                let serial = (data.len() >= 40).then(|| number(32));
                self.posix = Some(Posix { mode: number(0), links: number(8), uid: number(16), gid: number(24), serial });
            }
            b"PN" => {
                long_enough(16)?;
                self.device = Some(device(number(0), number(8)));
            }
            b"NM" => {
                long_enough(1)?;
                // CURRENT and PARENT name "." and ".."; HOST and reserved bits say nothing of the name itself.
                if u8_at(data, 0) & !1 == 0 {
                    self.name.get_or_insert_default().extend_from_slice(data.get(1..).unwrap_or_default());
                }
            }
            b"SL" => {
                long_enough(1)?;
                target.take(data)?;
            }
            b"CL" => {
                long_enough(8)?;
                self.child = Some(number(0));
            }
            b"PL" => {
                long_enough(8)?;
                self.parent = Some(number(0));
            }
            b"RE" => self.relocated = true,
            b"TF" => {
                long_enough(1)?;
                times(data, &mut self.times)?;
            }
            b"SF" => {
                long_enough(8)?;
                // RRIP 1.10 has a size of 32 bits and no depth; the depth that covers it is 3.
                self.sparse = Some(match data.len() >= 17 {
                    true => Sparse { size: u64::from(number(0)) << 32 | u64::from(number(8)), depth: u8_at(data, 16) },
                    false => Sparse { size: u64::from(number(0)), depth: 3 },
                });
            }
            b"ZF" | b"Z2" => self.compression = Compression::from_entry(entry.version, data)?,
            b"RR" => {}
            _ => return Ok(()),
        }
        self.present = true;
        Ok(())
    }
}

/// The clause that describes an entry.
fn clause(signature: [u8; 2]) -> &'static str {
    match &signature {
        b"PX" => "RRIP 4.1.1",
        b"PN" => "RRIP 4.1.2",
        b"SL" => "RRIP 4.1.3",
        b"NM" => "RRIP 4.1.4",
        b"CL" | b"PL" | b"RE" => "RRIP 4.1.5",
        b"TF" => "RRIP 4.1.6",
        b"SF" => "RRIP 4.1.7",
        b"ZF" | b"Z2" => "zisofs",
        _ => "SUSP 4.1",
    }
}

/// RRIP 4.1.2: where numbers of devices have 32 bits, both parts may stand in the low field (so does
/// genisoimage write them). Linux reads it so too.
fn device(high: u32, low: u32) -> Device {
    match high == 0 && low > 0xFF {
        true => Device { major: low >> 8, minor: low & 0xFF },
        false => Device { major: high, minor: low },
    }
}

/// RRIP 4.1.6: the time stamps that the flags announce follow in the order of the bits.
fn times(data: &[u8], times: &mut Times) -> Result<(), &'static str> {
    const LONG_FORM: u8 = 0x80;
    let announced = u8_at(data, 0);
    let width = if announced & LONG_FORM == 0 { 7 } else { 17 };
    let mut stamps = data.get(1..).unwrap_or_default().chunks_exact(width);
    for bit in 0..7_u8 {
        if announced & (1_u8 << bit) == 0 {
            continue;
        }
        let Some(stamp) = stamps.next() else { return Err("a time stamp that the flags announce is missing") };
        let time = if width == 7 { datetime::short(stamp) } else { datetime::long(stamp) };
        let field = match bit {
            0 => &mut times.created,
            1 => &mut times.modified,
            2 => &mut times.accessed,
            3 => &mut times.changed,
            // Backup, expiration and effective times have no place in POSIX.
            _ => continue,
        };
        *field = time.or(*field);
    }
    Ok(())
}

/// RRIP 4.1.3: puts the components of all SL entries together.
#[derive(Debug, Default)]
struct TargetBuilder {
    target: Option<Vec<u8>>,
    /// A component was finished, so the next one needs a `/` before it.
    separate: bool,
}

impl TargetBuilder {
    fn take(&mut self, data: &[u8]) -> Result<(), &'static str> {
        const CONTINUE: u8 = 0x01;
        const CURRENT: u8 = 0x02;
        const PARENT: u8 = 0x04;
        const ROOT: u8 = 0x08;
        let target = self.target.get_or_insert_default();
        let mut rest = data.get(1..).unwrap_or_default();
        while let [flags, length, later @ ..] = rest {
            let content = later.get(..usize::from(*length));
            let text = content.unwrap_or(later);
            if self.separate {
                target.push(b'/');
                self.separate = false;
            }
            match flags & !CONTINUE {
                0 => target.extend_from_slice(text),
                CURRENT => target.push(b'.'),
                PARENT => target.extend_from_slice(b".."),
                ROOT => target.push(b'/'),
                _ => return Err("a symbolic link has a component of unknown meaning"),
            }
            self.separate = flags & (CONTINUE | ROOT) == 0;
            if content.is_none() || target.len() > MAX_TARGET {
                target.truncate(MAX_TARGET);
                return Err("a symbolic link has a component that reaches beyond its entry");
            }
            rest = later.get(usize::from(*length)..).unwrap_or_default();
        }
        Ok(())
    }

    fn finish(self) -> Option<Vec<u8>> {
        let mut target = self.target?;
        if let Some(end) = target.iter().position(|byte| *byte == 0) {
            target.truncate(end);
        }
        Some(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(entries: &[&[u8]]) -> String {
        let mut builder = TargetBuilder::default();
        for entry in entries {
            builder.take(entry).unwrap();
        }
        String::from_utf8(builder.finish().unwrap()).unwrap()
    }

    #[test]
    fn rrip_4_1_3_targets_of_every_flag() {
        assert_eq!(target(&[b"\0\x08\0\0\x03usr\0\x03bin"]), "/usr/bin");
        assert_eq!(target(&[b"\0\x04\0\x04\0\x02\0\0\x01a"]), "../.././a");
        assert_eq!(target(&[b"\x01\x01\x03lon", b"\0\0\x02ge\0\x01x"]), "longe/x");
        assert_eq!(target(&[b"\x01\0\x01a", b"\0\0\x01b"]), "a/b");
        assert_eq!(target(&[b"\0\x08\0"]), "/");
        assert!(TargetBuilder::default().take(b"\0\x20\0").is_err());
        assert!(TargetBuilder::default().take(b"\0\0\x09abc").is_err());
    }

    #[test]
    fn rrip_4_1_2_device_numbers_of_both_kinds_of_writers() {
        assert_eq!(device(1, 3), Device { major: 1, minor: 3 });
        assert_eq!(device(0, 0x0103), Device { major: 1, minor: 3 });
        assert_eq!(device(0, 5), Device { major: 0, minor: 5 });
    }

    #[test]
    fn rrip_4_1_6_long_form_and_order() {
        let mut found = Times::default();
        let mut data = vec![0x80 | 0b0011];
        data.extend_from_slice(b"2000010100000000\0");
        data.extend_from_slice(b"2001010100000000\0");
        times(&data, &mut found).unwrap();
        assert_eq!(found.created.unwrap().seconds, 946_684_800);
        assert_eq!(found.modified.unwrap().seconds, 978_307_200);
        assert!(times(&[0x03, 100, 1, 1, 0, 0, 0, 0], &mut found).is_err());
    }
}
