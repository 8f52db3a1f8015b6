//! Damaged images of every kind: whatever bytes are wrong, reading ends, in bounded time, without a panic.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, UNIX_EPOCH};

use mount_iso::disc::{Disc, ReadOptions, Selection};
use mount_iso::source::Memory;
use mount_iso::tree::Tree;
use mount_iso::volume::FileType;

use crate::manifest::{Deviations, Manifest};

/// Bytes read of one file.
const READ_LIMIT: u64 = 1 << 20;
/// Steps of one walk: more than any of the images has.
const WALK_LIMIT: usize = 20_000;
/// A mutant that takes longer is a hang.
const PATIENCE: Duration = Duration::from_secs(10);

/// Numbers that are the same in every run (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// Opens every tree of an image, walks it and reads everything in it; says how many nodes there were.
fn read_all(image: Vec<u8>) -> usize {
    let options = ReadOptions::default();
    let Ok(disc) = Disc::probe(Arc::new(Memory(image.into())), &options) else { return 0 };
    let mut nodes = 0;
    let _ = disc.choose(&Selection::default());
    for view in disc.views() {
        let Ok(volume) = disc.open(view.kind) else { continue };
        let tree = Tree::new(volume);
        let mut buffer = vec![0; 65_536];
        for step in tree.walk(tree.root()).take(WALK_LIMIT) {
            let Ok(node) = step.node else { continue };
            nodes += 1;
            let _ = tree.attributes(node.id);
            match node.kind {
                FileType::Directory => {
                    let _ = tree.parent(node.id);
                }
                FileType::SymbolicLink => {
                    let _ = tree.read_link(node.id);
                    let _ = tree.resolve(&step.path, true);
                }
                FileType::Regular => {
                    let Ok(body) = tree.file(node.id) else { continue };
                    assert_eq!(body.len(), node.size, "stat and the body disagree on the length");
                    let mut at = 0;
                    while at < body.len().min(READ_LIMIT) {
                        let length = (body.len() - at).min(buffer.len() as u64) as usize;
                        if body.read_exact_at(&mut buffer[..length], at).is_err() {
                            break;
                        }
                        at += length as u64;
                    }
                }
                _ => {}
            }
        }
    }
    nodes
}

/// Bytes that are likelier to hurt than random ones.
const NASTY: [u8; 10] = [0, 1, 2, 4, 0x7F, 0x80, 0xFE, 0xFF, b'/', b'.'];

fn mutate(image: &mut Vec<u8>, interesting: &[usize], random: &mut Random) {
    for _ in 0..=random.below(6) {
        let at = match random.below(4) {
            0 => random.below(image.len()),
            _ => interesting.get(random.below(interesting.len())).copied().unwrap_or(0),
        };
        let value = match random.below(3) {
            0 => random.next() as u8,
            1 => NASTY[random.below(NASTY.len())],
            _ => image[at] ^ (1 << random.below(8)),
        };
        let run = if random.below(8) == 0 { 1 + random.below(16) } else { 1 };
        let end = (at + run).min(image.len());
        image[at..end].fill(value);
    }
    if random.below(10) == 0 {
        image.truncate(random.below(image.len()));
    }
}

/// The descriptors of UDF in an image: where each begins, and how many bytes its CRC covers.
fn descriptors(image: &[u8]) -> Vec<(usize, usize)> {
    let sum = |tag: &[u8]| (0..16).filter(|at| *at != 4).fold(0_u8, |sum, at| sum.wrapping_add(tag[at]));
    (0..image.len() / 4 * 4)
        .step_by(4)
        .filter_map(|at| {
            let tag = image.get(at..at + 16)?;
            let covered = usize::from(u16::from_le_bytes([tag[10], tag[11]]));
            let known = (1..10).contains(&tag[0]) && tag[1] == 0 || tag[1] == 1 && tag[0] < 11;
            let whole = known && matches!(tag[2], 2 | 3) && tag[3] == 0 && tag[4] == sum(tag) && tag[5] == 0;
            (whole && covered > 0 && at + 16 + covered <= image.len()).then_some((at, covered))
        })
        .collect()
}

