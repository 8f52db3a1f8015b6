//! Loop devices, which mount(8) makes for an image before it calls a helper: the file that is behind one.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::sys::stat::{major, minor};

use super::options::Window;
use crate::sys;

/// The major number of loop devices.
const LOOP_MAJOR: u64 = 7;

/// The file behind a loop device, and the part of it that the device shows.
///
/// `None` for all else, and where the file has no name here: it was removed, or lies in another mount name space.
/// Then the device itself has to be read.
pub fn backing(path: &Path) -> Option<(PathBuf, Window)> {
    let device = File::open(path).ok()?;
    let found = device.metadata().ok()?;
    if !found.file_type().is_block_device() || major(found.rdev()) != LOOP_MAJOR {
        return None;
    }
    let status = sys::loop_status(&device).ok()?;
    let name = fs::read(format!("/sys/dev/block/{LOOP_MAJOR}:{}/loop/backing_file", minor(found.rdev()))).ok()?;
    let file = PathBuf::from(OsString::from_vec(name.strip_suffix(b"\n").unwrap_or(&name).to_vec()));
    let named = fs::metadata(&file).ok()?;
    let is_it = (named.dev(), named.ino()) == (decoded(status.device), status.inode);
    let limit = (status.size_limit != 0).then_some(status.size_limit);
    is_it.then_some((file, Window { offset: status.offset, limit }))
}

/// A device number as the kernel passes it, in the C library's encoding.
fn decoded(device: u64) -> u64 {
    nix::sys::stat::makedev((device >> 8) & 0xFFF, (device & 0xFF) | ((device >> 12) & 0xF_FF00))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_files_are_no_loop_devices() {
        assert_eq!(backing(Path::new("/dev/null")), None);
        assert_eq!(backing(Path::new("/proc/self/exe")), None);
        assert_eq!(backing(Path::new("/missing")), None);
    }

    #[test]
    fn device_numbers_are_those_of_the_kernel() {
        assert_eq!(decoded(0xFE00), nix::sys::stat::makedev(0xFE, 0));
        // Minor number 0x12345 of major number 8.
        assert_eq!(decoded(0x1230_0845), nix::sys::stat::makedev(8, 0x12345));
    }
}
