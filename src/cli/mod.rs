//! The command line.

pub mod cat;
pub mod completions;
pub mod exit;
pub mod image;
pub mod info;
pub mod listing;
pub mod ls;
pub mod man;
pub mod messages;
pub mod options;
pub mod output;
pub mod pieces;

#[cfg(test)]
pub mod tests_volume;
