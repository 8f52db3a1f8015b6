//! Mounting with the set-user-ID program fusermount3, for those who may not mount by themselves.
//!
//! The protocol is that of libfuse: the program finds the number of a socket in `_FUSE_COMMFD`, mounts, and sends
//! the connection as a descriptor over the socket.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use super::error::{Kind, MountError, shown};
use super::kernel::NO_DEVICE_HINT;
use super::{Request, SUBTYPE};
use crate::sys;
use crate::text::printable;

/// Where the program may lie. PATH is not asked: mount(8) and systemd set one of their own.
const DIRECTORIES: [&str; 5] = ["/usr/bin", "/bin", "/run/wrappers/bin", "/usr/local/bin", "/usr/sbin"];

/// The program: of libfuse 3, else of libfuse 2.
pub(super) fn program() -> Option<PathBuf> {
    ["fusermount3", "fusermount"]
        .iter()
        .flat_map(|name| DIRECTORIES.iter().map(move |directory| Path::new(directory).join(name)))
        .find(|path| path.is_file())
}

pub(super) fn mount(request: &Request) -> Result<OwnedFd, MountError> {
    let Some(program) = program() else {
        return Err(MountError::new(
            Kind::System,
            "users need the program fusermount3 for mounting, and it is missing",
        )
        .hint("install it: `apt install fuse3`, `dnf install fuse3`, `pacman -S fuse3`, `apk add fuse3`"));
    };
    let system = |what: &str, error: io::Error| MountError::new(Kind::System, format!("{what}: {error}"));
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::SOCK_CLOEXEC)
        .map_err(|error| system("socket", error.into()))?;
    fcntl(&theirs, FcntlArg::F_SETFD(FdFlag::empty())).map_err(|error| system("socket", error.into()))?;
    let output = Command::new(&program)
        .arg("-o")
        .arg(options(request))
        .arg("--")
        .arg(&request.point)
        .env("_FUSE_COMMFD", theirs.as_raw_fd().to_string())
        .stdin(Stdio::null())
        .output()
        .map_err(|error| system(&shown(&program), error))?;
    // With our own copy closed a program that sent nothing is an end of file.
    drop(theirs);
    match sys::receive_descriptor(&ours) {
        Ok(Some(device)) => Ok(device),
        Ok(None) => Err(explain(&output, request)),
        Err(error) => Err(system("fusermount3 sent no descriptor", error)),
    }
}

/// The option list. There a comma ends an option and a backslash protects the byte that follows.
fn options(request: &Request) -> OsString {
    let mut list = b"ro,nosuid,nodev".to_vec();
    for (word, given) in [
        ("noexec", request.no_exec),
        ("sync", request.sync),
        ("dirsync", request.dir_sync),
        ("noatime", request.no_atime),
        ("allow_other", request.allow_other),
        ("default_permissions", request.default_permissions),
        ("nosymfollow", request.no_symlinks),
    ] {
        if given {
            list.push(b',');
            list.extend_from_slice(word.as_bytes());
        }
    }
    list.extend_from_slice(b",fsname=");
    list.extend_from_slice(&escaped(&request.source));
    list.extend_from_slice(b",subtype=");
    list.extend_from_slice(SUBTYPE.as_bytes());
    OsString::from_vec(list)
}

fn escaped(name: &OsStr) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    for byte in name.as_bytes() {
        if matches!(byte, b',' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out
}

/// What the program said, and what helps against it.
fn explain(output: &Output, request: &Request) -> MountError {
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().next().unwrap_or_default();
    let said = said.split_once(": ").map_or(said, |(_, rest)| rest);
    let said =
        if said.is_empty() { format!("fusermount3 failed ({})", output.status) } else { printable(said.as_bytes()) };
    let point = shown(&request.point);
    let error = |kind| MountError::new(kind, format!("cannot mount on {point}: {said}"));
    if said.contains("user_allow_other") {
        error(Kind::Permission)
            .hint("let the administrator add the line `user_allow_other` to /etc/fuse.conf, or leave out allow_other")
    } else if said.contains("no write access") {
        error(Kind::Permission).hint("users mount on directories they may write to: use one of your own")
    } else if said.contains("device not found") || said.contains("failed to open /dev/fuse") {
        error(Kind::System).hint(format!("{NO_DEVICE_HINT}. Users also need read and write access to /dev/fuse"))
    } else if said.contains("Permission denied") {
        error(Kind::Permission).hint(
            "AppArmor on Ubuntu allows fusermount3 to mount below $HOME, /mnt, /media, /tmp and $XDG_RUNTIME_DIR only: \
             use a directory there",
        )
    } else if said.contains("Operation not permitted") {
        error(Kind::System).hint(
            "this process may not mount; a container must be started with `--device /dev/fuse --cap-add SYS_ADMIN`. \
             `mount-iso ls`, `cat` and `extract` work without mounting",
        )
    } else if said.contains("unknown option") {
        error(Kind::Permission).hint("this version of fusermount3 does not know the option: leave it out")
    } else if said.contains("too many FUSE filesystems") {
        error(Kind::System).hint("raise mount_max in /etc/fuse.conf, or unmount something")
    } else {
        error(Kind::Point)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_become_options() {
        let request = Request {
            source: OsString::from_vec(b"/i/a,suid\\b \xff.iso".to_vec()),
            point: "/m".into(),
            no_exec: true,
            sync: false,
            dir_sync: false,
            no_atime: false,
            no_symlinks: false,
            contexts: Vec::new(),
            allow_other: false,
            default_permissions: true,
        };
        let expected = b"ro,nosuid,nodev,noexec,default_permissions,fsname=/i/a\\,suid\\\\b \xff.iso,subtype=mount-iso";
        assert_eq!(options(&request).as_bytes(), expected);
    }
}
