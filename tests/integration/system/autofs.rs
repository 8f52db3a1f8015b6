//! autofs: a folder of images, of which those are mounted that somebody looks into.

use super::sandbox::{Sandbox, installed, note};

#[test]
fn a_folder_of_images_is_mounted_as_it_is_used() {
    let Some(sandbox) = Sandbox::new() else { return };
    if !installed("automount") {
        return;
    }
    if !std::path::Path::new("/dev/autofs").exists() {
        note("the kernel has no autofs");
        return;
    }
    sandbox.succeed(&format!(
        "MAP={}/packaging/autofs/auto.iso\n{}",
        env!("CARGO_MANIFEST_DIR"),
        r#"
mkdir folder /run/drives
cp x.iso folder/plain.iso
cp x.iso 'folder/a b, c:d$e.iso'
cp x.iso 'folder/back\slash.iso'
cp x.iso 'folder/qu"ote.iso'
cp x.iso folder/.hidden.iso
echo "FOLDER=$DIR/folder OPTIONS=ro,uid=7" >defaults
export MOUNT_ISO_DEFAULTS=$DIR/defaults
# The map by itself.
"$MAP" plain | grep -qx -- "-fstype=fuse.mount-iso,ro,uid=7 :\"$DIR/folder/plain.iso\""
fails 1 "$MAP" missing
fails 1 "$MAP" .hidden
fails 1 "$MAP" ../x.iso
fails 1 "$MAP" 'qu"ote.iso'
echo "/run/drives program:$MAP --timeout=1" >master
# A process group that can be named in here.
setsid automount -f -n 1 -p /run/automount.pid "$DIR/master" </dev/null >/run/automount.log 2>&1 &
trap 'echo "line $LINENO failed: $BASH_COMMAND" >&2; cat /run/automount.log >&2' ERR
await grep -q ' /run/drives autofs' /proc/mounts
[ "$(cat /run/drives/plain/hello.txt)" = hello ]
[ "$(stat -c %u /run/drives/plain/hello.txt)" = 7 ]
[ "$(cat /run/drives/plain.iso/hello.txt)" = hello ]
[ "$(cat '/run/drives/a b, c:d$e/hello.txt')" = hello ]
[ "$(cat '/run/drives/back\slash/hello.txt')" = hello ]
not cat /run/drives/missing/hello.txt
[ "$(grep -c fuse.mount-iso /proc/self/mountinfo)" = 4 ]
# Whoever is there keeps it; the rest goes by itself, with its processes.
cd /run/drives/plain
await sh -c '[ "$(grep -c fuse.mount-iso /proc/self/mountinfo)" = 1 ]'
cat hello.txt
cd /
await not served
not grep -q fuse.mount-iso /proc/self/mountinfo
# And comes again.
[ "$(cat /run/drives/plain/hello.txt)" = hello ]
pkill -x automount
await not pgrep -x automount -r S,R,D,T
"#
    ));
}
