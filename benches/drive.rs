//! What a drive costs: mount-iso beside fuseiso (when it is installed), and UDF beside ISO 9660 with Rock Ridge, in
//! turns, in one run.
//!
//! `cargo bench --bench drive`. Environment: `ROUNDS=n` (5), `QUICK=1` (a hundredth of every size), `ONLY=text` (images
//! whose name contains it), `LIMIT=seconds` (120, for one walk or read; what takes longer is shown as such).
//!
//! The images are kept in the directory for temporary files and used again. They are read once before each case, so
//! what is measured is the programs and not the disk; what the kernel keeps of a mount goes with the mount. No tool
//! that sorts or prints stands between: a walk is readdir and lstat of every entry, as `ls -lR` calls them.

#[path = "../tests/build/mod.rs"]
mod build;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use build::{Content, Flat, Image, Node, Rock, udf};

struct Settings {
    rounds: usize,
    quick: bool,
    only: String,
    limit: Duration,
}

impl Settings {
    fn of_the_environment() -> Self {
        let text = |name| std::env::var(name).unwrap_or_default();
        let quick = !matches!(text("QUICK").as_str(), "" | "0");
        Self {
            rounds: text("ROUNDS").parse().unwrap_or(if quick { 3 } else { 5 }),
            quick,
            only: text("ONLY"),
            limit: Duration::from_secs(text("LIMIT").parse().unwrap_or(120)),
        }
    }

    fn scaled(&self, count: u32) -> u32 {
        if self.quick { count / 100 } else { count }
    }
}

/// What is done with the files of an image.
#[derive(Clone, Copy, PartialEq)]
enum Work {
    Walk,
    WalkAndRead,
    Read,
}

/// What is measured beside others: a program and the image that it mounts.
struct Contender {
    name: &'static str,
    program: PathBuf,
    image: PathBuf,
}

struct Case {
    name: String,
    work: Work,
    contenders: Vec<Contender>,
    /// The contenders of the ratio: the first by the second.
    ratio: (usize, usize),
}

/// A number that was measured, or that it took too long.
type Measured = Option<f64>;

fn main() -> io::Result<()> {
    let settings = Settings::of_the_environment();
    let cases = cases(&settings)?;
    println!("Medians of {} rounds; the ratio is the median of those of each round.\n", settings.rounds);
    for case in &cases {
        // name of the measurement → one list for each contender
        let mut table: BTreeMap<(usize, &str), Vec<Vec<Measured>>> = BTreeMap::new();
        for contender in &case.contenders {
            read(&contender.image, &settings)?;
        }
        for round in 0..settings.rounds {
            for (at, contender) in case.contenders.iter().enumerate() {
                eprintln!("{}, round {}, {}", case.name, round + 1, contender.name);
                for (order, (what, value)) in measure(contender, case.work, &settings)?.into_iter().enumerate() {
                    let row = table.entry((order, what)).or_insert_with(|| vec![Vec::new(); case.contenders.len()]);
                    row[at].push(value);
                }
            }
        }
        print!("{}", shown(case, &table));
    }
    Ok(())
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|path| path.is_file())
}

