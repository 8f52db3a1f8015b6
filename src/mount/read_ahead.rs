//! How far the kernel reads ahead on a drive.

use std::fs;

/// KiB: as much as one request may carry. The kernel's own choice for FUSE is 128.
const KIB: u32 = 1024;

/// Raises the read-ahead of a mounted file system (numbers of its device) where we may, which only root may. To be
/// called after the agreement with the kernel, which sets it back.
pub fn raise((major, minor): (u32, u32)) {
    let path = format!("/sys/class/bdi/{major}:{minor}/read_ahead_kb");
    match fs::write(&path, KIB.to_string()) {
        Ok(()) => log::debug!("{path}: {KIB}"),
        Err(error) => log::debug!("{path} stays as it is: {error}"),
    }
}
