//! Faults below a drive: three kinds, at three moments, in both ways of reading the image.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::rig::{Rig, User, eventually};
use crate::build::{Image, Layout, Node, Rock};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The image becomes shorter.
    Cut,
    /// The medium that the image lies on answers with EIO from some byte on.
    Unreadable,
    /// The medium goes, and comes back as another one with the same files.
    Gone,
}

/// When it does: what comes after it has not been read yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Mounting,
    Listing,
    Reading,
}

/// Entries of the directory that is lost, and bytes of the file.
const ENTRIES: usize = 300;
const LENGTH: u64 = 3_000_001;

/// Two directories, two files, and between them so much that what reads one does not read the other ahead.
fn image() -> Image {
    let mut image = Image::new().rock_ridge(Rock::V1_12).add("/aaa/link", Node::link("target"));
    for number in 0..6000 {
        image = image.add(&format!("/mmm/{number:04}{}", "m".repeat(200)), Node::link("x"));
    }
    for number in 0..ENTRIES {
        image = image.add(&format!("/zzz/{number}"), Node::link("y"));
    }
    image
        .add("/first", Node::pattern(1, 5000))
        .add("/hill", Node::pattern(2, 6_000_000))
        .add("/last", Node::pattern(3, LENGTH))
}

/// An image, on a medium that is another drive unless the image itself is to be cut.
struct Case {
    rig: Rig,
    fault: Fault,
    layout: Layout,
    whole: Vec<u8>,
    /// Where the image begins in the file that is cut.
    start: u64,
    /// The processes of the medium.
    medium: Vec<Pid>,
}

impl Case {
    fn new(fault: Fault) -> Self {
        let rig = Rig::new(User::Own);
        rig.directory("drive");
        fs::create_dir(rig.path("files")).unwrap();
        let layout = image().write(&rig.path("files/inner.iso")).unwrap();
        if fault == Fault::Cut {
            let whole = fs::read(rig.path("files/inner.iso")).unwrap();
            return Self { rig, fault, layout, whole, start: 0, medium: Vec::new() };
        }
        let made = Command::new("xorriso")
            .args(["-as", "mkisofs", "-quiet", "-R", "-V", "STICK", "-o", "x.iso", "files"])
            .current_dir(rig.path(""))
            .status();
        assert!(made.unwrap().success());
        let inner = fs::read(rig.path("files/inner.iso")).unwrap();
        let whole = fs::read(rig.path("x.iso")).unwrap();
        let at = (0..whole.len()).step_by(2048).find(|at| whole[*at..].starts_with(&inner)).unwrap();
        rig.directory("stick");
        rig.succeed(["x.iso", "stick"]);
        let medium = rig.processes();
        Self { rig, fault, layout, whole, start: at as u64, medium }
    }

    fn image(&self) -> PathBuf {
        self.rig.path(if self.fault == Fault::Cut { "files/inner.iso" } else { "stick/inner.iso" })
    }

    fn mount(&self, io: &str) -> std::process::Output {
        let image = self.image();
        let words = ["drive", "-o", io, "--log", "log.txt"].map(AsRef::as_ref);
        self.rig.run([image.as_os_str()].into_iter().chain(words))
    }

    /// The file that is cut.
    fn file(&self) -> PathBuf {
        self.rig.path(if self.fault == Fault::Cut { "files/inner.iso" } else { "x.iso" })
    }

    fn fail(&self, at: u64) {
        match self.fault {
            Fault::Cut | Fault::Unreadable => {
                OpenOptions::new().write(true).open(self.file()).unwrap().set_len(self.start + at).unwrap();
            }
            Fault::Gone => {
                // The one that would tidy first, then the one that would have another one serve.
                for process in [2, 0, 1] {
                    kill(self.medium[process], Signal::SIGKILL).unwrap();
                }
                eventually("it is gone", || fs::read_dir(self.rig.path("stick")).is_err());
            }
        }
    }

    fn mend(&mut self) {
        match self.fault {
            Fault::Cut | Fault::Unreadable => {
                let file = OpenOptions::new().write(true).open(self.file()).unwrap();
                let have = file.metadata().unwrap().len();
                file.write_all_at(&self.whole[have as usize..], have).unwrap();
            }
            Fault::Gone => {
                self.rig.succeed(["x.iso", "stick"]);
            }
        }
    }

