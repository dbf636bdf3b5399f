//! One lookup in Redis: a copy confirmed where the local tier has one, else the whole entry.

use super::{Get, Lookup, Moment, Read, Remote, Store, Tier, Tiers};
use crate::entry::{Entry, Kind, claimed_stamp, decode};
use crate::error::Fault;
use crate::key::{Names, RequestKey, variant_bytes};
use crate::observe::Operation;
use crate::stamp::Stamp;
use bytes::Bytes;
use http::HeaderMap;
use std::sync::Arc;

/// One lookup in Redis.
pub(super) struct Asked<'a> {
    pub(super) store: &'a Store,
    pub(super) remote: &'a Remote,
    pub(super) key: &'a RequestKey<'a>,
    pub(super) headers: &'a HeaderMap,
    pub(super) names: Names,
    pub(super) tiers: Tiers,
    /// Only to see: nothing is kept, removed or counted.
    pub(super) dry: bool,
}

impl Asked<'_> {
    pub(super) async fn lookup(&self, moment: Moment) -> Result<Lookup, Fault> {
        match self.store.local.find(self.key, self.headers) {
            Some(entry) if !entry.is_vary() => match self.lookup_copy(&entry, moment).await? {
                Some(lookup) => Ok(lookup),
                None => {
                    // Redis has another one, or none: this one answers nobody any more.
                    if !self.dry {
                        self.store.local.remove(self.key, &entry);
                    }
                    self.lookup_elsewhere(moment, false).await
                }
            },
            record => self.lookup_elsewhere(moment, record.is_some()).await,
        }
    }

    /// What local memory does not have; `others`: it has variants of it.
    async fn lookup_elsewhere(&self, moment: Moment, others: bool) -> Result<Lookup, Fault> {
        if self.tiers == Tiers::All {
            return self.lookup_whole(moment).await;
        }
        let read = self.remote.read(&[]).await?;
        Ok(Lookup {
            other_variants: others,
            ..Lookup::nothing(self.store.stamped(moment, &read))
        })
    }

    /// Asks whether Redis still has what the local tier has a copy of; of what stays in local
    /// memory, only whether it was purged. `None`: it has something else.
    async fn lookup_copy(
        &self,
        entry: &Arc<Entry>,
        moment: Moment,
    ) -> Result<Option<Lookup>, Fault> {
        let name = || self.store.name_of(&self.names, self.key, entry);
        let get = (!entry.local_only).then(|| Get::Header(name()));
        let read = self.remote.read(get.as_slice()).await?;
        let header = read.values.first().and_then(Option::as_deref);
        if !is_same(entry, header) || !self.store.confirm(self.remote, entry, &read).await? {
            return Ok(None);
        }
        Ok(Some(Lookup {
            found: Some((entry.clone(), Tier::Redis)),
            other_variants: false,
            moment: self.store.stamped(moment, &read),
        }))
    }

    /// Reads the key and the variants it is known to have; then those that only Redis knows.
    async fn lookup_whole(&self, moment: Moment) -> Result<Lookup, Fault> {
        let known = self.store.local.vary(self.key);
        let known = known.as_ref().map_or(&[][..], |record| &record.vary);
        let mut wanted = vec![Vec::new()];
        wanted.extend(known.iter().map(|set| variant_bytes(set, self.headers)));
        let (mut entries, mut read) = self.read(&wanted).await?;
        let moment = self.store.stamped(moment, &read);
        let record = entries.iter().position(|entry| entry.kind == Kind::Vary);
        let record = record.map(|at| Arc::new(entries.swap_remove(at)));
        if let Some(record) = &record {
            self.keep(record);
            let new = record.vary.iter().filter(|set| !known.contains(set));
            let wanted: Vec<Vec<u8>> = new.map(|set| variant_bytes(set, self.headers)).collect();
            if !wanted.is_empty() {
                let (more, later) = self.read(&wanted).await?;
                entries.extend(more);
                read = later;
            }
        }
        let newest = entries.into_iter().max_by_key(|entry| entry.meta.stored_at);
        let found = match newest.map(Arc::new) {
            Some(entry) if self.store.confirm(self.remote, &entry, &read).await? => {
                self.keep(&entry);
                Some((entry, Tier::Redis))
            }
            _ => None,
        };
        Ok(Lookup {
            other_variants: found.is_none() && record.is_some(),
            found,
            moment,
        })
    }

    fn keep(&self, entry: &Arc<Entry>) {
        if !self.dry {
            self.store.local.insert(self.key, entry.clone());
        }
    }

    /// Reads variants of the key, the empty one being the key itself.
    async fn read(&self, variants: &[Vec<u8>]) -> Result<(Vec<Entry>, Read), Fault> {
        let gets: Vec<Get> = variants.iter().map(|variant| self.whole(variant)).collect();
        let mut read = self.remote.read(&gets).await?;
        let mut entries = Vec::new();
        for (wire, variant) in read.values.drain(..).zip(variants) {
            match wire.map(|wire| self.decode(&wire, variant)) {
                Some(Ok(entry)) => entries.push(entry),
                Some(Err(Some(stamp))) if !self.dry => self.clear(variant, stamp).await?,
                Some(Err(_)) | None => {}
            }
        }
        Ok((entries, read))
    }

    /// Takes a damaged envelope away: its stamp may be one that no later entry reaches, and would
    /// keep its place until it expires.
    async fn clear(&self, variant: &[u8], stamp: Stamp) -> Result<(), Fault> {
        let (Get::Whole(name) | Get::Header(name)) = self.whole(variant);
        self.remote.unlink(&name, stamp).await
    }

    fn whole(&self, variant: &[u8]) -> Get {
        Get::Whole(match variant {
            [] => self.names.primary.clone(),
            _ => self.store.namespace.variant(&self.names, self.key, variant),
        })
    }

    /// An envelope of this very key and variant; whatever else stands there is a miss. One of
    /// ours that is damaged is told by the stamp it claims.
    fn decode(&self, wire: &Bytes, variant: &[u8]) -> Result<Entry, Option<Stamp>> {
        let entry = decode(wire.clone()).ok_or_else(|| claimed_stamp(wire));
        let ours = |entry: &Entry| self.key.matches(&entry.key) && *entry.variant == *variant;
        let entry = entry.and_then(|entry| ours(&entry).then_some(entry).ok_or(None));
        if entry.is_err() && !self.dry {
            self.store.observer.fault(Operation::Decode, Fault::Foreign);
        }
        entry
    }
}

/// Whether what Redis has under its name, by its header, is a copy, or one that it is to be replaced
/// by.
pub(super) fn is_same(entry: &Entry, header: Option<&[u8]>) -> bool {
    match header {
        Some(header) if !header.is_empty() => {
            *header == *entry.header() || (entry.is_queued() && entry.is_after(header))
        }
        _ => entry.is_queued() || entry.local_only,
    }
}
