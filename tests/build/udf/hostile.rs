//! Images that nobody should write: each is a file that a reader may be given.

use super::allocation::{Form, Run};
use super::damage::{Copy, Damage, Disc};
use super::image::{Anchor, Image};
use super::map::{Map, Metadata, Sparing, Vat};
use super::node::Node;
use super::tag;
use super::text::Name;
use crate::build::hostile::{GOOD, Hostile};

struct Catalogue(Vec<Hostile>);

impl Catalogue {
    fn disc(&mut self, name: &str, good: bool, note: &'static str, disc: Disc) {
        self.0.push(Hostile { name: name.into(), image: disc.bytes, good, note });
    }

    /// The base image, changed; `good` can still be read.
    fn good(&mut self, name: &str, note: &'static str, change: impl FnOnce(&mut Disc)) {
        self.changed(name, true, note, base(), change);
    }

    fn bad(&mut self, name: &str, note: &'static str, change: impl FnOnce(&mut Disc)) {
        self.changed(name, false, note, base(), change);
    }

    fn changed(&mut self, name: &str, good: bool, note: &'static str, image: Image, change: impl FnOnce(&mut Disc)) {
        let mut disc = image.disc();
        change(&mut disc);
        self.disc(name, good, note, disc);
    }
}

/// A small tree with one of everything; `good` is named first, so that what follows can't hide it.
pub fn base() -> Image {
    on(Image::new(0x201))
}

fn on(image: Image) -> Image {
    image
        .add("/good", Node::text(GOOD))
        .add("/victim", Node::pattern(1, 9000).form(Form::Short))
        .add("/other", Node::pattern(2, 9000).form(Form::Long))
        .add("/chain", Node::pattern(3, 20 * 2048).fragments(2048).most_ads(3).form(Form::Short))
        .add("/dir/inside", Node::text("inside\n"))
        .add("/dir/sub/below", Node::text("below\n"))
        .add("/link", Node::link("dir/inside"))
        .add("/null", Node::device(false, 1, 3))
        .add("/many", many())
        .add("/again", Node::text("again").with(|node| (node.strategy, node.older) = (Some(4096), 2)))
}

fn many() -> Node {
    Node::dir().form(Form::Short).with(|dir| {
        for number in 0..100 {
            dir.children.push(Node::text("x").with(|node| node.name = format!("file {number}")));
        }
    })
}

fn le(value: u32) -> [u8; 4] {
    value.to_le_bytes()
}

/// The base image, cut: within and behind every volume descriptor, and at every block of the partition.
pub fn truncated() -> Vec<Hostile> {
    let image = base().anchors(&[Anchor::At(256)]);
    let layout = image.layout();
    let mut places: Vec<u64> = (0..2).map(|anchor| (256 + anchor) * 2048).collect();
    for (_, at) in layout.descriptors.iter().filter(|((copy, _), _)| *copy == Copy::Main) {
        places.extend([*at, at + 100, at + 512]);
    }
    let start = u64::from(layout.partition_start) * 2048;
    places.extend((start..layout.len).step_by(2048));
    places.extend((start..layout.len).step_by(7 * 2048).map(|at| at + 17));
    places.sort_unstable();
    places.dedup();
    let bytes = image.disc().bytes;
    let cut = |at: u64| Hostile {
        name: format!("udf-cut-at-{at}"),
        image: bytes[..at as usize].to_vec(),
        good: false,
        note: "cut short",
    };
    places.into_iter().map(cut).collect()
}

pub fn catalogue() -> Vec<Hostile> {
    let mut list = Catalogue(Vec::new());
    volumes(&mut list);
    maps(&mut list);
    entries(&mut list);
    allocation(&mut list);
    directories(&mut list);
    attributes(&mut list);
    list.0
}

