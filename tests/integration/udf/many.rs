//! Many files: one directory of 100,000, and 100,000 in a thousand directories.

use std::time::Instant;

use crate::build::udf::Flat;
use crate::drive::Drive;

#[test]
fn a_hundred_thousand_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("many.udf");
    for (flat, first, last) in [
        (Flat { files: 100_000, directories: 0, block_size: 2048 }, "file-0000000.txt", "file-0099999.txt"),
        (
            Flat { files: 100_000, directories: 1000, block_size: 512 },
            "dir-0000/file-0000000.txt",
            "dir-0999/file-0099999.txt",
        ),
    ] {
        let start = Instant::now();
        flat.write(&path).unwrap();
        eprintln!("{flat:?}: written in {:?}", start.elapsed());
        let start = Instant::now();
        let drive = Drive::mount_as(Some("udf"), &path, "").unwrap();
        eprintln!("mounted in {:?}", start.elapsed());
        let start = Instant::now();
        for name in [first, last] {
            assert_eq!(std::fs::read(drive.path().join(name)).unwrap(), Flat::TEXT);
        }
        let mut files = 0;
        let mut folders = vec![drive.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() { folders.push(entry.path()) } else { files += 1 }
            }
        }
        assert_eq!(files, flat.files);
        eprintln!("listed in {:?}", start.elapsed());
    }
}
