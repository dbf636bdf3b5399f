//! One run of a function, and what becomes of its result.

use super::Computed;
use super::builder::Says;
use super::condition::Condition;
use super::value::{CacheValue, Shape, decode, encode, keep, shape};
use crate::cache::{Cache, Inner};
use crate::clock::{Timestamp, instant, millis};
use crate::entry::{Draft, Entry, Kind, Meta, StaleWindows, seal};
use crate::fences::Fence;
use crate::flight::Lead;
use crate::http::tags_fit;
use crate::key::{RequestKey, class_scope, function_scope, tag_scope};
use crate::observe::{Answered, Event, Operation, Route};
use crate::policy::reuse::{Demand, usable_on_error};
use crate::stamp::{Scope, Stamp};
use crate::store::{Lease, Lookup, Moment, Taken, Tiers};
use crate::taint::{Taint, given, given_old};
use crate::values::value_scopes;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use std::sync::Arc;
use std::time::Duration;

/// The right to run the function.
pub(super) struct Turn {
    pub(super) moment: Moment,
    /// Others wait for what comes of it.
    pub(super) lead: Option<Lead<Computed>>,
    /// Others on other instances wait too.
    pub(super) lease: Option<Lease>,
    /// What was found, valid and not fresh: it may answer if the function fails.
    pub(super) found: Option<Arc<Entry>>,
}

impl Turn {
    pub(super) fn of(lookup: &Lookup, lead: Option<Lead<Computed>>, lease: Option<Lease>) -> Self {
        Self {
            moment: lookup.moment,
            lead,
            lease,
            found: lookup.found.as_ref().map(|(entry, _)| entry.clone()),
        }
    }
}

/// One call: of what, and what is said of it.
pub(super) struct Work<C> {
    pub(super) cache: Cache,
    pub(super) key: RequestKey<'static>,
    pub(super) place: u64,
    says: Says,
    condition: C,
}

/// A run that has ended.
struct Ran {
    turn: Turn,
    taint: Taint,
    began: Timestamp,
}

/// Why a result is not stored.
enum Refusal {
    /// The function failed: another caller may try it.
    Failed,
    /// Another run would bring the same.
    Unfit,
}

impl<C> Work<C> {
    pub(super) fn new(cache: Cache, key: RequestKey<'static>, says: Says, condition: C) -> Self {
        Self {
            place: cache.inner.store.local.place(&key, &[]),
            cache,
            key,
            says,
            condition,
        }
    }

    /// The same for a task, that keeps the cache from nothing.
    pub(super) fn held_by_task(self) -> Self {
        Self {
            cache: self.cache.held_by_task(),
            ..self
        }
    }

    /// Where its results may lie.
    pub(super) fn tiers(&self) -> Tiers {
        match self.is_local_only() {
            true => Tiers::Local,
            false => Tiers::All,
        }
    }

    fn is_local_only(&self) -> bool {
        let classes = &self.cache.inner.config.classes;
        classes.is_local_only(Some(self.says.class()))
    }

    /// Calls are counted by their prefix.
    pub(super) fn route(&self) -> Route {
        self.cache.inner.observer.route(&self.says.prefix)
    }

    pub(super) fn answered(&self, answered: Answered) {
        let cache = &self.cache.inner;
        let now = cache.clock.now();
        cache.observer.answered(self.route(), answered, now);
    }

    /// Takes the lease of this call; `None`: none is wanted, or to be had.
    pub(super) async fn lease(&self, moment: &Moment, found: Option<&Entry>) -> Option<Taken> {
        let cache = &self.cache.inner;
        let time = cache.config.lease;
        // Without a stamp nothing would be stored, and in an outage not in Redis.
        moment.stamp()?;
        if time.is_zero() || moment.is_alone() || self.is_local_only() {
            return None;
        }
        cache.store.lease((&self.key, &[]), found, time).await
    }

