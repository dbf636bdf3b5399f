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
use crate::store::Applied;
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
    pub(super) async fn begin(shared: &'a Shared, get: &'a Ask) -> Self {
        let cache = &shared.cache.inner;
        let moment = cache.store.now_everywhere().await;
        let began = cache.clock.now();
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

    /// Notes whether the handler is given something old.
    pub(super) fn watch<F: Future>(&self, run: F) -> impl Future<Output = F::Output> {
        self.fetch.taint.watch(run)
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
    /// It will be stamped later than what the handler saw: not if anything was purged meanwhile
    /// that covers it.
    pub(super) async fn if_unpurged(mut self) -> Result<Self, Parts> {
        let (store, led) = (&self.fetch.cache().store, self.fetch.turn.moment);
        let count = store.purge_count();
        let now = store.now_everywhere().await;
        let plan = self.fetch.plan(&self.arrived, self.decided.clone());
        let head = ShownHead::of(&plan, None, led, Relay::new(0));
        let comparable = led.stamp().is_some() && led.is_alone() == now.is_alone();
        match count {
            Some(count) if comparable && store.covers_asker(&head, &led, &now).await => {
                self.purges = count;
                self.fetch.turn.moment = now;
                Ok(self)
            }
            _ => Err(self.arrived.parts),
        }
    }

    /// Stored with the stamp of its own purge, if that was the only one since.
    ///
    /// Whoever changed the resource later purges it later, or had purged it already when this one
    /// was: then the clock is not what it was when all before was judged.
    pub(super) async fn store<B>(
        mut self,
        body: B,
        purge: impl Future<Output = Applied>,
    ) -> Response<CacheBody<B>>
    where
        B: Body<Data: Buf> + Send + 'static,
    {
        let store = &self.fetch.cache().store;
        let unpurged = self.fetch.turn.moment;
        // In force here by now, and known here alone: no need to wait for anybody.
        let alone = match unpurged.is_alone() {
            true => store.now_after(self.purges + 1),
            false => None,
        };
        let applied = purge.await;
        match alone.or_else(|| unpurged.until_purge(applied)) {
            Some(moment) => {
                self.fetch.turn.moment = moment;
                self.fetch.store(self.arrived, body, self.decided)
            }
            None => Response::from_parts(self.arrived.parts, CacheBody::pass(body)),
        }
    }
}
