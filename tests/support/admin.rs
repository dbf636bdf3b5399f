//! An app with a cache and its admin endpoints, and who asks them.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

use super::support::web::{Answer, Client, Served, serve};
use axum::Router;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::routing::get;
use bytes::Bytes;
use http_body_util::Full;
use neuralblitz_cache::{Cache, CacheConfigBuilder, CacheLayer};
use serde_json::Value;

pub const TOKEN: &str = "correct horse battery staple";

/// What shows or changes something: the token is asked for.
pub const GUARDED: [(Method, &str); 5] = [
    (Method::POST, "/cache/clear"),
    (Method::POST, "/cache/purge?all"),
    (Method::GET, "/cache/explain?uri=/items/1"),
    (Method::GET, "/cache/entry?key=nb:x"),
    (Method::GET, "/metrics/cache/keys"),
];

/// What is open.
pub const OPEN: [&str; 6] = [
    "/cache/stats",
    "/cache/health",
    "/cache/dashboard",
    "/metrics",
    "/metrics/cache",
    "/metrics/cache/hit-rate",
];

pub struct App {
    pub served: Served,
    pub cache: Cache,
    pub client: Client,
}

/// Items with a tag each, behind a cache; the admin endpoints beside them.
pub async fn app(config: CacheConfigBuilder) -> App {
    let layer = CacheLayer::new(config.build().expect("a config"));
    let cache = layer.cache();
    let item = |axum::extract::Path(id): axum::extract::Path<String>| async move {
        ([("cache-tag", format!("item:{id}"))], format!("item {id}"))
    };
    let never = || async { ([("cache-control", "no-store")], "never") };
    let app = Router::new()
        .route("/items/{id}", get(item))
        .route("/never", get(never))
        .layer(layer)
        .merge(cache.admin_router());
    App {
        served: serve(app).await,
        cache,
        client: Client::new(),
    }
}

impl App {
    pub async fn get(&self, path: &str) -> Answer {
        self.client.get(&self.served.url(path)).await
    }

    pub async fn send(&self, method: Method, path: &str, token: Option<&str>) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            let line = format!("Bearer {token}").parse().expect("a value");
            headers.insert("authorization", line);
        }
        self.with(method, path, headers, "").await
    }

    /// With the token.
    pub async fn admin(&self, method: Method, path: &str) -> Answer {
        self.send(method, path, Some(TOKEN)).await
    }

    pub async fn post(&self, path: &str, kind: &str, content: &str) -> Answer {
        let mut headers = HeaderMap::new();
        let line = format!("Bearer {TOKEN}").parse().expect("a value");
        headers.insert("authorization", line);
        headers.insert("content-type", kind.parse().expect("a value"));
        self.with(Method::POST, path, headers, content).await
    }

    async fn with(&self, method: Method, path: &str, headers: HeaderMap, body: &str) -> Answer {
        let request = Request::builder().method(method).uri(self.served.url(path));
        let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
        let mut request = request.body(body).expect("a request");
        *request.headers_mut() = headers;
        self.client.send(request).await
    }

    /// The JSON of an open endpoint.
    pub async fn json(&self, path: &str) -> Value {
        value(&self.get(path).await)
    }
}

pub fn value(answer: &Answer) -> Value {
    assert_eq!(
        answer.header("content-type"),
        "application/json",
        "{answer:?}"
    );
    assert_eq!(answer.header("cache-control"), "no-store");
    serde_json::from_slice(&answer.body).expect("JSON")
}

/// Asserts that it is an error as RFC 9457 says it.
pub fn problem(answer: &Answer, status: u16) -> String {
    assert_eq!(
        answer.status,
        StatusCode::from_u16(status).expect("a status"),
        "{answer:?}"
    );
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let problem: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(problem["status"], status);
    assert_eq!(problem["type"], "about:blank");
    assert!(problem["title"].is_string());
    problem["detail"].as_str().expect("a detail").to_owned()
}
