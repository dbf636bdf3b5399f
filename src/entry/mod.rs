//! What is stored under a key: the envelope, in memory and on the wire.

mod codec;
mod kept;
mod peek;
mod wire_head;

#[cfg(feature = "testing")]
pub(crate) use codec::put_checksum;
pub(crate) use codec::{Draft, HEADER_LEN, decode, seal};
pub(crate) use peek::{Peeked, claimed_len, claimed_stamp};

use crate::clock::Timestamp;
use crate::observe::{Asked, Hit, Route};
use crate::stamp::{Scope, Stamp};
use bytes::Bytes;
use http::header::{AGE, CACHE_STATUS};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use std::any::Any;
use std::borrow::Cow;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// What an envelope holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A response.
    Response,
    /// The `Vary` fields of a key whose responses stand under their variants.
    Vary,
    /// A value, set by hand or computed by a function.
    Value,
}

/// The facts about an entry that decide how it may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Meta {
    /// The clock of purges before the handler ran.
    pub(crate) stamp: Stamp,
    pub(crate) stored_at: Timestamp,
    pub(crate) fresh_until: Timestamp,
    pub(crate) stale_until: Timestamp,
    /// How long the handler took, in milliseconds.
    pub(crate) handler_ms: u32,
    /// How old the response was when it came, in milliseconds (RFC 9111 §4.2.3).
    pub(crate) age_ms: u64,
    /// `public` or `s-maxage`: may answer requests that carry credentials (§3.5).
    pub(crate) public: bool,
    /// Never answers without having been validated (§5.2.2.4).
    pub(crate) must_validate: bool,
    /// Once stale no request may have it unvalidated (§4.2.4).
    pub(crate) never_stale: bool,
    /// Its `ETag` was made here: the handler knows none.
    pub(crate) own_etag: bool,
    pub(crate) stale: StaleWindows,
}

/// For how many milliseconds past its lifetime a response may still be served (RFC 5861).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StaleWindows {
    /// While one request fetches a newer one.
    pub(crate) while_revalidate: u64,
    /// Where the handler fails.
    pub(crate) if_error: u64,
}

impl StaleWindows {
    pub(crate) fn longest(self) -> Duration {
        Duration::from_millis(self.while_revalidate.max(self.if_error))
    }
}

impl Meta {
    pub(crate) fn is_fresh(&self, now: Timestamp) -> bool {
        now < self.fresh_until
    }

    /// Whether it is stale by less than `window` milliseconds.
    pub(crate) fn is_stale_within(&self, window: u64, now: Timestamp) -> bool {
        !self.is_fresh(now) && now.since(self.fresh_until) < window
    }

    /// RFC 9111 §4.2.3, in seconds: how old it was when it came, and how long it has been
    /// here.
    pub(crate) fn age(&self, now: Timestamp) -> u64 {
        self.age_ms.saturating_add(now.since(self.stored_at)) / 1000
    }
}

