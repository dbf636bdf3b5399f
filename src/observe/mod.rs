//! What the cache counts, and what it logs. Everything that is told passes here.

mod durations;
mod hottest;
mod kinds;
mod refusals;
mod routes;
mod spans;
mod warmups;
mod windows;

pub(crate) use durations::Histogram;
pub(crate) use hottest::Asked;
pub(crate) use kinds::{Operation, Passed};
pub(crate) use routes::{Answered, Counts, Route};
pub(crate) use warmups::WarmOutcome;
pub use warmups::Warmed;
pub(crate) use windows::Rate;

use crate::breaker::{Change, State};
use crate::clock::{Timestamp, instant};
use crate::error::Fault;
use crate::sync::{Arc, lock};
use durations::Durations;
use hottest::Hottest;
use refusals::Refusals;
use routes::Routes;
use std::hash::Hash;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use warmups::Warmups;
use windows::Windows;

/// Something worth counting, whatever the route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Stored,
    Purge,
    /// The record of purges was read whole.
    RecordRead,
    /// Too many purges waited, or patterns were refused: everything was purged in their place.
    PurgeWidened,
    /// A request answered by another instance's run of the handler, for which it waited.
    FetchedElsewhere,
    /// A response whose tags are too many, or too long.
    TagsRefused,
    WriteDropped,
    /// An entry of the local tier made room for another.
    Evicted,
    /// A purged entry whose memory in Redis was given back.
    Swept,
    Fault,
}

const EVENTS: usize = 10;

/// Counts, each on a cache line of its own or among those of its route; keeps what went wrong
/// last, and since when Redis is used or left alone. Counting allocates nothing.
#[derive(Debug)]
pub(crate) struct Observer {
    counters: [Counter; EVENTS],
    passed: [Counter; Passed::ALL.len()],
    faults: [[AtomicU64; Fault::ALL.len()]; Operation::ALL.len()],
    durations: [Durations; Operation::ALL.len()],
    purge_lag: Durations,
    routes: Routes,
    windows: Windows,
    hottest: Hottest,
    warmups: Warmups,
    health: Mutex<Health>,
    refusals: Refusals,
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Counter(AtomicU64);

/// What is known of an entry that answers.
pub(crate) trait Hit {
    fn route(&self) -> Route;
    /// How long the handler took, in milliseconds.
    fn handler_ms(&self) -> u32;
    /// Bytes of what [`asked`](Self::asked) tells.
    fn len(&self) -> usize;
    /// What it is told apart by.
    fn id(&self) -> impl Hash;
    fn asked(&self) -> Asked;
    fn each_tag(&self, tell: &mut dyn FnMut(&str));
}

/// How Redis fares.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Health {
    /// Since when it is used, or left alone.
    pub(crate) since: Instant,
    /// Why it is left alone.
    pub(crate) reason: Option<Fault>,
    pub(crate) last_fault: Option<Fault>,
}

impl Default for Observer {
    fn default() -> Self {
        Self {
            counters: Default::default(),
            passed: Default::default(),
            faults: Default::default(),
            durations: Default::default(),
            purge_lag: Durations::default(),
            routes: Routes::default(),
            windows: Windows::default(),
            hottest: Hottest::default(),
            warmups: Warmups::default(),
            health: Mutex::new(Health {
                since: instant(),
                reason: None,
                last_fault: None,
            }),
            refusals: Refusals::default(),
        }
    }
}

