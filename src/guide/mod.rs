//! The user's guide: what is stored, who gets it, and what is promised.
//!
//! - [`migrating`]: putting the layer on an existing app, and where in the stack
//! - [`storing`]: which responses are stored, and for how long
//! - [`security`]: why nobody gets another user's response
//! - [`outages`]: how long a request waits for Redis, what answers while it is away, and stale
//!   answers while a handler fails
//! - [`promises`]: what holds after a purge, when Redis is away, and under load

pub mod migrating {
    //! Putting the layer on an existing app.
    //!
    //! One layer around the router, and where a route wants a TTL of its own, another layer of
    //! the same cache on that route. The outermost layer stores; what an inner one says of the
    //! lifetime is handed outward.
    //!
    //! ```
    //! use axum::{Router, routing::get};
    //! use neuralblitz_cache::{CacheConfig, CacheLayer};
    //! use std::time::Duration;
    //!
    //! async fn capabilities() -> &'static str { "all" }
    //! async fn quantum() -> &'static str { "superposed" }
    //!
    //! let layer = CacheLayer::new(CacheConfig::default());
    //! let cache = layer.cache();
    //! let five_minutes = cache.layer().ttl(Duration::from_secs(300));
    //! let app: Router = Router::new()
    //!     .route("/api/v1/capabilities", get(capabilities))
    //!     .route("/api/v1/quantum/{id}", get(quantum).layer(five_minutes))
    //!     .layer(layer);
    //! # let _ = app;
    //! ```
    //!
    //! # Where in the stack
    //!
    //! - **Inside authentication.** A hit does not run what stands further in: a cache outside
    //!   an authentication layer would answer for it. Requests with credentials are not looked
    //!   up by default, but a check of, say, the client's address is not a credential.
    //! - **Outside compression**, if the compressing layer sends `Vary: Accept-Encoding`: then
    //!   the compressed bytes are stored, one variant for each coding. Inside it, every hit is
    //!   compressed again.
    //! - **CORS** fields are part of the stored head. A layer that answers per origin must send
    //!   `Vary: Origin`, as tower-http's does; else put it outside the cache.
    //! - **Concurrency limits and load shedding** go further in: a hit neither waits for a
    //!   permit nor keeps one.
    //! - What a middleware outside adds to a response is not stored; what one inside adds is.
    //!
    //! # One name or several
    //!
    //! The authority is part of the key. Instances that are asked by their own address share
    //! entries only with [`KeyRules::ignore_authority`](crate::KeyRules::ignore_authority).
}

