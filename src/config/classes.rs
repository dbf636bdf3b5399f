//! What is said of data classes.

use super::{API_RESPONSE, CacheConfigBuilder};
use std::collections::HashMap;
use std::time::Duration;

/// Lifetimes and stale windows by class.
#[derive(Clone, Debug)]
pub(crate) struct Classes {
    pub(crate) default_ttl: Duration,
    pub(crate) stale: Stale,
    by_name: HashMap<String, Class>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Class {
    ttl: Option<Duration>,
    max_ttl: Option<Duration>,
    local_only: bool,
    stale: Stale,
}

/// Stale windows (RFC 5861), each where it is said.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stale {
    pub(crate) while_revalidate: Option<Duration>,
    pub(crate) if_error: Option<Duration>,
}

impl Stale {
    /// `self`, and where it is silent, `further`.
    pub(crate) fn or(self, further: Self) -> Self {
        Self {
            while_revalidate: self.while_revalidate.or(further.while_revalidate),
            if_error: self.if_error.or(further.if_error),
        }
    }
}

impl Default for Classes {
    fn default() -> Self {
        let mut classes = Self {
            default_ttl: Duration::from_hours(1),
            stale: Stale::default(),
            by_name: HashMap::new(),
        };
        for (class, seconds) in [
            ("capabilities", 3600),
            ("partner_config", 3600),
            ("quantum_state", 300),
            ("multi_reality", 600),
            ("consciousness", 180),
            (API_RESPONSE, 900),
        ] {
            classes.set_ttl(class, Duration::from_secs(seconds));
        }
        classes
    }
}

impl Classes {
    pub(super) fn set_ttl(&mut self, class: impl Into<String>, ttl: Duration) {
        self.class(class).ttl = Some(ttl);
    }

    pub(super) fn set_max_ttl(&mut self, class: impl Into<String>, longest: Duration) {
        self.class(class).max_ttl = Some(longest);
    }

    pub(super) fn set_local_only(&mut self, class: impl Into<String>, local_only: bool) {
        self.class(class).local_only = local_only;
    }

    /// What `stale` says of the class; where it is silent nothing changes.
    pub(super) fn set_stale(&mut self, class: impl Into<String>, stale: Stale) {
        let class = self.class(class);
        class.stale = stale.or(class.stale);
    }

    fn class(&mut self, class: impl Into<String>) -> &mut Class {
        self.by_name.entry(class.into()).or_default()
    }

    pub(super) fn is_known(&self, class: &str) -> bool {
        self.by_name.contains_key(class)
    }

    fn of(&self, class: Option<&str>) -> Option<&Class> {
        self.by_name.get(class.unwrap_or(API_RESPONSE))
    }

    /// The TTL of `class`; of one that has none, the default.
    pub(crate) fn ttl(&self, class: Option<&str>) -> Duration {
        let said = self.of(class).and_then(|class| class.ttl);
        said.unwrap_or(self.default_ttl)
    }

    /// For how long at most a response of `class` is served, stale windows included.
    pub(crate) fn max_ttl(&self, class: Option<&str>) -> Option<Duration> {
        self.of(class)?.max_ttl
    }

    /// Whether responses of `class` stay in local memory.
    pub(crate) fn is_local_only(&self, class: Option<&str>) -> bool {
        self.of(class).is_some_and(|class| class.local_only)
    }

    /// The stale windows of `class`, else those of all.
    pub(crate) fn stale(&self, class: Option<&str>) -> Stale {
        let said = self.of(class).map(|class| class.stale);
        said.unwrap_or_default().or(self.stale)
    }
}

impl CacheConfigBuilder {
    /// The same as [`stale_while_revalidate`](Self::stale_while_revalidate), for a class.
    pub fn class_stale_while_revalidate(
        mut self,
        class: impl Into<String>,
        window: Duration,
    ) -> Self {
        let stale = Stale {
            while_revalidate: Some(window),
            ..Stale::default()
        };
        self.config.classes.set_stale(class, stale);
        self
    }

    /// The same as [`stale_if_error`](Self::stale_if_error), for a class.
    pub fn class_stale_if_error(mut self, class: impl Into<String>, window: Duration) -> Self {
        let stale = Stale {
            if_error: Some(window),
            ..Stale::default()
        };
        self.config.classes.set_stale(class, stale);
        self
    }

    /// For how long at most responses of a class are served and kept, whatever says more: the
    /// handler, `Cache-Control`, a layer, a route; stale windows included. For what is sensitive.
    /// Default: none. Zero: they are not stored.
    pub fn class_max_ttl(mut self, class: impl Into<String>, longest: Duration) -> Self {
        self.config.classes.set_max_ttl(class, longest);
        self
    }

    /// Whether responses of a class stay in local memory: they are neither written to Redis nor
    /// read from it. Redis is asked whether they were purged, and no more. Where the class is that
    /// of an inner layer alone, Redis is asked for them, in vain, until one is stored here.
    /// Default: false.
    pub fn class_local_only(mut self, class: impl Into<String>, local_only: bool) -> Self {
        self.config.classes.set_local_only(class, local_only);
        self
    }
}
