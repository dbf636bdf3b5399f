//! A Redis that is full, spoilt, slow or gone, and values set by hand.

#[path = "support/scripted.rs"]
mod scripted;
mod support;

use axum::Router;
use axum::body::Body;
use futures_util::FutureExt;
use http::Method;
use neuralblitz_cache::{CacheConfig, CacheErrorKind, CacheLayer, Purged};
use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, ToRedisArgs};
use scripted::{App, counted, reply, request};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::redis::Redis;
use support::until;
use tokio::sync::Notify;

const STAMPS: &str = "nb:{c}:stamps";
const MINUTE: Duration = Duration::from_mins(1);

fn instance(redis: &Redis) -> App {
    App::new(redis.config().build().expect("usable"), |_, run| {
        counted(run, &[])
    })
}

/// Until all entries of this instance are in Redis.
async fn written(app: &App) {
    let queued = || app.cache.stats().queued_writes;
    until("all is written", async || queued() == 0).await;
}

async fn purged(app: &App, path: &str) -> Purged {
    app.cache.purge_uri(path).await.expect("a URI")
}

/// A raw command.
async fn raw<T: FromRedisValue>(
    connection: &mut MultiplexedConnection,
    name: &str,
    args: impl ToRedisArgs,
) -> redis::RedisResult<T> {
    redis::cmd(name).arg(args).query_async(connection).await
}

/// The only key of an entry.
async fn entry_key(redis: &Redis) -> String {
    let mut keys = redis.keys().await;
    keys.retain(|key| key.starts_with("nb:api_response:"));
    assert_eq!(keys.len(), 1, "{keys:?}");
    keys.swap_remove(0)
}

/// Fills the memory with values of this size, until no more fits.
async fn fill_up(connection: &mut MultiplexedConnection, size: usize) {
    for n in 0..100_000 {
        let args = (format!("filler:{size}:{n}"), vec![b'x'; size]);
        let set: redis::RedisResult<()> = raw(connection, "SET", args).await;
        if set.is_err_and(|error| error.to_string().contains("OOM")) {
            return;
        }
    }
    panic!("the server has no limit");
}

/// Each stores what the other serves, and a purge of either is seen by both.
async fn all_works(a: &App, b: &App, path: &str) {
    let runs = || a.runs() + b.runs();
    let before = runs();
    for (here, there) in [(a, b), (b, a)] {
        let first = here.get(path).await;
        assert!(!first.is_hit(), "{}", first.cache());
        written(here).await;
        let second = there.get(path).await;
        assert!(second.is_hit(), "{}", second.cache());
        assert_eq!(second.text(), first.text());
        assert_eq!(purged(here, path).await, Purged::Applied);
    }
    assert_eq!(runs(), before + 2);
    assert!(!a.get(path).await.is_hit());
}

#[tokio::test]
async fn a_purge_gets_through_when_the_server_is_full() {
    let redis = Redis::start_with(&["--maxmemory-policy", "noeviction"]).await;
    let (a, b) = (instance(&redis), instance(&redis));
    a.get("/x").await;
    written(&a).await;
    assert!(b.get("/x").await.is_hit());
    let mut connection = redis.connection().await;
    // Set once the entry is in: what both read of the record meanwhile takes room too.
    let limit = ("SET", "maxmemory", "8mb");
    let told: String = raw(&mut connection, "CONFIG", limit).await.expect("told");
    assert_eq!(told, "OK");
    for size in [100_000, 1_000, 1] {
        fill_up(&mut connection, size).await;
    }
    assert_eq!(purged(&a, "/x").await, Purged::Applied);
    assert!(!b.get("/x").await.is_hit());
    assert_eq!(b.runs(), 1);
}

#[tokio::test]
async fn an_entry_deleted_by_hand_is_gone_at_once() {
    let redis = Redis::start().await;
    let a = instance(&redis);
    let mut connection = redis.connection().await;
    for run in 0..3 {
        assert_eq!(a.get("/x").await.text(), format!("run {run}"));
        written(&a).await;
        assert!(a.get("/x").await.is_hit());
        let key = entry_key(&redis).await;
        assert_eq!(raw(&mut connection, "DEL", key).await, Ok(1));
    }
}

