//! [`CacheConfigBuilder`].

use super::{
    CacheConfig, CircuitBreaker, Classes, EventRule, EventRules, Limits, RedisConfig, Route,
    Routes, Warming,
};
use crate::error::{ConfigError, ConfigErrorKind};
use crate::fences::Fences;
use crate::key::KeyRules;
use crate::policy::normal::Normal;
use crate::policy::rules::Rules;
use crate::policy::{ClientDirectives, Credentials};
use http::HeaderName;
use std::num::NonZeroUsize;
use std::time::Duration;

/// Makes a [`CacheConfig`]. Setters take any value; [`build`](Self::build) checks them.
#[derive(Clone, Debug)]
#[must_use]
pub struct CacheConfigBuilder {
    pub(super) config: CacheConfig,
    pub(super) routes: Vec<Route>,
    pub(super) event_rules: Vec<EventRule>,
    url_error: Option<ConfigErrorKind>,
}

impl Default for CacheConfigBuilder {
    fn default() -> Self {
        Self {
            config: CacheConfig {
                redis: None,
                namespace: "nb".into(),
                version: String::new(),
                classes: Classes::default(),
                local_bytes: 64 << 20,
                max_body: 2 << 20,
                soft_limit: Duration::from_millis(50),
                breaker: CircuitBreaker {
                    enabled: true,
                    threshold: 5,
                    timeout: Duration::from_mins(1),
                },
                fallback_staleness: Duration::from_mins(1),
                coalesce_timeout: Duration::from_secs(10),
                lease: Duration::ZERO,
                hit_for_miss: Duration::from_mins(1),
                write_queue: NonZeroUsize::new(1024).unwrap_or(NonZeroUsize::MIN),
                limits: Limits::default(),
                stamp_cells: 65_536,
                etag: true,
                fences: Fences::default(),
                rules: Rules::default(),
                targeted: Vec::new(),
                normal: Normal::default(),
                invalidate: true,
                strip_tags: false,
                status_key: false,
                tag_bubbling: true,
                near_cache: false,
                coherence_bound: Duration::from_secs(1),
                sweep_interval: Some(Duration::from_mins(1)),
                client_directives: ClientDirectives::default(),
                key: KeyRules::default(),
                credentials: Credentials::default(),
                routes: Routes::default(),
                event_rules: EventRules::default(),
                warming: Warming::default(),
                admin_token: None,
            },
            routes: Vec::new(),
            event_rules: Vec::new(),
            url_error: None,
        }
    }
}

impl CacheConfigBuilder {
    /// Uses Redis. Default: none, local memory only.
    pub fn redis(mut self, redis: RedisConfig) -> Self {
        self.config.redis = Some(redis);
        self
    }

    /// Uses the Redis at a URL; see [`RedisConfig::from_url`].
    pub fn redis_url(mut self, url: &str) -> Self {
        match RedisConfig::from_url(url) {
            Ok(redis) => self.config.redis = Some(redis),
            Err(error) => self.url_error = Some(error.kind().clone()),
        }
        self
    }

    /// What all keys in Redis begin with: letters, digits, `-`, `_`, `.` and `:`. Default: `nb`.
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

    /// Whether a failing Redis is left alone for a while. Without it every request of an outage
    /// in which Redis hangs waits the [`soft_limit`](Self::soft_limit), and the local tier
    /// never stands in. Default: true.
    pub fn circuit_breaker_enabled(mut self, enabled: bool) -> Self {
        self.config.breaker.enabled = enabled;
        self
    }

    /// After how many failures in a row Redis is left alone, one or more. Default: 5.
    pub fn circuit_breaker_threshold(mut self, failures: u32) -> Self {
        self.config.breaker.threshold = failures;
        self
    }

    /// For how long Redis is left alone until one request tries it again; sooner if the
    /// background check finds that it answers. Default: 60 s.
    pub fn circuit_breaker_timeout(mut self, timeout: Duration) -> Self {
        self.config.breaker.timeout = timeout;
        self
    }

    /// How far an answer of the local tier may be behind the purges of other instances while
    /// Redis is left alone. Default: 60 s; zero: the local tier never stands in.
    pub fn fallback_staleness(mut self, limit: Duration) -> Self {
        self.config.fallback_staleness = limit;
        self
    }

