//! An app that counts its runs: some of its paths fail, and one hangs until it may go on.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::routing::get;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use neuralblitz_cache::{Cache, CacheConfig, CacheConfigBuilder, CacheLayer, WarmRequest, Warmup};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;
use tower::ServiceExt;

pub struct App {
    pub cache: Cache,
    pub router: Router,
    pub gate: Arc<Semaphore>,
    runs: Arc<Runs>,
}

#[derive(Default)]
struct Runs {
    paths: Mutex<Vec<String>>,
    at_once: AtomicUsize,
    most: AtomicUsize,
}

impl App {
    pub fn new(config: CacheConfigBuilder) -> Self {
        Self::of(config.build().expect("usable"))
    }

    pub fn of(config: CacheConfig) -> Self {
        let layer = CacheLayer::new(config);
        let (runs, gate) = (Arc::new(Runs::default()), Arc::new(Semaphore::new(0)));
        let (count, hold) = (runs.clone(), gate.clone());
        let handler = move |Path(what): Path<String>, headers: HeaderMap| async move {
            let run = count.begin(&what);
            let answer = answer(&what, &headers, run, &hold).await;
            count.at_once.fetch_sub(1, Ordering::SeqCst);
            answer
        };
        Self {
            cache: layer.cache(),
            router: Router::new().route("/{what}", get(handler)).layer(layer),
            gate,
            runs,
        }
    }

    /// A warming that asks this app.
    pub fn warmup(&self) -> Warmup {
        self.cache.warmup().through::<Body, _>(self.router.clone())
    }

    pub fn runs(&self) -> usize {
        self.ran().len()
    }

    /// What ran, in its order.
    pub fn ran(&self) -> Vec<String> {
        self.runs.paths.lock().expect("no panic").clone()
    }

    /// The most that ran at once.
    pub fn most_at_once(&self) -> usize {
        self.runs.most.load(Ordering::SeqCst)
    }

    /// `Cache-Status` of what a client is answered.
    pub async fn ask(&self, path: &str) -> String {
        self.ask_with(path, &[("host", "h")]).await
    }

    pub async fn ask_with(&self, path: &str, fields: &[(&str, &str)]) -> String {
        let mut request = Request::get(path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).expect("a request");
        let response = self.router.clone().oneshot(request).await;
        let response = response.unwrap_or_else(|never| match never {});
        let (parts, body) = response.into_parts();
        body.collect().await.expect("whole");
        let status = parts.headers.get("cache-status");
        status.map_or_else(String::new, |status| {
            status.to_str().expect("text").to_owned()
        })
    }

    pub async fn is_warm(&self, path: &str) -> bool {
        self.ask(path).await.contains("; hit")
    }
}

impl Runs {
    fn begin(&self, path: &str) -> usize {
        let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(at_once, Ordering::SeqCst);
        let mut paths = self.paths.lock().expect("no panic");
        paths.push(path.to_owned());
        paths.len()
    }
}

type Said = ([(&'static str, &'static str); 2], String);

async fn answer(
    what: &str,
    headers: &HeaderMap,
    run: usize,
    gate: &Semaphore,
) -> Result<Said, StatusCode> {
    let mut said = [("cache-control", "max-age=600"), ("x-nothing", "")];
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    match what {
        "fails" => return Err(StatusCode::INTERNAL_SERVER_ERROR),
        "missing" => return Err(StatusCode::NOT_FOUND),
        "panics" => panic!("as it should"),
        "hangs" => gate.acquire().await.expect("open").forget(),
        "secret" => said[0].1 = "no-store",
        "varies" => said[1] = ("vary", "accept-language"),
        "mine" => {
            let who = headers.get("authorization").cloned();
            return Ok((said, format!("for {who:?}")));
        }
        _ => {}
    }
    Ok((said, run.to_string()))
}

pub fn request(path: &str) -> WarmRequest {
    WarmRequest::get(format!("http://h{path}").parse().expect("a URI"))
}
