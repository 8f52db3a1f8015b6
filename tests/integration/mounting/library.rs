//! A folder of images as one drive.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::rig::{Rig, User, eventually};

/// Images that the serving process has open.
fn open_images(rig: &Rig) -> usize {
    let worker = rig.processes()[1];
    let maps = fs::read_to_string(format!("/proc/{worker}/maps")).unwrap();
    maps.lines().filter(|line| line.contains("/folder/")).count()
}

fn resident(rig: &Rig) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", rig.processes()[1])).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A rig with a folder of images, and a directory to mount it on.
fn rig() -> Rig {
    let rig = Rig::new(User::Nobody);
    rig.directory("folder");
    rig.directory("m");
    rig
}

fn names(directory: &Path, rig: &Rig) -> Vec<String> {
    let listed = rig.command("ls", [directory]).output().unwrap();
    String::from_utf8(listed.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn thousands_of_images_cost_nothing_until_one_is_entered() {
    let rig = rig();
    for number in 0..3000 {
        fs::hard_link(rig.path("x.iso"), rig.path(format!("folder/{number:04}.iso"))).unwrap();
    }
    let begun = Instant::now();
    rig.succeed(["library", "folder", "m", "--close-after=2"]);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(rig.mounts()[0].source, rig.path("folder"));
    assert_eq!(names(&rig.path("m"), &rig).len(), 3000);
    let looked =
        rig.shell("find m -maxdepth 1 -type d -printf '%m %f\\n' | wc -l; ls -l m | wc -l; df -i m >/dev/null");
    assert_eq!(String::from_utf8_lossy(&looked.stdout), "3001\n3001\n");
    assert_eq!(open_images(&rig), 0);
    assert!(resident(&rig) < 12 * 1024, "{} KiB", resident(&rig));

    assert_eq!(rig.read(&rig.path("m/0007/hello.txt")).unwrap(), b"hello\n");
    assert_eq!(rig.read(&rig.path("m/2999/sub/big")).unwrap(), vec![7; 300_000]);
    assert_eq!(open_images(&rig), 2);
    assert_eq!(rig.shell("cd m/2999/sub/../../0007 && ls").stdout, b"hello.txt\nsub\n");
    let tidied = format!("{} images are closed", open_images(&rig));
    eventually(&tidied, || open_images(&rig) == 0);
    // What the kernel knows of a closed image is still so.
    assert_eq!(rig.read(&rig.path("m/2999/hello.txt")).unwrap(), b"hello\n");
    assert_eq!(rig.shell("cmp m/0007/sub/big m/2999/sub/big; stat -c %s m/0007/hello.txt").stdout, b"6\n");
    rig.succeed(["unmount", "folder"]);
    rig.expect_nothing_left();
}

#[test]
fn images_come_and_go_while_the_library_is_mounted() {
    let rig = rig();
    let at = |name: &str| rig.path(name);
    let another = |content: &str| {
        fs::write(at("content/hello.txt"), content).unwrap();
        let words = ["-as", "mkisofs", "-quiet", "-R", "-o", "y.iso", "content"];
        let made = std::process::Command::new("xorriso").args(words).current_dir(at("")).output().unwrap();
        assert!(made.status.success());
    };
    fs::copy(at("x.iso"), at("folder/a.iso")).unwrap();
    fs::copy(at("x.iso"), at("folder/a.ISO")).unwrap();
    fs::write(at("folder/text.txt"), "no image").unwrap();
    rig.succeed(["library", "folder", "m"]);
    let listed = || names(&at("m"), &rig);
    assert_eq!(listed(), ["a", "a.iso"]);
    assert!(rig.read(&at("m/new/hello.txt")).is_none());
    fs::copy(at("x.iso"), at("folder/.new.iso.part")).unwrap();
    fs::rename(at("folder/.new.iso.part"), at("folder/new.iso")).unwrap();
    // Both the kernel's memory of what is absent and the list itself.
    eventually("the new image is there", || rig.read(&at("m/new/hello.txt")).is_some());
    eventually("the new image is listed", || listed() == ["a", "a.iso", "new"]);
    fs::remove_file(at("folder/a.ISO")).unwrap();
    eventually("one is gone", || listed().len() == 2);
    eventually("it can't be entered", || !rig.shell("ls m/a").status.success() || listed() == ["a", "new"]);

    another("another\n");
    fs::rename(at("y.iso"), at("folder/new.iso")).unwrap();
    eventually("the image is another one", || rig.read(&at("m/new/hello.txt")).as_deref() == Some(b"another\n"));
    another("written in place\n");
    fs::copy(at("y.iso"), at("folder/new.iso")).unwrap();
    eventually("it has been overwritten", || {
        rig.read(&at("m/new/hello.txt")).as_deref() == Some(b"written in place\n")
    });
    rig.succeed(["unmount", "m"]);
    rig.expect_nothing_left();
}

#[test]
fn a_listing_goes_on_while_images_come_and_go() {
    let rig = rig();
    let image = |number: usize| rig.path(format!("folder/{number:04}.iso"));
    for number in 0..2000 {
        fs::hard_link(rig.path("x.iso"), image(number)).unwrap();
    }
    rig.succeed(["library", "folder", "m"]);
    // Reads a piece of the listing, waits for a line, and reads the rest.
    let script = "import os, sys\nwith os.scandir('m') as names:\n    first = [next(names).name for _ in range(100)]\n    \
                  print('begun', flush=True)\n    sys.stdin.readline()\n    rest = [entry.name for entry in names]\n\
                  print(*sorted(first + rest), sep='\\n')";
    let mut reader = rig.command("timeout", ["30", "python3", "-c", script]);
    let mut reader = reader.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(reader.stdout.take().unwrap());
    let mut begun = String::new();
    told.read_line(&mut begun).unwrap();
    assert_eq!(begun, "begun\n");
    // Those that have been listed, and those that have not been.
    for number in (0..2000).step_by(2) {
        fs::remove_file(image(number)).unwrap();
    }
    for number in 5000..5100 {
        fs::hard_link(rig.path("x.iso"), image(number)).unwrap();
    }
    eventually("the folder has been looked into", || names(&rig.path("m"), &rig).len() == 1100);
    drop(reader.stdin.take());
    let listed: Vec<String> = told.lines().map(Result::unwrap).collect();
    assert!(reader.wait().unwrap().success());
    for number in (1..2000).step_by(2) {
        let name = format!("{number:04}");
        assert_eq!(listed.iter().filter(|listed| **listed == name).count(), 1, "{name}");
    }
    assert!(listed.windows(2).all(|pair| pair[0] != pair[1]));
    rig.succeed(["unmount", "m"]);
}

#[test]
fn a_bad_image_is_listed_and_says_why_it_is_not_shown() {
    let rig = rig();
    fs::copy(rig.path("x.iso"), rig.path("folder/good.iso")).unwrap();
    fs::write(rig.path("folder/bad.iso"), vec![0; 100_000]).unwrap();
    fs::write(rig.path("folder/empty.iso"), "").unwrap();
    fs::write(rig.path("log"), "").unwrap();
    fs::set_permissions(rig.path("log"), fs::Permissions::from_mode(0o666)).unwrap();
    rig.succeed(["library", "folder", "m", "--log=log"]);
    assert_eq!(names(&rig.path("m"), &rig), ["bad", "empty", "good"]);
    for _ in 0..2 {
        let said = rig.shell("LC_ALL=C ls m/bad; LC_ALL=C cat m/empty/x");
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        assert_eq!(said.matches("Input/output error").count(), 2, "{said}");
    }
    let log = fs::read_to_string(rig.path("log")).unwrap();
    for name in ["bad.iso", "empty.iso"] {
        let told: Vec<_> = log.lines().filter(|line| line.contains(&format!("{name}: not a disc image"))).collect();
        assert_eq!(told.len(), 1, "{log}");
    }
    assert_eq!(rig.read(&rig.path("m/good/hello.txt")).unwrap(), b"hello\n");
    rig.succeed(["unmount", "m"]);
}

#[test]
fn a_library_needs_a_folder_that_is_not_its_own_mount_point() {
    let rig = rig();
    assert!(rig.fail(32, ["library", "missing", "m"]).contains("missing: No such file"));
    assert!(rig.fail(32, ["library", "x.iso", "m"]).contains("hint:"));
    assert!(rig.fail(32, ["library", "folder", "folder"]).contains("hide the images"));
    assert!(rig.fail(1, ["library", "folder", "m", "--close-after=0"]).contains("--close-after"));
    // In the folder itself it is a directory as any other.
    rig.succeed(["library", "folder", "folder/m", "-p"]);
    rig.succeed(["unmount", "folder/m"]);
    assert_eq!(fs::read_dir(rig.path("folder")).unwrap().count(), 0);
}
