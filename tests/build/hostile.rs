//! Images that nobody should write: each is a file that a reader may be given.

use super::content::Content;
use super::descriptor::Descriptor;
use super::encode::{both16, both32, padded};
use super::image::{Image, Rock};
use super::layout::Layout;
use super::node::{Continuation, MULTI_EXTENT, Node};
use super::susp;
use super::zisofs::Version;

/// What `good` holds in every image that has a tree.
pub const GOOD: &str = "this file stays readable\n";

#[derive(Debug, Clone)]
pub struct Hostile {
    pub name: String,
    pub image: Vec<u8>,
    /// A reader can mount it and show [`GOOD`] in `good`.
    pub good: bool,
    pub note: &'static str,
}

struct Catalogue(Vec<Hostile>);

impl Catalogue {
    fn raw(&mut self, name: &str, image: Vec<u8>, note: &'static str) {
        self.0.push(Hostile { name: name.into(), image, good: false, note });
    }

    fn good(&mut self, name: &str, image: &Image, note: &'static str) {
        self.0.push(Hostile { name: name.into(), image: image.bytes(), good: true, note });
    }

    fn bad(&mut self, name: &str, image: &Image, note: &'static str) {
        self.raw(name, image.bytes(), note);
    }

    /// The base image with bytes changed where its layout says.
    fn patch(&mut self, name: &str, note: &'static str, patches: impl FnOnce(&Layout) -> Vec<(u64, Vec<u8>)>) {
        self.good(name, &base().patched(patches), note);
    }
}

/// A small tree with one of everything.
pub fn base() -> Image {
    Image::new()
        .rock_ridge(Rock::V1_10)
        .add("/good", Node::text(GOOD))
        .add("/victim", Node::text("the victim\n"))
        .add("/dir/inside", Node::text("inside\n"))
        .add("/dir/sub/below", Node::text("below\n"))
        .add("/other/inside", Node::text("other\n"))
        .add("/link", Node::link("dir/inside"))
        .add("/null", Node::device(false, 1, 3))
}

/// The base image with other System Use fields at one file.
fn victim(change: impl FnOnce(Node) -> Node) -> Image {
    let mut image = base();
    let at = image.root.children.iter().position(|node| node.name == "victim").expect("the base has it");
    let node = image.root.children.remove(at);
    image.root.children.push(change(node));
    image
}

/// The victim with more System Use entries after the due ones.
fn entries(list: &[Vec<u8>]) -> Image {
    victim(|node| node.with(|node| node.entries = list.to_vec()))
}

/// The victim with only these.
fn only(list: &[Vec<u8>]) -> Image {
    victim(|node| node.with(|node| (node.without_entries, node.entries) = (true, list.to_vec())))
}

/// The base image, cut after `sectors` sectors.
pub fn truncated(sectors: u64) -> Vec<u8> {
    base().joliet(3).truncate(sectors * 2048).bytes()
}

/// The number of sectors of the base image: the descriptor set and all metadata are among them.
pub fn sectors() -> u64 {
    base().joliet(3).layout().len / 2048
}

pub fn catalogue() -> Vec<Hostile> {
    let mut list = Catalogue(Vec::new());
    no_discs(&mut list);
    descriptors(&mut list);
    directories(&mut list);
    names(&mut list);
    continuations(&mut list);
    rock_ridge(&mut list);
    relocation(&mut list);
    data(&mut list);
    list.0
}

fn no_discs(list: &mut Catalogue) {
    list.raw("empty", Vec::new(), "no bytes at all");
    list.raw("one-byte", vec![1], "one byte");
    list.raw("text", "not a disc\n".repeat(10_000).into_bytes(), "a text file");
    list.raw(
        "html",
        format!("<!DOCTYPE html><html>{}</html>", "<p>404</p>".repeat(9000)).into_bytes(),
        "an error page",
    );
    list.raw("zip", padded(b"PK\x03\x04\x14\0\0\0\x08\0", 100_000, 0x55), "the magic of a zip file");
    list.raw("zeros", vec![0; 100_000], "zeros");
    list.raw("ones", vec![0xFF; 100_000], "ones");
    for sectors in 16..=21 {
        list.raw(&format!("cut-{sectors}"), truncated(sectors), "cut within or behind the descriptor set");
    }
    list.raw("cut-odd", base().truncate(32_768 + 1000).bytes(), "cut within the primary descriptor");
}

