//! What the cache counts, and what it logs. Everything that is told passes here.

use crate::breaker::{Change, State};
use crate::clock::instant;
use crate::error::Fault;
use crate::sync::lock;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::time::Instant;

/// Something worth counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    LocalHit,
    RedisHit,
    /// A hit of the local tier while Redis is left alone.
    FallbackHit,
    /// A stale answer while a newer one is fetched.
    StaleWhileRevalidate,
    /// A stale answer in place of a failure.
    StaleIfError,
    Miss,
    Passed,
    Stored,
    Coalesced,
    Purge,
    /// The record of purges was read whole.
    RecordRead,
    /// Too many purges waited, or patterns were refused: everything was purged in their place.
    PurgeWidened,
    /// A response whose tags are too many, or too long.
    TagsRefused,
    WriteDropped,
    /// A purged entry whose memory in Redis was given back.
    Swept,
    Fault,
}

const EVENTS: usize = 16;

/// Counts events, each on a cache line of its own; keeps what went wrong last, and since when
/// Redis is used or left alone.
#[derive(Debug)]
pub(crate) struct Observer {
    counters: [Counter; EVENTS],
    health: Mutex<Health>,
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Counter(AtomicU64);

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
            health: Mutex::new(Health {
                since: instant(),
                reason: None,
                last_fault: None,
            }),
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

    pub(crate) fn health(&self) -> Health {
        *lock(&self.health)
    }

    /// A store fault: a miss, a count, and a line where it is another one than the last; never
    /// more.
    pub(crate) fn fault(&self, operation: &'static str, fault: Fault) {
        if fault == Fault::LeftAlone {
            return;
        }
        self.count(Event::Fault);
        let last = lock(&self.health).last_fault.replace(fault);
        match (operation, fault) {
            _ if last == Some(fault) => {}
            ("purge", Fault::Refused) => tracing::warn!("redis refuses to take purges"),
            _ => tracing::debug!(operation, %fault, "redis gave no answer"),
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