/// ECMA-167 part 3.
fn volumes(list: &mut Catalogue) {
    for (word, damage) in [("checksum", Damage::Checksum), ("crc", Damage::Crc), ("zeros", Damage::Zeros)] {
        for id in [tag::PRIMARY, tag::PARTITION, tag::LOGICAL] {
            let main = base().damage(Copy::Main, id, damage);
            list.disc(&format!("udf-main-{id}-{word}"), true, "the reserve sequence is whole", main.disc());
            let both = base().damage(Copy::Main, id, damage).damage(Copy::Reserve, id, damage);
            list.disc(&format!("udf-both-{id}-{word}"), false, "both sequences are damaged", both.disc());
        }
    }
    list.bad("udf-no-anchor", "no anchor is left", |disc| {
        for at in disc.layout.anchors.clone() {
            disc.put(at, &[0; 512]);
        }
    });
    list.good("udf-anchor-location", "the first anchor says another place", |disc| {
        disc.set(disc.layout.anchors[0], 12, &le(300));
    });
    list.bad("udf-anchor-beyond", "the sequences lie beyond the end", |disc| {
        for at in disc.layout.anchors.clone() {
            disc.set(at, 20, &le(0xFFFF_FFF0));
            disc.set(at, 28, &le(0x7FFF_FFF0));
        }
    });
    list.bad("udf-anchor-long", "the sequences are 4 GiB long", |disc| {
        for at in disc.layout.anchors.clone() {
            disc.set(at, 16, &le(u32::MAX));
            disc.set(at, 24, &le(u32::MAX));
        }
        for copy in [Copy::Main, Copy::Reserve] {
            let at = disc.layout.descriptor(copy, tag::UNALLOCATED) + 2048;
            disc.put(at, &[0; 512]);
        }
    });
    for (name, own) in [("itself", true), ("each-other", false)] {
        let chained = base().with(|image| image.chained = true);
        let [main, reserve] = [Copy::Main, Copy::Reserve].map(|copy| chained.chained_sector(copy));
        let start = chained.sequence_start();
        list.changed(&format!("udf-vdp-{name}"), false, "volume descriptor pointers go round", chained, |disc| {
            for (copy, back, next) in [(Copy::Main, start, reserve), (Copy::Reserve, start + 16, main)] {
                let at = disc.layout.descriptor(copy, tag::POINTER);
                disc.set(at, 24, &le(if own { back } else { next }));
            }
            if !own {
                for (sector, next) in [(main, reserve), (reserve, main)] {
                    let at = u64::from(sector) * 2048;
                    let mut pointer = super::volume::pointer(9, next, 16 * 2048);
                    tag::fill(&mut pointer, tag::POINTER, 3, sector);
                    disc.put(at, &pointer);
                }
            }
        });
    }
    list.bad("udf-block-size-0", "blocks of no bytes", |disc| disc.set_both(tag::LOGICAL, 212, &le(0)));
    list.bad("udf-block-size-7", "blocks of seven bytes", |disc| disc.set_both(tag::LOGICAL, 212, &le(7)));
    list.bad("udf-block-size-2g", "blocks of 2 GiB", |disc| disc.set_both(tag::LOGICAL, 212, &le(1 << 31)));
    list.bad("udf-maps-255", "255 partition maps are said, one is there", |disc| {
        disc.set_both(tag::LOGICAL, 268, &le(255));
    });
    list.bad("udf-maps-max", "4 billion partition maps in 4 billion bytes", |disc| {
        disc.set_both(tag::LOGICAL, 264, &[0xFF; 8]);
    });
    list.bad("udf-map-length-0", "a partition map of no bytes", |disc| disc.set_both(tag::LOGICAL, 441, &[0]));
    list.bad("udf-map-length-255", "a partition map longer than the table", |disc| {
        disc.set_both(tag::LOGICAL, 441, &[255]);
    });
    list.bad("udf-map-type-9", "a map of no known type", |disc| disc.set_both(tag::LOGICAL, 440, &[9]));
    list.bad("udf-map-partition", "the map's partition is not there", |disc| {
        disc.set_both(tag::LOGICAL, 444, &[77, 0]);
    });
    list.bad("udf-partition-beyond", "the partition starts beyond the end", |disc| {
        disc.set_both(tag::PARTITION, 188, &le(0xFFFF_FF00));
    });
    list.good("udf-partition-long", "the partition is longer than the image", |disc| {
        disc.set_both(tag::PARTITION, 192, &le(u32::MAX));
    });
    list.bad("udf-partition-empty", "the partition has no blocks", |disc| disc.set_both(tag::PARTITION, 192, &le(0)));
    list.bad("udf-fsd-missing", "the file set descriptor is zeros", |disc| {
        disc.put(disc.layout.file_set, &[0; 512]);
    });
    list.bad("udf-fsd-beyond", "the file set descriptor lies beyond the partition", |disc| {
        disc.set_both(tag::LOGICAL, 252, &le(0x00FF_FFFF));
    });
    list.bad("udf-fsd-partition", "the file set descriptor lies in a partition without a map", |disc| {
        disc.set_both(tag::LOGICAL, 256, &[9, 0]);
    });
    list.bad("udf-fsd-next-itself", "the file set descriptor is its own successor", |disc| {
        let file_set = disc.layout.file_set;
        let own = disc.bytes[file_set as usize + 12..file_set as usize + 16].to_vec();
        disc.set(file_set, 448, &[&le(2048)[..], &own, &[0; 8]].concat());
        disc.set(file_set, 400, &[0; 16]);
    });
    list.bad("udf-root-file", "the root is a file", |disc| disc.set(disc.layout.icb("/"), 16 + 11, &[5]));
    list.bad("udf-root-zeros", "the root's ICB is zeros", |disc| disc.put(disc.layout.icb("/"), &[0; 2048]));
    list.bad("udf-root-beyond", "the root's ICB lies beyond the partition", |disc| {
        disc.set(disc.layout.file_set, 404, &le(0x7FFF_FFFF));
    });
    list.good("udf-lvid-itself", "the integrity descriptor is its own successor", |disc| {
        let sector = (disc.layout.integrity / 2048) as u32;
        disc.set(disc.layout.integrity, 32, &[le(2048), le(sector)].concat());
    });
    list.good("udf-lvid-lies", "the integrity descriptor has 4 billion partitions", |disc| {
        disc.set(disc.layout.integrity, 72, &[0xFF; 8]);
    });
}

