//! What a response, a layer or a reader that goes on for ever can do to others.

#[path = "support/scripted.rs"]
mod scripted;
mod support;

use axum::body::Body;
use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderName, Method, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use neuralblitz_cache::{Cache, CacheBody, CacheConfig, CacheLayer, KeyRules};
use scripted::{App, Fields, counted, fwd, read, reply, request, ttl};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::web::Answer;
use tokio::sync::mpsc;
use tokio::time::{advance, timeout};
use tower::{Layer, ServiceExt, service_fn};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Lets all tasks do what they can do now.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

const SHORT: Fields<'static> = &[("cache-control", "max-age=1")];

/// Open bodies: they end when these are dropped.
type Open = Arc<Mutex<Vec<mpsc::UnboundedSender<Result<Frame<Bytes>, Infallible>>>>>;

/// Answers every condition it sees with 304; the first run as told; else with a body that
/// ends when the test wants it.
fn conditional(first: Fields<'static>) -> (App, Open) {
    let open = Open::default();
    let bodies = open.clone();
    let app = App::new(CacheConfig::default(), move |parts, run| {
        if parts.headers.contains_key("if-none-match") {
            return reply(304, SHORT, "");
        }
        if run == 0 {
            return counted(run, first);
        }
        let (send, frames) = mpsc::unbounded_channel();
        bodies.lock().expect("a lock").push(send);
        let frames = tokio_stream::wrappers::UnboundedReceiverStream::new(frames);
        reply(200, SHORT, Body::new(StreamBody::new(frames)))
    });
    (app, open)
}

/// After a 304 of the handler's own a herd runs the handler once.
async fn a_304_says_nothing_of_the_key(first: Fields<'static>, condition: Fields<'_>) {
    let (app, open) = conditional(first);
    app.get("/x").await;
    // Whatever made the first answer uncacheable is still remembered, the answer is not.
    advance(secs(59)).await;
    let answer = app.get_with("/x", condition).await;
    assert_eq!(
        (answer.status.as_u16(), app.runs()),
        (304, 2),
        "{condition:?}"
    );
    advance(secs(2)).await;
    let herd = (0..50).map(|_| {
        let app = app.clone();
        tokio::spawn(async move { app.get("/x").await })
    });
    let herd: Vec<_> = herd.collect();
    settle().await;
    assert_eq!(app.runs(), 3, "{condition:?}");
    open.lock().expect("a lock").clear();
    for answer in join_all(herd).await {
        assert_eq!(answer.expect("answered").status, 200);
    }
    assert_eq!(app.runs(), 3, "{condition:?}");
}

