//! Packages: built of what is here, and installed, used and removed in a copy of this very system.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::mounting::is_root;

const PROGRAM: &str = env!("CARGO_BIN_EXE_mount-iso");
/// Seconds for one step; what takes longer hangs.
const LIMIT: &str = "120";

/// Says that something can't be tested here; a failure when `MOUNT_ISO_TEST_ALL` asks for everything.
fn skip(what: &str) {
    assert!(std::env::var_os("MOUNT_ISO_TEST_ALL").is_none(), "{what}");
    eprintln!("skipped: {what}");
}

pub fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A program, which is ended when it takes too long.
pub fn bounded(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("timeout");
    command.args(["-k", "5", LIMIT]).arg(program).stdin(Stdio::null()).env("LC_ALL", "C.UTF-8");
    command
}

#[track_caller]
pub fn succeeded(output: Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}\n{told}\n{said}", output.status);
    told
}

pub fn installed(programs: &[&str]) -> bool {
    let missing: Vec<_> = programs
        .iter()
        .filter(|name| !succeeds(Command::new("sh").args(["-c", "command -v \"$0\"", name]).stdout(Stdio::null())))
        .collect();
    if !missing.is_empty() {
        skip(&format!("{missing:?} not installed"));
    }
    missing.is_empty()
}

fn succeeds(command: &mut Command) -> bool {
    command.status().is_ok_and(|status| status.success())
}

/// A directory with packages and an image.
struct Packages {
    directory: tempfile::TempDir,
}

impl Packages {
    /// Builds packages of the program that is tested.
    fn build(kind: &str) -> (Self, Vec<PathBuf>) {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("content")).unwrap();
        fs::write(directory.path().join("content/hello.txt"), "hello\n").unwrap();
        let made = bounded("xorriso")
            .args(["-as", "mkisofs", "-quiet", "-R", "-V", "A LABEL", "-o", "x.iso", "content"])
            .current_dir(directory.path())
            .output();
        succeeded(made.unwrap());
        let mut build = bounded(home().join("packaging/build"));
        build.arg(kind).env("OUT", directory.path()).env("BINARY", PROGRAM);
        let built = succeeded(build.output().unwrap());
        let packages = built.lines().map(PathBuf::from).collect();
        (Self { directory }, packages)
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Runs a script as root of a copy of this system, which ends with it: with every process, mount and file.
    /// The directory is /mnt there.
    #[track_caller]
    fn in_a_copy_of_the_system(&self, script: &str) -> String {
        const ENTER: &str = r#"
            set -e
            mount -t tmpfs tmpfs /mnt
            mkdir /mnt/upper /mnt/work /mnt/root
            mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
            cd /mnt/root
            mount --rbind /dev dev
            mount -t proc proc proc
            mount -t tmpfs tmpfs tmp
            mount -t tmpfs tmpfs run
            mount --bind "$1" mnt
            exec chroot . bash -euo pipefail -c "$2"
        "#;
        let mut command = bounded("unshare");
        command.args([
            "--mount",
            "--propagation=private",
            "--pid",
            "--fork",
            "--kill-child",
            "sh",
            "-c",
            ENTER,
            "enter",
        ]);
        succeeded(command.arg(self.path()).arg(script).output().unwrap())
    }
}

/// What every kind of package has to bring: used by the real programs that look for it.
const USE: &str = r#"
    export HOME=/tmp
    test "$(mount-iso --version)" = "mount-iso VERSION"
    mkdir /tmp/m
    mount -t mount-iso /mnt/x.iso /tmp/m
    cat /tmp/m/hello.txt
    umount /tmp/m
    for page in '1 mount-iso' '1 mount-iso-extract' '5 mount-iso' '8 mount.mount-iso' '8 mount.udf'; do
        test "$(man $page | wc -l)" -gt 20
    done
    bash -c '. /usr/share/bash-completion/completions/mount-iso
        COMP_WORDS=(mount-iso unm) COMP_CWORD=1
        _mount__iso mount-iso unm mount-iso
        test "${COMPREPLY[*]}" = unmount
        compopt() { :; }
        COMP_WORDS=(mount-iso mount -o ro,nojol) COMP_CWORD=3
        _mount__iso mount-iso ro,nojol -o
        test "${COMPREPLY[*]}" = ro,nojoliet'
    # Where there is no /dev/loop, as in many containers, mount(8) does not come as far as the helper.
    /usr/sbin/mount.iso9660 /mnt/x.iso /tmp/m -o rw
    test -f /tmp/m/hello.txt
    umount /tmp/m
