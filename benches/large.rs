//! Whether a large entry on its way from or to Redis holds up small hits.
//!
//! `cargo bench --bench large` needs a redis-server, found as in the tests. Server and instances
//! share one machine and speak over loopback. Hits of 1 KiB, four tasks, one every millisecond each;
//! beside them nothing, or one entry of 2 MiB every 20 ms that is read, or written. They come whole
//! from Redis, to an instance whose local tier holds nothing; who writes has copies of them, which
//! Redis confirms, and so do the hits that its writes are compared with. The cases take turns. What
//! of that is the server's and the machine's, and not this crate's, two more cases tell: a plain
//! client on a thread of its own gets, or sets, as much by a connection of its own.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the time")]

#[path = "support/redis.rs"]
mod redis_server;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use neuralblitz_cache::{Cache, CacheBody, CacheConfig, CacheLayer, Purged, RedisConfig};
use redis_server::Redis;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::time::MissedTickBehavior;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt, service_fn};

type Content = Full<Bytes>;
type Service = BoxCloneSyncService<Request<Content>, Response<CacheBody<Content>>, Infallible>;

const SMALL: usize = 1 << 10;

/// The largest body that is stored.
const LARGE: usize = 2 << 20;

const KEYS: usize = 64;
const TASKS: usize = 4;
const ROUNDS: usize = 6;
const ROUND: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beside {
    Nothing,
    Read,
    PlainGet,
    /// By another instance.
    Write,
    PlainSet,
    /// Hits of who has copies.
    NothingConfirmed,
    /// By the instance that gives the hits, over the same connections.
    OwnWrite,
}

impl Beside {
    fn confirmed(self) -> bool {
        matches!(self, Self::NothingConfirmed | Self::OwnWrite)
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    if !std::env::args().any(|arg| arg == "--bench") {
        // It is `cargo test` that runs this: there is nothing to be checked.
        return;
    }
    let Some(redis) = Redis::start() else {
        println!("no redis-server: nothing is measured");
        return;
    };
    let (reader, writer) = (
        Instance::new(redis.port, 1),
        Instance::new(redis.port, 64 << 20),
    );
    writer.fill().await;
    let cases = [
        Beside::Nothing,
        Beside::Read,
        Beside::PlainGet,
        Beside::Write,
        Beside::PlainSet,
        Beside::NothingConfirmed,
        Beside::OwnWrite,
    ];
    let mut seen = cases.map(|case| (case, Seen::default()));
    for _ in 0..ROUNDS {
        for (case, seen) in &mut seen {
            round(*case, &reader, &writer, redis.port, seen).await;
        }
    }
    println!("| beside | hits | p50 | p99 | of p99 alone | the large one, p50 |");
    let mut alone = 0.0;
    for (case, Seen { small, large }) in &mut seen {
        small.sort();
        large.sort();
        let at = |seen: &[Duration], percent: usize| {
            let at = seen.get(seen.len() * percent / 100);
            at.copied().unwrap_or_default().as_secs_f64() * 1e3
        };
        let (p50, p99) = (at(small, 50), at(small, 99));
        if matches!(case, Beside::Nothing | Beside::NothingConfirmed) {
            alone = p99;
        }
        let (hits, of, large) = (small.len(), p99 / alone, at(large, 50));
        println!("| {case:?} | {hits} | {p50:.2} ms | {p99:.2} ms | {of:.1} | {large:.2} ms |");
    }
}

/// How long each took.
#[derive(Default)]
struct Seen {
    small: Vec<Duration>,
    large: Vec<Duration>,
}

#[derive(Clone)]
struct Instance {
    cache: Cache,
    service: Service,
}

impl Instance {
    fn new(port: u16, local_bytes: usize) -> Self {
        let redis = RedisConfig::new().host("127.0.0.1").port(port);
        let config = CacheConfig::builder()
            .redis(redis)
            .local_bytes(local_bytes)
            .soft_limit(Duration::from_secs(5));
        let layer = CacheLayer::new(config.build().expect("usable"));
        // What the handler itself would take is not measured.
        let large = Bytes::from(vec![b'x'; LARGE]);
        let handler = service_fn(move |request: Request<Content>| {
            let body = match request.uri().path().starts_with("/large") {
                true => large.clone(),
                false => large.slice(..SMALL),
            };
            std::future::ready(Ok::<_, Infallible>(Response::new(Full::from(body))))
        });
        Self {
            cache: layer.cache(),
            service: BoxCloneSyncService::new(layer.layer(handler)),
        }
    }

