//! Defaults, taken from the builder's. All settings are named here: one that is added there and
//! not in a section does not compile.

use super::sections::{CacheSection, CredentialsSection, Directives, KeySection, RedisSection};
use super::values::{FieldName, Secret, Size};
use crate::config::{
    API_RESPONSE, CacheConfig, CacheConfigBuilder, CircuitBreaker, Limits, RedisConfig, Warming,
};
use crate::policy::normal::Normal;
use crate::policy::rules::Rules;
use crate::policy::{ClientDirectives, Credentials};
use std::collections::BTreeMap;
use std::num::{NonZeroU16, NonZeroU32, NonZeroUsize};

impl Default for RedisSection {
    fn default() -> Self {
        #[rustfmt::skip]
        let RedisConfig {
            host, port, db, username, password, topology: _, tls, ca_file: _,
            client_certificate: _, sentinel_username, sentinel_password, max_connections,
            socket_timeout, socket_connect_timeout, retry_on_timeout, health_check_interval,
        } = RedisConfig::default();
        let builder = CacheConfigBuilder::default();
        let Warming {
            enabled: warmup_enabled,
            batch_size,
            concurrency,
            ..
        } = builder.config.warming;
        let CircuitBreaker {
            enabled: circuit_breaker_enabled,
            threshold,
            timeout: circuit_breaker_timeout,
        } = builder.config.breaker;
        let classes = &builder.config.classes;
        let ttl = |class| classes.ttl(Some(class)).into();
        Self {
            host,
            port: NonZeroU16::new(port).unwrap_or(NonZeroU16::MIN),
            db: u16::try_from(db).unwrap_or_default(),
            username,
            password: password.map(Secret),
            socket: None,
            cluster: None,
            sentinel: None,
            sentinel_master: None,
            sentinel_username,
            sentinel_password: sentinel_password.map(Secret),
            tls,
            ca_file: None,
            client_certificate: None,
            client_key: None,
            max_connections: NonZeroU32::new(max_connections).unwrap_or(NonZeroU32::MIN),
            socket_timeout: socket_timeout.into(),
            socket_connect_timeout: socket_connect_timeout.into(),
            retry_on_timeout,
            health_check_interval: health_check_interval.into(),
            default_ttl: classes.default_ttl.into(),
            quantum_state_ttl: ttl("quantum_state"),
            multi_reality_ttl: ttl("multi_reality"),
            consciousness_ttl: ttl("consciousness"),
            api_response_ttl: ttl(API_RESPONSE),
            warmup_enabled,
            warmup_batch_size: NonZeroUsize::new(batch_size).unwrap_or(NonZeroUsize::MIN),
            warmup_concurrency: NonZeroUsize::new(concurrency).unwrap_or(NonZeroUsize::MIN),
            circuit_breaker_enabled,
            circuit_breaker_threshold: NonZeroU32::new(threshold).unwrap_or(NonZeroU32::MIN),
            circuit_breaker_timeout: circuit_breaker_timeout.into(),
        }
    }
}

impl Default for CacheSection {
    fn default() -> Self {
        // Redis and its breaker have a section of their own; fences are for tests.
        #[rustfmt::skip]
        let CacheConfig {
            redis: _, breaker: _, fences: _, namespace, version, classes, local_bytes, max_body,
            soft_limit, fallback_staleness, coalesce_timeout, lease, hit_for_miss, write_queue,
            stamp_cells, etag, rules, targeted, normal, invalidate, strip_tags, status_key,
            tag_bubbling, near_cache, coherence_bound, sweep_interval, client_directives, key: _,
            credentials, routes: _, event_rules: _, warming, admin_token, limits,
        } = CacheConfigBuilder::default().into_default();
        #[rustfmt::skip]
        let Rules { heuristic, store_for_validation, must_revalidate_shares, set_cookie, parts, posted } = rules;
        #[rustfmt::skip]
        let Limits { fetches, pending_bytes, marks, purge_queue } = limits;
        let Normal { languages, lists } = normal;
        let stale = classes.stale(None);
        Self {
            heuristics: heuristic,
            validation: store_for_validation,
            store_set_cookie: set_cookie,
            store_parts: parts,
            post_answers_get: posted,
            normalise_languages: languages,
            normalise_lists: lists,
            invalidate_on_write: invalidate,
            local_bytes: Size(local_bytes),
            max_body: Size(max_body),
            coherence_bound: coherence_bound.into(),
            fallback_staleness: fallback_staleness.into(),
            soft_limit: soft_limit.into(),
            coalesce_timeout: coalesce_timeout.into(),
            lease: lease.into(),
            hit_for_miss: hit_for_miss.into(),
            sweep_interval: sweep_interval.map(Into::into),
            stale_while_revalidate: stale.while_revalidate.unwrap_or_default().into(),
            stale_if_error: stale.if_error.unwrap_or_default().into(),
            targeted: targeted.iter().map(FieldName::from).collect(),
            client_directives: client_directives.into(),
            credentials: (&credentials).into(),
            key: KeySection::default(),
            classes: BTreeMap::new(),
            routes: BTreeMap::new(),
            event_rules: Vec::new(),
            warm: Vec::new(),
            warm_authority: warming.authority.map(|authority| authority.to_string()),
            warm_timeout: warming.timeout.into(),
            admin_token: admin_token.map(Secret),
            namespace,
            version,
            write_queue,
            shared_fetches: fetches,
            pending_bytes: Size(pending_bytes),
            hit_for_miss_keys: marks,
            purge_queue,
            stamp_cells,
            etag,
            must_revalidate_shares,
            strip_tags,
            cache_status_key: status_key,
            tag_bubbling,
            near_cache,
        }
    }
}

impl Default for CredentialsSection {
    fn default() -> Self {
        (&Credentials::default()).into()
    }
}

impl From<&Credentials> for CredentialsSection {
    fn from(rule: &Credentials) -> Self {
        Self {
            fields: rule.fields().iter().map(FieldName::from).collect(),
            ignore_cookies: rule.ignored_cookies().to_vec(),
        }
    }
}

impl From<ClientDirectives> for Directives {
    fn from(rule: ClientDirectives) -> Self {
        match rule {
            ClientDirectives::Obey => Self::Obey,
            ClientDirectives::Ignore => Self::Ignore,
        }
    }
}
