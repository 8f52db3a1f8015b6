//! Images that between them have every structure a reader must know.

use super::allocation::{Form, Run};
use super::attribute;
use super::damage::{Copy, Damage};
use super::entry::kind;
use super::image::{Anchor, Image, Integrity};
use super::map::{Map, Metadata, Sparing, Vat};
use super::node::{Node, characteristic};
use super::tag;
use super::text::Name;
use super::time::{Stamp, TIME};
use crate::build::content::Content;

/// A small tree of one of each kind.
fn common(image: Image) -> Image {
    let bs = u64::from(image.block_size);
    image
        .add("/good", Node::text("this file stays readable\n"))
        .add("/empty", Node::text(""))
        .add("/docs/read.me", Node::text("hello\n").mode(0o600).owner(12, 34))
        .add("/docs/deep/er/and/deep/er/file", Node::text("deep"))
        .add("/docs/block", Node::pattern(1, bs))
        .add("/docs/block-1", Node::pattern(2, bs - 1))
        .add("/docs/block+1", Node::pattern(3, bs + 1))
        .add("/large", Node::pattern(4, 300_001))
        .add("/pieces", Node::pattern(5, 20 * bs + 77).fragments(bs))
        .add("/größe", Node::text("latin"))
        .add("/Ω-日本語-😀", Node::text("unicode"))
        .add(&format!("/{}", "n".repeat(253)), Node::text("long"))
        .add("/link", Node::link("docs/./../docs/read.me"))
        .add("/absolute", Node::link("/usr/share/größe/Ω"))
        .add("/hard", Node::hard("/docs/read.me"))
        .add("/docs/hard", Node::hard("/docs/read.me"))
        .add("/pipe", Node::fifo())
        .add("/socket", Node::socket())
        .add("/null", Node::device(false, 1, 3))
        .add("/disk", Node::device(true, 300, 70_000))
        .add("/many", many())
}

/// A directory that needs blocks of its own.
fn many() -> Node {
    Node::dir().with(|dir| {
        for number in 0..120 {
            let name = format!("file number {number}");
            dir.children.push(Node::text(&format!("{number}\n")).with(|node| node.name = name));
        }
    })
}

fn new(revision: u16) -> Image {
    Image::new(revision)
}

/// Names and images; all of them are well-formed, or such that a reader loses nothing.
pub fn samples() -> Vec<(String, Image)> {
    let mut list: Vec<(String, Image)> = Vec::new();
    let mut add = |name: &str, image: Image| list.push((name.to_owned(), image));
    for revision in [0x102, 0x150, 0x200, 0x201, 0x250, 0x260] {
        add(&format!("revision-{revision:x}"), common(new(revision)));
    }
    for size in [512, 1024, 4096] {
        add(&format!("blocks-{size}"), common(new(0x201).block_size(size)));
    }
    volumes(&mut add);
    partitions(&mut add);
    bodies(&mut add);
    nodes(&mut add);
    names(&mut add);
    list
}

/// ECMA-167 part 2 and 3: recognition, anchors, sequences.
fn volumes(add: &mut dyn FnMut(&str, Image)) {
    let new = || common(new(0x201));
    // ECMA-167 2/8.3.1: several descriptors, in an order that is not the usual one.
    add("vrs-boot", new().recognition(&["BEA01", "BOOT2", "NSR03", "TEA01"]));
    add("vrs-after-iso", new().recognition(&["CD001", "BEA01", "NSR03", "TEA01"]));
    add("vrs-after-tea", new().recognition(&["BEA01", "TEA01", "NSR03"]));
    add("vrs-two-areas", new().recognition(&["BEA01", "BOOT2", "TEA01", "BEA01", "NSR03", "TEA01"]));
    add("vrs-4096-by-2048", {
        common(Image::new(0x201).block_size(4096)).with(|image| image.recognition.step = Some(2048))
    });
    for (name, anchors) in [
        ("256", vec![Anchor::At(256)]),
        ("512", vec![Anchor::At(512)]),
        ("end", vec![Anchor::End(0)]),
        ("end-256", vec![Anchor::End(256)]),
        ("all", vec![Anchor::At(256), Anchor::End(256), Anchor::End(0)]),
    ] {
        add(&format!("anchor-{name}"), new().anchors(&anchors));
    }
    for size in [512, 1024, 4096] {
        let image = common(Image::new(0x201).block_size(size)).anchors(&[Anchor::End(0)]);
        add(&format!("anchor-end-blocks-{size}"), image);
    }
    add("padded", new().anchors(&[Anchor::At(256)]).with(|image| image.padding = 150));
    // ECMA-167 3/8.4.2.2: descriptor by descriptor, the reserve sequence stands in.
    for (word, damage) in [("checksum", Damage::Checksum), ("crc", Damage::Crc), ("zeros", Damage::Zeros)] {
        for (name, id) in [("primary", tag::PRIMARY), ("partition", tag::PARTITION), ("logical", tag::LOGICAL)] {
            add(&format!("main-{name}-{word}"), new().damage(Copy::Main, id, damage));
        }
    }
    add("main-location", new().damage(Copy::Main, tag::LOGICAL, Damage::Location));
    add("main-version", new().damage(Copy::Main, tag::PARTITION, Damage::Version));
    add(
        "crosswise",
        new().damage(Copy::Main, tag::PARTITION, Damage::Zeros).damage(Copy::Reserve, tag::LOGICAL, Damage::Crc),
    );
    add("vdp", new().with(|image| image.chained = true));
    add("superseded", new().with(|image| image.superseded = true));
    add("older-file-set", new().with(|image| image.older_file_set = true));
    add("lvid-open", new().with(|image| image.integrity = Integrity::Open));
    add("lvid-missing", new().with(|image| image.integrity = Integrity::Missing));
}

