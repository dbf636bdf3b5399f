//! The tiers as one: who may answer, and whether what they hold is still valid.
//!
//! Without Redis the local tier answers, judged by the stamps of this process. With Redis
//! every hit is judged by the record of purges read in the same round trip, so that it is
//! exact; a copy in the local tier then saves carrying the body, not the question.

mod asked;
mod local;
#[cfg(feature = "redis")]
mod redis;
#[cfg(not(feature = "redis"))]
#[path = "redis_off.rs"]
mod redis;

use asked::Asked;
pub(crate) use local::{Found, Local};
pub(crate) use redis::{Applied, Remote};
use redis::{Get, Read, Write};

use crate::clock::Timestamp;
use crate::entry::{Draft, Entry, Kind, seal, vary_record};
use crate::error::Fault;
use crate::key::{Names, Namespace, RequestKey};
use crate::observe::{Event, Observer};
use crate::stamp::{Scope, Stamp, Stamps};
use http::{HeaderMap, HeaderName};
use std::sync::Arc;
use std::time::Duration;

/// Sets of `Vary` fields remembered for one key.
const MAX_VARY_SETS: usize = 4;

/// How long a record of `Vary` fields is kept: longer than most of what it leads to.
const VARY_TTL: Duration = Duration::from_hours(24);

pub(crate) struct Store {
    pub(crate) local: Local,
    pub(crate) remote: Option<Remote>,
    pub(crate) namespace: Namespace,
    stamps: Arc<Stamps>,
    soft_limit: Duration,
    observer: Arc<Observer>,
}

/// Which tier an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tier {
    Local,
    Redis,
}

/// A moment on the clock of purges, as known here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// What a fill that starts now is stamped with; `None`: it must not be stored.
    pub(crate) stamp: Option<Stamp>,
    /// On the clock of this process alone.
    own: Stamp,
}

/// What a lookup found.
#[derive(Debug)]
pub(crate) struct Lookup {
    pub(crate) found: Option<(Arc<Entry>, Tier)>,
    /// Responses are stored under this key, but none for these fields.
    pub(crate) other_variants: bool,
    /// Before the lookup.
    pub(crate) moment: Moment,
}

impl Store {
    pub(crate) fn new(
        local: Local,
        remote: Option<Remote>,
        namespace: Namespace,
        soft_limit: Duration,
        (stamps, observer): (Arc<Stamps>, Arc<Observer>),
    ) -> Self {
        Self {
            local,
            remote,
            namespace,
            stamps,
            soft_limit,
            observer,
        }
    }

    /// What the local tier may answer without asking anybody: only without Redis.
    #[inline]
    pub(crate) fn at_once(&self, key: &RequestKey<'_>, headers: &HeaderMap) -> Found {
        if self.remote.is_some() {
            return Found::Nothing;
        }
        match self.local.find(key, headers) {
            Found::Entry(entry) if !self.valid_here(&entry) => {
                self.local.remove(key, &entry);
                Found::Nothing
            }
            found => found,
        }
    }

    /// The moment of a request that looks nothing up, or found nothing locally.
    pub(crate) fn now_here(&self) -> Moment {
        let own = self.stamps.clock();
        Moment {
            stamp: self.remote.is_none().then_some(own),
            own,
        }
    }

    /// Looks up a response.
    pub(crate) async fn lookup(&self, key: &RequestKey<'_>, headers: &HeaderMap) -> Lookup {
        self.lookup_named(key, headers, || self.namespace.names(key))
            .await
    }

    /// Looks up a value set by hand.
    pub(crate) async fn lookup_value(&self, name: &str) -> Lookup {
        let headers = HeaderMap::new();
        self.lookup_named(&value_key(name), &headers, || self.namespace.value(name))
            .await
    }

