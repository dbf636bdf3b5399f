//! What is asked for most: a sketch of the keys and tags of hits.
//!
//! Space-Saving (Metwally, Agrawal and El Abbadi, 2005): [`MOST`] items are counted, and who is
//! not among them takes the place of the least, whose count becomes the newcomer's error. Memory
//! is bounded, and whatever has more than 1/[`MOST`] of all hits is found. Counts are halved each
//! [`HALF_LIFE`], so that the past fades.
//!
//! Of many hits of a route one in [`ONE_IN`] is looked at, and counts for so many.

use super::Hit;
use crate::clock::Timestamp;
use crate::sync::{Mutex, lock};
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Items that are counted, of keys and of tags.
const MOST: usize = 512;

/// Tags of one entry that are counted, and bytes of a key or tag: longer ones are left out.
const TAGS: usize = 32;
const LONGEST: usize = 2048;

const HALF_LIFE: Duration = Duration::from_mins(10);

/// Hits of a route, by tier, that are all looked at; of later ones one in so many.
const ALL_UP_TO: u64 = 512;
const ONE_IN: u64 = 64;

/// For how many hits the `nth` of its kind counts; `None`: it is not looked at. No period of
/// what is asked for can hide behind the steps between them (multiplicative hashing).
#[inline]
pub(super) fn weight(nth: u64) -> Option<u64> {
    if nth < ALL_UP_TO {
        return Some(1);
    }
    let spread = nth.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    spread.is_multiple_of(ONE_IN).then_some(ONE_IN)
}

/// What a hit was a hit of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Method, authority and URI of a response; the name of a function's result.
    pub(crate) label: Box<str>,
    /// Its whole key, of which the label shows the better part.
    pub(crate) key: Box<[u8]>,
    /// The request fields that selected it, as they stand in the entry.
    pub(crate) variant: Box<[u8]>,
    /// Its class keeps it out of Redis.
    pub(crate) local_only: bool,
}

/// Keys and tags.
#[derive(Debug, Default)]
pub(super) struct Hottest {
    due: AtomicU64,
    keys: Mutex<Counted<Asked>>,
    tags: Mutex<Counted<Box<str>>>,
}

impl Hottest {
    /// Counts a hit, unless somebody else is at it: nobody waits for a sketch.
    #[cold]
    pub(super) fn add(&self, hit: &impl Hit, weight: u64, now: Timestamp) {
        self.fade(now);
        if hit.len() <= LONGEST
            && let Ok(mut keys) = self.keys.try_lock()
        {
            let id = keys.id(&hit.id());
            keys.add(id, weight, || hit.asked());
        }
        if let Ok(mut tags) = self.tags.try_lock() {
            let mut left = TAGS;
            hit.each_tag(&mut |tag| {
                if left > 0 && tag.len() <= LONGEST {
                    let id = tags.id(tag);
                    tags.add(id, weight, || tag.into());
                }
                left = left.saturating_sub(1);
            });
        }
    }

    /// The keys with the most hits, and how many they had at least.
    pub(super) fn keys(&self, now: Timestamp) -> Vec<(Asked, u64)> {
        self.fade(now);
        lock(&self.keys).top()
    }

    pub(super) fn tags(&self, now: Timestamp) -> Vec<(Box<str>, u64)> {
        self.fade(now);
        lock(&self.tags).top()
    }

    /// Halves all counts as often as it is due.
    fn fade(&self, now: Timestamp) {
        let due = self.due.load(Ordering::Relaxed);
        let next = now.after(HALF_LIFE).0;
        let mine = || {
            self.due
                .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        };
        if now.0 < due || !mine() || due == 0 {
            return;
        }
        let late = Duration::from_millis(now.since(Timestamp(due)));
        let halvings = 1 + late.as_secs() / HALF_LIFE.as_secs();
        lock(&self.keys).halve(halvings);
        lock(&self.tags).halve(halvings);
    }
}

/// At most [`MOST`] items with their counts, told apart by a hash of 64 bits, keyed per process.
/// What is counted already allocates nothing.
#[derive(Debug)]
struct Counted<T> {
    hash: RandomState,
    places: HashMap<u64, Place<T>>,
    /// The least first.
    order: BTreeMap<Rank, u64>,
    arrivals: u64,
}

/// Where an item stands: by its count, then by when it came.
type Rank = (u64, u64);

#[derive(Debug)]
struct Place<T> {
    item: T,
    rank: Rank,
    /// How much of the count may be that of others.
    error: u64,
}

impl<T> Place<T> {
    fn sure(&self) -> u64 {
        self.rank.0 - self.error
    }
}

impl<T> Default for Counted<T> {
    fn default() -> Self {
        Self {
            hash: RandomState::new(),
            places: HashMap::new(),
            order: BTreeMap::new(),
            arrivals: 0,
        }
    }
}

impl<T: Clone> Counted<T> {
    fn id(&self, item: &(impl Hash + ?Sized)) -> u64 {
        self.hash.hash_one(item)
    }

    fn add(&mut self, id: u64, weight: u64, item: impl FnOnce() -> T) {
        if !self.places.contains_key(&id) {
            self.enter(id, item());
        }
        let Some(place) = self.places.get_mut(&id) else {
            return;
        };
        self.order.remove(&place.rank);
        place.rank.0 = place.rank.0.saturating_add(weight);
        self.order.insert(place.rank, id);
    }

