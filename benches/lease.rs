//! How often handlers run when several instances are asked for the same cold keys at once, with
//! and without a lease, and what it costs.
//!
//! `cargo bench --bench lease` needs a redis-server, found as in the tests. All instances are in
//! this process, and share nothing but that server.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the time")]

#[path = "support/redis.rs"]
mod redis_server;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use neuralblitz_cache::{CacheBody, CacheConfig, CacheLayer, RedisConfig};
use redis_server::Redis;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt, service_fn};

type Content = Full<Bytes>;
type Service = BoxCloneSyncService<Request<Content>, Response<CacheBody<Content>>, Infallible>;

const INSTANCES: usize = 4;
const KEYS: usize = 20;
/// Requests for each key on each instance, all at once.
const REQUESTS: usize = 5;
const HANDLER: Duration = Duration::from_millis(50);

#[tokio::main]
async fn main() {
    if !std::env::args().any(|arg| arg == "--bench") {
        // It is `cargo test` that runs this: there is nothing to be checked.
        return;
    }
    println!("| lease | handler runs | last answer after | a request, p50 | p99 |");
    println!("|---|---|---|---|---|");
    for lease in [Duration::ZERO, Duration::from_secs(5)] {
        let redis = Redis::start().expect("a redis-server");
        cold(&redis, lease).await;
    }
}

async fn cold(redis: &Redis, lease: Duration) {
    let runs = Arc::new(AtomicUsize::new(0));
    let instances = [(); INSTANCES].map(|()| instance(redis, lease, &runs));
    for instance in &instances {
        // The connections stand.
        get(instance.clone(), "/warm".into()).await;
    }
    runs.store(0, Ordering::SeqCst);
    let begun = Instant::now();
    let asked: Vec<_> = (0..KEYS * REQUESTS)
        .flat_map(|at| instances.iter().map(move |instance| (at % KEYS, instance)))
        .map(|(key, instance)| tokio::spawn(get(instance.clone(), format!("/cold/{key}"))))
        .collect();
    let mut times = Vec::new();
    for one in asked {
        times.push(one.await.expect("no panic"));
    }
    let all = begun.elapsed();
    times.sort_unstable();
    let part = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    let (runs, p50, p99) = (runs.load(Ordering::SeqCst), part(50), part(99));
    println!("| {lease:?} | {runs} | {all:.1?} | {p50:.1?} | {p99:.1?} |");
}

fn instance(redis: &Redis, lease: Duration, runs: &Arc<AtomicUsize>) -> Service {
    let runs = runs.clone();
    let handler = service_fn(move |_: Request<Content>| {
        let runs = runs.clone();
        async move {
            runs.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(HANDLER).await;
            Ok::<_, Infallible>(Response::new(Content::from("x")))
        }
    });
    let server = RedisConfig::new().host("127.0.0.1").port(redis.port);
    let config = CacheConfig::builder().redis(server).lease(lease);
    // All start at once, on few cores: none is to be late.
    let config = config.soft_limit(Duration::from_secs(1)).build();
    BoxCloneSyncService::new(CacheLayer::new(config.expect("usable")).layer(handler))
}

async fn get(instance: Service, uri: String) -> Duration {
    let begun = Instant::now();
    let request = Request::get(uri).body(Content::default());
    let answer = instance.oneshot(request.expect("a request")).await;
    let body = answer.unwrap_or_else(|never| match never {}).into_body();
    assert_eq!(body.collect().await.expect("a body").to_bytes(), "x");
    begun.elapsed()
}
