//! The tier in this process: `quick_cache`, weighed by bytes.
//!
//! Entries are found by a 64-bit hash keyed per process and then compared whole: a collision,
//! be it found by chance or by patience, is a miss and never another's answer.

use crate::entry::Entry;
use crate::key::{RequestKey, variant_bytes};
use crate::observe::{Event, Observer};
use foldhash::quality::RandomState;
use http::HeaderMap;
use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};
use std::collections::BinaryHeap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::sync::Arc;

/// Entries looked at for one page of them.
const LISTED: usize = 4000;

pub(crate) struct Local {
    entries: Cache<u64, Arc<Entry>, ByBytes, BuildHasherDefault<AsIs>, Told>,
    hasher: RandomState,
}

/// The part of a shard that entries pass through which nobody asks for again. What does not fit
/// in it pushes hot ones out.
const NEWCOMERS: f64 = 0.15;

impl Local {
    pub(crate) fn new(bytes: usize, largest: usize, observer: Arc<Observer>) -> Self {
        let options = OptionsBuilder::new()
            .estimated_items_capacity((bytes / 4096).clamp(64, 1 << 20))
            .weight_capacity(bytes as u64)
            .hot_allocation(1.0 - NEWCOMERS)
            .shards(shards(bytes, largest))
            .build();
        let options = options.unwrap_or_else(|_| unreachable!("capacity and items are given"));
        let hasher = BuildHasherDefault::new();
        Self {
            entries: Cache::with_options(options, ByBytes, hasher, Told(observer)),
            hasher: RandomState::default(),
        }
    }

    /// The place of a key, or of one of its variants.
    #[inline]
    pub(crate) fn place(&self, key: &RequestKey<'_>, variant: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        key.hash_into(&mut hasher);
        if !variant.is_empty() {
            hasher.write(variant);
        }
        hasher.finish()
    }

    #[inline]
    fn at(&self, key: &RequestKey<'_>, variant: &[u8]) -> Option<Arc<Entry>> {
        let entry = self.entries.get(&self.place(key, variant))?;
        let same_variant = match variant {
            [] => entry.variant.is_empty(),
            _ => *entry.variant == *variant,
        };
        (same_variant && key.matches(&entry.key)).then_some(entry)
    }

    /// The newest entry whose `Vary` fields match the request's. Where responses are stored, but
    /// none for these fields: the record of what they vary by.
    #[inline]
    pub(crate) fn find(&self, key: &RequestKey<'_>, headers: &HeaderMap) -> Option<Arc<Entry>> {
        let first = self.at(key, &[])?;
        match first.is_vary() {
            false => Some(first),
            true => Some(self.variant(key, &first, headers).unwrap_or(first)),
        }
    }

    fn variant(
        &self,
        key: &RequestKey<'_>,
        record: &Entry,
        headers: &HeaderMap,
    ) -> Option<Arc<Entry>> {
        let sets = record.vary.iter();
        sets.filter_map(|set| self.at(key, &variant_bytes(set, headers)))
            .max_by_key(|entry| entry.meta.stored_at)
    }

    /// The record of what a key varies by.
    pub(crate) fn vary(&self, key: &RequestKey<'_>) -> Option<Arc<Entry>> {
        self.at(key, &[]).filter(|entry| entry.is_vary())
    }

    /// Whether what stands in the place of `entry` was fetched later. The stamps of an outage are
    /// of another clock: then the time decides, and what Redis may know of goes before what it
    /// will not.
    pub(crate) fn has_newer(&self, key: &RequestKey<'_>, entry: &Entry) -> bool {
        let newer = |found: Arc<Entry>| match (found.outage, entry.outage) {
            (true, false) => false,
            (false, true) => found.meta.stored_at > entry.meta.stored_at,
            _ => {
                let age = |entry: &Entry| (entry.meta.stamp, entry.meta.stored_at);
                age(&found) > age(entry)
            }
        };
        self.at(key, &entry.variant).is_some_and(newer)
    }

    pub(crate) fn insert(&self, key: &RequestKey<'_>, entry: Arc<Entry>) {
        let place = self.place(key, &entry.variant);
        self.entries.insert(place, entry);
    }

    /// Takes out `entry`, unless another has its place by now.
    pub(crate) fn remove(&self, key: &RequestKey<'_>, entry: &Arc<Entry>) {
        let place = self.place(key, &entry.variant);
        self.entries
            .remove_if(&place, |found| Arc::ptr_eq(found, entry));
    }

