//! The kernel's mount table, /proc/self/mountinfo (proc_pid_mountinfo(5)), as bytes.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};

use super::TYPE;

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub id: u64,
    /// The mount that this one lies on.
    pub parent: u64,
    /// Major and minor number, which name the file system whatever it is mounted on.
    pub device: (u32, u32),
    pub point: PathBuf,
    pub kind: OsString,
    pub source: OsString,
    /// The options of the mount, then those of the file system.
    pub options: String,
}

impl Entry {
    fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.split(|byte| *byte == b' ');
        let mut number = || std::str::from_utf8(fields.next()?).ok()?.parse().ok();
        let (id, parent) = (number()?, number()?);
        let (major, minor) = std::str::from_utf8(fields.next()?).ok()?.split_once(':')?;
        let device = (major.parse().ok()?, minor.parse().ok()?);
        let _root = fields.next()?;
        let point = unescaped(fields.next()?);
        let mount_options = fields.next()?;
        // Optional fields end with a single dash.
        fields.find(|field| *field == b"-")?;
        let kind = unescaped(fields.next()?);
        let source = unescaped(fields.next()?);
        let super_options = fields.next().unwrap_or_default();
        let options = [mount_options, super_options].map(|part| String::from_utf8_lossy(part).into_owned()).join(",");
        let own = |bytes| OsString::from_vec(bytes);
        Some(Self { id, parent, device, point: own(point).into(), kind: own(kind), source: own(source), options })
    }

    pub fn is_ours(&self) -> bool {
        self.kind == TYPE
    }

    /// The user who mounted it.
    pub fn user(&self) -> Option<u32> {
        self.options.split(',').find_map(|option| option.strip_prefix("user_id="))?.parse().ok()
    }

    /// Whether it is a mount of this image, whatever name the image goes by now.
    pub fn shows(&self, image: &Path) -> bool {
        if self.source == image.as_os_str() {
            return true;
        }
        match (fs::metadata(&self.source), fs::metadata(image)) {
            (Ok(source), Ok(image)) => (source.dev(), source.ino()) == (image.dev(), image.ino()),
            _ => false,
        }
    }
}

/// Everything that is mounted, in the order of mounting: of several mounts on one directory the last is on top.
///
/// # Errors
/// When /proc is not there.
pub fn read() -> io::Result<Vec<Entry>> {
    // The kernel tells no length, and room that grows would take as many reads as there are mounts.
    let mut text = Vec::with_capacity(16 * 1024);
    File::open("/proc/self/mountinfo")?.read_to_end(&mut text)?;
    Ok(parse(&text))
}

/// What is on top of a directory, if anything is mounted there; the directory's path is absolute and has no links.
///
/// # Errors
/// When /proc is not there.
pub fn on_top(point: &Path) -> io::Result<Option<Entry>> {
    // The table takes a good while; newer kernels tell of one directory.
    match device_of_root(point) {
        Some(None) => Ok(None),
        _ => Ok(read()?.into_iter().rfind(|entry| entry.point == point)),
    }
}

/// The numbers of the device that is mounted on a directory, without asking that; within it nothing where it is no
/// mount, and nothing at all where the kernel does not tell (before Linux 5.8).
pub fn device_of_root(point: &Path) -> Option<Option<(u32, u32)>> {
    let flags = AtFlags::STATX_DONT_SYNC | AtFlags::NO_AUTOMOUNT;
    let found = statx(CWD, point, flags, StatxFlags::empty()).ok()?;
    let is_root = StatxAttributes::MOUNT_ROOT;
    if !found.stx_attributes_mask.contains(is_root) {
        return None;
    }
    Some(found.stx_attributes.contains(is_root).then_some((found.stx_dev_major, found.stx_dev_minor)))
}

/// The mounts of mount-iso.
///
/// # Errors
/// When /proc is not there.
pub fn ours() -> io::Result<Vec<Entry>> {
    Ok(read()?.into_iter().filter(Entry::is_ours).collect())
}

fn parse(text: &[u8]) -> Vec<Entry> {
    text.split(|byte| *byte == b'\n').filter_map(Entry::parse).collect()
}

/// The kernel writes space, tab, newline, backslash and `#` as a backslash and three octal digits.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|digits| *first == b'\\' && digits.iter().all(|d| (b'0'..b'8').contains(d)));
        let value = digits.map(|digits| digits.iter().fold(0_u32, |value, digit| value * 8 + u32::from(digit - b'0')));
        match value.and_then(|value| u8::try_from(value).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo_is_read_as_bytes() {
        let text = b"22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
            90 22 0:53 / /m/a\\040b\\011c\\134d\\012\\043 ro,nosuid,nodev master:3 propagate_from:2 - fuse.mount-iso \
            /i/x,\\134\xff.iso ro,user_id=1000,group_id=100,allow_other\n\nnonsense\n";
        let table = parse(text);
        assert_eq!(table.len(), 2);
        let entry = &table[1];
        assert_eq!(entry.point, Path::new("/m/a b\tc\\d\n#"));
        assert_eq!(entry.source, OsString::from_vec(b"/i/x,\\\xff.iso".to_vec()));
        assert_eq!((entry.id, entry.parent, entry.device), (90, 22, (0, 53)));
        assert_eq!(entry.user(), Some(1000));
        assert!(entry.is_ours() && !table[0].is_ours() && table[0].user().is_none());
    }

    #[test]
    fn what_is_no_escape_stays() {
        assert_eq!(unescaped(b"a\\0"), b"a\\0");
        assert_eq!(unescaped(b"\\777\\08x"), b"\\777\\08x");
    }
}
