//! `deploy/redis.conf`, as a real redis-server reads it.
#![cfg(feature = "redis")]

mod support;

use neuralblitz_cache::{CacheLayer, Purged};
use support::redis::Redis;
use support::until;
use support::web::{Client, serve};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/redis.conf");

/// A server with the file. Included rather than given first, so that what the tests say of the port
/// stands; what the file says comes later, and goes before it. A test listens on loopback alone.
async fn start() -> Redis {
    Redis::start_with(&["--include", FILE, "--bind", "127.0.0.1"]).await
}

async fn setting(redis: &Redis, name: &str) -> String {
    let mut command = redis::cmd("CONFIG");
    command.arg("GET").arg(name);
    let mut connection = redis.connection().await;
    let pair: (String, String) = command.query_async(&mut connection).await.expect("a value");
    pair.1
}

#[tokio::test]
async fn every_setting_is_in_force() {
    let redis = start().await;
    for (name, expected) in [
        ("maxmemory", "536870912"),
        ("maxmemory-policy", "allkeys-lru"),
        ("activerehashing", "yes"),
        ("lazyfree-lazy-eviction", "yes"),
        ("lazyfree-lazy-expire", "yes"),
        ("lazyfree-lazy-server-del", "yes"),
        ("lazyfree-lazy-user-del", "yes"),
        ("lazyfree-lazy-user-flush", "yes"),
        ("replica-lazy-flush", "yes"),
        ("tcp-keepalive", "60"),
        ("timeout", "0"),
        ("save", ""),
        ("appendonly", "no"),
        ("protected-mode", "no"),
    ] {
        assert_eq!(setting(&redis, name).await, expected, "{name}");
    }
}

#[test]
fn every_setting_of_the_file_is_one_that_is_read_back() {
    let file = std::fs::read_to_string(FILE).expect("the file");
    let own = include_str!("deploy_redis.rs");
    let lines = file
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    for line in lines {
        let name = line.split(' ').next().expect("a name");
        let read = own.contains(&format!("(\"{name}\", "));
        // Here the test's own stands.
        assert!(read || line == "bind * -::*", "{line}");
    }
}

#[tokio::test]
async fn a_cache_works_with_it_and_starts_cold_after_a_restart() {
    let mut redis = start().await;
    let layer = CacheLayer::new(redis.config().build().expect("a config"));
    let cache = layer.cache();
    let app = axum::Router::new()
        .route("/", axum::routing::get(|| async { "an answer" }))
        .layer(layer);
    let (served, client) = (serve(app).await, Client::new());
    until("Redis answers a request", async || {
        client.get(&served.url("/")).await.is_hit() && cache.stats().redis_hits > 0
    })
    .await;
    assert_eq!(cache.clear().await, Purged::Applied);
    drop((served, cache));
    assert!(!redis.keys().await.is_empty());
    // Asked to end, it would write a snapshot if it kept any.
    let mut connection = redis.connection().await;
    let ended: Result<(), _> = redis::cmd("SHUTDOWN").query_async(&mut connection).await;
    assert!(ended.is_err(), "the connection ends with the server");
    redis.restart().await;
    assert_eq!(redis.keys().await, Vec::<String>::new());
}
