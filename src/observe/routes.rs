//! Answers, counted by route.
//!
//! A route is the pattern that a router matched, or one of the settings: never a path, which
//! anybody may make up. The first [`MOST`] patterns have counters of their own; all others, and
//! what matches none, are counted together as [`OTHER`].

use crate::sync::{Arc, RwLock};
use std::collections::HashMap;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

/// Patterns counted by themselves.
const MOST: usize = 64;

/// What all other routes are called.
const OTHER: &str = "other";

/// How a request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    LocalHit,
    RedisHit,
    /// A hit of the local tier while Redis is left alone.
    FallbackHit,
    /// A stale answer while a newer one is fetched.
    StaleWhileRevalidate,
    /// A stale answer in place of a failure; the request counts as a miss too.
    StaleIfError,
    /// By another request's run of the handler.
    Coalesced,
    /// The handler ran: nothing was stored,
    MissUri,
    /// not for these fields,
    MissVary,
    /// not fresh enough,
    MissStale,
    /// the request asked for it,
    MissRequest,
    /// or it carries credentials.
    MissCredentials,
}

const KINDS: usize = 11;

impl Answered {
    /// All that ran the handler, with the reason.
    pub(crate) const MISSES: [(Self, &'static str); 5] = [
        (Self::MissUri, "uri-miss"),
        (Self::MissVary, "vary-miss"),
        (Self::MissStale, "stale"),
        (Self::MissRequest, "request"),
        (Self::MissCredentials, "credentials"),
    ];

    /// All that were answered from the store without the handler, with the tier.
    pub(crate) const HITS: [(Self, &'static str); 4] = [
        (Self::LocalHit, "local"),
        (Self::RedisHit, "redis"),
        (Self::FallbackHit, "fallback"),
        (Self::StaleWhileRevalidate, "stale"),
    ];
}

/// Where a route is counted; 0 is [`OTHER`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Route(pub(crate) u8);

/// Counters of one route.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Cells {
    answers: [AtomicU64; KINDS],
    /// Milliseconds of handlers that hits made unnecessary.
    saved: AtomicU64,
}

/// What was counted of one route, at one time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    answers: [u64; KINDS],
    /// Milliseconds of handlers that hits made unnecessary.
    pub(crate) saved: u64,
}

impl Counts {
    pub(crate) fn of(&self, answered: Answered) -> u64 {
        self.answers[answered as usize]
    }

    pub(crate) fn hits(&self) -> u64 {
        Answered::HITS.iter().map(|(hit, _)| self.of(*hit)).sum()
    }

    pub(crate) fn misses(&self) -> u64 {
        let misses = Answered::MISSES.iter();
        misses.map(|(miss, _)| self.of(*miss)).sum()
    }

    fn and(mut self, other: &Self) -> Self {
        let answers = self.answers.iter_mut().zip(&other.answers);
        answers.for_each(|(sum, more)| *sum += more);
        self.saved += other.saved;
        self
    }
}

/// All routes.
#[derive(Debug)]
pub(crate) struct Routes {
    cells: Box<[Cells]>,
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    places: HashMap<Arc<str>, Route>,
    names: Vec<Arc<str>>,
}

impl Default for Routes {
    fn default() -> Self {
        let known = Known {
            places: HashMap::new(),
            names: vec![OTHER.into()],
        };
        Self {
            cells: (0..=MOST).map(|_| Cells::default()).collect(),
            known: RwLock::new(known),
        }
    }
}

impl Routes {
    /// Where a pattern is counted. The first time it is seen it gets a place of its own, while
    /// there is one.
    pub(crate) fn place(&self, pattern: &str) -> Route {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let place = known.places.get(pattern).copied();
        let full = known.names.len() > MOST;
        drop(known);
        match place {
            Some(place) => place,
            None if full => Route::default(),
            None => self.settle(pattern),
        }
    }

    #[cold]
    fn settle(&self, pattern: &str) -> Route {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = known.places.get(pattern) {
            return *place;
        }
        let place = u8::try_from(known.names.len()).unwrap_or(u8::MAX);
        if pattern == OTHER || usize::from(place) > MOST {
            return Route::default();
        }
        let name: Arc<str> = pattern.into();
        known.names.push(name.clone());
        known.places.insert(name, Route(place));
        Route(place)
    }

    /// Counts an answer, and says how many like it came before.
    #[inline]
    pub(super) fn count(&self, route: Route, answered: Answered) -> u64 {
        self.cells[usize::from(route.0)].answers[answered as usize].fetch_add(1, Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn save(&self, route: Route, handler_ms: u32) {
        if handler_ms > 0 {
            let saved = &self.cells[usize::from(route.0)].saved;
            saved.fetch_add(handler_ms.into(), Ordering::Relaxed);
        }
    }

    /// The pattern that is counted there.
    pub(super) fn name(&self, route: Route) -> Arc<str> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let name = known.names.get(usize::from(route.0)).cloned();
        name.unwrap_or_else(|| OTHER.into())
    }

    /// All routes with what was counted.
    pub(crate) fn read(&self) -> Vec<(Arc<str>, Counts)> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let names = known.names.iter().cloned();
        names.zip(self.cells.iter().map(Cells::read)).collect()
    }

    /// Over all routes.
    pub(crate) fn total(&self) -> Counts {
        let counts = self.cells.iter().map(Cells::read);
        counts.fold(Counts::default(), |sum, counts| sum.and(&counts))
    }
}

impl Cells {
    fn read(&self) -> Counts {
        Counts {
            answers: std::array::from_fn(|at| self.answers[at].load(Ordering::Relaxed)),
            saved: self.saved.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_past_the_limit_are_counted_together() {
        let routes = Routes::default();
        for n in 0..200 {
            let route = routes.place(&format!("/{n}"));
            routes.count(route, Answered::LocalHit);
        }
        assert_eq!(routes.place("/0"), Route(1));
        let read = routes.read();
        assert_eq!(read.len(), MOST + 1);
        assert_eq!((&*read[0].0, read[0].1.hits()), (OTHER, 200 - 64));
        assert_eq!(routes.total().hits(), 200);
    }

    #[test]
    fn a_pattern_that_is_called_other_is_counted_with_the_others() {
        let routes = Routes::default();
        assert_eq!(routes.place(OTHER), Route(0));
        assert_eq!(routes.read().len(), 1);
    }
}
