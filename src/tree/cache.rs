//! Whole packed directories, kept up to a number of bytes.

use std::sync::Arc;

use lru::LruCache;

use crate::volume::{Directory, NodeId};

#[derive(Debug)]
pub struct DirectoryCache {
    directories: LruCache<NodeId, Arc<Directory>>,
    weight: usize,
    limit: usize,
}

impl DirectoryCache {
    pub fn new(limit: usize) -> Self {
        Self { directories: LruCache::unbounded(), weight: 0, limit }
    }

    pub fn get(&mut self, id: NodeId) -> Option<Arc<Directory>> {
        self.directories.get(&id).cloned()
    }

    /// Keeps a directory; the least recently used ones make room. The newest stays even when it alone is over
    /// the limit: whoever lists it will come back for the rest.
    pub fn put(&mut self, id: NodeId, directory: Arc<Directory>) {
        self.weight = self.weight.saturating_add(directory.weight());
        if let Some(old) = self.directories.put(id, directory) {
            self.weight = self.weight.saturating_sub(old.weight());
        }
        while self.weight > self.limit && self.directories.len() > 1 {
            let Some((_, old)) = self.directories.pop_lru() else { break };
            self.weight = self.weight.saturating_sub(old.weight());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::{DirectoryBuilder, FileType, NameMatch};

    #[test]
    fn the_oldest_go_first_and_the_newest_stays() {
        let directory = |entries: usize| {
            let mut builder = DirectoryBuilder::default();
            for number in 0..entries {
                builder.push(format!("{number}").as_bytes(), NodeId::new(7).unwrap(), FileType::Regular);
            }
            Arc::new(builder.finish(NameMatch::Exact, |_, _| {}))
        };
        let mut cache = DirectoryCache::new(3 * directory(100).weight());
        let id = |number| NodeId::new(number).unwrap();
        for number in 1..=4 {
            cache.put(id(number), directory(100));
        }
        assert!(cache.get(id(1)).is_none());
        assert!(cache.get(id(2)).is_some());
        cache.put(id(9), directory(10_000));
        assert!(cache.get(id(2)).is_none());
        assert!(cache.get(id(9)).is_some());
    }
}
