//! An app of one path that says how often it ran, and what layer order tests ask of it.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

use crate::scripted::{self, Fields};
use crate::support::web::Answer;
use axum::Router;
use axum::handler::Handler;
use axum::routing::get;
use http::Method;
use neuralblitz_cache::{CacheConfig, CacheLayer};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Long enough that a compressing layer takes it on.
pub const TEXT: &str = "a body that is worth compressing, is worth compressing, compressing";

pub fn cache() -> CacheLayer {
    CacheLayer::new(CacheConfig::default())
}

/// Says in `x-run` how often it ran before.
pub fn handler(fields: Fields<'static>) -> impl Handler<((),), ()> {
    let runs = Arc::new(AtomicUsize::new(0));
    async move || {
        let mut response = scripted::reply(200, fields, TEXT);
        let run = runs.fetch_add(1, Ordering::SeqCst);
        response.headers_mut().insert("x-run", run.into());
        response
    }
}

/// An app of that at `/a`.
pub fn counting(fields: Fields<'static>) -> Router {
    Router::new().route("/a", get(handler(fields)))
}

pub async fn ask(app: &Router, fields: Fields<'_>) -> Answer {
    send(app, Method::GET, "/a", fields).await
}

pub async fn send(app: &Router, method: Method, path: &str, fields: Fields<'_>) -> Answer {
    let request = scripted::request(method, path, fields);
    scripted::read(scripted::ask(app, request).await).await
}

/// The handler ran for this answer, as the run of that number.
pub fn ran(answer: &Answer, run: &str) {
    assert!(!answer.is_hit(), "{}", answer.cache());
    assert_eq!(answer.header("x-run"), run);
}

/// What the run of that number brought was answered from the store.
pub fn hit(answer: &Answer, run: &str) {
    assert!(answer.is_hit(), "{} {}", answer.status, answer.cache());
    assert_eq!(answer.header("x-run"), run);
}
