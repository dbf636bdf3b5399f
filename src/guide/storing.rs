//! Which responses are stored, and for how long.
//!
//! # Requests
//!
//! | request | what happens |
//! |---|---|
//! | GET | looked up, joined to a fetch under way, stored |
//! | GET with `Range` or `If-Range` | one range of a stored 200 is answered with 206 or 416, several with the whole; what is not stored goes to the handler as it is, and joins nobody; with [`store_parts`](crate::CacheConfigBuilder::store_parts) a 206 is stored, together with other parts that have the same strong validator |
//! | HEAD | answered from a stored GET; else passed on, never stored |
//! | OPTIONS, TRACE, PROPFIND, REPORT, SEARCH; GET with content, `Upgrade`, `If-Match`, `If-Unmodified-Since` | passed on untouched |
//! | all other methods | passed on; a 2xx or 3xx purges the URI ([`purging`](super::purging)) |
//! | two `Host` fields, or `Host` and `:authority` that differ | passed on untouched |
//! | with credentials | only what is marked `public` or `s-maxage` is looked up and stored |
//! | `Cache-Control: no-store` | looked up, not stored |
//! | `only-if-cached` | answered from the store or with 504 |
//! | `no-cache`, `max-age`, `min-fresh`, `max-stale`, `stale-if-error`, `Pragma` | ignored, unless [`ClientDirectives::Obey`](crate::ClientDirectives::Obey) |
//!
//! What may be stored is asked for whole: the handler gets the request without its `If-None-Match`
//! and `If-Modified-Since`, and the layer answers the condition itself.
//!
//! # Responses that are never stored
//!
//! `no-store` (but see `must-understand` in [`rfc`](super::rfc)), `private` (with field names
//! too), `Set-Cookie` unless [`store_set_cookie`](crate::CacheConfigBuilder::store_set_cookie),
//! `Vary: *`, a `Cache-Control` that is malformed, status 304, event streams, bodies past
//! `max_body`, with trailers, or shorter or longer than `Content-Length`, more than 64 tags or one
//! of more than 256 bytes; without `store_parts` status 206 and whatever has a `Content-Range`. A
//! response that breaks off is never a hit.
//! What a handler made while it was itself given something old (a stale answer, or one that stood
//! in for Redis) is not stored either: it would bear a stamp that is newer than its contents.
//!
//! # Lifetime
//!
//! The first that applies:
//!
//! 1. the [`CacheTtl`](crate::CacheTtl) response extension
//! 2. `override_ttl` of the layer nearest to the handler, else of the route
//! 3. `s-maxage`, `max-age`, `Expires` of the response, less its age; `no-cache`: none
//! 4. with [`heuristics`](crate::CacheConfigBuilder::heuristics), a tenth of the time since its
//!    `Last-Modified`, less its age, at most a day
//! 5. `.ttl()` of the layer nearest to the handler
//! 6. the `ttl` of the configured route
//! 7. the TTL of the class; without one that of `api_response` (900 s)
//!
//! 2 and 5 to 7 are for statuses 200, 203 and 204; 4 for those that RFC 9110 §15.1 names, 206
//! aside, and any other that says `public`. 1 and 3 are for every final status but 206 and 304.
//! [`targeted`](crate::CacheConfigBuilder::targeted) names fields (`CDN-Cache-Control`, RFC 9213)
//! of which the first that is there and valid takes the place of `Cache-Control` and `Expires`; it
//! is passed on to the client.
//!
//! Past its lifetime a response is served only within its stale windows
//! ([`outages`](super::outages)), where a request accepts it (`max-stale`, if obeyed), or after it
//! has been validated.
//!
//! # Validation
//!
//! With [`validation`](crate::CacheConfigBuilder::validation) a response that has an `ETag` or
//! `Last-Modified` of the handler's own is kept for a day past its lifetime, or for its stale
//! window where that is longer. The handler is then asked with `If-None-Match` and
//! `If-Modified-Since`. A 304 makes the stored response fresh again, its fields brought up to date
//! and its tags kept; any other answer goes out, and takes its place if it may be stored. A HEAD
//! that goes to the handler does the same: it makes what is stored fresh, or, where it describes
//! another content, purges it softly. What says `no-cache` or `max-age=0`, and has one, is stored
//! too, and validated each time. A client whose own condition holds gets a 304 from here.
//! `Cache-Status` then has `fwd-status=304`. Without the setting a stale response is fetched anew.
//!
//! # Variants
//!
//! A response with `Vary` has one entry for each set of values of the fields it names. Requests
//! whose `Accept-Encoding` means the same (order, blanks, case, lines, `x-gzip`) share one, as
//! long as every coding in it is known.
//! [`normalise_languages`](crate::CacheConfigBuilder::normalise_languages) does the same for
//! `Accept-Language`, [`normalise_lists`](crate::CacheConfigBuilder::normalise_lists) joins the
//! lines and drops the blanks of every other field; both are off, because a handler may tell such
//! requests apart.
//!
//! # Limits
//!
//! | limit | value | past it |
//! |---|---|---|
//! | body | `max_body`, 2 MiB | passes through, not stored |
//! | local tier | `local_bytes`, 64 MiB | the least used go |
//! | tags of a response | 64, of 256 bytes each | not stored, and a line in the log |
//! | writes waiting for Redis | `write_queue`, 1024, and `local_bytes` | dropped and counted |
//! | purges waiting for Redis | 4096 scopes, 64 patterns | everything is purged |
//! | patterns kept (prefixes and globs) | 128 | all that is as old as the oldest is purged |
//! | one pattern | 1 KiB | refused |
//! | record of purges | 16 bytes a cell, `stamp_cells` 65,536: 1 MiB in Redis, and twice that in each process | scopes that share a cell are purged together |
//! | waiting for Redis, a lookup | `soft_limit`, 50 ms | the handler is asked |
//! | waiting for Redis, a purge | 1 s | it is queued |
//! | waiting for another request's fetch | `coalesce_timeout`, 10 s | the handler is asked |
//! | waiting for another instance's fetch, where there is a `lease` | what is left of it, within `coalesce_timeout` | the next takes the lease; then each for itself |
//! | waiting for the slowest reader of a shared body that is not kept | 30 s | that reader is cut off |
//! | a shared body that stands still | 30 s | newcomers fetch anew |
//! | keys remembered as uncacheable | 10,000 | the least used are forgotten |
//! | background refreshes at once | 1024 | stale answers are given without one |
//! | lookups driven on after their request gave up | 64 | cancelled |
//! | fields named by `Vary` | 16 | not stored |
//! | `Vary` sets remembered for a key | 4 | the oldest is forgotten |
//! | variants of one key, by one instance | 64 | the oldest goes, from Redis too |
//! | items of a list that is brought to one spelling | 32 | left as it is |
//! | lines of `Location` and of `Content-Location` that a write purges by | 8 each | not looked at |
