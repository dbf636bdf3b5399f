//! What is asked for most is known, whoever answers.

mod support;

use axum::Router;
use axum::routing::get;
use neuralblitz_cache::{CacheConfig, CacheLayer, CacheTags};
use support::redis::Redis;
use support::until;
use support::web::{Client, serve};

fn app(layer: CacheLayer) -> Router {
    let tagged = || async {
        let tags = CacheTags::new(["user:42", "page"]);
        (axum::Extension(tags), "tagged")
    };
    Router::new()
        .route("/tagged", get(tagged))
        .route("/plain", get(|| async { "plain" }))
        .route(
            "/never",
            get(|| async { ([("cache-control", "no-store")], "x") }),
        )
        .layer(layer)
}

#[tokio::test]
async fn keys_and_tags_are_told_by_their_hits() {
    let layer = CacheLayer::new(CacheConfig::default());
    let cache = layer.cache();
    let (served, client) = (serve(app(layer)).await, Client::new());
    for (path, times) in [("/tagged?a=1", 6), ("/plain", 4), ("/never", 9)] {
        for _ in 0..times {
            client.get(&served.url(path)).await;
        }
    }
    let keys = cache.hottest_keys(10);
    let told: Vec<(bool, u64)> = keys
        .iter()
        .map(|(key, hits)| {
            (
                key.starts_with("GET 127.0.0.1:") && key.ends_with("/tagged?a=1"),
                *hits,
            )
        })
        .collect();
    assert_eq!(told, [(true, 5), (false, 3)], "{keys:?}");
    assert!(keys[1].0.ends_with("/plain"), "{keys:?}");
    let mut tags = cache.hottest_tags(10);
    tags.sort_unstable();
    assert_eq!(tags, [("page".to_owned(), 5), ("user:42".to_owned(), 5)]);
    assert_eq!(cache.hottest_keys(1), keys[..1]);
}

#[tokio::test]
async fn hits_of_redis_and_of_functions_count_too() {
    let redis = Redis::start().await;
    let layer = CacheLayer::new(redis.config().build().expect("a config"));
    let cache = layer.cache();
    until("connected", async || cache.stats().connected).await;
    let (served, client) = (serve(app(layer)).await, Client::new());
    for _ in 0..3 {
        client.get(&served.url("/plain")).await;
        until("written", async || cache.stats().queued_writes == 0).await;
    }
    for _ in 0..5 {
        assert_eq!(cache.function("squares").call(&3, || async { 9 }).await, 9);
    }
    assert_eq!(cache.stats().redis_hits, 2 + 4);
    let keys = cache.hottest_keys(10);
    let hits: Vec<u64> = keys.iter().map(|(_, hits)| *hits).collect();
    assert_eq!(hits, [4, 2], "{keys:?}");
    assert!(keys[0].0.contains("squares"), "{keys:?}");
}
