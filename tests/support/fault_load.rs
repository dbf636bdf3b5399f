//! Two instances behind sockets, one with a near tier, and a load whose every answer is checked:
//! its body belongs to its URL, its user and its language, whole and unchanged, and is no older
//! than was promised.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]
#![allow(clippy::disallowed_methods, reason = "a test reads the time")]

use crate::support::web::{Answer, Client, Served, serve};
use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::HeaderMap;
use neuralblitz_cache::{Cache, CacheConfig, CacheLayer, Purged};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

/// Things that change, and are purged.
pub const ITEMS: usize = 12;
const WORKERS: usize = 4;
const WHO: [&str; 3] = ["ann", "bob", "eve"];
const TONGUES: [&str; 2] = ["de", "en"];

/// `coherence_bound`, by which a near hit may be behind another instance's purge.
const BOUND: Duration = Duration::from_secs(1);

/// Purges of one thing that are remembered: far more than there are within the bound.
const KEPT: usize = 200;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The same for everybody.
    Item,
    /// Varies by the language.
    Tongue,
    /// Belongs to who asks.
    Own,
}

/// What the handlers read, and what was promised.
#[derive(Default)]
pub struct World {
    items: [Item; ITEMS],
}

#[derive(Default)]
struct Item {
    version: AtomicU64,
    /// The version that no answer of an instance may be older than: it purged it itself.
    own: [AtomicU64; 2],
    /// Versions whose purge was in force everywhere, and since when.
    applied: Mutex<Vec<(Instant, u64)>>,
}

impl World {
    pub fn body(kind: Kind, n: usize, who: &str, version: u64) -> String {
        const LENGTHS: [usize; 6] = [0, 300, 1000, 1000, 4000, 200_000];
        let head = format!("{kind:?}/{n}/{who}/{version}/");
        let filler = format!("{n}:{who}:{version};");
        let times = LENGTHS[n % LENGTHS.len()] / filler.len();
        head + &filler.repeat(times)
    }

    fn version(&self, n: usize) -> u64 {
        self.items[n].version.load(Ordering::SeqCst)
    }

    /// What an answer of `instance` that was asked for at `asked` may not be older than.
    fn floor(&self, instance: usize, n: usize, asked: Instant) -> Floor {
        let item = &self.items[n];
        let own = item.own[instance].load(Ordering::SeqCst);
        let applied = item.applied.lock().expect("no panic");
        let by = |at: Option<Instant>| {
            let in_force = applied.iter().filter(|(since, _)| Some(*since) <= at);
            in_force.map(|(_, version)| *version).max().unwrap_or(0)
        };
        Floor {
            own,
            exact: by(Some(asked)).max(own),
            near: by(asked.checked_sub(BOUND)).max(own),
        }
    }

    /// Something changes, and is purged by one instance.
    async fn change(&self, n: usize, instance: usize, cache: &Cache) -> Purged {
        let item = &self.items[n];
        let version = item.version.fetch_add(1, Ordering::SeqCst) + 1;
        let purged = cache.purge_tag(&format!("item-{n}")).await.expect("a tag");
        item.own[instance].fetch_max(version, Ordering::SeqCst);
        if purged == Purged::Applied {
            let mut applied = item.applied.lock().expect("no panic");
            applied.push((Instant::now(), version));
            // Those before were in force longer ago than anything counts back.
            let old = applied.len().saturating_sub(KEPT);
            applied.drain(..old);
        }
        purged
    }
}

/// By how an answer came about: the least version it may have.
#[derive(Clone, Copy, Debug)]
pub struct Floor {
    /// Not confirmed by Redis.
    pub own: u64,
    /// Confirmed by Redis.
    pub exact: u64,
    /// From a near tier that hears of purges.
    pub near: u64,
}

impl Floor {
    fn of(self, answer: &Answer, instance: usize) -> u64 {
        let fallback = answer.cache().contains("detail=fallback");
        let collapsed = answer.cache().contains("collapsed");
        match (answer.is_hit() && !fallback, instance) {
            _ if collapsed => self.own,
            (true, NEAR) => self.near,
            (true, _) => self.exact,
            (false, _) => self.own,
        }
    }
}

/// One request, and what it may be answered with.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub kind: Kind,
    pub n: usize,
    pub who: &'static str,
}

