//! Functions, functions made of functions, and pages made of those race with purges on four
//! instances of one Redis: no result is older than what was promised. Each fence taken down makes
//! some of them so.

#[path = "support/race.rs"]
mod race;
mod support;

use axum::body::Body;
use futures_util::future::join_all;
use http::{Request, Response};
use http_body_util::BodyExt;
use neuralblitz_cache::{
    Cache, CacheConfig, CacheConfigBuilder, CacheLayer, CacheService, Purge, Purged,
};
use race::{BOUND, KEYS, Note, Rng, World};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use support::redis::Redis;
use support::{long, until};
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt, service_fn};

/// No function holds what it has read longer than this.
const HOLD: Duration = Duration::from_millis(200);

const WORKERS: u64 = 8;

type Handler = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

struct Instance {
    at: usize,
    near: bool,
    cache: Cache,
    pages: CacheService<Handler>,
}

impl Instance {
    fn new(at: usize, config: CacheConfig, world: &Arc<World>) -> Self {
        let layer = CacheLayer::new(config);
        let (cache, world) = (layer.cache(), world.clone());
        let within = cache.clone();
        let handler = service_fn(move |request: Request<Body>| {
            let (cache, world) = (within.clone(), world.clone());
            async move {
                let key = request.uri().path()[1..].parse().expect("a key");
                let version = sum(&cache, &world, key).await;
                Ok(Response::new(Body::from(version.to_string())))
            }
        });
        Self {
            at,
            near: at >= 2,
            cache,
            pages: layer.layer(BoxCloneSyncService::new(handler)),
        }
    }

    /// The version that a page says.
    async fn page(&self, key: usize) -> u64 {
        let request = Request::get(format!("/{key}")).body(Body::empty());
        let page = self.pages.clone().oneshot(request.expect("a request"));
        let page = page.await.unwrap_or_else(|never| match never {});
        let text = page.into_body().collect().await.expect("whole").to_bytes();
        let text = std::str::from_utf8(&text).expect("text");
        text.parse().expect("a version")
    }
}

/// Reads the version, and holds it for a while.
async fn version(cache: &Cache, world: &World, key: usize) -> u64 {
    let run = || async {
        let mut rng = world.run();
        tokio::task::yield_now().await;
        let version = world.version(key);
        if rng.percent(20) {
            world.pass(1 + rng.below(40) as u64, HOLD).await;
        }
        version
    };
    let function = cache.function("version").tags([format!("key:{key}")]);
    function.call(&key, run).await
}

/// What is made of it.
async fn sum(cache: &Cache, world: &World, key: usize) -> u64 {
    let function = cache.function("sum");
    function.call(&key, || version(cache, world, key)).await
}

struct Race {
    world: Arc<World>,
    instances: Vec<Instance>,
    wrong: AtomicU64,
    ops: u64,
}

impl Race {
    async fn work(&self, worker: u64, until_wrong: bool) {
        let mut rng = Rng::new(self.world.seed + 1000 + worker);
        let found = || until_wrong && self.wrong.load(Ordering::SeqCst) > 0;
        while self.world.ops() < self.ops && !found() {
            let key = rng.below(KEYS.len());
            let instance = &self.instances[rng.below(self.instances.len())];
            match rng.below(10) {
                0 => self.purge(instance, key, rng.below(4)).await,
                1 => {
                    let asks = || join_all((0..3).map(|how| self.ask(instance, key, how)));
                    let late = async {
                        self.purge(instance, key, 0).await;
                        asks().await
                    };
                    tokio::join!(asks(), late);
                }
                how => self.ask(instance, key, how).await,
            }
        }
    }

    async fn ask(&self, instance: &Instance, key: usize, how: usize) {
        self.world.op();
        let expected = self.world.expected(key, instance.at, instance.near);
        let (cache, world) = (&instance.cache, &self.world);
        let found = match how % 3 {
            0 => version(cache, world, key).await,
            1 => sum(cache, world, key).await,
            _ => instance.page(key).await,
        };
        if found < expected.own.hard.max(expected.all.hard) {
            self.wrong.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[allow(clippy::disallowed_methods, reason = "a test reads the time")]
    async fn purge(&self, instance: &Instance, key: usize, how: usize) {
        self.world.op();
        let version = self.world.change(key);
        let cache = &instance.cache;
        let purged = match how {
            0 => cache.purge_tag(&format!("key:{key}")).await,
            1 => cache.function("version").invalidate(&key).await,
            2 => cache.function("version").invalidate_all().await,
            _ => cache.purge(Purge::pattern("nb:version:*")).await,
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

/// How many wrong answers there were.
async fn race(ops: u64, until_wrong: bool, change: Change) -> (u64, u64) {
    let (redis, seed) = (Redis::start().await, u64::from(std::process::id()));
    let world = Arc::new(World::new(seed));
    let instance = |at: usize| {
        let config = redis.config().coherence_bound(BOUND).near_cache(at >= 2);
        // One computes for itself, whatever the others agree on.
        let lease = Duration::from_millis(if at == 0 { 0 } else { 150 });
        Instance::new(at, change(config.lease(lease)), &world)
    };
    let instances: Vec<_> = (0..4).map(instance).collect();
    for instance in &instances {
        until("connected", async || instance.cache.stats().coherent).await;
    }
    let race = Arc::new(Race {
        world,
        instances,
        wrong: AtomicU64::new(0),
        ops,
    });
    let workers = (0..WORKERS).map(|worker| {
        let race = race.clone();
        tokio::spawn(async move { race.work(worker, until_wrong).await })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.expect("no panic");
    }
    (race.wrong.load(Ordering::SeqCst), seed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_result_nor_what_is_made_of_it_is_older_than_was_promised() {
    let ops = if long() { 100_000 } else { 10_000 };
    let (wrong, seed) = race(ops, false, |config| config.build().expect("usable")).await;
    assert_eq!(wrong, 0, "seed {seed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_bubbling_a_page_is_older_than_what_it_is_made_of() {
    let change: Change = |config| config.tag_bubbling(false).build().expect("usable");
    let (wrong, seed) = race(100_000, true, change).await;
    assert!(wrong > 0, "seed {seed}");
}

#[cfg(feature = "testing")]
mod fences {
    use super::{Change, race};
    use neuralblitz_cache::testing::{Fence, without_fence};

    async fn falls(change: Change) {
        let (wrong, seed) = race(200_000, true, change).await;
        assert!(wrong > 0, "seed {seed}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_stamp_taken_after_the_run_lets_old_results_in() {
        let change: Change = |config| {
            let config = config.build().expect("usable");
            without_fence(config, Fence::StampBefore)
        };
        falls(change).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_follower_that_takes_anything_takes_old_results() {
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