#[tokio::test(start_paused = true)]
async fn a_304_of_the_handler_does_not_mark_its_key_as_uncacheable() {
    let tag = ("if-none-match", "\"a\"");
    let marked: Fields = &[("cache-control", "no-store")];
    a_304_says_nothing_of_the_key(marked, &[tag]).await;
    for other in [("cache-control", "no-store"), ("authorization", "alice")] {
        a_304_says_nothing_of_the_key(SHORT, &[tag, other]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_date_in_the_future_says_nothing_of_a_new_response_without_one() {
    let app = App::says(&[]);
    let future = ("if-modified-since", "Fri, 31 Dec 9999 23:59:59 GMT");
    let answer = app.get_with("/x", &[future]).await;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, "run 0"));
    assert_eq!(fwd(&answer), ("uri-miss".into(), true));
    assert_eq!(app.get("/x").await.text(), "run 0");
}

#[tokio::test(start_paused = true)]
async fn an_override_does_not_share_what_s_maxage_zero_says_of_credentials() {
    let layer = CacheLayer::new(CacheConfig::default()).override_ttl(secs(60));
    let app = App::behind(layer, |parts, _| {
        let who = parts.headers.get("authorization").cloned();
        let who = who.map_or(Bytes::new(), |who| Bytes::copy_from_slice(who.as_bytes()));
        reply(200, &[("cache-control", "s-maxage=0")], who)
    });
    for who in ["alice", "bob", "alice"] {
        let answer = app.get_with("/x", &[("authorization", who)]).await;
        assert_eq!((answer.text(), answer.is_hit()), (who, false));
    }
    assert_eq!(app.get("/x").await.text(), "", "nor with who says nothing");
    assert_eq!(app.runs(), 4);
}

/// Two layers of one cache, and between them what keeps nothing of a response but its body.
/// Answers with the tenant.
async fn rebuilt(inner: fn(CacheLayer) -> CacheLayer, tenants: &[&'static str]) -> Vec<Answer> {
    let cache = Cache::new(CacheConfig::default());
    let handler = service_fn(|request: Request<Body>| async move {
        let tenant = request.headers()["x-tenant"].clone();
        let tenant = Bytes::copy_from_slice(tenant.as_bytes());
        Ok::<_, Infallible>(reply(200, &[], tenant))
    });
    let inner = inner(cache.layer()).layer(handler);
    let between = inner.map_response(|response| Response::new(Body::new(response.into_body())));
    let outer = cache.layer().layer(between);
    let mut answers = Vec::new();
    for tenant in tenants {
        let request = request(Method::GET, "/x", &[("x-tenant", tenant)]);
        let Ok(answer) = outer.clone().oneshot(request).await;
        answers.push(read(answer.map(Body::new)).await);
    }
    answers
}

#[tokio::test(start_paused = true)]
async fn a_key_of_an_inner_layer_counts_though_its_response_is_rebuilt() {
    let by_tenant =
        |layer: CacheLayer| layer.key(KeyRules::new().header(HeaderName::from_static("x-tenant")));
    let tenants = ["ann", "bob", "ann", "bob"];
    let answers = rebuilt(by_tenant, &tenants).await;
    for (answer, tenant) in answers.iter().zip(tenants) {
        assert_eq!(answer.text(), tenant);
        assert!(!answer.is_hit(), "the outer layer stores nothing");
    }
}

#[tokio::test(start_paused = true)]
async fn a_ttl_of_an_inner_layer_counts_though_its_response_is_rebuilt() {
    let answers = rebuilt(|layer| layer.ttl(secs(5)), &["ann", "ann"]).await;
    assert_eq!((ttl(&answers[0]), ttl(&answers[1])), (None, Some(5)));
}

/// Set when it is dropped.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A body without end, how often its stream was polled, and whether it is gone.
#[derive(Clone, Default)]
struct Endless {
    polls: Arc<AtomicUsize>,
    gone: Arc<AtomicBool>,
}

impl Endless {
    fn body(&self) -> Body {
        let (polls, alive) = (self.polls.clone(), Dropped(self.gone.clone()));
        let frames = futures_util::stream::poll_fn(move |_| {
            let _ = &alive;
            polls.fetch_add(1, Ordering::SeqCst);
            let frame = Frame::data(Bytes::from_static(&[0; 1024]));
            Some(Ok::<_, Infallible>(frame)).into()
        });
        Body::new(StreamBody::new(frames))
    }

    fn polls(&self) -> usize {
        self.polls.load(Ordering::SeqCst)
    }

    fn is_gone(&self) -> bool {
        self.gone.load(Ordering::SeqCst)
    }
}

type Read = CacheBody<Body>;

/// Two readers of an endless body past `max_body`, who read nothing.
async fn two_readers(endless: &Endless) -> [Read; 2] {
    let config = CacheConfig::builder().max_body(4096).build();
    let source = endless.clone();
    let handler = service_fn(move |_: Request<Body>| {
        let response = Response::new(source.body());
        async move { Ok::<_, Infallible>(response) }
    });
    let service = CacheLayer::new(config.expect("usable")).layer(handler);
    let ask = async || {
        let request = request(Method::GET, "/x", &[]);
        let Ok(response) = service.clone().oneshot(request).await;
        response.into_body()
    };
    let readers = [ask().await, ask().await];
    settle().await;
    assert!((4..10).contains(&endless.polls()), "{}", endless.polls());
    readers
}

#[tokio::test(start_paused = true)]
async fn readers_of_an_endless_body_who_stand_still_are_cut_off_and_it_ends() {
    let endless = Endless::default();
    let readers = two_readers(&endless).await;
    let before = endless.polls();
    advance(secs(29)).await;
    settle().await;
    assert_eq!(endless.polls(), before, "nothing is read ahead");
    assert!(!endless.is_gone());
    advance(secs(2)).await;
    settle().await;
    assert!(endless.is_gone());
    assert!(endless.polls() <= before + 2, "{}", endless.polls());
    for reader in readers {
        let read = timeout(secs(1), reader.collect()).await;
        assert!(
            read.expect("in time").is_err(),
            "what is cut is never whole"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_endless_body_that_all_its_readers_leave_ends() {
    let endless = Endless::default();
    let readers = two_readers(&endless).await;
    let before = endless.polls();
    drop(readers);
    settle().await;
    assert!(endless.is_gone());
    assert!(endless.polls() <= before + 2, "{}", endless.polls());
}
