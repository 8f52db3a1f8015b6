//! `mount-iso IMAGE` without a verb means `mount-iso mount IMAGE`; flags may stand before a verb.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use clap::{Arg, Args, Command};

use super::mount::MountArgs;

/// The arguments with the verb in its place behind the program's name.
pub fn supplied(mut args: Vec<OsString>) -> Vec<OsString> {
    let at = match args.get(1) {
        // Without the tables, which take as long to make as an image to open.
        Some(first) if !first.as_bytes().starts_with(b"-") => Some(1),
        _ => first_operand(&MountArgs::augment_args(Command::new("mount")), &args),
    };
    let is_verb = |name: &OsStr| name.to_str().is_some_and(is_verb);
    match at {
        Some(at) if is_verb(&args[at]) => {
            let verb = args.remove(at);
            args.insert(1, verb);
        }
        // `mount-iso --help` and the like speak of the whole program.
        None if asks_for_help(&args) => {}
        None if args.len() <= 1 => {}
        _ => args.insert(1.min(args.len()), "mount".into()),
    }
    args
}

/// Whether a verb has this name, or is also called so.
fn is_verb(name: &str) -> bool {
    // The tables of all verbs are made only for what may be one.
    is_word(name) && super::command().find_subcommand(name).is_some()
}

fn is_word(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// The place of the first argument that is neither a flag nor the value of one; `--` stands for an operand that
/// is no verb.
fn first_operand(mount: &Command, args: &[OsString]) -> Option<usize> {
    let mut at = 1;
    while let Some(arg) = args.get(at) {
        let bytes = arg.as_bytes();
        match bytes {
            b"--" => return Some(at),
            [b'-', b'-', name @ ..] => {
                let name = OsStr::from_bytes(name);
                let takes = |arg: &Arg| arg.get_long().is_some_and(|long| name == long) && takes_value(arg);
                at += if mount.get_arguments().any(takes) { 2 } else { 1 };
            }
            [b'-', flags @ ..] if !flags.is_empty() => at += if value_follows(mount, flags) { 2 } else { 1 },
            _ => return Some(at),
        }
    }
    None
}

/// Whether a group of one-letter flags ends with one that takes the next argument for its value.
fn value_follows(mount: &Command, flags: &[u8]) -> bool {
    let takes =
        |flag: u8| mount.get_arguments().any(|arg| arg.get_short() == Some(char::from(flag)) && takes_value(arg));
    flags.iter().position(|flag| takes(*flag)).is_some_and(|at| at + 1 == flags.len())
}

fn takes_value(arg: &Arg) -> bool {
    arg.get_action().takes_values()
}

fn asks_for_help(args: &[OsString]) -> bool {
    args.iter().any(|arg| ["-h", "--help", "-V", "--version"].iter().any(|flag| arg == flag))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supplied(args: &str) -> String {
        let args = std::iter::once("mount-iso").chain(args.split_whitespace()).map(OsString::from).collect();
        let out: Vec<_> = super::supplied(args).into_iter().map(|arg| arg.into_string().unwrap()).collect();
        out[1..].join(" ")
    }

    #[test]
    fn what_is_no_verb_is_an_image() {
        assert_eq!(supplied("a.iso d"), "mount a.iso d");
        assert_eq!(supplied("./list"), "mount ./list");
        assert_eq!(supplied("-- -x.iso"), "mount -- -x.iso");
        assert_eq!(supplied("-- list"), "mount -- list");
        assert_eq!(supplied("-f"), "mount -f");
        assert_eq!(supplied("a.iso --help"), "mount a.iso --help");
    }

    #[test]
    fn values_of_flags_are_no_verbs() {
        assert_eq!(supplied("-o list a.iso"), "mount -o list a.iso");
        assert_eq!(supplied("-fo list a.iso"), "mount -fo list a.iso");
        assert_eq!(supplied("-olist list"), "list -olist");
        assert_eq!(supplied("--log list a.iso"), "mount --log list a.iso");
        assert_eq!(supplied("--log=x list"), "list --log=x");
    }

    #[test]
    fn all_verbs_are_words() {
        let command = super::super::command();
        let mut names: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
        names.extend(command.get_subcommands().flat_map(Command::get_all_aliases));
        assert!(names.len() > 16 && names.into_iter().all(is_word));
    }

    #[test]
    fn verbs_and_help_stay() {
        assert_eq!(supplied("list --json"), "list --json");
        assert_eq!(supplied("-v umount d"), "umount -v d");
        assert_eq!(supplied("--help"), "--help");
        assert_eq!(supplied("-V"), "-V");
        assert_eq!(supplied(""), "");
    }
}
