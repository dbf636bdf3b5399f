//! What one exchange costs in this process: request built, service called, body collected.
//!
//! `cargo bench --bench hit`. Times are medians of rounds in which the cases take turns, to
//! be read as ratios; allocations are counted exactly; instructions by callgrind, where
//! valgrind is installed, as the difference of a long and a short run.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the time")]
#![allow(
    clippy::cast_precision_loss,
    reason = "figures are printed with two places"
)]

#[path = "support/redis.rs"]
mod redis_server;

use axum::Router;
use axum::routing::any;
use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HOST, IF_NONE_MATCH, SERVER, VIA,
};
use http::{HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::http1::SendRequest;
use neuralblitz_cache::{CacheConfig, CacheLayer};
use redis_server::Redis;
use std::convert::Infallible;
use std::fmt::Debug;
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};
use tower::util::MapRequestLayer;
use tower::{Layer, Service, ServiceExt, service_fn};

const KEYS: usize = 100_000;

const TAG: &str = "\"0123456789abcdef\"";

type Req = Request<Empty<Bytes>>;

/// One thing to be measured: an exchange, by number.
type Exchange = Box<dyn FnMut(usize)>;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime");
    let _inside = runtime.enter();
    match &args[1..] {
        [count, case, times] if count == "--count" => {
            let mut exchange = case_named(case);
            (0..times.parse().expect("a number")).for_each(&mut exchange);
        }
        _ => report(),
    }
}

/// A case, and the one it is compared with.
const CASES: [(&str, &str); 8] = [
    ("handler 1 KiB", "handler 1 KiB"),
    ("hit 1 KiB", "handler 1 KiB"),
    ("hit 64 KiB", "handler 64 KiB"),
    ("hit, zipf over 100k keys", "handler, zipf over 100k keys"),
    ("304 of a hit", "handler 1 KiB"),
    ("pass-through", "no layer"),
    (
        "pass-through in a router",
        "router with a layer that does nothing",
    ),
    ("miss, stored", "handler, another URI each time"),
];

fn report() {
    local();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    println!("\n| over loopback, one after the other | µs | against the first |");
    println!("|---|---|---|");
    runtime.block_on(sockets());
    runtime.block_on(redis_hits());
}

fn local() {
    println!("| exchange | ns | against the bare one | allocations | instructions | against |");
    println!("|---|---|---|---|---|---|");
    for (case, base) in CASES {
        let (ns, ratio) = time(case_named(case), case_named(base));
        let allocations = allocations(case_named(case));
        let (count, against) = match (instructions(case), instructions(base)) {
            (Some(count), Some(base)) => (
                count.to_string(),
                format!("{:.2}", count as f64 / base as f64),
            ),
            _ => ("no valgrind".into(), String::new()),
        };
        println!("| {case} | {ns:.0} | {ratio:.2} | {allocations} | {count} | {against} |");
    }
}

/// A OPTIONS to a handler that does nothing, without the layer and through it; a hit.
async fn sockets() {
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
async fn redis_hits() {
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

fn case_named(case: &str) -> Exchange {
    match case {
        "handler 1 KiB" => get(handler(1 << 10), |_| item()),
        "handler 64 KiB" => get(handler(64 << 10), |_| item()),
        "hit 1 KiB" => warm(get(cached(1 << 10), |_| item()), 2),
        "hit 64 KiB" => warm(get(cached(64 << 10), |_| item()), 2),
        "304 of a hit" => warm(conditional(cached(1 << 10)), 2),
        "handler, zipf over 100k keys" => zipf(handler(1 << 10)),
        "hit, zipf over 100k keys" => warm(zipf(cached(1 << 10)), KEYS),
        "handler, another URI each time" => get(handler(1 << 10), numbered),
        "no layer" => post(handler(1 << 10)),
        "pass-through" => post(cached(1 << 10)),
        "router with a layer that does nothing" => {
            let route = any(|| async { "done" });
            routed(
                Router::new()
                    .route("/item", route)
                    .layer(MapRequestLayer::new(|r: Request<_>| r)),
            )
        }
        "pass-through in a router" => {
            let layer = CacheLayer::new(CacheConfig::default());
            let route = any(|| async { "done" });
            routed(Router::new().route("/item", route).layer(layer))
        }
        "miss, stored" => get(cached(1 << 10), numbered),
        _ => panic!("no case {case}"),
    }
}

/// A handler that does nothing but answer, with six fields as APIs send them.
fn handler(
    size: usize,
) -> impl Service<Req, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ 'static {
    let body = Bytes::from(vec![b'x'; size]);
    let length = HeaderValue::from(size);
    service_fn(move |_: Req| {
        let mut response = Response::new(Full::new(body.clone()));
        let headers = response.headers_mut();
        headers.reserve(6);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_LENGTH, length.clone());
        headers.insert(
            CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=3600"),
        );
        headers.insert(ETAG, HeaderValue::from_static(TAG));
        headers.insert(SERVER, HeaderValue::from_static("hit"));
        headers.insert(VIA, HeaderValue::from_static("1.1 here"));
        std::future::ready(Ok(response))
    })
}

fn cached(size: usize) -> impl Service<Req, Response: Collected, Error: Debug, Future: Send> {
    let config = CacheConfig::builder().local_bytes(1 << 30).build();
    CacheLayer::new(config.expect("usable")).layer(handler(size))
}

