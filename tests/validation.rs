//! Asking the handler whether what is stored still holds (RFC 9111 §4.3).

#[path = "support/scripted.rs"]
mod scripted;
mod support;

use axum::body::Body;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use neuralblitz_cache::{CacheConfig, CacheTags, ClientDirectives, Purge, Purged};
use scripted::{App, Fields, fwd, reply, ttl};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::redis::Redis;
use support::until;
use support::web::Answer;
use tokio::time::advance;

const TAG: (&str, &str) = ("etag", "\"1\"");
const BRIEF: (&str, &str) = ("cache-control", "max-age=10");
const LONG: (&str, &str) = ("cache-control", "max-age=600, stale-while-revalidate=600");
const DATE: (&str, &str) = ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT");

/// What the handler was asked, run by run.
type Asked = Arc<Mutex<Vec<http::HeaderMap>>>;

fn config() -> CacheConfig {
    CacheConfig::builder()
        .validation(true)
        .build()
        .expect("usable")
}

/// The first run answers 200 with `first`, all others what `then` says.
fn app(
    config: CacheConfig,
    first: Fields<'static>,
    then: impl Fn(&Parts, usize) -> Response<Body> + Send + Sync + 'static,
) -> (App, Asked) {
    let asked = Asked::default();
    let heard = asked.clone();
    let app = App::new(config, move |parts, run| {
        heard.lock().expect("no panic").push(parts.headers.clone());
        match run {
            0 => reply(200, first, "stored"),
            _ => then(parts, run),
        }
    });
    (app, asked)
}

fn condition(asked: &Asked, run: usize) -> (String, String) {
    let asked = asked.lock().expect("no panic");
    let of = |name| {
        let value = asked[run].get(name);
        value.map_or(String::new(), |value| value.to_str().expect("text").into())
    };
    (of("if-none-match"), of("if-modified-since"))
}

async fn in_redis(app: &App) {
    let queued = || app.cache.stats().queued_writes;
    until("it is in redis", async || queued() == 0).await;
}

/// Past its lifetime by a second.
async fn stale() {
    advance(Duration::from_secs(11)).await;
}

fn not_modified(fields: Fields<'static>) -> impl Fn(&Parts, usize) -> Response<Body> {
    move |_, _| reply(304, fields, Body::empty())
}