/// Changes a descriptor and makes its CRC and checksum right again, so that readers believe it.
fn forge(image: &mut [u8], (at, covered): (usize, usize), random: &mut Random) {
    for _ in 0..=random.below(3) {
        let place = at + 16 + random.below(covered);
        image[place] = match random.below(3) {
            0 => random.next() as u8,
            1 => NASTY[random.below(NASTY.len())],
            _ => image[place] ^ (1 << random.below(8)),
        };
    }
    let crc = image[at + 16..at + 16 + covered].iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| (crc << 1) ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 })
    });
    image[at + 8..at + 10].copy_from_slice(&crc.to_le_bytes());
    image[at + 4] = (0..16).filter(|byte| *byte != 4).fold(0_u8, |sum, byte| sum.wrapping_add(image[at + byte]));
}

/// Where directories, descriptors and System Use areas are: every byte near a signature of theirs.
fn interesting(image: &[u8]) -> Vec<usize> {
    const SIGNATURES: [&[u8]; 12] =
        [b"CD001", b"PX", b"NM", b"SL", b"CE", b"TF", b"CL", b"ZF", b"SP", b"ER", b";1", b"AL\x13\x01"];
    let mut found: Vec<usize> = (32_768..image.len().min(32_768 + 16_384)).step_by(3).collect();
    for at in 0..image.len() {
        if SIGNATURES.iter().any(|signature| image[at..].starts_with(signature)) {
            found.extend(at.saturating_sub(40)..(at + 40).min(image.len()));
        }
    }
    found
}

fn samples(directory: &Path) -> Vec<Vec<u8>> {
    let tree = directory.join("tree");
    std::fs::create_dir_all(tree.join("a/b/c/d/e/f/g/h/i/j")).unwrap();
    std::fs::write(tree.join("hello.txt"), "hello").unwrap();
    std::fs::write(tree.join("zeros"), vec![0; 200_000]).unwrap();
    std::fs::write(tree.join(format!("{}.txt", "long".repeat(55))), "long").unwrap();
    std::fs::write(tree.join("a/b/c/d/e/f/g/h/i/j/deep"), vec![b'd'; 5000]).unwrap();
    for target in ["hello.txt", "../up", "/abs/path", "a/b/../../x"] {
        let name = target.replace('/', "_");
        std::os::unix::fs::symlink(target, tree.join(format!("link-{name}"))).unwrap();
    }
    let recipes: [&[&str]; 5] = [
        &["xorriso", "-as", "mkisofs", "-R", "-J", "-quiet"],
        &["genisoimage", "-R", "-J", "-quiet"],
        &["genisoimage", "-quiet", "-D"],
        &["genisoimage", "-quiet", "-udf", "-V", "BRIDGE"],
        &["xorriso", "-as", "mkisofs", "-R", "-z", "-iso-level", "4", "-quiet"],
    ];
    recipes
        .iter()
        .map(|recipe| {
            let image = directory.join("image.iso");
            let status = Command::new(recipe[0])
                .env("TZ", "UTC")
                .args(&recipe[1..])
                .arg("-o")
                .arg(&image)
                .arg(&tree)
                .output()
                .unwrap()
                .status;
            assert!(status.success(), "{recipe:?}");
            std::fs::read(&image).unwrap()
        })
        .collect()
}