    /// Gives an item a place that nobody has, or that of the least.
    fn enter(&mut self, id: u64, item: T) {
        self.arrivals += 1;
        let mut error = 0;
        if self.places.len() >= MOST
            && let Some(((count, _), least)) = self.order.pop_first()
        {
            self.places.remove(&least);
            error = count;
        }
        let rank = (error, self.arrivals);
        self.order.insert(rank, id);
        self.places.insert(id, Place { item, rank, error });
    }

    /// Those that certainly have the most, and how much that is at least.
    fn top(&self) -> Vec<(T, u64)> {
        let mut all: Vec<_> = self.places.values().collect();
        all.retain(|place| place.sure() > 0);
        all.sort_by_key(|place| (std::cmp::Reverse(place.sure()), place.rank.1));
        let top = all.into_iter();
        top.map(|place| (place.item.clone(), place.sure()))
            .collect()
    }

    fn halve(&mut self, times: u64) {
        let shift = u32::try_from(times).unwrap_or(u32::MAX);
        let halved = |count: u64| count.checked_shr(shift).unwrap_or(0);
        for place in self.places.values_mut() {
            place.rank.0 = halved(place.rank.0);
            place.error = halved(place.error);
        }
        self.places.retain(|_, place| place.rank.0 > 0);
        let ranked = self.places.iter();
        self.order = ranked.map(|(id, place)| (place.rank, *id)).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::Route;

    /// A hit of key `n`.
    struct Item(Asked, Vec<String>);

    impl Hit for Item {
        fn route(&self) -> Route {
            Route::default()
        }

        fn handler_ms(&self) -> u32 {
            0
        }

        fn len(&self) -> usize {
            self.0.label.len()
        }

        fn id(&self) -> impl Hash {
            &self.0.key
        }

        fn asked(&self) -> Asked {
            self.0.clone()
        }

        fn each_tag(&self, tell: &mut dyn FnMut(&str)) {
            self.1.iter().for_each(|tag| tell(tag));
        }
    }

    fn asked(n: u64) -> Asked {
        Asked {
            label: format!("GET h/{n}").into(),
            key: n.to_be_bytes().into(),
            variant: Box::default(),
            local_only: false,
        }
    }

    fn item(n: u64) -> Item {
        Item(asked(n), vec![])
    }

    /// What a flood of others cannot push out is found, and its count is never too high.
    #[test]
    fn what_is_asked_for_most_is_found_in_a_flood() {
        let hottest = Hottest::default();
        let now = Timestamp(1);
        for n in 0..100_000_u64 {
            hottest.add(&Item(asked(1_000 + n), vec![format!("t{n}")]), 1, now);
            if n % 50 == 0 {
                let hot = Item(asked(n / 50 % 4), vec!["hot".into()]);
                hottest.add(&hot, 1, now);
            }
        }
        let keys = hottest.keys(now);
        let mut found: Vec<u64> = (0..4)
            .filter(|n| keys.iter().any(|(key, _)| *key == asked(*n)))
            .collect();
        found.sort_unstable();
        assert_eq!(found, [0, 1, 2, 3]);
        assert!(keys.iter().all(|(_, count)| *count <= 500), "{keys:?}");
        assert!(keys[3].1 > 250, "{keys:?}");
        assert_eq!(&*hottest.tags(now)[0].0, "hot");
    }

    #[test]
    fn memory_is_bounded() {
        let mut counted = Counted::default();
        for n in 0..10_000_u64 {
            counted.add(n, 1, || n);
        }
        assert_eq!((counted.places.len(), counted.order.len()), (MOST, MOST));
        let hottest = Hottest::default();
        let long = Asked {
            label: "x".repeat(LONGEST + 1).into(),
            ..asked(0)
        };
        let long = Item(long, vec!["y".repeat(LONGEST + 1)]);
        hottest.add(&long, 1, Timestamp(1));
        assert!(hottest.keys(Timestamp(1)).is_empty());
        assert!(hottest.tags(Timestamp(1)).is_empty());
    }

    #[test]
    fn the_past_fades() {
        let hottest = Hottest::default();
        let (then, now) = (Timestamp(1), Timestamp(1).after(HALF_LIFE * 3));
        hottest.add(&item(1), 80, then);
        hottest.add(&item(2), 1, then);
        hottest.add(&item(3), 20, now);
        let keys = hottest.keys(now);
        assert_eq!(keys, [(asked(3), 20), (asked(1), 10)]);
        assert!(hottest.keys(now.after(HALF_LIFE * 100)).is_empty());
    }

    /// One in so many, whatever the period of what is asked for.
    #[test]
    fn a_sample_has_no_period() {
        for period in [1, 2, 3, 7, 8, 16, 32, 100] {
            for phase in 0..period {
                let nth = (0..128_000).map(|n| ALL_UP_TO + phase + n * period);
                let counted: u64 = nth.filter_map(weight).sum();
                let share = counted * 100 / 128_000;
                assert!((85..=115).contains(&share), "{period} {phase}: {share}");
            }
        }
    }
}
