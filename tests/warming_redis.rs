//! Warming on instances that share a Redis, without it, and at the end of a cache.
#![cfg(feature = "redis")]

mod support;
#[path = "support/warm_app.rs"]
mod warm_app;

use futures_util::future::join_all;
use neuralblitz_cache::{Cache, CacheConfig, CacheConfigBuilder, Route, Warmed, function};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::redis::Redis;
use support::until;
use warm_app::{App, request};

const PAGES: usize = 40;

const MINUTE: Duration = Duration::from_mins(1);

fn pages(config: CacheConfigBuilder) -> CacheConfigBuilder {
    let pages = (0..PAGES).map(|page| request(&format!("/{page}")));
    pages.fold(config, CacheConfigBuilder::warm)
}

async fn written(cache: &Cache) {
    let queued = || cache.stats().queued_writes;
    until("all is in Redis", async || queued() == 0).await;
}

fn sum(all: &[Warmed], of: fn(&Warmed) -> usize) -> usize {
    all.iter().map(of).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_that_start_together_fetch_each_page_once() {
    let redis = Redis::start().await;
    let apps = [(); 3].map(|()| App::new(pages(redis.config())));
    let warmed = apps.iter().map(|app| {
        let warmup = app
            .warmup()
            .configured()
            .timeout(MINUTE)
            .item_timeout(MINUTE);
        warmup.run()
    });
    let warmed = join_all(warmed).await;
    let runs: usize = apps.iter().map(App::runs).sum();
    assert_eq!(runs, PAGES);
    assert_eq!(sum(&warmed, |one| one.warmed), PAGES, "{warmed:?}");
    assert_eq!(sum(&warmed, |one| one.left_alone), 2 * PAGES);
    for app in &apps {
        written(&app.cache).await;
        for page in 0..PAGES {
            assert!(app.is_warm(&format!("/{page}")).await);
        }
    }
    assert_eq!(apps.iter().map(App::runs).sum::<usize>(), PAGES);
}

#[tokio::test]
async fn an_instance_that_starts_later_finds_all_warm() {
    let redis = Redis::start().await;
    let first = App::new(pages(redis.config()));
    first.warmup().configured().run().await;
    written(&first.cache).await;
    let second = App::new(pages(redis.config()));
    let warmed = second.warmup().configured().run().await;
    assert_eq!((warmed.left_alone, second.runs()), (PAGES, 0));
}

#[tokio::test]
async fn what_is_kept_out_of_redis_each_instance_fetches() {
    let redis = Redis::start().await;
    let apps = [(); 2].map(|()| {
        let local = redis.config().class_local_only("own", true);
        App::new(pages(local.route(Route::new("/{page}").class("own"))))
    });
    let warmed = join_all(apps.iter().map(|app| app.warmup().configured().run())).await;
    assert_eq!(sum(&warmed, |one| one.warmed), 2 * PAGES);
}

/// A loader that computes one value, and counts its runs and those of its function.
async fn load(runs: Arc<[AtomicUsize; 2]>) -> io::Result<()> {
    runs[0].fetch_add(1, Ordering::SeqCst);
    let run = || async {
        tokio::task::yield_now().await;
        runs[1].fetch_add(1, Ordering::SeqCst)
    };
    function("loaded").call(&(), run).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loaders_are_left_to_the_instance_that_runs_them() {
    let redis = Redis::start().await;
    let caches = [(); 3].map(|()| Cache::new(redis.config().build().expect("usable")));
    let runs = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let held = Arc::new(tokio::sync::Semaphore::new(0));
    let warm = |cache: &Cache| {
        let (runs, held) = (runs.clone(), held.clone());
        let loader = move || async move {
            load(runs).await?;
            held.acquire().await.expect("open").forget();
            Ok::<_, io::Error>(())
        };
        let warmup = cache.warmup().item_timeout(MINUTE).load("loaded", loader);
        tokio::spawn(async move { warmup.run().await })
    };
    let first = warm(&caches[0]);
    until("it runs", async || runs[0].load(Ordering::SeqCst) == 1).await;
    let others = [warm(&caches[1]), warm(&caches[2])];
    until("they wait", async || {
        let items = |cache: &Cache| cache.stats().warmed.map_or(0, |warmed| warmed.items);
        caches.iter().map(items).sum::<usize>() == 3
    })
    .await;
    held.add_permits(3);
    assert_eq!(first.await.expect("no panic").warmed, 1);
    for other in others {
        let warmed = other.await.expect("no panic");
        assert_eq!(warmed.warmed + warmed.left_alone, 1);
    }
    // One that asked too late to wait runs it, and finds what it computes.
    assert_eq!(runs[1].load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_loader_that_fails_is_tried_by_who_waited() {
    let redis = Redis::start().await;
    let caches = [(); 2].map(|()| Cache::new(redis.config().build().expect("usable")));
    for cache in &caches {
        cache.start();
        until("coherent", async || cache.stats().coherent).await;
    }
    let failed = Arc::new(tokio::sync::Notify::new());
    let fail = failed.clone();
    let fails = move || async move {
        fail.notified().await;
        Err(io::Error::other("as it should"))
    };
    let first = caches[0].warmup().item_timeout(MINUTE).load("it", fails);
    let first = tokio::spawn(async move { first.run().await });
    until("it has the lease", async || {
        let keys = redis.keys().await;
        keys.iter().any(|key| key.starts_with("nb:lease:"))
    })
    .await;
    let second = caches[1].warmup().item_timeout(MINUTE);
    let second = second.load("it", || async { Ok::<_, io::Error>(()) });
    let second = tokio::spawn(async move { second.run().await });
    until("both are under way", async || {
        caches[1].stats().warmed.is_some()
    })
    .await;
    failed.notify_one();
    assert_eq!(first.await.expect("no panic").failed, 1);
    assert_eq!(second.await.expect("no panic").warmed, 1);
    until("the lease is given back", async || {
        let keys = redis.keys().await;
        !keys.iter().any(|key| key.starts_with("nb:lease:"))
    })
    .await;
}

/// Whoever had the lease is gone without a word; who waited once took its end for another's success.
#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "a test reads the time")]
async fn a_loader_whose_instance_is_gone_is_run_by_who_waited() {
    let redis = Redis::start().await;
    let cache = Cache::new(redis.config().build().expect("usable"));
    cache.start();
    until("coherent", async || cache.stats().coherent).await;
    let lease = async || {
        let keys = redis.keys().await;
        keys.into_iter().find(|key| key.starts_with("nb:lease:"))
    };
    let first = cache.warmup().item_timeout(MINUTE);
    let first = first.load("it", std::future::pending::<io::Result<()>>);
    let first = tokio::spawn(first.run());
    until("it has the lease", async || lease().await.is_some()).await;
    let name = lease().await.expect("a name");
    first.abort();
    until("it is given back", async || lease().await.is_none()).await;
    let mut held = redis::cmd("SET");
    held.arg(name).arg("another's").arg("PX").arg(1000);
    let (mut connection, began) = (redis.connection().await, tokio::time::Instant::now());
    held.exec_async(&mut connection).await.expect("set");
    let warmup = cache.warmup().item_timeout(MINUTE);
    let warmup = warmup.load("it", || async { Ok::<_, io::Error>(()) });
    let warmed = warmup.run().await;
    assert_eq!((warmed.warmed, warmed.left_alone), (1, 0));
    assert!(began.elapsed() > Duration::from_millis(900), "it waited");
}

#[tokio::test]
async fn without_redis_each_warms_for_itself() {
    let mut redis = Redis::start().await;
    let config = || {
        let config = pages(redis.config()).circuit_breaker_threshold(1);
        config.soft_limit(Duration::from_millis(500))
    };
    let apps = [App::new(config()), App::new(config())];
    redis.kill();
    let warmed = apps.iter().map(|app| app.warmup().configured().run());
    for (warmed, app) in join_all(warmed).await.iter().zip(&apps) {
        assert_eq!((warmed.failed, warmed.skipped, app.runs()), (0, 0, PAGES));
    }
}

#[tokio::test]
async fn it_ends_with_shutdown() {
    let app = App::new(CacheConfig::builder());
    app.warmup()
        .replay([request("/hangs")])
        .item_timeout(MINUTE)
        .start();
    until("it runs", async || app.runs() == 1).await;
    app.cache.shutdown().await;
    assert_eq!(app.cache.stats().fetches_under_way, 0);
    let last = app.cache.stats().warmed.expect("it began");
    assert!(!last.ended && last.items == 1);
}

#[tokio::test]
async fn it_ends_with_the_last_handle() {
    let (held, watch) = tokio::sync::oneshot::channel::<()>();
    let cache = Cache::new(CacheConfig::default());
    let loads = move || async move {
        let _held = held;
        std::future::pending::<io::Result<()>>().await
    };
    cache.warmup().load("never", loads).start();
    until("it is under way", async || cache.stats().warmed.is_some()).await;
    drop(cache);
    let ended = tokio::time::timeout(Duration::from_secs(10), watch).await;
    assert!(ended.expect("dropped").is_err());
}
