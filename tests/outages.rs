//! A load runs while Redis is refused, killed, restarted, hung or slow: every answer is right,
//! and none waits longer than it may.

#[path = "support/load.rs"]
mod load;
#[path = "support/proxy.rs"]
mod proxy;
mod support;

use load::{Data, Instance, Load};
use neuralblitz_cache::{
    BreakerState, Cache, CacheConfig, CacheConfigBuilder, Fault, Mode, Purged, RedisConfig,
};
use proxy::Proxy;
use std::time::Duration;
use support::redis::Redis;
use support::until;

/// Far more than the soft limit and a busy machine take, and less than the socket timeouts.
const NO_REQUEST_LONGER: Duration = Duration::from_secs(2);

/// With socket timeouts that end within a test.
fn config(port: u16) -> CacheConfigBuilder {
    let redis = RedisConfig::new()
        .host("127.0.0.1")
        .port(port)
        .socket_timeout(Duration::from_millis(500));
    CacheConfig::builder().redis(redis)
}

async fn instance(config: CacheConfigBuilder) -> Instance {
    Instance::start(config.build().expect("usable"), &Data::default()).await
}

async fn mode(cache: &Cache, wanted: Mode) {
    until("it is in this mode", async || cache.stats().mode == wanted).await;
}

/// So many more hits in Redis.
async fn hits(cache: &Cache, more: u64) {
    let before = cache.stats().redis_hits;
    until("hits", async || cache.stats().redis_hits > before + more).await;
}

/// What is queued is taken, now that Redis is used again.
async fn purged(cache: &Cache) {
    until("the purge is taken", async || {
        cache.stats().queued_purges == 0
    })
    .await;
}