/// UDF 2.2.8 to 2.2.13: partition maps.
fn partitions(add: &mut dyn FnMut(&str, Image)) {
    let open = [Anchor::At(256)];
    for revision in [0x150, 0x200, 0x201] {
        let vat = |vat: Vat| common(new(revision).maps(&[Map::Physical, Map::Virtual(vat)])).anchors(&open);
        add(&format!("vat-{revision:x}"), vat(Vat::default()));
        add(&format!("vat-{revision:x}-embedded"), {
            let image = new(revision).maps(&[Map::Physical, Map::Virtual(Vat { embedded: true, ..Vat::default() })]);
            image.anchors(&open).add("/good", Node::text("good")).add("/dir/large", Node::pattern(6, 50_000))
        });
        add(&format!("vat-{revision:x}-run-out"), vat(Vat { run_out: 7, ..Vat::default() }));
        // Every block of an extent goes through the table.
        let scattered = Vat { scatter: true, ..Vat::default() };
        add(&format!("vat-{revision:x}-scattered"), vat(scattered).with(|image| image.form = Some(Form::Short)));
    }
    let header = Vat { implementation_use: 40, ..Vat::default() };
    add("vat-header-longer", common(new(0x201).maps(&[Map::Physical, Map::Virtual(header)])).anchors(&open));
    let closed = [Anchor::At(256), Anchor::End(256)];
    add("vat-closed", common(new(0x201).maps(&[Map::Physical, Map::vat()])).anchors(&closed));
    add("vat-first", common(new(0x201).maps(&[Map::vat(), Map::Physical])).anchors(&open));
    for packet in [16, 32] {
        for tables in [1, 4] {
            let map = Map::Sparable(Sparing { packet, tables, remapped: vec![2, 0] });
            add(&format!("sparable-{packet}-{tables}"), common(new(0x150).maps(&[map])));
        }
    }
    add("sparable-2.01", common(new(0x201).maps(&[Map::sparable()])));
    for revision in [0x250, 0x260] {
        let metadata = |metadata| common(new(revision).maps(&[Map::Physical, Map::Metadata(metadata)]));
        add(&format!("metadata-{revision:x}"), metadata(Metadata { duplicate: true, unit: 32, gap: 1 }));
        add(&format!("metadata-{revision:x}-shared"), metadata(Metadata { duplicate: false, unit: 64, gap: 0 }));
        add(&format!("metadata-{revision:x}-short"), {
            metadata(Metadata { duplicate: true, unit: 64, gap: 3 }).with(|image| image.form = Some(Form::Short))
        });
        add(&format!("metadata-{revision:x}-file-entries"), {
            metadata(Metadata { duplicate: true, unit: 32, gap: 0 }).with(|image| image.extended = Some(false))
        });
    }
    add("metadata-first", common(new(0x250).maps(&[Map::metadata(), Map::Physical])));
    add("metadata-sparable", common(new(0x250).maps(&[Map::sparable(), Map::metadata()])));
    // ECMA-167 3/10.6.13: maps stand in any order, those that lie in others before or behind them.
    let (physical, vat, metadata) = (Map::Physical, Map::vat(), Map::metadata());
    for (name, maps) in [
        ("metadata-virtual", [&physical, &vat, &metadata]),
        ("virtual-first", [&vat, &physical, &metadata]),
        ("metadata-first-virtual-last", [&metadata, &physical, &vat]),
        ("metadata-virtual-physical", [&metadata, &vat, &physical]),
        ("virtual-metadata-physical", [&vat, &metadata, &physical]),
        ("virtual-last", [&physical, &metadata, &vat]),
    ] {
        add(name, common(new(0x260).maps(&maps.map(Clone::clone))).anchors(&open));
    }
    add("metadata-sparable-swapped", common(new(0x250).maps(&[Map::metadata(), Map::sparable()])));
    // ECMA-167 3/10.6.13: a reference is the number of a map, not of a partition.
    for (name, maps) in [("two", [Map::Physical, Map::Second]), ("two-swapped", [Map::Second, Map::Physical])] {
        let second = maps.iter().position(|map| *map == Map::Second).map(|at| at as u16);
        let image = common(new(0x201).maps(&maps))
            .add("/second", Node::text("second").with(|node| node.partition = second))
            .add("/second-data", Node::pattern(8, 9000).form(Form::Long).with(|node| node.data_partition = second));
        add(&format!("partitions-{name}"), image);
    }
}

