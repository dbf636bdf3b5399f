//! A cluster of three masters and three replicas: what lies elsewhere is served all along, while
//! masters are killed and slots move.

#![cfg(feature = "cluster")]
#![allow(clippy::disallowed_methods, reason = "a test reads the time")]

#[path = "support/cluster.rs"]
mod cluster;
#[path = "support/cluster_stage.rs"]
mod cluster_stage;
#[path = "support/exercise.rs"]
mod exercise;
#[path = "support/scripted.rs"]
mod scripted;
mod support;
#[path = "support/traffic.rs"]
mod traffic;

use cluster::{Cluster, FAILOVER};
use cluster_stage::{ITEMS, SECOND, Stage, all_served, config, is_served, more, of};
use exercise::{all_works, app, works_as_written, written};
use neuralblitz_cache::{CacheConfig, Mode, Purge, Purged};
use std::time::Duration;
use support::redis::Redis;
use support::{long, until_within};
use traffic::{Traffic, told};

/// Nodes that are not given their turn take each other for dead: one cluster at a time.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_works_and_every_master_is_swept() {
    let _alone = ALONE.lock().await;
    let cluster = Cluster::start().await;
    all_works(|| config(&cluster)).await;
    let address = |node: &Redis| format!("127.0.0.1:{}", node.port);
    let nodes: Vec<String> = cluster.nodes.iter().map(address).collect();
    works_as_written(&format!("{{cluster: {nodes:?}}}")).await;
    let app = app(config(&cluster).sweep_interval(Some(Duration::from_millis(50))));
    for n in 0..100 {
        app.get(&format!("/gone/{n}")).await;
        app.get(&format!("/kept/{n}")).await;
    }
    written(&app).await;
    let counts = async || {
        let keys = cluster.keys().await;
        let counts = keys.iter().map(Vec::len);
        counts.collect::<Vec<_>>()
    };
    let before = counts().await;
    assert!(before.iter().filter(|count| **count > 10).count() == 3);
    let purged = app.cache.purge(Purge::prefix("/gone/")).await;
    assert_eq!(purged.expect("a prefix"), Purged::Applied);
    until_within(FAILOVER, "the sweep is done", async || {
        app.cache.stats().swept >= 100
    })
    .await;
    let after = counts().await;
    let fewer = before.iter().zip(&after).filter(|(b, a)| a < b).count();
    assert_eq!(fewer, 3, "{before:?} {after:?}");
    for n in 0..100 {
        assert!(app.get(&format!("/kept/{n}")).await.is_hit(), "{n}");
    }
}

