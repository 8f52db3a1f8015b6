//! What a serving process can do in its sandbox: a program of its own, as it must have a single thread when it enters.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Instant;

use mount_iso::mount::{Confinement, enter_sandbox};

fn main() -> io::Result<()> {
    let reads = std::env::args().any(|arg| arg == "--child-that-reads");
    if !reads {
        // A process enters once, so the other kind is another process.
        let own = std::env::current_exe()?;
        let status = Command::new(own).arg("--child-that-reads").status()?;
        assert!(status.success(), "{status}");
    }
    let path = std::env::temp_dir().join(format!("mount-iso-sandbox-{}", std::process::id()));
    let mut open = File::options().create(true).read(true).write(true).truncate(true).open(&path)?;
    open.write_all(b"content")?;
    let begun = Instant::now();
    enter_sandbox(if reads { Confinement::Readable } else { Confinement::Descriptors });
    let cost = begun.elapsed();

    // What is open can be used, memory and threads can be had.
    let mut text = String::new();
    open.seek(SeekFrom::Start(0))?;
    open.read_to_string(&mut text)?;
    assert_eq!(text, "content");
    let sum = std::thread::spawn(|| vec![1_u8; 8 << 20].iter().map(|byte| u64::from(*byte)).sum::<u64>());
    assert_eq!(sum.join().ok(), Some(8 << 20));

    let refused = |what: &str, result: io::Result<()>| {
        let errno = result.err().and_then(|error| error.raw_os_error());
        assert!(matches!(errno, Some(libc::EPERM | libc::EACCES)), "{what}: {errno:?}");
    };
    let reading = File::open("/etc/passwd").map(drop);
    match reads {
        true => assert!(reading.is_ok(), "{reading:?}"),
        false => refused("open", reading),
    }
    refused("create", File::create("/tmp/mount-iso-sandbox-must-not-be").map(drop));
    refused("write", File::options().write(true).open(&path).map(drop));
    refused("remove", std::fs::remove_file(&path));
    // Refused as a process, and not only as a program, which Landlock would do.
    let run = Command::new("/bin/true").status().err().and_then(|error| error.raw_os_error());
    assert_eq!(run, Some(libc::EPERM), "run");
    refused("connect", UnixStream::connect("/dev/log").map(drop));
    refused("connect", TcpStream::connect("127.0.0.1:9").map(drop));
    refused("kill", nix::sys::signal::kill(nix::unistd::getppid(), None).map_err(io::Error::from));
    refused("mount", nix::mount::umount("/proc").map_err(io::Error::from));
    refused("chown", std::os::unix::fs::fchown(&open, Some(1), None));
    if !reads {
        refused("list", std::fs::read_dir("/").map(drop));
    }
    println!("sandbox: entered in {cost:?}, {}", if reads { "files can be read" } else { "nothing can be opened" });
    Ok(())
}
