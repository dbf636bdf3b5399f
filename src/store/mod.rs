//! The tiers as one: who may answer, and whether what they hold is still valid.
//!
//! Without Redis the local tier answers, judged by the stamps of this process. With Redis
//! every hit is judged by the record of purges read in the same round trip, so that it is
//! exact; a copy in the local tier then saves carrying the body, not the question. While Redis
//! is left alone the local tier stands in, for a while.

mod asked;
mod fallback;
mod local;
mod moment;
#[cfg(feature = "redis")]
mod redis;
#[cfg(not(feature = "redis"))]
#[path = "redis_off.rs"]
mod redis;
pub(crate) mod subject;

use asked::Asked;
pub(crate) use local::{Found, Local};
use moment::Known;
pub(crate) use moment::Moment;
pub(crate) use redis::{Applied, Parts, Remote};
use redis::{Get, Read, Write};
pub(crate) use subject::Covered;
use subject::EntryNames;

use crate::clock::{Clock, Timestamp};
use crate::config::CacheConfig;
use crate::entry::{Draft, Entry, Kind, seal, vary_record};
use crate::error::Fault;
use crate::fences::{Fence, Fences};
use crate::key::{Names, Namespace, RequestKey};
use crate::observe::{Event, Observer};
use crate::stamp::{Order, Purges, Scope, Stamp, Subject, Verdict};
use http::{HeaderMap, HeaderName};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// Sets of `Vary` fields remembered for one key.
const MAX_VARY_SETS: usize = 4;

/// How long a record of `Vary` fields is kept: longer than most of what it leads to.
const VARY_TTL: Duration = Duration::from_hours(24);

/// Longer than a request takes from reading the time to judging what it found.
const MOMENT: Duration = Duration::from_millis(10);

pub(crate) struct Store {
    pub(crate) local: Local,
    pub(crate) remote: Option<Remote>,
    pub(crate) namespace: Namespace,
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
            local: Local::new(config.local_bytes, config.max_body),
            remote,
            namespace,
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

