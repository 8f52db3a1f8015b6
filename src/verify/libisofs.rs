//! The checksums that libisofs records (xorriso `-md5 on`): tags behind the descriptors, the tree and the session, and a sum
//! of every file (libisofs doc/checksums.txt).

use std::ops::Range;
use std::sync::Arc;

use super::digest::{Algorithm, Hasher, each_piece, hexadecimal, of_source};
use super::report::{Check, Damage, Report, only};
use super::structure::Map;
use super::Meter;
use crate::disc::{Disc, TreeKind};
use crate::iso9660::Sums;
use crate::source::{ExtentList, Extents, Location};
use crate::tree::Tree;
use crate::volume::FileType;

const SECTOR: u64 = 2048;
/// The tag of the descriptors is in one of these blocks of the session.
const FIRST: u64 = 16;
const LAST: u64 = 64;

/// A checksum tag: a line of text at the beginning of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tag {
    kind: Kind,
    /// The block that it stands in.
    position: u64,
    /// The blocks that it is the sum of.
    start: u64,
    count: u64,
    /// Where the next tag is (`next=`), or the session that a copy is of (`session_start=`).
    next: Option<u64>,
    md5: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A copy of a session's descriptors at the beginning of the image.
    Copy,
    Descriptors,
    Tree,
    Session,
}

impl Kind {
    const fn what(self) -> &'static str {
        match self {
            Self::Copy => "the copy of the volume descriptors",
            Self::Descriptors => "the volume descriptors",
            Self::Tree => "the directory tree",
            Self::Session => "the data of the session",
        }
    }
}

/// Why a block holds no tag that can be used.
enum Fault {
    None,
    /// It is one, and its own sum is wrong.
    Damaged,
}

impl Tag {
    fn read(block: &[u8]) -> Result<Self, Fault> {
        let line = block.split(|byte| *byte == b'\n').next().and_then(|line| std::str::from_utf8(line).ok());
        let line = line.ok_or(Fault::None)?;
        let mut words = line.split(' ');
        let kind = match words.next() {
            Some("libisofs_rlsb32_checksum_tag_v1") => Kind::Copy,
            Some("libisofs_sb_checksum_tag_v1") => Kind::Descriptors,
            Some("libisofs_tree_checksum_tag_v1") => Kind::Tree,
            Some("libisofs_checksum_tag_v1") => Kind::Session,
            _ => return Err(Fault::None),
        };
        let value = |key: &str| words.clone().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        let number = |key: &str| value(key).and_then(|text| text.parse().ok());
        // The sum of the line itself, up to the last digit of md5=.
        let covered = line.find(" self=").and_then(|end| line.get(..end)).ok_or(Fault::Damaged)?;
        let mut own = Hasher::new(Algorithm::Md5);
        own.update(covered.as_bytes());
        if value("self") != Some(hexadecimal(&own.finish()).as_str()) {
            return Err(Fault::Damaged);
        }
        Ok(Self {
            kind,
            position: number("pos").ok_or(Fault::Damaged)?,
            start: number("range_start").ok_or(Fault::Damaged)?,
            count: number("range_size").ok_or(Fault::Damaged)?,
            next: number("next").or(number("session_start")),
            md5: value("md5").ok_or(Fault::Damaged)?.to_owned(),
        })
    }
}

struct Verifier<'a> {
    disc: &'a Disc,
    map: &'a Map,
    meter: &'a dyn Meter,
    report: &'a mut Report,
    compared: usize,
    wrong: usize,
}

pub fn check(disc: &Disc, map: &Map, meter: &dyn Meter, report: &mut Report) {
    let mut verifier = Verifier { disc, map, meter, report, compared: 0, wrong: 0 };
    let sound = verifier.tags();
    let title = "MD5 tags of the session, recorded by libisofs";
    verifier.tell(title);
    let (Some(sums), Ok(volume)) = (disc.sums(), disc.open(TreeKind::RockRidge)) else { return };
    verifier.files(&sums, &Tree::new(volume), sound);
    verifier.tell("MD5 sums of files, recorded by libisofs");
}

