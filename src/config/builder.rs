//! [`CacheConfigBuilder`].

use super::{API_RESPONSE, CacheConfig, ClassTtls, RedisConfig, Route, Routes};
use crate::error::{ConfigError, ConfigErrorKind};
use crate::key::KeyRules;
use crate::policy::{ClientDirectives, Credentials};
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::time::Duration;

/// Makes a [`CacheConfig`]. Setters take any value; [`build`](Self::build) checks them.
#[derive(Clone, Debug)]
#[must_use]
pub struct CacheConfigBuilder {
    config: CacheConfig,
    routes: Vec<Route>,
    url_error: Option<ConfigErrorKind>,
    warmup: Warmup,
    circuit_breaker: CircuitBreaker,
}

/// Read, and not used yet.
#[derive(Clone, Copy, Debug)]
struct Warmup {
    enabled: bool,
    batch_size: usize,
    concurrency: usize,
}

/// Read, and not used yet.
#[derive(Clone, Copy, Debug)]
struct CircuitBreaker {
    enabled: bool,
    threshold: u32,
    timeout: Duration,
}

impl Default for CacheConfigBuilder {
    fn default() -> Self {
        let classes = [
            ("capabilities", 3600),
            ("partner_config", 3600),
            ("quantum_state", 300),
            ("multi_reality", 600),
            ("consciousness", 180),
            (API_RESPONSE, 900),
        ];
        let ttls = ClassTtls {
            default: Duration::from_hours(1),
            classes: classes
                .into_iter()
                .map(|(class, secs)| (class.to_owned(), Duration::from_secs(secs)))
                .collect::<HashMap<_, _>>(),
        };
        Self {
            config: CacheConfig {
                redis: None,
                namespace: "nb".into(),
                version: String::new(),
                ttls,
                local_bytes: 64 << 20,
                max_body: 2 << 20,
                soft_limit: Duration::from_millis(50),
                coalesce_timeout: Duration::from_secs(10),
                hit_for_miss: Duration::from_mins(1),
                write_queue: NonZeroUsize::new(1024).unwrap_or(NonZeroUsize::MIN),
                stamp_cells: 65_536,
                etag: true,
                client_directives: ClientDirectives::default(),
                key: KeyRules::default(),
                credentials: Credentials::default(),
                routes: Routes::default(),
            },
            routes: Vec::new(),
            url_error: None,
            warmup: Warmup {
                enabled: true,
                batch_size: 100,
                concurrency: 5,
            },
            circuit_breaker: CircuitBreaker {
                enabled: true,
                threshold: 5,
                timeout: Duration::from_mins(1),
            },
        }
    }
}

impl CacheConfigBuilder {
    /// Uses Redis. Default: none, local memory only.
    pub fn redis(mut self, redis: RedisConfig) -> Self {
        self.config.redis = Some(redis);
        self
    }

    /// Uses the Redis at `redis://[[user]:password@]host[:port][/db]`.
    pub fn redis_url(mut self, url: &str) -> Self {
        match RedisConfig::from_url(url) {
            Ok(redis) => self.config.redis = Some(redis),
            Err(error) => self.url_error = Some(error.kind().clone()),
        }
        self
    }

