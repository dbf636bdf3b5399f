//! Requests with unsafe methods invalidate what they changed (RFC 9111 §4.4).

#[path = "support/scripted.rs"]
mod scripted;
mod support;

use axum::body::Body;
use http::request::Parts;
use http::{Method, Response};
use neuralblitz_cache::{CacheConfig, CacheConfigBuilder, CacheTags, PurgeTags, Purged};
use scripted::{App, counted, reply, request};
use support::redis::Redis;
use support::until;

/// Answers GET by number, and a write as its path says: `/status/303`, `/location/x`.
fn handler(parts: &Parts, run: usize) -> Response<Body> {
    let path = parts.uri.path();
    if parts.method == Method::GET {
        let mut response = counted(run, &[]);
        response.extensions_mut().insert(CacheTags::new(["tagged"]));
        return response;
    }
    let field = |name| {
        parts
            .headers
            .get(name)
            .map(|value| value.to_str().expect("text"))
    };
    let status = field("x-status").map_or(204, |status| status.parse().expect("a status"));
    let mut response = reply(status, &[], Body::empty());
    for name in ["location", "content-location"] {
        if let Some(value) = field(name) {
            let value = value.parse().expect("a value");
            response.headers_mut().insert(name, value);
        }
    }
    if path == "/tags" {
        response.extensions_mut().insert(PurgeTags::new(["tagged"]));
    }
    response
}

fn app(config: CacheConfigBuilder) -> App {
    App::new(config.build().expect("usable"), handler)
}

async fn has(app: &App, path: &str) -> bool {
    app.get(path).await.is_hit()
}

async fn filled(app: &App, paths: &[&str]) {
    for path in paths {
        app.get(path).await;
        assert!(has(app, path).await, "{path}");
    }
}

#[tokio::test]
async fn a_write_that_succeeds_purges_its_uri_and_no_other() {
    for method in ["POST", "PUT", "PATCH", "DELETE", "FROBNICATE"] {
        for (status, purges) in [
            ("200", true),
            ("201", true),
            ("303", true),
            ("404", false),
            ("500", false),
        ] {
            let app = app(CacheConfig::builder());
            filled(&app, &["/x", "/x?q", "/y"]).await;
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            app.ask(method, "/x", &[("x-status", status)]).await;
            assert_eq!(has(&app, "/x").await, !purges, "{status}");
            assert!(has(&app, "/x?q").await && has(&app, "/y").await);
        }
    }
}

#[tokio::test]
async fn safe_methods_purge_nothing() {
    let app = app(CacheConfig::builder());
    filled(&app, &["/x"]).await;
    for method in [Method::OPTIONS, Method::TRACE, Method::HEAD] {
        app.ask(method, "/x", &[]).await;
        assert!(has(&app, "/x").await);
    }
}

#[tokio::test]
async fn location_and_content_location_of_the_same_origin_are_purged_too() {
    let paths = ["/x", "/a", "/b?c", "/d"];
    for (name, value, purged) in [
        ("location", "/a", "/a"),
        ("content-location", "/b?c", "/b?c"),
        ("location", "d", "/d"),
        ("location", "http://elsewhere/a", "/x"),
        ("location", "//elsewhere/a", "/x"),
    ] {
        let app = app(CacheConfig::builder());
        filled(&app, &paths).await;
        app.ask(Method::POST, "/x", &[(name, value)]).await;
        for path in paths {
            let gone = path == purged || path == "/x";
            assert_eq!(has(&app, path).await, !gone, "{value}: {path}");
        }
    }
}

#[tokio::test]
async fn tags_named_by_the_response_are_purged_too() {
    let app = app(CacheConfig::builder());
    filled(&app, &["/x", "/y"]).await;
    app.ask(Method::POST, "/tags", &[]).await;
    assert!(!has(&app, "/x").await && !has(&app, "/y").await);
}

#[tokio::test]
async fn the_purge_is_in_force_on_all_instances_before_the_answer_goes_out() {
    let redis = Redis::start().await;
    let (a, b) = (app(redis.config()), app(redis.config()));
    for run in 0..50 {
        b.get("/x").await;
        until("it is in redis", async || {
            b.cache.stats().queued_writes == 0
        })
        .await;
        assert!(has(&b, "/x").await, "{run}");
        a.ask(Method::POST, "/x", &[]).await;
        assert!(!has(&b, "/x").await, "{run}");
        assert_eq!(b.cache.clear().await, Purged::Applied);
    }
}

#[tokio::test]
async fn it_can_be_switched_off() {
    let app = app(CacheConfig::builder().invalidate_on_write(false));
    filled(&app, &["/x"]).await;
    app.ask(Method::POST, "/x", &[]).await;
    assert!(has(&app, "/x").await);
}

#[tokio::test]
async fn a_write_for_two_hosts_purges_the_path_under_all() {
    let app = app(CacheConfig::builder());
    let get = || request(Method::GET, "/x", &[("host", "a.example")]);
    app.response(get()).await;
    let two = [("host", "a.example"), ("host", "b.example")];
    app.ask(Method::POST, "/x", &two).await;
    let again = scripted::read(app.response(get()).await).await;
    assert!(!again.is_hit(), "{}", again.cache());
}
