//! The table of all words that `-o` knows: parser, help and manual page are made of it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use encoding_rs::{Encoding, UTF_8};
use nix::unistd::{Group as SystemGroup, User};

use super::options::Options;
use crate::disc::{SessionChoice, TreeKind};
use crate::iso9660::{Check, Map};
use crate::limits::MAX_CACHE_MIB;
use crate::source::IoMode;

/// What a word did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Done,
    /// It is accepted and changes nothing, for this reason.
    None(&'static str),
}

/// Why a word was refused; what solves it may follow on a second line.
type Refusal = String;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    Shown,
    Tree,
    Access,
    Running,
    Ignored,
}

impl Group {
    pub const fn title(self) -> &'static str {
        match self {
            Self::Shown => "Owners and permissions",
            Self::Tree => "What is read of the disc",
            Self::Access => "The mount",
            Self::Running => "The serving process",
            Self::Ignored => "Accepted without an effect, so that lines of /etc/fstab work as they are",
        }
    }
}

/// Whether a word takes a value, and what it does with it.
#[derive(Clone, Copy)]
enum Action {
    Plain(fn(&mut Options)),
    /// The name of the value, and what is made of it.
    Value(&'static str, fn(&mut Options, &[u8]) -> Result<(), Refusal>),
    /// Has no effect, with a value or without.
    Nothing(&'static str),
    /// Is known, and refused.
    Refused(&'static str),
}

/// One word. A name that ends with `*` stands for all that begin so.
pub struct Word {
    pub name: &'static str,
    pub group: Group,
    pub help: &'static str,
    action: Action,
}

impl Word {
    /// As help shows it.
    pub fn shown(&self) -> String {
        match self.action {
            Action::Value(value, _) => format!("{}={value}", self.name),
            _ => self.name.to_owned(),
        }
    }

    /// As somebody begins to write it.
    pub fn written(&self) -> String {
        match self.action {
            Action::Value(..) => format!("{}=", self.name),
            _ => self.name.to_owned(),
        }
    }

    /// # Errors
    /// Why the value makes no sense.
    pub fn apply(&self, options: &mut Options, value: Option<&[u8]>) -> Result<Effect, Refusal> {
        match (self.action, value) {
            (Action::Plain(action), None) => action(options),
            (Action::Plain(_), Some(_)) => return Err("takes no value".to_owned()),
            (Action::Value(_, action), Some(value)) if !value.is_empty() => action(options, value)?,
            (Action::Value(name, _), _) => return Err(format!("a value is missing: {}={name}", self.name)),
            (Action::Nothing(why), _) => return Ok(Effect::None(why)),
            (Action::Refused(why), _) => return Err(why.to_owned()),
        }
        Ok(Effect::Done)
    }
}

pub fn find(name: &str) -> Option<&'static Word> {
    WORDS.iter().find(|word| match word.name.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => word.name == name,
    })
}

/// The known word that looks most like an unknown one, if any does.
pub fn nearest(name: &str) -> Option<&'static str> {
    let near = |word: &Word| (strsim::jaro_winkler(word.name, name), word.name);
    let (likeness, word) = WORDS.iter().map(near).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (likeness > 0.8).then_some(word)
}

const fn plain(name: &'static str, group: Group, help: &'static str, action: fn(&mut Options)) -> Word {
    Word { name, group, help, action: Action::Plain(action) }
}

const fn value(
    name: &'static str,
    group: Group,
    value: &'static str,
    help: &'static str,
    action: fn(&mut Options, &[u8]) -> Result<(), Refusal>,
) -> Word {
    Word { name, group, help, action: Action::Value(value, action) }
}

const fn nothing(name: &'static str, help: &'static str) -> Word {
    Word { name, group: Group::Ignored, help, action: Action::Nothing(help) }
}

const fn refused(name: &'static str, group: Group, help: &'static str, why: &'static str) -> Word {
    Word { name, group, help, action: Action::Refused(why) }
}

use Group::{Access, Running, Shown, Tree};

