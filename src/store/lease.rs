//! The right to fetch for all instances, where that is wanted.

use super::{Ended, Lease, Store, Taken};
use crate::entry::Entry;
use crate::error::Fault;
use crate::key::RequestKey;
use crate::observe::Operation;
use std::time::Duration;

/// How often a lease is waited for to its end: its holder's, and that of who takes its place.
const MOST: u8 = 2;

/// One caller's tries for a lease.
#[derive(Default)]
pub(crate) struct Tries {
    ended: u8,
}

/// What comes next.
pub(crate) enum Try {
    /// The handler, with a lease or without.
    Fetch(Option<Lease>),
    /// Another lookup; what was fetched elsewhere is looked up like anything else, so that no
    /// answer rests on a lease. Who has one fetches if that finds nothing, else it is tried again.
    Look(Option<Lease>),
}

impl Tries {
    /// By what asking for a lease came to; waits for whoever has it, at most for `left`.
    pub(crate) async fn next(&mut self, taken: Option<Taken>, left: Duration) -> Try {
        let wait = match taken {
            Some(Taken::Lease(lease)) => return Try::Fetch(Some(lease)),
            Some(Taken::Changed(lease)) => return Try::Look(Some(lease)),
            Some(Taken::Held(wait)) if self.ended < MOST => wait,
            Some(Taken::Held(_)) | None => return Try::Fetch(None),
        };
        match wait.end(left).await {
            Some(Ended::Over | Ended::Expired) => self.ended += 1,
            Some(Ended::Unknown) => {}
            Some(Ended::Refused) | None => return Try::Fetch(None),
        }
        Try::Look(None)
    }
}

impl Store {
    /// Takes the lease of a variant of a key for `time`; within the soft limit. `found` is what a
    /// lookup found there. `None`: Redis does not answer, or there is none.
    pub(crate) async fn lease(
        &self,
        (key, variant): (&RequestKey<'_>, &[u8]),
        found: Option<&Entry>,
        time: Duration,
    ) -> Option<Taken> {
        let remote = self.remote.as_ref()?;
        let names = self.namespace.names(key);
        let name = match variant {
            [] => names.primary,
            _ => self.namespace.variant(&names, key, variant),
        };
        let seen = found.map_or(&[][..], Entry::header);
        let taken = remote.lease(&name, time, seen);
        let taken = tokio::time::timeout(self.soft_limit, taken).await;
        match taken.unwrap_or(Err(Fault::Timeout)) {
            Ok(taken) => Some(taken),
            Err(fault) => {
                self.observer.fault(Operation::Lease, fault);
                None
            }
        }
    }
}
