//! How long to store: TTLs by kind of data, and how to see whether one is good.
//!
//! A TTL bounds how old an answer may be that nobody purges. Where every change is purged
//! ([`purging`](super::purging)) it can be long, and is there for the change that is forgotten;
//! where nothing is, it is the age that users have to live with. Which TTL goes before which is in
//! [`storing`](super::storing), and stale windows (RFC 5861) are in [`outages`](super::outages).
//!
//! # By kind of data
//!
//! | data | class | TTL, by default | because | beside it |
//! |---|---|---|---|---|
//! | what a release can do, templates | `capabilities` | 3600 s (`default_ttl`) | it changes with a release, which sets a new `version` | `stale_if_error` of a day: old is better than none |
//! | what somebody configures by hand | `partner_config` | 3600 s (`default_ttl`) | it changes seldom, by a write that purges | a tag for each partner |
//! | results of slow models | `multi_reality` | 600 s | it changes moderately | `stale_while_revalidate` of a minute: nobody waits for a run |
//! | states | `quantum_state` | 300 s | it changes rapidly, and tells of it | a tag for each state, purged by its event ([`EventRule`](crate::EventRule)) |
//! | what is asked for all the time | `consciousness` | 180 s | a short TTL costs one run in three minutes | `stale_while_revalidate`, and a `lease` where instances are many and runs are dear |
//! | a response of which nothing is known | `api_response` | 900 s | it is in nobody's way for longer | a class of its own, once you know it |
//! | lists, searches | one of yours | 30 to 300 s | each write changes some of them, and nobody knows which | a tag for all of them, purged softly, and `stale_while_revalidate` |
//! | what belongs to one person, who is in the key | one of yours | 60 s or less | nobody purges it when a right ends | `max_ttl`, `local_only` (below) |
//! | money, rights, one-time tokens | none | 0: [`CacheTtl`](crate::CacheTtl) of zero, or `no-store` | a stale one does harm | |
//!
//! The classes that are named have these defaults, settable by name. A class of your own is named by
//! [`class_ttl`](crate::CacheConfigBuilder::class_ttl), and a route with one that nothing names is
//! refused; one without a TTL has `default_ttl`. A class reaches a response by [`Route::class`](crate::Route::class), by
//! [`CacheLayer::class`](crate::CacheLayer::class), or, for functions, by their prefix.
//!
//! ```
//! use neuralblitz_cache::{CacheConfig, Route};
//! use std::time::Duration;
//!
//! let minutes = |n: u64| Duration::from_secs(60 * n);
//! let cfg = CacheConfig::builder()
//!     .class_stale_if_error("capabilities", minutes(24 * 60))
//!     .class_stale_while_revalidate("multi_reality", minutes(1))
//!     .class_stale_while_revalidate("consciousness", minutes(1))
//!     .class_ttl("search", minutes(2))
//!     .class_stale_while_revalidate("search", minutes(2))
//!     .route(Route::new("/api/v1/search").class("search").tags(["lists"]))
//!     .build()?;
//! # let _ = cfg;
//! # Ok::<(), neuralblitz_cache::ConfigError>(())
//! ```
//!
//! # Sensitive data
//!
//! `max_ttl` is for the day when somebody further in says more: it caps the handler's own
//! `Cache-Control` and [`CacheTtl`](crate::CacheTtl), layers, routes, and stale windows.
//! `local_only` keeps a class out of Redis, and so out of its memory, its snapshots and its network.
//! Here the handler says an hour, and is heard for half a minute:
//!
//! ```
//! use axum::{Extension, Router, body::Body, http::Request, routing::get};
//! use neuralblitz_cache::{CacheConfig, CacheLayer, CacheTtl, Route};
//! use std::time::Duration;
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cfg = CacheConfig::builder()
//!     .class_ttl("personal", Duration::from_secs(30))
//!     .class_max_ttl("personal", Duration::from_secs(30))
//!     .class_local_only("personal", true)
//!     .route(Route::new("/me").class("personal"))
//!     .build()?;
//! let hour = || async { (Extension(CacheTtl(Duration::from_secs(3600))), "yours") };
//! let app = Router::new().route("/me", get(hour)).layer(CacheLayer::new(cfg));
//! let ask = || Request::get("/me").body(Body::empty());
//! let first = app.clone().oneshot(ask()?).await?;
//! axum::body::to_bytes(first.into_body(), 1024).await?;
//! let hit = app.oneshot(ask()?).await?;
//! let status = hit.headers()["cache-status"].to_str()?;
//! assert!(["; hit; ttl=30", "; hit; ttl=29"].iter().any(|said| status.ends_with(said)));
//! # Ok(())
//! # }
//! ```
//!
//! # Whether it is good
//!
//! A key that is asked for n times within its lifetime after the run that filled it gives n hits of
//! n + 1 answers. So a longer TTL is worth the more, the less a key is asked for: at 100 in a
//! lifetime twice as long makes of 99.0 % hits 99.5 %, at one of 50 % it makes 67 %.
//!
//! 1. **Hit rate by route**, of the last 1, 5 and 60 minutes:
//!
//!    ```text
//!    $ curl -s localhost:3000/metrics/cache/hit-rate | jq -c '.routes[].windows."5m"'
//!    {"hit_rate":0.5,"hits":1,"misses":1}
//!    ```
//!
//!    One that is low, though nobody purges (`neuralblitz_cache_purges_total`) and nothing is evicted
//!    (`neuralblitz_cache_evictions_total`), has a TTL that is too short for how often each key is
//!    asked for, or keys that are too many ([`troubleshooting`](super::troubleshooting)).
//! 2. **The age of hits**: their `Age` field, or `ttl` in `Cache-Status`, which is what is left; in
//!    an access log outside the cache. Hits that are all much younger than the TTL are of keys that are
//!    purged or evicted before: a longer one gains nothing.
//! 3. **Time of handlers saved**, `neuralblitz_cache_handler_saved_seconds_total` by route, per second:
//!    how many handlers would be busy for nothing. It goes before the hit rate: 50 % of a route of
//!    200 ms is worth more than 99 % of one of 1 ms.
//! 4. **What it costs**: how long after a change the old answer is seen. Count what users or tests
//!    report, and what the purges of a day take along; where that is none, the TTL may be longer.
//!
//! Change one class at a time and look at the window of 60 minutes: a new TTL is in force for what is
//! stored from then on.
