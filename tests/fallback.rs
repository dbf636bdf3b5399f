//! What the local tier may answer while Redis is left alone, and what comes of it afterwards.

#![allow(clippy::disallowed_methods, reason = "a test reads the time")]

#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/scripted.rs"]
mod scripted;
mod support;

use neuralblitz_cache::{CacheConfig, CacheConfigBuilder, Mode, Purged, RedisConfig};
use proxy::Proxy;
use scripted::{App, counted, fwd};
use std::time::{Duration, Instant};
use support::redis::Redis;
use support::until;
use support::web::Answer;

/// An instance behind a proxy, that a cut ends at once, and another straight at the server.
struct Pair {
    redis: Redis,
    proxy: Proxy,
    near: App,
    other: App,
}

impl Pair {
    async fn start() -> Self {
        Self::with(|config| config).await
    }

    async fn with(change: impl Fn(CacheConfigBuilder) -> CacheConfigBuilder) -> Self {
        let redis = Redis::start().await;
        let proxy = Proxy::start(redis.port).await;
        let near = through(&proxy, &change);
        let other = app(redis.config());
        Self {
            redis,
            proxy,
            near,
            other,
        }
    }

    /// Cuts the way to Redis, and asks until it is left alone.
    async fn cut_off(&self) {
        self.proxy.cut_off();
        until("redis is left alone", async || {
            self.near.get("/elsewhere").await;
            self.near.cache.stats().mode == Mode::Fallback
        })
        .await;
    }

    async fn come_back(&self) {
        self.proxy.refuse(false);
        until("redis is used again", async || {
            self.near.cache.stats().mode == Mode::Redis
        })
        .await;
    }
}

fn app(config: CacheConfigBuilder) -> App {
    App::new(config.build().expect("usable"), |_, run| counted(run, &[]))
}

fn through(proxy: &Proxy, change: &impl Fn(CacheConfigBuilder) -> CacheConfigBuilder) -> App {
    let config = CacheConfig::builder()
        .redis(at(proxy))
        .soft_limit(Duration::from_secs(5));
    app(change(config))
}

fn at(proxy: &Proxy) -> RedisConfig {
    RedisConfig::new()
        .host("127.0.0.1")
        .port(proxy.address.port())
}

async fn written(app: &App) {
    until("it is written", async || {
        app.cache.stats().queued_writes == 0
    })
    .await;
}

fn stands_in(answer: &Answer) -> bool {
    answer.is_hit() && answer.cache().contains("; detail=fallback")
}

async fn purge(app: &App, path: &str) -> Purged {
    app.cache.purge_uri(path).await.expect("a URI")
}

#[tokio::test]
async fn what_was_confirmed_last_stands_in_and_is_marked() {
    let pair = Pair::start().await;
    let first = pair.near.get("/x").await;
    written(&pair.near).await;
    assert!(pair.near.get("/x").await.is_hit());
    pair.cut_off().await;
    let answer = pair.near.get("/x").await;
    assert!(stands_in(&answer), "{}", answer.cache());
    assert_eq!(answer.text(), first.text());
    let head = pair.near.ask(http::Method::HEAD, "/x", &[]).await;
    assert!(stands_in(&head));
    pair.come_back().await;
    let back = pair.near.get("/x").await;
    assert!(back.is_hit() && !stands_in(&back), "{}", back.cache());
}

#[tokio::test]
async fn what_is_stale_in_an_outage_is_marked_as_well() {
    let stale = |config: CacheConfigBuilder| {
        let config = config.api_response_ttl(Duration::from_secs(1));
        config.stale_while_revalidate(Duration::from_mins(1))
    };
    let pair = Pair::with(stale).await;
    pair.near.get("/x").await;
    written(&pair.near).await;
    assert!(pair.near.get("/x").await.is_hit());
    pair.cut_off().await;
    until("it is stale", async || {
        let answer = pair.near.get("/x").await;
        assert!(stands_in(&answer), "{}", answer.cache());
        pair.near.cache.stats().stale_while_revalidate > 0
    })
    .await;
}

#[tokio::test]
async fn what_another_instance_purged_before_the_outage_does_not_stand_in() {
    let pair = Pair::start().await;
    pair.near.get("/x").await;
    written(&pair.near).await;
    assert!(pair.near.get("/x").await.is_hit());
    assert_eq!(purge(&pair.other, "/x").await, Purged::Applied);
    // It hears that something was purged, and not what.
    pair.near.get("/y").await;
    pair.cut_off().await;
    let answer = pair.near.get("/x").await;
    assert!(!answer.is_hit(), "{}", answer.cache());
}

#[tokio::test]
async fn what_is_fetched_in_an_outage_is_kept_here_and_never_reaches_redis() {
    let pair = Pair::start().await;
    pair.near.get("/a").await;
    written(&pair.near).await;
    pair.cut_off().await;
    let first = pair.near.get("/x").await;
    assert_eq!(fwd(&first), ("uri-miss".into(), true));
    let second = pair.near.get("/x").await;
    assert!(stands_in(&second), "{}", second.cache());
    pair.come_back().await;
    written(&pair.near).await;
    assert_eq!(
        pair.redis.keys().await.len(),
        2,
        "/a and the record of purges"
    );
    let third = pair.near.get("/x").await;
    assert!(!third.is_hit(), "what others purged meanwhile is not known");
    assert_ne!(third.text(), second.text());
}

