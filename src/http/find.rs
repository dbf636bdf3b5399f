//! A request that the local tier could not answer at once: Redis, then another request's
//! fetch, then the handler.

use super::ask::Ask;
use super::body::CacheBody;
use super::fetch::Fetch;
use super::layer::Shared;
use super::next::Next;
use super::refresh::refresh;
use super::{Shown, flight_key, missed, part, reply, stale, told};
use crate::cache::Inner;
use crate::clock::Timestamp;
use crate::entry::Entry;
use crate::flight::{Joined, Lead, Outcome};
use crate::key::variant_bytes;
use crate::observe::Answered;
use crate::policy::conditional::not_modified;
use crate::policy::reuse::{Reuse, reuse};
use crate::policy::status::{self, Fate, Forwarded};
use crate::store::{Lease, Lookup, Moment, Tier, Tiers};
use crate::taint::Taint;
use bytes::Buf;
use http::header::AGE;
use http::{HeaderName, Request, Response, StatusCode};
use hyper::body::Body;
use std::sync::Arc;
use std::time::Duration;
use tower::Service;

pub(super) type Answer<B, E> = Result<Response<CacheBody<B>>, E>;

/// Answers a request, whatever it takes.
pub(super) async fn answer<S, ReqB, ResB>(
    shared: Arc<Shared>,
    handler: S,
    request: Request<ReqB>,
    ask: Ask,
) -> Answer<ResB, S::Error>
where
    S: Service<Request<ReqB>, Response = Response<ResB>, Error: Send, Future: Send>
        + Send
        + 'static,
    ReqB: Send + 'static,
    ResB: Body<Data: Buf> + Send + 'static,
{
    let way = Way::of(&shared, &ask);
    match way.find().await {
        Step::Answer(response) => Ok(response),
        Step::Stale(response, turn) => {
            let refresh = refresh(shared.held_by_task(), handler, request, ask, turn);
            shared.cache.inner.refreshes.spawn(refresh);
            Ok(response)
        }
        Step::Fetch(turn) => {
            let fetch = Fetch {
                shared: &shared,
                ask: &ask,
                turn,
                background: false,
                taint: Taint::default(),
            };
            fetch.run(handler, request).await
        }
    }
}

/// What a request came to before the handler.
pub(super) enum Step<B> {
    Answer(Response<CacheBody<B>>),
    /// A stale answer; a newer one is to be fetched in the background.
    Stale(Response<CacheBody<B>>, Turn),
    Fetch(Turn),
}

/// How the wait for another's fetch ended.
enum Waited<B> {
    Answer(Response<CacheBody<B>>),
    /// The caller leads now.
    Lead(Lead<Shown>),
    /// What was fetched varies by these fields, and is not for this request.
    OtherVariant(Vec<HeaderName>),
    /// What was fetched is purged, past its time or broken off.
    Useless,
    /// Fetch for yourself.
    Alone,
    /// The handler has just failed.
    Failed,
}

/// The right to run the handler.
pub(super) struct Turn {
    pub(super) moment: Moment,
    pub(super) reason: Forwarded,
    /// Others wait for what comes of it.
    pub(super) lead: Option<Lead<Shown>>,
    /// Others on other instances wait too.
    pub(super) lease: Option<Lease>,
    /// What was found, valid and not fresh: it may be validated, or answer if the handler fails.
    pub(super) found: Option<Arc<Entry>>,
    /// A part of it that is stored, and is not what was asked for.
    pub(super) part: Option<Arc<Entry>>,
}

/// The field names by which this key's newest response varies.
pub(super) fn known_vary(cache: &Inner, ask: &Ask) -> Vec<HeaderName> {
    let record = cache.store.local.vary(&ask.key);
    let newest = record.and_then(|record| record.vary.first().cloned());
    newest.unwrap_or_default()
}

/// One request on its way to an answer.
pub(super) struct Way<'a> {
    pub(super) cache: &'a Arc<Inner>,
    pub(super) ask: &'a Ask,
    /// When it waits for nobody any more.
    pub(super) give_up: Timestamp,
    /// Where an answer may lie, as far as that is known before the handler ran.
    pub(super) tiers: Tiers,
}

