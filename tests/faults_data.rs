//! Data in Redis that is lost, swapped, evicted, damaged or not ours, and a server whose clock
//! steps. A load runs throughout, and every answer is checked.

#[path = "support/fault_load.rs"]
mod fault_load;
#[path = "support/fault_stage.rs"]
mod fault_stage;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/scripted.rs"]
mod scripted;
mod support;

use fault_load::{Asked, Kind, World};
use fault_stage::{Stage, say};
use redis::aio::MultiplexedConnection;
use scripted::{App, reply};
use std::path::PathBuf;
use std::process::Command;
use support::redis::Redis;
use support::web::Answer;
use tempfile::TempDir;

/// The same again and again while the load runs.
async fn again_and_again(stage: &mut Stage, commands: &[&str]) {
    for _ in 0..8 {
        for command in commands {
            let _: redis::Value = stage.say(command).await;
        }
        stage.answered(30).await;
    }
    let seen = stage.suffer().await;
    assert_eq!(seen.fallback, 0, "it is no outage");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_is_misses_and_no_more() {
    let mut stage = Stage::start("FLUSHALL").await;
    again_and_again(&mut stage, &["FLUSHALL"]).await;
    stage.recover().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_swapped_for_another_is_misses_and_no_more() {
    let mut stage = Stage::start("SWAPDB").await;
    again_and_again(&mut stage, &["SWAPDB 0 1"]).await;
    stage.recover().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_that_are_flushed_are_sent_again() {
    let mut stage = Stage::start("SCRIPT FLUSH").await;
    let faults = |stage: &Stage| stage.load.instances[1].cache.stats().faults;
    let before = faults(&stage);
    again_and_again(&mut stage, &["SCRIPT FLUSH"]).await;
    println!("{} faults", faults(&stage) - before);
    stage.recover().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_that_runs_short_is_misses_and_no_more() {
    let redis = Redis::start_with(&["--maxmemory-policy", "allkeys-lru"]).await;
    let mut stage = Stage::with("allkeys-lru, full", redis, |redis| redis).await;
    let _: () = stage.say("CONFIG SET maxmemory 6mb").await;
    let mut filler = stage.redis.connection().await;
    for turn in 0..20 {
        let mut pipe = redis::pipe();
        for n in 0..100 {
            let key = format!("filler:{turn}:{n}");
            pipe.cmd("SET").arg(key).arg(vec![b'x'; 4 << 10]);
        }
        // One that finds no room tells what it should.
        let _ = pipe.exec_async(&mut filler).await;
        stage.answered(20).await;
    }
    stage.suffer().await;
    let info: String = stage.say("INFO stats").await;
    assert!(!info.contains("evicted_keys:0\r"), "{info}");
    let _: () = stage.say("CONFIG SET maxmemory 0").await;
    stage.recover().await;
}

/// What may stand under one of our keys.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Foreign,
    Older,
    Newer,
    Truncated,
    Bit(usize),
    List,
    Hash,
    Another,
}

const DAMAGES: [Damage; 12] = [
    Damage::Foreign,
    Damage::Older,
    Damage::Newer,
    Damage::Truncated,
    Damage::Bit(0),
    Damage::Bit(10),
    Damage::Bit(30),
    // The length of the body: sixteen mebibytes more.
    Damage::Bit(96),
    Damage::Bit(usize::MAX),
    Damage::List,
    Damage::Hash,
    Damage::Another,
];

async fn entries(connection: &mut MultiplexedConnection) -> Vec<String> {
    let keys = redis::cmd("KEYS").arg("nb:api_response:*").to_owned();
    keys.query_async(connection).await.expect("keys")
}

/// Puts something else under a key, for as long as what was there.
async fn damage(connection: &mut MultiplexedConnection, keys: &[String], at: usize, how: Damage) {
    let key = &keys[at % keys.len()];
    let other = &keys[(at + 1) % keys.len()];
    let get = |key: &String| redis::cmd("GET").arg(key).to_owned();
    let read: redis::RedisResult<Option<Vec<u8>>> = get(key).query_async(connection).await;
    let Ok(Some(mut wire)) = read else {
        return;
    };
    let mut put = redis::pipe();
    match how {
        Damage::Foreign => wire = b"{\"not\": \"ours\"}".to_vec(),
        Damage::Older => wire[4] = 1,
        Damage::Newer => wire[4] = 3,
        Damage::Truncated => wire.truncate(wire.len() / 2),
        Damage::Bit(at) => {
            let at = at.min(wire.len() - 1);
            wire[at] ^= 1 << (at % 8);
        }
        Damage::List | Damage::Hash => {}
        Damage::Another => {
            let read: redis::RedisResult<Option<Vec<u8>>> =
                get(other).query_async(connection).await;
            wire = read.ok().flatten().unwrap_or(wire);
        }
    }
    match how {
        Damage::List => put.cmd("DEL").arg(key).cmd("RPUSH").arg(key).arg("x"),
        Damage::Hash => put
            .cmd("DEL")
            .arg(key)
            .cmd("HSET")
            .arg(key)
            .arg("x")
            .arg("y"),
        _ => put.cmd("SET").arg(key).arg(wire).arg("KEEPTTL"),
    };
    put.exec_async(connection).await.expect("put");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_ours_or_damaged_is_a_miss_and_is_replaced() {
    let mut stage = Stage::start("foreign, older, newer, cut or damaged entries").await;
    let mut connection = stage.redis.connection().await;
    for turn in 0..300 {
        let keys = entries(&mut connection).await;
        if !keys.is_empty() {
            let how = DAMAGES[turn % DAMAGES.len()];
            damage(&mut connection, &keys, turn * 5, how).await;
        }
        stage.answered(2).await;
    }
    let seen = stage.suffer().await;
    assert_eq!(seen.fallback, 0, "it is no outage");
    stage.recover().await;
}

/// Whatever stands under its key, the next answer of who has no copy takes its place; the larger
/// ones are read in pieces.
#[tokio::test]
async fn every_damage_is_mended_by_the_next_answer() {
    every_damage_is_mended(200).await;
    every_damage_is_mended(40_000).await;
}

async fn every_damage_is_mended(times: usize) {
    const PATHS: [&str; 2] = ["/first", "/second"];
    let redis = Redis::start().await;
    let asked = async || {
        let config = redis.config().build().expect("usable");
        let app = App::new(config, move |parts, _| {
            let body = parts.uri.path().repeat(times);
            reply(200, &[], body)
        });
        let mut hits = 0;
        for path in PATHS {
            let answer = app.get(path).await;
            assert_eq!(answer.text(), path.repeat(times));
            hits += usize::from(answer.is_hit());
        }
        let queued = || app.cache.stats().queued_writes;
        support::until("written", async || queued() == 0).await;
        hits
    };
    let mut connection = redis.connection().await;
    for how in DAMAGES {
        let _: () = say(&redis, "FLUSHALL").await;
        assert_eq!(asked().await, 0);
        let keys = entries(&mut connection).await;
        assert_eq!(keys.len(), 2);
        for at in [0, 1] {
            damage(&mut connection, &keys, at, how).await;
        }
        // The second key has its own again where each was given the other's.
        let left = usize::from(matches!(how, Damage::Another));
        assert_eq!(asked().await, left, "{how:?}");
        assert_eq!(asked().await, 2, "{how:?}");
    }
}

/// A library that a server is started with, by which its clock can be set.
struct Clock {
    dir: TempDir,
}

impl Clock {
    fn new() -> Self {
        let clock = Self {
            dir: tempfile::tempdir().expect("a folder"),
        };
        clock.set(0);
        let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/support/clock_step.c");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(clock.library())
            .arg(source)
            .status();
        assert!(built.expect("a C compiler").success());
        clock
    }

    fn library(&self) -> PathBuf {
        self.dir.path().join("clock_step.so")
    }

    /// By so many seconds the server's clock is ahead of ours.
    fn set(&self, seconds: i64) {
        std::fs::write(self.dir.path().join("offset"), seconds.to_ne_bytes()).expect("written");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_clock_steps_forgets_no_purge() {
    let clock = Clock::new();
    let environment = [
        ("LD_PRELOAD", clock.library()),
        ("CLOCK_STEP", clock.dir.path().join("offset")),
    ];
    let redis = Redis::start_in(&environment).await;
    let mut stage = Stage::with("the server's clock steps by an hour", redis, |redis| redis).await;
    for seconds in [3600, -3600, 0, -30, 30, 0] {
        clock.set(seconds);
        stage.answered(100).await;
        let (now, _): (i64, i64) = stage.say("TIME").await;
        let ours = std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .expect("later")
            .as_secs();
        let ours = i64::try_from(ours).expect("before long");
        assert!(
            (now - ours - seconds).abs() < 5,
            "it is set: {now} {ours} {seconds}"
        );
    }
    let seen = stage.suffer().await;
    assert_eq!(seen.fallback, 0, "it is no outage");
    stage.recover().await;
}

/// A check that finds nothing wrong shows something only if it can.
#[test]
fn the_judge_of_the_load_finds_what_is_wrong() {
    let asked = Asked {
        kind: Kind::Own,
        n: 2,
        who: "ann",
    };
    let said = |kind, n, who, version| Answer {
        status: http::StatusCode::OK,
        headers: http::HeaderMap::new(),
        body: World::body(kind, n, who, version).into(),
    };
    let wrong = |answer: &Answer| asked.wrong(answer, 5, 6).is_some();
    assert!(!wrong(&said(Kind::Own, 2, "ann", 5)) && !wrong(&said(Kind::Own, 2, "ann", 6)));
    for other in [
        said(Kind::Own, 2, "bob", 5),
        said(Kind::Own, 1, "ann", 5),
        said(Kind::Item, 2, "ann", 5),
        said(Kind::Own, 2, "ann", 4),
        said(Kind::Own, 2, "ann", 7),
    ] {
        assert!(wrong(&other), "{:?}", other.body);
    }
    let mut flipped = said(Kind::Own, 2, "ann", 5);
    let mut body = flipped.body.to_vec();
    body[900] ^= 1;
    flipped.body = body.into();
    assert!(wrong(&flipped));
    let mut cut = said(Kind::Own, 2, "ann", 5);
    cut.body.truncate(900);
    assert!(wrong(&cut));
}
