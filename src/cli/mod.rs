//! The command line.

pub mod exit;
pub mod image;
pub mod options;
