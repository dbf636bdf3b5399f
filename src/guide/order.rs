//! The order of layers: what happens with each of those that people put around a cache, outside it
//! and inside it.
//!
//! *Outside* is nearer to the client: a hit passes it. *Inside* is nearer to the handler: no hit comes
//! there. A fetch in the background begins at the cache, and passes what is inside alone. What a layer
//! inside adds to a response is stored and sent to everybody; what one outside adds belongs to one
//! answer.
//!
//! `Router::layer` names the innermost first, `tower::ServiceBuilder` the outermost: both of these
//! put CORS outside the cache and compression inside.
//!
//! ```
//! use axum::{Router, routing::get};
//! use neuralblitz_cache::{CacheConfig, CacheLayer};
//! use tower::ServiceBuilder;
//! use tower_http::{compression::CompressionLayer, cors::CorsLayer};
//!
//! async fn capabilities() -> &'static str { "all" }
//!
//! let cache = CacheLayer::new(CacheConfig::default());
//! let one: Router = Router::new()
//!     .route("/api/v1/capabilities", get(capabilities))
//!     .layer(CompressionLayer::new())
//!     .layer(cache.clone())
//!     .layer(CorsLayer::permissive());
//! let other: Router = Router::new()
//!     .route("/api/v1/capabilities", get(capabilities))
//!     .layer(
//!         ServiceBuilder::new()
//!             .layer(CorsLayer::permissive())
//!             .layer(cache)
//!             .layer(CompressionLayer::new()),
//!     );
//! # let _ = (one, other);
//! ```
//!
//! From the outside in: request ids and tracing, what catches panics, limits that are there to
//! protect from clients, CORS, authentication, sessions, **the cache**, compression, timeouts, what
//! catches panics once more, limits that are there to protect the handler.
//!
//! # One by one
//!
//! Shown with tower's and tower-http's layers in `tests/layer_order.rs` and `tests/layer_order_work.rs`,
//! permits and rewritten paths in `tests/placements.rs`.
//!
//! | layer | outside the cache | inside the cache |
//! |---|---|---|
//! | authentication | **yes**: every request is let in or not, and a right that is taken away counts at once | **no**: what is stored is answered without it (below) |
//! | sessions, `Set-Cookie` | **yes**: the cookie is added to what is stored | nothing that has `Set-Cookie` is stored |
//! | CORS | **yes**: one entry, and its fields for each origin | a variant for each `Origin`, by `Vary`; where `Vary: Origin` is switched off, one origin gets the fields of another, and its browser refuses the answer |
//! | request ids | **yes**: each answer has its own | the id of the request that ran the handler is stored, and sent with every hit |
//! | tracing, access logs | sees each request, and not what is fetched in the background | sees the runs of the handler: both places are of use |
//! | compression | one entry for all codings, compressed at every hit; two codings with one strong `ETag` (below) | **yes**: compressed once for each coding, by `Vary: Accept-Encoding` |
//! | a timeout | ends the wait of one client, before a stale answer can stand in | **yes**, with 504 or 503: `stale_if_error` has its answer. With 408 nothing stands in: that is no failure of the server (RFC 5861 §4) |
//! | what catches panics | 500 | **yes**: 500, for which a stale answer may stand in |
//! | rate limits, load shedding | hits count, and are refused | **to protect the handler**: only what runs it counts |
//! | concurrency limits | hits wait for a permit | **yes**: a hit waits for none, and keeps none |
//! | limits of request bodies | the same in both: 413 purges nothing | |
//! | what rewrites paths | what it made is in the key | the key is the original: what the new path depends on beside it (a field), the response must name in `Vary` |
//!
//! Preflights (`OPTIONS`) pass the cache in both orders. A body that the handler has encoded itself
//! is left alone by a compressing layer, in both orders; the handler must send
//! `Vary: Accept-Encoding` then.
//!
//! # Authentication
//!
//! A cache outside authentication answers without it:
//!
//! ```
//! use axum::http::{Request, StatusCode};
//! use axum::{Router, body::Body, response::IntoResponse, routing::get};
//! use neuralblitz_cache::{CacheConfig, CacheLayer};
//! use tower::ServiceExt;
//! use tower_http::validate_request::ValidateRequestHeaderLayer;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let members = ValidateRequestHeaderLayer::custom(|request: &mut Request<Body>| {
//!     match request.headers().contains_key("x-session") {
//!         true => Ok(()),
//!         false => Err(StatusCode::UNAUTHORIZED.into_response()),
//!     }
//! });
//! let secret = || Router::new().route("/", get(|| async { "for members" }));
//! let layer = CacheLayer::new(CacheConfig::default());
//! let wrong = secret().layer(members.clone()).layer(layer.clone());
//! let right = secret().layer(layer).layer(members);
//!
//! let member = || Request::get("/").header("x-session", "alice").body(Body::empty());
//! let stranger = || Request::get("/").body(Body::empty());
//! for (app, status) in [(wrong, StatusCode::OK), (right, StatusCode::UNAUTHORIZED)] {
//!     let answer = app.clone().oneshot(member()?).await?;
//!     axum::body::to_bytes(answer.into_body(), 1024).await?;
//!     assert_eq!(app.oneshot(stranger()?).await?.status(), status);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The same happens where the check is of the client's address or certificate, and, whatever the
//! check is of, where the response says `public` or `s-maxage` (RFC 9111 §3.5): who puts that on an
//! answer says that everybody may have it. Safe are, the first of them above all:
//!
//! - **The cache inside.** Every request is checked. Whoever is let in shares what is stored, unless
//!   requests bear credentials: those are kept apart
//!   ([`security`](super::security)). Where the answer is the same for all who are let in,
//!   [`Credentials::ignore`](crate::Credentials::ignore) says so.
//! - **The field as a credential**, [`Credentials::field`](crate::Credentials::field): what the check
//!   reads is on the list (`Authorization`, `Proxy-Authorization`, `Cookie` and `X-Api-Key` are).
//!   Nothing is looked up or stored then, but for what is marked for everybody.
//! - **The field in the key**, [`KeyRules::header`](crate::KeyRules::header): each value has entries
//!   of its own. They are answered without the check until they end: who has lost the right to them
//!   still gets them.
//!
//! # Compression
//!
//! `ETag` tells representations apart, codings included (RFC 9110 §8.8.3.3). Where compression is
//! outside, the tag that the cache makes, or a handler's strong one, goes out with both: a client that
//! goes on with half of a compressed body by `Range` and `If-Range` is given bytes of the other. Put
//! compression inside, or switch the tag off: [`etag(false)`](crate::CacheConfigBuilder::etag).
//! Inside it costs entries: one for each coding that clients ask for.
//!
//! # Which `layer`
//!
//! | | caches | |
//! |---|---|---|
//! | `Router::layer` | all routes that were added before it, and the fallback | what is added or merged after it is not behind it, and has no `Cache-Status` |
//! | `Router::route_layer` | all routes that were added before it | what matches none is not the cache's business |
//! | `MethodRouter::layer` | the methods that were added before it | `get(h).layer(l).post(w)`: the write is not behind the layer, and purges nothing. `get(h).post(w).layer(l)`: it does |
//!
//! `Router::layer` puts a layer around each route by itself: a rate limit so added is one for each of
//! them. A limit of all routes, and what rewrites paths, goes around the router: inside `Router::layer`
//! the route has been chosen already. Several layers of one cache may be nested:
//! [`CacheLayer`](crate::CacheLayer).
