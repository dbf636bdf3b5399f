//! What each fence is for: a scene in which an answer is old without it, and is not with it.

use crate::proxy::Proxy;
use crate::race::BOUND;
use crate::race_instance::config;
use crate::race_mute::Mute;
use crate::race_stage::{Actor, Held, Stage, is_old, read};
use crate::support::redis::Redis;
use crate::support::{until, web::Answer};
use crate::{Change, Until, race, seed};
use neuralblitz_cache::testing::{Fence, without_fence};
use neuralblitz_cache::{CacheConfigBuilder, Mode, Purged, RedisConfig};
use std::time::Duration;

/// Within so many requests and purges the race finds a fence missing.
const MOST: u64 = 10_000;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// With the limits of a busy machine.
pub(crate) fn patient(port: u16) -> CacheConfigBuilder {
    config(port).soft_limit(5 * SECOND)
}

pub(crate) fn near(port: u16) -> CacheConfigBuilder {
    patient(port).near_cache(true)
}

/// Longer after a purge than an instance that trusts what it hears may be behind.
async fn past_the_bound() {
    let mut ticks = tokio::time::interval(2 * BOUND);
    ticks.tick().await;
    ticks.tick().await;
}

#[tokio::test]
async fn a_fill_stamped_when_it_is_stored_outlives_a_purge_that_came_while_its_handler_ran() {
    async fn scene(without: Option<Fence>) -> bool {
        let (redis, stage) = (
            Redis::start().await,
            Stage::without(without, Held::BeforeHead),
        );
        let (a, b) = (
            stage.instance(patient(redis.port)),
            stage.instance(patient(redis.port)),
        );
        let early = a.clone();
        let answer = tokio::spawn(async move { early.get().await });
        stage.has_run().await;
        assert_eq!(stage.purge(&a).await, Purged::Applied);
        stage.open();
        assert_eq!(answer.await.expect("no panic").text(), "0");
        until("written", async || a.cache.stats().queued_writes == 0).await;
        is_old(&b.get().await)
    }
    assert!(!scene(None).await);
    assert!(scene(Some(Fence::StampBefore)).await);
}

#[tokio::test]
async fn who_asks_after_a_purge_would_follow_who_asked_before_it() {
    async fn scene(without: Option<Fence>) -> bool {
        let (redis, stage) = (
            Redis::start().await,
            Stage::without(without, Held::BeforeBody),
        );
        let (a, b) = (
            stage.instance(patient(redis.port)),
            stage.instance(patient(redis.port)),
        );
        let early = a.ask().await;
        assert_eq!(stage.purge(&b).await, Purged::Applied);
        let late = a.ask().await;
        stage.open();
        assert_eq!(read(early).await.text(), "0");
        is_old(&read(late).await)
    }
    assert!(!scene(None).await);
    assert!(scene(Some(Fence::FollowerRule)).await);
}

#[tokio::test]
async fn a_purge_that_waits_for_redis_is_not_in_force_here_unless_it_marks_this_process() {
    async fn scene(without: Option<Fence>) -> Answer {
        let stage = Stage::without(without, Held::Nowhere);
        let alone = stage.instance(patient(1));
        alone.mode(Mode::Fallback).await;
        assert_eq!(alone.get().await.text(), "0");
        assert!(alone.get().await.is_hit());
        assert_eq!(stage.purge(&alone).await, Purged::Queued);
        alone.get().await
    }
    assert_eq!(scene(None).await.text(), "1");
    assert_eq!(scene(Some(Fence::OwnMarks)).await.text(), "0");
}

#[tokio::test]
async fn a_hit_that_is_not_judged_by_the_record_is_older_than_a_purge_of_another_instance() {
    async fn scene(without: Option<Fence>) -> bool {
        let (redis, stage) = (Redis::start().await, Stage::without(without, Held::Nowhere));
        let (a, b) = (
            stage.instance(patient(redis.port)),
            stage.instance(patient(redis.port)),
        );
        b.stored().await;
        assert_eq!(stage.purge(&a).await, Purged::Applied);
        is_old(&b.get().await)
    }
    assert!(!scene(None).await);
    assert!(scene(Some(Fence::Record)).await);
}

/// A user who may not subscribe: its instances only know what they ask for.
pub(crate) async fn deaf(redis: &Redis, port: u16) -> CacheConfigBuilder {
    let mut connection = redis.connection().await;
    redis::cmd("ACL")
        .arg(&[
            "SETUSER",
            "deaf",
            "on",
            ">deaf",
            "~*",
            "&*",
            "+@all",
            "-subscribe",
        ])
        .exec_async(&mut connection)
        .await
        .expect("a user");
    let config = RedisConfig::new()
        .host("127.0.0.1")
        .port(port)
        .socket_timeout(5 * SECOND);
    patient(port).redis(config.username("deaf").password("deaf"))
}

async fn copy(redis: &Redis, from: &str, to: &str) {
    let mut connection = redis.connection().await;
    redis::cmd("COPY")
        .arg(&[from, to, "REPLACE"])
        .exec_async(&mut connection)
        .await
        .expect("copied");
}

