//! mount(8), umount(8) and lines of fstab(5), with the real programs.

use super::sandbox::Sandbox;

#[test]
fn mount_finds_the_helper_and_shows_the_image_as_source() {
    let Some(sandbox) = Sandbox::new() else { return };
    sandbox.succeed(
        r#"
mkdir m
mount -t mount-iso x.iso m
[ "$(cat m/hello.txt)" = hello ]
[ "$(findmnt -rno SOURCE,FSTYPE -M m)" = "$DIR/x.iso fuse.mount-iso" ]
umount m
await not served
# By mount.fuse3, which needs no link.
mount -t fuse.mount-iso x.iso m -o ro
[ "$(findmnt -rno SOURCE,FSTYPE -M m)" = "$DIR/x.iso fuse.mount-iso" ]
umount x.iso
await not served
# Nothing of what it was started with is kept open: this would wait for it.
mount -t mount-iso x.iso m | cat
umount m
"#,
    );
}

#[test]
fn every_generic_option_is_taken() {
    let Some(sandbox) = Sandbox::new() else { return };
    let text = sandbox.succeed(
        r#"
mkdir m
generic=defaults,auto,noauto,nofail,_netdev,user=nobody,users,nouser,owner,group,comment=x,x-systemd.automount
generic=$generic,x-systemd.idle-timeout=60,x-gvfs-show,X-foo=1,X-mount.mkdir=0755,lazytime,nolazytime,iversion
generic=$generic,noiversion,silent,loud,strictatime,relatime,norelatime,nodiratime,diratime,async,mand,nomand
generic=$generic,helper=x,uhelper=y,suid,dev,exec,atime,ro
# By way of mount(8), and as autofs, busybox and people call it, who leave nothing out.
mount -t mount-iso x.iso m -o "$generic"
[ "$(cat m/hello.txt)" = hello ]
umount m
/sbin/mount.mount-iso "$DIR/x.iso" "$DIR/m" -n -o "$generic,loop=/dev/loop9,auto_unmount,nonempty,subtype=x"
[ "$(cat m/hello.txt)" = hello ]
umount m
mount -t mount-iso x.iso m -o noexec,sync,dirsync,noatime,nosymfollow
findmnt -rno OPTIONS -M m
umount m
# Unknown ones are named, unless told to be tolerated.
fails 1 mount -t mount-iso x.iso m -o norokk
mount -s -t mount-iso x.iso m -o norokk
mounted m
umount m
mount -f -t mount-iso x.iso m
fails 32 mount -f -t mount-iso content/hello.txt m
not mounted m
"#,
    );
    for word in
        ["ro,", "nosuid", "nodev", "noexec", "sync", "dirsync", "noatime", "nosymfollow", "`norokk`", "`norock`"]
    {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[test]
fn a_table_is_mounted_once() {
    let Some(sandbox) = Sandbox::new() else { return };
    sandbox.succeed(
        r#"
mkdir one two three
ln -s x.iso link.iso
cat >fstab <<END
$DIR/x.iso     $DIR/one    mount-iso       ro,nofail,x-gvfs-show,x-gvfs-name=A%20Disc  0 0
$DIR/link.iso  $DIR/two    fuse.mount-iso  ro,uid=5,umask=022            0 0
$DIR/gone.iso  $DIR/three  mount-iso       ro,nofail                     0 0
$DIR/x.iso     $DIR/four   mount-iso       ro,x-mount.mkdir              0 0
END
fails 64 mount -a -T fstab
fails 32 mount -a -T fstab
for place in one two four; do
	[ "$(grep -c " $DIR/$place " /proc/self/mountinfo)" = 1 ]
	[ "$(cat $place/hello.txt)" = hello ]
done
not mounted three
# What mount(8) keeps of a line is found with the mount, as the sources are the same.
findmnt --mtab -rno OPTIONS -M one | grep -q x-gvfs-name=A%20Disc
[ "$(stat -c %u two/hello.txt)" = 5 ]
umount one two four
await not served
"#,
    );
}

#[test]
fn the_printed_line_mounts_whatever_the_name() {
    let Some(sandbox) = Sandbox::new() else { return };
    sandbox.succeed(
        r#"
n=0
for name in 'a b.iso' $'tab\t.iso' 'back\slash.iso' 'a,suid,b.iso' '#hash.iso' $'\xff\xfe.iso' '\040.iso' "quote'\".iso"; do
	n=$((n + 1))
	cp x.iso "$name"
	mkdir "m $n"
	mount-iso fstab "$name" "m $n" -o uid=7 >>fstab
done
mount-iso fstab x.iso new -o 'fsname=a\,b,x-systemd.idle-timeout=5' | tee last
grep -q "$(printf '^%s/x.iso\t%s/new\tmount-iso\tro,nofail,x-mount.mkdir,fsname=a.134,b,x-systemd.idle-timeout=5\t0\t0$' "$DIR" "$DIR")" last
[ "$(wc -l <fstab)" = $n ]
mount -a -T fstab
mount -a -T fstab
for i in $(seq $n); do
	[ "$(cat "m $i/hello.txt")" = hello ]
	[ "$(stat -c %u "m $i/hello.txt")" = 7 ]
done
[ "$(grep -c fuse.mount-iso /proc/self/mountinfo)" = $n ]
mount-iso unmount --all
mount-iso fstab x.iso 'm 1' --user | grep -q 'ro,noauto,user'
mount-iso fstab x.iso 'm 1' --automount | grep -q 'ro,nofail,x-systemd.automount'
rm /sbin/mount.mount-iso
mount-iso fstab x.iso 'm 1' | grep -q fuse.mount-iso
fails 1 mount-iso fstab x.iso m -o nonsense
fails 32 mount-iso fstab content/hello.txt m
"#,
    );
}

#[test]
fn users_mount_by_themselves_and_by_a_line_for_them() {
    let Some(sandbox) = Sandbox::new() else { return };
    sandbox.succeed(
        r#"
mkdir m n
chmod 777 m n
# The real /etc/fstab counts for a user.
echo "$DIR/x.iso $DIR/n mount-iso ro,noauto,user 0 0" >/etc/fstab
as_user mount -t mount-iso "$DIR/x.iso" "$DIR/m"
as_user cat m/hello.txt
findmnt -rno OPTIONS -M m | grep -q user_id=65534
as_user umount "$DIR/m"
as_user mount "$DIR/n"
as_user cat n/hello.txt
findmnt -rno OPTIONS -M n | tr , '\n' | grep -qx noexec
as_user umount "$DIR/n"
await not served
"#,
    );
}

#[test]
fn a_remount_changes_flags_and_starts_nothing() {
    let Some(sandbox) = Sandbox::new() else { return };
    sandbox.succeed(
        r#"
mkdir m
mount -t mount-iso x.iso m
before=$(pgrep -x mount-iso)
mount -o remount,noexec m
mount -o remount,noexec "$DIR/m"
[ "$(pgrep -x mount-iso)" = "$before" ]
[ "$(grep -c " $DIR/m " /proc/self/mountinfo)" = 1 ]
findmnt -rno OPTIONS -M m | tr , '\n' | grep -qx noexec
[ "$(cat m/hello.txt)" = hello ]
umount m
"#,
    );
}

#[test]
fn the_types_of_the_kernel_go_past_the_loop_device() {
    let Some(sandbox) = Sandbox::new() else { return };
    if !std::path::Path::new("/dev/loop-control").exists() {
        super::sandbox::note("there are no loop devices");
        return;
    }
    sandbox.succeed(
        r#"
helper iso9660
helper udf
mkdir m
# mount(8) says the type, makes a loop device, and calls the helper of the type.
mount x.iso m
[ "$(findmnt -rno SOURCE,FSTYPE -M m)" = "$DIR/x.iso fuse.mount-iso" ]
await not grep -qsF "$DIR/x.iso" /sys/block/loop*/loop/backing_file
umount m
mount -t iso9660 -o loop,ro,uid=5,mode=0444,norock x.iso m
[ "$(stat -c %u m/hello.txt)" = 5 ]
umount m
# A part of a file, told to mount(8) or to us.
{ head -c 6144 /dev/zero; cat x.iso; head -c 2048 /dev/zero; } >part.img
size=$(stat -c %s x.iso)
mount -t iso9660 -o ro,offset=6144,sizelimit=$size part.img m
[ "$(cat m/hello.txt)" = hello ]
[ "$(findmnt -rno SOURCE -M m)" = "$DIR/part.img" ]
[ "$(df -B 1 --output=size m | tail -n 1)" -le "$size" ]
umount m
mount-iso part.img m -o offset=6K,sizelimit=$size
[ "$(cat m/hello.txt)" = hello ]
umount m
fails 32 mount-iso part.img m -o offset=1G
# A file without a name is read by the device.
cp x.iso gone.iso
device=$(losetup --show -f gone.iso)
rm gone.iso
mount -t iso9660 "$device" m
losetup -d "$device"
[ "$(cat m/hello.txt)" = hello ]
[ "$(findmnt -rno SOURCE -M m)" = "$device" ]
umount m
# A line that Linux reads is a line that we read, once.
echo "$DIR/x.iso $DIR/m iso9660 loop,ro,noauto 0 0" >fstab
mount -T fstab "$DIR/m"
sed -i s/noauto/auto/ fstab
mount -a -T fstab
[ "$(grep -c " $DIR/m " /proc/self/mountinfo)" = 1 ]
umount m
fails 32 mount -t udf x.iso m
await not served
"#,
    );
}

#[test]
fn the_installation_takes_the_types_of_the_kernel_when_asked() {
    let Some(sandbox) = Sandbox::new() else { return };
    let install = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/install");
    sandbox.succeed(&format!(
        r#"
export BINARY=$DIR/mount-iso DESTDIR=$DIR/root
{install}
[ -L root/sbin/mount.mount-iso ] && [ ! -e root/sbin/mount.iso9660 ] && [ ! -L root/sbin/mount.iso9660 ]
HELPERS='iso9660 udf' {install}
[ "$(readlink root/sbin/mount.iso9660)" = /usr/local/bin/mount-iso ]
[ "$(readlink root/sbin/mount.udf)" = /usr/local/bin/mount-iso ]
ln -sfn /somebody/elses root/sbin/mount.udf
{install} --remove
[ "$(ls -A root/sbin)" = mount.udf ]
{install} --help | grep -q HELPERS
"#
    ));
}

#[test]
fn drives_are_unmounted_by_directory_image_or_label() {
    let Some(sandbox) = Sandbox::new() else { return };
    let text = sandbox.succeed(
        r#"
mkdir m
for name in m x.iso "$DIR/m/" "$DIR/x.iso" 'A LABEL'; do
	mount -t mount-iso x.iso m
	(cd / && case $name in /*|A*) mount-iso unmount "$name" ;; *) mount-iso unmount "$DIR/$name" ;; esac)
	not mounted m
done
mount -t mount-iso x.iso m
fails 32 mount-iso unmount 'A LABE'
rm x.iso
# Nobody can tell its label any more, and the rest goes on.
fails 32 mount-iso unmount 'A LABEL'
mount-iso unmount m
await not served
"#,
    );
    assert!(text.contains("is not mounted"), "{text}");
}

#[test]
fn a_dead_mount_gives_way_though_the_kernel_remembers_it() {
    let Some(sandbox) = Sandbox::new() else { return };
    let text = sandbox.succeed(
        r#"
mkdir m
mount -t mount-iso x.iso m
ls -lR m >/dev/null
processes=$(pgrep -x 'mount-iso|iso-watcher')
kill -STOP $processes
mount-iso list >asked &
sleep 0.3
kill -KILL $processes
wait
cat asked
await not served
mount-iso list
mount -t mount-iso x.iso m
mount-iso list
[ "$(grep -c " $DIR/m " /proc/self/mountinfo)" = 1 ]
[ "$(cat m/hello.txt)" = hello ]
umount m
"#,
    );
    let states: Vec<_> = text.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    // Also for who had asked before the processes were killed.
    assert_eq!(states, ["STATE", "stale", "STATE", "stale", "STATE", "ok"], "{text}");
}

#[test]
fn a_drive_that_does_not_answer_is_listed_and_holds_up_nobody() {
    let Some(sandbox) = Sandbox::new() else { return };
    let text = sandbox.succeed(
        r#"
mkdir m n
mount -t mount-iso x.iso m
pkill -STOP -x mount-iso
timeout 10 mount-iso list
timeout 10 mount-iso x.iso n
[ "$(cat n/hello.txt)" = hello ]
pkill -CONT -x mount-iso
await sh -c "mount-iso list | grep -F '$DIR/m ' | grep -q ' ok '"
umount m n
"#,
    );
    assert!(text.lines().any(|line| line.split_whitespace().nth(1) == Some("silent")), "{text}");
}

#[test]
fn a_privileged_parent_may_mount_for_one_without_rights() {
    let Some(sandbox) = Sandbox::new() else { return };
    if !super::sandbox::installed("mount.fuse3") {
        return;
    }
    sandbox.succeed(
        r#"
mkdir m
# mount.fuse3 mounts, gives up all rights, and runs us on /dev/fd/N.
mount.fuse3 mount-iso#$DIR/x.iso m -o ro,setuid=nobody,drop_privileges,allow_other,nosuid,nodev
[ "$(cat m/hello.txt)" = hello ]
[ "$(ps -o user= -C mount-iso | sort -u)" = nobody ]
umount m
await not served
"#,
    );
}