/// ECMA-167 4/12 and 4/14.14: how bodies are recorded.
fn bodies(add: &mut dyn FnMut(&str, Image)) {
    for extended in [false, true] {
        for form in [Form::Short, Form::Long, Form::Extended] {
            let word = if extended { "efe" } else { "fe" };
            let name = format!("{word}-{}", format!("{form:?}").to_lowercase());
            let image = common(new(0x201)).with(|image| {
                (image.form, image.extended) = (Some(form), Some(extended));
            });
            add(&name, image);
        }
    }
    let bs = 2048;
    let mut chains = new(0x201);
    for form in [Form::Short, Form::Long, Form::Extended] {
        let name = format!("{form:?}").to_lowercase();
        let file = |seed| Node::pattern(seed, 9 * bs + 5).form(form).fragments(bs);
        chains = chains
            .add(&format!("/{name}-1"), file(1).most_ads(2))
            .add(&format!("/{name}-3"), file(2).most_ads(4))
            .add(&format!("/{name}-long"), Node::pattern(3, 700 * bs).form(form).fragments(bs))
            .add(&format!("/{name}-dir"), many().form(form).fragments_of_directory(bs).most_ads(3));
    }
    add("aed-chains", chains);
    // Small enough to be hashed whole; a terabyte has a test of its own.
    let marks = vec![(5000, b"mark".to_vec()), (1 << 25, b"middle".to_vec()), ((1 << 26) - 3, b"end".to_vec())];
    let mut holes = new(0x201)
        .add("/sparse", Node::file(Content::Holes { len: 1 << 26, marks }).sparse(bs))
        .add("/hole", Node::file(Content::Holes { len: 100_000, marks: vec![] }).sparse(bs));
    for (name, hole) in [("allocated", Run::Allocated(6 * bs)), ("unallocated", Run::Unallocated(6 * bs))] {
        let content = Content::Holes { len: 10 * bs + 9, marks: vec![(0, vec![1; 4096]), (8 * bs, vec![2; 4105])] };
        for form in [Form::Short, Form::Long, Form::Extended] {
            let runs = [Run::Recorded(2 * bs), hole, Run::Recorded(2 * bs + 9)];
            let name = format!("/{name}-{}", format!("{form:?}").to_lowercase());
            holes = holes.add(&name, Node::file(content.clone()).runs(&runs).form(form));
        }
    }
    add("holes", holes);
    let tail = |runs: &[Run]| Node::pattern(9, 3 * bs + 100).runs(runs);
    add(
        "tails",
        new(0x201)
            // ECMA-167 4/12.1: extents behind the end of the body are its tail, no part of it.
            .add("/tail", tail(&[Run::Recorded(3 * bs + 100), Run::Allocated(5 * bs)]))
            .add("/tail-recorded", tail(&[Run::Recorded(4 * bs), Run::Recorded(bs)]))
            .add("/ended", tail(&[Run::Recorded(2 * bs), Run::Recorded(bs + 100)]).with(|node| node.ended = true))
            .add("/odd", tail(&[Run::Recorded(bs + 7), Run::Recorded(2 * bs + 93)])),
    );
    add(
        "embedded",
        new(0x201)
            .add("/most", Node::pattern(10, bs - 216).form(Form::Embedded))
            .add("/fe", Node::pattern(11, bs - 176).form(Form::Embedded).with(|node| node.extended = Some(false))),
    );
    let strategy = |image: Image| {
        common(image)
            .with(|image| image.strategy = 4096)
            .add("/again", Node::text("the last one").mode(0o640).with(|node| node.older = 3))
    };
    add("strategy-4096", strategy(new(0x150)));
    add("strategy-4096-blocks-512", strategy(new(0x201).block_size(512)));
    add("strategy-4096-root", strategy(new(0x201)).add("/", Node::dir().with(|root| root.older = 2)));
}

