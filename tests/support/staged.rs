//! A service behind a layer whose entries grow stale, asked in process.
//!
//! What it stores is fresh for [`FRESH`] unless a test says otherwise.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

use crate::counted::{Body, Handler, full};
use crate::support::until;
use crate::support::web::Answer;
use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Empty};
use neuralblitz_cache::{
    Cache, CacheBody, CacheConfig, CacheConfigBuilder, CacheLayer, CacheService, Purged, Route,
};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt, service_fn};

pub type Fields<'a> = &'a [(&'a str, &'a str)];
pub type Said = io::Result<Response<Body>>;

pub const FRESH: u64 = 10;

/// Says that what it comes with is fresh for [`FRESH`].
pub const TEN: Fields<'static> = &[("cache-control", "max-age=10")];

pub const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub fn while_revalidate(window: u64) -> CacheConfigBuilder {
    CacheConfig::builder().stale_while_revalidate(secs(window))
}

pub fn if_error(window: u64) -> CacheConfigBuilder {
    CacheConfig::builder().stale_if_error(secs(window))
}

/// Which of the two windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    WhileRevalidate,
    IfError,
}

/// All that may say for how long a stale answer is given, the one that counts most first.
pub const SOURCES: [&str; 6] = [
    "response",
    "inner layer",
    "layer",
    "route",
    "class",
    "builder",
];

/// For how long a source says; the less it counts, the longer.
pub fn said(source: &str) -> u64 {
    let rank = SOURCES.iter().position(|s| *s == source);
    100 * (1 + rank.expect("a source") as u64)
}

/// An app in which these sources speak of one window; after its first run it fails, or not, as
/// the window needs.
pub fn told(window: Window, sources: &[&str]) -> App {
    let says = |source: &str| sources.contains(&source).then(|| secs(said(source)));
    let layer = |layer: CacheLayer, length: Option<Duration>| match (window, length) {
        (_, None) => layer,
        (Window::WhileRevalidate, Some(length)) => layer.stale_while_revalidate(length),
        (Window::IfError, Some(length)) => layer.stale_if_error(length),
    };
    let cache = Cache::new(
        settings(window, ["route", "class", "builder"].map(says))
            .build()
            .expect("usable"),
    );
    let inner = layer(cache.layer().class("named"), says("inner layer"));
    let outer = layer(cache.layer(), says("layer"));
    let control = match (window, says("response").map(|length| length.as_secs())) {
        (_, None) => "max-age=10".to_owned(),
        (Window::WhileRevalidate, Some(s)) => format!("max-age=10, stale-while-revalidate={s}"),
        (Window::IfError, Some(s)) => format!("max-age=10, stale-if-error={s}"),
    };
    App::nested(&outer, &inner, move |_, run| {
        let control = control.clone();
        async move {
            match (window, run) {
                (Window::IfError, 1..) => refused(),
                _ => Ok(number(run, &[("cache-control", &control)])),
            }
        }
    })
}

/// What the route, the class and the builder say.
fn settings(window: Window, says: [Option<Duration>; 3]) -> CacheConfigBuilder {
    let mut config = CacheConfig::builder().class_ttl("named", secs(FRESH));
    let mut route = Route::new("/item");
    for (source, length) in says.into_iter().enumerate() {
        let Some(length) = length else {
            continue;
        };
        match (source, window) {
            (0, Window::WhileRevalidate) => route = route.stale_while_revalidate(length),
            (0, Window::IfError) => route = route.stale_if_error(length),
            (1, Window::WhileRevalidate) => {
                config = config.class_stale_while_revalidate("named", length);
            }
            (1, Window::IfError) => config = config.class_stale_if_error("named", length),
            (_, Window::WhileRevalidate) => config = config.stale_while_revalidate(length),
            (_, Window::IfError) => config = config.stale_if_error(length),
        }
    }
    config.route(route)
}

pub struct App {
    pub service: CacheService<Handler>,
    pub cache: Cache,
    runs: Arc<AtomicUsize>,
}

impl App {
    /// A run is told the request and how many there were before.
    pub fn new<F, Fut>(config: CacheConfigBuilder, handler: F) -> Self
    where
        F: Fn(Parts, usize) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Said> + Send + 'static,
    {
        Self::behind(&CacheLayer::new(config.build().expect("usable")), handler)
    }

