//! The answer to a POST that answers GET too (RFC 9110 §9.3.3), on instances that share a Redis.

#[path = "support/scripted.rs"]
mod scripted;
mod support;

use axum::Router;
use axum::body::Body;
use http::{Method, Request};
use neuralblitz_cache::{Cache, CacheConfigBuilder, CacheLayer, Purged};
use scripted::{ask, read, reply, request};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::redis::Redis;
use support::web::Answer;
use support::{long, until};
use tokio::sync::Semaphore;
use tower::service_fn;

/// What all instances change and read.
#[derive(Default)]
struct Resource {
    version: AtomicUsize,
    gets: AtomicUsize,
}

struct Instance {
    cache: Cache,
    router: Router,
    /// A POST changes the resource at once, and answers when it may.
    answers: Arc<Semaphore>,
}

impl Instance {
    fn of(config: CacheConfigBuilder, resource: &Arc<Resource>, answers: usize) -> Self {
        let config = config.post_answers_get(true).build().expect("usable");
        let layer = CacheLayer::new(config);
        let (cache, answers) = (layer.cache(), Arc::new(Semaphore::new(answers)));
        let (resource, may) = (resource.clone(), answers.clone());
        let service = service_fn(move |request: Request<Body>| {
            let (resource, may) = (resource.clone(), may.clone());
            async move {
                let version = match *request.method() {
                    Method::GET => {
                        resource.gets.fetch_add(1, Ordering::SeqCst);
                        resource.version.load(Ordering::SeqCst)
                    }
                    _ => resource.version.fetch_add(1, Ordering::SeqCst) + 1,
                };
                if request.method() == Method::POST {
                    may.acquire().await.expect("open").forget();
                }
                let fields = [
                    ("content-location", "/x"),
                    ("cache-control", "max-age=60"),
                    ("cache-tag", "tagged"),
                ];
                Ok::<_, Infallible>(reply(200, &fields, version.to_string()))
            }
        });
        Self {
            router: Router::new().fallback_service(service).layer(layer),
            cache,
            answers,
        }
    }

    async fn ask(&self, method: Method) -> Answer {
        read(ask(&self.router, request(method, "/x", &[])).await).await
    }

    async fn written(&self) {
        let queued = async || self.cache.stats().queued_writes == 0;
        until("all is in Redis", queued).await;
    }

    /// Until Redis is in use: before that nothing is stored.
    async fn ready(&self) {
        let connected = async || self.cache.stats().connected;
        self.cache.start();
        until("it is connected", connected).await;
    }
}

#[tokio::test]
async fn it_answers_get_on_all_instances_until_the_next_change() {
    let redis = Redis::start().await;
    let resource = Arc::default();
    let [a, b] = [(); 2].map(|()| Instance::of(redis.config(), &resource, 100));
    a.ready().await;
    b.ready().await;
    for (round, (one, other)) in [(&a, &b), (&b, &a), (&a, &b)].into_iter().enumerate() {
        let version = (round + 1).to_string();
        assert_eq!(one.ask(Method::POST).await.text(), version);
        one.written().await;
        for instance in [one, other] {
            let get = instance.ask(Method::GET).await;
            assert_eq!((get.is_hit(), get.text()), (true, &*version));
        }
    }
    assert_eq!(resource.gets.load(Ordering::SeqCst), 0);
    assert_eq!(
        b.cache.purge_tag("tagged").await.ok(),
        Some(Purged::Applied)
    );
    assert!(!a.ask(Method::GET).await.is_hit());
}

/// What the other instance purged may be what this POST's answer was made from.
#[tokio::test]
async fn a_purge_while_its_handler_runs_leaves_nothing_stored() {
    let redis = Redis::start().await;
    for purge in ["uri", "tag", "prefix"] {
        let resource = Arc::default();
        let (a, b) = (
            Instance::of(redis.config(), &resource, 0),
            Instance::of(redis.config(), &resource, 0),
        );
        a.ready().await;
        b.ready().await;
        let post = async { a.ask(Method::POST).await };
        let meanwhile = async {
            let changed = async || resource.version.load(Ordering::SeqCst) == 1;
            until("the handler runs", changed).await;
            let purged = match purge {
                "uri" => b.cache.purge_uri("/x").await,
                "tag" => b.cache.purge_tag("tagged").await,
                _ => b.cache.purge_prefix("/").await,
            };
            assert_eq!(purged.ok(), Some(Purged::Applied));
            a.answers.add_permits(1);
        };
        let (answer, ()) = tokio::join!(post, meanwhile);
        assert_eq!(answer.text(), "1");
        assert!(!a.ask(Method::GET).await.is_hit(), "{purge}");
        assert_eq!(a.cache.clear().await, Purged::Applied);
    }
}

/// Whose change is the last may have been purged before the other one was: its answer must not
/// outlive the race.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_changes_that_race_the_answer_of_the_last_alone_is_served() {
    let redis = Redis::start().await;
    let resource = Arc::default();
    let instances = [(); 2].map(|()| Instance::of(redis.config(), &resource, usize::MAX >> 4));
    for instance in &instances {
        instance.ready().await;
    }
    let rounds = if long() { 5_000 } else { 200 };
    let mut hits = 0;
    for round in 0..rounds {
        // One alone in every fourth round, so that something is stored.
        let at_once = if round % 4 == 0 { 1 } else { 4 };
        let racing = instances.iter().cycle().take(at_once);
        let posts = racing.map(|instance| instance.ask(Method::POST));
        futures_util::future::join_all(posts).await;
        let last = resource.version.load(Ordering::SeqCst).to_string();
        for instance in &instances {
            instance.written().await;
        }
        for instance in &instances {
            let get = instance.ask(Method::GET).await;
            hits += usize::from(get.is_hit());
            assert_eq!(get.text(), last, "round {round}");
        }
    }
    assert!(hits >= rounds / 4, "{hits}");
}
