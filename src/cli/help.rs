//! The texts of help, and `mount-iso help`.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::LazyLock;

use clap::Args;

use super::exit::{Code, Failure};
use super::options;

pub const ABOUT: &str = "A virtual drive for Linux: shows a disc image as a read-only mounted drive";
pub const LONG_ABOUT: &str = "\
A virtual drive for Linux: shows a disc image (ISO 9660 with Rock Ridge, Joliet or Enhanced names) as a read-only \
mounted drive, without root and without kernel modules other than FUSE.

Without a command the image is mounted. Without a directory one is made for it, named after the disc, and removed \
when the drive is unmounted; its name is printed.";
pub const USAGE: &str = "\
mount-iso [OPTIONS] IMAGE [DIR]
       mount-iso COMMAND ...";

const EXAMPLES: &str = "\
Examples:
  mount-iso disc.iso                  mount on a new directory named after the disc
  mount-iso disc.iso ~/drive          mount on a directory
  mount-iso unmount disc.iso          unmount, by directory or by image
  mount-iso list                      what is mounted
  mount-iso -o uid=me,mode=0444 disc.iso
  mount -t mount-iso disc.iso /mnt    the same by mount(8), or by a line of /etc/fstab";

/// The codes of [`Code::TABLE`] as text.
pub fn exit_codes() -> &'static str {
    // Every verb's help ends with it.
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let mut text = String::from("Exit codes:\n");
        for (code, meaning) in Code::TABLE {
            // Writing to a string can't fail.
            let _ = writeln!(text, "  {:>2}  {meaning}", *code as u8);
        }
        text.trim_end().to_owned()
    });
    &TEXT
}

pub fn after() -> String {
    format!(
        "`mount-iso help mount` explains the options of mounting, `mount-iso help options` the words of -o.\n\
         An image that is named like a command is reached as ./NAME.\n\n{}",
        exit_codes()
    )
}

pub fn after_long() -> String {
    format!("{EXAMPLES}\n\n{}", after())
}

/// Explain a command, or the words of `-o`
#[derive(Debug, Clone, Args)]
pub struct HelpArgs {
    /// A command, or `options` for the words of `-o`
    #[arg(value_name = "TOPIC")]
    pub topic: Option<String>,
}

pub fn run(mut command: clap::Command, args: &HelpArgs) -> Result<Code, Failure> {
    command.build();
    let text = match args.topic.as_deref() {
        None => command.render_long_help().to_string(),
        Some("options") => options::help(),
        Some(topic) => match command.find_subcommand_mut(topic) {
            Some(command) => command.render_long_help().to_string(),
            None => {
                return Err(Failure::new(Code::Usage, format!("no help on `{}`", topic.escape_debug()))
                    .hint("`mount-iso help` lists the commands; `mount-iso help options` explains `-o`"));
            }
        },
    };
    // A reader who has seen enough (`| head`) is no failure.
    let _ = io::stdout().write_all(text.as_bytes());
    Ok(Code::Success)
}