#[tokio::test]
async fn a_purge_in_an_outage_is_in_force_here_at_once_and_elsewhere_when_redis_is_back() {
    let pair = Pair::start().await;
    pair.near.get("/x").await;
    written(&pair.near).await;
    let old = pair.other.get("/x").await;
    assert!(old.is_hit());
    pair.cut_off().await;
    assert!(stands_in(&pair.near.get("/x").await));
    assert_eq!(purge(&pair.near, "/x").await, Purged::Queued);
    let new = pair.near.get("/x").await;
    assert!(!new.is_hit(), "{}", new.cache());
    let again = pair.near.get("/x").await;
    assert!(stands_in(&again), "what came after the purge is kept");
    assert_eq!(again.text(), new.text());
    assert_eq!(purge(&pair.near, "/x").await, Purged::Queued);
    assert!(!pair.near.get("/x").await.is_hit(), "and is purged again");
    pair.come_back().await;
    until("the purge is taken", async || {
        pair.near.cache.stats().queued_purges == 0
    })
    .await;
    let there = pair.other.get("/x").await;
    assert!(!there.is_hit(), "{}", there.cache());
}

#[tokio::test]
async fn what_others_purged_in_the_outage_is_gone_when_redis_is_back() {
    let pair = Pair::start().await;
    pair.near.get("/x").await;
    written(&pair.near).await;
    assert!(pair.near.get("/x").await.is_hit());
    pair.cut_off().await;
    let old = pair.near.get("/x").await;
    assert!(stands_in(&old));
    assert_eq!(purge(&pair.other, "/x").await, Purged::Applied);
    assert!(stands_in(&pair.near.get("/x").await), "as promised: marked");
    pair.come_back().await;
    let new = pair.near.get("/x").await;
    assert!(!new.is_hit(), "{}", new.cache());
}

#[tokio::test]
async fn with_no_staleness_allowed_the_handler_answers_every_request() {
    let pair = Pair::with(|config| config.fallback_staleness(Duration::ZERO)).await;
    pair.near.get("/x").await;
    written(&pair.near).await;
    pair.cut_off().await;
    for _ in 0..5 {
        let before = pair.near.runs();
        assert!(!pair.near.get("/x").await.is_hit());
        assert_eq!(pair.near.runs(), before + 1);
    }
    assert_eq!(pair.near.cache.stats().fallback_hits, 0);
}

#[tokio::test]
async fn no_answer_is_further_behind_than_the_staleness_allowed() {
    const ALLOWED: Duration = Duration::from_millis(200);
    let redis = Redis::start().await;
    let proxy = Proxy::start(redis.port).await;
    let start = Instant::now();
    let config = CacheConfig::builder()
        .redis(at(&proxy))
        .fallback_staleness(ALLOWED);
    let near = App::new(config.build().expect("usable"), move |_, _| {
        scripted::reply(200, &[], start.elapsed().as_millis().to_string())
    });
    proxy.cut_off();
    let near = &near;
    until("three entries have had their time", async || {
        let asked = start.elapsed().as_millis();
        let answer = near.get("/x").await;
        let made: u128 = answer.text().parse().expect("a number");
        if stands_in(&answer) {
            assert!(asked <= made + ALLOWED.as_millis(), "{made} at {asked}");
        }
        near.runs() > 8 && near.cache.stats().fallback_hits > 0
    })
    .await;
}

async fn one_late_reply(retry: bool) -> Answer {
    let redis = Redis::start().await;
    let proxy = Proxy::start(redis.port).await;
    let near = app(CacheConfig::builder()
        .redis(
            at(&proxy)
                .socket_timeout(Duration::from_millis(200))
                .retry_on_timeout(retry),
        )
        // Nothing else is asked that could come late in its place.
        .coherence_bound(Duration::from_hours(1))
        .soft_limit(Duration::from_secs(5)));
    near.get("/x").await;
    written(&near).await;
    assert!(near.get("/x").await.is_hit());
    until("all connections stand", async || {
        let stats = near.cache.stats();
        stats.connections == 4 && stats.coherent
    })
    .await;
    proxy.delay_once(Duration::from_secs(3));
    near.get("/x").await
}

#[tokio::test]
async fn a_lookup_that_timed_out_is_tried_once_more() {
    assert!(one_late_reply(true).await.is_hit());
    assert!(!one_late_reply(false).await.is_hit());
}

#[tokio::test]
async fn a_shutdown_ends_though_redis_hangs() {
    let redis = Redis::start().await;
    let near = app(redis.config());
    near.get("/x").await;
    written(&near).await;
    redis.stop();
    assert_eq!(purge(&near, "/x").await, Purged::Queued);
    let ended = tokio::time::timeout(Duration::from_secs(9), near.cache.shutdown()).await;
    assert!(ended.is_ok());
    redis.go_on();
}

#[tokio::test]
async fn the_last_handle_ends_every_task() {
    let redis = Redis::start().await;
    let alive = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    until("the test's own are gone", async || alive() == 0).await;
    let near = app(redis.config());
    near.get("/x").await;
    written(&near).await;
    redis.stop();
    // A lookup that goes on after nobody waits for it.
    let waits = near.get("/x");
    assert!(
        tokio::time::timeout(Duration::from_millis(1), waits)
            .await
            .is_err()
    );
    assert!(alive() > 3);
    drop(near);
    until("no task is left", async || alive() == 0).await;
    redis.go_on();
}
