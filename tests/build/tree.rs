//! From nodes to sectors: first every length, then every place, then the bytes.

use std::collections::{HashMap, HashSet};
use std::io;

use super::content::Content;
use super::descriptor::Descriptor;
use super::encode::{align, both16, both32, padded, short_date, utf16};
use super::image::{Image, Sink};
use super::layout::{Layout, Place};
use super::node::{Continuation, DIRECTORY, MULTI_EXTENT, Node};
use super::susp;

/// The most bytes that mastering tools record in one section: a multiple of the block below 4 GiB.
pub const SECTION: u64 = 0xFFFF_F800;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Which {
    Primary,
    Joliet,
    Enhanced,
}

impl Which {
    fn prefix(self) -> &'static str {
        match self {
            Self::Primary => "",
            Self::Joliet => "joliet:",
            Self::Enhanced => "enhanced:",
        }
    }
}

#[derive(Debug)]
pub struct Tables {
    pub little: Vec<u8>,
    pub big: Vec<u8>,
    pub little_at: u64,
    pub big_at: u64,
}

/// Everything but the bytes of files.
#[derive(Debug)]
pub struct Plan {
    pub layout: Layout,
    pub tables: HashMap<Which, Tables>,
    nodes: Vec<Item>,
    dirs: Vec<Extent>,
    areas: Vec<(u64, Vec<u8>)>,
    data: Vec<Data>,
    roots: HashMap<Which, (u64, u64)>,
}

#[derive(Debug)]
struct Item {
    node: Node,
    path: String,
    parent: usize,
    children: Vec<usize>,
}

#[derive(Debug)]
struct Extent {
    at: u64,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Data {
    from: u64,
    to: u64,
    /// Where the data starts, behind the extended attribute record.
    at: u64,
    node: usize,
    xar_at: u64,
}

/// A record of a directory before it has a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Dot,
    DotDot,
    Child,
    /// The record in the place of a relocated directory.
    Placeholder,
}

#[derive(Debug)]
struct Draft {
    role: Role,
    node: usize,
    section: usize,
    identifier: Vec<u8>,
    len: usize,
    at: u64,
    split: Split,
    /// The place of each continuation area within the zone of them all.
    areas: Vec<u64>,
}

#[derive(Debug, Clone, Default)]
struct Split {
    inline: Vec<Part>,
    areas: Vec<Vec<Part>>,
    spanning: bool,
}

#[derive(Debug, Clone)]
enum Part {
    Entry(Vec<u8>),
    /// The CE that names this area.
    Continued(usize),
    /// Bytes that are no entries: what comes before them, or a given System Use field.
    Raw(Vec<u8>),
}

impl Part {
    fn len(&self) -> usize {
        match self {
            Self::Entry(bytes) | Self::Raw(bytes) => bytes.len(),
            Self::Continued(_) => 28,
        }
    }
}

fn len_of(parts: &[Part]) -> usize {
    parts.iter().map(Part::len).sum()
}

/// Spreads entries over the record and continuation areas.
fn split(entries: Vec<Vec<u8>>, room: usize, how: Continuation, block: usize) -> Split {
    let total: usize = entries.iter().map(Vec::len).sum();
    if total <= room && how.keep.is_none() && how.per_area.is_none() {
        return Split { inline: entries.into_iter().map(Part::Entry).collect(), ..Split::default() };
    }
    let mut fit = 0;
    let mut used = 28;
    while fit < entries.len() && used + entries[fit].len() <= room {
        used += entries[fit].len();
        fit += 1;
    }
    let wished = how.keep.unwrap_or(if how.per_area.is_some() { 0 } else { fit });
    let keep = wished.min(fit);
    let mut inline: Vec<Part> = entries[..keep].iter().cloned().map(Part::Entry).collect();
    let mut areas: Vec<Vec<Part>> = vec![Vec::new()];
    for entry in &entries[keep..] {
        let area = areas.last().expect("never empty");
        let full = how.per_area.is_some_and(|most| area.len() >= most)
            || !how.spanning && len_of(area) + entry.len() + 28 > block;
        if full && !area.is_empty() {
            areas.push(Vec::new());
        }
        areas.last_mut().expect("never empty").push(Part::Entry(entry.clone()));
    }
    areas.retain(|area| !area.is_empty());
    if areas.is_empty() {
        return Split { inline, ..Split::default() };
    }
    let count = areas.len();
    inline.insert(if how.early { 0 } else { inline.len() }, Part::Continued(0));
    for (i, area) in areas.iter_mut().enumerate().take(count - 1) {
        area.insert(if how.early { 0 } else { area.len() }, Part::Continued(i + 1));
    }
    Split { inline, areas, spanning: how.spanning }
}

