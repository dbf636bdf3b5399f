//! One fetch over all instances, by a lease in Redis.

#![allow(clippy::disallowed_methods, reason = "a test reads the time")]

mod support;

#[path = "support/counted.rs"]
mod counted;

use counted::{App, Body, full, number, pending_while, streamed, text};
use futures_util::future::join_all;
use http::Response;
use neuralblitz_cache::{CacheConfigBuilder, CacheLayer, Purge, Purged, Route};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use support::redis::Redis;
use support::until;
use tokio::sync::{Barrier, Notify, mpsc};
use tokio::time::Instant;

const MINUTE: Duration = Duration::from_mins(1);

/// Longer than a test takes: who waited for its end would fail.
fn leased(redis: &Redis) -> CacheConfigBuilder {
    redis.config().lease(MINUTE).coalesce_timeout(MINUTE)
}

type Text<'a> = dyn Future<Output = String> + 'a;

/// A handler that waits for the gate each time it runs.
fn gated<F>(config: CacheConfigBuilder, gate: &Arc<Notify>, answer: F) -> App
where
    F: Fn(usize) -> io::Result<Response<Body>> + Clone + Send + Sync + 'static,
{
    let gate = gate.clone();
    App::new(config.build().expect("usable"), move |run| {
        let (gate, answer) = (gate.clone(), answer.clone());
        async move {
            gate.notified().await;
            answer(run)
        }
    })
}

fn numbered(config: CacheConfigBuilder, gate: &Arc<Notify>) -> App {
    gated(config, gate, |run| Ok(number(run)))
}

async fn leases(redis: &Redis) -> Vec<String> {
    let mut keys = redis.keys().await;
    keys.retain(|key| key.starts_with("nb:lease:"));
    keys
}

async fn written(app: &App) {
    let queued = || app.cache.stats().queued_writes;
    until("all is written", async || queued() == 0).await;
}

/// How often all of them ran.
fn runs(apps: &[App]) -> usize {
    apps.iter().map(App::runs).sum()
}

#[tokio::test]
async fn four_instances_run_the_handler_once() {
    let (redis, gate) = (Redis::start().await, Arc::new(Notify::new()));
    let apps = [(); 4].map(|()| numbered(leased(&redis), &gate));
    let asked = join_all(
        apps.iter()
            .flat_map(|app| [app.get(), app.get(), app.get()]),
    );
    let open = async {
        until("one runs", async || runs(&apps) == 1).await;
        gate.notify_one();
    };
    let (answers, ()) = tokio::join!(asked, open);
    assert!(answers.iter().all(|answer| answer == "0"), "{answers:?}");
    assert_eq!(runs(&apps), 1);
    for app in &apps {
        written(app).await;
    }
    assert!(leases(&redis).await.is_empty());
}

#[tokio::test]
async fn without_a_lease_each_instance_runs_it() {
    let (redis, all) = (Redis::start().await, Arc::new(Barrier::new(4)));
    let apps = [(); 4].map(|()| {
        let all = all.clone();
        App::new(redis.config().build().expect("usable"), move |run| {
            let all = all.clone();
            async move {
                all.wait().await;
                Ok(number(run))
            }
        })
    });
    join_all(apps.iter().map(App::get)).await;
    assert_eq!(runs(&apps), 4);
}

/// Until so many leases were asked for, and nothing stored.
async fn asked_for(redis: &Redis, leases: usize) {
    let connection = redis.connection().await;
    until("leases are asked for", || async {
        let mut connection = connection.clone();
        let mut told = redis::cmd("INFO");
        let told = told.arg("commandstats").query_async(&mut connection);
        let info: String = told.await.expect("told");
        info.contains(&format!("cmdstat_pttl:calls={leases},"))
    })
    .await;
}

/// A request to `a`, whose handler runs, and one to `b`, which waits for it.
async fn one_waits<'a>(redis: &Redis, a: &'a App, b: &'a App) -> [Pin<Box<Text<'a>>>; 2] {
    let mut leading: Pin<Box<Text<'a>>> = Box::pin(a.get());
    pending_while(&mut leading, a.running(1)).await;
    let mut waiting: Pin<Box<Text<'a>>> = Box::pin(b.get());
    pending_while(&mut waiting, asked_for(redis, 2)).await;
    assert_eq!(b.runs(), 0);
    [leading, waiting]
}

