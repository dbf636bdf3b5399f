//! [`Stats`]: what a cache does, in figures.

use crate::breaker::State;
use crate::cache::{Cache, Inner};
use crate::clock::wall;
use crate::error::Fault;
use crate::observe::{Answered, Event, Passed, Rate, Warmed};
use crate::store::Remote;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How a cache works at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// Redis is used; the local tier saves carrying bodies.
    Redis,
    /// Local memory only: no Redis is configured.
    Local,
    /// Redis is left alone: local memory and the handlers answer.
    Fallback,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Redis => "redis",
            Self::Local => "local",
            Self::Fallback => "fallback",
        })
    }
}

/// The state of the circuit breaker in front of Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BreakerState {
    /// Redis is used.
    Closed,
    /// Redis is left alone.
    Open,
    /// Redis is tried, by one operation at a time.
    HalfOpen,
    /// Switched off, or no Redis is configured.
    Off,
}

impl BreakerState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
            Self::Off => "off",
        }
    }
}

/// Figures of one process; counts since its start.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// How the cache works.
    pub mode: Mode,
    /// Why Redis is left alone; `None` in the other modes.
    pub reason: Option<Fault>,
    /// Since when the cache works in this mode.
    pub since: SystemTime,
    /// The state of the circuit breaker.
    pub breaker: BreakerState,
    /// What went wrong last with Redis, since the start.
    pub last_fault: Option<Fault>,
    /// Whether a connection to Redis stands.
    pub connected: bool,
    /// Whether all purges of other instances are heard of right now.
    pub coherent: bool,
    /// Connections to Redis that stand.
    pub connections: usize,
    /// The upper bound of connections: `max_connections`; 0 without Redis.
    pub max_connections: usize,
    /// Entries in the local tier.
    pub local_entries: usize,
    /// Their bytes, about: keys, heads and bodies.
    pub local_bytes: u64,
    /// Entries queued for Redis or on their way there.
    pub queued_writes: usize,
    /// Scopes of purges that Redis has not taken yet.
    pub queued_purges: usize,
    /// Purges by pattern that are kept: at most 128.
    pub patterns: usize,
    /// Runs of handlers that may be shared, right now.
    pub fetches_under_way: usize,
    /// Bytes of bodies that are being copied to be stored, right now.
    pub pending_bytes: usize,
    /// Stale entries that are being fetched anew in the background, right now.
    pub refreshes_under_way: usize,
    /// Answers from the local tier, without Redis.
    pub local_hits: u64,
    /// Answers that Redis confirmed.
    pub redis_hits: u64,
    /// Answers from the local tier while Redis was left alone.
    pub fallback_hits: u64,
    /// Stale answers given while a newer one was fetched.
    pub stale_while_revalidate: u64,
    /// Stale answers given in place of a failure.
    pub stale_if_error: u64,
    /// Requests that ran the handler.
    pub misses: u64,
    /// Requests that were not for the cache.
    pub passed: u64,
    /// Requests answered by another's run of the handler.
    pub coalesced: u64,
    /// Requests answered by another instance's run of the handler, for which they waited; each is
    /// a hit too.
    pub fetched_elsewhere: u64,
    /// Entries stored: in Redis, where it is configured and used.
    pub stored: u64,
    /// Purges.
    pub purges: u64,
    /// Times when so many purges waited for Redis, or it refused patterns, that everything was
    /// purged in their place.
    pub widened_purges: u64,
    /// Times when the record of purges was read whole: when connecting, and after a purge that was
    /// not heard of.
    pub record_reads: u64,
    /// Responses that were not stored because their tags are too many, or too long.
    pub refused_tags: u64,
    /// Entries that left the local tier to make room for others.
    pub evictions: u64,
    /// Entries that found the write queue full, or Redis left alone.
    pub dropped_writes: u64,
    /// Purged entries whose memory in Redis this process gave back.
    pub swept: u64,
    /// How far the last warming is, or what it came to; `None`: there was none.
    pub warmed: Option<Warmed>,
    /// Faults of Redis. Each was a miss and no more.
    pub faults: u64,
}

