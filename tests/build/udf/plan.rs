//! Gives everything in an image its place, then writes it.

use std::collections::HashMap;
use std::io;

use super::allocation::{Ad, Form, Run, chain, long};
use super::damage::Copy;
use super::directory::{Identifier, components, path};
use super::entry::{Entry, STREAM, indirect, kind, mode_flags, permissions};
use super::image::{Anchor, Image, Integrity};
use super::layout::{Layout, Place};
use super::map::Map;
use super::node::{Kind, Node, characteristic};
use super::space::{Address, Spaces};
use super::{attribute, sequence, volume};
use crate::build::content::Content;
use crate::build::image::Sink;

/// A node and where it stands in the tree.
struct Item<'a> {
    node: &'a Node,
    path: String,
    parent: usize,
    children: Vec<usize>,
    /// The item whose ICB it has: itself, or what a hard link names.
    target: usize,
    links: u16,
    /// Its entries; those of strategy 4096 have an indirect entry behind them.
    icbs: Vec<Address>,
    place: Place,
}

/// An extent of a body: offset in the body and place; no place where it is not recorded.
struct Extent {
    offset: u64,
    len: u64,
    ad: Ad,
}

struct Write {
    at: Address,
    content: Content,
    from: u64,
    to: u64,
}

pub struct Plan {
    pub layout: Layout,
    spaces: Spaces,
    writes: Vec<Write>,
    /// What lies outside of partitions.
    sectors: Vec<(u64, Vec<u8>)>,
}

impl Plan {
    pub fn new(image: &Image) -> Self {
        Planner { image, spaces: Spaces::new(image), writes: Vec::new(), unique: 16 }.plan()
    }

    pub fn record(&self, sink: &mut dyn Sink) -> io::Result<()> {
        for (at, bytes) in &self.sectors {
            sink.put(*at, bytes)?;
        }
        for write in &self.writes {
            for (from, to, at, mirror) in pieces(&self.spaces, write.at, write.from, write.to) {
                write.content.copy(from, to, at, sink)?;
                if let Some(at) = mirror {
                    write.content.copy(from, to, at, sink)?;
                }
            }
        }
        Ok(())
    }
}

/// The parts of the bytes `from..to` that lie in a row: from, to, place, and place by way of the metadata mirror.
fn pieces(spaces: &Spaces, at: Address, from: u64, to: u64) -> Vec<(u64, u64, u64, Option<u64>)> {
    let mut list = Vec::new();
    let (mut block, mut offset) = (at.block, from);
    while offset < to {
        let address = Address { block, partition: at.partition };
        let (place, mut run) = spaces.locate(address);
        let mirror = spaces.mirror(address);
        run = run.min(mirror.map_or(u32::MAX, |(_, run)| run));
        let end = (offset + u64::from(run) * spaces.block_size).min(to);
        list.push((offset, end, place, mirror.map(|(place, _)| place)));
        block = block.saturating_add(run);
        offset = end;
    }
    list
}

struct Planner<'a> {
    image: &'a Image,
    spaces: Spaces,
    writes: Vec<Write>,
    unique: u64,
}

impl<'a> Planner<'a> {
    fn block_size(&self) -> u32 {
        self.image.block_size
    }

    fn take(&mut self, partition: u16, count: u32) -> Address {
        Address { block: self.spaces.take(partition, count), partition }
    }

    fn byte(&self, at: Address) -> u64 {
        self.spaces.locate(at).0
    }

    fn put(&mut self, at: Address, bytes: Vec<u8>) {
        let to = bytes.len() as u64;
        self.writes.push(Write { at, content: Content::Bytes(bytes), from: 0, to });
    }

