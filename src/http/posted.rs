//! The answer to a POST, stored for the GETs that it answers too (RFC 9110 §9.3.3).

use super::ShownHead;
use super::ask::Ask;
use super::body::CacheBody;
use super::decide::Decided;
use super::fetch::{Arrived, Fetch};
use super::find::Turn;
use super::layer::Shared;
use super::nested::Hints;
use super::relay::Relay;
use crate::clock::Timestamp;
use crate::policy::status::Forwarded;
use crate::taint::Taint;
use bytes::Buf;
use http::Response;
use http::response::Parts;
use hyper::body::Body;

/// A POST on its way to the handler.
pub(super) struct Posted<'a> {
    fetch: Fetch<'a>,
    began: Timestamp,
}

/// One whose answer may be stored.
pub(super) struct Kept<'a> {
    fetch: Fetch<'a>,
    arrived: Arrived,
    decided: Decided,
    /// Given here when it was last found to be covered by none.
    purges: u64,
}

impl<'a> Posted<'a> {
    pub(super) fn begin(shared: &'a Shared, get: &'a Ask) -> Self {
        let cache = &shared.cache.inner;
        let (began, moment) = (cache.clock.now(), cache.store.now_here());
        let fetch = Fetch {
            shared,
            ask: get,
            turn: Turn {
                moment,
                reason: Forwarded::Method,
                lead: None,
                lease: None,
                found: None,
                part: None,
            },
            background: false,
            taint: Taint::default(),
        };
        Self { fetch, began }
    }

    pub(super) fn decide<B: Body>(
        self,
        parts: Parts,
        hints: Option<Hints>,
        body: &B,
    ) -> Result<Kept<'a>, Parts> {
        let Self { fetch, began } = self;
        let now = fetch.cache().clock.now();
        let arrived = Arrived {
            parts,
            began,
            now,
            unmodified: false,
            hints,
        };
        let decided = fetch.decide(&arrived, body).ok();
        let decided = decided.filter(|decided| !decided.storable.fresh_for.is_zero());
        match decided {
            Some(decided) => Ok(Kept {
                fetch,
                arrived,
                decided,
                purges: 0,
            }),
            None => Err(arrived.parts),
        }
    }
}

impl Kept<'_> {
    /// It will be stamped later than what the handler saw: not if anything was purged meanwhile.
    /// Without a stamp of this process nothing is stored.
    pub(super) async fn if_unpurged(mut self) -> Result<Self, Parts> {
        let (store, led) = (&self.fetch.cache().store, self.fetch.turn.moment);
        let (count, now) = (store.purge_count(), store.now_here());
        let plan = self.fetch.plan(&self.arrived, self.decided.clone());
        let head = ShownHead::of(&plan, None, led, Relay::new(0));
        let alone = led.is_alone() && now.is_alone();
        match count {
            Some(count) if alone && store.covers_asker(&head, &led, &now).await => {
                self.purges = count;
                Ok(self)
            }
            _ => Err(self.arrived.parts),
        }
    }

    /// Stored, if its own purge was the only one since.
    pub(super) fn store<B>(mut self, body: B) -> Response<CacheBody<B>>
    where
        B: Body<Data: Buf> + Send + 'static,
    {
        match self.fetch.cache().store.now_after(self.purges + 1) {
            Some(moment) => {
                self.fetch.turn.moment = moment;
                self.fetch.store(self.arrived, body, self.decided)
            }
            None => Response::from_parts(self.arrived.parts, CacheBody::pass(body)),
        }
    }
}
