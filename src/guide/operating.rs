//! Operating the cache: what it counts, and how to see it.
//!
//! # Metrics
//!
//! `Cache::metrics` gives a registry of the cache's own, and `Cache::register_metrics` adds the
//! cache to one of the program's (`prometheus-client`, feature `metrics`).
//!
//! | metric | labels | |
//! |---|---|---|
//! | `neuralblitz_cache_hits_total` | `tier`, `route` | answered from the store without the handler; tier: `local`, `redis`, `fallback` (Redis left alone), `stale` (while a newer one is fetched) |
//! | `neuralblitz_cache_misses_total` | `reason`, `route` | ran the handler; reason: `uri-miss`, `vary-miss`, `stale`, `request`, `credentials` |
//! | `neuralblitz_cache_errors_total` | `operation`, `reason` | faults of Redis; each was a miss and no more |
//! | `neuralblitz_cache_operation_duration_seconds` | `tier`, `operation` | histogram; `redis`: `lookup`, `store`, `purge`, `delete`; `handler`: `fetch`, to the head. Hits of the local tier are not timed |
//! | `neuralblitz_cache_size_bytes` | `tier` | what is stored, about |
//! | `neuralblitz_cache_keys_total` | `tier` | a gauge: how many entries and values |
//! | `neuralblitz_cache_coalesced_total` | `route` | answered by another request's run of the handler |
//! | `neuralblitz_cache_stale_served_total` | `reason`, `route` | reason: `while-revalidate`, which is a hit too; `if-error`, a miss too |
//! | `neuralblitz_cache_handler_saved_seconds_total` | `route` | time of handlers that hits made unnecessary |
//! | `neuralblitz_cache_bypassed_total` | `reason` | none for the cache; reason: `method`, `rule` (of the layer), `route` (setting), `content`, `upgrade`, `precondition`, `authority`, `nested` (a layer further out looks after it), `runtime` |
//! | `neuralblitz_cache_breaker_state` | `state` | 1 for one of `closed`, `open`, `half-open`, `off` |
//! | `neuralblitz_cache_connected`, `_coherent`, `_connections` | | whether Redis is connected; whether purges of other instances are heard of; how many connections stand |
//! | `neuralblitz_cache_queued_writes`, `_queued_purges`, `_patterns`, `_fetches_under_way`, `_refreshes_under_way` | | right now |
//! | `neuralblitz_cache_stored_total`, `_purges_total`, `_evictions_total`, `_dropped_writes_total`, `_swept_total`, `_fetched_elsewhere_total`, `_record_reads_total`, `_widened_purges_total`, `_refused_tags_total` | | since the start |
//! | `neuralblitz_cache_purge_lag_seconds` | | histogram: how long purges waited until Redis had taken them |
//!
//! `route` is the pattern that the router matched, else that of the settings, never a path; the
//! first 64 have counters of their own, all others are `other`. The hit rate of the last minutes
//! is `Cache::hit_rates`, or of Prometheus
//! `sum(rate(neuralblitz_cache_hits_total[5m])) / (sum(rate(neuralblitz_cache_hits_total[5m])) + sum(rate(neuralblitz_cache_misses_total[5m])))`.
