//! Events: what happened is said once, and all that hangs on it is done.
//!
//! A program says what happened ([`Cache::emit`]); rules in the settings
//! ([`EventRule`](crate::EventRule)) and handlers ([`Cache::on_event`]) say what follows from it.
//!
//! ```
//! use neuralblitz_cache::{Cache, CacheConfig, EventContext, EventRule, Purged};
//! use serde::{Deserialize, Serialize};
//! use std::time::Duration;
//!
//! #[derive(Serialize, Deserialize)]
//! struct Updated {
//!     id: u32,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let rule = EventRule::new("quantum_state_updated").tag("state:{id}");
//! let cache = Cache::new(CacheConfig::builder().event_rule(rule).build()?);
//! cache.on_event("quantum_state_updated", |ctx: EventContext<Updated>| async move {
//!     let key = format!("quantum_state:{}", ctx.id);
//!     ctx.cache().set(&key, "superposed", Duration::from_secs(60)).await
//! });
//!
//! let emitted = cache.emit("quantum_state_updated", Updated { id: 42 }).await?;
//! assert_eq!((emitted.handlers, emitted.purged), (1, Purged::Applied));
//! let warmed = cache.get::<String>("quantum_state:42").await?;
//! assert_eq!(warmed.as_deref(), Some("superposed"));
//! # Ok(())
//! # }
//! ```

use super::Purged;
use super::failures::{EventError, EventFailure};
use super::handlers::{Before, EventOutcome, Handler, Run};
use crate::cache::Cache;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;

/// What a handler of an event is given: the context, as which it can be used, and the cache.
///
/// `C` is any type that can be read from the JSON that [`Cache::emit`] made; without one it is
/// that JSON.
#[derive(Clone, Debug)]
pub struct EventContext<C = Value> {
    pub(super) event: Arc<str>,
    pub(super) cache: Cache,
    pub(super) context: C,
}

impl<C> EventContext<C> {
    /// The name of the event.
    #[must_use]
    pub fn event(&self) -> &str {
        &self.event
    }

    /// The cache on which it was emitted. It is no handle: handlers end with the last of those,
    /// whether they hold it or not.
    #[must_use]
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The context alone.
    #[must_use]
    pub fn into_inner(self) -> C {
        self.context
    }
}

impl<C> Deref for EventContext<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.context
    }
}

/// What an event came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Emitted {
    /// How many handlers ran, and did not fail.
    pub handlers: usize,
    /// Where the purges of its rules are in force, and those that its handlers returned;
    /// [`Applied`](Purged::Applied) if there were none.
    pub purged: Purged,
}

impl Emitted {
    /// No handler yet.
    pub(super) fn purged(purged: Purged) -> Self {
        let handlers = 0;
        Self { handlers, purged }
    }

    /// One handler more, and what its purge came to.
    pub(super) fn and(&mut self, purged: Option<Purged>) {
        self.handlers += 1;
        self.purged = self.purged.and(purged.unwrap_or(Purged::Applied));
    }
}

