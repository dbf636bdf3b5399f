//! What a call comes to before the function runs: the local tier, Redis, another caller's run.

use super::Computed;
use super::compute::{Turn, Work, give};
use super::value::{CacheValue, decode};
use crate::cache::Inner;
use crate::clock::Timestamp;
use crate::entry::Entry;
use crate::flight::{Joined, Lead, Outcome};
use crate::observe::{Answered, Event};
use crate::policy::reuse::{Demand, Reuse, reuse};
use crate::store::{Lease, Lookup, Moment, Tier, Tries, Try};
use crate::taint::given_old;
use http::HeaderMap;
use std::sync::Arc;
use std::time::Duration;

/// What a call came to.
pub(super) enum Step<T> {
    Answer(T),
    /// A stale result; the caller is the one who has a newer one made.
    Stale(Stale<T>, Turn),
    Run(Turn),
}

/// A result past its time, within its window.
pub(super) struct Stale<T>(T, Arc<Entry>);

impl<T> Stale<T> {
    /// It answers.
    pub(super) fn give(self, cache: &Inner) -> T {
        let (entry, answered) = (&self.1, Answered::StaleWhileRevalidate);
        let now = cache.clock.now();
        let observer = &cache.observer;
        observer.hit(&**entry, answered, now);
        give(cache, entry);
        given_old();
        self.0
    }
}

/// How the wait for another's run ended.
enum Waited<T> {
    Answer(T),
    /// The caller leads now.
    Lead(Lead<Computed>),
    /// What was computed is purged or past its time.
    Useless,
    /// Run it yourself.
    Alone,
    /// The function has just failed.
    Failed,
}

/// One call on its way to an answer.
pub(super) struct Way<'a, C> {
    work: &'a Work<C>,
    /// No result has fields that it varies by.
    fields: HeaderMap,
    /// When it waits for nobody any more.
    give_up: Timestamp,
}

impl<'a, C> Way<'a, C> {
    pub(super) fn of(work: &'a Work<C>) -> Self {
        let cache = &work.cache.inner;
        Self {
            work,
            fields: HeaderMap::new(),
            give_up: cache.clock.now().after(cache.config.coalesce_timeout),
        }
    }