#[tokio::test]
async fn the_route_the_layer_and_the_cache_say_whether_there_is_one() {
    let redis = Redis::start().await;
    let of_route = Route::new("/item").lease(MINUTE);
    let never = Route::new("/item").lease(Duration::ZERO);
    let cases = [
        (redis.config(), None, 0),
        (leased(&redis), None, 1),
        (redis.config().route(of_route), None, 1),
        (leased(&redis).route(never.clone()), None, 0),
        (leased(&redis).route(never), Some(MINUTE), 1),
        (leased(&redis), Some(Duration::ZERO), 0),
    ];
    for (case, (config, of_layer, expected)) in cases.into_iter().enumerate() {
        let space = format!("nb:{case}");
        let config = config.namespace(&space).build();
        let layer = CacheLayer::new(config.expect("usable"));
        let layer = match of_layer {
            Some(time) => layer.lease(time),
            None => layer,
        };
        let held = held_while_it_runs(&redis, layer, &space).await;
        assert_eq!(held, expected, "case {case}");
    }
}

/// How many leases there are while the handler of this layer runs.
async fn held_while_it_runs(redis: &Redis, layer: CacheLayer, space: &str) -> usize {
    let held = Arc::new(AtomicUsize::new(usize::MAX));
    let (told, url, space) = (held.clone(), redis.url(), space.to_owned());
    let handler = tower::service_fn(move |_: http::Request<axum::body::Body>| {
        let (told, url, space) = (told.clone(), url.clone(), space.clone());
        async move {
            let mut connection = support::redis::connect(&url).await;
            let keys: Vec<String> = redis::cmd("KEYS")
                .arg(format!("{space}:lease:*"))
                .query_async(&mut connection)
                .await
                .expect("keys");
            told.store(keys.len(), Ordering::SeqCst);
            Ok::<_, std::convert::Infallible>(Response::new(axum::body::Body::from("x")))
        }
    });
    let request = http::Request::get("/item").body(axum::body::Body::empty());
    let service = tower::Layer::layer(&layer, handler);
    let answer = tower::ServiceExt::oneshot(service, request.expect("a request")).await;
    drop(answer.expect("answered"));
    layer.cache().shutdown().await;
    held.load(Ordering::SeqCst)
}

#[tokio::test]
async fn an_instance_that_dies_costs_no_more_than_its_lease() {
    const LEASE: Duration = Duration::from_millis(700);
    let redis = Redis::start().await;
    let config = || redis.config().lease(LEASE).coalesce_timeout(MINUTE);
    let (never, open) = (Arc::default(), Arc::<Notify>::default());
    let (a, b) = (numbered(config(), &never), numbered(config(), &open));
    let began = Instant::now();
    let died = thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.spawn(async move { a.get().await });
        // With its runtime all that could give the lease back is gone.
        move || runtime.shutdown_background()
    });
    asked_for(&redis, 1).await;
    died.join().expect("a thread")();
    open.notify_one();
    assert_eq!(b.get().await, "0");
    let took = began.elapsed();
    assert!(took >= LEASE && took < LEASE + MINUTE / 4, "{took:?}");
}

#[tokio::test]
async fn who_may_not_listen_looks_again_from_time_to_time() {
    let (redis, gate, never) = (
        Redis::start().await,
        Arc::<Notify>::default(),
        Arc::default(),
    );
    let user = ["app", "on", ">pw", "~nb:*", "+@all", "resetchannels"];
    let made: String = redis::cmd("ACL")
        .arg("SETUSER")
        .arg(&user)
        .query_async(&mut redis.connection().await)
        .await
        .expect("made");
    assert_eq!(made, "OK");
    let deaf = format!("redis://app:pw@127.0.0.1:{}/0", redis.port);
    let a = numbered(leased(&redis), &gate);
    let b = numbered(leased(&redis).redis_url(&deaf), &never);
    let [leading, mut waiting] = one_waits(&redis, &a, &b).await;
    // More often than a lease that ends is asked for again.
    pending_while(&mut waiting, asked_for(&redis, 6)).await;
    gate.notify_one();
    assert_eq!(leading.await, "0");
    assert_eq!(waiting.await, "0");
    assert_eq!(b.runs(), 0);
}

