//! One run of the handler, and what becomes of its response.

use super::ask::Ask;
use super::body::CacheBody;
use super::decide::{Decided, content_length};
use super::fill::{Fill, Source, TakeOver};
use super::find::{Answer, Turn};
use super::layer::Shared;
use super::nested::{Hints, Note, leave_note};
use super::relay::Relay;
use super::{Shown, ShownHead, reply, stale, tags};
use crate::cache::Inner;
use crate::clock::{Timestamp, instant};
use crate::flight::Lead;
use crate::key::uri_scopes;
use crate::observe::Operation;
use crate::policy::conditional::not_modified;
use crate::policy::reuse::is_failure;
use crate::policy::status::{self, Fate};
use crate::policy::storable::Refusal;
use crate::taint::Taint;
use bytes::Buf;
use http::{Request, Response, StatusCode, response::Parts};
use hyper::body::Body;
use std::sync::Arc;
use tower::Service;
use tower::util::ServiceExt;
use tracing::Instrument;

/// One run of the handler.
pub(super) struct Fetch<'a> {
    pub(super) shared: &'a Shared,
    pub(super) ask: &'a Ask,
    pub(super) turn: Turn,
    /// Nobody waits for it: whatever comes is driven to its end.
    pub(super) background: bool,
    /// Whether the handler was given something old.
    pub(super) taint: Taint,
}

/// The head of a response, just come.
pub(super) struct Arrived {
    pub(super) parts: Parts,
    pub(super) began: Timestamp,
    pub(super) now: Timestamp,
    /// The client has it already, as the condition that was kept from the handler says.
    pub(super) unmodified: bool,
    /// What all layers say; `None`: one further in caches by itself.
    pub(super) hints: Option<Hints>,
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
        let asked = match asks_whole {
            true => self.ask_origin(request.headers_mut()),
            false => None,
        };
        let note = Note::of(&self.shared.cache);
        leave_note(request.extensions_mut(), note.clone());
        let (observer, asked_at) = (&self.cache().observer, instant());
        let reason = self.turn.reason.name();
        let span = observer.fetch_span(self.ask.route, reason, self.background);
        let run = handler.oneshot(request).instrument(span.clone());
        let answer = self.taint.watch(run).await;
        observer.took(Operation::Fetch, asked_at.elapsed());
        if let Ok(response) = &answer {
            span.record("http.response.status_code", response.status().as_u16());
        }
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
        if let Some((entry, asked)) = asked
            && arrived.parts.status == StatusCode::NOT_MODIFIED
        {
            return Ok(self.renew(arrived, &entry, asked));
        }
        if self.ask.head {
            self.hear_head(&arrived);
        }
        Ok(self.receive(arrived, body))
    }

    /// A stale answer in place of a failure.
    async fn stand_in<B>(&mut self, status: Option<StatusCode>) -> Option<Response<CacheBody<B>>> {
        let entry = self.turn.found.clone()?;
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
        let validates = self.cache().config.rules.store_for_validation;
        !head
            && !demand.no_store
            && (self.background || (!guarded && !self.ask.ranged && (validates || !marked())))
    }

    pub(super) fn cache(&self) -> &Arc<Inner> {
        &self.shared.cache.inner
    }

    fn receive<B>(mut self, arrived: Arrived, body: B) -> Response<CacheBody<B>>
    where
        B: Body<Data: Buf> + Send + 'static,
    {
        match self.decide(&arrived, &body) {
            Ok(decided) => self.store(arrived, body, decided),
            Err(refusal) => {
                self.refuse(refusal, &arrived);
                self.respond(arrived, Fate::default(), || CacheBody::pass(body))
            }
        }
    }

    /// Nothing will be stored: a failure hands the fetch on, anything else sets all free.
    fn refuse(&mut self, refusal: Refusal, arrived: &Arrived) {
        let (lead, lease) = (self.turn.lead.take(), self.turn.lease.take());
        if refusal == Refusal::Failed {
            return;
        }
        if let Some(lease) = lease {
            lease.refuse();
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
    pub(super) fn supersede(&self) {
        let [exact, _] = uri_scopes(&self.ask.key);
        // Under way at once; nobody waits for it.
        drop(self.shared.cache.give(&exact.into()));
    }

    /// The head goes out now; the body is copied as it passes.
    pub(super) fn store<B>(
        mut self,
        arrived: Arrived,
        body: B,
        decided: Decided,
    ) -> Response<CacheBody<B>>
    where
        B: Body<Data: Buf> + Send + 'static,
    {
        if self.ask.guarded {
            self.cache().public.set(self.ask.place, arrived.now);
        }
        let fate = Fate {
            stored: self.turn.moment.stamp().is_some() && !self.taint.is_set(),
            collapsed: false,
        };
        let config = &self.cache().config;
        let exact = body.size_hint().exact();
        let length = content_length(&arrived.parts).or(exact);
        let relay = Relay::new(config.max_body);
        let is_stale = decided.storable.fresh_for.is_zero();
        let part = decided.storable.part;
        let mut plan = self.plan(&arrived, decided);
        plan.joined = part.and_then(|part| self.join(&arrived, part.bytes()));
        plan.lease = self.turn.lease.take();
        let leased = plan.lease.is_some();
        let shown = ShownHead::of(&plan, length, self.turn.moment, relay.clone());
        let fill = Fill::new(body, relay, plan, length);
        let source = Source::new(fill);
        let mut lead = self.turn.lead.take();
        if is_stale {
            // It is for nobody else as it is: who waits asks for itself.
            self.cache().marks.set(self.ask.place, arrived.now);
            if let Some(lead) = lead.take() {
                lead.release();
            }
        }
        // Whoever waits already, here or elsewhere, is not to lose the fetch with the leader's
        // client, nor to wait for it.
        let drive = arrived.unmodified || leased || lead.as_ref().is_some_and(Lead::is_followed);
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

/// Whether a response that is not stored says that others will not be either. A 304 answers
/// one client's condition, a 206 its range, and most refusals one request's fields.
fn speaks_of_resource(status: StatusCode) -> bool {
    (status.is_success() && status != StatusCode::PARTIAL_CONTENT)
        || matches!(
            status.as_u16(),
            300..=303 | 307 | 308 | 401 | 403 | 404 | 405 | 410
        )
}
