//! What stat(2) tells of times.

use std::fs::metadata;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use super::rig::{Rig, User};
use crate::build::{Image, Node, Rock};

#[test]
fn birth_times_are_those_of_the_disc() {
    let rig = Rig::new(User::Own);
    let born = 1_000_000_000;
    let file = Node::text("content").times(&[(0, born), (1, born + 60)]);
    let image = Image::new();
    image.rock_ridge(Rock::V1_12).add("/file", file).write(&rig.path("birth.iso")).unwrap();
    rig.succeed(["birth.iso", rig.directory("mnt").to_str().unwrap()]);
    let found = metadata(rig.path("mnt/file")).unwrap();
    let at = |seconds: i64| UNIX_EPOCH + Duration::from_secs(seconds.try_into().unwrap());
    assert_eq!(found.created().unwrap(), at(born));
    assert_eq!(found.modified().unwrap(), at(born + 60));
    // xorriso records none, and so there is none to show.
    rig.succeed(["x.iso", rig.directory("other").to_str().unwrap()]);
    let output = Command::new("stat").arg("-c%W").arg(rig.path("other/hello.txt")).output().unwrap();
    assert_eq!(output.stdout, b"0\n");
}