impl<'a> Way<'a> {
    pub(super) fn of(shared: &'a Shared, ask: &'a Ask) -> Self {
        let cache = &shared.cache.inner;
        let give_up = cache.clock.now().after(cache.config.coalesce_timeout);
        Self {
            cache,
            ask,
            give_up,
            tiers: shared.tiers(&ask.key.path),
        }
    }

    /// Looks up; then waits for whoever fetches the same; starts over once if what that
    /// brought is not for this request.
    async fn find<B>(&self) -> Step<B>
    where
        B: Body<Data: Buf> + Send + 'static,
    {
        let mut lookup = self.look_up().await;
        let mut vary = known_vary(self.cache, self.ask);
        for last in [false, true] {
            if let Some(step) = self.use_found(&lookup, &vary) {
                return step;
            }
            let part = part::look_up(self).await;
            let of_part = |part| part::answer(self, part);
            if let Some(response) = part.as_ref().and_then(of_part) {
                return Step::Answer(response);
            }
            let reason = match self.next(&lookup) {
                Next::OnlyIfCached => return Step::Answer(reply::gateway_timeout()),
                Next::Forward { waits: false, .. } => {
                    return part::beside(self.fetch(&lookup, None), part);
                }
                _ => self.reason(&lookup),
            };
            match self.wait(&vary, &lookup.moment, reason).await {
                Waited::Answer(response) => return Step::Answer(response),
                Waited::Lead(lead) => return self.lead(&lookup, lead).await,
                Waited::Alone => return self.alone(&lookup),
                Waited::Failed => return self.after_failure(&lookup).await,
                _ if last => return self.alone(&lookup),
                Waited::OtherVariant(names) => vary = names,
                Waited::Useless => lookup = self.look_up().await,
            }
        }
        self.alone(&lookup)
    }

    pub(super) fn fetch<B>(&self, lookup: &Lookup, lead: Option<Lead<Shown>>) -> Step<B> {
        self.fetch_for_all(lookup, lead, None)
    }

    pub(super) fn fetch_for_all<B>(
        &self,
        lookup: &Lookup,
        lead: Option<Lead<Shown>>,
        lease: Option<Lease>,
    ) -> Step<B> {
        let reason = self.reason(lookup);
        self.answered(missed(reason));
        Step::Fetch(Turn {
            moment: lookup.moment,
            reason,
            lead,
            lease,
            found: self.found(lookup),
            part: None,
        })
    }

    /// What was found, if the request may have it.
    pub(super) fn found(&self, lookup: &Lookup) -> Option<Arc<Entry>> {
        let (entry, _) = lookup.found.as_ref()?;
        let shared = !self.ask.guarded || entry.meta.public;
        shared.then(|| entry.clone())
    }

    async fn lead<B>(&self, lookup: &Lookup, lead: Lead<Shown>) -> Step<B>
    where
        B: Body<Data: Buf> + Send + 'static,
    {
        match self.recheck(&lookup.moment) {
            Some(response) => {
                lead.release();
                Step::Answer(response)
            }
            None => self.lead_everywhere(lookup, lead).await,
        }
    }

    fn alone<B>(&self, lookup: &Lookup) -> Step<B> {
        match self.recheck(&lookup.moment) {
            Some(response) => Step::Answer(response),
            None => self.fetch(lookup, None),
        }
    }

    /// Another request's run of the handler has just failed: who may answer with something
    /// stale need not try it again.
    async fn after_failure<B>(&self, lookup: &Lookup) -> Step<B> {
        if let Some(entry) = self.found(lookup)
            && let Some(response) = stale::stand_in(self.cache, self.ask, &entry, None).await
        {
            return Step::Answer(response);
        }
        self.alone(lookup)
    }

    pub(super) async fn look_up(&self) -> Lookup {
        let Ask { key, headers, .. } = self.ask;
        if !self.may_look() {
            return Lookup::nothing(self.cache.store.now_here());
        }
        let lookup = self.cache.store.lookup(key, headers, self.tiers).await;
        if let Some((entry, _)) = &lookup.found {
            entry.count_by(self.ask.route);
        }
        lookup
    }

    /// Counts how the request was answered.
    fn answered(&self, answered: Answered) {
        let (observer, now) = (&self.cache.observer, self.cache.clock.now());
        observer.answered(self.ask.route, answered, now);
    }