/// UDF 2.2.8 to 2.2.13.
fn maps(list: &mut Catalogue) {
    for revision in [0x150, 0x201] {
        let vat = || {
            on(Image::new(revision).maps(&[Map::Physical, Map::Virtual(Vat::default())])).anchors(&[Anchor::At(256)])
        };
        let header = if revision < 0x200 { 0 } else { 152 };
        list.changed(&format!("udf-vat-itself-{revision:x}"), true, "a VAT entry is its own ICB", vat(), |disc| {
            let own = (disc.layout.vat_icb / 2048) as u32 - disc.layout.partition_start;
            let victim = u64::from(disc.layout.place("/victim").block);
            disc.put(disc.layout.vat + header + 4 * victim, &le(own));
        });
        list.changed(&format!("udf-vat-beyond-{revision:x}"), true, "VAT entries lie beyond", vat(), |disc| {
            let block = |path: &str| u64::from(disc.layout.place(path).block);
            let (victim, other) = (block("/victim"), block("/other"));
            disc.put(disc.layout.vat + header + 4 * victim, &le(0xFFFF_FFFE));
            disc.put(disc.layout.vat + header + 4 * other, &le(u32::MAX));
        });
        list.changed(&format!("udf-vat-long-{revision:x}"), false, "the VAT is 2^63 bytes long", vat(), |disc| {
            disc.set(disc.layout.vat_icb, 56, &(1u64 << 63).to_le_bytes());
        });
        let name = format!("udf-vat-in-vat-{revision:x}");
        list.changed(&name, false, "the VAT's extents lie in the virtual partition", vat(), |disc| {
            let icb = disc.layout.vat_icb;
            let at = if revision < 0x200 { 168 } else { 208 };
            let own = disc.layout.vat as u32 / 2048 - disc.layout.partition_start;
            let ad = [&le(2048)[..], &le(own), &[1, 0, 0, 0, 0, 0, 0, 0]].concat();
            disc.set(icb, 34, &[1, 0]);
            disc.set(icb, at + 4, &le(16));
            let len = at + 8 + 16 - 16;
            disc.put(icb + 10, &(len as u16).to_le_bytes());
            disc.set(icb, at + 8, &ad);
        });
    }
    list.changed(
        "udf-vat-header-long",
        false,
        "the VAT's header is longer than the VAT",
        on(Image::new(0x201).maps(&[Map::Physical, Map::vat()])).anchors(&[Anchor::At(256)]),
        |disc| disc.put(disc.layout.vat, &[0xFF; 4]),
    );
    let sparable =
        || on(Image::new(0x201).maps(&[Map::Sparable(Sparing { packet: 16, tables: 2, remapped: vec![3] })]));
    list.changed("udf-sparing-overlap", true, "sparing entries say one packet twice", sparable(), |disc| {
        for at in disc.layout.sparing.clone() {
            let entry = disc.bytes[at as usize + 56..at as usize + 64].to_vec();
            disc.put(at + 64, &entry);
            disc.put(at + 68, &le(0x00FF_FFFF));
            disc.sign(at);
        }
    });
    list.changed("udf-sparing-count", true, "a sparing table of 65535 entries in one block", sparable(), |disc| {
        for at in disc.layout.sparing.clone() {
            disc.set(at, 48, &[0xFF, 0xFF]);
        }
    });
    list.changed("udf-sparing-beyond", false, "a packet is spared beyond the end", sparable(), |disc| {
        for at in disc.layout.sparing.clone() {
            disc.set(at, 60, &le(0xFFFF_FF00));
        }
    });
    list.changed("udf-sparing-lost", false, "no sparing table is whole", sparable(), |disc| {
        for at in disc.layout.sparing.clone() {
            disc.put(at, &[0; 512]);
        }
    });
    list.changed("udf-packet-0", false, "packets of no blocks", sparable(), |disc| {
        disc.set_both(tag::LOGICAL, 480, &[0, 0]);
    });
    list.changed("udf-sparing-tables-255", true, "255 sparing tables", sparable(), |disc| {
        disc.set_both(tag::LOGICAL, 482, &[255]);
    });
    let metadata = |duplicate| {
        on(Image::new(0x250).maps(&[Map::Physical, Map::Metadata(Metadata { duplicate, unit: 32, gap: 1 })]))
    };
    list.changed("udf-metadata-icb", true, "the metadata main file's ICB is zeros", metadata(true), |disc| {
        disc.put(disc.layout.metadata_icb, &[0; 2048]);
    });
    list.changed("udf-metadata-blocks", true, "the metadata main file's blocks are lost", metadata(true), |disc| {
        for (at, len) in disc.layout.metadata.clone() {
            disc.put(at, &vec![0; len as usize]);
        }
    });
    list.changed("udf-metadata-ads", true, "the metadata main file's extents lie beyond", metadata(true), |disc| {
        disc.set(disc.layout.metadata_icb, 216 + 4, &le(0x00FF_FFFF));
    });
    list.changed("udf-metadata-both", false, "both metadata files are zeros", metadata(true), |disc| {
        disc.put(disc.layout.metadata_icb, &[0; 2048]);
        disc.put(disc.layout.mirror_icb, &[0; 2048]);
    });
    list.changed("udf-metadata-mirror", true, "the mirror file is zeros", metadata(true), |disc| {
        disc.put(disc.layout.mirror_icb, &[0; 2048]);
    });
    list.changed("udf-metadata-inside", false, "the metadata file lies in itself", metadata(false), |disc| {
        // The form becomes long, and the extents lie in the partition that the file is.
        for icb in [disc.layout.metadata_icb, disc.layout.mirror_icb] {
            disc.put(icb + 34, &[1, 0]);
            disc.put(icb + 216, &[&le(32 * 2048)[..], &le(0), &[1, 0, 0, 0, 0, 0, 0, 0]].concat());
            disc.put(icb + 212, &le(16));
            disc.put(icb + 10, &216u16.to_le_bytes());
            disc.sign(icb);
        }
    });
    list.changed("udf-metadata-locations", false, "the metadata map names blocks beyond", metadata(true), |disc| {
        disc.set_both(tag::LOGICAL, 446 + 40, &[0xFE; 8]);
    });
    list.changed("udf-metadata-unit-0", true, "the metadata allocation unit is 0", metadata(true), |disc| {
        disc.set_both(tag::LOGICAL, 446 + 52, &[0; 6]);
    });
}

