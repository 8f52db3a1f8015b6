//! Readiness and idleness: whoever starts a drive learns when it can be read, and it goes when nobody uses it.

use std::io::{BufRead, BufReader};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::sandbox::note;
use crate::mounting::rig::{Rig, User, eventually};

/// A program in the foreground, which does not outlive its test.
struct Foreground(Child);

impl Drop for Foreground {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap())
}

#[test]
fn a_service_manager_hears_of_the_beginning_and_the_end() {
    for user in [User::Own, User::Nobody] {
        let rig = Rig::new(user);
        rig.directory("m");
        let name = format!("mount-iso-{}", rig.path("").display());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut command = rig.command(rig.path("mount-iso"), ["-f", "x.iso", "m"]);
        let child =
            command.env("NOTIFY_SOCKET", format!("@{name}")).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut child = Foreground(child.unwrap());
        let receive = || {
            let mut buffer = [0; 1000];
            let length = manager.recv(&mut buffer).unwrap();
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        };
        let told = receive();
        assert!(told.starts_with("READY=1\nSTATUS=") && told.contains("x.iso"), "{told}");
        // It was no promise.
        assert_eq!(rig.read(&rig.path("m/hello.txt")).unwrap(), b"hello\n");
        kill(pid(&child.0), Signal::SIGTERM).unwrap();
        assert_eq!(receive(), "STOPPING=1");
        assert_eq!(child.0.wait().unwrap().code(), Some(0));
        rig.expect_nothing_left();
    }
}

#[test]
fn a_descriptor_is_told_of_readiness_and_closed() {
    let rig = Rig::new(User::Nobody);
    // Reading to the end does not take as long as the drive lives.
    let output = rig.shell("./mount-iso --ready-fd 7 x.iso 7>&1 >printed | cat && cat 'A LABEL/hello.txt'");
    assert_eq!(output.stdout, format!("{}\nhello\n", rig.path("A LABEL").display()).into_bytes(), "{output:?}");
    rig.succeed(["unmount", "x.iso"]);
    rig.expect_nothing_left();
    let mut command = rig.command("sh", ["-c", "exec ./mount-iso -f --ready-fd 5 x.iso m 5>&1 >printed"]);
    rig.directory("m");
    let mut child = Foreground(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), rig.path("m").to_str().unwrap());
    assert!(lines.next().is_none(), "the descriptor is closed");
    assert!(rig.read(&rig.path("m/hello.txt")).is_some());
    rig.succeed(["unmount", "m"]);
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
    let text = rig.fail(1, ["--ready-fd", "77", "x.iso"]);
    assert!(text.contains("--ready-fd 77: there is no such descriptor"), "{text}");
    rig.expect_nothing_left();
}

#[test]
fn a_drive_goes_when_nobody_has_used_it() {
    for user in [User::Own, User::Nobody] {
        let rig = Rig::new(user);
        let begun = Instant::now();
        rig.succeed(["--idle-timeout=2", "x.iso"]);
        let place = rig.path("A LABEL");
        // Though it all comes from the kernel's memory, this is use of the drive.
        let mut last = Instant::now();
        while begun.elapsed() < Duration::from_millis(4500) {
            let there = rig.read(&place.join("hello.txt")).is_some();
            if last.elapsed() > Duration::from_millis(1900) {
                note("a drive that is used stays, as this machine stands still");
                break;
            }
            assert!(there, "{:?}", begun.elapsed());
            last = Instant::now();
            sleep(Duration::from_millis(300));
        }
        if !place.exists() {
            continue;
        }
        // And so is a shell that is there.
        let script = "cd 'A LABEL/sub' && echo there && exec sleep 1000";
        let mut shell = rig.command("sh", ["-c", script]);
        let mut shell = Foreground(shell.stdout(Stdio::piped()).spawn().unwrap());
        let mut line = String::new();
        BufReader::new(shell.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "there\n");
        sleep(Duration::from_secs(4));
        assert_eq!(rig.mounts().len(), 1);
        drop(shell);
        rig.expect_nothing_left();
        assert!(!place.exists());
    }
}

#[test]
fn idleness_is_an_option_of_lines_too() {
    let rig = Rig::new(User::Own);
    rig.directory("m");
    rig.succeed(["x.iso", "m", "-o", "idle_timeout=1s"]);
    rig.expect_nothing_left();
    for wrong in ["idle_timeout=soon", "idle_timeout=", "idle_timeout=1y"] {
        rig.fail(1, ["x.iso", "m", "-o", wrong]);
    }
    // Never, in two spellings.
    for never in ["idle_timeout=0", "idle_timeout=infinity"] {
        rig.succeed(["x.iso", "m", "-o", never]);
        rig.succeed(["unmount", "m"]);
    }
    let text = rig.fail(1, ["x.iso", "/dev/fd/0", "-o", "idle_timeout=5"]);
    assert!(text.contains("idle_timeout"), "{text}");
    eventually("all is gone", || rig.processes().is_empty());
}

#[test]
fn containers_get_what_they_need() {
    let rig = Rig::new(User::Own);
    if !crate::mounting::rig::is_root() {
        // As a user it takes a line in /etc/fuse.conf, which the hint names.
        return;
    }
    rig.directory("m");
    rig.succeed(["--container", "x.iso", "m"]);
    let options = rig.mounts()[0].options.clone();
    assert!(options.contains("allow_other") && options.contains("default_permissions"), "{options}");
    rig.succeed(["unmount", "m"]);
    drop(rig);
    let rig = Rig::new(User::Nobody);
    if std::fs::read_to_string("/etc/fuse.conf").is_ok_and(|text| text.lines().any(|line| line == "user_allow_other")) {
        return;
    }
    let text = rig.fail(1, ["--container", "x.iso"]);
    assert!(text.contains("user_allow_other") && text.contains("/etc/fuse.conf"), "{text}");
    assert!(rig.new_names().is_empty());
}
