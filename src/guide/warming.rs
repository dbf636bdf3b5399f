//! Warming: fetching what will be asked for before anybody asks.
//!
//! After a start, or after a purge of everything, the first client of each page waits for the
//! handler. A warming asks in their place: it replays requests through the app, layer and all, and
//! runs loaders that call cached functions.
//!
//! ```
//! use axum::{Router, body::Body, routing::get};
//! use neuralblitz_cache::{CacheConfig, CacheLayer, function};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let cfg = CacheConfig::default();
//! let layer = CacheLayer::new(cfg);
//! let cache = layer.cache();
//! let app = Router::new().route("/feed", get(|| async { "news" })).layer(layer);
//!
//! cache
//!     .warmup()
//!     .through::<Body, _>(app.clone())
//!     .configured()
//!     .load("squares", || async {
//!         for n in 0..10 {
//!             function("square").call(&n, || async move { n * n }).await;
//!         }
//!         Ok::<_, std::io::Error>(())
//!     })
//!     .start();
//! // axum::serve(listener, app).await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`start`](crate::Warmup::start) warms in the background and keeps nobody waiting, if
//! `warmup_enabled` says so; [`run`](crate::Warmup::run) warms on demand, after a purge say, and
//! tells what it came to.
//!
//! # What is asked for
//!
//! | | |
//! |---|---|
//! | `configured` | the requests of the settings, `CACHE.warm` |
//! | `replay` | any list of [`WarmRequest`](crate::WarmRequest)s |
//! | `replay_file` | a file: a request a line, or a list in YAML as `CACHE.warm` is |
//! | `replay_from` | what a closure says when the warming begins: rows of a database, say |
//! | `hottest` | what clients of the previous run asked for most |
//! | `load` | a loader: whatever calls cached functions, or sets values |
//!
//! ```yaml
//! CACHE:
//!   warm_authority: api.example.com
//!   warm:
//!     - uri: /api/v1/capabilities
//!       priority: 1
//!     - uri: /api/v1/feed?page=1
//!       headers: { accept-language: de }
//! ```
//!
//! # What clients of the previous run asked for
//!
//! ```
//! # use axum::{Router, body::Body};
//! # use neuralblitz_cache::{CacheConfig, CacheLayer};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # let layer = CacheLayer::new(CacheConfig::default());
//! # let cache = layer.cache();
//! # let app: Router = Router::new().layer(layer);
//! cache.warmup().through::<Body, _>(app.clone()).configured().hottest(50).start();
//! # }
//! ```
//!
//! Each instance knows what has the most hits ([`Cache::hottest_keys`](crate::Cache::hottest_keys)).
//! Where `warmup_enabled` says so it keeps the first hundred in Redis, together with those of the
//! other instances: under `nb:{c}:hottest`, once a minute and at
//! [`shutdown`](crate::Cache::shutdown), for a week. Hits of ten minutes ago count for half.
//!
//! What stands there is the host, the path and the query, as in the entries themselves: a query that
//! holds a secret is in Redis, and is in no log. Of the request's fields only those of content
//! negotiation (`Accept`, `Accept-Charset`, `Accept-Encoding`, `Accept-Language`) are written down;
//! what `Vary` selected by any other, or has more in its key than its URI, is not, so that nothing
//! there says who was asking. Nor is what a class keeps out of Redis (`local_only`). Where a path itself
//! is a secret, set `warmup_enabled` to false: then nothing is kept.
//!
//! # The host is part of the key
//!
//! Clients send `Host: api.example.com`, and what they are answered is stored under that name. A
//! request of warming that names no host, or another one, warms what nobody asks for. It takes its
//! host from its `Host` field, else from its URI (`http://api.example.com/feed`), else from
//! `warm_authority` ([`Warmup::authority`](crate::Warmup::authority) for one warming): the name as
//! clients write it, with the port if they write that. Where the key
//! [leaves the authority out](crate::KeyRules::ignore_authority), none is needed. One line in the log
//! warns of requests that name none.
//!
//! # What is promised
//!
//! - A request of warming is one like any other: what may not be stored is not, and credentials are
//!   sent only if they are among its `headers`, with the same rule for what comes back.
//! - A purge wins: what was fetched before it is not served after it, as with any fetch.
//! - What is warm is a hit, and its handler does not run. A loader runs; the functions that it calls
//!   do not.
//! - Of instances that share a Redis one fetches a key, and the others wait for it, at most for
//!   `coalesce_timeout`, and find it there, as with a [`lease`](crate::CacheConfigBuilder::lease) of
//!   `item_timeout`; a loader is left to the instance that runs it at the time, and run by another if
//!   that one fails or is gone. What a class keeps out of Redis each fetches for itself.
//!   Nothing rests on that but how often handlers run; without Redis each warms for itself.
//! - A handler that fails, panics or hangs (longer than `item_timeout`, 10 s) is counted and logged,
//!   by its path and without its query, and the others are warmed. Past `warm_timeout` (60 s) the
//!   rest is skipped.
//!
//! # How far it is
//!
//! [`Stats::warmed`](crate::Stats::warmed), `warmup` in `/cache/stats`, lines of the log (INFO when
//! it begins and ends, WARN for what fails), and whoever is told by
//! [`on_progress`](crate::Warmup::on_progress). The metrics are `neuralblitz_cache_warmup_duration_seconds`,
//! a histogram of whole warmings, and `neuralblitz_cache_warmup_items_total` by `outcome`: `warmed`,
//! `left-alone`, `unstored`, `failed`, `skipped`.
//!
//! An answer counts as stored or found by its `Cache-Status`; where a layer outside of this one takes
//! that field out, all count as unstored, and are warm all the same.
