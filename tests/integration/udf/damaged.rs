//! Damaged images: what is lost is an error to the block, and everything else is there.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::build::Content;
use crate::build::udf::{Anchor, Disc, Form, Image, Map, Node};
use crate::drive::Drive;

fn drive(disc: &Disc) -> Drive {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &disc.bytes).unwrap();
    Drive::mount_as(Some("udf"), file.path(), "").unwrap_or_else(|trouble| panic!("{trouble:?}"))
}

/// Which blocks of a file hold what was put in (`.`), which are zeros (`0`), which can't be read (`E`) or are wrong.
fn blocks(drive: &Drive, name: &str, content: &Content) -> String {
    let file = File::open(drive.path().join(name)).unwrap();
    let whole = content.bytes();
    let one = |(at, wanted): (usize, &[u8])| {
        let mut bytes = vec![0; wanted.len()];
        match file.read_exact_at(&mut bytes, (at * BLOCK) as u64) {
            Ok(()) if bytes == wanted => '.',
            Ok(()) if bytes.iter().all(|byte| *byte == 0) => '0',
            Ok(()) => 'x',
            Err(error) if error.raw_os_error() == Some(libc::EIO) => 'E',
            Err(_) => '?',
        }
    };
    whole.chunks(BLOCK).enumerate().map(one).collect()
}

/// The kernel asks for pages of this size, and an error is that of a whole page.
const BLOCK: usize = 4096;
const FILE: Content = Content::Pattern { seed: 7, len: 8 * 4096 };

fn image(form: Form) -> Image {
    Image::new(0x201)
        .block_size(4096)
        .add("/file", Node::file(FILE).fragments(4096).form(form))
        .add("/good", Node::text("good"))
}

/// An extent that lies outside of the partition, or whose block and start wrap 32 bits, is lost; its neighbours aren't.
#[test]
fn an_extent_beyond_the_partition() {
    for (form, size) in [(Form::Short, 8), (Form::Long, 16), (Form::Extended, 20)] {
        let block = if form == Form::Extended { 12 } else { 4 };
        for value in [0x00FF_FFFFu32, 0xFFFF_FF00] {
            let mut disc = image(form).disc();
            let icb = disc.layout.icb("/file");
            let at = disc.layout.ads("/file") - icb + 2 * size + block;
            disc.set(icb, at, &value.to_le_bytes());
            assert_eq!(blocks(&drive(&disc), "file", &FILE), "..E.....", "{form:?} {value:x}");
        }
    }
}

/// ECMA-167 3/10.7.2: a partition reference without a map.
#[test]
fn an_extent_in_a_partition_without_a_map() {
    let mut disc = image(Form::Long).disc();
    let icb = disc.layout.icb("/file");
    let at = disc.layout.ads("/file") - icb + 3 * 16 + 8;
    disc.set(icb, at, &[9, 0]);
    assert_eq!(blocks(&drive(&disc), "file", &FILE), "...E....");
}

/// ECMA-167 4/14.5: behind a lost allocation extent nothing is known, and that is no zeros.
#[test]
fn a_lost_allocation_extent() {
    let file = Node::file(FILE).fragments(4096).form(Form::Short).most_ads(4);
    let mut disc = Image::new(0x201).block_size(4096).add("/file", file).add("/good", Node::text("good")).disc();
    let aed = disc.layout.place("/file").aeds[0];
    disc.put(aed, &[0; 2048]);
    assert_eq!(blocks(&drive(&disc), "file", &FILE), "...EEEEE");
}

/// ECMA-167 4/12.1: what no extent has is lost, and that is no zeros (a hole would have an extent of type 2).
#[test]
fn a_short_list() {
    let file = Node::file(FILE).runs(&[crate::build::udf::Run::Recorded(2 * 4096)]);
    let disc = Image::new(0x201).block_size(4096).add("/file", file).disc();
    assert_eq!(blocks(&drive(&disc), "file", &FILE), "..EEEEEE");
}