    fn cache(&self) -> &'a Arc<Inner> {
        &self.work.cache.inner
    }

    /// Looks up; then waits for whoever runs the same; starts over once if what that brought
    /// cannot be used.
    pub(super) async fn find<T: CacheValue>(&self) -> Step<T> {
        if let Some(value) = self.at_once() {
            return Step::Answer(value);
        }
        let mut lookup = self.look_up().await;
        for last in [false, true] {
            if let Some(step) = self.use_found(&lookup) {
                return step;
            }
            if self.is_marked() {
                return self.run(&lookup, None, None);
            }
            match self.wait(&lookup.moment).await {
                Waited::Answer(value) => return Step::Answer(value),
                Waited::Lead(lead) => return self.lead(lookup, lead).await,
                Waited::Failed => return self.after_failure(&lookup).await,
                Waited::Useless if !last => lookup = self.look_up().await,
                Waited::Useless | Waited::Alone => break,
            }
        }
        self.alone(&lookup)
    }

    /// What the local tier may say without asking anybody.
    fn at_once<T: CacheValue>(&self) -> Option<T> {
        let (store, now) = (&self.cache().store, self.cache().clock.now());
        match store.at_once(&self.work.key, &self.fields, now) {
            (Some(entry), tier) => self.fresh(&entry, tier),
            (None, _) => None,
        }
    }

    async fn look_up(&self) -> Lookup {
        let store = &self.cache().store;
        let lookup = store.lookup(&self.work.key, &self.fields, self.work.tiers());
        let lookup = lookup.await;
        if let Some((entry, _)) = &lookup.found {
            entry.count_by(self.work.route());
        }
        lookup
    }

    fn reuse(&self, entry: &Entry) -> Reuse {
        let now = self.cache().clock.now();
        reuse(&entry.facts(), &Demand::default(), false, now)
    }

    /// A fresh entry answers, if it is what the caller wants.
    fn fresh<T: CacheValue>(&self, entry: &Entry, tier: Tier) -> Option<T> {
        let now = self.cache().clock.now();
        if self.reuse(entry) != Reuse::Fresh {
            return None;
        }
        let value = decode(entry)?;
        let answered = match tier {
            Tier::Local => Answered::LocalHit,
            Tier::Redis => Answered::RedisHit,
            Tier::Fallback => Answered::FallbackHit,
        };
        let observer = &self.cache().observer;
        observer.hit(entry, answered, now);
        give(self.cache(), entry);
        if tier == Tier::Fallback {
            given_old();
        }
        Some(value)
    }

    /// A fresh entry answers; so does a stale one while a newer one is made.
    fn use_found<T: CacheValue>(&self, lookup: &Lookup) -> Option<Step<T>> {
        let (entry, tier) = lookup.found.as_ref()?;
        if self.reuse(entry) != Reuse::WhileRevalidate {
            return self.fresh(entry, *tier).map(Step::Answer);
        }
        let stale = Stale(decode(entry)?, entry.clone());
        let lead = match self.join() {
            Joined::Lead(lead) if self.cache().refreshes.has_room() => lead,
            Joined::Lead(_) | Joined::Follow(_) | Joined::Alone => {
                return Some(Step::Answer(stale.give(self.cache())));
            }
        };
        Some(match self.recheck(&lookup.moment) {
            Some(fresh) => {
                // It has just been made.
                lead.release();
                Step::Answer(fresh)
            }
            None => Step::Stale(stale, Turn::of(lookup, Some(lead), None)),
        })
    }

    /// What somebody has stored since the lookup.
    fn recheck<T: CacheValue>(&self, moment: &Moment) -> Option<T> {
        let store = &self.cache().store;
        let entry = store.recheck(&self.work.key, &self.fields, moment)?;
        let tier = match moment.is_alone() && store.remote.is_some() {
            true => Tier::Fallback,
            false => Tier::Local,
        };
        self.fresh(&entry, tier)
    }

    /// Whether results of this call could not be stored of late: then nobody waits for one.
    fn is_marked(&self) -> bool {
        let now = self.cache().clock.now();
        self.cache().marks.is_set(self.work.place, now)
    }

    fn join(&self) -> Joined<Computed> {
        let key = self.work.key.to_bytes();
        self.cache().runs.join(self.work.place, &key)
    }

    async fn wait<T: CacheValue>(&self, moment: &Moment) -> Waited<T> {
        let mut follow = match self.join() {
            Joined::Lead(lead) => return Waited::Lead(lead),
            Joined::Alone => return Waited::Alone,
            Joined::Follow(follow) => follow,
        };
        let waited = match tokio::time::timeout(self.time_left(), &mut follow).await {
            Ok(Outcome::Lead(lead)) => return Waited::Lead(lead),
            Ok(Outcome::Alone) => return Waited::Alone,
            Ok(Outcome::Failed) => return Waited::Failed,
            Ok(Outcome::Published(computed)) => self.follow(&computed, moment).await,
            Err(_) => Waited::Alone,
        };
        if matches!(waited, Waited::Useless | Waited::Alone) {
            follow.disown();
        }
        waited
    }

    /// For how long it may still wait for others.
    fn time_left(&self) -> Duration {
        Duration::from_millis(self.give_up.since(self.cache().clock.now()))
    }

    /// The result of another caller's run, if it is still fresh, and no purge that this caller
    /// could know of came between.
    async fn follow<T: CacheValue>(&self, computed: &Computed, asked: &Moment) -> Waited<T> {
        let Computed { entry, led, old } = computed;
        let store = &self.cache().store;
        let fit =
            self.reuse(entry) == Reuse::Fresh && store.value_covers_asker(entry, led, asked).await;
        match decode(entry).filter(|_| fit) {
            Some(value) => {
                self.work.answered(Answered::Coalesced);
                give(self.cache(), entry);
                if *old {
                    given_old();
                }
                Waited::Answer(value)
            }
            None => Waited::Useless,
        }
    }

    async fn lead<T: CacheValue>(&self, lookup: Lookup, lead: Lead<Computed>) -> Step<T> {
        match self.recheck(&lookup.moment) {
            Some(value) => {
                lead.release();
                Step::Answer(value)
            }
            None => self.lead_everywhere(lookup, lead).await,
        }
    }

    /// Leads the run here, and where that is wanted on all instances. What another instance has
    /// computed is looked up like anything else, so that no answer rests on the lease.
    async fn lead_everywhere<T: CacheValue>(
        &self,
        mut lookup: Lookup,
        lead: Lead<Computed>,
    ) -> Step<T> {
        let mut tries = Tries::default();
        loop {
            let found = lookup.found.as_ref().map(|(entry, _)| &**entry);
            let taken = self.work.lease(&lookup.moment, found).await;
            let lease = match tries.next(taken, self.time_left()).await {
                Try::Fetch(lease) => return self.run(&lookup, Some(lead), lease),
                Try::Look(lease) => lease,
            };
            lookup = self.look_up().await;
            let answer = lookup.found.as_ref();
            if let Some(value) = answer.and_then(|(entry, tier)| self.fresh(entry, *tier)) {
                self.cache().observer.count(Event::FetchedElsewhere);
                // Who follows finds it here too.
                lead.release();
                return Step::Answer(value);
            }
            if lease.is_some() {
                return self.run(&lookup, Some(lead), lease);
            }
        }
    }

    fn alone<T: CacheValue>(&self, lookup: &Lookup) -> Step<T> {
        match self.recheck(&lookup.moment) {
            Some(value) => Step::Answer(value),
            None => self.run(lookup, None, None),
        }
    }

    /// Another caller's run has just failed: who may have something stale need not try it again.
    async fn after_failure<T: CacheValue>(&self, lookup: &Lookup) -> Step<T> {
        let turn = Turn::of(lookup, None, None);
        match self.work.stand_in(&turn).await {
            Some(value) => Step::Answer(value),
            None => self.alone(lookup),
        }
    }

    fn run<T>(
        &self,
        lookup: &Lookup,
        lead: Option<Lead<Computed>>,
        lease: Option<Lease>,
    ) -> Step<T> {
        self.work.answered(match lookup.found {
            Some(_) => Answered::MissStale,
            None => Answered::MissUri,
        });
        Step::Run(Turn::of(lookup, lead, lease))
    }
}
