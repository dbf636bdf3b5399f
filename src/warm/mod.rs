//! Warming: what will be asked for is fetched before anybody asks.
//!
//! ```
//! use axum::{Router, body::Body, routing::get};
//! use http::Uri;
//! use neuralblitz_cache::{CacheConfig, CacheLayer, WarmRequest, function};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let slow = WarmRequest::get(Uri::from_static("http://api.example.com/slow"));
//! let layer = CacheLayer::new(CacheConfig::builder().warm(slow).build()?);
//! let cache = layer.cache();
//! let app = Router::new().route("/slow", get(|| async { "computed" })).layer(layer);
//!
//! let warmup = cache.warmup().through::<Body, _>(app).configured();
//! let warmup = warmup.load("squares", || async {
//!     function("square").call(&3, || async { 9 }).await;
//!     Ok::<_, std::io::Error>(())
//! });
//! let warmed = warmup.run().await;
//! assert_eq!((warmed.warmed, warmed.failed), (2, 0));
//! assert_eq!(cache.stats().stored, 2);
//! # Ok(())
//! # }
//! ```
//!
//! Requests are replayed through the layered service, so that what they bring is judged, stamped
//! and stored like any response, and what is warm is a hit. Whatever fails is counted and told.

mod file;
mod hottest;
mod item;
mod run;
mod share;
#[cfg(feature = "yaml")]
mod yaml;
#[cfg(not(feature = "yaml"))]
#[path = "yaml_off.rs"]
mod yaml;

pub use file::{WarmFileError, WarmFileErrorKind};

use crate::cache::Cache;
use crate::config::WarmRequest;
use crate::observe::Warmed;
use bytes::Buf;
use http::uri::Authority;
use http::{Request, Response};
use hyper::body::Body;
use item::{Item, Service, service};
use std::error::Error;
use std::fmt;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;
use tokio::runtime::Handle;

/// How long one item may take.
const ITEM_TIMEOUT: Duration = Duration::from_secs(10);

type Failure = Box<dyn Error + Send + Sync>;

/// Requests that are known when the warming begins.
type Asked = Pin<Box<dyn Future<Output = Result<Vec<WarmRequest>, Failure>> + Send>>;

/// What is to be warmed, and how: made by [`Cache::warmup`], begun by [`run`](Self::run) or
/// [`start`](Self::start).
///
/// Its items are requests and loaders. Those with the highest priority come first; of equal ones
/// requests before loaders, each as they were named, and those of sources after the others.
#[must_use = "nothing is warmed until it is run or started"]
pub struct Warmup {
    cache: Cache,
    service: Option<Service>,
    requests: Vec<WarmRequest>,
    sources: Vec<Asked>,
    loaders: Vec<Item>,
    authority: Option<Authority>,
    batch_size: usize,
    concurrency: usize,
    timeout: Duration,
    item_timeout: Duration,
    on_progress: Box<dyn FnMut(&Warmed) + Send>,
}

impl Cache {
    /// A warming of this cache, of nothing yet, with batches, concurrency, authority and time
    /// limit as the settings say.
    pub fn warmup(&self) -> Warmup {
        let settings = &self.inner.config.warming;
        Warmup {
            cache: self.clone(),
            service: None,
            requests: Vec::new(),
            sources: Vec::new(),
            loaders: Vec::new(),
            authority: settings.authority.clone(),
            batch_size: settings.batch_size,
            concurrency: settings.concurrency,
            timeout: settings.timeout,
            item_timeout: ITEM_TIMEOUT,
            on_progress: Box::new(|_| {}),
        }
    }
}

impl Warmup {
    /// The service that requests are replayed through: the app with the layer on it, as clients
    /// reach it. Requests have an empty body. Without one each request is a failure.
    ///
    /// Until the warming has ended it holds the service, and by its layer the cache.
    pub fn through<ReqB, ResB>(
        mut self,
        layered: impl tower::Service<Request<ReqB>, Response = Response<ResB>, Future: Send>
        + Clone
        + Send
        + 'static,
    ) -> Self
    where
        ReqB: Default + Send + 'static,
        ResB: Body<Data: Buf> + Send + 'static,
    {
        self.service = Some(service(layered));
        self
    }

    /// Replays the requests of the settings: `CACHE.warm`, and
    /// [`CacheConfigBuilder::warm`](crate::CacheConfigBuilder::warm).
    pub fn configured(self) -> Self {
        let requests = self.cache.inner.config.warming.requests.clone();
        self.replay(requests)
    }

    /// Replays these requests.
    pub fn replay(mut self, requests: impl IntoIterator<Item = WarmRequest>) -> Self {
        self.requests.extend(requests);
        self
    }

