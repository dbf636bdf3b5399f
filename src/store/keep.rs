//! How something gets into the tiers, and out of them by its name.

use super::redis::{Lease, Write};
use super::variants::Variant;
use super::{Store, value_key};
use crate::entry::{Draft, Entry, Kind, seal, vary_record};
use crate::error::Fault;
use crate::key::{Names, RequestKey};
use crate::observe::{Event, Operation};
use http::{HeaderMap, HeaderName};
use std::sync::Arc;
use std::time::Duration;

/// Sets of `Vary` fields remembered for one key.
const MAX_VARY_SETS: usize = 4;

/// How long a record of `Vary` fields is kept: longer than most of what it leads to.
const VARY_TTL: Duration = Duration::from_hours(24);

impl Store {
    /// Stores an entry in both tiers. The local one at once; Redis behind its queue, and `lease` is
    /// given back when it is there, or will not be.
    pub(crate) fn insert(
        &self,
        key: &RequestKey<'_>,
        entry: Arc<Entry>,
        vary: &[HeaderName],
        lease: Option<Lease>,
    ) {
        let ttl = Duration::from_millis(entry.meta.stale_until.since(self.clock.now()));
        // Late: what a purge covers must not push out what was fetched after it.
        if !self.valid_locally(&entry) || self.local.has_newer(key, &entry) {
            return;
        }
        let remote = self
            .remote
            .as_ref()
            .filter(|_| !entry.outage && !entry.local_only);
        let names = remote.map(|_| self.namespace.names(key));
        if !vary.is_empty() {
            self.record_vary(key, &entry, vary, names.as_ref());
        }
        // Before it can be seen: Redis cannot have it yet.
        entry.set_queued(remote.is_some());
        self.local.insert(key, entry.clone());
        // Whoever finds it judges it too: what a purge has covered by now only takes room.
        if !self.valid_locally(&entry) {
            self.local.remove(key, &entry);
        } else if let (Some(remote), Some(names)) = (remote, names) {
            let name = self.name_of(&names, key, &entry);
            self.bound_variants(key, &entry, Some(&name));
            remote.write(Write::new(name, entry, ttl).with_lease(lease));
        } else {
            self.bound_variants(key, &entry, None);
            self.observer.count(Event::Stored);
        }
    }

    /// The oldest of too many variants goes, from both tiers.
    fn bound_variants(&self, key: &RequestKey<'_>, entry: &Entry, name: Option<&str>) {
        if entry.variant.is_empty() {
            return;
        }
        let variant = Variant {
            place: self.local.place(key, &entry.variant),
            name: name.map(Into::into),
        };
        let Some(old) = self.variants.add(self.local.place(key, &[]), variant) else {
            return;
        };
        self.local.remove_at(old.place);
        if let (Some(remote), Some(name)) = (&self.remote, old.name) {
            remote.remove(name);
        }
    }

    /// Takes one entry out of both tiers.
    pub(crate) fn forget(&self, key: &RequestKey<'_>, entry: &Arc<Entry>) {
        self.local.remove(key, entry);
        if let Some(remote) = &self.remote {
            let names = self.namespace.names(key);
            remote.remove(self.name_of(&names, key, entry).into());
        }
    }

    /// Stores a value in both tiers, and waits for Redis to have it.
    pub(crate) async fn insert_value(
        &self,
        name: &str,
        entry: Entry,
        ttl: Duration,
    ) -> Result<(), Fault> {
        let (key, entry) = (value_key(name), Arc::new(entry));
        if let Some(remote) = &self.remote {
            let write = Write::new(self.namespace.value(name).primary, entry.clone(), ttl);
            remote.write_now(&write).await?;
        }
        // Of two sets at once the later one stays, whichever comes here last.
        if !self.local.has_newer(&key, &entry) {
            self.local.insert(&key, entry);
        }
        self.observer.count(Event::Stored);
        Ok(())
    }

    /// Gives the memory of a value back, after it was purged.
    pub(crate) async fn remove_value(&self, name: &str) {
        if let Some(remote) = &self.remote
            && let Err(fault) = remote.delete(&self.namespace.value(name).primary).await
        {
            self.observer.fault(Operation::Delete, fault);
        }
    }

    /// Remembers what a key varies by, the newest set first.
    pub(super) fn record_vary(
        &self,
        key: &RequestKey<'_>,
        entry: &Entry,
        vary: &[HeaderName],
        names: Option<&Names>,
    ) {
        let known = self.local.vary(key);
        let known_sets = known.as_ref().map_or(&[][..], |record| &record.vary);
        let as_it_is = known.as_ref().is_some_and(|known| {
            (known.outage, known.local_only) == (entry.outage, entry.local_only)
        });
        if as_it_is && known_sets.first().is_some_and(|set| set == vary) {
            return;
        }
        let mut sets = vec![vary.to_vec()];
        sets.extend(known_sets.iter().filter(|set| *set != vary).cloned());
        sets.truncate(MAX_VARY_SETS);
        let record = seal(&Draft {
            kind: Kind::Vary,
            meta: entry.meta,
            status: entry.status(),
            key: &entry.key,
            variant: &[],
            label: "",
            scopes: &entry.scopes,
            tags: &[],
            headers: &HeaderMap::new(),
            frames: &[vary_record(&sets)],
        });
        let Some(mut record) = record else {
            return;
        };
        record.outage = entry.outage;
        record.local_only = entry.local_only;
        let record = Arc::new(record);
        record.set_queued(names.is_some());
        self.local.insert(key, record.clone());
        if let (Some(remote), Some(names)) = (&self.remote, names) {
            remote.write(Write::new(names.primary.clone(), record, VARY_TTL));
        }
    }

    pub(super) fn name_of(&self, names: &Names, key: &RequestKey<'_>, entry: &Entry) -> String {
        match entry.variant.is_empty() {
            true => names.primary.clone(),
            false => self.namespace.variant(names, key, &entry.variant),
        }
    }
}
