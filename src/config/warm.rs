//! What is asked for when a cache is warmed, and who may administer it.

use super::{CacheConfig, CacheConfigBuilder};
use http::{HeaderName, HeaderValue, Method, Uri};
use secrecy::SecretString;

/// A request that warms the cache at start. Read, and not used yet.
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
#[allow(dead_code, reason = "kept for warming, which does not read them yet")]
pub struct WarmRequest {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

impl WarmRequest {
    /// A GET of this URI: a path, or with an authority where that is part of the key.
    #[must_use]
    pub fn get(uri: Uri) -> Self {
        Self {
            method: Method::GET,
            uri,
            headers: Vec::new(),
        }
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
    /// Whether the cache is warmed at start. Default: true. Read, and not used yet.
    pub fn warmup_enabled(mut self, enabled: bool) -> Self {
        self.warmup.enabled = enabled;
        self
    }

    /// How many requests one batch of warming holds. Default: 100. Read, and not used yet.
    pub fn warmup_batch_size(mut self, requests: usize) -> Self {
        self.warmup.batch_size = requests;
        self
    }

    /// How many requests are warmed at once. Default: 5. Read, and not used yet.
    pub fn warmup_concurrency(mut self, requests: usize) -> Self {
        self.warmup.concurrency = requests;
        self
    }

    /// Adds a request that warms the cache. Default: none. Read, and not used yet.
    pub fn warm(mut self, request: WarmRequest) -> Self {
        self.config.warm.push(request);
        self
    }

    /// The bearer token of who may administer the cache, at least one byte. Default: none, nobody
    /// may. No error and no `Debug` output shows it.
    pub fn admin_token(mut self, token: impl Into<SecretString>) -> Self {
        self.config.admin_token = Some(token.into());
        self
    }
}
