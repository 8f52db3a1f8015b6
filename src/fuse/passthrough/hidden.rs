//! File systems that nobody sees: they are mounted nowhere, and end with the last file of theirs that is open.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{AtFlags, Mode, OFlags, openat, unlinkat};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen,
};

use super::erofs::{self, NAME};
use super::layout::{Layout, Run};
use crate::source::is_local;

/// Bytes that are read to try it.
const BLOCK: usize = 4096;

/// A place for the few bytes of each EROFS: files in memory, of the one file system there that others can be mounted
/// from.
#[derive(Debug)]
pub struct Hidden {
    shelf: OwnedFd,
}

fn path(file: &impl AsRawFd) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

fn mount(kind: &str, given: &[(&str, String)], attributes: MountAttrFlags) -> io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    if attributes.contains(MountAttrFlags::MOUNT_ATTR_RDONLY) {
        fsconfig_set_flag(context.as_fd(), "ro")?;
    }
    for (key, value) in given {
        fsconfig_set_string(context.as_fd(), *key, value.as_str())?;
    }
    fsconfig_create(context.as_fd())?;
    Ok(fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

impl Hidden {
    /// Tries it with the beginning of the image, as far as that has a block.
    ///
    /// # Errors
    /// What this kernel lacks or forbids: an EROFS in a file (Linux 6.12), whoever is not root. Images of network file
    /// systems: the holder must not wait for those.
    pub fn new(image: &File) -> io::Result<Self> {
        let untrusted = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
        if !is_local(image) {
            return Err(io::Error::other("who opens it anew may have to wait for another machine or process"));
        }
        let hidden = Self { shelf: mount("ramfs", &[("mode", "0700".to_owned())], untrusted)? };
        let run = Run { len: BLOCK as u64, at: Some(0) }.to_bytes().concat();
        let shown = hidden.show(&run, image)?;
        let (mut expected, mut found) = (vec![0; BLOCK], vec![0; BLOCK]);
        image.read_exact_at(&mut expected, 0)?;
        shown.read_exact_at(&mut found, 0)?;
        if expected != found {
            return Err(io::Error::other("what it reads is not what is there"));
        }
        hidden.try_behind_the_end()?;
        Ok(hidden)
    }

    /// Tries it with an image that has become shorter: this must be an error, and not zeros.
    fn try_behind_the_end(&self) -> io::Result<()> {
        let image = self.write(&[7; BLOCK + 1])?;
        let size = BLOCK as u64 * 3;
        let run = Run { len: size, at: Some(0) }.to_bytes().concat();
        let layout = Layout::from_bytes(&run, size).ok_or_else(|| io::Error::other("no layout"))?;
        let shown = self.mount(&layout, size, &image)?;
        let mut block = [0; BLOCK];
        shown.read_exact_at(&mut block, 0)?;
        for at in [1, 2] {
            if shown.read_at(&mut block, at * BLOCK as u64).is_ok() {
                return Err(io::Error::other("this kernel makes up data where an image has become shorter"));
            }
        }
        Ok(())
    }

    /// A file that the kernel reads from the image without asking anybody.
    ///
    /// # Errors
    /// When the layout is none within the image, and what the kernel says.
    pub fn show(&self, layout: &[u8], image: &File) -> io::Result<File> {
        let size = image.metadata()?.len();
        let layout =
            Layout::from_bytes(layout, size).ok_or_else(|| io::Error::other("it does not lie in the image"))?;
        self.mount(&layout, size, image)
    }

    fn mount(&self, layout: &Layout, size: u64, image: &File) -> io::Result<File> {
        let metadata = self.write(&erofs::file_system(layout, size)?)?;
        let untrusted =
            MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
        let root = mount("erofs", &[("source", path(&metadata)), ("device", path(image))], untrusted)?;
        Ok(openat(&root, NAME, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?.into())
    }

    /// A file in memory that has no name any more.
    fn write(&self, bytes: &[u8]) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mut file = File::from(openat(&self.shelf, NAME, flags, Mode::RUSR)?);
        unlinkat(&self.shelf, NAME, AtFlags::empty())?;
        file.write_all(bytes)?;
        Ok(file)
    }
}
