//! What is warmed before anybody asks, and what becomes of items that fail, hang or are warm.

mod support;
#[path = "support/warm_app.rs"]
mod warm_app;

use axum::Router;
use axum::routing::get;
use futures_util::FutureExt;
use http::{HeaderValue, Method, Uri, header};
use neuralblitz_cache::{
    Cache, CacheConfig, CacheConfigBuilder, CacheLayer, KeyRules, WarmRequest, Warmed, function,
};
use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::until;
use warm_app::{App, request};

fn local() -> CacheConfigBuilder {
    CacheConfig::builder()
}

fn counts(warmed: &Warmed) -> [usize; 5] {
    let Warmed {
        warmed,
        left_alone,
        unstored,
        failed,
        skipped,
        ..
    } = *warmed;
    [warmed, left_alone, unstored, failed, skipped]
}

#[tokio::test]
async fn what_the_settings_say_is_a_hit_for_the_first_client() {
    let app = App::new(local().warm(request("/a")).warm(request("/b?x=1")));
    let warmed = app.warmup().configured().run().await;
    assert_eq!(counts(&warmed), [2, 0, 0, 0, 0]);
    assert!(app.is_warm("/a").await && app.is_warm("/b?x=1").await);
    assert!(!app.is_warm("/b").await);
    assert_eq!(app.ran(), ["a", "b", "b"]);
}

#[tokio::test]
async fn what_is_warm_is_left_alone() {
    let app = App::new(local());
    let warm = async || {
        let requests = ["/a", "/b"].map(request);
        app.warmup().replay(requests).run().await
    };
    app.ask("/a").await;
    until("it is stored", async || app.is_warm("/a").await).await;
    let runs = app.runs();
    assert_eq!(counts(&warm().await), [1, 1, 0, 0, 0]);
    assert_eq!(counts(&warm().await), [0, 2, 0, 0, 0]);
    assert_eq!(app.runs(), runs + 1);
}

#[tokio::test]
async fn on_demand_it_fetches_what_was_purged() {
    let app = App::new(local().warm(request("/a")).warmup_enabled(false));
    app.warmup().configured().run().await;
    let _ = app.cache.purge_uri("/a").await.expect("purged");
    let warmed = app.warmup().configured().run().await;
    assert_eq!((counts(&warmed)[0], app.runs()), (1, 2));
    assert!(app.is_warm("/a").await);
}

#[tokio::test]
async fn method_and_fields_of_a_request_say_what_is_warmed() {
    let app = App::new(local());
    let language = |which| {
        let value = HeaderValue::from_static(which);
        request("/varies").header(header::ACCEPT_LANGUAGE, value)
    };
    let head = request("/a").method(Method::HEAD);
    let warmup = app.warmup().concurrency(1);
    let warmed = warmup.replay([language("de"), language("fr"), head]).run();
    // A HEAD stores nothing.
    assert_eq!(counts(&warmed.await), [2, 0, 1, 0, 0]);
    let asked = async |which| {
        let fields = [("host", "h"), ("accept-language", which)];
        app.ask_with("/varies", &fields).await
    };
    assert!(asked("de").await.contains("; hit") && asked("fr").await.contains("; hit"));
    assert!(asked("en").await.contains("vary-miss"));
}

#[tokio::test]
async fn the_key_is_the_one_that_clients_have() {
    let path = || WarmRequest::get(Uri::from_static("/a"));
    let named = HeaderValue::from_static("h");
    let elsewhere = WarmRequest::get(Uri::from_static("http://other/a"));
    for (config, request) in [
        (local().warm_authority("h".parse().expect("a name")), path()),
        (local().key(KeyRules::new().ignore_authority()), path()),
        (local(), path().header(header::HOST, named.clone())),
        (local(), elsewhere.header(header::HOST, named)),
        (local(), request("/a")),
    ] {
        let app = App::new(config);
        app.warmup().replay([request]).run().await;
        assert!(app.is_warm("/a").await);
    }
    let app = App::new(local());
    app.warmup().replay([path()]).run().await;
    assert!(!app.is_warm("/a").await, "no client names no host");
    let app = App::new(local());
    let named = app.warmup().authority("h".parse().expect("a name"));
    named.replay([path()]).run().await;
    assert!(app.is_warm("/a").await);
}

#[tokio::test]
async fn the_key_is_that_of_clients_inside_of_a_nest_too() {
    let layer = CacheLayer::new(local().build().expect("usable"));
    let cache = layer.cache();
    let inner = Router::new()
        .route("/a", get(|| async { "a" }))
        .layer(layer);
    let mut app = App::new(local());
    (app.router, app.cache) = (Router::new().nest("/api", inner), cache);
    app.warmup().replay([request("/api/a")]).run().await;
    assert!(app.is_warm("/api/a").await);
}

