//! For how long responses are fresh, and may be used past that.

use super::{API_RESPONSE, CacheConfigBuilder};
use std::time::Duration;

impl CacheConfigBuilder {
    /// The TTL of the classes `capabilities` and `partner_config`, and of those that have
    /// none. Default: 3600 s.
    pub fn default_ttl(mut self, ttl: Duration) -> Self {
        self.config.classes.default_ttl = ttl;
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
        self.config.classes.set_ttl(class, ttl);
        self
    }

    /// For how long past its lifetime a response answers at once while one task fetches a newer
    /// one (RFC 5861 §3), where neither it nor its layer, route or class says so. Default: zero,
    /// never.
    pub fn stale_while_revalidate(mut self, window: Duration) -> Self {
        self.config.classes.stale.while_revalidate = Some(window);
        self
    }

    /// For how long past its lifetime a response answers where the handler fails (RFC 5861 §4),
    /// where neither it nor its layer, route or class says so. Default: zero, never.
    pub fn stale_if_error(mut self, window: Duration) -> Self {
        self.config.classes.stale.if_error = Some(window);
        self
    }
}
