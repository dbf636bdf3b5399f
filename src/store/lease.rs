//! The right to fetch for all instances, where that is wanted.

use super::{Store, Taken};
use crate::entry::Entry;
use crate::error::Fault;
use crate::key::RequestKey;
use crate::observe::Operation;
use std::time::Duration;

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
