//! Warmings race with purges on four instances of one Redis. Nothing but warming fills the cache:
//! clients ask for what is cached alone. No answer is older than what was promised, and each fence
//! taken down makes some of them so.

#[path = "support/race.rs"]
mod race;
mod support;

use axum::body::Body;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use neuralblitz_cache::{
    Cache, CacheConfig, CacheConfigBuilder, CacheLayer, CacheService, CacheTags, ClientDirectives,
    Purge, Purged, WarmRequest,
};
use race::{BOUND, Note, Rng, World};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use support::redis::Redis;
use support::{long, until};
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt, service_fn};

/// No handler holds what it has read longer than this.
const HOLD: Duration = Duration::from_millis(200);

const WORKERS: u64 = 24;

/// Pages `/page/0` to `/page/3`, and the function of each.
const KEYS: usize = 4;

type Handler = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

struct Instance {
    at: usize,
    near: bool,
    cache: Cache,
    service: CacheService<Handler>,
    world: Arc<World>,
}

/// Reads the version, and holds it for a while.
async fn version(world: &World, key: usize) -> u64 {
    let mut rng = world.run();
    tokio::task::yield_now().await;
    let version = world.version(key);
    if rng.percent(30) {
        world.pass(1 + rng.below(40) as u64, HOLD).await;
    }
    version
}

impl Instance {
    fn new(at: usize, config: CacheConfig, world: &Arc<World>) -> Self {
        let layer = CacheLayer::new(config);
        let shared = world.clone();
        let handler = service_fn(move |request: Request<Body>| {
            let world = shared.clone();
            async move {
                let key = request.uri().path()[6..].parse().expect("a key");
                let text = version(&world, key).await.to_string();
                let mut response = Response::new(Body::from(text));
                let tags = CacheTags::new([format!("key:{key}")]);
                response.extensions_mut().insert(tags);
                Ok(response)
            }
        });
        Self {
            at,
            near: at >= 2,
            cache: layer.cache(),
            service: layer.layer(BoxCloneSyncService::new(handler)),
            world: world.clone(),
        }
    }

    /// Warms some pages and functions, some of them twice at once.
    async fn warm(&self, rng: &mut Rng) -> usize {
        let warmup = self.cache.warmup().through::<Body, _>(self.service.clone());
        let pages = [(); 3].map(|()| rng.below(KEYS));
        let pages = pages.map(|key| WarmRequest::get(uri(key).parse().expect("a URI")));
        let (key, world, cache) = (rng.below(KEYS), self.world.clone(), self.cache.clone());
        let loader = move || async move {
            let function = cache.function("version").tags([format!("key:{key}")]);
            function.call(&key, || version(&world, key)).await;
            Ok::<_, io::Error>(())
        };
        let warmup = warmup.replay(pages).load(format!("version {key}"), loader);
        let warmed = warmup.run().await;
        assert_eq!((warmed.failed, warmed.skipped), (0, 0));
        warmed.warmed
    }

    /// The version that is cached, if there is one.
    async fn cached(&self, key: usize) -> Option<u64> {
        let request = Request::get(uri(key)).header("cache-control", "only-if-cached");
        let request = request.body(Body::empty()).expect("a request");
        let answer = self.service.clone().oneshot(request).await;
        let answer = answer.unwrap_or_else(|never| match never {});
        if answer.status() == StatusCode::GATEWAY_TIMEOUT {
            return None;
        }
        let text = answer
            .into_body()
            .collect()
            .await
            .expect("whole")
            .to_bytes();
        let text = std::str::from_utf8(&text).expect("text");
        Some(text.parse().expect("a version"))
    }

    /// The same of the function, whose run is told from what is cached.
    async fn loaded(&self, key: usize) -> Option<u64> {
        let function = self.cache.function("version");
        function.try_call(&key, || async { Err(()) }).await.ok()
    }
}

fn uri(key: usize) -> String {
    format!("/page/{key}")
}

struct Race {
    world: Arc<World>,
    instances: Vec<Instance>,
    wrong: AtomicU64,
    hits: AtomicU64,
    warmed: AtomicU64,
    ops: u64,
}