    /// Bytes of the local tier: keys, heads and bodies; more than zero. Default: 64 MiB.
    pub fn local_bytes(mut self, bytes: usize) -> Self {
        self.config.local_bytes = bytes;
        self
    }

    /// Bytes of the largest body that is stored, less than 4 GiB. Larger ones pass through.
    /// Default: 2 MiB.
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.config.max_body = bytes;
        self
    }

    /// How long a request waits for Redis before it goes to the handler; more than zero. Default:
    /// 50 ms.
    pub fn soft_limit(mut self, limit: Duration) -> Self {
        self.config.soft_limit = limit;
        self
    }

    /// How long a request waits for another that fetches the same; more than zero. Default: 10 s.
    pub fn coalesce_timeout(mut self, timeout: Duration) -> Self {
        self.config.coalesce_timeout = timeout;
        self
    }

    /// Whether one instance fetches for all: before it runs the handler it takes a lease in Redis,
    /// for so long, and the others wait for what comes of it, at most
    /// [`coalesce_timeout`](Self::coalesce_timeout). It should be longer than the handler takes: a
    /// handler that takes longer runs on another instance too. An instance that dies costs those
    /// who wait what is left of its lease. Nothing rests on it but the number of runs; without
    /// Redis it means nothing. At most an hour. Default: zero, each instance fetches for itself.
    pub fn lease(mut self, time: Duration) -> Self {
        self.config.lease = time;
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

    /// Cells of the record of purges, 16 bytes each. Scopes that share a cell are purged
    /// together. A record that exists keeps its size. Default: 65,536; 64 to 2^20.
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

    /// Whether a response that does not say for how long it is fresh is so for a tenth of the time
    /// since its `Last-Modified` (RFC 9111 §4.2.2), at most a day; before any TTL that is set.
    /// Default: false.
    pub fn heuristics(mut self, guess: bool) -> Self {
        self.config.rules.heuristic = guess;
        self
    }

    /// Whether a stale response that has an `ETag` or `Last-Modified` is kept and validated
    /// (RFC 9111 §4.3): the handler is asked with `If-None-Match` or `If-Modified-Since`, and
    /// a 304 makes the stored response fresh again. For handlers that answer such requests.
    /// Default: false.
    pub fn validation(mut self, validate: bool) -> Self {
        self.config.rules.store_for_validation = validate;
        self
    }

    /// Whether `must-revalidate` lets responses to requests with credentials be stored, as
    /// `public` and `s-maxage` do (RFC 9111 §3.5). Default: false.
    pub fn must_revalidate_shares(mut self, shares: bool) -> Self {
        self.config.rules.must_revalidate_shares = shares;
        self
    }

    /// Whether responses with `Set-Cookie` are stored, and the cookie sent to everybody. Only for
    /// a proxy whose origins are known to mean that. Default: false.
    pub fn store_set_cookie(mut self, store: bool) -> Self {
        self.config.rules.set_cookie = store;
        self
    }

    /// Whether a 206 that says for how long it is fresh is stored, and answers requests for what it
    /// holds (RFC 9111 §3.3); and a 200 with `Content-Range`, which means nothing there (RFC 9110
    /// §14.4). Parts that touch and have the same strong validator are stored as one, and as a 200
    /// once they are the whole (§3.4). Default: false.
    pub fn store_parts(mut self, store: bool) -> Self {
        self.config.rules.parts = store;
        self
    }

    /// Whether the answer to a POST that says for how long it is fresh, and in `Content-Location`
    /// that it is of the very URI, answers GET too (RFC 9110 §9.3.3): not if anything was purged, by
    /// whomever, while it was made. With Redis each POST costs one more question, and one whose answer
    /// is stored another. Default: false.
    pub fn post_answers_get(mut self, answers: bool) -> Self {
        self.config.rules.posted = answers;
        self
    }

    /// The fields that take the place of `Cache-Control` and `Expires` for this cache
    /// (RFC 9213), the first that is there and valid; `CDN-Cache-Control`, say. Default: none.
    pub fn targeted<I: IntoIterator<Item = HeaderName>>(mut self, fields: I) -> Self {
        self.config.targeted = fields.into_iter().collect();
        self
    }

    /// Whether requests that spell one `Accept-Language` differently share a variant, as those
    /// do that spell one `Accept-Encoding` differently: order, blanks and case do not count then.
    /// Only where no handler takes the order of equal weights for a preference. Default: false.
    pub fn normalise_languages(mut self, normalise: bool) -> Self {
        self.config.normal.languages = normalise;
        self
    }

    /// Whether every other field that `Vary` names is read as a list, whose lines and blanks do
    /// not count. Only where handlers do not tell these apart. Default: false.
    pub fn normalise_lists(mut self, normalise: bool) -> Self {
        self.config.normal.lists = normalise;
        self
    }

    /// Whether a request with an unsafe method that succeeds purges its URI, and those that its
    /// `Location` and `Content-Location` name, on all instances before it is answered
    /// (RFC 9111 §4.4). Default: true.
    pub fn invalidate_on_write(mut self, invalidate: bool) -> Self {
        self.config.invalidate = invalidate;
        self
    }

    /// Whether `Cache-Tag` and `Surrogate-Key` are taken out of responses. Default: false.
    pub fn strip_tags(mut self, strip: bool) -> Self {
        self.config.strip_tags = strip;
        self
    }

    /// Whether `Cache-Status` names the key of what it speaks of: authority, path and query
    /// (RFC 9211 §2.7). Default: false.
    pub fn cache_status_key(mut self, name: bool) -> Self {
        self.config.status_key = name;
        self
    }

    /// Whether what purges the result of a cached function, a tag above all, purges the responses
    /// and results made of it too. What is made from something stale is not stored either way.
    /// Default: true.
    pub fn tag_bubbling(mut self, bubble: bool) -> Self {
        self.config.tag_bubbling = bubble;
        self
    }

    /// Whether the local tier answers without asking Redis, as long as purges of other
    /// instances are heard of. Such an answer may be older than a purge by as long as word of it
    /// takes, at most by [`coherence_bound`](Self::coherence_bound). Default: false: every hit is
    /// confirmed by Redis.
    pub fn near_cache(mut self, near: bool) -> Self {
        self.config.near_cache = near;
        self
    }

    /// How long the local tier is trusted after Redis was last heard of, counted from when it
    /// was asked; it is asked three times as often. Only for [`near_cache`](Self::near_cache). At
    /// least 30 ms. Default: 1 s.
    pub fn coherence_bound(mut self, bound: Duration) -> Self {
        self.config.coherence_bound = bound;
        self
    }

    /// How often, at most, the memory of purged entries in Redis is given back, counted from a
    /// purge: all keys of the namespace are gone through then, with pauses. `None`: never; they
    /// expire. Default: 60 s.
    pub fn sweep_interval(mut self, interval: Option<Duration>) -> Self {
        self.config.sweep_interval = interval;
        self
    }

    /// Whether requests may make the cache work harder, by `no-cache`, `max-age` and the like.
    /// Default: they may not.
    pub fn client_directives(mut self, rule: ClientDirectives) -> Self {
        self.config.client_directives = rule;
        self
    }

    /// Which parts of a request make its key. Default: authority, path and query.
    pub fn key(mut self, rules: KeyRules) -> Self {
        self.config.key = rules;
        self
    }

    /// Which request fields say who is asking. Default: `Authorization`, `Proxy-Authorization`,
    /// `Cookie` and `X-Api-Key`.
    pub fn credentials(mut self, rule: Credentials) -> Self {
        self.config.credentials = rule;
        self
    }

    /// Adds settings for a path pattern, `/quantum/{id}` or `/files/{*rest}`. One that cannot be read,
    /// or means the same as another's, is refused.
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
        let bad_pattern =
            |index| ConfigError::new("routes", ConfigErrorKind::BadPattern).of_item(index);
        let routes = Routes::new(self.routes).map_err(bad_pattern)?;
        Ok(CacheConfig {
            routes,
            event_rules: EventRules::new(self.event_rules)?,
            ..self.config
        })
    }

    /// The defaults, which need no check.
    pub(super) fn into_default(self) -> CacheConfig {
        self.config
    }
}
