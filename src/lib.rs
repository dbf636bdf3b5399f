//! A tower middleware that caches HTTP responses in Redis and in memory, safely, on many
//! instances at once.
//!
//! ```
//! use axum::{Router, body::Body, http::Request, routing::get};
//! use neuralblitz_cache::{CacheConfig, CacheLayer};
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let layer = CacheLayer::new(CacheConfig::default());
//! let app = Router::new()
//!     .route("/slow", get(|| async { "computed" }))
//!     .layer(layer);
//!
//! let ask = || Request::get("/slow").body(Body::empty());
//! let first = app.clone().oneshot(ask()?).await?;
//! assert_eq!(first.headers()["cache-status"], "neuralblitz-cache; fwd=uri-miss; stored");
//! axum::body::to_bytes(first.into_body(), 1024).await?;
//!
//! let second = app.oneshot(ask()?).await?;
//! let status = second.headers()["cache-status"].to_str()?;
//! assert!(status.starts_with("neuralblitz-cache; hit; ttl="));
//! # Ok(())
//! # }
//! ```
//!
//! The [`guide`] is for its users: begin with [`guide::migrating`], and with [`guide::security`] if
//! your app knows who is asking.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `redis` | yes | the shared tier |
//! | `axum` | yes | the original path inside `nest`; without it a layer inside a nest sees the stripped one, and two nests with equal inner paths would share entries |
//! | `metrics` | yes | what the cache counts, for Prometheus: `Cache::metrics`, `Cache::register_metrics` |
//! | `yaml` | yes | settings from a file and the environment: `CacheConfig::load`, `from_env` |
//! | `admin` | yes | `Cache::admin_router`: statistics, health, metrics, purging and explaining over HTTP; brings `axum` and `metrics` |
//! | `cluster` | | Redis Cluster |
//! | `sentinel` | | Redis whose master Sentinel names |
//! | `tls` | | encrypted connections to Redis, and to sentinels; rustls, with ring where the app has named no provider |
//! | `macros` | | `#[cache_result]` and its presets |
//! | `testing` | | entry points for fuzzing; no part of the interface |

#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(all(feature = "redis", feature = "admin")),
    allow(
        dead_code,
        unused_imports,
        reason = "only the shared tier, or the metrics, use it"
    )
)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(feature = "admin")]
mod admin;
mod breaker;
mod cache;
mod clock;
mod config;
mod entry;
mod error;
mod fences;
mod flight;
pub mod function;
pub mod guide;
mod http;
mod key;
#[cfg(feature = "metrics")]
mod metrics;
mod observe;
mod policy;
mod purge;
mod stamp;
#[cfg(test)]
mod stamp_model;
mod stats;
mod store;
mod sync;
mod taint;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod testing;
mod values;
mod warm;

pub use cache::Cache;
#[cfg(feature = "yaml")]
pub use config::file::{Origin, Setting, Settings, SettingsError, SettingsErrorKind};
pub use config::{CacheConfig, CacheConfigBuilder, EventRule, RedisConfig, Route, WarmRequest};
pub use error::{CacheError, CacheErrorKind, ConfigError, ConfigErrorKind, Fault};
pub use function::{CacheValue, Function, carry, function, get_cache, spawn};
pub use http::{
    BodyError, CacheBody, CacheLayer, CacheService, CacheTags, CacheTtl, PurgeTags, ResponseFuture,
};
pub use key::{KeyRules, RequestView};
#[cfg(feature = "macros")]
pub use neuralblitz_cache_macros::{
    cache_api_response, cache_consciousness_metrics, cache_multi_reality, cache_quantum_state,
    cache_result,
};
pub use observe::Warmed;
pub use policy::{ClientDirectives, Credentials};
pub use purge::{
    Emitted, EventContext, EventError, EventErrorKind, EventFailure, EventFailureKind,
    EventOutcome, Purge, Purged,
};
pub use stats::{BreakerState, HitRate, Mode, Stats};
pub use warm::{WarmFileError, WarmFileErrorKind, Warmup};
