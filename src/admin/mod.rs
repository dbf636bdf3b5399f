//! [`Cache::admin_router`]: what the cache does, seen and changed over HTTP.
//!
//! The endpoints are in the guide, chapter [`operating`](crate::guide::operating).

mod auth;
mod dashboard;
mod explain;
mod figures;
mod keys;
mod problem;
mod purge;
mod query;
mod record;
mod routes;
mod stream;

use crate::cache::Cache;
use auth::Guard;
use axum::Router;
use axum::routing::{get, post};
use prometheus_client::registry::Registry;
use record::ServerInfo;
use std::sync::Arc;
use stream::Places;

/// What the handlers share.
struct Admin {
    cache: Cache,
    guard: Guard,
    registry: Registry,
    /// Of streams that show counts alone, and of those that show keys and tags: who has no token
    /// cannot take the places of who has.
    places: [Places; 2],
    server: ServerInfo,
}

type Shared = axum::extract::State<Arc<Admin>>;

impl Cache {
    /// The admin endpoints: statistics, health, metrics, purging, explaining. Merge them *after*
    /// the layer, so that they are never cached:
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use neuralblitz_cache::{CacheConfig, CacheLayer};
    ///
    /// let config = CacheConfig::builder().admin_token("a long secret of your own").build()?;
    /// let layer = CacheLayer::new(config);
    /// let cache = layer.cache();
    /// let app: Router = Router::new()
    ///     .route("/api/v1/capabilities", get(|| async { "slow to compute" }))
    ///     .layer(layer)
    ///     .merge(cache.admin_router());
    /// # Ok::<(), neuralblitz_cache::ConfigError>(())
    /// ```
    ///
    /// What changes something, or shows keys, tags or bodies, asks for the token of
    /// [`admin_token`](crate::CacheConfigBuilder::admin_token) as `Authorization: Bearer`. The rest
    /// is open to whoever reaches it: figures, names of routes, no URI; and the dashboard at
    /// `/cache/dashboard`, which shows keys and tags to who has entered the token there.
    pub fn admin_router(&self) -> Router {
        let admin = Arc::new(Admin {
            cache: self.clone(),
            guard: Guard::new(self.inner.config.admin_token()),
            registry: self.metrics(),
            places: Default::default(),
            server: ServerInfo::default(),
        });
        let guarded = Router::new()
            .route("/cache/clear", post(purge::clear))
            .route("/cache/purge", post(purge::purge))
            .route(
                "/cache/explain",
                get(explain::explain).post(explain::explain),
            )
            .route("/cache/entry", get(keys::entry))
            .route("/metrics/cache/keys", get(keys::keys))
            .route_layer(axum::middleware::from_fn_with_state(
                admin.clone(),
                auth::guard,
            ));
        Router::new()
            .route("/cache/stats", get(routes::stats))
            .route("/cache/health", get(routes::health))
            .route("/cache/dashboard", get(dashboard::page))
            .route("/cache/stream", get(stream::stream))
            .route("/metrics", get(routes::metrics))
            .route("/metrics/cache", get(routes::performance))
            .route("/metrics/cache/hit-rate", get(routes::hit_rate))
            .merge(guarded)
            .method_not_allowed_fallback(problem::method_not_allowed)
            .with_state(admin)
    }
}
