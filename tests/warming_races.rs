//! Warmings race with purges on four instances of one Redis. Nothing but warming fills the cache:
//! clients ask for what is cached alone. No answer is older than what was promised, and each fence
//! taken down makes some of them so.

#[path = "support/race.rs"]
mod race;
#[path = "support/racing.rs"]
mod racing;
mod support;

use axum::body::Body;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use neuralblitz_cache::{
    Cache, CacheConfig, CacheConfigBuilder, CacheLayer, CacheService, CacheTags, ClientDirectives,
    Purge, Purged, WarmRequest,
};
use race::{Rng, World};
use racing::{Race, Racer, as_it_is};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use support::long;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt, service_fn};

/// No handler holds what it has read longer than this.
const HOLD: Duration = Duration::from_millis(200);

/// Pages `/page/0` to `/page/3`, and the function of each.
const KEYS: usize = 4;

type Handler = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

struct Instance {
    cache: Cache,
    service: CacheService<Handler>,
    world: Arc<World>,
    warmed: AtomicU64,
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

impl Racer for Instance {
    const WORKERS: u64 = 24;

    fn change(_: usize, config: CacheConfigBuilder) -> CacheConfigBuilder {
        config.client_directives(ClientDirectives::Obey)
    }

    fn new(_: usize, config: CacheConfig, world: &Arc<World>) -> Self {
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
            cache: layer.cache(),
            service: layer.layer(BoxCloneSyncService::new(handler)),
            world: world.clone(),
            warmed: AtomicU64::new(0),
        }
    }

    fn cache(&self) -> &Cache {
        &self.cache
    }

    async fn step(race: &Race<Self>, rng: &mut Rng) {
        let (key, how) = (rng.below(KEYS), rng.below(20));
        let (at, instance) = race.any(rng);
        match how {
            0..=4 => {
                race.world.op();
                let warmed = instance.warm(rng).await;
                instance.warmed.fetch_add(warmed as u64, Ordering::SeqCst);
            }
            5 | 6 => race.purge(key, at, instance.purge(key, rng.below(4))).await,
            how => {
                let expected = race.expected(key, at);
                if let Some(found) = instance.found(key, how).await {
                    race.judge(found, expected);
                }
            }
        }
    }
}

impl Instance {
    async fn purge(&self, key: usize, how: usize) -> Purged {
        let purged = match how {
            0 => self.cache.purge(Purge::pattern("nb:*")).await,
            1 => self.cache.purge(Purge::everything()).await,
            _ => self.cache.purge_tag(&format!("key:{key}")).await,
        };
        purged.expect("usable")
    }

    async fn found(&self, key: usize, how: usize) -> Option<u64> {
        match how % 3 {
            0 => self.loaded(key).await,
            _ => self.cached(key).await,
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_warmed_is_older_than_was_promised() {
    let ops = if long() { 100_000 } else { 10_000 };
    let (race, hits) = Race::<Instance>::holds(ops, as_it_is).await;
    let instances = race.instances.iter();
    let warmed = instances.map(|instance| instance.warmed.load(Ordering::SeqCst));
    let warmed: u64 = warmed.sum();
    println!("{warmed} warmed, {hits} hits");
    assert!(hits > ops / 50 && warmed > ops / 50, "{hits} {warmed}");
}

#[cfg(feature = "testing")]
mod fences {
    use super::racing::{Race, without};
    use neuralblitz_cache::testing::Fence;

    async fn falls(fence: Fence) {
        Race::<super::Instance>::falls(200_000, without(fence)).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_stamp_taken_after_the_run_lets_old_answers_in() {
        falls(Fence::StampBefore).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_takes_anything_from_a_loader_takes_what_is_old() {
        falls(Fence::FollowerRule).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn hits_that_the_record_does_not_judge_are_old() {
        falls(Fence::Record).await;
    }
}
