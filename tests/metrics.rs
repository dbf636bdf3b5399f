//! What is counted, as Prometheus reads it.
#![cfg(feature = "metrics")]

#[path = "support/scripted.rs"]
mod scripted;
mod support;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use neuralblitz_cache::{Cache, CacheConfig, CacheLayer, Route};
use prometheus_client::encoding::{prometheus_text, text};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::redis::Redis;
use support::until;
use support::web::{Client, serve};

/// The one lint that is allowed: the name is specified, and it is a gauge.
const ALLOWED: &str =
    "neuralblitz_cache_keys_total non-counter metrics should not have \"_total\" suffix";

fn exposition(cache: &Cache) -> String {
    let mut out = String::new();
    text::encode(&mut out, &cache.metrics()).expect("encoded");
    out
}

/// The value of the sample that is written so.
fn sample(cache: &Cache, name: &str) -> Option<f64> {
    let text = exposition(cache);
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.map(|value| value.trim().parse().expect("a number"))
}

fn app(layer: CacheLayer) -> Router {
    Router::new()
        .route("/items/{id}", get(|| async { "an item" }))
        .route(
            "/never",
            get(|| async { ([("cache-control", "no-store")], "x") }),
        )
        .layer(layer)
}

#[tokio::test]
async fn answers_are_counted_by_route_and_never_by_path() {
    let layer = CacheLayer::new(CacheConfig::default());
    let cache = layer.cache();
    let (served, client) = (serve(app(layer)).await, Client::new());
    for id in 0..100 {
        client
            .get(&served.url(&format!("/items/{id}?token=secret")))
            .await;
        client
            .get(&served.url(&format!("/items/{id}?token=secret")))
            .await;
    }
    let hits = sample(
        &cache,
        "neuralblitz_cache_hits_total{tier=\"local\",route=\"/items/{id}\"}",
    );
    assert_eq!(hits, Some(100.0));
    let misses = "neuralblitz_cache_misses_total{reason=\"uri-miss\",route=\"/items/{id}\"}";
    assert_eq!(sample(&cache, misses), Some(100.0));
    let text = exposition(&cache);
    assert!(
        !text.contains("secret") && !text.contains("/items/1"),
        "{text}"
    );
}

#[tokio::test]
async fn without_a_router_the_route_is_the_pattern_of_the_settings() {
    let config = CacheConfig::builder().route(Route::new("/a/{b}").class("capabilities"));
    let layer = CacheLayer::new(config.build().expect("a config"));
    let cache = layer.cache();
    let app = Router::new().fallback_service(tower::ServiceBuilder::new().layer(layer).service(
        tower::service_fn(|_: axum::extract::Request| async {
            Ok::<_, std::convert::Infallible>(axum::response::Response::new(
                axum::body::Body::from("x"),
            ))
        }),
    ));
    let (served, client) = (serve(app).await, Client::new());
    for path in ["/a/1", "/a/1", "/elsewhere"] {
        client.get(&served.url(path)).await;
    }
    let hits = "neuralblitz_cache_hits_total{tier=\"local\",route=\"/a/{b}\"}";
    assert_eq!(sample(&cache, hits), Some(1.0));
    let misses = "neuralblitz_cache_misses_total{reason=\"uri-miss\",route=\"other\"}";
    assert_eq!(sample(&cache, misses), Some(1.0));
}

