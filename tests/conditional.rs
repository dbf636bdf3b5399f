//! Requests that want less than the whole answer: HEAD and conditions.

#[path = "support/scripted.rs"]
mod scripted;
mod support;

use axum::Router;
use axum::routing::any;
use http::{Method, StatusCode};
use neuralblitz_cache::{CacheConfig, CacheLayer};
use scripted::{App, Fields, counted, fwd, reply, request};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::until;
use support::web::Answer;
use tokio::sync::Semaphore;
use tokio::time::{advance, timeout};

const OLD: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

async fn head(app: &App, fields: Fields<'_>) -> Answer {
    app.ask(Method::HEAD, "/x", fields).await
}

#[tokio::test(start_paused = true)]
async fn a_head_is_answered_from_a_stored_get() {
    let app = App::says(&[("content-type", "text/plain")]);
    let stored = app.get("/x").await;
    advance(Duration::from_secs(3)).await;
    let answer = head(&app, &[]).await;
    assert!(answer.is_hit());
    assert_eq!((answer.status, &answer.body[..]), (stored.status, &b""[..]));
    assert_eq!(answer.header("content-length"), "5");
    assert_eq!(answer.header("content-type"), "text/plain");
    assert_eq!(answer.header("age"), "3");
    assert_eq!(app.get("/x").await.text(), "run 0");
    assert_eq!(app.runs(), 1);
}

#[tokio::test]
async fn a_head_is_never_stored() {
    let app = App::says(&[("cache-control", "public, max-age=60")]);
    for _ in 0..2 {
        assert_eq!(fwd(&head(&app, &[]).await), ("uri-miss".into(), false));
    }
    assert_eq!(app.cache.stats().local_entries, 0);
    assert_eq!(app.get("/x").await.text(), "run 2");
}

/// An app whose HEADs wait, and its runs.
fn slow_heads(gate: Arc<Semaphore>) -> (Router, Arc<AtomicUsize>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counter = runs.clone();
    let handler = move |method: Method| {
        let (gate, counter) = (gate.clone(), counter.clone());
        async move {
            counter.fetch_add(1, Ordering::SeqCst);
            if method == Method::HEAD {
                gate.acquire().await.expect("open").forget();
            }
            "hello"
        }
    };
    let layer = CacheLayer::new(CacheConfig::default());
    (Router::new().route("/x", any(handler)).layer(layer), runs)
}

#[tokio::test]
async fn nobody_waits_for_a_head_and_no_head_waits() {
    let gate = Arc::new(Semaphore::new(0));
    let (app, runs) = slow_heads(gate.clone());
    let heads: Vec<_> = (0..2)
        .map(|_| {
            let request = request(Method::HEAD, "/x", &[]);
            let app = app.clone();
            tokio::spawn(async move { scripted::ask(&app, request).await })
        })
        .collect();
    let both_run = async || runs.load(Ordering::SeqCst) == 2;
    until("both handlers run", both_run).await;
    let get = timeout(Duration::from_secs(5), scripted::get(&app, "/x")).await;
    assert_eq!(get.expect("at once").text(), "hello");
    gate.add_permits(2);
    for head in heads {
        let answer = head.await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
    }
}

/// What the store answers to a condition.
async fn asked(stored: Fields<'static>, condition: Fields<'_>) -> Answer {
    let app = App::says(stored);
    app.get("/x").await;
    let answer = app.get_with("/x", condition).await;
    assert_eq!(app.runs(), 1);
    assert!(answer.is_hit(), "{}", answer.cache());
    let whole = answer.status == StatusCode::OK;
    assert_eq!(answer.text(), if whole { "run 0" } else { "" });
    answer
}

