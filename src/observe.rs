//! What the cache counts, and what it logs. Everything that is told passes here.

use crate::error::Fault;
use std::sync::atomic::{AtomicU64, Ordering};

/// Something worth counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    LocalHit,
    RedisHit,
    Miss,
    Passed,
    Stored,
    Coalesced,
    Purge,
    WriteDropped,
    Fault,
}

const EVENTS: usize = 9;

/// Counts events; each on a cache line of its own.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    counters: [Counter; EVENTS],
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Counter(AtomicU64);

impl Observer {
    pub(crate) fn count(&self, event: Event) {
        self.counters[event as usize]
            .0
            .fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn total(&self, event: Event) -> u64 {
        self.counters[event as usize].0.load(Ordering::Relaxed)
    }

    /// A store fault: a miss, a count and a line for whoever debugs; never more.
    pub(crate) fn fault(&self, operation: &'static str, fault: Fault) {
        self.count(Event::Fault);
        tracing::debug!(operation, ?fault, "cache store fault");
    }
}
