//! Spans, with the field names of `OpenTelemetry`. Made on the way to Redis or the handler only, at
//! level `debug`; a hit of the local tier makes none. None holds a path, a query or a credential.

use super::{Observer, Operation, Route};
use tracing::Span;
use tracing::field::Empty;

impl Observer {
    /// One run of the handler, to its head.
    pub(crate) fn fetch_span(&self, route: Route, reason: &'static str, refresh: bool) -> Span {
        tracing::debug_span!(
            "cache.fetch",
            otel.kind = "internal",
            http.route = &*self.routes.name(route),
            http.response.status_code = Empty,
            cache.reason = reason,
            cache.refresh = refresh,
        )
    }
}

impl Operation {
    /// One operation in Redis.
    pub(crate) fn span(self) -> Span {
        tracing::debug_span!(
            "cache.redis",
            otel.kind = "client",
            db.system.name = "redis",
            db.operation.name = self.name(),
        )
    }
}
