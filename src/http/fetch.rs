//! One run of the handler, and what becomes of its response.

use super::ask::Ask;
use super::body::CacheBody;
use super::fill::{Fill, Source, TakeOver};
use super::find::{Answer, Turn};
use super::layer::Shared;
use super::nested::{CacheTtl, Hints, Note, leave_note};
use super::plan::Plan;
use super::relay::Relay;
use super::{Shown, ShownHead, reply, stale, tags};
use crate::cache::Inner;
use crate::clock::{Timestamp, millis};
use crate::config::{API_RESPONSE, Stale};
use crate::entry::{Meta, StaleWindows};
use crate::fences::Fence;
use crate::flight::Lead;
use crate::key::{class_scope, prefix_scope, tag_scope, uri_scopes, variant_bytes};
use crate::policy::conditional::not_modified;
use crate::policy::reuse::is_failure;
use crate::policy::status::{self, Fate};
use crate::policy::storable::{Head, Refusal, Storable, storable, strip_hop_by_hop};
use crate::policy::ttl::Ttls;
use crate::stamp::{Scope, Stamp};
use bytes::Buf;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use http::{HeaderValue, Request, Response, StatusCode, response::Parts};
use hyper::body::Body;
use sha2::Sha256;
use std::sync::Arc;
use tower::Service;
use tower::util::ServiceExt;

/// One run of the handler.
pub(super) struct Fetch<'a> {
    pub(super) shared: &'a Shared,
    pub(super) ask: &'a Ask,
    pub(super) turn: Turn,
    /// Nobody waits for it: whatever comes is driven to its end.
    pub(super) background: bool,
}

/// The head of a response, just come.
struct Arrived {
    parts: Parts,
    began: Timestamp,
    now: Timestamp,
    /// The client has it already, as the condition that was kept from the handler says.
    unmodified: bool,
    /// What all layers say; `None`: one further in caches by itself.
    hints: Option<Hints>,
}