#[tokio::test(start_paused = true)]
async fn a_304_makes_what_is_stored_fresh_again() {
    let update = &[("cache-control", "max-age=20"), ("x-new", "1")];
    let (app, asked) = app(
        config(),
        &[TAG, DATE, BRIEF, ("x-old", "1")],
        not_modified(update),
    );
    app.get("/x").await;
    stale().await;
    let answer = app.get("/x").await;
    assert_eq!((answer.status, answer.text()), (StatusCode::OK, "stored"));
    assert_eq!((answer.header("x-old"), answer.header("x-new")), ("1", "1"));
    assert_eq!(fwd(&answer), ("stale".into(), true));
    assert!(
        answer.cache().contains("fwd-status=304"),
        "{}",
        answer.cache()
    );
    let (tag, date) = condition(&asked, 1);
    assert_eq!((&*tag, &*date), ("\"1\"", DATE.1));
    let hit = app.get("/x").await;
    assert_eq!((hit.text(), ttl(&hit)), ("stored", Some(20)));
    assert_eq!(app.runs(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_clients_own_condition_is_answered_from_what_is_validated() {
    let (app, asked) = app(config(), &[TAG, BRIEF], not_modified(&[]));
    app.get("/x").await;
    stale().await;
    let has = app.get_with("/x", &[("if-none-match", "\"1\"")]).await;
    assert_eq!((has.status, has.text()), (StatusCode::NOT_MODIFIED, ""));
    stale().await;
    let has_not = app.get_with("/x", &[("if-none-match", "\"2\"")]).await;
    assert_eq!((has_not.status, has_not.text()), (StatusCode::OK, "stored"));
    for run in 1..=2 {
        assert_eq!(
            condition(&asked, run).0,
            "\"1\"",
            "what is stored is asked about"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_200_takes_the_place_of_what_was_stored() {
    let (app, _) = app(config(), &[TAG, BRIEF], |_, run| {
        reply(200, &[("etag", "\"2\""), BRIEF], format!("run {run}"))
    });
    app.get("/x").await;
    stale().await;
    assert_eq!(app.get("/x").await.text(), "run 1");
    let hit = app.get("/x").await;
    assert_eq!((hit.text(), hit.header("etag")), ("run 1", "\"2\""));
}

#[tokio::test(start_paused = true)]
async fn what_says_no_cache_is_stored_and_validated_each_time() {
    for control in ["no-cache", "max-age=0", "no-cache, max-age=60"] {
        let first = [TAG, ("cache-control", control)];
        let first: Fields<'static> = Box::leak(Box::new(first));
        let (app, asked) = app(config(), first, not_modified(&[]));
        app.get("/x").await;
        for run in 1..4 {
            let answer = app.get("/x").await;
            assert_eq!((answer.status, answer.text()), (StatusCode::OK, "stored"));
            assert_eq!(app.runs(), run + 1);
            assert_eq!(condition(&asked, run).0, "\"1\"", "{control}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn many_requests_for_what_is_stale_are_one_validation() {
    let (app, _) = app(config(), &[TAG, BRIEF], not_modified(&[BRIEF]));
    app.get("/x").await;
    stale().await;
    let answers: Vec<Answer> = futures_util::future::join_all((0..50).map(|_| app.get("/x"))).await;
    assert!(answers.iter().all(|answer| answer.text() == "stored"));
    assert_eq!(app.runs(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_304_that_forbids_storing_answers_once() {
    let (app, asked) = app(
        config(),
        &[TAG, BRIEF],
        not_modified(&[("cache-control", "no-store")]),
    );
    app.get("/x").await;
    stale().await;
    let answer = app.get("/x").await;
    assert_eq!((answer.text(), fwd(&answer).1), ("stored", false));
    app.get("/x").await;
    assert_eq!(condition(&asked, 2).0, "", "it is gone");
}

#[tokio::test(start_paused = true)]
async fn an_entity_tag_made_here_is_not_asked_about() {
    let (app, asked) = app(config(), &[DATE, BRIEF], not_modified(&[BRIEF]));
    let first = app.get("/x").await;
    assert!(!first.headers.contains_key("etag"));
    assert!(!app.get("/x").await.header("etag").is_empty(), "made here");
    stale().await;
    assert_eq!(app.get("/x").await.text(), "stored");
    assert_eq!(condition(&asked, 1), (String::new(), DATE.1.into()));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_asks_for_validation_gets_it_where_clients_may() {
    let config = CacheConfig::builder()
        .validation(true)
        .client_directives(ClientDirectives::Obey);
    let (app, asked) = app(
        config.build().expect("usable"),
        &[TAG, ("cache-control", "max-age=100")],
        not_modified(&[]),
    );
    app.get("/x").await;
    for (run, ask) in ["no-cache", "max-age=0"].into_iter().enumerate() {
        advance(Duration::from_secs(1)).await;
        let answer = app.get_with("/x", &[("cache-control", ask)]).await;
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, "stored"));
        assert_eq!(condition(&asked, run + 1).0, "\"1\"", "{ask}");
    }
    assert!(app.get("/x").await.is_hit());
}

#[tokio::test(start_paused = true)]
async fn max_stale_accepts_what_is_stale_but_not_what_must_be_revalidated() {
    for (control, accepted) in [
        ("max-age=10", true),
        ("max-age=10, must-revalidate", false),
        ("s-maxage=10", false),
    ] {
        let first: Fields<'static> = Box::leak(Box::new([TAG, ("cache-control", control)]));
        let config = CacheConfig::builder()
            .validation(true)
            .client_directives(ClientDirectives::Obey);
        let (app, _) = app(config.build().expect("usable"), first, not_modified(&[]));
        app.get("/x").await;
        stale().await;
        let answer = app
            .get_with("/x", &[("cache-control", "max-stale=5")])
            .await;
        assert_eq!(answer.is_hit(), accepted, "{control}: {}", answer.cache());
        if accepted {
            assert_eq!(ttl(&answer), Some(-1));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_it_could_be_purged_by_it_still_can_be() {
    let (app, _) = app(config(), &[TAG, BRIEF], not_modified(&[BRIEF]));
    let tagged = App::new(config(), |_, run| {
        let mut response = match run {
            0 => reply(200, &[TAG, BRIEF], "stored"),
            1 => return reply(304, &[BRIEF], Body::empty()),
            _ => reply(200, &[TAG, BRIEF], "new"),
        };
        let tags = CacheTags::new(["a"]);
        response.extensions_mut().insert(tags);
        response
    });
    drop(app);
    tagged.get("/x").await;
    stale().await;
    assert_eq!(tagged.get("/x").await.text(), "stored");
    assert!(tagged.get("/x").await.is_hit());
    let purged = tagged.cache.purge_tag("a").await.expect("a tag");
    assert_eq!(purged, Purged::Applied);
    assert_eq!(tagged.get("/x").await.text(), "new");
}

#[tokio::test(start_paused = true)]
async fn a_head_makes_what_is_stored_fresh_or_stale() {
    let (app, _) = app(config(), &[TAG, BRIEF], |parts, run| {
        if parts.method != Method::HEAD {
            return reply(200, &[("etag", "\"2\""), BRIEF], "new");
        }
        match run {
            1 => reply(200, &[TAG, BRIEF, ("x-new", "1")], Body::empty()),
            _ => reply(200, &[("etag", "\"2\""), BRIEF], Body::empty()),
        }
    });
    app.get("/x").await;
    stale().await;
    assert!(!app.ask(Method::HEAD, "/x", &[]).await.is_hit());
    let fresh = app.get("/x").await;
    assert!(fresh.is_hit(), "{}", fresh.cache());
    assert_eq!((fresh.text(), fresh.header("x-new")), ("stored", "1"));
    stale().await;
    app.ask(Method::HEAD, "/x", &[]).await;
    assert_eq!(app.get("/x").await.text(), "new");
}

/// It differs in nothing because it says nothing.
#[tokio::test(start_paused = true)]
async fn a_head_without_a_validator_makes_nothing_fresh() {
    let (app, _) = app(config(), &[BRIEF], |parts, _| {
        let text = if parts.method == Method::HEAD {
            ""
        } else {
            "new"
        };
        reply(200, &[BRIEF], text)
    });
    app.get("/x").await;
    stale().await;
    app.ask(Method::HEAD, "/x", &[]).await;
    assert_eq!(app.get("/x").await.text(), "new");
}

/// For one tone only the first response holds, and says so by another `Vary` than before.
async fn toned(before: &'static str, cache: &'static str) -> App {
    let first = Box::leak(Box::new([TAG, ("cache-control", cache), ("vary", before)]));
    let vary = ("vary", "x-tone");
    let (app, _) = app(config(), first, move |parts, _| {
        let tone = parts.headers.get("x-tone");
        let asked = parts.headers.contains_key("if-none-match");
        match tone.map(http::HeaderValue::as_bytes) {
            Some(b"low") if asked => {
                reply(304, &[TAG, ("cache-control", cache), vary], Body::empty())
            }
            _ => reply(200, &[("cache-control", cache), vary], "high"),
        }
    });
    app.get_with("/x", &[LOW]).await;
    stale().await;
    app
}

const LOW: (&str, &str) = ("x-tone", "low");
const HIGH: (&str, &str) = ("x-tone", "high");

#[tokio::test(start_paused = true)]
async fn a_304_that_says_by_what_its_response_varies_makes_it_that_of_its_request() {
    for before in ["", "accept"] {
        let app = toned(before, "max-age=10").await;
        assert_eq!(app.get_with("/x", &[LOW]).await.text(), "stored");
        let high = app.get_with("/x", &[HIGH]).await;
        assert_eq!(high.text(), "high", "{}", high.cache());
        let again = app.get_with("/x", &[LOW]).await;
        let said = again.cache();
        assert!(again.is_hit() && again.text() == "stored", "{said}");
    }
}

/// A date alone does not say that it was made for these fields.
#[tokio::test(start_paused = true)]
async fn a_304_without_a_tag_binds_what_is_stored_to_no_field() {
    let update = &[BRIEF, ("vary", "x-tone")];
    let (app, _) = app(config(), &[DATE, BRIEF], |_, run| match run {
        1 => reply(304, update, Body::empty()),
        _ => reply(200, update, "new"),
    });
    app.get("/x").await;
    stale().await;
    assert_eq!(app.get_with("/x", &[LOW]).await.text(), "stored");
    assert_eq!(app.get_with("/x", &[LOW]).await.text(), "new");
}

/// Nor is it served stale by what it varied by before.
#[tokio::test(start_paused = true)]
async fn what_varies_by_more_now_answers_by_less_no_more() {
    let app = toned("accept", "max-age=10, stale-while-revalidate=600").await;
    assert!(app.get_with("/x", &[LOW]).await.is_hit(), "stale");
    until("it is validated", async || {
        app.get_with("/x", &[LOW]).await.cache().contains("ttl=10")
    })
    .await;
    let high = app.get_with("/x", &[HIGH]).await;
    assert_eq!(high.text(), "high", "{}", high.cache());
}

/// What adds to `Vary` by the content says less where there is none.
#[tokio::test(start_paused = true)]
async fn a_304_takes_nothing_from_what_its_response_varies_by() {
    let app = toned("accept-encoding, x-tone", "max-age=10").await;
    assert_eq!(app.get_with("/x", &[LOW]).await.text(), "stored");
    let vary = app.get_with("/x", &[LOW]).await;
    assert_eq!(
        (vary.is_hit(), vary.header("vary")),
        (true, "accept-encoding, x-tone")
    );
    let other = app.get_with("/x", &[("accept-encoding", "gzip")]).await;
    assert!(!other.is_hit(), "{}", other.cache());
    let other = app
        .get_with("/x", &[LOW, ("accept-encoding", "gzip")])
        .await;
    assert!(!other.is_hit(), "{}", other.cache());
}

/// Not from Redis either.
#[tokio::test]
async fn what_a_304_makes_private_answers_nobody_any_more() {
    let redis = Redis::start().await;
    let instance = || {
        let config = redis.config().validation(true).build();
        let private = not_modified(&[("cache-control", "private")]);
        app(config.expect("usable"), &[TAG, LONG], private).0
    };
    let a = instance();
    a.get("/x").await;
    in_redis(&a).await;
    assert!(instance().get("/x").await.is_hit());
    let soft = a.cache.purge(Purge::uri("/x").soft()).await;
    assert_eq!(soft.expect("a URI"), Purged::Applied);
    let stale = a.get("/x").await;
    assert!(stale.is_hit(), "and validated meanwhile");
    until("it is purged", async || {
        let stats = a.cache.stats();
        stats.purges == 2 && stats.queued_purges == 0
    })
    .await;
    let other = instance().get("/x").await;
    assert!(!other.is_hit(), "{}", other.cache());
}

#[tokio::test]
async fn what_another_instance_validated_is_fresh_here() {
    let redis = Redis::start().await;
    let instance = || {
        let config = redis.config().validation(true).build();
        app(
            config.expect("usable"),
            &[TAG, ("cache-control", "max-age=1")],
            not_modified(&[("cache-control", "max-age=600")]),
        )
    };
    let ((a, _), (b, asked)) = (instance(), instance());
    a.get("/x").await;
    in_redis(&a).await;
    // b's first run would answer 200: it is spent on another path.
    b.get("/other").await;
    until("it is stale, and validated by b", async || {
        b.get("/x").await.cache().contains("fwd-status=304")
    })
    .await;
    assert_eq!(condition(&asked, b.runs() - 1).0, "\"1\"");
    in_redis(&b).await;
    let there = a.get("/x").await;
    assert!(
        ttl(&there).is_some_and(|ttl| ttl > 500),
        "{}",
        there.cache()
    );
    assert_eq!(a.runs(), 1);
}
