//! Telling a service manager how a service of `Type=notify` is: sd_notify(3), a datagram to a socket.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

#[derive(Debug)]
pub struct Notifier {
    socket: OsString,
}

impl Notifier {
    /// The service manager that has started us, if one has.
    pub fn of_environment() -> Option<Self> {
        let socket = std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty())?;
        Some(Self { socket })
    }

    /// Sends assignments, one a line. What can't be told is logged: the drive is there all the same.
    pub fn send(&self, state: &str) {
        if let Err(error) = self.try_to_send(state) {
            log::warn!("{}: {error}", crate::text::printable(self.socket.as_bytes()));
        }
    }

    fn try_to_send(&self, state: &str) -> io::Result<()> {
        let socket = UnixDatagram::unbound()?;
        // A manager that does not listen must not hold us up.
        socket.set_nonblocking(true)?;
        socket.send_to_addr(state.as_bytes(), &address(&self.socket)?).map(drop)
    }
}

/// A name that begins with `@` is one of the abstract name space.
fn address(socket: &OsStr) -> io::Result<SocketAddr> {
    match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        [b'/', ..] => SocketAddr::from_pathname(socket),
        _ => Err(io::Error::new(io::ErrorKind::Unsupported, "neither a path nor an abstract name")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_both_kinds_are_reached() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let abstract_name = format!("mount-iso-test-{}", std::process::id());
        let addresses = [
            (path.clone().into_os_string(), SocketAddr::from_pathname(&path).unwrap()),
            (format!("@{abstract_name}").into(), SocketAddr::from_abstract_name(&abstract_name).unwrap()),
        ];
        for (name, address) in addresses {
            let manager = UnixDatagram::bind_addr(&address).unwrap();
            manager.set_nonblocking(true).unwrap();
            Notifier { socket: name }.send("READY=1");
            let mut buffer = [0; 100];
            let length = manager.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"READY=1");
        }
        assert!(address(OsStr::new("vsock:2:1")).is_err());
    }
}
