//! The words of the command line.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub struct Settings {
    pub quick: bool,
    pub rounds: usize,
    /// Groups whose name contains it are measured.
    pub only: String,
    /// For one command.
    pub limit: Duration,
    /// When nothing more is measured.
    pub end: Instant,
    pub write: Option<PathBuf>,
    /// Where images, mounts and copies on a disk are.
    pub directory: PathBuf,
    /// Where copies are made: in memory, if there is room.
    pub out: PathBuf,
    pub keep: bool,
    /// What the name of the mount point ends with.
    pub tag: String,
}

impl Settings {
    pub fn parse(words: &[String]) -> io::Result<Self> {
        let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidInput, what);
        let (mut quick, mut rounds, mut only, mut limit, mut total) = (false, None, String::new(), None, None);
        let (mut write, mut keep, mut tag) = (None, None, None);
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| wrong(format!("{word} wants a value")));
            let number = |text: &String| text.parse::<u64>().map_err(|_| wrong(format!("{text} is no number")));
            match word.as_str() {
                "--quick" => quick = true,
                "--rounds" => rounds = Some(number(value()?)?.max(1)),
                "--only" => only = value()?.clone(),
                "--limit" => limit = Some(number(value()?)?),
                "--total" => total = Some(number(value()?)?),
                "--write" => write = Some(PathBuf::from(value()?)),
                "--keep" => keep = Some(PathBuf::from(value()?)),
                "--tag" => tag = Some(value()?.clone()),
                other => return Err(wrong(format!("{other} is no word of this benchmark: see scripts/bench --help"))),
            }
        }
        let own = |place: &Path| place.join(format!("mount-iso-bench-{}", std::process::id()));
        let directory = keep.clone().unwrap_or_else(|| own(&std::env::temp_dir()));
        let memory = Path::new("/dev/shm");
        let room = nix::sys::statvfs::statvfs(memory).map_or(0, |stat| stat.blocks_available() * stat.fragment_size());
        let out = if room > if quick { 256 << 20 } else { 6 << 30 } { own(memory) } else { directory.join("out") };
        Ok(Self {
            quick,
            rounds: usize::try_from(rounds.unwrap_or(if quick { 1 } else { 5 })).unwrap_or(1),
            only,
            limit: Duration::from_secs(limit.unwrap_or(if quick { 20 } else { 60 })),
            end: Instant::now() + Duration::from_secs(total.unwrap_or(if quick { 100 } else { 4 * 3600 })),
            write,
            directory,
            out,
            keep: keep.is_some(),
            tag: tag.unwrap_or_else(|| std::process::id().to_string()),
        })
    }

    /// A number of files, or of bytes.
    pub fn scaled(&self, count: u64) -> u64 {
        if self.quick { (count / 100).max(1) } else { count }
    }
}