/// ECMA-167 4/14.6 to 4/14.9: ICBs.
fn entries(list: &mut Catalogue) {
    list.good("udf-icb-zeros", "a file's ICB is zeros", |disc| disc.put(disc.layout.icb("/victim"), &[0; 2048]));
    list.good("udf-icb-ones", "a file's ICB is 0xFF", |disc| disc.put(disc.layout.icb("/victim"), &[0xFF; 2048]));
    list.good("udf-icb-crc", "a file's ICB has a wrong CRC", |disc| {
        disc.put(disc.layout.icb("/victim") + 60, &[9]);
    });
    list.good("udf-icb-location", "a file's ICB says another place", |disc| {
        disc.set(disc.layout.icb("/victim"), 12, &le(12_345));
    });
    list.good("udf-ie-loop", "an indirect entry leads to the first entry", |disc| {
        let place = disc.layout.place("/again").clone();
        disc.set(place.indirect[1], 40, &le(place.block));
    });
    list.good("udf-ie-itself", "an indirect entry leads to itself", |disc| {
        let place = disc.layout.place("/again").clone();
        disc.set(place.indirect[0], 40, &le(place.block + 1));
    });
    list.good("udf-ie-beyond", "an indirect entry leads beyond the partition", |disc| {
        let place = disc.layout.place("/again").clone();
        disc.set(place.indirect[0], 40, &le(0xFFFF_FFF0));
    });
    list.good("udf-strategy", "an ICB of strategy 7", |disc| {
        disc.set(disc.layout.icb("/victim"), 20, &[7, 0]);
    });
    list.good("udf-type-99", "a file of no known type", |disc| disc.set(disc.layout.icb("/victim"), 27, &[99]));
    list.good("udf-links-0", "a named file without links", |disc| disc.set(disc.layout.icb("/victim"), 48, &[0, 0]));
    for (name, len) in [("2-63", 1u64 << 63), ("max", u64::MAX), ("2-63-less-1", (1 << 63) - 1)] {
        list.good(&format!("udf-length-{name}"), "a file of absurd length", |disc| {
            disc.set(disc.layout.icb("/victim"), 56, &len.to_le_bytes());
        });
        list.good(&format!("udf-directory-length-{name}"), "a directory of absurd length", |disc| {
            disc.set(disc.layout.icb("/many"), 56, &len.to_le_bytes());
        });
    }
    list.good("udf-embedded-longer", "embedded bytes that are fewer than said", |disc| {
        disc.set(disc.layout.icb("/dir/inside"), 56, &100_000u64.to_le_bytes());
    });
    list.good("udf-ea-length", "extended attributes longer than the block", |disc| {
        disc.set(disc.layout.icb("/null"), 208, &le(0xFFFF_FF00));
        disc.set(disc.layout.icb("/victim"), 208, &le(1800));
    });
    list.good("udf-ad-length", "more allocation descriptors than the block holds", |disc| {
        disc.set(disc.layout.icb("/victim"), 212, &le(0xFFFF_FFF8));
        disc.set(disc.layout.icb("/other"), 212, &le(1900));
    });
}