    pub fn behind<F, Fut>(layer: &CacheLayer, handler: F) -> Self
    where
        F: Fn(Parts, usize) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Said> + Send + 'static,
    {
        let (cache, runs) = (layer.cache(), Arc::new(AtomicUsize::new(0)));
        let count = runs.clone();
        let handler = service_fn(move |request: Request<Empty<Bytes>>| {
            let run = count.fetch_add(1, Ordering::SeqCst);
            handler(request.into_parts().0, run)
        });
        Self {
            service: layer.layer(BoxCloneSyncService::new(handler)),
            cache,
            runs,
        }
    }

    /// A layer inside another one of the same cache.
    pub fn nested<F, Fut>(outer: &CacheLayer, inner: &CacheLayer, handler: F) -> Self
    where
        F: Fn(Parts, usize) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Said> + Send + 'static,
    {
        let app = Self::behind(inner, handler);
        let plain = |body: CacheBody<Body>| body.map_err(io::Error::other).boxed_unsync();
        let service = app.service.map_response(move |answer| answer.map(plain));
        Self {
            service: outer.layer(BoxCloneSyncService::new(service)),
            ..app
        }
    }

    pub fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }

    pub async fn running(&self, runs: usize) {
        until("the handler runs", async || self.runs() == runs).await;
    }

    /// The response, its body not read yet.
    pub async fn call(
        &self,
        request: Request<Empty<Bytes>>,
    ) -> io::Result<Response<CacheBody<Body>>> {
        self.service.clone().oneshot(request).await
    }

    pub async fn try_get(&self, fields: Fields<'_>) -> io::Result<Answer> {
        Ok(read(self.call(request(Method::GET, fields)).await?).await)
    }

    pub async fn get(&self) -> Answer {
        self.get_with(&[]).await
    }

    pub async fn get_with(&self, fields: Fields<'_>) -> Answer {
        self.try_get(fields).await.expect("answered")
    }

    pub async fn head(&self) -> Answer {
        let response = self.call(request(Method::HEAD, &[])).await;
        read(response.expect("answered")).await
    }

    pub async fn purge(&self) -> Purged {
        self.cache.purge_uri("/item").await.expect("a URI")
    }

    /// Waits until all that runs in the background has come to its end, and nothing is left.
    pub async fn idle(&self) {
        until("nothing is under way", async || {
            let stats = self.cache.stats();
            stats.fetches_under_way + stats.refreshes_under_way + stats.queued_writes == 0
        })
        .await;
    }
}

pub fn request(method: Method, fields: Fields<'_>) -> Request<Empty<Bytes>> {
    let mut request = Request::builder().method(method).uri("/item");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(Empty::new()).expect("a request")
}

pub async fn read(response: Response<CacheBody<Body>>) -> Answer {
    let (parts, body) = response.into_parts();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await.expect("whole").to_bytes(),
    }
}

pub fn reply(status: u16, fields: Fields<'_>, body: Body) -> Response<Body> {
    let mut response = Response::builder().status(status);
    for (name, value) in fields {
        response = response.header(*name, *value);
    }
    response.body(body).expect("a response")
}

/// 200 and the number of the run.
pub fn number(run: usize, fields: Fields<'_>) -> Response<Body> {
    reply(200, fields, full(run.to_string()))
}

pub fn refused() -> Said {
    Err(io::Error::other("no, as this test wants"))
}

/// Whether it is a stale answer given while a newer one is fetched.
pub fn is_stale(answer: &Answer) -> bool {
    answer.cache().contains("; hit; ttl=-")
        && answer.cache().ends_with("; detail=stale-while-revalidate")
}

/// Whether it is a stale answer given in place of a failure.
pub fn stands_in(answer: &Answer) -> bool {
    answer.cache().contains("; fwd=stale")
        && answer.cache().contains("; ttl=-")
        && answer.cache().ends_with("; detail=stale-if-error")
}

/// Lets all tasks do what they can do now.
pub async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// Lets time pass where a clock that is paused throughout would run into timeouts of Redis.
pub async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}
