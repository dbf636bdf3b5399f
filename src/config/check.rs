//! Whether settings can be used.

use super::{CacheConfigBuilder, Route};
use crate::error::{ConfigError, ConfigErrorKind};
use secrecy::ExposeSecret;
use std::time::Duration;

impl CacheConfigBuilder {
    pub(super) fn check_sizes(&self) -> Result<(), ConfigError> {
        const MAX_CELLS: usize = 1 << 20;
        const LONGEST_LEASE: Duration = Duration::from_hours(1);
        let config = &self.config;
        let checks = [
            (
                "admin_token",
                (config.admin_token.as_ref()).is_none_or(|t| !t.expose_secret().is_empty()),
                "a token, and not empty",
            ),
            ("local_bytes", config.local_bytes > 0, "more than zero"),
            (
                "max_body",
                u32::try_from(config.max_body).is_ok(),
                "less than 4 GiB",
            ),
            ("soft_limit", !config.soft_limit.is_zero(), "more than zero"),
            (
                "coherence_bound",
                config.coherence_bound >= Duration::from_millis(30),
                "30 ms or more",
            ),
            (
                "coalesce_timeout",
                !config.coalesce_timeout.is_zero(),
                "more than zero",
            ),
            ("lease", config.lease <= LONGEST_LEASE, "at most an hour"),
            (
                "stamp_cells",
                (64..=MAX_CELLS).contains(&config.stamp_cells),
                "64 to 1048576",
            ),
            (
                "circuit_breaker_threshold",
                config.breaker.threshold > 0,
                "more than zero",
            ),
            (
                "circuit_breaker_timeout",
                !config.breaker.timeout.is_zero(),
                "more than zero",
            ),
        ];
        hold(checks)?;
        self.check_warming()
    }

    fn check_warming(&self) -> Result<(), ConfigError> {
        let warming = &self.config.warming;
        let more = "more than zero";
        hold([
            ("warmup_batch_size", warming.batch_size > 0, more),
            ("warmup_concurrency", warming.concurrency > 0, more),
            ("warm_timeout", !warming.timeout.is_zero(), more),
        ])
    }

    pub(super) fn check_names(&self) -> Result<(), ConfigError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
        let namespace = &self.config.namespace;
        if namespace.is_empty() || !namespace.bytes().all(plain) {
            let kind = ConfigErrorKind::Malformed("letters, digits and any of - _ . :");
            return Err(ConfigError::new("namespace", kind));
        }
        let known = |class: &String| self.config.classes.is_known(class);
        let of_class = |route: &Route| route.rules.class.as_ref().is_some_and(|c| !known(c));
        match self.routes.iter().position(of_class) {
            None => Ok(()),
            Some(index) => {
                Err(ConfigError::new("routes", ConfigErrorKind::UnknownClass).of_item(index))
            }
        }
    }
}

/// The first setting that is out of its range.
fn hold<const N: usize>(
    checks: [(&'static str, bool, &'static str); N],
) -> Result<(), ConfigError> {
    match checks.into_iter().find(|(_, holds, _)| !holds) {
        Some((setting, _, range)) => {
            let kind = ConfigErrorKind::OutOfRange(range);
            Err(ConfigError::new(setting, kind))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CacheConfig, RedisConfig};
    use super::*;

    #[test]
    fn defaults_are_those_of_the_specification() {
        let config = CacheConfig::default();
        assert!(config.redis.is_none());
        let ttl = |class| config.classes.ttl(class).as_secs();
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
        let warming = &config.warming;
        assert!(warming.enabled && config.breaker.enabled);
        assert_eq!((warming.batch_size, warming.concurrency), (100, 5));
        assert_eq!(config.breaker.threshold, 5);
        assert_eq!(config.breaker.timeout, Duration::from_mins(1));
        assert_eq!(config.fallback_staleness, Duration::from_mins(1));
        let stale = config.classes.stale(None);
        assert!(stale.while_revalidate.is_none() && stale.if_error.is_none());
        assert_eq!((config.local_bytes, config.max_body), (64 << 20, 2 << 20));
    }

    fn refused(builder: CacheConfigBuilder) -> &'static str {
        builder.build().expect_err("refused").setting()
    }

    #[test]
    fn a_setting_that_cannot_be_used_is_named() {
        let new = CacheConfig::builder;
        assert_eq!(refused(new().local_bytes(0)), "local_bytes");
        assert_eq!(refused(new().max_body(usize::MAX)), "max_body");
        assert_eq!(refused(new().soft_limit(Duration::ZERO)), "soft_limit");
        assert_eq!(
            refused(new().coalesce_timeout(Duration::ZERO)),
            "coalesce_timeout"
        );
        assert_eq!(refused(new().stamp_cells(3)), "stamp_cells");
        assert_eq!(refused(new().stamp_cells((1 << 20) + 1)), "stamp_cells");
        assert_eq!(refused(new().admin_token("")), "admin_token");
        assert_eq!(refused(new().namespace("a b")), "namespace");
        assert_eq!(refused(new().namespace("")), "namespace");
        assert_eq!(refused(new().warmup_batch_size(0)), "warmup_batch_size");
        assert_eq!(refused(new().warmup_concurrency(0)), "warmup_concurrency");
        assert_eq!(refused(new().warm_timeout(Duration::ZERO)), "warm_timeout");
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
        let redis = RedisConfig::new().host("");
        assert_eq!(refused(new().redis(redis)), "host");
    }

    #[test]
    fn debug_output_shows_no_password() {
        let config = CacheConfig::builder()
            .redis_url("redis://u:geheim@h")
            .admin_token("geheim")
            .build();
        let config = config.expect("usable");
        let token = config.admin_token().expect("one");
        assert_eq!(token.expose_secret(), "geheim");
        assert!(!format!("{config:?}").contains("geheim"));
    }
}