/// One stored response, `Vary` record or value. Head and body are slices of one buffer.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) meta: Meta,
    pub(crate) scopes: Box<[Scope]>,
    pub(crate) key: Bytes,
    /// Method, authority and URI of a response; the name of a value.
    label: Bytes,
    pub(crate) variant: Bytes,
    pub(crate) body: Bytes,
    /// `Cache-Status` members of caches further up, to be put before ours.
    pub(crate) upstream_status: Option<HeaderValue>,
    /// The field names of a [`Kind::Vary`] record, newest set first.
    pub(crate) vary: Box<[Vec<HeaderName>]>,
    wire: Bytes,
    verified: AtomicU64,
    /// The epoch in which it was last found valid by what this process knows.
    epoch: AtomicU64,
    /// Since when it is stale by a soft purge, in milliseconds.
    stale_since: AtomicU64,
    queued: AtomicBool,
    /// The route that hits are counted by.
    route: AtomicU8,
    /// Fetched while Redis was left alone: bears a stamp of this process, and stays here.
    pub(crate) outage: bool,
    /// Of a class that stays in local memory: never written to Redis.
    pub(crate) local_only: bool,
    /// Status and head, so that they are copied as one; its `Age` and `Cache-Status` are places.
    answer: Response<()>,
    /// A value as it was before it was encoded, or decoded once.
    decoded: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl Entry {
    /// Whether it is the record of what a key varies by, and answers nothing.
    #[inline]
    pub(crate) fn is_vary(&self) -> bool {
        self.kind == Kind::Vary
    }

    /// The whole envelope.
    pub(crate) fn wire(&self) -> &Bytes {
        &self.wire
    }

    /// Its fixed part: equal for two envelopes only if they are the same.
    pub(crate) fn header(&self) -> &[u8] {
        &self.wire[..HEADER_LEN]
    }

    /// Whether it was fetched later than what has this fixed part.
    pub(crate) fn is_after(&self, header: &[u8]) -> bool {
        // Stamp and time, as numbers are compared.
        matches!((header.get(8..24), self.wire.get(8..24)), (Some(other), Some(own)) if own > other)
    }

    /// Bytes this entry takes in memory, about.
    pub(crate) fn weight(&self) -> u64 {
        const FIELD: usize = 120;
        let decoded = match self.kind {
            // It may be kept decoded too, and weights must not change.
            Kind::Value => self.body.len(),
            Kind::Response | Kind::Vary => 0,
        };
        let size = size_of::<Self>() + self.wire.len() + self.head().len() * FIELD + decoded;
        size as u64
    }

    /// Keeps a value beside its encoding.
    pub(crate) fn keep_decoded<T: Any + Send + Sync>(&self, value: T) {
        // One that is kept already is as good.
        let _ = self.decoded.set(Arc::new(value));
    }

    /// A value that is kept, if it is a `T`.
    pub(crate) fn decoded<T: Any>(&self) -> Option<&T> {
        self.decoded.get()?.downcast_ref()
    }

    /// The clock at which it was last found valid.
    pub(crate) fn verified(&self) -> Stamp {
        Stamp(self.verified.load(Ordering::Acquire))
    }

    /// Notes that nothing up to `clock` purged it.
    pub(crate) fn verify(&self, clock: Stamp) {
        self.verified.fetch_max(clock.0, Ordering::AcqRel);
    }

    #[inline]
    pub(crate) fn is_valid_in(&self, epoch: u64) -> bool {
        self.epoch.load(Ordering::Acquire) == epoch
    }

    pub(crate) fn valid_in(&self, epoch: u64) {
        self.epoch.store(epoch, Ordering::Release);
    }

    /// Softly purged: stale from then on.
    pub(crate) fn soften(&self, at: Timestamp) {
        self.stale_since.fetch_min(at.0, Ordering::AcqRel);
    }

    /// What decides how it may be used now.
    #[inline]
    pub(crate) fn facts(&self) -> Cow<'_, Meta> {
        match self.stale_since.load(Ordering::Acquire) {
            u64::MAX => Cow::Borrowed(&self.meta),
            since => Cow::Owned(self.softened(Timestamp(since))),
        }
    }

    #[cold]
    fn softened(&self, since: Timestamp) -> Meta {
        Meta {
            fresh_until: self.meta.fresh_until.min(since),
            // No request may have what a purge made stale.
            never_stale: true,
            ..self.meta
        }
    }

    /// `authority/path?query` of a response.
    pub(crate) fn uri(&self) -> Option<&str> {
        uri(self.kind, &self.label)
    }

    /// The tags that it bears.
    pub(crate) fn tags(&self) -> Vec<String> {
        let mut tags = Vec::new();
        codec::each_tag(&self.wire, &mut |tag| tags.push(tag.to_owned()));
        tags
    }

    /// Whether its write to Redis is still to come: until then this process alone has it.
    pub(crate) fn is_queued(&self) -> bool {
        self.queued.load(Ordering::Acquire)
    }

    pub(crate) fn set_queued(&self, queued: bool) {
        self.queued.store(queued, Ordering::Release);
    }

    /// The route that hits are counted by.
    #[inline]
    pub(crate) fn route(&self) -> Route {
        Route(self.route.load(Ordering::Relaxed))
    }

    pub(crate) fn count_by(&self, route: Route) {
        self.route.store(route.0, Ordering::Relaxed);
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.answer.status()
    }

    /// A response without its body, copied.
    #[inline]
    pub(crate) fn answer(&self) -> Response<()> {
        self.answer.clone()
    }

    /// The head as it was stored; its `Age` and `Cache-Status` are places and say nothing.
    #[inline]
    pub(crate) fn head(&self) -> &HeaderMap {
        self.answer.headers()
    }
}

