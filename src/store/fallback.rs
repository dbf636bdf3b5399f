//! The local tier while Redis is left alone.
//!
//! Purges of this process count as ever. Those of others cannot be heard of: an answer is never
//! further behind them than `fallback_staleness`.

use super::{Found, Remote, Store};
use crate::entry::Entry;
use crate::key::RequestKey;
use http::HeaderMap;
use std::time::Duration;

impl Store {
    pub(super) fn stand_in(
        &self,
        remote: &Remote,
        key: &RequestKey<'_>,
        headers: &HeaderMap,
    ) -> Found {
        match self.local.find(key, headers) {
            // Left where it is: Redis may find it valid again.
            Found::Entry(entry) if !self.may_stand_in(remote, &entry) => Found::Nothing,
            found => found,
        }
    }

    /// Whether an entry may answer without Redis. One that came before: if nothing was purged
    /// between its last confirmation and the last word of Redis. One that was fetched since: its
    /// handler knew all purges up to then.
    pub(super) fn may_stand_in(&self, remote: &Remote, entry: &Entry) -> bool {
        let (meta, now) = (&entry.meta, self.clock.now());
        let trusted = if entry.outage {
            let began = u64::from(meta.handler_ms);
            Some(meta.stored_at.before(Duration::from_millis(began)))
        } else {
            (entry.verified() >= remote.seen()).then(|| remote.contact())
        };
        trusted.is_some_and(|since| now < since.after(self.fallback_staleness))
            && self.stamps.valid(&entry.scopes, meta.stamp)
    }
}
