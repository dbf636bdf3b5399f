//! The user's guide: what is stored, who gets it, and what is promised.
//!
//! - [`migrating`]: putting the layer on an existing app, and where in the stack
//! - [`storing`]: which responses are stored, and for how long
//! - [`security`]: why nobody gets another user's response
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
    //! when the response itself says for how long (1 or 3). No stale entry is served, and none
    //! is revalidated, in this version.
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
    //! | a Redis that is refused, killed or hangs | | each request waits at most `soft_limit`, and is answered |
    //!
    //! A purge is a stamp on one record in Redis, whatever it covers, and every hit is judged
    //! against that record in the round trip that finds it. What a handler brings bears the
    //! stamp read before it ran; so a handler that read old data and answers late stores
    //! nothing that anybody would be given.
    //!
    //! Without Redis the same holds within one process; instances then know nothing of each
    //! other's purges.
}
