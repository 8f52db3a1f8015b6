//! systemd: a real boot with lines of fstab, and a user's own with our unit.

use super::sandbox::{Sandbox, installed, note, skip};

/// The tree of a machine whose programs are those of this one, and the word that boots it.
const MACHINE: &str = r#"
tree=/run/machine
mkdir -p $tree/etc/systemd/system $tree/root $tree/usr $tree/run $tree/tmp $tree/var $tree/dev $tree/proc $tree/sys \
	$tree/media/a $tree/media/b $tree/media/c $tree/media/d $tree/media/e
for name in bin sbin lib lib32 lib64 libx32; do [ ! -e /usr/$name ] || ln -s usr/$name $tree/$name; done
for name in passwd group shadow nsswitch.conf ld.so.cache; do [ ! -e /etc/$name ] || cp /etc/$name $tree/etc; done
: >$tree/etc/machine-id
: >$tree/etc/os-release
ln -s /usr/lib/systemd/system/multi-user.target $tree/etc/systemd/system/default.target
mkdir -p $tree/etc/systemd/system/multi-user.target.wants
cat >$tree/etc/systemd/system/probe.service <<END
[Unit]
After=remote-fs.target local-fs.target
[Service]
Type=oneshot
StandardOutput=file:/root/out
StandardError=file:/root/err
ExecStart=/bin/sh /root/probe
ExecStopPost=systemctl poweroff -ff
END
ln -s /usr/lib/systemd/system/remote-fs.target $tree/etc/systemd/system/multi-user.target.wants
ln -s ../probe.service $tree/etc/systemd/system/multi-user.target.wants
boot() {
	timeout -k 1 60 systemd-nspawn -q --register=no --keep-unit -b -D $tree --bind-ro=/usr --bind=/dev/fuse \
		--bind=/dev/autofs --bind-ro="$DIR" --capability=CAP_SYS_ADMIN --link-journal=no </dev/null >/run/console 2>&1 || :
	if [ ! -s $tree/root/out ]; then cat /run/console $tree/root/err; fi
	cat $tree/root/out
}
"#;

fn can_boot() -> bool {
    if !installed("systemd-nspawn") {
        return false;
    }
    if !std::path::Path::new("/usr/lib/systemd/systemd").exists() {
        skip("systemd is not installed");
        return false;
    }
    if !std::path::Path::new("/dev/autofs").exists() {
        note("the kernel has no autofs");
        return false;
    }
    true
}

#[test]
fn a_machine_boots_with_lines_of_fstab() {
    let Some(sandbox) = Sandbox::new().filter(|_| can_boot()) else { return };
    let script = r#"
cat >$tree/etc/fstab <<END
$DIR/x.iso     /media/a  mount-iso       ro,nofail,x-gvfs-show,noatime          0 0
$DIR/x.iso     /media/b  fuse.mount-iso  ro,nofail,_netdev,uid=7                0 0
$DIR/gone.iso  /media/c  mount-iso       ro,nofail                              0 0
$DIR/x.iso     /media/d  mount-iso       ro,nofail,x-systemd.automount,x-systemd.idle-timeout=1 0 0
END
cp "$MANIFEST/packaging/systemd/examples/media-disc.mount" $tree/etc/systemd/system/media-e.mount
sed -i "s#/srv/disc.iso#$DIR/x.iso#; s#/media/disc#/media/e#" $tree/etc/systemd/system/media-e.mount
cp "$MANIFEST/packaging/systemd/examples/media-disc.automount" $tree/etc/systemd/system/media-e.automount
sed -i 's#/media/disc#/media/e#' $tree/etc/systemd/system/media-e.automount
ln -s ../media-e.automount $tree/etc/systemd/system/multi-user.target.wants
cat >$tree/root/probe <<'END'
state() { printf '%s %s\n' "$1" "$(systemctl show -P ActiveState "$1")"; }
for unit in media-a.mount media-b.mount media-c.mount media-d.mount media-e.mount; do state $unit; done
echo "home ${HOME-none}"
for place in a b d e; do cat /media/$place/hello.txt; done
stat -c 'owner %u' /media/b/hello.txt
state media-d.mount
state media-e.mount
grep -c ' /media/d .*fuse.mount-iso' /proc/self/mountinfo
for _ in $(seq 80); do systemctl -q is-active media-d.mount || break; sleep 0.1; done
state media-d.mount
systemctl restart media-a.mount
systemctl reload media-a.mount && echo reloaded
cat /media/a/hello.txt
systemctl stop media-a.mount media-b.mount media-e.automount media-e.mount
grep -c fuse.mount-iso /proc/self/mountinfo
served() { pgrep -x 'mount-iso|iso-watcher' >/dev/null; }
for _ in $(seq 40); do served || break; sleep 0.05; done
! served || echo left
echo done
END
boot
"#;
    let manifest = format!("MANIFEST={}\n", env!("CARGO_MANIFEST_DIR"));
    let text = sandbox.succeed(&format!("{manifest}{MACHINE}{script}"));
    let expected = "media-a.mount active\nmedia-b.mount active\nmedia-c.mount failed\nmedia-d.mount inactive\n\
         media-e.mount inactive\nhome none\nhello\nhello\nhello\nhello\nowner 7\nmedia-d.mount active\n\
         media-e.mount active\n1\nmedia-d.mount inactive\nreloaded\nhello\n0\ndone\n";
    assert_eq!(text, expected);
}

