//! A cluster of three masters, each with a replica, killed when dropped.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

use crate::support::redis::Redis;
use crate::support::until_within;
use futures_util::future::join_all;
use neuralblitz_cache::RedisConfig;
use redis::{FromRedisValue, RedisResult, Value};
use std::time::Duration;

pub const MASTERS: usize = 3;
const SLOTS: u16 = 16384;

/// The longest that a failover may take, on a busy machine.
pub const FAILOVER: Duration = Duration::from_mins(1);

pub struct Cluster {
    pub nodes: Vec<Redis>,
    /// Nodes and clients speak TLS, at the second ports; tests do not.
    secured: bool,
}

impl Cluster {
    pub async fn start() -> Self {
        Self::start_as(&crate::support::redis::program()).await
    }

    /// The same, of another program that takes the same settings.
    pub async fn start_as(program: &str) -> Self {
        Self::start_with(program, None).await
    }

    /// One whose nodes and clients speak TLS, by these settings.
    pub async fn start_secured(tls: &[(&str, &str)]) -> Self {
        Self::start_with(&crate::support::redis::program(), Some(tls)).await
    }

    async fn start_with(program: &str, tls: Option<&[(&str, &str)]>) -> Self {
        let mut settings: Vec<String> = [
            "--cluster-enabled",
            "yes",
            "--cluster-node-timeout",
            "2000",
            "--cluster-require-full-coverage",
            "no",
            "--cluster-replica-validity-factor",
            "0",
        ]
        .map(str::to_owned)
        .into();
        let everywhere = [("tls-cluster", "yes"), ("tls-replication", "yes")];
        for (name, value) in tls
            .into_iter()
            .flat_map(|tls| tls.iter().chain(&everywhere))
        {
            settings.extend([format!("--{name}"), (*value).to_owned()]);
        }
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        let start = || Redis::start_as(program, &settings);
        let cluster = Self {
            nodes: join_all((0..2 * MASTERS).map(|_| start())).await,
            secured: tls.is_some(),
        };
        cluster.join().await;
        cluster
    }

    /// Gives the slots away, and makes the nodes know each other.
    async fn join(&self) {
        for at in 0..MASTERS {
            let slots = (0..SLOTS).filter(|slot| owner_at_first(*slot) == at);
            let mut add = redis::cmd("CLUSTER");
            add.arg("ADDSLOTS").arg(slots.collect::<Vec<_>>());
            self.run::<Value>(at, &add).await.expect("given");
            let epoch = (at + 1).to_string();
            self.must(at, &["CLUSTER", "SET-CONFIG-EPOCH", &epoch])
                .await;
        }
        for node in &self.nodes[1..] {
            let port = self.port_of(node).to_string();
            self.must(0, &["CLUSTER", "MEET", "127.0.0.1", &port]).await;
        }
        for at in 0..self.nodes.len() {
            self.told(at, &["CLUSTER", "INFO"], "cluster_known_nodes:6")
                .await;
        }
        for at in 0..MASTERS {
            let id = self.id(at).await;
            let replica = at + MASTERS;
            until_within(FAILOVER, "it is made a replica", async || {
                let words = ["CLUSTER", "REPLICATE", &id];
                self.say::<Value>(replica, &words).await.is_ok()
            })
            .await;
        }
        for at in 0..self.nodes.len() {
            self.told(at, &["CLUSTER", "INFO"], "cluster_slots_ok:16384")
                .await;
        }
        for at in MASTERS..self.nodes.len() {
            self.told(at, &["INFO", "replication"], "master_link_status:up")
                .await;
        }
        for at in 0..MASTERS {
            self.told(at, &["INFO", "replication"], "connected_slaves:1")
                .await;
        }
    }

    /// How the cluster is reached; one node that is gone is no obstacle.
    pub fn config(&self) -> RedisConfig {
        let address = |node: &Redis| format!("127.0.0.1:{}", self.port_of(node));
        RedisConfig::new().cluster(self.nodes.iter().map(address))
    }

    fn port_of(&self, node: &Redis) -> u16 {
        if self.secured { node.second } else { node.port }
    }

    /// Which node has a slot now, by what another says that lives.
    pub async fn master_of(&self, slot: u16) -> usize {
        self.master_told(slot).await.expect("somebody has it")
    }

