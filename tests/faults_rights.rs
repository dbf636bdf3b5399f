//! What a server refuses, or does not know, is done without: found by asking, whatever its version.

#[path = "support/exercise.rs"]
mod exercise;
#[path = "support/scripted.rs"]
mod scripted;
mod support;

use exercise::{all_works, app, say, written};
use neuralblitz_cache::{CacheConfig, CacheConfigBuilder, Purged, RedisConfig};
use support::redis::Redis;
use support::until;

/// A user who may do all but this.
async fn without(redis: &Redis, right: &str) {
    let user = ["ACL", "SETUSER", "app", "reset", "on", ">pw", "~nb:*"];
    say(redis, &[&user[..], &["&nb:*", "+@all", right]].concat()).await;
}

fn config(redis: &Redis) -> CacheConfigBuilder {
    let login = RedisConfig::new().host("127.0.0.1").port(redis.port);
    CacheConfig::builder().redis(login.username("app").password("pw"))
}

#[tokio::test]
async fn without_a_right_that_is_not_needed_all_works() {
    let redis = Redis::start().await;
    for right in [
        "-client|tracking",
        "-role",
        "-client",
        "-scan",
        "-rename",
        "-pexpire",
    ] {
        println!("{right}");
        without(&redis, right).await;
        say(&redis, &["FLUSHALL"]).await;
        all_works(|| config(&redis)).await;
    }
}

/// A command that a server has not: renamed away, as where somebody else runs it.
#[tokio::test]
async fn a_server_that_does_not_know_a_command_is_used_without_it() {
    let renamed = ["ROLE", "SCAN", "RENAME"].map(|name| ["--rename-command", name, ""]);
    let redis = Redis::start_with(&renamed.concat()).await;
    all_works(|| redis.config()).await;
}

#[tokio::test]
async fn without_tracking_a_lost_record_is_noticed_all_the_same() {
    let redis = Redis::start().await;
    without(&redis, "-client|tracking").await;
    let near = app(config(&redis).near_cache(true));
    until("coherent", async || near.cache.stats().coherent).await;
    let first = near.get("/x").await;
    written(&near).await;
    say(&redis, &["DEL", "nb:{c}:stamps"]).await;
    until("it is noticed", async || {
        near.get("/x").await.text() != first.text()
    })
    .await;
}

/// Nobody hears of purges: each hit is confirmed.
#[tokio::test]
async fn without_subscribing_every_hit_is_confirmed() {
    let redis = Redis::start().await;
    without(&redis, "-subscribe").await;
    let near = app(config(&redis).near_cache(true));
    let other = app(config(&redis));
    let first = near.get("/x").await;
    written(&near).await;
    let confirmed = || near.cache.stats().redis_hits;
    for _ in 0..5 {
        let before = confirmed();
        assert!(near.get("/x").await.is_hit());
        assert_eq!(confirmed(), before + 1);
    }
    let purged = other.cache.purge_uri("/x").await.expect("a URI");
    assert_eq!(purged, Purged::Applied);
    assert_ne!(near.get("/x").await.text(), first.text());
    assert!(!near.cache.stats().coherent);
}
