//! What the race has found, each as a scene of its own; and how fast a purge is seen elsewhere.

#![allow(clippy::disallowed_methods, reason = "a test reads the time")]

use crate::proxy::Proxy;
use crate::race_fences::{SECOND, deaf, near, patient, set_ahead};
use crate::race_stage::{Actor, Held, Stage, is_old};
use crate::support::redis::Redis;
use crate::support::{long, until};
use futures_util::StreamExt;
use neuralblitz_cache::{Purge, Purged};
use std::pin::pin;
use std::time::{Duration, Instant};

async fn purge(by: &Actor, purge: Purge) {
    let purged = by.cache.purge(purge).await.expect("it can be");
    assert_eq!(purged, Purged::Applied);
}

async fn lose_patterns(redis: &Redis) {
    let mut connection = redis.connection().await;
    redis::cmd("DEL")
        .arg("nb:{c}:patterns")
        .exec_async(&mut connection)
        .await
        .expect("gone");
}

/// All that the server does from now on.
async fn watch(redis: &Redis) -> redis::aio::Monitor {
    let client = redis::Client::open(redis.url()).expect("a URL");
    client.get_async_monitor().await.expect("watched")
}

/// Until an entry is read.
async fn looked(monitor: &mut redis::aio::Monitor) {
    let reads = |line: String| async move {
        let read = line.contains("\"GETRANGE\" \"nb:api_response:");
        read.then_some(())
    };
    let looked = pin!(monitor.on_message().filter_map(reads)).next().await;
    looked.expect("the server goes on");
}

/// The list of patterns can be evicted alone. A purge by another pattern began it anew, and what
/// the lost ones had covered was served again.
#[tokio::test]
async fn a_list_of_patterns_that_was_lost_stays_lost_when_it_is_begun_anew() {
    let (redis, stage) = (Redis::start().await, Stage::without(None, Held::Nowhere));
    let a = stage.instance(patient(redis.port));
    a.stored().await;
    stage.change();
    purge(&a, Purge::prefix("/x")).await;
    lose_patterns(&redis).await;
    purge(&a, Purge::prefix("/elsewhere")).await;
    let late = stage.instance(patient(redis.port));
    assert!(!is_old(&late.get().await));
}

/// The record was read once, and the list after it had been lost and begun anew.
#[tokio::test]
async fn a_list_of_patterns_that_is_lost_between_two_looks_is_not_believed() {
    let (redis, stage) = (Redis::start().await, Stage::without(None, Held::Nowhere));
    let way = Proxy::start(redis.port).await;
    let a = stage.instance(patient(redis.port));
    let late = stage.instance(deaf(&redis, way.address.port()).await);
    a.stored().await;
    stage.change();
    purge(&a, Purge::prefix("/x")).await;
    late.get_other().await;
    until("written", async || late.cache.stats().queued_writes == 0).await;
    let mut monitor = watch(&redis).await;
    way.delay(SECOND / 2);
    let looking = late.clone();
    let answer = tokio::spawn(async move { looking.get().await });
    let looked = tokio::time::timeout(10 * SECOND, looked(&mut monitor));
    looked.await.expect("it has looked");
    lose_patterns(&redis).await;
    purge(&a, Purge::prefix("/elsewhere")).await;
    assert!(!is_old(&answer.await.expect("no panic")));
}

/// Stale from a time on that had not come yet where the clock of purges was ahead; and until the
/// next millisecond where none was.
#[tokio::test]
async fn a_soft_purge_is_in_force_when_it_returns_whatever_the_clocks_say() {
    let (redis, stage) = (Redis::start().await, Stage::without(None, Held::Nowhere));
    let (a, b) = (
        stage.instance(patient(redis.port)),
        stage.instance(near(redis.port)),
    );
    b.coherent().await;
    set_ahead(&redis, 10 * SECOND).await;
    a.stored().await;
    b.get().await;
    stage.change();
    purge(&a, Purge::uri("/x").soft()).await;
    assert!(!is_old(&a.get().await));
    until("it is heard of", async || !is_old(&b.get().await)).await;
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_is_soon_seen_by_a_near_tier_elsewhere() {
    let (redis, stage) = (Redis::start().await, Stage::without(None, Held::Nowhere));
    let (a, b) = (
        stage.instance(near(redis.port)),
        stage.instance(near(redis.port)),
    );
    b.coherent().await;
    let (mut called, mut returned) = (Vec::new(), Vec::new());
    for _ in 0..if long() { 5000 } else { 500 } {
        until("it is near", async || b.get().await.is_hit()).await;
        let call = Instant::now();
        let watcher = b.clone();
        let seen = tokio::spawn(async move {
            until("it is seen", async || !watcher.get().await.is_hit()).await;
            Instant::now()
        });
        purge(&a, Purge::uri("/x")).await;
        let back = Instant::now();
        let seen = seen.await.expect("no panic");
        called.push(seen - call);
        returned.push(seen.saturating_duration_since(back));
    }
    for (since, mut times) in [("called", called), ("returned", returned)] {
        times.sort();
        let [p50, p99] = [50, 99].map(|percent| percentile(&times, percent));
        println!("seen elsewhere after it was {since}: p50 {p50:?}, p99 {p99:?}");
    }
}

/// The time of a request had been read before the purge was judged: where a millisecond passed in
/// between, what was softly purged was fresh once more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_softly_purged_is_not_fresh_for_another_millisecond() {
    let (redis, stage) = (Redis::start().await, Stage::without(None, Held::Nowhere));
    let mut wrong = 0;
    // Of each the clock has begun at another part of a millisecond.
    for _ in 0..10 {
        let a = stage.instance(near(redis.port));
        a.coherent().await;
        for _ in 0..if long() { 3000 } else { 400 } {
            until("it is near", async || a.get().await.is_hit()).await;
            purge(&a, Purge::uri("/x").soft()).await;
            // It has no window in which it may be served stale.
            wrong += usize::from(a.get().await.is_hit());
        }
    }
    assert_eq!(wrong, 0);
}