#[tokio::test]
async fn what_is_none_for_the_cache_is_counted_with_the_reason() {
    let layer = CacheLayer::new(CacheConfig::default());
    let cache = layer.cache();
    let (served, client) = (serve(app(layer)).await, Client::new());
    let url = served.url("/items/1");
    client.get_with(&url, &[("if-match", "\"x\"")]).await;
    client
        .get_with(&url, &[("host", "a.example"), ("host", "b.example")])
        .await;
    client
        .get_with(&url, &[("authorization", "Bearer x")])
        .await;
    for (name, expected) in [
        (
            "neuralblitz_cache_bypassed_total{reason=\"precondition\"}",
            1.0,
        ),
        (
            "neuralblitz_cache_bypassed_total{reason=\"authority\"}",
            1.0,
        ),
        ("neuralblitz_cache_bypassed_total{reason=\"method\"}", 0.0),
        (
            "neuralblitz_cache_misses_total{reason=\"credentials\",route=\"/items/{id}\"}",
            1.0,
        ),
    ] {
        assert_eq!(sample(&cache, name), Some(expected), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn handlers_saved_and_stale_answers_are_counted() {
    let fails = Arc::new(AtomicBool::new(false));
    let failing = fails.clone();
    let slow = move || {
        let fails = failing.load(Ordering::SeqCst);
        async move {
            tokio::time::advance(Duration::from_millis(30)).await;
            let status = if fails {
                StatusCode::BAD_GATEWAY
            } else {
                StatusCode::OK
            };
            (
                status,
                [("cache-control", "max-age=60, stale-if-error=60")],
                "x",
            )
        }
    };
    let layer = CacheLayer::new(CacheConfig::default());
    let cache = layer.cache();
    let app = Router::new().route("/slow", get(slow)).layer(layer);
    for _ in 0..3 {
        assert_eq!(scripted::get(&app, "/slow").await.status, StatusCode::OK);
    }
    let saved = sample(
        &cache,
        "neuralblitz_cache_handler_saved_seconds_total{route=\"/slow\"}",
    );
    assert_eq!(saved, Some(0.06), "two hits of thirty milliseconds each");
    let _ = cache
        .purge(neuralblitz_cache::Purge::uri("/slow").soft())
        .await
        .expect("purged");
    fails.store(true, Ordering::SeqCst);
    assert_eq!(scripted::get(&app, "/slow").await.status, StatusCode::OK);
    let stale = "neuralblitz_cache_stale_served_total{reason=\"if-error\",route=\"/slow\"}";
    assert_eq!(sample(&cache, stale), Some(1.0));
    let fetches =
        "neuralblitz_cache_operation_duration_seconds_count{tier=\"handler\",operation=\"fetch\"}";
    assert_eq!(sample(&cache, fetches), Some(2.0));
    // Without this one no quantile can be computed.
    let all = "neuralblitz_cache_operation_duration_seconds_bucket{le=\"+Inf\",tier=\"handler\",operation=\"fetch\"}";
    assert_eq!(sample(&cache, all), Some(2.0));
}

#[tokio::test]
async fn evictions_are_counted() {
    let config = CacheConfig::builder()
        .local_bytes(1 << 20)
        .max_body(64 << 10);
    let layer = CacheLayer::new(config.build().expect("a config"));
    let cache = layer.cache();
    let body = || async { vec![0; 50_000] };
    let app = Router::new().route("/{id}", get(body)).layer(layer);
    let (served, client) = (serve(app).await, Client::new());
    for id in 0..60 {
        client.get(&served.url(&format!("/{id}"))).await;
    }
    let stats = cache.stats();
    assert_eq!(
        stats.evictions + stats.local_entries as u64,
        60,
        "{stats:?}"
    );
    assert!(stats.evictions >= 39, "{stats:?}");
    let evictions = sample(&cache, "neuralblitz_cache_evictions_total");
    let counted = u32::try_from(stats.evictions).expect("few");
    assert_eq!(evictions, Some(f64::from(counted)));
}

#[tokio::test]
async fn redis_operations_are_timed_and_its_faults_named() {
    let mut redis = Redis::start().await;
    let layer = CacheLayer::new(redis.config().build().expect("a config"));
    let cache = layer.cache();
    let (served, client) = (serve(app(layer)).await, Client::new());
    client.get(&served.url("/items/1")).await;
    until("it is stored", async || cache.stats().stored == 1).await;
    assert!(client.get(&served.url("/items/1")).await.is_hit());
    assert_eq!(cache.clear().await, neuralblitz_cache::Purged::Applied);
    let count = |operation| {
        let name = "neuralblitz_cache_operation_duration_seconds_count{tier=\"redis\",operation=";
        sample(&cache, &format!("{name}\"{operation}\"}}")).unwrap_or_default()
    };
    for operation in ["lookup", "store", "purge"] {
        assert!(count(operation) >= 1.0, "{operation}");
    }
    assert_eq!(
        sample(&cache, "neuralblitz_cache_purge_lag_seconds_count"),
        Some(1.0)
    );
    assert_eq!(
        sample(&cache, "neuralblitz_cache_breaker_state{state=\"closed\"}"),
        Some(1.0)
    );
    redis.kill();
    until("the breaker opens", async || {
        client.get(&served.url("/items/2")).await;
        sample(&cache, "neuralblitz_cache_breaker_state{state=\"open\"}") == Some(1.0)
    })
    .await;
    let text = exposition(&cache);
    let faults = text
        .lines()
        .filter(|line| line.starts_with("neuralblitz_cache_errors_total{operation=\"lookup\""));
    let faults: f64 = faults
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum();
    assert!(faults >= 1.0, "{text}");
}

/// Debian's, or what `PROMETHEUS` says; promtool lies beside it.
fn promtool() -> PathBuf {
    let server = std::env::var("PROMETHEUS").unwrap_or_else(|_| "/usr/bin/prometheus".into());
    Path::new(&server).with_file_name("promtool")
}

#[tokio::test]
async fn promtool_finds_nothing_but_the_specified_name() {
    let redis = Redis::start().await;
    let layer = CacheLayer::new(redis.config().build().expect("a config"));
    let cache = layer.cache();
    let (served, client) = (serve(app(layer)).await, Client::new());
    for path in ["/items/1", "/items/1", "/never"] {
        client.get(&served.url(path)).await;
    }
    let mut text = String::new();
    prometheus_text::encode(&mut text, &cache.metrics()).expect("encoded");
    let lints = lints(&text);
    assert_eq!(lints, [ALLOWED], "{text}");
    let bad = text.replace(
        "# HELP neuralblitz_cache_hits_total",
        "# HELP neuralblitz_cache_x",
    );
    assert!(self::lints(&bad).len() > 1, "it does find what is wrong");
}

fn lints(text: &str) -> Vec<String> {
    let tool = promtool();
    let mut child = Command::new(&tool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}; see scripts/prometheus.sh", tool.display()));
    let mut input = child.stdin.take().expect("an input");
    std::io::Write::write_all(&mut input, text.as_bytes()).expect("written");
    drop(input);
    let output = child.wait_with_output().expect("an end");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).expect("text");
    said.lines().map(str::to_owned).collect()
}
