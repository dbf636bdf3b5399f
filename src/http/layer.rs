//! [`CacheLayer`].

use super::nested::Hints;
use super::service::CacheService;
use crate::cache::Cache;
use crate::config::CacheConfig;
use crate::key::{KeyRules, RequestView};
use crate::policy::Credentials;
use crate::store::Tiers;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tower_layer::Layer;

type BypassFn = dyn Fn(&RequestView<'_>) -> bool + Send + Sync;

/// Caches the responses of the service it wraps. Cheap to clone.
///
/// Several layers of one cache may be nested. The outermost stores; an inner one that has
/// only [`ttl`](Self::ttl), [`override_ttl`](Self::override_ttl), [`class`](Self::class), stale
/// windows or tags hands these outward. An inner one with [`key`](Self::key),
/// [`bypass`](Self::bypass), [`credentials`](Self::credentials) or [`lease`](Self::lease) of its own
/// caches by itself, and the outer does not store what passes it. What happens with the layers of
/// others outside and inside it is in [`guide::order`](crate::guide::order).
#[derive(Clone)]
pub struct CacheLayer {
    pub(super) shared: Arc<Shared>,
}

#[derive(Clone)]
pub(super) struct Shared {
    pub(super) cache: Cache,
    pub(super) hints: Hints,
    pub(super) key: KeyRules,
    pub(super) credentials: Option<Credentials>,
    pub(super) bypass: Option<Arc<BypassFn>>,
    pub(super) lease: Option<Duration>,
    /// Has rules that count before the handler runs.
    pub(super) own: bool,
}

impl Shared {
    /// Where answers of `path` may lie, by what this layer and the routes say of their class.
    pub(super) fn tiers(&self, path: &str) -> Tiers {
        let config = &self.cache.inner.config;
        let of_route = || config.routes.find(path)?.class.as_deref();
        let class = self.hints.class.as_deref().or_else(of_route);
        match config.classes.is_local_only(class) {
            true => Tiers::Local,
            false => Tiers::All,
        }
    }

    /// The same, held by a task of the cache.
    pub(super) fn held_by_task(&self) -> Arc<Self> {
        Arc::new(Self {
            cache: self.cache.held_by_task(),
            ..self.clone()
        })
    }
}

impl CacheLayer {
    /// A cache of its own with these settings, and a layer of it. Never fails and never
    /// waits: Redis is connected to in the background, at once inside a runtime, else at
    /// the first call or [`Cache::start`].
    #[must_use]
    pub fn new(config: CacheConfig) -> Self {
        Self::of(Cache::new(config))
    }

    pub(crate) fn of(cache: Cache) -> Self {
        let key = cache.inner.config.key.clone();
        Self {
            shared: Arc::new(Shared {
                cache,
                hints: Hints::default(),
                key,
                credentials: None,
                bypass: None,
                lease: None,
                own: false,
            }),
        }
    }

    /// The cache behind the layer.
    #[must_use]
    pub fn cache(&self) -> Cache {
        self.shared.cache.clone()
    }

    /// How long a response stays fresh that does not say so itself. Default: what the route, then the
    /// class says. Zero: it is not stored, but for what is to be validated
    /// ([`validation`](crate::CacheConfigBuilder::validation)).
    #[must_use]
    pub fn ttl(self, ttl: Duration) -> Self {
        self.with(|shared| shared.hints.ttl = Some(ttl))
    }

    /// How long a response stays fresh, whatever its `Cache-Control` or `Expires` says. Not
    /// against `no-store`, `private`, the credentials rule or the class's
    /// [`class_max_ttl`](crate::CacheConfigBuilder::class_max_ttl).
    #[must_use]
    pub fn override_ttl(self, ttl: Duration) -> Self {
        self.with(|shared| shared.hints.override_ttl = Some(ttl))
    }

    /// The data class, whose TTL applies where nothing nearer says one. A class that has no
    /// TTL has the default one.
    #[must_use]
    pub fn class(self, class: impl AsRef<str>) -> Self {
        self.with(|shared| shared.hints.class = Some(class.as_ref().into()))
    }

    /// For how long past its lifetime a response answers at once while one task fetches a newer
    /// one (RFC 5861 §3), where it does not say so itself. Zero: never. Never what must be
    /// revalidated, and never past a hard purge.
    #[must_use]
    pub fn stale_while_revalidate(self, window: Duration) -> Self {
        self.with(|shared| shared.hints.stale.while_revalidate = Some(window))
    }

    /// For how long past its lifetime a response answers where the handler fails or says 500,
    /// 502, 503 or 504 (RFC 5861 §4), where it does not say so itself. Zero: never. Never what
    /// must be revalidated, and never past a hard purge.
    #[must_use]
    pub fn stale_if_error(self, window: Duration) -> Self {
        self.with(|shared| shared.hints.stale.if_error = Some(window))
    }

    /// Tags of all responses that pass here, beside their own ([`CacheTags`](crate::CacheTags)).
    #[must_use]
    pub fn tags<I: IntoIterator<Item: AsRef<str>>>(self, tags: I) -> Self {
        let tags: Vec<Arc<str>> = tags.into_iter().map(|tag| tag.as_ref().into()).collect();
        self.with(|shared| shared.hints.tagging.fixed.extend(tags))
    }

    /// Tags that `f` reads from a response's head. It runs for every response that may be stored.
    #[must_use]
    pub fn tags_with(
        self,
        f: impl Fn(&http::response::Parts) -> Vec<String> + Send + Sync + 'static,
    ) -> Self {
        self.with(|shared| shared.hints.tagging.read.push(Arc::new(f)))
    }

    /// Which parts of a request make its key here, in place of the cache's rules.
    #[must_use]
    pub fn key(self, rules: KeyRules) -> Self {
        self.shared.cache.inner.know_rules(&rules);
        self.with(|shared| {
            shared.key = rules;
            shared.own = true;
        })
    }

    /// Which request fields count as credentials here, in place of the cache's rule.
    #[must_use]
    pub fn credentials(self, rule: Credentials) -> Self {
        self.with(|shared| {
            shared.credentials = Some(rule);
            shared.own = true;
        })
    }

    /// Requests for which `f` is true are left alone. It runs for every GET and HEAD, so it
    /// should be quick.
    #[must_use]
    pub fn bypass(self, f: impl Fn(&RequestView<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.with(|shared| {
            shared.bypass = Some(Arc::new(f));
            shared.own = true;
        })
    }

    /// Whether one instance fetches for all, as
    /// [`CacheConfigBuilder::lease`](crate::CacheConfigBuilder::lease) says, in place of the
    /// cache's rule. Zero: each for itself.
    #[must_use]
    pub fn lease(self, time: Duration) -> Self {
        self.with(|shared| {
            shared.lease = Some(time);
            shared.own = true;
        })
    }

    fn with(self, change: impl FnOnce(&mut Shared)) -> Self {
        let mut shared = Arc::unwrap_or_clone(self.shared);
        change(&mut shared);
        Self {
            shared: Arc::new(shared),
        }
    }
}

impl<S> Layer<S> for CacheLayer {
    type Service = CacheService<S>;

    fn layer(&self, inner: S) -> CacheService<S> {
        CacheService::new(inner, self.shared.clone())
    }
}

impl fmt::Debug for CacheLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheLayer")
            .field("hints", &self.shared.hints)
            .field("key", &self.shared.key)
            .field("own", &self.shared.own)
            .finish_non_exhaustive()
    }
}
