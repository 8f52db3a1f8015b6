//! What is done with a mount and no common program does, in a process of its own that can be stopped.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::command::{Measured, pages, timed};

/// Runs this program for a piece of work; the seconds that it says.
pub fn measure(words: &[String], limit: Duration) -> Measured {
    let Ok(own) = std::env::current_exe() else { return Measured::Failed("this program is gone".to_owned()) };
    let own = [own.to_string_lossy().into_owned(), "--work".to_owned()];
    timed(&own.into_iter().chain(words.iter().cloned()).collect::<Vec<_>>(), limit, true)
}

/// Does a piece of work and prints the seconds that it took.
pub fn run(words: &[String]) -> io::Result<()> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let wrong = || io::Error::other(format!("{words:?} is no work"));
    let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
    let start = Instant::now();
    match words.as_slice() {
        ["first", directory] => drop(black_box(fs::read_dir(directory)?.next())),
        ["read", file] => read(Path::new(file))?,
        ["readers", count, file] => in_threads(number(count)?, |_| read(Path::new(file)))?,
        ["map", file] => touch(Path::new(file))?,
        ["random", jobs, count, file] => {
            let (jobs, count) = (number(jobs)?, number(count)?);
            in_threads(jobs, |job| random(Path::new(file), count / jobs, job))?;
        }
        ["stat", count, files, directory] => stat(Path::new(directory), number(count)?, number(files)?)?,
        _ => return Err(wrong()),
    }
    println!("{}", start.elapsed().as_secs_f64());
    Ok(())
}

fn in_threads(count: u64, work: impl Fn(u64) -> io::Result<()> + Sync) -> io::Result<()> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|number| {
                scope.spawn({
                    let work = &work;
                    move || work(number)
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| io::Error::other("a reader failed"))?)
    })
}

fn read(path: &Path) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut buffer = pages(1 << 20)?;
    while file.read(&mut buffer)? > 0 {}
    Ok(())
}

#[allow(unsafe_code)]
fn touch(path: &Path) -> io::Result<()> {
    // SAFETY: nobody changes the images while they are measured.
    let map = unsafe { memmap2::Mmap::map(&File::open(path)?)? };
    black_box(map.chunks(64).map(|line| u64::from(line[0])).sum::<u64>());
    Ok(())
}

fn random(path: &Path, count: u64, seed: u64) -> io::Result<()> {
    let file = File::open(path)?;
    let blocks = file.metadata()?.len() / 4096;
    let mut buffer = pages(4096)?;
    let mut state = 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed + 1);
    for _ in 0..count {
        file.read_exact_at(&mut buffer, next(&mut state) % blocks * 4096)?;
    }
    Ok(())
}

/// A step of xorshift64.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn stat(directory: &Path, count: u64, files: u64) -> io::Result<()> {
    let mut state = 88_172_645_463_325_252_u64;
    for _ in 0..count {
        let name = crate::trees::name(next(&mut state) % files);
        black_box(fs::symlink_metadata(directory.join(name))?.len());
    }
    Ok(())
}