    fn plan(mut self) -> Plan {
        let (image, bs) = (self.image, self.block_size());
        let file_set = self.take(self.spaces.directories, 3);
        let mut items = items(&image.root);
        for (index, item) in items.iter_mut().enumerate() {
            if item.target != index || item.node.fid.gone {
                continue;
            }
            let node = item.node;
            let partition = if node.is_dir() { self.spaces.directories } else { self.spaces.files };
            let partition = node.partition.unwrap_or(partition);
            let mapped = node.strategy.unwrap_or(image.strategy) == 4096;
            for _ in 0..=node.older {
                let icb = self.take(partition, if mapped { 2 } else { 1 });
                item.icbs.push(icb);
            }
            item.place.block = item.icbs[0].block;
            item.place.partition = partition;
        }
        for index in 0..items.len() {
            if !items[index].icbs.is_empty() {
                self.node(&mut items, index);
            }
        }
        let root = self.reference(&items, 0);
        let mut chain = Vec::new();
        if image.older_file_set {
            let other = items.iter().position(|item| item.parent == 0 && item.path != "/" && item.node.is_dir());
            let older = other.map_or(root.clone(), |other| self.reference(&items, other));
            chain.push((older, "OLDER"));
        }
        chain.push((root, "FILES"));
        let mut block = file_set.block;
        for (number, (root, label)) in chain.iter().enumerate() {
            let bytes = volume::file_set(image, number as u32, label, root, block);
            self.put(Address { block, ..file_set }, bytes);
            block += 1;
        }
        self.put(Address { block, ..file_set }, volume::terminating(image.tag_version(), block));

        let data = self.spaces.data;
        let mut layout = Layout {
            block_size: bs,
            partition_start: image.partition_start(),
            file_set: self.byte(Address { block: block - 1, ..file_set }),
            ..Layout::default()
        };
        self.metadata(&mut layout);
        let run_out = self.allocation_table(&mut layout);
        layout.partition_len = self.spaces.taken(data);
        let end = layout.partition_start + layout.partition_len;
        let at_end = image.anchors.iter().filter_map(|anchor| match anchor {
            Anchor::End(before) => Some(*before),
            Anchor::At(_) => None,
        });
        let total = match run_out {
            Some(run_out) => end + run_out,
            None => end + at_end.max().map_or(0, |before| before + 1),
        };
        layout.len = (u64::from(total) + image.padding) * u64::from(bs);

        let mut sectors = sequence::recognition(image);
        let byte = |sector: u32| u64::from(sector) * u64::from(bs);
        for anchor in &image.anchors {
            let sector = match anchor {
                Anchor::At(sector) => *sector,
                Anchor::End(before) => total - 1 - before,
            };
            layout.anchors.push(byte(sector));
            sectors.push((byte(sector), volume::anchor(image, sector)));
        }
        let file_set_ad = long((block - file_set.block + 1) * bs, file_set, 0);
        for copy in [Copy::Main, Copy::Reserve] {
            for (sector, bytes) in sequence::sectors(image, copy, &self.spaces, &file_set_ad, &mut layout) {
                sectors.push((byte(sector), bytes));
            }
        }
        layout.integrity = byte(image.integrity_sector());
        if image.integrity != Integrity::Missing {
            let directories = items.iter().filter(|item| item.node.is_dir()).count() as u32;
            let files = items.len() as u32 - directories;
            let bytes = volume::integrity(image, layout.partition_len, files, directories, self.unique);
            sectors.push((layout.integrity, bytes));
            let next = image.integrity_sector() + 1;
            sectors.push((byte(next), volume::terminating(image.tag_version(), next)));
        }
        for map in &image.maps {
            let Map::Sparable(sparing) = map else { continue };
            let packet = u32::from(sparing.packet);
            let mut entries: Vec<(u32, u32)> = sparing
                .remapped
                .iter()
                .enumerate()
                .map(|(at, number)| (number * packet, image.spare_start() + at as u32 * packet))
                .collect();
            entries.sort_unstable();
            for number in &sparing.remapped {
                // What lies where a packet went bad is not what a reader should show.
                let at = byte(layout.partition_start + number * packet);
                sectors.push((at, vec![0xBD; (packet * bs) as usize]));
            }
            entries.resize(image.sparing_entries() as usize, (u32::MAX, u32::MAX));
            for table in 0..u32::from(sparing.tables) {
                let sector = image.sparing_sector(table);
                layout.sparing.push(byte(sector));
                sectors.push((byte(sector), volume::sparing(image, &entries, sector)));
            }
        }
        layout.places = items.into_iter().map(|item| (item.path, item.place)).collect::<HashMap<_, _>>();
        Plan { layout, spaces: self.spaces, writes: self.writes, sectors }
    }