    /// Looks in Redis, within the soft limit; a fault or a late answer is a miss.
    async fn lookup_named(
        &self,
        key: &RequestKey<'_>,
        headers: &HeaderMap,
        names: impl FnOnce() -> Names,
    ) -> Lookup {
        let moment = self.now_here();
        let Some(remote) = &self.remote else {
            let found = self.at_once(key, headers);
            return Lookup::local(found, moment);
        };
        if tokio::runtime::Handle::try_current().is_err() {
            return Lookup::local(Found::Nothing, moment);
        }
        let asked = Asked {
            store: self,
            remote,
            key,
            headers,
            names: names(),
        };
        let found = tokio::time::timeout(self.soft_limit, asked.lookup(moment)).await;
        found
            .unwrap_or(Err(Fault::Timeout))
            .unwrap_or_else(|fault| {
                self.observer.fault("lookup", fault);
                Lookup {
                    found: None,
                    other_variants: false,
                    moment,
                }
            })
    }

    /// What another request has stored since `moment`'s lookup.
    pub(crate) fn recheck(
        &self,
        key: &RequestKey<'_>,
        headers: &HeaderMap,
        moment: &Moment,
    ) -> Option<Arc<Entry>> {
        let Found::Entry(entry) = self.local.find(key, headers) else {
            return None;
        };
        let known = entry.verified().max(entry.meta.stamp);
        let valid = match &self.remote {
            None => self.valid_here(&entry),
            Some(_) => {
                moment.stamp.is_some_and(|clock| known >= clock) && self.unpurged_here(&entry)
            }
        };
        valid.then_some(entry)
    }

    /// Whether what a leader fetched from `led` on may answer who asked at `asked`: no purge
    /// that the asker could know of covers it.
    pub(crate) async fn covers_asker(
        &self,
        scopes: &[Scope],
        led: &Moment,
        asked: &Moment,
    ) -> bool {
        if !self.stamps.valid(scopes, led.own) {
            return false;
        }
        match (&self.remote, led.stamp, asked.stamp) {
            (None, ..) | (_, None, None) => true,
            (_, Some(led), Some(asked)) if asked <= led => true,
            (Some(_), None, Some(_)) => false,
            // It asked later, or nobody knows when.
            (Some(remote), Some(led), _) => {
                let unpurged = self.unpurged_since(remote, scopes, led);
                let answer = tokio::time::timeout(self.soft_limit, unpurged).await;
                matches!(answer, Ok(Ok(true)))
            }
        }
    }

    async fn unpurged_since(
        &self,
        remote: &Remote,
        scopes: &[Scope],
        stamp: Stamp,
    ) -> Result<bool, Fault> {
        let read = remote.read(&[]).await?;
        Ok(read.everything <= stamp && remote.highest(&read, scopes).await? <= stamp)
    }

    /// Stores an entry in both tiers. The local one at once; Redis behind its queue.
    pub(crate) fn insert(
        &self,
        key: &RequestKey<'_>,
        entry: Arc<Entry>,
        vary: &[HeaderName],
        now: Timestamp,
    ) {
        let ttl = Duration::from_millis(entry.meta.stale_until.since(now));
        // Late: what a purge covers must not push out what was fetched after it.
        if !self.valid_locally(&entry) || self.local.has_newer(key, &entry) {
            return;
        }
        let names = self.remote.as_ref().map(|_| self.namespace.names(key));
        if !vary.is_empty() {
            self.record_vary(key, &entry, vary, names.as_ref());
        }
        // Before it can be seen: Redis cannot have it yet.
        entry.set_queued(self.remote.is_some());
        self.local.insert(key, entry.clone());
        // A purge marks its cells first: either it is seen here, or whoever finds the entry
        // sees it.
        if !self.valid_locally(&entry) {
            self.local.remove(key, &entry);
        } else if let (Some(remote), Some(names)) = (&self.remote, names) {
            let name = self.name_of(&names, key, &entry);
            remote.write(Write::new(name, entry, ttl));
        } else {
            self.observer.count(Event::Stored);
        }
    }

    /// Judged by all that this process knows without asking.
    fn valid_locally(&self, entry: &Entry) -> bool {
        match &self.remote {
            None => self.valid_here(entry),
            Some(_) => self.unpurged_here(entry),
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
            self.observer.fault("delete", fault);
        }
    }