#[tokio::test]
async fn if_none_match_is_answered_from_the_store() {
    const STRONG: Fields<'static> = &[("etag", "\"a\""), ("last-modified", SAME)];
    const WEAK: Fields<'static> = &[("etag", "W/\"a\"")];
    for (stored, tags, status) in [
        (STRONG, "\"a\"", 304),
        (STRONG, "W/\"a\"", 304),
        (STRONG, "\"x,\", \"a\"", 304),
        (STRONG, "*", 304),
        (STRONG, "\"b\"", 200),
        (STRONG, "a", 200),
        (WEAK, "\"a\"", 304),
        (WEAK, "W/\"b\"", 200),
    ] {
        let answer = asked(stored, &[("if-none-match", tags)]).await;
        assert_eq!(answer.status.as_u16(), status, "{stored:?} {tags}");
        assert_eq!(answer.header("etag"), stored[0].1);
    }
    let both: Fields<'_> = &[("if-none-match", "\"b\""), ("if-modified-since", SAME)];
    assert_eq!(asked(STRONG, both).await.status, StatusCode::OK);
}

#[tokio::test]
async fn if_modified_since_is_answered_from_the_store() {
    const STORED: Fields<'static> = &[("last-modified", SAME)];
    for (since, status) in [(OLD, 200), (SAME, 304), (LATER, 304), ("yesterday", 200)] {
        let answer = asked(STORED, &[("if-modified-since", since)]).await;
        assert_eq!(answer.status.as_u16(), status, "{since}");
    }
}

/// RFC 9111 §4.3.2: without `Last-Modified`, the `Date` that the answer came with counts.
#[tokio::test]
async fn without_last_modified_the_date_of_the_answer_counts() {
    const STORED: Fields<'static> = &[("date", SAME), ("cache-control", "s-maxage=4000000000")];
    for (since, status) in [(OLD, 200), (SAME, 304), (LATER, 304)] {
        let answer = asked(STORED, &[("if-modified-since", since)]).await;
        assert_eq!(answer.status.as_u16(), status, "{since}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_304_bears_what_a_200_would_except_what_describes_the_content() {
    const STORED: Fields<'static> = &[
        ("etag", "\"a\""),
        ("cache-control", "max-age=60"),
        ("vary", "accept"),
        ("content-location", "/y"),
        ("expires", LATER),
        ("content-type", "text/plain"),
        ("content-language", "en"),
        ("content-length", "5"),
    ];
    let answer = asked(STORED, &[("if-none-match", "\"a\"")]).await;
    assert_eq!(answer.status, StatusCode::NOT_MODIFIED);
    for (name, value) in &STORED[..5] {
        assert_eq!(answer.header(name), *value);
    }
    for (name, _) in &STORED[5..] {
        assert!(!answer.headers.contains_key(*name), "{name}");
    }
    assert!(answer.headers.contains_key("date"));
    assert_eq!(answer.header("age"), "0");
    assert_eq!(answer.cache(), "neuralblitz-cache; hit; ttl=60");
}

#[tokio::test]
async fn a_condition_on_an_error_is_not_answered_with_304() {
    let app = App::new(CacheConfig::default(), |_, run| {
        let fields = [("etag", "\"a\""), ("cache-control", "max-age=60")];
        reply(404, &fields, format!("run {run}"))
    });
    for _ in 0..2 {
        let answer = app.get_with("/x", &[("if-none-match", "\"a\"")]).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (404, "run 0"));
    }
}

#[tokio::test]
async fn a_head_may_have_a_condition_too() {
    let app = App::says(&[("etag", "\"a\"")]);
    app.get("/x").await;
    let matched = head(&app, &[("if-none-match", "\"a\"")]).await;
    assert_eq!(matched.status, StatusCode::NOT_MODIFIED);
    let other = head(&app, &[("if-none-match", "\"b\"")]).await;
    assert_eq!(
        (other.status, other.header("content-length")),
        (StatusCode::OK, "5")
    );
    assert_eq!(app.runs(), 1);
}