/// ECMA-167 4/12 and 4/14.14.
fn allocation(list: &mut Catalogue) {
    let ad = |list: &mut Catalogue, name: &str, note, field: u64, value: u32| {
        list.good(name, note, |disc| {
            for path in ["/victim", "/other"] {
                let at = disc.layout.ads(path) - disc.layout.icb(path) + field;
                disc.set(disc.layout.icb(path), at, &le(value));
            }
        });
    };
    ad(list, "udf-extent-beyond", "an extent beyond the partition", 4, 0x00FF_FFFF);
    ad(list, "udf-extent-wraps", "an extent whose start and block wrap 32 bits", 4, 0xFFFF_FFF0);
    ad(list, "udf-extent-long", "an extent that leaves the partition", 0, 0x3FFF_F800);
    ad(list, "udf-extent-type-3", "an allocation extent that is none", 0, 0xC000_0800);
    list.good("udf-extent-partition", "an extent in a partition without a map", |disc| {
        let at = disc.layout.ads("/other") - disc.layout.icb("/other") + 8;
        disc.set(disc.layout.icb("/other"), at, &[0xFF, 0xFF]);
    });
    list.good("udf-aed-itself", "an allocation extent goes on in itself", |disc| {
        let aed = disc.layout.place("/chain").aeds[0];
        let own = (aed / 2048) as u32 - disc.layout.partition_start;
        disc.set(aed, 24 + 2 * 8 + 4, &le(own));
    });
    list.good("udf-aed-loop", "an allocation extent goes on in an earlier one", |disc| {
        let aeds = disc.layout.place("/chain").aeds.clone();
        let first = (aeds[0] / 2048) as u32 - disc.layout.partition_start;
        disc.set(aeds[2], 24 + 2 * 8 + 4, &le(first));
    });
    list.good("udf-aed-empty-loop", "allocation extents that hold nothing but each other", |disc| {
        let aeds = disc.layout.place("/chain").aeds.clone();
        let block = |at: u64| (at / 2048) as u32 - disc.layout.partition_start;
        let blocks = [block(aeds[0]), block(aeds[1])];
        for (at, next) in [(aeds[0], blocks[1]), (aeds[1], blocks[0])] {
            disc.put(at + 24, &[le(0xC000_0800), le(next)].concat());
            disc.put(at + 20, &le(8));
            disc.put(at + 10, &[16, 0]);
            disc.sign(at);
        }
    });
    list.good("udf-aed-length", "an allocation extent longer than its block", |disc| {
        disc.set(disc.layout.place("/chain").aeds[0], 20, &le(0xFFFF_FFF0));
    });
    list.good("udf-aed-zeros", "an allocation extent of zeros", |disc| {
        disc.put(disc.layout.place("/chain").aeds[1], &[0; 2048]);
    });
    list.good("udf-aed-beyond", "an allocation extent beyond the partition", |disc| {
        disc.set(disc.layout.place("/chain").aeds[0], 24 + 2 * 8 + 4, &le(0x7FFF_FFFF));
    });
    let terabytes = Node::pattern(1, 100).runs(&[Run::Unallocated(1 << 42)]);
    let image = base().add("/sparse", terabytes);
    list.changed("udf-2-62-of-holes", true, "a file of 4 EiB that has no data", image, |disc| {
        disc.set(disc.layout.icb("/sparse"), 56, &(1u64 << 62).to_le_bytes());
    });
}

