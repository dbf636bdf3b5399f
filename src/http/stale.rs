//! A stale answer while it is fetched anew, and in place of a failure (RFC 5861).

use super::ask::Ask;
use super::body::CacheBody;
use super::find::{Step, Turn, Way};
use super::{Shown, reply};
use crate::cache::Inner;
use crate::entry::Entry;
use crate::flight::{Joined, Lead};
use crate::observe::Answered;
use crate::policy::reuse::usable_on_error;
use crate::policy::status::Exception;
use crate::store::{Lookup, Tier};
use http::{HeaderName, Response, StatusCode};

/// The answer of what was found, if it is within its window and no purge has come since.
pub(super) async fn stand_in<B>(
    cache: &Inner,
    ask: &Ask,
    entry: &Entry,
    failed: Option<StatusCode>,
) -> Option<Response<CacheBody<B>>> {
    let now = cache.clock.now();
    let usable = usable_on_error(&entry.facts(), &ask.demand, ask.guarded, now);
    if !usable || !cache.store.is_still_valid(entry).await {
        return None;
    }
    cache
        .observer
        .answered(ask.route, Answered::StaleIfError, now);
    let exception = Some(Exception::IfError(failed));
    Some(reply::stored(entry, now, ask.form(), exception))
}

impl Way<'_> {
    /// A stale entry answers, and one request has it fetched anew.
    pub(super) fn use_stale<B>(
        &self,
        entry: &Entry,
        tier: Tier,
        lookup: &Lookup,
        vary: &[HeaderName],
    ) -> Step<B> {
        let lead = self.lead_refresh(vary);
        let lead = match lead {
            Some(lead) => match self.recheck(&lookup.moment) {
                Some(fresh) => {
                    // It has just been.
                    lead.release();
                    return Step::Answer(fresh);
                }
                None => Some(lead),
            },
            None => None,
        };
        let exception = Some(match tier {
            // It may be behind a purge too.
            Tier::Fallback => Exception::Fallback,
            _ => Exception::WhileRevalidate,
        });
        let now = self.cache.clock.now();
        let observer = &self.cache.observer;
        observer.hit(entry, Answered::StaleWhileRevalidate, now);
        let response = reply::stored(entry, now, self.ask.form(), exception);
        match lead {
            Some(lead) => Step::Stale(response, self.refresh(lookup, lead)),
            None => Step::Answer(response),
        }
    }

    /// The right to fetch anew, if nobody else does. A request that may not be stored, or has
    /// no body to be stored, leaves it to the next one.
    fn lead_refresh(&self, vary: &[HeaderName]) -> Option<Lead<Shown>> {
        let usable = !self.ask.head && !self.ask.demand.no_store;
        if !usable || !self.cache.refreshes.has_room() {
            return None;
        }
        match self.join(vary) {
            Joined::Lead(lead) => Some(lead),
            Joined::Follow(_) | Joined::Alone => None,
        }
    }

    fn refresh(&self, lookup: &Lookup, lead: Lead<Shown>) -> Turn {
        Turn {
            moment: lookup.moment,
            reason: self.reason(lookup),
            lead: Some(lead),
            lease: None,
            found: self.found(lookup),
            part: None,
        }
    }
}
