//! Settings: [`CacheConfig`] and its builder.

mod builder;
mod check;
mod classes;
mod event_rules;
#[cfg(feature = "yaml")]
pub(crate) mod file;
mod lifetimes;
mod limits;
mod reach;
mod redis;
mod redis_url;
mod route;
mod template;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "tls_off.rs"]
mod tls;
mod warm;

pub use builder::CacheConfigBuilder;
pub(crate) use classes::{Classes, Stale};
pub use event_rules::EventRule;
pub(crate) use event_rules::{EventRules, Target, Templated};
pub(crate) use limits::Limits;
#[cfg_attr(
    not(feature = "redis"),
    allow(unused_imports, reason = "for Redis alone")
)]
pub(crate) use reach::{Node, Sentinels, Topology};
pub use redis::RedisConfig;
pub use route::Route;
pub(crate) use route::RouteRules;
pub(crate) use route::Routes;
pub use warm::WarmRequest;
pub(crate) use warm::Warming;

use crate::fences::Fences;
use crate::key::KeyRules;
use crate::policy::normal::Normal;
use crate::policy::rules::Rules;
use crate::policy::{ClientDirectives, Credentials};
use http::HeaderName;
use secrecy::SecretString;
use std::num::{NonZeroU32, NonZeroUsize};
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
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own"
)]
pub struct CacheConfig {
    pub(crate) redis: Option<RedisConfig>,
    pub(crate) namespace: String,
    pub(crate) version: String,
    pub(crate) classes: Classes,
    pub(crate) local_bytes: usize,
    pub(crate) max_body: usize,
    pub(crate) soft_limit: Duration,
    pub(crate) breaker: CircuitBreaker,
    pub(crate) fallback_staleness: Duration,
    pub(crate) coalesce_timeout: Duration,
    pub(crate) lease: Duration,
    pub(crate) hit_for_miss: Duration,
    pub(crate) write_queue: NonZeroUsize,
    pub(crate) limits: Limits,
    pub(crate) stamp_cells: usize,
    pub(crate) etag: bool,
    pub(crate) fences: Fences,
    /// What is done of all that RFC 9111 leaves open.
    pub(crate) rules: Rules,
    /// Fields that speak to this cache in the place of `Cache-Control`, the first first.
    pub(crate) targeted: Vec<HeaderName>,
    /// Which spellings of request fields are one.
    pub(crate) normal: Normal,
    /// Whether unsafe methods invalidate.
    pub(crate) invalidate: bool,
    pub(crate) strip_tags: bool,
    /// Whether `Cache-Status` names keys.
    pub(crate) status_key: bool,
    /// Whether what purges a result purges what was made of it.
    pub(crate) tag_bubbling: bool,
    pub(crate) near_cache: bool,
    pub(crate) coherence_bound: Duration,
    pub(crate) sweep_interval: Option<Duration>,
    pub(crate) client_directives: ClientDirectives,
    pub(crate) key: KeyRules,
    pub(crate) credentials: Credentials,
    pub(crate) routes: Routes,
    pub(crate) event_rules: EventRules,
    pub(crate) warming: Warming,
    pub(crate) admin_token: Option<SecretString>,
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

/// When a failing Redis is left alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CircuitBreaker {
    pub(crate) enabled: bool,
    pub(crate) threshold: u32,
    pub(crate) timeout: Duration,
}

impl CircuitBreaker {
    /// Failures in a row that open it; `None`: it is switched off.
    #[cfg_attr(not(feature = "redis"), allow(dead_code, reason = "for Redis alone"))]
    pub(crate) fn threshold(&self) -> Option<NonZeroU32> {
        NonZeroU32::new(self.threshold).filter(|_| self.enabled)
    }
}
