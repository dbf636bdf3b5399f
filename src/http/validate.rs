//! Asking the handler whether what is stored still holds (RFC 9111 §4.3).

use super::body::CacheBody;
use super::decide::Decided;
use super::fetch::{Arrived, Fetch};
use super::reply;
use crate::entry::Entry;
use crate::key::uri_scopes;
use crate::policy::freshen::freshen;
use crate::policy::status::Exception;
use crate::policy::validation::{Asked, Headed, ask, drop_conditions, headed, selects};
use crate::policy::vary::fields;
use crate::stamp::Order;
use crate::store::Lease;
use http::header::ETAG;
use http::{HeaderMap, Response, StatusCode};
use std::sync::Arc;

/// What an update says of an entry.
#[derive(Clone, Copy, Debug)]
struct Found {
    /// It is the one that is spoken of.
    selected: bool,
    /// By its entity tag.
    tagged: bool,
}

/// What has become of an entry that was validated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Renewed {
    Kept,
    /// By its update it may not be stored any longer, or answers no longer whom it answered.
    Refused,
    /// The update speaks of another, or its client wants nothing stored.
    Dropped,
}

impl Fetch<'_> {
    /// Makes the request one for a whole response; where there is something to validate, and
    /// that is wanted, it asks whether that still holds.
    pub(super) fn ask_origin(&self, request: &mut HeaderMap) -> Option<(Arc<Entry>, Asked)> {
        let entry = self.turn.found.clone();
        let validates = self.cache().config.rules.store_for_validation;
        let Some(entry) = entry.filter(|_| validates) else {
            drop_conditions(request);
            return None;
        };
        let asked = ask(request, Some(&of_handler(&entry)), &[])?;
        Some((entry, asked))
    }

    /// §4.3.3, §4.3.4: a 304 makes what is stored new, if it speaks of that; the client is
    /// answered with it either way, for the handler was asked about nothing else.
    pub(super) fn renew<B>(
        mut self,
        mut arrived: Arrived,
        entry: &Arc<Entry>,
        asked: Asked,
    ) -> Response<CacheBody<B>> {
        let stored = of_handler(entry);
        let update = &arrived.parts.headers;
        let found = Found {
            selected: selects(&stored, update, asked, arrived.now),
            tagged: update.contains_key(ETAG),
        };
        self.take_over(&mut arrived, entry, found.selected.then_some(&stored));
        let lease = self.turn.lease.take();
        let (renewed, fate) = self.seal_again(&arrived, entry, found, lease);
        let kept = fate == Renewed::Kept;
        match fate {
            Renewed::Kept => {}
            Renewed::Dropped => self.cache().store.local.remove(&self.ask.key, entry),
            // It speaks of what this request carried.
            Renewed::Refused if self.ask.guarded => {}
            Renewed::Refused if self.background => self.supersede(),
            Renewed::Refused => self.cache().store.forget(&self.ask.key, entry),
        }
        // Who waits finds what is stored by now.
        if let Some(lead) = self.turn.lead.take() {
            lead.release();
        }
        let exception = Exception::Validated(self.turn.reason, kept);
        let entry = renewed.as_ref().unwrap_or(entry);
        reply::stored(entry, arrived.now, self.ask.form(), Some(exception))
    }

    /// Turns the head of the update into that of the stored response, made new.
    fn take_over(&self, arrived: &mut Arrived, entry: &Entry, stored: Option<&HeaderMap>) {
        let rules = self.cache().config.rules;
        arrived.parts.status = entry.status();
        arrived.parts.headers = match stored {
            Some(stored) => {
                let update = &arrived.parts.headers;
                freshen(stored, update, arrived.now, rules.set_cookie)
            }
            None => of_handler(entry),
        };
    }

    /// The entry with its new head, and what becomes of it. What it could be purged by it still can
    /// be: a 304 need not repeat that.
    fn seal_again(
        &self,
        arrived: &Arrived,
        entry: &Arc<Entry>,
        found: Found,
        lease: Option<Lease>,
    ) -> (Option<Arc<Entry>>, Renewed) {
        let varies_as_before = fields(&arrived.parts.headers) == fields(entry.head());
        // Fields that it was not made for may be bound to it by a tag, and by no date.
        let bound = found.selected && (varies_as_before || found.tagged);
        let decided = self.judge(arrived).ok().filter(|_| bound);
        let refused = found.selected && decided.is_none();
        let keep = decided.is_some() && !self.ask.demand.no_store;
        let mut plan = self.plan(arrived, decided.unwrap_or_else(Decided::none));
        let scopes = plan.scopes.iter().chain(&entry.scopes).copied();
        plan.scopes = scopes.collect();
        if varies_as_before {
            plan.variant = entry.variant.to_vec();
        }
        plan.see(&entry.body);
        let frames = [entry.body.clone()];
        if keep && plan.may_be_stored() {
            plan.lease = lease;
            // Under no variant it stood where the record of variants is now.
            let moved = *plan.variant != *entry.variant && !entry.variant.is_empty();
            let renewed = plan.store(&frames);
            if moved {
                self.cache().store.forget(&self.ask.key, entry);
            }
            return (renewed, Renewed::Kept);
        }
        let fate = match refused {
            true => Renewed::Refused,
            false => Renewed::Dropped,
        };
        if let Some(lease) = lease.filter(|_| refused) {
            lease.refuse();
        }
        (plan.seal(&frames).map(Arc::new), fate)
    }

    /// §4.3.5: the answer to a HEAD makes what is stored new, or stale.
    pub(super) fn hear_head(&self, arrived: &Arrived) {
        let validates = self.cache().config.rules.store_for_validation && !self.ask.guarded;
        let Some(entry) = self.turn.found.as_ref().filter(|_| validates) else {
            return;
        };
        let (parts, stored) = (&arrived.parts, of_handler(entry));
        let length = entry.body.len() as u64;
        match headed(parts.status, &parts.headers, &stored, length) {
            Headed::Freshens if entry.status() == StatusCode::OK => {
                let mut update = Arrived {
                    parts: parts.clone(),
                    hints: arrived.hints.clone(),
                    ..*arrived
                };
                self.take_over(&mut update, entry, Some(&stored));
                let found = Found {
                    selected: true,
                    tagged: parts.headers.contains_key(ETAG),
                };
                let (_, fate) = self.seal_again(&update, entry, found, None);
                if fate == Renewed::Refused {
                    self.cache().store.forget(&self.ask.key, entry);
                }
            }
            Headed::Outdates => {
                let [exact, _] = uri_scopes(&self.ask.key);
                let soft = Order {
                    soft: true,
                    ..exact.into()
                };
                // Under way at once; nobody waits for it.
                drop(self.shared.cache.give(&soft));
            }
            Headed::Freshens | Headed::Nothing => {}
        }
    }
}

/// The stored head as the handler gave it: an `ETag` made here means nothing to it.
pub(super) fn of_handler(entry: &Entry) -> HeaderMap {
    let mut head = entry.head().clone();
    head.remove(http::header::AGE);
    head.remove(http::header::CACHE_STATUS);
    if entry.meta.own_etag {
        head.remove(ETAG);
    }
    head
}