    fn list(&self, name: &str) -> io::Result<usize> {
        let entries = fs::read_dir(self.rig.path("drive").join(name))?;
        entries.map(|entry| entry.map(drop)).collect::<io::Result<Vec<()>>>().map(|all| all.len())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.rig.path("drive").join(name))
    }
}

/// It has to fail, soon, with EIO.
#[track_caller]
fn lost(case: &Case, ask: impl FnOnce() -> io::Result<usize>) {
    let begun = Instant::now();
    let answer = ask().map_err(|error| error.raw_os_error().map(Errno::from_raw));
    let log = fs::read_to_string(case.rig.path("log.txt")).unwrap_or_default();
    assert_eq!(answer, Err(Some(Errno::EIO)), "{log}");
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

fn play(fault: Fault, moment: Moment, io: &str) {
    println!("{fault:?} {moment:?} {io}");
    let mut case = Case::new(fault);
    let at = match moment {
        Moment::Mounting => 20 * 1024,
        Moment::Listing => case.layout.extent("/zzz"),
        Moment::Reading => case.layout.extent("/last"),
    };
    if moment == Moment::Mounting {
        case.fail(at);
        // The medium has to notice, too.
        eventually("it fails", || fs::read(case.image()).map_or(true, |bytes| bytes.len() as u64 == at));
        let begun = Instant::now();
        let output = case.mount(io);
        assert_eq!(output.status.code(), Some(32), "{output:?}");
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("inner.iso"), "{said}");
        case.mend();
    }
    eventually("it is mounted", || case.mount(io).status.success());
    let drive = case.rig.path("drive");
    let holder = case.rig.processes().into_iter().find(|pid| !case.medium.contains(pid)).unwrap();
    assert_eq!(case.list("").unwrap(), 6);
    match moment {
        Moment::Mounting => {}
        Moment::Listing => {
            case.fail(at);
            lost(&case, || case.list("zzz"));
        }
        Moment::Reading => {
            assert_eq!(case.list("zzz").unwrap(), ENTRIES);
            case.fail(at);
            lost(&case, || case.read("last").map(|bytes| bytes.len()));
            if fault != Fault::Gone {
                assert_eq!(case.read("first").unwrap().len(), 5000);
            }
        }
    }
    // What is there is served.
    assert_eq!(case.list("").unwrap(), 6);
    if fault != Fault::Gone {
        assert_eq!(fs::read_link(drive.join("aaa/link")).unwrap().to_str(), Some("target"));
    }
    if moment != Moment::Mounting {
        case.mend();
    }
    let whole = image();
    let expected = whole.root.children.iter().find(|child| child.name == "last").unwrap().shown();
    let log = || fs::read_to_string(case.rig.path("log.txt")).unwrap_or_default();
    let begun = Instant::now();
    loop {
        let all = (case.list("zzz").ok(), case.list("mmm").ok(), case.read("last").ok());
        if all == (Some(ENTRIES), Some(6000), Some(expected.clone())) {
            break;
        }
        let shown = (all.0, all.1, all.2.map(|bytes| bytes.len()));
        assert!(begun.elapsed() < Duration::from_secs(15), "{fault:?} {moment:?} {io}: {shown:?}\n{}", log());
        std::thread::sleep(Duration::from_millis(20));
    }
    println!("whole again after {:?}", begun.elapsed());
    assert!(kill(holder, None).is_ok(), "{}", log());
    case.rig.succeed(["unmount", "drive"]);
    if fault != Fault::Cut {
        case.rig.succeed(["unmount", "stick"]);
    }
    case.rig.expect_nothing_left();
}

#[test]
fn a_fault_below_costs_what_is_lost_and_heals_without_a_remount() {
    for fault in [Fault::Cut, Fault::Unreadable, Fault::Gone] {
        for moment in [Moment::Mounting, Moment::Listing, Moment::Reading] {
            for io in ["io=mmap", "io=pread"] {
                play(fault, moment, io);
            }
        }
    }
}
