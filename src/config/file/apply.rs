//! From what is written to the builder. Each section is taken apart whole: what is added to one
//! and not used here does not compile.

use super::place::{Step, Wrong};
use super::sections::{
    CacheSection, ClassSection, CredentialsSection, Directives, Document, EventSection, KeySection,
    RedisSection, RouteSection,
};
use super::values::{FieldName, Secret};
use super::warm;
use crate::config::{
    CacheConfigBuilder, EventRule, Node, RedisConfig, Route, RouteRules, Sentinels, Stale, Topology,
};
use crate::key::KeyRules;
use crate::policy::{ClientDirectives, Credentials};
use std::path::PathBuf;

type Applied<T> = Result<T, Wrong>;

pub(super) fn builder(document: Document) -> Applied<CacheConfigBuilder> {
    let Document { redis, cache } = document;
    let uses_redis = redis.is_some();
    let (redis, builder) = use_redis(redis.unwrap_or_default())?;
    let builder = match uses_redis {
        true => builder.redis(redis),
        false => builder,
    };
    use_cache(builder, cache)
}

/// Lifetimes count without Redis too.
fn use_redis(section: RedisSection) -> Applied<(RedisConfig, CacheConfigBuilder)> {
    #[rustfmt::skip]
    let RedisSection {
        host, port, db, username, password, socket, cluster, sentinel, sentinel_master,
        sentinel_username, sentinel_password, tls, ca_file, client_certificate, client_key,
        max_connections, socket_timeout, socket_connect_timeout, retry_on_timeout, health_check_interval, default_ttl,
        quantum_state_ttl, multi_reality_ttl, consciousness_ttl, api_response_ttl,
        warmup_enabled, warmup_batch_size, warmup_concurrency, circuit_breaker_enabled,
        circuit_breaker_threshold, circuit_breaker_timeout,
    } = section;
    let redis = RedisConfig {
        host,
        port: port.get(),
        topology: topology(socket, cluster, (sentinel, sentinel_master))?,
        tls,
        ca_file: ca_file.map(PathBuf::from),
        client_certificate: certificate(client_certificate, client_key)?,
        db: db.into(),
        username,
        password: password.map(|Secret(password)| password),
        sentinel_username,
        sentinel_password: sentinel_password.map(|Secret(password)| password),
        max_connections: max_connections.get(),
        socket_timeout: socket_timeout.0,
        socket_connect_timeout: socket_connect_timeout.0,
        retry_on_timeout,
        health_check_interval: health_check_interval.0,
    };
    let builder = CacheConfigBuilder::default()
        .default_ttl(default_ttl.0)
        .quantum_state_ttl(quantum_state_ttl.0)
        .multi_reality_ttl(multi_reality_ttl.0)
        .consciousness_ttl(consciousness_ttl.0)
        .api_response_ttl(api_response_ttl.0)
        .warmup_enabled(warmup_enabled)
        .warmup_batch_size(warmup_batch_size.get())
        .warmup_concurrency(warmup_concurrency.get())
        .circuit_breaker_enabled(circuit_breaker_enabled)
        .circuit_breaker_threshold(circuit_breaker_threshold.get())
        .circuit_breaker_timeout(circuit_breaker_timeout.0);
    Ok((redis, builder))
}

/// What is connected to: one of them, or none and then the server at host and port.
fn topology(
    socket: Option<String>,
    cluster: Option<Vec<String>>,
    (sentinel, master): (Option<Vec<String>>, Option<String>),
) -> Applied<Topology> {
    let wrong = |key: &str, form| Err(Wrong::new([Step::from("REDIS"), key.into()], form));
    let one = "the only one of `socket`, `cluster` and `sentinel`";
    match (socket, cluster, sentinel, master) {
        (_, _, None, Some(_)) => wrong("sentinel_master", "set together with `sentinel`"),
        (_, _, Some(_), None) => wrong("sentinel", "set together with `sentinel_master`"),
        (Some(_), Some(_), ..) => wrong("cluster", one),
        (Some(_), _, Some(_), _) | (_, Some(_), Some(_), _) => wrong("sentinel", one),
        (Some(path), None, None, None) => Ok(Topology::Socket(path.into())),
        (None, Some(nodes), None, None) => Ok(Topology::Cluster(Node::all(nodes, 6379))),
        (None, None, Some(nodes), Some(master)) => Ok(Topology::Sentinel(Sentinels {
            master,
            nodes: Node::all(nodes, 26379),
        })),
        (None, None, None, None) => Ok(Topology::Server),
    }
}

