//! What people complain of in other programs that mount images, each a test of its own. What is tested elsewhere in
//! full is here the one case that was complained of.
//!
//! Of fourteen these are the twelve that concern the system; those of desktops (a mount that no file manager shows or
//! ejects) are tested with the desktops.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Output;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::mounting::rig::{Rig, User, eventually, is_root};
use crate::system::sandbox::{Sandbox, installed};

/// Runs the program under the name of a helper of mount(8).
fn helper(rig: &Rig, args: &[&str]) -> Output {
    let link = rig.path("mount.mount-iso");
    if !link.exists() {
        symlink("mount-iso", &link).unwrap();
    }
    rig.command(link, args).output().unwrap()
}

/// libfuse#390, rclone#5808, s3fs#996, gocryptfs#103 and many more: `nofail` and the like are unknown options.
#[test]
fn complaint_01_generic_options_are_unknown() {
    let rig = Rig::new(User::Nobody);
    rig.directory("m");
    for word in ["nofail", "_netdev", "x-gvfs-hide", "x-systemd.automount", "X-any=1", "comment=x", "users", "relatime"]
    {
        let output = helper(&rig, &["x.iso", "m", "-o", &format!("rw,{word}")]);
        assert!(output.status.success(), "{word}: {output:?}");
        rig.succeed(["unmount", "m"]);
    }
}

/// A second `mount -a` mounts a second time, upon the first.
#[test]
fn complaint_02_mount_a_stacks_mounts() {
    let Some(sandbox) = Sandbox::new() else { return };
    sandbox.succeed(
        r#"
mkdir m
echo "$DIR/x.iso $DIR/m mount-iso ro 0 0" >fstab
for time in 1 2 3; do mount -a -T fstab; done
[ "$(grep -c " $DIR/m " /proc/self/mountinfo)" = 1 ]
"#,
    );
}

/// systemd#17545: the helper returns before the drive can be read; or never, as its daemon holds the pipe.
#[test]
fn complaint_03_the_helper_returns_too_early_or_never() {
    let rig = Rig::new(User::Nobody);
    rig.directory("m");
    symlink("mount-iso", rig.path("mount.mount-iso")).unwrap();
    for _ in 0..10 {
        let begun = Instant::now();
        let output = rig.shell("./mount.mount-iso x.iso m -o rw | cat; cat m/hello.txt");
        assert_eq!(output.stdout, b"hello\n", "{output:?}");
        assert!(begun.elapsed() < Duration::from_secs(10));
        rig.succeed(["unmount", "m"]);
    }
}

/// mountpoint-s3#44: a directory that an automounter waits on is "already mounted".
#[test]
fn complaint_04_an_automounters_directory_is_refused() {
    let Some(sandbox) = Sandbox::new() else { return };
    if !installed("automount") {
        return;
    }
    sandbox.succeed(
        r#"
mkdir /run/drives
cat >direct <<END
/run/drives/x -fstype=mount-iso,ro :$DIR/x.iso
END
echo "/- file:$DIR/direct --timeout=1" >master
setsid automount -f -n 1 -p /run/automount.pid "$DIR/master" </dev/null >/run/automount.log 2>&1 &
await grep -q ' /run/drives/x autofs' /proc/mounts
[ "$(cat /run/drives/x/hello.txt)" = hello ]
await not served
pkill -x automount
await not pgrep -x automount -r S,R,D,T
"#,
    );
}

/// fuser#424, dwarfs#323, apfs-fuse#98: a comma in the name of an image is taken for the end of an option.
#[test]
fn complaint_05_commas_in_names_become_options() {
    for user in [User::Own, User::Nobody] {
        let rig = Rig::new(user);
        rig.directory("m");
        fs::rename(rig.path("x.iso"), rig.path("a,ro,noexec.iso")).unwrap();
        rig.succeed(["a,ro,noexec.iso", "m"]);
        assert_eq!(rig.mounts()[0].source, rig.path("a,ro,noexec.iso"));
        assert!(!rig.mounts()[0].options.contains("noexec"));
    }
}

/// nixpkgs#258478: `mount -t fuse.NAME` needs links of further names.
#[test]
fn complaint_06_mount_fuse_needs_further_names() {
    let Some(sandbox) = Sandbox::new() else { return };
    if !installed("mount.fuse3") {
        return;
    }
    sandbox.succeed(
        r#"
rm /sbin/mount.mount-iso
mkdir m
mount -t fuse.mount-iso x.iso m -o ro,nofail,uid=5
[ "$(stat -c %u m/hello.txt)" = 5 ]
umount m
"#,
    );
}