pub mod storing {
    //! Which responses are stored, and for how long.
    //!
    //! # Requests
    //!
    //! | request | what happens |
    //! |---|---|
    //! | GET | looked up, joined to a fetch under way, stored |
    //! | HEAD | answered from a stored GET; else passed on, never stored |
    //! | other methods, GET with content, `Upgrade`, `Range`, `If-Match`, `If-Unmodified-Since` | passed on untouched |
    //! | two `Host` fields, or `Host` and `:authority` that differ | passed on untouched |
    //! | with credentials | only what is marked `public` or `s-maxage` is looked up and stored |
    //! | `Cache-Control: no-store` | looked up, not stored |
    //! | `only-if-cached` | answered from the store or with 504 |
    //! | `no-cache`, `max-age`, `min-fresh`, `Pragma` | ignored, unless [`ClientDirectives::Obey`](crate::ClientDirectives::Obey) |
    //!
    //! # Responses that are never stored
    //!
    //! `no-store`, `private` (with field names too), `Set-Cookie`, `Vary: *`, a
    //! `Cache-Control` that is malformed, status 206 and 304, `Content-Range`, event streams,
    //! bodies past `max_body`, with trailers, or shorter or longer than `Content-Length`. A
    //! response that breaks off is never a hit.
    //!
    //! # Lifetime
    //!
    //! The first that applies:
    //!
    //! 1. the [`CacheTtl`](crate::CacheTtl) response extension
    //! 2. `override_ttl` of the layer nearest to the handler, else of the route
    //! 3. `s-maxage`, `max-age`, `Expires` of the response, less its age; `no-cache`: none
    //! 4. `.ttl()` of the layer nearest to the handler
    //! 5. the `ttl` of the configured route
    //! 6. the TTL of the class; without one that of `api_response` (900 s)
    //!
    //! 2 and 4 to 6 are for statuses 200, 203 and 204. Any other final status is stored only
    //! when the response itself says for how long (1 or 3). Past its lifetime a response is served
    //! only within its stale windows ([`outages`](super::outages)); none is revalidated, in this
    //! version.
    //!
    //! # Limits
    //!
    //! | limit | value | past it |
    //! |---|---|---|
    //! | body | `max_body`, 2 MiB | passes through, not stored |
    //! | local tier | `local_bytes`, 64 MiB | the least used go |
    //! | writes waiting for Redis | `write_queue`, 1024, and `local_bytes` | dropped and counted |
    //! | purges waiting for Redis | 4096 scopes | everything is purged |
    //! | waiting for Redis | `soft_limit`, 50 ms | the handler is asked |
    //! | waiting for another request's fetch | `coalesce_timeout`, 10 s | the handler is asked |
    //! | waiting for the slowest reader of a shared body that is not kept | 30 s | that reader is cut off |
    //! | a shared body that stands still | 30 s | newcomers fetch anew |
    //! | keys remembered as uncacheable | 10,000 | the least used are forgotten |
    //! | background refreshes at once | 1024 | stale answers are given without one |
    //! | lookups driven on after their request gave up | 64 | cancelled |
    //! | fields named by `Vary` | 16 | not stored |
    //! | `Vary` sets remembered for a key | 4 | the oldest is forgotten |
}

pub mod security {
    //! Why nobody gets another user's response.
    //!
    //! - **Credentials.** A request with `Authorization`, `Proxy-Authorization`, `Cookie` or
    //!   `X-Api-Key` is answered by its handler, and the answer is not stored, unless the
    //!   response says `public` or `s-maxage`, or the field is part of the key. The list is
    //!   settable: [`Credentials`](crate::Credentials).
    //! - **Keys.** The whole key is compared on every hit, in memory and from Redis; hashes only
    //!   find it. A part of a request that a handler reads and that is neither in the key nor
    //!   in `Vary` is the handler's to declare: a header that no standard knows, the scheme
    //!   behind a proxy ([`KeyRules::header`](crate::KeyRules::header) with
    //!   `x-forwarded-proto`), the tenant ([`KeyRules::with`](crate::KeyRules::with)).
    //! - **Percent-encoding.** `/a%37` and `/a7` are two keys, though a router may read both
    //!   alike: a purge of one leaves the other. Refuse what is needlessly encoded where that
    //!   matters.
    //! - **Rewritten requests.** The key holds the original path; where a middleware changed
    //!   it, the changed one too.
    //! - **Hostile fields.** What cannot be parsed makes nothing storable that was not, and
    //!   stale what was fresh.
    //! - **Redis** is trusted to hold what was stored: keep it on an internal network, with a
    //!   password. An envelope that is damaged, foreign or of another layout is a miss. Bodies
    //!   are stored as they are; encryption is not part of this version.
    //! - **Logs** hold no query, cookie or token; no error and no `Debug` output shows a
    //!   password.
}