fn certificate(
    certificate: Option<String>,
    key: Option<String>,
) -> Applied<Option<(PathBuf, PathBuf)>> {
    let wrong = |name: &str, form| Err(Wrong::new([Step::from("REDIS"), name.into()], form));
    match (certificate, key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some((certificate.into(), key.into()))),
        (Some(_), None) => wrong("client_certificate", "set together with `client_key`"),
        (None, Some(_)) => wrong("client_key", "set together with `client_certificate`"),
    }
}

fn use_cache(builder: CacheConfigBuilder, section: CacheSection) -> Applied<CacheConfigBuilder> {
    #[rustfmt::skip]
    let CacheSection {
        namespace, version, near_cache, coherence_bound, fallback_staleness, local_bytes, max_body,
        soft_limit, coalesce_timeout, lease, hit_for_miss, write_queue, shared_fetches,
        pending_bytes, hit_for_miss_keys, purge_queue, stamp_cells, sweep_interval, etag,
        heuristics, validation, must_revalidate_shares, store_set_cookie, store_parts,
        post_answers_get, normalise_languages, normalise_lists, invalidate_on_write, strip_tags,
        cache_status_key, tag_bubbling, stale_while_revalidate, stale_if_error, targeted,
        client_directives, credentials, key, classes, routes, event_rules, warm, warm_authority,
        warm_timeout, admin_token,
    } = section;
    let mut builder = builder
        .namespace(namespace)
        .version(version)
        .near_cache(near_cache)
        .coherence_bound(coherence_bound.0)
        .fallback_staleness(fallback_staleness.0)
        .local_bytes(local_bytes.0)
        .max_body(max_body.0)
        .soft_limit(soft_limit.0)
        .coalesce_timeout(coalesce_timeout.0)
        .lease(lease.0)
        .hit_for_miss(hit_for_miss.0)
        .write_queue(write_queue)
        .shared_fetches(shared_fetches)
        .pending_bytes(pending_bytes.0)
        .hit_for_miss_keys(hit_for_miss_keys)
        .purge_queue(purge_queue)
        .stamp_cells(stamp_cells)
        .sweep_interval(sweep_interval.map(|interval| interval.0))
        .etag(etag)
        .heuristics(heuristics)
        .validation(validation)
        .must_revalidate_shares(must_revalidate_shares)
        .store_set_cookie(store_set_cookie)
        .store_parts(store_parts)
        .post_answers_get(post_answers_get)
        .normalise_languages(normalise_languages)
        .normalise_lists(normalise_lists)
        .invalidate_on_write(invalidate_on_write)
        .strip_tags(strip_tags)
        .cache_status_key(cache_status_key)
        .tag_bubbling(tag_bubbling)
        .stale_while_revalidate(stale_while_revalidate.0)
        .stale_if_error(stale_if_error.0)
        .targeted(targeted.iter().filter_map(FieldName::name))
        .client_directives(client_directives.into())
        .credentials(credentials.into())
        .key(key_rules(key)?);
    builder.config.admin_token = admin_token.map(|Secret(token)| token);
    let builder = classes.iter().fold(builder, |builder, (name, class)| {
        use_class(builder, name, class)
    });
    let routes = routes.into_iter();
    let builder = routes.fold(builder, |builder, (pattern, rules)| {
        builder.route(route(pattern, rules))
    });
    let rules = event_rules.into_iter().map(event_rule);
    let builder = rules.fold(builder, CacheConfigBuilder::event_rule);
    warm::applied(builder.warm_timeout(warm_timeout.0), warm, warm_authority)
}

