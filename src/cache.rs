//! [`Cache`]: the one shared handle.

use crate::clock::Clock;
use crate::config::CacheConfig;
use crate::flight::Flights;
use crate::function::Runs;
use crate::http::{CacheLayer, Marks, Pending, Refreshes, Shown};
use crate::key::{KeyRules, UriRules};
use crate::observe::Observer;
use crate::purge::Events;
use crate::stats::Stats;
use crate::store::Store;
use crate::sync::lock;
use std::fmt;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use tokio::sync::watch;

/// How long [`Cache::shutdown`] waits for what is queued.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);

/// For how long a key is remembered as answered for everybody.
const PUBLIC_FOR: Duration = Duration::from_hours(1);

/// A cache: its tiers, settings and tasks, shared by all its layers. Cheap to clone; the last
/// handle dropped ends the background tasks.
#[derive(Clone)]
pub struct Cache {
    pub(crate) inner: Arc<Inner>,
    /// `None`: one that background tasks hold, and that keeps nothing alive.
    #[expect(dead_code, reason = "it is there to be dropped")]
    handle: Option<Arc<Handle>>,
}

/// Ends what runs in the background with the last handle.
struct Handle(Weak<Inner>);

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(inner) = self.0.upgrade() {
            inner.warmups.abort();
            inner.refreshes.abort();
            inner.events.end();
        }
    }
}

pub(crate) struct Inner {
    pub(crate) config: CacheConfig,
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) flights: Arc<Flights<Shown>>,
    /// Bodies on their way into the cache.
    pub(crate) pending: Arc<Pending>,
    /// Runs of functions.
    pub(crate) runs: Runs,
    pub(crate) refreshes: Refreshes,
    /// Warmings in the background.
    pub(crate) warmups: Refreshes,
    pub(crate) events: Events,
    /// Keys whose answers could not be stored.
    pub(crate) marks: Marks,
    /// Keys whose answers to requests with credentials were marked for everybody.
    pub(crate) public: Marks,
    pub(crate) observer: Arc<Observer>,
    /// Ends streams of figures.
    pub(crate) closing: watch::Sender<()>,
    /// The rules by which layers of this cache read URIs: a purge by URI follows them all.
    uri_rules: Mutex<Vec<UriRules>>,
}

impl Cache {
    /// A cache. Connects to nothing yet; inside a runtime its background tasks start at once,
    /// elsewhere at the first call or [`start`](Self::start).
    #[must_use]
    pub fn new(config: CacheConfig) -> Self {
        let (observer, clock) = (Arc::new(Observer::default()), Clock::start());
        let inner = Arc::new(Inner {
            clock,
            store: Store::new(&config, clock, observer.clone()),
            flights: Flights::new(config.limits.fetches.get()),
            pending: Pending::new(config.limits.pending_bytes),
            runs: Flights::new(config.limits.fetches.get()),
            refreshes: Refreshes::default(),
            warmups: Refreshes::default(),
            events: Events::default(),
            marks: Marks::new(config.hit_for_miss, config.limits.marks),
            public: Marks::new(PUBLIC_FOR, config.limits.marks),
            observer,
            closing: watch::Sender::default(),
            uri_rules: Mutex::default(),
            config,
        });
        let handle = Some(Arc::new(Handle(Arc::downgrade(&inner))));
        let cache = Self { inner, handle };
        cache.inner.know_rules(&cache.inner.config.key);
        crate::purge::hear(&cache.inner);
        cache.start();
        cache
    }

    /// A layer of this cache, with the settings of the cache.
    #[must_use]
    pub fn layer(&self) -> CacheLayer {
        CacheLayer::of(self.clone())
    }

    /// The same cache, held by one of its tasks: it ends with the last handle all the same.
    pub(crate) fn held_by_task(&self) -> Self {
        Self::of_task(self.inner.clone())
    }

    pub(crate) fn of_task(inner: Arc<Inner>) -> Self {
        let handle = None;
        Self { inner, handle }
    }

    /// Starts the background tasks in the current runtime, if they do not run. Without one
    /// it does nothing.
    pub fn start(&self) {
        self.inner.start();
    }

    /// Ends warmings, waits for handlers of events, then until what is queued for Redis has been
    /// written, at most 5 s each; then ends the background tasks and closes the connections. A
    /// later request starts them again.
    ///
    /// Streams of the dashboard end at once. A server that waits for all requests before it stops
    /// waits for them too: call this when it begins to, and once more when all have ended.
    pub async fn shutdown(&self) {
        self.inner.closing.send_replace(());
        self.inner.warmups.shutdown().await;
        self.inner.events.shutdown(DRAIN_WITHIN).await;
        self.inner.refreshes.shutdown().await;
        if let Some(remote) = &self.inner.store.remote
            && tokio::runtime::Handle::try_current().is_ok()
        {
            // What cannot be written in time is lost: it would have been a hit elsewhere.
            let drained = async {
                remote.drain().await;
                remote.keep_hottest().await;
            };
            let _ = tokio::time::timeout(DRAIN_WITHIN, drained).await;
            remote.stop().await;
        }
    }

    /// Figures of this process.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats::of(&self.inner)
    }
}

impl Inner {
    pub(crate) fn start(&self) {
        if let Some(remote) = &self.store.remote
            && tokio::runtime::Handle::try_current().is_ok()
        {
            remote.start();
        }
    }

    /// Notes how a layer reads URIs.
    pub(crate) fn know_rules(&self, rules: &KeyRules) {
        let mut known = lock(&self.uri_rules);
        if !known.contains(&rules.uri) {
            known.push(rules.uri.clone());
        }
    }

    pub(crate) fn known_rules(&self) -> Vec<UriRules> {
        lock(&self.uri_rules).clone()
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("config", &self.inner.config)
            .finish_non_exhaustive()
    }
}
