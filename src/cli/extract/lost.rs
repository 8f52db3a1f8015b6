//! What of a body could not be read.

use std::io;

/// Places of a body that could not be read, in the order of the body. What lies together counts as one place.
#[derive(Debug)]
pub struct Lost {
    at: u64,
    /// Behind the last place.
    end: u64,
    first_bytes: u64,
    bytes: u64,
    places: u64,
    /// Of the first place.
    pub error: io::Error,
}

impl Lost {
    pub fn new(at: u64, end: u64, error: io::Error) -> Self {
        let bytes = end.saturating_sub(at);
        Self { at, end, first_bytes: bytes, bytes, places: 1, error }
    }

    /// Adds places that lie behind all others.
    fn join(&mut self, later: &Self) {
        let adjoins = later.at == self.end;
        if adjoins && self.places == 1 {
            self.first_bytes = self.first_bytes.saturating_add(later.first_bytes);
        }
        self.places = self.places.saturating_add(later.places).saturating_sub(u64::from(adjoins));
        self.end = later.end;
        self.bytes = self.bytes.saturating_add(later.bytes);
    }

    /// All of them in one, whichever was met first; `None` where nothing is lost.
    pub fn joined(mut list: Vec<Self>) -> Option<Self> {
        list.sort_by_key(|lost| lost.at);
        list.into_iter().reduce(|mut all, lost| {
            all.join(&lost);
            all
        })
    }

    /// In words, of a body of `len` bytes.
    pub fn told(&self, len: u64) -> String {
        let places = match self.places {
            1 => String::new(),
            places => format!(" ({} bytes at {places} places in all)", self.bytes),
        };
        format!(
            "damaged: {} of {len} bytes cannot be read from byte {} on{places}, they are zeros in the copy: {}",
            self.first_bytes, self.at, self.error
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_together_is_one_place_whoever_met_it() {
        let lost = |at, end| Lost::new(at, end, io::Error::other(format!("at {at}")));
        let joined = Lost::joined(vec![lost(20, 30), lost(0, 10), lost(50, 55), lost(10, 20)]).unwrap();
        assert_eq!((joined.first_bytes, joined.bytes, joined.places), (30, 35, 2));
        assert_eq!(
            joined.told(60),
            "damaged: 30 of 60 bytes cannot be read from byte 0 on (35 bytes at 2 places in all), they are zeros in the \
             copy: at 0"
        );
        assert!(Lost::joined(Vec::new()).is_none());
    }
}