/// The images, made where they are missing.
fn cases(settings: &Settings) -> io::Result<Vec<Case>> {
    let directory = std::env::temp_dir().join("mount-iso-bench");
    fs::create_dir_all(&directory)?;
    let (million, thousand) = (settings.scaled(1_000_000), settings.scaled(1000).max(10));
    let small = settings.scaled(100_000);
    let large = u64::from(settings.scaled(1024)).max(10) << 20;
    let own = || PathBuf::from(env!("CARGO_BIN_EXE_mount-iso"));
    let fuseiso = find("fuseiso");
    if fuseiso.is_none() {
        eprintln!("fuseiso is not installed: mount-iso is measured alone");
    }
    type Maker = Box<dyn Fn(&Path) -> io::Result<()>>;
    let list: [(String, Work, Maker); 4] = [
        (
            format!("{million} entries in one directory"),
            Work::Walk,
            Box::new(move |path| Flat { files: million, directories: 0, rock_ridge: true }.write(path)),
        ),
        (
            format!("{million} entries in {thousand} directories"),
            Work::Walk,
            Box::new(move |path| Flat { files: million, directories: thousand, rock_ridge: true }.write(path)),
        ),
        (format!("{small} small files with content"), Work::WalkAndRead, Box::new(move |path| many(path, small))),
        (
            format!("one file of {} MiB", large >> 20),
            Work::Read,
            Box::new(move |path| {
                let image = Image::new().rock_ridge(Rock::V1_10);
                image.add("/large", Node::pattern(1, large)).write(path).map(drop)
            }),
        ),
    ];
    let mut cases = Vec::new();
    for (name, work, make) in list {
        if !name.contains(&settings.only) {
            continue;
        }
        let image = made(&directory.join(format!("{}.iso", name.replace(' ', "-"))), make)?;
        let mut contenders = vec![Contender { name: "mount-iso", program: own(), image: image.clone() }];
        contenders.extend(fuseiso.iter().map(|program| {
            let (program, image) = (program.clone(), image.clone());
            Contender { name: "fuseiso", program, image }
        }));
        cases.push(Case { name, work, contenders, ratio: (1, 0) });
    }
    // The same names in both; each file has its content in its own block on UDF, on ISO 9660 all share one block.
    for (directories, place) in [(thousand, format!("{thousand} directories")), (0, "one directory".to_owned())] {
        let name = format!("{small} files in {place}: UDF and ISO 9660");
        if !name.contains(&settings.only) {
            continue;
        }
        let path = |extension| directory.join(format!("{small}-files-in-{directories}-directories.{extension}"));
        let flat = udf::Flat { files: small, directories, block_size: 2048 };
        let beside = Flat { files: small, directories, rock_ridge: true };
        let udf = made(&path("udf"), |path| flat.write(path))?;
        let iso = made(&path("iso"), |path| beside.write(path))?;
        let contenders = vec![
            Contender { name: "UDF", program: own(), image: udf },
            Contender { name: "ISO 9660", program: own(), image: iso },
        ];
        cases.push(Case { name, work: Work::WalkAndRead, contenders, ratio: (0, 1) });
    }
    Ok(cases)
}

/// An image, made if it is missing.
fn made(image: &Path, make: impl Fn(&Path) -> io::Result<()>) -> io::Result<PathBuf> {
    if !image.exists() {
        eprintln!("making {}", image.display());
        let partial = image.with_extension("part");
        make(&partial)?;
        fs::rename(partial, image)?;
    }
    Ok(image.to_owned())
}

/// Files of 100 to 2000 bytes, a hundred to a directory; by xorriso, else by the tests' own writer.
fn many(image: &Path, files: u32) -> io::Result<()> {
    let content = |number: u32| Content::Pattern { seed: number.into(), len: 100 + u64::from(number) * 7 % 1900 };
    let name = |number: u32| format!("dir-{:04}/file-{number:06}.bin", number / 100);
    if find("xorriso").is_none() {
        let image_of = |image: Image, number| image.add(&format!("/{}", name(number)), Node::file(content(number)));
        return (0..files).fold(Image::new().rock_ridge(Rock::V1_10), image_of).write(image).map(drop);
    }
    let tree = image.with_extension("tree");
    for number in 0..files {
        let path = tree.join(name(number));
        if number % 100 == 0 {
            fs::create_dir_all(path.parent().unwrap_or(&tree))?;
        }
        fs::write(path, content(number).bytes())?;
    }
    let mut command = Command::new("xorriso");
    command.args(["-as", "mkisofs", "-quiet", "-R", "-J", "-o"]).arg(image).arg(&tree);
    let status = command.status()?;
    fs::remove_dir_all(&tree)?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("xorriso: {status}"))) }
}

