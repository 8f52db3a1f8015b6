//! The UDF images nobody should write: none hangs or ends the program, and `good` stays readable.

use crate::build::udf::hostile::{catalogue, truncated};
use crate::hostile::check;

#[test]
fn hostile() {
    let list = catalogue();
    let names: std::collections::HashSet<_> = list.iter().map(|hostile| &hostile.name).collect();
    assert_eq!(names.len(), list.len(), "two images have one name");
    let with_good = list.iter().filter(|hostile| hostile.good).count();
    eprintln!("{} hostile images of UDF, {with_good} of them with a good file", list.len());
    assert!(with_good >= 40, "{with_good}");
    check(&list, "udf", &["", "unhide,undelete"]);
}

#[test]
fn cut_everywhere() {
    check(&truncated(), "udf", &[""]);
}