impl Plan {
    pub fn block(&self, image: &Image, at: u64) -> u32 {
        (at / u64::from(image.block_size)) as u32
    }

    /// ECMA-119 8.4.18: the root's record inside its descriptor.
    pub fn root_record(&self, image: &Image, which: Which) -> Vec<u8> {
        let (at, size) = self.roots.get(&which).copied().unwrap_or_default();
        let root = &self.nodes[0].node;
        let mut record = vec![34, root.xar];
        record.extend(number(image, root.extent.unwrap_or(self.block(image, at))));
        record.extend(number(image, root.size.unwrap_or(size as u32)));
        record.extend(short_date(root.record_time(), root.zone));
        record.extend([DIRECTORY | root.flags, 0, 0]);
        record.extend(both16(1));
        record.extend([1, 0]);
        record
    }
}

fn number(image: &Image, value: u32) -> [u8; 8] {
    let mut bytes = both32(value);
    if image.little_only {
        bytes[4..].fill(0);
    }
    bytes
}

/// All nodes in pre-order, and the parents of relocated directories settled.
fn items(image: &Image) -> Vec<Item> {
    fn take(node: &Node, path: String, parent: usize, items: &mut Vec<Item>) -> usize {
        let index = items.len();
        let mut bare = node.clone();
        bare.children = Vec::new();
        items.push(Item { node: bare, path: path.clone(), parent, children: Vec::new() });
        for child in &node.children {
            let path = format!("{}/{}", path.trim_end_matches('/'), child.name);
            let child = take(child, path, index, items);
            items[index].children.push(child);
        }
        index
    }
    let mut root = image.root.clone();
    fn moves(node: &Node) -> bool {
        node.relocated || node.children.iter().any(moves)
    }
    if moves(&root) && !root.children.iter().any(|child| child.name == "rr_moved") {
        // Readers that never go back want relocated directories behind the directory that lists them.
        root.children.insert(0, Node::dir().identifier(b"RR_MOVED").with(|dir| dir.name = "rr_moved".into()));
    }
    let mut items = Vec::new();
    take(&root, "/".into(), 0, &mut items);
    items
}

fn sections(node: &Node, len: u64) -> Vec<(u64, u64)> {
    let mut sections = Vec::new();
    let mut at = 0;
    for size in node.sections.iter().copied().chain(std::iter::repeat(SECTION)) {
        let end = (at + size).min(len);
        sections.push((at, end));
        at = end;
        if at >= len {
            break;
        }
    }
    sections
}

/// An identifier of ECMA-119 7.5 for a name.
fn identifier(node: &Node, taken: &mut HashSet<Vec<u8>>) -> Vec<u8> {
    if let Some(identifier) = &node.identifier {
        return identifier.clone();
    }
    let map = |text: &str| -> String {
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
    };
    let (stem, suffix) = match node.name.rsplit_once('.') {
        Some((stem, suffix)) if !node.is_dir() && !stem.is_empty() => (map(stem), map(suffix)),
        _ => (map(&node.name), String::new()),
    };
    let suffix: String = suffix.chars().take(8).collect();
    for number in 0u32.. {
        let tail = if number == 0 { String::new() } else { format!("{number}") };
        let mut name: String = stem.chars().take(20 - tail.len()).collect();
        name.push_str(&tail);
        if !node.is_dir() {
            name = format!("{name}.{suffix}");
        }
        if taken.insert(name.clone().into_bytes()) {
            if let Some(version) = node.version.filter(|_| !node.is_dir()) {
                name.push_str(&format!(";{version}"));
            }
            return name.into_bytes();
        }
    }
    unreachable!("numbers do not end")
}

fn name_in(which: Which, node: &Node, taken: &mut HashSet<Vec<u8>>) -> Vec<u8> {
    match which {
        Which::Primary => identifier(node, taken),
        Which::Joliet => node.joliet_identifier.clone().unwrap_or_else(|| {
            let mut name = utf16(&node.name);
            name.truncate(206);
            if let Some(version) = node.version.filter(|_| !node.is_dir()) {
                name.extend(utf16(&format!(";{version}")));
            }
            name
        }),
        Which::Enhanced => padded(node.name.as_bytes(), node.name.len().min(207), 0),
    }
}

