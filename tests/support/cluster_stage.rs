//! Instances, one without a near tier and one with it, on a cluster, and a load whose every answer
//! is checked.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

use crate::cluster::{Cluster, FAILOVER};
use crate::support::until_within;
use crate::traffic::{Data, Instance, Seen, Traffic};
use neuralblitz_cache::{CacheConfig, CacheConfigBuilder, Purged};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

pub const STAMPS: &str = "nb:{c}:stamps";
pub const ITEMS: usize = 24;
pub const SECOND: Duration = Duration::from_secs(1);

pub fn config(cluster: &Cluster) -> CacheConfigBuilder {
    let redis = cluster.config().socket_timeout(SECOND);
    CacheConfig::builder()
        .redis(redis.socket_connect_timeout(SECOND))
        .circuit_breaker_timeout(SECOND)
        .soft_limit(SECOND / 4)
}

/// Instances, one without a near tier and one with it, and where each item lies.
pub struct Stage {
    pub cluster: Cluster,
    pub plain: Arc<Instance>,
    pub near: Arc<Instance>,
    /// No load reaches it.
    pub idle: Arc<Instance>,
    /// The slot of each item.
    pub slots: Vec<u16>,
    pub killed: Vec<usize>,
}

impl Stage {
    pub async fn set() -> Self {
        let (cluster, data) = (Cluster::start().await, Data::of(ITEMS));
        let new = async |near| {
            let config = config(&cluster).near_cache(near).build();
            let config = config.expect("usable");
            Arc::new(match near {
                true => Instance::start_near(config, &data).await,
                false => Instance::start(config, &data).await,
            })
        };
        let (plain, near, idle) = (new(false).await, new(true).await, new(false).await);
        let slots = slots(&cluster, &plain).await;
        Self {
            cluster,
            plain,
            near,
            idle,
            slots,
            killed: Vec::new(),
        }
    }

    pub fn traffic(&self) -> Traffic {
        Traffic::start(&[self.plain.clone(), self.near.clone()], 3)
    }

    /// The items that a node has.
    pub async fn items_of(&self, node: usize) -> Vec<usize> {
        let mut items = Vec::new();
        for (item, slot) in self.slots.iter().enumerate() {
            if self.cluster.master_of(*slot).await == node {
                items.push(item);
            }
        }
        items
    }

    /// A master without the record, the items that it has, and those that the others have.
    pub async fn master_of_entries(&self) -> (usize, Vec<usize>, Vec<usize>) {
        let control = self.cluster.master_of(self.control_slot().await).await;
        let mut found = control;
        for slot in &self.slots {
            let master = self.cluster.master_of(*slot).await;
            if master != control {
                found = master;
            }
        }
        let its = self.items_of(found).await;
        assert!(found != control && !its.is_empty());
        let others = (0..ITEMS).filter(|item| !its.contains(item)).collect();
        (found, its, others)
    }

    pub async fn control_slot(&self) -> u16 {
        self.cluster.slot_of(STAMPS).await
    }

    /// Until purges are in force everywhere, whoever gives them.
    pub async fn purges(&self) {
        for instance in [&self.plain, &self.near] {
            until_within(FAILOVER, "purges are applied", async || {
                instance.change(0).await == Purged::Applied
            })
            .await;
        }
        until_within(FAILOVER, "it is coherent", async || {
            self.near.cache.stats().coherent
        })
        .await;
    }

    /// Until all is stored.
    pub async fn fill(&self) {
        for item in 0..ITEMS {
            self.is_shared(item).await;
        }
    }

    pub fn kill(&mut self, node: usize) {
        self.cluster.nodes[node].kill();
        self.killed.push(node);
    }

    /// Who was killed comes back, as a replica of who took its place.
    pub async fn revive(&mut self) {
        for node in self.killed.drain(..) {
            self.cluster.nodes[node].restart().await;
            for wanted in ["role:slave", "master_link_status:up"] {
                self.cluster
                    .told(node, &["INFO", "replication"], wanted)
                    .await;
            }
        }
    }

    /// Until an item is a hit again, stored and shared.
    pub async fn is_shared(&self, item: usize) {
        until_within(FAILOVER, "it is shared", async || {
            self.plain.get(item).await.is_hit()
        })
        .await;
    }
}

/// Stores one item after the other, and sees where it comes to lie.
async fn slots(cluster: &Cluster, instance: &Instance) -> Vec<u16> {
    let mut known = HashSet::new();
    let mut slots = Vec::new();
    for n in 0..ITEMS {
        let mut new = None;
        until_within(FAILOVER, "it is stored", async || {
            instance.get(n).await;
            cluster.keys().await.concat().len() > known.len() + 1
        })
        .await;
        for key in cluster.keys().await.concat() {
            if key != STAMPS && known.insert(key.clone()) {
                assert_eq!(new.replace(key), None, "one at a time");
            }
        }
        let key = new.expect("a key");
        slots.push(cluster.slot_of(&key).await);
    }
    slots
}

/// Until each item was asked for so many times more.
pub async fn more(traffic: &Traffic, times: usize) {
    let until = traffic.least() + times;
    until_within(FAILOVER, "the traffic flows", async || {
        traffic.least() >= until
    })
    .await;
}

pub fn of<'a>(seen: &'a [Seen], items: &[usize]) -> Vec<&'a Seen> {
    items.iter().map(|item| &seen[*item]).collect()
}

/// Nine of ten were hits: the others were late on a busy machine.
pub fn is_served(seen: &Seen) -> bool {
    seen.hits * 10 >= seen.answers * 9
}

/// Until every item is a hit whoever asks.
pub async fn all_served(traffic: &Traffic) {
    let began = tokio::time::Instant::now();
    loop {
        more(traffic, 10).await;
        if traffic.phase("is all served?").iter().all(is_served) {
            return;
        }
        assert!(began.elapsed() < FAILOVER, "not all is served");
    }
}
