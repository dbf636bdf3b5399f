//! One fault after the other on a real redis-server, while a load runs: what its callers see
//! meanwhile, and how long it takes until all works again.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]
#![allow(clippy::disallowed_methods, reason = "a test reads the time")]

use crate::fault_load::{Load, NEAR, Seen, ticks};
use crate::proxy::Proxy;
use crate::support::redis::Redis;
use crate::support::{long, until};
use neuralblitz_cache::{CacheConfig, CacheConfigBuilder, Fault, Mode, RedisConfig};
use redis::FromRedisValue;
use std::time::{Duration, Instant};

/// Far more than the soft limit and a busy machine take.
const NO_REQUEST_LONGER: Duration = Duration::from_secs(2);

/// Until a server that answers again is used again: the longest back-off, and a busy machine.
const BACK_WITHIN: Duration = Duration::from_secs(25);

pub struct Stage {
    pub redis: Redis,
    pub proxy: Proxy,
    pub load: Load,
    name: &'static str,
    fault: Seen,
    /// How long it took until both instances left Redis alone.
    onset: Option<Duration>,
}

/// With socket timeouts that end within a test.
pub fn at(port: u16) -> RedisConfig {
    RedisConfig::new()
        .host("127.0.0.1")
        .port(port)
        .socket_timeout(Duration::from_millis(500))
}

/// Requests in one phase.
fn size() -> usize {
    if long() { 20_000 } else { 400 }
}

impl Stage {
    pub async fn start(name: &'static str) -> Self {
        Self::with(name, Redis::start().await, |redis| redis).await
    }

    /// A load on `redis`, all well; both instances reach it through a proxy.
    pub async fn with(
        name: &'static str,
        redis: Redis,
        login: impl Fn(RedisConfig) -> RedisConfig,
    ) -> Self {
        let proxy = Proxy::start(redis.port).await;
        let config = |near: bool| {
            let redis = login(at(proxy.address.port()));
            let config = CacheConfig::builder().redis(redis).near_cache(near);
            CacheConfigBuilder::build(config).expect("usable")
        };
        let load = Load::start([config(true), config(false)]).await;
        let stage = Self {
            redis,
            proxy,
            load,
            name,
            fault: Seen::default(),
            onset: None,
        };
        stage.works().await;
        stage.answered(size() / 4).await;
        stage.load.phase(&format!("{name}: before"));
        stage
    }

    /// Lets the load run on with the fault there.
    pub async fn suffer(&mut self) -> &Seen {
        self.answered(size()).await;
        self.fault = self.load.phase(self.name);
        assert!(self.fault.slowest() < NO_REQUEST_LONGER, "{}", self.name);
        &self.fault
    }

    /// Until both instances have told of this fault; on a busy machine others come between.
    pub async fn tells(&self, fault: Fault) {
        for instance in &self.load.instances {
            until("it tells of the fault", async || {
                instance.cache.stats().last_fault == Some(fault)
            })
            .await;
        }
    }

    /// Hits that Redis confirmed to who has no near tier.
    pub fn confirmed(&self) -> u64 {
        self.load.instances[1 - NEAR].cache.stats().redis_hits
    }

    pub async fn answered(&self, requests: usize) {
        let wanted = self.load.answered() + requests;
        let mut looks = ticks(1);
        while self.load.answered() < wanted {
            looks.tick().await;
        }
    }

    /// The fault is mended, and another will come: until all works. What came since the last one.
    pub async fn again(&self) -> Seen {
        self.works().await;
        self.load.phase(self.name)
    }

    /// The fault is mended: how long until all works. Prints the line of the guide.
    pub async fn recover(mut self) {
        let began = Instant::now();
        self.works().await;
        let took = began.elapsed();
        self.load.phase(&format!("{}: coming back", self.name));
        self.answered(size() / 2).await;
        let after = self.load.phase(&format!("{}: after", self.name));
        assert_eq!(after.fallback, 0, "{}", self.name);
        assert!(after.hits > 0, "{}", self.name);
        self.load.stop().await;
        self.tell(took);
    }

    fn tell(&self, took: Duration) {
        let (seen, ms) = (&self.fault, |d: Duration| d.as_secs_f64() * 1000.0);
        let onset = self.onset.map_or("no".into(), |onset| {
            format!("after {:.2} s", onset.as_secs_f64())
        });
        println!(
            "| {} | {onset} | {} % | {} % | {:.1} ms | {:.1} ms | {:.0} ms | {:.1} s |",
            self.name,
            seen.share(seen.hits - seen.fallback),
            seen.share(seen.fallback),
            ms(seen.percentile(50)),
            ms(seen.percentile(99)),
            ms(seen.slowest()),
            took.as_secs_f64(),
        );
    }

    /// Both instances store, hit, purge, and hear of purges.
    async fn works(&self) {
        let began = Instant::now();
        let before = self.load.instances.each_ref().map(|i| i.cache.stats());
        let applied = self.load.applied() + 4;
        let mut looks = ticks(1);
        loop {
            looks.tick().await;
            let now = self.load.instances.each_ref().map(|i| i.cache.stats());
            let used = |at: usize| {
                let (now, before) = (&now[at], &before[at]);
                now.mode == Mode::Redis && now.stored > before.stored && now.queued_purges == 0
            };
            let hits = now[1].redis_hits > before[1].redis_hits + 10;
            let near = now[NEAR].coherent && now[NEAR].local_hits > before[NEAR].local_hits + 10;
            if used(0) && used(1) && hits && near && self.load.applied() >= applied {
                return;
            }
            assert!(began.elapsed() < BACK_WITHIN, "{}: {now:#?}", self.name);
        }
    }

    /// Both instances leave Redis alone; what came until then is a phase of its own.
    pub async fn left_alone(&mut self) {
        let began = Instant::now();
        for instance in &self.load.instances {
            until("it is left alone", async || {
                instance.cache.stats().mode == Mode::Fallback
            })
            .await;
        }
        self.onset = Some(began.elapsed());
        let seen = self.load.phase(&format!("{}: noticed", self.name));
        assert!(seen.slowest() < NO_REQUEST_LONGER, "{}", self.name);
    }

    /// A command, straight to the server.
    pub async fn say<T: FromRedisValue>(&self, command: &str) -> T {
        say(&self.redis, command).await
    }
}

pub async fn say<T: FromRedisValue>(redis: &Redis, command: &str) -> T {
    let mut connection = redis.connection().await;
    let mut words = command.split(' ');
    let mut cmd = redis::cmd(words.next().expect("a word"));
    words.for_each(|word| {
        cmd.arg(word);
    });
    let said = cmd.query_async(&mut connection).await;
    said.unwrap_or_else(|error| panic!("{command}: {error}"))
}