/// The moment at which tools have made a sample, wherever it is recorded, becomes another: so is a mutant the same every day.
fn undated(mut image: Vec<u8>) -> Vec<u8> {
    use mount_iso::time::Timestamp;
    let now = i64::try_from(UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    for seconds in [now - 3600, now] {
        let (year, month, day, ..) = Timestamp { seconds, nanoseconds: 0 }.to_civil();
        let short = [(year - 1900) as u8, month, day];
        let long = format!("{year:04}{month:02}{day:02}");
        let of_udf = [&(year as u16).to_le_bytes()[..], &[month, day]].concat();
        for at in 0..image.len() - 17 {
            if image[at..].starts_with(&short) && image[at + 6] == 0 {
                image[at..at + 7].copy_from_slice(&[120, 2, 3, 4, 5, 6, 0]);
            } else if image[at..].starts_with(long.as_bytes()) {
                image[at..at + 16].copy_from_slice(b"2020020304050600");
            } else if image[at..].starts_with(&of_udf) {
                image[at..at + 10].copy_from_slice(&[0xE4, 7, 2, 3, 4, 5, 6, 0, 0, 0]);
            }
        }
    }
    image
}

/// Small images of UDF in every form, where the corpus is at hand.
fn corpus() -> Vec<Vec<u8>> {
    const LARGEST: u64 = 1 << 20;
    let Some(corpus) = std::env::var_os("MOUNT_ISO_CORPUS") else { return Vec::new() };
    let Ok(directory) = std::fs::read_dir(Path::new(&corpus).join("udf")) else { return Vec::new() };
    let mut paths: Vec<_> = directory
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.metadata().is_ok_and(|metadata| metadata.len() <= LARGEST))
        .collect();
    paths.sort();
    paths.into_iter().step_by(3).filter_map(|path| std::fs::read(path).ok()).collect()
}

/// A sample, and where it is worth changing.
type Sample = (Vec<usize>, Vec<(usize, usize)>, Vec<u8>);

fn prepared(images: Vec<Vec<u8>>) -> Vec<Sample> {
    images.into_iter().map(|image| (interesting(&image), descriptors(&image), image)).collect()
}

/// A changed copy of a sample.
fn mutant((places, tags, image): &Sample, random: &mut Random) -> Vec<u8> {
    let mut image = image.clone();
    if tags.is_empty() || random.below(4) == 0 {
        mutate(&mut image, places, random);
    } else {
        for _ in 0..=random.below(4) {
            forge(&mut image, tags[random.below(tags.len())], random);
        }
    }
    image
}

fn number(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// UDF of the builders, which needs no corpus.
fn built() -> Vec<Vec<u8>> {
    use crate::build::udf::{Image, Map, Node};
    let image = |revision, maps: &[Map]| {
        let image = Image::new(revision).maps(maps).add("/hello.txt", Node::text("hello"));
        let image = image.add("/dir/sub/file", Node::pattern(1, 9000)).add("/link", Node::link("dir/../hello.txt"));
        image.add("/pieces", Node::pattern(2, 20_000).fragments(2048)).disc().bytes
    };
    vec![
        image(0x102, &[Map::Physical]),
        image(0x201, &[Map::Physical]),
        image(0x150, &[Map::Physical, Map::vat()]),
        image(0x201, &[Map::sparable()]),
        image(0x250, &[Map::Physical, Map::metadata()]),
    ]
}

/// Really mounted, walked and read; `MOUNT_ISO_MOUNTED_MUTANTS` is for more than the test command mounts.
#[test]
fn mutants_are_mounted_and_walked() {
    use crate::drive::{Drive, Trouble};
    let rounds = number("MOUNT_ISO_MOUNTED_MUTANTS", 60);
    let directory = tempfile::tempdir().unwrap();
    let (iso, udf) = (prepared(samples(directory.path())), prepared(built()));
    let (next, mounted) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let findings = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let round = next.fetch_add(1, Ordering::Relaxed);
                    if round >= rounds {
                        break;
                    }
                    // Every mutant is the same in every run, whichever thread has it.
                    let mut random = Random(0x1672_0000 + 2 * round as u64 + 1);
                    let samples = if round % 2 == 0 { &iso } else { &udf };
                    let path = directory.path().join(format!("{round}.iso"));
                    std::fs::write(&path, mutant(&samples[round / 2 % samples.len()], &mut random)).unwrap();
                    match Drive::mount_as(None, &path, "").and_then(|drive| drive.manifest()) {
                        Ok(_) => {
                            mounted.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(Trouble::Refused(_)) => {}
                        Err(trouble) => {
                            let kept = std::env::temp_dir().join(format!("mount-iso-mounted-mutant-{round}.iso"));
                            std::fs::copy(&path, &kept).unwrap();
                            let finding = format!("mutant {round}, kept as {}: {trouble:?}", kept.display());
                            findings.lock().unwrap().push(finding);
                        }
                    }
                    std::fs::remove_file(path).unwrap();
                }
            });
        }
    });
    let (findings, mounted) = (findings.into_inner().unwrap(), mounted.into_inner());
    eprintln!("{mounted} of {rounds} mutants were mounted, walked and read, the others refused");
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
    assert!(mounted * 2 > rounds, "most mutants can be mounted: {mounted} of {rounds}");
}

