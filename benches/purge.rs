//! What a purge costs, when it is seen, and what it takes along that it does not name.
//!
//! `cargo bench --bench purge -- --entries 1000000` needs a redis-server, found as in the tests.
//! Server and instances share one machine and speak over loopback.
//!
//! - cost: a tag that covers 1, 1000 and so many entries is purged again and again; a plain PING
//!   on a connection of its own is what the round trip costs.
//! - seen: one instance purges a URI, another one with a near tier is asked until it answers anew;
//!   from the return of the purge, and from its call.
//! - hits: what a hit costs in process, with a near tier and confirmed by Redis.
//! - sweep: what a plain GET of another client takes while the purged entries are deleted.
//! - shared cells: how many entries are lost to purges of others.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the time")]

#[path = "support/redis.rs"]
mod redis_server;

use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use neuralblitz_cache::{
    Cache, CacheBody, CacheConfig, CacheConfigBuilder, CacheLayer, CacheTags, Purged, RedisConfig,
};
use redis_server::Redis;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt, service_fn};

type Content = Full<Bytes>;
type Service = BoxCloneSyncService<Request<Content>, Response<CacheBody<Content>>, Infallible>;

/// Of each, for one line of the table.
const ROUNDS: usize = 500;

/// Requests at once while entries are made.
const WIDTH: u32 = 64;

/// How long anything may take before the measurement is given up.
const LIMIT: Duration = Duration::from_mins(1);

#[tokio::main]
async fn main() {
    if !std::env::args().any(|arg| arg == "--bench") {
        // It is `cargo test` that runs this: there is nothing to be checked.
        return;
    }
    let entries = argument("--entries", 100_000);
    cost(entries).await;
    seen().await;
    hits().await;
    sweep(entries).await;
    for cells in [1 << 12, 1 << 16] {
        shared_cells(cells).await;
    }
}

fn argument(name: &str, default: u64) -> u64 {
    let mut args = std::env::args().skip_while(|arg| arg != name);
    let given = args.nth(1);
    given.map_or(default, |value| value.parse().expect("a number"))
}

/// A cache whose handler says which run it is.
struct Instance {
    cache: Cache,
    service: Service,
}

impl Instance {
    fn new(config: CacheConfig) -> Self {
        let runs = Arc::new(AtomicU64::new(0));
        let handler = service_fn(move |request: Request<Content>| {
            let tag = request.uri().query().unwrap_or("none").to_owned();
            let run = runs.fetch_add(1, Ordering::Relaxed);
            async move {
                let mut response = Response::new(Full::from(format!("{run:0>64}")));
                let fresh = http::HeaderValue::from_static("max-age=3600");
                response.headers_mut().insert(CACHE_CONTROL, fresh);
                response.extensions_mut().insert(CacheTags::new([tag]));
                Ok::<_, Infallible>(response)
            }
        });
        let layer = CacheLayer::new(config);
        Self {
            cache: layer.cache(),
            service: BoxCloneSyncService::new(layer.layer(handler)),
        }
    }

    async fn get(&self, uri: &str) -> Bytes {
        let request = Request::get(uri).body(Content::default());
        let request = request.expect("a request");
        let answer = self.service.clone().oneshot(request).await;
        let body = answer.unwrap_or_else(|never| match never {}).into_body();
        body.collect().await.expect("a body").to_bytes()
    }

    /// So many entries with a tag, all of them in Redis.
    async fn fill(self: &Arc<Self>, tag: &'static str, entries: u64) {
        let workers = (0..WIDTH).map(|worker| {
            let instance = self.clone();
            tokio::spawn(async move {
                for at in (u64::from(worker)..entries).step_by(WIDTH as usize) {
                    instance.get(&format!("/{tag}/{at}?{tag}")).await;
                    while instance.cache.stats().queued_writes > 500 {
                        tokio::task::yield_now().await;
                    }
                }
            })
        });
        for worker in workers.collect::<Vec<_>>() {
            worker.await.expect("no panic");
        }
        let begun = Instant::now();
        while self.cache.stats().queued_writes > 0 {
            assert!(
                begun.elapsed() < LIMIT,
                "Redis does not take what is stored"
            );
            tokio::task::yield_now().await;
        }
    }
}

async fn cost(entries: u64) {
    let redis = Redis::start().expect("a redis-server");
    let instance = Arc::new(Instance::new(config(&redis).build().expect("usable")));
    let mut connection = connection(&redis).await;
    println!("| entries covered | in Redis | purge p50 | p99 | of a PING, p50 |");
    println!("|---|---|---|---|---|");
    for (tag, covered) in [("one", 1), ("some", 1000), ("many", entries)] {
        instance.fill(tag, covered).await;
        let held: u64 = command(&mut connection, &["DBSIZE"]).await;
        let (mut purges, mut pings) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            let _: String = command(&mut connection, &["PING"]).await;
            pings.push(begun.elapsed());
            let begun = Instant::now();
            let done = instance.cache.purge_tag(tag).await;
            purges.push(begun.elapsed());
            assert_eq!(done.expect("a tag"), Purged::Applied);
        }
        let ratio = part(&mut purges, 50).as_secs_f64() / part(&mut pings, 50).as_secs_f64();
        let (p50, p99) = (part(&mut purges, 50), part(&mut purges, 99));
        println!("| {covered} | {held} | {p50:.1?} | {p99:.1?} | {ratio:.2} |");
    }
    println!();
}

