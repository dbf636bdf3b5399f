//! What is explained is what then happens.
#![cfg(feature = "admin")]

mod support;

#[path = "support/admin.rs"]
mod admin;

use admin::{App, TOKEN, problem, value};
use axum::Router;
use axum::http::{Method, StatusCode, header};
use axum::routing::get;
use neuralblitz_cache::{CacheConfig, CacheConfigBuilder, CacheLayer, ClientDirectives, Route};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};
use support::redis::Redis;
use support::until;
use support::web::{Answer, Client, request, serve};

/// Paths whose answers are stored, not stored, stale at once, for everybody, varying, bypassed.
const PATHS: [&str; 7] = [
    "/plain", "/never", "/stale", "/public", "/varies", "/off", "/parts",
];

const HEADERS: [(&str, &str); 9] = [
    ("authorization", "Bearer somebody"),
    ("accept-language", "de"),
    ("accept-language", "en"),
    ("cache-control", "no-cache"),
    ("cache-control", "only-if-cached"),
    ("cache-control", "max-stale=1000"),
    ("range", "bytes=0-1"),
    ("if-match", "\"x\""),
    ("if-none-match", "\"x\""),
];

struct Explained {
    app: App,
    runs: Arc<AtomicUsize>,
}

async fn explained(config: CacheConfigBuilder) -> Explained {
    let config = config
        .admin_token(TOKEN)
        .client_directives(ClientDirectives::Obey)
        .route(Route::new("/off").bypass())
        .route(Route::new("/plain").class("capabilities"));
    let layer = CacheLayer::new(config.build().expect("a config"));
    let (cache, runs) = (layer.cache(), Arc::new(AtomicUsize::new(0)));
    let says = |cache_control: &'static str| {
        let runs = runs.clone();
        get(move || {
            runs.fetch_add(1, Ordering::SeqCst);
            async move { ([(header::CACHE_CONTROL, cache_control)], "content") }
        })
        .post(async || "changed")
    };
    let varies = get(async || ([(header::VARY, "accept-language")], "content"));
    let app = Router::new()
        .route("/plain", says("max-age=60"))
        .route("/never", says("no-store"))
        .route("/stale", says("max-age=0, stale-while-revalidate=0"))
        .route("/public", says("public, max-age=60"))
        .route("/varies", varies)
        .route("/off", says("max-age=60"))
        .route("/parts", says("max-age=60"))
        .layer(layer)
        .merge(cache.admin_router());
    let app = App {
        served: serve(app).await,
        cache,
        client: Client::new(),
    };
    Explained { app, runs }
}

type Asked = (Method, &'static str, Vec<(&'static str, &'static str)>);

impl Explained {
    async fn explain(&self, (method, path, headers): &Asked) -> Value {
        let url = self.app.served.url(path);
        let mut query = format!("/cache/explain?method={method}&uri={url}");
        for (name, value) in headers {
            let value = value
                .replace('"', "%22")
                .replace('=', "%3D")
                .replace(' ', "+");
            for part in ["&header=", name, ":", &value] {
                query.push_str(part);
            }
        }
        value(&self.app.admin(Method::GET, &query).await)
    }

    async fn ask(&self, (method, path, headers): &Asked) -> Answer {
        let url = self.app.served.url(path);
        self.app
            .client
            .send(request(method.clone(), &url, headers))
            .await
    }

    /// Explains it, does it, and compares.
    async fn check(&self, asked: &Asked) {
        let (stats, runs) = (self.figures(), self.runs.load(Ordering::SeqCst));
        let entries = self.app.cache.stats().local_entries;
        let explained = self.explain(asked).await;
        assert!(self.app.cache.stats().local_entries <= entries);
        assert_eq!(self.runs.load(Ordering::SeqCst), runs, "no handler ran");
        assert_eq!(self.figures(), stats, "nothing was counted or stored");
        let answer = self.ask(asked).await;
        let happened = happened(&answer);
        let said = match explained["happens"].as_str().expect("a word") {
            "forward" => explained["why"].as_str().expect("a reason").to_owned(),
            "pass" | "write" => "none".to_owned(),
            word => word.to_owned(),
        };
        assert_eq!(said, happened, "{asked:?} {explained} {answer:?}");
        let stored = answer.cache().contains("; stored");
        assert!(
            !stored || explained["may_be_stored"] == true,
            "{asked:?} {explained}"
        );
    }

    fn figures(&self) -> String {
        let mut stats = self.app.cache.stats();
        // What others do meanwhile.
        (stats.queued_writes, stats.connections) = (0, 0);
        (stats.connected, stats.coherent) = (false, false);
        (stats.since, stats.record_reads) = (UNIX_EPOCH, 0);
        // What is purged already may go.
        (stats.local_entries, stats.local_bytes) = (0, 0);
        format!("{stats:?}")
    }
}

/// In the words of what is explained, by `Cache-Status`.
fn happened(answer: &Answer) -> String {
    let status = answer.cache();
    if status.contains("detail=stale-while-revalidate") {
        "stale".into()
    } else if status.contains("; hit") {
        "hit".into()
    } else if answer.status == StatusCode::GATEWAY_TIMEOUT {
        "gateway-timeout".into()
    } else if let Some((_, reason)) = status.split_once("fwd=") {
        reason.split(';').next().unwrap_or_default().into()
    } else {
        "none".into()
    }
}

fn asked() -> impl Strategy<Value = Asked> {
    let method = prop::sample::select(vec![Method::GET, Method::GET, Method::HEAD, Method::POST]);
    let headers = prop::sample::subsequence(HEADERS.to_vec(), 0..3);
    (method, prop::sample::select(PATHS.to_vec()), headers)
}

/// Sequences of requests, each explained before it is made.
fn explains_what_happens(config: impl Fn() -> CacheConfigBuilder, cases: u32) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    });
    let sequences = prop::collection::vec(asked(), 1..20);
    let checked = runner.run(&sequences, |sequence| {
        runtime.block_on(async {
            let explained = explained(config()).await;
            until("it is ready", async || {
                let stats = explained.app.cache.stats();
                stats.connected || stats.max_connections == 0
            })
            .await;
            for asked in &sequence {
                explained.check(asked).await;
                until("what is stored is in", async || {
                    explained.app.cache.stats().queued_writes == 0
                })
                .await;
            }
        });
        Ok(())
    });
    checked.expect("each is what then happened");
}

