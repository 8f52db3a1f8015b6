//! What is measured: groups of steps, each with one fresh mount for each contender.

use crate::contender::Contender::{self, Archivemount, Bsdtar, Erofs, Fuseiso, Plain, SevenZip, Xorriso};
use crate::images::Kind;
use crate::settings::Settings;
use crate::trees::MANY;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Seconds,
    MiB,
    Count,
}

#[derive(Debug, Clone)]
pub enum What {
    /// The time that a command takes. `@` stands for the mount point, `>` for a directory that is empty.
    Command(Vec<String>),
    /// The time that this program's own work takes.
    Work(Vec<String>),
    /// A line of `/proc/PID/status` of the processes that serve the mount.
    Memory(&'static str),
    /// Requests that a command causes.
    Requests(Vec<String>),
    /// The time of mounting, until the first names are there.
    Mounting,
    /// The time that extracting takes.
    Extracting,
}

#[derive(Debug, Clone)]
pub struct Step {
    pub row: String,
    pub what: What,
    /// At least so many times as fast, or as little, as these.
    pub goals: Vec<(Contender, f64)>,
    /// At most so much.
    pub bound: Option<f64>,
}

impl Step {
    pub const fn unit(&self) -> Unit {
        match self.what {
            What::Memory(_) => Unit::MiB,
            What::Requests(_) => Unit::Count,
            _ => Unit::Seconds,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Group {
    pub image: Kind,
    pub contenders: Vec<Contender>,
    /// Whether the image is in the page cache when it begins.
    pub cached: bool,
    pub steps: Vec<Step>,
}

fn step(row: &str, what: What, goals: &[(Contender, f64)]) -> Step {
    Step { row: row.to_owned(), what, goals: goals.to_vec(), bound: None }
}

fn command(row: &str, words: &str, goals: &[(Contender, f64)]) -> Step {
    step(row, What::Command(words.split(' ').map(str::to_owned).collect()), goals)
}

fn work(row: &str, words: &str, goals: &[(Contender, f64)]) -> Step {
    step(row, What::Work(words.split(' ').map(str::to_owned).collect()), goals)
}

fn memory(row: &str, field: &'static str, bound: Option<f64>) -> Step {
    Step { bound, ..step(row, What::Memory(field), &[]) }
}

/// A pattern that no file has.
const GREP: &str = "grep -r -c -F mount-iso-finds-no-such-text @";
const TAR: &str = "tar -C @ -cf - .";
const FIND: &str = "find @ -ls";
const COPY: &str = "cp -a @/. >";

/// All groups, in the order of the table.
pub fn groups(settings: &Settings) -> Vec<Group> {
    let mounted =
        |image: Kind, steps: Vec<Step>| Group { image, contenders: Contender::MOUNTED.to_vec(), cached: true, steps };
    let many = settings.scaled(MANY);
    let file = "@/large";
    let random = settings.scaled(20_000).max(2000);
    // Where it makes a difference, for better or worse.
    let passed = |group: Group| Group {
        contenders: [group.contenders.as_slice(), &[Contender::OursPassthrough]].concat(),
        ..group
    };
    let large = |steps| passed(mounted(Kind::Large, steps));
    let small = |steps| mounted(Kind::Small, steps);
    let mix = |steps| passed(mounted(Kind::Mix, steps));
    let huge = |steps| mounted(Kind::Huge, steps);
    // A walk and its requests take long where every name is asked for: archivemount is left out of it.
    let tree = vec![
        memory("memory of its own after mounting", "RssAnon:", None),
        memory("resident after mounting", "VmRSS:", None),
        command("`find -ls`, first", FIND, &[(Erofs, 1.0), (Fuseiso, 8.0)]),
        command("`find -ls`, second", FIND, &[(Erofs, 1.0), (Fuseiso, 8.0)]),
        command("`tar c` after it", TAR, &[]),
        memory("memory of its own after walking and reading", "RssAnon:", Some(16.0)),
        memory("resident after walking and reading", "VmRSS:", None),
    ];
    let mut groups = vec![
        passed(mounted(Kind::One, vec![step("mount to first `ls`, one entry", What::Mounting, &[(Fuseiso, 1.0)])])),
        mounted(
            Kind::Small,
            vec![step(&format!("mount to first `ls`, {many} files"), What::Mounting, &[(Fuseiso, 1.0)])],
        ),
        Group {
            contenders: Contender::MOUNTED.into_iter().filter(|one| *one != Archivemount).collect(),
            ..mounted(
                Kind::Million,
                vec![step(
                    &format!("mount to first `ls`, {} entries", settings.scaled(1_000_000)),
                    What::Mounting,
                    &[(Fuseiso, 1.0)],
                )],
            )
        },
        large(vec![
            work("large file: sequential read, first", &format!("read {file}"), &[(Erofs, 0.5), (Fuseiso, 4.0)]),
            work("sequential read, second", &format!("read {file}"), &[(Erofs, 0.6), (Fuseiso, 10.0)]),
        ]),
        Group {
            cached: false,
            contenders: [Contender::MOUNTED.to_vec(), vec![Contender::OursPassthrough, Plain]].concat(),
            ..large(vec![work("sequential read, nothing cached", &format!("read {file}"), &[(Plain, 1.0)])])
        },
        large(vec![work("four readers at once", &format!("readers 4 {file}"), &[(Erofs, 0.5), (Fuseiso, 5.0)])]),
        large(vec![work("mmap read", &format!("map {file}"), &[(Erofs, 0.5)])]),
        large(vec![work(
            &format!("{random} random reads of 4 KiB, 1 job"),
            &format!("random 1 {random} {file}"),
            &[(Erofs, 1.2), (Fuseiso, 1.2)],
        )]),
        large(vec![work(
            &format!("{random} random reads of 4 KiB, 4 jobs"),
            &format!("random 4 {random} {file}"),
            &[(Erofs, 1.0), (Fuseiso, 2.0)],
        )]),
        small(tree.into_iter().map(|step| Step { row: format!("small files: {}", step.row), ..step }).collect()),
        passed(small(vec![
            command("small files: `tar c`, first", TAR, &[(Erofs, 4.0), (Fuseiso, 8.0)]),
            command("small files: `tar c`, second", TAR, &[(Erofs, 0.9)]),
        ])),
        small(vec![command("small files: `grep -r`", GREP, &[(Erofs, 2.0), (Fuseiso, 7.0)])]),
        small(vec![command("small files: `cp -a`", COPY, &[(Erofs, 2.5), (Fuseiso, 4.0)])]),
        Group {
            contenders: vec![Contender::Ours, Contender::OursUdf, Fuseiso],
            ..small(vec![Step {
                bound: Some(10_000.0),
                ..step(
                    "small files: FUSE requests of `tar c`",
                    What::Requests(TAR.split(' ').map(str::to_owned).collect()),
                    &[],
                )
            }])
        },
        huge(vec![command("huge directory: `ls -f`", "ls -f @", &[(Erofs, 0.8)])]),
        huge(vec![command("huge directory: `ls -l`", "ls -l @", &[(Erofs, 1.6)])]),
        huge(vec![work("huge directory: 10,000 stats", &format!("stat {} {many} @", settings.scaled(10_000)), &[])]),
        huge(vec![command("huge directory: `tar c`", TAR, &[(Erofs, 1.0)])]),
        mix(vec![command("installer mix: `tar c`", TAR, &[(Erofs, 1.1), (Fuseiso, 2.5)])]),
        mix(vec![command("installer mix: `grep -r`", GREP, &[(Erofs, 1.1), (Fuseiso, 2.5)])]),
        mix(vec![command("installer mix: `cp -a`", COPY, &[(Erofs, 0.9), (Fuseiso, 2.5)])]),
    ];
    for (image, name) in [(Kind::Small, "small files"), (Kind::Large, "large file"), (Kind::Mix, "installer mix")] {
        let goals = [SevenZip, Bsdtar, Xorriso].map(|other| (other, 1.3));
        let steps = vec![step(&format!("extract: {name}"), What::Extracting, &goals)];
        groups.push(Group { image, contenders: Contender::EXTRACTING.to_vec(), cached: true, steps });
    }
    groups.retain(|group| group.steps.iter().any(|step| step.row.contains(&settings.only)));
    groups
}
