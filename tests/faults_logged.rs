//! What a refused login and a missing right say in the log. One test, for what a process logs is
//! decided once for all its threads.

#[path = "support/lines.rs"]
mod lines;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/scripted.rs"]
mod scripted;
mod support;

use lines::Lines;
use neuralblitz_cache::{CacheConfig, Fault, Mode, RedisConfig};
use proxy::Proxy;
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
    a_wrong_password_that_is_out_of_reach_at_times(&redis, &lines).await;
    a_database_that_may_not_be_chosen(&redis, &lines).await;
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

/// Until it has failed so.
async fn fails(app: &App, wanted: Fault) {
    until("it fails so", async || {
        app.get("/x").await;
        app.cache.stats().last_fault == Some(wanted)
    })
    .await;
}

async fn a_wrong_password_that_is_out_of_reach_at_times(redis: &Redis, lines: &Lines) {
    let told_before = with(lines, &["`REDIS.password`"]);
    let proxy = Proxy::start(redis.port).await;
    let login = RedisConfig::new().host("127.0.0.1").username("app");
    let login = login.socket_connect_timeout(Duration::from_millis(200));
    let app = app(login.port(proxy.address.port()).password("of nobody"));
    for _ in 0..3 {
        fails(&app, Fault::Denied).await;
        let denied = proxy.tries();
        proxy.refuse(true);
        until("it was tried", async || proxy.tries() > denied).await;
        until("it is no refusal", async || {
            app.cache.stats().last_fault != Some(Fault::Denied)
        })
        .await;
        proxy.refuse(false);
    }
    fails(&app, Fault::Denied).await;
    assert_eq!(with(lines, &["`REDIS.password`"]), told_before + 1);
}

/// Choosing a database is part of connecting.
async fn a_database_that_may_not_be_chosen(redis: &Redis, lines: &Lines) {
    let mut admin = redis.connection().await;
    let user = ["ACL", "SETUSER", "app", "reset", "on", ">pw", "~*", "&*"];
    told(&mut admin, &[&user[..], &["+@all", "-select"]].concat()).await;
    let server = || RedisConfig::new().host("127.0.0.1").port(redis.port);
    let no_right = server().db(2).username("app").password("pw");
    for (n, config) in [no_right, server().db(99)].into_iter().enumerate() {
        let app = app(config);
        mode(&app, Mode::Fallback).await;
        assert_eq!(app.cache.stats().reason, Some(Fault::Disconnected));
        let refused = with(lines, &["connect", "`REDIS.username`", "`REDIS.db`"]);
        assert_eq!(refused, n + 1, "{:?}", lines.all());
    }
}