/// An image that was cut: its blocks that are there can be read.
#[test]
fn a_truncated_image() {
    let image = image(Form::Short).anchors(&[Anchor::At(256)]);
    let layout = image.layout();
    let (_, _, fifth) = layout.place("/file").data[5];
    let disc = image.with(|image| image.truncate = Some(fifth + 100)).disc();
    assert_eq!(blocks(&drive(&disc), "file", &FILE), ".....EEE");
}

/// UDF 2.2.13: the mirror file stands in for each lost block of the metadata file.
#[test]
fn the_metadata_mirror_is_used_block_by_block() {
    let mut image = Image::new(0x250).maps(&[Map::Physical, Map::metadata()]);
    for number in 0..60 {
        image = image.add(&format!("/dir/{number}"), Node::text(&number.to_string()));
    }
    let disc = image.disc();
    let metadata: Vec<u64> = disc.layout.metadata.iter().flat_map(|(at, len)| (*at..at + len).step_by(2048)).collect();
    for start in 0..2 {
        let mut disc = disc.clone();
        // Every second block of the main file is lost.
        for at in metadata.iter().skip(start).step_by(2) {
            disc.put(*at, &[0; 2048]);
        }
        let drive = drive(&disc);
        for number in 0..60 {
            let text = std::fs::read_to_string(drive.path().join(format!("dir/{number}"))).unwrap();
            assert_eq!(text, number.to_string());
        }
    }
}

/// ECMA-167 4/14.4: a descriptor with a wrong tag hides no descriptor behind it that can be found.
#[test]
fn one_bad_name_does_not_end_its_directory() {
    let mut image = Image::new(0x201);
    for number in 0..50 {
        let node = Node::text("x");
        let bad = crate::build::udf::Name::Raw(vec![99, b'n']);
        image =
            image.add(&format!("/{number}"), if number == 20 { node.with(|n| n.identifier = Some(bad)) } else { node });
    }
    let drive = drive(&image.disc());
    for number in (0..50).filter(|number| *number != 20) {
        assert_eq!(std::fs::read(drive.path().join(number.to_string())).unwrap(), b"x");
    }
}

/// Mutants 383, 559, 623, 891 and 971 beside Linux: a wrong byte in the tag of a name costs nothing where its CRC is right.
#[test]
fn a_name_with_a_wrong_tag_is_believed_by_its_crc() {
    let image = || Image::new(0x201).add("/dir/below", Node::text("below")).add("/file", Node::text("file"));
    for path in ["/dir", "/file"] {
        let mut disc = image().disc();
        // The Tag Serial Number.
        let at = disc.layout.fid(path) + 6;
        disc.put(at, &[0xA5]);
        let drive = drive(&disc);
        let names = std::fs::read_dir(drive.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(names.count(), 2, "{path}");
        assert_eq!(std::fs::read(drive.path().join("dir/below")).unwrap(), b"below", "{path}");
        assert_eq!(std::fs::read(drive.path().join("file")).unwrap(), b"file", "{path}");
    }
}

/// Mutant 565 beside Linux.
#[test]
fn a_virtual_allocation_table_whose_length_lies() {
    for revision in [0x150, 0x201] {
        let image = Image::new(revision).maps(&[Map::Physical, Map::vat()]).anchors(&[Anchor::At(256)]);
        let mut disc = image.add("/file", Node::pattern(1, 9000)).disc();
        let icb = disc.layout.vat_icb;
        disc.set(icb, 56, &(1_u64 << 23).to_le_bytes());
        let drive = drive(&disc);
        let wanted = Content::Pattern { seed: 1, len: 9000 }.bytes();
        assert_eq!(std::fs::read(drive.path().join("file")).unwrap(), wanted, "{revision:x}");
    }
}

/// A file entry with a wrong CRC is an error of that file only.
#[test]
fn a_damaged_file_entry() {
    let mut disc = image(Form::Short).disc();
    disc.put(disc.layout.icb("/file"), &[0; 512]);
    let drive = drive(&disc);
    assert!(std::fs::read(drive.path().join("file")).is_err());
    assert_eq!(std::fs::read(drive.path().join("good")).unwrap(), b"good");
}
