//! The rounds, in which all take turns.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;
use std::time::Instant;

use crate::command::{self, Measured, timed};
use crate::contender::Contender;
use crate::images::{self, Images, Kind};
use crate::mount::Mount;
use crate::plan::{Group, Step, What, groups};
use crate::settings::Settings;
use crate::{machine, requests, table, work};

/// Bytes of memory that are made ready for a large file.
const LARGE_MEMORY: usize = 5 << 30;

/// What a contender took for a row in each round.
pub type Cells = BTreeMap<(usize, Contender), Vec<Measured>>;

#[derive(Debug)]
pub struct Report {
    pub text: String,
    /// Rows for which we have no value ourselves.
    pub missing: Vec<String>,
}

/// Directories that go at the end.
struct Place<'s>(&'s Settings);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Settings { directory, out, keep, .. } = self.0;
        for gone in [Some(out), (!keep).then_some(directory)].into_iter().flatten() {
            if let Err(error) = fs::remove_dir_all(gone)
                && error.kind() != io::ErrorKind::NotFound
            {
                eprintln!("bench: {}: {error}", gone.display());
            }
        }
    }
}

pub fn all(settings: &Settings) -> io::Result<Report> {
    let _place = Place(settings);
    fs::create_dir_all(&settings.directory)?;
    fs::create_dir_all(&settings.out)?;
    let groups = groups(settings);
    let kinds: BTreeSet<Kind> = groups.iter().map(|group| group.image).collect();
    let mut made = BTreeMap::new();
    for kind in kinds {
        made.insert(kind, kind.made(settings)?);
    }
    let mut notes = BTreeSet::new();
    let mut cells = Cells::new();
    // Groups in which somebody failed or took too long: it is not asked again.
    let mut given_up = BTreeSet::new();
    let mut begun = 0;
    for round in 0..settings.rounds {
        if Instant::now() > settings.end {
            break;
        }
        begun += 1;
        let mut row = 0;
        for (number, group) in groups.iter().enumerate() {
            let Some(images) = made.get(&group.image) else { continue };
            // Another one begins in each round: who comes first finds other memory than who comes last.
            let all = group.contenders.len();
            for contender in group.contenders.iter().cycle().skip(round % all.max(1)).take(all) {
                if given_up.contains(&(number, *contender)) || Instant::now() > settings.end {
                    continue;
                }
                if let Some(absence) = contender.absence() {
                    notes.insert(absence);
                    continue;
                }
                let Some(image) = contender.image(images) else { continue };
                eprintln!("bench: round {}, {}: {}", round + 1, group.steps[0].row, contender.name());
                let values = measured(*contender, image, group, settings);
                for (offset, value) in values.into_iter().enumerate() {
                    if !matches!(value, Measured::Value(_)) {
                        given_up.insert((number, *contender));
                    }
                    if let Measured::Failed(what) = &value {
                        notes.insert(format!("{}, {}: {what}", contender.name(), group.steps[offset].row));
                    }
                    cells.entry((row + offset, *contender)).or_default().push(value);
                }
            }
            row += group.steps.len();
        }
    }
    if Instant::now() > settings.end {
        notes.insert("the time was over before all was measured".to_owned());
    }
    let steps: Vec<&Step> = groups.iter().flat_map(|group| &group.steps).collect();
    let text = format!(
        "{}\n{}",
        machine::described(settings, begun),
        table::shown(&steps, &cells, &notes.into_iter().collect::<Vec<_>>(), !settings.quick)
    );
    Ok(Report { text, missing: missing(&groups, &made, &cells) })
}

/// Rows that lack a value of ours. Requests can be counted only where the kernel lets us.
fn missing(groups: &[Group], made: &BTreeMap<Kind, Images>, cells: &Cells) -> Vec<String> {
    let mut missing = Vec::new();
    let mut row = 0;
    for group in groups {
        for step in &group.steps {
            for contender in group.contenders.iter().filter(|one| one.is_ours() && one.absence().is_none()) {
                let expected = made.get(&group.image).is_some_and(|images| contender.image(images).is_some());
                let value = cells.get(&(row, *contender)).and_then(|values| values.iter().find_map(Measured::value));
                if expected && value.is_none() && !matches!(step.what, What::Requests(_)) {
                    missing.push(format!("{}, {}", contender.name(), step.row));
                }
            }
            row += 1;
        }
    }
    missing
}