pub mod outages {
    //! How long a request waits for Redis, what answers while it is away, and stale answers
    //! while a handler fails.
    //!
    //! # States
    //!
    //! | state | when | who answers | a request waits for Redis |
    //! |---|---|---|---|
    //! | `redis` | the circuit breaker is closed | entries that Redis confirms | at most `soft_limit` (50 ms) for a lookup, then the handler is asked |
    //! | `redis`, failing | until `circuit_breaker_threshold` (5) operations in a row have failed | handlers; nothing is stored | the same `soft_limit` |
    //! | `fallback` | the breaker is open | the local tier, marked `detail=fallback`; else handlers, whose answers are kept in local memory | not at all |
    //! | `local` | no Redis is configured | the local tier | not at all |
    //!
    //! [`Cache::stats`](crate::Cache::stats) tells the state, since when and why. An operation
    //! itself may take `socket_timeout` (5 s): that is when one that hangs counts as failed, while
    //! the request that asked has long gone on. One in 60 s (`circuit_breaker_timeout`) is tried
    //! in an open breaker; a background check, with back-off of at most 5 s, finds out sooner that
    //! Redis answers again, and lets one operation through at once. With `retry_on_timeout` a
    //! lookup that timed out is tried once more if the soft limit still allows it.
    //!
    //! A refused connection, a reset or garbled stream, a timeout, a server that is loading or
    //! without its master, and a wrong password count as failures. A command that the server
    //! refuses (full memory, missing rights) does not: it is a miss and no more.
    //!
    //! # Measured
    //!
    //! `cargo test --release --test outages -- --nocapture --test-threads=1`: HTTP requests over
    //! loopback, all answers checked; a handler that answers at once, `socket_timeout` 500 ms,
    //! else defaults; two shared cores, 2026-11-25.
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
    //! While Redis is left alone no purge of another instance can be heard of. So an entry stands
    //! in for at most `fallback_staleness` (60 s) after Redis last told of purges, and only if
    //! nothing was purged between its own last confirmation and then. What is fetched in an outage
    //! stands in for the same time from when its handler was called; it is never written to Redis,
    //! and is gone from the first lookup that Redis answers again. Purges of this process count at
    //! once, and reach the others when Redis is back. With `fallback_staleness` zero the local
    //! tier never stands in.
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
    //! | window | when | what happens |
    //! |---|---|---|
    //! | `stale-while-revalidate` | the lifetime has passed by less | the stale answer at once; one background task runs the handler with the original request, its conditions left out, to the end of the body, at most 60 s until its head |
    //! | `stale-if-error` | the handler fails, or says 500, 502, 503 or 504 | the stale answer in its place; who waited for the same fetch gets it too |
    //!
    //! A window is what the response's `Cache-Control` says, else the layer nearest to the handler,
    //! else the route, the class, the builder; by default zero. Neither is used for what must be
    //! revalidated (`must-revalidate`, `proxy-revalidate`, `no-cache`; with `s-maxage` only a
    //! window of the response's own), and neither past a purge: before a stale answer goes out in
    //! place of a failure it is confirmed once more. `Cache-Status` says `ttl=-12`, and
    //! `detail=stale-while-revalidate` or `fwd=stale; fwd-status=503; detail=stale-if-error`.
}

pub mod promises {
    //! What is promised, and under which condition.
    //!
    //! | promise | if | bound |
    //! |---|---|---|
    //! | a Redis hit is never older than an [`Applied`](crate::Purged::Applied) purge, on any instance | no acknowledged write lost by Redis | 0 |
    //! | the same on the purging instance, be the purge applied or queued | | 0 |
    //! | a late fill is never served | the handler reads current data: purge after commit, no replica lag | 0, for ever |
    //! | losing the record of purges | | misses only |
    //! | a [`Queued`](crate::Purged::Queued) purge, other instances | the purger lives | until Redis takes it |
    //! | one handler run for a key and instance | the leader answers within `coalesce_timeout`, no purge meanwhile | 1, else best effort |
    //! | freshness | | the skew of the instances' clocks |
    //! | an answer while Redis is left alone | its own freshness | `fallback_staleness` behind the purges of other instances |
    //! | a Redis that is refused, killed or hangs | | each request waits at most `soft_limit`, and is answered; once the breaker is open it waits not at all |
    //! | a stale answer | its window | never past a purge that this instance or Redis knows of |
    //!
    //! A purge is a stamp on one record in Redis, whatever it covers, and every hit is judged
    //! against that record in the round trip that finds it. What a handler brings bears the
    //! stamp read before it ran; so a handler that read old data and answers late stores
    //! nothing that anybody would be given.
    //!
    //! Without Redis the same holds within one process; instances then know nothing of each
    //! other's purges.
}
