//! The layer before, outside and across runtimes.

#[path = "support/scripted.rs"]
mod scripted;
mod support;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use neuralblitz_cache::{CacheConfig, CacheLayer, CacheService, Purged};
use scripted::{App, counted, fwd, members};
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::OnceLock;
use std::time::Duration;
use support::redis::Redis;
use support::until;
use support::web::{Answer, request};
use tokio::runtime::Runtime;
use tower::util::ServiceFn;
use tower::{Layer, Service, ServiceExt, service_fn};

/// A Redis where nobody listens.
fn dead_redis() -> CacheConfig {
    let config = CacheConfig::builder().redis_url("redis://127.0.0.1:1/0");
    config.build().expect("usable")
}

fn app(config: CacheConfig) -> App {
    App::new(config, |_, run| counted(run, &[]))
}

fn runtime() -> Runtime {
    Runtime::new().expect("a runtime")
}

#[test]
fn a_layer_made_before_any_runtime_is_used_in_one() {
    let app = app(CacheConfig::default());
    runtime().block_on(async {
        assert_eq!(fwd(&app.get("/x").await), ("uri-miss".into(), true));
        assert!(app.get("/x").await.is_hit());
    });
    assert_eq!(app.runs(), 1);
}

#[test]
fn a_layer_with_a_dead_redis_made_before_any_runtime_is_used_in_one() {
    let app = app(dead_redis());
    runtime().block_on(async {
        for run in 0..3 {
            let answer = app.get("/x").await;
            assert_eq!(answer.text(), format!("run {run}"));
            assert_eq!(fwd(&answer), ("uri-miss".into(), false));
        }
        assert!(!app.cache.stats().connected);
    });
}

#[test]
fn a_layer_with_a_living_redis_made_before_any_runtime_is_used_in_one() {
    let runtime = runtime();
    let redis = runtime.block_on(Redis::start());
    let app = app(redis.config().build().expect("usable"));
    assert!(
        !app.cache.stats().connected,
        "nothing runs without a runtime"
    );
    runtime.block_on(async {
        assert_eq!(fwd(&app.get("/x").await), ("uri-miss".into(), true));
        assert!(app.get("/x").await.is_hit());
        assert!(app.cache.stats().connected);
    });
    assert_eq!(app.runs(), 1);
}

#[test]
fn start_connects_before_the_first_call() {
    let runtime = runtime();
    let redis = runtime.block_on(Redis::start());
    let app = app(redis.config().build().expect("usable"));
    app.cache.start();
    runtime.block_on(async {
        app.cache.start();
        until("connected", async || app.cache.stats().connected).await;
    });
}

type Asked = Request<Full<Bytes>>;
type Answered = Ready<Result<Response<Full<Bytes>>, Infallible>>;

type Handler = ServiceFn<fn(Asked) -> Answered>;

/// Answers with the path, and needs no runtime for it.
fn path(request: Asked) -> Answered {
    let (parts, _) = request.into_parts();
    let body = parts.uri.path().to_owned();
    ready(Ok(Response::new(Full::from(body))))
}

fn service(layer: &CacheLayer) -> CacheService<Handler> {
    layer.layer(service_fn(path))
}

/// Drives a whole exchange without any runtime.
fn ask(layer: &CacheLayer, method: Method) -> Answer {
    let exchange = async {
        let response = service(layer).oneshot(request(method, "/x", &[])).await;
        let (parts, body) = response.expect("a response").into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.expect("a body").to_bytes(),
        }
    };
    exchange.now_or_never().expect("nothing to wait for")
}

#[test]
fn without_a_runtime_a_call_passes() {
    for config in [CacheConfig::default(), dead_redis()] {
        let layer = CacheLayer::new(config);
        for method in [Method::GET, Method::GET, Method::HEAD, Method::POST] {
            let answer = ask(&layer, method.clone());
            assert_eq!(answer.text(), "/x", "{method}");
            assert!(members(&answer.headers).is_empty(), "{method}");
        }
        let stats = layer.cache().stats();
        assert_eq!((stats.passed, stats.stored, stats.misses), (4, 0, 0));
    }
}

#[test]
fn a_service_made_and_called_outside_a_runtime_is_polled_inside_one() {
    let layer = CacheLayer::new(CacheConfig::default());
    let mut service = service(&layer);
    let called = service.call(request(Method::GET, "/x", &[]));
    let response = runtime().block_on(called).expect("a response");
    assert!(members(response.headers()).is_empty(), "it passes");
}

/// As applications hold it: for as long as the process lives.
static APP: OnceLock<App> = OnceLock::new();

/// Uses a path for the first time; what it brought is in Redis afterwards.
async fn first_use(app: &App, path: &str, runs: usize) {
    assert_eq!(fwd(&app.get(path).await), ("uri-miss".into(), true));
    assert!(app.get(path).await.is_hit(), "{path}");
    assert_eq!(app.runs(), runs);
    let written = u64::try_from(runs).expect("a number");
    until("it is written", async || {
        app.cache.stats().stored == written
    })
    .await;
}

/// The first uses many threads, the second one, the third again many.
fn nth_runtime(n: usize) -> Runtime {
    match n {
        2 => {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.enable_all().build().expect("a runtime")
        }
        _ => runtime(),
    }
}

#[test]
fn runtimes_one_after_the_other_use_one_cache() {
    let redis = runtime().block_on(Redis::start());
    let app = APP.get_or_init(|| app(redis.config().build().expect("usable")));
    for n in 1..=3 {
        let runtime = nth_runtime(n);
        runtime.block_on(async {
            first_use(app, &format!("/{n}"), n).await;
            for earlier in 1..n {
                let path = format!("/{earlier}");
                assert!(app.get(&path).await.is_hit(), "{path} in runtime {n}");
            }
            let purged = app.cache.purge_uri("/none").await.expect("a URI");
            assert_eq!(purged, Purged::Applied, "in runtime {n}");
            assert!(app.cache.stats().connected);
        });
        runtime.shutdown_timeout(Duration::from_secs(10));
    }
    assert_eq!((app.runs(), app.cache.stats().faults), (3, 0));
}
