//! Which answers are stored, and what of them is given out again.

#[path = "support/scripted.rs"]
mod scripted;
mod support;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use http::{HeaderValue, Method};
use http_body::Frame;
use http_body_util::StreamBody;
use neuralblitz_cache::{CacheConfig, CacheConfigBuilder, CacheLayer, KeyRules};
use scripted::{App, Fields, counted, fwd, members, reply, request};
use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::redis::Redis;
use support::until;
use tokio::sync::Semaphore;

/// Whether a second request is answered without the handler.
async fn is_stored(fields: Fields<'static>) -> bool {
    let app = App::says(fields);
    let first = app.get("/x").await;
    let second = app.get("/x").await;
    assert_eq!(first.text(), "run 0");
    let stored = second.is_hit();
    assert_eq!(second.text(), if stored { "run 0" } else { "run 1" });
    assert_eq!(app.runs(), if stored { 1 } else { 2 }, "{fields:?}");
    assert_eq!(fwd(&first), ("uri-miss".into(), stored), "{fields:?}");
    assert_eq!(app.cache.stats().local_entries > 0, stored, "{fields:?}");
    stored
}

#[tokio::test]
async fn an_answer_without_a_word_on_caching_is_stored() {
    assert!(is_stored(&[]).await);
    assert!(is_stored(&[("content-type", "application/json")]).await);
}

#[tokio::test]
async fn what_forbids_storing_is_obeyed() {
    let forbidding: [Fields<'static>; 14] = [
        &[("cache-control", "no-store")],
        &[("cache-control", "NO-STORE, max-age=60")],
        &[("cache-control", "public"), ("cache-control", "no-store")],
        &[("cache-control", "private")],
        &[("cache-control", "private, max-age=60")],
        &[("cache-control", "public, private=\"x-a\"")],
        &[("cache-control", "no-cache")],
        &[("cache-control", "max-age=0")],
        &[("expires", "0")],
        &[("set-cookie", "a=b")],
        &[
            ("set-cookie", "a=b"),
            ("cache-control", "public, max-age=60"),
        ],
        &[("vary", "*")],
        &[
            ("vary", "accept, *"),
            ("cache-control", "public, max-age=60"),
        ],
        &[("cache-control", "max-age=60, x=\"unterminated")],
    ];
    for fields in forbidding {
        assert!(!is_stored(fields).await, "{fields:?}");
    }
}

#[tokio::test]
async fn what_allows_storing_is_used() {
    let allowing: [Fields<'static>; 5] = [
        &[("cache-control", "max-age=60")],
        &[("cache-control", "max-age=0, s-maxage=60")],
        &[("cache-control", "public")],
        &[("cache-control", "x=\"no-store\", max-age=60")],
        &[("vary", "accept-encoding")],
    ];
    for fields in allowing {
        assert!(is_stored(fields).await, "{fields:?}");
    }
}

/// An app whose every answer sets a cookie of its own, once it may.
fn cookies(gate: Arc<Semaphore>, runs: Arc<AtomicUsize>) -> Router {
    let handler = async move || {
        let run = runs.fetch_add(1, Ordering::SeqCst);
        gate.acquire().await.expect("open").forget();
        reply(200, &[("set-cookie", &format!("id={run}"))], "hello")
    };
    let handler = move || {
        let handler = handler.clone();
        async move { handler().await }
    };
    Router::new()
        .route("/login", get(handler))
        .layer(CacheLayer::new(CacheConfig::default()))
}

