//! Over real sockets, one exchange after the other: a layer that passes, hits, Redis hits.

use crate::exchange::{handler, item};
use crate::redis_server::Redis;
use axum::Router;
use axum::routing::any;
use bytes::Bytes;
use http::header::HOST;
use http::{Method, Request};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::SendRequest;
use neuralblitz_cache::{CacheConfig, CacheLayer};
use std::time::{Duration, Instant};
use tower::{Layer, Service};

/// A OPTIONS to a handler that does nothing, without the layer and through it; a hit.
pub(crate) async fn sockets() {
    let route = || Router::new().route("/item", any(|| async { "done" }));
    let layered = route().layer(CacheLayer::new(CacheConfig::default()));
    let (mut bare, mut layered) = (connect(route()).await, connect(layered).await);
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..5000 {
        times[0].push(bare.exchange(Method::OPTIONS).await);
        times[1].push(layered.exchange(Method::OPTIONS).await);
        times[2].push(layered.exchange(Method::GET).await);
    }
    let [bare, passed, hit] = times.map(median);
    println!("| OPTIONS, no layer | {bare:.0} | 1.00 |");
    println!(
        "| OPTIONS, pass-through | {passed:.0} | {:.2} |",
        passed / bare
    );
    println!("| GET, hit | {hit:.0} | {:.2} |", hit / bare);
}

/// One kept connection to an app of its own.
struct Connection {
    send: SendRequest<Empty<Bytes>>,
}

async fn connect(app: Router) -> Connection {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    let stream = tokio::net::TcpStream::connect(address)
        .await
        .expect("connected");
    let io = hyper_util::rt::TokioIo::new(stream);
    let (send, connection) = hyper::client::conn::http1::handshake(io)
        .await
        .expect("HTTP/1");
    tokio::spawn(connection);
    Connection { send }
}

impl Connection {
    async fn exchange(&mut self, method: Method) -> Duration {
        let request = Request::builder()
            .method(method)
            .uri("/item")
            .header(HOST, "localhost");
        let request = request.body(Empty::new()).expect("a request");
        let start = Instant::now();
        let response = self.send.send_request(request).await.expect("answered");
        response.into_body().collect().await.expect("whole");
        start.elapsed()
    }
}

/// In microseconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_nanos() as f64 / 1000.0
}

/// A hit that Redis confirms, against a plain GET of the same size over the same client.
pub(crate) async fn redis_hits() {
    let Some(redis) = Redis::start() else {
        println!("| no redis-server found: no Redis hits measured | | |");
        return;
    };
    for size in [1 << 10, 64 << 10] {
        let (hit, get) = compare(&redis, size).await;
        println!("| plain GET of {} KiB | {get:.0} | 1.00 |", size >> 10);
        println!(
            "| Redis hit of {} KiB | {hit:.0} | {:.2} |",
            size >> 10,
            hit / get
        );
    }
}

/// Medians in microseconds of a hit and of a plain GET, taking turns.
async fn compare(redis: &Redis, size: usize) -> (f64, f64) {
    let url = format!("redis://127.0.0.1:{}/0", redis.port);
    let client = redis::Client::open(&*url).expect("a client");
    let mut raw = loop {
        if let Ok(raw) = client.get_multiplexed_async_connection().await {
            break raw;
        }
    };
    let config = CacheConfig::builder()
        .redis_url(&url)
        .version(size.to_string())
        .soft_limit(Duration::from_secs(5));
    let layer = CacheLayer::new(config.build().expect("usable"));
    let mut service = layer.layer(handler(size));
    let mut set = redis::cmd("SET");
    set.arg("raw").arg(vec![b'x'; size]);
    set.query_async::<()>(&mut raw).await.expect("set");
    let mut request = async || {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = item();
        let response = service.call(request).await.expect("answered");
        response
            .into_body()
            .collect()
            .await
            .expect("whole")
            .to_bytes()
            .len()
    };
    while layer.cache().stats().redis_hits < 2 {
        assert_eq!(request().await, size);
    }
    let (mut hits, mut gets) = (Vec::new(), Vec::new());
    for _ in 0..3000 {
        let start = Instant::now();
        request().await;
        hits.push(start.elapsed());
        let start = Instant::now();
        let got = redis::cmd("GET")
            .arg("raw")
            .query_async::<Vec<u8>>(&mut raw)
            .await;
        assert_eq!(got.expect("a value").len(), size);
        gets.push(start.elapsed());
    }
    (median(hits), median(gets))
}