    /// A fresh entry answers; so does a stale one while it is fetched anew.
    pub(super) fn use_found<B>(&self, lookup: &Lookup, vary: &[HeaderName]) -> Option<Step<B>> {
        let (entry, tier) = lookup.found.as_ref()?;
        match self.next(lookup) {
            Next::Reuse(accepted) => {
                let now = self.cache.clock.now();
                let exception = told(&self.cache.observer, *tier, entry, now).or(accepted);
                let response = reply::stored(entry, now, self.ask.form(), exception);
                Some(Step::Answer(response))
            }
            Next::WhileRevalidate => Some(self.use_stale(entry, *tier, lookup, vary)),
            Next::OnlyIfCached | Next::Forward { .. } => None,
        }
    }

    pub(super) fn join(&self, vary: &[HeaderName]) -> Joined<Shown> {
        let Ask { key, headers, .. } = self.ask;
        let variant = variant_bytes(vary, headers);
        let place = self.cache.store.local.place(key, &variant);
        self.cache.flights.join(place, &flight_key(key, &variant))
    }

    async fn wait<B>(&self, vary: &[HeaderName], moment: &Moment, reason: Forwarded) -> Waited<B> {
        let mut follow = match self.join(vary) {
            Joined::Lead(lead) => return Waited::Lead(lead),
            Joined::Alone => return Waited::Alone,
            Joined::Follow(follow) => follow,
        };
        match tokio::time::timeout(self.time_left(), &mut follow).await {
            Ok(Outcome::Lead(lead)) => Waited::Lead(lead),
            Ok(Outcome::Alone) => Waited::Alone,
            Ok(Outcome::Failed) => Waited::Failed,
            Ok(Outcome::Published(shown)) => {
                let waited = self.follow(&shown, moment, reason).await;
                if matches!(waited, Waited::Useless) {
                    follow.disown();
                }
                waited
            }
            Err(_) => {
                follow.disown();
                Waited::Alone
            }
        }
    }

    /// For how long it may still wait for others.
    pub(super) fn time_left(&self) -> Duration {
        Duration::from_millis(self.give_up.since(self.cache.clock.now()))
    }

    /// What somebody has stored since the lookup.
    pub(super) fn recheck<B>(&self, moment: &Moment) -> Option<Response<CacheBody<B>>> {
        let Ask { key, headers, .. } = self.ask;
        let entry = self.cache.store.recheck(key, headers, moment)?;
        let now = self.cache.clock.now();
        if reuse(&entry.facts(), &self.ask.demand, self.ask.guarded, now) != Reuse::Fresh {
            return None;
        }
        let tier = match moment.is_alone() && self.cache.store.remote.is_some() {
            true => Tier::Fallback,
            false => Tier::Local,
        };
        let exception = told(&self.cache.observer, tier, &entry, now);
        Some(reply::stored(&entry, now, self.ask.form(), exception))
    }

    /// The answer of another request's fetch, if it is for these fields, still fresh, and no
    /// purge that this request could know of came between.
    async fn follow<B>(&self, shown: &Shown, moment: &Moment, reason: Forwarded) -> Waited<B> {
        let head = shown.head();
        if variant_bytes(&head.vary, &self.ask.headers) != head.variant {
            return Waited::OtherVariant(head.vary.clone());
        }
        let now = self.cache.clock.now();
        let fit = reuse(&head.meta, &self.ask.demand, self.ask.guarded, now) == Reuse::Fresh;
        let store = &self.cache.store;
        if !fit || !store.covers_asker(head, &head.led, moment).await {
            return Waited::Useless;
        }
        shown.take_over();
        let Some(reader) = head.relay.reader() else {
            return Waited::Useless;
        };
        self.answered(Answered::Coalesced);
        let mut headers = head.headers.clone();
        if head.meta.age(now) > 0 {
            headers.insert(AGE, head.meta.age(now).into());
        }
        let fate = Fate {
            stored: false,
            collapsed: true,
        };
        status::append(&mut headers, status::forwarded(reason, fate));
        let unmodified = head.status == StatusCode::OK
            && self.ask.conditional
            && not_modified(&self.ask.headers, &head.headers, None, now);
        Waited::Answer(match unmodified {
            true => reply::not_modified_response(&headers),
            false => reply::response(head.status, headers, CacheBody::follow(reader, head.length)),
        })
    }
}
