//! An image mounted by the real program, for as long as this value lives.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::manifest::Manifest;
use crate::walk::{Bounds, walk};

/// Nothing that is asked of a mount may take longer.
pub const LIMIT: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub enum Trouble {
    /// The program said no.
    Refused(String),
    /// No answer within [`LIMIT`].
    Hung(&'static str),
    /// A panic, a signal, or a mount whose server went away.
    Died(String),
}

#[derive(Debug)]
pub struct Drive {
    dir: tempfile::TempDir,
}

impl Drive {
    /// The tree that ISO 9660 records; `options` are those of `-o`.
    pub fn mount(image: &Path, options: &str) -> Result<Self, Trouble> {
        Self::mount_as(Some("iso9660"), image, options)
    }

    /// `kind` is that of `-t`; without one the program chooses.
    pub fn mount_as(kind: Option<&str>, image: &Path, options: &str) -> Result<Self, Trouble> {
        let dir = tempfile::tempdir().expect("a mount point");
        let mut command = Command::new(env!("CARGO_BIN_EXE_mount-iso"));
        if let Some(kind) = kind {
            command.args(["-t", kind]);
        }
        // A serving process that ends must be noticed.
        command.args(["-o", "norestart"]);
        if !options.is_empty() {
            command.args(["-o", options]);
        }
        command.arg(image).arg(dir.path());
        // Words go to a file: a pipe would be held open by the process that serves the mount.
        let words = tempfile::NamedTempFile::new().expect("a file for messages");
        let output = || words.reopen().expect("the file again");
        command.stdin(Stdio::null()).stdout(output()).stderr(output());
        let mut child = command.spawn().expect("mount-iso can be run");
        let start = Instant::now();
        let status = loop {
            match child.try_wait().expect("the child can be waited for") {
                Some(status) => break status,
                None if start.elapsed() > LIMIT => {
                    let _ = child.kill();
                    let _ = child.wait();
                    unmount(dir.path());
                    return Err(Trouble::Hung("mount"));
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let said = std::fs::read_to_string(words.path()).unwrap_or_default();
        // 4 is the exit code of a mistake of the program itself, 101 that of a panic.
        if matches!(status.code(), None | Some(4 | 101)) {
            unmount(dir.path());
            return Err(Trouble::Died(format!("{status}: {said}")));
        }
        if !status.success() {
            return Err(Trouble::Refused(said.lines().next().unwrap_or("no message").to_owned()));
        }
        if !mounted(dir.path()) {
            return Err(Trouble::Died(format!("success, but nothing is mounted: {said}")));
        }
        Ok(Self { dir })
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The manifest of the whole drive.
    pub fn manifest(&self) -> Result<Manifest, Trouble> {
        let (sender, receiver) = mpsc::channel();
        let path: PathBuf = self.dir.path().into();
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let bounds = Bounds { time: LIMIT - Duration::from_secs(2), ..Bounds::default() };
            let done = walk(&path, bounds, &mut text).map(|()| String::from_utf8_lossy(&text).into_owned());
            let _ = sender.send(done);
        });
        let text = match receiver.recv_timeout(LIMIT) {
            Ok(text) => text.expect("memory takes everything"),
            Err(_) => return Err(Trouble::Hung("walk")),
        };
        // ENOTCONN is what a mount says whose server is gone.
        if text.contains("ENOTCONN") || std::fs::metadata(self.dir.path()).is_err() {
            return Err(Trouble::Died("while the drive was walked".into()));
        }
        Ok(Manifest::parse(&text))
    }
}

impl Drop for Drive {
    fn drop(&mut self) {
        unmount(self.dir.path());
    }
}

fn mounted(dir: &Path) -> bool {
    let dir = dir.to_string_lossy();
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts.lines().any(|line| line.split(' ').nth(1) == Some(&dir))
}

/// Lazily when it must be: a test must not leave mounts behind.
fn unmount(dir: &Path) {
    for (program, arguments) in [
        ("umount", vec![]),
        ("fusermount3", vec!["-u"]),
        ("umount", vec!["-l", "-f"]),
        ("fusermount3", vec!["-u", "-z"]),
    ] {
        if !mounted(dir) {
            return;
        }
        let _ = Command::new(program).args(&arguments).arg(dir).stderr(Stdio::null()).status();
    }
}
