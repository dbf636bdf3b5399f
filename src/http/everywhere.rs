//! One fetch for all instances, where that is wanted: who leads here takes a lease, or waits for
//! whoever has it.

use super::Shown;
use super::ask::Ask;
use super::find::{Step, Turn, Way, known_vary};
use crate::cache::Inner;
use crate::entry::Entry;
use crate::flight::Lead;
use crate::key::variant_bytes;
use crate::observe::Event;
use crate::store::{Lookup, Taken, Tries, Try};
use bytes::Buf;
use hyper::body::Body;

impl Way<'_> {
    /// Leads the fetch here, and where that is wanted on all instances.
    pub(super) async fn lead_everywhere<B>(&self, lookup: &Lookup, lead: Lead<Shown>) -> Step<B>
    where
        B: Body<Data: Buf> + Send + 'static,
    {
        let (mut later, mut tries) = (None, Tries::default());
        loop {
            let lookup = later.as_ref().unwrap_or(lookup);
            let taken = take(self.cache, self.ask, lookup).await;
            let lease = match tries.next(taken, self.time_left()).await {
                Try::Fetch(lease) => return self.fetch_for_all(lookup, Some(lead), lease),
                Try::Look(lease) => lease,
            };
            let again = self.look_up().await;
            if let Some(step) = self.use_found(&again, &known_vary(self.cache, self.ask)) {
                self.cache.observer.count(Event::FetchedElsewhere);
                // Who follows finds it here too.
                lead.release();
                return step;
            }
            if lease.is_some() {
                return self.fetch_for_all(&again, Some(lead), lease);
            }
            later = Some(again);
        }
    }
}

/// Takes the lease of a refresh; false: another instance fetches, or has just done so.
pub(super) async fn refreshes(cache: &Inner, ask: &Ask, turn: &mut Turn) -> bool {
    let found = turn.found.as_deref();
    match ask_lease(cache, ask, found).await {
        Some(Taken::Lease(lease)) => {
            turn.lease = Some(lease);
            true
        }
        Some(Taken::Changed(_) | Taken::Held(_)) => false,
        None => true,
    }
}

async fn take(cache: &Inner, ask: &Ask, lookup: &Lookup) -> Option<Taken> {
    // Without a stamp nothing would be stored, and in an outage not in Redis.
    lookup.moment.stamp()?;
    if lookup.moment.is_alone() {
        return None;
    }
    let found = lookup.found.as_ref().map(|(entry, _)| &**entry);
    ask_lease(cache, ask, found).await
}

async fn ask_lease(cache: &Inner, ask: &Ask, found: Option<&Entry>) -> Option<Taken> {
    if ask.lease.is_zero() || cache.store.remote.is_none() {
        return None;
    }
    let variant = variant_bytes(&known_vary(cache, ask), &ask.headers);
    let of = (&ask.key, &variant[..]);
    cache.store.lease(of, found, ask.lease).await
}