#[tokio::test]
async fn fifty_concurrent_requests_get_fifty_different_cookies() {
    let (gate, runs) = (Arc::new(Semaphore::new(0)), Arc::default());
    let app = cookies(gate.clone(), Arc::clone(&runs));
    let asked: Vec<_> = (0..50)
        .map(|_| {
            let app = app.clone();
            tokio::spawn(async move { scripted::get(&app, "/login").await })
        })
        .collect();
    until("a handler runs", async || runs.load(Ordering::SeqCst) > 0).await;
    gate.add_permits(50);
    let mut cookies = HashSet::new();
    for answer in asked {
        let answer = answer.await.expect("an answer");
        assert_eq!(answer.text(), "hello");
        cookies.insert(answer.header("set-cookie").to_owned());
    }
    assert_eq!(cookies.len(), 50, "{cookies:?}");
    assert_eq!(runs.load(Ordering::SeqCst), 50);
}

#[tokio::test]
async fn an_answer_to_a_no_store_request_is_not_stored() {
    let app = App::says(&[]);
    let asked = app.get_with("/x", &[("cache-control", "no-store")]).await;
    assert_eq!(asked.text(), "run 0");
    assert!(!fwd(&asked).1);
    assert_eq!(app.get("/x").await.text(), "run 1");
    assert_eq!(app.get("/x").await.text(), "run 1");
}

#[tokio::test]
async fn duplicates_and_bytes_that_are_no_text_are_kept_on_hits() {
    let app = App::new(CacheConfig::default(), |_, run| {
        let mut response = counted(run, &[("x-a", "1"), ("x-b", "2"), ("x-a", "3")]);
        let name = HeaderValue::from_bytes(b"caf\xe9 \xff").expect("a value");
        response.headers_mut().insert("x-name", name);
        response
    });
    app.get("/x").await;
    let hit = app.get("/x").await;
    assert!(hit.is_hit());
    let lines: Vec<_> = hit.headers.get_all("x-a").iter().collect();
    assert_eq!(lines, ["1", "3"]);
    assert_eq!(hit.header("x-b"), "2");
    assert_eq!(hit.headers["x-name"].as_bytes(), b"caf\xe9 \xff");
}

#[tokio::test]
async fn fields_of_the_connection_are_not_given_out_again() {
    let app = App::says(&[
        ("connection", "keep-alive, X-Hop"),
        ("keep-alive", "timeout=5"),
        ("x-hop", "1"),
        ("proxy-authenticate", "Basic"),
        ("upgrade", "h2c"),
        ("x-end", "1"),
    ]);
    app.get("/x").await;
    let hit = app.get("/x").await;
    assert!(hit.is_hit());
    for gone in [
        "connection",
        "keep-alive",
        "x-hop",
        "proxy-authenticate",
        "upgrade",
    ] {
        assert!(!hit.headers.contains_key(gone), "{gone}");
    }
    assert_eq!(hit.header("x-end"), "1");
}

#[tokio::test]
async fn a_hit_bears_the_date_the_handler_gave_or_the_time_it_came() {
    const DATE: &str = "Sun, 06 Nov 2094 08:49:37 GMT";
    let app = App::new(CacheConfig::default(), |parts, run| {
        let fields: Fields<'_> = &[("date", DATE)];
        counted(
            run,
            if parts.uri.path() == "/own" {
                fields
            } else {
                &[]
            },
        )
    });
    for path in ["/own", "/none"] {
        app.get(path).await;
    }
    assert_eq!(app.get("/own").await.header("date"), DATE);
    let made = app.get("/none").await;
    assert!(httpdate::parse_http_date(made.header("date")).is_ok());
}

#[tokio::test]
async fn members_of_caches_further_up_stand_before_ours() {
    let app = App::says(&[
        ("cache-status", "origin; hit; ttl=3"),
        ("cache-status", "cdn; hit"),
    ]);
    for asked in [app.get("/x").await, app.get("/x").await] {
        let names: Vec<_> = members(&asked.headers)
            .into_iter()
            .map(|member| member.cache)
            .collect();
        assert_eq!(names, ["origin", "cdn", "neuralblitz-cache"]);
    }
    assert_eq!(app.runs(), 1);
}

