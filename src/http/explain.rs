//! What would happen to a request now, by the code that decides it: no handler is called, and
//! nothing stored or counted. What is purged already may lose its place in memory.

use super::ask::{Ask, Begin, begin};
use super::find::Way;
use super::layer::Shared;
use super::next::Next;
use crate::cache::{Cache, Inner};
use crate::clock::Timestamp;
use crate::config::API_RESPONSE;
use crate::entry::Entry;
use crate::key::RequestKey;
use crate::observe::Passed;
use crate::policy::status::{Exception, Forwarded};
use crate::store::Tier;
use ::http::Request;
use hyper::body::Body;
use std::sync::Arc;
use std::time::Duration;

/// What would happen to a request, and why.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Explained {
    pub(crate) outcome: Outcome,
    /// Where its answers stand; `None`: it is none for the cache.
    pub(crate) key: Option<RequestKey<'static>>,
    /// What was found, fresh or not.
    pub(crate) found: Option<Arc<Entry>>,
    /// Carries credentials.
    pub(crate) guarded: bool,
    /// What comes of a handler may be stored, if that allows it.
    pub(crate) storable: bool,
    /// The last answers could not be stored: nobody waits for one.
    pub(crate) marked: bool,
    /// Somebody fetches it right now.
    pub(crate) under_way: bool,
    pub(crate) policy: Policy,
}

/// What is set for the path.
pub(crate) struct Policy {
    pub(crate) pattern: Option<String>,
    pub(crate) class: String,
    pub(crate) ttl: Duration,
    /// Whatever the response says.
    pub(crate) override_ttl: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Pass(Passed),
    /// To the handler; what is stored of the URI is purged if it succeeds.
    Write,
    /// Answered from the store.
    Hit(Tier, Option<Exception>),
    /// By a stored part.
    Part(Tier),
    /// Stale, and fetched anew in the background.
    WhileRevalidate,
    /// 504: nothing is stored, and the handler may not be asked.
    OnlyIfCached,
    /// To the handler.
    Forward(Forwarded),
}

impl Cache {
    /// By the rules of the cache: a layer may have some of its own.
    pub(crate) async fn explain<B: Body>(&self, request: &Request<B>) -> Explained {
        let layer = self.layer();
        let (shared, inner) = (&*layer.shared, &self.inner);
        let policy = policy(inner, request.uri().path());
        let outcome = match begin(shared, request) {
            Begin::Pass(why) => Outcome::Pass(why),
            Begin::Bypass => Outcome::Pass(Passed::Rule),
            Begin::Write(_) => Outcome::Write,
            Begin::Hit(hit) => {
                let exception = (hit.tier == Tier::Fallback).then_some(Exception::Fallback);
                return Explained {
                    outcome: Outcome::Hit(hit.tier, exception),
                    key: RequestKey::from_bytes(&hit.entry.key).map(RequestKey::into_owned),
                    found: Some(hit.entry.clone()),
                    guarded: false,
                    storable: false,
                    marked: false,
                    under_way: false,
                    policy,
                };
            }
            Begin::Ask(ask) => return asked(shared, &ask, policy).await,
        };
        Explained::without_key(outcome, policy)
    }
}

impl Explained {
    fn without_key(outcome: Outcome, policy: Policy) -> Self {
        Self {
            outcome,
            key: None,
            found: None,
            guarded: false,
            storable: false,
            marked: false,
            under_way: false,
            policy,
        }
    }
}

/// As [`answer`](super::find::answer) goes on.
async fn asked(shared: &Shared, ask: &Ask, policy: Policy) -> Explained {
    let (cache, way) = (&shared.cache.inner, Way::of(shared, ask));
    let now = cache.clock.now();
    let lookup = match way.may_look() {
        true => cache.store.look(&ask.key, &ask.headers, way.tiers).await,
        false => crate::store::Lookup::nothing(cache.store.now_here()),
    };
    let next = way.next(&lookup);
    let outcome = match (next, &lookup.found) {
        (Next::Reuse(accepted), Some((_, tier))) => {
            let fallback = (*tier == Tier::Fallback).then_some(Exception::Fallback);
            Outcome::Hit(*tier, fallback.or(accepted))
        }
        (Next::WhileRevalidate, _) => Outcome::WhileRevalidate,
        (next, _) => match (part(cache, &way, ask, now).await, next) {
            (Some(tier), _) => Outcome::Part(tier),
            (None, Next::Forward { reason, .. }) => Outcome::Forward(reason),
            (None, _) => Outcome::OnlyIfCached,
        },
    };
    Explained {
        outcome,
        found: lookup.found.map(|(entry, _)| entry),
        guarded: ask.guarded,
        storable: !ask.head && !ask.demand.no_store,
        marked: cache.marks.is_set(ask.place, now),
        under_way: cache.flights.is_led(ask.place),
        key: Some(ask.key.clone()),
        policy,
    }
}

async fn part(cache: &Inner, way: &Way<'_>, ask: &Ask, now: Timestamp) -> Option<Tier> {
    let lookup = cache
        .store
        .look(&way.key_of_part()?, &ask.headers, way.tiers)
        .await;
    let (entry, tier) = lookup.found?;
    way.part_of::<()>(&entry, now).map(|_| tier)
}

fn policy(cache: &Inner, path: &str) -> Policy {
    let config = &cache.config;
    let route = config.routes.find(path);
    let class = route.and_then(|route| route.class.as_deref());
    let ttl = route.and_then(|route| route.ttl);
    Policy {
        pattern: config.routes.pattern(path).map(str::to_owned),
        ttl: ttl.unwrap_or_else(|| config.classes.ttl(class)),
        override_ttl: route.and_then(|route| route.override_ttl),
        class: class.unwrap_or(API_RESPONSE).to_owned(),
    }
}
