//! Purges when the record, the list of patterns or the server is not as it should be. Each tells
//! of a way in which a purge was once missed, or held up.

#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/scripted.rs"]
mod scripted;
mod support;

use axum::Router;
use axum::routing::get;
use futures_util::FutureExt;
use neuralblitz_cache::{
    BreakerState, CacheConfig, CacheConfigBuilder, CacheLayer, KeyRules, Purge, Purged, RedisConfig,
};
use proxy::Proxy;
use redis::FromRedisValue;
use scripted::{App, counted, ttl};
use std::sync::Arc;
use std::time::Duration;
use support::redis::Redis;
use support::until;
use tokio::sync::Notify;

const STAMPS: &str = "nb:{c}:stamps";
const PATTERNS: &str = "nb:{c}:patterns";
const MINUTE: Duration = Duration::from_mins(1);

fn app(config: CacheConfigBuilder) -> App {
    App::new(config.build().expect("usable"), |_, run| counted(run, &[]))
}

/// Stale within a minute past its lifetime, softly purged or not.
fn stale(config: CacheConfigBuilder) -> App {
    App::new(config.build().expect("usable"), |_, run| {
        counted(
            run,
            &[("cache-control", "max-age=600, stale-while-revalidate=60")],
        )
    })
}

async fn raw<T: FromRedisValue>(redis: &Redis, name: &str, args: &[&[u8]]) -> T {
    let mut connection = redis.connection().await;
    let reply = redis::cmd(name)
        .arg(args)
        .query_async(&mut connection)
        .await;
    reply.expect("done")
}

async fn coherent(app: &App) {
    until("purges are heard of", async || app.cache.stats().coherent).await;
}

async fn stored(app: &App, path: &str) {
    app.get(path).await;
    until("written", async || app.cache.stats().queued_writes == 0).await;
}

async fn prefix(app: &App, prefix: &str) {
    let purged = app.cache.purge_prefix(prefix).await.expect("a prefix");
    assert_eq!(purged, Purged::Applied);
}

fn through(proxy: &Proxy) -> CacheConfigBuilder {
    let redis = RedisConfig::new()
        .host("127.0.0.1")
        .port(proxy.address.port())
        .socket_timeout(Duration::from_millis(200));
    CacheConfig::builder()
        .redis(redis)
        .circuit_breaker_threshold(1)
        .soft_limit(Duration::from_millis(500))
}

#[tokio::test]
async fn a_lost_list_of_patterns_is_not_hidden_by_the_next_pattern() {
    let redis = Redis::start().await;
    let a = app(redis.config());
    stored(&a, "/gone/1").await;
    prefix(&a, "/gone").await;
    assert_eq!(raw::<i64>(&redis, "DEL", &[PATTERNS.as_bytes()]).await, 1);
    prefix(&a, "/unrelated").await;
    let b = app(redis.config());
    let answer = b.get("/gone/1").await;
    assert!(!answer.is_hit(), "{}", answer.cache());
}

#[tokio::test]
async fn a_list_that_is_no_list_holds_no_purge_up() {
    for garbage in [&["SET", PATTERNS, "x"][..], &["RPUSH", PATTERNS, "short"]] {
        let redis = Redis::start().await;
        let a = app(redis.config());
        stored(&a, "/a").await;
        let args: Vec<&[u8]> = garbage[1..].iter().map(|arg| arg.as_bytes()).collect();
        let _: redis::Value = raw(&redis, garbage[0], &args).await;
        prefix(&a, "/a").await;
        assert!(!a.get("/a").await.is_hit());
        let tag = a.cache.purge(Purge::tags(["a"]).soft()).await;
        assert_eq!(tag.expect("a tag"), Purged::Applied);
    }
}

#[tokio::test]
async fn of_more_purges_than_can_wait_all_is_purged_and_counted() {
    const MOST: usize = 4096;
    let redis = Redis::start().await;
    let (a, b) = (app(redis.config()), app(redis.config()));
    stored(&a, "/x").await;
    assert!(b.get("/x").await.is_hit());
    redis.stop();
    for n in 0..MOST + 2 {
        let uri = format!("/other/{n}");
        // It is queued before anything is waited for.
        let waits = a.cache.purge_uri(&uri).now_or_never();
        assert!(waits.is_none());
    }
    assert_eq!(a.cache.stats().widened_purges, 1);
    redis.go_on();
    until("all are applied", async || {
        a.cache.stats().queued_purges == 0
    })
    .await;
    assert!(!b.get("/x").await.is_hit());
}

#[tokio::test]
async fn one_pattern_again_and_again_purges_nothing_else() {
    let redis = Redis::start().await;
    let a = app(redis.config());
    stored(&a, "/x").await;
    for _ in 0..300 {
        prefix(&a, "/poll/").await;
    }
    assert!(a.get("/x").await.is_hit());
    assert_eq!(raw::<i64>(&redis, "LLEN", &[PATTERNS.as_bytes()]).await, 1);
}