pub fn plan(image: &Image) -> Plan {
    let items = items(image);
    let block = u64::from(image.block_size);
    let moved = items.iter().position(|item| item.path == "/rr_moved");
    let mut layout = Layout { block_size: image.block_size, ..Layout::default() };

    // The drafts of every directory of every tree: names and lengths, no places.
    let mut whiches = vec![Which::Primary];
    whiches.extend(image.joliet.map(|_| Which::Joliet));
    whiches.extend(image.enhanced.then_some(Which::Enhanced));
    let mut zones: HashMap<(Which, usize), (u64, u64)> = HashMap::new();
    let mut drafts: Vec<(Which, usize, Vec<Draft>, u64)> = Vec::new();
    for which in &whiches {
        for (index, item) in items.iter().enumerate().filter(|(_, item)| item.node.is_dir()) {
            if *which == Which::Primary && item.node.hide_primary || *which == Which::Joliet && item.node.hide_joliet {
                continue;
            }
            let records = drafted(image, &items, *which, index, moved);
            let mut zone = 0;
            let (records, size) = placed(image, records, &mut zone);
            zones.insert((*which, index), (0, zone));
            drafts.push((*which, index, records, size));
        }
    }

    // The places: descriptors, path tables, directories with their continuation areas, file data.
    let list = image.descriptors.clone().unwrap_or_else(|| Descriptor::usual(image));
    layout.descriptors = list.len();
    let mut at = 32_768 + 2048 * list.len() as u64;
    let mut table_at: HashMap<Which, (u64, u64)> = HashMap::new();
    if image.path_tables {
        for which in &whiches {
            // No identifier in a path table is longer than in its directory record.
            let size: usize = drafts.iter().filter(|d| d.0 == *which).flat_map(|d| &d.2).map(|r| r.len).sum();
            let size = align(size as u64 + 10, 2048);
            table_at.insert(*which, (at, at + size));
            at += 2 * size;
        }
    }
    let mut dir_at: HashMap<(Which, usize), (u64, u64)> = HashMap::new();
    for (which, index, _, size) in &drafts {
        dir_at.insert((*which, *index), (at + 2048 * u64::from(items[*index].node.xar), *size));
        at += align(size + 2048 * u64::from(items[*index].node.xar), 2048);
        // A directory's continuation areas lie right behind it, where readers that never go back want them.
        if let Some(zone) = zones.get_mut(&(*which, *index)) {
            zone.0 = at;
            at += align(zone.1, 2048);
        }
    }
    layout.data = at;
    let mut data = Vec::new();
    let mut places: Vec<Vec<(u64, u64)>> = vec![Vec::new(); items.len()];
    for (index, item) in items.iter().enumerate().filter(|(_, item)| !item.node.is_dir()) {
        let len = item.node.stored().len();
        for (number, (from, to)) in sections(&item.node, len).into_iter().enumerate() {
            if number > 0 {
                at += item.node.apart * block;
            }
            let xar = u64::from(item.node.xar) * block;
            let (unit, gap) = (u64::from(item.node.unit) * block, u64::from(item.node.gap) * block);
            // ECMA-119 6.4.3: an extended attribute record takes the first file unit.
            let start = if unit > 0 && xar > 0 { at + unit.max(xar) + gap } else { at + xar };
            data.push(Data { from, to, at: start, node: index, xar_at: at });
            places[index].push((at, to - from));
            let blocks = align(to - from, block);
            at = start + if unit > 0 { blocks.div_ceil(unit) * (unit + gap) } else { blocks };
        }
    }
    layout.len = align(at, 2048) + 2048 * image.padding;

    // The bytes.
    let mut dirs = Vec::new();
    let mut areas = Vec::new();
    for (which, index, records, size) in &drafts {
        let (extent, _) = dir_at[&(*which, *index)];
        let (zone_at, _) = zones[&(*which, *index)];
        let mut bytes = vec![0; *size as usize];
        for draft in records {
            let number = |at: u64| (at / block) as u32;
            let target = match draft.role {
                Role::Dot => *index,
                Role::DotDot => physical_parent(&items, *index, moved, *which),
                Role::Child | Role::Placeholder => draft.node,
            };
            let node = &items[draft.node].node;
            let is_dir = items[target].node.is_dir() && draft.role != Role::Placeholder;
            let (mut extent_at, mut len) = if items[target].node.is_dir() {
                let (at, size) = dir_at.get(&(*which, target)).copied().unwrap_or_default();
                (at - (2048 * u64::from(items[target].node.xar)).min(at), size)
            } else {
                places[target][draft.section]
            };
            if draft.role == Role::Placeholder {
                (extent_at, len) = (zone_at, 0);
            }
            let own = draft.role == Role::Child;
            let mut record = vec![draft.len as u8, items[target].node.xar];
            record.extend(self::number(image, node.extent.filter(|_| own).unwrap_or(number(extent_at))));
            record.extend(self::number(image, node.size.filter(|_| own).unwrap_or(len as u32)));
            record.extend(short_date(items[target].node.record_time(), items[target].node.zone));
            let last = is_dir || draft.role == Role::Placeholder || draft.section + 1 == places[target].len();
            let mut flags = if is_dir { DIRECTORY } else { 0 };
            flags |= if own || draft.role == Role::Placeholder { node.flags } else { 0 };
            flags |= if last { 0 } else { MULTI_EXTENT };
            record.extend([flags, node.unit, node.gap]);
            record.extend(both16(1));
            record.push(draft.identifier.len() as u8);
            record.extend(&draft.identifier);
            if draft.identifier.len() % 2 == 0 {
                record.push(0);
            }
            let record_at = extent + draft.at;
            let key = match draft.role {
                Role::Dot => format!("{}/.", items[*index].path.trim_end_matches('/')),
                Role::DotDot => format!("{}/..", items[*index].path.trim_end_matches('/')),
                Role::Child if Some(*index) == moved && items[draft.node].node.relocated => {
                    format!("/rr_moved/{}", node.name)
                }
                _ => items[draft.node].path.clone(),
            };
            let place: &mut Place = layout.places.entry(format!("{}{key}", which.prefix())).or_default();
            place.records.push(record_at);
            place.extents.push(if items[target].node.is_dir() { dir_at[&(*which, target)].0 } else { extent_at });
            place.size = if items[target].node.is_dir() { dir_at[&(*which, target)].1 } else { place.size + len };

            let link = |signature: &[u8; 2]| -> u32 {
                let of = match signature {
                    b"CL" => draft.node,
                    _ => items[*index].parent,
                };
                number(dir_at.get(&(*which, of)).map_or(0, |dir| dir.0))
            };
            let render = |parts: &[Part], start: u64, place: &mut Place| -> Vec<u8> {
                let mut out = Vec::new();
                for part in parts {
                    let at = start + out.len() as u64;
                    match part {
                        Part::Raw(bytes) => out.extend(bytes),
                        Part::Entry(bytes) => {
                            place.entries.push(([bytes[0], bytes[1]], at));
                            // A link to a directory that was made before there were places.
                            match bytes.first_chunk::<2>() {
                                Some(b"CL") if draft.role == Role::Placeholder => out.extend(susp::cl(link(b"CL"))),
                                Some(b"PL") if bytes[4..] == [0; 8] => out.extend(susp::pl(link(b"PL"))),
                                _ => out.extend(bytes),
                            }
                        }
                        Part::Continued(area) => {
                            place.entries.push((*b"CE", at));
                            let at = zone_at + draft.areas[*area];
                            let len = len_of(&draft.split.areas[*area]) as u32;
                            out.extend(susp::ce(number(at), (at % block) as u32, len));
                        }
                    }
                }
                out
            };
            let system_use = render(&draft.split.inline, record_at + record.len() as u64, place);
            record.extend(system_use);
            record.resize(draft.len, 0);
            for (number, parts) in draft.split.areas.iter().enumerate() {
                let at = zone_at + draft.areas[number];
                let area = render(parts, at, place);
                place.areas.push((at, area.len() as u64));
                areas.push((at, area));
            }
            bytes[draft.at as usize..draft.at as usize + record.len()].copy_from_slice(&record);
        }
        dirs.push(Extent { at: extent, bytes });
    }
    let mut tables = HashMap::new();
    if image.path_tables {
        for which in &whiches {
            let (little_at, big_at) = table_at[which];
            let (little, big) = path_tables(&items, &drafts, *which, &dir_at, block);
            tables.insert(*which, Tables { little, big, little_at, big_at });
        }
        layout.path_tables = table_at.get(&Which::Primary).copied();
    }
    let roots = whiches.iter().filter_map(|which| Some((*which, *dir_at.get(&(*which, 0))?))).collect();
    Plan { layout, tables, nodes: items, dirs, areas, data, roots }
}

