//! The handlers of events: registered, and run in tasks that the cache owns.

use super::Purged;
use super::events::{Emitted, EventContext};
use super::failures::{EventFailure, EventFailureKind, Of, Source};
use crate::sync::lock;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::{Id, JoinError, JoinSet};

/// Events handled at once.
const MOST: usize = 1024;

/// How long a handler has: whoever emitted the event may have left.
const WITHIN: Duration = Duration::from_mins(1);

/// What a handler of an event may return: nothing, what a purge came to, or a `Result` of these.
pub trait EventOutcome {
    /// What its purge came to, if it tells; or its error.
    fn into_outcome(self) -> Result<Option<Purged>, Box<dyn std::error::Error + Send + Sync>>;
}

impl EventOutcome for () {
    fn into_outcome(self) -> Result<Option<Purged>, Source> {
        Ok(None)
    }
}

impl EventOutcome for Purged {
    fn into_outcome(self) -> Result<Option<Purged>, Source> {
        Ok(Some(self))
    }
}

impl<T: EventOutcome, E: Into<Source>> EventOutcome for Result<T, E> {
    fn into_outcome(self) -> Result<Option<Purged>, Source> {
        self.map_err(Into::into)?.into_outcome()
    }
}

type Given = EventContext<Arc<Value>>;
type Failed = (EventFailureKind, Option<Source>);
type Ended = Result<Option<Purged>, Failed>;
type Running = Pin<Box<dyn Future<Output = Ended> + Send>>;

/// One handler, and where it was registered.
#[derive(Clone)]
pub(super) struct Handler {
    run: Arc<dyn Fn(Given) -> Running + Send + Sync>,
    at: &'static Location<'static>,
}

impl Handler {
    pub(super) fn new<C, F, Fut>(handler: F, at: &'static Location<'static>) -> Self
    where
        C: DeserializeOwned + Send + 'static,
        F: Fn(EventContext<C>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: EventOutcome> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let run = move |given: Given| -> Running {
            let handler = handler.clone();
            // The handler is called in its task: it may panic before its first await.
            Box::pin(async move {
                let context = C::deserialize(&*given.context)
                    .map_err(|error| (EventFailureKind::ContextType, Some(error.into())))?;
                let given = EventContext {
                    event: given.event,
                    cache: given.cache,
                    context,
                };
                let outcome = tokio::time::timeout(WITHIN, handler(given)).await;
                let outcome = outcome.map_err(|_| (EventFailureKind::TimedOut, None))?;
                let returned = outcome.into_outcome();
                returned.map_err(|error| (EventFailureKind::Returned, Some(error)))
            })
        };
        let run = Arc::new(run);
        Self { run, at }
    }
}

/// The handlers of a cache, and the events that are being handled.
#[derive(Default)]
pub(crate) struct Events {
    handlers: Mutex<HashMap<String, Vec<Handler>>>,
    runs: Mutex<JoinSet<()>>,
    origin: Origin,
}

/// Whose events they are, among all instances.
struct Origin(u64);

impl Default for Origin {
    /// One that nobody else has: std seeds it anew in each process.
    fn default() -> Self {
        Self(RandomState::new().build_hasher().finish())
    }
}

/// What comes before the handlers: the purges, and a failure to tell of them.
pub(super) type Before = (Purged, Option<EventFailure>);

/// The handlers of one event, and what they are given.
#[derive(Clone)]
pub(super) struct Run {
    pub(super) handlers: Vec<Handler>,
    pub(super) given: Given,
}

/// What became of it.
pub(super) struct Report {
    pub(super) emitted: Emitted,
    pub(super) failures: Vec<EventFailure>,
}

impl Events {
    pub(super) fn add(&self, event: String, handler: Handler) {
        let mut handlers = lock(&self.handlers);
        handlers.entry(event).or_default().push(handler);
    }

    pub(super) fn of(&self, event: &str) -> Vec<Handler> {
        lock(&self.handlers).get(event).cloned().unwrap_or_default()
    }

    pub(super) fn id(&self) -> u64 {
        self.origin.0
    }