impl Observer {
    pub(crate) fn count(&self, event: Event) {
        self.counters[event as usize]
            .0
            .fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn total(&self, event: Event) -> u64 {
        self.counters[event as usize].0.load(Ordering::Relaxed)
    }

    /// A request answered by an entry, without asking a handler.
    #[inline]
    pub(crate) fn hit(&self, entry: &impl Hit, answered: Answered, now: Timestamp) {
        let route = entry.route();
        self.windows.tick(&self.routes, now);
        let nth = self.routes.count(route, answered);
        self.routes.save(route, entry.handler_ms());
        if let Some(weight) = hottest::weight(nth) {
            self.hottest.add(entry, weight, now);
        }
    }

    /// A request answered otherwise.
    pub(crate) fn answered(&self, route: Route, answered: Answered, now: Timestamp) {
        self.windows.tick(&self.routes, now);
        self.routes.count(route, answered);
    }

    pub(crate) fn passed(&self, why: Passed) {
        self.passed[why as usize].0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn total_passed(&self, why: Passed) -> u64 {
        self.passed[why as usize].0.load(Ordering::Relaxed)
    }

    /// How long an operation took, however it ended.
    pub(crate) fn took(&self, operation: Operation, time: Duration) {
        self.durations[operation as usize].add(time);
    }

    pub(crate) fn durations(&self, operation: Operation) -> Histogram {
        self.durations[operation as usize].read()
    }

    /// How long a purge waited until Redis had taken it.
    pub(crate) fn purge_took_effect(&self, after: Duration) {
        self.purge_lag.add(after);
    }

    pub(crate) fn purge_lag(&self) -> Histogram {
        self.purge_lag.read()
    }

    /// Where a pattern of the router or of the settings is counted.
    pub(crate) fn route(&self, pattern: &str) -> Route {
        self.routes.place(pattern)
    }

    /// What was counted, by route.
    pub(crate) fn by_route(&self) -> Vec<(Arc<str>, Counts)> {
        self.routes.read()
    }

    /// What was counted, over all routes.
    pub(crate) fn over_routes(&self) -> Counts {
        self.routes.total()
    }

    /// Hits and misses by route in the last `window`.
    pub(crate) fn rates(&self, now: Timestamp, window: Duration) -> Vec<(Arc<str>, Rate)> {
        self.windows.read(&self.routes, now, window)
    }

    /// The keys with the most hits of late, the most first, and how many those were at least.
    pub(crate) fn hottest_keys(&self, now: Timestamp) -> Vec<(Asked, u64)> {
        self.hottest.keys(now)
    }

    /// The same of tags.
    pub(crate) fn hottest_tags(&self, now: Timestamp) -> Vec<(Box<str>, u64)> {
        self.hottest.tags(now)
    }

    /// Hits and misses since the start, as they were each 15 s of the last hour.
    pub(crate) fn history(&self) -> Vec<(Timestamp, Rate)> {
        self.windows.history()
    }

    pub(crate) fn faults(&self, operation: Operation, fault: Fault) -> u64 {
        self.faults[operation as usize][fault as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn health(&self) -> Health {
        *lock(&self.health)
    }

    /// A store fault: a miss, a count, and a line where it is another one than the last; never
    /// more.
    pub(crate) fn fault(&self, operation: Operation, fault: Fault) {
        if fault == Fault::LeftAlone {
            return;
        }
        self.count(Event::Fault);
        self.faults[operation as usize][fault as usize].fetch_add(1, Ordering::Relaxed);
        let last = lock(&self.health).last_fault.replace(fault);
        match (operation, fault) {
            (_, Fault::Forbidden | Fault::ReadOnly) | (Operation::Purge, Fault::Refused) => {
                self.refused(operation, fault);
            }
            _ if last == Some(fault) => {}
            _ => {
                let operation = operation.name();
                tracing::debug!(operation, %fault, "redis gave no answer");
            }
        }
    }

    /// Redis will refuse it again: one line until it does not.
    fn refused(&self, operation: Operation, fault: Fault) {
        if !self.refusals.add(operation, fault) {
            return;
        }
        let operation = operation.name();
        match fault {
            Fault::Forbidden => tracing::warn!(
                operation,
                "redis refuses it: the user of `REDIS.username` lacks a right"
            ),
            Fault::ReadOnly => tracing::warn!(
                operation,
                "redis refuses it: its memory is full, it cannot save, or it is a replica"
            ),
            _ => tracing::warn!(operation, "redis refuses it"),
        }
    }

    /// An operation was done: what was refused before is so no more.
    #[inline]
    pub(crate) fn done(&self, operation: Operation) {
        if self.refusals.end(operation) {
            tracing::info!(operation = operation.name(), "redis takes it again");
        }
    }

    /// How an operation ended; what the breaker is about to count must be known as its reason.
    pub(crate) fn failed(&self, fault: Fault) {
        lock(&self.health).last_fault = Some(fault);
    }

    /// A change of the circuit breaker: one line each.
    pub(crate) fn circuit(&self, change: Change) {
        let reason = {
            let mut health = lock(&self.health);
            match (change.from, change.to) {
                (State::Closed, _) => {
                    health.since = instant();
                    health.reason = health.last_fault;
                }
                (_, State::Closed) => {
                    health.since = instant();
                    health.reason = None;
                }
                _ => {}
            }
            health.reason.unwrap_or(Fault::LeftAlone)
        };
        match (change.from, change.to) {
            (State::Closed, _) => {
                tracing::warn!(%reason, "redis is left alone: local memory and the handlers answer");
            }
            (_, State::Closed) => tracing::info!("redis is used again"),
            (_, to) => tracing::debug!(?to, "circuit breaker"),
        }
    }
}
