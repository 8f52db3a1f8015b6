//! Images of the test builders that between them have every structure, and none of which is large.

use crate::build::node::Continuation;
use crate::build::zisofs::Version;
use crate::build::{Content, Image, Node, Rock, hostile, udf};

/// Larger images take too long to be read a million times.
const LARGEST: usize = 2 << 20;

/// A file whose blocks can be told apart, and which is packed to nearly nothing.
fn hollow(length: u64) -> Content {
    let marks = (0..length.div_ceil(2048)).map(|block| (block * 2048, vec![b'1' + block as u8])).collect();
    Content::Holes { len: length, marks }
}

fn small(rock: Option<Rock>) -> Image {
    let image = rock.map_or_else(Image::new, |rock| Image::new().rock_ridge(rock));
    image
        .add("/file", Node::text("text"))
        .add("/dir/sub/below", Node::file(hollow(5000)))
        .add("/sections", Node::file(hollow(10_000)).sections(&[4096, 2048]))
        .add("/interleaved", Node::file(hollow(5000)).interleaved(1, 1))
}

fn iso9660() -> Vec<(String, Vec<u8>)> {
    let far = || Continuation { keep: Some(1), ..Default::default() };
    let mut list: Vec<(&str, Image)> = vec![
        ("plain", small(None)),
        ("blocks-512", small(None).block_size(512)),
        ("xa", small(Some(Rock::V1_10)).with(|image| (image.xa, image.skip) = (true, 14))),
    ];
    for (name, rock) in [("rrip-1.09", Rock::V1_09), ("rrip-1.10", Rock::V1_10), ("rrip-1.12", Rock::V1_12)] {
        let image = small(Some(rock))
            .add("/link", Node::link("dir/../file"))
            .add("/device", Node::device(true, 8, 1))
            .add("/far-away-name", Node::text("c").continuation(far()))
            .add("/pressed", Node::file(Content::Bytes(b"press ".repeat(6000))).zisofs(Version::One, 15))
            .add("/pressed-2", Node::file(Content::Bytes(b"press ".repeat(6000))).zisofs(Version::Two, 15))
            .add("/a/b/c/deep/er", Node::text("deep"))
            .add("/a/b/c/deep", Node::dir().relocated());
        list.push((name, image));
    }
    list.into_iter().map(|(name, image)| (name.to_owned(), image.bytes())).collect()
}

fn joliet() -> Vec<(String, Vec<u8>)> {
    let mut list: Vec<_> =
        (1..=3).map(|level| (format!("joliet-{level}"), small(None).joliet(level).bytes())).collect();
    list.push(("enhanced".to_owned(), small(None).with(|image| image.enhanced = true).bytes()));
    list
}

fn udf() -> Vec<(String, Vec<u8>)> {
    let small = |revision: u16, maps: &[udf::Map]| {
        let image = udf::Image::new(revision).maps(maps).anchors(&[udf::Anchor::At(256)]);
        image
            .add("/file", udf::Node::text("text"))
            .add("/dir/sub/below", udf::Node::file(hollow(5000)).form(udf::Form::Long))
            .add("/pieces", udf::Node::file(hollow(9000)).fragments(2048).most_ads(3).form(udf::Form::Short))
            .add("/link", udf::Node::link("dir/../file"))
            .add("/null", udf::Node::device(false, 1, 3))
            .add("/again", udf::Node::text("again").with(|node| (node.strategy, node.older) = (Some(4096), 2)))
    };
    use udf::Map;
    let list = [
        ("physical-1.02", small(0x102, &[Map::Physical])),
        ("physical-2.01", small(0x201, &[Map::Physical])),
        ("virtual-1.50", small(0x150, &[Map::Physical, Map::vat()])),
        ("virtual-2.01", small(0x201, &[Map::Physical, Map::vat()])),
        ("sparable", small(0x201, &[Map::sparable()])),
        ("metadata", small(0x250, &[Map::Physical, Map::metadata()])),
        ("metadata-virtual", small(0x260, &[Map::metadata(), Map::vat(), Map::Physical])),
        ("blocks-512", small(0x201, &[Map::Physical]).block_size(512)),
    ];
    list.into_iter().map(|(name, image)| (name.to_owned(), image.disc().bytes)).collect()
}

/// Names and images to begin a target with.
pub fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let of_hostile = |list: Vec<hostile::Hostile>| -> Vec<(String, Vec<u8>)> {
        list.into_iter().map(|hostile| (format!("hostile-{}", hostile.name), hostile.image)).collect()
    };
    let mut list = match target {
        "iso9660" => [iso9660(), of_hostile(hostile::catalogue())].concat(),
        "joliet" => joliet(),
        "udf" => [udf(), of_hostile(udf::hostile::catalogue())].concat(),
        _ => [iso9660(), joliet(), udf()].concat(),
    };
    list.retain(|(_, image)| image.len() <= LARGEST);
    list
}
