//! Many requests at once, and bodies that take their time.

mod support;

use bytes::Bytes;
use futures_util::future::join_all;
use http::request::Parts;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Frame;
use neuralblitz_cache::{
    Cache, CacheBody, CacheConfig, CacheConfigBuilder, CacheLayer, CacheService,
};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::until;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{advance, timeout};
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt, service_fn};

type Body = UnsyncBoxBody<Bytes, io::Error>;
type Handler = BoxCloneSyncService<Request<Empty<Bytes>>, Response<Body>, io::Error>;
type Fields<'a> = &'a [(&'static str, &'static str)];
type Sender = mpsc::UnboundedSender<io::Result<Frame<Bytes>>>;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Lets all tasks do what they can do now.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

fn reply(fields: Fields<'_>, body: Body) -> Response<Body> {
    let mut response = Response::builder();
    for (name, value) in fields {
        response = response.header(*name, *value);
    }
    response.body(body).expect("a response")
}

fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// A body that is what the channel brings, and ends with it.
fn channel() -> (Sender, Body) {
    let (send, frames) = mpsc::unbounded_channel();
    let frames = tokio_stream::wrappers::UnboundedReceiverStream::new(frames);
    (send, StreamBody::new(frames).boxed_unsync())
}

fn send(sender: &Sender, text: &'static str) {
    let sent = sender.send(Ok(Frame::data(text.into())));
    sent.expect("the body is wanted");
}

/// The senders of the bodies of the runs so far.
type Senders = Arc<Mutex<Vec<Sender>>>;

fn slow(senders: &Senders) -> Body {
    let (sender, body) = channel();
    senders.lock().expect("a lock").push(sender);
    body
}

fn finish(senders: &Senders) {
    senders.lock().expect("a lock").clear();
}

/// A service whose runs are counted; a run is told its request and its number.
#[derive(Clone)]
struct App {
    service: CacheService<Handler>,
    cache: Cache,
    runs: Arc<AtomicUsize>,
}

impl App {
    fn local<F, Fut>(handler: F) -> Self
    where
        F: Fn(Parts, usize) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Response<Body>> + Send + 'static,
    {
        Self::new(CacheConfig::builder(), handler)
    }

    fn new<F, Fut>(config: CacheConfigBuilder, handler: F) -> Self
    where
        F: Fn(Parts, usize) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Response<Body>> + Send + 'static,
    {
        let layer = CacheLayer::new(config.build().expect("usable"));
        let runs = Arc::new(AtomicUsize::new(0));
        let count = runs.clone();
        let handler = service_fn(move |request: Request<Empty<Bytes>>| {
            let run = count.fetch_add(1, Ordering::SeqCst);
            let answer = handler(request.into_parts().0, run);
            async move { Ok(answer.await) }
        });
        Self {
            cache: layer.cache(),
            service: layer.layer(BoxCloneSyncService::new(handler)),
            runs,
        }
    }

    async fn call(&self, fields: Fields<'_>) -> Response<CacheBody<Body>> {
        let mut request = Request::get("/item");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Empty::new()).expect("a request");
        let answer = self.service.clone().oneshot(request).await;
        answer.expect("answered")
    }

    async fn get(&self, fields: Fields<'_>) -> String {
        text(self.call(fields).await.into_body()).await
    }

    /// On a paused clock all that takes time is waiting for a timer.
    async fn get_at_once(&self) -> String {
        let answer = timeout(secs(1), self.get(&[])).await;
        answer.expect("it waits for nobody")
    }

    /// So many requests, each with a task of its own.
    fn herd(&self, size: usize) -> Vec<JoinHandle<String>> {
        let one = || {
            let app = self.clone();
            tokio::spawn(async move { app.get(&[]).await })
        };
        (0..size).map(|_| one()).collect()
    }

    fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }
}

