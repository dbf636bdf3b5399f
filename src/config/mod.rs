//! Settings: [`CacheConfig`] and its builder.

mod builder;
mod redis;
mod route;

pub use builder::CacheConfigBuilder;
pub use redis::RedisConfig;
pub use route::Route;
pub(crate) use route::Routes;

use crate::key::KeyRules;
use crate::policy::{ClientDirectives, Credentials};
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::time::Duration;

/// The class of a response that names none.
pub(crate) const API_RESPONSE: &str = "api_response";

/// All settings, checked. The default is local memory only.
///
/// ```
/// use neuralblitz_cache::{CacheConfig, Route};
/// use std::time::Duration;
///
/// let cfg = CacheConfig::builder()
///     .redis_url("redis://127.0.0.1:6379/0")
///     .route(Route::new("/api/v1/reality/{id}").class("multi_reality"))
///     .route(Route::new("/internal/{*rest}").bypass())
///     .api_response_ttl(Duration::from_secs(60))
///     .build()?;
/// # let _ = cfg;
/// # Ok::<(), neuralblitz_cache::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct CacheConfig {
    pub(crate) redis: Option<RedisConfig>,
    pub(crate) namespace: String,
    pub(crate) version: String,
    pub(crate) ttls: ClassTtls,
    pub(crate) local_bytes: usize,
    pub(crate) max_body: usize,
    pub(crate) soft_limit: Duration,
    pub(crate) coalesce_timeout: Duration,
    pub(crate) hit_for_miss: Duration,
    pub(crate) write_queue: NonZeroUsize,
    pub(crate) stamp_cells: usize,
    pub(crate) etag: bool,
    pub(crate) client_directives: ClientDirectives,
    pub(crate) key: KeyRules,
    pub(crate) credentials: Credentials,
    pub(crate) routes: Routes,
}

impl CacheConfig {
    /// A builder with every setting at its default.
    pub fn builder() -> CacheConfigBuilder {
        CacheConfigBuilder::default()
    }
}

impl Default for CacheConfig {
    fn default() -> Self {
        CacheConfigBuilder::default().into_default()
    }
}

/// TTLs by class.
#[derive(Clone, Debug)]
pub(crate) struct ClassTtls {
    pub(crate) default: Duration,
    pub(crate) classes: HashMap<String, Duration>,
}

impl ClassTtls {
    /// The TTL of `class`; of one that has none, the default.
    pub(crate) fn of(&self, class: Option<&str>) -> Duration {
        let class = class.unwrap_or(API_RESPONSE);
        self.classes.get(class).copied().unwrap_or(self.default)
    }
}
