//! Parts that are stored, and what they make together (RFC 9111 §3.3, §3.4).

#[path = "support/scripted.rs"]
mod scripted;
mod support;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::request::Parts;
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use neuralblitz_cache::{CacheConfig, CacheConfigBuilder, CacheLayer, Purged};
use scripted::{App, Fields, fwd, reply, request};
use std::io;
use std::sync::{Arc, Mutex};
use support::redis::Redis;
use support::until;
use support::web::Answer;
use tokio::sync::oneshot;

const WHOLE: &str = "0123456789";
const FRESH: (&str, &str) = ("cache-control", "max-age=60");
const TAG: (&str, &str) = ("etag", "\"a\"");

fn parts() -> CacheConfigBuilder {
    CacheConfig::builder().store_parts(true)
}

fn built(builder: CacheConfigBuilder) -> CacheConfig {
    builder.build().expect("usable")
}

/// The range that a request names, its end not counted.
fn range(parts: &Parts) -> (usize, usize) {
    let range = parts.headers.get("range").expect("a range");
    let range = range.to_str().expect("text").strip_prefix("bytes=");
    let (first, last) = range.and_then(|r| r.split_once('-')).expect("a range");
    let last = last.parse().map_or(WHOLE.len(), |last: usize| last + 1);
    (first.parse().expect("a number"), last.min(WHOLE.len()))
}

/// The part of [`WHOLE`] that is asked for, with these fields.
fn part(parts: &Parts, fields: Fields<'_>) -> Response<Body> {
    let (first, end) = range(parts);
    let which = format!("bytes {first}-{}/{}", end - 1, WHOLE.len());
    let fields = [fields, &[("content-range", &*which)]].concat();
    reply(206, &fields, &WHOLE[first..end])
}

impl App {
    async fn range(&self, range: &str) -> Answer {
        self.get_with("/x", &[("range", &format!("bytes={range}"))])
            .await
    }

    /// What was said: whether it was a hit, the status and the content.
    async fn says_of(&self, range: &str) -> (bool, u16, String) {
        let answer = self.range(range).await;
        let text = answer.text().to_owned();
        (answer.is_hit(), answer.status.as_u16(), text)
    }
}

#[tokio::test]
async fn parts_of_one_strong_validator_answer_as_one_and_make_the_whole() {
    let app = App::new(built(parts()), |request, run| {
        let run = run.to_string();
        part(request, &[TAG, FRESH, ("x-run", &*run)])
    });
    for (range, why) in [("0-3", "uri-miss"), ("4-6", "partial"), ("7-", "partial")] {
        let answer = app.range(range).await;
        assert_eq!(fwd(&answer), (why.into(), true), "{range}");
        let (first, _) = range.split_once('-').expect("a range");
        let (held, hit) = (format!("0-{first}"), app.range("2-3").await);
        assert!(hit.is_hit(), "{range}");
        assert_eq!(hit.text(), "23");
        assert!(app.range(&held).await.is_hit(), "{held}");
    }
    let whole = app.get("/x").await;
    assert!(whole.is_hit());
    assert_eq!((whole.status, whole.text()), (StatusCode::OK, WHOLE));
    assert_eq!(whole.header("content-length"), "10");
    assert!(!whole.headers.contains_key("content-range"));
    assert_eq!(whole.header("x-run"), "2", "the newest fields are its own");
    for (range, text) in [("-2", "89"), ("3-7", "34567")] {
        assert_eq!(app.says_of(range).await, (true, 206, text.into()));
    }
    assert_eq!(app.runs(), 3);
}

#[tokio::test]
async fn a_larger_part_says_which_bytes_it_has() {
    let app = App::new(built(parts()), |request, _| part(request, &[TAG, FRESH]));
    for range in ["4-5", "2-4"] {
        app.range(range).await;
    }
    let hit = app.range("3-5").await;
    assert_eq!((hit.status.as_u16(), hit.text()), (206, "345"));
    assert_eq!(hit.header("content-range"), "bytes 3-5/10");
    assert_eq!(hit.header("content-length"), "3");
    assert!(hit.is_hit());
    assert!(!app.range("1-2").await.is_hit());
}

#[tokio::test]
async fn parts_that_may_be_of_different_contents_are_never_one() {
    const WEAK: (&str, &str) = ("etag", "W/\"a\"");
    const CASES: [(Fields<'_>, Fields<'_>); 5] = [
        (&[TAG], &[("etag", "\"b\"")]),
        (&[WEAK], &[WEAK]),
        (&[TAG], &[]),
        (&[], &[]),
        (&[TAG, ("content-encoding", "gzip")], &[TAG]),
    ];
    for (first, second) in CASES {
        let app = App::new(built(parts()), move |request, run| {
            let fields = if run == 0 { first } else { second };
            part(request, &[fields, &[FRESH]].concat())
        });
        app.range("0-4").await;
        app.range("5-9").await;
        let newest = app.says_of("5-9").await;
        assert_eq!(newest, (true, 206, "56789".into()), "{first:?} {second:?}");
        assert!(!app.range("4-5").await.is_hit(), "{first:?} {second:?}");
    }
}

#[tokio::test]
async fn past_a_gap_or_the_largest_body_a_part_is_stored_by_itself() {
    let small = parts().max_body(8);
    for (config, first, second) in [(parts(), "0-2", "4-9"), (small, "0-4", "5-9")] {
        let app = App::new(built(config), |request, _| part(request, &[TAG, FRESH]));
        app.range(first).await;
        app.range(second).await;
        assert!(app.range(second).await.is_hit(), "{second}");
        assert!(!app.range("0-1").await.is_hit(), "{second}");
    }
}

