//! What was read lately, kept up to a number of bytes.

use lru::LruCache;

use crate::volume::NodeId;

/// Values by node; each is kept with its weight in bytes.
#[derive(Debug)]
pub struct WeightedCache<V> {
    values: LruCache<NodeId, (V, usize)>,
    weight: usize,
    limit: usize,
}

impl<V: Clone> WeightedCache<V> {
    pub fn new(limit: usize) -> Self {
        Self { values: LruCache::unbounded(), weight: 0, limit }
    }

    pub fn get(&mut self, id: NodeId) -> Option<V> {
        self.values.get(&id).map(|(value, _)| value.clone())
    }

    /// Drops what need not be kept any more; whether there was anything.
    pub fn retain(&mut self, keeps: impl Fn(NodeId) -> bool) -> bool {
        let gone: Vec<NodeId> = self.values.iter().map(|(id, _)| *id).filter(|id| !keeps(*id)).collect();
        for id in &gone {
            if let Some((_, old)) = self.values.pop(id) {
                self.weight = self.weight.saturating_sub(old);
            }
        }
        !gone.is_empty()
    }

    /// Keeps a value; the least recently used ones make room. The newest stays even when it alone is over the
    /// limit: whoever lists a directory or reads a file will come back for the rest.
    pub fn put(&mut self, id: NodeId, value: V, weight: usize) {
        // The entry itself takes room, too.
        let weight = weight.saturating_add(size_of::<(NodeId, V, usize)>().saturating_mul(4));
        self.weight = self.weight.saturating_add(weight);
        if let Some((_, old)) = self.values.put(id, (value, weight)) {
            self.weight = self.weight.saturating_sub(old);
        }
        while self.weight > self.limit && self.values.len() > 1 {
            let Some((_, (_, old))) = self.values.pop_lru() else { break };
            self.weight = self.weight.saturating_sub(old);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first_and_the_newest_stays() {
        let mut cache = WeightedCache::new(3500);
        let id = |number| NodeId::new(number).unwrap();
        for number in 1..=4 {
            cache.put(id(number), "a directory", 1000);
        }
        assert!(cache.get(id(1)).is_none());
        assert!(cache.get(id(2)).is_some());
        cache.put(id(9), "a large one", 100_000);
        assert!(cache.get(id(2)).is_none());
        assert!(cache.get(id(9)).is_some());
    }
}
