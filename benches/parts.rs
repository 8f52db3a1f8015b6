//! The parts of a drive, measured alone: opening an image, parsing a directory, look-up, reading.
//!
//! `cargo bench --bench parts [FILTER]`. The images are made of the tests' own builder, and are in memory (tmpfs) or in
//! the page cache.

#[path = "../tests/build/mod.rs"]
mod build;

fn main() {
    divan::main();
}