/// The record of purges, whatever stands there.
async fn record(connection: &mut MultiplexedConnection) -> Vec<u8> {
    raw(connection, "GET", STAMPS).await.expect("a string")
}

#[tokio::test]
async fn a_foreign_string_in_place_of_the_record_is_replaced() {
    let redis = Redis::start().await;
    let (a, b) = (instance(&redis), instance(&redis));
    a.get("/x").await;
    written(&a).await;
    let mut connection = redis.connection().await;
    let whole = record(&mut connection).await;
    let args = (STAMPS, "x".repeat(40));
    let set: redis::RedisResult<()> = raw(&mut connection, "SET", args).await;
    set.expect("set");
    assert_eq!(a.get("/x").await.text(), "run 1");
    let made = record(&mut connection).await;
    assert_eq!(made.len(), whole.len(), "it is made anew");
    all_works(&a, &b, "/z").await;
}

/// Every purge and every lookup failed on it, until somebody deleted it.
#[tokio::test]
async fn another_type_in_place_of_the_record_is_replaced() {
    let redis = Redis::start().await;
    let (a, b) = (instance(&redis), instance(&redis));
    let mut connection = redis.connection().await;
    let mut replaced = async |add: &str| {
        let other: redis::RedisResult<i64> = raw(&mut connection, add, ("other", "x")).await;
        other.expect("put");
        let set: redis::RedisResult<()> = raw(&mut connection, "RENAME", ("other", STAMPS)).await;
        set.expect("renamed");
    };
    for (n, add) in ["RPUSH", "SADD"].into_iter().enumerate() {
        let path = format!("/x/{n}");
        let first = a.get(&path).await;
        written(&a).await;
        replaced(add).await;
        let second = a.get(&path).await;
        assert!(!second.is_hit() && second.text() != first.text(), "{add}");
        all_works(&a, &b, &format!("/z/{n}")).await;
        replaced(add).await;
        assert_eq!(purged(&a, &path).await, Purged::Applied, "{add}");
    }
}

/// Whoever needs a cell that is gone must have the record made anew: else what it stores is
/// never valid, and its key a miss until the old entry expires.
#[tokio::test]
async fn a_record_that_lost_its_end_is_made_anew_by_who_needs_it() {
    let redis = Redis::start().await;
    let (a, b) = (instance(&redis), instance(&redis));
    a.get("/x").await;
    written(&a).await;
    assert_eq!(purged(&a, "/other").await, Purged::Applied);
    let mut connection = redis.connection().await;
    let whole = record(&mut connection).await;
    let set: redis::RedisResult<()> = raw(&mut connection, "SET", (STAMPS, &whole[..100])).await;
    set.expect("set");
    assert_eq!(a.get("/x").await.status, 200);
    written(&a).await;
    until("it is stored and found", async || {
        written(&a).await;
        a.get("/x").await.is_hit()
    })
    .await;
    until("it is made anew", async || {
        record(&mut redis.connection().await).await.len() == whole.len()
    })
    .await;
    all_works(&a, &b, "/z").await;
}

#[tokio::test]
async fn a_purge_makes_a_record_that_lost_its_end_anew() {
    let redis = Redis::start().await;
    let (a, b) = (instance(&redis), instance(&redis));
    a.get("/x").await;
    written(&a).await;
    let mut connection = redis.connection().await;
    let whole = record(&mut connection).await;
    let set: redis::RedisResult<()> = raw(&mut connection, "SET", (STAMPS, &whole[..100])).await;
    set.expect("set");
    assert_eq!(purged(&a, "/other").await, Purged::Applied);
    assert_eq!(record(&mut connection).await.len(), whole.len());
    assert!(!a.get("/x").await.is_hit(), "what was purged is not known");
    all_works(&a, &b, "/z").await;
}

#[tokio::test]
async fn a_record_of_a_later_layout_is_left_alone() {
    let redis = Redis::start().await;
    let a = instance(&redis);
    a.get("/x").await;
    written(&a).await;
    let mut connection = redis.connection().await;
    let mut later = record(&mut connection).await;
    later[16..20].copy_from_slice(&3_u32.to_be_bytes());
    let set: redis::RedisResult<()> = raw(&mut connection, "SET", (STAMPS, &later)).await;
    set.expect("set");
    for run in 1..4 {
        assert_eq!(a.get("/x").await.text(), format!("run {run}"));
        assert_eq!(purged(&a, "/x").await, Purged::Queued);
    }
    assert_eq!(record(&mut connection).await, later);
}

