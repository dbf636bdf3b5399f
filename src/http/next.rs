//! What a request comes to by what was found: decided here, carried out by
//! [`find`](super::find), told by [`explain`](super::explain).

use super::ask::Ask;
use super::body::CacheBody;
use super::find::Way;
use super::reply;
use crate::clock::Timestamp;
use crate::entry::Entry;
use crate::key::RequestKey;
use crate::policy::reuse::{Reuse, reuse};
use crate::policy::status::{Exception, Forwarded};
use crate::store::Lookup;
use http::Response;

/// What a request comes to by what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// What was found answers; `Some`: though it is not fresh.
    Reuse(Option<Exception>),
    /// It answers, and is fetched anew.
    WhileRevalidate,
    /// Nothing answers, and the handler may not be asked.
    OnlyIfCached,
    /// The handler is asked, or another request's fetch waited for.
    Forward { reason: Forwarded, waits: bool },
}

impl Way<'_> {
    /// What the request comes to by what was found.
    pub(super) fn next(&self, lookup: &Lookup) -> Next {
        let now = self.cache.clock.now();
        let found = lookup.found.as_ref();
        let Ask {
            demand, guarded, ..
        } = self.ask;
        let reused = found.map(|(entry, _)| reuse(&entry.facts(), demand, *guarded, now));
        let reason = self.reason(lookup);
        match reused {
            Some(Reuse::Fresh) => Next::Reuse(None),
            Some(Reuse::StaleAllowed) => Next::Reuse(Some(Exception::Accepted)),
            Some(Reuse::WhileRevalidate) => Next::WhileRevalidate,
            _ if demand.only_if_cached => Next::OnlyIfCached,
            _ => Next::Forward {
                reason,
                waits: self.may_wait(reason),
            },
        }
    }

    /// Where a part would stand, if one may be of use.
    pub(super) fn key_of_part(&self) -> Option<RequestKey<'static>> {
        let asks = self.ask.ranged && !self.ask.head && self.cache.config.rules.parts;
        (asks && self.may_look()).then(|| self.ask.key.of_part())
    }

    /// What a part answers.
    pub(super) fn part_of<B>(
        &self,
        entry: &Entry,
        now: Timestamp,
    ) -> Option<Response<CacheBody<B>>> {
        let Ask {
            demand,
            guarded,
            headers,
            conditional,
            ..
        } = self.ask;
        match reuse(&entry.facts(), demand, *guarded, now) {
            Reuse::Fresh if !conditional => reply::stored_part(entry, now, headers),
            _ => None,
        }
    }

    /// Whether anything stored may answer.
    pub(super) fn may_look(&self) -> bool {
        !self.ask.guarded || self.is_public()
    }

    /// Whether the answers of this key are known to be for everybody: else a request with
    /// credentials asks nobody.
    fn is_public(&self) -> bool {
        self.cache
            .public
            .is_set(self.ask.place, self.cache.clock.now())
    }

    /// RFC 9211 §2.2.
    pub(super) fn reason(&self, lookup: &Lookup) -> Forwarded {
        let now = self.cache.clock.now();
        match &lookup.found {
            _ if self.ask.guarded => Forwarded::Bypass,
            Some((entry, _)) if entry.facts().is_fresh(now) => Forwarded::Request,
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
            ranged,
            demand,
            place,
            ..
        } = self.ask;
        let shareable = !matches!(reason, Forwarded::Bypass | Forwarded::Request);
        let marked = || self.cache.marks.is_set(*place, self.cache.clock.now());
        shareable && !head && !ranged && !demand.no_store && !marked()
    }
}
