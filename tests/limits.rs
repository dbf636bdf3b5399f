//! What is held at once is bounded, and the bound is a setting.

#[path = "support/counted.rs"]
mod counted;
mod support;

use bytes::Bytes;
use counted::{Body, streamed};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use neuralblitz_cache::{
    Cache, CacheBody, CacheConfig, CacheLayer, CacheService, Purge, Purged, RedisConfig,
};
use std::io;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use support::until;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt, service_fn};

type Frames = UnboundedSender<io::Result<&'static str>>;

/// An app whose bodies come as a test sends them.
struct App {
    service: CacheService<counted::Handler>,
    cache: Cache,
    bodies: Arc<Mutex<Vec<Frames>>>,
}

impl App {
    fn new(config: CacheConfig) -> Self {
        let bodies: Arc<Mutex<Vec<Frames>>> = Arc::default();
        let sent = bodies.clone();
        let handler = service_fn(move |_: Request<Empty<Bytes>>| {
            let (feed, frames) = unbounded_channel();
            sent.lock().expect("no panic").push(feed);
            async move { Ok::<_, io::Error>(Response::new(streamed(frames))) }
        });
        let layer = CacheLayer::new(config);
        Self {
            cache: layer.cache(),
            service: layer.layer(BoxCloneSyncService::new(handler)),
            bodies,
        }
    }

    async fn ask(&self, path: &str) -> CacheBody<Body> {
        let request = Request::get(path).body(Empty::new()).expect("a request");
        let answer = self.service.clone().oneshot(request).await;
        answer.expect("answered").into_body()
    }

    fn send(&self, nth: usize, text: &'static str) {
        let sent = self.bodies.lock().expect("no panic")[nth].send(Ok(text));
        sent.expect("somebody reads");
    }

    fn end_all(&self) {
        self.bodies.lock().expect("no panic").clear();
    }
}

async fn next(body: &mut CacheBody<Body>) -> Bytes {
    let frame = body.frame().await.expect("a frame").expect("whole");
    frame.into_data().expect("data")
}

#[tokio::test]
async fn a_body_that_would_go_beyond_what_may_be_pending_passes_and_is_not_stored() {
    let config = CacheConfig::builder().pending_bytes(10).build();
    let app = App::new(config.expect("usable"));
    let (mut first, mut second) = (app.ask("/1").await, app.ask("/2").await);
    app.send(0, "1234567");
    assert_eq!(next(&mut first).await, "1234567");
    app.send(1, "abcdefg");
    assert_eq!(next(&mut second).await, "abcdefg");
    assert_eq!(app.cache.stats().pending_bytes, 7, "the other is not kept");
    app.end_all();
    for body in [&mut first, &mut second] {
        assert!(body.frame().await.is_none());
    }
    assert_eq!(app.cache.stats().pending_bytes, 0);
    assert_eq!(app.cache.stats().local_entries, 1);
    let mut third = app.ask("/3").await;
    app.send(0, "ABCDEFG");
    assert_eq!(next(&mut third).await, "ABCDEFG");
    app.end_all();
    assert!(third.frame().await.is_none());
    assert_eq!(app.cache.stats().local_entries, 2, "there is room again");
}

#[tokio::test]
async fn past_the_bound_fetches_are_not_shared_and_all_are_answered() {
    const MOST: usize = 16;
    let most = NonZeroUsize::new(MOST).expect("some");
    let config = CacheConfig::builder().shared_fetches(most).build();
    let app = App::new(config.expect("usable"));
    let mut bodies = Vec::new();
    for n in 0..4 * MOST {
        bodies.push(app.ask(&format!("/{n}")).await);
    }
    let under_way = app.cache.stats().fetches_under_way;
    assert!((1..=MOST).contains(&under_way), "{under_way}");
    app.end_all();
    for body in bodies {
        body.collect().await.expect("whole");
    }
    assert_eq!(app.cache.stats().fetches_under_way, 0);
}

#[tokio::test]
async fn more_purges_than_may_wait_become_one_of_everything() {
    let nobody = RedisConfig::new().host("127.0.0.1").port(1);
    let config = CacheConfig::builder().redis(nobody);
    let config = config.purge_queue(NonZeroUsize::new(8).expect("some"));
    let app = App::new(config.build().expect("usable"));
    let purge = async |n: usize| {
        let purged = app.cache.purge(Purge::tags([format!("tag-{n}")])).await;
        assert_eq!(purged.expect("a tag"), Purged::Queued);
        app.cache.stats().queued_purges
    };
    for n in 0..8 {
        assert!(purge(n).await <= 8);
    }
    assert_eq!(purge(8).await, 1);
    until("it stays so", async || app.cache.stats().queued_purges == 1).await;
}
