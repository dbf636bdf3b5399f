//! The shared tier, on a real redis-server.

mod support;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use neuralblitz_cache::{Cache, CacheConfig, CacheLayer, KeyRules, Mode, Purged};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::redis::Redis;
use support::web::{Client, Served, serve};
use support::{long, until};

/// An instance whose answers count how often its handlers ran.
struct Instance {
    served: Served,
    cache: Cache,
    runs: Arc<AtomicUsize>,
}

impl Instance {
    async fn start(config: CacheConfig) -> Self {
        let layer = CacheLayer::new(config);
        let cache = layer.cache();
        let runs = Arc::new(AtomicUsize::new(0));
        let app = Router::new()
            .route("/item/{id}", get(item))
            .layer(layer)
            .with_state(runs.clone());
        Self {
            served: serve(app).await,
            cache,
            runs,
        }
    }

    fn url(&self, path: &str) -> String {
        self.served.url(path)
    }

    fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }

    /// Until all entries of this instance are in Redis.
    async fn written(&self) {
        until("all is written", async || {
            self.cache.stats().queued_writes == 0
        })
        .await;
    }
}

async fn item(State(runs): State<Arc<AtomicUsize>>, Path(id): Path<String>) -> String {
    let run = runs.fetch_add(1, Ordering::SeqCst);
    format!("{id} computed {run}")
}

/// Instances are asked by their own address: their name is no part of the key.
fn shared(redis: &Redis) -> CacheConfig {
    let key = KeyRules::new().ignore_authority();
    redis.config().key(key).build().expect("usable")
}

#[tokio::test]
async fn what_one_instance_stored_another_serves() {
    let redis = Redis::start().await;
    let (a, b) = (
        Instance::start(shared(&redis)).await,
        Instance::start(shared(&redis)).await,
    );
    let client = Client::new();
    let first = client.get(&a.url("/item/1")).await;
    assert_eq!(first.cache(), "neuralblitz-cache; fwd=uri-miss; stored");
    a.written().await;
    let second = client.get(&b.url("/item/1")).await;
    assert!(second.is_hit(), "{}", second.cache());
    assert_eq!(second.text(), "1 computed 0");
    assert_eq!((a.runs(), b.runs()), (1, 0));
    assert_eq!(b.cache.stats().redis_hits, 1);
    assert_eq!(a.cache.stats().mode, Mode::Redis);
    assert!(a.cache.stats().connected);
}

#[tokio::test]
async fn a_queued_entry_is_already_visible_here() {
    let redis = Redis::start().await;
    let a = Instance::start(shared(&redis)).await;
    let client = Client::new();
    for _ in 0..50 {
        client.get(&a.url("/item/1")).await;
    }
    assert_eq!(a.runs(), 1);
}

#[tokio::test]
async fn an_applied_purge_is_seen_by_every_instance_at_once() {
    let redis = Redis::start().await;
    let (a, b) = (
        Instance::start(shared(&redis)).await,
        Instance::start(shared(&redis)).await,
    );
    let client = Client::new();
    for round in 0..if long() { 5_000 } else { 50 } {
        for instance in [&a, &b] {
            client.get(&instance.url("/item/1")).await;
        }
        let before = a.runs() + b.runs();
        let (writer, reader) = if round % 2 == 0 { (&a, &b) } else { (&b, &a) };
        let purged = writer.cache.purge_uri("/item/1").await.expect("a URI");
        assert_eq!(purged, Purged::Applied);
        let after = client.get(&reader.url("/item/1")).await;
        assert!(!after.is_hit(), "round {round}: {}", after.cache());
        assert_eq!(a.runs() + b.runs(), before + 1);
    }
}

#[tokio::test]
async fn a_purge_leaves_other_uris_alone() {
    let redis = Redis::start().await;
    let a = Instance::start(shared(&redis)).await;
    let client = Client::new();
    for path in ["/item/1", "/item/2"] {
        client.get(&a.url(path)).await;
    }
    let _ = a.cache.purge_uri("/item/1").await.expect("a URI");
    let kept = client.get(&a.url("/item/2")).await;
    assert!(kept.is_hit(), "{} {:?}", kept.cache(), a.cache.stats());
    assert!(!client.get(&a.url("/item/1")).await.is_hit());
    let _ = a.cache.clear().await;
    assert!(!client.get(&a.url("/item/2")).await.is_hit());
}

