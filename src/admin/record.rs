//! What the dashboard shows, at one time.

use super::figures::{self, counted, seconds_since_epoch};
use crate::cache::{Cache, Inner};
use crate::clock::{instant, millis};
use crate::error::Fault;
use crate::observe::Operation;
use crate::stats::{HitRate, Stats};
use crate::store::Info;
use crate::sync::lock;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// What a server says of itself is asked for so often, however many look on.
const ASKED_EVERY: Duration = Duration::from_secs(5);

/// Over how long the rates of routes are told.
const OF_ROUTES: Duration = Duration::from_mins(5);

/// Keys and tags that are told.
const HOTTEST: usize = 8;

/// What the Redis server said of itself last.
#[derive(Debug, Default)]
pub(super) struct ServerInfo(Mutex<Said>);

#[derive(Debug, Default)]
struct Said {
    asked_at: Option<Instant>,
    info: Option<Info>,
}

impl ServerInfo {
    /// Asks at most every 5 s, and for as long as the soft limit; else what was said before.
    /// `None`: nothing was said the last time.
    async fn read(&self, inner: &Inner) -> Option<Info> {
        let remote = inner.store.remote.as_ref()?;
        {
            let mut said = lock(&self.0);
            let now = instant();
            if said.asked_at.is_some_and(|at| now - at < ASKED_EVERY) {
                return said.info.clone();
            }
            said.asked_at = Some(now);
        }
        let asked = tokio::time::timeout(inner.config.soft_limit, remote.info()).await;
        let info = asked.ok().and_then(Result::ok);
        lock(&self.0).info.clone_from(&info);
        info
    }
}

/// Counts and states: no key, tag or URI.
pub(super) async fn counts(admin: &super::Admin) -> Map<String, Value> {
    let inner = &admin.cache.inner;
    let stats = admin.cache.stats();
    let server = admin.server.read(inner).await;
    let parts = [
        ("at", inner.clock.now().0.into()),
        ("state", state(inner, &stats)),
        ("totals", figures::performance(&admin.cache)),
        ("hit_rate", figures::windows(&admin.cache)),
        ("routes", routes(admin)),
        ("bounds", bounds(inner)),
        ("latency", latency(inner)),
        ("memory", memory(inner, &stats, server.as_ref())),
    ];
    let parts = parts.into_iter();
    parts.map(|(name, part)| (name.to_owned(), part)).collect()
}

/// What is asked for most, with its hits of late: for administrators.
pub(super) fn hottest(cache: &Cache) -> [(String, Value); 2] {
    let counted = |what: &str, items: Vec<(String, u64)>| -> Value {
        let items = items.into_iter();
        let items = items.map(|(name, count)| json!({ what: name, "count": count }));
        items.collect()
    };
    let (keys, tags) = (cache.hottest_keys(HOTTEST), cache.hottest_tags(HOTTEST));
    [
        ("hottest_keys".into(), counted("key", keys)),
        ("hottest_tags".into(), counted("tag", tags)),
    ]
}

/// Hits and misses since the start as they were in the last hour: what a page that begins late
/// has missed.
pub(super) fn history(inner: &Inner) -> Value {
    let points = inner.observer.history().into_iter();
    let points = points.map(|(at, rate)| json!([at.0, rate.hits, rate.misses]));
    points.collect()
}

fn state(inner: &Inner, stats: &Stats) -> Value {
    json!({
        "mode": stats.mode.to_string(),
        "reason": stats.reason.map(Fault::name),
        "since": seconds_since_epoch(stats),
        "breaker": stats.breaker.name(),
        "last_fault": stats.last_fault.map(Fault::name),
        "faults": stats.faults,
        "connected": stats.connected,
        "coherent": stats.coherent,
        "near_cache": inner.config.near_cache,
        "connections": stats.connections,
        "max_connections": stats.max_connections,
        "queued_writes": stats.queued_writes,
        "queued_purges": stats.queued_purges,
        "patterns": stats.patterns,
        "fetches_under_way": stats.fetches_under_way,
        "refreshes_under_way": stats.refreshes_under_way,
    })
}

/// By route, since the start and of the last minutes; those that nobody asked for are left out.
fn routes(admin: &super::Admin) -> Value {
    let recent = admin.cache.hit_rates(OF_ROUTES).into_iter();
    let recent: HashMap<Arc<str>, HitRate> =
        recent.map(|rate| (rate.route.clone(), rate)).collect();
    let routes = admin.cache.inner.observer.by_route().into_iter();
    let routes = routes.filter(|(_, counts)| counts.hits() + counts.misses() > 0);
    let routes = routes.map(|(route, counts)| {
        let recent = recent.get(&route);
        json!({
            "route": &*route,
            "hits": counts.hits(),
            "misses": counts.misses(),
            "saved_seconds": Duration::from_millis(counts.saved).as_secs_f64(),
            "recent_requests": recent.map_or(0, |recent| recent.hits + recent.misses),
            "recent_hit_rate": recent.and_then(|recent| recent.ratio),
        })
    });
    routes.collect()
}

/// Upper ends of the buckets of [`latency`], in seconds.
fn bounds(inner: &Inner) -> Value {
    let bounds = inner.observer.durations(Operation::Lookup).bounds();
    bounds.map(|bound| bound.as_secs_f64()).to_vec().into()
}

/// How long operations took since the start, by size, so that a page can tell of late from before.
fn latency(inner: &Inner) -> Value {
    let timed = Operation::ALL.map(|operation| (operation, inner.observer.durations(operation)));
    let timed = timed.into_iter();
    let timed = timed.filter(|(_, histogram)| histogram.count() > 0);
    let timed = timed.map(|(operation, histogram)| {
        json!({
            "tier": operation.tier(),
            "operation": operation.name(),
            "counts": histogram.counts,
            "seconds": histogram.sum,
        })
    });
    timed.collect()
}

/// By tier; `null` for Redis where none is configured, or nothing is known yet.
fn memory(inner: &Inner, stats: &Stats, server: Option<&Info>) -> Value {
    let count = counted(inner);
    let redis = inner.store.remote.as_ref().map(|_| {
        json!({
            "keys": count.map(|count| count.keys),
            "bytes": count.map(|count| count.bytes),
            "age_ms": count.map(|count| millis(count.at.elapsed())),
            "server": server.map(told),
        })
    });
    json!({
        "local": {
            "entries": stats.local_entries,
            "bytes": stats.local_bytes,
            "limit": inner.config.local_bytes,
            "pending_bytes": stats.pending_bytes,
        },
        "redis": redis,
    })
}

fn told(info: &Info) -> Value {
    json!({
        "version": info.redis_version,
        "clients": info.connected_clients,
        "used_memory": info.used_memory,
        "maxmemory": info.maxmemory,
        "evicted_keys": info.evicted_keys,
    })
}
