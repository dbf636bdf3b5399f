//! A real Prometheus scrapes the example server.
#![cfg(all(unix, feature = "admin"))]

mod support;

use axum::http::Method;
use std::time::Duration;
use support::prometheus::Prometheus;
use support::server::{Server, TOKEN};
use support::web::{Answer, request};

/// The longest that a scrape may take.
const LIMIT: Duration = Duration::from_mins(1);

#[tokio::test]
async fn prometheus_scrapes_the_example_server() {
    let server = Server::start(&[]).await;
    for _ in 0..4 {
        server.client.get(&server.url("/api/v1/quantum/7")).await;
    }
    let prometheus = Prometheus::start(&server.address).await;
    for (expression, value) in [
        ("up{job=\"neuralblitz-cache\"}", 1.0),
        (
            "neuralblitz_cache_hits_total{tier=\"local\",route=\"/api/v1/quantum/{id}\"}",
            3.0,
        ),
        ("sum(neuralblitz_cache_misses_total)", 1.0),
        ("neuralblitz_cache_keys_total{tier=\"local\"}", 1.0),
        (
            "sum(neuralblitz_cache_hits_total) / \
             (sum(neuralblitz_cache_hits_total) + sum(neuralblitz_cache_misses_total))",
            0.75,
        ),
        (
            "neuralblitz_cache_operation_duration_seconds_count{operation=\"fetch\"}",
            1.0,
        ),
    ] {
        let waiting = async {
            let is = |found: f64| (found - value).abs() < 1e-9;
            while !prometheus.value(expression).await.is_some_and(is) {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(LIMIT, waiting).await;
        assert!(waited.is_ok(), "not within {LIMIT:?}: {expression}");
    }
}

#[tokio::test]
async fn the_example_server_has_the_admin_endpoints() {
    let server = Server::start(&[]).await;
    let (client, url) = (&server.client, |path: &str| server.url(path));
    client.get(&url("/api/v1/quantum/7")).await;
    let purge = |token: &'static str| {
        let token = format!("Bearer {token}");
        let path = url("/cache/purge?uri=/api/v1/quantum/7");
        request(Method::POST, &path, &[("authorization", &token)])
    };
    let status = |answer: Answer| answer.status.as_u16();
    assert_eq!(status(client.send(purge("wrong")).await), 401);
    assert!(client.get(&url("/api/v1/quantum/7")).await.is_hit());
    assert_eq!(status(client.send(purge(TOKEN)).await), 200);
    assert!(!client.get(&url("/api/v1/quantum/7")).await.is_hit());
    assert_eq!(status(client.get(&url("/cache/health")).await), 200);
}