/// All words, grouped, in the order of help.
pub const WORDS: &[Word] = &[
    value(
        "uid",
        Shown,
        "USER",
        "owner of every file, by number or name; `forget` and `ignore` change nothing",
        |o, v| {
            // The words of udf concern writing, or have no meaning any more.
            if !matches!(v, b"forget" | b"ignore") {
                o.presentation.uid = Some(user(v)?);
            }
            Ok(())
        },
    ),
    value("gid", Shown, "GROUP", "group of every file, by number or name", |o, v| {
        if !matches!(v, b"forget" | b"ignore") {
            o.presentation.gid = Some(group(v)?);
        }
        Ok(())
    }),
    value("mode", Shown, "MODE", "permissions of files where the disc records none, octal (0555)", |o, v| {
        o.presentation.file_mode = Some(octal(v)?);
        Ok(())
    }),
    value("fmode", Shown, "MODE", "the same as mode=", |o, v| {
        o.presentation.file_mode = Some(octal(v)?);
        Ok(())
    }),
    value("dmode", Shown, "MODE", "permissions of directories where the disc records none, octal (0555)", |o, v| {
        o.presentation.directory_mode = Some(octal(v)?);
        Ok(())
    }),
    value("umask", Shown, "MODE", "permissions to take away from files and directories, octal", |o, v| {
        let mask = octal(v)?;
        (o.presentation.file_mask, o.presentation.directory_mask) = (mask, mask);
        Ok(())
    }),
    value("fmask", Shown, "MODE", "permissions to take away from files, octal", |o, v| {
        o.presentation.file_mask = octal(v)?;
        Ok(())
    }),
    value("dmask", Shown, "MODE", "permissions to take away from directories, octal", |o, v| {
        o.presentation.directory_mask = octal(v)?;
        Ok(())
    }),
    plain("overriderockperm", Shown, "mode= and dmode= hold also where the disc records permissions", |o| {
        o.presentation.override_recorded = true;
    }),
    value(
        "tree",
        Tree,
        "TREE",
        "auto, rock-ridge, udf, joliet, enhanced or primary: which tree is shown (auto)",
        |o, v| {
            o.selection.tree = match v {
            b"auto" => None,
            word => Some(TreeKind::ALL.into_iter().find(|kind| kind.word().as_bytes() == word).ok_or(
                "no such tree\nthe trees are auto, rock-ridge, udf, joliet, enhanced and primary; `mount-iso info IMAGE` \
                 shows which a disc has",
            )?),
        };
            Ok(())
        },
    ),
    plain("norock", Tree, "pass over Rock Ridge", |o| o.selection.no_rock_ridge = true),
    plain("nojoliet", Tree, "pass over Joliet", |o| o.selection.no_joliet = true),
    value("map", Tree, "HOW", "names of plain ISO 9660: normal (lower case, without ;1), off, acorn", |o, v| {
        o.read.iso.map = match v {
            b"normal" | b"n" => Map::Normal,
            b"off" | b"o" => Map::Off,
            b"acorn" | b"a" => Map::Acorn,
            _ => return Err("is none of normal, off and acorn".to_owned()),
        };
        Ok(())
    }),
    value("check", Tree, "HOW", "relaxed or strict: whether upper and lower case are the same in look-ups", |o, v| {
        o.read.iso.check = Some(match v {
            b"relaxed" | b"r" => Check::Relaxed,
            b"strict" | b"s" => Check::Strict,
            _ => return Err("is neither relaxed nor strict".to_owned()),
        });
        Ok(())
    }),
    value("iocharset", Tree, "NAME", "encoding of the names that are shown (utf8)", |o, v| {
        o.read.iso.charset = charset(v)?;
        Ok(())
    }),
    plain("utf8", Tree, "the same as iocharset=utf8", |o| o.read.iso.charset = None),
    plain("hide", Tree, "leave out files that are marked as hidden", |o| o.read.iso.hide = true),
    plain("unhide", Tree, "show hidden and associated files", |o| {
        o.read.iso.hide = false;
        o.read.iso.show_associated = true;
        o.read.udf.unhide = true;
    }),
    plain("undelete", Tree, "show deleted files (UDF)", |o| o.read.udf.undelete = true),
    plain("showassoc", Tree, "show associated files", |o| o.read.iso.show_associated = true),
    plain("cruft", Tree, "the top byte of file lengths is rubbish", |o| o.read.iso.cruft = true),
    plain("nocompress", Tree, "show files compressed with zisofs as they are stored", |o| {
        o.read.iso.no_compress = true
    }),
    value(
        "session",
        Tree,
        "N",
        "session of a multi-session disc, counted from 0; `info --sessions` lists them",
        |o, v| {
            o.read.session = SessionChoice::Number(number(v)?);
            Ok(())
        },
    ),
    value("sbsector", Tree, "N", "sector at which the session begins", |o, v| {
        o.read.session = SessionChoice::Sector(number(v)?);
        Ok(())
    }),
    value("bs", Tree, "BYTES", "bytes of a sector (UDF); found without being told", |o, v| {
        let size: u32 = number(v)?;
        if !size.is_power_of_two() || !(512..=65_536).contains(&size) {
            return Err("is no power of two from 512 to 65536".to_owned());
        }
        o.read.udf.block_size = Some(size);
        Ok(())
    }),
    value("anchor", Tree, "N", "sector of the anchor (UDF); found without being told", |o, v| {
        o.read.udf.anchor = Some(number(v)?);
        Ok(())
    }),
    value("lastblock", Tree, "N", "last sector of the medium (UDF); the image's last one by default", |o, v| {
        o.read.udf.last_block = Some(number(v)?);
        Ok(())
    }),
    plain("novrs", Tree, "do without the Volume Recognition Sequence (UDF)", |o| o.read.udf.no_recognition = true),
    value("offset", Tree, "BYTES", "where in the file the image begins; K, M and G multiply by 1024 (0)", |o, v| {
        o.window.offset = bytes(v)?;
        Ok(())
    }),
    value("sizelimit", Tree, "BYTES", "how much of the file is the image (up to its end)", |o, v| {
        // As with losetup(8), 0 is no limit.
        o.window.limit = Some(bytes(v)?).filter(|limit| *limit != 0);
        Ok(())
    }),
    plain("noexec", Access, "programs can't be run", |o| o.mount.no_exec = true),
    plain("exec", Access, "programs can be run (the default)", |o| o.mount.no_exec = false),
    plain("ro", Access, "read-only, which the drive always is", |o| o.mount.writable = false),
    plain("rw", Access, "accepted; the drive is read-only all the same", |o| o.mount.writable = true),
    plain("sync", Access, "as in mount(8)", |o| o.mount.sync = true),
    plain("dirsync", Access, "as in mount(8)", |o| o.mount.dir_sync = true),
    plain("noatime", Access, "as in mount(8)", |o| o.mount.no_atime = true),
    plain("nosymfollow", Access, "symbolic links are not followed", |o| o.mount.no_symlinks = true),
    plain("symfollow", Access, "symbolic links are followed (the default)", |o| o.mount.no_symlinks = false),
    value(
        "context",
        Access,
        "LABEL",
        "security context of every file, where SELinux is at work (root only)",
        |o, v| context(o, "context", v),
    ),
    value("fscontext", Access, "LABEL", "the same of the file system itself", |o, v| context(o, "fscontext", v)),
    value("defcontext", Access, "LABEL", "the same of files without one", |o, v| context(o, "defcontext", v)),
    value("rootcontext", Access, "LABEL", "the same of the root directory", |o, v| context(o, "rootcontext", v)),
    plain("remount", Access, "change the flags of what is mounted (root only)", |o| o.mount.remount = true),
    plain("verify", Access, "verify the structure and embedded checksums first, and mount only what is sound", |o| {
        o.mount.verify = true;
    }),
    plain("allow_other", Access, "let all users look; the default for root", |o| o.mount.allow_other = Some(true)),
    plain("no_allow_other", Access, "let nobody but the mounting user look", |o| o.mount.allow_other = Some(false)),
    refused(
        "allow_root",
        Access,
        "not supported",
        "is not supported\nuse allow_other, with default_permissions to keep to the permissions of the files",
    ),
    plain("default_permissions", Access, "the kernel enforces the permissions; the default for root", |o| {
        o.mount.default_permissions = Some(true);
    }),
    value("fsname", Access, "NAME", "source that the mount table shows (the image's path)", |o, v| {
        o.mount.source = Some(OsString::from_vec(v.to_vec()));
        Ok(())
    }),
    value("threads", Running, "N", "threads that answer the kernel (processors, at most 4)", |o, v| {
        o.mount.threads = match number(v)? {
            0 => return Err("at least one thread is needed".to_owned()),
            threads => Some(threads),
        };
        Ok(())
    }),
    value(
        "idle_timeout",
        Running,
        "TIME",
        "unmount when nobody has used the drive for so long: 90, 15min, 2h (never)",
        |o, v| {
            o.mount.idle_timeout = time(v)?;
            Ok(())
        },
    ),
    value("io", Running, "HOW", "how the image is read: auto, mmap or pread", |o, v| {
        o.io = match v {
            b"auto" => IoMode::Auto,
            b"mmap" => IoMode::Mmap,
            b"pread" => IoMode::Pread,
            _ => return Err("is none of auto, mmap and pread".to_owned()),
        };
        Ok(())
    }),
    value("cache", Running, "MIB", "memory for directories and files that were used lately (8)", |o, v| {
        o.cache = match number::<usize>(v)? {
            mib if mib > MAX_CACHE_MIB => return Err(format!("is more than {MAX_CACHE_MIB}")),
            mib => Some(mib * 1024 * 1024),
        };
        Ok(())
    }),
    plain("nosandbox", Running, "the serving process keeps its rights; else it can open and start nothing", |o| {
        o.mount.no_sandbox = true
    }),
    plain(
        "passthrough",
        Running,
        "the kernel reads files of 1 MiB and more by itself (root, Linux 6.12; else without an effect)",
        |o| o.mount.passthrough = true,
    ),
    plain("norestart", Running, "the drive ends when its serving process does; else another one takes over", |o| {
        o.mount.no_restart = true
    }),
    value("log", Running, "FILE", "file to log to (the system log)", |o, v| {
        o.mount.log = Some(OsString::from_vec(v.to_vec()).into());
        Ok(())
    }),
    nothing("suid", "set-id programs of a disc image are never trusted"),
    nothing("dev", "device files of a disc image are never trusted"),
    nothing("nosuid", "always so"),
    nothing("nodev", "always so"),
    nothing("subtype", "the type is always fuse.mount-iso"),
    value("block", Group::Ignored, "N", "block size 512, 1024 or 2048: the disc records it", |_, v| match v {
        b"512" | b"1024" | b"2048" => Ok(()),
        _ => Err("is none of 512, 1024 and 2048".to_owned()),
    }),
    nothing("conv", "files are never converted"),
    nothing("adinicb", "concerns writing UDF"),
    nothing("noadinicb", "concerns writing UDF"),
    nothing("shortad", "concerns writing UDF"),
    nothing("longad", "concerns writing UDF"),
    nothing("nostrict", "what is not quite UDF is read anyway"),
    nothing("volume", "Linux ignores it, too"),
    nothing("partition", "Linux ignores it, too"),
    nothing("fileset", "Linux ignores it, too"),
    nothing("rootdir", "Linux ignores it, too"),
    nothing("loop", "no loop device is needed"),
    nothing("defaults", "for mount(8)"),
    nothing("auto", "for mount(8)"),
    nothing("noauto", "for mount(8)"),
    nothing("nofail", "for mount(8)"),
    nothing("_netdev", "for mount(8)"),
    nothing("user", "for mount(8)"),
    nothing("nouser", "for mount(8)"),
    nothing("users", "for mount(8)"),
    nothing("nousers", "for mount(8)"),
    nothing("owner", "for mount(8)"),
    nothing("noowner", "for mount(8)"),
    nothing("group", "for mount(8)"),
    nothing("nogroup", "for mount(8)"),
    nothing("comment", "for mount(8)"),
    nothing("helper", "for umount(8)"),
    nothing("uhelper", "for umount(8)"),
    nothing("x-*", "for mount(8)"),
    nothing("X-*", "for mount(8)"),
    nothing("async", "for mount(8)"),
    nothing("mand", "for mount(8)"),
    nothing("nomand", "for mount(8)"),
    nothing("silent", "for mount(8)"),
    nothing("loud", "for mount(8)"),
    // A remount by mount(8) brings what the mount table shows.
    nothing("user_id", "the kernel's own"),
    nothing("group_id", "the kernel's own"),
    nothing("rootmode", "the kernel's own"),
    nothing("blksize", "the kernel's own"),
    nothing("auto_unmount", "a drive never outlives its process"),
    nothing("nonempty", "a drive may cover a directory that is not empty"),
    nothing("kernel_cache", "the kernel remembers whatever was read"),
    nothing("auto_cache", "the kernel remembers whatever was read"),
    nothing("entry_timeout", "the kernel remembers whatever was read"),
    nothing("attr_timeout", "the kernel remembers whatever was read"),
    nothing("negative_timeout", "the kernel remembers whatever was read"),
    nothing("ac_attr_timeout", "the kernel remembers whatever was read"),
    nothing("max_read", "the kernel chooses"),
    nothing("max_readahead", "the kernel chooses"),
    nothing("big_writes", "nothing is written"),
    nothing("atime", "nothing is written"),
    nothing("diratime", "nothing is written"),
    nothing("nodiratime", "nothing is written"),
    nothing("relatime", "nothing is written"),
    nothing("norelatime", "nothing is written"),
    nothing("strictatime", "nothing is written"),
    nothing("nostrictatime", "nothing is written"),
    nothing("lazytime", "nothing is written"),
    nothing("nolazytime", "nothing is written"),
    nothing("iversion", "nothing is written"),
    nothing("noiversion", "nothing is written"),
];

