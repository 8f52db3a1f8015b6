//! Tests of the whole: built images, mounts, and what Linux itself shows.

#[path = "../build/mod.rs"]
mod build;

mod builder;
