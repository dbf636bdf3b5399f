//! How many variants of one key are kept: requests with ever new values of the fields that a
//! response varies by must not fill both tiers with answers to a question asked once.

use crate::sync::{Arc, Mutex, lock};
use quick_cache::sync::Cache;
use std::collections::VecDeque;

/// Variants of one key that this process keeps stored; of more the oldest goes.
const MOST: usize = 64;

/// Keys whose variants are counted; the least used are forgotten.
const KEYS: usize = 1024;

/// One that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variant {
    /// Where it is in the local tier.
    pub(super) place: u64,
    /// What it is called in Redis; `None`: it is not there.
    pub(super) name: Option<Box<str>>,
}

pub(super) struct Variants {
    keys: Cache<u64, Arc<Mutex<VecDeque<Variant>>>>,
}

impl Variants {
    pub(super) fn new() -> Self {
        Self {
            keys: Cache::new(KEYS),
        }
    }

    /// Counts a variant that was just stored; what is returned has to go for it.
    pub(super) fn add(&self, key: u64, variant: Variant) -> Option<Variant> {
        let known = self.keys.get(&key).unwrap_or_else(|| {
            let new = Arc::default();
            self.keys.insert(key, Arc::clone(&new));
            new
        });
        let mut stored = lock(&known);
        stored.retain(|old| old.place != variant.place);
        stored.push_back(variant);
        (stored.len() > MOST).then(|| stored.pop_front()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variant(place: usize) -> Variant {
        let place = place as u64;
        Variant { place, name: None }
    }

    #[test]
    fn the_oldest_goes_for_the_newest() {
        let variants = Variants::new();
        for place in 0..MOST {
            assert_eq!(variants.add(7, variant(place)), None);
        }
        // Stored again, it is the newest.
        assert_eq!(variants.add(7, variant(0)), None);
        assert_eq!(variants.add(7, variant(MOST)), Some(variant(1)));
        assert_eq!(variants.add(8, variant(MOST)), None);
    }
}