fn descriptors(list: &mut Catalogue) {
    list.bad("zero-descriptor", &base().patch(32_774, &[0; 2042]), "nothing behind CD001");
    for (name, size, good) in
        [("0", 0, false), ("1", 1, false), ("3", 3, false), ("4096", 4096, false), ("65535", 65_535, false)]
    {
        let image = base().patch(32_768 + 128, &both16(size));
        list.0.push(Hostile {
            name: format!("block-size-{name}"),
            image: image.bytes(),
            good,
            note: "a wrong block size",
        });
    }
    list.patch("root-record-0", "the root's record has length 0", |layout| vec![(layout.descriptor(0) + 156, vec![0])]);
    list.patch("root-record-48", "the root's record has length 48", |layout| {
        vec![(layout.descriptor(0) + 156, vec![48])]
    });
    list.patch("root-no-directory", "the root has no directory flag", |layout| {
        vec![(layout.descriptor(0) + 156 + 25, vec![0])]
    });
    list.bad(
        "root-beyond",
        &base().patch(32_768 + 156 + 2, &both32(0x7FFF_FFFF)),
        "the root's extent lies behind the end",
    );
    list.bad("root-in-descriptor", &base().patch(32_768 + 156 + 2, &both32(16)), "the root's extent is its descriptor");
    list.patch("root-size-4g", "the root's size is 4 GiB - 1", |layout| {
        vec![(layout.descriptor(0) + 156 + 10, both32(u32::MAX).to_vec())]
    });
    list.patch("big-endian-lies", "every big-endian half is wrong", |layout| {
        let at = layout.descriptor(0);
        vec![(at + 84, vec![0xAA; 4]), (at + 130, vec![0xAA; 2]), (at + 162, vec![0xAA; 4]), (at + 170, vec![0xAA; 4])]
    });
    list.good("little-only", &base().with(|image| image.little_only = true), "all big-endian halves are zero");
    list.good("space-0", &base().with(|image| image.space_size = Some(0)), "a volume of no blocks");
    list.good("space-huge", &base().with(|image| image.space_size = Some(u32::MAX)), "a volume of 8 TiB");
    list.patch("path-tables-lie", "the path tables are noise of 4 GiB", |layout| {
        let (little, big) = layout.path_tables.expect("the base has them");
        let at = layout.descriptor(0);
        vec![(at + 132, both32(u32::MAX).to_vec()), (little, vec![0xA5; 2048]), (big, vec![0x5A; 2048])]
    });
    list.good("no-path-tables", &base().with(|image| image.path_tables = false), "no path tables");
    list.good("no-terminator", &base().descriptors(vec![Descriptor::Primary]), "no terminator");
    let mut unknown: Vec<Descriptor> = (0..80).map(|_| Descriptor::Unknown(77)).collect();
    unknown.extend([Descriptor::Primary, Descriptor::Terminator]);
    list.good("80-unknown-first", &base().descriptors(unknown), "80 descriptors of no known type come first");
    let mut unknown: Vec<Descriptor> = (0..90).map(|_| Descriptor::Unknown(77)).collect();
    unknown.extend([Descriptor::Primary, Descriptor::Terminator]);
    list.bad("90-unknown-first", &base().descriptors(unknown), "the primary descriptor is the 91st");
    list.good(
        "two-primaries",
        &base().descriptors(vec![Descriptor::Primary, Descriptor::Primary, Descriptor::Terminator]),
        "the same primary descriptor twice",
    );
    list.bad("only-terminator", &base().descriptors(vec![Descriptor::Terminator]), "no primary descriptor");
    list.good(
        "joliet-in-primary",
        &base().patch(32_768 + 88, b"%/E"),
        "the primary descriptor has Joliet's escape sequence",
    );
    list.good(
        "joliet-root-beyond",
        &base().joliet(3).patch(32_768 + 2048 + 156 + 2, &both32(0x7FFF_FFFF)),
        "Joliet's root lies behind the end",
    );
}

