//! What went wrong with an event.

use super::events::Emitted;
use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

pub(super) type Source = Box<dyn Error + Send + Sync>;

/// An event that did not do all it was to do. What did not fail was done all the same:
/// [`emitted`](Self::emitted) says what that is, [`failures`](Self::failures) what failed.
#[derive(Debug)]
pub struct EventError {
    event: Arc<str>,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Context(serde_json::Error),
    Failures(Emitted, Vec<EventFailure>),
}

/// Why an event did not do all it was to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventErrorKind {
    /// The context cannot be written as JSON: nothing was done.
    InvalidContext,
    /// Handlers or rules failed.
    Failures,
}

impl EventError {
    pub(super) fn context(event: Arc<str>, error: serde_json::Error) -> Self {
        let cause = Cause::Context(error);
        Self { event, cause }
    }

    pub(super) fn failures_of(
        event: Arc<str>,
        emitted: Emitted,
        failures: Vec<EventFailure>,
    ) -> Self {
        let cause = Cause::Failures(emitted, failures);
        Self { event, cause }
    }

    /// Why.
    #[must_use]
    pub fn kind(&self) -> EventErrorKind {
        match self.cause {
            Cause::Context(_) => EventErrorKind::InvalidContext,
            Cause::Failures(..) => EventErrorKind::Failures,
        }
    }

    /// The name of the event.
    #[must_use]
    pub fn event(&self) -> &str {
        &self.event
    }

    /// What was done all the same. `None`: nothing, the context was not readable.
    #[must_use]
    pub fn emitted(&self) -> Option<Emitted> {
        match self.cause {
            Cause::Context(_) => None,
            Cause::Failures(emitted, _) => Some(emitted),
        }
    }

    /// All that failed: rules first, then the telling, then handlers, each in the order they were added.
    #[must_use]
    pub fn failures(&self) -> &[EventFailure] {
        match &self.cause {
            Cause::Context(_) => &[],
            Cause::Failures(_, failures) => failures,
        }
    }
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event `{}`: ", self.event)?;
        match &self.cause {
            Cause::Context(_) => write!(f, "the context cannot be written as JSON"),
            Cause::Failures(_, failures) => write!(f, "{} failed", failures.len()),
        }
    }
}

impl Error for EventError {
    /// The first failure.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Context(error) => Some(error),
            Cause::Failures(_, failures) => failures.first().map(|first| first as _),
        }
    }
}

/// A handler, or a template of a rule, or the telling of an event, that failed.
#[derive(Debug)]
pub struct EventFailure {
    event: Arc<str>,
    of: Of,
    kind: EventFailureKind,
    source: Option<Source>,
}

/// What failed.
#[derive(Clone, Debug)]
pub(super) enum Of {
    Handler(&'static Location<'static>),
    Broadcast,
    /// A template, and the field that is to blame.
    Rule {
        template: String,
        field: Option<String>,
    },
}

/// How a handler or a rule failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventFailureKind {
    /// A handler returned an error, which is the source.
    Returned,
    /// A handler panicked.
    Panicked,
    /// A handler did not end within a minute.
    TimedOut,
    /// The context is not of the type that a handler takes; the source says where.
    ContextType,
    /// A handler was ended with the cache or its runtime.
    Ended,
    /// A handler did not start: 1024 events are being handled.
    TooMany,
    /// A handler did not start: `emit` was called outside a tokio runtime.
    NoRuntime,
    /// The other instances were not told of it ([`Cache::emit_to_all`](crate::Cache::emit_to_all)):
    /// it is larger than 64 KiB, or Redis did not take it.
    NotTold,
    /// The context lacks a field of a rule.
    FieldMissing,
    /// A field of a rule is empty, or neither string nor number nor boolean.
    FieldUnusable,
    /// What a rule came to name cannot be purged; the source says why.
    Unpurgeable,
}

impl EventFailure {
    pub(super) fn new(event: &Arc<str>, of: Of, kind: EventFailureKind) -> Self {
        Self {
            event: event.clone(),
            of,
            kind,
            source: None,
        }
    }

    pub(super) fn with(self, source: Option<Source>) -> Self {
        Self { source, ..self }
    }

    /// How it failed.
    #[must_use]
    pub fn kind(&self) -> EventFailureKind {
        self.kind
    }

    /// The name of the event.
    #[must_use]
    pub fn event(&self) -> &str {
        &self.event
    }

    /// Where the handler was registered. `None`: it was no handler.
    #[must_use]
    pub fn handler(&self) -> Option<&'static Location<'static>> {
        match self.of {
            Of::Handler(at) => Some(at),
            Of::Rule { .. } | Of::Broadcast => None,
        }
    }

    /// The template of the rule, as it was written. `None`: it was no rule.
    #[must_use]
    pub fn template(&self) -> Option<&str> {
        match &self.of {
            Of::Handler(_) | Of::Broadcast => None,
            Of::Rule { template, .. } => Some(template),
        }
    }

    /// The field that is missing or cannot be used.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        match &self.of {
            Of::Handler(_) | Of::Broadcast => None,
            Of::Rule { field, .. } => field.as_deref(),
        }
    }
}

impl fmt::Display for EventFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event `{}`: ", self.event)?;
        match &self.of {
            Of::Handler(at) => write!(f, "the handler registered at {at} ")?,
            Of::Rule { template, .. } => write!(f, "the rule `{template}` ")?,
            Of::Broadcast => {}
        }
        f.write_str(match self.kind {
            EventFailureKind::Returned => "returned an error",
            EventFailureKind::Panicked => "panicked",
            EventFailureKind::TimedOut => "took too long",
            EventFailureKind::ContextType => "takes another context",
            EventFailureKind::Ended => "was ended",
            EventFailureKind::TooMany => "did not start: too many events are being handled",
            EventFailureKind::NoRuntime => "did not start: there is no runtime",
            EventFailureKind::NotTold => "the other instances were not told",
            EventFailureKind::FieldMissing => "lacks the field",
            EventFailureKind::FieldUnusable => "cannot use the field",
            EventFailureKind::Unpurgeable => "names nothing that can be purged",
        })?;
        match self.field() {
            Some(field) => write!(f, " `{field}`"),
            None => Ok(()),
        }
    }
}

impl Error for EventFailure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}
