//! What the options of a mount say, from `-o` and from the flags beside it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use nix::unistd::{getegid, geteuid};

use super::exit::{Code, Failure};
use super::split::split;
use super::words::{Effect, Group, WORDS, Word, find, nearest};
use crate::disc::{ReadOptions, Selection};
use crate::source::IoMode;
use crate::tree::Presentation;

/// Everything `-o` and the flags beside it say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    pub selection: Selection,
    pub read: ReadOptions,
    pub presentation: Presentation,
    pub io: IoMode,
    /// Bytes that the caches may take.
    pub cache: Option<usize>,
    pub window: Window,
    /// How the drive is mounted; commands that don't mount pay no heed.
    pub mount: MountOptions,
}

/// The part of the file that is the image, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    pub offset: u64,
    /// `None`: to the end of the file.
    pub limit: Option<u64>,
}

impl Window {
    /// A part of this part.
    #[must_use]
    pub fn narrowed(self, part: Self) -> Self {
        let rest = self.limit.map(|limit| limit.saturating_sub(part.offset));
        let limit = match (rest, part.limit) {
            (Some(rest), Some(limit)) => Some(rest.min(limit)),
            (rest, limit) => rest.or(limit),
        };
        Self { offset: self.offset.saturating_add(part.offset), limit }
    }
}

/// What concerns the mount and not the image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MountOptions {
    pub no_exec: bool,
    pub sync: bool,
    pub dir_sync: bool,
    pub no_atime: bool,
    pub no_symlinks: bool,
    /// Security contexts of SELinux: name and value.
    pub contexts: Vec<(&'static str, String)>,
    /// `rw` was the last word on the matter.
    pub writable: bool,
    pub remount: bool,
    /// Mount only what is sound.
    pub verify: bool,
    /// `None`: as for a mount of the kernel's own where root mounts, else not.
    pub allow_other: Option<bool>,
    pub default_permissions: Option<bool>,
    /// `fsname=`: what the mount table shows in place of the image's path.
    pub source: Option<OsString>,
    pub threads: Option<usize>,
    /// No other serving process takes over where one was killed.
    pub no_restart: bool,
    /// The kernel reads large files by itself, if it can.
    pub passthrough: bool,
    /// The serving process keeps its rights.
    pub no_sandbox: bool,
    pub log: Option<PathBuf>,
    /// Unmounted when nobody has used it for so long.
    pub idle_timeout: Option<Duration>,
}

/// What to do with a word that nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    Refuse,
    /// As mount(8) asks for with `-s`.
    Warn,
}

impl Options {
    /// The options before any word is read: the owner of what has none is whoever mounts.
    pub fn of_this_user() -> Self {
        let mut options = Self::default();
        options.presentation.default_uid = geteuid().as_raw();
        options.presentation.default_gid = getegid().as_raw();
        options
    }

    /// Reads option lists in their order; the last word on a matter holds.
    ///
    /// # Errors
    /// For an unknown word, and for a value that makes no sense.
    pub fn read<'a>(&mut self, lists: impl IntoIterator<Item = &'a OsString>, unknown: Unknown) -> Result<(), Failure> {
        for written in lists.into_iter().flat_map(|list| split(list)) {
            let Some(word) = find(&written.name) else {
                let message = format!("unknown option `{}`", crate::text::printable(written.name.as_bytes()));
                if unknown == Unknown::Warn {
                    log::warn!("{message}: ignored");
                    continue;
                }
                return Err(Failure::new(Code::Usage, message).hint(match nearest(&written.name) {
                    Some(name) => format!("is it `{name}` that you mean? `mount-iso help options` lists them all"),
                    None => "`mount-iso help options` lists them all".to_owned(),
                }));
            };
            match word.apply(self, written.value.as_deref()) {
                Ok(Effect::Done) => {}
                Ok(Effect::None(why)) => log::info!("option `{}`: {why}", written.name),
                Err(reason) => return Err(wrong_value(&written.name, written.value.as_deref(), &reason)),
            }
        }
        Ok(())
    }
}

fn wrong_value(name: &str, value: Option<&[u8]>, reason: &str) -> Failure {
    let shown = value.map(|value| format!("={}", crate::text::printable(value))).unwrap_or_default();
    // A reason may bring its hint along on a second line.
    let (reason, hint) = match reason.split_once('\n') {
        Some((reason, hint)) => (reason, hint.to_owned()),
        None => (reason, "`mount-iso help options` says what every option takes".to_owned()),
    };
    Failure::new(Code::Usage, format!("option `{name}{shown}`: {reason}")).hint(hint)
}

const HEADING: &str = "What is read of the image";

