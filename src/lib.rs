//! Reads disc images and shows them as read-only drives.
//!
//! The floors, imports running downward: `cli` and `fuse` over `verify` and `tree`, over `disc`, over the file systems
//! (`iso9660`), over `volume` (their contract), over `container` and `source` (bytes, addressed).

#![deny(unsafe_code)]

pub mod bytes;
pub mod cli;
pub mod error;
pub mod fuse;
pub mod limits;
pub mod mount;
pub mod notes;
pub mod sys;
pub mod text;
pub mod time;

/// Code that meets bytes of an image: nothing there may panic or wrap on what it reads.
macro_rules! untrusting {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[cfg_attr(not(test), deny(
            clippy::arithmetic_side_effects,
            clippy::as_conversions,
            clippy::expect_used,
            clippy::indexing_slicing,
            clippy::panic,
            clippy::unwrap_used,
        ))]
        pub mod $name;
    )*};
}

untrusting!(container, disc, iso9660, library, source, tree, udf, verify, volume);
