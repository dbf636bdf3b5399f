//! A Redis that answers, and refuses: while it loads, has no room for connections or data, does
//! not know the user, or is no master. A load runs throughout, and every answer is checked.

#![allow(clippy::disallowed_methods, reason = "a test reads the time")]

#[path = "support/fault_load.rs"]
mod fault_load;
#[path = "support/fault_stage.rs"]
mod fault_stage;
#[path = "support/proxy.rs"]
mod proxy;
mod support;

use fault_stage::{Stage, say};
use neuralblitz_cache::{Fault, Mode, RedisConfig};
use redis::aio::MultiplexedConnection;
use std::time::Instant;
use support::redis::Redis;
use support::until;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_loads_its_data_is_left_alone_until_it_has() {
    let redis = Redis::start_with(&["--save", "3600 1"]).await;
    let mut connection = redis.connection().await;
    for n in 0..600 {
        let filler = redis::cmd("SET").arg(n).arg(vec![b'x'; 1 << 10]).to_owned();
        let _: () = filler.query_async(&mut connection).await.expect("set");
    }
    let mut stage = Stage::with("LOADING", redis, |redis| redis).await;
    let _: () = stage.say("SAVE").await;
    let slow = ["--key-load-delay", "4000"];
    let often = ["--loading-process-events-interval-bytes", "1024"];
    stage.redis.restart_with(&[slow, often].concat()).await;
    let info: String = stage.say("INFO persistence").await;
    assert!(info.contains("\nloading:1"), "{info}");
    stage.left_alone().await;
    let info: String = stage.say("INFO persistence").await;
    assert!(info.contains("\nloading:1"), "{info}");
    stage.suffer().await;
    until("it has loaded", async || {
        let info: String = say(&stage.redis, "INFO persistence").await;
        info.contains("\nloading:0")
    })
    .await;
    stage.recover().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_too_many_clients_is_left_alone_until_there_is_room() {
    let mut stage = Stage::start("maxclients").await;
    let mut admin = stage.redis.connection().await;
    let _: () = told(&mut admin, "CONFIG SET maxclients 1").await;
    let _: i64 = told(&mut admin, "CLIENT KILL TYPE normal SKIPME yes").await;
    let _: i64 = told(&mut admin, "CLIENT KILL TYPE pubsub").await;
    stage.left_alone().await;
    stage.suffer().await;
    let _: () = told(&mut admin, "CONFIG SET maxclients 1000").await;
    stage.recover().await;
}

async fn told<T: redis::FromRedisValue>(admin: &mut MultiplexedConnection, command: &str) -> T {
    let mut words = command.split(' ');
    let mut cmd = redis::cmd(words.next().expect("a word"));
    words.for_each(|word| {
        cmd.arg(word);
    });
    cmd.query_async(admin).await.expect("told")
}

/// Sends of a command so far.
async fn calls(redis: &Redis, command: &str) -> u64 {
    let info: String = say(redis, "INFO commandstats").await;
    let wanted = format!("cmdstat_{command}:calls=");
    let line = info.lines().find_map(|line| line.strip_prefix(&wanted));
    let calls = line.and_then(|line| line.split(',').next()?.parse().ok());
    calls.unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_server_is_read_and_purged_and_not_written() {
    let mut stage = Stage::start("noeviction, full").await;
    let _: () = stage.say("CONFIG SET maxmemory 1").await;
    stage.answered(20).await;
    let (tried, began) = (calls(&stage.redis, "evalsha").await, Instant::now());
    let confirmed = stage.confirmed();
    let seen = stage.suffer().await;
    assert_eq!(seen.queued, 0, "purges get through");
    let (purges, tried) = (seen.applied, calls(&stage.redis, "evalsha").await - tried);
    // Two instances try again once a second, some at once.
    let most = purges as u64 + 2 * 16 * (2 + began.elapsed().as_secs());
    assert!(tried <= most, "{tried} of {purges} purges");
    stage.tells(Fault::ReadOnly).await;
    assert_eq!(stage.load.instances[1].cache.stats().mode, Mode::Redis);
    assert!(stage.confirmed() > confirmed, "what is stored is read");
    let _: () = stage.say("CONFIG SET maxmemory 0").await;
    stage.recover().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cannot_save_is_read_and_not_written() {
    let redis = Redis::start_with(&["--save", "3600 1", "--dbfilename", "taken"]).await;
    let mut stage = Stage::with("MISCONF", redis, |redis| redis).await;
    // A folder where the file should be: root may write anywhere.
    stage.redis.make_folder("taken");
    let _: String = stage.say("BGSAVE").await;
    until("saving fails", async || {
        let info: String = say(&stage.redis, "INFO persistence").await;
        info.contains("rdb_last_bgsave_status:err")
    })
    .await;
    let confirmed = stage.confirmed();
    stage.suffer().await;
    stage.tells(Fault::ReadOnly).await;
    assert_eq!(stage.load.instances[1].cache.stats().mode, Mode::Redis);
    assert!(stage.confirmed() > confirmed, "what is stored is read");
    stage.redis.remove_folder("taken");
    let _: String = stage.say("BGSAVE").await;
    stage.recover().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_password_is_an_outage_until_it_is_changed_back() {
    let mut stage = Stage::start("wrong password").await;
    let mut admin = stage.redis.connection().await;
    let _: () = told(&mut admin, "CONFIG SET requirepass other").await;
    let _: i64 = told(&mut admin, "CLIENT KILL TYPE normal SKIPME yes").await;
    let _: i64 = told(&mut admin, "CLIENT KILL TYPE pubsub").await;
    stage.left_alone().await;
    stage.suffer().await;
    stage.tells(Fault::Denied).await;
    let reset: redis::RedisResult<()> = redis::cmd("CONFIG")
        .arg(&["SET", "requirepass", ""])
        .query_async(&mut admin)
        .await;
    reset.expect("reset");
    stage.recover().await;
}

async fn user(redis: &Redis, rights: &str) {
    let set = format!("ACL SETUSER app reset on >pw ~nb:* &nb:* {rights}");
    let _: () = say(redis, &set).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_without_rights_stores_nothing_and_fails_nobody() {
    let redis = Redis::start().await;
    user(&redis, "+@all").await;
    let login = |redis: RedisConfig| redis.username("app").password("pw");
    let mut stage = Stage::with("ACL without rights", redis, login).await;
    user(&stage.redis, "+hello +ping +client").await;
    let seen = stage.suffer().await;
    assert_eq!(seen.fallback, 0, "it is no outage");
    stage.tells(Fault::Forbidden).await;
    user(&stage.redis, "+@all").await;
    stage.recover().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_becomes_a_replica_is_left_alone() {
    let mut stage = Stage::start("READONLY replica").await;
    let other = Redis::start().await;
    let demote = format!("REPLICAOF 127.0.0.1 {}", other.port);
    let _: () = stage.say(&demote).await;
    stage.left_alone().await;
    stage.suffer().await;
    let _: () = stage.say("REPLICAOF NO ONE").await;
    stage.recover().await;
}