impl Node {
    /// A directory in extents of `bytes` each.
    #[must_use]
    fn fragments_of_directory(self, bytes: u64) -> Self {
        let len = 40
            + self.children.iter().map(|child| (38 + child.recorded_name().len()).next_multiple_of(4)).sum::<usize>();
        self.with(|node| {
            let mut rest = len as u64;
            while rest > 0 {
                node.runs.extend([Run::Recorded(rest.min(bytes)), Run::Gap(1)]);
                rest = rest.saturating_sub(bytes);
            }
        })
    }
}

/// ECMA-167 4/14.6 to 4/14.10: what is recorded about files.
fn nodes(add: &mut dyn FnMut(&str, Image)) {
    let mut image = new(0x201)
        .add("/setuid", Node::text("s").mode(0o4755))
        .add("/setgid", Node::text("s").mode(0o2711))
        .add("/sticky", Node::dir().mode(0o1777))
        .add("/uid-max", Node::text("u").owner(u32::MAX - 1, 65_536))
        .add("/real-time", Node::text("r").with(|node| node.file_type = Some(kind::REAL_TIME)))
        .add("/type-0", Node::text("0").with(|node| node.file_type = Some(0)));
    for mode in [0o777, 0o421, 0o124, 0o700, 0o070, 0o007, 0o111, 0o222, 0o444] {
        image = image.add(&format!("/mode-{mode:o}"), Node::text("m").mode(mode));
    }
    add("modes", image);
    let at = |stamp: Stamp| Node::text("t").times([stamp; 4]);
    let times = new(0x201)
        .add("/utc", at(Stamp { kind: 0, ..Stamp::new(TIME) }))
        .add("/east", at(Stamp::new(TIME).zone(345).micros(123_456)))
        .add("/west", at(Stamp::new(TIME).zone(-720)))
        .add("/far-east", at(Stamp::new(TIME).zone(840)))
        // ECMA-167 1/7.3.1: the zone -2047 is not specified.
        .add("/nowhere", at(Stamp::new(TIME).zone(-2047)))
        .add("/1969", at(Stamp::new(-1000)))
        .add("/1901", at(Stamp::new(-2_147_483_649)))
        .add("/2038", at(Stamp::new(2_147_483_648)))
        .add("/2107", at(Stamp::new(4_320_000_000).micros(999_999)));
    add("times", times.clone());
    add("times-fe", times.with(|image| image.extended = Some(false)));
    let implementation = |content: &[u8]| attribute::implementation("*UDF FreeEASpace", 0x201, content);
    add(
        "attributes",
        new(0x201)
            .add("/free", Node::text("f").attribute(implementation(&[0; 30])))
            .add(
                "/all",
                Node::device(false, 10, 20)
                    .attribute(attribute::application("*UDF FreeAppEASpace", &[1; 7]))
                    .attribute(implementation(b"xyz"))
                    .attribute(attribute::creation(Stamp::new(TIME))),
            )
            .add("/embedded", Node::text("after the attributes").attribute(implementation(&[7; 90])))
            .add("/extents", Node::pattern(12, 30_000).attribute(implementation(&[7; 90]))),
    );
    for (name, maps) in [("streams", vec![Map::Physical]), ("streams-metadata", vec![Map::Physical, Map::metadata()])] {
        let image = new(0x250).maps(&maps);
        add(
            name,
            image
                .add("/plain", Node::text("p"))
                .add("/file", Node::text("main").stream("forks", b"of a file").stream("Ω", b"omega"))
                .add("/dir", Node::dir().stream("of-a-directory", b"yes"))
                .add("/long", Node::pattern(13, 40_000).stream("long", &[0x42; 5000])),
        );
    }
    let link = |list: &[(u8, &str)]| {
        let components = list.iter().map(|(kind, name)| (*kind, super::text::compressed(name))).collect();
        Node::link("").with(|node| node.components = Some(components))
    };
    add(
        "links",
        new(0x201)
            .add("/root", Node::link("/"))
            .add("/dot", Node::link("."))
            .add("/dots", Node::link("../../../x"))
            .add(
                "/type-1",
                link(&[(1, ""), (5, "volume")]).with(|node| {
                    node.kind = super::Kind::Link("/volume".into());
                }),
            )
            .add("/long", Node::link(&format!("/{}end", "component/".repeat(150)))),
    );
}

