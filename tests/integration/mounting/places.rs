//! Where drives come to be, and what is said of them.

use std::fs;

use super::rig::{Rig, User, alone, is_root};

#[test]
fn without_a_directory_one_is_made_and_goes_again() {
    for user in [User::Own, User::Nobody] {
        let rig = Rig::new(user);
        let place = rig.path("A LABEL");
        assert_eq!(rig.succeed(["x.iso"]), format!("{}\n", place.display()));
        assert_eq!(rig.read(&place.join("hello.txt")).unwrap(), b"hello\n");
        // The same image again: where it is already.
        assert_eq!(rig.succeed(["mount", "x.iso"]), format!("{}\n", place.display()));
        assert_eq!(rig.mounts().len(), 1);
        rig.succeed(["unmount", "x.iso"]);
        assert!(!place.exists(), "the command returns when all is tidied");
        rig.expect_nothing_left();
    }
}

#[test]
fn directories_of_the_same_name_are_left_alone() {
    let rig = Rig::new(User::Own);
    rig.directory("A LABEL");
    rig.directory("A LABEL (1)");
    assert_eq!(rig.succeed(["x.iso"]), format!("{}\n", rig.path("A LABEL (2)").display()));
    // Other options may show something else, so this is another drive.
    assert_eq!(rig.succeed(["x.iso", "--tree=joliet"]), format!("{}\n", rig.path("A LABEL (3)").display()));
    rig.succeed(["eject", "x.iso"]);
    assert_eq!(rig.new_names(), ["A LABEL", "A LABEL (1)"]);
}

#[test]
fn a_failure_leaves_nothing() {
    for user in [User::Own, User::Nobody] {
        let rig = Rig::new(user);
        fs::write(rig.path("bad.iso"), [0; 100_000]).unwrap();
        rig.fail(32, ["bad.iso"]);
        rig.fail(32, ["missing.iso"]);
        rig.fail(32, ["bad.iso", "-p", "m"]);
        rig.fail(1, ["x.iso", "-o", "norok"]);
        assert!(rig.fail(32, ["x.iso", "-t", "udf"]).contains("no UDF file system"));
        rig.fail(1, ["x.iso", "-t", "ext4"]);
        assert_eq!(rig.new_names(), ["bad.iso"]);
        fs::remove_file(rig.path("bad.iso")).unwrap();
        assert!(rig.fail(32, ["x.iso", "m"]).contains("-p"));
        assert!(rig.fail(32, ["x.iso", "x.iso"]).contains("not a directory"));
        if user == User::Nobody && is_root() {
            let text = rig.fail(1, ["x.iso", "-o", "allow_other"]);
            assert!(text.contains("/etc/fuse.conf"), "{text}");
            fs::create_dir(rig.path("closed")).unwrap();
            let text = rig.fail(1, ["x.iso", "closed"]);
            assert!(text.contains("write access") && text.contains("hint"), "{text}");
            fs::remove_dir(rig.path("closed")).unwrap();
        }
        assert!(rig.new_names().is_empty());
        rig.expect_nothing_left();
    }
}

#[test]
fn a_missing_directory_is_made_when_asked_for() {
    let rig = Rig::new(User::Nobody);
    assert_eq!(rig.succeed(["-p", "x.iso", "m"]), "", "who names a directory knows it");
    assert!(rig.read(&rig.path("m/hello.txt")).is_some());
    rig.succeed(["umount", "m"]);
    assert!(!rig.path("m").exists());
    rig.directory("kept");
    rig.succeed(["-p", "x.iso", "kept"]);
    rig.succeed(["umount", "kept"]);
    assert!(rig.path("kept").exists());
}

#[test]
fn several_drives_are_unmounted_at_once() {
    let rig = Rig::new(User::Nobody);
    for name in ["one", "two", "three"] {
        rig.directory(name);
        rig.succeed(["x.iso", name]);
    }
    let text = rig.fail(64, ["unmount", "one", "four"]);
    assert!(text.contains("four: is not mounted") && text.contains("mount-iso list"), "{text}");
    assert_eq!(rig.mounts().len(), 2);
    rig.succeed(["unmount", "two", "./three/"]);
    rig.expect_nothing_left();
    rig.fail(32, ["unmount", "x.iso"]);
    assert!(rig.fail(32, ["unmount", "/proc"]).contains("type proc"));
}

#[test]
fn drives_on_one_directory_lie_upon_each_other() {
    if !is_root() {
        // fusermount3 wants a mount point that the user may write to, which a drive is not.
        return;
    }
    let rig = Rig::new(User::Own);
    rig.directory("m");
    rig.succeed(["x.iso", "m"]);
    rig.succeed(["x.iso", "m", "-o", "tree=joliet"]);
    assert_eq!(rig.mounts().len(), 2);
    rig.succeed(["unmount", "m"]);
    assert_eq!(rig.mounts().len(), 1);
    assert!(rig.read(&rig.path("m/hello.txt")).is_some());
    rig.succeed(["unmount", "m"]);
    rig.expect_nothing_left();
}

#[test]
fn root_mounts_for_all_and_users_for_themselves() {
    let rig = Rig::new(User::Own);
    rig.directory("m");
    rig.succeed(["x.iso", "m"]);
    let options = rig.mounts()[0].options.clone();
    for word in ["ro", "nosuid", "nodev"] {
        assert!(options.split(',').any(|option| option == word), "{options}");
    }
    assert_eq!(options.contains("allow_other,") || options.ends_with("allow_other"), is_root());
    assert_eq!(options.contains("default_permissions"), is_root());
    rig.succeed(["unmount", "m"]);
    rig.succeed(["x.iso", "m", "-o", "no_allow_other,noexec,noatime,sync"]);
    let options = rig.mounts()[0].options.clone();
    assert!(!options.contains("allow_other") && options.contains("noexec") && options.contains("noatime"));
}

#[test]
fn all_of_a_user_are_unmounted_and_no_others() {
    if !is_root() {
        return;
    }
    alone(|| {
        let (root, user) = (Rig::new(User::Own), Rig::new(User::Nobody));
        let point = root.directory("m");
        root.succeed(["x.iso", "m"]);
        for name in ["one", "two"] {
            user.directory(name);
            user.succeed(["x.iso", name]);
        }
        let text = user.fail(1, ["unmount", point.to_str().unwrap()]);
        assert!(text.contains("only root and the user"), "{text}");
        user.succeed(["unmount", "--all"]);
        user.expect_nothing_left();
        user.succeed(["unmount", "--all"]);
        user.succeed(["x.iso", "one"]);
        assert_eq!((root.mounts()[0].user(), user.mounts()[0].user()), (Some(0), Some(65534)));
        root.succeed(["unmount", user.path("one").to_str().unwrap()]);
        user.expect_nothing_left();
        assert_eq!(root.mounts().len(), 1);
    });
}