    /// Whether it was a hit.
    async fn get(&self, uri: &str) -> bool {
        let request = Request::get(uri).body(Content::default());
        let answer = self.service.clone().oneshot(request.expect("a request"));
        let answer = answer.await.unwrap_or_else(|never| match never {});
        let status = answer.headers()["cache-status"].to_str().expect("text");
        let hit = status.contains("; hit");
        let body = answer.into_body().collect().await.expect("a body");
        let len = if uri.starts_with("/large") {
            LARGE
        } else {
            SMALL
        };
        assert_eq!(body.to_bytes().len(), len);
        hit
    }

    async fn written(&self) {
        while self.cache.stats().queued_writes > 0 {
            // Spinning would take a core from those who are measured.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn fill(&self) {
        for n in 0..KEYS {
            self.get(&format!("/small/{n}")).await;
        }
        self.get("/large/0").await;
        self.written().await;
    }
}

async fn round(case: Beside, reader: &Instance, writer: &Instance, port: u16, seen: &mut Seen) {
    let stop = Arc::new(AtomicBool::new(false));
    let small = if case.confirmed() { writer } else { reader };
    let tasks = (0..TASKS).map(|at| tokio::spawn(hits(small.clone(), at, stop.clone())));
    let tasks: Vec<_> = tasks.collect();
    let plain = match case {
        Beside::PlainGet | Beside::PlainSet => {
            let (stop, set) = (stop.clone(), case == Beside::PlainSet);
            Some(std::thread::spawn(move || plain(port, set, &stop)))
        }
        _ => None,
    };
    let begun = Instant::now();
    let mut ticks = ticks(20);
    for n in 1_usize.. {
        ticks.tick().await;
        match case {
            Beside::Nothing | Beside::NothingConfirmed | Beside::PlainGet | Beside::PlainSet => {}
            Beside::Read => {
                let begun = Instant::now();
                assert!(reader.get("/large/0").await);
                seen.large.push(begun.elapsed());
            }
            Beside::Write | Beside::OwnWrite => {
                // The same few again: memory is bounded.
                let path = format!("/large/{}", 1 + n % 8);
                let purged = writer.cache.purge_uri(&path).await;
                assert_eq!(purged.expect("a URI"), Purged::Applied);
                assert!(!writer.get(&path).await);
                let begun = Instant::now();
                writer.written().await;
                seen.large.push(begun.elapsed());
            }
        }
        if begun.elapsed() > ROUND {
            break;
        }
    }
    stop.store(true, Ordering::Relaxed);
    if let Some(plain) = plain {
        seen.large.extend(plain.join().expect("no panic"));
    }
    for task in tasks {
        seen.small.extend(task.await.expect("no panic"));
    }
}

/// A large value every 20 ms, by a client that does nothing else.
fn plain(port: u16, set: bool, stop: &AtomicBool) -> Vec<Duration> {
    let client = redis::Client::open(("127.0.0.1", port)).expect("an address");
    let mut connection = client.get_connection().expect("connected");
    let value = vec![b'x'; LARGE];
    let mut send = |command: &str, key: String, value: Option<&[u8]>| {
        let mut command = redis::cmd(command);
        command.arg(key).arg(value);
        let reply: redis::RedisResult<redis::Value> = command.query(&mut connection);
        reply.expect("an answer");
    };
    send("SET", "plain:0".into(), Some(&value));
    let mut took = Vec::new();
    for n in 1_usize.. {
        let begun = Instant::now();
        match set {
            true => send("SET", format!("plain:{}", 1 + n % 8), Some(&value)),
            false => send("GET", "plain:0".into(), None),
        }
        if stop.load(Ordering::Relaxed) {
            break;
        }
        took.push(begun.elapsed());
        std::thread::sleep(Duration::from_millis(20).saturating_sub(begun.elapsed()));
    }
    took
}

async fn hits(instance: Instance, at: usize, stop: Arc<AtomicBool>) -> Vec<Duration> {
    let mut ticks = ticks(1);
    let mut latencies = Vec::new();
    for n in at.. {
        ticks.tick().await;
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let begun = Instant::now();
        assert!(instance.get(&format!("/small/{}", n * 7 % KEYS)).await);
        latencies.push(begun.elapsed());
    }
    latencies
}

fn ticks(millis: u64) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(Duration::from_millis(millis));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
