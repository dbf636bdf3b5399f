//! What becomes of a response, decided at its head.

use super::fetch::{Arrived, Fetch};
use super::nested::{CacheTtl, Hints};
use super::plan::Plan;
use super::tags;
use crate::clock::{Timestamp, millis};
use crate::config::{API_RESPONSE, Stale};
use crate::entry::{Meta, StaleWindows};
use crate::fences::Fence;
use crate::key::{class_scope, prefix_scope, tag_scope, uri_scopes, variant_bytes};
use crate::observe::Event;
use crate::policy::reuse::is_failure;
use crate::policy::storable::{Head, Refusal, Storable, storable, strip_hop_by_hop};
use crate::policy::ttl::Ttls;
use crate::stamp::{Scope, Stamp};
use http::HeaderValue;
use http::header::{AGE, CONTENT_LENGTH, CONTENT_TYPE, DATE, ETAG};
use http::response::Parts;
use hyper::body::Body;
use sha2::Sha256;
use std::time::Duration;

/// How long a stale response is kept that can be validated.
const KEPT_FOR_VALIDATION: Duration = Duration::from_hours(24);

/// A response that may be stored, how, and under which tags.
#[derive(Clone)]
pub(super) struct Decided {
    pub(super) storable: Storable,
    pub(super) tags: Vec<String>,
}

impl Decided {
    /// Not to be stored.
    pub(super) fn none() -> Self {
        Self {
            storable: Storable::none(),
            tags: Vec::new(),
        }
    }
}

