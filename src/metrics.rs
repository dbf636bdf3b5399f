//! [`Metrics`]: what the cache counts, for Prometheus.
//!
//! A view of the same counters that [`Cache::stats`](crate::Cache::stats) shows: nothing is
//! counted twice, and counting costs nothing more. The names and labels are in the guide, chapter
//! [`operating`](crate::guide::operating).

mod encode;
mod families;

use crate::cache::{Cache, Inner};
use families::Families;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::{Arc, Weak};

impl Cache {
    /// Adds the metrics of this cache to a registry of the program's own. They end with the last
    /// handle of the cache. One registry holds the metrics of one cache: a second one needs a
    /// prefix or a label of its own (`Registry::sub_registry_with_label`).
    ///
    /// ```
    /// use neuralblitz_cache::{Cache, CacheConfig};
    /// use prometheus_client::{encoding::text::encode, registry::Registry};
    ///
    /// let cache = Cache::new(CacheConfig::default());
    /// let mut registry = Registry::default();
    /// cache.register_metrics(&mut registry);
    /// let mut text = String::new();
    /// encode(&mut text, &registry)?;
    /// assert!(text.contains("neuralblitz_cache_hits_total"));
    /// # Ok::<(), std::fmt::Error>(())
    /// ```
    pub fn register_metrics(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(Metrics {
            cache: Arc::downgrade(&self.inner),
        }));
    }

    /// A registry with the metrics of this cache alone.
    #[must_use]
    pub fn metrics(&self) -> Registry {
        let mut registry = Registry::default();
        self.register_metrics(&mut registry);
        registry
    }
}

/// Reads a cache for as long as it is there.
struct Metrics {
    cache: Weak<Inner>,
}

impl Collector for Metrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        match self.cache.upgrade() {
            Some(cache) => Families::new(&cache, encoder).encode(),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}
