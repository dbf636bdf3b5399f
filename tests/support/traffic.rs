//! Requests for many keys over HTTP, all answers checked, counted by key.

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
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

/// What the handlers read: a version of each item; and the one that no later answer may be older
/// than.
#[derive(Clone)]
pub struct Data(Arc<[Item]>);

#[derive(Default)]
struct Item {
    version: AtomicU64,
    /// The versions whose purges are in force, and since when.
    floors: Mutex<Vec<(Instant, u64)>>,
}

impl Item {
    /// The newest whose purge has been in force for so long.
    fn floor(&self, since: Duration) -> u64 {
        let floors = self.floors.lock().expect("no panic");
        let old = floors.iter().filter(|(at, _)| at.elapsed() >= since);
        old.map(|(_, version)| *version).max().unwrap_or(0)
    }
}

/// What `coherence_bound` is by default.
const BOUND: Duration = Duration::from_secs(1);

impl Data {
    pub fn of(items: usize) -> Self {
        Self((0..items).map(|_| Item::default()).collect())
    }
}

/// An instance behind a socket, its handler counted.
pub struct Instance {
    pub cache: Cache,
    pub runs: Arc<AtomicUsize>,
    served: Served,
    data: Data,
    client: Client,
    near: bool,
}

impl Instance {
    /// One with a near tier: its hits may be as old as word of a purge takes.
    pub async fn start_near(config: CacheConfig, data: &Data) -> Self {
        Self {
            near: true,
            ..Self::start(config, data).await
        }
    }

    /// The version that no answer from now on may be older than.
    fn floor(&self, n: usize) -> u64 {
        let within = if self.near { BOUND } else { Duration::ZERO };
        self.data.0[n].floor(within)
    }

    pub async fn start(config: CacheConfig, data: &Data) -> Self {
        let layer = CacheLayer::new(config);
        let (cache, runs) = (layer.cache(), Arc::new(AtomicUsize::new(0)));
        let app = Router::new()
            .route("/item/{n}", get(item))
            .with_state((data.clone(), runs.clone()))
            .layer(layer);
        Self {
            cache,
            runs,
            served: serve(app).await,
            data: data.clone(),
            client: Client::new(),
            near: false,
        }
    }

    /// The same authority for all instances: they share their keys.
    pub async fn get(&self, n: usize) -> Answer {
        let url = self.served.url(&format!("/item/{n}"));
        let answer = self
            .client
            .get_with(&url, &[("host", "shop.example")])
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    /// The same, and no older than promised.
    pub async fn get_right(&self, n: usize) -> Answer {
        let item = &self.data.0[n];
        let floor = self.floor(n);
        let answer = self.get(n).await;
        let newest = item.version.load(Ordering::SeqCst);
        // Purges of others are not heard of then.
        let floor = if is_fallback(&answer) { 0 } else { floor };
        assert!(
            is_right(&answer, n, floor..=newest),
            "{n}: {floor}..={newest}: {answer:?}"
        );
        answer
    }

    /// Changes an item and purges it; if that is in force everywhere, no instance may give an
    /// older answer from now on.
    pub async fn change(&self, n: usize) -> Purged {
        let item = &self.data.0[n];
        let version = item.version.fetch_add(1, Ordering::SeqCst) + 1;
        let purged = self.cache.purge_uri(&format!("/item/{n}")).await;
        let purged = purged.expect("a URI");
        if purged == Purged::Applied {
            let mut floors = item.floors.lock().expect("no panic");
            // Of those that are old enough for all, the newest says as much.
            let old = floors.partition_point(|(at, _)| at.elapsed() >= BOUND);
            floors.drain(..old.saturating_sub(1));
            floors.push((Instant::now(), version));
        }
        purged
    }

    /// What a handler would say now.
    pub fn newest(&self, n: usize) -> String {
        format!("{n}:{}", self.data.0[n].version.load(Ordering::SeqCst))
    }

    pub fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }
}

async fn item(
    Path(n): Path<usize>,
    State((data, runs)): State<(Data, Arc<AtomicUsize>)>,
) -> String {
    runs.fetch_add(1, Ordering::SeqCst);
    format!("{n}:{}", data.0[n].version.load(Ordering::SeqCst))
}

