//! `mount-iso completions`: the completion script of a shell.

use super::exit::{Code, Failure};
use super::output;

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
    output::print(|out| {
        out.write_all(&script)?;
        Ok(Code::Success)
    })
}