/// UDF 2.1.1, 2.3.4 and 4.2.2.1.5: names.
fn names(add: &mut dyn FnMut(&str, Image)) {
    let text = |text: &str| Node::text(text);
    add(
        "names",
        new(0x201)
            .add("/a", text("8").named(Name::Bytes(8, b"\xE9\xFFx".to_vec()), "éÿx"))
            .add("/b", text("16").named(Name::Units(16, vec![0x61, 0x3A9]), "aΩ"))
            .add("/c", text("pair").named(Name::Units(16, vec![0xD83D, 0xDE00]), "😀"))
            .add("/d", text("8 as 16").named(Name::Units(16, vec![0x64]), "d"))
            .add("/e", text("slash").named(Name::Text("sl/ash".into()), "sl_ash#E6D4"))
            .add("/f", text("dot").named(Name::Text(".".into()), ".#C5AC"))
            .add("/g", text("dots").named(Name::Text("..".into()), "..#E045"))
            .add("/h", text("lone").named(Name::Units(16, vec![0xD800, 0x62]), "_b#6124"))
            .add("/long8", text("254").named(Name::Bytes(8, vec![b'L'; 254]), &"L".repeat(254)))
            .add("/long16", text("126").named(Name::Units(16, vec![0xE9; 126]), &"é".repeat(126)))
            .add("/back\\slash", text("b"))
            .add("/ space ", text("s"))
            .add("/new\nline", text("n"))
            .add("/CASE", text("upper"))
            .add("/case", text("lower")),
    );
    add(
        "fids",
        new(0x201)
            .add("/first", text("1").with(|node| node.fid.implementation_use = vec![0xAA; 8]))
            .add("/wide", text("2").with(|node| node.fid.implementation_use = vec![0xBB; 500]))
            .add("/hidden", text("h").characteristics(characteristic::HIDDEN))
            .add("/deleted", text("d").characteristics(characteristic::DELETED))
            .add("/gone", text("g").characteristics(characteristic::DELETED).with(|node| node.fid.gone = true))
            // UDF 2.1.1: 254 and 255 are what a deleted name's compression becomes.
            .add(
                "/gone8",
                text("g").characteristics(characteristic::DELETED).with(|node| {
                    node.fid.gone = true;
                    node.identifier = Some(Name::Bytes(254, vec![0; 4]));
                }),
            )
            .add(
                "/gone16",
                text("g").characteristics(characteristic::DELETED).with(|node| {
                    node.fid.gone = true;
                    node.identifier = Some(Name::Units(255, vec![0; 4]));
                }),
            )
            .add("/metadata", text("m").characteristics(characteristic::METADATA))
            .add("/dir/last", text("l"))
            .add("/dir", Node::dir().with(|dir| dir.parent_last = true))
            .add("/last", text("9")),
    );
    let mut crossing = new(0x201).block_size(512);
    for number in 0..60 {
        let name = format!("/dir/{}-{number}", "x".repeat(number));
        crossing = crossing.add(
            &name,
            text("x").with(|node| {
                node.fid.implementation_use = vec![1; number % 3 * 4];
            }),
        );
    }
    add("fids-crossing-blocks", crossing);
    let mut far = new(0x201).add("/a/far", Node::dir().with(|dir| dir.parent_last = true));
    for number in 0..100 {
        far = far.add(&format!("/a/far/{number}-{}", "y".repeat(60)), text("y"));
    }
    add("parent-behind-many-names", far);
    add("directory-in-pieces", new(0x201).block_size(512).add("/many", many().fragments_of_directory(512)));
}
