//! The middleware: layer, service, future, body, and the way a request takes through them.

mod ask;
mod body;
mod decide;
mod everywhere;
#[cfg(feature = "admin")]
mod explain;
mod fetch;
mod fill;
mod find;
mod future;
mod layer;
mod marks;
mod nested;
mod next;
#[cfg(feature = "axum")]
mod origin;
#[cfg(not(feature = "axum"))]
#[path = "origin_off.rs"]
mod origin;
mod part;
mod pending;
mod plan;
mod posted;
mod refresh;
mod relay;
mod reply;
mod service;
mod stale;
mod tags;
mod validate;
mod write;

pub(crate) use ask::ForAll;
pub use body::{BodyError, CacheBody};
#[cfg(feature = "admin")]
pub(crate) use explain::{Explained, Outcome};
pub use future::ResponseFuture;
pub use layer::CacheLayer;
pub(crate) use marks::Marks;
pub use nested::CacheTtl;
pub(crate) use pending::Pending;
pub(crate) use refresh::{Refreshes, WITHIN};
pub use service::CacheService;
pub(crate) use tags::fit as tags_fit;
pub use tags::{CacheTags, PurgeTags};

use crate::clock::Timestamp;
use crate::entry::{Entry, Kind, Meta};
use crate::key::{Namespace, RequestKey};
use crate::observe::{Answered, Observer};
use crate::policy::status::{Exception, Forwarded};
use crate::stamp::{Named, Scope, Stamp, Subject};
use crate::store::{Covered, Moment, Tier, subject};
use ::http::{HeaderMap, HeaderName, StatusCode};
use fill::TakeOver;
use plan::Plan;
use relay::Relay;
use std::sync::Arc;

/// What a leader shows its followers once the head of its response is there.
#[derive(Clone)]
pub(crate) struct Shown(Arc<(ShownHead, Arc<dyn TakeOver>)>);

impl Shown {
    fn new(head: ShownHead, source: Arc<dyn TakeOver>) -> Self {
        Self(Arc::new((head, source)))
    }

    fn head(&self) -> &ShownHead {
        &self.0.0
    }

    /// Has a task drive the body, so that no reader waits for the leader's client.
    fn take_over(&self) {
        self.0.1.take_over();
    }
}

struct ShownHead {
    status: StatusCode,
    /// End-to-end fields only.
    headers: HeaderMap,
    vary: Vec<HeaderName>,
    variant: Vec<u8>,
    scopes: Box<[Scope]>,
    uri: String,
    key: Vec<u8>,
    namespace: Namespace,
    /// When the fetch began.
    led: Moment,
    relay: Arc<Relay>,
    /// The body's length, where it is known.
    length: Option<u64>,
    meta: Meta,
}

impl ShownHead {
    fn of(plan: &Plan, length: Option<u64>, led: Moment, relay: Arc<Relay>) -> Self {
        Self {
            status: plan.status,
            headers: plan.headers.clone(),
            vary: plan.vary.clone(),
            variant: plan.variant.clone(),
            scopes: plan.scopes.clone(),
            uri: plan.uri(),
            key: plan.key.to_bytes(),
            namespace: plan.cache.store.namespace.clone(),
            led,
            relay,
            length,
            meta: plan.meta,
        }
    }
}

impl Named for ShownHead {
    fn uri(&self) -> Option<&str> {
        Some(&self.uri)
    }

    fn name(&self) -> String {
        let kind = Kind::Response;
        subject::name(&self.namespace, kind, &self.key, &self.variant)
    }
}

impl Covered for ShownHead {
    fn scopes(&self) -> &[Scope] {
        &self.scopes
    }

    fn at(&self, stamp: Stamp) -> Subject<'_> {
        Subject {
            stamp,
            scopes: &self.scopes,
            named: self,
        }
    }
}

/// Counts a hit of a tier; says whether it must be marked as an exception.
#[inline]
fn told(observer: &Observer, tier: Tier, entry: &Entry, now: Timestamp) -> Option<Exception> {
    let (answered, exception) = match tier {
        Tier::Local => (Answered::LocalHit, None),
        Tier::Redis => (Answered::RedisHit, None),
        Tier::Fallback => (Answered::FallbackHit, Some(Exception::Fallback)),
    };
    observer.hit(entry, answered, now);
    exception
}

/// How a run of the handler is counted.
fn missed(reason: Forwarded) -> Answered {
    match reason {
        Forwarded::UriMiss | Forwarded::Partial => Answered::MissUri,
        Forwarded::VaryMiss => Answered::MissVary,
        Forwarded::Stale => Answered::MissStale,
        Forwarded::Request | Forwarded::Method => Answered::MissRequest,
        Forwarded::Bypass => Answered::MissCredentials,
    }
}

/// The fetch of a key that is not known to vary, or of one of its variants, is one flight.
fn flight_key(key: &RequestKey<'_>, variant: &[u8]) -> Vec<u8> {
    let mut bytes = key.to_bytes();
    bytes.extend_from_slice(variant);
    bytes
}
