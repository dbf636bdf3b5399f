//! Parts of a representation: answered with, and made larger by what comes (RFC 9111 §3.3, §3.4).

use super::body::CacheBody;
use super::fetch::{Arrived, Fetch};
use super::find::{Step, Turn, Way};
use super::plan::Plan;
use super::told;
use super::validate::of_handler;
use crate::entry::Entry;
use crate::policy::combine::{Combined, Held, combine};
use crate::policy::status::Forwarded;
use crate::store::Tier;
use bytes::Bytes;
use http::Response;
use http::response::Parts;
use std::sync::Arc;

/// The part that is stored of what a request for a range names, be it fresh or stale, the bytes
/// that it asks for or others.
pub(super) async fn look_up(way: &Way<'_>) -> Option<(Arc<Entry>, Tier)> {
    let (key, headers) = (way.key_of_part()?, &way.ask.headers);
    let lookup = way.cache.store.lookup(&key, headers, way.tiers).await;
    lookup.found
}

/// RFC 9111 §3.3: the answer of a fresh part that holds what is asked for.
pub(super) fn answer<B>(
    way: &Way<'_>,
    (entry, tier): &(Arc<Entry>, Tier),
) -> Option<Response<CacheBody<B>>> {
    let now = way.cache.clock.now();
    let response = way.part_of(entry, now)?;
    entry.count_by(way.ask.route);
    told(&way.cache.observer, *tier, entry, now);
    Some(response)
}

/// A fetch of what the stored part, if there is one, does not hold.
pub(super) fn beside<B>(step: Step<B>, part: Option<(Arc<Entry>, Tier)>) -> Step<B> {
    match (step, part) {
        (Step::Fetch(turn), Some((part, _))) => Step::Fetch(Turn {
            reason: match turn.reason {
                Forwarded::UriMiss | Forwarded::VaryMiss => Forwarded::Partial,
                reason => reason,
            },
            part: Some(part),
            ..turn
        }),
        (step, _) => step,
    }
}

/// A part on its way, and what it will be stored as together with what is stored already.
pub(super) struct Joined {
    plan: Plan,
    stored: Arc<Entry>,
    combined: Combined,
    /// Bytes of the part.
    bytes: u64,
}

impl Fetch<'_> {
    /// RFC 9111 §3.4: what a part will be stored as if it completes; `None`: by itself.
    pub(super) fn join(&self, arrived: &Arrived, bytes: u64) -> Option<Box<Joined>> {
        let stored = [&self.turn.part, &self.turn.found];
        let mut stored = stored.into_iter().flatten();
        stored.find_map(|stored| self.join_with(arrived, bytes, stored))
    }

    fn join_with(&self, arrived: &Arrived, bytes: u64, stored: &Arc<Entry>) -> Option<Box<Joined>> {
        let config = &self.cache().config;
        let head = of_handler(stored);
        let old = Held {
            status: stored.status(),
            headers: &head,
            bytes: stored.body.len() as u64,
        };
        let part = Held {
            status: arrived.parts.status,
            headers: &arrived.parts.headers,
            bytes,
        };
        let combined = combine(&old, &part, arrived.now)?;
        if combined.bytes() > config.max_body as u64 {
            return None;
        }
        let cookies = config.rules.set_cookie;
        let headers = combined.head(&head, part.headers, arrived.now, cookies);
        let mut parts = arrived.parts.clone();
        parts.status = combined.status();
        parts.headers = headers;
        let plan = self.plan_joined(arrived, parts, stored)?;
        Some(Box::new(Joined {
            plan,
            stored: stored.clone(),
            combined,
            bytes,
        }))
    }

    /// As old as the older of the two, purged by whatever purges one of them, and kept out of Redis
    /// with either.
    fn plan_joined(&self, arrived: &Arrived, parts: Parts, stored: &Entry) -> Option<Plan> {
        let whole = Arrived {
            parts,
            hints: arrived.hints.clone(),
            ..*arrived
        };
        let mut plan = self.plan(&whole, self.judge(&whole).ok()?);
        let of_one_clock = plan.outage == stored.outage;
        if !of_one_clock || plan.variant != *stored.variant {
            return None;
        }
        plan.meta.stamp = plan.meta.stamp.min(stored.meta.stamp);
        plan.local_only |= stored.local_only;
        let scopes = plan.scopes.iter().chain(&stored.scopes).copied();
        plan.scopes = scopes.collect();
        Some(plan)
    }
}

impl Joined {
    /// Stored as a whole, if the part has as many bytes as it said.
    pub(super) fn store(self, part: &[Bytes]) -> Option<Arc<Entry>> {
        let Self {
            mut plan,
            stored,
            combined,
            bytes,
        } = self;
        let came: usize = part.iter().map(Bytes::len).sum();
        if came as u64 != bytes {
            return None;
        }
        let mut frames = vec![stored.body.slice(combined.before)];
        frames.extend_from_slice(part);
        frames.push(stored.body.slice(combined.after));
        for frame in &frames {
            plan.see(frame);
        }
        plan.store(&frames)
    }
}