#[test]
fn what_is_explained_then_happens_in_local_memory() {
    explains_what_happens(CacheConfig::builder, 64);
}

#[test]
fn what_is_explained_then_happens_with_stale_windows() {
    let stale = || CacheConfig::builder().stale_while_revalidate(Duration::from_mins(1));
    explains_what_happens(stale, 32);
}

#[test]
fn what_is_explained_then_happens_with_redis() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let redis = runtime.block_on(Redis::start());
    let nth = AtomicUsize::new(0);
    let config = || {
        let n = nth.fetch_add(1, Ordering::SeqCst);
        redis.config().namespace(format!("nb{n}"))
    };
    explains_what_happens(config, 24);
}

#[tokio::test]
async fn an_explanation_names_key_policy_and_what_is_found() {
    let explained = explained(CacheConfig::builder()).await;
    let asked = (Method::GET, "/plain", Vec::new());
    let before = explained.explain(&asked).await;
    assert_eq!(
        (&before["happens"], &before["why"]),
        (&"forward".into(), &"uri-miss".into())
    );
    assert_eq!(before["policy"]["class"], "capabilities");
    assert_eq!(before["policy"]["ttl_ms"], 3_600_000);
    assert!(before["found"].is_null());
    explained.ask(&asked).await;
    let after = explained.explain(&asked).await;
    assert_eq!(
        (&after["happens"], &after["tier"]),
        (&"hit".into(), &"local".into())
    );
    let name = after["key"]["name"].as_str().expect("a name");
    assert!(name.starts_with("nb:api_response:GET:"), "{name}");
    assert_eq!(after["key"]["name"], before["key"]["name"]);
    assert_eq!(after["found"]["status"], 200);
    explained.ask(&(Method::GET, "/never", Vec::new())).await;
    let never = explained
        .explain(&(Method::GET, "/never", Vec::new()))
        .await;
    assert_eq!(never["not_stored_of_late"], true);
}

/// What is in a URL may be logged on the way, and fields may be credentials.
#[tokio::test]
async fn what_is_asked_by_content_is_explained_as_by_query() {
    let explained = explained(CacheConfig::builder()).await;
    let fields = vec![("authorization", "Bearer somebody"), ("accept", "*/*")];
    let asked = (Method::HEAD, "/plain", fields);
    let url = explained.app.served.url("/plain");
    let fields = ["authorization: Bearer somebody", "accept: */*"];
    let content = json!({ "method": "HEAD", "uri": url, "header": fields });
    let kind = "application/json";
    let answer = explained
        .app
        .post("/cache/explain", kind, &content.to_string())
        .await;
    let said = value(&answer);
    assert_eq!(said, explained.explain(&asked).await);
    assert_eq!(
        (&said["happens"], &said["credentials"]),
        (&"forward".into(), &true.into())
    );
    let without = explained.app.send(Method::POST, "/cache/explain", None);
    problem(&without.await, 401);
    for content in [r#"{"uri": "/a", "x": "y"}"#, r#"{"uri": ["/a"]}"#, "{}"] {
        let answer = explained.app.post("/cache/explain", kind, content).await;
        problem(&answer, 400);
    }
}

#[tokio::test]
async fn in_fallback_the_explanation_says_so() {
    let mut redis = Redis::start().await;
    let explained = explained(redis.config().circuit_breaker_threshold(1)).await;
    let asked = (Method::GET, "/plain", Vec::new());
    explained.ask(&asked).await;
    until("it is stored", async || {
        explained.app.cache.stats().stored == 1
    })
    .await;
    redis.kill();
    until("it is noticed", async || {
        explained.ask(&asked).await.cache().contains("fallback")
    })
    .await;
    let said = explained.explain(&asked).await;
    assert_eq!(
        (&said["happens"], &said["why"]),
        (&"hit".into(), &"fallback".into())
    );
}
