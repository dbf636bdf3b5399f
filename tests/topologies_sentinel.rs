//! Sentinels name the master, and name another when it is gone.

#![cfg(feature = "sentinel")]
#![allow(clippy::disallowed_methods, reason = "a test reads the time")]

#[path = "support/exercise.rs"]
mod exercise;
#[path = "support/scripted.rs"]
mod scripted;
#[path = "support/sentinels.rs"]
mod sentinels;
mod support;
#[path = "support/traffic.rs"]
mod traffic;

use exercise::{all_works, app, say, works_as_written};
use neuralblitz_cache::{CacheConfig, CacheConfigBuilder, Fault, Purged, RedisConfig};
use sentinels::{MASTER, Sentinels, info, replicated, synced};
use std::sync::Arc;
use std::time::Duration;
use support::redis::Redis;
use support::{long, until_within};
use traffic::{Data, Instance, Traffic};

/// Sentinels take half a second to miss a master, and some more to agree; and what connects anew
/// backs off.
const FAILOVER: Duration = Duration::from_mins(1);

const SECOND: Duration = Duration::from_secs(1);

fn config(sentinels: &Sentinels) -> CacheConfigBuilder {
    let redis = RedisConfig::new().sentinel(MASTER, sentinels.nodes());
    let redis = redis.socket_timeout(SECOND).socket_connect_timeout(SECOND);
    CacheConfig::builder()
        .redis(redis)
        .circuit_breaker_timeout(SECOND)
        .soft_limit(5 * SECOND)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_is_survived_and_what_the_new_master_has_is_trusted() {
    let (mut master, replica) = replicated().await;
    let sentinels = Sentinels::watch(&master, 3, 1).await;
    let data = Data::of(8);
    let a = Arc::new(Instance::start(config(&sentinels).build().expect("usable"), &data).await);
    let near = config(&sentinels).near_cache(true).build();
    let b = Arc::new(Instance::start_near(near.expect("usable"), &data).await);
    let traffic = Traffic::start(&[a.clone(), b.clone()], 2);
    for n in 0..8 {
        assert_eq!(a.change(n).await, Purged::Applied);
    }
    more(&traffic, 3).await;
    until_within(FAILOVER, "all is written", async || {
        a.cache.stats().queued_writes == 0 && b.cache.stats().queued_writes == 0
    })
    .await;
    synced(&master).await;
    traffic.phase("before");

    let runs = a.runs() + b.runs();
    master.kill();
    let began = tokio::time::Instant::now();
    until_within(FAILOVER, "another master", async || {
        sentinels.master().await == replica.port
    })
    .await;
    println!("a new master {:.1?} after the kill", began.elapsed());
    until_within(FAILOVER, "purges are applied", async || {
        b.change(0).await == Purged::Applied
    })
    .await;
    println!("a purge applied {:.1?} after the kill", began.elapsed());
    traffic.phase("failing over");
    until_within(FAILOVER, "the near tier is trusted", async || {
        b.cache.stats().coherent
    })
    .await;
    more(&traffic, 3).await;
    traffic.phase("the new master");
    // The record went along: what was stored before is used again, and only one was purged.
    let other = a.get(5).await;
    assert!(other.is_hit(), "{}", other.cache());
    println!("{} runs of handlers meanwhile", a.runs() + b.runs() - runs);

    if long() {
        the_old_one_comes_back(&mut master, &a, &traffic).await;
    }
    traffic.stop().await;
}

/// Sentinels take some ten seconds to notice it.
async fn the_old_one_comes_back(master: &mut Redis, a: &Instance, traffic: &Traffic) {
    master.restart().await;
    until_within(FAILOVER, "it is made a replica", async || {
        info(master).await.contains("role:slave")
    })
    .await;
    for n in 0..200 {
        assert_eq!(a.change(n % 8).await, Purged::Applied);
    }
    more(traffic, 2).await;
    traffic.phase("the old one is back");
}

/// Until each item was asked for so many times more.
async fn more(traffic: &Traffic, times: usize) {
    let until = traffic.least() + times;
    until_within(FAILOVER, "the traffic flows", async || {
        traffic.least() >= until
    })
    .await;
}

/// The clock of purges tells: the new master's is behind what was seen.
#[tokio::test]
async fn a_failover_that_loses_a_purge_costs_misses_and_brings_nothing_back() {
    let (mut master, replica) = replicated().await;
    let sentinels = Sentinels::watch(&master, 3, 1).await;
    let (a, b) = (
        app(config(&sentinels)),
        app(config(&sentinels).near_cache(true)),
    );
    for path in ["/x", "/y"] {
        assert!(!a.get(path).await.is_hit());
        exercise::written(&a).await;
        assert!(b.get(path).await.is_hit());
    }
    synced(&master).await;
    // It hears of nothing any more, and still has the entries.
    say(&replica, &["REPLICAOF", "NO", "ONE"]).await;
    let purged = b.cache.purge_uri("/x").await.expect("a URI");
    assert_eq!(purged, Purged::Applied);
    master.kill();
    until_within(FAILOVER, "the other is the master", async || {
        sentinels.master().await == replica.port
    })
    .await;
    until_within(FAILOVER, "it is used", async || {
        let purged = b.cache.purge_uri("/none").await;
        purged.expect("a URI") == Purged::Applied
    })
    .await;
    for path in ["/x", "/y"] {
        let gone = b.get(path).await;
        assert!(!gone.is_hit(), "nobody knows what else was lost: {gone:?}");
        exercise::written(&b).await;
        until_within(FAILOVER, "the other one sees it too", async || {
            a.get(path).await.text() == gone.text()
        })
        .await;
    }
}

#[tokio::test]
async fn a_sentinel_that_hangs_is_not_waited_for() {
    let master = Redis::start().await;
    let sentinels = Sentinels::watch(&master, 3, 0).await;
    sentinels.stop(0);
    all_works(|| config(&sentinels)).await;
    let (nodes, master) = (sentinels.nodes(), MASTER);
    works_as_written(&format!(
        "{{sentinel: {nodes:?}, sentinel_master: {master}}}"
    ))
    .await;
}

#[tokio::test]
async fn sentinels_have_a_login_of_their_own() {
    let master = Redis::start().await;
    say(&master, &["CONFIG", "SET", "requirepass", "of the master"]).await;
    let more =
        format!("requirepass of-the-sentinel\nsentinel auth-pass {MASTER} \"of the master\"");
    let sentinels = Sentinels::start(master.port, 1, &more).await;
    let redis = || {
        let redis = RedisConfig::new().sentinel(MASTER, sentinels.nodes());
        redis.password("of the master")
    };
    let with = |redis| CacheConfig::builder().redis(redis);
    all_works(|| with(redis().sentinel_password("of-the-sentinel"))).await;
    for (denied, fault) in [
        (redis(), Fault::Denied),
        (redis().sentinel_password("wrong"), Fault::Denied),
        (
            RedisConfig::new()
                .sentinel("unheard of", sentinels.nodes())
                .sentinel_password("of-the-sentinel"),
            Fault::Unready,
        ),
    ] {
        let app = app(with(denied));
        until_within(FAILOVER, "it is told", async || {
            assert!(!app.get("/x").await.is_hit());
            app.cache.stats().last_fault == Some(fault)
        })
        .await;
    }
}

/// What the guide says that their user must be allowed is enough.
#[tokio::test]
async fn a_user_of_sentinels_needs_one_right() {
    let master = Redis::start().await;
    let user = "user asks on >theirs +sentinel|get-master-addr-by-name\nuser default off";
    let sentinels = Sentinels::start(master.port, 1, user).await;
    all_works(|| {
        let redis = RedisConfig::new().sentinel(MASTER, sentinels.nodes());
        let redis = redis.sentinel_username("asks").sentinel_password("theirs");
        CacheConfig::builder().redis(redis)
    })
    .await;
}
