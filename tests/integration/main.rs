//! Tests of the whole.

mod mounting;