fn physical_parent(items: &[Item], index: usize, moved: Option<usize>, which: Which) -> usize {
    match moved {
        Some(moved) if items[index].node.relocated && which == Which::Primary => moved,
        _ => items[index].parent,
    }
}

/// The records of a directory, without places.
fn drafted(image: &Image, items: &[Item], which: Which, index: usize, moved: Option<usize>) -> Vec<Draft> {
    let primary = which == Which::Primary;
    let hidden = |child: &usize| {
        let node = &items[*child].node;
        primary && node.hide_primary || which == Which::Joliet && node.hide_joliet
    };
    let mut named: Vec<(Vec<u8>, usize, Role)> = Vec::new();
    let mut taken = HashSet::new();
    for child in items[index].children.iter().filter(|child| !hidden(child)) {
        let node = &items[*child].node;
        let role = if node.relocated && primary { Role::Placeholder } else { Role::Child };
        named.push((name_in(which, node, &mut taken), *child, role));
    }
    if primary && Some(index) == moved {
        for (child, item) in items.iter().enumerate().filter(|(_, item)| item.node.relocated) {
            named.push((name_in(which, &item.node, &mut taken), child, Role::Child));
        }
    }
    if !image.unsorted {
        named.sort_by(|a, b| a.0.cmp(&b.0));
    }
    let mut drafts = Vec::new();
    if !items[index].node.without_dots {
        drafts.push(draft(image, items, which, index, Role::Dot, index, 0, vec![0]));
        drafts.push(draft(image, items, which, index, Role::DotDot, index, 0, vec![1]));
    }
    for (identifier, child, role) in named {
        let node = &items[child].node;
        let count = if node.is_dir() { 1 } else { sections(node, node.stored().len()).len() };
        for section in 0..count {
            drafts.push(draft(image, items, which, index, role, child, section, identifier.clone()));
        }
    }
    drafts
}