/// What the guide says that a user must be allowed is enough.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acl_user_does() {
    let _alone = ALONE.lock().await;
    let cluster = Cluster::start().await;
    let allowed = "ACL SETUSER app on >secret ~nb:* &nb:* +get +getrange +strlen +set +setrange \
         +persist +del +unlink +time +type +lindex +lrange +lrem +llen +lpop +rpush +rename \
         +pexpire +eval +evalsha +publish +subscribe +ping +select +client|tracking +role +scan \
         +pttl +info +cluster|slots +asking";
    let allowed: Vec<&str> = allowed.split_whitespace().collect();
    for at in 0..cluster.nodes.len() {
        cluster.must(at, &allowed).await;
    }
    all_works(|| {
        let redis = cluster.config().username("app").password("secret");
        CacheConfig::builder().redis(redis)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_move_under_load_and_nothing_wrong_is_answered() {
    let _alone = ALONE.lock().await;
    let stage = Stage::set().await;
    let traffic = stage.traffic();
    stage.purges().await;
    more(&traffic, 10).await;
    traffic.phase("before");
    let turns = if long() { 60 } else { 6 };
    for turn in 0..turns {
        let slot = stage.slots[turn % ITEMS];
        let to = (stage.cluster.master_of(slot).await + 1) % 3;
        stage.cluster.migrate(slot, to).await;
        assert_eq!(stage.near.change(turn % ITEMS).await, Purged::Applied);
        stage.is_shared(turn % ITEMS).await;
    }
    let seen = traffic.phase("slots of entries move");
    assert!(seen.iter().all(is_served), "{seen:?}");
    let control = stage.control_slot().await;
    for turn in 0..turns {
        let to = (stage.cluster.master_of(control).await + 1) % 3;
        stage.cluster.migrate(control, to).await;
        stage.purges().await;
        assert_eq!(stage.plain.change(turn % ITEMS).await, Purged::Applied);
    }
    traffic.phase("the slot of the record moves");
    for item in 0..ITEMS {
        stage.is_shared(item).await;
    }
    traffic.phase("until all is stored");
    all_served(&traffic).await;
    traffic.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn masters_are_killed_and_what_the_others_have_is_served_all_along() {
    let _alone = ALONE.lock().await;
    let mut stage = Stage::set().await;
    let traffic = stage.traffic();
    stage.purges().await;
    more(&traffic, 10).await;
    traffic.phase("before");
    a_master_of_entries_is_killed(&mut stage, &traffic).await;
    the_master_of_the_record_is_killed(&mut stage, &traffic).await;
    for _ in 1..if long() { 10 } else { 1 } {
        stage.revive().await;
        a_master_of_entries_is_killed(&mut stage, &traffic).await;
        the_master_of_the_record_is_killed(&mut stage, &traffic).await;
    }
    traffic.stop().await;
    if long() {
        stage.revive().await;
        a_purge_is_lost(&mut stage).await;
    }
}

async fn a_master_of_entries_is_killed(stage: &mut Stage, traffic: &Traffic) {
    let (victim, lost, others) = stage.master_of_entries().await;
    stage.fill().await;
    traffic.phase("all is stored");
    stage.kill(victim);
    let began = tokio::time::Instant::now();
    more(traffic, 5).await;
    // Of all items: the record has them, whoever has the entries.
    for item in [lost[0], others[0]] {
        assert_eq!(stage.plain.change(item).await, Purged::Applied);
    }
    stage
        .cluster
        .failed_over(stage.slots[lost[0]], victim)
        .await;
    println!("another master {:.1?} after the kill", began.elapsed());
    let seen = traffic.phase("failing over");
    let elsewhere = of(&seen, &others);
    println!("  elsewhere: {}", told(elsewhere.iter().copied()));
    for seen in elsewhere {
        assert!(is_served(seen), "{seen:?}");
    }
    stage.fill().await;
    println!("all is stored {:.1?} after the kill", began.elapsed());
    traffic.phase("until all is stored");
    all_served(traffic).await;
}

async fn the_master_of_the_record_is_killed(stage: &mut Stage, traffic: &Traffic) {
    let slot = stage.control_slot().await;
    let victim = stage.cluster.master_of(slot).await;
    stage.fill().await;
    let set = stage.plain.cache.set("kept", "value", 600 * SECOND).await;
    set.expect("set");
    stage.cluster.synced(victim).await;
    traffic.phase("all is stored");
    stage.kill(victim);
    let began = tokio::time::Instant::now();
    assert_eq!(stage.plain.change(1).await, Purged::Queued);
    until_within(FAILOVER, "Redis is left alone", async || {
        stage.plain.cache.stats().mode == Mode::Fallback
    })
    .await;
    println!("left alone {:.1?} after the kill", began.elapsed());
    traffic.phase("until it is left alone");
    stage.cluster.failed_over(slot, victim).await;
    println!("another master {:.1?} after the kill", began.elapsed());
    let seen = traffic.phase("without the record");
    let (answers, fallback) = seen.iter().fold((0, 0), |(answers, fallback), seen| {
        (answers + seen.answers, fallback + seen.fallback)
    });
    assert!(fallback * 2 > answers, "{fallback} of {answers} stood in");
    stage.purges().await;
    println!("purges are applied {:.1?} after the kill", began.elapsed());
    // The record went along: what is older than the kill is still valid.
    let kept: Option<String> = stage.near.cache.get("kept").await.expect("a key");
    assert_eq!(kept.as_deref(), Some("value"));
    stage.fill().await;
    traffic.phase("until all is stored");
    all_served(traffic).await;
}

/// The replica of the record's master hears of nothing any more, and takes its place.
async fn a_purge_is_lost(stage: &mut Stage) {
    let slot = stage.control_slot().await;
    let victim = stage.cluster.master_of(slot).await;
    stage.fill().await;
    stage.cluster.synced(victim).await;
    // Connections that stand stay; the replica's does not, and is let in no more.
    let cut = [
        &["CONFIG", "SET", "requirepass", "x"][..],
        &["CLIENT", "KILL", "TYPE", "replica"],
    ];
    stage.cluster.must_all(victim, &cut).await;
    assert_eq!(stage.plain.change(3).await, Purged::Applied);
    stage.kill(victim);
    stage.cluster.failed_over(slot, victim).await;
    stage.purges().await;
    // The clock of the new master is behind what was seen: nothing stored before is valid.
    for instance in [&stage.plain, &stage.near] {
        assert_eq!(instance.get(3).await.text(), instance.newest(3));
    }
    let runs = stage.plain.runs();
    stage.plain.get(5).await;
    assert_eq!(
        stage.plain.runs(),
        runs + 1,
        "nobody knows what else was lost"
    );
}
