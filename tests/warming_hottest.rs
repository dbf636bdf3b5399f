//! What clients of the previous run asked for most is what the next one is warmed with.
#![cfg(feature = "redis")]

mod support;
#[path = "support/warm_app.rs"]
mod warm_app;

use neuralblitz_cache::{CacheConfig, KeyRules, Purged, Route};
use std::time::Duration;
use support::redis::Redis;
use support::{until, until_within};
use warm_app::App;

const NAME: &str = "nb:{c}:hottest";

/// So many hits of each.
async fn use_it(app: &App, pages: &[(&str, usize)]) {
    for (path, hits) in pages {
        app.ask(path).await;
        until("it is stored", async || {
            app.cache.stats().queued_writes == 0
        })
        .await;
        for _ in 0..*hits {
            assert!(app.is_warm(path).await, "{path}");
        }
    }
}

async fn coherent(app: &App) {
    until("coherent", async || app.cache.stats().coherent).await;
}

#[tokio::test]
async fn a_new_instance_asks_for_what_the_last_ones_were_asked_for_most() {
    let redis = Redis::start().await;
    let before = [(); 2].map(|()| App::new(redis.config()));
    for app in &before {
        app.cache.start();
        coherent(app).await;
    }
    use_it(&before[0], &[("/a?x=secret", 9), ("/b", 2), ("/d", 1)]).await;
    use_it(&before[1], &[("/c", 5), ("/b", 3)]).await;
    let german = [("host", "h"), ("accept-language", "de")];
    for _ in 0..8 {
        before[1].ask_with("/varies", &german).await;
    }
    let alice = [("host", "h"), ("authorization", "Bearer alice")];
    for _ in 0..20 {
        before[1].ask_with("/mine", &alice).await;
    }
    assert_eq!(before[0].cache.clear().await, Purged::Applied);
    for app in &before {
        app.cache.shutdown().await;
    }
    let after = App::new(redis.config());
    let warmed = after.warmup().concurrency(1).hottest(4).run().await;
    assert_eq!((warmed.items, warmed.warmed), (4, 4));
    assert_eq!(after.ran(), ["a", "varies", "c", "b"]);
    assert!(after.is_warm("/a?x=secret").await && after.is_warm("/c").await);
    assert!(after.ask_with("/varies", &german).await.contains("; hit"));
}

#[tokio::test]
async fn it_is_kept_under_one_name_for_a_week_while_an_instance_runs_too() {
    let redis = Redis::start().await;
    let app = App::new(redis.config());
    let left_out = App::new(redis.config().namespace("other").warmup_enabled(false));
    use_it(&app, &[("/a", 3)]).await;
    use_it(&left_out, &[("/a", 3)]).await;
    left_out.cache.shutdown().await;
    let names = async || {
        let mut names = redis.keys().await;
        names.retain(|name| name.contains("hottest"));
        names
    };
    let long = Duration::from_mins(1);
    until_within(long, "it is kept", async || names().await == [NAME]).await;
    let mut connection = redis.connection().await;
    let left: i64 = redis::cmd("TTL")
        .arg(NAME)
        .query_async(&mut connection)
        .await
        .expect("a time");
    assert!((600_000..=604_800).contains(&left), "{left}");
}

/// A server ends the cache when it begins to stop, and once more when all requests have ended. The
/// second time waited 5 s for a connection.
#[tokio::test]
async fn who_has_ended_waits_for_no_connection_to_keep_it() {
    let redis = Redis::start().await;
    let app = App::new(redis.config());
    use_it(&app, &[("/a", 3)]).await;
    app.cache.shutdown().await;
    let again = tokio::time::timeout(Duration::from_secs(3), app.cache.shutdown());
    assert!(again.await.is_ok(), "it waits");
}

#[tokio::test]
async fn what_a_class_keeps_out_of_redis_is_not_among_it() {
    let redis = Redis::start().await;
    let config = redis.config().class_local_only("own", true);
    let app = App::new(config.route(Route::new("/mine").class("own")));
    use_it(&app, &[("/mine", 9), ("/a", 2)]).await;
    app.cache.shutdown().await;
    let kept = redis::cmd("GET").arg(NAME).to_owned();
    let kept = kept.query_async(&mut redis.connection().await).await;
    let kept: Vec<u8> = kept.expect("it is kept");
    let kept = String::from_utf8_lossy(&kept).into_owned();
    assert!(kept.contains("/a") && !kept.contains("/mine"), "{kept}");
}

#[tokio::test]
async fn what_stands_there_and_is_none_of_ours_is_nothing() {
    let redis = Redis::start().await;
    let mut connection = redis.connection().await;
    for garbage in [&b"garbage"[..], &[0x93, 1, 0, 0xdd, 0xff, 0xff, 0xff, 0xff]] {
        let set = redis::cmd("SET").arg(NAME).arg(garbage).to_owned();
        set.exec_async(&mut connection).await.expect("set");
        let app = App::new(redis.config());
        let warmed = app.warmup().hottest(100).run().await;
        assert_eq!((warmed.items, warmed.failed), (0, 0));
        use_it(&app, &[("/a", 3)]).await;
        app.cache.shutdown().await;
        let app = App::new(redis.config());
        let warmed = app.warmup().hottest(100).run().await;
        assert_eq!((warmed.items, warmed.left_alone), (1, 1));
    }
    let list = redis::cmd("DEL").arg(NAME).to_owned();
    list.exec_async(&mut connection).await.expect("deleted");
    let list = redis::cmd("RPUSH").arg(NAME).arg("x").to_owned();
    list.exec_async(&mut connection).await.expect("a list");
    let app = App::new(redis.config());
    assert_eq!(app.warmup().hottest(100).run().await.items, 0);
}

#[tokio::test]
async fn where_keys_have_no_host_its_default_is_asked() {
    let redis = Redis::start().await;
    let config = || redis.config().key(KeyRules::new().ignore_authority());
    let app = App::new(config());
    use_it(&app, &[("/a", 3)]).await;
    app.cache.shutdown().await;
    let app = App::new(config());
    assert_eq!(app.warmup().hottest(1).run().await.left_alone, 1);
}

#[tokio::test]
async fn without_redis_there_is_none() {
    let app = App::new(CacheConfig::builder());
    use_it(&app, &[("/a", 3)]).await;
    app.cache.shutdown().await;
    let warmed = app.warmup().hottest(100).run().await;
    assert_eq!((warmed.items, warmed.failed), (0, 0));
}
