//! A request that the local tier could not answer: Redis, then another request's fetch, then
//! the handler.

use super::ask::Ask;
use super::body::CacheBody;
use super::fill::{Fill, Source, TakeOver};
use super::layer::Shared;
use super::nested::{CacheTtl, Hints, Outer, Tell, is_declined};
use super::plan::Plan;
use super::relay::Relay;
use super::{Shown, ShownHead, flight_key, reply};
use crate::cache::Inner;
use crate::clock::Timestamp;
use crate::entry::{Entry, Meta};
use crate::flight::{Joined, Lead, Outcome};
use crate::key::{uri_scopes, variant_bytes};
use crate::observe::Event;
use crate::policy::conditional::not_modified;
use crate::policy::reuse::{Reuse, reuse};
use crate::policy::status::{self, Fate, Forwarded};
use crate::policy::storable::{Head, Refusal, Storable, storable, strip_hop_by_hop};
use crate::policy::ttl::Ttls;
use crate::stamp::Stamp;
use crate::store::{Lookup, Moment, Tier};
use bytes::Buf;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use http::{Request, Response, StatusCode, response::Parts};
use hyper::body::Body;
use sha2::Sha256;
use std::sync::Arc;
use tower::Service;
use tower::util::ServiceExt;

type Answer<B, E> = Result<Response<CacheBody<B>>, E>;

/// Answers a request, whatever it takes.
pub(super) async fn answer<S, ReqB, ResB>(
    shared: Arc<Shared>,
    handler: S,
    request: Request<ReqB>,
    ask: Ask,
) -> Answer<ResB, S::Error>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: Body<Data: Buf> + Send + 'static,
{
    let nested = ask.nested;
    let way = Way {
        cache: &shared.cache.inner,
        ask: &ask,
    };
    let mut answer = match way.find().await {
        Step::Answer(response) => Ok(response),
        Step::Fetch(turn) => {
            let fetch = Fetch {
                shared: &shared,
                ask: &ask,
                turn,
            };
            fetch.run(handler, request).await
        }
    };
    if let (true, Ok(response)) = (nested, &mut answer) {
        Tell::DoNotStore.put(response);
    }
    answer
}

/// What a request came to before the handler.
enum Step<B> {
    Answer(Response<CacheBody<B>>),
    Fetch(Turn),
}

/// The right to run the handler.
struct Turn {
    moment: Moment,
    reason: Forwarded,
    /// Others wait for what comes of it.
    lead: Option<Lead<Shown>>,
}

/// One request on its way to an answer.
struct Way<'a> {
    cache: &'a Arc<Inner>,
    ask: &'a Ask,
}

