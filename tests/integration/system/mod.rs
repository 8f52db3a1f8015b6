//! The drive in the system around it: mount(8), fstab(5), systemd, autofs, containers.
//!
//! Most of it needs root, for a mount name space of its own in which a test may do as it likes; without root such a
//! test says that it is skipped, and scripts/test runs it by sudo.

mod autofs;
mod containers;
mod memory;
mod mount8;
mod running;
pub mod sandbox;
mod systemd;