/// Asks for one item after the other, until it is stopped.
pub struct Traffic {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<Seen>>>,
    workers: Vec<JoinHandle<()>>,
}

/// What came of the requests for one item in one phase.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub answers: usize,
    pub hits: usize,
    /// Of these, while Redis was left alone.
    pub fallback: usize,
    pub slowest: Duration,
    pub wrong: Vec<String>,
}

impl Traffic {
    /// So many workers for each instance, each asking every two milliseconds.
    pub fn start(instances: &[Arc<Instance>], workers: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let items = instances[0].data.0.len();
        let seen = Arc::new(Mutex::new(vec![Seen::default(); items]));
        let work = |at: usize| {
            let instance = instances[at % instances.len()].clone();
            let (stop, seen) = (stop.clone(), seen.clone());
            tokio::spawn(async move {
                let mut ticks = tokio::time::interval(Duration::from_millis(2));
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                // Each with other items than the one before it at any time.
                for turn in at * 7.. {
                    ticks.tick().await;
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    ask(&instance, turn % items, &seen).await;
                }
            })
        };
        Self {
            workers: (0..workers * instances.len()).map(work).collect(),
            stop,
            seen,
        }
    }

    /// Ends a phase: what came since the last one, by item.
    pub fn phase(&self, name: &str) -> Vec<Seen> {
        let seen = {
            let mut seen = self.seen.lock().expect("no panic");
            let items = seen.len();
            std::mem::replace(&mut *seen, vec![Seen::default(); items])
        };
        let wrong: Vec<&String> = seen.iter().flat_map(|seen| &seen.wrong).collect();
        let first = &wrong[..wrong.len().min(3)];
        assert!(wrong.is_empty(), "{name}: {} wrong: {first:?}", wrong.len());
        println!("{name}: {}", told(&seen));
        seen
    }

    /// Answers in this phase so far, each item counted by the least.
    pub fn least(&self) -> usize {
        let seen = self.seen.lock().expect("no panic");
        seen.iter().map(|seen| seen.answers).min().unwrap_or(0)
    }

    pub async fn stop(self) {
        self.stop.store(true, Ordering::SeqCst);
        for worker in self.workers {
            worker.await.expect("no panic");
        }
    }
}

/// Figures of several items together.
pub fn told<'a>(seen: impl IntoIterator<Item = &'a Seen>) -> String {
    let (mut answers, mut hits, mut fallback, mut slowest) = (0, 0, 0, Duration::ZERO);
    for seen in seen {
        answers += seen.answers;
        hits += seen.hits;
        fallback += seen.fallback;
        slowest = slowest.max(seen.slowest);
    }
    format!("{answers} answers, {hits} hits, {fallback} in fallback, slowest {slowest:.1?}")
}

async fn ask(instance: &Instance, n: usize, seen: &Mutex<Vec<Seen>>) {
    let item = &instance.data.0[n];
    let floor = instance.floor(n);
    let start = Instant::now();
    let answer = instance.get(n).await;
    let latency = start.elapsed();
    let newest = item.version.load(Ordering::SeqCst);
    let fallback = is_fallback(&answer);
    // Purges of others are not heard of then.
    let floor = if fallback { 0 } else { floor };
    let seen = &mut seen.lock().expect("no panic")[n];
    seen.answers += 1;
    seen.hits += usize::from(answer.is_hit());
    seen.fallback += usize::from(fallback);
    seen.slowest = seen.slowest.max(latency);
    if !is_right(&answer, n, floor..=newest) {
        seen.wrong.push(format!(
            "{n}: {floor}..={newest}, near tier {}: {answer:?}",
            instance.near
        ));
    }
}

fn is_fallback(answer: &Answer) -> bool {
    answer.cache().contains("detail=fallback")
}

fn is_right(answer: &Answer, n: usize, versions: RangeInclusive<u64>) -> bool {
    let parts = answer.text().split_once(':');
    let version = parts.and_then(|(item, version)| Some((item, version.parse().ok()?)));
    version.is_some_and(|(item, version)| item == n.to_string() && versions.contains(&version))
}
