//! An HTTP load whose answers are all checked.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]
#![allow(clippy::disallowed_methods, reason = "a test reads the time")]

use crate::support::web::{Answer, Client, Served, serve};
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use neuralblitz_cache::{Cache, CacheConfig, CacheLayer, Purged};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

const ITEMS: usize = 8;

/// What the handlers read: a version of each item; and the one that no later answer may be
/// older than.
#[derive(Clone, Default)]
pub struct Data(Arc<[Item; ITEMS]>);

#[derive(Default)]
struct Item {
    version: AtomicU64,
    floor: AtomicU64,
}

/// An instance behind a socket, its handler counted.
pub struct Instance {
    pub cache: Cache,
    pub runs: Arc<AtomicUsize>,
    served: Served,
    data: Data,
}

impl Instance {
    pub async fn start(config: CacheConfig, data: &Data) -> Self {
        let layer = CacheLayer::new(config);
        let (cache, runs) = (layer.cache(), Arc::new(AtomicUsize::new(0)));
        let state = (data.clone(), runs.clone());
        let app = Router::new()
            .route("/item/{n}", get(item))
            .with_state(state)
            .layer(layer);
        Self {
            cache,
            runs,
            served: serve(app).await,
            data: data.clone(),
        }
    }

    pub fn url(&self, n: usize) -> String {
        self.served.url(&format!("/item/{n}"))
    }

    /// Changes an item, purges it here, and from then on takes no older answer.
    pub async fn change(&self, n: usize) -> Purged {
        let item = &self.data.0[n];
        let version = item.version.fetch_add(1, Ordering::SeqCst) + 1;
        let purged = self.cache.purge_uri(&format!("/item/{n}")).await;
        item.floor.fetch_max(version, Ordering::SeqCst);
        purged.expect("a URI")
    }
}

async fn item(
    Path(n): Path<usize>,
    State((data, runs)): State<(Data, Arc<AtomicUsize>)>,
) -> String {
    runs.fetch_add(1, Ordering::SeqCst);
    let version = data.0[n].version.load(Ordering::SeqCst);
    format!("{n}:{version}")
}

/// Requests, one every two milliseconds for each worker, until it is stopped.
pub struct Load {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    workers: Vec<JoinHandle<()>>,
}

/// What came of the requests of one phase.
#[derive(Default)]
pub struct Seen {
    latencies: Vec<Duration>,
    pub hits: usize,
    pub fallback: usize,
    pub wrong: Vec<String>,
}

impl Load {
    pub fn start(instance: &Instance, workers: usize) -> Self {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let worker = |at: usize| {
            let urls: Vec<String> = (0..ITEMS).map(|n| instance.url(n)).collect();
            let (data, seen, stop) = (instance.data.clone(), Arc::clone(&seen), stop.clone());
            tokio::spawn(async move {
                let client = Client::new();
                let mut ticks = tokio::time::interval(Duration::from_millis(2));
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                for turn in at.. {
                    ticks.tick().await;
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    ask(&client, &urls, turn % ITEMS, &data, &seen).await;
                }
            })
        };
        Self {
            workers: (0..workers).map(worker).collect(),
            stop,
            seen,
        }
    }

    /// Ends a phase: what came since the last one.
    pub fn phase(&self, name: &str) -> Seen {
        let seen = std::mem::take(&mut *self.seen.lock().expect("no panic"));
        println!("{name}: {seen}");
        assert!(seen.wrong.is_empty(), "{name}: {:?}", seen.wrong);
        seen
    }

    /// Requests answered in this phase so far.
    pub fn answered(&self) -> usize {
        self.seen.lock().expect("no panic").latencies.len()
    }

    pub async fn stop(self) {
        self.stop.store(true, Ordering::SeqCst);
        for worker in self.workers {
            worker.await.expect("no panic");
        }
    }
}

async fn ask(client: &Client, urls: &[String], n: usize, data: &Data, seen: &Mutex<Seen>) {
    let floor = data.0[n].floor.load(Ordering::SeqCst);
    let start = Instant::now();
    let answer = client.get(&urls[n]).await;
    let latency = start.elapsed();
    let newest = data.0[n].version.load(Ordering::SeqCst);
    let mut seen = seen.lock().expect("no panic");
    seen.latencies.push(latency);
    seen.hits += usize::from(answer.is_hit());
    seen.fallback += usize::from(answer.cache().contains("detail=fallback"));
    if !is_right(&answer, n, floor..=newest) {
        let line = format!("{n}: {floor}..={newest}: {answer:?}");
        seen.wrong.push(line);
    }
}

fn is_right(answer: &Answer, n: usize, versions: std::ops::RangeInclusive<u64>) -> bool {
    let parts = answer.text().split_once(':');
    let version = parts.and_then(|(item, version)| Some((item, version.parse().ok()?)));
    answer.status == 200
        && version
            .is_some_and(|(item, version)| item == n.to_string() && versions.contains(&version))
}

impl Seen {
    pub fn slowest(&self) -> Duration {
        self.latencies.iter().max().copied().unwrap_or_default()
    }

    fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.latencies.clone();
        sorted.sort();
        let at = sorted.len() * percent / 100;
        sorted.get(at).copied().unwrap_or_default()
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} requests, {} hits, {} in fallback, p50 {:?}, p99 {:?}, slowest {:?}",
            self.latencies.len(),
            self.hits,
            self.fallback,
            self.percentile(50),
            self.percentile(99),
            self.slowest()
        )
    }
}
