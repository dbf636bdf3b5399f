//! Four instances of one Redis, the last two with a near tier, and workers that ask and purge, until
//! enough was done or, where that is looked for, something wrong was found.

use crate::race::{BOUND, Expected, Note, Rng, World};
use crate::support::redis::Redis;
use crate::support::until;
use neuralblitz_cache::{Cache, CacheConfig, CacheConfigBuilder, Purged};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One instance, and what is done with it.
pub(crate) trait Racer: Sized + Send + Sync + 'static {
    const WORKERS: u64;

    fn change(at: usize, config: CacheConfigBuilder) -> CacheConfigBuilder;

    fn new(at: usize, config: CacheConfig, world: &Arc<World>) -> Self;

    fn cache(&self) -> &Cache;

    /// One step of a worker.
    fn step(race: &Race<Self>, rng: &mut Rng) -> impl Future<Output = ()> + Send;
}

pub(crate) struct Race<R> {
    pub(crate) world: Arc<World>,
    pub(crate) instances: Vec<R>,
    wrong: AtomicU64,
    right: AtomicU64,
    ops: u64,
    until_wrong: bool,
}

impl<R: Racer> Race<R> {
    /// `last` says what each instance is configured with at last.
    async fn run(
        ops: u64,
        until_wrong: bool,
        last: impl Fn(CacheConfigBuilder) -> CacheConfig,
    ) -> Arc<Self> {
        let redis = Redis::start().await;
        let world = Arc::new(World::new(std::process::id().into()));
        let instance = |at: usize| {
            let config = redis
                .config()
                .coherence_bound(BOUND)
                .near_cache(is_near(at));
            R::new(at, last(R::change(at, config)), &world)
        };
        let instances: Vec<R> = (0..4).map(instance).collect();
        for instance in &instances {
            until("connected", async || instance.cache().stats().coherent).await;
        }
        let race = Arc::new(Self {
            world,
            instances,
            wrong: AtomicU64::new(0),
            right: AtomicU64::new(0),
            ops,
            until_wrong,
        });
        let workers = (0..R::WORKERS).map(|worker| tokio::spawn(work(race.clone(), worker)));
        for worker in workers.collect::<Vec<_>>() {
            worker.await.expect("no panic");
        }
        race
    }

    /// To the end, all answers right; says how many those were.
    pub(crate) async fn holds(
        ops: u64,
        last: impl Fn(CacheConfigBuilder) -> CacheConfig,
    ) -> (Arc<Self>, u64) {
        let race = Self::run(ops, false, last).await;
        let (wrong, right) = (race.wrong(), race.right.load(Ordering::SeqCst));
        assert_eq!(wrong, 0, "seed {}, {right} right", race.world.seed);
        (race, right)
    }

    /// Until an answer is wrong.
    pub(crate) async fn falls(ops: u64, last: impl Fn(CacheConfigBuilder) -> CacheConfig) {
        let race = Self::run(ops, true, last).await;
        assert!(race.wrong() > 0, "seed {}", race.world.seed);
    }

    fn wrong(&self) -> u64 {
        self.wrong.load(Ordering::SeqCst)
    }

    /// An instance, and its place.
    pub(crate) fn any(&self, rng: &mut Rng) -> (usize, &R) {
        let at = rng.below(self.instances.len());
        (at, &self.instances[at])
    }

    /// What a request that begins now may expect.
    pub(crate) fn expected(&self, key: usize, at: usize) -> Expected {
        self.world.op();
        self.world.expected(key, at, is_near(at))
    }

    pub(crate) fn judge(&self, found: u64, expected: Expected) {
        let counter = match found < expected.own.hard.max(expected.all.hard) {
            true => &self.wrong,
            false => &self.right,
        };
        counter.fetch_add(1, Ordering::SeqCst);
    }

    /// Changes a key and purges it.
    #[allow(clippy::disallowed_methods, reason = "a test reads the time")]
    pub(crate) async fn purge(&self, key: usize, at: usize, purge: impl Future<Output = Purged>) {
        self.world.op();
        let version = self.world.change(key);
        let applied = purge.await == Purged::Applied;
        let note = Note {
            at: std::time::Instant::now(),
            version,
            by: at,
            applied,
            soft: false,
        };
        self.world.note(key, note);
    }
}

fn is_near(at: usize) -> bool {
    at >= 2
}

async fn work<R: Racer>(race: Arc<Race<R>>, worker: u64) {
    let mut rng = Rng::new(race.world.seed + 1000 + worker);
    let found = || race.until_wrong && race.wrong() > 0;
    while race.world.ops() < race.ops && !found() {
        R::step(&race, &mut rng).await;
    }
}

pub(crate) fn as_it_is(config: CacheConfigBuilder) -> CacheConfig {
    config.build().expect("usable")
}

#[cfg(feature = "testing")]
pub(crate) fn without(
    fence: neuralblitz_cache::testing::Fence,
) -> impl Fn(CacheConfigBuilder) -> CacheConfig {
    move |config| neuralblitz_cache::testing::without_fence(as_it_is(config), fence)
}
