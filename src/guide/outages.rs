//! How long a request waits for Redis, what answers while it is away, and stale answers while a
//! handler fails.
//!
//! # States
//!
//! | state | when | who answers | a request waits for Redis |
//! |---|---|---|---|
//! | `redis` | the circuit breaker is closed | entries that Redis confirms; with `near_cache`, while purges are heard of, the local tier | at most `soft_limit` (50 ms) for a lookup, then the handler is asked; for a near hit not at all |
//! | `redis`, failing | until `circuit_breaker_threshold` (5) operations in a row have failed | handlers; nothing is stored | the same `soft_limit` |
//! | `fallback` | the breaker is open | the local tier, marked `detail=fallback`; else handlers, whose answers are kept in local memory | not at all |
//! | `local` | no Redis is configured | the local tier | not at all |
//!
//! [`Cache::stats`](crate::Cache::stats) tells the state, since when and why, and in `coherent`
//! whether purges of other instances are heard of. A near tier goes on, unmarked, for what is left
//! of `coherence_bound` (1 s) after Redis was last heard of; from then until the breaker opens it
//! answers nothing. An operation itself may take `socket_timeout` (5 s): that is when one that
//! hangs counts as failed, while the request that asked has long gone on. One in 60 s
//! (`circuit_breaker_timeout`) is tried in an open breaker; a background check, with back-off of
//! at most 5 s, finds out sooner that Redis answers again, and lets one operation through at once.
//! With `retry_on_timeout` a lookup that timed out is tried once more if the soft limit still
//! allows it.
//!
//! A refused connection, a reset or garbled stream, a timeout, a server that is loading or without
//! its master, TLS that is not agreed on, and a wrong password count as failures. A command that
//! the server refuses (full memory, missing rights) does not: it is a miss and no more.
//! [`faults`](super::faults) has a line for each.
//!
//! # Measured
//!
//! `cargo test --release --test outages -- --nocapture --test-threads=1`: HTTP requests over
//! loopback, all answers checked; a handler that answers at once, `socket_timeout` 500 ms, else
//! defaults; two shared cores, 2026-11-25.
//!
//! | Redis | p50 | p99 | answered by |
//! |---|---|---|---|
//! | healthy | 0.14 ms | 5.6 ms | Redis |
//! | 20 ms late | 22.8 ms | 26.5 ms | Redis |
//! | 2 s late | 51.3 ms | 52.3 ms | handlers, after the soft limit |
//! | refused, until the breaker opens | 0.14 ms | 0.3 ms | handlers |
//! | refused | 0.04 ms | 0.1 ms | local tier |
//! | hung, until the breaker opens | 51.6 ms | 51.9 ms | handlers, after the soft limit |
//! | hung | 0.04 ms | 0.1 ms | local tier |
//! | hung, the breaker switched off | 51.5 ms | 52.7 ms | handlers, after the soft limit |
//!
//! # What may stand in
//!
//! While Redis is left alone no purge of another instance can be heard of. So an entry stands in
//! for at most `fallback_staleness` (60 s) after Redis last told of purges, and only if no purge
//! that was heard of up to then covers it; where none could be heard of, only if nothing at all
//! was purged between its own last confirmation and then. What is fetched in an outage stands in
//! for the same time from when its handler was called; it is never written to Redis, and is gone
//! from the first lookup that Redis answers again. Purges of this process count at once, and reach
//! the others when Redis is back. With `fallback_staleness` zero the local tier never stands in.
//!
//! # Stale answers (RFC 5861)
//!
//! ```
//! use neuralblitz_cache::{CacheConfig, Route};
//! use std::time::Duration;
//!
//! let cfg = CacheConfig::builder()
//!     .stale_if_error(Duration::from_secs(300))
//!     .class_stale_while_revalidate("multi_reality", Duration::from_secs(30))
//!     .route(Route::new("/feed").stale_while_revalidate(Duration::from_secs(5)))
//!     .build()?;
//! # let _ = cfg;
//! # Ok::<(), neuralblitz_cache::ConfigError>(())
//! ```
//!
//! | window | the lifetime has passed by less, and | what happens |
//! |---|---|---|
//! | `stale-while-revalidate` | | the stale answer at once; one background task runs the handler with the original request, its conditions left out, to the end of the body, at most 60 s until its head |
//! | `stale-if-error` | the handler fails, or says 500, 502, 503 or 504 | the stale answer in its place; who waited for the same fetch gets it too |
//!
//! A window is what the response's `Cache-Control` says, else the layer nearest to the handler,
//! else the route, the class, the builder; by default zero. Neither is used for what must be
//! revalidated (`must-revalidate`, `proxy-revalidate`, `no-cache`; with `s-maxage` only a window
//! of the response's own), and neither past a hard purge: before a stale answer goes out in place
//! of a failure it is confirmed once more. A soft purge ends the lifetime and lets the window
//! begin ([`purging`](super::purging)). What a handler makes of a stale answer that it was given
//! by this cache is not stored. `Cache-Status` says `ttl=-12`, and `detail=stale-while-revalidate`
//! (in fallback `detail=fallback`) or `fwd=stale; fwd-status=503; detail=stale-if-error`.
