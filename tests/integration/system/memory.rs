//! The drive on a machine that has little memory.

use super::sandbox::{Sandbox, installed, note};
use crate::build::{Content, Image, Node, Rock};

const MIB: u64 = 1 << 20;
/// Bytes of a file in an image that is large enough to be kept once.
const LARGE: u64 = 300 * MIB;

/// With 16 GiB of memory available, and then with 512 MiB, as far as `/proc/meminfo` says: mounts, reads in order, and
/// prints how many bytes of the image are in memory afterwards, and how many of the drive's file.
const READ: &str = r#"
findmnt -no FSTYPE -T large.iso
mkdir m
for available in 16777216 524288; do
	sed "s/^MemAvailable:.*/MemAvailable: $available kB/" /proc/meminfo >meminfo
	mount --bind meminfo /proc/meminfo
	dd if=large.iso iflag=nocache count=0 status=none
	mount-iso large.iso m
	[ "$(dd if=m/large bs=1M status=none | tr -d '\0')" = herethere ]
	fincore -bno RES large.iso m/large
	mount-iso unmount m
	umount /proc/meminfo
done
"#;

#[test]
fn what_does_not_fit_twice_is_kept_once() {
    let Some(sandbox) = Sandbox::new().filter(|_| installed("fincore")) else { return };
    let content = Content::Holes { len: LARGE, marks: vec![(5, b"here".to_vec()), (LARGE - 9, b"there".to_vec())] };
    let image = Image::new().rock_ridge(Rock::V1_12).add("/large", Node::file(content));
    image.write(&sandbox.rig.path("large.iso")).unwrap();
    let told = sandbox.succeed(READ);
    let mut lines = told.lines();
    if matches!(lines.next(), Some("tmpfs" | "overlay") | None) {
        return note("here all files are in memory for good");
    }
    let kept: Vec<u64> = lines.map(|line| line.trim().parse().unwrap()).collect();
    assert!(matches!(kept[..], [_, _, _, _]), "{told}");
    assert!(kept[0] > LARGE * 3 / 4 && kept[1] > LARGE * 3 / 4, "with much memory both are kept: {told}");
    assert!(kept[2] < LARGE / 4 && kept[3] > LARGE * 3 / 4, "with little memory only what was read: {told}");
}