#[test]
fn a_user_has_an_image_as_a_service() {
    let Some(sandbox) = Sandbox::new().filter(|_| can_boot()) else { return };
    let manifest = format!("MANIFEST={}\n", env!("CARGO_MANIFEST_DIR"));
    let text = sandbox.succeed(&format!(
        "{manifest}{}",
        r#"
mkdir -p /run/systemd/system /run/user/0 /run/home/.config/systemd/user
export XDG_RUNTIME_DIR=/run/user/0 HOME=/run/home
unset DBUS_SESSION_BUS_ADDRESS
umount -l -R /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
own=/sys/fs/cgroup/${DIR##*/}
mkdir $own
trap 'echo "line $LINENO failed: $BASH_COMMAND" >&2; cat /run/systemd.log >&2' ERR
# Its processes end with the world they live in; then somebody has to take the groups away.
(echo $BASHPID >$own/cgroup.procs; exec /usr/lib/systemd/systemd --user) >/run/systemd.log 2>&1 &
manager=$!
sed 's#/usr/bin/#/usr/local/bin/#' "$MANIFEST/packaging/systemd/user/mount-iso@.service" >/run/home/.config/systemd/user/mount-iso@.service
await systemctl --user is-system-running
cp x.iso 'My disc, one.iso'
unit=$(systemd-escape -p --template=mount-iso@.service "$DIR/My disc, one.iso")
systemctl --user start "$unit"
[ "$(cat '/run/user/0/mount-iso/A LABEL/hello.txt')" = hello ]
systemctl --user show -P StatusText "$unit"
systemctl --user stop "$unit"
await not served
[ -z "$(ls -A /run/user/0/mount-iso)" ]
systemctl --user show -P Result "$unit"
# Unmounted from elsewhere: the service ends, and well.
systemctl --user start "$unit"
umount '/run/user/0/mount-iso/A LABEL'
await not systemctl --user -q is-active "$unit"
systemctl --user show -P Result "$unit"
# All killed at once, which takes the watcher along.
systemctl --user start "$unit"
systemctl --user kill -s KILL "$unit" || :
await not systemctl --user -q is-active "$unit"
await not grep -q fuse.mount-iso /proc/self/mountinfo
systemctl --user show -P Result "$unit"
# An image that is not there.
fails 1 systemctl --user start "$(systemd-escape -p --template=mount-iso@.service "$DIR/none.iso")" 2>/dev/null
systemctl --user exit || :
await not kill -0 $manager || kill -KILL $manager
for group in $(find $own -depth -type d); do rmdir "$group" || :; done
"#
    ));
    let status = text.lines().next().unwrap_or_default();
    assert!(status.starts_with("Showing ") && status.ends_with("/mount-iso/A LABEL"), "{text}");
    let results: Vec<_> = text.lines().skip(1).filter(|line| !line.starts_with("rmdir")).collect();
    assert_eq!(results, ["success", "success", "signal"], "{text}");
}

#[test]
fn the_units_are_sound() {
    let Some(sandbox) = Sandbox::new() else { return };
    if !installed("systemd-analyze") {
        return;
    }
    let text = sandbox.succeed(&format!(
        "MANIFEST={}\n{}",
        env!("CARGO_MANIFEST_DIR"),
        r#"
export XDG_RUNTIME_DIR=/run/user/0
mkdir -p /run/user/0 /run/units
cp "$MANIFEST"/packaging/systemd/*/* /run/units
sed -i 's#/usr/bin/mount-iso#/usr/local/bin/mount-iso#' /run/units/*
timeout 20 systemd-analyze --user verify --man=no /run/units/mount-iso@.service
timeout 20 systemd-analyze verify --man=no /run/units/media-disc.mount /run/units/media-disc.automount
"#
    ));
    assert!(!text.contains("/run/units/"), "{text}");
}
