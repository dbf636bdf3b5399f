//! A request that the local tier could not answer at once: Redis, then another request's
//! fetch, then the handler.

use super::ask::Ask;
use super::body::CacheBody;
use super::fetch::Fetch;
use super::layer::Shared;
use super::nested::Tell;
use super::{Shown, flight_key, reply};
use crate::cache::Inner;
use crate::clock::Timestamp;
use crate::entry::Entry;
use crate::flight::{Joined, Lead, Outcome};
use crate::key::variant_bytes;
use crate::observe::Event;
use crate::policy::conditional::not_modified;
use crate::policy::reuse::{Reuse, reuse};
use crate::policy::status::{self, Fate, Forwarded};
use crate::store::{Lookup, Moment, Tier};
use bytes::Buf;
use http::{Request, Response, StatusCode};
use hyper::body::Body;
use std::sync::Arc;
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
pub(super) struct Turn {
    pub(super) moment: Moment,
    pub(super) reason: Forwarded,
    /// Others wait for what comes of it.
    pub(super) lead: Option<Lead<Shown>>,
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
        shown: &Shown,
        moment: &Moment,
        reason: Forwarded,
    ) -> Option<Response<CacheBody<B>>> {
        let head = shown.head();
        if variant_bytes(&head.vary, &self.ask.headers) != head.variant {
            return None;
        }
        let store = &self.cache.store;
        if !store.covers_asker(&head.scopes, &head.led, moment).await {
            return None;
        }
        shown.take_over();
        let reader = head.relay.reader()?;
        self.cache.observer.count(Event::Coalesced);
        let mut headers = head.headers.clone();
        let fate = Fate {
            stored: false,
            collapsed: true,
        };
        status::append(&mut headers, status::forwarded(reason, fate));
        let matched = head.status == StatusCode::OK
            && self.ask.conditional
            && not_modified(&self.ask.headers, &head.headers, head.received);
        if matched {
            return Some(reply::not_modified_response(headers));
        }
        let body = CacheBody::follow(reader, head.length);
        Some(reply::response(head.status, headers, body))
    }
}