    /// Runs the function for what is stale; `None`: another instance does, or has just done so.
    pub(super) async fn refresh<T, E, F, Fut>(&self, mut turn: Turn, run: F) -> Option<Result<T, E>>
    where
        T: CacheValue,
        C: Condition<T>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        match self.lease(&turn.moment, turn.found.as_deref()).await {
            Some(Taken::Lease(lease)) => turn.lease = Some(lease),
            Some(Taken::Changed(_) | Taken::Held(_)) => {
                // It will be found by the next lookup.
                if let Some(lead) = turn.lead.take() {
                    lead.release();
                }
                return None;
            }
            None => {}
        }
        Some(self.compute(turn, run).await)
    }

    /// Runs the function; stores what may be, and hands it to who waits.
    pub(super) async fn compute<T, E, F, Fut>(&self, turn: Turn, run: F) -> Result<T, E>
    where
        T: CacheValue,
        C: Condition<T>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let mut ran = Ran {
            turn,
            taint: Taint::default(),
            began: self.cache.inner.clock.now(),
        };
        let begun = instant();
        let result = ran.taint.watch(async { run().await }).await;
        let observer = &self.cache.inner.observer;
        observer.took(Operation::Fetch, begun.elapsed());
        if self.bubbles() {
            // Whatever comes of it: the caller has it.
            given(&self.own_scopes(&self.key.value_name()));
        }
        let refusal = match &result {
            Ok(value) => self.refusal(value),
            Err(_) => Some(Refusal::Failed),
        };
        match refusal {
            None => {
                if let Ok(value) = &result {
                    self.hand_over(value, ran);
                }
            }
            Some(Refusal::Unfit) => self.refuse(ran.turn),
            Some(Refusal::Failed) => {
                if let Some(stale) = self.stand_in(&ran.turn).await {
                    if let Some(lead) = ran.turn.lead.take() {
                        lead.fail();
                    }
                    return Ok(stale);
                }
            }
        }
        result
    }

    fn refusal<T: CacheValue>(&self, value: &T) -> Option<Refusal>
    where
        C: Condition<T>,
    {
        match shape(value) {
            Shape::Error if !self.says.store_errors => return Some(Refusal::Failed),
            Shape::None if !self.says.store_none => return Some(Refusal::Unfit),
            _ => {}
        }
        (!self.condition.holds(value) || self.ttl().is_zero()).then_some(Refusal::Unfit)
    }

    fn ttl(&self) -> Duration {
        let classes = &self.cache.inner.config.classes;
        let class = Some(self.says.class());
        let said = self.says.ttl.unwrap_or_else(|| classes.ttl(class));
        classes.max_ttl(class).map_or(said, |most| said.min(most))
    }

    /// For how long it is used past its time; never longer than its class lets it be.
    fn stale(&self) -> StaleWindows {
        let classes = &self.cache.inner.config.classes;
        let class = Some(self.says.class());
        let stale = self.says.stale.or(classes.stale(class));
        let left = classes.max_ttl(class);
        let left = left.map_or(u64::MAX, |most| millis(most.saturating_sub(self.ttl())));
        let window = |window: Option<Duration>| millis(window.unwrap_or_default()).min(left);
        StaleWindows {
            while_revalidate: window(stale.while_revalidate),
            if_error: window(stale.if_error),
        }
    }

    /// Nothing is stored, and nobody waits for another one for a while.
    fn refuse(&self, turn: Turn) {
        let cache = &self.cache.inner;
        if let Some(lease) = turn.lease {
            lease.refuse();
        }
        cache.marks.set(self.place, cache.clock.now());
        if let Some(lead) = turn.lead {
            lead.release();
        }
    }

    /// Stores a result, if its stamp is known and nothing old is part of it, and gives it to all
    /// who wait.
    fn hand_over<T: CacheValue>(&self, value: &T, mut ran: Ran) {
        let Some(entry) = self.seal(value, &ran) else {
            return self.refuse(ran.turn);
        };
        keep(&entry, value);
        let (entry, cache) = (Arc::new(entry), &self.cache.inner);
        let old = ran.taint.is_set();
        if self.stamp(&ran.turn).is_some() && !old {
            cache.marks.clear(self.place);
            let lease = ran.turn.lease.take();
            cache.store.insert(&self.key, entry.clone(), &[], lease);
        }
        if let Some(lead) = ran.turn.lead.take() {
            let led = ran.turn.moment;
            // Who comes later finds it stored.
            drop(lead.publish(Computed { entry, led, old }));
        }
    }

    fn stamp(&self, turn: &Turn) -> Option<Stamp> {
        match self.cache.inner.config.fences.stands(Fence::StampBefore) {
            true => turn.moment.stamp(),
            false => Some(self.cache.inner.store.latest()),
        }
    }

    /// The entry as it would be stored. `None`: it cannot be encoded, is too large or has too many
    /// tags.
    fn seal<T: CacheValue>(&self, value: &T, ran: &Ran) -> Option<Entry> {
        let cache = &self.cache.inner;
        let body = encode(value).filter(|body| body.len() <= cache.config.max_body)?;
        if !tags_fit(&self.says.tags) {
            cache.observer.count(Event::TagsRefused);
            let prefix = &*self.says.prefix;
            tracing::warn!(prefix, "not stored: too many tags, or one too long");
            return None;
        }
        let mut entry = self.draft(body, self.meta(ran), &ran.taint)?;
        entry.outage = cache.store.remote.is_some()
            && ran.turn.moment.is_alone()
            && cache.config.fences.stands(Fence::Outage);
        entry.local_only = self.is_local_only();
        entry.count_by(self.route());
        Some(entry)
    }

    fn draft(&self, body: Bytes, meta: Meta, taint: &Taint) -> Option<Entry> {
        let name = self.key.value_name();
        seal(&Draft {
            kind: Kind::Value,
            meta,
            status: StatusCode::OK,
            key: &self.key.to_bytes(),
            variant: &[],
            label: &name,
            scopes: &self.scopes(&name, taint),
            tags: &self.says.tags,
            headers: &HeaderMap::new(),
            frames: &[body],
        })
    }

    fn meta(&self, ran: &Ran) -> Meta {
        let cache = &self.cache.inner;
        let stale = self.stale();
        let now = cache.clock.now();
        let fresh_until = now.after(self.ttl());
        Meta {
            stamp: self.stamp(&ran.turn).unwrap_or_default(),
            stored_at: now,
            fresh_until,
            stale_until: fresh_until.after(stale.longest()),
            handler_ms: u32::try_from(now.since(ran.began)).unwrap_or(u32::MAX),
            stale,
            ..Meta::default()
        }
    }

    fn bubbles(&self) -> bool {
        self.cache.inner.config.tag_bubbling
    }

    /// What can purge the result: its own scopes, and those of the results that it was made of.
    fn scopes(&self, name: &str, taint: &Taint) -> Vec<Scope> {
        let mut scopes = self.own_scopes(name);
        if self.bubbles() {
            let more = taint.scopes().into_iter();
            scopes.extend(
                more.filter(|scope| !scopes.contains(scope))
                    .collect::<Vec<_>>(),
            );
        }
        scopes
    }

    /// Its name, and how that begins, the function, the class, the tags.
    fn own_scopes(&self, name: &str) -> Vec<Scope> {
        let function = function_scope(&self.says.prefix, &self.says.name);
        let class = class_scope(self.says.class());
        let tags = self.says.tags.iter().map(|tag| tag_scope(tag));
        let mut scopes = value_scopes(name);
        scopes.extend([function, class]);
        scopes.extend(tags);
        scopes
    }

    /// What is stale in place of a failure, if it is within its window and no purge has come since.
    pub(super) async fn stand_in<T: CacheValue>(&self, turn: &Turn) -> Option<T> {
        let (entry, cache) = (turn.found.as_ref()?, &self.cache.inner);
        let demand = Demand::default();
        let usable = usable_on_error(&entry.facts(), &demand, false, cache.clock.now());
        if !usable || !cache.store.is_still_valid(entry).await {
            return None;
        }
        let value = decode(entry)?;
        self.answered(Answered::StaleIfError);
        give(cache, entry);
        given_old();
        Some(value)
    }
}

/// What can purge a result purges what the caller makes of it.
pub(super) fn give(cache: &Inner, entry: &Entry) {
    if cache.config.tag_bubbling {
        given(&entry.scopes);
    }
}
