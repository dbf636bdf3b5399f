//! The local tier while Redis is left alone.
//!
//! Purges of this process count as ever. Those of others cannot be heard of: an answer is never
//! further behind them than `fallback_staleness`.

use super::{Covered, Remote, Store};
use crate::clock::Timestamp;
use crate::entry::Entry;
use crate::key::RequestKey;
use http::HeaderMap;
use std::sync::Arc;
use std::time::Duration;

impl Store {
    pub(super) fn stand_in(
        &self,
        remote: &Remote,
        key: &RequestKey<'_>,
        headers: &HeaderMap,
    ) -> Option<Arc<Entry>> {
        let found = self.local.find(key, headers)?;
        // Left where it is: Redis may find it valid again.
        (found.is_vary() || self.may_stand_in(remote, &found)).then_some(found)
    }

    /// Whether an entry may answer without Redis. One that came before: if nothing that was heard
    /// of purged it, or nothing at all was purged between its last confirmation and the last word
    /// of Redis. One that was fetched since: its handler knew all purges up to then.
    pub(super) fn may_stand_in(&self, remote: &Remote, entry: &Entry) -> bool {
        let (meta, now) = (&entry.meta, self.clock.now());
        let trusted = if entry.outage {
            let began = u64::from(meta.handler_ms);
            Some(meta.stored_at.before(Duration::from_millis(began)))
        } else {
            let confirmed = (entry.verified() >= remote.seen()).then(|| remote.contact());
            confirmed.max(self.heard_of(entry))
        };
        trusted.is_some_and(|since| now < since.after(self.fallback_staleness))
            && self.noted(entry, self.judge_own(entry))
            && (entry.outage || self.unpurged_here(entry))
    }

    /// Up to when no purge that was heard of covers it.
    fn heard_of(&self, entry: &Entry) -> Option<Timestamp> {
        let names = self.names_of(entry);
        let subject = names.at(entry.meta.stamp);
        let verdict = self.purges.judge_mirrored(subject, subject.stamp)?;
        self.noted(entry, verdict)
            .then(|| Timestamp(self.purges.heard()))
    }
}