impl Fetch<'_> {
    pub(super) async fn run<S, ReqB, ResB>(
        mut self,
        handler: S,
        mut request: Request<ReqB>,
    ) -> Answer<ResB, S::Error>
    where
        S: Service<Request<ReqB>, Response = Response<ResB>, Error: Send>,
        ResB: Body<Data: Buf> + Send + 'static,
    {
        let began = self.cache().clock.now();
        let asks_whole = self.asks_whole(began);
        if asks_whole {
            request.headers_mut().remove(IF_NONE_MATCH);
            request.headers_mut().remove(IF_MODIFIED_SINCE);
        }
        let note = Note::of(&self.shared.cache);
        leave_note(request.extensions_mut(), note.clone());
        let answer = handler.oneshot(request).await;
        let failed = match &answer {
            Ok(response) => is_failure(response.status()).then(|| Some(response.status())),
            Err(_) => Some(None),
        };
        if let Some(status) = failed
            && let Some(response) = self.stand_in(status).await
        {
            return Ok(response);
        }
        let (parts, body) = answer?.into_parts();
        let now = self.cache().clock.now();
        let unmodified = asks_whole
            && !self.background
            && self.ask.conditional
            && parts.status == StatusCode::OK
            && not_modified(&self.ask.headers, &parts.headers, None, now);
        let arrived = Arrived {
            parts,
            began,
            now,
            unmodified,
            hints: note.read().map(|hints| hints.or(&self.shared.hints)),
        };
        Ok(self.receive(arrived, body))
    }

    /// A stale answer in place of a failure.
    async fn stand_in<B>(&mut self, status: Option<StatusCode>) -> Option<Response<CacheBody<B>>> {
        let entry = self.turn.stand_in.take()?;
        let response = stale::stand_in(self.cache(), self.ask, &entry, status).await?;
        if let Some(lead) = self.turn.lead.take() {
            lead.fail();
        }
        Some(response)
    }

    /// What may be stored must be whole: the layer itself answers the condition. Of a key whose
    /// answers could not be stored of late the handler is left its own 304.
    fn asks_whole(&self, now: Timestamp) -> bool {
        let Ask {
            guarded,
            head,
            demand,
            place,
            ..
        } = self.ask;
        let marked = || self.cache().marks.is_set(*place, now);
        !head && !demand.no_store && (self.background || (!guarded && !marked()))
    }

    fn cache(&self) -> &Arc<Inner> {
        &self.shared.cache.inner
    }

    fn receive<B>(mut self, arrived: Arrived, body: B) -> Response<CacheBody<B>>
    where
        B: Body<Data: Buf> + Send + 'static,
    {
        match self.decide(&arrived, &body) {
            Ok(storable) => self.store(arrived, body, storable),
            Err(refusal) => {
                self.refuse(refusal, &arrived);
                self.respond(arrived, Fate::default(), || CacheBody::pass(body))
            }
        }
    }

    /// Whether, and for how long, the response is stored.
    fn decide<B: Body>(&self, arrived: &Arrived, body: &B) -> Result<Storable, Refusal> {
        let Arrived {
            parts, now, hints, ..
        } = arrived;
        let hints = hints.as_ref().ok_or(Refusal::Forbidden)?;
        let config = &self.cache().config;
        let route = config.routes.find(&self.ask.key.path);
        let class = self.class(hints);
        let ttls = Ttls {
            extension: parts.extensions.get().map(|CacheTtl(ttl)| *ttl),
            overriding: hints.override_ttl.or_else(|| route?.override_ttl),
            fallback: hints
                .ttl
                .or_else(|| route?.ttl)
                .unwrap_or_else(|| config.classes.ttl(class)),
            stale: windows(
                hints
                    .stale
                    .or(route.map(|route| route.stale).unwrap_or_default())
                    .or(config.classes.stale(class)),
            ),
            rules: config.rules,
        };
        let head = Head {
            status: parts.status,
            headers: &parts.headers,
            guarded: self.ask.guarded,
            asked: *now,
            now: *now,
            targeted: &config.targeted,
        };
        if self.background && is_failure(parts.status) {
            // It must not take the place of what would have stood in for it.
            return Err(Refusal::Failed);
        }
        let storable = storable(&head, &ttls)?;
        if hints.tagging.of(parts).is_none() {
            tracing::warn!(
                path = &*self.ask.key.path,
                "not stored: too many tags, or one too long"
            );
            return Err(Refusal::Forbidden);
        }
        let unfit = self.ask.head
            || self.ask.demand.no_store
            || is_endless(parts)
            || is_too_large(parts, body, config.max_body);
        match unfit {
            true => Err(Refusal::Forbidden),
            false => Ok(storable),
        }
    }

    fn class<'a>(&'a self, hints: &'a Hints) -> Option<&'a str> {
        let route = self.cache().config.routes.find(&self.ask.key.path);
        let of_route = || route?.class.as_deref();
        hints.class.as_deref().or_else(of_route)
    }

    /// The scopes by which the response can be purged: its URI, all responses, its class, its
    /// tags.
    fn scopes(&self, hints: &Hints, tags: &[String]) -> Box<[Scope]> {
        let class = self.class(hints).unwrap_or(API_RESPONSE);
        let common = [prefix_scope(API_RESPONSE), class_scope(class)];
        uri_scopes(&self.ask.key)
            .into_iter()
            .chain(common)
            .chain(tags.iter().map(|tag| tag_scope(tag)))
            .collect()
    }

    /// Nothing will be stored: a failure hands the fetch on, anything else sets all free.
    fn refuse(&mut self, refusal: Refusal, arrived: &Arrived) {
        let lead = self.turn.lead.take();
        if refusal == Refusal::Failed {
            drop(lead);
            return;
        }
        // Said of the resource, not of what this request asked or carried.
        let Ask {
            guarded,
            head,
            demand,
            place,
            ..
        } = self.ask;
        let mark =
            speaks_of_resource(arrived.parts.status) && !guarded && !demand.no_store && !head;
        if mark {
            self.cache().marks.set(*place, arrived.now);
        }
        if mark && self.background {
            self.supersede();
        }
        if let Some(lead) = lead {
            lead.release();
        }
    }

    /// What was fetched anew may not be stored: nor may what it was to take the place of be
    /// served any longer.
    fn supersede(&self) {
        let [exact, _] = uri_scopes(&self.ask.key);
        // Under way at once; nobody waits for it.
        drop(self.shared.cache.give(&exact.into()));
    }

    /// The head goes out now; the body is copied as it passes.
    fn store<B>(mut self, arrived: Arrived, body: B, storable: Storable) -> Response<CacheBody<B>>
    where
        B: Body<Data: Buf> + Send + 'static,
    {
        if self.ask.guarded {
            self.cache().public.set(self.ask.place, arrived.now);
        }
        let fate = Fate {
            stored: self.turn.moment.stamp().is_some(),
            collapsed: false,
        };
        let config = &self.cache().config;
        let exact = body.size_hint().exact();
        let length = content_length(&arrived.parts).or(exact);
        let relay = Relay::new(config.max_body);
        let plan = self.plan(&arrived, storable);
        let shown = ShownHead::of(&plan, length, self.turn.moment, relay.clone());
        let fill = Fill::new(body, relay, plan, length);
        let source = Source::new(fill);
        let lead = self.turn.lead.take();
        // Whoever waits already is not to lose the fetch with the leader's client.
        let drive = arrived.unmodified || lead.as_ref().is_some_and(Lead::is_followed);
        if let Some(lead) = lead {
            source.land(|| lead.publish(Shown::new(shown, source.clone())));
        }
        if drive {
            source.take_over();
        }
        if arrived.unmodified {
            source.leave();
        }
        self.respond(arrived, fate, || CacheBody::lead(source, exact))
    }

    fn plan(&self, arrived: &Arrived, storable: Storable) -> Plan {
        let mut headers = arrived.parts.headers.clone();
        strip_hop_by_hop(&mut headers);
        let config = &self.cache().config;
        if config.strip_tags {
            tags::strip(&mut headers);
        }
        let hints = arrived.hints.clone().unwrap_or_default();
        let tags = hints.tagging.of(&arrived.parts).unwrap_or_default();
        let make_etag = config.etag && !headers.contains_key(ETAG);
        let fresh_until = arrived.now.after(storable.fresh_for);
        let stamp = match config.fences.stands(Fence::StampBefore) {
            true => self.turn.moment.stamp(),
            false => Some(self.cache().store.latest()),
        };
        Plan {
            cache: self.cache().clone(),
            key: self.ask.key.clone(),
            place: self.ask.place,
            meta: Meta {
                stamp: stamp.unwrap_or(Stamp(0)),
                stored_at: arrived.now,
                fresh_until,
                stale_until: fresh_until.after(storable.stale.longest()),
                handler_ms: u32::try_from(arrived.now.since(arrived.began)).unwrap_or(u32::MAX),
                age: storable.age,
                public: storable.public,
                stale: storable.stale,
            },
            stamped: stamp.is_some(),
            outage: self.cache().store.remote.is_some()
                && self.turn.moment.is_alone()
                && config.fences.stands(Fence::Outage),
            scopes: self.scopes(&hints, &tags),
            tags,
            status: arrived.parts.status,
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
        arrived: Arrived,
        fate: Fate,
        body: impl FnOnce() -> CacheBody<B>,
    ) -> Response<CacheBody<B>> {
        let mut parts = arrived.parts;
        if self.cache().config.strip_tags {
            tags::strip(&mut parts.headers);
        }
        let member = status::forwarded(self.turn.reason, fate);
        status::append(&mut parts.headers, member);
        if arrived.unmodified {
            return reply::not_modified_response(&parts.headers);
        }
        Response::from_parts(parts, body())
    }
}

fn windows(stale: Stale) -> StaleWindows {
    StaleWindows {
        while_revalidate: millis(stale.while_revalidate.unwrap_or_default()),
        if_error: millis(stale.if_error.unwrap_or_default()),
    }
}

/// Whether a response that is not stored says that others will not be either. A 304 answers
/// one client's condition, and most refusals one request's fields.
fn speaks_of_resource(status: StatusCode) -> bool {
    status.is_success()
        || matches!(
            status.as_u16(),
            300..=303 | 307 | 308 | 401 | 403 | 404 | 405 | 410
        )
}

/// A stream that is made to go on is not for followers, nor for the store.
fn is_endless(parts: &Parts) -> bool {
    let kind = parts.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
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
