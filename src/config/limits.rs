//! How much of what comes and goes is held at once.

use super::CacheConfigBuilder;
use std::num::NonZeroUsize;

/// Bounds of what is held besides the local tier and the queue of writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Fetches that others may wait for.
    pub(crate) fetches: NonZeroUsize,
    /// Bytes of bodies on their way into the cache.
    pub(crate) pending_bytes: usize,
    /// Keys that are remembered for how they were answered.
    pub(crate) marks: NonZeroUsize,
    /// Scopes that wait to be purged in Redis.
    #[cfg_attr(not(feature = "redis"), allow(dead_code, reason = "for Redis alone"))]
    pub(crate) purge_queue: NonZeroUsize,
}

impl Default for Limits {
    fn default() -> Self {
        let some = |number| NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN);
        Self {
            fetches: some(10_000),
            pending_bytes: 64 << 20,
            marks: some(10_000),
            purge_queue: some(4096),
        }
    }
}

impl CacheConfigBuilder {
    /// How many runs of handlers may be shared at once, rounded up to a multiple of 16; past it
    /// requests go to the handler each for itself. Default: 10,000.
    pub fn shared_fetches(mut self, fetches: NonZeroUsize) -> Self {
        self.config.limits.fetches = fetches;
        self
    }

    /// Bytes of all bodies that are being copied to be stored. One that would go beyond is passed
    /// on and not stored. Default: 64 MiB; zero: nothing is stored.
    pub fn pending_bytes(mut self, bytes: usize) -> Self {
        self.config.limits.pending_bytes = bytes;
        self
    }

    /// How many keys are remembered whose answers could not be stored
    /// ([`hit_for_miss`](Self::hit_for_miss)), and as many whose answers to requests with
    /// credentials were for everybody; the least used are forgotten. Default: 10,000.
    pub fn hit_for_miss_keys(mut self, keys: NonZeroUsize) -> Self {
        self.config.limits.marks = keys;
        self
    }

    /// How many scopes may wait to be purged in Redis; with more, everything is purged. Of
    /// patterns at most 64. Default: 4096.
    pub fn purge_queue(mut self, scopes: NonZeroUsize) -> Self {
        self.config.limits.purge_queue = scopes;
        self
    }
}