    /// Remembers what a key varies by, the newest set first.
    fn record_vary(
        &self,
        key: &RequestKey<'_>,
        entry: &Entry,
        vary: &[HeaderName],
        names: Option<&Names>,
    ) {
        let known = self.local.vary(key);
        let known_sets = known.as_ref().map_or(&[][..], |record| &record.vary);
        if known_sets.first().is_some_and(|set| set == vary) {
            return;
        }
        let mut sets = vec![vary.to_vec()];
        sets.extend(known_sets.iter().filter(|set| *set != vary).cloned());
        sets.truncate(MAX_VARY_SETS);
        let record = seal(&Draft {
            kind: Kind::Vary,
            meta: entry.meta,
            status: entry.status,
            key: &entry.key,
            variant: &[],
            label: "",
            scopes: &entry.scopes,
            tags: &[],
            headers: &HeaderMap::new(),
            frames: &[vary_record(&sets)],
        });
        let Some(record) = record.map(Arc::new) else {
            return;
        };
        record.set_queued(self.remote.is_some());
        self.local.insert(key, record.clone());
        if let (Some(remote), Some(names)) = (&self.remote, names) {
            remote.write(Write::new(names.primary.clone(), record, VARY_TTL));
        }
    }

    /// Purges `scopes`: here at once, everywhere when Redis has it.
    pub(crate) fn purge(&self, scopes: &[Scope]) -> impl Future<Output = Applied> + use<> {
        self.observer.count(Event::Purge);
        let seen = self.remote.as_ref().map_or(Stamp(0), Remote::seen);
        let n = self.stamps.purge(scopes, seen);
        if scopes.contains(&Scope::Everything) {
            self.local.clear();
        }
        let remote = self.remote.as_ref().map(|remote| remote.purge(scopes, n));
        async move {
            match remote {
                Some(applied) => applied.await,
                None => Applied::At(n),
            }
        }
    }

    /// Judged by the stamps of this process: without Redis, the whole truth.
    #[inline]
    fn valid_here(&self, entry: &Entry) -> bool {
        let clock = self.stamps.clock();
        if entry.verified() == clock {
            return true;
        }
        let valid = self.stamps.valid(&entry.scopes, entry.meta.stamp);
        if valid {
            entry.verify(clock);
        }
        valid
    }

    /// Whether no purge of this process covers it, be it known to Redis or not yet.
    fn unpurged_here(&self, entry: &Entry) -> bool {
        // In this order: what is no longer pending has marked its cells.
        let pending = |remote: &Remote| remote.purge_pending(&entry.scopes);
        !self.remote.as_ref().is_some_and(pending)
            && self.stamps.valid(&entry.scopes, entry.meta.stamp)
    }

    fn name_of(&self, names: &Names, key: &RequestKey<'_>, entry: &Entry) -> String {
        match entry.variant.is_empty() {
            true => names.primary.clone(),
            false => self.namespace.variant(names, key, &entry.variant),
        }
    }

    /// Whether `entry` is valid by the record of purges that was read after it.
    async fn confirm(&self, remote: &Remote, entry: &Entry, read: &Read) -> Result<bool, Fault> {
        let stamp = entry.meta.stamp;
        if stamp > read.clock || !self.unpurged_here(entry) || read.everything > stamp {
            return Ok(false);
        }
        if entry.verified() >= read.clock {
            return Ok(true);
        }
        let valid = remote.highest(read, &entry.scopes).await? <= stamp;
        if valid {
            entry.verify(read.clock);
        }
        Ok(valid)
    }
}

/// The key of a value set by hand: no request has an authority like this.
pub(crate) fn value_key(name: &str) -> RequestKey<'_> {
    RequestKey {
        authority: "\0value".into(),
        path: name.into(),
        query: None,
        extras: Vec::new(),
        depth: 0,
    }
}

impl Lookup {
    fn local(found: Found, moment: Moment) -> Self {
        let (found, other_variants) = match found {
            Found::Entry(entry) => (Some((entry, Tier::Local)), false),
            Found::OtherVariants => (None, true),
            Found::Nothing => (None, false),
        };
        Self {
            found,
            other_variants,
            moment,
        }
    }
}

impl Moment {
    /// A fill that starts now bears the clock read with its lookup.
    fn at(self, clock: Stamp) -> Self {
        Self {
            stamp: Some(clock),
            ..self
        }
    }
}