/// A body of these frames that says nothing of its length.
fn streamed(frames: &'static [&'static str]) -> Body {
    let frames = frames.iter().map(|frame| {
        let data = Bytes::from_static(frame.as_bytes());
        Ok::<_, Infallible>(Frame::data(data))
    });
    Body::new(StreamBody::new(tokio_stream::iter(frames)))
}

#[tokio::test]
async fn a_body_shorter_or_longer_than_its_length_is_never_a_hit() {
    for length in ["7", "5"] {
        let app = App::new(CacheConfig::default(), move |_, _| {
            reply(
                200,
                &[("content-length", length)],
                streamed(&["abc", "def"]),
            )
        });
        for _ in 0..3 {
            let answer = app.get("/x").await;
            assert!(!answer.is_hit(), "{length}");
            assert_eq!(answer.text(), "abcdef");
        }
        assert_eq!(app.runs(), 3, "{length}");
        assert_eq!(app.cache.stats().local_entries, 0, "{length}");
    }
}

#[tokio::test]
async fn a_streamed_body_is_stored_when_its_end_was_seen() {
    let app = App::new(CacheConfig::default(), |_, _| {
        reply(200, &[], streamed(&["abc", "", "def"]))
    });
    let unread = app.response(request(Method::GET, "/x", &[])).await;
    drop(unread);
    assert_eq!(app.get("/x").await.text(), "abcdef");
    assert_eq!(app.get("/x").await.text(), "abcdef");
    assert_eq!(app.runs(), 2);
}

/// Six bytes as one whole, with a length, or as a stream.
fn six_bytes(kind: usize) -> http::Response<Body> {
    match kind {
        0 => reply(200, &[], "abcdef"),
        1 => reply(200, &[("content-length", "6")], streamed(&["abc", "def"])),
        _ => reply(200, &[], streamed(&["abc", "def"])),
    }
}

#[tokio::test]
async fn a_body_up_to_the_limit_is_stored_and_a_larger_one_passes_whole() {
    for kind in 0..3 {
        for (limit, runs) in [(6, 1), (5, 2)] {
            let config = CacheConfig::builder().max_body(limit).build();
            let app = App::new(config.expect("usable"), move |_, _| six_bytes(kind));
            for _ in 0..2 {
                assert_eq!(app.get("/x").await.text(), "abcdef");
            }
            assert_eq!(app.runs(), runs, "kind {kind}, limit {limit}");
        }
    }
}

#[tokio::test]
async fn an_empty_body_is_a_body_like_any_other() {
    let app = App::new(CacheConfig::default(), |_, _| {
        reply(204, &[], Body::empty())
    });
    app.get("/x").await;
    let hit = app.get("/x").await;
    assert!(hit.is_hit());
    assert_eq!((hit.status.as_u16(), hit.body.len()), (204, 0));
    assert!(!hit.headers.contains_key("content-length"));
}

async fn instance(
    change: impl FnOnce(CacheConfigBuilder) -> CacheConfigBuilder,
    redis: &Redis,
) -> App {
    let config = change(redis.config().key(KeyRules::new().ignore_authority()));
    let app = App::new(config.build().expect("usable"), |_, run| counted(run, &[]));
    app.get("/x").await;
    until("it is written", async || {
        let stats = app.cache.stats();
        stats.queued_writes == 0 && stats.stored + stats.redis_hits > 0
    })
    .await;
    app
}

#[tokio::test]
async fn versions_and_namespaces_keep_caches_apart() {
    let redis = Redis::start().await;
    let runs = async |change: fn(CacheConfigBuilder) -> CacheConfigBuilder| {
        instance(change, &redis).await.runs()
    };
    assert_eq!(runs(|config| config).await, 1);
    assert_eq!(runs(|config| config).await, 0, "what is equal is shared");
    assert_eq!(runs(|config| config.version("2")).await, 1);
    assert_eq!(runs(|config| config.version("2")).await, 0);
    assert_eq!(runs(|config| config.namespace("other")).await, 1);
    assert_eq!(runs(|config| config.namespace("other")).await, 0);
}