impl Verifier<'_> {
    /// Adds what was compared since the last time to the report.
    fn tell(&mut self, title: &str) {
        if self.compared > 0 {
            self.report.checks.push(Check { title: title.to_owned(), compared: self.compared, wrong: self.wrong });
        }
        (self.compared, self.wrong) = (0, 0);
    }

    fn damage(&mut self, file: Option<Vec<u8>>, bytes: Vec<Range<u64>>, what: String) {
        self.wrong = self.wrong.saturating_add(1);
        self.report.damage.push(Damage::of_checksum(file, bytes, what));
    }

    fn tag_at(&mut self, block: u64) -> Option<Tag> {
        let mut bytes = [0; 2048];
        let at = block.checked_mul(SECTOR)?;
        self.disc.image().read_exact_at(&mut bytes, at).ok()?;
        match Tag::read(&bytes) {
            Ok(tag) if tag.position == block => Some(tag),
            Ok(_) | Err(Fault::None) => None,
            Err(Fault::Damaged) => {
                self.compared = self.compared.saturating_add(1);
                let what = "a checksum tag of libisofs has a wrong checksum of its own".to_owned();
                self.damage(None, only(at..at.saturating_add(SECTOR)), what);
                None
            }
        }
    }

    /// Compares the tags of the session that is read; gives the bytes that are right by them.
    fn tags(&mut self) -> Option<Range<u64>> {
        let mut start = u64::from(self.disc.session_start());
        // A copy of descriptors leads to their session, once.
        for _ in 0..2 {
            let first = (FIRST..LAST).find_map(|block| self.tag_at(start.saturating_add(block)))?;
            if first.kind == Kind::Copy && first.next.is_some_and(|next| next != start) {
                let next = first.next;
                self.chain(vec![first]);
                start = next?;
                continue;
            }
            let mut chain = vec![first];
            while let Some(next) = chain.last().and_then(|last| last.next).filter(|_| chain.len() < 3) {
                match self.tag_at(next) {
                    Some(tag) if tag.position > chain.last().map_or(0, |last| last.position) => chain.push(tag),
                    _ => {
                        let at = next.saturating_mul(SECTOR);
                        self.compared = self.compared.saturating_add(1);
                        let what = "a checksum tag of libisofs is not where the one before it says".to_owned();
                        self.damage(None, only(at..at.saturating_add(SECTOR)), what);
                        break;
                    }
                }
            }
            return self.chain(chain);
        }
        None
    }

    /// Compares tags that cover the same blocks further and further: one pass for all of them.
    fn chain(&mut self, tags: Vec<Tag>) -> Option<Range<u64>> {
        let start = tags.first()?.start.saturating_mul(SECTOR);
        let mut hasher = Hasher::new(Algorithm::Md5);
        let mut at = start;
        let mut all = true;
        for tag in tags {
            let end = tag.start.saturating_add(tag.count).saturating_mul(SECTOR);
            if tag.start.saturating_mul(SECTOR) != start || end < at {
                break;
            }
            self.compared = self.compared.saturating_add(1);
            self.meter.more(end.saturating_sub(at));
            let read = each_piece(self.disc.image().as_ref(), at, end, self.meter, |_, bytes| {
                hasher.update(bytes);
                true
            });
            if let Err((bad, error)) = read {
                let what = format!("{} can't be read: {error}", tag.kind.what());
                self.damage(self.map.file_at(bad), only(bad..bad.saturating_add(SECTOR)), what);
                return None;
            }
            if hexadecimal(&hasher.clone().finish()) != tag.md5 {
                // The sums are those of all blocks from the session's start on: behind the first wrong one all are.
                let what = format!("{} does not have the checksum that libisofs recorded", tag.kind.what());
                self.damage(None, only(at..end), what);
                all = false;
                break;
            }
            at = end;
        }
        all.then_some(start..at)
    }

    /// Compares the sums of files; where the whole session is right by its tags, nothing of it has to be read again.
    fn files(&mut self, sums: &Sums, tree: &Tree, sound: Option<Range<u64>>) {
        let is_sound = |range: &Range<u64>| {
            sound.as_ref().is_some_and(|sound| sound.start <= range.start && range.end <= sound.end)
        };
        let array = sums.address(0)..sums.last();
        if !is_sound(&array) && !self.array(&array) {
            return;
        }
        for step in tree.walk(tree.root()) {
            let Ok(node) = step.node else { continue };
            if node.kind != FileType::Regular {
                continue;
            }
            let (Ok(Some(recorded)), Ok(places)) = (tree.recorded_md5(node.id), tree.places(node.id)) else { continue };
            self.compared = self.compared.saturating_add(1);
            if places.body.iter().all(is_sound) {
                continue;
            }
            let mut list = ExtentList::default();
            for range in &places.body {
                list.push(range.end.saturating_sub(range.start), Location::Recorded(range.start));
            }
            let body = Extents::new(Arc::clone(self.disc.image()), list);
            self.meter.more(crate::source::Source::len(&body));
            match of_source(&body, Algorithm::Md5, self.meter) {
                Ok(found) if found == recorded => {}
                Ok(_) => {
                    let what = "its data does not have the MD5 sum that libisofs recorded".to_owned();
                    self.damage(Some(step.path), places.body, what);
                }
                Err((_, error)) => self.damage(Some(step.path), places.body, format!("its data can't be read: {error}")),
            }
        }
    }

    /// The last entry is the sum of all others.
    fn array(&mut self, array: &Range<u64>) -> bool {
        self.compared = self.compared.saturating_add(1);
        let image = self.disc.image();
        let mut hasher = Hasher::new(Algorithm::Md5);
        self.meter.more(array.end.saturating_sub(array.start));
        let read = each_piece(image.as_ref(), array.start, array.end, self.meter, |_, bytes| {
            hasher.update(bytes);
            true
        });
        let mut recorded = [0; 16];
        let right = read.is_ok()
            && image.read_exact_at(&mut recorded, array.end).is_ok()
            && hasher.finish() == recorded;
        if !right {
            let what = "the list of MD5 sums that libisofs recorded is damaged: files can't be compared with it".to_owned();
            self.damage(None, vec![array.clone()], what);
        }
        right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "libisofs_sb_checksum_tag_v1 pos=50 range_start=32 range_size=18 md5=17471035f1360a69eedbd1d0c67a6aa2 \
                        self=52d602210883eeababfc9cd287e28682";

    #[test]
    fn the_example_of_the_document() {
        let tag = Tag::read(format!("{LINE}\n").as_bytes()).ok().unwrap();
        assert_eq!((tag.kind, tag.position, tag.start, tag.count, tag.next), (Kind::Descriptors, 50, 32, 18, None));
        assert!(matches!(Tag::read(LINE.replace("pos=50", "pos=51").as_bytes()), Err(Fault::Damaged)));
        assert!(matches!(Tag::read(b"some other text\n"), Err(Fault::None)));
    }
}
