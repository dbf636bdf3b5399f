//! Answers that depend on fields of the request.

#[path = "support/scripted.rs"]
mod scripted;
mod support;

use http::HeaderMap;
use neuralblitz_cache::CacheConfig;
use scripted::{App, Fields, counted, fwd, reply};
use support::redis::Redis;
use support::until;
use support::web::Answer;

/// Answers with what a field holds; all lines of it, or that it is absent.
fn echo(headers: &HeaderMap, name: &str) -> String {
    let lines: Vec<_> = headers.get_all(name).iter().collect();
    format!("{lines:?}")
}

/// Varies by `vary`, and says what `name` was.
fn app(vary: &'static str, name: &'static str) -> App {
    App::new(CacheConfig::default(), move |parts, _| {
        reply(200, &[("vary", vary)], echo(&parts.headers, name))
    })
}

async fn ask(app: &App, fields: Fields<'_>) -> Answer {
    app.get_with("/x", fields).await
}

#[tokio::test]
async fn each_encoding_has_an_answer_of_its_own() {
    let app = app("Accept-Encoding", "accept-encoding");
    let encodings: [Fields<'_>; 5] = [
        &[("accept-encoding", "gzip")],
        &[("accept-encoding", "br")],
        &[("accept-encoding", "gzip, br")],
        &[("accept-encoding", "")],
        &[],
    ];
    for (at, fields) in encodings.into_iter().enumerate() {
        let reason = if at == 0 { "uri-miss" } else { "vary-miss" };
        assert_eq!(
            fwd(&ask(&app, fields).await),
            (reason.into(), true),
            "{fields:?}"
        );
    }
    let expected = [
        r#"["gzip"]"#,
        r#"["br"]"#,
        r#"["gzip, br"]"#,
        r#"[""]"#,
        "[]",
    ];
    for (fields, expected) in encodings.into_iter().zip(expected) {
        let hit = ask(&app, fields).await;
        assert!(hit.is_hit(), "{fields:?}: {}", hit.cache());
        assert_eq!(hit.text(), expected);
        assert_eq!(hit.header("vary"), "Accept-Encoding");
    }
    assert_eq!(app.runs(), 5);
}

#[tokio::test]
async fn one_of_several_fields_that_differs_is_enough() {
    let app = app("accept, Accept-Language", "accept-language");
    let (json, html) = (("accept", "a/json"), ("accept", "text/html"));
    let (en, de) = (("accept-language", "en"), ("accept-language", "de"));
    for fields in [[json, en], [json, de], [html, en], [html, de]] {
        assert!(!ask(&app, &fields).await.is_hit(), "{fields:?}");
    }
    for fields in [[en, json], [de, json], [en, html], [de, html]] {
        assert!(ask(&app, &fields).await.is_hit(), "{fields:?}");
    }
    assert_eq!(app.runs(), 4);
}

#[tokio::test]
async fn fields_that_are_not_named_do_not_matter() {
    let app = app("accept", "accept");
    ask(&app, &[("accept", "a/b"), ("user-agent", "one")]).await;
    let hit = ask(&app, &[("user-agent", "two"), ("accept", "a/b")]).await;
    assert!(hit.is_hit());
}