/// The flags of every command that opens an image.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub struct ImageArgs {
    /// Options as for mount(8), separated by commas; `mount-iso help options` lists them
    #[arg(help_heading = HEADING, short = 'o', long = "options", value_name = "OPTIONS", allow_hyphen_values = true)]
    pub options: Vec<OsString>,

    /// Which of the trees that lie side by side on a disc is shown [default: the richest one]
    #[arg(help_heading = HEADING, long, value_name = "TREE")]
    #[arg(value_parser = ["auto", "rock-ridge", "udf", "joliet", "enhanced", "primary"])]
    pub tree: Option<String>,

    /// How the image is read: `auto` maps files of local file systems into memory
    #[arg(help_heading = HEADING, long, value_name = "HOW", value_parser = ["auto", "mmap", "pread"])]
    pub io: Option<String>,
}

impl ImageArgs {
    /// The options that the words stand for.
    pub fn resolve(&self) -> Result<Options, Failure> {
        let mut options = Options::of_this_user();
        self.read_into(&mut options, Unknown::Refuse)?;
        Ok(options)
    }

    /// Reads `-o` first, then the flags, which are the shorter way to say the same.
    pub fn read_into(&self, options: &mut Options, unknown: Unknown) -> Result<(), Failure> {
        options.read(&self.options, unknown)?;
        let flag =
            |name: &str, value: &Option<String>| value.as_ref().map(|value| OsString::from(format!("{name}={value}")));
        let flags: Vec<_> = [flag("tree", &self.tree), flag("io", &self.io)].into_iter().flatten().collect();
        options.read(&flags, Unknown::Refuse)
    }
}

/// The text of `mount-iso help options`, made of the table.
pub fn help() -> String {
    let explained = |word: &&Word| word.group != Group::Ignored;
    let width = WORDS.iter().filter(explained).map(|word| word.shown().len()).max().unwrap_or_default();
    let mut text = String::from(
        "Options of mount-iso, for `-o` and for the fourth field of /etc/fstab.\n\
         They are separated by commas; `\\,` or double quotes protect a comma in a value.\n\
         Of two options on the same matter the last one holds.\n",
    );
    let mut group = None;
    for word in WORDS.iter().filter(explained) {
        if group != Some(word.group) {
            group = Some(word.group);
            text.push_str(&format!("\n{}:\n", word.group.title()));
        }
        text.push_str(&format!("  {:width$}  {}\n", word.shown(), word.help));
    }
    text.push_str(&format!("\n{}:\n", Group::Ignored.title()));
    for same in WORDS.chunk_by(|a, b| a.group == b.group && a.help == b.help) {
        if let Some(first) = same.first().filter(|word| word.group == Group::Ignored) {
            let names: Vec<_> = same.iter().map(Word::shown).collect();
            text.push_str(&wrapped(&format!("{} ({})", names.join(", "), first.help)));
        }
    }
    text
}

