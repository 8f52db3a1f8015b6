//! Tests of the whole: one binary, a module for each floor or command.

mod mutants;
