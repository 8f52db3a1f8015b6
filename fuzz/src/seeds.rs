//! Writes the images that fuzzing begins with to `corpus/TARGET/`, beside where it is run.

#[path = "../../tests/build/mod.rs"]
mod build;
#[allow(dead_code, reason = "nothing is unpacked here")]
mod packed;
#[path = "samples.rs"]
mod samples;

use std::path::Path;

/// Longer inputs, which `scripts/fuzz` does not make either, hold more that no change matters to.
const LONGEST: usize = 16 << 10;

fn main() -> std::io::Result<()> {
    for target in ["iso9660", "joliet", "udf", "walk"] {
        let folder = Path::new("corpus").join(target);
        std::fs::create_dir_all(&folder)?;
        let mut number = 0;
        for (name, image) in samples::seeds(target) {
            let mut packed = packed::pack(&image);
            if packed.len() > LONGEST {
                continue;
            }
            std::fs::write(folder.join(&name), &packed)?;
            // The same image, read as the poorer of its trees.
            packed[0] |= packed::flags::POORER;
            std::fs::write(folder.join(name + "-poorer"), packed)?;
            number += 1;
        }
        println!("{}: {number} images", folder.display());
    }
    Ok(())
}