/// Indented lines of at most 80 columns, broken at spaces.
fn wrapped(text: &str) -> String {
    let mut out = String::new();
    let mut column = 80;
    for word in text.split(' ') {
        let width = word.chars().count();
        let (before, start) = match column + 1 + width {
            ..=80 => (" ", column + 1),
            _ if out.is_empty() => ("  ", 2),
            _ => ("\n    ", 4),
        };
        out.push_str(before);
        out.push_str(word);
        column = start + width;
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disc::{SessionChoice, TreeKind};
    use crate::iso9660::{Check, Map};

    fn read(list: &str) -> Result<Options, Failure> {
        let mut options = Options::default();
        options.read(&[OsString::from(list)], Unknown::Refuse)?;
        Ok(options)
    }

    #[test]
    fn the_words_of_linux_do_what_they_do_there() {
        let read = |list| read(list).unwrap();
        let shown = read("uid=5,gid=root,mode=0440,dmode=0550,umask=022,overriderockperm").presentation;
        assert_eq!((shown.uid, shown.gid), (Some(5), Some(0)));
        assert_eq!((shown.file_mode, shown.directory_mode), (Some(0o440), Some(0o550)));
        assert_eq!((shown.file_mask, shown.directory_mask, shown.override_recorded), (0o22, 0o22, true));
        let iso = read("map=a,check=s,hide,unhide,cruft,nocompress,block=2048,conv=b").read.iso;
        assert_eq!((iso.map, iso.check), (Map::Acorn, Some(Check::Strict)));
        assert!(iso.show_associated && iso.cruft && iso.no_compress && !iso.hide);
        assert_eq!(read("sbsector=32,session=2").read.session, SessionChoice::Number(2));
        assert_eq!(read("session=2,sbsector=32").read.session, SessionChoice::Sector(32));
        let selection = read("norock,nojoliet,tree=joliet").selection;
        assert!(selection.no_rock_ridge && selection.no_joliet && selection.tree == Some(TreeKind::Joliet));
        assert_eq!(read("iocharset=utf8").read.iso.charset, None);
        assert_eq!(read("iocharset=koi8-r").read.iso.charset, Some(encoding_rs::KOI8_R));
        assert_eq!(read("iocharset=koi8-r,utf8").read.iso.charset, None);
    }

    #[test]
    fn the_words_of_mount_are_taken() {
        let given = read(
            "defaults,auto,noauto,nofail,_netdev,user,users,user=joe,owner,nouser,group,comment=x,x-systemd.automount,\
             X-mount.mkdir=0755,loop,loop=/dev/loop3,async,atime,diratime,relatime,strictatime,suid,dev,mand,silent",
        );
        assert_eq!(given.unwrap(), Options::default());
        let mount = read("rw,noexec,sync,dirsync,noatime,exec,fsname=a,allow_other,default_permissions").unwrap().mount;
        assert!(mount.writable && !mount.no_exec && mount.sync && mount.dir_sync && mount.no_atime);
        assert_eq!((mount.allow_other, mount.default_permissions), (Some(true), Some(true)));
        assert!(!read("rw,ro").unwrap().mount.writable);
    }

    #[test]
    fn parts_of_a_file_lie_in_parts_of_it() {
        let part = |list| read(list).unwrap().window;
        assert_eq!(part("offset=6K,sizelimit=1M"), Window { offset: 6144, limit: Some(1 << 20) });
        assert_eq!(part("offset=7,sizelimit=0"), Window { offset: 7, limit: None });
        let (all, outer, inner) = (Window::default(), part("offset=100,sizelimit=50"), part("offset=20,sizelimit=40"));
        assert_eq!((all.narrowed(inner), outer.narrowed(all)), (inner, outer));
        assert_eq!(outer.narrowed(inner), Window { offset: 120, limit: Some(30) });
        assert_eq!(outer.narrowed(part("offset=80")), Window { offset: 180, limit: Some(0) });
    }

    #[test]
    fn times_have_units_and_contexts_are_kept() {
        let idle = |list: &str| read(list).unwrap().mount.idle_timeout.map(|time| time.as_secs());
        for (list, seconds) in [("90", 90), ("90s", 90), ("15min", 900), ("2h", 7200), ("1d", 86_400)] {
            assert_eq!(idle(&format!("idle_timeout={list}")), Some(seconds));
        }
        assert_eq!((idle("idle_timeout=5,idle_timeout=0"), idle("idle_timeout=infinity")), (None, None));
        let contexts = read("context=\"u:r:t:s0:c1,c2\",rootcontext=a,rootcontext=b").unwrap().mount.contexts;
        assert_eq!(contexts, [("context", "u:r:t:s0:c1,c2".to_owned()), ("rootcontext", "b".to_owned())]);
    }

    #[test]
    fn a_wrong_word_is_named_and_a_near_one_offered() {
        let error = read("ro,norok").unwrap_err();
        assert_eq!(error.code, Code::Usage);
        assert!(error.message.contains("`norok`") && error.hint.unwrap().contains("`norock`"));
        let mut options = Options::default();
        assert!(options.read(&[OsString::from("norok,uid=3")], Unknown::Warn).is_ok());
        assert_eq!(options.presentation.uid, Some(3));
    }

    #[test]
    fn wrong_values_are_refused() {
        for list in [
            "uid=nobody-of-that-name",
            "uid",
            "uid=",
            "mode=9",
            "mode=17777",
            "umask=x",
            "map=x",
            "check=",
            "session=x",
            "block=1000",
            "iocharset=klingon",
            "tree=hfs",
            "bs=1000",
            "io=x",
            "threads=0",
            "norock=1",
            "allow_root",
            "sbsector=-1",
            "fsname=",
            "offset=x",
            "offset=99999999999G",
            "sizelimit=",
            "idle_timeout=soon",
            "idle_timeout=1y",
        ] {
            let error = read(list).expect_err(list);
            assert!(error.code == Code::Usage && error.hint.is_some(), "{list}");
        }
    }

    #[test]
    fn every_word_is_in_the_help_once() {
        let text = help();
        for word in WORDS {
            assert!(text.contains(word.name), "{}", word.name);
            assert_eq!(WORDS.iter().filter(|other| other.name == word.name).count(), 1, "{}", word.name);
        }
    }
}