    /// Runs it after the purges, in a task of its own from the first poll on.
    pub(super) async fn run(
        &self,
        run: Run,
        before: impl Future<Output = Before> + Send + 'static,
    ) -> Report {
        if let Some(failures) = self.refused(&run) {
            let mut report = Report::of(before.await);
            report.failures.extend(failures);
            return report;
        }
        let (tell, told) = oneshot::channel();
        let same = run.clone();
        self.spawn(async move {
            if let Err(report) = tell.send(run.run(before).await) {
                report.log();
            }
        });
        // Who ended the task did not say how far the purges came.
        told.await.unwrap_or_else(|_| Report {
            emitted: Emitted::purged(Purged::Queued),
            failures: same.all(EventFailureKind::Ended),
        })
    }

    /// Why no handler is to start. `None`: they are.
    fn refused(&self, run: &Run) -> Option<Vec<EventFailure>> {
        if Handle::try_current().is_err() {
            Some(run.all(EventFailureKind::NoRuntime))
        } else if self.has_room() {
            None
        } else {
            Some(run.all(EventFailureKind::TooMany))
        }
    }

    pub(super) fn has_room(&self) -> bool {
        let mut runs = lock(&self.runs);
        while runs.try_join_next().is_some() {}
        runs.len() < MOST
    }

    pub(super) fn spawn(&self, run: impl Future<Output = ()> + Send + 'static) {
        lock(&self.runs).spawn(run);
    }

    /// Ends what runs, and lets the handlers go.
    pub(crate) fn end(&self) {
        lock(&self.runs).abort_all();
        let handlers = std::mem::take(&mut *lock(&self.handlers));
        // Unlocked: what they captured may do anything when it is dropped.
        drop(handlers);
    }

    /// Waits for what runs, then ends it.
    pub(crate) async fn shutdown(&self, within: Duration) {
        let mut runs = std::mem::take(&mut *lock(&self.runs));
        if !runs.is_empty() && Handle::try_current().is_ok() {
            let ended = async { while runs.join_next().await.is_some() {} };
            // Those that are late are ended below.
            let _ = tokio::time::timeout(within, ended).await;
        }
        runs.shutdown().await;
    }
}

impl Run {
    /// The same of all handlers.
    fn all(&self, kind: EventFailureKind) -> Vec<EventFailure> {
        let handlers = self.handlers.iter();
        handlers
            .map(|handler| self.failure(handler, kind))
            .collect()
    }

    fn failure(&self, handler: &Handler, kind: EventFailureKind) -> EventFailure {
        EventFailure::new(&self.given.event, Of::Handler(handler.at), kind)
    }

    pub(super) async fn run(self, before: impl Future<Output = Before>) -> Report {
        let mut report = Report::of(before.await);
        let mut tasks = JoinSet::new();
        let start = |handler: &Handler| tasks.spawn((handler.run)(self.given.clone())).id();
        let started: Vec<Id> = self.handlers.iter().map(start).collect();
        let mut ended = HashMap::with_capacity(started.len());
        while let Some(end) = tasks.join_next_with_id().await {
            let (id, end) = end.unwrap_or_else(|error| (error.id(), Err(broken(error))));
            ended.insert(id, end);
        }
        for (id, handler) in started.iter().zip(&self.handlers) {
            match ended.remove(id) {
                Some(Ok(came_to)) => report.emitted.and(came_to),
                Some(Err((kind, source))) => {
                    let failure = self.failure(handler, kind);
                    report.failures.push(failure.with(source));
                }
                None => {}
            }
        }
        report
    }
}

impl Report {
    fn of((purged, failure): Before) -> Self {
        Self {
            emitted: Emitted::purged(purged),
            failures: failure.into_iter().collect(),
        }
    }

    /// Nobody is there to be told.
    pub(super) fn log(&self) {
        for failure in &self.failures {
            tracing::warn!(%failure, "an event failed, and whoever emitted it has left");
        }
    }
}

fn broken(error: JoinError) -> Failed {
    let kind = match error.is_panic() {
        true => EventFailureKind::Panicked,
        false => EventFailureKind::Ended,
    };
    (kind, Some(error.into()))
}