#[tokio::test]
async fn databases_of_one_server_do_not_hear_each_other() {
    let redis = Redis::start().await;
    let with = |db: u16| {
        let config = RedisConfig::new().host("127.0.0.1").port(redis.port).db(db);
        let config = CacheConfig::builder().redis(config).near_cache(true);
        app(config.soft_limit(Duration::from_secs(5)))
    };
    let (a, b) = (with(0), with(1));
    coherent(&a).await;
    coherent(&b).await;
    stored(&a, "/x").await;
    for _ in 0..40 {
        let purged = b.cache.purge_tag("unrelated").await.expect("a tag");
        assert_eq!(purged, Purged::Applied);
        assert!(a.get("/x").await.is_hit());
    }
    assert_eq!(a.runs(), 1);
}

#[tokio::test]
async fn who_may_not_publish_purges_all_the_same() {
    let redis = Redis::start().await;
    let user = [
        "SETUSER",
        "app",
        "on",
        ">pw",
        "~nb:*",
        "+@all",
        "resetchannels",
    ];
    let user = user.map(str::as_bytes);
    let _: redis::Value = raw(&redis, "ACL", &user).await;
    let url = format!("redis://app:pw@127.0.0.1:{}/0", redis.port);
    let config = CacheConfig::builder().redis_url(&url);
    let a = app(config.soft_limit(Duration::from_secs(5)));
    let b = app(redis.config());
    stored(&a, "/x").await;
    assert!(b.get("/x").await.is_hit());
    let purged = a.cache.purge_uri("/x").await.expect("a URI");
    assert_eq!(purged, Purged::Applied);
    assert!(!b.get("/x").await.is_hit());
}

/// A purge that the new master never got, and one of a newcomer that lifted its clock.
#[tokio::test]
async fn who_saw_a_purge_that_a_failover_lost_does_not_forget_it() {
    let redis = Redis::start().await;
    let (a, b) = (app(redis.config().near_cache(true)), app(redis.config()));
    coherent(&a).await;
    stored(&a, "/x").await;
    assert_eq!(a.get("/x").await.text(), "run 0");
    let mut old: Vec<u8> = raw(&redis, "GET", &[STAMPS.as_bytes()]).await;
    let purged = b.cache.purge_uri("/x").await.expect("a URI");
    assert_eq!(purged, Purged::Applied);
    let gone = async || a.get("/never").await.is_hit() || a.cache.stats().coherent;
    until("it is heard of", gone).await;
    b.cache.shutdown().await;
    drop(b);
    let (seconds, micros): (u64, u64) = raw(&redis, "TIME", &[]).await;
    let later = (seconds * 1_000_000 + micros).to_be_bytes();
    old[..8].copy_from_slice(&later);
    let _: redis::Value = raw(&redis, "SET", &[STAMPS.as_bytes(), &old]).await;
    until("it has seen the new record", async || {
        let now: Vec<u8> = raw(&redis, "GET", &[STAMPS.as_bytes()]).await;
        now[..8] > later[..]
    })
    .await;
    coherent(&a).await;
    let answer = a.get("/x").await;
    assert!(!answer.is_hit(), "{}", answer.cache());
}

#[tokio::test]
async fn a_soft_purge_counts_though_the_clock_of_purges_is_ahead() {
    for near in [false, true] {
        let redis = Redis::start().await;
        let a = stale(redis.config().near_cache(near));
        coherent(&a).await;
        let (seconds, _): (u64, u64) = raw(&redis, "TIME", &[]).await;
        let ahead = ((seconds + 3600) * 1_000_000).to_be_bytes();
        let args: [&[u8]; 3] = [STAMPS.as_bytes(), b"0", &ahead];
        let _: i64 = raw(&redis, "SETRANGE", &args).await;
        until("it is known", async || {
            stored(&a, "/x").await;
            a.get("/x").await.is_hit() && a.cache.stats().coherent
        })
        .await;
        let soft = a.cache.purge(Purge::uri("/x").soft()).await;
        assert_eq!(soft.expect("a URI"), Purged::Applied);
        let answer = a.get("/x").await;
        assert!(
            ttl(&answer).is_some_and(|ttl| ttl <= 0),
            "{}",
            answer.cache()
        );
    }
}

#[tokio::test]
async fn a_clock_at_the_end_of_time_is_no_clock() {
    let redis = Redis::start().await;
    let a = app(redis.config());
    stored(&a, "/x").await;
    let args: [&[u8]; 3] = [STAMPS.as_bytes(), b"0", &u64::MAX.to_be_bytes()];
    let _: i64 = raw(&redis, "SETRANGE", &args).await;
    let purged = a.cache.purge_uri("/x").await.expect("a URI");
    assert_eq!(purged, Purged::Applied);
    until("all is well", async || {
        stored(&a, "/x").await;
        a.get("/x").await.is_hit() && a.cache.stats().coherent
    })
    .await;
}