/// A mount, unmounted when this goes.
struct Mount {
    directory: PathBuf,
}

impl Mount {
    /// Mounts, and says how long it took until the mounted root answered.
    fn new(program: &Path, image: &Path) -> io::Result<(Self, Duration)> {
        let directory = std::env::temp_dir().join("mount-iso-bench").join(format!("mount-{}", std::process::id()));
        fs::create_dir_all(&directory)?;
        let outside = fs::metadata(&directory)?.dev();
        let mount = Self { directory };
        let start = Instant::now();
        let status = Command::new(program)
            .arg(image)
            .arg(&mount.directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .status()?;
        if !status.success() {
            return Err(io::Error::other(format!("{}: {status}", program.display())));
        }
        while fs::metadata(&mount.directory)?.dev() == outside {
            sleep(Duration::from_micros(100));
            if start.elapsed() > Duration::from_secs(60) {
                return Err(io::Error::other(format!("{}: nothing is mounted", program.display())));
            }
        }
        Ok((mount, start.elapsed()))
    }

    /// Memory of all processes that serve the mount, in KiB: resident, and of it what is not mapped from files.
    fn memory(&self) -> (f64, f64) {
        let (mut resident, mut anonymous) = (0.0, 0.0);
        for status in self.processes().iter().filter_map(|path| fs::read_to_string(path.join("status")).ok()) {
            let field = |name: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name));
                line.and_then(|value| value.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0)
            };
            resident += field("VmRSS:");
            anonymous += field("RssAnon:");
        }
        (resident, anonymous)
    }

    /// Processes, but this one, in whose command line the mount point stands.
    fn processes(&self) -> Vec<PathBuf> {
        let own = std::process::id().to_string();
        let point = self.directory.to_string_lossy().into_owned();
        let serves = |path: &PathBuf| {
            let line = fs::read(path.join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&point)
        };
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        processes
            .filter(|entry| entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()))
            .filter(|entry| entry.file_name().to_string_lossy() != own)
            .map(|entry| entry.path())
            .filter(serves)
            .collect()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let unmount = |program: &str, words: &[&str]| {
            let mut command = Command::new(program);
            command.args(words).arg(&self.directory).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        let done = unmount("umount", &[]) || unmount("fusermount3", &["-u"]) || unmount("fusermount", &["-u"]);
        let start = Instant::now();
        while done && !self.processes().is_empty() && start.elapsed() < Duration::from_secs(10) {
            sleep(Duration::from_millis(1));
        }
        if let Err(error) = fs::remove_dir(&self.directory) {
            eprintln!("{}: {error}", self.directory.display());
        }
    }
}

fn measure(contender: &Contender, work: Work, settings: &Settings) -> io::Result<Vec<(&'static str, Measured)>> {
    let (mount, took) = Mount::new(&contender.program, &contender.image)?;
    let (resident, anonymous) = mount.memory();
    let mut list = vec![
        ("mount, until the root answers (ms)", Some(took.as_secs_f64() * 1000.0)),
        ("memory after mounting (MiB)", Some(resident / 1024.0)),
        ("of it anonymous (MiB)", Some(anonymous / 1024.0)),
    ];
    let root = &mount.directory;
    if work != Work::Read {
        let first = timed(settings, |end| walk(root, end, false))?;
        list.push(("first walk: readdir and lstat (s)", first));
        // Where one walk takes too long, so does the next.
        let second = if first.is_some() { timed(settings, |end| walk(root, end, false))? } else { None };
        list.push(("second walk (s)", second));
    }
    if work == Work::WalkAndRead {
        list.push(("first reading of all files (s)", timed(settings, |end| walk(root, end, true))?));
        list.push(("second reading (s)", timed(settings, |end| walk(root, end, true))?));
    }
    if work == Work::Read {
        let file = root.join("large");
        let file = if file.exists() { file } else { root.join("LARGE") };
        list.push(("first sequential read (s)", timed(settings, |end| read_until(&file, end))?));
        list.push(("second sequential read (s)", timed(settings, |end| read_until(&file, end))?));
    }
    // A mapped image counts as resident as far as it was read; its pages are the kernel's cache, which it may drop.
    let (resident, anonymous) = mount.memory();
    list.push(("memory afterwards (MiB)", Some(resident / 1024.0)));
    list.push(("of it anonymous, afterwards (MiB)", Some(anonymous / 1024.0)));
    Ok(list)
}

