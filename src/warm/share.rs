//! One instance loads for all: a lease beside what no request names. Nothing rests on it but how
//! often loaders run.

use crate::cache::Cache;
use crate::store::{Ended, Lease, Taken, value_key};
use std::time::Duration;

/// How long what was loaded may be on its way to Redis before others are told.
const WRITTEN_WITHIN: Duration = Duration::from_secs(1);

/// The turn of this instance.
pub(super) struct Turn<'a> {
    cache: &'a Cache,
    lease: Option<Lease>,
}

/// `None`: another instance has loaded it meanwhile, or takes longer than `limit`.
pub(super) async fn share<'a>(cache: &'a Cache, name: &str, limit: Duration) -> Option<Turn<'a>> {
    let (store, name) = (&cache.inner.store, format!("warmup:{name}"));
    let key = value_key(&name);
    loop {
        let lease = match store.lease((&key, &[]), None, limit).await {
            Some(Taken::Lease(lease) | Taken::Changed(lease)) => Some(lease),
            Some(Taken::Held(wait)) => match wait.end(limit).await {
                Some(Ended::Refused) => None,
                // Who had it may be no more.
                Some(Ended::Expired | Ended::Unknown) => continue,
                Some(Ended::Over) | None => return None,
            },
            None => None,
        };
        return Some(Turn { cache, lease });
    }
}

impl Turn<'_> {
    /// It is loaded; others are told when it is in Redis.
    pub(super) async fn done(mut self) {
        let lease = self.lease.take();
        if let (Some(_given_back), Some(remote)) = (lease, &self.cache.inner.store.remote) {
            // Who is told too early loads it once more.
            let _ = tokio::time::timeout(WRITTEN_WITHIN, remote.drain()).await;
        }
    }
}

impl Drop for Turn<'_> {
    /// It failed, or was given up: those who wait may try it themselves.
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.refuse();
        }
    }
}
