//! Many values at once, in as many round trips as one takes.

use super::{fresh, value_entry, value_scope};
use crate::cache::Cache;
use crate::entry::Entry;
use crate::error::{CacheError, CacheErrorKind};
use crate::stamp::Order;
use crate::store::{Applied, Tier};
use crate::taint::given_old;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::task::JoinSet;

impl Cache {
    /// Reads values, in one round trip (large ones in a few more), in the order of their keys; each
    /// as [`get`](Self::get) does.
    ///
    /// ```
    /// use neuralblitz_cache::{Cache, CacheConfig};
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), neuralblitz_cache::CacheError> {
    /// let cache = Cache::new(CacheConfig::default());
    /// cache.set_many(&[("a:1", 1), ("a:2", 2)], Duration::from_secs(60)).await?;
    /// let values = cache.get_many::<u8>(&["a:1", "a:3", "a:2"]).await?;
    /// assert_eq!(values, [Some(1), None, Some(2)]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`CacheErrorKind::InvalidKey`]: a key is empty or names a record of the cache.
    pub async fn get_many<T: DeserializeOwned>(
        &self,
        keys: &[&str],
    ) -> Result<Vec<Option<T>>, CacheError> {
        let names = keys.iter().map(|key| self.value_name(key));
        let names = names.collect::<Result<Vec<_>, _>>()?;
        self.start();
        let found = self.inner.store.lookup_values(&names).await;
        let now = self.inner.clock.now();
        let read = |(entry, tier): (std::sync::Arc<Entry>, Tier)| {
            if tier == Tier::Fallback {
                given_old();
            }
            rmp_serde::from_slice(&entry.body).ok()
        };
        let values = found
            .into_iter()
            .map(|found| fresh(found, now).and_then(read));
        Ok(values.collect())
    }

    /// Sets values for `ttl`, in force on all instances before this returns: what was set before is
    /// purged in one step, then all are written at once. Of a key that is named twice the last
    /// value may stay or an earlier one.
    ///
    /// # Errors
    /// As [`set`](Self::set); if one key or value cannot be used none is set, and if Redis takes some
    /// of them only, those are.
    pub async fn set_many<T: Serialize>(
        &self,
        values: &[(&str, T)],
        ttl: Duration,
    ) -> Result<(), CacheError> {
        let mut bodies = Vec::with_capacity(values.len());
        for (key, value) in values {
            bodies.push((self.value_name(key)?, self.encoded(value)?));
        }
        if bodies.is_empty() {
            return Ok(());
        }
        self.start();
        let order = Order {
            scopes: bodies.iter().map(|(name, _)| value_scope(name)).collect(),
            ..Order::default()
        };
        let unavailable = || CacheError::new(CacheErrorKind::Unavailable);
        let Applied::At { stamp, .. } = self.inner.store.purge(&order).await else {
            return Err(unavailable());
        };
        let (mut writes, mut taken) = (JoinSet::new(), true);
        for (name, body) in bodies {
            let entry = value_entry(name, self.value_meta(stamp, ttl), body)
                .ok_or_else(|| CacheError::new(CacheErrorKind::InvalidValue))?;
            let (inner, name) = (self.inner.clone(), name.to_owned());
            let write = async move { inner.store.insert_value(&name, entry, ttl).await.is_ok() };
            match self.inner.store.remote {
                Some(_) => drop(writes.spawn(write)),
                // It waits for nothing.
                None => taken &= write.await,
            }
        }
        match taken && writes.join_all().await.into_iter().all(|taken| taken) {
            true => Ok(()),
            false => Err(unavailable()),
        }
    }

    /// How long a value is fresh yet. `None`: there is none, as [`get`](Self::get) would find.
    ///
    /// # Errors
    /// [`CacheErrorKind::InvalidKey`]: the key is empty or names a record of the cache.
    pub async fn ttl(&self, key: &str) -> Result<Option<Duration>, CacheError> {
        let found = self.find_value(key).await?;
        let now = self.inner.clock.now();
        Ok(found.map(|(entry, _)| Duration::from_millis(entry.facts().fresh_until.since(now))))
    }

    /// Whether there is a value, of whatever type.
    ///
    /// # Errors
    /// As [`ttl`](Self::ttl).
    pub async fn exists(&self, key: &str) -> Result<bool, CacheError> {
        Ok(self.find_value(key).await?.is_some())
    }
}