#[tokio::test]
async fn a_record_that_has_forgotten_a_purge_is_believed_unless_its_clock_is_compared() {
    async fn scene(without: Option<Fence>) -> bool {
        let (redis, stage) = (Redis::start().await, Stage::without(without, Held::Nowhere));
        let (a, b) = (
            stage.instance(deaf(&redis, redis.port).await),
            stage.instance(deaf(&redis, redis.port).await),
        );
        b.stored().await;
        copy(&redis, "nb:{c}:stamps", "saved").await;
        assert_eq!(stage.purge(&a).await, Purged::Applied);
        // It sees the clock, as any request does.
        b.get_other().await;
        copy(&redis, "saved", "nb:{c}:stamps").await;
        is_old(&b.get().await)
    }
    assert!(!scene(None).await);
    assert!(scene(Some(Fence::Regression)).await);
}

#[tokio::test]
async fn a_message_that_was_lost_is_missed_for_ever_unless_the_clock_tells_of_it() {
    async fn scene(without: Option<Fence>) -> bool {
        let (redis, stage) = (Redis::start().await, Stage::without(without, Held::Nowhere));
        let way = Mute::start(redis.port).await;
        let (a, b) = (
            stage.instance(near(redis.port)),
            stage.instance(near(way.address.port())),
        );
        b.coherent().await;
        b.stored().await;
        way.mute();
        assert_eq!(stage.purge(&a).await, Purged::Applied);
        past_the_bound().await;
        is_old(&b.get().await)
    }
    assert!(!scene(None).await);
    assert!(scene(Some(Fence::Gaps)).await);
}

#[tokio::test]
async fn an_instance_that_hears_nothing_any_more_would_go_on_answering() {
    async fn scene(without: Option<Fence>) -> bool {
        let (redis, stage) = (Redis::start().await, Stage::without(without, Held::Nowhere));
        let way = Proxy::start(redis.port).await;
        let behind = config(way.address.port()).near_cache(true);
        let (a, b) = (stage.instance(near(redis.port)), stage.instance(behind));
        b.coherent().await;
        b.stored().await;
        way.delay(60 * SECOND);
        assert_eq!(stage.purge(&a).await, Purged::Applied);
        past_the_bound().await;
        is_old(&b.get().await)
    }
    assert!(!scene(None).await);
    assert!(scene(Some(Fence::Trust)).await);
}

/// The clock of purges is ahead of the server's, as when that was set back.
pub(crate) async fn set_ahead(redis: &Redis, by: Duration) {
    let mut connection = redis.connection().await;
    let time = redis::cmd("TIME").query_async(&mut connection).await;
    let (seconds, _): (u64, u64) = time.expect("a time");
    let clock = (seconds + by.as_secs()) * 1_000_000;
    redis::cmd("SETRANGE")
        .arg(&["nb:{c}:stamps", "0"])
        .arg(&clock.to_be_bytes())
        .exec_async(&mut connection)
        .await
        .expect("set");
}

/// An instance that cannot reach Redis purges and fetches; another one purges what it fetched.
async fn fetched_ahead(stage: &Stage, redis: &Redis, way: &Proxy) -> Actor {
    let a = stage.instance(near(way.address.port()));
    a.coherent().await;
    set_ahead(redis, 3600 * SECOND).await;
    let b = stage.instance(near(redis.port));
    for instance in [&a, &b] {
        instance.get_other().await;
        instance.coherent().await;
    }
    way.cut_off();
    a.mode(Mode::Fallback).await;
    for elsewhere in ["/1", "/2", "/3"] {
        let purged = a.cache.purge_uri(elsewhere).await.expect("a URI");
        assert_eq!(purged, Purged::Queued);
    }
    assert_eq!(a.get().await.text(), "0");
    assert_eq!(stage.purge(&b).await, Purged::Applied);
    way.refuse(false);
    a.mode(Mode::Redis).await;
    until("the purge is taken", async || {
        a.cache.stats().queued_purges == 0
    })
    .await;
    a.coherent().await;
    a
}

#[tokio::test]
async fn what_was_fetched_in_an_outage_would_outlive_a_purge_elsewhere_by_a_clock_set_back() {
    async fn scene(without: Option<Fence>) -> bool {
        let (redis, stage) = (Redis::start().await, Stage::without(without, Held::Nowhere));
        let way = Proxy::start(redis.port).await;
        let a = fetched_ahead(&stage, &redis, &way).await;
        is_old(&a.get().await)
    }
    assert!(!scene(None).await);
    assert!(scene(Some(Fence::Outage)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_race_finds_what_a_missing_fence_lets_through() {
    let changes: [(Fence, Change); 4] = [
        (Fence::StampBefore, |c| without_fence(c, Fence::StampBefore)),
        (Fence::FollowerRule, |c| {
            without_fence(c, Fence::FollowerRule)
        }),
        (Fence::OwnMarks, |c| without_fence(c, Fence::OwnMarks)),
        (Fence::Record, |c| without_fence(c, Fence::Record)),
    ];
    for (fence, change) in changes {
        let seed = seed();
        let tally = race(seed, Until::Wrong(MOST), change).await;
        println!("without {fence:?}: {tally}");
        assert!(tally.violations() > 0, "{fence:?}, seed {seed}");
    }
}
