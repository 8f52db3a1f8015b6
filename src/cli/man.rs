//! `mount-iso man`: the manual pages, made of the same table as the help.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap_mangen::Man;

use super::exit::{Code, Failure};
use super::image::shown;
use super::output;
use super::pages::{self, escaped};

/// Writes the manual page, or with a directory all manual pages into it
#[derive(Debug, Clone, clap::Args)]
pub struct ManArgs {
    /// Where to put the pages; made if missing
    #[arg(value_name = "DIR")]
    pub directory: Option<PathBuf>,
}

pub fn run(command: clap::Command, args: &ManArgs) -> Result<Code, Failure> {
    let pages = pages(command)
        .map_err(|error| Failure::new(Code::Internal, format!("the manual page can't be made: {error}")))?;
    match &args.directory {
        Some(directory) => save(&pages, directory),
        None => output::print(|out| {
            if let Some((_, page)) = pages.first() {
                out.write_all(page)?;
            }
            Ok(Code::Success)
        }),
    }
}

fn save(pages: &[(String, Vec<u8>)], directory: &Path) -> Result<Code, Failure> {
    let failed = |path: &Path, error: &io::Error| {
        Failure::new(Code::System, format!("{}: {error}", shown(path))).hint("name a directory that can be written to")
    };
    fs::create_dir_all(directory).map_err(|error| failed(directory, &error))?;
    for (name, page) in pages {
        let path = directory.join(name);
        fs::write(&path, page).map_err(|error| failed(&path, &error))?;
    }
    Ok(Code::Success)
}

/// File name and text of every page, the main one first. Hidden commands have none.
fn pages(mut command: clap::Command) -> io::Result<Vec<(String, Vec<u8>)>> {
    command = command.disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    collect(&command, &mut pages)?;
    pages.extend(pages::all());
    Ok(pages)
}

fn collect(command: &clap::Command, pages: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    let title = command.get_display_name().unwrap_or(command.get_name()).to_uppercase();
    let source = concat!("mount-iso ", env!("CARGO_PKG_VERSION"));
    // An empty date would be left out, and what follows be taken for it.
    let man = Man::new(command.clone()).title(title).date(" ").source(source).manual("User Commands");
    let mut page = Vec::new();
    man.render(&mut page)?;
    if ["mount-iso", "mount-iso-mount", "mount"].contains(&command.get_name()) {
        writeln!(
            page,
            ".SH \"SEE ALSO\"\n.BR mount\\-iso (5),\nthe words of\n.B \\-o\nand of /etc/fstab;\n.BR mount.mount\\-iso (8)"
        )?;
    }
    exit_status(&mut page)?;
    pages.push((man.get_filename(), page));
    for child in command.get_subcommands().filter(|child| !child.is_hide_set()) {
        collect(child, pages)?;
    }
    Ok(())
}

fn exit_status(page: &mut Vec<u8>) -> io::Result<()> {
    writeln!(page, ".SH \"EXIT STATUS\"")?;
    for (code, meaning) in Code::TABLE {
        writeln!(page, ".TP\n\\fB{}\\fR\n{}", *code as u8, escaped(meaning))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_visible_command_has_a_page_with_exit_codes() {
        let command = clap::Command::new("mount-iso")
            .subcommand(clap::Command::new("ls"))
            .subcommand(clap::Command::new("man").hide(true));
        let pages = pages(command).unwrap();
        let names: Vec<_> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["mount-iso.1", "mount-iso-ls.1", "mount-iso.5", "mount.mount-iso.8"]);
        for (_, page) in &pages[..2] {
            let text = String::from_utf8(page.clone()).unwrap();
            assert!(text.contains("EXIT STATUS") && text.contains("\\fB64\\fR\nsome of it succeeded"));
        }
    }
}
