//! What a refused login and a missing right say in the log. One test, for what a process logs is
//! decided once for all its threads.

#[path = "support/lines.rs"]
mod lines;
#[path = "support/scripted.rs"]
mod scripted;
mod support;

use lines::Lines;
use neuralblitz_cache::{CacheConfig, Mode, RedisConfig};
use redis::aio::MultiplexedConnection;
use scripted::{App, counted};
use std::time::Duration;
use support::redis::Redis;
use support::until;

async fn told(admin: &mut MultiplexedConnection, command: &[&str]) {
    let mut cmd = redis::cmd(command[0]);
    cmd.arg(&command[1..]);
    let told: redis::RedisResult<redis::Value> = cmd.query_async(admin).await;
    told.expect("told");
}

fn app(login: RedisConfig) -> App {
    let config = CacheConfig::builder()
        .redis(login)
        .soft_limit(Duration::from_secs(5));
    App::new(config.build().expect("usable"), |_, run| counted(run, &[]))
}

async fn mode(app: &App, wanted: Mode) {
    until("it is in this mode", async || {
        app.get("/x").await;
        app.cache.stats().mode == wanted
    })
    .await;
}

/// Lines that hold all of these.
fn with(lines: &Lines, words: &[&str]) -> usize {
    let holds = |line: &str| words.iter().all(|word| line.contains(word));
    lines.all().iter().filter(|(_, line)| holds(line)).count()
}

#[tokio::test]
async fn a_refused_login_and_a_missing_right_are_one_line_each_that_names_the_setting() {
    let redis = Redis::start().await;
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    a_wrong_password(&redis, &lines).await;
    a_missing_right(&redis, &lines).await;
}

async fn a_wrong_password(redis: &Redis, lines: &Lines) {
    let mut admin = redis.connection().await;
    let login = RedisConfig::new().host("127.0.0.1").port(redis.port);
    let (unset, wrong) = (app(login.clone()), app(login.password("secret-of-ours")));
    for round in 1..=2 {
        let kill = ["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"];
        told(&mut admin, &["CONFIG", "SET", "requirepass", "another"]).await;
        told(&mut admin, &kill).await;
        for app in [&unset, &wrong] {
            mode(app, Mode::Fallback).await;
        }
        until("both say so", async || {
            with(lines, &["`REDIS.password`"]) == 2 * round
        })
        .await;
        told(&mut admin, &["CONFIG", "SET", "requirepass", ""]).await;
        // Without a password any is taken for the default user: none is wrong.
        mode(&unset, Mode::Redis).await;
        told(
            &mut admin,
            &["CONFIG", "SET", "requirepass", "secret-of-ours"],
        )
        .await;
        mode(&wrong, Mode::Redis).await;
    }
    told(&mut admin, &["CONFIG", "SET", "requirepass", ""]).await;
    assert_eq!(with(lines, &["secret-of-ours"]), 0);
}

async fn a_missing_right(redis: &Redis, lines: &Lines) {
    let mut admin = redis.connection().await;
    let user = async |admin: &mut MultiplexedConnection, right: &str| {
        let set = [
            "ACL", "SETUSER", "app", "reset", "on", ">pw", "~nb:*", "&nb:*",
        ];
        told(admin, &[&set[..], &["+@all", right]].concat()).await;
    };
    user(&mut admin, "+@all").await;
    let login = RedisConfig::new().host("127.0.0.1").port(redis.port);
    let app = app(login.username("app").password("pw"));
    let stored = |more: u64| {
        let (app, wanted) = (&app, app.cache.stats().stored + more);
        async move {
            until("stored", async || app.cache.stats().stored >= wanted).await;
        }
    };
    app.get("/a").await;
    stored(1).await;
    let refusal = ["store", "`REDIS.username` lacks a right"];
    for round in 1..=2 {
        user(&mut admin, "-evalsha").await;
        for n in 0..20 {
            app.get(&format!("/{round}/{n}")).await;
        }
        until("all are refused", async || {
            app.cache.stats().queued_writes == 0
        })
        .await;
        assert_eq!(with(lines, &refusal), round, "{:?}", lines.all());
        user(&mut admin, "+@all").await;
        app.get(&format!("/{round}/again")).await;
        stored(1).await;
        until("it says so", async || {
            with(lines, &["store", "takes it again"]) == round
        })
        .await;
    }
}