async fn seen() {
    let redis = Redis::start().expect("a redis-server");
    let new = || Instance::new(config(&redis).near_cache(true).build().expect("usable"));
    let (giver, asked) = (new(), new());
    let begun = Instant::now();
    while !(giver.cache.stats().coherent && asked.cache.stats().coherent) {
        assert!(begun.elapsed() < LIMIT, "purges are not heard of");
        giver.get("/seen").await;
        asked.get("/seen").await;
    }
    let (mut from_call, mut from_return) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let old = asked.get("/seen").await;
        let called = Instant::now();
        let purged = giver.cache.purge_uri("/seen").await.expect("a URI");
        let returned = Instant::now();
        assert_eq!(purged, Purged::Applied);
        while asked.get("/seen").await == old {
            assert!(called.elapsed() < LIMIT, "an old answer");
            tokio::task::yield_now().await;
        }
        let now = Instant::now();
        from_call.push(now - called);
        from_return.push(now - returned);
    }
    println!("| purge seen on another instance, near tier | p50 | p99 |");
    println!("|---|---|---|");
    for (from, times) in [("call", &mut from_call), ("return", &mut from_return)] {
        let (p50, p99) = (part(times, 50), part(times, 99));
        println!("| from its {from} | {p50:.1?} | {p99:.1?} |");
    }
    println!();
}

async fn hits() {
    const MANY: u64 = 20_000;
    let redis = Redis::start().expect("a redis-server");
    println!("| a hit of 64 bytes, in process | p50 | p99 |");
    println!("|---|---|---|");
    for near in [true, false] {
        let config = config(&redis).near_cache(near).build();
        let instance = Arc::new(Instance::new(config.expect("usable")));
        instance.fill("hit", 1).await;
        let begun = Instant::now();
        while !instance.cache.stats().coherent {
            assert!(begun.elapsed() < LIMIT, "purges are not heard of");
            tokio::task::yield_now().await;
        }
        instance.get("/hit/0?hit").await;
        let before = instance.cache.stats();
        let mut times = Vec::new();
        for _ in 0..MANY {
            let begun = Instant::now();
            instance.get("/hit/0?hit").await;
            times.push(begun.elapsed());
        }
        let after = instance.cache.stats();
        let asked = after.redis_hits - before.redis_hits;
        assert_eq!(asked, if near { 0 } else { MANY });
        let (p50, p99) = (part(&mut times, 50), part(&mut times, 99));
        let who = if near { "near" } else { "Redis" };
        println!("| {who} | {p50:.1?} | {p99:.1?} |");
    }
    println!();
}

async fn sweep(entries: u64) {
    let redis = Redis::start().expect("a redis-server");
    let every = Some(Duration::from_secs(1));
    let config = config(&redis).sweep_interval(every).build();
    let instance = Arc::new(Instance::new(config.expect("usable")));
    instance.fill("swept", entries).await;
    let mut connection = connection(&redis).await;
    let _: String = command(&mut connection, &["SET", "other", "1"]).await;
    println!("| {entries} entries | a GET of another client, p50 | p99 | took |");
    println!("|---|---|---|---|");
    let mut before = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(3) {
        before.push(other(&mut connection).await);
    }
    let (p50, p99) = (part(&mut before, 50), part(&mut before, 99));
    println!("| kept | {p50:.1?} | {p99:.1?} | |");
    let purged = instance.cache.purge_tag("swept").await.expect("a tag");
    assert_eq!(purged, Purged::Applied);
    let (mut during, begun) = (Vec::new(), Instant::now());
    loop {
        during.push(other(&mut connection).await);
        if during.len() % 1000 == 0 {
            let held: u64 = command(&mut connection, &["DBSIZE"]).await;
            // The record, its list, and what this client set.
            if held < 10 {
                break;
            }
            assert!(begun.elapsed() < 10 * LIMIT, "{held} are left");
        }
    }
    let took = begun.elapsed();
    let (p50, p99) = (part(&mut during, 50), part(&mut during, 99));
    println!("| swept | {p50:.1?} | {p99:.1?} | {took:.1?} |");
    println!();
}

async fn other(connection: &mut redis::aio::MultiplexedConnection) -> Duration {
    let begun = Instant::now();
    let _: String = command(connection, &["GET", "other"]).await;
    begun.elapsed()
}

/// 1000 entries, and as many purges of what is not stored; several times, as entries that share a
/// prefix or a tag are lost together.
async fn shared_cells(cells: usize) {
    const MANY: u32 = 1000;
    const TIMES: u32 = 20;
    let mut lost = 0;
    for time in 0..TIMES {
        let config = CacheConfig::builder().stamp_cells(cells).build();
        let instance = Arc::new(Instance::new(config.expect("usable")));
        let uri = |at| format!("/kept{time}/{at}?tag{time}");
        let mut kept = Vec::new();
        for at in 0..MANY {
            kept.push(instance.get(&uri(at)).await);
        }
        for at in 0..MANY {
            let purged = instance
                .cache
                .purge_uri(&format!("/other{time}/{at}"))
                .await;
            assert_eq!(purged.expect("a URI"), Purged::Applied);
        }
        for (at, body) in (0..).zip(&kept) {
            lost += u32::from(instance.get(&uri(at)).await != *body);
        }
    }
    let share = 100.0 * f64::from(lost) / f64::from(MANY * TIMES);
    println!("{cells} cells: {share:.1} % of entries lost to {MANY} purges of other URIs");
}

/// That part of a hundred.
fn part(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

async fn command<T: redis::FromRedisValue>(
    connection: &mut redis::aio::MultiplexedConnection,
    words: &[&str],
) -> T {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.query_async(connection).await.expect("answered")
}

fn config(redis: &Redis) -> CacheConfigBuilder {
    let redis = RedisConfig::new().host("127.0.0.1").port(redis.port);
    CacheConfig::builder().redis(redis)
}

async fn connection(redis: &Redis) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(format!("redis://127.0.0.1:{}", redis.port));
    let client = client.expect("an address");
    let connection = client.get_multiplexed_async_connection();
    connection.await.expect("a connection")
}
