//! What is asked for when a cache is warmed, and who may administer it.

use super::{CacheConfig, CacheConfigBuilder};
use http::uri::Authority;
use http::{HeaderName, HeaderValue, Method, Uri};
use secrecy::SecretString;
use std::time::Duration;

/// A request that is asked before anybody asks it: see [`Warmup`](crate::Warmup).
///
/// ```
/// use neuralblitz_cache::{CacheConfig, WarmRequest};
/// use http::{HeaderValue, Uri, header};
///
/// let request = WarmRequest::get(Uri::from_static("/api/v1/capabilities"))
///     .header(header::ACCEPT, HeaderValue::from_static("application/json"));
/// let cfg = CacheConfig::builder().warm(request).build()?;
/// # let _ = cfg;
/// # Ok::<(), neuralblitz_cache::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct WarmRequest {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) priority: i32,
}

/// Whether and how the cache is warmed.
#[derive(Clone, Debug)]
pub(crate) struct Warming {
    pub(crate) enabled: bool,
    pub(crate) batch_size: usize,
    pub(crate) concurrency: usize,
    pub(crate) timeout: Duration,
    /// Of requests that name none.
    pub(crate) authority: Option<Authority>,
    pub(crate) requests: Vec<WarmRequest>,
}

impl Default for Warming {
    fn default() -> Self {
        Self {
            enabled: true,
            batch_size: 100,
            concurrency: 5,
            timeout: Duration::from_mins(1),
            authority: None,
            requests: Vec::new(),
        }
    }
}

impl WarmRequest {
    /// A GET of this URI. The authority is part of the key, unless
    /// [`KeyRules::ignore_authority`](crate::KeyRules::ignore_authority) leaves it out: a request
    /// warms what clients ask for only if it names the host that they name. What has none in its
    /// URI, and no `Host` among its fields, has that of
    /// [`warm_authority`](CacheConfigBuilder::warm_authority).
    #[must_use]
    pub fn get(uri: Uri) -> Self {
        Self {
            method: Method::GET,
            uri,
            headers: Vec::new(),
            priority: 0,
        }
    }

    /// What is higher is asked for first. Default: 0.
    #[must_use]
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Another method. Default: GET.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// Adds a field. Mark its value as sensitive if no output is to show it. Default: none.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl CacheConfig {
    /// The bearer token of who may administer the cache.
    pub(crate) fn admin_token(&self) -> Option<&SecretString> {
        self.admin_token.as_ref()
    }
}

impl CacheConfigBuilder {
    /// Whether [`Warmup::start`](crate::Warmup::start) warms. Default: true.
    pub fn warmup_enabled(mut self, enabled: bool) -> Self {
        self.config.warming.enabled = enabled;
        self
    }

    /// How many requests and loaders one batch of warming holds; the next one begins when all of
    /// it has ended. Default: 100.
    pub fn warmup_batch_size(mut self, items: usize) -> Self {
        self.config.warming.batch_size = items;
        self
    }

    /// How many requests and loaders of warming are under way at once. Default: 5.
    pub fn warmup_concurrency(mut self, items: usize) -> Self {
        self.config.warming.concurrency = items;
        self
    }

    /// Adds a request that [`Warmup::configured`](crate::Warmup::configured) replays. Default:
    /// none.
    pub fn warm(mut self, request: WarmRequest) -> Self {
        self.config.warming.requests.push(request);
        self
    }

    /// The authority of requests of warming that name none: the host that clients name, with the
    /// port if they name that. Default: none, which is the key of a request without `Host`.
    pub fn warm_authority(mut self, authority: Authority) -> Self {
        self.config.warming.authority = Some(authority);
        self
    }

    /// How long a warming may take, at most a day; what is left then is skipped. Default: 60 s.
    pub fn warm_timeout(mut self, limit: Duration) -> Self {
        self.config.warming.timeout = limit;
        self
    }

    /// The bearer token of who may administer the cache, at least one byte. Default: none, nobody
    /// may. No error and no `Debug` output shows it.
    pub fn admin_token(mut self, token: impl Into<SecretString>) -> Self {
        self.config.admin_token = Some(token.into());
        self
    }
}