/// The seconds that something takes; `None` when it did not end before its time was over.
fn timed(settings: &Settings, work: impl FnOnce(Instant) -> io::Result<bool>) -> io::Result<Measured> {
    let start = Instant::now();
    let ended = work(start + settings.limit)?;
    Ok(ended.then(|| start.elapsed().as_secs_f64()))
}

/// Goes through a tree, and says whether it came to its end.
fn walk(root: &Path, end: Instant, read: bool) -> io::Result<bool> {
    let mut todo = vec![root.to_owned()];
    let mut buffer = vec![0; 1 << 16];
    let mut size = 0;
    while let Some(directory) = todo.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let data = entry.metadata()?;
            size += data.len();
            if data.is_dir() {
                todo.push(entry.path());
            } else if read {
                let mut file = fs::File::open(entry.path())?;
                while file.read(&mut buffer)? > 0 {}
            }
            if Instant::now() > end {
                return Ok(false);
            }
        }
    }
    std::hint::black_box(size);
    Ok(true)
}

fn read_until(path: &Path, end: Instant) -> io::Result<bool> {
    let mut file = fs::File::open(path)?;
    let mut buffer = vec![0; 1 << 20];
    while file.read(&mut buffer)? > 0 {
        if Instant::now() > end {
            return Ok(false);
        }
    }
    Ok(true)
}

fn read(path: &Path, settings: &Settings) -> io::Result<()> {
    read_until(path, Instant::now() + settings.limit).map(drop)
}

fn median(values: &[Measured]) -> Measured {
    let mut values: Vec<f64> = values.iter().map(|value| value.unwrap_or(f64::INFINITY)).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().filter(|value| value.is_finite())
}

fn shown(case: &Case, table: &BTreeMap<(usize, &str), Vec<Vec<Measured>>>) -> String {
    let mut text = format!("{}\n\n", case.name);
    // Three digits that say something.
    let number = |value: Measured| match value {
        None => "too long".to_owned(),
        Some(value) if value >= 100.0 => format!("{value:.0}"),
        Some(value) if value >= 1.0 => format!("{value:.2}"),
        Some(value) => format!("{value:.4}"),
    };
    let names: String = case.contenders.iter().map(|contender| format!(" {} |", contender.name)).collect();
    let (above, below) = case.ratio;
    let ratio = match (case.contenders.get(above), case.contenders.get(below)) {
        (Some(above), Some(below)) => format!(" {} / {} |", above.name, below.name),
        _ => String::new(),
    };
    // Writing to a string can't fail.
    let _ = writeln!(text, "| |{names}{ratio}");
    let columns = case.contenders.len() + usize::from(!ratio.is_empty());
    let _ = writeln!(text, "|---|{}", "---:|".repeat(columns));
    for ((_, what), lists) in table {
        let medians: String = lists.iter().map(|list| format!(" {} |", number(median(list)))).collect();
        let ratio = match (lists.get(above), lists.get(below)) {
            (Some(above), Some(below)) => {
                let pairs = above.iter().zip(below).map(|(above, below)| Some((*above)? / (*below)?));
                format!(" {} |", number(median(&pairs.collect::<Vec<_>>())))
            }
            _ => String::new(),
        };
        let _ = writeln!(text, "| {what} |{medians}{ratio}");
    }
    text.push('\n');
    text
}