impl Fetch<'_> {
    /// Whether, and for how long, the response is stored.
    pub(super) fn decide<B: Body>(&self, arrived: &Arrived, body: &B) -> Result<Decided, Refusal> {
        let decided = self.judge(arrived)?;
        // A part that nobody asked for is none.
        let stray = decided.storable.part.is_some() && !self.ask.ranged;
        let unfit = self.ask.head
            || stray
            || self.ask.demand.no_store
            || is_endless(&arrived.parts)
            || is_too_large(&arrived.parts, body, self.cache().config.max_body);
        match unfit {
            true => Err(Refusal::Forbidden),
            false => Ok(decided),
        }
    }

    /// Whether a head lets its response be stored.
    pub(super) fn judge(&self, arrived: &Arrived) -> Result<Decided, Refusal> {
        let Arrived {
            parts, now, hints, ..
        } = arrived;
        let hints = hints.as_ref().ok_or(Refusal::Forbidden)?;
        if self.background && is_failure(parts.status) {
            // It must not take the place of what would have stood in for it.
            return Err(Refusal::Failed);
        }
        let head = Head {
            status: parts.status,
            headers: &parts.headers,
            guarded: self.ask.guarded,
            asked: arrived.asked(),
            now: *now,
            targeted: &self.cache().config.targeted,
        };
        let mut storable = storable(&head, &self.ttls(parts, hints))?;
        if let Some(longest) = self.cache().config.classes.max_ttl(self.class(hints)) {
            cap(&mut storable, longest);
        }
        let Some(tags) = hints.tagging.of(parts, self.route_tags()) else {
            let path = &*self.ask.key.path;
            self.cache().observer.count(Event::TagsRefused);
            tracing::warn!(path, "not stored: too many tags, or one too long");
            return Err(Refusal::Forbidden);
        };
        Ok(Decided { storable, tags })
    }

    /// Tags that the route gives to all its responses.
    fn route_tags(&self) -> &[String] {
        let route = self.cache().config.routes.find(&self.ask.key.path);
        route.map_or(&[], |route| &route.tags)
    }

    fn ttls(&self, parts: &Parts, hints: &Hints) -> Ttls {
        let config = &self.cache().config;
        let route = config.routes.find(&self.ask.key.path);
        let class = self.class(hints);
        let stale = hints
            .stale
            .or(route.map(|route| route.stale).unwrap_or_default())
            .or(config.classes.stale(class));
        Ttls {
            extension: parts.extensions.get().map(|CacheTtl(ttl)| *ttl),
            overriding: hints.override_ttl.or_else(|| route?.override_ttl),
            fallback: hints
                .ttl
                .or_else(|| route?.ttl)
                .unwrap_or_else(|| config.classes.ttl(class)),
            stale: windows(stale),
            rules: config.rules,
        }
    }

    fn class<'a>(&'a self, hints: &'a Hints) -> Option<&'a str> {
        let route = self.cache().config.routes.find(&self.ask.key.path);
        let of_route = || route?.class.as_deref();
        hints.class.as_deref().or_else(of_route)
    }

    /// The scopes by which the response can be purged: its URI, all responses, its class, its
    /// tags, and those of the results that it was made of.
    fn scopes(&self, hints: &Hints, tags: &[String]) -> Box<[Scope]> {
        let class = self.class(hints).unwrap_or(API_RESPONSE);
        let common = [prefix_scope(API_RESPONSE), class_scope(class)];
        uri_scopes(&self.ask.key)
            .into_iter()
            .chain(common)
            .chain(tags.iter().map(|tag| tag_scope(tag)))
            .chain(self.made_of())
            .collect()
    }

    fn made_of(&self) -> Vec<Scope> {
        match self.cache().config.tag_bubbling {
            true => self.taint.scopes(),
            false => Vec::new(),
        }
    }

    /// How long it is kept once it is stale.
    fn kept(&self, storable: &Storable, class: Option<&str>) -> Duration {
        let config = &self.cache().config;
        let kept = match config.rules.store_for_validation && storable.validatable {
            true => storable.stale.longest().max(KEPT_FOR_VALIDATION),
            false => storable.stale.longest(),
        };
        match config.classes.max_ttl(class) {
            Some(longest) => kept.min(longest.saturating_sub(storable.fresh_for)),
            None => kept,
        }
    }

    /// What will be stored if the body completes.
    pub(super) fn plan(&self, arrived: &Arrived, decided: Decided) -> Plan {
        let Decided { storable, tags } = decided;
        let mut headers = arrived.parts.headers.clone();
        strip_hop_by_hop(&mut headers);
        let config = &self.cache().config;
        if config.strip_tags {
            tags::strip(&mut headers);
        }
        let hints = arrived.hints.clone().unwrap_or_default();
        // Of some of the bytes none can be made.
        let make_etag = config.etag && storable.part.is_none() && !headers.contains_key(ETAG);
        let fresh_until = arrived.now.after(storable.fresh_for);
        let class = self.class(&hints);
        let kept = self.kept(&storable, class);
        let stamp = match config.fences.stands(Fence::StampBefore) {
            true => self.turn.moment.stamp(),
            false => Some(self.cache().store.latest()),
        };
        Plan {
            cache: self.cache().clone(),
            key: match storable.part {
                Some(_) => self.ask.key.of_part(),
                None => self.ask.key.clone(),
            },
            place: self.ask.place,
            route: self.ask.route,
            meta: Meta {
                stamp: stamp.unwrap_or(Stamp(0)),
                stored_at: arrived.now,
                fresh_until,
                stale_until: fresh_until.after(kept),
                handler_ms: u32::try_from(arrived.now.since(arrived.began)).unwrap_or(u32::MAX),
                age_ms: storable.age_ms,
                public: storable.public,
                must_validate: storable.must_validate,
                never_stale: storable.never_stale,
                own_etag: make_etag,
                stale: storable.stale,
            },
            stamped: stamp.is_some(),
            taint: self.taint.clone(),
            share: self.cache().pending.share(),
            outage: self.cache().store.remote.is_some()
                && self.turn.moment.is_alone()
                && config.fences.stands(Fence::Outage),
            local_only: config.classes.is_local_only(class),
            scopes: self.scopes(&hints, &tags),
            tags,
            status: arrived.parts.status,
            headers,
            variant: variant_bytes(&storable.vary, &self.ask.headers),
            vary: storable.vary,
            limit: config.max_body as u64,
            landing: None,
            lease: None,
            joined: None,
            digest: make_etag.then(Sha256::default),
        }
    }
}

impl Arrived {
    /// RFC 9111 §4.2.3: how long the answer took counts as age where it was made elsewhere, as
    /// its own fields tell; what a handler here has made is new when it comes.
    fn asked(&self) -> Timestamp {
        let headers = &self.parts.headers;
        match headers.contains_key(AGE) || headers.contains_key(DATE) {
            true => self.began,
            false => self.now,
        }
    }
}

/// Neither fresh nor stale is it served past `longest`.
fn cap(storable: &mut Storable, longest: Duration) {
    storable.fresh_for = storable.fresh_for.min(longest);
    let left = millis(longest.saturating_sub(storable.fresh_for));
    let stale = &mut storable.stale;
    stale.while_revalidate = stale.while_revalidate.min(left);
    stale.if_error = stale.if_error.min(left);
}

fn windows(stale: Stale) -> StaleWindows {
    StaleWindows {
        while_revalidate: millis(stale.while_revalidate.unwrap_or_default()),
        if_error: millis(stale.if_error.unwrap_or_default()),
    }
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

pub(super) fn content_length(parts: &Parts) -> Option<u64> {
    parts
        .headers
        .get(CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}