#[tokio::test]
async fn who_was_cut_off_when_it_ended_looks_again_once_it_listens() {
    let (redis, gate, never) = (
        Redis::start().await,
        Arc::<Notify>::default(),
        Arc::default(),
    );
    let (a, b) = (
        numbered(leased(&redis), &gate),
        numbered(leased(&redis), &never),
    );
    b.cache.start();
    until("it listens", async || b.cache.stats().coherent).await;
    let [leading, mut waiting] = one_waits(&redis, &a, &b).await;
    let cut: i64 = redis::cmd("CLIENT")
        .arg(&["KILL", "TYPE", "pubsub"])
        .query_async(&mut redis.connection().await)
        .await
        .expect("cut");
    assert!(cut > 0);
    gate.notify_one();
    assert_eq!(leading.await, "0");
    pending_while(&mut waiting, written(&a)).await;
    let waited = tokio::time::timeout(MINUTE / 6, waiting).await;
    assert_eq!(waited.expect("in time"), "0");
    assert_eq!(b.runs(), 0);
}

#[tokio::test]
async fn a_client_that_leaves_its_handler_gives_the_lease_back() {
    let (redis, never, open) = (
        Redis::start().await,
        Arc::default(),
        Arc::<Notify>::default(),
    );
    let (a, b) = (
        numbered(leased(&redis), &never),
        numbered(leased(&redis), &open),
    );
    let [leading, waiting] = one_waits(&redis, &a, &b).await;
    open.notify_one();
    drop(leading);
    assert_eq!(waiting.await, "0");
    assert_eq!((a.runs(), b.runs()), (1, 1));
}

#[tokio::test]
async fn a_handler_that_fails_leaves_it_to_the_next_instance() {
    let (redis, gate, open) = (
        Redis::start().await,
        Arc::default(),
        Arc::<Notify>::default(),
    );
    let a = gated(leased(&redis), &gate, |_| Err(io::ErrorKind::Other.into()));
    let b = numbered(leased(&redis), &open);
    let mut leading = Box::pin(a.call(&[]));
    pending_while(&mut leading, a.running(1)).await;
    let mut waiting = Box::pin(b.get());
    pending_while(&mut waiting, asked_for(&redis, 2)).await;
    open.notify_one();
    gate.notify_one();
    assert!(leading.await.is_err());
    assert_eq!(waiting.await, "0");
    assert_eq!(b.runs(), 1);
}