    /// Entries in the order of their places, from the one after `cursor`: up to `limit` of those
    /// that `list` wants, out of a bounded number of them. And where to go on.
    pub(crate) fn page<T>(
        &self,
        cursor: u64,
        limit: usize,
        list: impl Fn(&Arc<Entry>) -> Option<T>,
    ) -> (Vec<T>, Option<u64>) {
        let places = self.places_after(cursor);
        let (mut found, mut reached) = (Vec::new(), None);
        for place in &places {
            if found.len() >= limit {
                return (found, reached);
            }
            found.extend(self.entries.peek(place).and_then(|entry| list(&entry)));
            reached = Some(*place);
        }
        (found, reached.filter(|_| places.len() == LISTED))
    }

    /// The least of the places after `cursor`.
    fn places_after(&self, cursor: u64) -> Vec<u64> {
        let mut least = BinaryHeap::with_capacity(LISTED + 1);
        for (place, _) in self.entries.iter() {
            if place > cursor {
                least.push(place);
            }
            if least.len() > LISTED {
                least.pop();
            }
        }
        least.into_sorted_vec()
    }

    /// An entry that `wanted` is true of.
    pub(crate) fn find_by(&self, wanted: impl Fn(&Entry) -> bool) -> Option<Arc<Entry>> {
        let mut entries = self.entries.iter().map(|(_, entry)| entry);
        entries.find(|entry| wanted(entry))
    }

    /// Removes whatever is at a place.
    pub(crate) fn remove_at(&self, place: u64) {
        self.entries.remove(&place);
    }

    pub(crate) fn clear(&self) {
        self.entries.clear();
    }

    /// Entries and their bytes.
    pub(crate) fn size(&self) -> (usize, u64) {
        (self.entries.len(), self.entries.weight())
    }
}

/// A shard holds its part of the bytes and no more: few enough that the largest entry fits
/// among the newcomers of one.
fn shards(bytes: usize, largest: usize) -> usize {
    const LARGEST: usize = 8;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let fitting = (bytes / (largest.max(1) * LARGEST)).max(1);
    let wanted = (cores * 4).next_power_of_two();
    wanted.min(1 << fitting.ilog2())
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<u64, Arc<Entry>> for ByBytes {
    fn weight(&self, _: &u64, entry: &Arc<Entry>) -> u64 {
        entry.weight()
    }
}

/// Counts who has to make room.
#[derive(Clone)]
struct Told(Arc<Observer>);

impl Lifecycle<u64, Arc<Entry>> for Told {
    /// What was evicted is dropped when the shard is no longer locked; of several the last.
    type RequestState = Option<Arc<Entry>>;

    fn on_evict(&self, gone: &mut Option<Arc<Entry>>, _: u64, entry: Arc<Entry>) {
        self.0.count(Event::Evicted);
        *gone = Some(entry);
    }
}

/// The key is a hash already.
#[derive(Clone, Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::entry::{Draft, Kind, Meta, seal};
    use crate::key::KeyRules;
    use crate::stamp::Stamp;
    use bytes::Bytes;
    use http::StatusCode;

    fn entry(key: &RequestKey<'_>, bytes: usize) -> Arc<Entry> {
        let entry = seal(&Draft {
            kind: Kind::Response,
            meta: Meta {
                stamp: Stamp(1),
                stored_at: Timestamp(0),
                fresh_until: Timestamp(1),
                stale_until: Timestamp(1),
                ..Meta::default()
            },
            status: StatusCode::OK,
            key: &key.to_bytes(),
            variant: &[],
            label: "",
            scopes: &[],
            tags: &[],
            headers: &HeaderMap::new(),
            frames: &[Bytes::from(vec![0; bytes])],
        });
        Arc::new(entry.expect("sealed"))
    }

    fn found(local: &Local, key: &RequestKey<'_>) -> bool {
        local.find(key, &HeaderMap::new()).is_some()
    }

    #[test]
    fn bytes_stay_within_the_bound() {
        let local = Local::new(1 << 20, 64 << 10, Arc::default());
        for i in 0..1000 {
            let path = format!("/{i}");
            let key = KeyRules::new().uri.key("h", &path, None);
            local.insert(&key, entry(&key, 10_000));
        }
        let (entries, bytes) = local.size();
        assert!(bytes <= 1 << 20, "{bytes}");
        assert!(entries >= 60, "and it is used: {entries}");
    }

    #[test]
    fn the_largest_body_finds_room() {
        let local = Local::new(64 << 20, 2 << 20, Arc::default());
        let key = KeyRules::new().uri.key("h", "/", None);
        local.insert(&key, entry(&key, 2 << 20));
        assert!(found(&local, &key));
    }

    #[test]
    fn another_key_in_the_same_place_is_a_miss() {
        let local = Local::new(1 << 20, 1 << 10, Arc::default());
        let (ours, theirs) = (
            KeyRules::new().uri.key("h", "/a", None),
            KeyRules::new().uri.key("h", "/b", None),
        );
        // As if both had the same hash.
        local
            .entries
            .insert(local.place(&ours, &[]), entry(&theirs, 1));
        assert!(!found(&local, &ours));
    }
}
