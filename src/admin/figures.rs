//! Figures as JSON.

use crate::cache::{Cache, Inner};
use crate::error::Fault;
use crate::observe::{Answered, Histogram, Operation, Passed, Warmed};
use crate::stats::{HitRate, Mode, Stats};
use crate::store::{Count, Info, Remote};
use serde_json::{Map, Value, json};
use std::time::{Duration, UNIX_EPOCH};

/// Windows of the hit rate, in minutes.
const WINDOWS: [(&str, u64); 3] = [("1m", 1), ("5m", 5), ("60m", 60)];

/// The shape and types of the specification, and then more. Nothing of the first seven is ever
/// null: without Redis they are empty, zero, or what local memory says.
pub(super) async fn stats(cache: &Cache) -> Value {
    let (inner, stats) = (&cache.inner, cache.stats());
    let info = info(inner).await;
    let count = counted(inner);
    let total_keys = match &inner.store.remote {
        Some(_) => count.map_or(0, |count| count.keys),
        None => stats.local_entries as u64,
    };
    json!({
        "connected": stats.connected,
        "mode": stats.mode.to_string(),
        "redis_version": info.redis_version,
        "used_memory_human": info.used_memory_human,
        "connected_clients": info.connected_clients,
        "total_keys": total_keys,
        "local_cache_size": stats.local_entries,
        "total_keys_age_seconds": count.map(|count| count.at.elapsed().as_secs()),
        "local_cache_bytes": stats.local_bytes,
        "since": seconds_since_epoch(&stats),
        "reason": stats.reason.map(Fault::name),
        "last_fault": stats.last_fault.map(Fault::name),
        "breaker": stats.breaker.name(),
        "coherent": stats.coherent,
        "connections": stats.connections,
        "max_connections": stats.max_connections,
        "queued_writes": stats.queued_writes,
        "queued_purges": stats.queued_purges,
        "fetches_under_way": stats.fetches_under_way,
        "refreshes_under_way": stats.refreshes_under_way,
        "warmup": stats.warmed.map(|warmed| warmup(&warmed)),
    })
}

/// How far the last warming is.
fn warmup(warmed: &Warmed) -> Value {
    json!({
        "ended": warmed.ended,
        "items": warmed.items,
        "warmed": warmed.warmed,
        "left_alone": warmed.left_alone,
        "unstored": warmed.unstored,
        "failed": warmed.failed,
        "skipped": warmed.skipped,
        "seconds": warmed.took.as_secs_f64(),
    })
}