fn text(value: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(value).map_err(|_| "is no text".to_owned())
}

fn number<T: std::str::FromStr>(value: &[u8]) -> Result<T, Refusal> {
    text(value)?.parse().map_err(|_| "is not a number that fits".to_owned())
}

/// A number of bytes, with a factor of 1024 for every step of K, M and G behind it.
fn bytes(value: &[u8]) -> Result<u64, Refusal> {
    let (digits, factor) = match value {
        [digits @ .., b'k' | b'K'] => (digits, 1 << 10),
        [digits @ .., b'm' | b'M'] => (digits, 1 << 20),
        [digits @ .., b'g' | b'G'] => (digits, 1 << 30),
        digits => (digits, 1),
    };
    number::<u64>(digits)?.checked_mul(factor).ok_or_else(|| "is not a number that fits".to_owned())
}

/// A length of time, in seconds without a unit; `None` for 0 and `infinity`, as systemd has it.
fn time(value: &[u8]) -> Result<Option<Duration>, Refusal> {
    let written = text(value)?;
    if written == "infinity" {
        return Ok(None);
    }
    let at = written.find(|character: char| !character.is_ascii_digit()).unwrap_or(written.len());
    let (digits, unit) = written.split_at(at);
    let factor = match unit {
        "" | "s" | "sec" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err("is no time\nas seconds, or with a unit: 90, 90s, 15min, 2h".to_owned()),
    };
    let seconds = number::<u32>(digits.as_bytes())?;
    Ok((seconds != 0).then(|| Duration::from_secs(u64::from(seconds) * factor)))
}