#[tokio::test]
async fn a_shutdown_writes_what_is_queued_and_a_purge_after_it_is_applied() {
    let redis = Redis::start().await;
    let config = redis.config().build().expect("usable");
    let a = App::new(config, |_, _| reply(200, &[], vec![b'x'; 100 << 10]));
    for n in 0..200 {
        a.get(&format!("/{n}")).await;
    }
    a.cache.shutdown().await;
    assert_eq!(a.cache.stats().dropped_writes, 0);
    assert_eq!(redis.keys().await.len(), 201, "and the record of purges");
    assert_eq!(purged(&a, "/1").await, Purged::Applied);
    assert!(!a.get("/1").await.is_hit());
    assert!(a.get("/2").await.is_hit());
}

#[tokio::test]
async fn the_value_set_last_is_there_on_every_instance() {
    let redis = Redis::start().await;
    let (a, b) = (instance(&redis).cache, instance(&redis).cache);
    for round in 0..50_i32 {
        let writer = if round % 2 == 0 { &a } else { &b };
        writer.set("key", &round, MINUTE).await.expect("set");
        for reader in [&a, &b] {
            assert_eq!(reader.get("key").await.expect("a key"), Some(round));
        }
    }
    for (writer, reader) in [(&a, &b), (&b, &a)] {
        writer.set("key", "text", Duration::MAX).await.expect("set");
        let read = reader.get::<String>("nb:key").await.expect("a key");
        assert_eq!(read.as_deref(), Some("text"));
        assert_eq!(reader.get::<i32>("key").await.expect("a key"), None);
        let deleted = writer.delete("key").await.expect("a key");
        assert_eq!(deleted, Purged::Applied);
        for reader in [&a, &b] {
            let read = reader.get::<String>("key").await.expect("a key");
            assert_eq!(read, None);
        }
    }
}

#[tokio::test]
async fn wrong_keys_and_values_that_are_too_large_are_refused() {
    let redis = Redis::start().await;
    let config = redis.config().max_body(1000).build().expect("usable");
    let cache = CacheLayer::new(config).cache();
    for key in [
        "",
        "nb:",
        "api_response:GET:a:b",
        "nb:api_response:x",
        STAMPS,
    ] {
        let set = cache.set(key, "text", MINUTE).await;
        assert_eq!(set.map_err(|e| e.kind()), Err(CacheErrorKind::InvalidKey));
        let got = cache.get::<String>(key).await;
        assert_eq!(got.map_err(|e| e.kind()), Err(CacheErrorKind::InvalidKey));
        let deleted = cache.delete(key).await;
        assert_eq!(
            deleted.map_err(|e| e.kind()),
            Err(CacheErrorKind::InvalidKey)
        );
    }
    let set = cache.set("key", &"x".repeat(1001), MINUTE).await;
    assert_eq!(set.map_err(|e| e.kind()), Err(CacheErrorKind::InvalidValue));
}

#[tokio::test]
async fn without_the_server_a_set_is_an_error_and_a_get_finds_nothing() {
    let mut redis = Redis::start().await;
    let cache = instance(&redis).cache;
    cache.set("key", "text", MINUTE).await.expect("set");
    redis.kill();
    let set = cache.set("key", "other", MINUTE).await;
    assert_eq!(set.map_err(|e| e.kind()), Err(CacheErrorKind::Unavailable));
    assert_eq!(cache.get::<String>("key").await.expect("no error"), None);
}

