//! Errors as RFC 9457 says them, and answers as JSON.

use crate::error::{CacheError, CacheErrorKind, Fault};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

/// An error, for people and programs. It repeats nothing of the request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: &'static str,
}

pub(super) type Answer = Result<Response, Problem>;

impl Problem {
    pub(super) fn new(status: StatusCode, detail: &'static str) -> Self {
        Self { status, detail }
    }

    pub(super) fn bad_request(detail: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }
}

impl From<CacheError> for Problem {
    fn from(error: CacheError) -> Self {
        match error.kind() {
            CacheErrorKind::InvalidKey => {
                Self::bad_request("the key, tag, class or pattern is empty, too long or reserved")
            }
            CacheErrorKind::InvalidUri => {
                Self::bad_request("the URI cannot be read, or its path is not absolute")
            }
            CacheErrorKind::InvalidValue => Self::bad_request("the value cannot be stored"),
            CacheErrorKind::Unavailable => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the store is not available",
            ),
            // No endpoint asks for an installed cache.
            CacheErrorKind::Installed | CacheErrorKind::NotInstalled => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the cache of functions cannot be used",
            ),
        }
    }
}

impl From<Fault> for Problem {
    fn from(_: Fault) -> Self {
        let detail = "redis gave no answer; /cache/health says how it fares";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or_default(),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        respond(self.status, "application/problem+json", body.to_string())
    }
}

pub(super) async fn method_not_allowed() -> Problem {
    let detail = "this path is there for another method, see `Allow`";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}

pub(super) fn json(status: StatusCode, body: &Value) -> Response {
    respond(status, "application/json", body.to_string())
}

/// No cache on the way is to keep it.
pub(super) fn respond(status: StatusCode, kind: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