impl Way<'_> {
    /// Looks up; then waits for whoever fetches the same; starts over once if what that
    /// brought is not for this request.
    async fn find<B>(&self) -> Step<B>
    where
        B: Body<Data: Buf> + Send + 'static,
    {
        let mut lookup = self.look_up().await;
        let mut again = true;
        loop {
            if let Some(response) = self.use_found(&lookup) {
                return Step::Answer(response);
            }
            let reason = self.reason(&lookup);
            if self.ask.demand.only_if_cached {
                return Step::Answer(reply::gateway_timeout());
            }
            let moment = lookup.moment;
            let turn = |lead| {
                Step::Fetch(Turn {
                    moment,
                    reason,
                    lead,
                })
            };
            if !self.may_wait(reason) {
                self.cache.observer.count(Event::Miss);
                return turn(None);
            }
            match self.wait().await {
                Outcome::Published(shown) => {
                    if let Some(response) = self.follow(&shown, &moment, reason).await {
                        return Step::Answer(response);
                    }
                    if !again {
                        self.cache.observer.count(Event::Miss);
                        return turn(None);
                    }
                    again = false;
                    lookup = self.look_up().await;
                }
                Outcome::Lead(lead) => match self.recheck(&moment) {
                    Some(response) => {
                        lead.release();
                        return Step::Answer(response);
                    }
                    None => {
                        self.cache.observer.count(Event::Miss);
                        return turn(Some(lead));
                    }
                },
                Outcome::Alone => {
                    let found = self.recheck(&moment);
                    return found.map_or_else(|| turn(None), Step::Answer);
                }
            }
        }
    }

    async fn look_up(&self) -> Lookup {
        let Ask { key, headers, .. } = self.ask;
        if self.ask.guarded && !self.is_public() {
            return Lookup {
                found: None,
                other_variants: false,
                moment: self.cache.store.now_here(),
            };
        }
        self.cache.store.lookup(key, headers).await
    }

    /// Whether the answers of this key are known to be for everybody: else a request with
    /// credentials asks nobody.
    fn is_public(&self) -> bool {
        self.cache
            .public
            .is_set(self.ask.place, self.cache.clock.now())
    }

    /// A fresh entry answers.
    fn use_found<B>(&self, lookup: &Lookup) -> Option<Response<CacheBody<B>>> {
        let (entry, tier) = lookup.found.as_ref()?;
        let now = self.cache.clock.now();
        if reuse(entry, &self.ask.demand, self.ask.guarded, now) != Reuse::Fresh {
            return None;
        }
        self.cache.observer.count(match tier {
            Tier::Local => Event::LocalHit,
            Tier::Redis => Event::RedisHit,
        });
        Some(self.hit(entry, now))
    }

    fn hit<B>(&self, entry: &Entry, now: Timestamp) -> Response<CacheBody<B>> {
        let conditional = self.ask.conditional.then_some(&self.ask.headers);
        reply::hit(entry, now, self.ask.head, conditional)
    }

    /// RFC 9211 §2.2.
    fn reason(&self, lookup: &Lookup) -> Forwarded {
        let now = self.cache.clock.now();
        match &lookup.found {
            _ if self.ask.guarded => Forwarded::Bypass,
            Some((entry, _)) if entry.is_fresh(now) => Forwarded::Request,
            Some(_) => Forwarded::Stale,
            None if lookup.other_variants => Forwarded::VaryMiss,
            None => Forwarded::UriMiss,
        }
    }

    /// Whether the request may wait for another's fetch, and others for its own. A HEAD
    /// never leads, follows or stores.
    fn may_wait(&self, reason: Forwarded) -> bool {
        let Ask {
            head,
            demand,
            place,
            ..
        } = self.ask;
        let shareable = !matches!(reason, Forwarded::Bypass | Forwarded::Request);
        let marked = || self.cache.marks.is_set(*place, self.cache.clock.now());
        shareable && !head && !demand.no_store && !marked()
    }

    async fn wait(&self) -> Outcome<Shown> {
        let Ask { key, headers, .. } = self.ask;
        let record = self.cache.store.local.vary(key);
        let variant = record
            .and_then(|record| Some(variant_bytes(record.vary.first()?, headers)))
            .unwrap_or_default();
        let place = self.cache.store.local.place(key, &variant);
        match self.cache.flights.join(place, &flight_key(key, &variant)) {
            Joined::Lead(lead) => Outcome::Lead(lead),
            Joined::Alone => Outcome::Alone,
            Joined::Follow(follow) => {
                let limit = self.cache.config.coalesce_timeout;
                let outcome = tokio::time::timeout(limit, follow).await;
                outcome.unwrap_or(Outcome::Alone)
            }
        }
    }

    /// What somebody has stored since the lookup.
    fn recheck<B>(&self, moment: &Moment) -> Option<Response<CacheBody<B>>> {
        let Ask { key, headers, .. } = self.ask;
        let entry = self.cache.store.recheck(key, headers, moment)?;
        let now = self.cache.clock.now();
        if reuse(&entry, &self.ask.demand, self.ask.guarded, now) != Reuse::Fresh {
            return None;
        }
        self.cache.observer.count(Event::LocalHit);
        Some(self.hit(&entry, now))
    }

    /// The answer of another request's fetch, if it is for these fields and no purge that
    /// this request could know of came between.
    async fn follow<B>(
        &self,
        Shown(shown): &Shown,
        moment: &Moment,
        reason: Forwarded,
    ) -> Option<Response<CacheBody<B>>> {
        if variant_bytes(&shown.vary, &self.ask.headers) != shown.variant {
            return None;
        }
        let store = &self.cache.store;
        if !store.covers_asker(&shown.scopes, &shown.led, moment).await {
            return None;
        }
        shown.source.take_over();
        let reader = shown.relay.reader()?;
        self.cache.observer.count(Event::Coalesced);
        let mut headers = shown.headers.clone();
        let fate = Fate {
            stored: false,
            collapsed: true,
        };
        status::append(&mut headers, status::forwarded(reason, fate));
        let matched = shown.status == StatusCode::OK
            && self.ask.conditional
            && not_modified(&self.ask.headers, &shown.headers, shown.received);
        if matched {
            return Some(reply::not_modified_response(headers));
        }
        let body = CacheBody::follow(reader, shown.length);
        Some(reply::response(shown.status, headers, body))
    }
}

