//! Tests of the whole: one binary, a module for each floor or command.

#[path = "../build/mod.rs"]
mod build;
#[path = "../oracle/walk.rs"]
mod walk;

mod builder;
mod commands;
mod complaints;
mod corpus;
mod desktop;
mod differential;
mod documents;
mod drive;
mod faults;
mod hostile;
mod load;
mod manifest;
mod mounting;
mod mutants;
mod packages;
mod readers;
mod sessions;
mod system;
mod tools;
mod udf;
mod verify;
