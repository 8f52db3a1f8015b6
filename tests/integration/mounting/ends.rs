//! However a drive ends, nothing is left of it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::rig::{Rig, User, eventually};

/// A drive on a directory made for it, and its three processes, of which none follows another.
fn drive(user: User) -> Rig {
    let rig = Rig::new(user);
    rig.succeed(["x.iso", "-o", "norestart"]);
    assert_eq!(rig.processes().len(), 3);
    rig
}

#[track_caller]
fn expect_end(rig: &Rig) {
    rig.expect_nothing_left();
    assert!(rig.new_names().is_empty(), "{:?}", rig.new_names());
}

/// A command that is tried again for a second: `list` in another test may be looking at the drive.
fn patiently(command: &str) -> String {
    format!("for time in 1 2 3 4 5 6 7 8 9 10; do {{ {command}; }} && exit 0; sleep 0.1; done; exit 1")
}

#[test]
fn a_killed_worker_leaves_no_dead_mount() {
    for user in [User::Own, User::Nobody] {
        let rig = drive(user);
        rig.signal(rig.processes()[1], Signal::SIGKILL);
        expect_end(&rig);
    }
}

#[test]
fn a_killed_holder_leaves_no_dead_mount() {
    for user in [User::Own, User::Nobody] {
        let rig = drive(user);
        rig.signal(rig.processes()[0], Signal::SIGKILL);
        expect_end(&rig);
    }
}

/// Whether all is tidied two seconds after the processes of these numbers have been killed.
#[track_caller]
fn expect_end_soon(rig: &Rig, killed: &[usize]) {
    let processes = rig.processes();
    // So that none sees the end of another before its own.
    for number in killed {
        rig.signal(processes[*number], Signal::SIGSTOP);
    }
    for number in killed {
        rig.signal(processes[*number], Signal::SIGKILL);
    }
    let killed = Instant::now();
    expect_end(rig);
    assert!(killed.elapsed() < Duration::from_secs(2), "{:?}", killed.elapsed());
}

#[test]
fn both_killed_at_once_leave_no_dead_mount() {
    for user in [User::Own, User::Nobody] {
        for order in [[0, 1], [1, 0]] {
            expect_end_soon(&drive(user), &order);
        }
        // By name, as it is done in anger.
        let rig = drive(user);
        let names = rig.processes().into_iter().map(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap());
        assert_eq!(names.collect::<Vec<_>>(), ["mount-iso\n", "mount-iso\n", "iso-watcher\n"]);
        expect_end_soon(&rig, &[0, 1]);
    }
}

#[test]
fn a_drive_without_holder_and_watcher_works_on_and_is_unmounted_as_ever() {
    for user in [User::Own, User::Nobody] {
        let rig = drive(user);
        let processes = rig.processes();
        for number in [2, 0] {
            rig.signal(processes[number], Signal::SIGKILL);
        }
        eventually("the worker is alone", || rig.processes().len() == 1);
        assert!(rig.read(&rig.path("A LABEL/sub/big")).is_some());
        rig.succeed(["unmount", "x.iso"]);
        rig.expect_nothing_left();
    }
}

#[test]
fn a_drive_does_without_its_watcher() {
    let rig = drive(User::Own);
    let processes = rig.processes();
    rig.signal(processes[2], Signal::SIGKILL);
    eventually("the watcher is gone", || rig.processes().len() == 2);
    assert!(rig.read(&rig.path("A LABEL/hello.txt")).is_some());
    rig.succeed(["unmount", "A LABEL"]);
    expect_end(&rig);
}

#[test]
fn signals_end_a_drive() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let rig = drive(User::Nobody);
        // To both, as an init system does it.
        for pid in rig.processes().into_iter().rev() {
            rig.signal(pid, signal);
        }
        expect_end(&rig);
    }
}

#[test]
fn signals_end_a_drive_that_is_in_use() {
    for user in [User::Own, User::Nobody] {
        let rig = drive(user);
        let mut user = rig.command("sleep", ["1000"]).current_dir(rig.path("A LABEL/sub")).spawn();
        if user.is_err() {
            // Root may not enter a user's drive; the user's own shell may.
            user = rig.command("sh", ["-c", "cd 'A LABEL/sub' && exec sleep 1000"]).spawn();
        }
        let mut user = user.unwrap();
        eventually("somebody is in the drive", || {
            fs::read_link(format!("/proc/{}/cwd", user.id())).is_ok_and(|cwd| cwd == rig.path("A LABEL/sub"))
        });
        let text = rig.fail(32, ["unmount", "x.iso"]);
        assert!(text.contains("busy") && text.contains("--lazy"), "{text}");
        rig.signal(rig.processes()[0], Signal::SIGTERM);
        expect_end(&rig);
        user.kill().unwrap();
        user.wait().unwrap();
    }
}

#[test]
fn a_lazily_unmounted_drive_serves_its_last_user() {
    let rig = drive(User::Own);
    let mut file = fs::File::open(rig.path("A LABEL/sub/big")).unwrap();
    rig.succeed(["unmount", "--lazy", "x.iso"]);
    assert!(rig.mounts().is_empty());
    // The directory does not wait for the last user.
    eventually("the directory is gone", || rig.new_names().is_empty());
    let mut content = Vec::new();
    file.read_to_end(&mut content).unwrap();
    assert!(content.len() == 300_000 && content.iter().all(|byte| *byte == 7));
    drop(file);
    expect_end(&rig);
}

