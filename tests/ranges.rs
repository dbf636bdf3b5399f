//! Parts of what is stored (RFC 9110 §14).

#[path = "support/scripted.rs"]
mod scripted;
mod support;

use http::{Method, StatusCode};
use neuralblitz_cache::CacheConfig;
use scripted::{App, fwd, reply};

fn app() -> App {
    App::new(CacheConfig::default(), |_, _| {
        reply(200, &[("etag", "\"a\""), ("x-kept", "1")], "0123456789")
    })
}

#[tokio::test]
async fn a_range_is_answered_from_the_stored_whole() {
    let app = app();
    app.get("/x").await;
    for (range, part, content_range) in [
        ("bytes=0-1", "01", "bytes 0-1/10"),
        ("bytes=8-", "89", "bytes 8-9/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
        ("Bytes=9-100", "9", "bytes 9-9/10"),
    ] {
        let answer = app.get_with("/x", &[("range", range)]).await;
        assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT, "{range}");
        assert_eq!(answer.text(), part);
        assert_eq!(answer.header("content-range"), content_range);
        assert_eq!(answer.header("content-length"), part.len().to_string());
        assert_eq!(answer.header("x-kept"), "1");
        assert!(answer.is_hit());
    }
    assert_eq!(app.runs(), 1);
}

#[tokio::test]
async fn a_range_past_the_end_is_not_satisfiable() {
    let app = app();
    app.get("/x").await;
    let answer = app.get_with("/x", &[("range", "bytes=10-")]).await;
    assert_eq!(answer.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(answer.header("content-range"), "bytes */10");
    assert_eq!(answer.text(), "");
}

#[tokio::test]
async fn what_cannot_be_read_or_names_several_is_ignored() {
    let app = app();
    app.get("/x").await;
    for range in ["bytes=0-1,3-4", "lines=0-1", "bytes=2-1", "bytes"] {
        let answer = app.get_with("/x", &[("range", range)]).await;
        assert_eq!(
            (answer.status, answer.text()),
            (StatusCode::OK, "0123456789")
        );
    }
    let head = app.ask(Method::HEAD, "/x", &[("range", "bytes=0-1")]).await;
    assert_eq!(head.status, StatusCode::OK);
}

#[tokio::test]
async fn if_range_must_name_what_is_stored() {
    let app = app();
    app.get("/x").await;
    for (tag, status) in [("\"a\"", 206), ("\"b\"", 200), ("W/\"a\"", 200)] {
        let fields = [("range", "bytes=0-1"), ("if-range", tag)];
        let answer = app.get_with("/x", &fields).await;
        assert_eq!(answer.status, status, "{tag}");
    }
    let fields = [("range", "bytes=0-1"), ("if-none-match", "\"a\"")];
    let answer = app.get_with("/x", &fields).await;
    assert_eq!(answer.status, StatusCode::NOT_MODIFIED, "that comes first");
}

#[tokio::test]
async fn a_range_of_what_is_not_stored_is_the_handlers_to_answer() {
    let app = App::new(CacheConfig::default(), |parts, run| {
        match parts.headers.contains_key("range") && run == 0 {
            true => reply(206, &[("content-range", "bytes 0-1/10")], "01"),
            false => reply(200, &[], "0123456789"),
        }
    });
    let part = app.get_with("/x", &[("range", "bytes=0-1")]).await;
    assert_eq!(
        (part.status, part.text()),
        (StatusCode::PARTIAL_CONTENT, "01")
    );
    assert_eq!(fwd(&part), ("uri-miss".into(), false));
    let whole = app.get_with("/x", &[("range", "bytes=0-1")]).await;
    assert_eq!((whole.status, fwd(&whole).1), (StatusCode::OK, true));
    let hit = app.get_with("/x", &[("range", "bytes=0-1")]).await;
    assert_eq!(
        (hit.status, hit.text()),
        (StatusCode::PARTIAL_CONTENT, "01")
    );
}

#[tokio::test]
async fn a_part_says_nothing_of_whether_the_whole_is_stored() {
    let app = App::new(CacheConfig::default(), |parts, _| {
        match parts.headers.contains_key("range") {
            true => reply(206, &[("content-range", "bytes 0-1/10")], "01"),
            false => reply(200, &[], "0123456789"),
        }
    });
    app.get_with("/x", &[("range", "bytes=0-1")]).await;
    let answers = futures_util::future::join_all((0..20).map(|_| app.get("/x"))).await;
    assert!(answers.iter().all(|answer| answer.text() == "0123456789"));
    assert_eq!(app.runs(), 2, "one fetch of the whole for all");
}

#[tokio::test(start_paused = true)]
async fn a_range_answered_stale_is_refreshed_whole() {
    let app = App::new(CacheConfig::default(), |parts, run| {
        let fields = [("cache-control", "max-age=10, stale-while-revalidate=60")];
        match parts.headers.contains_key("range") {
            true => reply(206, &[("content-range", "bytes 0-1/10")], "01"),
            false => reply(200, &fields, format!("{run}123456789")),
        }
    });
    app.get("/x").await;
    tokio::time::advance(std::time::Duration::from_secs(11)).await;
    let stale = app.get_with("/x", &[("range", "bytes=0-1")]).await;
    assert_eq!(
        (stale.status, stale.text()),
        (StatusCode::PARTIAL_CONTENT, "01")
    );
    support::until("it is refreshed", async || {
        app.get("/x").await.text() == "1123456789"
    })
    .await;
}