impl Race {
    async fn work(&self, worker: u64, until_wrong: bool) {
        let mut rng = Rng::new(self.world.seed + 1000 + worker);
        let found = || until_wrong && self.wrong.load(Ordering::SeqCst) > 0;
        while self.world.ops() < self.ops && !found() {
            let (key, how) = (rng.below(KEYS), rng.below(20));
            let instance = &self.instances[rng.below(self.instances.len())];
            match how {
                0..=4 => {
                    self.world.op();
                    let warmed = instance.warm(&mut rng).await;
                    self.warmed.fetch_add(warmed as u64, Ordering::SeqCst);
                }
                5 | 6 => self.purge(instance, key, rng.below(4)).await,
                how => self.ask(instance, key, how).await,
            }
        }
    }

    async fn ask(&self, instance: &Instance, key: usize, how: usize) {
        self.world.op();
        let expected = self.world.expected(key, instance.at, instance.near);
        let found = match how % 3 {
            0 => instance.loaded(key).await,
            _ => instance.cached(key).await,
        };
        let Some(found) = found else {
            return;
        };
        self.hits.fetch_add(1, Ordering::SeqCst);
        if found < expected.own.hard.max(expected.all.hard) {
            self.wrong.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[allow(clippy::disallowed_methods, reason = "a test reads the time")]
    async fn purge(&self, instance: &Instance, key: usize, how: usize) {
        self.world.op();
        let (version, cache) = (self.world.change(key), &instance.cache);
        let purged = match how {
            0 => cache.purge(Purge::pattern("nb:*")).await,
            1 => cache.purge(Purge::everything()).await,
            _ => cache.purge_tag(&format!("key:{key}")).await,
        };
        let note = Note {
            at: std::time::Instant::now(),
            version,
            by: instance.at,
            applied: purged.expect("usable") == Purged::Applied,
            soft: false,
        };
        self.world.note(key, note);
    }
}

type Change = fn(CacheConfigBuilder) -> CacheConfig;

async fn race(ops: u64, until_wrong: bool, change: Change) -> (Arc<Race>, u64) {
    let (redis, seed) = (Redis::start().await, u64::from(std::process::id()));
    let world = Arc::new(World::new(seed));
    let instance = |at: usize| {
        let config = redis.config().coherence_bound(BOUND).near_cache(at >= 2);
        let config = config.client_directives(ClientDirectives::Obey);
        Instance::new(at, change(config), &world)
    };
    let instances: Vec<_> = (0..4).map(instance).collect();
    for instance in &instances {
        until("connected", async || instance.cache.stats().coherent).await;
    }
    let race = Arc::new(Race {
        world,
        instances,
        wrong: AtomicU64::new(0),
        hits: AtomicU64::new(0),
        warmed: AtomicU64::new(0),
        ops,
    });
    let workers = (0..WORKERS).map(|worker| {
        let race = race.clone();
        tokio::spawn(async move { race.work(worker, until_wrong).await })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.expect("no panic");
    }
    (race, seed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_warmed_is_older_than_was_promised() {
    let ops = if long() { 100_000 } else { 10_000 };
    let (race, seed) = race(ops, false, |config| config.build().expect("usable")).await;
    let of = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
    let (wrong, hits, warmed) = (of(&race.wrong), of(&race.hits), of(&race.warmed));
    println!("seed {seed}: {warmed} warmed, {hits} hits, {wrong} wrong");
    assert_eq!(wrong, 0, "seed {seed}");
    assert!(hits > ops / 50 && warmed > ops / 50, "{hits} {warmed}");
}

#[cfg(feature = "testing")]
mod fences {
    use super::{Change, race};
    use neuralblitz_cache::testing::{Fence, without_fence};
    use std::sync::atomic::Ordering;

    async fn falls(change: Change) {
        let (race, seed) = race(200_000, true, change).await;
        assert!(race.wrong.load(Ordering::SeqCst) > 0, "seed {seed}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_stamp_taken_after_the_run_lets_old_answers_in() {
        let change: Change = |config| {
            let config = config.build().expect("usable");
            without_fence(config, Fence::StampBefore)
        };
        falls(change).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_takes_anything_from_a_loader_takes_what_is_old() {
        let change: Change = |config| {
            let config = config.build().expect("usable");
            without_fence(config, Fence::FollowerRule)
        };
        falls(change).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn hits_that_the_record_does_not_judge_are_old() {
        let change: Change = |config| {
            let config = config.build().expect("usable");
            without_fence(config, Fence::Record)
        };
        falls(change).await;
    }
}
