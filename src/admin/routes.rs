//! Endpoints that are open to whoever reaches them.

use super::Shared;
use super::figures;
use super::problem::{Answer, Problem, json, respond};
use super::query::Query;
use axum::extract::State;
use axum::response::Response;
use http::header::ACCEPT;
use http::{HeaderMap, StatusCode, Uri};
use prometheus_client::encoding::{prometheus_text, text};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) async fn stats(State(admin): Shared) -> Response {
    json(StatusCode::OK, &figures::stats(&admin.cache).await)
}

/// 200 as long as the cache serves, which it always does: by the handlers if by nothing else.
/// With `strict`, 503 where it does not fare as well as it should.
pub(super) async fn health(State(admin): Shared, uri: Uri) -> Answer {
    let strict = Query::of(&uri, &["strict"])?.flag("strict")?;
    let (health, degraded) = figures::health(&admin.cache);
    let status = match strict && degraded {
        true => StatusCode::SERVICE_UNAVAILABLE,
        false => StatusCode::OK,
    };
    Ok(json(status, &health))
}

/// `OpenMetrics`; the older text format for who accepts that alone.
pub(super) async fn metrics(State(admin): Shared, headers: HeaderMap) -> Answer {
    let accepts = |kind: &str| {
        let mut all = headers.get_all(ACCEPT).iter();
        all.any(|line| line.to_str().is_ok_and(|line| line.contains(kind)))
    };
    let older = accepts("text/plain") && !accepts("application/openmetrics-text");
    let mut out = String::new();
    let encoded = match older {
        true => prometheus_text::encode(&mut out, &admin.registry),
        false => text::encode(&mut out, &admin.registry),
    };
    let kind = match older {
        true => prometheus_text::CONTENT_TYPE,
        false => OPEN_METRICS,
    };
    match encoded {
        Ok(()) => Ok(respond(StatusCode::OK, kind, out)),
        Err(std::fmt::Error) => {
            let detail = "the metrics cannot be written";
            Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail))
        }
    }
}

pub(super) async fn performance(State(admin): Shared) -> Response {
    json(StatusCode::OK, &figures::performance(&admin.cache))
}

pub(super) async fn hit_rate(State(admin): Shared) -> Response {
    json(StatusCode::OK, &figures::hit_rate(&admin.cache))
}