    /// Replays the requests of a file. One whose name ends in `.yaml` or `.yml` is a list of what
    /// `CACHE.warm` holds; any other has a request a line: a URI, or a method and a URI. Empty
    /// lines, and those that begin with `#`, say nothing.
    ///
    /// ```
    /// use neuralblitz_cache::{Cache, CacheConfig};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("warm.txt");
    /// std::fs::write(&path, "# what everybody asks for\n/api/v1/feed?page=1\nnonsense here\n")?;
    /// let cache = Cache::new(CacheConfig::default());
    /// let wrong = cache.warmup().replay_file(&path).expect_err("the third line is none");
    /// assert_eq!(wrong.line(), Some(3));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// It cannot be read, is larger than 1 MiB or 10,000 requests, or is not of that form; the
    /// line is named, and nothing of it shown.
    pub fn replay_file(self, path: impl AsRef<Path>) -> Result<Self, WarmFileError> {
        let requests = file::read(path.as_ref())?;
        Ok(self.replay(requests))
    }

    /// Replays the requests that `ask` gives when the warming begins; a failure of it counts as
    /// one item that failed.
    pub fn replay_from<F, Fut, I, E>(mut self, ask: F) -> Self
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<I, E>> + Send + 'static,
        I: IntoIterator<Item = WarmRequest>,
        E: Into<Failure>,
    {
        self.sources.push(Box::pin(async move {
            let requests = ask().await.map_err(Into::into)?;
            Ok(requests.into_iter().collect())
        }));
        self
    }

    /// Replays what clients of the previous run asked for most: of all instances that share a
    /// Redis, the most wanted first, at most so many and at most 100. Nothing without Redis.
    ///
    /// An instance whose `warmup_enabled` says so keeps what has the most hits in Redis, once a
    /// minute and at [`Cache::shutdown`], under one name (`nb:{c}:hottest`) for a week: host, path,
    /// query, and of what `Vary` names the fields of content negotiation. What was selected by
    /// any other field, what has more in its key than its URI, and what a class keeps out of Redis,
    /// is not kept.
    pub fn hottest(mut self, most: usize) -> Self {
        let cache = self.cache.held_by_task();
        self.sources.push(Box::pin(hottest::ask(cache, most)));
        self
    }

    /// Runs a loader, of priority 0: whatever calls cached functions or sets values. Functions
    /// that are given no cache use this one. `name` is what logs call it, and what tells instances
    /// that it is the same.
    pub fn load<F, Fut, E>(self, name: impl Into<String>, loader: F) -> Self
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Failure>,
    {
        self.load_with(name, 0, loader)
    }

    /// The same, of another priority.
    pub fn load_with<F, Fut, E>(mut self, name: impl Into<String>, priority: i32, loader: F) -> Self
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Failure>,
    {
        let work = async move { loader().await.map_err(Into::into) };
        self.loaders
            .push(Item::loader(name.into(), priority, Box::pin(work)));
        self
    }

    /// The authority of requests that name none, in the place of
    /// [`warm_authority`](crate::CacheConfigBuilder::warm_authority).
    pub fn authority(mut self, authority: Authority) -> Self {
        self.authority = Some(authority);
        self
    }

    /// How many items a batch holds; the next one begins when all of it has ended. Zero is one.
    pub fn batch_size(mut self, items: usize) -> Self {
        self.batch_size = items.max(1);
        self
    }

    /// How many items are under way at once. Zero is one.
    pub fn concurrency(mut self, items: usize) -> Self {
        self.concurrency = items.max(1);
        self
    }

    /// How long all may take together, at most a day; what is left, or under way, is skipped. A
    /// source that has not said yet what is to be asked for is skipped as one item.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// How long one item may take before it counts as failed, and is dropped, at most a day.
    /// Default: 10 s.
    pub fn item_timeout(mut self, limit: Duration) -> Self {
        self.item_timeout = limit;
        self
    }

    /// Is told how far it is: when it begins, after each item, and at the end.
    pub fn on_progress(mut self, told: impl FnMut(&Warmed) + Send + 'static) -> Self {
        self.on_progress = Box::new(told);
        self
    }

    /// Warms, whatever `warmup_enabled` says, and waits for the end. What was fetched may still be
    /// on its way to Redis then. Outside of a runtime all is skipped.
    ///
    /// # Cancel safety
    /// Dropped, it begins nothing more, and drops what is under way.
    pub async fn run(self) -> Warmed {
        run::run(self).await
    }

    /// Warms in the background, if `warmup_enabled` says so: before the first request, and without
    /// keeping any waiting. How far it is [`Cache::stats`] says. It ends with
    /// [`Cache::shutdown`], and with the last handle of the cache; the service that it asks holds
    /// one, by its layer, until its time limit at the latest. Outside of a runtime it does nothing.
    pub fn start(mut self) {
        let inner = self.cache.inner.clone();
        if inner.config.warming.enabled && Handle::try_current().is_ok() {
            self.cache = self.cache.held_by_task();
            inner.warmups.spawn(async move {
                // What it came to is told on the way.
                let _ = self.run().await;
            });
        }
    }
}

impl fmt::Debug for Warmup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Warmup")
            .field("requests", &self.requests.len())
            .field("sources", &self.sources.len())
            .field("loaders", &self.loaders.len())
            .finish_non_exhaustive()
    }
}
