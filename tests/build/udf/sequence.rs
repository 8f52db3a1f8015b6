//! ECMA-167 3/8.4.2: volume descriptor sequences.

use super::damage::Copy;
use super::image::Image;
use super::layout::Layout;
use super::map::Map;
use super::space::Spaces;
use super::{tag, volume};

/// The sectors of one sequence, tagged, with what is wrong about them; their places go to the layout.
pub fn sectors(
    image: &Image,
    copy: Copy,
    spaces: &Spaces,
    file_set: &[u8],
    layout: &mut Layout,
) -> Vec<(u32, Vec<u8>)> {
    let mut first = vec![(tag::PRIMARY, volume::primary(image, 1, &image.label))];
    let mut rest = vec![
        (tag::IMPLEMENTATION, volume::implementation_use(image, 2)),
        (tag::PARTITION, volume::partition(image, 3, 0, layout.partition_start, layout.partition_len)),
    ];
    if image.maps.contains(&Map::Second) {
        let start = layout.partition_start - Map::SECOND;
        rest.push((tag::PARTITION, volume::partition(image, 4, 1, start, Map::SECOND)));
    }
    rest.push((tag::LOGICAL, volume::logical(image, 5, &image.label, spaces, file_set)));
    rest.push((tag::UNALLOCATED, volume::unallocated(6)));
    let prevailing = first.len() + rest.len();
    if image.superseded {
        let nothing = super::allocation::long(image.block_size, super::Address::default(), 0);
        rest.push((tag::PRIMARY, volume::primary(image, 0, "SUPERSEDED")));
        rest.push((tag::PARTITION, volume::partition(image, 0, 0, layout.partition_start + 7, 3)));
        rest.push((tag::LOGICAL, volume::logical(image, 0, "SUPERSEDED", spaces, &nothing)));
    }
    rest.push((tag::TERMINATING, vec![0; 512]));

    let start = image.sequence_start() + if copy == Copy::Main { 0 } else { 16 };
    let mut sectors: Vec<(u32, u16, Vec<u8>)> = Vec::new();
    if image.chained {
        let next = image.chained_sector(copy);
        first.push((tag::POINTER, volume::pointer(7, next, 16 * image.block_size)));
        sectors.extend(first.into_iter().zip(start..).map(|((id, bytes), sector)| (sector, id, bytes)));
        sectors.extend(rest.into_iter().zip(next..).map(|((id, bytes), sector)| (sector, id, bytes)));
    } else {
        first.extend(rest);
        sectors.extend(first.into_iter().zip(start..).map(|((id, bytes), sector)| (sector, id, bytes)));
    }
    for (index, (sector, id, bytes)) in sectors.iter_mut().enumerate() {
        tag::fill(bytes, *id, image.tag_version(), *sector);
        if index < prevailing {
            layout.descriptors.entry((copy, *id)).or_insert(u64::from(*sector) * u64::from(image.block_size));
        }
        for (_, _, damage) in image.damage.iter().filter(|(of, wanted, _)| (*of, *wanted) == (copy, *id)) {
            damage.apply(bytes);
        }
    }
    sectors.into_iter().map(|(sector, _, bytes)| (sector, bytes)).collect()
}

/// ECMA-167 2/9.1: the volume structure descriptors, with their places.
pub fn recognition(image: &Image) -> Vec<(u64, Vec<u8>)> {
    let step = image.recognition.step.unwrap_or(u64::from(image.block_size).max(2048));
    let list = image.recognition.identifiers.iter().enumerate();
    list.map(|(index, identifier)| {
        let mut bytes = vec![0; 2048];
        bytes[1..6].copy_from_slice(identifier.as_bytes());
        bytes[6] = 1;
        (32_768 + index as u64 * step, bytes)
    })
    .collect()
}
