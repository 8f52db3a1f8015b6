//! Hard links: one number for all names of a file.
//!
//! A file with one name has the address of its directory record as its number. The names of a file with several
//! links (PX, RRIP 4.1.1) must agree on one number without looking for each other, so it is made of what they
//! share: the extent, and a hash of the serial number and the attributes. Two names that share the extent but
//! differ in anything visible stay two files, and a collision can only join names of the same data.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroUsize;
use std::sync::Mutex;

use lru::LruCache;

use super::record::Record;
use super::rockridge::RockRidge;
use crate::limits::LINK_CACHE;
use crate::volume::NodeId;

/// Marks numbers made of an extent and 30 bits of hash.
const BY_EXTENT: u64 = 1 << 62;
/// Marks numbers made of a serial number and 29 bits of hash, for files without an extent.
const BY_SERIAL: u64 = 1 << 61;

/// The shared number of a file with several links; `None` for all others.
pub fn shared(record: &Record, rock_ridge: &RockRidge) -> Option<NodeId> {
    let posix = rock_ridge.posix.filter(|posix| posix.links > 1)?;
    let mut hasher = DefaultHasher::new();
    (posix, rock_ridge.device, &rock_ridge.target, rock_ridge.times, rock_ridge.compression).hash(&mut hasher);
    (record.data_length().little, record.date()).hash(&mut hasher);
    let hash = hasher.finish();
    if record.data_length().little != 0 && rock_ridge.target.is_none() {
        let extent = u64::from(record.location().little);
        return NodeId::new(BY_EXTENT | extent << 30 | hash >> 34);
    }
    let serial = u64::from(posix.serial.filter(|serial| *serial != 0)?);
    NodeId::new(BY_SERIAL | serial << 29 | hash >> 35)
}

/// Whether a number is one that several names share.
pub fn is_shared(id: NodeId) -> bool {
    id.get() & (BY_EXTENT | BY_SERIAL) != 0
}

/// Remembers one directory record for each shared number that was handed out.
#[derive(Debug)]
pub struct Links(Mutex<LruCache<NodeId, u64>>);

impl Default for Links {
    fn default() -> Self {
        Self(Mutex::new(LruCache::sparse(NonZeroUsize::new(LINK_CACHE).unwrap_or(NonZeroUsize::MIN))))
    }
}

impl Links {
    pub fn remember(&self, id: NodeId, record: u64) {
        if let Ok(mut records) = self.0.lock() {
            records.put(id, record);
        }
    }

    pub fn record(&self, id: NodeId) -> Option<u64> {
        self.0.lock().ok()?.get(&id).copied()
    }
}