impl Asked {
    fn turn(turn: usize) -> Self {
        let n = turn * 7 % ITEMS;
        let who = WHO[turn / 5 % WHO.len()];
        match turn % 4 {
            0 => Self {
                kind: Kind::Own,
                n,
                who,
            },
            1 => Self {
                kind: Kind::Tongue,
                n,
                who: TONGUES[turn / 3 % TONGUES.len()],
            },
            _ => Self {
                kind: Kind::Item,
                n,
                who: "all",
            },
        }
    }

    fn path(self) -> String {
        format!("/{:?}/{}", self.kind, self.n).to_lowercase()
    }

    fn field(self) -> (&'static str, &'static str) {
        match self.kind {
            Kind::Own => ("authorization", self.who),
            Kind::Tongue | Kind::Item => ("accept-language", self.who),
        }
    }

    /// What is wrong with an answer, if anything.
    pub fn wrong(self, answer: &Answer, floor: u64, newest: u64) -> Option<String> {
        let Self { kind, n, who } = self;
        let versions = floor..=newest;
        let mut right = versions.map(|version| World::body(kind, n, who, version));
        if answer.status == 200 && right.any(|body| body.as_bytes() == &answer.body[..]) {
            return None;
        }
        let begins = &answer.body[..answer.body.len().min(60)];
        let begins = String::from_utf8_lossy(begins);
        let (status, cache) = (answer.status, answer.cache());
        Some(format!(
            "{self:?} at {floor}..={newest}: {status} {begins} {cache}"
        ))
    }
}

/// The instance with a near tier.
pub const NEAR: usize = 0;

pub struct Instance {
    pub cache: Cache,
    pub runs: Arc<AtomicUsize>,
    served: Served,
}

type Handled = (Arc<World>, Arc<AtomicUsize>);

impl Instance {
    async fn start(config: CacheConfig, world: &Arc<World>) -> Self {
        let layer = CacheLayer::new(config);
        let (cache, runs) = (layer.cache(), Arc::new(AtomicUsize::new(0)));
        let app = Router::new()
            .route("/item/{n}", get(item))
            .route("/tongue/{n}", get(tongue))
            .route("/own/{n}", get(own))
            .with_state((world.clone(), runs.clone()))
            .layer(layer);
        Self {
            cache,
            runs,
            served: serve(app).await,
        }
    }
}

async fn item(n: Path<usize>, state: State<Handled>) -> Response {
    let tag = ("cache-tag", format!("item-{}", *n));
    ([tag], said(Kind::Item, *n, "all", &state)).into_response()
}

async fn tongue(n: Path<usize>, fields: HeaderMap, state: State<Handled>) -> Response {
    let tag = ("cache-tag", format!("item-{}", *n));
    let vary = ("vary", "accept-language".to_owned());
    let who = text(&fields, "accept-language");
    ([tag, vary], said(Kind::Tongue, *n, who, &state)).into_response()
}

async fn own(n: Path<usize>, fields: HeaderMap, state: State<Handled>) -> Response {
    said(Kind::Own, *n, text(&fields, "authorization"), &state).into_response()
}

fn text<'a>(fields: &'a HeaderMap, name: &str) -> &'a str {
    fields[name].to_str().expect("text")
}

fn said(kind: Kind, n: usize, who: &str, (world, runs): &Handled) -> String {
    runs.fetch_add(1, Ordering::SeqCst);
    World::body(kind, n, who, world.version(n))
}

/// Both instances under load, and something being changed all the time.
pub struct Load {
    pub instances: [Instance; 2],
    world: Arc<World>,
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    tasks: Vec<JoinHandle<()>>,
}

/// What came of the requests of one phase.
#[derive(Default)]
pub struct Seen {
    latencies: Vec<Duration>,
    pub hits: usize,
    pub fallback: usize,
    pub applied: usize,
    pub queued: usize,
    wrong: Vec<String>,
}

impl Load {
    /// The first instance has a near tier.
    pub async fn start(configs: [CacheConfig; 2]) -> Self {
        let world = Arc::new(World::default());
        let [near, exact] = configs;
        let instances = [
            Instance::start(near, &world).await,
            Instance::start(exact, &world).await,
        ];
        let mut load = Self {
            instances,
            world,
            stop: Arc::default(),
            seen: Arc::default(),
            tasks: Vec::new(),
        };
        load.tasks = (0..WORKERS).map(|at| load.worker(at)).collect();
        load.tasks.push(load.changer());
        load
    }

