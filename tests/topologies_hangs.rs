//! A master that hangs, or is cut off without knowing it, and comes back with its old data after
//! another has taken its place: what was purged meanwhile stays purged.

#![cfg(all(feature = "cluster", feature = "sentinel"))]
#![allow(clippy::disallowed_methods, reason = "a test reads the time")]

#[path = "support/cluster.rs"]
mod cluster;
#[path = "support/cluster_stage.rs"]
mod cluster_stage;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/sentinels.rs"]
mod sentinels;
mod support;
#[path = "support/traffic.rs"]
mod traffic;

use cluster::FAILOVER;
use cluster_stage::{ITEMS, SECOND, Stage, all_served, is_served, more, of};
use neuralblitz_cache::{CacheConfig, Mode, Purged, RedisConfig};
use proxy::Proxy;
use sentinels::{MASTER, Sentinels, info, replica, synced};
use std::sync::Arc;
use support::redis::Redis;
use support::{long, until_within};
use tokio::time::Instant;
use traffic::{Data, Instance, Seen, Traffic, told};

/// Items behind sentinels.
const WATCHED: usize = 8;

/// Nodes that are not given their turn take each other for dead: one cluster at a time.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn rounds() -> usize {
    if long() { 5 } else { 1 }
}

/// Of all together nine of ten were hits: a client that is made anew has some wait.
fn served_elsewhere(seen: &[&Seen]) {
    println!("  elsewhere: {}", told(seen.iter().copied()));
    let sum = |of: fn(&Seen) -> usize| seen.iter().map(|seen| of(seen)).sum();
    let all = Seen {
        answers: sum(|seen| seen.answers),
        hits: sum(|seen| seen.hits),
        ..Seen::default()
    };
    assert!(is_served(&all), "{all:?}");
}