async fn answered(load: &Load, requests: usize) {
    until("the load goes on", async || load.answered() >= requests).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_redis_is_left_alone_and_used_again_when_it_is_back_empty() {
    let mut redis = Redis::start().await;
    let instance = instance(config(redis.port)).await;
    let load = Load::start(&instance, 4);
    hits(&instance.cache, 200).await;
    load.phase("healthy");

    redis.kill();
    mode(&instance.cache, Mode::Fallback).await;
    let dying = load.phase("until the breaker opens, refused");
    assert!(dying.slowest() < NO_REQUEST_LONGER);
    answered(&load, 500).await;
    let stats = instance.cache.stats();
    assert_eq!(stats.breaker, BreakerState::Open);
    assert_eq!(stats.connections, 0);
    assert!(
        matches!(stats.reason, Some(Fault::Disconnected | Fault::Broken)),
        "{:?}",
        stats.reason
    );
    assert_eq!(instance.change(3).await, Purged::Queued);
    answered(&load, 1000).await;
    let away = load.phase("refused");
    assert!(away.fallback > 500 && away.slowest() < NO_REQUEST_LONGER);

    redis.restart().await;
    mode(&instance.cache, Mode::Redis).await;
    purged(&instance.cache).await;
    load.phase("coming back");
    hits(&instance.cache, 200).await;
    let back = load.phase("back");
    assert_eq!(back.fallback, 0);
    assert_eq!(instance.change(3).await, Purged::Applied);
    answered(&load, 100).await;
    load.phase("purged");
    load.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_was_never_there_is_left_alone() {
    let instance = instance(config(1)).await;
    let load = Load::start(&instance, 4);
    mode(&instance.cache, Mode::Fallback).await;
    load.phase("until the breaker opens, never there");
    answered(&load, 500).await;
    assert_eq!(instance.change(1).await, Purged::Queued);
    answered(&load, 1000).await;
    let seen = load.phase("never there");
    assert!(seen.fallback > 500, "what is fetched in an outage is kept");
    assert!(seen.slowest() < NO_REQUEST_LONGER);
    load.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hung_redis_costs_the_soft_limit_and_then_nothing() {
    let redis = Redis::start().await;
    let instance = instance(config(redis.port)).await;
    let load = Load::start(&instance, 4);
    hits(&instance.cache, 200).await;
    load.phase("healthy");

    redis.stop();
    mode(&instance.cache, Mode::Fallback).await;
    let hanging = load.phase("until the breaker opens, hung");
    assert!(hanging.slowest() < NO_REQUEST_LONGER);
    answered(&load, 500).await;
    let stats = instance.cache.stats();
    // Its connections are given up by the first timeouts; the last failure may be of the next one.
    let reasons = [Some(Fault::Timeout), Some(Fault::Disconnected)];
    assert!(reasons.contains(&stats.reason), "{:?}", stats.reason);
    assert_eq!(instance.change(5).await, Purged::Queued);
    answered(&load, 1000).await;
    let away = load.phase("hung");
    assert!(away.fallback > 500 && away.slowest() < NO_REQUEST_LONGER);

    redis.go_on();
    mode(&instance.cache, Mode::Redis).await;
    purged(&instance.cache).await;
    load.phase("coming back");
    hits(&instance.cache, 200).await;
    let back = load.phase("back");
    assert_eq!(back.fallback, 0);
    load.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_slower_than_the_soft_limit_is_not_waited_for() {
    let redis = Redis::start().await;
    let proxy = Proxy::start(redis.port).await;
    let mut settings = config(proxy.address.port());
    settings = settings.redis(
        RedisConfig::new()
            .host("127.0.0.1")
            .port(proxy.address.port()),
    );
    let instance = instance(settings).await;
    let load = Load::start(&instance, 4);
    hits(&instance.cache, 200).await;
    load.phase("healthy, behind a proxy");

    proxy.delay(Duration::from_millis(20));
    hits(&instance.cache, 200).await;
    load.phase("20 ms late");

    proxy.delay(Duration::from_secs(2));
    answered(&load, 20).await;
    load.phase("becoming 2 s late");
    answered(&load, 200).await;
    let late = load.phase("2 s late");
    assert!(late.slowest() < NO_REQUEST_LONGER);
    assert_eq!((late.hits, late.fallback), (0, 0), "late is a miss");
    assert_eq!(
        instance.cache.stats().mode,
        Mode::Redis,
        "being late is no failure of Redis"
    );

    proxy.delay(Duration::ZERO);
    hits(&instance.cache, 200).await;
    load.phase("in time again");
    load.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_breaker_each_request_waits_the_soft_limit_and_no_longer() {
    let redis = Redis::start().await;
    let instance = instance(config(redis.port).circuit_breaker_enabled(false)).await;
    let load = Load::start(&instance, 4);
    hits(&instance.cache, 100).await;
    load.phase("healthy, no breaker");
    redis.stop();
    answered(&load, 20).await;
    load.phase("becoming hung, no breaker");
    answered(&load, 100).await;
    let hung = load.phase("hung, no breaker");
    assert!(hung.slowest() < NO_REQUEST_LONGER);
    let stats = instance.cache.stats();
    assert_eq!(
        (stats.mode, stats.breaker),
        (Mode::Redis, BreakerState::Off)
    );
    assert_eq!(hung.fallback, 0);
    redis.go_on();
    hits(&instance.cache, 100).await;
    load.phase("back, no breaker");
    load.stop().await;
}

#[tokio::test]
async fn a_connection_that_hangs_is_found_by_the_health_check_though_nobody_asks() {
    let redis = Redis::start().await;
    let settings = RedisConfig::new()
        .host("127.0.0.1")
        .port(redis.port)
        .socket_timeout(Duration::from_millis(500))
        .health_check_interval(Duration::from_millis(100));
    let config = CacheConfig::builder().redis(settings);
    let instance = instance(config).await;
    let cache = &instance.cache;
    assert_eq!(instance.change(1).await, Purged::Applied);
    until("connected", async || cache.stats().connections == 4).await;
    redis.stop();
    until("they are given up", async || cache.stats().connections == 0).await;
    redis.go_on();
    until("connected again", async || cache.stats().connections == 4).await;
}
