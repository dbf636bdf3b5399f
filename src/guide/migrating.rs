//! Putting the cache on an existing endpoint.
//!
//! Before: each request computes.
//!
//! ```
//! use axum::{Router, extract::Path, routing::get};
//!
//! async fn quantum(Path(id): Path<u32>) -> String {
//!     format!("{id} superposed")
//! }
//!
//! let app: Router = Router::new().route("/api/v1/quantum/{id}", get(quantum));
//! # let _ = app;
//! ```
//!
//! There are two forms, which go together: a layer, which stores the response, and a cached function,
//! which stores a value that responses are made of.
//!
//! | | a layer | a cached function |
//! |---|---|---|
//! | for | an answer that is the same for all who ask with this URI, and these `Vary` fields | what several endpoints need, or the slow part of an answer that is not the same for all |
//! | the handler | does not run on a hit | runs each time, and is given the value |
//! | key | authority, path and query | name and arguments |
//! | client conditions, ranges, `Age`, `Cache-Status` | answered here | as the handler does it |
//! | requests with credentials | kept apart, unless the response says so | the arguments say whom the value is for |
//!
//! # By a layer
//!
//! One route: `get(h)` becomes `get(h).layer(cache.layer().ttl(..))`.
//!
//! ```
//! use axum::{Router, body::Body, extract::Path, http::Request, routing::get};
//! use neuralblitz_cache::{Cache, CacheConfig};
//! use std::time::Duration;
//! use tower::ServiceExt;
//!
//! async fn quantum(Path(id): Path<u32>) -> String {
//!     format!("{id} superposed")
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cache = Cache::new(CacheConfig::default());
//! let five_minutes = cache.layer().ttl(Duration::from_secs(300));
//! let app = Router::new().route("/api/v1/quantum/{id}", get(quantum).layer(five_minutes));
//!
//! for said in ["fwd=uri-miss; stored", "hit; ttl="] {
//!     let request = Request::get("/api/v1/quantum/7").body(Body::empty())?;
//!     let answer = app.clone().oneshot(request).await?;
//!     assert!(answer.headers()["cache-status"].to_str()?.contains(said));
//!     axum::body::to_bytes(answer.into_body(), 1024).await?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The whole app: one layer around the router, and where a route wants a TTL of its own, another
//! layer of the same cache on that route. The outermost layer stores; what an inner one says of the
//! lifetime is handed outward. The admin endpoints are merged after the layer.
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
//! # By a cached function
//!
//! The slow part moves into a function that is cached ([`function`](mod@crate::function)): with the
//! feature `macros` `#[cache_result(prefix = "quantum_state", ttl = 300)]` on an `async fn`, or by
//! hand as here. A response that is made of its result is purged with it.
//!
//! ```
//! use axum::{Router, body::Body, extract::Path, http::Request, routing::get};
//! use neuralblitz_cache::{Cache, CacheConfig, function};
//! use std::time::Duration;
//! use tower::ServiceExt;
//!
//! async fn quantum(Path(id): Path<u32>) -> String {
//!     let state = function("quantum_state")
//!         .ttl(Duration::from_secs(300))
//!         .tags([format!("state:{id}")]);
//!     state.call(&id, || async move { format!("{id} superposed") }).await
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cache = Cache::new(CacheConfig::default());
//! cache.install()?;
//! let app = Router::new().route("/api/v1/quantum/{id}", get(quantum));
//!
//! for _ in 0..2 {
//!     let request = Request::get("/api/v1/quantum/7").body(Body::empty())?;
//!     assert_eq!(app.clone().oneshot(request).await?.status(), 200);
//! }
//! assert_eq!((cache.stats().misses, cache.stats().local_hits), (1, 1));
//! let _ = cache.purge_tag("state:7").await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What to look at first
//!
//! 1. **Who may see the answer.** By default requests with `Authorization`, `Proxy-Authorization`,
//!    `Cookie` or `X-Api-Key` are kept apart. If your app knows its users by anything else, say so
//!    before anything else: [`security`](super::security).
//! 2. **Where the layer stands**: inside authentication, and for each other layer what
//!    [`order`](super::order) says.
//! 3. **What the answer depends on** beside authority, path and query: into `Vary`, or the key
//!    ([`KeyRules`](crate::KeyRules)).
//! 4. **How old it may be**: [`lifetimes`](super::lifetimes). A handler that sends `Cache-Control`
//!    has said it already, and is heard before `.ttl()`.
//! 5. **What changes it**: a write to the same URI purges it; for all else a tag, purged after the
//!    commit ([`purging`](super::purging)).
//! 6. Ask twice, and read `Cache-Status`: `fwd=uri-miss; stored`, then `hit`. If not,
//!    [`troubleshooting`](super::troubleshooting).
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
