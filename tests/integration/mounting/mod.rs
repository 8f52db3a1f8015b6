//! The real program, mounting real images: as root, and as a user through fusermount3.
//!
//! Without root the same tests run as the user one is, through fusermount3; those that need root pass idly.

mod changes;
mod ends;
mod helper;
mod library;
mod media;
mod names;
mod open;
mod passthrough;
mod places;
mod restart;
pub mod rig;
mod takeover;
mod times;

pub use rig::is_root;