#[test]
fn others_may_unmount_too() {
    let rig = drive(User::Own);
    assert!(rig.shell(&patiently("umount 'A LABEL' || fusermount3 -u 'A LABEL'")).status.success());
    expect_end(&rig);
    drop(rig);
    let rig = drive(User::Nobody);
    assert!(rig.shell(&patiently("fusermount3 -u 'A LABEL'")).status.success());
    expect_end(&rig);
}

#[test]
fn a_dead_mount_is_listed_and_gives_way() {
    for user in [User::Own, User::Nobody] {
        let rig = Rig::new(user);
        rig.directory("m");
        rig.succeed(["x.iso", "m"]);
        let processes = rig.processes();
        // None can tidy for the others.
        for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
            for pid in &processes {
                rig.signal(*pid, signal);
            }
        }
        eventually("the processes are gone", || rig.processes().is_empty());
        let point = rig.path("m");
        let listed = rig.succeed(["list"]);
        let line = listed.lines().find(|line| line.starts_with(point.to_str().unwrap())).unwrap();
        assert!(line.contains("stale"), "{listed}");
        rig.succeed(["x.iso", "m"]);
        assert_eq!(rig.mounts().len(), 1);
        assert!(rig.read(&point.join("hello.txt")).is_some());
        rig.succeed(["unmount", "m"]);
        rig.expect_nothing_left();
    }
}

#[test]
fn in_the_foreground_a_signal_unmounts_and_is_a_success() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let rig = Rig::new(User::Own);
        let mut command = rig.spawn(["-f", "x.iso"]);
        let mut line = String::new();
        BufReader::new(command.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, format!("{}\n", rig.path("A LABEL").display()));
        assert!(rig.read(&rig.path("A LABEL/hello.txt")).is_some());
        let pid = i32::try_from(command.id()).unwrap();
        rig.signal(nix::unistd::Pid::from_raw(pid), signal);
        assert_eq!(command.wait().unwrap().code(), Some(0));
        expect_end(&rig);
    }
}

#[test]
fn in_the_foreground_the_command_ends_with_the_drive() {
    let rig = Rig::new(User::Nobody);
    let mut command = rig.spawn(["x.iso", "-f"]);
    let mut line = String::new();
    BufReader::new(command.stdout.take().unwrap()).read_line(&mut line).unwrap();
    rig.succeed(["unmount", "x.iso"]);
    assert_eq!(command.wait().unwrap().code(), Some(0));
    expect_end(&rig);
}

#[test]
fn shells_do_not_wait_for_a_drive() {
    let rig = Rig::new(User::Nobody);
    let output = rig.shell("d=$(./mount-iso x.iso) && cat \"$d/hello.txt\" && ./mount-iso x.iso 2>&1 | cat");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("hello\n") && text.trim_end().ends_with("A LABEL"), "{text}");
    rig.succeed(["detach", "x.iso"]);
    expect_end(&rig);
    // Nor do those who look at some other descriptor that the shell happened to have open.
    let output = rig.shell("./mount-iso x.iso 7>&1 | cat");
    assert!(output.status.success());
    rig.succeed(["detach", "x.iso"]);
    expect_end(&rig);
}

#[test]
fn what_can_not_be_served_is_told() {
    let rig = Rig::new(User::Own);
    let text = rig.fail(2, ["x.iso", "/dev/fd/0"]);
    assert!(text.contains("could not be served: ") && text.contains("hint"), "{text}");
    rig.fail(32, ["x.iso", "/dev/fd/200"]);
    expect_end(&rig);
}

#[test]
fn a_log_file_tells_what_became_of_the_drive() {
    let rig = Rig::new(User::Own);
    rig.succeed(["x.iso", "-o", "norestart", "--log", "log.txt"]);
    rig.signal(rig.processes()[1], Signal::SIGKILL);
    rig.expect_nothing_left();
    let log = fs::read_to_string(rig.path("log.txt")).unwrap();
    assert!(log.contains("SIGKILL"), "{log}");
}

#[test]
fn an_interrupted_start_leaves_nothing() {
    let rig = Rig::new(User::Own);
    for pause in 0..40 {
        let mut command = rig.spawn(["x.iso"]);
        std::thread::sleep(std::time::Duration::from_micros(pause * 500));
        // Ended by the signal, or done before it came; whichever it was, no other drive suffered from it.
        command.kill_gently();
        let status = command.wait().unwrap();
        assert!(status.success() || status.code().is_none(), "{status}");
        rig.run(["-q", "unmount", "x.iso"]);
    }
    expect_end(&rig);
}

trait Gently {
    fn kill_gently(&mut self);
}

impl Gently for std::process::Child {
    fn kill_gently(&mut self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.id()).unwrap());
        // It may have ended by itself; not waited for, its number is still its own.
        let _ = nix::sys::signal::kill(pid, Signal::SIGINT);
    }
}

/// Hundredths of a second that a process has worked.
fn worked(pid: nix::unistd::Pid) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn a_holder_has_nothing_to_do_after_a_failure_where_nothing_can_take_over() {
    let rig = Rig::new(User::Own);
    let length = fs::metadata(rig.path("x.iso")).unwrap().len();
    // Most of the file that comes last.
    fs::OpenOptions::new().write(true).open(rig.path("x.iso")).unwrap().set_len(length - 500_000).unwrap();
    rig.succeed(["x.iso", "-o", "norestart"]);
    assert!(fs::read(rig.path("A LABEL/sub/big")).is_err());
    let holder = rig.processes()[0];
    let before = worked(holder);
    std::thread::sleep(Duration::from_secs(1));
    assert!(worked(holder) - before < 20, "it spins");
}