impl Cache {
    /// Registers a handler of an event, for as long as this cache lives. An event may have
    /// several, which run at once; they run on the instance where the event is emitted.
    ///
    /// A handler is given an [`EventContext`]: the context as JSON, or as any type that can be
    /// read from it, which `emit` made of it. It returns nothing, a [`Purged`], or a `Result` of
    /// these with any error ([`EventOutcome`]). It has a minute.
    ///
    /// It must not capture a `Cache`: the cache owns its handlers, and one of them that owned
    /// the cache would keep it alive for ever. [`EventContext::cache`] is there for that.
    ///
    /// ```
    /// use neuralblitz_cache::{Cache, CacheConfig, EventContext};
    /// use serde_json::json;
    ///
    /// # #[derive(serde::Deserialize)] struct State { id: u32 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cache = Cache::new(CacheConfig::default());
    /// // JSON
    /// cache.on_event("updated", |ctx: EventContext| async move {
    ///     assert_eq!(ctx["id"], 42);
    /// });
    /// // A type of your own, and a purge
    /// cache.on_event::<State, _, _>("updated", |ctx| async move {
    ///     ctx.cache().purge_tag(&format!("state:{}", ctx.id)).await
    /// });
    /// assert_eq!(cache.emit("updated", json!({ "id": 42 })).await?.handlers, 2);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn on_event<C, F, Fut>(&self, event: impl Into<String>, handler: F)
    where
        C: DeserializeOwned + Send + 'static,
        F: Fn(EventContext<C>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: EventOutcome> + Send + 'static,
    {
        let handler = Handler::new(handler, Location::caller());
        self.inner.events.add(event.into(), handler);
    }

    /// Says that something happened: purges what the [rules](crate::EventRule) of this event
    /// say, then runs its handlers, all at once, to their end. An event of which nobody knows
    /// does nothing.
    ///
    /// Handlers run when the purges are in force, here and, unless
    /// [`Queued`](Purged::Queued), everywhere: what they fetch anew stays. One that fails or
    /// panics stops no other. At most 1024 events are handled at once.
    ///
    /// # Errors
    /// [`InvalidContext`](crate::EventErrorKind::InvalidContext): nothing was done.
    /// [`Failures`](crate::EventErrorKind::Failures): some handlers or rules failed; all others
    /// did what they do.
    ///
    /// # Cancel safety
    /// All is under way when this is first polled, in a task of the cache: dropping the future
    /// later cancels neither purges nor handlers. What fails then is logged. Handlers end with
    /// the last handle of the cache; purges do not.
    pub fn emit<C: Serialize>(
        &self,
        event: &str,
        context: C,
    ) -> impl Future<Output = Result<Emitted, EventError>> + Send {
        let said = Said::new(event, context);
        async move {
            let said = said?;
            let (purges, failures) = self.give_rules(&said.event, &said.context);
            self.handle(said, async { (purges.await, None) }, failures)
                .await
        }
    }

    /// The same as [`emit`](Self::emit), and the other instances run their handlers too, when
    /// the purges are made; nobody waits for them, and their failures are logged where they
    /// run. Rules purge on all instances by themselves, here as there: [`emit`](Self::emit) is
    /// enough for them.
    ///
    /// An instance that is not connected to Redis at that moment never hears of it, and one that
    /// is very busy may leave it out.
    ///
    /// ```
    /// use neuralblitz_cache::{Cache, CacheConfig, EventContext};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cache = Cache::new(CacheConfig::default());
    /// cache.on_event("settings_changed", |_: EventContext| async {
    ///     // Reads the settings anew, on each instance.
    /// });
    /// assert_eq!(cache.emit_to_all("settings_changed", ()).await?.handlers, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`emit`](Self::emit); that Redis did not take it, or it is larger than 64 KiB, is a
    /// failure among the others ([`NotTold`](crate::EventFailureKind::NotTold)).
    ///
    /// # Cancel safety
    /// As [`emit`](Self::emit).
    pub fn emit_to_all<C: Serialize>(
        &self,
        event: &str,
        context: C,
    ) -> impl Future<Output = Result<Emitted, EventError>> + Send {
        let said = Said::new(event, context);
        async move {
            let said = said?;
            let (purges, failures) = self.give_rules(&said.event, &said.context);
            let before = self.tell(&said.event, &said.context, purges);
            self.handle(said, before, failures).await
        }
    }

    async fn handle(
        &self,
        said: Said,
        before: impl Future<Output = Before> + Send + 'static,
        mut failures: Vec<EventFailure>,
    ) -> Result<Emitted, EventError> {
        let run = Run {
            handlers: self.inner.events.of(&said.event),
            given: EventContext {
                event: said.event.clone(),
                cache: self.held_by_task(),
                context: Arc::new(said.context),
            },
        };
        let report = self.inner.events.run(run, before).await;
        failures.extend(report.failures);
        match failures.is_empty() {
            true => Ok(report.emitted),
            false => Err(EventError::failures_of(
                said.event,
                report.emitted,
                failures,
            )),
        }
    }
}

/// An event and its context, read.
struct Said {
    event: Arc<str>,
    context: Value,
}

impl Said {
    fn new(event: &str, context: impl Serialize) -> Result<Self, EventError> {
        let event: Arc<str> = event.into();
        match serde_json::to_value(context) {
            Ok(context) => Ok(Self { event, context }),
            Err(error) => Err(EventError::context(event, error)),
        }
    }
}
