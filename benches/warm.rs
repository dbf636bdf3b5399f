//! How long the first client of a page waits, at an instance that has just started and at one that
//! was warmed, over loopback; and how long warming takes.
//!
//! `cargo bench --bench warm` needs a redis-server, found as in the tests.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the time")]

#[path = "support/redis.rs"]
mod redis_server;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::routing::get;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use neuralblitz_cache::{CacheConfig, CacheConfigBuilder, CacheLayer, RedisConfig, WarmRequest};
use redis_server::Redis;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

const PAGES: usize = 200;

const HANDLER: Duration = Duration::from_millis(20);

/// First requests of all pages.
struct First {
    p50: Duration,
    p99: Duration,
}

#[tokio::main]
async fn main() {
    if !std::env::args().any(|arg| arg == "--bench") {
        // It is `cargo test` that runs this: there is nothing to be checked.
        return;
    }
    println!(
        "| first request | cold, p50 | p99 | warmed, p50 | p99 | warmed/cold | warming took |"
    );
    println!("|---|---|---|---|---|---|---|");
    compare("local memory", CacheConfig::builder).await;
    let redis = Redis::start().expect("a redis-server");
    let config = || {
        let server = RedisConfig::new().host("127.0.0.1").port(redis.port);
        // Each comparison begins with nothing.
        CacheConfig::builder().redis(server)
    };
    compare("Redis", || config().version("1")).await;
    compare("Redis, near tier", || {
        config().version("2").near_cache(true)
    })
    .await;
}

async fn compare(name: &str, config: impl Fn() -> CacheConfigBuilder) {
    let (cold, _) = measure(config().version("cold"), false).await;
    let (warmed, took) = measure(config(), true).await;
    let ratio = warmed.p50.as_secs_f64() / cold.p50.as_secs_f64();
    println!(
        "| {name} | {:.2?} | {:.2?} | {:.2?} | {:.2?} | {ratio:.4} | {took:.2?} |",
        cold.p50, cold.p99, warmed.p50, warmed.p99
    );
}

async fn measure(config: CacheConfigBuilder, warmed: bool) -> (First, Duration) {
    // No request is to be late on a shared machine.
    let config = config.soft_limit(Duration::from_secs(1)).build();
    let layer = CacheLayer::new(config.expect("usable"));
    let cache = layer.cache();
    let handler = |Path(page): Path<usize>| async move {
        tokio::time::sleep(HANDLER).await;
        page.to_string()
    };
    let app = Router::new().route("/{page}", get(handler)).layer(layer);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let host = address.to_string().parse().expect("a host and its port");
    let warmup = cache
        .warmup()
        .through::<Body, _>(app.clone())
        .authority(host);
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let pages = if warmed { PAGES } else { 0 };
    let uri = |page: usize| format!("/{page}").parse().expect("a URI");
    let requests = (0..pages).map(|page| WarmRequest::get(uri(page)));
    let told = warmup.replay(requests).run().await;
    assert_eq!(told.warmed, pages);
    let first = ask(address).await;
    server.abort();
    cache.shutdown().await;
    (first, told.took)
}

/// One after the other, over one connection.
async fn ask(address: SocketAddr) -> First {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let mut times = Vec::new();
    // A page that no warming knows: the connection stands.
    for page in [PAGES].into_iter().chain(0..PAGES) {
        let request = http::Request::get(format!("http://{address}/{page}"));
        let request = request
            .body(Empty::<bytes::Bytes>::new())
            .expect("a request");
        let begun = Instant::now();
        let answer = client.request(request).await.expect("an answer");
        answer.into_body().collect().await.expect("whole");
        times.push(begun.elapsed());
    }
    let mut times = times.split_off(1);
    times.sort_unstable();
    First {
        p50: times[PAGES / 2],
        p99: times[PAGES * 99 / 100],
    }
}
