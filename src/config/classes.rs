//! What is said of data classes.

use super::API_RESPONSE;
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

    /// The stale windows of `class`, else those of all.
    pub(crate) fn stale(&self, class: Option<&str>) -> Stale {
        let said = self.of(class).map(|class| class.stale);
        said.unwrap_or_default().or(self.stale)
    }
}
