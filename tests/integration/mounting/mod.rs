//! The real program, mounting real images: as root, and as a user through fusermount3.
//!
//! Without root the same tests run as the user one is, through fusermount3; those that need root pass idly.

mod ends;
mod helper;
mod names;
mod places;
pub mod rig;
