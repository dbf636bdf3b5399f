//! Hits and misses of late: what was counted some minutes ago, kept to be subtracted.
//!
//! No task does it. Whoever counts something looks whether a step has passed, which costs a
//! comparison, and then notes what the counters say *before* it counts. While nothing is counted
//! nothing changes, so that no note is missed.

use super::routes::Routes;
use crate::clock::Timestamp;
use crate::sync::{Arc, Mutex, lock};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How far apart notes are: a window reaches back so much further at most.
const STEP: Duration = Duration::from_secs(15);

/// The longest window.
const LONGEST: Duration = Duration::from_hours(1);

/// Hits and misses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
}

impl Rate {
    /// Hits among all; `None`: nothing was asked for.
    #[allow(
        clippy::cast_precision_loss,
        reason = "a ratio of counts below 2^53, and near enough above"
    )]
    pub(crate) fn ratio(self) -> Option<f64> {
        let all = self.hits + self.misses;
        (all > 0).then(|| self.hits as f64 / all as f64)
    }

    fn since(self, earlier: Self) -> Self {
        Self {
            hits: self.hits.saturating_sub(earlier.hits),
            misses: self.misses.saturating_sub(earlier.misses),
        }
    }
}

/// The counters of all routes at one time, in the order of the routes.
#[derive(Debug)]
struct Noted {
    at: Timestamp,
    rates: Box<[Rate]>,
}

#[derive(Debug, Default)]
pub(crate) struct Windows {
    due: AtomicU64,
    notes: Mutex<VecDeque<Noted>>,
}

impl Windows {
    #[inline]
    pub(super) fn tick(&self, routes: &Routes, now: Timestamp) {
        if now.0 >= self.due.load(Ordering::Relaxed) {
            self.note(routes, now);
        }
    }

    #[cold]
    fn note(&self, routes: &Routes, now: Timestamp) {
        let mut notes = lock(&self.notes);
        if now.0 < self.due.load(Ordering::Relaxed) {
            return;
        }
        self.due.store(now.after(STEP).0, Ordering::Relaxed);
        let rates = rates(routes).into_iter().map(|(_, rate)| rate).collect();
        notes.push_back(Noted { at: now, rates });
        // The newest that is older than the longest window stays: it is what that begins with.
        let from = now.before(LONGEST);
        while notes.get(1).is_some_and(|second| second.at <= from) {
            notes.pop_front();
        }
    }

    /// By route, what was counted in the last `window`.
    pub(super) fn read(
        &self,
        routes: &Routes,
        now: Timestamp,
        window: Duration,
    ) -> Vec<(Arc<str>, Rate)> {
        self.tick(routes, now);
        let notes = lock(&self.notes);
        let mut rates = rates(routes);
        if let Some(base) = base(&notes, now.before(window)) {
            let earlier = base.rates.iter().zip(&mut rates);
            earlier.for_each(|(earlier, (_, rate))| *rate = rate.since(*earlier));
        }
        rates
    }

    /// What the counters of all routes together said, a step apart, since an hour ago.
    pub(super) fn history(&self) -> Vec<(Timestamp, Rate)> {
        let notes = lock(&self.notes);
        let sums = notes.iter().map(|note| {
            let sum = note.rates.iter().fold(Rate::default(), |sum, rate| Rate {
                hits: sum.hits + rate.hits,
                misses: sum.misses + rate.misses,
            });
            (note.at, sum)
        });
        sums.collect()
    }
}

/// The note that tells what the counters said at `from`; `None`: nothing had been counted.
///
/// When a step has passed since a note, nothing was counted from then to the next one, and that
/// tells it.
fn base(notes: &VecDeque<Noted>, from: Timestamp) -> Option<&Noted> {
    let after = notes.partition_point(|note| note.at <= from);
    let before = notes.get(after.checked_sub(1)?)?;
    match notes.get(after) {
        Some(next) if before.at.after(STEP) <= from => Some(next),
        _ => Some(before),
    }
}

fn rates(routes: &Routes) -> Vec<(Arc<str>, Rate)> {
    let counts = routes.read().into_iter();
    counts
        .map(|(name, counts)| {
            let (hits, misses) = (counts.hits(), counts.misses());
            (name, Rate { hits, misses })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::routes::{Answered, Route};
    use super::*;

    const START: Timestamp = Timestamp(1_000_000_000);

    fn hit(windows: &Windows, routes: &Routes, at: Duration) {
        windows.tick(routes, START.after(at));
        routes.count(Route(0), Answered::LocalHit);
    }

    fn hits(windows: &Windows, routes: &Routes, now: Duration, minutes: u64) -> u64 {
        let window = Duration::from_mins(minutes);
        windows.read(routes, START.after(now), window)[0].1.hits
    }

    #[test]
    fn a_window_holds_what_was_counted_in_it_and_one_step_more_at_most() {
        let (windows, routes) = (Windows::default(), Routes::default());
        for second in 0..600 {
            hit(&windows, &routes, Duration::from_secs(second));
        }
        let now = Duration::from_mins(10);
        for (minutes, held) in [(1, 60), (5, 300)] {
            let found = hits(&windows, &routes, now, minutes);
            assert!((held..=held + 15).contains(&found), "{found} of {held}");
        }
        assert_eq!(hits(&windows, &routes, now, 60), 600);
    }

    #[test]
    fn what_came_before_a_pause_is_not_in_the_window_after_it() {
        let (windows, routes) = (Windows::default(), Routes::default());
        for _ in 0..100 {
            hit(&windows, &routes, Duration::ZERO);
        }
        let later = Duration::from_mins(10);
        hit(&windows, &routes, later);
        assert_eq!(hits(&windows, &routes, later, 5), 1);
        assert_eq!(hits(&windows, &routes, later, 60), 101);
    }

    #[test]
    fn after_a_while_without_requests_the_window_is_empty() {
        let (windows, routes) = (Windows::default(), Routes::default());
        hit(&windows, &routes, Duration::ZERO);
        hit(&windows, &routes, Duration::from_secs(1));
        assert_eq!(hits(&windows, &routes, Duration::from_mins(10), 1), 0);
    }

    #[test]
    fn notes_of_more_than_an_hour_are_forgotten() {
        let (windows, routes) = (Windows::default(), Routes::default());
        for minute in 0..300 {
            hit(&windows, &routes, Duration::from_mins(minute));
        }
        assert!(lock(&windows.notes).len() <= 62);
        assert_eq!(hits(&windows, &routes, Duration::from_mins(299), 60), 61);
    }

    #[test]
    fn the_history_tells_what_was_counted_before_each_step() {
        let (windows, routes) = (Windows::default(), Routes::default());
        for second in 0..40 {
            hit(&windows, &routes, Duration::from_secs(second));
        }
        let told = windows.history().into_iter();
        let told: Vec<_> = told
            .map(|(at, rate)| (at.since(START), rate.hits))
            .collect();
        assert_eq!(told, [(0, 0), (15_000, 15), (30_000, 30)]);
    }

    #[test]
    fn the_rate_of_nothing_is_none() {
        assert_eq!(Rate::default().ratio(), None);
        let half = Rate { hits: 1, misses: 1 };
        assert_eq!(half.ratio(), Some(0.5));
    }
}