    /// The long_ad that names an item's ICB.
    fn reference(&self, items: &[Item], index: usize) -> Vec<u8> {
        let target = &items[items[index].target];
        let Some(icb) = target.icbs.first() else { return vec![0; 16] };
        let mapped = target.node.strategy.unwrap_or(self.image.strategy) == 4096;
        let len = self.block_size() * if mapped { 2 } else { 1 };
        // UDF 3.3.4.1: the root's unique identifier is 0.
        long(len, *icb, if items[index].target == 0 { 0 } else { 16 + items[index].target as u32 })
    }

    fn node(&mut self, items: &mut [Item<'a>], index: usize) {
        let (image, node) = (self.image, items[index].node);
        let (bs, version) = (self.block_size(), image.tag_version());
        let extended = node.extended.unwrap_or(image.extended_entries());
        let icb = *items[index].icbs.last().expect("it has one");
        let (file_type, times) = (node.file_type.unwrap_or(default_type(&node.kind)), node.times);
        let mut entry = Entry::new(file_type, icb, extended, version);
        entry.times = times;
        entry.strategy = node.strategy.unwrap_or(image.strategy);
        entry.prior = node.older;
        entry.flags = mode_flags(node.mode) | node.flags;
        entry.permissions = node.permissions.unwrap_or_else(|| permissions(node.mode));
        (entry.uid, entry.gid) = (node.uid, node.gid);
        entry.links = node.links.unwrap_or(items[index].links);
        entry.unique = if index == 0 { 0 } else { 16 + index as u64 };

        let mut attributes = node.attributes.clone();
        if let Kind::Device { major, minor, .. } = node.kind {
            attributes.push(attribute::device(major, minor));
        }
        entry.attributes = attribute::space(&attributes, version, icb.block);
        if !node.streams.is_empty() {
            let (reference, len) = self.streams(node, icb);
            entry.streams_icb = Some(reference);
            entry.streams_len = len;
        }
        let room = bs as usize - Entry::header(extended) - entry.attributes.len();
        let identifiers = node.is_dir().then(|| self.identifiers(items, index));
        let content = match &node.kind {
            Kind::Directory => {
                let len = identifiers.iter().flatten().map(|(_, identifier)| identifier.len()).sum::<usize>();
                Content::Bytes(vec![0; len])
            }
            Kind::File(content) => content.clone(),
            Kind::Link(target) => Content::Bytes(path(&node.components.clone().unwrap_or_else(|| components(target)))),
            _ => Content::Bytes(Vec::new()),
        };
        entry.len = content.len();
        let fits = content.len() <= room as u64;
        let small = fits && (node.is_dir() || matches!(node.kind, Kind::Link(_)) || content.len() <= 64);
        let own = node.data_partition.unwrap_or(if node.is_dir() { icb.partition } else { self.spaces.data });
        entry.form = match node.form.or(image.form.filter(|form| *form != Form::Embedded || fits)) {
            Some(form) => form,
            None if small && content.len() > 0 && node.runs.is_empty() => Form::Embedded,
            None if own == icb.partition => Form::Short,
            None => Form::Long,
        };
        // ECMA-167 4/14.14.1: a short descriptor's extent lies in the partition of its ICB.
        let partition = if entry.form == Form::Short { icb.partition } else { own };
        let extents =
            if entry.form == Form::Embedded { Vec::new() } else { self.extents(&node.runs, content.len(), partition) };
        let content = match identifiers {
            None => content,
            Some(list) => {
                let start = self.byte(icb) + (Entry::header(extended) + entry.attributes.len()) as u64;
                Content::Bytes(self.directory(items, index, &list, &extents, icb, start))
            }
        };
        let place = &mut items[index].place;
        if entry.form == Form::Embedded {
            assert!(fits, "{} is too long to be embedded", items[index].path);
            entry.ads = content.bytes();
        } else {
            entry.blocks =
                extents.iter().filter(|e| e.ad.kind == 0).map(|e| e.len.div_ceil(u64::from(bs))).sum::<u64>();
            let mut ads: Vec<Ad> = extents.iter().map(|extent| extent.ad).collect();
            if node.ended {
                ads.push(Ad { kind: 0, len: 0, at: Address::default() });
                ads.push(Ad { kind: 0, len: bs, at: Address { block: 0x00FF_FFFF, partition } });
            }
            let spaces = &mut self.spaces;
            let mut take = || Address { block: spaces.take(icb.partition, 1), partition: icb.partition };
            let chain = chain(entry.form, &ads, room, node.most_ads, bs, version, &mut take);
            entry.ads = chain.inline;
            for (at, bytes) in chain.extents {
                place.aeds.push(self.spaces.locate(at).0);
                self.put(at, bytes);
            }
            for extent in &extents {
                let to = (extent.offset + extent.len).min(content.len());
                if extent.ad.kind == 0 && extent.offset < to {
                    for (from, to, at, _) in pieces(&self.spaces, extent.ad.at, extent.offset, to) {
                        place.data.push((from, to - from, at));
                    }
                    self.writes.push(Write { at: extent.ad.at, content: content.clone(), from: extent.offset, to });
                } else if extent.ad.kind == 1 {
                    // Allocated, not recorded: what is left of a deleted file must not be shown.
                    let bytes = vec![0xDB; extent.len.min(u64::from(bs)) as usize];
                    self.put(extent.ad.at, bytes);
                }
            }
        }
        let item = &mut items[index];
        item.place.icbs = item.icbs.iter().map(|icb| self.spaces.locate(*icb).0).collect();
        let last = item.place.icbs.last().expect("it has one");
        item.place.attributes = last + Entry::header(extended) as u64;
        item.place.ads = item.place.attributes + entry.attributes.len() as u64;
        let icbs = item.icbs.clone();
        for (number, icb) in icbs.iter().enumerate() {
            let last = number + 1 == icbs.len();
            let mut entry = entry.clone();
            entry.location = *icb;
            if !last {
                // What the last entry replaces is recognisable.
                (entry.permissions, entry.uid, entry.len, entry.prior) = (0, 666, 0, number as u32);
                (entry.form, entry.ads) = (Form::Short, Vec::new());
                let next = Address { block: icb.block + 1, ..*icb };
                let bytes = indirect(next, version, &long(2 * bs, icbs[number + 1], 0));
                let at = self.byte(next);
                items[index].place.indirect.push(at);
                self.put(next, bytes);
            }
            self.put(*icb, entry.bytes());
        }
    }

    /// The extents of a body of `len` bytes.
    fn extents(&mut self, runs: &[Run], len: u64, partition: u16) -> Vec<Extent> {
        let bs = u64::from(self.block_size());
        // ECMA-167 4/14.14.1.1: thirty bits of length, whole blocks unless it is the last.
        let most = (1u64 << 30) - bs;
        let whole = [Run::Recorded(len)];
        let runs = if runs.is_empty() && len > 0 { &whole } else { runs };
        let (mut list, mut offset) = (Vec::new(), 0);
        for run in runs {
            let (kind, mut rest) = match run {
                Run::Recorded(len) => (0, *len),
                Run::Allocated(len) => (1, *len),
                Run::Unallocated(len) => (2, *len),
                Run::Gap(blocks) => {
                    self.spaces.take(partition, *blocks);
                    continue;
                }
            };
            while rest > 0 {
                let len = rest.min(most);
                let at = if kind == 2 {
                    Address { block: 0, partition }
                } else {
                    self.take(partition, len.div_ceil(bs) as u32)
                };
                let at = if kind == 2 { Address { partition: 0, ..at } } else { at };
                list.push(Extent { offset, len, ad: Ad { kind, len: len as u32, at } });
                offset += len;
                rest -= len;
            }
        }
        list
    }

    /// What a directory names: items (its parent: its own number) and descriptors.
    fn identifiers(&self, items: &[Item], index: usize) -> Vec<(usize, Identifier)> {
        let parent = Identifier {
            characteristics: characteristic::PARENT | characteristic::DIRECTORY,
            name: Vec::new(),
            icb: self.reference(items, items[index].parent),
            implementation_use: Vec::new(),
        };
        let children = items[index].children.iter().map(|child| {
            let node = items[*child].node;
            let directory = items[items[*child].target].node.is_dir();
            let identifier = Identifier {
                characteristics: node.fid.characteristics | if directory { characteristic::DIRECTORY } else { 0 },
                name: node.recorded_name(),
                icb: self.reference(items, *child),
                implementation_use: node.fid.implementation_use.clone(),
            };
            (*child, identifier)
        });
        let mut list: Vec<_> = std::iter::once((index, parent)).chain(children).collect();
        if items[index].node.parent_last {
            list.rotate_left(1);
        }
        list
    }

    /// The bytes of a directory, with the places of its descriptors.
    fn directory(
        &self,
        items: &mut [Item],
        index: usize,
        list: &[(usize, Identifier)],
        extents: &[Extent],
        icb: Address,
        start: u64,
    ) -> Vec<u8> {
        let bs = u64::from(self.block_size());
        let mut bytes = Vec::new();
        for (item, identifier) in list {
            let offset = bytes.len() as u64;
            let within = extents.iter().find(|e| (e.offset..e.offset + e.len).contains(&offset));
            let (block, place) = match within {
                None => (icb.block, start + offset),
                Some(extent) => {
                    let block = extent.ad.at.block + ((offset - extent.offset) / bs) as u32;
                    let at = self.byte(Address { block, ..extent.ad.at });
                    (block, at + (offset - extent.offset) % bs)
                }
            };
            bytes.extend(identifier.bytes(self.image.tag_version(), block));
            if *item == index { items[index].place.parent_fid = place } else { items[*item].place.fid = place }
        }
        bytes
    }

    /// ECMA-167 4/9.2: a stream directory; its reference, and how long its streams are.
    fn streams(&mut self, node: &Node, owner: Address) -> (Vec<u8>, u64) {
        let (bs, version) = (self.block_size(), self.image.tag_version());
        let directory = self.take(owner.partition, 1);
        let parent = Identifier {
            characteristics: characteristic::PARENT | characteristic::DIRECTORY,
            name: Vec::new(),
            icb: long(bs, owner, 0),
            implementation_use: Vec::new(),
        };
        let (mut list, mut total) = (parent.bytes(version, directory.block), 0);
        for (name, content) in &node.streams {
            let icb = self.take(owner.partition, 1);
            let mut entry = Entry::new(kind::REGULAR, icb, true, version);
            entry.flags = STREAM;
            entry.permissions = permissions(0o644);
            entry.len = content.len();
            total += content.len();
            if content.len() <= u64::from(bs) - 216 {
                (entry.form, entry.ads) = (Form::Embedded, content.bytes());
            } else {
                let extents = self.extents(&[], content.len(), icb.partition);
                entry.ads = extents.iter().flat_map(|extent| extent.ad.bytes(Form::Short, 0)).collect();
                for Extent { offset, len, ad } in extents {
                    self.writes.push(Write { at: ad.at, content: content.clone(), from: offset, to: offset + len });
                }
            }
            self.put(icb, entry.bytes());
            let identifier = Identifier {
                characteristics: 0,
                name: name.recorded(),
                icb: long(bs, icb, 0),
                implementation_use: Vec::new(),
            };
            list.extend(identifier.bytes(version, directory.block));
        }
        let mut entry = Entry::new(kind::STREAM_DIRECTORY, directory, true, version);
        entry.flags = STREAM;
        entry.len = list.len() as u64;
        (entry.form, entry.ads) = (Form::Embedded, list);
        self.put(directory, entry.bytes());
        (long(bs, directory, 0), total)
    }

    /// UDF 2.2.13: the metadata main and mirror file.
    fn metadata(&mut self, layout: &mut Layout) {
        let Some(files) = self.spaces.metadata() else { return };
        let (bs, over) = (self.block_size(), self.spaces.metadata_over);
        let icbs = self.spaces.metadata_icbs;
        for (at, (extents, file_type)) in files.iter().zip([kind::METADATA, kind::METADATA_MIRROR]).enumerate() {
            let icb = Address { block: icbs[at], partition: over };
            let mut entry = Entry::new(file_type, icb, self.image.extended_entries(), self.image.tag_version());
            let ad = |(block, count): &(u32, u32)| Ad {
                kind: 0,
                len: count * bs,
                at: Address { block: *block, partition: over },
            };
            entry.ads = extents.iter().flat_map(|extent| ad(extent).bytes(Form::Short, 0)).collect();
            entry.blocks = extents.iter().map(|(_, count)| u64::from(*count)).sum();
            (entry.len, entry.links) = (entry.blocks * u64::from(bs), 0);
            assert!(entry.bytes().len() <= bs as usize, "the metadata file needs longer extents");
            self.put(icb, entry.bytes());
            let byte = self.byte(icb);
            if at == 0 {
                layout.metadata_icb = byte;
                layout.metadata = extents
                    .iter()
                    .map(|(block, count)| {
                        (self.byte(Address { block: *block, partition: over }), u64::from(count * bs))
                    })
                    .collect();
            } else {
                layout.mirror_icb = byte;
            }
        }
    }

    /// UDF 2.2.11: the virtual allocation table, whose ICB is the last block; the run-out blocks behind it.
    fn allocation_table(&mut self, layout: &mut Layout) -> Option<u32> {
        let image = self.image;
        let vat = image.maps.iter().find_map(|map| match map {
            Map::Virtual(vat) => Some(vat.clone()),
            _ => None,
        })?;
        let data = self.spaces.data;
        let mut bytes = volume::vat_header(image, vat.implementation_use);
        bytes.extend(self.spaces.vat().into_iter().flatten().flat_map(|block| block.to_le_bytes()));
        bytes.extend(volume::vat_trailer(image));
        let len = bytes.len() as u64;
        let extents = if vat.embedded { Vec::new() } else { self.extents(&[], len, data) };
        // ECMA-167 3/8.4.2.1: a closed medium has anchors there; the table's ICB is still the last block.
        if image.anchors.contains(&Anchor::End(256)) {
            self.take(data, 256 - vat.run_out);
        }
        let icb = self.take(data, 1);
        let file_type = if image.revision < 0x200 { 0 } else { kind::VAT };
        let mut entry = Entry::new(file_type, icb, image.extended_entries(), image.tag_version());
        (entry.len, entry.links) = (len, 0);
        layout.vat_icb = self.byte(icb);
        if vat.embedded {
            (entry.form, entry.ads) = (Form::Embedded, bytes);
            layout.vat = layout.vat_icb + Entry::header(entry.extended) as u64;
            assert!(entry.bytes().len() <= self.block_size() as usize, "the table is too long to be embedded");
        } else {
            layout.vat = self.byte(extents[0].ad.at);
            entry.ads = extents.iter().flat_map(|extent| extent.ad.bytes(Form::Short, 0)).collect();
            for Extent { offset, len, ad } in extents {
                let content = Content::Bytes(bytes.clone());
                self.writes.push(Write { at: ad.at, content, from: offset, to: offset + len });
            }
        }
        self.put(icb, entry.bytes());
        Some(vat.run_out)
    }
}

fn default_type(kind_of: &Kind) -> u8 {
    match kind_of {
        Kind::Directory => kind::DIRECTORY,
        Kind::File(_) | Kind::Hard(_) => kind::REGULAR,
        Kind::Link(_) => kind::LINK,
        Kind::Fifo => kind::FIFO,
        Kind::Socket => kind::SOCKET,
        Kind::Device { block: true, .. } => kind::BLOCK,
        Kind::Device { block: false, .. } => kind::CHARACTER,
    }
}

/// The tree as a list, parents before children.
fn items(root: &Node) -> Vec<Item<'_>> {
    let item = |node, path, parent, target| Item {
        node,
        path,
        parent,
        children: Vec::new(),
        target,
        links: 0,
        icbs: Vec::new(),
        place: Place::default(),
    };
    let mut list = vec![item(root, String::from("/"), 0, 0)];
    let mut at = 0;
    while at < list.len() {
        let (node, path) = (list[at].node, list[at].path.trim_end_matches('/').to_owned());
        for child in &node.children {
            let number = list.len();
            list[at].children.push(number);
            list.push(item(child, format!("{path}/{}", child.name), at, number));
        }
        at += 1;
    }
    let by_path: HashMap<String, usize> =
        list.iter().enumerate().rev().map(|(index, item)| (item.path.clone(), index)).collect();
    for index in 0..list.len() {
        if let Kind::Hard(path) = &list[index].node.kind {
            list[index].target = *by_path.get(path).unwrap_or_else(|| panic!("the image has no {path}"));
        }
        let (target, parent) = (list[index].target, list[index].parent);
        // ECMA-167 4/14.9.6 counts descriptors: a directory is also named by the parent descriptors of its children.
        if index > 0 && list[index].node.fid.characteristics & characteristic::DELETED == 0 {
            list[target].links += 1;
        }
        if list[index].node.is_dir() {
            list[parent].links += 1;
        }
    }
    list
}
