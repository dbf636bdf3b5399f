//! Settings by path.

use super::Stale;
use crate::policy::Credentials;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Settings for the paths that a pattern matches: `/quantum/{id}`, `/files/{*rest}`.
///
/// Where a layer of its own says something else, the layer wins.
#[derive(Clone, Debug)]
pub struct Route {
    pub(crate) pattern: String,
    pub(crate) rules: RouteRules,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct RouteRules {
    pub(crate) ttl: Option<Duration>,
    pub(crate) override_ttl: Option<Duration>,
    pub(crate) class: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) bypass: bool,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) stale: Stale,
    pub(crate) lease: Option<Duration>,
}

impl Route {
    /// A route with every setting left open.
    #[must_use]
    pub fn new(pattern: impl Into<String>) -> Self {
        Self {
            pattern: pattern.into(),
            rules: RouteRules::default(),
        }
    }

    /// How long a response stays fresh that does not say so itself. Default: what the class says.
    /// Zero: it is not stored, but for what is to be validated
    /// ([`validation`](crate::CacheConfigBuilder::validation)).
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.rules.ttl = Some(ttl);
        self
    }

    /// How long a response stays fresh, whatever its `Cache-Control` or `Expires` says. Not
    /// against `no-store`, `private`, the credentials rule or the class's
    /// [`class_max_ttl`](crate::CacheConfigBuilder::class_max_ttl).
    #[must_use]
    pub fn override_ttl(mut self, ttl: Duration) -> Self {
        self.rules.override_ttl = Some(ttl);
        self
    }

    /// The data class, whose TTL applies where nothing nearer says one. It must be one that a setting
    /// names ([`class_ttl`](crate::CacheConfigBuilder::class_ttl)), or of those with a TTL by default:
    /// else it is refused. Default: none, which is `api_response`.
    #[must_use]
    pub fn class(mut self, class: impl Into<String>) -> Self {
        self.rules.class = Some(class.into());
        self
    }

    /// Tags of all its responses, beside their own ([`CacheTags`](crate::CacheTags)). Default:
    /// none.
    #[must_use]
    pub fn tags<I: IntoIterator<Item: Into<String>>>(mut self, tags: I) -> Self {
        self.rules.tags.extend(tags.into_iter().map(Into::into));
        self
    }

    /// For how long past its lifetime a response answers while a newer one is fetched
    /// (RFC 5861 §3), where it does not say so itself.
    #[must_use]
    pub fn stale_while_revalidate(mut self, window: Duration) -> Self {
        self.rules.stale.while_revalidate = Some(window);
        self
    }

    /// For how long past its lifetime a response answers where the handler fails (RFC 5861 §4),
    /// where it does not say so itself.
    #[must_use]
    pub fn stale_if_error(mut self, window: Duration) -> Self {
        self.rules.stale.if_error = Some(window);
        self
    }

    /// Whether one instance fetches for all, as
    /// [`CacheConfigBuilder::lease`](crate::CacheConfigBuilder::lease) says. Zero: each for itself.
    #[must_use]
    pub fn lease(mut self, time: Duration) -> Self {
        self.rules.lease = Some(time);
        self
    }

    /// Leaves these paths alone; a write that succeeds purges its URI all the same.
    #[must_use]
    pub fn bypass(mut self) -> Self {
        self.rules.bypass = true;
        self
    }

    /// Which request fields count as credentials here.
    #[must_use]
    pub fn credentials(mut self, rule: Credentials) -> Self {
        self.rules.credentials = Some(rule);
        self
    }
}

/// All routes, ready to be looked up.
#[derive(Clone, Default)]
pub(crate) struct Routes {
    router: Option<Arc<matchit::Router<Route>>>,
}

impl Routes {
    /// `Err`: the pattern of this one cannot be read or means the same as another's.
    pub(crate) fn new(routes: Vec<Route>) -> Result<Self, usize> {
        if routes.is_empty() {
            return Ok(Self::default());
        }
        let mut patterns = matchit::Router::new();
        for (index, route) in routes.into_iter().enumerate() {
            patterns
                .insert(route.pattern.clone(), route)
                .map_err(|_| index)?;
        }
        Ok(Self {
            router: Some(Arc::new(patterns)),
        })
    }

    pub(crate) fn find(&self, path: &str) -> Option<&RouteRules> {
        Some(&self.at(path)?.rules)
    }

    /// The pattern that a path matches.
    pub(crate) fn pattern(&self, path: &str) -> Option<&str> {
        Some(&self.at(path)?.pattern)
    }

    fn at(&self, path: &str) -> Option<&Route> {
        Some(self.router.as_ref()?.at(path).ok()?.value)
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.router.is_some() {
            "Routes(..)"
        } else {
            "Routes()"
        })
    }
}