#[tokio::test]
async fn nobody_gets_what_was_warmed_with_credentials() {
    let app = App::new(local());
    let secret = HeaderValue::from_static("Bearer alice");
    let request = request("/mine").header(header::AUTHORIZATION, secret);
    let warmed = app.warmup().replay([request]).run().await;
    assert_eq!(counts(&warmed), [0, 0, 1, 0, 0]);
    assert!(!app.is_warm("/mine").await);
}

#[tokio::test]
async fn items_that_fail_hang_or_panic_are_counted_and_the_others_are_warmed() {
    let app = App::new(local());
    let paths = ["/fails", "/missing", "/panics", "/hangs", "/secret", "/a"];
    let warmup = app.warmup().item_timeout(Duration::from_secs(2));
    let failing = || async { Err(io::Error::other("as it should")) };
    let panicking = || async {
        assert!(std::hint::black_box(false), "as it should");
        Ok::<_, io::Error>(())
    };
    let warmed = warmup
        .replay(paths.map(request))
        .load("fails", failing)
        .load("panics", panicking)
        .load("hangs", std::future::pending::<io::Result<()>>)
        .run()
        .await;
    assert_eq!(counts(&warmed), [1, 0, 1, 7, 0]);
    assert_eq!((warmed.items, warmed.ended), (9, true));
    assert!(app.is_warm("/a").await);
    assert_eq!(app.cache.stats().fetches_under_way, 0);
}

/// On one thread, which such a body must not keep for itself.
#[tokio::test]
async fn a_body_without_an_end_that_never_waits_is_a_failure_and_the_others_are_warmed() {
    let mut app = App::new(local());
    let endless = || async {
        let frames = std::iter::repeat(Ok::<_, Infallible>("more"));
        axum::body::Body::from_stream(futures_util::stream::iter(frames))
    };
    let endless = Router::new().route("/endless/body", get(endless));
    app.router = app.router.merge(endless.layer(app.cache.layer()));
    let warmup = app.warmup().item_timeout(Duration::from_millis(300));
    let requests = ["/endless/body", "/a"].map(request);
    let warmed = warmup.concurrency(1).replay(requests).run().await;
    assert_eq!(counts(&warmed), [1, 0, 0, 1, 0]);
    assert!(app.is_warm("/a").await);
}

#[tokio::test]
async fn without_a_service_requests_are_failures() {
    let cache = Cache::new(local().build().expect("usable"));
    let warmed = cache.warmup().replay([request("/a")]).run().await;
    assert_eq!(counts(&warmed), [0, 0, 0, 1, 0]);
}

#[tokio::test]
async fn what_there_is_no_time_for_is_skipped() {
    let app = App::new(local());
    let warmup = app.warmup().concurrency(1).timeout(Duration::from_secs(2));
    let requests = ["/a", "/hangs", "/b"].map(request);
    let warmed = warmup.replay(requests).run().await;
    assert_eq!(counts(&warmed), [1, 0, 0, 0, 2]);
    assert_eq!(app.ran(), ["a", "hangs"]);
    let sources = app.warmup().timeout(Duration::from_millis(100));
    let unheard = std::future::pending::<io::Result<Vec<WarmRequest>>>;
    let sources = sources.replay_from(unheard).replay_from(unheard);
    assert_eq!(counts(&sources.run().await), [0, 0, 0, 0, 2]);
    let of_settings = local().warm_timeout(Duration::from_millis(100));
    let app = App::new(of_settings.warm(request("/hangs")));
    let warmed = app.warmup().configured().run().await;
    assert_eq!(counts(&warmed), [0, 0, 0, 0, 1]);
}

#[tokio::test]
async fn a_time_limit_without_an_end_is_one() {
    let app = App::new(local().warm_timeout(Duration::MAX));
    let warmup = app.warmup().item_timeout(Duration::MAX);
    let warmed = warmup.replay([request("/a")]).run().await;
    assert_eq!(counts(&warmed), [1, 0, 0, 0, 0]);
}

