//! `mount-iso completions`: the completion script of a shell.

use clap_complete::Shell;

use super::exit::{Code, Failure};
use super::output;
use super::words::{Group, WORDS};

/// Writes the completion script of a shell
#[derive(Debug, Clone, clap::Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

pub fn run(mut command: clap::Command, args: &CompletionsArgs) -> Result<Code, Failure> {
    // Into memory first: the generator ends the process when it can't write.
    let mut script = Vec::new();
    let name = command.get_name().to_owned();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    let script = with_words(args.shell, &String::from_utf8_lossy(&script)).into_bytes();
    output::print(|out| {
        out.write_all(&script)?;
        Ok(Code::Success)
    })
}

/// The script with the words of `-o` in the places where the generator knows of nothing better than file names.
fn with_words(shell: Shell, script: &str) -> String {
    let explained = || WORDS.iter().filter(|word| word.group != Group::Ignored);
    let names: Vec<_> = explained().map(|word| word.written()).collect();
    match shell {
        Shell::Bash => {
            let files = "COMPREPLY=($(compgen -f \"${cur}\"))";
            let words = format!(
                "compopt -o nospace\n                    \
                 COMPREPLY=($(compgen -P \"${{cur%\"${{cur##*,}}\"}}\" -W \"{}\" -- \"${{cur##*,}}\"))",
                names.join(" ")
            );
            let places = ["--options)", "-o)"].map(|flag| format!("                {flag}\n                    "));
            // The generator takes the dash of the name for the beginning of a subcommand in one place and not in others,
            // so that no subcommand would ever be found.
            let script = script.replace("mount__subcmd__iso", "mount__iso");
            places
                .iter()
                .fold(script, |script, place| script.replace(&format!("{place}{files}"), &format!("{place}{words}")))
        }
        Shell::Fish => {
            let words = format!(" -xa \"(__fish_append , {})\"\n", names.join(" "));
            let lines = script.lines().map(|line| match line.strip_suffix(" -r") {
                Some(line) if line.contains(" -s o -l options ") => format!("{line}{words}"),
                _ => format!("{line}\n"),
            });
            lines.collect()
        }
        Shell::Zsh => {
            let words: String = explained()
                .map(|word| {
                    let help = word.help.replace(['[', ']', ':', '`', '\''], "");
                    let value = if word.written().ends_with('=') { ":value:" } else { "" };
                    format!(" \\\n        '{}[{help}]{value}'", word.name)
                })
                .collect();
            let function =
                format!("_mount-iso_options() {{\n    _values -s , option{words}\n}}\n\nif [ \"$funcstack[1]\"");
            script
                .replace(":OPTIONS:_default'", ":OPTIONS:_mount-iso_options'")
                .replace("if [ \"$funcstack[1]\"", &function)
        }
        _ => script.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_options_are_offered() {
        // zsh has a function of its own for the words.
        let shells = [(Shell::Bash, " nojoliet "), (Shell::Fish, " nojoliet "), (Shell::Zsh, ":_mount-iso_options'")];
        for (shell, expected) in shells {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut crate::cli::command(), "mount-iso", &mut script);
            let plain = String::from_utf8(script).unwrap();
            let script = with_words(shell, &plain);
            let places = script.matches(expected).count();
            assert!(places >= 5 && !plain.contains(expected), "{shell}: {places}");
            assert!(script.contains("nojoliet"), "{shell}");
        }
    }
}