pub(super) fn seconds_since_epoch(stats: &Stats) -> u64 {
    let since = stats.since.duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// What Redis says of itself, if it does so within the soft limit.
async fn info(inner: &Inner) -> Info {
    let none = Info {
        used_memory_human: "0B".into(),
        ..Info::default()
    };
    let Some(remote) = &inner.store.remote else {
        return none;
    };
    let asked = tokio::time::timeout(inner.config.soft_limit, remote.info()).await;
    asked.ok().and_then(Result::ok).unwrap_or(none)
}

pub(super) fn counted(inner: &Inner) -> Option<Count> {
    inner.store.remote.as_ref().and_then(Remote::count)
}

/// How the cache fares; `true`: not as well as it should.
pub(super) fn health(cache: &Cache) -> (Value, bool) {
    let (inner, stats) = (&cache.inner, cache.stats());
    let remote = inner.store.remote.is_some();
    let mut reasons = Vec::new();
    if stats.mode == Mode::Fallback {
        reasons.push("redis is left alone: local memory and the handlers answer");
    } else if remote && !stats.connected {
        reasons.push("redis is not connected");
    } else if remote && inner.config.near_cache && !stats.coherent {
        reasons.push("purges of other instances are not heard of: the near tier answers nothing");
    }
    let degraded = !reasons.is_empty();
    let health = json!({
        "status": if degraded { "degraded" } else { "ok" },
        "mode": stats.mode.to_string(),
        "reasons": reasons,
        "fault": stats.reason.or(stats.last_fault.filter(|_| degraded)).map(Fault::name),
        "since": seconds_since_epoch(&stats),
    });
    (health, degraded)
}

pub(super) fn performance(cache: &Cache) -> Value {
    let (inner, stats) = (&cache.inner, cache.stats());
    let counts = inner.observer.over_routes();
    let by = |kinds: &[(Answered, &'static str)]| {
        let pairs = kinds.iter().map(|(kind, name)| (*name, counts.of(*kind)));
        pairs
            .map(|(name, count)| (name.to_owned(), count.into()))
            .collect::<Map<_, _>>()
    };
    let passed = Passed::ALL.map(|why| (why.name(), inner.observer.total_passed(why)));
    let passed = passed.into_iter().filter(|(_, count)| *count > 0);
    json!({
        "hits": by(&Answered::HITS),
        "misses": by(&Answered::MISSES),
        "hit_rate": ratio(counts.hits(), counts.misses()),
        "coalesced": stats.coalesced,
        "stale_while_revalidate": stats.stale_while_revalidate,
        "stale_if_error": stats.stale_if_error,
        "handler_seconds_saved": Duration::from_millis(counts.saved).as_secs_f64(),
        "bypassed": passed.map(|(why, count)| (why.to_owned(), count.into())).collect::<Map<_, _>>(),
        "stored": stats.stored,
        "purges": stats.purges,
        "evictions": stats.evictions,
        "dropped_writes": stats.dropped_writes,
        "swept": stats.swept,
        "errors": errors(inner),
        "operations": operations(inner),
        "purge_lag": durations(&inner.observer.purge_lag()),
        "tiers": tiers(inner, &stats),
    })
}

fn ratio(hits: u64, misses: u64) -> Option<f64> {
    crate::observe::Rate { hits, misses }.ratio()
}

fn errors(inner: &Inner) -> Map<String, Value> {
    let mut errors = Map::new();
    for operation in Operation::ALL {
        let counts = Fault::ALL.map(|fault| (fault, inner.observer.faults(operation, fault)));
        let counts = counts.into_iter().filter(|(_, count)| *count > 0);
        let counts = counts.map(|(fault, count)| (fault.name().to_owned(), count.into()));
        let counts: Map<String, Value> = counts.collect();
        if !counts.is_empty() {
            errors.insert(operation.name().to_owned(), counts.into());
        }
    }
    errors
}

fn operations(inner: &Inner) -> Map<String, Value> {
    let timed = Operation::ALL.map(|operation| (operation, inner.observer.durations(operation)));
    let timed = timed
        .into_iter()
        .filter(|(_, histogram)| histogram.count() > 0);
    timed
        .map(|(operation, histogram)| (operation.name().to_owned(), durations(&histogram)))
        .collect()
}

/// Percentiles are upper ends of buckets; `null`: beyond the last.
fn durations(histogram: &Histogram) -> Value {
    let count = histogram.count();
    let percentile = |part: u64| {
        let wanted = (count * part).div_ceil(100);
        let mut seen = 0;
        let bucket = histogram.counts.iter().position(|more| {
            seen += more;
            seen >= wanted && seen > 0
        });
        bucket.and_then(|at| histogram.bounds().get(at).map(Duration::as_secs_f64))
    };
    json!({
        "count": count,
        "seconds": histogram.sum,
        "p50_at_most": percentile(50),
        "p95_at_most": percentile(95),
        "p99_at_most": percentile(99),
    })
}

fn tiers(inner: &Inner, stats: &Stats) -> Value {
    let redis = counted(inner).map(|count| {
        json!({
            "keys": count.keys,
            "bytes": count.bytes,
            "age_seconds": count.at.elapsed().as_secs(),
        })
    });
    json!({
        "local": { "keys": stats.local_entries, "bytes": stats.local_bytes },
        "redis": redis,
    })
}

/// Since the start, and of the last minutes: over all routes, and by route.
pub(super) fn hit_rate(cache: &Cache) -> Value {
    let since_start = cache.inner.observer.by_route();
    let totals = since_start.iter().map(|(route, counts)| {
        let (hits, misses) = (counts.hits(), counts.misses());
        (&**route, rate(hits, misses, ratio(hits, misses)))
    });
    let mut routes: Map<String, Value> = totals
        .map(|(route, total)| (route.to_owned(), json!({"total": total, "windows": {}})))
        .collect();
    let mut windows = Map::new();
    for (name, minutes) in WINDOWS {
        let rates = cache.hit_rates(Duration::from_mins(minutes));
        for HitRate {
            route,
            hits,
            misses,
            ratio,
        } in rates
        {
            let rate = rate(hits, misses, ratio);
            match routes.get_mut(&*route) {
                Some(of_route) => of_route["windows"][name] = rate,
                None if route.is_empty() => drop(windows.insert(name.to_owned(), rate)),
                None => {}
            }
        }
    }
    let counts = cache.inner.observer.over_routes();
    let (hits, misses) = (counts.hits(), counts.misses());
    json!({
        "total": rate(hits, misses, ratio(hits, misses)),
        "windows": windows,
        "routes": routes,
    })
}

/// Of the last minutes, over all routes.
pub(super) fn windows(cache: &Cache) -> Value {
    let windows = WINDOWS.into_iter().map(|(name, minutes)| {
        let rates = cache.hit_rates(Duration::from_mins(minutes));
        let all = rates.into_iter().next();
        let all = all.map(|all| rate(all.hits, all.misses, all.ratio));
        (name.to_owned(), all.unwrap_or_default())
    });
    windows.collect()
}

fn rate(hits: u64, misses: u64, ratio: Option<f64>) -> Value {
    json!({ "hits": hits, "misses": misses, "hit_rate": ratio })
}