#[tokio::test]
async fn an_answer_that_may_not_be_stored_sets_the_others_free_at_its_head() {
    let (redis, gate, open) = (
        Redis::start().await,
        Arc::default(),
        Arc::<Notify>::default(),
    );
    let (frames, body) = mpsc::unbounded_channel();
    let body = Arc::new(std::sync::Mutex::new(Some(body)));
    let a = gated(leased(&redis), &gate, move |_| {
        let body = body.lock().expect("free").take().expect("one run");
        let private = Response::builder().header("cache-control", "private");
        Ok(private.body(streamed(body)).expect("a response"))
    });
    let b = numbered(leased(&redis), &open);
    let [leading, waiting] = one_waits(&redis, &a, &b).await;
    open.notify_one();
    gate.notify_one();
    let mut leading = leading;
    // Its body has not come yet.
    let waited = pending_while(&mut leading, waiting).await;
    assert_eq!(waited, "0");
    drop(frames);
    assert_eq!(leading.await, "");
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_nobody_up() {
    let (redis, gate) = (Redis::start().await, Arc::<Notify>::default());
    let a = gated(leased(&redis), &gate, |run| {
        Ok(Response::new(full("x".repeat(1 << 20) + &run.to_string())))
    });
    let b = numbered(leased(&redis), &gate);
    let mut leading = Box::pin(a.call(&[]));
    pending_while(&mut leading, a.running(1)).await;
    gate.notify_one();
    let unread = leading.await.expect("answered");
    assert_eq!(b.get().await.len(), (1 << 20) + 1);
    assert_eq!(b.runs(), 0);
    assert_eq!(text(unread).await.len(), (1 << 20) + 1);
}

#[tokio::test]
async fn what_was_fetched_before_a_purge_is_not_what_a_waiting_instance_answers() {
    let (redis, gate, open) = (
        Redis::start().await,
        Arc::default(),
        Arc::<Notify>::default(),
    );
    let (a, b) = (
        numbered(leased(&redis), &gate),
        numbered(leased(&redis), &open),
    );
    a.cache.start();
    let [leading, mut waiting] = one_waits(&redis, &a, &b).await;
    let purging = Box::pin(b.cache.purge_uri("/item"));
    let purged = pending_while(&mut waiting, purging).await;
    assert_eq!(purged.expect("a URI"), Purged::Applied);
    open.notify_one();
    gate.notify_one();
    assert_eq!(leading.await, "0");
    assert_eq!(waiting.await, "0");
    assert_eq!(b.runs(), 1, "it fetched for itself");
}

#[tokio::test]
async fn a_lease_that_another_instance_has_by_now_is_left_alone() {
    let (redis, gate, never) = (
        Redis::start().await,
        Arc::<Notify>::default(),
        Arc::default(),
    );
    let a = numbered(leased(&redis).lease(Duration::from_millis(100)), &gate);
    let b = numbered(leased(&redis), &never);
    let [leading, mut waiting] = one_waits(&redis, &a, &b).await;
    pending_while(&mut waiting, b.running(1)).await;
    gate.notify_one();
    assert_eq!(pending_while(&mut waiting, leading).await, "0");
    pending_while(&mut waiting, written(&a)).await;
    assert_eq!(leases(&redis).await.len(), 1);
}

#[tokio::test]
async fn variants_are_waited_for_by_themselves() {
    let redis = Redis::start().await;
    let varying = |run: usize| {
        let varying = Response::builder().header("vary", "x-kind");
        Ok(varying.body(full(run.to_string())).expect("a response"))
    };
    let (gate, never) = (Arc::<Notify>::default(), Arc::default());
    let (a, b) = (
        gated(leased(&redis), &gate, varying),
        gated(leased(&redis), &never, varying),
    );
    let ask = async |app: &App, kind: &'static str| {
        text(app.call(&[("x-kind", kind)]).await.expect("answered")).await
    };
    gate.notify_one();
    assert_eq!(ask(&a, "one").await, "0");
    written(&a).await;
    assert_eq!(ask(&b, "one").await, "0");
    // Both know by now what it varies by.
    let mut leading = Box::pin(ask(&a, "two"));
    pending_while(&mut leading, a.running(2)).await;
    let (waiting, waited) = (ask(&b, "two"), async {
        gate.notify_one();
        leading.await
    });
    assert_eq!(tokio::join!(waiting, waited), ("1".into(), "1".into()));
    assert_eq!((a.runs(), b.runs()), (2, 0));
}

#[tokio::test]
async fn a_stale_answer_is_fetched_anew_by_one_instance() {
    let (redis, gate) = (Redis::start().await, Arc::<Notify>::default());
    let config = || leased(&redis).stale_while_revalidate(MINUTE);
    let apps = [(); 3].map(|()| numbered(config(), &gate));
    gate.notify_one();
    apps[0].get().await;
    written(&apps[0]).await;
    let purged = apps[0].cache.purge(Purge::uri("/item").soft()).await;
    assert_eq!(purged.expect("a URI"), Purged::Applied);
    for app in &apps {
        assert_eq!(app.get().await, "0");
    }
    until("one refreshes", async || runs(&apps) == 2).await;
    for app in &apps {
        assert_eq!(app.get().await, "0");
    }
    gate.notify_one();
    for app in &apps {
        until("it is there", async || app.get().await == "1").await;
    }
    assert_eq!(runs(&apps), 2);
}