    /// What all keys in Redis begin with. Default: `nb`.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.config.namespace = namespace.into();
        self
    }

    /// A salt of all keys: a release that sets a new one never reads what an older one
    /// stored. Purges reach both. Default: empty.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.config.version = version.into();
        self
    }

    /// The TTL of the classes `capabilities` and `partner_config`, and of those that have
    /// none. Default: 3600 s.
    pub fn default_ttl(mut self, ttl: Duration) -> Self {
        self.config.ttls.default = ttl;
        self.class_ttl("capabilities", ttl)
            .class_ttl("partner_config", ttl)
    }

    /// The TTL of the class `quantum_state`, which changes rapidly. Default: 300 s.
    pub fn quantum_state_ttl(self, ttl: Duration) -> Self {
        self.class_ttl("quantum_state", ttl)
    }

    /// The TTL of the class `multi_reality`, which changes moderately. Default: 600 s.
    pub fn multi_reality_ttl(self, ttl: Duration) -> Self {
        self.class_ttl("multi_reality", ttl)
    }

    /// The TTL of the class `consciousness`, which is asked for often. Default: 180 s.
    pub fn consciousness_ttl(self, ttl: Duration) -> Self {
        self.class_ttl("consciousness", ttl)
    }

    /// The TTL of a response without a class. Default: 900 s.
    pub fn api_response_ttl(self, ttl: Duration) -> Self {
        self.class_ttl(API_RESPONSE, ttl)
    }

    /// The TTL of any class.
    pub fn class_ttl(mut self, class: impl Into<String>, ttl: Duration) -> Self {
        self.config.ttls.classes.insert(class.into(), ttl);
        self
    }

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

    /// Whether a failing Redis is left alone for a while. Default: true. Read, and not used
    /// yet.
    pub fn circuit_breaker_enabled(mut self, enabled: bool) -> Self {
        self.circuit_breaker.enabled = enabled;
        self
    }

    /// After how many failures in a row. Default: 5. Read, and not used yet.
    pub fn circuit_breaker_threshold(mut self, failures: u32) -> Self {
        self.circuit_breaker.threshold = failures;
        self
    }

    /// For how long, until one trial. Default: 60 s. Read, and not used yet.
    pub fn circuit_breaker_timeout(mut self, timeout: Duration) -> Self {
        self.circuit_breaker.timeout = timeout;
        self
    }

    /// Bytes of the local tier: keys, heads and bodies. Default: 64 MiB.
    pub fn local_bytes(mut self, bytes: usize) -> Self {
        self.config.local_bytes = bytes;
        self
    }

    /// Bytes of the largest body that is stored. Larger ones pass through. Default: 2 MiB.
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.config.max_body = bytes;
        self
    }

    /// How long a request waits for Redis before it goes to the handler. Default: 50 ms.
    pub fn soft_limit(mut self, limit: Duration) -> Self {
        self.config.soft_limit = limit;
        self
    }

    /// How long a request waits for another that fetches the same. Default: 10 s.
    pub fn coalesce_timeout(mut self, timeout: Duration) -> Self {
        self.config.coalesce_timeout = timeout;
        self
    }

    /// For how long after an answer that could not be stored nobody waits for another
    /// request of the same key. Default: 60 s; zero: they always wait.
    pub fn hit_for_miss(mut self, time: Duration) -> Self {
        self.config.hit_for_miss = time;
        self
    }

    /// How many entries may wait to be written to Redis; more are dropped and counted. Their
    /// bytes are bounded by [`local_bytes`](Self::local_bytes). Default: 1024.
    pub fn write_queue(mut self, entries: NonZeroUsize) -> Self {
        self.config.write_queue = entries;
        self
    }

    /// Cells of the record of purges, 8 bytes each. Scopes that share a cell are purged
    /// together. A record that exists keeps its size. Default: 65,536; at most 2^20.
    pub fn stamp_cells(mut self, cells: usize) -> Self {
        self.config.stamp_cells = cells;
        self
    }

    /// Whether a stored response that has no `ETag` is given a strong one, made from its
    /// body. Default: true.
    pub fn etag(mut self, make: bool) -> Self {
        self.config.etag = make;
        self
    }

    /// Whether requests may make the cache work harder. Default: they may not.
    pub fn client_directives(mut self, rule: ClientDirectives) -> Self {
        self.config.client_directives = rule;
        self
    }

    /// Which parts of a request make its key. Default: authority, path and query.
    pub fn key(mut self, rules: KeyRules) -> Self {
        self.config.key = rules;
        self
    }

    /// Which request fields say who is asking.
    pub fn credentials(mut self, rule: Credentials) -> Self {
        self.config.credentials = rule;
        self
    }

    /// Adds settings for a path pattern.
    pub fn route(mut self, route: Route) -> Self {
        self.routes.push(route);
        self
    }

    /// Checks all settings.
    ///
    /// # Errors
    /// Names the first setting that cannot be used.
    pub fn build(self) -> Result<CacheConfig, ConfigError> {
        if let Some(kind) = self.url_error {
            return Err(ConfigError::new("url", kind));
        }
        if let Some(redis) = &self.config.redis {
            redis.check()?;
        }
        self.check_sizes()?;
        self.check_names()?;
        let routes = Routes::new(self.routes)
            .ok_or_else(|| ConfigError::new("routes", ConfigErrorKind::BadPattern))?;
        Ok(CacheConfig {
            routes,
            ..self.config
        })
    }

    /// The defaults, which need no check.
    pub(super) fn into_default(self) -> CacheConfig {
        self.config
    }

    fn check_sizes(&self) -> Result<(), ConfigError> {
        const MAX_CELLS: usize = 1 << 20;
        let config = &self.config;
        let checks = [
            ("local_bytes", config.local_bytes > 0, "more than zero"),
            (
                "max_body",
                u32::try_from(config.max_body).is_ok(),
                "less than 4 GiB",
            ),
            ("soft_limit", !config.soft_limit.is_zero(), "more than zero"),
            (
                "coalesce_timeout",
                !config.coalesce_timeout.is_zero(),
                "more than zero",
            ),
            (
                "stamp_cells",
                (64..=MAX_CELLS).contains(&config.stamp_cells),
                "64 to 1048576",
            ),
            (
                "warmup_batch_size",
                self.warmup.batch_size > 0,
                "more than zero",
            ),
            (
                "warmup_concurrency",
                self.warmup.concurrency > 0,
                "more than zero",
            ),
            (
                "circuit_breaker_threshold",
                self.circuit_breaker.threshold > 0,
                "more than zero",
            ),
            (
                "circuit_breaker_timeout",
                !self.circuit_breaker.timeout.is_zero(),
                "more than zero",
            ),
        ];
        match checks.into_iter().find(|(_, holds, _)| !holds) {
            Some((setting, _, range)) => Err(ConfigError::new(
                setting,
                ConfigErrorKind::OutOfRange(range),
            )),
            None => Ok(()),
        }
    }

    fn check_names(&self) -> Result<(), ConfigError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
        let namespace = &self.config.namespace;
        if namespace.is_empty() || !namespace.bytes().all(plain) {
            let kind = ConfigErrorKind::Malformed("letters, digits and any of - _ . :");
            return Err(ConfigError::new("namespace", kind));
        }
        let known = |class: &String| self.config.ttls.classes.contains_key(class);
        let mut classes = self
            .routes
            .iter()
            .filter_map(|route| route.rules.class.as_ref());
        match classes.all(known) {
            true => Ok(()),
            false => Err(ConfigError::new("routes", ConfigErrorKind::UnknownClass)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_the_specification() {
        let config = CacheConfig::default();
        assert!(config.redis.is_none());
        let ttl = |class| config.ttls.of(class).as_secs();
        assert_eq!(ttl(None), 900);
        assert_eq!(ttl(Some("capabilities")), 3600);
        assert_eq!(ttl(Some("partner_config")), 3600);
        assert_eq!(ttl(Some("quantum_state")), 300);
        assert_eq!(ttl(Some("multi_reality")), 600);
        assert_eq!(ttl(Some("consciousness")), 180);
        assert_eq!(ttl(Some("unheard of")), 3600);
        let redis = RedisConfig::default();
        assert_eq!((&*redis.host, redis.port, redis.db), ("redis", 6379, 0));
        assert_eq!(redis.max_connections, 50);
        assert_eq!(redis.socket_timeout, Duration::from_secs(5));
        assert_eq!(redis.socket_connect_timeout, Duration::from_secs(5));
        assert!(redis.retry_on_timeout && redis.password.is_none());
        assert_eq!(redis.health_check_interval, Duration::from_secs(30));
        let builder = CacheConfigBuilder::default();
        assert!(builder.warmup.enabled && builder.circuit_breaker.enabled);
        assert_eq!(
            (builder.warmup.batch_size, builder.warmup.concurrency),
            (100, 5)
        );
        assert_eq!(builder.circuit_breaker.threshold, 5);
        assert_eq!(builder.circuit_breaker.timeout, Duration::from_mins(1));
        assert_eq!((config.local_bytes, config.max_body), (64 << 20, 2 << 20));
    }

    fn refused(builder: CacheConfigBuilder) -> &'static str {
        builder.build().expect_err("refused").setting()
    }

    #[test]
    fn a_setting_that_cannot_be_used_is_named() {
        let new = CacheConfig::builder;
        let redis = RedisConfig::new;
        assert_eq!(refused(new().local_bytes(0)), "local_bytes");
        assert_eq!(refused(new().max_body(usize::MAX)), "max_body");
        assert_eq!(refused(new().soft_limit(Duration::ZERO)), "soft_limit");
        assert_eq!(
            refused(new().coalesce_timeout(Duration::ZERO)),
            "coalesce_timeout"
        );
        assert_eq!(refused(new().stamp_cells(3)), "stamp_cells");
        assert_eq!(refused(new().stamp_cells((1 << 20) + 1)), "stamp_cells");
        assert_eq!(refused(new().namespace("a b")), "namespace");
        assert_eq!(refused(new().namespace("")), "namespace");
        assert_eq!(refused(new().warmup_batch_size(0)), "warmup_batch_size");
        assert_eq!(refused(new().warmup_concurrency(0)), "warmup_concurrency");
        assert_eq!(
            refused(new().circuit_breaker_threshold(0)),
            "circuit_breaker_threshold"
        );
        assert_eq!(
            refused(new().circuit_breaker_timeout(Duration::ZERO)),
            "circuit_breaker_timeout"
        );
        assert_eq!(
            refused(new().route(Route::new("/{a").ttl(Duration::ZERO))),
            "routes"
        );
        assert_eq!(
            refused(new().route(Route::new("/a").class("unheard of"))),
            "routes"
        );
        let twice = new().route(Route::new("/{a}")).route(Route::new("/{b}"));
        assert_eq!(refused(twice), "routes");
        assert_eq!(refused(new().redis_url("redis://:geheim@")), "url");
        assert_eq!(refused(new().redis(redis().host(""))), "host");
        assert_eq!(refused(new().redis(redis().port(0))), "port");
        let zero = Duration::ZERO;
        assert_eq!(
            refused(new().redis(redis().socket_timeout(zero))),
            "socket_timeout"
        );
        assert_eq!(
            refused(new().redis(redis().socket_connect_timeout(zero))),
            "socket_connect_timeout"
        );
        assert_eq!(
            refused(new().redis(redis().health_check_interval(zero))),
            "health_check_interval"
        );
    }

    #[test]
    fn debug_output_shows_no_password() {
        let config = CacheConfig::builder()
            .redis_url("redis://u:geheim@h")
            .build();
        let config = config.expect("usable");
        assert!(!format!("{config:?}").contains("geheim"));
    }
}