fn directories(list: &mut Catalogue) {
    let dirs: &[(&str, u32, &'static str)] = &[
        ("dir-size-0", 0, "a directory of no bytes"),
        ("dir-size-odd", 1999, "a directory whose size is no multiple of a sector"),
        ("dir-size-4g", u32::MAX, "a directory of 4 GiB"),
    ];
    for (name, size, note) in dirs {
        list.patch(name, note, |layout| {
            let size = both32(*size).to_vec();
            vec![(layout.record("/dir") + 10, size.clone()), (layout.record("/dir/.") + 10, size)]
        });
    }
    list.patch("dir-beyond", "a directory behind the end", |layout| {
        vec![(layout.record("/dir") + 2, both32(0x7FFF_FFF0).to_vec())]
    });
    list.patch("dir-in-text", "a directory whose extent is a text", |layout| {
        vec![(layout.record("/dir") + 2, both32(layout.block("/good")).to_vec())]
    });
    list.patch("loop-root", "a directory that is the root", |layout| {
        vec![(layout.record("/dir/sub") + 2, both32(layout.block("/.")).to_vec())]
    });
    list.patch("loop-self", "a directory that holds itself", |layout| {
        vec![(layout.record("/dir/sub") + 2, both32(layout.block("/dir")).to_vec())]
    });
    let mutual = Image::new()
        .rock_ridge(Rock::V1_10)
        .add("/good", Node::text(GOOD))
        .add("/a/to", Node::dir())
        .add("/b/to", Node::dir())
        .patched(|layout| {
            vec![
                (layout.record("/a/to") + 2, both32(layout.block("/b")).to_vec()),
                (layout.record("/b/to") + 2, both32(layout.block("/a")).to_vec()),
            ]
        });
    list.good("loop-mutual", &mutual, "two directories that hold each other");
    list.patch("two-names", "two names for one directory", |layout| {
        vec![(layout.record("/other") + 2, both32(layout.block("/dir")).to_vec())]
    });
    list.patch("parent-lies", "\"..\" is a file's extent", |layout| {
        vec![(layout.record("/dir/..") + 2, both32(layout.block("/good")).to_vec())]
    });
    list.patch("dot-lies", "\".\" is another directory", |layout| {
        vec![(layout.record("/dir/.") + 2, both32(layout.block("/other")).to_vec())]
    });
    list.patch("dot-renamed", "the root directory's \".\" has another name", |layout| {
        vec![(layout.record("/.") + 33, vec![0xCD])]
    });
    list.patch("dot-renamed-below", "a directory's \".\" has another name", |layout| {
        vec![(layout.record("/dir/.") + 33, vec![0xCD])]
    });
    list.good(
        "no-dots",
        &base().add("/dir", Node::dir().with(|node| node.without_dots = true)),
        "a directory without \".\" and \"..\"",
    );
    list.good("unsorted", &base().with(|image| image.unsorted = true), "directories in no order");
    let many = (0..100).fold(base(), |image, n| image.add(&format!("/file-{n:03}"), Node::text("one of many")));
    list.good("crossing", &many.with(|image| image.crossing = true), "records cross the ends of sectors");
    list.patch("record-short", "a record of 20 bytes", |layout| vec![(layout.record("/victim"), vec![20])]);
    list.patch("record-over", "a record of 255 bytes", |layout| vec![(layout.record("/victim"), vec![255])]);
    list.patch("record-33", "a record without an identifier", |layout| vec![(layout.record("/victim"), vec![33])]);
    let (len, root) = {
        let layout = base().layout();
        (layout.extent("/dir/sub") + 40, layout.extent("/."))
    };
    debug_assert!(root < len);
    list.bad("cut-in-directory", &base().truncate(len), "the end of the file cuts a directory");
}

fn names(list: &mut Catalogue) {
    list.patch("identifier-255", "an identifier of 255 bytes", |layout| {
        vec![(layout.record("/victim") + 32, vec![255])]
    });
    list.patch("identifier-0", "an identifier of no bytes", |layout| vec![(layout.record("/victim") + 32, vec![0])]);
    for (name, bytes, note) in [
        ("nm-slash", &b"a/b"[..], "NM holds a slash"),
        ("nm-escape", b"../../etc/passwd", "NM leads out of the tree"),
        ("nm-nul", b"a\0b", "NM holds a NUL"),
        ("nm-dot", b".", "NM is \".\""),
        ("nm-dot-dot", b"..", "NM is \"..\""),
        ("nm-empty", b"", "NM is empty"),
        ("nm-good", b"good", "NM is a name that another file has"),
        ("nm-bytes", b"\xFF\xFE\x01\x7F", "NM is no UTF-8"),
    ] {
        list.good(name, &victim(|node| node.rock_name(bytes)), note);
    }
    list.good("nm-300", &victim(|node| node.rock_name(&[b'n'; 300])), "NM of 300 bytes");
    list.good("nm-65000", &victim(|node| node.rock_name(&[b'n'; 65_000])), "NM of 65000 bytes");
    for (name, flags) in [("nm-current", 2), ("nm-parent", 4), ("nm-host", 0x20), ("nm-continue", 1), ("nm-all", 0xFF)]
    {
        list.good(name, &victim(|node| node.with(|node| node.name_flags = Some(flags))), "odd flags of NM");
    }
    for (name, bytes, note) in [
        ("id-slash", &b"A/B.;1"[..], "an identifier holds a slash"),
        ("id-nul", b"A\0B.;1", "an identifier holds a NUL"),
        ("id-dots", b"..", "an identifier is \"..\""),
        ("id-version", b";1", "an identifier is a version only"),
        ("id-versions", b"A;B;C;1", "an identifier of three versions"),
    ] {
        let image = victim(|node| node.identifier(bytes)).with(|image| image.rock = None);
        list.good(name, &image, note);
    }
    let twice = base().with(|image| image.rock = None).add("/VICTIM", Node::text("twice").identifier(b"VICTIM;1"));
    list.good("duplicates", &twice, "two identifiers that are one name");
}

fn continuations(list: &mut Catalogue) {
    let chain = |name: &str| {
        base().add(name, Node::text("c").continuation(Continuation { per_area: Some(1), ..Default::default() }))
    };
    let at = |layout: &Layout, index: usize| {
        let entries = &layout.place("/chain").entries;
        entries.iter().filter(|(signature, _)| signature == b"CE").nth(index).expect("a chain").1
    };
    let image = chain("/chain");
    let set = |index: usize, field: u64, value: u32| {
        let image = image.clone();
        image.patched(|layout| vec![(at(layout, index) + field, both32(value).to_vec())])
    };
    // An area that names itself: the CE of the first area gets the numbers of the record's CE.
    let own = image.clone().patched(|layout| {
        let (place, _) = layout.place("/chain").areas[0];
        let (block, offset) = ((place / 2048) as u32, (place % 2048) as u32);
        vec![(at(layout, 1) + 4, both32(block).to_vec()), (at(layout, 1) + 12, both32(offset).to_vec())]
    });
    list.good("ce-self", &own, "a continuation area that names itself");
    let cycle = image.clone().patched(|layout| {
        let (place, _) = layout.place("/chain").areas[0];
        let (block, offset) = ((place / 2048) as u32, (place % 2048) as u32);
        vec![(at(layout, 2) + 4, both32(block).to_vec()), (at(layout, 2) + 12, both32(offset).to_vec())]
    });
    list.good("ce-cycle", &cycle, "two continuation areas that name each other");
    list.good("ce-beyond", &set(0, 4, 0x7FFF_FFFF), "a continuation area behind the end");
    list.good("ce-offset", &set(0, 12, u32::MAX), "a continuation area at an offset of 4 GiB");
    list.good("ce-long", &set(0, 20, u32::MAX), "a continuation area of 4 GiB");
    list.good("ce-empty", &set(0, 20, 0), "a continuation area of no bytes");
    let many: Vec<Vec<u8>> = (0..200).map(|_| susp::pd(8)).collect();
    let long = Node::text("c")
        .with(|node| node.first_entries = many)
        .continuation(Continuation { per_area: Some(1), ..Default::default() });
    list.good("ce-200", &base().add("/chain", long), "a chain of 200 continuation areas");
    let root = base().add("/", Node::dir());
    let looped = root.patched(|layout| {
        let ce = layout.entry("/.", "CE");
        let at = layout.record("/.") + 34;
        vec![(ce + 4, both32((at / 2048) as u32).to_vec()), (ce + 12, both32((at % 2048) as u32).to_vec())]
    });
    list.good("ce-root-self", &looped, "the root's continuation area is its own System Use field");
}

fn rock_ridge(list: &mut Catalogue) {
    for len in [0u8, 1, 3, 255] {
        list.good(
            &format!("susp-length-{len}"),
            &victim(|node| node.with(|node| node.first_entries = vec![vec![b'Z', b'Z', 4, 1]]))
                .patched(|layout| vec![(layout.entry("/victim", "ZZ") + 2, vec![len])]),
            "a System Use entry of a wrong length",
        );
    }
    let broken: &[(&str, &str, u8, &'static str)] = &[
        ("px-short", "PX", 20, "a truncated PX"),
        ("px-5", "PX", 5, "PX with one byte"),
        ("tf-short", "TF", 8, "a truncated TF"),
        ("tf-4", "TF", 4, "TF without flags"),
        ("nm-4", "NM", 4, "NM without flags"),
    ];
    for (name, signature, len, note) in broken {
        list.patch(name, note, |layout| vec![(layout.entry("/victim", signature) + 2, vec![*len])]);
    }
    for (name, mode) in
        [("px-mode-0", 0), ("px-mode-all", 0xFFFF_FFFF), ("px-mode-type", 0o150_644), ("px-mode-dir", 0o040_755)]
    {
        list.patch(name, "a mode that can't be", |layout| {
            vec![(layout.entry("/victim", "PX") + 4, both32(mode).to_vec())]
        });
    }
    list.patch("px-dir-mode-file", "a directory that says it is a file", |layout| {
        let mode = both32(0o100_644).to_vec();
        vec![(layout.entry("/dir", "PX") + 4, mode.clone()), (layout.entry("/dir/.", "PX") + 4, mode)]
    });
    list.patch("tf-all", "TF claims all seven long times", |layout| {
        vec![(layout.entry("/victim", "TF") + 4, vec![0xFF])]
    });
    list.patch("tf-noise", "times of 0xFF", |layout| vec![(layout.entry("/victim", "TF") + 5, vec![0xFF; 21])]);
    for (name, at, value) in
        [("sl-component-255", 6, 255), ("sl-flags", 5, 0xFF), ("sl-length-4", 2, 4), ("sl-length-6", 2, 6)]
    {
        list.patch(name, "a broken SL", |layout| vec![(layout.entry("/link", "SL") + at, vec![value])]);
    }
    list.patch("sl-continue", "the last SL says it goes on", |layout| vec![(layout.entry("/link", "SL") + 4, vec![1])]);
    let components = vec![(0x10, Vec::new()), (0x20, Vec::new()), (8, Vec::new()), (6, b"x".to_vec())];
    let odd = Node::link("").with(|node| node.components = Some(components));
    list.good("sl-odd", &base().add("/odd", odd), "components of volume root, host and several flags");
    let long = Node::link(&"component/".repeat(2000));
    list.good("sl-20000", &base().add("/long", long), "a target of 20000 bytes");
    let empty = Node::link("").with(|node| node.components = Some(Vec::new()));
    list.good("sl-empty", &base().add("/odd", empty), "a target of no components");
    list.good("pn-short", &entries(&[susp::entry(b"PN", 1, &[1, 0])]), "a truncated PN");
    list.good("no-sp", &base().with(|image| image.without_sp = true), "Rock Ridge without SP");
    list.good("no-er", &base().with(|image| image.without_er = true), "Rock Ridge without ER");
    list.patch("sp-skip-255", "SP skips 255 bytes", |layout| vec![(layout.entry("/.", "SP") + 6, vec![255])]);
    list.good("st-first", &victim(|node| node.with(|node| node.first_entries = vec![susp::st()])), "ST comes first");
    list.good("px-only-noise", &only(&[vec![0xFF; 100]]), "a System Use field of 0xFF");
}

fn relocation(list: &mut Catalogue) {
    // Entries are given with a number that is not known yet, then patched.
    let cl = |name: &str, list: &mut Catalogue, note: &'static str, target: &dyn Fn(&Layout) -> u32| {
        let image = entries(&[susp::cl(0)])
            .patched(|layout| vec![(layout.entry("/victim", "CL") + 4, both32(target(layout)).to_vec())]);
        list.good(name, &image, note);
    };
    cl("cl-root", list, "a relocated directory that is the root", &|layout| layout.block("/."));
    cl("cl-file", list, "a relocated directory that is a file", &|layout| layout.block("/good"));
    cl("cl-beyond", list, "a relocated directory behind the end", &|_| 0x7FFF_FFFF);
    cl("cl-zero", list, "a relocated directory at block 0", &|_| 0);
    cl("cl-dir", list, "a relocated directory that has another name", &|layout| layout.block("/dir"));
    let own = base()
        .add("/dir/own", Node::text("").entry(&susp::cl(0)))
        .patched(|layout| vec![(layout.entry("/dir/own", "CL") + 4, both32(layout.block("/dir")).to_vec())]);
    list.good("cl-parent", &own, "a relocated directory that is its parent");
    let moved = base().add("/dir/sub", Node::dir().relocated());
    let own = moved.clone().patched(|layout| {
        // CL at the target's "." as well: a placeholder of itself.
        vec![(layout.entry("/dir/sub", "CL") + 4, both32(layout.block("/rr_moved")).to_vec())]
    });
    list.good("cl-rr-moved", &own, "a relocated directory that is the place of relocated ones");
    let short = moved.clone().patched(|layout| vec![(layout.entry("/dir/sub", "CL") + 2, vec![4])]);
    list.good("cl-short", &short, "a relocated directory whose CL entry says that it has 4 bytes");
    let pl = moved.patched(|layout| vec![(layout.entry("/dir/sub/..", "PL") + 4, both32(0x7FFF_FFFF).to_vec())]);
    list.good("pl-beyond", &pl, "a relocated directory's parent behind the end");
    let re = base()
        .add("/dir", Node::dir().entry(&susp::re()))
        .add("/victim2", Node::text("").entry(&susp::re()))
        .add("/", Node::dir().with(|node| node.dot_entries = vec![susp::re()]));
    list.good("re-everywhere", &re, "RE at the root, at a directory and at a file");
}

fn data(list: &mut Catalogue) {
    list.patch("file-beyond", "a file behind the end", |layout| {
        vec![(layout.record("/victim") + 2, both32(0x7FFF_FFF0).to_vec())]
    });
    list.patch("file-half", "a file that goes on behind the end", |layout| {
        vec![(layout.record("/victim") + 10, both32(10_000_000).to_vec())]
    });
    list.patch("file-4g", "a file of 4 GiB at the last possible block", |layout| {
        vec![(layout.record("/victim") + 2, [both32(u32::MAX), both32(u32::MAX)].concat())]
    });
    list.patch("multi-extent-open", "the last section says that another follows", |layout| {
        vec![(layout.record("/victim") + 25, vec![MULTI_EXTENT])]
    });
    list.patch("interleave-gap", "an interleave gap without a unit", |layout| {
        vec![(layout.record("/victim") + 27, vec![9])]
    });
    list.patch("interleave-255", "interleaved to behind the end", |layout| {
        vec![(layout.record("/victim") + 26, vec![255, 255])]
    });
    list.patch("xar-255", "an extended attribute record of 255 blocks", |layout| {
        vec![(layout.record("/victim") + 1, vec![255])]
    });
    list.patch("volume-2", "a file on another volume of the set", |layout| {
        vec![(layout.record("/victim") + 28, both16(2).to_vec())]
    });
    let zero = Node::file(Content::Bytes(b"squeeze me ".repeat(20_000))).zisofs(Version::One, 15);
    let image = base().add("/packed", zero);
    let packed = |name: &str, list: &mut Catalogue, note: &'static str, patch: &dyn Fn(&Layout) -> (u64, Vec<u8>)| {
        list.good(name, &image.clone().patched(|layout| vec![patch(layout)]), note);
    };
    let header =
        |offset: u64, bytes: Vec<u8>| move |layout: &Layout| (layout.extent("/packed") + offset, bytes.clone());
    let entry =
        |offset: u64, bytes: Vec<u8>| move |layout: &Layout| (layout.entry("/packed", "ZF") + offset, bytes.clone());
    packed("zf-shift-255", list, "ZF: blocks of 2^255 bytes", &entry(7, vec![255]));
    packed("zf-shift-0", list, "ZF: blocks of one byte", &entry(7, vec![0]));
    packed("zf-size", list, "ZF: a size of 4 GiB", &entry(8, both32(u32::MAX).to_vec()));
    packed("zf-header-255", list, "ZF: a header of 1020 bytes", &entry(6, vec![255]));
    packed("zf-algorithm", list, "ZF: an algorithm that nobody knows", &entry(4, b"??".to_vec()));
    packed("zisofs-magic", list, "zisofs: no magic", &header(0, vec![0; 8]));
    packed("zisofs-shift-255", list, "zisofs: the header's shift is 255", &header(13, vec![255]));
    packed("zisofs-size", list, "zisofs: the header's size is 4 GiB", &header(8, vec![0xFF; 4]));
    packed("zisofs-descending", list, "zisofs: the pointers descend", &header(20, vec![0; 4]));
    packed("zisofs-overflow", list, "zisofs: the pointers are 0xFFFFFFFF", &header(16, vec![0xFF; 28]));
    packed("zisofs-beyond", list, "zisofs: a pointer behind the file", &header(24, vec![0, 0, 0, 0x10]));
    packed("zisofs-noise", list, "zisofs: the blocks are noise", &header(60, vec![0xA5; 200]));
    let marks = vec![(70_000, b"mark".to_vec())];
    let sparse = Node::file(Content::Holes { len: 100_000, marks }).with(|node| node.sparse = Some(0));
    let image = base().add("/sparse", sparse);
    list.good("sf", &image, "RRIP 4.1.7: a sparse file");
    let table = |value: u32| {
        image.clone().patched(|layout| {
            let root = layout.extent("/sparse") + 2048;
            vec![(root, (0..256).flat_map(|_| both32(value)).collect())]
        })
    };
    list.good("sf-self", &table(1 << 30 | 1), "SF: every table is the root table");
    list.good("sf-beyond", &table(1 << 30 | 0xFF_FFFF), "SF: tables behind the end");
    list.good("sf-data-beyond", &table(0xFF_FFFF), "SF: data behind the end");
    let depth = image.clone().patched(|layout| vec![(layout.entry("/sparse", "SF") + 20, vec![255])]);
    list.good("sf-depth-255", &depth, "SF: a depth of 255");
}