    async fn master_told(&self, slot: u16) -> Option<usize> {
        for at in 0..self.nodes.len() {
            // Start, end, master, replicas.
            let ranges: RedisResult<Vec<Vec<Value>>> = self.say(at, &["CLUSTER", "SLOTS"]).await;
            for range in ranges.unwrap_or_default() {
                let number = |value: &Value| u16::from_redis_value_ref(value).ok();
                let (start, end) = (number(&range[0])?, number(&range[1])?);
                if let Value::Array(master) = &range[2]
                    && (start..=end).contains(&slot)
                {
                    let port = number(&master[1])?;
                    return self.nodes.iter().position(|node| node.port == port);
                }
            }
        }
        None
    }

    pub async fn slot_of(&self, key: &str) -> u16 {
        for at in 0..self.nodes.len() {
            if let Ok(slot) = self.say(at, &["CLUSTER", "KEYSLOT", key]).await {
                return slot;
            }
        }
        panic!("nobody lives");
    }

    /// Until another node than `old` has the slot.
    pub async fn failed_over(&self, slot: u16, old: usize) {
        until_within(FAILOVER, "another master", async || {
            self.master_told(slot).await.is_some_and(|new| new != old)
        })
        .await;
    }

    /// Until what is written at a node is at one replica of it.
    pub async fn synced(&self, at: usize) {
        let replicas: RedisResult<i64> = self.say(at, &["WAIT", "1", "10000"]).await;
        assert_eq!(replicas, Ok(1));
    }

    /// Moves a slot with all its keys.
    pub async fn migrate(&self, slot: u16, to: usize) {
        let from = self.master_of(slot).await;
        let (source, target) = (self.id(from).await, self.id(to).await);
        let (slot, port) = (slot.to_string(), self.nodes[to].port.to_string());
        let set = ["CLUSTER", "SETSLOT", &slot];
        self.must(to, &[&set[..], &["IMPORTING", &source]].concat())
            .await;
        self.must(from, &[&set[..], &["MIGRATING", &target]].concat())
            .await;
        loop {
            let ask = ["CLUSTER", "GETKEYSINSLOT", &slot, "100"];
            let keys: Vec<String> = self.say(from, &ask).await.expect("told");
            if keys.is_empty() {
                break;
            }
            let mut migrate = redis::cmd("MIGRATE");
            migrate.arg("127.0.0.1").arg(&port).arg("").arg(0);
            // A node that took a dead one's place may hold what that had given away.
            migrate.arg(5000).arg("REPLACE").arg("KEYS").arg(keys);
            self.run::<Value>(from, &migrate).await.expect("moved");
        }
        for at in [to, from] {
            self.must(at, &[&set[..], &["NODE", &target]].concat())
                .await;
        }
    }

    /// What masters hold, by node.
    pub async fn keys(&self) -> Vec<Vec<String>> {
        let mut all = Vec::new();
        for at in 0..self.nodes.len() {
            let role: RedisResult<Vec<Value>> = self.say(at, &["ROLE"]).await;
            let master = role.is_ok_and(|role| role[0] == Value::BulkString(b"master".into()));
            let keys = match master {
                true => self.say(at, &["KEYS", "*"]).await.unwrap_or_default(),
                false => Vec::new(),
            };
            all.push(keys);
        }
        all
    }

    async fn id(&self, at: usize) -> String {
        self.say(at, &["CLUSTER", "MYID"]).await.expect("told")
    }

    pub async fn told(&self, at: usize, ask: &[&str], wanted: &str) {
        until_within(FAILOVER, wanted, async || {
            let told: RedisResult<String> = self.say(at, ask).await;
            told.is_ok_and(|told| told.contains(wanted))
        })
        .await;
    }

    /// Several commands, over one connection.
    pub async fn must_all(&self, at: usize, commands: &[&[&str]]) {
        let mut pipe = redis::pipe();
        for words in commands {
            pipe.cmd(words[0]).arg(&words[1..]);
        }
        let mut connection = self.nodes[at].connection().await;
        pipe.exec_async(&mut connection).await.expect("done");
    }

    pub async fn must(&self, at: usize, words: &[&str]) {
        let told: RedisResult<Value> = self.say(at, words).await;
        told.unwrap_or_else(|error| panic!("{words:?}: {error}"));
    }

    pub async fn say<T: FromRedisValue>(&self, at: usize, words: &[&str]) -> RedisResult<T> {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        self.run(at, &command).await
    }

    async fn run<T: FromRedisValue>(&self, at: usize, command: &redis::Cmd) -> RedisResult<T> {
        let client = redis::Client::open(self.nodes[at].url())?;
        let config = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(2)))
            .set_response_timeout(Some(Duration::from_secs(15)));
        let mut connection = client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        command.query_async(&mut connection).await
    }
}

fn owner_at_first(slot: u16) -> usize {
    usize::from(slot) * MASTERS / usize::from(SLOTS)
}
