//! Putting the layer on an existing app.
//!
//! One layer around the router, and where a route wants a TTL of its own, another layer of the
//! same cache on that route. The outermost layer stores; what an inner one says of the lifetime is
//! handed outward.
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
//! # A cached function in it
//!
//! What several endpoints need, or what is slow in an endpoint that differs for each user, is cached
//! where it is computed ([`function`](mod@crate::function)): with the feature `macros`
//! `#[cache_result(prefix = "quantum_state")]` on an `async fn`, or by hand. A response that is
//! made of it is purged with it.
//!
//! ```
//! use axum::{Router, extract::Path, routing::get};
//! use neuralblitz_cache::{CacheConfig, CacheLayer, function};
//!
//! async fn quantum(Path(id): Path<u32>) -> String {
//!     let state = function("quantum_state").tags([format!("state:{id}")]);
//!     state.call(&id, || async move { format!("{id} superposed") }).await
//! }
//!
//! # fn main() -> Result<(), neuralblitz_cache::CacheError> {
//! let layer = CacheLayer::new(CacheConfig::default());
//! layer.cache().install()?;
//! let app: Router = Router::new().route("/api/v1/quantum/{id}", get(quantum)).layer(layer);
//! # let _ = app;
//! # Ok(())
//! # }
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
//! The authority is part of the key. Instances that are asked by their own address share entries
//! only with [`KeyRules::ignore_authority`](crate::KeyRules::ignore_authority).
//!
//! # Writes
//!
//! A POST, PUT, PATCH or DELETE that passes the outermost layer and succeeds purges its own URI
//! before its answer goes out; what else it changed is named by tags
//! ([`purging`](super::purging)). A handler that answers 2xx or 3xx to writes that changed nothing
//! purges all the same; [`invalidate_on_write`](crate::CacheConfigBuilder::invalidate_on_write)
//! switches that off.
//!
//! # A proxy
//!
//! `examples/proxy` is the layer in front of any HTTP/1.1 origin, with the settings a shared proxy
//! needs: the origin's lifetimes and guesses alone, validation, client directives obeyed, cookies
//! no credentials, no `ETag` of its own.
//!
//! ```text
//! cargo run --release --example proxy -- --listen 127.0.0.1:8080 --origin http://127.0.0.1:8000
//! ```