/// The one that hung goes on, and nobody is given its old data, whoever asks.
async fn goes_on(stage: &Stage, victim: usize, traffic: &Traffic) {
    stage.cluster.nodes[victim].go_on();
    for _ in 0..20 {
        for item in 0..ITEMS {
            stage.idle.get_right(item).await;
        }
    }
    for wanted in ["role:slave", "master_link_status:up"] {
        let ask = ["INFO", "replication"];
        stage.cluster.told(victim, &ask, wanted).await;
    }
    traffic.phase("it has come back");
    all_served(traffic).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_of_entries_hangs_and_what_the_others_have_is_served_all_along() {
    let _alone = ALONE.lock().await;
    let stage = Stage::set().await;
    let traffic = stage.traffic();
    for _ in 0..rounds() {
        a_master_of_entries_hangs(&stage, &traffic).await;
    }
    traffic.stop().await;
}

async fn a_master_of_entries_hangs(stage: &Stage, traffic: &Traffic) {
    stage.purges().await;
    let (victim, its, others) = stage.master_of_entries().await;
    stage.fill().await;
    for item in 0..ITEMS {
        stage.idle.get_right(item).await;
    }
    stage.cluster.synced(victim).await;
    traffic.phase("all is stored");

    stage.cluster.nodes[victim].stop();
    let began = Instant::now();
    more(traffic, 5).await;
    for item in &its {
        assert_eq!(stage.plain.change(*item).await, Purged::Applied);
    }
    stage.cluster.failed_over(stage.slots[its[0]], victim).await;
    println!("another master {:.1?} after the stop", began.elapsed());
    let seen = traffic.phase("failing over");
    served_elsewhere(&of(&seen, &others));
    stage.fill().await;
    println!("all is stored {:.1?} after the stop", began.elapsed());
    let seen = traffic.phase("until all is stored");
    served_elsewhere(&of(&seen, &others));
    all_served(traffic).await;
    goes_on(stage, victim, traffic).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_master_of_the_record_hangs_and_its_old_record_is_trusted_no_more() {
    let _alone = ALONE.lock().await;
    let stage = Stage::set().await;
    let traffic = stage.traffic();
    for _ in 0..rounds() {
        the_master_of_the_record_hangs(&stage, &traffic).await;
    }
    traffic.stop().await;
}

async fn the_master_of_the_record_hangs(stage: &Stage, traffic: &Traffic) {
    stage.purges().await;
    let slot = stage.control_slot().await;
    let victim = stage.cluster.master_of(slot).await;
    stage.fill().await;
    for item in 0..ITEMS {
        stage.idle.get_right(item).await;
    }
    stage.cluster.synced(victim).await;
    traffic.phase("all is stored");

    stage.cluster.nodes[victim].stop();
    let began = Instant::now();
    assert_eq!(stage.plain.change(1).await, Purged::Queued);
    until_within(FAILOVER, "Redis is left alone", async || {
        stage.plain.cache.stats().mode == Mode::Fallback
    })
    .await;
    println!("left alone {:.1?} after the stop", began.elapsed());
    stage.cluster.failed_over(slot, victim).await;
    println!("another master {:.1?} after the stop", began.elapsed());
    traffic.phase("without the record");
    stage.purges().await;
    println!("purges are applied {:.1?} after the stop", began.elapsed());
    for item in 0..ITEMS {
        assert_eq!(stage.plain.change(item).await, Purged::Applied);
    }
    stage.fill().await;
    traffic.phase("until all is stored");
    goes_on(stage, victim, traffic).await;
}

/// What becomes of the master that sentinels watch.
enum Gone {
    Hangs,
    /// It lives, but the way to it does not: of sentinels, its replica and all instances.
    CutOff,
}

/// Instances that find their master by sentinels, which find it through a proxy.
struct Watched {
    master: Redis,
    proxy: Proxy,
    replica: Redis,
    sentinels: Sentinels,
    plain: Arc<Instance>,
    near: Arc<Instance>,
    idle: Arc<Instance>,
}

impl Watched {
    async fn set() -> Self {
        let (master, data) = (Redis::start().await, Data::of(WATCHED));
        let proxy = Proxy::start(master.port).await;
        let replica = replica(proxy.address.port()).await;
        let sentinels = Sentinels::watch_at(proxy.address.port(), 3, 1).await;
        let new = async |near| {
            let redis = RedisConfig::new().sentinel(MASTER, sentinels.nodes());
            let config = CacheConfig::builder()
                .redis(redis.socket_timeout(SECOND).socket_connect_timeout(SECOND))
                .circuit_breaker_timeout(SECOND)
                .soft_limit(SECOND / 4)
                .near_cache(near);
            let config = config.build().expect("usable");
            Arc::new(match near {
                true => Instance::start_near(config, &data).await,
                false => Instance::start(config, &data).await,
            })
        };
        let (plain, near, idle) = (new(false).await, new(true).await, new(false).await);
        Self {
            master,
            proxy,
            replica,
            sentinels,
            plain,
            near,
            idle,
        }
    }

    fn is_gone(&self, gone: &Gone, yes: bool) {
        match (gone, yes) {
            (Gone::Hangs, true) => self.master.stop(),
            (Gone::Hangs, false) => self.master.go_on(),
            (Gone::CutOff, hold) => self.proxy.hold(hold),
        }
    }

    /// Until purges are in force everywhere, and heard of.
    async fn works(&self) {
        for instance in [&self.plain, &self.near] {
            until_within(FAILOVER, "purges are applied", async || {
                instance.change(0).await == Purged::Applied
            })
            .await;
        }
        for instance in [&self.plain, &self.near, &self.idle] {
            until_within(FAILOVER, "it is coherent", async || {
                instance.cache.stats().coherent
            })
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watched_master_that_hangs_brings_nothing_back() {
    a_watched_master_comes_back(Gone::Hangs).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watched_master_that_was_cut_off_and_does_not_know_it_brings_nothing_back() {
    a_watched_master_comes_back(Gone::CutOff).await;
}

async fn a_watched_master_comes_back(gone: Gone) {
    let _alone = ALONE.lock().await;
    let stage = Watched::set().await;
    let traffic = Traffic::start(&[stage.plain.clone(), stage.near.clone()], 2);
    stage.works().await;
    more(&traffic, 5).await;
    for item in 0..WATCHED {
        stage.idle.get_right(item).await;
    }
    synced(&stage.master).await;
    traffic.phase("all is stored");

    stage.is_gone(&gone, true);
    let began = Instant::now();
    let new = async || stage.sentinels.master().await == stage.replica.port;
    until_within(FAILOVER, "another master", new).await;
    println!("another master {:.1?} after it was gone", began.elapsed());
    stage.works().await;
    println!("purges are applied {:.1?} after", began.elapsed());
    traffic.phase("failing over");
    for item in 0..WATCHED {
        assert_eq!(stage.plain.change(item).await, Purged::Applied);
    }

    stage.is_gone(&gone, false);
    // For some ten seconds it takes itself for the master, and who has not noticed believes it.
    for item in 0..WATCHED {
        stage.idle.get_right(item).await;
        until_within(FAILOVER, "its purge is applied", async || {
            stage.idle.change(item).await == Purged::Applied
        })
        .await;
        stage.plain.get_right(item).await;
    }
    assert!(info(&stage.master).await.contains("role:master"));
    more(&traffic, 5).await;
    until_within(FAILOVER, "it is made a replica", async || {
        info(&stage.master).await.contains("role:slave")
    })
    .await;
    traffic.phase("it has come back");
    all_served(&traffic).await;
    traffic.stop().await;
}
