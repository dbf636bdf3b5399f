//! An app with a cache and its dashboard, requests to it, and a browser that shows it.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

use super::admin::TOKEN;
use super::browser::{Browser, Page};
use super::support::web::{Answer, Client, Served, request, serve};
use axum::extract::Path;
use axum::http::{HeaderName, HeaderValue, Method};
use axum::routing::get;
use axum::{Extension, Router};
use neuralblitz_cache::{Cache, CacheConfigBuilder, CacheLayer, CacheTags};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;

pub struct Watched {
    pub served: Served,
    pub cache: Cache,
    pub client: Client,
    /// How often a handler ran.
    pub runs: Arc<AtomicUsize>,
}

/// Tags that mean ill: markup, what turns the order of letters, what cannot be seen, what breaks lines.
pub const HOSTILE: [&str; 5] = [
    "<img src=x onerror=window.hacked=1>",
    "</script><script>window.hacked=1</script>",
    "evil\u{202e}gpj.exe",
    "a\u{200b}b\r\n\u{1b}[31m",
    "{{constructor.constructor('window.hacked=1')()}}",
];

const EVIL: (&str, &str) = ("x-evil", "<svg onload=window.hacked=1>");

/// Its handlers work for some milliseconds; each answer has the tag `item:{id}`.
pub async fn watched(config: CacheConfigBuilder) -> Watched {
    let config = config.admin_token(TOKEN).build().expect("a config");
    let layer = CacheLayer::new(config);
    let cache = layer.cache();
    let runs = Arc::new(AtomicUsize::new(0));
    let item = |ms: u64| {
        let runs = runs.clone();
        move |Path(id): Path<String>| async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            let run = runs.fetch_add(1, Ordering::SeqCst) + 1;
            let tag = HeaderValue::try_from(format!("item:{id}")).expect("a value");
            (
                [(HeaderName::from_static("cache-tag"), tag)],
                run.to_string(),
            )
        }
    };
    let evil = || async { (Extension(CacheTags::new(HOSTILE)), [EVIL], "evil") };
    let app = Router::new()
        .route("/evil/{id}", get(evil))
        .route("/items/{id}", get(item(5)))
        .route("/orders/{id}", get(item(20)))
        .layer(layer)
        .merge(cache.admin_router());
    Watched {
        served: serve(app).await,
        cache,
        client: Client::new(),
        runs,
    }
}

impl Watched {
    pub fn url(&self, path: &str) -> String {
        self.served.url(path)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.client.get(&self.url(path)).await
    }

    pub async fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&self.get(path).await.body).expect("JSON")
    }

    pub async fn purge(&self, query: &str) {
        let token = format!("Bearer {TOKEN}");
        let url = self.url(&format!("/cache/purge?{query}"));
        let request = request(Method::POST, &url, &[("authorization", &token)]);
        let answer = self.client.send(request).await;
        assert!(answer.status.is_success(), "{answer:?}");
    }

    /// The dashboard, live.
    pub async fn dashboard(&self, browser: &Browser, width: u32, height: u32) -> Page {
        let page = browser.page(width, height).await;
        page.go(&self.url("/cache/dashboard")).await;
        page.until_text("connection", "Live").await;
        page
    }

    /// With the token entered and accepted.
    pub async fn dashboard_with_token(&self, browser: &Browser) -> Page {
        let page = self.dashboard(browser, 1400, 900).await;
        page.enter_token(TOKEN).await;
        page.until_text("token-message", "Token accepted").await;
        page
    }

    /// Asserts that the page asked nobody else, and that nothing was refused or went wrong.
    pub async fn assert_is_clean(&self, page: &Page) {
        let own = self.url("/cache/");
        for url in page.requests() {
            let is_own = url.starts_with(&own) || url.starts_with("data:") || url == "about:blank";
            assert!(is_own, "{url}");
        }
        assert_eq!(page.eval("window.violations").await, Value::Array(vec![]));
        for event in [
            "Runtime.exceptionThrown",
            "Runtime.consoleAPICalled",
            "Log.entryAdded",
        ] {
            assert_eq!(page.seen(event), Vec::<Value>::new(), "{event}");
        }
    }
}

/// Requests, one every few milliseconds, until it is stopped.
pub struct Load {
    stop: Arc<AtomicBool>,
    worker: JoinHandle<()>,
}

impl Load {
    /// Of these paths, one after the other.
    pub fn start(app: &Watched, paths: &[&str]) -> Self {
        let urls: Vec<String> = paths.iter().map(|path| app.url(path)).collect();
        let (client, stop) = (app.client.clone(), Arc::new(AtomicBool::new(false)));
        let stopped = stop.clone();
        let worker = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(5));
            for url in urls.iter().cycle() {
                ticks.tick().await;
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                client.get(url).await;
            }
        });
        Self { stop, worker }
    }

    pub async fn stop(self) {
        self.stop.store(true, Ordering::SeqCst);
        self.worker.await.expect("no panic");
    }
}
