//! The near tier: hits without a round trip as long as purges of others are heard of, and none
//! when they are not.

#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/scripted.rs"]
mod scripted;
mod support;

use neuralblitz_cache::{CacheConfig, CacheConfigBuilder, Purged, RedisConfig};
use proxy::Proxy;
use scripted::{App, counted};
use std::time::Duration;
use support::redis::Redis;
use support::until;

fn app(config: CacheConfigBuilder) -> App {
    let config = config.near_cache(true).build();
    App::new(config.expect("usable"), |_, run| counted(run, &[]))
}

fn through(proxy: &Proxy) -> CacheConfigBuilder {
    let redis = RedisConfig::new()
        .host("127.0.0.1")
        .port(proxy.address.port());
    CacheConfig::builder()
        .redis(redis)
        .soft_limit(Duration::from_secs(5))
}

async fn coherent(app: &App) {
    until("purges are heard of", async || app.cache.stats().coherent).await;
}

/// Asked for and in Redis.
async fn stored(app: &App, path: &str) {
    app.get(path).await;
    until("written", async || app.cache.stats().queued_writes == 0).await;
}

async fn purge(app: &App, path: &str) -> Purged {
    app.cache.purge_uri(path).await.expect("a URI")
}

fn near_hits(app: &App) -> u64 {
    app.cache.stats().local_hits
}

#[tokio::test]
async fn a_near_hit_asks_nobody() {
    let redis = Redis::start().await;
    let near = app(redis.config());
    coherent(&near).await;
    stored(&near, "/x").await;
    let before = near.cache.stats();
    for _ in 0..100 {
        assert!(near.get("/x").await.is_hit());
    }
    let after = near.cache.stats();
    assert_eq!(after.local_hits - before.local_hits, 100);
    assert_eq!(after.redis_hits, before.redis_hits);
}

#[tokio::test]
async fn an_own_purge_is_in_force_at_once() {
    let redis = Redis::start().await;
    let near = app(redis.config());
    coherent(&near).await;
    for run in 0..200 {
        let first = near.get("/x").await;
        assert_eq!(first.text(), format!("run {run}"));
        assert_eq!(near.get("/x").await.text(), first.text());
        assert_eq!(purge(&near, "/x").await, Purged::Applied);
    }
}

#[tokio::test]
async fn a_purge_of_another_instance_is_heard_of() {
    let redis = Redis::start().await;
    let (near, other) = (app(redis.config()), app(redis.config()));
    coherent(&near).await;
    for run in 0..50 {
        stored(&near, "/x").await;
        assert!(near.get("/x").await.is_hit());
        assert_eq!(purge(&other, "/x").await, Purged::Applied);
        until("it is gone", async || {
            near.get("/x").await.text() == format!("run {}", run + 1)
        })
        .await;
    }
}

#[tokio::test]
async fn without_the_control_connection_every_hit_is_confirmed() {
    let redis = Redis::start().await;
    let proxy = Proxy::start(redis.port).await;
    let (near, other) = (app(through(&proxy)), app(redis.config()));
    coherent(&near).await;
    stored(&near, "/x").await;
    // What is late by more than the bound is not trusted; the soft limit lets lookups wait.
    proxy.delay(Duration::from_millis(1500));
    until("it is not trusted", async || !near.cache.stats().coherent).await;
    assert_eq!(purge(&other, "/x").await, Purged::Applied);
    let before = near_hits(&near);
    let answer = near.get("/x").await;
    assert!(!answer.is_hit(), "{}", answer.cache());
    assert_eq!(near_hits(&near), before);
}

/// Ends each connection that listens; how many there were.
async fn kill_control(redis: &Redis) -> i64 {
    let mut connection = redis.connection().await;
    redis::cmd("CLIENT")
        .arg(&["KILL", "TYPE", "PUBSUB"])
        .query_async(&mut connection)
        .await
        .expect("killed")
}

#[tokio::test]
async fn a_purge_given_while_nobody_listened_is_found_in_the_record() {
    let redis = Redis::start().await;
    let (near, other) = (app(redis.config()), app(redis.config()));
    coherent(&near).await;
    for run in 0..20 {
        stored(&near, "/x").await;
        assert_eq!(near.get("/x").await.text(), format!("run {run}"));
        kill_control(&redis).await;
        assert_eq!(purge(&other, "/x").await, Purged::Applied);
        until("it is gone", async || {
            near.get("/x").await.text() == format!("run {}", run + 1)
        })
        .await;
        coherent(&near).await;
    }
}

#[tokio::test]
async fn a_record_that_is_gone_takes_all_with_it() {
    let redis = Redis::start().await;
    let (near, other) = (app(redis.config()), app(redis.config()));
    let mut connection = redis.connection().await;
    for (run, command) in [
        &["DEL", "nb:{c}:stamps"][..],
        &["FLUSHALL"],
        &["FLUSHDB"],
        &["SET", "nb:{c}:stamps", "x"],
        &["SWAPDB", "0", "1"],
    ]
    .into_iter()
    .enumerate()
    {
        coherent(&near).await;
        coherent(&other).await;
        // What was done to the record before may still be on its way.
        until("it is held", async || {
            stored(&near, "/x").await;
            near.get("/x").await.is_hit()
        })
        .await;
        let held = near.get("/x").await;
        let mut raw = redis::cmd(command[0]);
        raw.arg(&command[1..]);
        raw.exec_async(&mut connection).await.expect("done");
        until("it is gone", async || {
            near.get("/x").await.text() != held.text()
        })
        .await;
        let applied = purge(&other, "/x").await;
        assert_eq!(applied, Purged::Applied, "{run} {command:?}");
    }
}

#[tokio::test]
async fn an_entry_deleted_by_hand_is_gone_for_who_asks_redis_and_for_no_near_hit() {
    let redis = Redis::start().await;
    let near = app(redis.config());
    coherent(&near).await;
    stored(&near, "/x").await;
    let confirming = App::new(redis.config().build().expect("usable"), |_, _| {
        counted(7, &[])
    });
    assert_eq!(confirming.get("/x").await.text(), "run 0");
    let names = redis.keys().await;
    let entries = names.iter().filter(|name| name.contains(":api_response:"));
    let mut delete = redis::cmd("DEL");
    entries.for_each(|name| {
        delete.arg(name);
    });
    let deleted = delete.query_async(&mut redis.connection().await).await;
    assert_eq!(deleted, Ok(1));
    assert!(near.get("/x").await.is_hit());
    assert_eq!(confirming.get("/x").await.text(), "run 7");
}