fn context(options: &mut Options, name: &'static str, value: &[u8]) -> Result<(), Refusal> {
    let value = text(value)?.trim_matches('"');
    if value.contains(['"', '\n']) {
        return Err("is no security context".to_owned());
    }
    options.mount.contexts.retain(|(other, _)| *other != name);
    options.mount.contexts.push((name, value.to_owned()));
    Ok(())
}

/// The twelve bits that chmod(1) knows.
fn octal(value: &[u8]) -> Result<u16, Refusal> {
    let mode = u16::from_str_radix(text(value)?, 8).map_err(|_| "is not an octal number".to_owned())?;
    if mode > 0o7777 { Err("has more than the twelve bits of permissions".to_owned()) } else { Ok(mode) }
}

fn user(value: &[u8]) -> Result<u32, Refusal> {
    let name = text(value)?;
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    match User::from_name(name) {
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        _ => Err("there is no such user\n`getent passwd` lists the users; a number works for any".to_owned()),
    }
}

fn group(value: &[u8]) -> Result<u32, Refusal> {
    let name = text(value)?;
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    match SystemGroup::from_name(name) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        _ => Err("there is no such group\n`getent group` lists the groups; a number works for any".to_owned()),
    }
}

/// Linux calls code pages `cp1252` and Latin alphabets `iso8859-1`; the Encoding Standard, by which we look
/// encodings up, knows most of these spellings.
fn charset(value: &[u8]) -> Result<Option<&'static Encoding>, Refusal> {
    if matches!(value, b"utf8" | b"utf-8" | b"UTF-8" | b"UTF8") {
        return Ok(None);
    }
    let known = Encoding::for_label(value).or_else(|| {
        let label = text(value).ok()?.to_ascii_lowercase();
        match label.strip_prefix("cp") {
            Some("932") => Encoding::for_label(b"shift_jis"),
            Some("936") => Encoding::for_label(b"gbk"),
            Some("949") => Encoding::for_label(b"euc-kr"),
            Some("950") => Encoding::for_label(b"big5"),
            Some(page) => Encoding::for_label(format!("windows-{page}").as_bytes()),
            None => None,
        }
    });
    match known {
        Some(encoding) if encoding == UTF_8 => Ok(None),
        Some(encoding) if encoding.can_encode_everything() || encoding.output_encoding() != encoding => {
            Err("this encoding can't stand in file names\nleave it out: names are shown in UTF-8".to_owned())
        }
        Some(encoding) => Ok(Some(encoding)),
        None => Err("there is no such encoding\nnames are those of the Encoding Standard \
                     (https://encoding.spec.whatwg.org), as iso-8859-2, windows-1251, koi8-r, shift_jis; without \
                     iocharset= names are shown in UTF-8, which is right nearly everywhere"
            .to_owned()),
    }
}
