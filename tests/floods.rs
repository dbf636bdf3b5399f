//! Floods of requests that are of no use to anybody else: memory stays bounded, and the hot set
//! stays in it.

#[path = "support/scripted.rs"]
mod scripted;
mod support;

use axum::body::Body;
use http::request::Parts;
use http::{Method, Response};
use neuralblitz_cache::{CacheConfig, CacheConfigBuilder};
use scripted::{App, reply};
use std::fmt;
use support::long;
use support::redis::Redis;
use tokio::sync::Mutex;

/// One flood at a time: memory is that of the whole process.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Where the local tier holds much less than what comes between two requests for one hot URL.
const LOCAL: usize = 1 << 20;
const HOT: usize = 50;
const BETWEEN: usize = 20;

/// What may grow beside the local tier: marks, tables, and what an allocator keeps.
const BESIDE: u64 = 8 << 20;

/// Requests of a flood.
fn size() -> usize {
    if long() { 100_000 } else { 3000 }
}

/// The memory of this process, in bytes.
fn resident() -> u64 {
    const PAGE: u64 = 4096;
    let statm = std::fs::read_to_string("/proc/self/statm").expect("linux");
    let pages = statm.split(' ').nth(1).expect("a second word");
    pages.parse::<u64>().expect("a number") * PAGE
}

/// What is asked for while the hot set is.
#[derive(Clone, Copy, Debug)]
enum Flood {
    Uncacheable,
    Queries,
    Vary,
    /// Bodies some fifty times as large as the hot ones.
    Large,
    Credentials,
}

impl Flood {
    async fn ask(self, app: &App, n: usize) {
        let n = format!("{:x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (path, field) = match self {
            Self::Uncacheable => (format!("/uncacheable/{n}"), ("x-none", "")),
            Self::Queries => (format!("/queries?{n}"), ("x-none", "")),
            Self::Large => (format!("/large/{n}"), ("x-none", "")),
            Self::Vary => ("/vary".to_owned(), ("x-vary", n.as_str())),
            Self::Credentials => ("/mine".to_owned(), ("authorization", n.as_str())),
        };
        let answer = app.ask(Method::GET, &path, &[field]).await;
        assert_eq!(answer.status, 200);
        assert!(!answer.is_hit(), "{path} {}", answer.cache());
    }
}

fn handler(parts: &Parts, _: usize) -> Response<Body> {
    const KIB: usize = 1 << 10;
    let body = |len| vec![b'x'; len];
    match parts.uri.path() {
        "/vary" => reply(200, &[("vary", "x-vary")], body(KIB)),
        path if path.starts_with("/uncacheable") => {
            reply(200, &[("cache-control", "no-store")], body(KIB))
        }
        path if path.starts_with("/large") => reply(200, &[], body(50 * KIB)),
        _ => reply(200, &[], body(KIB)),
    }
}

fn app(config: CacheConfigBuilder) -> App {
    let config = config.local_bytes(LOCAL).max_body(64 << 10);
    App::new(config.build().expect("usable"), handler)
}

/// What a flood has done.
struct Seen {
    flood: Flood,
    hits: usize,
    asked: usize,
    grown: u64,
    local: u64,
}

impl Seen {
    fn percent(&self) -> usize {
        self.hits * 100 / self.asked
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (flood, local) = (self.flood, self.local >> 10);
        write!(
            f,
            "{flood:?}: {} % of the hot set hit, {} KiB more of memory, {local} KiB in the local tier",
            self.percent(),
            self.grown >> 10,
        )
    }
}

/// The hot set is asked for, one by one, between the requests of a flood.
async fn flood(app: &App, flood: Flood) -> Seen {
    let before = resident();
    let hot = async |n: usize| app.get(&format!("/hot/{}", n % HOT)).await.is_hit();
    for n in 0..3 * HOT {
        hot(n).await;
    }
    let (mut hits, mut asked) = (0, 0);
    for n in 0..size() {
        flood.ask(app, n).await;
        if n.is_multiple_of(BETWEEN) {
            hits += usize::from(hot(asked).await);
            asked += 1;
        }
        let stats = app.cache.stats();
        assert!(stats.local_bytes <= LOCAL as u64 && stats.queued_writes <= 1024);
        assert_eq!(stats.fetches_under_way, 0);
    }
    let seen = Seen {
        flood,
        hits,
        asked,
        grown: resident().saturating_sub(before),
        local: app.cache.stats().local_bytes,
    };
    println!("{seen}");
    seen
}

#[tokio::test]
async fn a_flood_takes_no_memory_and_pushes_no_hot_entry_out() {
    let _alone = ALONE.lock().await;
    for kind in [
        Flood::Uncacheable,
        Flood::Queries,
        Flood::Vary,
        Flood::Large,
        Flood::Credentials,
    ] {
        let seen = flood(&app(CacheConfig::builder()), kind).await;
        assert!(seen.percent() >= 90, "{seen}");
        assert!(seen.grown <= LOCAL as u64 + BESIDE, "{seen}");
    }
}

#[tokio::test]
async fn a_flood_before_redis_takes_no_more() {
    let _alone = ALONE.lock().await;
    let redis = Redis::start_with(&["--maxmemory", "20mb", "--maxmemory-policy", "allkeys-lru"]);
    let redis = redis.await;
    let app = app(redis.config());
    let seen = flood(&app, Flood::Queries).await;
    assert!(seen.percent() >= 90, "{seen}");
    assert!(seen.grown <= LOCAL as u64 + BESIDE, "{seen}");
}
