//! Events for the handlers of all instances: told over Redis, heard on the connection that
//! hears of purges.
//!
//! Purges need none of this, for they are in force everywhere by themselves; so an event that
//! does not come through costs a handler that did not run elsewhere, and no more.

use super::Purged;
use super::events::EventContext;
use super::failures::{EventFailure, EventFailureKind, Of};
use super::handlers::{Before, Run};
use crate::cache::{Cache, Inner};
use crate::error::{CacheError, CacheErrorKind, Fault};
use bytes::Bytes;
use serde_json::Value;
use std::sync::{Arc, Weak};

/// Bytes of the largest event that is told.
const LARGEST: usize = 64 << 10;

/// The first thing said: others are not understood.
const VERSION: u8 = 1;

/// Version, who tells it, the event, its context.
type Told = (u8, u64, String, Value);

impl Cache {
    /// Tells the other instances of an event when its purges are made. The future does it.
    pub(super) fn tell<P>(
        &self,
        event: &Arc<str>,
        context: &Value,
        purges: P,
    ) -> impl Future<Output = Before> + Send + use<P>
    where
        P: Future<Output = Purged> + Send + 'static,
    {
        let told = (VERSION, self.inner.events.id(), &**event, context);
        let telling = match (&self.inner.store.remote, serde_json::to_vec(&told)) {
            (None, _) => None,
            (Some(remote), Ok(told)) if told.len() <= LARGEST => Some(Ok(remote.tell(told))),
            (Some(_), _) => Some(Err(CacheError::new(CacheErrorKind::InvalidValue))),
        };
        let event = event.clone();
        async move {
            let came_to = purges.await;
            let told = match telling {
                None => Ok(()),
                Some(Ok(telling)) => telling.await.map_err(unavailable),
                Some(Err(error)) => Err(error),
            };
            let failure = told.err().map(|error| {
                EventFailure::new(&event, Of::Broadcast, EventFailureKind::NotTold)
                    .with(Some(error.into()))
            });
            (came_to, failure)
        }
    }
}

fn unavailable(_: Fault) -> CacheError {
    CacheError::new(CacheErrorKind::Unavailable)
}

/// Runs the handlers of events that other instances tell of, for as long as the cache lives.
pub(crate) fn hear(inner: &Arc<Inner>) {
    if let Some(remote) = &inner.store.remote {
        let cache = Arc::downgrade(inner);
        remote.hear_events(move |told| heard(&cache, told));
    }
}

/// Called by the connection that hears of purges: all that takes time is done in a task.
fn heard(cache: &Weak<Inner>, told: Bytes) {
    let Some(inner) = cache.upgrade() else {
        return;
    };
    if told.len() > LARGEST || !inner.events.has_room() {
        tracing::warn!("an event of another instance is left out");
        return;
    }
    let cache = Cache::of_task(inner);
    let events = cache.clone();
    events.inner.events.spawn(async move {
        let Some(run) = read(cache, &told) else {
            return;
        };
        run.run(async { (Purged::Applied, None) }).await.log();
    });
}

/// `None`: it was told here, by another version, or by nobody who knows how.
fn read(cache: Cache, told: &[u8]) -> Option<Run> {
    let (version, from, event, context): Told = serde_json::from_slice(told).ok()?;
    let events = &cache.inner.events;
    if version != VERSION || from == events.id() {
        return None;
    }
    Some(Run {
        handlers: events.of(&event),
        given: EventContext {
            event: event.into(),
            cache,
            context: Arc::new(context),
        },
    })
}
