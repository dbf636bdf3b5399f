//! Hit-for-miss: keys whose answers could not be stored, so that nobody waits for one.
//!
//! A mark stops waiting, and nothing else: such a key is looked up and stored as ever.

use crate::clock::Timestamp;
use quick_cache::sync::Cache;
use std::num::NonZeroUsize;
use std::time::Duration;

pub(crate) struct Marks {
    until: Cache<u64, Timestamp>,
    time: Duration,
}

impl Marks {
    /// Of so many keys, the least used forgotten first.
    pub(crate) fn new(time: Duration, keys: NonZeroUsize) -> Self {
        Self {
            until: Cache::new(keys.get()),
            time,
        }
    }

    pub(crate) fn set(&self, place: u64, now: Timestamp) {
        if !self.time.is_zero() {
            self.until.insert(place, now.after(self.time));
        }
    }

    pub(crate) fn clear(&self, place: u64) {
        self.until.remove(&place);
    }

    pub(crate) fn is_set(&self, place: u64, now: Timestamp) -> bool {
        self.until.get(&place).is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_keys_are_remembered_than_are_wanted() {
        const KEYS: usize = 1000;
        let keys = NonZeroUsize::new(KEYS).expect("some");
        let marks = Marks::new(Duration::from_mins(1), keys);
        for place in 0..100_000 {
            marks.set(place, Timestamp(0));
            assert!(marks.is_set(place, Timestamp(0)), "the newest is");
        }
        assert!(marks.until.len() <= KEYS, "{}", marks.until.len());
    }
}
