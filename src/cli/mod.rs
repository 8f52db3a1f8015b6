//! The command line.

pub mod cat;
pub mod completions;
pub mod exit;
pub mod extract;
pub mod image;
pub mod info;
pub mod listing;
pub mod ls;
pub mod man;
pub mod messages;
pub mod options;
pub mod output;
pub mod pieces;
pub mod progress;

#[cfg(test)]
pub mod tests_volume;
