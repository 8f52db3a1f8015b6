//! The options of a mount: one table for flags, `-o` names, help and man page.

use clap::Args;

use super::exit::Failure;
use crate::disc::Selection;
use crate::iso9660::IsoOptions;
use crate::source::IoMode;
use crate::tree::Presentation;

/// Everything `-o` and the flags beside it say.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub selection: Selection,
    pub iso: IsoOptions,
    pub presentation: Presentation,
    pub io: IoMode,
}

/// The flags of every command that opens an image.
#[derive(Debug, Clone, Default, Args)]
pub struct ImageArgs {
    /// Options as for mount(8), separated by commas
    #[arg(short = 'o', long = "options", value_name = "OPTIONS")]
    pub options: Vec<String>,
}

impl ImageArgs {
    /// The options that the words stand for.
    pub fn resolve(&self) -> Result<Options, Failure> {
        Ok(Options::default())
    }
}
