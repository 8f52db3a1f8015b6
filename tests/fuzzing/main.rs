//! The short form of `scripts/fuzz`: the same entry functions over images that are changed in the same ways in every run,
//! without a nightly toolchain.  No panic, no execution that takes long, none that needs much memory.
//!
//! A program of its own: it counts what is allocated, and ends itself where an execution does not come back.

#[path = "../build/mod.rs"]
mod build;
#[path = "../../fuzz/src/entry.rs"]
mod entry;
mod memory;
mod mutator;
#[path = "../../fuzz/src/samples.rs"]
mod samples;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use entry::packed;
use mount_iso::source::Source;
use mutator::{Random, mutate};

#[global_allocator]
static MEMORY: memory::Counting = memory::Counting;

/// Bytes that one execution may have allocated at a time; the image itself is up to 4 MiB of them.
const MEMORY_LIMIT: usize = 32 << 20;
/// An execution that takes longer is as good as a hang.
const PATIENCE: Duration = Duration::from_secs(3);
/// One that does not come back.
const HANG: Duration = Duration::from_secs(30);

/// What is executed now, and since when.
type Current = Arc<Mutex<Option<(Instant, Vec<u8>)>>>;

/// Ends the program when an execution hangs: nothing else can.
fn watch(current: Current) {
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(500));
            let current = current.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((since, input)) = current.as_ref().filter(|(since, _)| since.elapsed() > HANG) {
                let path = kept("hang");
                let written = std::fs::write(&path, input);
                eprintln!("no end after {:?}; the input is {} ({written:?})", since.elapsed(), path.display());
                std::process::exit(101);
            }
        }
    });
}

/// Where an input is kept that something is wrong with.
fn kept(what: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("mount-iso-fuzzing-{what}-{}", std::process::id()))
}

/// Executions of each target; `MOUNT_ISO_FUZZ` is for more than the test command runs.
fn rounds() -> usize {
    std::env::var("MOUNT_ISO_FUZZ").ok().and_then(|text| text.parse().ok()).unwrap_or(1000)
}

#[test]
fn changed_images_are_read_in_bounded_time_and_memory() {
    let current = Current::default();
    watch(Arc::clone(&current));
    let tell = |now: Option<(Instant, Vec<u8>)>| *current.lock().unwrap_or_else(PoisonError::into_inner) = now;
    let mut findings = Vec::new();
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    for (target, run) in entry::TARGETS {
        let seeds: Vec<Vec<u8>> = samples::seeds(target).iter().map(|(_, image)| packed::pack(image)).collect();
        let mut random = Random::new(target);
        let (mut longest, mut largest) = (Duration::ZERO, 0);
        for round in 0..rounds() {
            let mut input = seeds[round % seeds.len()].clone();
            // The seeds themselves first.
            if round >= seeds.len() {
                mutate(&mut input, &seeds[random.below(seeds.len())], &mut random);
            }
            let now = Instant::now();
            tell(Some((now, input.clone())));
            memory::begin();
            let panicked = catch_unwind(AssertUnwindSafe(|| run(&input))).err();
            let (took, peak) = (now.elapsed(), memory::peak());
            tell(None);
            (longest, largest) = (longest.max(took), largest.max(peak));
            let said = |panic: Box<dyn std::any::Any + Send>| match panic.downcast::<String>() {
                Ok(text) => *text,
                Err(other) => other.downcast::<&str>().map_or_else(|_| "a panic".to_owned(), |text| (*text).to_owned()),
            };
            let wrong = match panicked {
                Some(panic) => Some(said(panic)),
                None if took > PATIENCE => Some(format!("it took {took:?}")),
                None if peak > MEMORY_LIMIT => Some(format!("it needed {peak} bytes")),
                None => None,
            };
            if let Some(wrong) = wrong {
                let path = kept(&format!("{target}-{round}"));
                std::fs::write(&path, &input).unwrap();
                findings.push(format!("{target} {round} ({}): {wrong}", path.display()));
            }
        }
        eprintln!("{target}: {} executions, the longest {longest:?}, the largest {largest} bytes", rounds());
    }
    std::panic::set_hook(quiet);
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

#[test]
fn images_are_packed_without_loss() {
    for (name, image) in samples::seeds("walk") {
        let (_, packed) = packed::Packed::new(&[&[packed::flags::UNSIGNED][..], &packed::pack(&image)[1..]].concat());
        let mut unpacked = vec![1; packed.len() as usize];
        packed.read_exact_at(&mut unpacked, 0).unwrap();
        // At any place.
        let mut part = vec![1; 3000.min(unpacked.len() / 2)];
        packed.read_exact_at(&mut part, 777).unwrap();
        assert_eq!(part, unpacked[777..777 + part.len()]);
        // Zeros at the end are not missed.
        let used = image.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        assert_eq!(unpacked[..used], image[..used], "{name}");
        assert!(unpacked[used..].iter().all(|byte| *byte == 0), "{name}");
    }
}