impl Stats {
    pub(crate) fn of(inner: &Inner) -> Self {
        let (observer, remote) = (&inner.observer, inner.store.remote.as_ref());
        let (local_entries, local_bytes) = inner.store.local.size();
        let total = |event| observer.total(event);
        let answers = observer.over_routes();
        let (breaker, health) = (breaker(inner, remote), observer.health());
        let redis = inner.config.redis.as_ref().filter(|_| remote.is_some());
        Self {
            mode: match (remote, breaker) {
                (None, _) => Mode::Local,
                (Some(_), BreakerState::Open | BreakerState::HalfOpen) => Mode::Fallback,
                (Some(_), BreakerState::Closed | BreakerState::Off) => Mode::Redis,
            },
            reason: health.reason,
            since: wall(health.since),
            breaker,
            last_fault: health.last_fault,
            connected: remote.is_some_and(Remote::is_connected),
            coherent: inner.store.is_coherent(),
            connections: remote.map_or(0, Remote::connections),
            max_connections: redis
                .and_then(|redis| usize::try_from(redis.max_connections).ok())
                .unwrap_or(0),
            local_entries,
            local_bytes,
            queued_writes: remote.map_or(0, Remote::queued),
            queued_purges: remote.map_or(0, Remote::queued_purges),
            patterns: inner.store.patterns(),
            fetches_under_way: inner.flights.len(),
            pending_bytes: inner.pending.bytes(),
            refreshes_under_way: inner.refreshes.len(),
            local_hits: answers.of(Answered::LocalHit),
            redis_hits: answers.of(Answered::RedisHit),
            fallback_hits: answers.of(Answered::FallbackHit),
            stale_while_revalidate: answers.of(Answered::StaleWhileRevalidate),
            stale_if_error: answers.of(Answered::StaleIfError),
            misses: answers.misses(),
            passed: Passed::ALL
                .map(|why| observer.total_passed(why))
                .iter()
                .sum(),
            coalesced: answers.of(Answered::Coalesced),
            fetched_elsewhere: total(Event::FetchedElsewhere),
            stored: total(Event::Stored),
            purges: total(Event::Purge),
            widened_purges: total(Event::PurgeWidened),
            record_reads: total(Event::RecordRead),
            refused_tags: total(Event::TagsRefused),
            evictions: total(Event::Evicted),
            dropped_writes: total(Event::WriteDropped),
            swept: total(Event::Swept),
            warmed: observer.last_warming(),
            faults: total(Event::Fault),
        }
    }
}

/// Hits and misses of a route, or of all.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct HitRate {
    /// The pattern that the router matched, else that of the settings; `other`: neither, or one
    /// past the first 64. Empty: all routes.
    pub route: Arc<str>,
    /// Requests answered from the store without the handler.
    pub hits: u64,
    /// Requests that ran the handler.
    pub misses: u64,
    /// Hits among both; `None`: there were none.
    pub ratio: Option<f64>,
}

impl Cache {
    /// What had the most hits of late, the most first, and how many those were at least: method,
    /// authority and URI of responses, names of functions. Hits of ten minutes ago count for half.
    ///
    /// It is a sketch of 512 keys (Space-Saving): what has more than 1/512 of all hits is in it.
    /// A URI of over about 1000 bytes is not.
    #[must_use]
    pub fn hottest_keys(&self, most: usize) -> Vec<(String, u64)> {
        let now = self.inner.clock.now();
        // A key has a place by each variant; together they are less sure to be in order.
        let mut hits = HashMap::<Box<str>, u64>::new();
        for (asked, count) in self.inner.observer.hottest_keys(now) {
            *hits.entry(asked.label).or_default() += count;
        }
        let mut hits: Vec<(String, u64)> = hits.into_iter().map(|(l, n)| (l.into(), n)).collect();
        hits.sort_by(|(a, more), (b, less)| less.cmp(more).then_with(|| a.cmp(b)));
        hits.truncate(most);
        hits
    }

    /// The tags of what had the most hits of late, as [`hottest_keys`](Self::hottest_keys): of an
    /// entry 32 at most.
    #[must_use]
    pub fn hottest_tags(&self, most: usize) -> Vec<(String, u64)> {
        let now = self.inner.clock.now();
        let tags = self.inner.observer.hottest_tags(now).into_iter();
        tags.take(most)
            .map(|(tag, count)| (tag.into(), count))
            .collect()
    }

    /// Hits and misses in the last `window`, at most an hour; over all routes first, then of each.
    /// It reaches back up to 15 s further than asked.
    #[must_use]
    pub fn hit_rates(&self, window: Duration) -> Vec<HitRate> {
        let now = self.inner.clock.now();
        let routes = self.inner.observer.rates(now, window);
        let all = routes.iter().fold(Rate::default(), |sum, (_, rate)| Rate {
            hits: sum.hits + rate.hits,
            misses: sum.misses + rate.misses,
        });
        let rates = [("".into(), all)].into_iter().chain(routes);
        let rates = rates.map(|(route, rate)| HitRate {
            route,
            hits: rate.hits,
            misses: rate.misses,
            ratio: rate.ratio(),
        });
        rates.collect()
    }
}

fn breaker(inner: &Inner, remote: Option<&Remote>) -> BreakerState {
    let Some(remote) = remote.filter(|_| inner.config.breaker.enabled) else {
        return BreakerState::Off;
    };
    match remote.breaker() {
        State::Closed => BreakerState::Closed,
        State::Open => BreakerState::Open,
        State::HalfOpen => BreakerState::HalfOpen,
    }
}