#[tokio::test]
async fn what_purges_one_of_them_purges_both() {
    for tag in ["first", "second"] {
        let app = App::new(built(parts()), |request, run| {
            let tag = if run == 0 { "first" } else { "second" };
            part(request, &[TAG, FRESH, ("cache-tag", tag)])
        });
        app.range("0-4").await;
        app.range("5-9").await;
        assert!(app.get("/x").await.is_hit());
        assert_eq!(app.cache.purge_tag(tag).await.ok(), Some(Purged::Applied));
        assert!(!app.range("4-5").await.is_hit(), "{tag}");
        assert!(!app.range("8-9").await.is_hit(), "{tag}");
    }
}

type Sender = oneshot::Sender<io::Result<Bytes>>;

/// Answers a part at once; of those from `5-` on the content is sent by hand.
fn by_hand(config: CacheConfig) -> (App, Arc<Mutex<Option<Sender>>>) {
    let sender: Arc<Mutex<Option<Sender>>> = Arc::default();
    let hand = sender.clone();
    let app = App::new(config, move |request, _| {
        let mut response = part(request, &[TAG, FRESH]);
        if range(request).0 == 5 {
            let (tell, told) = oneshot::channel();
            *hand.lock().expect("no panic") = Some(tell);
            let content = async { told.await.unwrap_or_else(|_| Ok(Bytes::new())) };
            *response.body_mut() = Body::from_stream(stream::once(content));
        }
        response
    });
    (app, sender)
}

fn send(sender: &Mutex<Option<Sender>>, content: io::Result<Bytes>) {
    let sender = sender.lock().expect("no panic").take().expect("asked");
    sender.send(content).expect("awaited");
}

#[tokio::test]
async fn a_purge_while_the_second_part_is_on_its_way_covers_what_they_make() {
    let (app, sender) = by_hand(built(parts()));
    app.range("0-4").await;
    let get = request(http::Method::GET, "/x", &[("range", "bytes=5-9")]);
    let second = app.response(get).await;
    assert_eq!(app.cache.purge_uri("/x").await.ok(), Some(Purged::Applied));
    send(&sender, Ok("56789".into()));
    assert_eq!(
        second
            .into_body()
            .collect()
            .await
            .expect("whole")
            .to_bytes(),
        "56789"
    );
    for range in ["0-4", "6-7"] {
        assert!(!app.range(range).await.is_hit(), "{range}");
    }
}

#[tokio::test]
async fn a_part_that_breaks_off_or_is_too_short_adds_nothing() {
    for content in [Err(io::Error::other("broken")), Ok("567".into())] {
        let (app, sender) = by_hand(built(parts()));
        app.range("0-4").await;
        let get = request(http::Method::GET, "/x", &[("range", "bytes=5-9")]);
        let second = app.response(get).await;
        let broke = content.is_err();
        send(&sender, content);
        let read = second.into_body().collect().await;
        assert_eq!(read.is_err(), broke);
        if broke {
            let first = app.says_of("0-4").await;
            assert_eq!(first, (true, 206, "01234".into()));
        }
        assert!(!app.range("4-5").await.is_hit());
    }
}

/// A tag made from the bytes of a part would be that of another representation.
#[tokio::test]
async fn no_entity_tag_is_made_for_a_part() {
    let app = App::new(built(parts().etag(true)), |request, _| {
        part(request, &[FRESH])
    });
    app.range("0-4").await;
    let hit = app.range("0-4").await;
    assert!(hit.is_hit() && !hit.headers.contains_key("etag"));
}

#[tokio::test(start_paused = true)]
async fn a_part_makes_a_stale_whole_fresh_again() {
    let app = App::new(built(parts().validation(true)), |request, _| match request
        .headers
        .contains_key("range")
    {
        true => part(request, &[TAG, FRESH]),
        false => reply(200, &[TAG, FRESH, ("x-old", "1")], WHOLE),
    });
    app.get("/x").await;
    tokio::time::advance(std::time::Duration::from_secs(61)).await;
    let answer = app.range("3-4").await;
    assert_eq!((answer.is_hit(), answer.text()), (false, "34"));
    let whole = app.get("/x").await;
    assert!(whole.is_hit());
    assert_eq!((whole.status, whole.text()), (StatusCode::OK, WHOLE));
    assert_eq!(whole.header("x-old"), "1");
    assert_eq!(app.runs(), 2);
}

#[tokio::test]
async fn parts_that_two_instances_fetched_are_one_to_both() {
    let redis = Redis::start().await;
    let app = || {
        let config = built(redis.config().store_parts(true));
        App::behind(CacheLayer::new(config), |request, _| {
            part(request, &[TAG, FRESH])
        })
    };
    let (one, two) = (app(), app());
    let written = async |app: &App| {
        let stats = || app.cache.stats();
        until("it is in Redis", async || {
            stats().stored > 0 && stats().queued_writes == 0
        })
        .await;
    };
    one.range("0-4").await;
    written(&one).await;
    assert!(two.range("1-2").await.is_hit());
    two.range("5-9").await;
    written(&two).await;
    for app in [&one, &two] {
        let whole = app.get("/x").await;
        assert_eq!((whole.is_hit(), whole.text()), (true, WHOLE));
    }
    assert_eq!(one.cache.purge_uri("/x").await.ok(), Some(Purged::Applied));
    for (app, range) in [(&one, "0-4"), (&two, "7-9")] {
        assert!(!app.range(range).await.is_hit());
    }
}
