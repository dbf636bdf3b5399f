//! Four instances race on a cluster whose masters are killed and whose slots move: no answer is
//! older than what was promised, but for purges that a killed master had not told its replica of,
//! until all instances have asked its successor.

#![cfg(feature = "cluster")]

#[path = "support/cluster.rs"]
mod cluster;
#[path = "support/race.rs"]
mod race;
#[path = "support/race_instance.rs"]
mod race_instance;
#[path = "support/race_judge.rs"]
mod race_judge;
#[path = "support/race_load.rs"]
mod race_load;
mod support;

use cluster::{Cluster, FAILOVER};
use neuralblitz_cache::Purged;
use race::{KEYS, Rng, VARIANTS, World};
use race_instance::{Instance, config};
use race_load::Race;
use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{long, until_within};

const WORKERS: u64 = 8;
const STAMPS: &str = "nb:{c}:stamps";
const MILLIS: Duration = Duration::from_millis(1);

/// Two instances with a near tier and two without.
fn instances(cluster: &Cluster, world: &Arc<World>) -> Vec<Instance> {
    let new = |at: usize| {
        let redis = cluster.config().socket_timeout(300 * MILLIS);
        let near = at >= 2;
        let config = config(1).redis(redis).near_cache(near);
        Instance::new(at, near, config.build().expect("usable"), world)
    };
    (0..4).map(new).collect()
}

/// How each key is named in Redis, up to the hash of its path, and in which slot it lies.
async fn names(cluster: &Cluster, instance: &Instance) -> (Vec<String>, Vec<u16>) {
    let (mut names, mut slots, mut known) = (Vec::new(), Vec::new(), HashSet::new());
    for key in 0..KEYS.len() {
        let mut new = None;
        let entries = async || {
            let mut keys = cluster.keys().await.concat();
            keys.retain(|key| key.contains("api_response"));
            keys
        };
        until_within(FAILOVER, "it is in Redis", async || {
            instance.get(key, VARIANTS[0]).await;
            entries().await.len() > known.len()
        })
        .await;
        until_within(FAILOVER, "all of it is", async || {
            instance.cache.stats().queued_writes == 0
        })
        .await;
        for name in entries().await {
            if known.insert(name.clone()) {
                new = Some(name);
            }
        }
        let name = new.expect("a key");
        slots.push(cluster.slot_of(&name).await);
        let parts: Vec<&str> = name.split(':').take(5).collect();
        names.push(parts.join(":"));
    }
    (names, slots)
}

/// What happens to the cluster meanwhile.
struct Faults {
    race: Arc<Race>,
    cluster: Cluster,
    slots: Vec<u16>,
    rng: Rng,
    /// Wrong answers while nobody could know what a killed master took along.
    lost: u64,
    kills: u64,
    moves: u64,
}

impl Faults {
    /// The gravest first, then all kinds of them, until the race is over.
    async fn run(&mut self) {
        for turn in 0.. {
            if turn >= 3 && self.race.is_over() {
                return;
            }
            self.race.world.pass(100, 500 * MILLIS).await;
            self.race.tally.lock().expect("no panic").faults += 1;
            let control = self.cluster.slot_of(STAMPS).await;
            match turn % 8 {
                0 | 4 => {
                    let slot = self.slots[turn / 2 % self.slots.len()];
                    self.move_slot(slot).await;
                }
                1 => self.kill_record(control).await,
                2 | 6 => self.move_slot(control).await,
                3 => self.hang().await,
                5 => self.kill_entries(control).await,
                _ => self.spoil(control).await,
            }
        }
    }

    async fn move_slot(&mut self, slot: u16) {
        self.moves += 1;
        let mut to = self.cluster.master_of(slot).await;
        let from = to;
        while to == from {
            let any = u16::try_from(self.rng.below(16384)).expect("small");
            to = self.cluster.master_of(any).await;
        }
        self.cluster.migrate(slot, to).await;
    }

    /// A master that has not the record.
    async fn kill_entries(&mut self, control: u16) {
        let keeps = self.cluster.master_of(control).await;
        for slot in self.slots.clone() {
            if self.cluster.master_of(slot).await != keeps {
                return self.kill(slot).await;
            }
        }
    }

    /// What it had not told its replica of is lost. Whoever saw a clock that is now ahead of the
    /// record's has all purged: at the latest, when each instance has purged.
    async fn kill_record(&mut self, control: u16) {
        let race = self.race.clone();
        let wrong = || race.tally.lock().expect("no panic").outdated();
        let before = wrong();
        self.kill(control).await;
        for instance in &race.instances {
            until_within(FAILOVER, "purges are applied", async || {
                let purged = instance.cache.purge_uri("/none").await;
                purged.expect("a URI") == Purged::Applied
            })
            .await;
        }
        // What was read before then may still be on its way.
        self.race.world.pass(WORKERS * 20, 2000 * MILLIS).await;
        self.lost += wrong() - before;
    }

    async fn kill(&mut self, slot: u16) {
        self.kills += 1;
        let victim = self.cluster.master_of(slot).await;
        self.cluster.nodes[victim].kill();
        self.cluster.failed_over(slot, victim).await;
        self.cluster.nodes[victim].restart().await;
        for wanted in ["role:slave", "master_link_status:up"] {
            self.cluster
                .told(victim, &["INFO", "replication"], wanted)
                .await;
        }
    }

    /// Not long enough to be taken for dead.
    async fn hang(&mut self) {
        let node = &self.cluster.nodes[self.rng.below(6)];
        node.stop();
        let long = self.rng.millis(20, 600);
        self.race.world.pass(u64::MAX / 2, long).await;
        node.go_on();
    }

    async fn spoil(&mut self, control: u16) {
        let node = self.cluster.master_of(control).await;
        match self.rng.below(3) {
            0 => self.cluster.must(node, &["DEL", STAMPS]).await,
            1 => self.cluster.must(node, &["FLUSHALL"]).await,
            _ => {
                let kill = ["CLIENT", "KILL", "TYPE", "PUBSUB"];
                self.cluster.must(node, &kill).await;
            }
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "a test reads the time")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_is_older_than_was_promised_whatever_happens_to_a_cluster() {
    let given = std::env::var("NB_RACE_SEED").ok();
    let drawn = || u64::from(std::process::id());
    let seed = given
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(drawn);
    let ops = if long() { 100_000 } else { 2_000 };
    let cluster = Cluster::start().await;
    let world = Arc::new(World::new(seed));
    let instances = instances(&cluster, &world);
    let (names, slots) = names(&cluster, &instances[0]).await;
    let race = Arc::new(Race {
        world,
        instances,
        names,
        tally: Mutex::default(),
        ops,
        until_wrong: false,
    });
    let began = tokio::time::Instant::now();
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| tokio::spawn(race.clone().work(worker)))
        .collect();
    let mut faults = Faults {
        race: race.clone(),
        cluster,
        slots,
        rng: Rng::new(seed + 77),
        lost: 0,
        kills: 0,
        moves: 0,
    };
    faults.run().await;
    for worker in workers {
        worker.await.expect("no panic");
    }
    let tally = std::mem::take(&mut *race.tally.lock().expect("no panic"));
    let Faults {
        lost, kills, moves, ..
    } = faults;
    println!("seed {seed}, {:.1?}: {tally}", began.elapsed());
    println!("{kills} masters killed, {moves} slots moved, {lost} wrong for what one took along");
    assert_eq!(tally.violations(), lost, "seed {seed}: {:#?}", tally.told());
}
