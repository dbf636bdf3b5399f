//! The tiers as one: who may answer, and whether what they hold is still valid.
//!
//! Without Redis the local tier answers, judged by the stamps of this process. With Redis
//! every hit is judged by the record of purges read with it, so that it is exact; a copy in the
//! local tier then saves carrying the body, not the question. While Redis is left alone the local
//! tier stands in, for a while.

mod asked;
mod fallback;
pub(crate) mod hot;
pub(crate) mod inspect;
mod judge;
mod keep;
mod lease;
mod local;
mod moment;
#[cfg(feature = "redis")]
mod redis;
#[cfg(not(feature = "redis"))]
#[path = "redis_off.rs"]
mod redis;
pub(crate) mod subject;
mod values;
mod variants;

use asked::Asked;
pub(crate) use hot::Hot;
pub(crate) use lease::{Tries, Try};
pub(crate) use local::Local;
use moment::Known;
pub(crate) use moment::Moment;
pub(crate) use redis::{Applied, Count, Ended, Info, Lease, Parts, Remote, Taken};
use redis::{Get, Read};
pub(crate) use subject::Covered;
use variants::Variants;

use crate::clock::{Clock, Timestamp, instant};
use crate::config::CacheConfig;
use crate::entry::Entry;
use crate::error::Fault;
use crate::fences::{Fence, Fences};
use crate::key::{Names, Namespace, RequestKey};
use crate::observe::{Event, Observer, Operation};
use crate::stamp::{Order, Purges, Scope, Stamp};
use http::HeaderMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tracing::Instrument;

pub(crate) struct Store {
    pub(crate) local: Local,
    pub(crate) remote: Option<Remote>,
    pub(crate) namespace: Namespace,
    variants: Variants,
    purges: Arc<Purges>,
    soft_limit: Duration,
    fallback_staleness: Duration,
    /// The local tier answers without asking, as long as purges are heard of.
    near: bool,
    fences: Fences,
    clock: Clock,
    observer: Arc<Observer>,
}

/// Which tier an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tier {
    Local,
    Redis,
    /// The local one, while Redis is left alone.
    Fallback,
}