#[test]
fn mutants_are_read_to_the_end_without_a_panic() {
    let rounds = number("MOUNT_ISO_MUTANTS", 3000);
    let directory = tempfile::tempdir().unwrap();
    let mut images = samples(directory.path());
    images.extend(corpus());
    let samples = prepared(images);
    let mut random = Random(0x1509_6600);
    let mut nodes = 0;
    for round in 0..rounds {
        let image = mutant(&samples[round % samples.len()], &mut random);
        let begun = Instant::now();
        let copy = image.clone();
        match std::panic::catch_unwind(|| read_all(copy)) {
            Ok(found) => nodes += found,
            Err(panic) => {
                let kept = std::env::temp_dir().join(format!("mount-iso-mutant-{round}.iso"));
                std::fs::write(&kept, &image).unwrap();
                panic!("mutant {round}, kept as {}: {panic:?}", kept.display());
            }
        }
        assert!(begun.elapsed() < PATIENCE, "mutant {round} took {:?}", begun.elapsed());
    }
    assert!(nodes > rounds * 10, "most mutants should still show most of their tree: {nodes} nodes in {rounds}");
}

/// What one mutant has shown beside Linux.
#[derive(Debug, Default)]
struct Tally {
    compared: usize,
    same: usize,
    /// Linux refuses the image, crashes or hangs; or was not reached because of another mutant.
    linux_fails: usize,
    refused: Vec<String>,
    /// We end in an error where Linux shows something.
    stricter: Vec<String>,
    /// We show what Linux does not.
    more: usize,
    /// Both show something, and not the same; or we lack something and don't say so.
    contradictions: Vec<String>,
}

impl Tally {
    fn compare(&mut self, deviations: &Deviations, kind: &str, round: usize, theirs: &Manifest, ours: &Manifest) {
        let mutant = format!("mutant/{round}");
        self.compared += 1;
        let differences = theirs.differences(ours);
        self.same += usize::from(differences.is_empty());
        for difference in differences {
            let parent = difference
                .path
                .rsplit_once('/')
                .map_or("/", |(parent, _)| if parent.is_empty() { "/" } else { parent });
            // An entry of a directory that was lost, at whatever depth.
            let told =
                ours.broken.iter().any(|dir| dir == "/" || parent == dir || parent.starts_with(&format!("{dir}/")))
                    || ours.truncated
                    || !ours.errors.is_empty();
            match difference.attribute.as_str() {
                "extra" => self.more += 1,
                "listing" => self.stricter.push(format!("{mutant}: {difference}")),
                "missing" if told => self.stricter.push(format!("{mutant}: {difference}")),
                // On the list of deviations for every image.
                "mtime" if kind == "iso9660" && is_wrapped(&difference) => {}
                // Without an answer: an error.
                _ if difference.ours.starts_with("- (") => self.stricter.push(format!("{mutant}: {difference}")),
                _ if deviations.allow(&mutant, kind, &difference) => {}
                _ => self.contradictions.push(format!("{mutant} ({kind}): {difference}")),
            }
        }
    }
}