fn use_class(builder: CacheConfigBuilder, name: &str, class: &ClassSection) -> CacheConfigBuilder {
    let ClassSection {
        ttl,
        max_ttl,
        local_only,
        stale_while_revalidate,
        stale_if_error,
    } = class;
    // Even of a class of which nothing else is said, routes may be.
    let builder = builder.class_local_only(name, local_only.unwrap_or(false));
    let builder = match ttl {
        Some(ttl) => builder.class_ttl(name, ttl.0),
        None => builder,
    };
    let builder = match max_ttl {
        Some(longest) => builder.class_max_ttl(name, longest.0),
        None => builder,
    };
    let builder = match stale_while_revalidate {
        Some(window) => builder.class_stale_while_revalidate(name, window.0),
        None => builder,
    };
    match stale_if_error {
        Some(window) => builder.class_stale_if_error(name, window.0),
        None => builder,
    }
}

fn route(pattern: String, section: RouteSection) -> Route {
    #[rustfmt::skip]
    let RouteSection {
        ttl, override_ttl, class, tags, bypass, stale_while_revalidate, stale_if_error,
        lease, credentials,
    } = section;
    let rules = RouteRules {
        ttl: ttl.map(|ttl| ttl.0),
        override_ttl: override_ttl.map(|ttl| ttl.0),
        class,
        tags,
        bypass,
        credentials: credentials.map(Into::into),
        lease: lease.map(|lease| lease.0),
        stale: Stale {
            while_revalidate: stale_while_revalidate.map(|window| window.0),
            if_error: stale_if_error.map(|window| window.0),
        },
    };
    Route { pattern, rules }
}

fn event_rule(section: EventSection) -> EventRule {
    #[rustfmt::skip]
    let EventSection { event, tags, classes, uris, prefixes, patterns, soft } = section;
    let rule = EventRule::new(event);
    let rule = tags.into_iter().fold(rule, EventRule::tag);
    let rule = classes.into_iter().fold(rule, EventRule::class);
    let rule = uris.into_iter().fold(rule, EventRule::uri);
    let rule = prefixes.into_iter().fold(rule, EventRule::prefix);
    let rule = patterns.into_iter().fold(rule, EventRule::pattern);
    match soft {
        true => rule.soft(),
        false => rule,
    }
}

fn key_rules(section: KeySection) -> Applied<KeyRules> {
    #[rustfmt::skip]
    let KeySection { ignore_authority, keep_params, drop_params, sort_params, headers, cookies } =
        section;
    let rules = match (keep_params, drop_params) {
        (None, None) => KeyRules::new(),
        (Some(names), None) => KeyRules::new().keep_params(names),
        (None, Some(names)) => KeyRules::new().drop_params(names),
        (Some(_), Some(_)) => {
            return Err(Wrong::new(
                [Step::from("CACHE"), "key".into(), "drop_params".into()],
                "left out where keep_params is given",
            ));
        }
    };
    let rules = match ignore_authority {
        true => rules.ignore_authority(),
        false => rules,
    };
    let rules = match sort_params {
        true => rules.sort_params(),
        false => rules,
    };
    let mut headers = headers.iter().filter_map(FieldName::name);
    let rules = headers.by_ref().fold(rules, KeyRules::header);
    Ok(cookies.into_iter().fold(rules, KeyRules::cookie))
}

impl From<CredentialsSection> for Credentials {
    fn from(section: CredentialsSection) -> Self {
        let CredentialsSection {
            fields,
            ignore_cookies,
        } = section;
        let fields = fields.iter().filter_map(FieldName::name);
        let rule = fields.fold(Self::none(), Self::field);
        rule.ignore_cookies(ignore_cookies)
    }
}

impl From<Directives> for ClientDirectives {
    fn from(directives: Directives) -> Self {
        match directives {
            Directives::Obey => Self::Obey,
            Directives::Ignore => Self::Ignore,
        }
    }
}
