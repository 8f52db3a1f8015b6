//! Tests of the whole: built images, mounts, and what Linux itself shows.

#[path = "../build/mod.rs"]
mod build;
#[path = "../oracle/walk.rs"]
mod walk;

mod builder;
mod corpus;
mod differential;
mod drive;
mod hostile;
mod manifest;