#[tokio::test]
async fn entries_have_the_documented_names_and_a_lifetime() {
    let redis = Redis::start().await;
    let a = Instance::start(shared(&redis)).await;
    Client::new().get(&a.url("/item/1?x=1")).await;
    a.written().await;
    let keys = redis.keys().await;
    assert_eq!(keys.len(), 2, "{keys:?}");
    assert!(keys[0].starts_with("nb:api_response:GET:"), "{keys:?}");
    assert_eq!(keys[1], "nb:{c}:stamps");
    let mut connection = redis.connection().await;
    let ttl = redis::cmd("PTTL")
        .arg(&keys[0])
        .query_async(&mut connection)
        .await;
    let ttl: u64 = ttl.expect("a lifetime");
    assert!((800_000..=900_000).contains(&ttl), "{ttl}");
    let purged = a.cache.purge_key(&keys[0]).await.expect("a name");
    assert_eq!(purged, Purged::Applied);
    assert!(!Client::new().get(&a.url("/item/1?x=1")).await.is_hit());
}

#[tokio::test]
async fn without_the_record_of_purges_nothing_is_valid() {
    let redis = Redis::start().await;
    let a = Instance::start(shared(&redis)).await;
    let client = Client::new();
    client.get(&a.url("/item/1")).await;
    a.written().await;
    let mut connection = redis.connection().await;
    let gone = redis::cmd("DEL")
        .arg("nb:{c}:stamps")
        .query_async(&mut connection)
        .await;
    assert_eq!(gone, Ok(1));
    assert!(!client.get(&a.url("/item/1")).await.is_hit());
    assert!(client.get(&a.url("/item/1")).await.is_hit());
}

#[tokio::test]
async fn a_refused_redis_is_a_miss_and_nothing_more() {
    let mut redis = Redis::start().await;
    redis.kill();
    let a = Instance::start(shared(&redis)).await;
    let client = Client::new();
    for run in 0..3 {
        let answer = client.get(&a.url("/item/1")).await;
        assert_eq!(answer.text(), format!("1 computed {run}"));
        assert_eq!(answer.cache(), "neuralblitz-cache; fwd=uri-miss");
    }
    redis.restart().await;
    until("redis is used again", async || {
        client.get(&a.url("/item/1")).await.is_hit()
    })
    .await;
}

#[tokio::test]
async fn a_hanging_redis_costs_the_soft_limit() {
    let redis = Redis::start().await;
    let limit = Duration::from_millis(50);
    let key = KeyRules::new().ignore_authority();
    let config = redis.config().key(key).soft_limit(limit).build();
    let a = Instance::start(config.expect("usable")).await;
    let client = Client::new();
    until("redis is used", async || {
        client.get(&a.url("/item/1")).await.is_hit()
    })
    .await;
    redis.stop();
    let runs = a.runs();
    let answer = client.get(&a.url("/item/1")).await;
    redis.go_on();
    assert!(!answer.is_hit());
    assert_eq!(a.runs(), runs + 1);
    until("redis is used again", async || {
        client.get(&a.url("/item/1")).await.is_hit()
    })
    .await;
}

#[tokio::test]
async fn a_purge_in_an_outage_is_queued_and_in_force_afterwards() {
    let mut redis = Redis::start().await;
    let a = Instance::start(shared(&redis)).await;
    let client = Client::new();
    client.get(&a.url("/item/1")).await;
    a.written().await;
    let dump = redis.keys().await;
    assert_eq!(dump.len(), 2);
    redis.stop();
    let purged = a.cache.purge_uri("/item/1").await.expect("a URI");
    assert_eq!(purged, Purged::Queued);
    redis.go_on();
    let answer = client.get(&a.url("/item/1")).await;
    assert!(
        !answer.is_hit(),
        "own purges count at once: {}",
        answer.cache()
    );
    redis.kill();
}

#[tokio::test]
async fn writes_that_do_not_fit_the_queue_are_dropped_and_counted() {
    let redis = Redis::start().await;
    let key = KeyRules::new().ignore_authority();
    let queue = std::num::NonZeroUsize::MIN;
    let config = redis.config().key(key).write_queue(queue).build();
    let a = Instance::start(config.expect("usable")).await;
    let client = Client::new();
    client.get(&a.url("/item/first")).await;
    let urls: Vec<String> = (0..100).map(|i| a.url(&format!("/item/{i}"))).collect();
    let answers = futures_util::future::join_all(urls.iter().map(|url| client.get(url))).await;
    assert_eq!(answers.len(), 100);
    until("all that was queued is written", async || {
        let stats = a.cache.stats();
        stats.stored + stats.dropped_writes == 101
    })
    .await;
    let stats = a.cache.stats();
    assert!(stats.dropped_writes > 0, "{stats:?}");
    let keys = redis.keys().await.len() as u64;
    assert_eq!(
        keys,
        stats.stored + 1,
        "the entries and the record of purges"
    );
}