/// ECMA-167 4/14.4: file identifier descriptors.
fn directories(list: &mut Catalogue) {
    for (name, field, value) in [
        ("l-fi", 19, vec![255]),
        ("l-iu", 36, vec![0xFC, 0xFF]),
        ("l-iu-odd", 36, vec![3, 0]),
        ("tag", 0, vec![9, 9]),
        ("l-fi-0", 19, vec![0]),
    ] {
        list.good(&format!("udf-fid-{name}"), "a descriptor whose lengths lie", |disc| {
            disc.set_fid("/victim", field, &value);
        });
        list.good(&format!("udf-fid-{name}-extent"), "the same in a directory of blocks", |disc| {
            disc.set_fid("/many/file 50", field, &value);
        });
    }
    list.good("udf-fid-zeros", "a directory that ends in zeros", |disc| {
        disc.put(disc.layout.fid("/many/file 50"), &[0; 600]);
    });
    list.good("udf-fid-noise", "a directory with noise in it", |disc| {
        let noise: Vec<u8> = (0..600u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        disc.put(disc.layout.fid("/many/file 50"), &noise);
    });
    list.good("udf-fid-reference", "descriptors that refer to nothing", |disc| {
        disc.set_fid("/victim", 24, &le(0xFFFF_FFF0));
        disc.set_fid("/other", 28, &[0x55, 0x55]);
        disc.set_fid("/chain", 20, &[0; 16]);
    });
    list.good("udf-fid-itself", "a descriptor refers to the directory's own block", |disc| {
        let block = disc.layout.place("/").block;
        disc.set_fid("/victim", 24, &le(block));
    });
    list.good("udf-cycle", "a directory names an ancestor as its child", |disc| {
        for (path, ancestor) in [("/dir/sub", "/dir"), ("/dir/inside", "/")] {
            let block = disc.layout.place(ancestor).block;
            disc.set_fid(path, 24, &le(block));
            disc.set_fid(path, 18, &[2]);
        }
    });
    list.good("udf-parent-child", "a directory's parent is its child", |disc| {
        let block = disc.layout.place("/dir/sub").block;
        let fid = disc.layout.place("/dir").parent_fid;
        disc.set(fid, 24, &le(block));
        disc.sign(disc.layout.icb("/dir"));
    });
    list.good("udf-file-as-directory", "a file is named as a directory, and the other way round", |disc| {
        disc.set_fid("/victim", 18, &[2]);
        disc.set_fid("/dir", 18, &[0]);
    });
    let names = [
        Name::Raw(vec![]),
        Name::Raw(vec![8]),
        Name::Raw(vec![0, b'a']),
        Name::Raw(vec![99, b'a']),
        Name::Raw(vec![16, b'a']),
        Name::Raw(vec![16, 0, b'a', 0]),
        Name::Raw(vec![254, b'a']),
        Name::Raw(vec![255, 0, b'a']),
        Name::Bytes(8, b"nul\0nul".to_vec()),
        Name::Bytes(8, b"///".to_vec()),
        Name::Units(16, vec![0xDFFF, 0xD800]),
        Name::Units(16, vec![0x4E00; 127]),
        Name::Text("same".into()),
        Name::Text("same".into()),
    ];
    let mut image = base();
    for (number, name) in names.into_iter().enumerate() {
        image = image.add(&format!("/odd-{number}"), Node::text("o").with(|node| node.identifier = Some(name)));
    }
    list.disc("udf-names", true, "names that are none", image.add("/behind", Node::text("behind")).disc());
}

/// ECMA-167 4/14.10 and 4/14.16.
fn attributes(list: &mut Catalogue) {
    for (name, field, value) in [("0", 24 + 8, 0), ("max", 24 + 8, u32::MAX), ("iu", 24 + 12, u32::MAX)] {
        list.good(&format!("udf-ea-{name}"), "an extended attribute whose length lies", |disc| {
            let icb = disc.layout.icb("/null");
            let at = disc.layout.place("/null").attributes - icb + field;
            disc.set(icb, at, &le(value));
        });
    }
    list.good("udf-ea-header", "extended attributes without a header", |disc| {
        let icb = disc.layout.icb("/null");
        let at = disc.layout.place("/null").attributes - icb;
        disc.set(icb, at, &[0xEE; 24]);
    });
    for (name, field, value) in [("overrun", 1, 200), ("type", 0, 77), ("zero", 1, 0)] {
        list.good(&format!("udf-component-{name}"), "a path component that lies", |disc| {
            let icb = disc.layout.icb("/link");
            let at = disc.layout.ads("/link") - icb + field;
            disc.set(icb, at, &[value]);
        });
    }
    let long = base().add("/long", Node::link(&"a/".repeat(5000)));
    list.disc("udf-link-long", true, "a link longer than PATH_MAX", long.disc());
    let streams = || base().add("/streams", Node::text("s").stream("one", b"1").stream("two", b"2"));
    list.changed("udf-stream-itself", true, "a stream directory that is its file", streams(), |disc| {
        let (icb, block) = (disc.layout.icb("/streams"), disc.layout.place("/streams").block);
        disc.set(icb, 152 + 4, &le(block));
    });
    list.changed("udf-stream-beyond", true, "a stream directory beyond the partition", streams(), |disc| {
        let icb = disc.layout.icb("/streams");
        disc.set(icb, 152 + 4, &[0xFF; 6]);
    });
    list.changed("udf-stream-root", true, "the root is a stream directory", streams(), |disc| {
        let (icb, block) = (disc.layout.icb("/streams"), disc.layout.place("/").block);
        disc.set(icb, 152 + 4, &le(block));
    });
    list.good("udf-time-max", "times that are none", |disc| {
        let icb = disc.layout.icb("/victim");
        disc.set(icb, 80, &[0xFF; 48]);
        disc.set(disc.layout.icb("/other"), 80, &[0; 48]);
    });
}
