//! Writes the images that fuzzing begins with to `corpus/TARGET/`, beside where it is run.

#[path = "../../tests/build/mod.rs"]
mod build;
#[allow(dead_code, reason = "nothing is unpacked here")]
mod packed;
#[path = "samples.rs"]
mod samples;

use std::path::Path;

fn main() -> std::io::Result<()> {
    for target in ["iso9660", "joliet", "udf", "walk"] {
        let folder = Path::new("corpus").join(target);
        std::fs::create_dir_all(&folder)?;
        let seeds = samples::seeds(target);
        for (name, image) in &seeds {
            std::fs::write(folder.join(name), packed::pack(image))?;
        }
        println!("{}: {} images", folder.display(), seeds.len());
    }
    Ok(())
}
