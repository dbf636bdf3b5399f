//! What is said of a class: a longest lifetime, and that it stays in local memory.

mod support;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Extension, Router};
use neuralblitz_cache::{
    Cache, CacheConfig, CacheConfigBuilder, CacheLayer, CacheTtl, KeyRules, Purged, Route,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::redis::Redis;
use support::until;
use support::web::{Client, Served, serve};

const HOUR: Duration = Duration::from_hours(1);
const SECRETS: [&str; 3] = ["/secret", "/secret/of-layer", "/secret/varying"];

struct Instance {
    served: Served,
    cache: Cache,
    runs: Arc<AtomicUsize>,
}

impl Instance {
    async fn start(config: CacheConfigBuilder) -> Self {
        let config = config
            .key(KeyRules::new().ignore_authority())
            .route(Route::new("/secret").class("secret"))
            .route(Route::new("/secret/varying").class("secret"))
            .build();
        let layer = CacheLayer::new(config.expect("usable"));
        let (cache, runs) = (layer.cache(), Arc::new(AtomicUsize::new(0)));
        let of_layer = get(counted).layer(cache.layer().class("secret"));
        let app = Router::new()
            .route("/secret", get(counted))
            .route("/secret/of-layer", of_layer)
            .route("/secret/varying", get(varying))
            .route("/open", get(counted))
            .layer(layer)
            .with_state(runs.clone());
        let served = serve(app).await;
        Self {
            served,
            cache,
            runs,
        }
    }

    async fn get(&self, path: &str) -> support::web::Answer {
        Client::new().get(&self.served.url(path)).await
    }

    fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }

    async fn written(&self) {
        let queued = async || self.cache.stats().queued_writes == 0;
        until("all is written", queued).await;
    }
}

async fn counted(State(runs): State<Arc<AtomicUsize>>) -> String {
    format!("run {}", runs.fetch_add(1, Ordering::SeqCst))
}

async fn varying(runs: State<Arc<AtomicUsize>>) -> impl IntoResponse {
    ([(header::VARY, "accept-language")], counted(runs).await)
}

fn kept_here(redis: &Redis) -> CacheConfigBuilder {
    redis.config().class_local_only("secret", true)
}

#[tokio::test]
async fn a_local_only_class_is_never_written_to_redis_and_is_a_hit_all_the_same() {
    let redis = Redis::start().await;
    let here = Instance::start(kept_here(&redis)).await;
    for path in SECRETS {
        assert!(!here.get(path).await.is_hit(), "{path}");
        let again = here.get(path).await;
        assert!(again.is_hit(), "{path}: {}", again.cache());
    }
    assert_eq!(here.runs(), SECRETS.len());
    here.written().await;
    assert_eq!(redis.keys().await, ["nb:{c}:stamps"]);
    // And this is how it would look otherwise.
    here.get("/open").await;
    here.written().await;
    assert_eq!(redis.keys().await.len(), 2);
}

#[tokio::test]
async fn a_local_only_class_is_not_read_from_redis() {
    let redis = Redis::start().await;
    // One whose settings are older has put it there.
    let class = redis.config().class_ttl("secret", HOUR);
    let older = Instance::start(class).await;
    for path in ["/secret", "/secret/varying"] {
        older.get(path).await;
    }
    older.written().await;
    assert_eq!(redis.keys().await.len(), 4);
    let here = Instance::start(kept_here(&redis)).await;
    for path in ["/secret", "/secret/varying"] {
        assert!(!here.get(path).await.is_hit(), "{path}");
        assert!(here.get(path).await.is_hit(), "{path}");
    }
    assert_eq!(here.runs(), 2);
    let class = redis.config().class_ttl("secret", HOUR);
    let there = Instance::start(class).await;
    assert!(there.get("/secret").await.is_hit(), "as it was before");
}

#[tokio::test]
async fn no_command_names_what_is_local_only() {
    let redis = Redis::start().await;
    let mut connection = redis.connection().await;
    // Nothing but the records of purges may be touched: the server notes whoever tries.
    let limited = redis::cmd("ACL")
        .arg(&["SETUSER", "default", "resetkeys", "~nb:{c}:*"])
        .query_async::<()>(&mut connection)
        .await;
    assert_eq!(limited, Ok(()));
    let here = Instance::start(kept_here(&redis)).await;
    let mut denied = async || {
        let mut log = redis::cmd("ACL");
        let log = log
            .arg("LOG")
            .query_async::<Vec<redis::Value>>(&mut connection);
        log.await.expect("a log").len()
    };
    for _ in 0..3 {
        here.get("/secret").await;
        assert!(here.get("/secret").await.is_hit());
        here.get("/secret/varying").await;
    }
    here.written().await;
    assert_eq!(denied().await, 0);
    here.get("/open").await;
    here.written().await;
    assert!(denied().await > 0);
}