#[test]
fn outside_of_any_runtime_nothing_panics_and_nothing_is_waited_for() {
    let config = CacheConfig::builder().redis_url("redis://127.0.0.1:1/0");
    let cache = CacheLayer::new(config.build().expect("usable")).cache();
    assert_eq!(cache.clear().now_or_never(), Some(Purged::Queued));
    let purged = cache.purge_uri("/x").now_or_never().expect("at once");
    assert_eq!(purged.expect("a URI"), Purged::Queued);
    let got = cache.get::<String>("key").now_or_never().expect("at once");
    assert_eq!(got.expect("no error"), None);
    let set = cache.set("key", "text", MINUTE).now_or_never();
    let set = set.expect("at once").map_err(|e| e.kind());
    assert_eq!(set, Err(CacheErrorKind::Unavailable));
    let deleted = cache.delete("key").now_or_never().expect("at once");
    assert_eq!(deleted.expect("a key"), Purged::Queued);
    let local = CacheLayer::new(CacheConfig::default()).cache();
    assert_eq!(local.clear().now_or_never(), Some(Purged::Applied));
}

#[tokio::test]
async fn a_flush_of_the_scripts_is_not_noticed() {
    let redis = Redis::start().await;
    let (a, b) = (instance(&redis), instance(&redis));
    let mut connection = redis.connection().await;
    for round in 0..5_i32 {
        let flushed: redis::RedisResult<()> = raw(&mut connection, "SCRIPT", "FLUSH").await;
        flushed.expect("flushed");
        a.cache.set("key", &round, MINUTE).await.expect("set");
        assert_eq!(b.cache.get("key").await.expect("a key"), Some(round));
        let flushed: redis::RedisResult<()> = raw(&mut connection, "SCRIPT", "FLUSH").await;
        flushed.expect("flushed");
        all_works(&a, &b, &format!("/{round}")).await;
    }
    let faults = [&a, &b].map(|app| app.cache.stats().faults);
    assert_eq!(faults, [0, 0]);
}

#[tokio::test]
async fn a_list_in_the_place_of_an_entry_is_a_miss_and_is_replaced() {
    let redis = Redis::start().await;
    let (a, b) = (instance(&redis), instance(&redis));
    a.get("/x").await;
    written(&a).await;
    let key = entry_key(&redis).await;
    let mut connection = redis.connection().await;
    assert_eq!(raw(&mut connection, "DEL", &key).await, Ok(1));
    assert_eq!(raw(&mut connection, "RPUSH", (&key, "x")).await, Ok(1));
    assert_eq!(a.get("/x").await.text(), "run 1");
    written(&a).await;
    let kind = raw(&mut connection, "TYPE", &key).await;
    assert_eq!(kind, Ok("string".to_owned()));
    assert_eq!(b.get("/x").await.text(), "run 1");
    assert_eq!(b.runs(), 0);
}

/// An instance whose first run waits.
fn gated(config: CacheConfig) -> (Router, Arc<AtomicUsize>, Arc<Notify>, CacheLayer) {
    let (runs, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (count, gate) = (runs.clone(), go.clone());
    let handler = move || {
        let (run, gate) = (count.fetch_add(1, Ordering::SeqCst), gate.clone());
        async move {
            if run == 0 {
                gate.notified().await;
            }
            counted(run, &[])
        }
    };
    let layer = CacheLayer::new(config);
    let router = Router::new().fallback(handler).layer(layer.clone());
    (router, runs, go, layer)
}

#[tokio::test]
async fn who_could_not_ask_the_server_gets_nothing_that_a_purge_elsewhere_covers() {
    let redis = Redis::start().await;
    let config = redis.config().soft_limit(Duration::from_millis(300));
    let (router, runs, go, layer) = gated(config.build().expect("usable"));
    let (cache, other) = (layer.cache(), instance(&redis));
    until("connected", async || cache.stats().connected).await;
    let ask = || {
        let (router, request): (_, http::Request<Body>) =
            (router.clone(), request(Method::GET, "/x", &[]));
        tokio::spawn(async move { scripted::read(scripted::ask(&router, request).await).await })
    };
    let leader = ask();
    until("it leads", async || runs.load(Ordering::SeqCst) == 1).await;
    assert_eq!(cache.stats().faults, 0, "the leader knows when it began");
    assert_eq!(purged(&other, "/x").await, Purged::Applied);
    redis.stop();
    let late = ask();
    until("its lookup fails", async || cache.stats().faults > 0).await;
    go.notify_one();
    assert_eq!(leader.await.expect("answered").text(), "run 0");
    assert_eq!(late.await.expect("answered").text(), "run 1");
    redis.go_on();
}