/// Where a response may lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tiers {
    All,
    /// In local memory alone: Redis is asked for the record of purges and nothing else.
    Local,
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
    pub(crate) fn new(config: &CacheConfig, clock: Clock, observer: Arc<Observer>) -> Self {
        let namespace = Namespace::new(&config.namespace, &config.version);
        let purges = Arc::new(Purges::new(config.stamp_cells));
        let remote = Remote::new(Parts {
            config,
            namespace: &namespace,
            clock,
            purges: purges.clone(),
            observer: observer.clone(),
        });
        Self {
            local: Local::new(config.local_bytes, config.max_body, observer.clone()),
            remote,
            namespace,
            variants: Variants::new(),
            purges,
            soft_limit: config.soft_limit,
            fallback_staleness: config.fallback_staleness,
            near: config.near_cache,
            fences: config.fences,
            clock,
            observer,
        }
    }

    /// The latest stamp known: what no fill may bear.
    pub(crate) fn latest(&self) -> Stamp {
        let seen = self.remote.as_ref().map_or(Stamp(0), Remote::seen);
        seen.max(self.purges.own_clock())
    }

    /// Purges by pattern that are kept.
    pub(crate) fn patterns(&self) -> usize {
        self.purges.patterns()
    }

    /// What the local tier may answer without asking anybody: without Redis, while purges are
    /// heard of, or while Redis is left alone. As [`find`](Local::find) does, it gives the record
    /// of what responses vary by where none fits.
    #[inline]
    pub(crate) fn at_once(
        &self,
        key: &RequestKey<'_>,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> (Option<Arc<Entry>>, Tier) {
        match &self.remote {
            None => (self.find_valid(key, headers), Tier::Local),
            Some(remote) => self.at_once_beside(remote, key, headers, now),
        }
    }

    /// What the local tier may answer without asking Redis.
    fn at_once_beside(
        &self,
        remote: &Remote,
        key: &RequestKey<'_>,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> (Option<Arc<Entry>>, Tier) {
        if self.near && self.is_trusted(now) {
            let found = self.find_near(remote, key, headers);
            if found.is_some() || !remote.is_left_alone() {
                return (found, Tier::Local);
            }
        }
        match remote.is_left_alone() {
            true => (self.stand_in(remote, key, headers), Tier::Fallback),
            false => (None, Tier::Local),
        }
    }

    /// Whether the mirror of purges is trusted now.
    pub(crate) fn is_coherent(&self) -> bool {
        self.remote.is_some() && self.purges.is_trusted(self.clock.now().0)
    }

    #[inline]
    fn is_trusted(&self, now: Timestamp) -> bool {
        self.purges.is_trusted(now.0) || !self.fences.stands(Fence::Trust)
    }

    /// What is valid by all purges heard of.
    #[inline]
    fn find_near(
        &self,
        remote: &Remote,
        key: &RequestKey<'_>,
        headers: &HeaderMap,
    ) -> Option<Arc<Entry>> {
        let found = self.local.find(key, headers)?;
        (found.is_vary() || self.valid_near(remote, &found)).then_some(found)
    }

    /// The moment of a lookup that read the clock.
    fn stamped(&self, moment: Moment, read: &Read) -> Moment {
        let coherent = self.near && self.is_coherent();
        let applied = coherent.then(|| self.purges.applied()).flatten();
        moment.at(read.clock(), applied)
    }

    #[inline]
    fn find_valid(&self, key: &RequestKey<'_>, headers: &HeaderMap) -> Option<Arc<Entry>> {
        let found = self.local.find(key, headers)?;
        if !found.is_vary() && !self.valid_here(&found) {
            self.local.remove(key, &found);
            return None;
        }
        Some(found)
    }

    /// The moment of a request that looks nothing up, or found nothing locally.
    pub(crate) fn now_here(&self) -> Moment {
        let own = self.purges.own_clock();
        match &self.remote {
            None => Moment::alone(own, own),
            Some(remote) if remote.is_left_alone() => Moment::alone(own.max(remote.seen()), own),
            Some(_) => Moment::unknown(own),
        }
    }

    /// The moment of a request that looks nothing up, as Redis has it where that is asked.
    pub(crate) async fn now_everywhere(&self) -> Moment {
        let here = self.now_here();
        let Some(remote) = self.remote.as_ref().filter(|_| !here.is_alone()) else {
            return here;
        };
        let read = tokio::time::timeout(self.soft_limit, remote.read(&[])).await;
        match read.unwrap_or(Err(Fault::Timeout)) {
            Ok(read) => self.stamped(here, &read),
            Err(fault) => {
                self.observer.fault(Operation::Lookup, fault);
                here
            }
        }
    }

    /// Looks up a response.
    pub(crate) async fn lookup(
        &self,
        key: &RequestKey<'_>,
        headers: &HeaderMap,
        tiers: Tiers,
    ) -> Lookup {
        self.lookup_named(key, headers, tiers, || self.namespace.names(key))
            .await
    }

    /// Looks up a value set by hand.
    pub(crate) async fn lookup_value(&self, name: &str) -> Lookup {
        let headers = HeaderMap::new();
        let names = || self.namespace.value(name);
        self.lookup_named(&value_key(name), &headers, Tiers::All, names)
            .await
    }

    /// Looks in Redis, within the soft limit; a fault or a late answer is a miss.
    async fn lookup_named(
        &self,
        key: &RequestKey<'_>,
        headers: &HeaderMap,
        tiers: Tiers,
        names: impl FnOnce() -> Names,
    ) -> Lookup {
        let moment = self.now_here();
        let asked = match &self.remote {
            Some(remote) if !moment.is_alone() && Handle::try_current().is_ok() => Asked {
                store: self,
                remote,
                key,
                headers,
                names: names(),
                tiers,
                dry: false,
            },
            _ => return Lookup::local(self.at_once(key, headers, self.clock.now()), moment),
        };
        let begun = instant();
        let looked = asked.lookup(moment).instrument(Operation::Lookup.span());
        let found = tokio::time::timeout(self.soft_limit, looked).await;
        self.observer.took(Operation::Lookup, begun.elapsed());
        let fault = match found.unwrap_or(Err(Fault::Timeout)) {
            Ok(lookup) => {
                self.observer.done(Operation::Lookup);
                return lookup;
            }
            Err(fault) => fault,
        };
        self.observer.fault(Operation::Lookup, fault);
        // Perhaps the last failure that was needed.
        match self.now_here() {
            now if now.is_alone() => {
                Lookup::local(self.at_once(key, headers, self.clock.now()), now)
            }
            _ => Lookup::nothing(moment),
        }
    }

    /// What another request has stored since `moment`'s lookup.
    pub(crate) fn recheck(
        &self,
        key: &RequestKey<'_>,
        headers: &HeaderMap,
        moment: &Moment,
    ) -> Option<Arc<Entry>> {
        let found = self.local.find(key, headers);
        let entry = found.filter(|entry| !entry.is_vary())?;
        let known = entry.verified().max(entry.meta.stamp);
        let valid = match (&self.remote, moment.known) {
            (None, _) => self.valid_here(&entry),
            (Some(remote), Known::Alone(_)) => self.may_stand_in(remote, &entry),
            (Some(_), Known::Redis { clock, .. }) => {
                let confirmed = known >= clock || self.is_valid_at(&entry, clock);
                !entry.outage && confirmed && self.unpurged_here(&entry)
            }
            (Some(_), Known::Nothing) => false,
        };
        valid.then_some(entry)
    }

    /// Purges: here at once, everywhere when Redis has it.
    pub(crate) fn purge(&self, order: &Order) -> impl Future<Output = Applied> + use<> {
        self.observer.count(Event::Purge);
        // Stamps are microseconds, so that a soft purge tells since when: of Redis's time, or,
        // without it, of ours.
        let past = match &self.remote {
            Some(remote) => remote.seen(),
            None => Stamp(self.clock.now().0.saturating_mul(1000)),
        };
        let n = match self.fences.stands(Fence::OwnMarks) {
            true => self.purges.purge(order, past),
            false => past,
        };
        if order.scopes.contains(&Scope::Everything)
            && !order.soft
            && self.fences.stands(Fence::OwnMarks)
        {
            self.local.clear();
        }
        let remote = self.remote.as_ref().map(|remote| remote.purge(order, n));
        // What was judged before it was queued is judged again.
        self.purges.next_epoch();
        async move {
            match remote {
                Some(applied) => applied.await,
                None => Applied::At {
                    stamp: n,
                    after: None,
                },
            }
        }
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
    pub(crate) fn local((found, tier): (Option<Arc<Entry>>, Tier), moment: Moment) -> Self {
        let other_variants = found.as_ref().is_some_and(|entry| entry.is_vary());
        Self {
            found: found.filter(|_| !other_variants).map(|entry| (entry, tier)),
            other_variants,
            moment,
        }
    }

    /// Nothing was found, or asked.
    pub(crate) fn nothing(moment: Moment) -> Self {
        Self::local((None, Tier::Local), moment)
    }
}
