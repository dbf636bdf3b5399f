//! The layer in every place where a tower layer can stand.

#[path = "support/scripted.rs"]
mod scripted;
mod support;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, get_service};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use neuralblitz_cache::{Cache, CacheBody, CacheConfig, CacheLayer, CacheService};
use scripted::{fwd, members, ttl};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::web::{Answer, Client, request};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tower::limit::{ConcurrencyLimit, ConcurrencyLimitLayer, GlobalConcurrencyLimitLayer};
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

/// Counts its runs, and says which one this was.
#[derive(Clone, Default)]
struct Counter(Arc<AtomicUsize>);

impl Counter {
    fn run(&self) -> String {
        format!("run {}", self.0.fetch_add(1, Ordering::SeqCst))
    }

    fn runs(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn layer() -> CacheLayer {
    CacheLayer::new(CacheConfig::default())
}

/// The first request of a path is stored and the second one a hit.
async fn is_cached(app: &Router, path: &str) -> Answer {
    let first = scripted::get(app, path).await;
    assert_eq!(fwd(&first), ("uri-miss".into(), true), "{path}");
    let second = scripted::get(app, path).await;
    assert!(second.is_hit(), "{path}");
    assert_eq!(second.body, first.body, "{path}");
    second
}

async fn is_not_cached(app: &Router, path: &str) {
    for _ in 0..2 {
        let answer = scripted::get(app, path).await;
        assert!(!answer.headers.contains_key("cache-status"), "{path}");
    }
}

/// `/a` answers with the number of the run.
fn router(counter: &Counter) -> Router {
    let counter = counter.clone();
    Router::new().route("/a", get(async move || counter.run()))
}

#[tokio::test]
async fn a_layer_of_the_router_caches_what_was_added_before_it() {
    let counter = Counter::default();
    let app = router(&counter)
        .fallback(async || "nothing here")
        .layer(layer())
        .route("/later", get(async || "not cached"));
    is_cached(&app, "/a").await;
    is_cached(&app, "/a?x=1").await;
    is_cached(&app, "/elsewhere").await;
    is_not_cached(&app, "/later").await;
    assert_eq!(counter.runs(), 2);
}

#[tokio::test]
async fn a_route_layer_caches_the_routes_and_not_the_fallback() {
    let counter = Counter::default();
    let app = router(&counter)
        .route_layer(layer())
        .fallback(async || "nothing here");
    is_cached(&app, "/a").await;
    is_not_cached(&app, "/elsewhere").await;
    assert_eq!(counter.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_layer_of_a_method_router_sets_the_ttl_of_its_route() {
    let cache = Cache::new(CacheConfig::default());
    let (counter, other) = (Counter::default(), Counter::default());
    let (run, run_other) = (counter.clone(), other.clone());
    let five_minutes = cache.layer().ttl(Duration::from_mins(5));
    let app = Router::new()
        .route("/a", get(async move || run.run()).layer(five_minutes))
        .route(
            "/b",
            get(async move || run_other.run()).layer(cache.layer()),
        )
        .route("/c", get(async || "not cached"));
    assert_eq!(ttl(&is_cached(&app, "/a").await), Some(300));
    assert_eq!(ttl(&is_cached(&app, "/b").await), Some(900));
    is_not_cached(&app, "/c").await;
    tokio::time::advance(Duration::from_mins(5)).await;
    assert_eq!(scripted::get(&app, "/a").await.text(), "run 1");
    assert_eq!(scripted::get(&app, "/b").await.text(), "run 0");
    assert_eq!((counter.runs(), other.runs()), (2, 1));
}

#[tokio::test]
async fn equal_paths_in_two_nests_do_not_share_entries() {
    let cache = Cache::new(CacheConfig::default());
    let nest = |name: &'static str| {
        Router::new()
            .route("/x", get(async move || name))
            .fallback(async move || format!("{name}, elsewhere"))
            .layer(cache.layer())
    };
    let deep = Router::new().nest("/a", nest("deep a"));
    let app = Router::new()
        .nest("/a", nest("a"))
        .nest("/b", nest("b"))
        .nest("/deep", deep);
    for (path, body) in [
        ("/a/x", "a"),
        ("/b/x", "b"),
        ("/deep/a/x", "deep a"),
        ("/a/y", "a, elsewhere"),
        ("/b/y", "b, elsewhere"),
    ] {
        assert_eq!(is_cached(&app, path).await.text(), body);
    }
    assert_eq!(cache.stats().local_entries, 5);
}

#[tokio::test]
async fn equal_paths_in_two_nested_services_do_not_share_entries() {
    let cache = Cache::new(CacheConfig::default());
    let service = |name: &'static str| {
        let service = service_fn(move |request: Request<Body>| {
            assert_eq!(request.uri().path(), "/x", "the nest has stripped it");
            std::future::ready(Ok::<_, Infallible>(Response::new(Body::from(name))))
        });
        ServiceBuilder::new().layer(cache.layer()).service(service)
    };
    let app = Router::new()
        .nest_service("/a", service("a"))
        .nest_service("/b", service("b"))
        .route("/x", get_service(service("root")));
    for (path, body) in [("/a/x", "a"), ("/b/x", "b"), ("/x", "root")] {
        assert_eq!(is_cached(&app, path).await.text(), body);
    }
    assert_eq!(cache.stats().local_entries, 3);
}

/// Puts the language in front of the path.
fn by_language(mut request: Request<Body>) -> Request<Body> {
    let language = request.headers()["accept-language"].to_str().expect("text");
    let uri = format!("/{language}{}", request.uri().path());
    *request.uri_mut() = uri.parse().expect("a URI");
    request
}

#[tokio::test]
async fn what_was_rewritten_to_different_paths_does_not_share_entries() {
    let cache = Cache::new(CacheConfig::default());
    let echo = async |uri: http::Uri| uri.path().to_owned();
    let app = Router::new()
        .fallback(echo)
        .layer(cache.layer())
        .layer(tower::util::MapRequestLayer::new(by_language));
    for _ in 0..2 {
        for language in ["en", "de"] {
            let fields = [("accept-language", language)];
            let request = scripted::request(Method::GET, "/x", &fields);
            let answer = scripted::read(scripted::ask(&app, request).await).await;
            assert_eq!(answer.text(), format!("/{language}/x"));
        }
    }
    assert_eq!(cache.stats().local_hits, 2);
}

type Plain = BoxCloneSyncService<Request<Full<Bytes>>, Response<Full<Bytes>>, Infallible>;

/// Answers with the number of the run; `/slow` says that it has begun and waits to go on.
fn gated(begun: Arc<Notify>, go_on: Arc<Notify>) -> Plain {
    let counter = Counter::default();
    BoxCloneSyncService::new(service_fn(move |request: Request<Full<Bytes>>| {
        let (begun, go_on, counter) = (begun.clone(), go_on.clone(), counter.clone());
        async move {
            if request.uri().path() == "/slow" {
                begun.notify_one();
                go_on.notified().await;
            }
            Ok(Response::new(Full::from(counter.run())))
        }
    }))
}

/// Asks and reads; `None` if that takes any waiting.
fn at_once<S, B>(service: &mut S, path: &str) -> Option<Answer>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body<Data = Bytes, Error: std::fmt::Debug>,
{
    let asked = async {
        let service = service.ready().await.expect("ready");
        let response = service.call(request(Method::GET, path, &[])).await;
        let (parts, body) = response.expect("a response").into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.expect("a body").to_bytes(),
        }
    };
    asked.now_or_never()
}

#[tokio::test]
async fn a_hit_is_not_held_up_by_exhausted_permits() {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let mut app: CacheService<ConcurrencyLimit<_>> = ServiceBuilder::new()
        .layer(layer())
        .layer(ConcurrencyLimitLayer::new(1))
        .service(gated(begun.clone(), go_on.clone()));
    let first = at_once(&mut app, "/fast").expect("a permit is free");
    assert_eq!(first.text(), "run 0");
    let slow = app.clone().oneshot(request(Method::GET, "/slow", &[]));
    let slow = tokio::spawn(slow);
    begun.notified().await;
    for _ in 0..3 {
        let hit = at_once(&mut app, "/fast").expect("a hit waits for nothing");
        assert!(hit.is_hit());
        assert_eq!(hit.text(), "run 0");
    }
    assert!(
        at_once(&mut app, "/other").is_none(),
        "a miss needs the permit"
    );
    go_on.notify_one();
    slow.await.expect("no panic").expect("a response");
    let other = at_once(&mut app, "/other").expect("the permit is back");
    assert_eq!(other.text(), "run 2");
}

#[tokio::test]
async fn the_cache_keeps_no_permit() {
    let permits = Arc::new(Semaphore::new(1));
    let mut app = ServiceBuilder::new()
        .layer(layer())
        .layer(GlobalConcurrencyLimitLayer::with_semaphore(permits.clone()))
        .service(gated(Arc::default(), Arc::default()));
    for path in ["/x", "/x", "/y"] {
        app.ready().await.expect("ready");
        assert_eq!(permits.available_permits(), 1, "being ready takes none");
        assert!(at_once(&mut app, path).is_some());
        assert_eq!(permits.available_permits(), 1, "after {path}");
    }
    for method in [Method::POST, Method::GET] {
        let request = request(method, "/z", &[]);
        let response = app.clone().oneshot(request).await.expect("a response");
        assert_eq!(permits.available_permits(), 1, "its body is not read yet");
        drop(response);
    }
    let unpolled = app.call(request(Method::GET, "/x", &[]));
    assert_eq!(permits.available_permits(), 1);
    drop(unpolled);
}

/// Serves any service on hyper, HTTP/1 and HTTP/2, as long as the set lives.
async fn serve_hyper(layer: CacheLayer, counter: Counter) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let service =
        ServiceBuilder::new()
            .layer(layer)
            .service(service_fn(move |_: Request<Incoming>| {
                let body = counter.run();
                async move { Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(body))) }
            }));
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(connection(stream, service.clone()));
        }
    });
    (address, serving)
}

