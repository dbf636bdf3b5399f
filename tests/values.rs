//! Values set and read by hand, one by one and many at once.

mod support;

use neuralblitz_cache::{Cache, CacheConfig, CacheErrorKind, Purged};
use std::time::Duration;
use support::redis::Redis;
use support::until;

const MINUTE: Duration = Duration::from_mins(1);

fn local() -> Cache {
    Cache::new(CacheConfig::default())
}

async fn shared(redis: &Redis) -> Cache {
    let cache = Cache::new(redis.config().build().expect("usable"));
    until("it is connected", async || cache.stats().connected).await;
    cache
}

/// How many commands Redis was sent over our connections since the start.
async fn calls(redis: &Redis, command: &str) -> u64 {
    let mut connection = redis.connection().await;
    let stats: String = redis::cmd("INFO")
        .arg("commandstats")
        .query_async(&mut connection)
        .await
        .expect("figures");
    let line = format!("cmdstat_{command}:calls=");
    let found = stats.lines().find_map(|stat| stat.strip_prefix(&line));
    let number = found.and_then(|rest| rest.split(',').next());
    number.map_or(0, |number| number.parse().expect("a number"))
}

#[tokio::test]
async fn many_values_are_read_in_the_order_of_their_keys_with_gaps() {
    let redis = Redis::start().await;
    for cache in [local(), shared(&redis).await] {
        let values = [("m:1", 1), ("nb:m:2", 2), ("m:3", 3)];
        cache.set_many(&values, MINUTE).await.expect("set");
        let _ = cache.delete("m:2").await.expect("a key");
        let keys = ["m:3", "m:2", "m:0", "nb:m:1"];
        let read = cache.get_many::<u8>(&keys).await.expect("keys");
        assert_eq!(read, [Some(3), None, None, Some(1)]);
        assert_eq!(cache.get::<u8>("m:3").await.expect("a key"), Some(3));
        let texts = cache.get_many::<String>(&keys).await.expect("keys");
        assert_eq!(texts, [None, None, None, None], "of another type");
    }
}

#[tokio::test]
async fn what_another_instance_set_is_read_by_all_and_is_the_newest() {
    let redis = Redis::start().await;
    let (a, b) = (shared(&redis).await, shared(&redis).await);
    for round in 0..10 {
        let values = [("m:1", round), ("m:2", round + 1)];
        let (first, second) = if round % 2 == 0 { (&a, &b) } else { (&b, &a) };
        first.set_many(&values, MINUTE).await.expect("set");
        let read = second.get_many::<u32>(&["m:1", "m:2"]).await;
        assert_eq!(read.expect("keys"), [Some(round), Some(round + 1)]);
    }
    let purged = a.delete_pattern("nb:m:*").await.expect("a glob");
    assert_eq!(purged, Purged::Applied);
    let read = b.get_many::<u32>(&["m:1", "m:2"]).await.expect("keys");
    assert_eq!(read, [None, None]);
}

#[tokio::test]
async fn many_values_take_one_purge_and_one_read() {
    let redis = Redis::start().await;
    let (a, b) = (shared(&redis).await, shared(&redis).await);
    // Until then cells are read with each lookup.
    until("purges are heard of", async || {
        a.stats().coherent && b.stats().coherent
    })
    .await;
    let keys: Vec<String> = (0..100).map(|n| format!("m:{n}")).collect();
    let values: Vec<(&str, u8)> = keys.iter().map(|key| (&**key, 1)).collect();
    let purges = a.stats().purges;
    a.set_many(&values, MINUTE).await.expect("set");
    assert_eq!(a.stats().purges, purges + 1);
    let keys: Vec<&str> = keys.iter().map(|key| &**key).collect();
    let before = calls(&redis, "getrange").await;
    let read = b.get_many::<u8>(&keys).await.expect("keys");
    assert_eq!(read, vec![Some(1); 100]);
    // The values, and the record of purges; the heartbeat reads that too.
    let reads = calls(&redis, "getrange").await - before;
    assert!((101..200).contains(&reads), "{reads}");
}

#[tokio::test(start_paused = true)]
async fn a_value_exists_and_tells_how_long_it_is_fresh_yet() {
    let cache = local();
    cache.set("a", &1, MINUTE).await.expect("set");
    assert!(cache.exists("nb:a").await.expect("a key"));
    tokio::time::advance(Duration::from_secs(20)).await;
    let left = cache.ttl("a").await.expect("a key");
    assert_eq!(left, Some(Duration::from_secs(40)));
    tokio::time::advance(Duration::from_secs(40)).await;
    assert_eq!(cache.ttl("a").await.expect("a key"), None);
    assert!(!cache.exists("a").await.expect("a key"));
}

#[tokio::test]
async fn one_key_or_value_that_cannot_be_used_sets_none() {
    let config = CacheConfig::builder().max_body(10).build();
    let cache = Cache::new(config.expect("usable"));
    let set = cache.set_many(&[("a", "1"), ("", "2")], MINUTE).await;
    assert_eq!(set.expect_err("no key").kind(), CacheErrorKind::InvalidKey);
    let large = "x".repeat(20);
    let set = cache.set_many(&[("a", "1"), ("b", &large)], MINUTE).await;
    assert_eq!(set.expect_err("large").kind(), CacheErrorKind::InvalidValue);
    assert!(!cache.exists("a").await.expect("a key"));
    let read = cache.get_many::<u8>(&["a", "{c}:stamps"]).await;
    assert_eq!(
        read.expect_err("reserved").kind(),
        CacheErrorKind::InvalidKey
    );
    cache
        .set_many::<u8>(&[], MINUTE)
        .await
        .expect("nothing to do");
}

#[tokio::test]
async fn without_redis_sets_fail_and_reads_are_misses() {
    let mut redis = Redis::start().await;
    let cache = shared(&redis).await;
    cache.set_many(&[("a", 1)], MINUTE).await.expect("set");
    redis.kill();
    let set = cache.set_many(&[("a", 2), ("b", 2)], MINUTE).await;
    assert_eq!(
        set.expect_err("no Redis").kind(),
        CacheErrorKind::Unavailable
    );
    let read = cache.get_many::<u8>(&["a", "b"]).await.expect("keys");
    assert_eq!(read, [None, None], "what was to be replaced is gone here");
}
