//! Functions, functions made of functions, and pages made of those race with purges on four
//! instances of one Redis: no result is older than what was promised. Each fence taken down makes
//! some of them so.

#[path = "support/race.rs"]
mod race;
#[path = "support/racing.rs"]
mod racing;
mod support;

use axum::body::Body;
use futures_util::future::join_all;
use http::{Request, Response};
use http_body_util::BodyExt;
use neuralblitz_cache::{
    Cache, CacheConfig, CacheConfigBuilder, CacheLayer, CacheService, Purge, Purged,
};
use race::{KEYS, Rng, World};
use racing::{Race, Racer, as_it_is};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use support::long;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt, service_fn};

/// No function holds what it has read longer than this.
const HOLD: Duration = Duration::from_millis(200);

type Handler = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

struct Instance {
    world: Arc<World>,
    cache: Cache,
    pages: CacheService<Handler>,
}

impl Racer for Instance {
    const WORKERS: u64 = 8;

    fn change(at: usize, config: CacheConfigBuilder) -> CacheConfigBuilder {
        // One computes for itself, whatever the others agree on.
        config.lease(Duration::from_millis(if at == 0 { 0 } else { 150 }))
    }

    fn new(_: usize, config: CacheConfig, world: &Arc<World>) -> Self {
        let layer = CacheLayer::new(config);
        let (cache, shared) = (layer.cache(), world.clone());
        let within = cache.clone();
        let handler = service_fn(move |request: Request<Body>| {
            let (cache, world) = (within.clone(), shared.clone());
            async move {
                let key = request.uri().path()[1..].parse().expect("a key");
                let version = sum(&cache, &world, key).await;
                Ok(Response::new(Body::from(version.to_string())))
            }
        });
        Self {
            world: world.clone(),
            cache,
            pages: layer.layer(BoxCloneSyncService::new(handler)),
        }
    }

    fn cache(&self) -> &Cache {
        &self.cache
    }

    async fn step(race: &Race<Self>, rng: &mut Rng) {
        let key = rng.below(KEYS.len());
        let (at, instance) = race.any(rng);
        let purge = |how| race.purge(key, at, instance.purge(key, how));
        let ask = |how| async move {
            let expected = race.expected(key, at);
            race.judge(instance.ask(key, how).await, expected);
        };
        match rng.below(10) {
            0 => purge(rng.below(4)).await,
            1 => {
                let asks = || join_all((0..3).map(ask));
                let late = async {
                    purge(0).await;
                    asks().await
                };
                tokio::join!(asks(), late);
            }
            how => ask(how).await,
        }
    }
}

impl Instance {
    async fn ask(&self, key: usize, how: usize) -> u64 {
        match how % 3 {
            0 => version(&self.cache, &self.world, key).await,
            1 => sum(&self.cache, &self.world, key).await,
            _ => self.page(key).await,
        }
    }

    async fn purge(&self, key: usize, how: usize) -> Purged {
        let cache = &self.cache;
        let purged = match how {
            0 => cache.purge_tag(&format!("key:{key}")).await,
            1 => cache.function("version").invalidate(&key).await,
            2 => cache.function("version").invalidate_all().await,
            _ => cache.purge(Purge::pattern("nb:version:*")).await,
        };
        purged.expect("usable")
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_result_nor_what_is_made_of_it_is_older_than_was_promised() {
    let ops = if long() { 100_000 } else { 10_000 };
    let (_, right) = Race::<Instance>::holds(ops, as_it_is).await;
    assert!(right > ops / 2, "{right}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_bubbling_a_page_is_older_than_what_it_is_made_of() {
    Race::<Instance>::falls(100_000, |config| as_it_is(config.tag_bubbling(false))).await;
}

#[cfg(feature = "testing")]
mod fences {
    use super::racing::{Race, without};
    use neuralblitz_cache::testing::Fence;

    async fn falls(fence: Fence) {
        Race::<super::Instance>::falls(200_000, without(fence)).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_stamp_taken_after_the_run_lets_old_results_in() {
        falls(Fence::StampBefore).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_follower_that_takes_anything_takes_old_results() {
        falls(Fence::FollowerRule).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn hits_that_the_record_does_not_judge_are_old() {
        falls(Fence::Record).await;
    }
}