type Cached = Response<CacheBody<Full<Bytes>>>;

async fn connection<S>(stream: TcpStream, service: S)
where
    S: Service<Request<Incoming>, Response = Cached, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
{
    let service = TowerToHyperService::new(service);
    let server = auto::Builder::new(TokioExecutor::new());
    // A client that leaves ends its connection with an error.
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
}

#[tokio::test]
async fn a_plain_hyper_service_is_cached_over_http1_and_http2_alike() {
    let counter = Counter::default();
    let (address, _serving) = serve_hyper(layer(), counter.clone()).await;
    let url = |path: &str| format!("http://{address}{path}");
    let (one, two) = (Client::new(), Client::http2());
    for (first, then, path) in [(&one, &two, "/one"), (&two, &one, "/two")] {
        let stored = first.get(&url(path)).await;
        assert_eq!(fwd(&stored), ("uri-miss".into(), true), "{path}");
        for client in [then, first] {
            let hit = client.get(&url(path)).await;
            assert!(hit.is_hit(), "{path}: {}", hit.cache());
            assert_eq!(hit.body, stored.body, "{path}");
            assert_eq!(members(&hit.headers).len(), 1);
        }
    }
    assert_eq!(counter.runs(), 2);
}

#[tokio::test]
async fn another_authority_has_another_entry_over_http1_and_http2_alike() {
    let counter = Counter::default();
    let (address, _serving) = serve_hyper(layer(), counter.clone()).await;
    let by_name = format!("http://localhost:{}/x", address.port());
    let by_address = format!("http://{address}/x");
    for client in [Client::new(), Client::http2()] {
        assert_eq!(client.get(&by_name).await.text(), "run 0");
        assert_eq!(client.get(&by_address).await.text(), "run 1");
    }
    assert_eq!(counter.runs(), 2);
}