/// A handler may read the first line alone.
#[tokio::test]
async fn a_list_in_two_lines_has_an_answer_of_its_own() {
    let app = app("accept", "accept");
    let lists: [(Fields<'_>, &str); 3] = [
        (&[("accept", "a/b, c/d")], r#"["a/b, c/d"]"#),
        (&[("accept", "a/b"), ("accept", "c/d")], r#"["a/b", "c/d"]"#),
        (&[("accept", "c/d"), ("accept", "a/b")], r#"["c/d", "a/b"]"#),
    ];
    for _ in 0..2 {
        for (fields, expected) in lists {
            assert_eq!(ask(&app, fields).await.text(), expected);
        }
    }
    assert_eq!(app.runs(), 3);
}

/// RFC 9111 §4.1: only what is known to mean the same may be taken for the same.
#[tokio::test]
async fn white_space_inside_a_quoted_string_counts() {
    let app = app("x-name", "x-name");
    ask(&app, &[("x-name", r#""a, b""#)]).await;
    let other = ask(&app, &[("x-name", r#""a,b""#)]).await;
    assert_eq!(other.text(), r#"["\"a,b\""]"#);
}

#[tokio::test]
async fn answers_of_one_uri_may_vary_by_different_fields() {
    let app = App::new(CacheConfig::default(), |parts, run| {
        let vary = match parts.headers.contains_key("x-beta") {
            true => "x-beta, accept",
            false => "x-beta",
        };
        reply(200, &[("vary", vary)], format!("run {run}"))
    });
    let asks: [Fields<'_>; 3] = [
        &[("accept", "a/b")],
        &[("x-beta", "1"), ("accept", "a/b")],
        &[("x-beta", "1"), ("accept", "c/d")],
    ];
    for _ in 0..2 {
        for (run, fields) in asks.into_iter().enumerate() {
            assert_eq!(ask(&app, fields).await.text(), format!("run {run}"));
        }
    }
    assert_eq!(ask(&app, &[]).await.text(), "run 0");
}

/// RFC 9111 §4.1: of two answers that a request selects, the newer one.
#[tokio::test(start_paused = true)]
async fn of_several_answers_that_match_the_newest_is_given() {
    let app = App::new(CacheConfig::default(), |_, run| {
        let vary = ["x-a", "x-b", "x-a"][run];
        reply(200, &[("vary", vary)], format!("run {run}"))
    });
    let asks: [Fields<'_>; 3] = [
        &[("x-a", "1"), ("x-b", "1")],
        &[("x-a", "2"), ("x-b", "2")],
        &[("x-a", "3"), ("x-b", "3")],
    ];
    for (run, fields) in asks.into_iter().enumerate() {
        assert_eq!(ask(&app, fields).await.text(), format!("run {run}"));
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
    }
    let both: [(Fields<'_>, &str); 2] = [
        (&[("x-a", "1"), ("x-b", "2")], "run 1"),
        (&[("x-a", "3"), ("x-b", "2")], "run 2"),
    ];
    for (fields, newest) in both {
        let answer = ask(&app, fields).await;
        assert_eq!((answer.is_hit(), answer.text()), (true, newest));
    }
}

#[tokio::test]
async fn an_answer_that_stopped_varying_is_for_everybody() {
    let app = App::new(CacheConfig::default(), |_, run| {
        let control = if run < 2 { "max-age=0" } else { "max-age=60" };
        let vary: Fields<'_> = &[("vary", "accept"), ("cache-control", control)];
        let fields = if run < 1 { &vary[..1] } else { &vary[1..] };
        reply(200, fields, format!("run {run}"))
    });
    let (json, html): (Fields<'_>, Fields<'_>) = (&[("accept", "a/b")], &[("accept", "c/d")]);
    assert_eq!(ask(&app, json).await.text(), "run 0");
    assert_eq!(ask(&app, html).await.text(), "run 1");
    assert_eq!(ask(&app, html).await.text(), "run 2");
    assert_eq!(ask(&app, html).await.text(), "run 2");
    assert_eq!(ask(&app, &[]).await.text(), "run 2");
}

#[tokio::test]
async fn a_name_in_vary_that_is_no_name_is_not_stored() {
    let app = app("accept language", "accept");
    ask(&app, &[]).await;
    assert!(!ask(&app, &[]).await.is_hit());
    assert_eq!(app.cache.stats().local_entries, 0);
}

#[tokio::test]
async fn spellings_of_one_encoding_share_an_answer() {
    let app = app("Accept-Encoding", "accept-encoding");
    let first = ask(&app, &[("accept-encoding", "gzip, br;q=0.50")]).await;
    for same in ["br;q=0.5,GZIP", "x-gzip, br; q=0.500", "gzip,,br;Q=.5"] {
        let answer = ask(&app, &[("accept-encoding", same)]).await;
        let readable = !same.contains("Q=.5");
        assert_eq!(answer.is_hit(), readable, "{same}");
        assert_eq!(answer.text() == first.text(), readable, "{same}");
    }
    let other = ask(&app, &[("accept-encoding", "gzip, br")]).await;
    assert!(!other.is_hit(), "another weight is another preference");
}

#[tokio::test]
async fn of_too_many_variants_of_a_key_the_oldest_go() {
    const MOST: usize = 64;
    let redis = Redis::start().await;
    for config in [CacheConfig::builder(), redis.config()] {
        let shared = config.build().expect("usable");
        let app = App::new(shared, |_, run| counted(run, &[("vary", "x-kind")]));
        for kind in 0..MOST + 10 {
            app.get_with("/x", &[("x-kind", &kind.to_string())]).await;
        }
        until("written", async || app.cache.stats().queued_writes == 0).await;
        // The record of what it varies by is one more.
        assert!(app.cache.stats().local_entries <= MOST + 1);
        let newest = (MOST + 9).to_string();
        assert!(app.get_with("/x", &[("x-kind", &newest)]).await.is_hit());
        assert!(!app.get_with("/x", &[("x-kind", "0")]).await.is_hit());
    }
    let keys = redis.keys().await;
    let entries = keys.iter().filter(|key| key.contains("api_response"));
    // The last request stored one more, and the oldest of the others may not have gone yet.
    assert!(entries.count() <= MOST + 3);
}