#[expect(clippy::too_many_arguments, reason = "one call builds the record from all that says what it is")]
fn draft(
    image: &Image,
    items: &[Item],
    which: Which,
    dir: usize,
    role: Role,
    index: usize,
    section: usize,
    identifier: Vec<u8>,
) -> Draft {
    let fixed = 33 + identifier.len() + (identifier.len() + 1) % 2;
    let mut parts = Split::default();
    let node = &items[index].node;
    let given = match role {
        Role::Dot => node.dot_system_use.as_ref(),
        Role::DotDot => None,
        Role::Child | Role::Placeholder => node.system_use.as_ref(),
    };
    if let (Some(bytes), Which::Primary) = (given, which) {
        parts.inline.push(Part::Raw(bytes.clone()));
    } else if which == Which::Primary {
        let root_dot = role == Role::Dot && dir == 0;
        let mut prefix = Vec::new();
        if image.xa {
            prefix.extend([0, 0, 0, 0, if node.is_dir() { 0x8D } else { 0x0D }, 0x55, b'X', b'A', 0, 0, 0, 0, 0, 0]);
        }
        if !root_dot {
            prefix.resize(prefix.len().max(usize::from(image.skip)), 0);
        }
        if image.rock.is_some() {
            let entries = entries(image, items, dir, role, index);
            let room = 254usize.saturating_sub(fixed + prefix.len());
            let how = if role == Role::DotDot { Continuation::default() } else { node.continuation };
            parts = split(entries, room, how, image.block_size as usize);
        }
        if !prefix.is_empty() {
            parts.inline.insert(0, Part::Raw(prefix));
        }
    }
    let len = (fixed + len_of(&parts.inline)).next_multiple_of(2);
    assert!(len <= 255, "the record of {} is {len} bytes", items[index].path);
    Draft { role, node: index, section, identifier, len, at: 0, split: parts, areas: Vec::new() }
}

fn entries(image: &Image, items: &[Item], dir: usize, role: Role, index: usize) -> Vec<Vec<u8>> {
    let Some(rock) = image.rock else { return Vec::new() };
    let mut entries = Vec::new();
    let root_dot = role == Role::Dot && dir == 0;
    if root_dot && !image.without_sp {
        entries.push(susp::sp(image.skip));
    }
    let of = match role {
        Role::DotDot => items[dir].parent,
        _ => index,
    };
    let item = &items[of];
    let nlink = if item.node.is_dir() {
        2 + item.children.iter().filter(|child| items[**child].node.is_dir()).count()
    } else {
        1
    };
    let named = matches!(role, Role::Child | Role::Placeholder);
    entries.extend(susp::due(&item.node, rock, named, nlink as u32, of as u32 + 1));
    let moved = items[index].node.relocated;
    match role {
        Role::Dot => {
            entries.extend(item.node.dot_entries.clone());
            if root_dot && !image.without_er {
                entries.push(susp::er(rock));
            }
        }
        Role::DotDot => {
            if moved {
                entries.push(susp::pl(0));
            }
            entries.extend(items[dir].node.dotdot_entries.clone());
        }
        Role::Child if moved => entries.push(susp::re()),
        Role::Placeholder => entries.push(susp::cl(0)),
        Role::Child => {}
    }
    entries
}

