//! Results of functions in Redis: shared by instances, purged on all of them, computed by one.

mod support;

use neuralblitz_cache::{Cache, CacheConfigBuilder, Purged};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::redis::Redis;
use support::until;
use tokio::sync::Semaphore;

type Runs = Arc<AtomicUsize>;

fn cache(config: CacheConfigBuilder) -> Cache {
    Cache::new(config.build().expect("usable"))
}

async fn connected(config: CacheConfigBuilder) -> Cache {
    let cache = cache(config);
    until("it is connected", async || cache.stats().connected).await;
    cache
}

async fn call(cache: &Cache, runs: &Runs) -> usize {
    let run = || async { runs.fetch_add(1, Ordering::SeqCst) };
    cache.function("user_data").call(&123, run).await
}

async fn written(cache: &Cache) {
    until("it is in Redis", async || cache.stats().queued_writes == 0).await;
}

#[tokio::test]
async fn a_result_is_named_by_its_prefix_and_a_hash_and_serves_all_instances() {
    let redis = Redis::start().await;
    let (a, b) = (
        connected(redis.config()).await,
        connected(redis.config()).await,
    );
    let runs = Runs::default();
    assert_eq!(call(&a, &runs).await, 0);
    written(&a).await;
    let keys = redis.keys().await;
    let key = keys.iter().find(|key| key.starts_with("nb:user_data:"));
    let hash = key.expect("a key").trim_start_matches("nb:user_data:");
    assert!(
        hash.len() == 32 && hash.bytes().all(|b| b.is_ascii_hexdigit()),
        "{hash}"
    );
    assert_eq!(call(&b, &runs).await, 0);
    assert_eq!((b.stats().redis_hits, b.stats().misses), (1, 0));
}

#[tokio::test]
async fn an_invalidation_is_in_force_on_all_instances_when_it_returns() {
    let redis = Redis::start().await;
    let (a, b) = (
        connected(redis.config()).await,
        connected(redis.config()).await,
    );
    let runs = Runs::default();
    for round in 0..20 {
        assert_eq!(call(&a, &runs).await, round);
        written(&a).await;
        assert_eq!(call(&b, &runs).await, round);
        let purged = match round % 3 {
            0 => a.function("user_data").invalidate(&123).await,
            1 => b.function("user_data").invalidate_all().await,
            _ => a.delete_pattern("nb:user_data:*").await,
        };
        assert_eq!(purged.expect("usable"), Purged::Applied);
        let (first, second) = if round % 2 == 0 { (&a, &b) } else { (&b, &a) };
        assert_eq!(call(first, &runs).await, round + 1);
        written(first).await;
        assert_eq!(call(second, &runs).await, round + 1);
    }
}

#[tokio::test]
async fn with_a_near_tier_a_result_is_handed_out_without_asking_or_decoding() {
    let redis = Redis::start().await;
    let config = || redis.config().near_cache(true);
    let (a, b) = (connected(config()).await, connected(config()).await);
    let call = async |cache: &Cache| {
        let run = || async { Arc::new(String::from("large")) };
        cache.function("f").call(&1, run).await
    };
    let made = call(&a).await;
    until("it is written", async || a.stats().queued_writes == 0).await;
    until("b hears of purges", async || b.stats().coherent).await;
    let first = call(&b).await;
    assert!(!Arc::ptr_eq(&made, &first), "it came from Redis");
    until("b has it", async || {
        b.stats().local_hits > 0 || Arc::ptr_eq(&first, &call(&b).await)
    })
    .await;
    let _ = a.function("f").invalidate(&1).await.expect("usable");
    until("b has heard of it", async || {
        !Arc::ptr_eq(&first, &call(&b).await)
    })
    .await;
}

#[tokio::test]
async fn with_a_lease_one_instance_computes_for_all() {
    let redis = Redis::start().await;
    let config = || redis.config().lease(Duration::from_secs(20));
    let (a, b) = (connected(config()).await, connected(config()).await);
    let (runs, gate) = (Runs::default(), Arc::new(Semaphore::new(0)));
    let gated = |cache: &Cache| {
        let (cache, runs, gate) = (cache.clone(), runs.clone(), gate.clone());
        tokio::spawn(async move {
            let run = || async {
                let run = runs.fetch_add(1, Ordering::SeqCst);
                let _open = gate.acquire().await.expect("open");
                run
            };
            cache.function("f").call(&1, run).await
        })
    };
    let calls = (0..10).map(|n| gated(if n % 2 == 0 { &a } else { &b }));
    let calls: Vec<_> = calls.collect();
    until("it runs", async || runs.load(Ordering::SeqCst) > 0).await;
    gate.add_permits(10);
    for call in calls {
        assert_eq!(call.await.expect("no panic"), 0);
    }
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn results_of_two_types_under_one_name_take_turns_and_are_never_mixed() {
    let redis = Redis::start().await;
    let (a, b) = (
        connected(redis.config()).await,
        connected(redis.config()).await,
    );
    for _ in 0..3 {
        let one: u8 = a.function("f").call(&1, || async { 1 }).await;
        until("written", async || a.stats().queued_writes == 0).await;
        let two: String = b.function("f").call(&1, || async { "two".into() }).await;
        until("written", async || b.stats().queued_writes == 0).await;
        assert_eq!((one, &*two), (1, "two"));
    }
    let keys = redis.keys().await;
    assert_eq!(
        keys.iter().filter(|key| key.starts_with("nb:f:")).count(),
        1
    );
}

#[tokio::test]
async fn while_redis_is_away_the_local_tier_stands_in_and_nothing_fails() {
    let mut redis = Redis::start().await;
    let cache = connected(redis.config()).await;
    let runs = Runs::default();
    assert_eq!(call(&cache, &runs).await, 0);
    written(&cache).await;
    redis.kill();
    until("it stands in", async || {
        call(&cache, &runs).await;
        cache.stats().fallback_hits > 0
    })
    .await;
    let _ = cache
        .function("user_data")
        .invalidate(&123)
        .await
        .expect("usable");
    let before = runs.load(Ordering::SeqCst);
    assert_eq!(call(&cache, &runs).await, before, "our own purge counts");
}

#[tokio::test]
async fn releases_side_by_side_do_not_read_each_other_and_purge_each_other() {
    let redis = Redis::start().await;
    let config = |version| redis.config().version(version);
    let (old, new) = (connected(config("1")).await, connected(config("2")).await);
    let runs = Runs::default();
    assert_eq!((call(&old, &runs).await, call(&new, &runs).await), (0, 1));
    written(&old).await;
    let _ = new
        .function("user_data")
        .invalidate(&123)
        .await
        .expect("usable");
    assert_eq!(call(&old, &runs).await, 2);
}