    fn worker(&self, at: usize) -> JoinHandle<()> {
        let urls = [0, 1].map(|i| self.instances[i].served.url(""));
        let (world, seen, stop) = (self.world.clone(), self.seen.clone(), self.stop.clone());
        tokio::spawn(async move {
            let client = Client::new();
            let mut ticks = ticks(2);
            for turn in at * 1000.. {
                ticks.tick().await;
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let to = (turn + at) % 2;
                ask(&client, &urls[to], to, turn, (&world, &seen)).await;
            }
        })
    }

    /// Purges, by one instance after the other.
    fn changer(&self) -> JoinHandle<()> {
        let caches = [0, 1].map(|i| self.instances[i].cache.clone());
        let (world, seen, stop) = (self.world.clone(), self.seen.clone(), self.stop.clone());
        tokio::spawn(async move {
            let mut ticks = ticks(40);
            for turn in 0_usize.. {
                ticks.tick().await;
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let by = turn % 2;
                let purged = world.change(turn * 5 % ITEMS, by, &caches[by]).await;
                let mut seen = seen.lock().expect("no panic");
                match purged {
                    Purged::Applied => seen.applied += 1,
                    _ => seen.queued += 1,
                }
            }
        })
    }

    /// Ends a phase: what came since the last one, all of it right.
    pub fn phase(&self, name: &str) -> Seen {
        let seen = std::mem::take(&mut *self.seen.lock().expect("no panic"));
        println!("{name}: {seen}");
        assert!(seen.wrong.is_empty(), "{name}: {:#?}", seen.wrong);
        seen
    }

    /// Requests answered in this phase so far.
    pub fn answered(&self) -> usize {
        self.seen.lock().expect("no panic").latencies.len()
    }

    /// Purges in this phase so far that are in force everywhere.
    pub fn applied(&self) -> usize {
        self.seen.lock().expect("no panic").applied
    }

    pub async fn stop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        for task in self.tasks.drain(..) {
            task.await.expect("no panic");
        }
    }
}

/// Now, and then every so many milliseconds.
pub fn ticks(millis: u64) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(Duration::from_millis(millis));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

async fn ask(
    client: &Client,
    url: &str,
    to: usize,
    turn: usize,
    (world, seen): (&World, &Mutex<Seen>),
) {
    let (asked, start) = (Asked::turn(turn), Instant::now());
    let floor = world.floor(to, asked.n, start);
    let answer = client
        .get_with(&format!("{url}{}", asked.path()), &[asked.field()])
        .await;
    let latency = start.elapsed();
    let wrong = asked.wrong(&answer, floor.of(&answer, to), world.version(asked.n));
    let mut seen = seen.lock().expect("no panic");
    seen.latencies.push(latency);
    if asked.kind != Kind::Own {
        seen.hits += usize::from(answer.is_hit());
        seen.fallback += usize::from(answer.cache().contains("detail=fallback"));
    } else if answer.is_hit() {
        seen.wrong.push(format!("a hit of {asked:?}"));
    }
    seen.wrong.extend(wrong);
}

impl Seen {
    pub fn requests(&self) -> usize {
        self.latencies.len()
    }

    pub fn slowest(&self) -> Duration {
        self.latencies.iter().max().copied().unwrap_or_default()
    }

    pub fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.latencies.clone();
        sorted.sort();
        let at = sorted.len() * percent / 100;
        sorted.get(at).copied().unwrap_or_default()
    }

    /// In percent of the requests that may be hits, three of four.
    pub fn share(&self, of: usize) -> usize {
        of * 400 / (3 * self.latencies.len()).max(1)
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |percent| self.percentile(percent).as_secs_f64() * 1000.0;
        write!(
            f,
            "{} requests, {} % hits, {} % in fallback, p50 {:.1} ms, p99 {:.1} ms, slowest {:.0} ms, \
             purges {} applied, {} queued",
            self.latencies.len(),
            self.share(self.hits),
            self.share(self.fallback),
            ms(50),
            ms(99),
            self.slowest().as_secs_f64() * 1000.0,
            self.applied,
            self.queued,
        )
    }
}
