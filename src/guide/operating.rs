//! Operating the cache: what it counts, and how to see it.
//!
//! # Endpoints
//!
//! [`Cache::admin_router`](crate::Cache::admin_router) (feature `admin`), merged after the layer.
//! Answers are JSON and errors `application/problem+json` (RFC 9457); none may be cached. A
//! parameter of an unknown name is an error.
//!
//! | path | token | gives |
//! |---|---|---|
//! | GET `/cache/stats` | | `connected`, `mode` (`redis`, `local`, `fallback`), `redis_version`, `used_memory_human`, `connected_clients`, `total_keys`, `local_cache_size` (entries); and `total_keys_age_seconds`, queues, breaker, faults |
//! | GET `/cache/health` | | 200 and `status` `ok` or `degraded`, with `reasons`: Redis left alone or not connected, a near tier that hears of no purges. `?strict=1`: 503 when degraded. Without `strict` it is 200 as long as the process answers: requests are served by the handlers if by nothing else |
//! | GET `/cache/dashboard` | | the dashboard, see below |
//! | GET `/cache/stream` | may be | what the dashboard reads: a record of figures each second as `text/event-stream`; with the token also `hottest_keys` and `hottest_tags` |
//! | GET `/metrics` | | `OpenMetrics`; the older text format for `Accept: text/plain` alone |
//! | GET `/metrics/cache` | | the same figures as JSON |
//! | GET `/metrics/cache/hit-rate` | | hits, misses and their rate: in total, by route, of the last 1, 5 and 60 minutes (15 s more at most) |
//! | GET `/metrics/cache/keys` | yes | a page of keys: `limit` (100, at most 1000), `pattern` (a glob over names), `uri` (a part of `authority/path?query`), `cursor` (of the page before; `null` after the last) |
//! | GET `/cache/entry` | yes | one entry by its `key`: head, tags, times, whether it is purged; `body=1`: up to 64 KiB of its content, if it is text |
//! | GET or POST `/cache/explain` | yes | what would happen to a request now: `uri`, `method` (GET), any number of `header=name:value`. As query, or, where a field is a credential that no log on the way may hold, as a JSON object whose `header` is a list |
//! | POST `/cache/purge` | yes | one of `key`, `uri`, `prefix`, `pattern`, `class`, `all`, or any number of `tag`; `soft`. As query, or as a JSON object |
//! | POST `/cache/clear` | yes | purges everything in this namespace |
//!
//! A purge is answered 200 and `{"purged": "applied"}` when it is in force on all instances, and 202
//! with `queued` when Redis has not taken it yet.
//!
//! The token is `admin_token` of the settings, sent as `Authorization: Bearer`. None configured: 403.
//! Missing or wrong: 401. Past ten failures, one more allowed every six seconds: 429; the right token
//! gets in even then, so that nobody can lock the operator out, and so it has to be long: 16 random
//! bytes or more. What is open shows figures and patterns of routes, no URI, key or tag; keep it from
//! the public all the same, as it tells an attacker how he is doing.
//!
//! `total_keys` and the sizes of Redis are counted in the background, when somebody asks, 200 keys at
//! a time with pauses, at most a tenth of the time; the answer is the last count, with its age. A page
//! of keys takes at most 20 steps of 200 keys; a page may be empty and not the last, and a key may be
//! on two of them. Each instance counts for itself.
//!
//! An explanation is made by the code that decides over requests, by the rules of the cache: a layer
//! with `key`, `bypass` or `credentials` of its own may decide otherwise. `happens` is `hit`, `stale`
//! (and fetched anew), `forward` (to the handler; `why` as in `Cache-Status`), `pass`, `write` or
//! `gateway-timeout`; `may_be_stored` says whether what comes of the handler may be, if it allows it.
//!
//! # Dashboard
//!
//! `/cache/dashboard` is one page that loads nothing else and shows one instance: hit rate over time
//! and by route, latency by tier, breaker and trust, handler time saved, stale share, memory by tier,
//! evictions, the keys and tags that are asked for most; it purges and explains. Without the token it
//! shows counts. The token that is entered there is kept in the memory of the page, is gone with it,
//! and is never in a URL.
//!
//! Its `Content-Security-Policy` allows its own script and style, by their hashes, requests to where
//! it came from, and nothing else: a proxy that adds scripts to pages breaks it. One that collects
//! answers before it hands them on keeps it waiting. At most 16 streams are open at once without the
//! token, and 16 with it; a further one is answered 503. Who has taken no record for 30 s gives way.
//! While a page is open, what is in Redis is counted again and again, at most a tenth of the time, and
//! the server is asked for INFO every 5 s.
//!
//! A server that waits for all requests before it stops waits for open streams too:
//! [`Cache::shutdown`](crate::Cache::shutdown) ends them.
//!
//! # Tracing
//!
//! `examples/spans.rs` exports them. What changes is an event (Redis left alone, used again, connected, a purge over HTTP). Spans, at
//! level `debug`: `cache.fetch` around a run of the handler (`http.route`, `http.response.status_code`,
//! `cache.reason` as in `Cache-Status`, `cache.refresh`), and `cache.redis` around a lookup, a store or
//! a purge (`db.system.name`, `db.operation.name`); `otel.kind` is set for an exporter. A hit of the
//! local tier makes none. No path, query, cookie or token is in any of them.
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
//! | `neuralblitz_cache_count_age_seconds` | `tier` | how long ago what is in Redis was counted |
//! | `neuralblitz_cache_coalesced_total` | `route` | answered by another request's run of the handler |
//! | `neuralblitz_cache_stale_served_total` | `reason`, `route` | reason: `while-revalidate`, which is a hit too; `if-error`, a miss too |
//! | `neuralblitz_cache_handler_saved_seconds_total` | `route` | time of handlers that hits made unnecessary |
//! | `neuralblitz_cache_bypassed_total` | `reason` | none for the cache; reason: `method`, `rule` (of the layer), `route` (setting), `content`, `upgrade`, `precondition`, `authority`, `nested` (a layer further out looks after it), `runtime` |
//! | `neuralblitz_cache_breaker_state` | `state` | 1 for one of `closed`, `open`, `half-open`, `off` |
//! | `neuralblitz_cache_connected`, `_coherent`, `_connections` | | whether Redis is connected; whether purges of other instances are heard of; how many connections stand |
//! | `neuralblitz_cache_queued_writes`, `_queued_purges`, `_patterns`, `_fetches_under_way`, `_refreshes_under_way` | | right now |
//! | `neuralblitz_cache_stored_total`, `_purges_total`, `_evictions_total`, `_dropped_writes_total`, `_swept_total`, `_fetched_elsewhere_total`, `_record_reads_total`, `_widened_purges_total`, `_refused_tags_total` | | since the start |
//! | `neuralblitz_cache_purge_lag_seconds` | | histogram: how long purges waited until Redis had taken them |
//! | `neuralblitz_cache_warmup_duration_seconds` | | histogram: how long warmings took, from 10 ms to 500 s |
//! | `neuralblitz_cache_warmup_items_total` | `outcome` | requests and loaders of warmings that have ended: `warmed`, `left-alone`, `unstored`, `failed`, `skipped`; see [`warming`](super::warming) |
//!
//! `route` is the pattern that the router matched, else that of the settings, never a path; the
//! first 64 have counters of their own, all others are `other`. The hit rate of the last minutes
//! is `Cache::hit_rates`, or of Prometheus
//! `sum(rate(neuralblitz_cache_hits_total[5m])) / (sum(rate(neuralblitz_cache_hits_total[5m])) + sum(rate(neuralblitz_cache_misses_total[5m])))`.
//!
//! # Alerts
//!
//! `deploy/prometheus/rules.yml` records `neuralblitz_cache_hit_rate`, by job, and has these
//! alerts; `rules_test.yml` beside it shows for each when it fires and when it does not.
//!
//! | alert | fires when | for |
//! |---|---|---|
//! | `CacheHitRateLow` | fewer than half of the requests of a job are hits | 5 min |
//! | `CacheConnectionFailed` | more than ten errors in a minute, or no connection to Redis stands (with the breaker on: it leaves Redis alone after five) | 1 min |
//! | `CacheBreakerOpen` | Redis is left alone | 1 min |
//! | `CacheNotCoherent` | Redis answers, but purges of other instances are not heard of | 1 min |
//! | `CachePurgesQueued` | purges wait for Redis: other instances may serve what they cover | 5 min |
//! | `CacheLookupSlow` | one lookup in a hundred takes longer than 50 ms, the default of `soft_limit` | 5 min |
//! | `CacheWritesDropped` | entries find the write queue full, though Redis is not left alone | 5 min |
//! | `CacheEvictionPressure` | in ten minutes as many entries make room for others as the local tier holds | 10 min |
//!
//! They expect a scrape every 15 s: a longer interval needs longer windows. What to do when one fires is
//! in [`troubleshooting`](super::troubleshooting), of `CacheWritesDropped` in
//! [`tuning`](super::tuning).