async fn text(body: CacheBody<Body>) -> String {
    let bytes = body.collect().await.expect("whole").to_bytes();
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// The next bytes of a body, which are there.
async fn next(body: &mut CacheBody<Body>) -> Bytes {
    let frame = timeout(secs(1), body.frame()).await.expect("in time");
    let frame = frame.expect("one more").expect("good");
    frame.into_data().expect("data")
}

async fn all_say(herd: Vec<JoinHandle<String>>, expected: &str) {
    let answers = timeout(secs(5), join_all(herd)).await.expect("in time");
    for answer in answers {
        assert_eq!(answer.expect("answered"), expected);
    }
}

#[tokio::test]
async fn a_herd_for_two_variants_whose_bodies_come_slowly_runs_the_handler_twice() {
    let senders = Senders::default();
    let bodies = senders.clone();
    let app = App::local(move |request, _| {
        let body = slow(&bodies);
        let lang = request.headers["accept-language"].to_str().expect("text");
        let lang = Bytes::from(lang.to_owned());
        let last = bodies.lock().expect("a lock").last().cloned();
        let sent = last.expect("one").send(Ok(Frame::data(lang)));
        sent.expect("the body is there");
        async move { reply(&[("vary", "accept-language")], body) }
    });
    let heads = Arc::new(AtomicUsize::new(0));
    let herd = (0..100).map(|n| {
        let (app, heads) = (app.clone(), heads.clone());
        let lang = if n % 2 == 0 { "de" } else { "en" };
        tokio::spawn(async move {
            let answer = app.call(&[("accept-language", lang)]).await;
            heads.fetch_add(1, Ordering::SeqCst);
            assert_eq!(text(answer.into_body()).await, lang);
        })
    });
    let herd: Vec<_> = herd.collect();
    until("all have a head", async || {
        heads.load(Ordering::SeqCst) == 100
    })
    .await;
    finish(&senders);
    for one in herd {
        one.await.expect("the right variant");
    }
    assert_eq!(app.runs(), 2);
    for lang in ["de", "en"] {
        assert_eq!(app.get(&[("accept-language", lang)]).await, lang);
    }
    assert_eq!(app.runs(), 2, "and both were stored");
}

/// A purge while the first run has brought no head yet, or no end of its body.
async fn purged_during_a_fetch(has_head: bool) {
    let (senders, go) = (Senders::default(), Arc::new(Notify::new()));
    let (bodies, gate) = (senders.clone(), go.clone());
    let app = App::local(move |_, run| {
        let (bodies, gate) = (bodies.clone(), gate.clone());
        async move {
            if run > 0 {
                settle().await;
                return reply(&[], full(run.to_string()));
            }
            gate.notified().await;
            reply(&[], slow(&bodies))
        }
    });
    let leader = app.herd(1);
    until("the handler runs", async || app.runs() == 1).await;
    if has_head {
        go.notify_one();
        settle().await;
    }
    let _ = app.cache.purge_uri("/item").await.expect("a URI");
    let herd = app.herd(100);
    settle().await;
    go.notify_one();
    all_say(herd, "1").await;
    assert_eq!(app.runs(), 2);
    finish(&senders);
    all_say(leader, "").await;
    assert_eq!(app.get(&[]).await, "1", "a late fill is never served");
}

#[tokio::test]
async fn a_herd_after_a_purge_gets_one_new_fetch_while_the_old_one_has_no_head() {
    purged_during_a_fetch(false).await;
}

#[tokio::test]
async fn a_herd_after_a_purge_gets_one_new_fetch_while_the_old_body_still_comes() {
    purged_during_a_fetch(true).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stands_still_is_joined_for_thirty_seconds_and_no_longer() {
    let senders = Senders::default();
    let bodies = senders.clone();
    let app = App::local(move |_, run| {
        let body = match run {
            0 => slow(&bodies),
            _ => full(run.to_string()),
        };
        async move { reply(&[], body) }
    });
    let mut leader = app.call(&[]).await.into_body();
    let sender = senders.lock().expect("a lock")[0].clone();
    send(&sender, "a");
    let mut follower = app.call(&[]).await.into_body();
    for body in [&mut leader, &mut follower] {
        assert_eq!(next(body).await, "a");
    }
    advance(secs(29)).await;
    settle().await;
    drop(app.call(&[]).await);
    assert_eq!(app.runs(), 1, "it is joined");
    advance(secs(2)).await;
    settle().await;
    for _ in 0..3 {
        assert_eq!(app.get_at_once().await, "1");
    }
    send(&sender, "b");
    for body in [&mut leader, &mut follower] {
        assert_eq!(next(body).await, "b", "who reads it reads on");
    }
    drop(sender);
    finish(&senders);
    for body in [leader, follower] {
        assert_eq!(text(body).await, "");
    }
    assert_eq!(app.get_at_once().await, "1", "the newer one stays");
}

#[tokio::test(start_paused = true)]
async fn of_a_handler_that_hangs_only_who_came_first_waits_the_whole_time() {
    let app = App::local(|_, run| async move {
        if run < 2 {
            std::future::pending::<()>().await;
        }
        settle().await;
        reply(&[], full(run.to_string()))
    });
    let hanging = app.herd(2);
    settle().await;
    assert_eq!(app.runs(), 1);
    advance(secs(11)).await;
    settle().await;
    assert_eq!(app.runs(), 2, "the follower goes on alone");
    let herd = timeout(secs(1), join_all(app.herd(50))).await;
    for answer in herd.expect("at once") {
        assert_eq!(answer.expect("answered"), "2");
    }
    assert_eq!(app.runs(), 3);
    for call in hanging {
        call.abort();
    }
}

/// The first body is so many seconds on its way when a second request comes.
async fn followed_after(age: u64, max_age: &'static str) -> (Response<CacheBody<Body>>, usize) {
    let senders = Senders::default();
    let bodies = senders.clone();
    let app = App::local(move |_, run| {
        let body = match run {
            0 => slow(&bodies),
            _ => full(run.to_string()),
        };
        async move { reply(&[("cache-control", max_age)], body) }
    });
    let leader = app.call(&[]).await;
    advance(secs(age)).await;
    let follower = app.call(&[]).await;
    finish(&senders);
    assert_eq!(text(leader.into_body()).await, "");
    (follower, app.runs())
}

#[tokio::test(start_paused = true)]
async fn a_follower_gets_no_answer_past_its_lifetime() {
    let (follower, runs) = followed_after(3, "max-age=1").await;
    assert!(!follower.headers().contains_key("age"));
    assert_eq!((text(follower.into_body()).await.as_str(), runs), ("1", 2));
}

#[tokio::test(start_paused = true)]
async fn a_follower_is_told_how_old_the_answer_is() {
    let (follower, runs) = followed_after(3, "max-age=60").await;
    assert_eq!(
        (&follower.headers()["age"], runs),
        (&"3".parse().expect("a value"), 1)
    );
    let (follower, runs) = followed_after(0, "max-age=60").await;
    assert!(!follower.headers().contains_key("age"));
    assert_eq!(runs, 1);
}

#[tokio::test]
async fn trailers_reach_the_leader_and_its_follower_and_such_a_body_is_not_stored() {
    let app = App::local(|_, run| async move {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-run", run.into());
        let frames = [Frame::data(Bytes::from("a")), Frame::trailers(trailers)];
        let frames = tokio_stream::iter(frames.map(Ok));
        reply(&[], StreamBody::new(frames).boxed_unsync())
    });
    let (leader, follower) = (app.call(&[]).await, app.call(&[]).await);
    assert_eq!(app.runs(), 1);
    for answer in [leader, follower] {
        let whole = answer.into_body().collect().await.expect("whole");
        let run = whole.trailers().expect("trailers")["x-run"].clone();
        assert_eq!((run, whole.to_bytes()), (0.into(), "a".into()));
    }
    assert_eq!(app.get(&[]).await, "a");
    assert_eq!(app.runs(), 2, "it was not stored");
}
