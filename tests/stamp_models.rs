//! Model checks of the table of stamps and its mirror: the same source as the library's, over
//! shuttle's locks and atomics, under thousands of schedules.

#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "the library uses all of it"
)]

/// What the library takes from `std` is shuttle's here.
mod sync {
    pub(crate) use shuttle::sync::atomic::{AtomicU64, Ordering};
    pub(crate) use shuttle::sync::{Arc, Mutex, MutexGuard, RwLock};
    pub(crate) use std::sync::PoisonError;

    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().expect("no panic while it was held")
    }
}

#[path = "../src/stamp/mod.rs"]
mod stamp;

use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::sync::{Arc, Mutex};
use shuttle::thread;
use stamp::{Named, Order, Purges, Pushed, Scope, Stamp, Subject, Table, Verdict};

const CELLS: usize = 8;
const SCOPES: [Scope; 1] = [Scope::Named(0)];

fn check(model: impl Fn() + Send + Sync + 'static) {
    let long = std::env::var("NB_TEST_SIZE").is_ok_and(|size| size == "long");
    shuttle::check_random(model, if long { 50_000 } else { 2_000 });
}

struct Nameless;

impl Named for Nameless {
    fn uri(&self) -> Option<&str> {
        None
    }

    fn name(&self) -> String {
        String::new()
    }
}

/// What was stored under the only scope with this stamp.
fn stored(stamp: Stamp) -> Subject<'static> {
    Subject {
        stamp,
        scopes: &SCOPES,
        named: &Nameless,
    }
}

fn order() -> Order {
    SCOPES[0].into()
}

#[test]
fn who_sees_the_clock_of_a_purge_sees_what_it_purged() {
    check(|| {
        let (record, mirror) = (Table::new(CELLS), Arc::new(Table::new(CELLS)));
        let pushed: Vec<Pushed> = (0..2)
            .map(|_| {
                let previous = record.clock();
                Pushed::of(previous, record.purge(&order(), Stamp(0)), &order(), CELLS)
            })
            .collect();
        let hears = mirror.clone();
        let hearing = thread::spawn(move || {
            assert!(pushed.iter().all(|pushed| hears.apply(pushed)));
        });
        let before = stored(Stamp(1));
        let clock = mirror.clock();
        let verdict = mirror.judge(before);
        assert!(clock == Stamp(1) || verdict == Verdict::Purged, "{clock:?}");
        hearing.join().expect("no panic");
        assert_eq!(mirror.judge(before), Verdict::Purged);
    });
}

#[test]
fn what_was_found_valid_before_a_purge_is_judged_again_after_it() {
    check(|| {
        let purges = Arc::new(Purges::new(CELLS));
        // The epoch in which an entry was last found valid.
        let valid_in = Arc::new(AtomicU64::new(0));
        let stamp = purges.own_clock();
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let (purges, valid_in) = (purges.clone(), valid_in.clone());
                thread::spawn(move || {
                    let epoch = purges.epoch();
                    if purges.judge_own(stored(stamp)) == Verdict::Valid {
                        valid_in.store(epoch, Ordering::Release);
                    }
                })
            })
            .collect();
        purges.purge(&order(), Stamp(0));
        let served = valid_in.load(Ordering::Acquire) == purges.epoch();
        assert!(!served, "after the purge has returned");
        for reader in readers {
            reader.join().expect("no panic");
        }
        assert_ne!(valid_in.load(Ordering::Acquire), purges.epoch());
    });
}

#[test]
fn a_fill_that_meets_a_purge_is_undone_or_purged() {
    check(|| {
        let purges = Arc::new(Purges::new(CELLS));
        let slot: Arc<Mutex<Option<Stamp>>> = Arc::new(Mutex::new(None));
        let (theirs, place) = (purges.clone(), slot.clone());
        let fill = thread::spawn(move || {
            let stamp = theirs.own_clock();
            thread::yield_now();
            // Inserted, then judged once more.
            *sync::lock(&place) = Some(stamp);
            if theirs.judge_own(stored(stamp)) != Verdict::Valid {
                *sync::lock(&place) = None;
            }
        });
        purges.purge(&order(), Stamp(0));
        let seen = *sync::lock(&slot);
        let valid = |stamp| purges.judge_own(stored(stamp)) == Verdict::Valid;
        let began_before = seen.is_some_and(|stamp| stamp == Stamp(1));
        assert!(!began_before || !seen.is_some_and(valid));
        fill.join().expect("no panic");
        let left = *sync::lock(&slot);
        let old_and_valid = |stamp| stamp == Stamp(1) && valid(stamp);
        assert!(!left.is_some_and(old_and_valid), "{left:?}");
    });
}

#[test]
fn two_purges_at_once_are_both_in_force() {
    check(|| {
        let table = Arc::new(Table::new(CELLS));
        let before = table.clock();
        let other = table.clone();
        let purge = thread::spawn(move || other.purge(&order(), Stamp(0)));
        let all = Order::from(Scope::Everything);
        let mine = table.purge(&all, Stamp(0));
        let theirs = purge.join().expect("no panic");
        assert_ne!(mine, theirs);
        assert_eq!(table.judge(stored(before)), Verdict::Purged);
        assert_eq!(table.judge(stored(mine.max(theirs))), Verdict::Valid);
        assert_eq!(table.judge(stored(mine.min(theirs))), Verdict::Purged);
    });
}
