//! Sentinels that watch a master, killed when dropped.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

use crate::support::redis::{Redis, free_port, program};
use crate::support::until_within;
use redis::{FromRedisValue, RedisResult};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// The name they know the master by.
pub const MASTER: &str = "mymaster";

pub struct Sentinels {
    all: Vec<Sentinel>,
    /// Masters, sentinels and clients speak TLS, at the second ports; tests do not.
    secured: bool,
}

struct Sentinel {
    port: u16,
    second: u16,
    server: Child,
    _dir: TempDir,
}

impl Sentinels {
    /// Starts `count`, and waits until they know of each other and of `replicas`.
    pub async fn watch(master: &Redis, count: usize, replicas: usize) -> Self {
        Self::watch_at(master.port, count, replicas).await
    }

    /// The same, of the master at this port.
    pub async fn watch_at(master: u16, count: usize, replicas: usize) -> Self {
        let sentinels = Self::start(master, count, "").await;
        sentinels.agree(replicas).await;
        sentinels
    }

    /// The same, by these settings of TLS.
    pub async fn watch_secured(
        master: &Redis,
        count: usize,
        replicas: usize,
        tls: &[(&str, &str)],
    ) -> Self {
        let mut more = String::from("tls-replication yes");
        for (name, value) in tls {
            more.extend(["\n", name, " ", value]);
        }
        let mut sentinels = Self::start(master.second, count, &more).await;
        sentinels.secured = true;
        sentinels.agree(replicas).await;
        sentinels
    }

    /// Starts `count`, with more lines of settings, and does not wait.
    pub async fn start(master: u16, count: usize, more: &str) -> Self {
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(Sentinel::start(master, count / 2 + 1, more).await);
        }
        let secured = false;
        Self { all, secured }
    }

    async fn agree(&self, replicas: usize) {
        let others = self.all.len() - 1;
        until_within(Duration::from_mins(1), "all are known to all", async || {
            for at in 0..self.all.len() {
                let known: usize = self.field(at, "num-other-sentinels").await;
                let slaves: usize = self.field(at, "num-slaves").await;
                if (known, slaves) != (others, replicas) {
                    return false;
                }
            }
            true
        })
        .await;
    }

    pub fn nodes(&self) -> Vec<String> {
        let port = |sentinel: &Sentinel| match self.secured {
            true => sentinel.second,
            false => sentinel.port,
        };
        let node = |sentinel: &Sentinel| format!("127.0.0.1:{}", port(sentinel));
        self.all.iter().map(node).collect()
    }

    /// The port of the master, as the first sentinel knows it.
    pub async fn master(&self) -> u16 {
        self.field(0, "port").await
    }

    /// SIGSTOP: one hangs.
    pub fn stop(&self, at: usize) {
        let pid = self.all[at].server.id().to_string();
        let status = Command::new("kill").args(["-STOP", &pid]).status();
        assert!(status.expect("kill runs").success());
    }

    /// What a sentinel says of the master.
    async fn field<T: FromRedisValue>(&self, at: usize, name: &str) -> T {
        let master = self.all[at].say("SENTINEL MASTER mymaster").await;
        let fields: std::collections::HashMap<String, redis::Value> = master.expect("known");
        redis::from_redis_value(fields[name].clone()).expect("of this kind")
    }
}

impl Sentinel {
    async fn start(master: u16, quorum: usize, more: &str) -> Self {
        for _ in 0..20 {
            let mut sentinel = Self::spawn(master, quorum, more);
            if sentinel.answers().await {
                return sentinel;
            }
        }
        panic!("no sentinel answers");
    }

    fn spawn(master: u16, quorum: usize, more: &str) -> Self {
        let (port, second) = (free_port(), free_port());
        let dir = tempfile::tempdir().expect("a folder");
        let more = more.replace("{second}", &second.to_string());
        let lines = format!(
            "port {port}\nbind 127.0.0.1\n\
             sentinel monitor {MASTER} 127.0.0.1 {master} {quorum}\n\
             sentinel down-after-milliseconds {MASTER} 500\n\
             sentinel failover-timeout {MASTER} 2000\n{more}\n"
        );
        let file = dir.path().join("sentinel.conf");
        std::fs::write(&file, lines).expect("written");
        let server = Command::new(program())
            .arg(&file)
            .arg("--sentinel")
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts; see scripts/test.sh");
        Self {
            port,
            second,
            server,
            _dir: dir,
        }
    }

    /// Whether it lives, and somebody answers: a stranger on its port would have ended it.
    async fn answers(&mut self) -> bool {
        let waiting = async {
            loop {
                if self.server.try_wait().expect("a state").is_some() {
                    return false;
                }
                let told: RedisResult<redis::Value> = self.say("PING").await;
                // NOAUTH is an answer too.
                if told.map_or_else(|error| !error.is_io_error(), |_| true) {
                    return true;
                }
                tokio::task::yield_now().await;
            }
        };
        let limit = Duration::from_secs(10);
        tokio::time::timeout(limit, waiting).await.unwrap_or(false)
    }

    async fn say<T: FromRedisValue>(&self, command: &str) -> RedisResult<T> {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.port))?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let mut words = command.split(' ');
        let mut command = redis::cmd(words.next().expect("a word"));
        words.for_each(|word| {
            command.arg(word);
        });
        command.query_async(&mut connection).await
    }
}

/// A master and a replica of it that has all its data.
pub async fn replicated() -> (Redis, Redis) {
    let master = Redis::start().await;
    let replica = replica(master.port).await;
    (master, replica)
}

/// A replica of the server at this port that has all its data.
pub async fn replica(of: u16) -> Redis {
    let of = format!("127.0.0.1 {of}");
    let replica = Redis::start_with(&["--replicaof", &of]).await;
    until_within(Duration::from_mins(1), "it follows", async || {
        let told = info(&replica).await;
        told.contains("master_link_status:up")
    })
    .await;
    replica
}

/// Nothing, where it cuts its clients off: one that changes its role does.
pub async fn info(redis: &Redis) -> String {
    let ask = async || {
        let client = redis::Client::open(redis.url())?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let mut ask = redis::cmd("INFO");
        ask.arg("replication").query_async(&mut connection).await
    };
    let told: redis::RedisResult<String> = ask().await;
    told.unwrap_or_default()
}

/// Until the replica has all that the master has.
pub async fn synced(master: &Redis) {
    let mut connection = master.connection().await;
    let mut wait = redis::cmd("WAIT");
    wait.arg(1).arg(10_000);
    let replicas: i64 = wait.query_async(&mut connection).await.expect("told");
    assert_eq!(replicas, 1);
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
