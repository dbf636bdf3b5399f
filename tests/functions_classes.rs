//! What the settings say of a class holds for functions too; calls are counted by their prefix.

mod support;

use neuralblitz_cache::{Cache, CacheConfig};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::redis::Redis;
use support::until;

#[tokio::test]
async fn results_of_a_class_that_is_local_only_stay_out_of_redis() {
    let redis = Redis::start().await;
    let config = redis.config().class_local_only("secret", true).build();
    let (cache, runs) = (Cache::new(config.expect("usable")), AtomicUsize::new(0));
    until("connected", async || cache.stats().connected).await;
    let call = async |prefix: &'static str| {
        let run = || async { runs.fetch_add(1, Ordering::SeqCst) };
        cache.function(prefix).call(&1, run).await
    };
    assert_eq!((call("secret").await, call("open").await), (0, 1));
    until("it is written", async || cache.stats().queued_writes == 0).await;
    assert_eq!((call("secret").await, call("open").await), (0, 1));
    let keys = redis.keys().await;
    let of = |prefix: &str| keys.iter().filter(|key| key.starts_with(prefix)).count();
    assert_eq!((of("nb:secret:"), of("nb:open:")), (0, 1));
    let _ = cache
        .function("secret")
        .invalidate(&1)
        .await
        .expect("usable");
    assert_eq!(call("secret").await, 2);
}

#[tokio::test(start_paused = true)]
async fn no_result_is_used_longer_than_its_class_lets_it_be() {
    let config = CacheConfig::builder().class_max_ttl("short", Duration::from_secs(10));
    let cache = Cache::new(config.build().expect("usable"));
    let runs = AtomicUsize::new(0);
    let call = async |ttl: u64| {
        let function = cache
            .function("f")
            .class("short")
            .ttl(Duration::from_secs(ttl));
        let function = function.stale_if_error(Duration::from_mins(5));
        let run = || async {
            match runs.fetch_add(1, Ordering::SeqCst) {
                0 => Ok(0),
                _ => Err(()),
            }
        };
        function.try_call(&ttl, run).await
    };
    assert_eq!(call(60).await, Ok(0));
    tokio::time::advance(Duration::from_millis(9_999)).await;
    assert_eq!(call(60).await, Ok(0));
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(call(60).await, Err(()), "nor stale");
    runs.store(0, Ordering::SeqCst);
    assert_eq!(call(4).await, Ok(0));
    tokio::time::advance(Duration::from_secs(9)).await;
    assert_eq!(call(4).await, Ok(0), "stale, for as long");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(call(4).await, Err(()));
}

#[tokio::test]
async fn calls_are_counted_by_their_prefix() {
    let cache = Cache::new(CacheConfig::default());
    for _ in 0..3 {
        cache.function("user_data").call(&1, || async { 1 }).await;
    }
    let rates = cache.hit_rates(Duration::from_mins(1));
    let rate = rates.iter().find(|rate| &*rate.route == "user_data");
    let rate = rate.expect("a rate");
    assert_eq!((rate.hits, rate.misses), (2, 1));
}