#[tokio::test]
async fn the_most_wanted_come_first() {
    let app = App::new(local());
    let order = Arc::new(Mutex::new(Vec::new()));
    let note = |what: &'static str| {
        let order = order.clone();
        move || async move {
            order.lock().expect("no panic").push(what);
            Ok::<_, io::Error>(())
        }
    };
    let paths = [("/b", 1), ("/d", -1), ("/a", 3), ("/c", 1)];
    let requests = paths.map(|(path, priority)| request(path).priority(priority));
    let warmup = app.warmup().concurrency(1).batch_size(2);
    let warmed = warmup
        .load("last", note("last"))
        .load_with("first", 9, note("first"))
        .replay(requests)
        .run()
        .await;
    assert_eq!(counts(&warmed), [6, 0, 0, 0, 0]);
    assert_eq!(app.ran(), ["a", "b", "c", "d"]);
    assert_eq!(*order.lock().expect("no panic"), ["first", "last"]);
}

#[tokio::test]
async fn so_many_are_under_way_at_once() {
    let requests = || (0..20).map(|at| request(&format!("/{at}")));
    let app = App::new(local().warmup_concurrency(3).warmup_batch_size(7));
    app.warmup().replay(requests()).run().await;
    assert_eq!((app.runs(), app.most_at_once()), (20, 3));
    // A batch ends before the next one begins.
    let app = App::new(local());
    let warmup = app.warmup().concurrency(9).batch_size(2);
    warmup.replay(requests()).run().await;
    assert_eq!((app.runs(), app.most_at_once()), (20, 2));
}

#[tokio::test]
async fn loaders_fill_the_functions_of_the_cache_that_is_warmed() {
    let cache = Cache::new(local().build().expect("usable"));
    let runs = Arc::new(AtomicUsize::new(0));
    let square = |runs: Arc<AtomicUsize>| async move {
        let run = || async { runs.fetch_add(1, Ordering::SeqCst) };
        function("square").call(&3, run).await;
        Ok::<_, io::Error>(())
    };
    for _ in 0..2 {
        let runs = runs.clone();
        let warmed = cache.warmup().load("square", move || square(runs));
        assert_eq!(counts(&warmed.run().await), [1, 0, 0, 0, 0]);
    }
    assert_eq!(runs.load(Ordering::SeqCst), 1, "what is warm is not run");
    assert_eq!(cache.stats().local_hits, 1);
}

#[tokio::test]
async fn it_begins_before_the_first_request_unless_it_is_switched_off() {
    let app = App::new(local().warm(request("/a")));
    app.warmup().configured().start();
    let ended = || app.cache.stats().warmed.is_some_and(|warmed| warmed.ended);
    until("it has ended", async || ended()).await;
    assert_eq!(app.runs(), 1);
    assert!(app.is_warm("/a").await);
    let app = App::new(local().warm(request("/a")).warmup_enabled(false));
    app.warmup().configured().start();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!((app.runs(), app.cache.stats().warmed), (0, None));
}

#[test]
fn outside_of_a_runtime_nothing_is_done() {
    let app = App::new(local().warm(request("/a")));
    app.warmup().configured().start();
    assert_eq!((app.runs(), app.cache.stats().warmed), (0, None));
    let warmed = app.warmup().configured().run().now_or_never();
    assert_eq!(warmed.map(|warmed| counts(&warmed)), Some([0, 0, 0, 0, 1]));
}

#[tokio::test]
async fn a_purge_meanwhile_wins() {
    let app = App::new(local());
    let warmup = app.warmup().replay([request("/hangs")]);
    let warming = tokio::spawn(async move { warmup.run().await });
    until("it runs", async || app.runs() == 1).await;
    let _ = app.cache.purge_uri("/hangs").await.expect("purged");
    app.gate.add_permits(2);
    warming.await.expect("no panic");
    assert!(!app.is_warm("/hangs").await);
    assert_eq!(app.runs(), 2);
}

#[tokio::test]
async fn how_far_it_is_is_told_after_each_item_and_in_the_figures() {
    let app = App::new(local());
    let told = Arc::new(Mutex::new(Vec::new()));
    let (note, cache) = (told.clone(), app.cache.clone());
    let requests = ["/a", "/fails", "/secret"].map(request);
    let warmup = app.warmup().concurrency(1).replay(requests);
    let last = warmup.on_progress(move |warmed| {
        assert_eq!(cache.stats().warmed, Some(*warmed));
        note.lock().expect("no panic").push(*warmed);
    });
    let last = last.run().await;
    let told = told.lock().expect("no panic");
    let done: Vec<_> = told
        .iter()
        .map(|warmed| (warmed.done(), warmed.ended))
        .collect();
    let each = [(0, false), (1, false), (2, false), (3, false), (3, true)];
    assert_eq!(done, each);
    assert!(told.iter().all(|warmed| warmed.items == 3));
    assert_eq!(told.last(), Some(&last));
    assert_eq!(app.cache.stats().warmed, Some(last));
}
