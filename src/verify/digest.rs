//! Checksums of runs of an image and of files.

use std::fmt::Write as _;
use std::io;

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::Meter;
use crate::source::Source;

/// Bytes read at a time.
const PIECE: usize = 256 * 1024;

/// The checksums that lists of files use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    Md5,
    Sha1,
    Sha256,
    Sha512,
}

impl Algorithm {
    pub const ALL: [Self; 4] = [Self::Sha512, Self::Sha256, Self::Sha1, Self::Md5];

    /// As file names and lines of the BSD form have it, in lower case.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    pub const fn title(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha512 => "SHA-512",
        }
    }

    /// The one whose digest has so many hexadecimal digits.
    pub fn of_digits(count: usize) -> Option<Self> {
        match count {
            32 => Some(Self::Md5),
            40 => Some(Self::Sha1),
            64 => Some(Self::Sha256),
            128 => Some(Self::Sha512),
            _ => None,
        }
    }
}

/// A checksum that is being computed.
#[derive(Clone)]
pub enum Hasher {
    Md5(Md5),
    Sha1(Sha1),
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    pub fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Md5 => Self::Md5(Md5::new()),
            Algorithm::Sha1 => Self::Sha1(Sha1::new()),
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha512 => Self::Sha512(Sha512::new()),
        }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(hasher) => hasher.update(bytes),
            Self::Sha1(hasher) => hasher.update(bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    pub fn finish(self) -> Vec<u8> {
        match self {
            Self::Md5(hasher) => hasher.finalize().to_vec(),
            Self::Sha1(hasher) => hasher.finalize().to_vec(),
            Self::Sha256(hasher) => hasher.finalize().to_vec(),
            Self::Sha512(hasher) => hasher.finalize().to_vec(),
        }
    }
}

/// In lower case.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads `from..to` of a source piece by piece; `piece` gets each with its offset, and says by `false` that no more is
/// wanted.
///
/// # Errors
/// The first byte that could not be read, and why.
pub fn each_piece(
    source: &dyn Source,
    from: u64,
    to: u64,
    meter: &dyn Meter,
    mut piece: impl FnMut(u64, &mut [u8]) -> bool,
) -> Result<(), (u64, io::Error)> {
    let mut buffer = vec![0; PIECE];
    let mut at = from;
    while at < to {
        let length = usize::try_from(to.saturating_sub(at)).unwrap_or(PIECE).min(PIECE);
        let Some(bytes) = buffer.get_mut(..length) else { break };
        if let Err(error) = source.read_exact_at(bytes, at) {
            return Err((first_bad(source, at, bytes), error));
        }
        if !piece(at, bytes) {
            break;
        }
        let length = u64::try_from(length).unwrap_or(0);
        meter.done(length);
        at = at.saturating_add(length);
    }
    Ok(())
}

/// The sector of a piece that can't be read.
fn first_bad(source: &dyn Source, at: u64, bytes: &mut [u8]) -> u64 {
    let mut place = at;
    for sector in bytes.chunks_mut(2048) {
        if source.read_exact_at(sector, place).is_err() {
            break;
        }
        place = place.saturating_add(u64::try_from(sector.len()).unwrap_or(0));
    }
    place
}

/// The digest of a whole source.
///
/// # Errors
/// The first byte that could not be read, and why.
pub fn of_source(source: &dyn Source, algorithm: Algorithm, meter: &dyn Meter) -> Result<Vec<u8>, (u64, io::Error)> {
    let mut hasher = Hasher::new(algorithm);
    each_piece(source, 0, source.len(), meter, |_, bytes| {
        hasher.update(bytes);
        true
    })?;
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::super::NoMeter;
    use super::*;
    use crate::source::Memory;

    #[test]
    fn the_digests_of_abc() {
        let source = Memory(b"abc".to_vec().into());
        let digest = |algorithm| hexadecimal(&of_source(&source, algorithm, &NoMeter).unwrap());
        assert_eq!(digest(Algorithm::Md5), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(digest(Algorithm::Sha1), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(&digest(Algorithm::Sha256)[..16], "ba7816bf8f01cfea");
        assert_eq!(&digest(Algorithm::Sha512)[..16], "ddaf35a193617aba");
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::of_digits(digest(algorithm).len()), Some(algorithm));
        }
    }
}
