//! Faults of Redis and of the way to it, at random.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

use crate::proxy::Proxy;
use crate::race::Rng;
use crate::race_load::Race;
use crate::support::redis::Redis;
use redis::aio::MultiplexedConnection;
use std::sync::Arc;
use std::time::Duration;

const MILLIS: Duration = Duration::from_millis(1);

/// Lets one fault follow the other until all is done; there are some `faults`.
pub async fn run(race: Arc<Race>, redis: &Redis, proxies: &[Proxy], faults: u64) {
    let mut rng = Rng::new(race.world.seed + 77);
    let connection = redis.connection().await;
    let mut long = faults / 20;
    while !race.is_over() {
        race.world.pass(race.ops / faults, 500 * MILLIS).await;
        race.tally.lock().expect("no panic").faults += 1;
        let proxy = &proxies[rng.below(proxies.len())];
        match rng.below(18) {
            0 if long > 0 => {
                long -= 1;
                stop(&race, redis, 1200 * MILLIS).await;
            }
            0 | 1 => stop(&race, redis, rng.millis(20, 250)).await,
            2 if long > 0 => {
                long -= 1;
                late(&race, proxy, 5000 * MILLIS, 1200 * MILLIS).await;
            }
            2 => late(&race, proxy, 5000 * MILLIS, 700 * MILLIS).await,
            3 => late(&race, proxy, rng.millis(50, 450), 400 * MILLIS).await,
            4 => proxy.cut(),
            fault => spoil(&race, fault, &connection).await,
        }
    }
}

/// Redis hangs.
async fn stop(race: &Race, redis: &Redis, long: Duration) {
    redis.stop();
    race.world.pass(u64::MAX / 2, long).await;
    redis.go_on();
}

/// One instance hears everything late, as if it hung itself.
async fn late(race: &Race, proxy: &Proxy, by: Duration, long: Duration) {
    proxy.delay(by);
    race.world.pass(u64::MAX / 2, long).await;
    proxy.delay(Duration::ZERO);
}

/// Something happens to the data in Redis, or to who listens.
async fn spoil(race: &Race, fault: usize, connection: &MultiplexedConnection) {
    let commands: &[&str] = match fault {
        5 | 6 => &["DEL nb:{c}:stamps"],
        7 | 8 => &["DEL nb:{c}:patterns"],
        9 => &["FLUSHALL"],
        10 => &["SELECT 1", "FLUSHDB", "SWAPDB 0 1", "SELECT 0"],
        11 => &["SET nb:{c}:stamps x"],
        12 | 13 => return pressure(race, connection).await,
        14 => return fold(race).await,
        _ => &["CLIENT KILL TYPE PUBSUB"],
    };
    say(connection, commands).await;
}

async fn say(connection: &MultiplexedConnection, commands: &[&str]) {
    let mut pipe = redis::pipe();
    for command in commands {
        let mut words = command.split(' ');
        pipe.cmd(words.next().expect("a word"));
        words.for_each(|word| {
            pipe.arg(word);
        });
    }
    pipe.exec_async(&mut connection.clone())
        .await
        .expect("done");
}

/// More purges by pattern than are kept.
async fn fold(race: &Race) {
    for n in 0..130 {
        let cache = &race.instances[n % race.instances.len()].cache;
        let purged = cache.purge_prefix(&format!("/none/{n}")).await;
        let _ = purged.expect("a prefix");
    }
}

/// Memory runs short: the least used keys are evicted, whatever they are.
async fn pressure(race: &Race, connection: &MultiplexedConnection) {
    let mut used = connection.clone();
    let info: String = redis::cmd("INFO")
        .arg("memory")
        .query_async(&mut used)
        .await
        .expect("told");
    let field = |line: &str| {
        line.strip_prefix("used_memory:")?
            .trim()
            .parse::<u64>()
            .ok()
    };
    let used: u64 = info.lines().find_map(field).expect("a number");
    let limit = format!("CONFIG SET maxmemory {}", used + (100 << 10));
    say(
        connection,
        &["CONFIG SET maxmemory-policy allkeys-lru", &limit],
    )
    .await;
    for turn in 0..20 {
        let mut pipe = redis::pipe();
        for n in 0..50 {
            pipe.cmd("SET")
                .arg(format!("junk:{turn}:{n}"))
                .arg("x".repeat(1 << 10));
            pipe.arg("PX").arg(500);
        }
        // One that finds no room tells what it should.
        let _ = pipe.exec_async(&mut connection.clone()).await;
        race.world.pass(5, 20 * MILLIS).await;
    }
    say(connection, &["CONFIG SET maxmemory 0"]).await;
}