/// Answers 304 to any condition it sees.
fn conditional(config: CacheConfig) -> App {
    App::new(config, |parts, run| {
        let fields = [("etag", "\"a\""), ("last-modified", SAME)];
        let condition = ["if-none-match", "if-modified-since"];
        let asked = condition
            .iter()
            .any(|name| parts.headers.contains_key(*name));
        match asked {
            true => reply(304, &fields, ""),
            false => reply(200, &fields, format!("run {run}")),
        }
    })
}

#[tokio::test]
async fn a_first_request_with_a_condition_stores_the_whole_answer() {
    for condition in [("if-none-match", "\"a\""), ("if-modified-since", SAME)] {
        let app = conditional(CacheConfig::default());
        let first = app.get_with("/x", &[condition]).await;
        assert_eq!((first.status.as_u16(), first.text()), (304, ""));
        assert_eq!(first.header("etag"), "\"a\"");
        assert_eq!(fwd(&first), ("uri-miss".into(), true));
        let stored = async || app.cache.stats().local_entries == 1;
        until("the whole answer is stored", stored).await;
        let hit = app.get("/x").await;
        assert!(hit.is_hit());
        assert_eq!((hit.status.as_u16(), hit.text()), (200, "run 0"));
        assert_eq!(app.runs(), 1);
    }
}

#[tokio::test]
async fn a_first_request_whose_condition_fails_gets_the_whole_answer() {
    for condition in [("if-none-match", "\"b\""), ("if-modified-since", OLD)] {
        let app = conditional(CacheConfig::default());
        let first = app.get_with("/x", &[condition]).await;
        assert_eq!((first.status.as_u16(), first.text()), (200, "run 0"));
        assert!(app.get("/x").await.is_hit());
    }
}

#[tokio::test]
async fn a_condition_on_what_is_not_shared_is_the_handlers_to_judge() {
    let app = conditional(CacheConfig::default());
    let fields = [("authorization", "ann"), ("if-none-match", "\"a\"")];
    let answer = app.get_with("/x", &fields).await;
    assert_eq!(answer.status, StatusCode::NOT_MODIFIED);
    assert_eq!(app.cache.stats().local_entries, 0);
    assert_eq!(app.get("/x").await.text(), "run 1");
}

/// Bodies by path, none with an entity tag of its own but /own.
fn tagged(make: bool) -> App {
    let config = CacheConfig::builder().etag(make).build().expect("usable");
    App::new(config, |parts, run| match parts.uri.path() {
        "/own" => counted(run, &[("etag", "W/\"mine\"")]),
        "/a" | "/b" => reply(200, &[], "equal"),
        _ => counted(run, &[]),
    })
}

/// The tag of a hit.
async fn tag(app: &App, path: &str) -> String {
    app.get(path).await;
    let hit = app.get(path).await;
    assert!(hit.is_hit());
    hit.header("etag").to_owned()
}

#[tokio::test]
async fn an_answer_without_a_tag_is_given_a_strong_one_made_of_its_body() {
    let app = tagged(true);
    let (a, b, other) = (
        tag(&app, "/a").await,
        tag(&app, "/b").await,
        tag(&app, "/c").await,
    );
    assert_eq!(a, b);
    assert_ne!(a, other);
    assert!(a.len() > 2 && a.starts_with('"') && a.ends_with('"'), "{a}");
    let again = app.get_with("/a", &[("if-none-match", &a)]).await;
    assert_eq!(again.status, StatusCode::NOT_MODIFIED);
    assert_eq!(
        tag(&tagged(true), "/a").await,
        a,
        "it is the same everywhere"
    );
    assert_eq!(tag(&app, "/own").await, "W/\"mine\"");
}

#[tokio::test]
async fn no_tag_is_made_where_that_is_switched_off() {
    let app = tagged(false);
    assert_eq!(tag(&app, "/a").await, "");
    assert_eq!(tag(&app, "/own").await, "W/\"mine\"");
}
