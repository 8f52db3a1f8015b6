//! `mount-iso fstab`: the line of /etc/fstab that mounts an image.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::Args;

use super::exit::{Code, Failure};
use super::options::ImageArgs;
use super::split::split;
use super::{image, output};
use crate::mount;

/// Print the line of /etc/fstab that mounts an image
///
/// The image and the options are checked; nothing is mounted, and no file is written. Names are escaped as
/// fstab(5) wants it. `mount-iso fstab disc.iso /media/disc | sudo tee -a /etc/fstab`
#[derive(Debug, Clone, Args)]
#[command(after_help = super::help::exit_codes())]
pub struct FstabArgs {
    /// The disc image, or a block device
    #[arg(value_name = "IMAGE", value_hint = clap::ValueHint::FilePath)]
    pub image: PathBuf,

    /// Where it will be mounted
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub directory: PathBuf,

    #[command(flatten)]
    pub options: ImageArgs,

    /// For every user to mount, with `mount DIR`, and not at boot
    #[arg(long)]
    pub user: bool,

    /// Mounted by systemd when somebody looks
    #[arg(long, conflicts_with = "user")]
    pub automount: bool,
}

pub fn run(args: &FstabArgs) -> Result<Code, Failure> {
    let options = args.options.resolve()?;
    image::open(&args.image, &options)?;
    let spec = fs::canonicalize(&args.image)
        .map_err(|error| Failure::new(Code::Failure, format!("{}: {error}", image::shown(&args.image))))?;
    let directory = mount::absolute(&args.directory);
    let mut line = escaped(spec.as_os_str());
    line.push(b'\t');
    line.extend(escaped(directory.as_os_str()));
    line.extend([b"\t", kind().as_bytes(), b"\t"].concat());
    line.extend(escaped(&words(args, &directory)));
    line.extend(b"\t0\t0\n");
    output::print(|out| {
        out.write_all(&line)?;
        Ok(Code::Success)
    })
}

/// The type that works here: with the helper's link one that needs nothing else, without it one that needs
/// mount.fuse3.
fn kind() -> &'static str {
    let linked = ["/sbin", "/usr/sbin"].iter().any(|directory| Path::new(directory).join("mount.mount-iso").exists());
    if linked { "mount-iso" } else { mount::TYPE }
}

/// The fourth field: what was asked for, and what a machine that boots needs beside it.
fn words(args: &FstabArgs, directory: &Path) -> OsString {
    let given: Vec<_> = args.options.options.iter().flat_map(|list| split(list)).map(|word| word.name).collect();
    let has = |names: &[&str]| given.iter().any(|name| names.contains(&name.as_str()));
    let mut words = OsString::from("ro");
    let mut add = |word: &OsStr| {
        words.push(",");
        words.push(word);
    };
    if args.user {
        add(OsStr::new("noauto,user"));
    } else if args.automount {
        // A boot neither waits for it nor fails with it.
        add(OsStr::new("nofail,x-systemd.automount"));
    } else if !has(&["nofail", "noauto"]) {
        add(OsStr::new("nofail"));
    }
    if !directory.exists() {
        add(OsStr::new("x-mount.mkdir"));
    }
    for list in args.options.options.iter().filter(|list| !list.is_empty() && *list != "ro") {
        add(list);
    }
    for (name, value) in [("tree", &args.options.tree), ("io", &args.options.io)] {
        if let Some(value) = value {
            add(OsStr::new(&format!("{name}={value}")));
        }
    }
    words
}

/// A field of fstab(5): what separates fields, and the backslash, as three octal digits.
fn escaped(field: &OsStr) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    for byte in field.as_bytes() {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b'\\' => out.extend(format!("\\{byte:03o}").into_bytes()),
            byte => out.push(*byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_escaped_and_bytes_kept() {
        let name = OsStr::from_bytes(b"/a b\tc\nd\\e#,\xff");
        assert_eq!(escaped(name), b"/a\\040b\\011c\\012d\\134e#,\xff");
    }
}
