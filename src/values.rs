//! Values set and read by hand.

mod many;

use crate::cache::Cache;
use crate::clock::Timestamp;
use crate::entry::{Draft, Entry, Kind, Meta, seal};
use crate::error::{CacheError, CacheErrorKind};
use crate::key::prefix_scope;
use crate::purge::Purged;
use crate::stamp::{Reach, Scope, Stamp};
use crate::store::{Applied, Tier, value_key};
use crate::taint::given_old;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;

impl Cache {
    /// Reads a value. `None`: there is none, it is past its time or purged, it is of another
    /// type, or the store cannot be reached.
    ///
    /// The namespace may stand in front of the key or be left out.
    ///
    /// # Errors
    /// [`CacheErrorKind::InvalidKey`]: the key is empty or names a record of the cache.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, CacheError> {
        let found = self.find_value(key).await?;
        Ok(found.and_then(|(entry, tier)| {
            if tier == Tier::Fallback {
                given_old();
            }
            rmp_serde::from_slice(&entry.body).ok()
        }))
    }

    /// Sets a value for `ttl`, in force on all instances before this returns.
    ///
    /// ```
    /// use neuralblitz_cache::{Cache, CacheConfig};
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), neuralblitz_cache::CacheError> {
    /// let cache = Cache::new(CacheConfig::default());
    /// cache.set("my_data:7", &vec![1, 2, 3], Duration::from_secs(60)).await?;
    /// assert_eq!(cache.get::<Vec<u8>>("nb:my_data:7").await?, Some(vec![1, 2, 3]));
    /// let _ = cache.delete("my_data:7").await?;
    /// assert_eq!(cache.get::<Vec<u8>>("my_data:7").await?, None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`CacheErrorKind::InvalidKey`]; [`CacheErrorKind::InvalidValue`]: it cannot be encoded
    /// or is larger than `max_body`; [`CacheErrorKind::Unavailable`]: Redis did not take it.
    pub async fn set<T: Serialize + ?Sized>(
        &self,
        key: &str,
        value: &T,
        ttl: Duration,
    ) -> Result<(), CacheError> {
        let (name, body) = (self.value_name(key)?, self.encoded(value)?);
        self.start();
        let unavailable = || CacheError::new(CacheErrorKind::Unavailable);
        // What was set before is purged first: so sets follow each other by stamps, not by the
        // clocks of their processes.
        let purge = self.inner.store.purge(&value_scope(name).into());
        let Applied::At { stamp, .. } = purge.await else {
            return Err(unavailable());
        };
        let entry = value_entry(name, self.value_meta(stamp, ttl), body)
            .ok_or_else(|| CacheError::new(CacheErrorKind::InvalidValue))?;
        self.inner
            .store
            .insert_value(name, entry, ttl)
            .await
            .map_err(|_| unavailable())
    }

    /// A value as it is stored, if it is not too large.
    fn encoded<T: Serialize + ?Sized>(&self, value: &T) -> Result<Bytes, CacheError> {
        let body = rmp_serde::to_vec_named(value)
            .map_err(|error| CacheError::because(CacheErrorKind::InvalidValue, error))?;
        match body.len() <= self.inner.config.max_body {
            true => Ok(body.into()),
            false => Err(CacheError::new(CacheErrorKind::InvalidValue)),
        }
    }

    fn value_meta(&self, stamp: Stamp, ttl: Duration) -> Meta {
        let now = self.inner.clock.now();
        Meta {
            stamp,
            stored_at: now,
            fresh_until: now.after(ttl),
            stale_until: now.after(ttl),
            ..Meta::default()
        }
    }

    /// A value that is fresh.
    async fn find_value(&self, key: &str) -> Result<Option<(Arc<Entry>, Tier)>, CacheError> {
        let name = self.value_name(key)?;
        self.start();
        let found = self.inner.store.lookup_value(name).await.found;
        Ok(fresh(found, self.inner.clock.now()))
    }

    /// Deletes a value on all instances.
    ///
    /// # Errors
    /// [`CacheErrorKind::InvalidKey`]: the key is empty or names a record of the cache.
    pub async fn delete(&self, key: &str) -> Result<Purged, CacheError> {
        let name = self.value_name(key)?;
        let purged = self.give(&value_scope(name).into()).await;
        self.inner.store.remove_value(name).await;
        Ok(purged)
    }

    /// The key without the namespace, if it is not one of the cache's own.
    pub(crate) fn value_name<'a>(&self, key: &'a str) -> Result<&'a str, CacheError> {
        let name = self.inner.store.namespace.strip(key).unwrap_or(key);
        let reserved =
            name.is_empty() || name.starts_with("api_response:") || name.starts_with('{');
        match reserved {
            true => Err(CacheError::new(CacheErrorKind::InvalidKey)),
            false => Ok(name),
        }
    }
}

fn fresh(found: Option<(Arc<Entry>, Tier)>, now: Timestamp) -> Option<(Arc<Entry>, Tier)> {
    found.filter(|(entry, _)| entry.facts().is_fresh(now))
}

pub(crate) fn value_scope(name: &str) -> Scope {
    Scope::named(Reach::One, "value", name)
}

/// The value's own, and that of all whose names begin alike.
pub(crate) fn value_scopes(name: &str) -> Vec<Scope> {
    let prefix = name.split_once(':').map(|(prefix, _)| prefix_scope(prefix));
    [value_scope(name)].into_iter().chain(prefix).collect()
}

fn value_entry(name: &str, meta: Meta, body: Bytes) -> Option<Entry> {
    seal(&Draft {
        kind: Kind::Value,
        meta,
        status: StatusCode::OK,
        key: &value_key(name).to_bytes(),
        variant: &[],
        label: name,
        scopes: &value_scopes(name),
        tags: &[],
        headers: &HeaderMap::new(),
        frames: &[body],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::CacheConfig;

    #[tokio::test]
    async fn an_earlier_set_that_comes_late_takes_no_later_one_away() {
        let cache = Cache::new(CacheConfig::default());
        let minute = Duration::from_mins(1);
        cache.set("a", &2, minute).await.expect("set");
        let now = cache.inner.clock.now();
        let earlier = Meta {
            stamp: Stamp(1),
            stored_at: now,
            fresh_until: now.after(minute),
            stale_until: now.after(minute),
            ..Meta::default()
        };
        let body = rmp_serde::to_vec_named(&1).expect("encoded");
        let late = value_entry("a", earlier, body.into()).expect("sealed");
        let stored = cache.inner.store.insert_value("a", late, minute).await;
        assert!(stored.is_ok());
        assert_eq!(cache.get::<u8>("a").await.expect("a key"), Some(2));
    }
}