impl Hit for Entry {
    #[inline]
    fn route(&self) -> Route {
        Self::route(self)
    }

    #[inline]
    fn handler_ms(&self) -> u32 {
        self.meta.handler_ms
    }

    fn len(&self) -> usize {
        self.label.len() + self.key.len() + self.variant.len()
    }

    fn id(&self) -> impl Hash {
        (&self.label, &self.key, &self.variant)
    }

    fn asked(&self) -> Asked {
        Asked {
            label: String::from_utf8_lossy(&self.label).into(),
            key: (&*self.key).into(),
            variant: (&*self.variant).into(),
            local_only: self.local_only,
        }
    }

    fn each_tag(&self, tell: &mut dyn FnMut(&str)) {
        codec::each_tag(&self.wire, tell);
    }
}

fn uri(kind: Kind, label: &[u8]) -> Option<&str> {
    let label = std::str::from_utf8(label).ok()?;
    match kind {
        Kind::Response => label.strip_prefix("GET "),
        Kind::Vary | Kind::Value => None,
    }
}

fn answer(status: StatusCode, head: HeaderMap) -> Response<()> {
    let mut answer = Response::new(());
    *answer.status_mut() = status;
    *answer.headers_mut() = head;
    answer
}

/// A head with places for `Age` and `Cache-Status` in front, where [`put_age`] finds them
/// without looking, and room for `fields` more.
fn head_with_places(fields: usize) -> Option<HeaderMap> {
    let mut head = HeaderMap::try_with_capacity(fields + 2).ok()?;
    head.insert(AGE, HeaderValue::from_static("0"));
    head.insert(CACHE_STATUS, HeaderValue::from_static(""));
    Some(head)
}

/// Puts `Age` and `Cache-Status` into their places in a copy of a stored head.
#[inline]
pub(crate) fn put_age(head: &mut HeaderMap, age: HeaderValue, status: HeaderValue) {
    if let Some((its_age, its_status)) = places(head) {
        (*its_age, *its_status) = (age, status);
    } else {
        head.insert(AGE, age);
        head.insert(CACHE_STATUS, status);
    }
}

/// The places for `Age` and `Cache-Status` in a copy of a stored head, if it still has them.
#[inline]
pub(crate) fn places(head: &mut HeaderMap) -> Option<(&mut HeaderValue, &mut HeaderValue)> {
    let mut fields = head.iter_mut();
    match (fields.next()?, fields.next()?) {
        ((first, age), (second, status)) if *first == AGE && *second == CACHE_STATUS => {
            Some((age, status))
        }
        _ => None,
    }
}

/// The sets of field names in the body of a [`Kind::Vary`] record.
fn read_vary(kind: Kind, body: &[u8]) -> Box<[Vec<HeaderName>]> {
    let sets = if kind == Kind::Vary { body } else { &[] };
    sets.split(|b| *b == b'\n')
        .map(|set| {
            let names = set.split(|b| *b == b',');
            names
                .filter_map(|name| HeaderName::from_bytes(name).ok())
                .collect::<Vec<_>>()
        })
        .filter(|set| !set.is_empty())
        .collect()
}

/// The body of a [`Kind::Vary`] record.
pub(crate) fn vary_record(sets: &[Vec<HeaderName>]) -> Bytes {
    let join = |set: &Vec<HeaderName>| {
        set.iter()
            .map(HeaderName::as_str)
            .collect::<Vec<_>>()
            .join(",")
    };
    sets.iter().map(join).collect::<Vec<_>>().join("\n").into()
}