/// Whether Linux has lost the 33rd bit of a time, as it does behind 2038.
fn is_wrapped(difference: &crate::manifest::Difference) -> bool {
    let [theirs, ours] = [&difference.theirs, &difference.ours].map(|text| text.parse::<i64>());
    matches!((theirs, ours), (Ok(theirs), Ok(ours)) if ours > i64::from(i32::MAX) && ours - theirs == 1 << 32)
}

/// Those that an environment variable asks for: so many, or a few in the middle, as `648-652`.
fn range(name: &str, usual: usize) -> std::ops::Range<usize> {
    let text = std::env::var(name).unwrap_or_default();
    let (first, last) = text.split_once('-').unwrap_or(("0", &text));
    first.parse().unwrap()..last.parse().map_or(usual, |last: usize| last + usize::from(text.contains('-')))
}

/// `MOUNT_ISO_LINUX_MUTANTS` is for more than the test command compares.
#[test]
fn mutants_beside_linux() {
    use crate::drive::{Drive, Trouble};
    const BATCH: usize = 25;
    let rounds = range("MOUNT_ISO_LINUX_MUTANTS", 16);
    let directory = tempfile::tempdir().unwrap();
    let iso: Vec<_> = samples(directory.path()).into_iter().map(undated).collect();
    let (iso, udf) = (prepared(iso), prepared(built()));
    let deviations = Deviations::load();
    let mut tally = Tally::default();
    for batch in rounds.clone().step_by(BATCH) {
        let mut cases = Vec::new();
        let mut jobs = String::new();
        for round in batch..rounds.end.min(batch + BATCH) {
            let mut random = Random(0x1991_0000 + 2 * round as u64 + 1);
            let (samples, kind) = if round % 2 == 0 { (&iso, "iso9660") } else { (&udf, "udf") };
            let path = directory.path().join(format!("{round}.iso"));
            std::fs::write(&path, mutant(&samples[round / 2 % samples.len()], &mut random)).unwrap();
            jobs.push_str(&format!("{round}\t{}\t{kind}\t\n", path.display()));
            cases.push((round, path, kind));
        }
        let out = directory.path().join(format!("out-{batch}"));
        let Some(out) = crate::differential::linux_as_far_as_it_goes(directory.path(), &jobs, &out) else { return };
        for (round, path, kind) in cases {
            let theirs = Manifest::load(&out.join(format!("{round}.tsv")));
            match Drive::mount_as(Some(kind), &path, "").and_then(|drive| drive.manifest()) {
                _ if !theirs.mounted() => tally.linux_fails += 1,
                Ok(ours) => {
                    let before = tally.contradictions.len();
                    tally.compare(&deviations, kind, round, &theirs, &ours);
                    if tally.contradictions.len() > before {
                        let kept = std::env::temp_dir().join(format!("mount-iso-linux-mutant-{round}.iso"));
                        std::fs::copy(&path, kept).unwrap();
                    }
                }
                Err(Trouble::Refused(said)) => tally.refused.push(format!("mutant/{round}: {said}")),
                Err(trouble) => panic!("mutant {round}: {trouble:?}"),
            }
            std::fs::remove_file(path).unwrap();
        }
    }
    let Tally { compared, same, linux_fails, refused, stricter, more, contradictions } = tally;
    eprintln!(
        "{} mutants beside Linux: {linux_fails} it refuses or dies of, {} we refuse, {compared} compared, {same} of \
         which are the same; {} times we tell of an error where it shows something, {more} times we show more",
        rounds.len(),
        refused.len(),
        stricter.len(),
    );
    for what in refused.iter().chain(&stricter) {
        eprintln!("  {what}");
    }
    assert!(contradictions.is_empty(), "{} contradictions:\n{}", contradictions.len(), contradictions.join("\n"));
}