/// One run of the handler.
struct Fetch<'a> {
    shared: &'a Shared,
    ask: &'a Ask,
    turn: Turn,
}

impl Fetch<'_> {
    async fn run<S, ReqB, ResB>(
        self,
        handler: S,
        mut request: Request<ReqB>,
    ) -> Answer<ResB, S::Error>
    where
        S: Service<Request<ReqB>, Response = Response<ResB>>,
        ResB: Body<Data: Buf> + Send + 'static,
    {
        let began = self.cache().clock.now();
        // What is to be stored must be whole; the layer itself answers the condition.
        let asks_whole = self.turn.lead.is_some();
        if asks_whole {
            request.headers_mut().remove(IF_NONE_MATCH);
            request.headers_mut().remove(IF_MODIFIED_SINCE);
        }
        request
            .extensions_mut()
            .insert(Outer::of(&self.shared.cache));
        let (parts, body) = handler.oneshot(request).await?.into_parts();
        let condition = asks_whole && self.ask.conditional;
        Ok(self.receive(parts, body, began, condition))
    }

    fn cache(&self) -> &Arc<Inner> {
        &self.shared.cache.inner
    }

    /// The head of the response is there.
    fn receive<B>(
        mut self,
        mut parts: Parts,
        body: B,
        began: Timestamp,
        condition: bool,
    ) -> Response<CacheBody<B>>
    where
        B: Body<Data: Buf> + Send + 'static,
    {
        let now = self.cache().clock.now();
        let unmodified = condition
            && parts.status == StatusCode::OK
            && not_modified(&self.ask.headers, &parts.headers, now);
        match self.decide(&mut parts, &body, now) {
            Ok(storable) => self.store(parts, body, (began, now), storable, unmodified),
            Err(refusal) => {
                self.refuse(refusal, now);
                self.respond(parts, Fate::default(), unmodified, || CacheBody::pass(body))
            }
        }
    }

    /// Whether, and for how long, the response is stored.
    fn decide<B: Body>(
        &self,
        parts: &mut Parts,
        body: &B,
        now: Timestamp,
    ) -> Result<Storable, Refusal> {
        let hints = Hints::take(&mut parts.extensions).or(&self.shared.hints);
        let declined = is_declined(&mut parts.extensions);
        let config = &self.cache().config;
        let route = config.routes.find(&self.ask.key.path);
        let class = hints.class.as_deref().or_else(|| route?.class.as_deref());
        let ttls = Ttls {
            extension: parts.extensions.get().map(|CacheTtl(ttl)| *ttl),
            overriding: hints.override_ttl.or_else(|| route?.override_ttl),
            fallback: hints
                .ttl
                .or_else(|| route?.ttl)
                .unwrap_or_else(|| config.ttls.of(class)),
        };
        let head = Head {
            status: parts.status,
            headers: &parts.headers,
            guarded: self.ask.guarded,
            now,
        };
        let storable = storable(&head, &ttls)?;
        let unfit = declined
            || self.ask.head
            || self.ask.demand.no_store
            || is_endless(parts)
            || is_too_large(parts, body, config.max_body);
        match unfit {
            true => Err(Refusal::Forbidden),
            false => Ok(storable),
        }
    }

    /// Nothing will be stored: a failure hands the fetch on, anything else sets all free.
    fn refuse(&mut self, refusal: Refusal, now: Timestamp) {
        let lead = self.turn.lead.take();
        if refusal == Refusal::Failed {
            drop(lead);
            return;
        }
        // Said by the response, not by what this request asked or carried.
        if !self.ask.guarded && !self.ask.demand.no_store && !self.ask.head {
            self.cache().marks.set(self.ask.place, now);
        }
        if let Some(lead) = lead {
            lead.release();
        }
    }

    /// The head goes out now; the body is copied as it passes.
    fn store<B>(
        mut self,
        parts: Parts,
        body: B,
        (began, now): (Timestamp, Timestamp),
        storable: Storable,
        unmodified: bool,
    ) -> Response<CacheBody<B>>
    where
        B: Body<Data: Buf> + Send + 'static,
    {
        if self.ask.guarded {
            self.cache().public.set(self.ask.place, now);
        }
        let fate = Fate {
            stored: self.turn.moment.stamp.is_some(),
            collapsed: false,
        };
        let exact = body.size_hint().exact();
        let length = content_length(&parts).or(exact);
        let plan = self.plan(&parts, (began, now), storable);
        let relay = Relay::new(self.cache().config.max_body);
        let (headers, vary, variant) = (
            plan.headers.clone(),
            plan.vary.clone(),
            plan.variant.clone(),
        );
        let source = Source::new(
            Fill::new(body, relay.clone(), plan, length),
            self.cache().config.coalesce_timeout,
        );
        if let Some(lead) = self.turn.lead.take() {
            let shown = Shown(Arc::new(ShownHead {
                status: parts.status,
                headers,
                vary,
                variant,
                scopes: uri_scopes(&self.ask.key).to_vec(),
                led: self.turn.moment,
                relay,
                source: source.clone(),
                length,
                received: now,
            }));
            source.land(|| lead.publish(shown));
        }
        if unmodified {
            source.take_over();
            source.leave();
        }
        self.respond(parts, fate, unmodified, || CacheBody::lead(source, exact))
    }

    fn plan(
        &self,
        parts: &Parts,
        (began, now): (Timestamp, Timestamp),
        storable: Storable,
    ) -> Plan {
        let mut headers = parts.headers.clone();
        strip_hop_by_hop(&mut headers);
        let config = &self.cache().config;
        let make_etag = config.etag && !headers.contains_key(http::header::ETAG);
        let fresh_until = now.after(storable.fresh_for);
        let key = &self.ask.key;
        let (mark, query) = match &key.query {
            Some(query) => ("?", &**query),
            None => ("", ""),
        };
        Plan {
            cache: self.cache().clone(),
            key: key.clone(),
            place: self.ask.place,
            label: format!("GET {} {}{mark}{query}", key.authority, key.path),
            meta: Meta {
                stamp: self.turn.moment.stamp.unwrap_or(Stamp(0)),
                stored_at: now,
                fresh_until,
                stale_until: fresh_until,
                handler_ms: u32::try_from(now.since(began)).unwrap_or(u32::MAX),
                age: storable.age,
                public: storable.public,
            },
            stamped: self.turn.moment.stamp.is_some(),
            status: parts.status,
            headers,
            variant: variant_bytes(&storable.vary, &self.ask.headers),
            vary: storable.vary,
            limit: config.max_body as u64,
            landing: None,
            digest: make_etag.then(Sha256::default),
        }
    }

    /// The handler's head with our member of `Cache-Status`, or a 304 in its place.
    fn respond<B>(
        &self,
        mut parts: Parts,
        fate: Fate,
        unmodified: bool,
        body: impl FnOnce() -> CacheBody<B>,
    ) -> Response<CacheBody<B>> {
        status::append(
            &mut parts.headers,
            status::forwarded(self.turn.reason, fate),
        );
        if unmodified {
            return reply::not_modified_response(parts.headers);
        }
        Response::from_parts(parts, body())
    }
}

/// A stream that is made to go on is not for followers, nor for the store.
fn is_endless(parts: &Parts) -> bool {
    let kind = parts.headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes());
    kind.is_some_and(|kind| {
        kind.get(..17)
            .is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/event-stream"))
    })
}

fn is_too_large<B: Body>(parts: &Parts, body: &B, limit: usize) -> bool {
    let at_least = content_length(parts)
        .unwrap_or(0)
        .max(body.size_hint().lower());
    at_least > limit as u64
}

fn content_length(parts: &Parts) -> Option<u64> {
    parts
        .headers
        .get(CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}