/// One contender's values for the steps of a group, as far as it came.
fn measured(contender: Contender, image: &Path, group: &Group, settings: &Settings) -> Vec<Measured> {
    let prepared = if group.cached { images::cache(image) } else { images::evict(image) };
    // As much as the kernel takes for what is read, and some more.
    let prepared = prepared.and_then(|()| match group.image {
        Kind::Large if !settings.quick => machine::touch_memory(LARGE_MEMORY),
        _ => Ok(()),
    });
    if let Err(error) = prepared {
        return vec![Measured::Failed(error.to_string())];
    }
    if contender == Contender::Plain {
        let words = ["cat".to_owned(), image.to_string_lossy().into_owned()];
        return vec![timed(&words, settings.limit, false)];
    }
    if matches!(group.steps[0].what, What::Extracting) {
        return vec![extracted(contender, image, settings)];
    }
    let mount = match Mount::new(contender, image, settings) {
        Ok(mount) => mount,
        Err(error) => return vec![Measured::Failed(error.to_string())],
    };
    let mut values = Vec::new();
    for step in &group.steps {
        let value = taken(step, contender, &mount, settings);
        let broken = !matches!(value, Measured::Value(_)) && !matches!(step.what, What::Memory(_));
        values.push(value);
        if broken {
            break;
        }
    }
    values
}

fn taken(step: &Step, contender: Contender, mount: &Mount, settings: &Settings) -> Measured {
    let copy = settings.out.join("copy");
    let filled = |words: &[String]| -> Vec<String> {
        let word = |word: &String| match word.as_str() {
            ">" => copy.to_string_lossy().into_owned(),
            word => word.replacen('@', &mount.text(), usize::from(word.starts_with('@'))),
        };
        words.iter().map(word).collect()
    };
    match &step.what {
        What::Command(words) => {
            let empty = if words.iter().any(|word| word == ">") { emptied(&copy) } else { Ok(()) };
            let measured = match empty {
                Ok(()) => timed(&filled(words), settings.limit, false),
                Err(error) => return Measured::Failed(error.to_string()),
            };
            removed(&copy, measured)
        }
        What::Work(words) => work::measure(&filled(words), settings.limit),
        // The kernel's file system has no process.
        What::Memory(_) if contender == Contender::Erofs => Measured::Value(0.0),
        What::Memory(field) => mount.memory(field),
        What::Requests(words) => requests::count(|| timed(&filled(words), settings.limit, false)),
        What::Mounting | What::Extracting => Measured::Value(mount.took),
    }
}

fn extracted(contender: Contender, image: &Path, settings: &Settings) -> Measured {
    let to = settings.out.join("extracted");
    if let Err(error) = emptied(&to) {
        return Measured::Failed(error.to_string());
    }
    let words = contender.extracting(&image.to_string_lossy(), &to.to_string_lossy());
    let measured = timed(&words, settings.limit, false);
    // Directories come without the right to write in them.
    removed(&to, measured)
}

fn emptied(directory: &Path) -> io::Result<()> {
    if directory.exists() {
        remove(directory)?;
    }
    fs::create_dir_all(directory)
}

fn removed(directory: &Path, measured: Measured) -> Measured {
    match if directory.exists() { remove(directory) } else { Ok(()) } {
        Ok(()) => measured,
        Err(error) => Measured::Failed(error.to_string()),
    }
}

fn remove(directory: &Path) -> io::Result<()> {
    let path = directory.to_string_lossy();
    let limit = std::time::Duration::from_secs(300);
    command::succeed(&["chmod", "-R", "u+rwX", &path], limit)?;
    command::succeed(&["rm", "-rf", &path], limit)
}