    /// What the local tier may answer without asking anybody: without Redis, while purges are
    /// heard of, or while Redis is left alone.
    #[inline]
    pub(crate) fn at_once(
        &self,
        key: &RequestKey<'_>,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> (Found, Tier) {
        match &self.remote {
            None => (self.find_valid(key, headers), Tier::Local),
            Some(remote) if self.near && self.is_trusted(now) => {
                match self.find_near(remote, key, headers) {
                    Found::Nothing if remote.is_left_alone() => {
                        (self.stand_in(remote, key, headers), Tier::Fallback)
                    }
                    found => (found, Tier::Local),
                }
            }
            Some(remote) if remote.is_left_alone() => {
                (self.stand_in(remote, key, headers), Tier::Fallback)
            }
            Some(_) => (Found::Nothing, Tier::Local),
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
    fn find_near(&self, remote: &Remote, key: &RequestKey<'_>, headers: &HeaderMap) -> Found {
        match self.local.find(key, headers) {
            Found::Entry(entry) if !self.valid_near(remote, &entry) => Found::Nothing,
            found => found,
        }
    }

    #[inline]
    fn valid_near(&self, remote: &Remote, entry: &Entry) -> bool {
        let epoch = self.purges.epoch();
        if entry.is_valid_in(epoch) {
            return true;
        }
        let names = self.names_of(entry);
        let subject = names.at(entry.meta.stamp);
        // One that bears a stamp of another clock, or one not heard of yet, is for Redis to judge.
        let heard = self.purges.applied().is_some_and(|at| subject.stamp <= at);
        if entry.outage || !heard {
            return false;
        }
        let mirrored = self.purges.judge_mirrored(subject, subject.stamp);
        let verdict = remote
            .judge_pending(subject)
            .and(self.purges.judge_own(subject))
            .and(mirrored.unwrap_or(Verdict::Purged));
        let valid = self.noted(entry, verdict);
        if valid {
            entry.valid_in(epoch);
        }
        valid
    }

    /// The moment of a lookup that read the clock.
    fn stamped(&self, moment: Moment, read: &Read) -> Moment {
        let coherent = self.near && self.is_coherent();
        let applied = coherent.then(|| self.purges.applied()).flatten();
        moment.at(read.clock(), applied)
    }

    #[inline]
    fn find_valid(&self, key: &RequestKey<'_>, headers: &HeaderMap) -> Found {
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
        let own = self.purges.own_clock();
        match &self.remote {
            None => Moment::alone(own, own),
            Some(remote) if remote.is_left_alone() => Moment::alone(own.max(remote.seen()), own),
            Some(_) => Moment::unknown(own),
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
        let asked = match &self.remote {
            Some(remote) if !moment.is_alone() && Handle::try_current().is_ok() => Asked {
                store: self,
                remote,
                key,
                headers,
                names: names(),
            },
            _ => return Lookup::local(self.at_once(key, headers, self.clock.now()), moment),
        };
        let found = tokio::time::timeout(self.soft_limit, asked.lookup(moment)).await;
        let fault = match found.unwrap_or(Err(Fault::Timeout)) {
            Ok(lookup) => return lookup,
            Err(fault) => fault,
        };
        self.observer.fault("lookup", fault);
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
        let Found::Entry(entry) = self.local.find(key, headers) else {
            return None;
        };
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

    /// Whether it is valid by the mirror, if all purges up to `clock` are in it.
    fn is_valid_at(&self, entry: &Entry, clock: Stamp) -> bool {
        let names = self.names_of(entry);
        let verdict = self
            .purges
            .judge_mirrored(names.at(entry.meta.stamp), clock);
        verdict.is_some_and(|verdict| self.noted(entry, verdict))
    }

    /// Whether a stale entry that was found a while ago is still valid.
    pub(crate) async fn is_still_valid(&self, entry: &Entry) -> bool {
        match &self.remote {
            None => self.valid_here(entry),
            Some(remote) if remote.is_left_alone() => self.may_stand_in(remote, entry),
            Some(_) if entry.outage => false,
            Some(remote) => {
                let confirmed = async {
                    let read = remote.read(&[]).await?;
                    self.confirm(remote, entry, &read).await
                };
                match tokio::time::timeout(self.soft_limit, confirmed).await {
                    Ok(Ok(valid)) => valid,
                    // Perhaps the last failure that was needed.
                    _ => remote.is_left_alone() && self.may_stand_in(remote, entry),
                }
            }
        }
    }

    /// How many purges this process has given; `None`: one is being given.
    pub(crate) fn purge_count(&self) -> Option<u64> {
        self.purges.count()
    }

    /// Now, if not more than `count` purges have begun here before.
    pub(crate) fn now_after(&self, count: u64) -> Option<Moment> {
        let now = self.now_here();
        (self.purges.begun() == count).then_some(now)
    }

    /// Whether what a leader fetched from `led` on may answer who asked at `asked`: no purge
    /// that the asker could know of covers it.
    pub(crate) async fn covers_asker(
        &self,
        covered: &dyn Covered,
        led: &Moment,
        asked: &Moment,
    ) -> bool {
        if !self.fences.stands(Fence::FollowerRule) {
            return true;
        }
        if self.purges.judge_own(covered.at(led.own)) != Verdict::Valid {
            return false;
        }
        let Some(remote) = &self.remote else {
            return true;
        };
        match (led.known, asked.known) {
            // Who asked knows of no purge but those of this process.
            (_, Known::Alone(_)) | (Known::Nothing, Known::Nothing) => true,
            (Known::Redis { stamp, .. }, Known::Redis { clock, .. }) if clock <= stamp => true,
            (Known::Alone(_) | Known::Nothing, _) => false,
            // It asked later, or nobody knows when.
            (Known::Redis { stamp, .. }, _) => {
                let verdict = self.judge(remote, covered.at(stamp));
                let answer = tokio::time::timeout(self.soft_limit, verdict).await;
                matches!(answer, Ok(Ok(Verdict::Valid)))
            }
        }
    }

    /// Judges by the record as it is now.
    async fn judge(&self, remote: &Remote, subject: Subject<'_>) -> Result<Verdict, Fault> {
        let read = remote.read(&[]).await?;
        match self.purges.judge_mirrored(subject, read.clock()) {
            Some(verdict) => Ok(verdict),
            None => remote.judge(&read, subject).await,
        }
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
        let remote = self.remote.as_ref().filter(|_| !entry.outage);
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
            remote.write(Write::new(name, entry, ttl));
        } else {
            self.observer.count(Event::Stored);
        }
    }

    /// Judged by all that this process knows without asking.
    fn valid_locally(&self, entry: &Entry) -> bool {
        match &self.remote {
            None => self.valid_here(entry),
            // A purge that waits for Redis covers what was fetched before it alone.
            Some(_) if entry.outage => !self.judge_own(entry).is_purged(),
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
        let as_it_is = known
            .as_ref()
            .is_some_and(|known| known.outage == entry.outage);
        if as_it_is && known_sets.first().is_some_and(|set| set == vary) {
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
        let Some(mut record) = record else {
            return;
        };
        record.outage = entry.outage;
        let record = Arc::new(record);
        record.set_queued(names.is_some());
        self.local.insert(key, record.clone());
        if let (Some(remote), Some(names)) = (&self.remote, names) {
            remote.write(Write::new(names.primary.clone(), record, VARY_TTL));
        }
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
                None => Applied::At(n),
            }
        }
    }

    /// Judged by the stamps of this process: without Redis, the whole truth.
    #[inline]
    fn valid_here(&self, entry: &Entry) -> bool {
        let epoch = self.purges.epoch();
        if entry.is_valid_in(epoch) {
            return true;
        }
        let valid = self.noted(entry, self.judge_own(entry));
        if valid {
            entry.valid_in(epoch);
        }
        valid
    }

    fn judge_own(&self, entry: &Entry) -> Verdict {
        let names = self.names_of(entry);
        self.purges.judge_own(names.at(entry.meta.stamp))
    }

    /// Whether no purge of this process covers it, be it known to Redis or not yet.
    fn unpurged_here(&self, entry: &Entry) -> bool {
        let names = self.names_of(entry);
        let subject = names.at(entry.meta.stamp);
        // In this order: what is no longer pending has marked its cells.
        let pending = |remote: &Remote| remote.judge_pending(subject);
        let pending = self.remote.as_ref().map_or(Verdict::Valid, pending);
        self.noted(entry, pending.and(self.purges.judge_own(subject)))
    }

    /// Notes a soft purge; whether the entry may still be used.
    fn noted(&self, entry: &Entry, verdict: Verdict) -> bool {
        if let Verdict::Stale(since) = verdict {
            let now = self.clock.now();
            let told = match &self.remote {
                // A mark of our own, that Redis has not taken yet, is of no time.
                Some(remote) if since > remote.seen() => now,
                _ => Timestamp(since.0 / 1000),
            };
            // A request that is answered by it now may have read the time a moment before.
            entry.soften(told.min(now).before(MOMENT));
        }
        !verdict.is_purged()
    }

    fn names_of<'a>(&'a self, entry: &'a Entry) -> EntryNames<'a> {
        EntryNames {
            entry,
            namespace: &self.namespace,
        }
    }

    fn name_of(&self, names: &Names, key: &RequestKey<'_>, entry: &Entry) -> String {
        match entry.variant.is_empty() {
            true => names.primary.clone(),
            false => self.namespace.variant(names, key, &entry.variant),
        }
    }

    /// Whether `entry` is valid by the record of purges that was read after it.
    async fn confirm(&self, remote: &Remote, entry: &Entry, read: &Read) -> Result<bool, Fault> {
        let (stamp, clock) = (entry.meta.stamp, read.clock());
        if stamp > clock || !self.unpurged_here(entry) {
            return Ok(false);
        }
        if entry.verified() >= clock || !self.fences.stands(Fence::Record) {
            return Ok(true);
        }
        let names = self.names_of(entry);
        let subject = names.at(stamp);
        let verdict = match self.purges.judge_mirrored(subject, clock) {
            Some(verdict) => verdict,
            None => remote.judge(read, subject).await?,
        };
        let valid = self.noted(entry, verdict);
        if valid {
            entry.verify(clock);
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
    fn local((found, tier): (Found, Tier), moment: Moment) -> Self {
        let (found, other_variants) = match found {
            Found::Entry(entry) => (Some((entry, tier)), false),
            Found::OtherVariants => (None, true),
            Found::Nothing => (None, false),
        };
        Self {
            found,
            other_variants,
            moment,
        }
    }

    /// Nothing was found, or asked.
    pub(crate) fn nothing(moment: Moment) -> Self {
        Self::local((Found::Nothing, Tier::Local), moment)
    }
}