/// A response whose body can be collected.
trait Collected {
    fn collect(self) -> usize;
}

impl<B> Collected for Response<B>
where
    B: hyper::body::Body<Data = Bytes, Error: Debug>,
{
    fn collect(self) -> usize {
        let body = self.into_body().collect().now_or_never();
        let bytes = body.expect("ready").expect("whole").to_bytes();
        bytes.len()
    }
}

/// A server takes the parts of a request from the bytes it has read: no part is copied.
fn exchange<S>(service: &mut S, method: Method, uri: Uri, condition: Option<&'static str>) -> usize
where
    S: Service<Req, Response: Collected, Error: Debug>,
{
    let mut request = Request::new(Empty::new());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_static("localhost:3000"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if let Some(condition) = condition {
        headers.insert(IF_NONE_MATCH, HeaderValue::from_static(condition));
    }
    let response = service.call(request).now_or_never().expect("ready");
    response.expect("answered").collect()
}

fn numbered(key: usize) -> Uri {
    Uri::try_from(format!("/item/{key}")).expect("a URI")
}

/// The same URI each time.
fn item() -> Uri {
    Uri::from_static("/item?x=1")
}

fn get<S>(mut service: S, uri: impl Fn(usize) -> Uri + 'static) -> Exchange
where
    S: Service<Req, Response: Collected, Error: Debug> + 'static,
{
    Box::new(move |i| {
        black_box(exchange(&mut service, Method::GET, uri(i), None));
    })
}

fn conditional<S>(mut service: S) -> Exchange
where
    S: Service<Req, Response: Collected, Error: Debug> + 'static,
{
    exchange(&mut service, Method::GET, item(), None);
    Box::new(move |_| {
        black_box(exchange(&mut service, Method::GET, item(), Some(TAG)));
    })
}

fn post<S>(mut service: S) -> Exchange
where
    S: Service<Req, Response: Collected, Error: Debug> + 'static,
{
    Box::new(move |_| {
        black_box(exchange(&mut service, Method::OPTIONS, item(), None));
    })
}

/// A OPTIONS as axum handles it: the router clones what it routes to.
fn routed(router: Router) -> Exchange {
    Box::new(move |_| {
        let mut request = Request::new(axum::body::Body::empty());
        *request.method_mut() = Method::OPTIONS;
        *request.uri_mut() = item();
        let response = router.clone().oneshot(request).now_or_never();
        let response = response.expect("ready").expect("answered");
        black_box(Collected::collect(response));
    })
}

/// Every key once, then by Zipf's law.
fn zipf<S>(mut service: S) -> Exchange
where
    S: Service<Req, Response: Collected, Error: Debug> + 'static,
{
    let uris: Vec<Uri> = (0..KEYS).map(numbered).collect();
    let harmonic: f64 = (1..=KEYS).map(|rank| 1.0 / rank as f64).sum();
    let mut sum = 0.0;
    let cumulative: Vec<f64> = (1..=KEYS)
        .map(|rank| {
            sum += 1.0 / rank as f64 / harmonic;
            sum
        })
        .collect();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let ranks: Vec<usize> = (0..1 << 20)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let at = (state >> 11) as f64 / (1u64 << 53) as f64;
            cumulative.partition_point(|c| *c < at).min(KEYS - 1)
        })
        .collect();
    let mut calls = 0;
    Box::new(move |_| {
        let key = if calls < KEYS {
            calls
        } else {
            ranks[calls % ranks.len()]
        };
        calls += 1;
        black_box(exchange(&mut service, Method::GET, uris[key].clone(), None));
    })
}

fn warm(mut exchange: Exchange, times: usize) -> Exchange {
    (0..times).for_each(&mut exchange);
    exchange
}

/// Nanoseconds of `case`, and its median ratio to `base`, the two taking turns.
fn time(mut case: Exchange, mut base: Exchange) -> (f64, f64) {
    const ROUNDS: usize = 101;
    const BATCH: usize = 1000;
    let mut calls = 0;
    let mut batch = |exchange: &mut Exchange| {
        let start = Instant::now();
        for _ in 0..BATCH {
            calls += 1;
            exchange(calls);
        }
        start.elapsed().as_nanos() as f64 / BATCH as f64
    };
    batch(&mut case);
    batch(&mut base);
    let mut rounds: Vec<(f64, f64)> = (0..ROUNDS)
        .map(|_| {
            let (ours, theirs) = (batch(&mut case), batch(&mut base));
            (ours, ours / theirs)
        })
        .collect();
    rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let ns = rounds[ROUNDS / 2].0;
    rounds.sort_by(|a, b| a.1.total_cmp(&b.1));
    (ns, rounds[ROUNDS / 2].1)
}

/// Allocations of one exchange.
fn allocations(mut case: Exchange) -> u64 {
    (0..100).for_each(&mut case);
    allocation_counter::measure(|| case(100)).count_total
}

/// Instructions of one exchange.
fn instructions(case: &str) -> Option<u64> {
    let (short, long) = (1000, 3000);
    let [short_run, long_run] = [short, long].map(|times| collected(case, times));
    Some((long_run? - short_run?) / (long - short))
}

fn collected(case: &str, times: u64) -> Option<u64> {
    let this = std::env::current_exe().ok()?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(this)
        .args(["--count", case, &times.to_string()])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = text.lines().find(|line| line.contains("Collected :"))?;
    line.rsplit(' ').next()?.parse().ok()
}
