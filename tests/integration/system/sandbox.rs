//! A world of its own for a script: its mounts, its processes and its /run are seen by nobody else, and end with it.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::mounting::rig::{Rig, User, is_root};

/// Says that something can't be tested here; a failure when `MOUNT_ISO_TEST_ALL` asks for everything that can be
/// installed.
pub fn skip(what: &str) {
    assert!(std::env::var_os("MOUNT_ISO_TEST_ALL").is_none(), "{what}");
    note(what);
}

/// Says that something can't be tested on this machine, whatever is installed.
pub fn note(what: &str) {
    // Not by a macro, the output of which is kept from whoever looks at tests that pass.
    let _ = writeln!(std::io::stderr(), "skipped: {what}");
}

pub fn installed(program: &str) -> bool {
    let found = ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin"]
        .iter()
        .any(|directory| PathBuf::from(directory).join(program).exists());
    if !found {
        skip(&format!("{program} is not installed"));
    }
    found
}

/// How long a script may take, in seconds.
const LIMIT: u32 = 100;

/// What every script begins with. /sbin and /usr/local/bin are covered by copies in which the program can be put, /etc
/// and /var by such as can be changed; /tmp and /run, in which mount(8) keeps what the kernel does not, are empty.
const PRELUDE: &str = r#"
set -eEu
trap 'echo "line $LINENO failed: $BASH_COMMAND" >&2' ERR
export LC_ALL=C
cd "$DIR"
# The drives of other tests are let go, which would not end while this world lasts.
umount -a -l -t fuse.mount-iso || true
mount -t tmpfs none /run
cover() {
	mkdir -p "/run/$2/up" "/run/$2/work" "$1"
	mount -t overlay none -o "lowerdir=$(readlink -f "$1"),upperdir=/run/$2/up,workdir=/run/$2/work" "$(readlink -f "$1")"
}
cover /sbin sbin
cover /usr/local/bin bin
cover /etc etc
cover /var var
mount -t tmpfs none /dev/shm
mkdir -p /run/mount /run/rig /run/home
mount --bind "$DIR" /run/rig
mount -t tmpfs none /tmp
chmod 1777 /tmp /dev/shm
mkdir -p "$DIR"
mount --move /run/rig "$DIR"
cd "$DIR"
# No program is to start a bus of its own.
export HOME=/run/home DBUS_SESSION_BUS_ADDRESS=unix:path=/run/none
ln -sf "$DIR/mount-iso" /usr/local/bin/mount-iso
export PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin
helper() { ln -s "$DIR/mount-iso" "/sbin/mount.$1"; }
helper mount-iso
as_user() { setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"; }
# Waits for something, twenty seconds at most.
await() { for _ in $(seq 400); do if "$@" >/dev/null 2>&1; then return; fi; sleep 0.05; done; echo "in vain: $*" >&2; return 1; }
not() { ! "$@"; }
mounted() { [ "$(findmnt -rno FSTYPE -M "$1" | tail -n 1)" = fuse.mount-iso ]; }
served() { pgrep -x 'mount-iso|iso-watcher' -r S,R,D,T >/dev/null; }
# Fails with this code.
fails() { code=0; expected=$1; shift; "$@" || code=$?; [ "$code" = "$expected" ] || { echo "$* gave $code" >&2; return 1; }; }
"#;

pub struct Sandbox {
    pub rig: Rig,
}

#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    /// What it wrote, on both streams.
    pub text: String,
}

impl Sandbox {
    /// `None` where a test can't have one, which is said.
    pub fn new() -> Option<Self> {
        if !is_root() {
            skip("only root has mount name spaces");
            return None;
        }
        let sandbox = Self { rig: Rig::new(User::Own) };
        static WORKS: OnceLock<bool> = OnceLock::new();
        let works = *WORKS.get_or_init(|| {
            let outcome = sandbox.run("");
            if outcome.code != Some(0) {
                note(&format!("no mount name spaces or overlays on this machine: {}", outcome.text));
            }
            outcome.code == Some(0)
        });
        if !works {
            note("a test in a name space of its own");
        }
        works.then_some(sandbox)
    }

    /// Runs a script of the shell; it begins in the directory of the rig, `$DIR`.
    ///
    /// Its output goes by way of a file, which nobody waits for; its processes end with it.
    pub fn run(&self, script: &str) -> Outcome {
        let (file, log) = (self.rig.path("script"), self.rig.path("script.log"));
        fs::write(&file, format!("{PRELUDE}\n{script}")).unwrap();
        let output = File::create(&log).unwrap();
        let status = Command::new("timeout")
            .args(["-k", "2", &LIMIT.to_string()])
            .args(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation=private"])
            .arg("bash")
            .arg(&file)
            .env("DIR", self.rig.path("x.iso").parent().unwrap())
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .status()
            .unwrap();
        let text = String::from_utf8_lossy(&fs::read(&log).unwrap()).into_owned();
        Outcome { code: status.code(), text }
    }

    /// Runs a script; it has to succeed. What it wrote.
    #[track_caller]
    pub fn succeed(&self, script: &str) -> String {
        let outcome = self.run(script);
        assert!(outcome.code == Some(0), "{:?}\n{}", outcome.code, outcome.text);
        outcome.text
    }
}