#[tokio::test]
async fn a_purge_of_another_instance_reaches_what_is_local_only_at_once() {
    let redis = Redis::start().await;
    let (a, b) = (
        Instance::start(kept_here(&redis)).await,
        Instance::start(kept_here(&redis)).await,
    );
    for round in 1..=20 {
        for path in SECRETS {
            a.get(path).await;
            assert!(a.get(path).await.is_hit());
            let purged = b.cache.purge_uri(path).await;
            assert_eq!(purged.expect("a URI"), Purged::Applied);
            let after = a.get(path).await;
            assert!(!after.is_hit(), "round {round}, {path}: {}", after.cache());
        }
    }
}

/// Lets its response be fresh for an hour, as the request says.
async fn long(request: HeaderMap) -> impl IntoResponse {
    let by = request.get("x-by").and_then(|by| by.to_str().ok());
    let mut fields = HeaderMap::new();
    if by == Some("field") {
        let control = "max-age=3600, stale-while-revalidate=3600";
        fields.insert(header::CACHE_CONTROL, control.parse().expect("a value"));
    }
    let extension = (by == Some("extension")).then_some(Extension(CacheTtl(HOUR)));
    (extension, fields, "text")
}

fn ttl(status: &str) -> u64 {
    let ttl = status.strip_prefix("neuralblitz-cache; hit; ttl=");
    ttl.expect(status).parse().expect("a number")
}

async fn fresh_for(config: CacheConfigBuilder, by: &str) -> u64 {
    let route = match by {
        "route" => Route::new("/").ttl(HOUR),
        "override of route" => Route::new("/").override_ttl(HOUR),
        _ => Route::new("/"),
    };
    let config = config.route(route.class("secret")).build();
    let layer = CacheLayer::new(config.expect("usable"));
    let layer = match by {
        "layer" => layer.ttl(HOUR),
        "override of layer" => layer.override_ttl(HOUR),
        _ => layer,
    };
    let served = serve(Router::new().route("/", get(long)).layer(layer)).await;
    let client = Client::new();
    let fields = [("x-by", by)];
    client.get_with(&served.url("/"), &fields).await;
    ttl(client.get_with(&served.url("/"), &fields).await.cache())
}

#[tokio::test]
async fn the_longest_lifetime_of_a_class_caps_every_other() {
    let capped = || {
        CacheConfig::builder()
            .class_ttl("secret", HOUR)
            .class_max_ttl("secret", Duration::from_mins(1))
    };
    for by in [
        "class",
        "route",
        "override of route",
        "layer",
        "override of layer",
        "field",
        "extension",
    ] {
        let left = fresh_for(capped(), by).await;
        assert!((50..=60).contains(&left), "{by}: {left}");
        let uncapped = CacheConfig::builder().class_ttl("secret", HOUR);
        assert!(fresh_for(uncapped, by).await > 3500, "{by}");
    }
}

#[tokio::test]
async fn what_is_capped_is_kept_no_longer_not_even_to_be_served_stale_or_validated() {
    let redis = Redis::start().await;
    let config = redis
        .config()
        .validation(true)
        .class_ttl("secret", Duration::from_secs(40))
        .class_stale_while_revalidate("secret", HOUR)
        .class_stale_if_error("secret", HOUR)
        .class_max_ttl("secret", Duration::from_mins(1));
    let here = Instance::start(config).await;
    here.get("/secret").await;
    here.written().await;
    let keys = redis.keys().await;
    assert!(keys[0].starts_with("nb:api_response:"), "{keys:?}");
    let left: u64 = redis::cmd("PTTL")
        .arg(&keys[0])
        .query_async(&mut redis.connection().await)
        .await
        .expect("a lifetime");
    assert!((45_000..=60_000).contains(&left), "{left}");
}

#[tokio::test]
async fn a_longest_lifetime_of_zero_stores_nothing() {
    let config = CacheConfig::builder().class_max_ttl("secret", Duration::ZERO);
    let here = Instance::start(config).await;
    for run in 0..3 {
        assert_eq!(here.get("/secret").await.text(), format!("run {run}"));
    }
}

#[tokio::test]
async fn tags_of_a_route_purge_what_it_stored() {
    let route = Route::new("/open").tags(["all", "open"]);
    let here = Instance::start(
        CacheConfig::builder()
            .class_ttl("secret", HOUR)
            .route(route),
    )
    .await;
    for path in ["/open", "/secret"] {
        here.get(path).await;
    }
    let _ = here.cache.purge_tag("open").await;
    assert!(!here.get("/open").await.is_hit());
    assert!(here.get("/secret").await.is_hit());
}
