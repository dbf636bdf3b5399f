//! Four instances race on one Redis, while it is hung, flushed, swapped and cut off: no answer is
//! older than what was promised. Each fence taken down makes some of them wrong.

#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/race.rs"]
mod race;
#[cfg(feature = "testing")]
#[path = "support/race_bugs.rs"]
mod race_bugs;
#[path = "support/race_faults.rs"]
mod race_faults;
#[cfg(feature = "testing")]
#[path = "support/race_fences.rs"]
mod race_fences;
#[path = "support/race_instance.rs"]
mod race_instance;
#[path = "support/race_judge.rs"]
mod race_judge;
#[path = "support/race_load.rs"]
mod race_load;
#[cfg(feature = "testing")]
#[path = "support/race_mute.rs"]
mod race_mute;
#[cfg(feature = "testing")]
#[path = "support/race_stage.rs"]
mod race_stage;
mod support;

use neuralblitz_cache::{CacheConfig, Purged};
use proxy::Proxy;
use race::{KEYS, VARIANTS, World};
use race_instance::{Instance, config};
use race_judge::Tally;
use race_load::Race;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::redis::Redis;
use support::{long, until};

const WORKERS: u64 = 8;

/// Two instances with a near tier and two without; one of each behind a proxy. Three of them wait
/// for each other's fetches.
fn instances(
    redis: &Redis,
    proxies: &[Proxy],
    world: &Arc<World>,
    change: Change,
) -> Vec<Instance> {
    let ports = [
        redis.port,
        proxies[0].address.port(),
        redis.port,
        proxies[1].address.port(),
    ];
    let new = |(at, port): (usize, u16)| {
        let near = at >= 2;
        // One fetches for itself, whatever the others agree on.
        let lease = Duration::from_millis(if at == 0 { 0 } else { 150 });
        let config = config(port).near_cache(near).lease(lease).build();
        let config = config.expect("usable");
        Instance::new(at, near, change(config), world)
    };
    ports.into_iter().enumerate().map(new).collect()
}

type Change = fn(CacheConfig) -> CacheConfig;

/// How each key is named in Redis, up to the hash of its path.
async fn names(redis: &Redis, instance: &Instance) -> Vec<String> {
    let mut names = Vec::new();
    for key in 0..KEYS.len() {
        assert_eq!(instance.cache.clear().await, Purged::Applied);
        let mut connection = redis.connection().await;
        let keys = redis.keys().await;
        let entries: Vec<&String> = keys
            .iter()
            .filter(|key| key.contains("api_response"))
            .collect();
        if !entries.is_empty() {
            redis::cmd("UNLINK")
                .arg(entries)
                .exec_async(&mut connection)
                .await
                .expect("gone");
        }
        until("it is in Redis", async || {
            instance.get(key, VARIANTS[0]).await;
            redis
                .keys()
                .await
                .iter()
                .any(|key| key.contains("api_response"))
        })
        .await;
        let keys = redis.keys().await;
        let name = keys
            .iter()
            .find(|key| key.contains("api_response"))
            .expect("a key");
        let parts: Vec<&str> = name.split(':').take(5).collect();
        names.push(parts.join(":"));
    }
    names
}

/// How long a race goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// So many requests and purges.
    Done(u64),
    /// The first wrong answer, or so many.
    Wrong(u64),
}

async fn race(seed: u64, until: Until, change: Change) -> Tally {
    let (Until::Done(ops) | Until::Wrong(ops)) = until;
    let redis = Redis::start().await;
    let proxies = [
        Proxy::start(redis.port).await,
        Proxy::start(redis.port).await,
    ];
    let world = Arc::new(World::new(seed));
    let instances = instances(&redis, &proxies, &world, change);
    let names = names(&redis, &instances[0]).await;
    let race = Arc::new(Race {
        world,
        instances,
        names,
        tally: Mutex::default(),
        ops,
        until_wrong: until == Until::Wrong(ops),
    });
    let workers = (0..WORKERS).map(|worker| tokio::spawn(race.clone().work(worker)));
    let workers: Vec<_> = workers.collect();
    race_faults::run(race.clone(), &redis, &proxies, ops / 100).await;
    for worker in workers {
        worker.await.expect("no panic");
    }
    std::mem::take(&mut *race.tally.lock().expect("no panic"))
}

/// Another one each time; one that failed is tried again by `NB_RACE_SEED`.
fn seed() -> u64 {
    let given = std::env::var("NB_RACE_SEED").ok();
    let drawn = || u64::from(std::process::id());
    given
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(drawn)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_is_older_than_was_promised_whatever_happens() {
    let (seed, ops) = (seed(), if long() { 100_000 } else { 10_000 });
    #[allow(clippy::disallowed_methods, reason = "a test reads the time")]
    let began = tokio::time::Instant::now();
    let tally = race(seed, Until::Done(ops), |config| config).await;
    println!("seed {seed}, {:.1?}: {tally}", began.elapsed());
    assert_eq!(tally.violations(), 0, "seed {seed}: {:#?}", tally.told());
}