/// Packs records into sectors and continuation areas into their zone.
fn placed(image: &Image, mut records: Vec<Draft>, zone: &mut u64) -> (Vec<Draft>, u64) {
    let block = u64::from(image.block_size);
    let mut at = 0u64;
    for draft in &mut records {
        let len = draft.len as u64;
        if !image.crossing && at % 2048 + len > 2048 {
            at = align(at, 2048);
        }
        draft.at = at;
        at += len;
        for area in &draft.split.areas {
            let len = len_of(area) as u64;
            if !draft.split.spanning && len > block - *zone % block {
                *zone = align(*zone, block);
            }
            draft.areas.push(*zone);
            *zone += len;
        }
    }
    (records, align(at, 2048).max(2048))
}

/// ECMA-119 9.4: one record for every directory, by level, parent and identifier.
fn path_tables(
    items: &[Item],
    drafts: &[(Which, usize, Vec<Draft>, u64)],
    which: Which,
    dir_at: &HashMap<(Which, usize), (u64, u64)>,
    block: u64,
) -> (Vec<u8>, Vec<u8>) {
    let (mut little, mut big) = (Vec::new(), Vec::new());
    let by_dir: HashMap<usize, &Vec<Draft>> = drafts.iter().filter(|d| d.0 == which).map(|d| (d.1, &d.2)).collect();
    let mut queue: Vec<(usize, u16, Vec<u8>)> = vec![(0, 1, vec![0])];
    let mut next = 0;
    while next < queue.len() {
        let (index, parent, identifier) = queue[next].clone();
        next += 1;
        let at = (dir_at.get(&(which, index)).map_or(0, |dir| dir.0) / block) as u32;
        for (table, number, up) in
            [(&mut little, at.to_le_bytes(), parent.to_le_bytes()), (&mut big, at.to_be_bytes(), parent.to_be_bytes())]
        {
            table.extend([identifier.len() as u8, items[index].node.xar]);
            table.extend(number);
            table.extend(up);
            table.extend(&identifier);
            if identifier.len() % 2 == 1 {
                table.push(0);
            }
        }
        for draft in by_dir.get(&index).into_iter().copied().flatten() {
            if draft.role == Role::Child && items[draft.node].node.is_dir() {
                queue.push((draft.node, next as u16, draft.identifier.clone()));
            }
        }
    }
    (little, big)
}

/// Writes everything that the plan has a place for.
pub fn record(image: &Image, plan: &Plan, sink: &mut dyn Sink) -> io::Result<()> {
    let list = image.descriptors.clone().unwrap_or_else(|| Descriptor::usual(image));
    for (index, descriptor) in list.iter().enumerate() {
        sink.put(plan.layout.descriptor(index as u64), &descriptor.bytes(image, plan))?;
    }
    for tables in plan.tables.values() {
        sink.put(tables.little_at, &tables.little)?;
        sink.put(tables.big_at, &tables.big)?;
    }
    for dir in &plan.dirs {
        sink.put(dir.at, &dir.bytes)?;
    }
    for (at, bytes) in &plan.areas {
        sink.put(*at, bytes)?;
    }
    for data in &plan.data {
        let node = &plan.nodes[data.node].node;
        let block = u64::from(image.block_size);
        if node.xar > 0 {
            // Recognisable, so that a reader that takes it for data is found out.
            sink.put(data.xar_at, &vec![0xEE; usize::from(node.xar) * image.block_size as usize])?;
        }
        let content: Content = node.stored();
        if node.unit == 0 {
            content.copy(data.from, data.to, data.at, sink)?;
            continue;
        }
        let (unit, gap) = (u64::from(node.unit) * block, u64::from(node.gap) * block);
        let (mut from, mut at) = (data.from, data.at);
        while from < data.to {
            let to = (from + unit).min(data.to);
            content.copy(from, to, at, sink)?;
            sink.put(at + unit, &vec![0xDD; gap as usize])?;
            from = to;
            at += unit + gap;
        }
    }
    Ok(())
}