"#;

fn usage() -> String {
    USE.replace("VERSION", env!("CARGO_PKG_VERSION"))
}

#[test]
fn the_debian_package_is_clean_and_works_and_leaves_nothing() {
    if !is_root() || !installed(&["dpkg-deb", "dpkg-shlibdeps", "lintian", "xorriso", "man", "fish", "zsh", "gio"]) {
        return;
    }
    let (packages, files) = Packages::build("deb");
    assert_eq!(files.len(), 2);
    let mut lintian = bounded("setpriv");
    // lintian does not like to be root.
    lintian.args(["--reuid=65534", "--regid=65534", "--clear-groups", "lintian", "--fail-on=error,warning"]);
    fs::set_permissions(packages.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let said = succeeded(lintian.args(&files).env("HOME", "/nonexistent").output().unwrap());
    assert!(!said.lines().any(|line| line.starts_with("E:") || line.starts_with("W:")), "{said}");

    let script = r#"
        defaults() {
            gio mime application/x-cd-image | sed -n 1p
            for list in /usr/share/applications/mimeapps.list /etc/xdg/mimeapps.list; do
                [ ! -e $list ] || md5sum $list
            done
        }
        export HOME=/tmp XDG_DATA_DIRS=/usr/share
        # A program that handles images, and was never chosen for it.
        printf '[Desktop Entry]\nType=Application\nName=X\nExec=true %%f\nMimeType=application/x-cd-image;\n' \
            >/usr/share/applications/xarchiver.desktop
        update-desktop-database
        # All pages of the system would be looked through for the sake of a few.
        rm -f /var/lib/man-db/auto-update
        before=$(defaults)
        echo "$before" | grep xarchiver.desktop >/dev/null
        # Images of containers leave out manual pages.
        dpkg --path-include='/usr/share/*' -i /mnt/*.deb >/tmp/log 2>&1 || { cat /tmp/log; exit 1; }
        USE
        # A user, by way of fusermount3.
        mkdir -m 777 /tmp/u
        nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
        nobody mount-iso /mnt/x.iso /tmp/u
        # An upgrade: the drive goes on with the new program.
        dpkg --path-include='/usr/share/*' -i /mnt/mount-iso_*.deb >/tmp/log 2>&1 || { cat /tmp/log; exit 1; }
        nobody ls /tmp/u >/dev/null
        if ls -l /proc/[0-9]*/exe 2>/dev/null | grep '/usr/bin/mount-iso (deleted)'; then cat /tmp/log; exit 1; fi
        umount /tmp/u
        test "$(fish -c 'complete -C "mount-iso unm"' | cut -f1)" = unmount
        test "$(fish -c 'complete -C "mount-iso mount -o ro,nojol"' | cut -f1)" = ro,nojoliet
        zsh -fc 'fpath+=(/usr/share/zsh/vendor-completions); autoload -Uz compinit; compinit -u -d /tmp/dump
            test "$_comps[mount-iso]" = _mount-iso; autoload -X +X _mount-iso'
        gio mime application/x-cd-image | grep zz-mount-iso.desktop >/dev/null
        [ "$before" = "$(defaults)" ]
        gio info -a standard::content-type /mnt/x.udf | grep application/x-udf-image >/dev/null
        desktop-file-validate /usr/share/applications/zz-mount-iso.desktop
        apparmor_parser -Q -K /etc/apparmor.d/usr.bin.mount-iso 2>/dev/null
        dpkg -V mount-iso mount-iso-helpers
        list=$(dpkg -L mount-iso mount-iso-helpers)
        dpkg -P mount-iso-helpers mount-iso >/tmp/log 2>&1 || { cat /tmp/log; exit 1; }
        # Directories are shared with other packages; where nobody else has one it is gone.
        for file in $list; do [ -d "$file" ] || ! [ -e "$file" -o -L "$file" ] || echo "left: $file"; done
        [ ! -e /usr/share/doc/mount-iso ] || echo "left: doc"
        [ "$before" = "$(defaults)" ]
        gio mime application/x-cd-image | grep mount-iso || true
    "#;
    fs::write(packages.path().join("x.udf"), "no disc").unwrap();
    let said = packages.in_a_copy_of_the_system(&script.replace("USE", &usage()));
    assert_eq!(said, "hello\n");
}

#[test]
fn the_rpm_package_works_and_leaves_nothing() {
    if !is_root() || !installed(&["rpmbuild", "rpm", "xorriso", "man"]) {
        return;
    }
    let (packages, files) = Packages::build("rpm");
    assert_eq!(files.len(), 2);
    let script = r#"
        # A system of another kind than this: what lies here is not known to rpm.
        rpm() { command rpm --dbpath /tmp/db "$@"; }
        rpm -K /mnt/*.rpm | grep -c 'digests OK' | grep -qx 2
        rpm -i --force-debian --nodeps --noscripts /mnt/*.rpm
        rpm -V --nodeps mount-iso mount-iso-helpers
        rpm -q --requires mount-iso | grep -qx fuse3
        USE
        list=$(rpm -ql mount-iso mount-iso-helpers)
        rpm -e --force-debian --nodeps mount-iso-helpers mount-iso
        for file in $list; do [ -d "$file" ] || ! [ -e "$file" -o -L "$file" ] || echo "left: $file"; done
    "#;
    assert_eq!(packages.in_a_copy_of_the_system(&script.replace("USE", &usage())), "hello\n");
}

/// Everything below a directory that is no directory.
fn files(root: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut todo = vec![root.to_owned()];
    while let Some(directory) = todo.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                todo.push(entry.path());
            } else {
                found.insert(entry.path().strip_prefix(root).unwrap().to_owned());
            }
        }
    }
    found
}

#[test]
fn the_arch_package_is_made_of_the_source_package() {
    let (packages, made) = Packages::build("arch");
    let out = made[0].parent().unwrap();
    let source = out.join(format!("mount-iso-{}.tar.gz", env!("CARGO_PKG_VERSION")));
    let listed = succeeded(bounded("tar").arg("-tf").arg(&source).output().unwrap());
    for name in ["Cargo.lock", "src/main.rs", "packaging/arch/PKGBUILD", "scripts/install", "tests/integration/main.rs"]
    {
        assert!(listed.contains(&format!("mount-iso-{}/{name}\n", env!("CARGO_PKG_VERSION"))), "{name}");
    }
    assert!(!listed.contains("/target/") && !listed.contains("/.git/"));
    // As makepkg does it, but that the program is there already.
    let script = r#"
        cd "$1"
        . ./PKGBUILD
        echo "$sha256sums  $source" | sha256sum -c --quiet
        tar -xf "$source"
        mkdir -p "$pkgname-$pkgver/target/release" pkg
        cp "$2" "$pkgname-$pkgver/target/release"
        pkgdir=$PWD/pkg
        declare -F prepare build >/dev/null
        package
        for file in "${backup[@]}"; do test -f "$pkgdir/$file"; done
        test "$pkgname-$pkgver" = "mount-iso-$3"
    "#;
    let mut command = bounded("bash");
    command.args(["-euo", "pipefail", "-c", script, "makepkg"]).arg(out).args([PROGRAM, env!("CARGO_PKG_VERSION")]);
    succeeded(command.output().unwrap());
    let package = out.join("pkg");
    let there = files(&package);
    for name in ["usr/bin/mount-iso", "usr/bin/mount.mount-iso", "usr/share/man/man8/mount.mount-iso.8"] {
        assert!(there.contains(Path::new(name)), "{name}");
    }
    // A directory there is a link on Arch, which a package must not replace.
    assert!(["sbin", "bin", "lib", "usr/sbin"].iter().all(|name| !package.join(name).exists()));
    drop(packages);
}

#[test]
fn the_static_program_needs_no_library() {
    let version = env!("CARGO_PKG_VERSION");
    let target = Path::new(PROGRAM).parent().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut build = bounded(home().join("packaging/build"));
    build.arg("static").env("OUT", directory.path()).env("CARGO_TARGET_DIR", target.parent().unwrap());
    // What the tests are compiled with is there already.
    build.env("PROFILE", target.file_name().unwrap());
    let program = PathBuf::from(succeeded(build.output().unwrap()).trim_end());
    // The dynamic linker refuses what has no need of it.
    let mut linker = bounded("ldd");
    let output = linker.arg(&program).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("statically linked") || said.contains("not a dynamic executable"), "{said}");
    if is_root() {
        // In a system that has nothing else.
        let root = tempfile::tempdir().unwrap();
        fs::copy(&program, root.path().join("mount-iso")).unwrap();
        let said = bounded("chroot").arg(root.path()).args(["/mount-iso", "--version"]).output().unwrap();
        assert_eq!(succeeded(said), format!("mount-iso {version}\n"));
    }
}

#[test]
fn install_puts_everything_where_it_is_told_and_takes_it_away_again() {
    let dir = tempfile::tempdir().unwrap();
    let install = |words: &[&str], prefix: &str| {
        let mut command = bounded(home().join("scripts/install"));
        command.args(words).env("DESTDIR", dir.path()).env("PREFIX", prefix).env_remove("SBINDIR");
        let output = command.env("BINARY", PROGRAM).output().unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        succeeded(output);
    };
    let somebody = dir.path().join("sbin/mount.udf");
    fs::create_dir(dir.path().join("sbin")).unwrap();
    fs::write(&somebody, "of another package").unwrap();
    for prefix in ["/usr", "/opt/x"] {
        for _ in 0..2 {
            install(&[], prefix);
        }
        let there = files(dir.path());
        let own = Path::new(prefix).strip_prefix("/").unwrap();
        for name in [
            "bin/mount-iso",
            "share/man/man1/mount-iso.1",
            "share/man/man1/mount-iso-extract.1",
            "share/man/man5/mount-iso.5",
            "share/man/man8/mount.mount-iso.8",
            "share/bash-completion/completions/mount-iso",
            "share/zsh/site-functions/_mount-iso",
            "share/fish/vendor_completions.d/mount-iso.fish",
            "share/applications/zz-mount-iso.desktop",
            "share/mime/packages/mount-iso.xml",
            "share/kio/servicemenus/mount-iso.desktop",
            "share/nemo/actions/mount-iso-mount.nemo_action",
        ] {
            assert!(there.contains(&own.join(name)), "{prefix}: {name}");
        }
        let link = fs::read_link(dir.path().join("sbin/mount.mount-iso")).unwrap();
        assert_eq!(link, Path::new(prefix).join("bin/mount-iso"));
        assert_eq!(fs::metadata(dir.path().join(own).join("bin/mount-iso")).unwrap().mode() & 0o777, 0o755);
        let profile = fs::read_to_string(dir.path().join("etc/apparmor.d/usr.bin.mount-iso")).unwrap();
        assert!(profile.contains(&format!(" {prefix}/bin/mount-iso ")));
        install(&["--remove"], prefix);
        assert_eq!(files(dir.path()), BTreeSet::from(["sbin/mount.udf".into()]));
    }
}