/// rclone#6425: HOME, PATH and all else is missing at boot.
#[test]
fn complaint_07_an_empty_environment_is_too_little() {
    for user in [User::Own, User::Nobody] {
        let rig = Rig::new(user);
        rig.directory("m");
        let program = rig.path("mount-iso");
        let output =
            rig.command("env", ["-i", program.to_str().unwrap(), "x.iso", "m", "-o", "nofail"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(rig.read(&rig.path("m/hello.txt")).is_some());
        let output = rig.command("env", ["-i", program.to_str().unwrap(), "unmount", "m"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

/// A crash leaves a dead mount, "transport endpoint is not connected", on which nothing can be mounted again.
#[test]
fn complaint_09_a_crash_leaves_a_dead_mount() {
    for user in [User::Own, User::Nobody] {
        let rig = Rig::new(user);
        rig.directory("m");
        rig.succeed(["x.iso", "m"]);
        // Looked at, so that the kernel remembers it.
        rig.shell("ls -l m; stat m");
        let processes = rig.processes();
        for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
            for pid in &processes {
                rig.signal(*pid, signal);
            }
        }
        eventually("all are gone", || rig.processes().is_empty());
        rig.succeed(["x.iso", "m"]);
        assert_eq!(rig.mounts().len(), 1);
        assert!(rig.read(&rig.path("m/hello.txt")).is_some());
    }
}

/// fuser#230, libfuse#586, #1491: only with allow_other, which users may not use, is a drive unmounted by itself.
#[test]
fn complaint_10_unmounting_by_itself_needs_allow_other() {
    let rig = Rig::new(User::Nobody);
    rig.directory("m");
    rig.succeed(["x.iso", "m", "-o", "auto_unmount,norestart"]);
    assert!(!rig.mounts()[0].options.contains("allow_other") || !is_root());
    rig.signal(rig.processes()[1], Signal::SIGKILL);
    rig.expect_nothing_left();
}

/// decypharr#256, moby#10088: a container goes on to see an empty directory, or a dead one.
#[test]
fn complaint_11_containers_see_an_empty_directory() {
    let Some(sandbox) = Sandbox::new() else { return };
    sandbox.succeed(
        r#"
mkdir -p parent/drive
mount --bind parent parent
mount --make-rshared parent
# A name space that takes what is mounted from the other, as a container's does with `rslave`.
unshare -m --propagation=slave sh -c "
	for _ in \$(seq 100); do [ -e parent/drive/hello.txt ] && break; sleep 0.05; done
	cat parent/drive/hello.txt
	touch seen
	for _ in \$(seq 100); do [ -e parent/drive/hello.txt ] || break; sleep 0.05; done
	ls parent/drive" >out 2>&1 &
inside=$!
mount-iso --container x.iso parent/drive
await test -e seen
pkill -KILL -x mount-iso
wait $inside
[ "$(cat out)" = hello ]
"#,
    );
}

/// musefs#293: Ubuntu's profile for fusermount3 refuses a directory, and nobody says why. Where there is no such
/// profile a fusermount3 that says what it says there stands in for it.
#[test]
fn complaint_12_a_refusal_by_apparmor_is_a_riddle() {
    let Some(sandbox) = Sandbox::new() else { return };
    let text = sandbox.succeed(
        r#"
mkdir m
chmod 777 m
cat >refusing <<'END'
#!/bin/sh
echo "fusermount3: mount failed: Permission denied" >&2
exit 1
END
chmod 755 refusing
real=$(readlink -f /usr/bin/fusermount3)
mount --bind refusing "$real"
fails 1 as_user mount-iso x.iso m
umount "$real"
"#,
    );
    assert!(text.contains("AppArmor") && text.contains("$HOME") && text.contains("/media"), "{text}");
}

/// systemd#6206, udiskie#101: nothing unmounts by the name of the image.
#[test]
fn complaint_13_nothing_unmounts_by_the_image() {
    let rig = Rig::new(User::Nobody);
    rig.directory("m");
    rig.succeed(["x.iso", "m"]);
    rig.succeed(["unmount", "x.iso"]);
    rig.expect_nothing_left();
}

/// Missing images, garbage and wrong words all end with other codes than mount(8)'s, as 255, 127 or 5.
#[test]
fn complaint_14_exit_codes_are_wrong() {
    let Some(sandbox) = Sandbox::new() else { return };
    sandbox.succeed(
        r#"
mkdir m
head -c 100000 /dev/zero >garbage.iso
fails 32 mount -t mount-iso missing.iso m
fails 32 mount -t mount-iso garbage.iso m
fails 32 mount -t mount-iso x.iso missing
fails 32 mount -t mount-iso x.iso content/hello.txt
fails 1 mount -t mount-iso x.iso m -o nonsense
chmod 755 .
fails 1 as_user mount -t mount-iso x.iso "$DIR/m"
mount -t mount-iso x.iso m
umount m
mount -t tmpfs none /dev
mknod -m 666 /dev/null c 1 3
fails 2 mount -t mount-iso x.iso m
"#,
    );
}