#[tokio::test]
async fn what_is_queued_is_not_given_up_for_the_older_one_in_redis() {
    let redis = Redis::start().await;
    let proxy = Proxy::start(redis.port).await;
    let config = RedisConfig::new()
        .host("127.0.0.1")
        .port(proxy.address.port());
    let config = CacheConfig::builder().redis(config);
    let a = stale(config.soft_limit(Duration::from_secs(5)));
    coherent(&a).await;
    stored(&a, "/x").await;
    let soft = a.cache.purge(Purge::uri("/x").soft()).await;
    assert_eq!(soft.expect("a URI"), Purged::Applied);
    proxy.delay(Duration::from_millis(30));
    let others = (0..200).map(|n| {
        let a = a.clone();
        tokio::spawn(async move { a.get(&format!("/other/{n}")).await })
    });
    for other in others.collect::<Vec<_>>() {
        other.await.expect("no panic");
    }
    for _ in 0..15 {
        a.get("/x").await;
    }
    assert_eq!(a.runs(), 202, "one refresh");
}

#[tokio::test]
async fn a_prefix_with_a_name_covers_what_is_stored_under_all() {
    let a = app(CacheConfig::builder().key(KeyRules::new().ignore_authority()));
    a.get("/a/b").await;
    prefix(&a, "http://host/a").await;
    assert!(!a.get("/a/b").await.is_hit());
}

#[tokio::test]
async fn a_purge_of_nothing_is_done_at_once() {
    let redis = Redis::start().await;
    let a = app(redis.config());
    let purged = a.cache.purge_tags(Vec::<String>::new()).await;
    assert_eq!(purged.expect("no tag"), Purged::Applied);
    assert_eq!(a.cache.stats().queued_purges, 0);
}

/// A handler that waits at two gates, between which it reads a value.
fn page(cache: neuralblitz_cache::Cache, gates: [Arc<Notify>; 4]) -> Router {
    let layer = cache.layer();
    let handler = move || {
        let (gates, cache) = (gates.clone(), cache.clone());
        async move {
            gates[0].notify_one();
            gates[1].notified().await;
            let value = cache.get::<u32>("v").await.expect("a key");
            gates[2].notify_one();
            gates[3].notified().await;
            format!("{value:?}")
        }
    };
    Router::new().route("/page", get(handler)).layer(layer)
}

#[tokio::test]
async fn a_fallback_answer_inside_a_handler_is_not_stored_under_a_new_stamp() {
    let redis = Redis::start().await;
    let proxy = Proxy::start(redis.port).await;
    let config = through(&proxy).coherence_bound(Duration::from_hours(1));
    let cache = CacheLayer::new(config.build().expect("usable")).cache();
    let gates: [Arc<Notify>; 4] = Default::default();
    let router = page(cache.clone(), gates.clone());
    let other = app(redis.config());
    until("purges are heard of", async || cache.stats().coherent).await;
    cache.set("v", &1_u32, MINUTE).await.expect("set");
    assert_eq!(cache.get::<u32>("v").await.expect("a key"), Some(1));
    let asked = router.clone();
    let page = tokio::spawn(async move { scripted::get(&asked, "/page").await });
    gates[0].notified().await;
    proxy.cut_off();
    until("redis is left alone", async || {
        let _ = cache.get::<u32>("nothing").await;
        cache.stats().breaker == BreakerState::Open
    })
    .await;
    other.cache.set("v", &2_u32, MINUTE).await.expect("set");
    gates[1].notify_one();
    gates[2].notified().await;
    proxy.refuse(false);
    until("redis is used again", async || {
        cache.stats().breaker == BreakerState::Closed
    })
    .await;
    gates[3].notify_one();
    assert_eq!(page.await.expect("no panic").text(), "Some(1)");
    until("all is written", async || cache.stats().queued_writes == 0).await;
    assert_eq!(cache.get::<u32>("v").await.expect("a key"), Some(2));
    gates[1].notify_one();
    gates[3].notify_one();
    let again = scripted::get(&router, "/page").await;
    assert_eq!(again.text(), "Some(2)");
}

#[tokio::test]
async fn a_server_that_becomes_a_replica_is_left_alone_until_it_is_a_master_again() {
    let (redis, master) = (Redis::start().await, Redis::start().await);
    let a = app(redis.config().circuit_breaker_threshold(2));
    coherent(&a).await;
    stored(&a, "/x").await;
    let port = master.port.to_string();
    let _: redis::Value = raw(&redis, "REPLICAOF", &[b"127.0.0.1", port.as_bytes()]).await;
    until("it is left alone", async || {
        a.get("/x").await;
        a.cache.stats().breaker == BreakerState::Open
    })
    .await;
    let _: redis::Value = raw(&redis, "REPLICAOF", &[b"NO", b"ONE"]).await;
    until("it is used again", async || {
        a.cache.stats().breaker == BreakerState::Closed && a.cache.stats().coherent
    })
    .await;
}
