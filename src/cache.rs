//! [`Cache`]: the one shared handle.

use crate::clock::Clock;
use crate::config::CacheConfig;
use crate::flight::Flights;
use crate::http::{CacheLayer, Marks, Shown};
use crate::key::{KeyRules, Namespace, UriRules};
use crate::observe::{Event, Observer};
use crate::stamp::Stamps;
use crate::store::{Local, Remote, Store};
use crate::sync::lock;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long [`Cache::shutdown`] waits for what is queued.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);

/// For how long a key is remembered as answered for everybody.
const PUBLIC_FOR: Duration = Duration::from_hours(1);

/// A cache: its tiers, settings and tasks, shared by all its layers. Cheap to clone; the last
/// handle dropped ends the background tasks.
#[derive(Clone)]
pub struct Cache {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) config: CacheConfig,
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) flights: Arc<Flights<Shown>>,
    /// Keys whose answers could not be stored.
    pub(crate) marks: Marks,
    /// Keys whose answers to requests with credentials were marked for everybody.
    pub(crate) public: Marks,
    pub(crate) observer: Arc<Observer>,
    /// The rules by which layers of this cache read URIs: a purge by URI follows them all.
    uri_rules: Mutex<Vec<UriRules>>,
}

impl Cache {
    /// A cache. Connects to nothing yet; inside a runtime its background tasks start at once,
    /// elsewhere at the first call or [`start`](Self::start).
    #[must_use]
    pub fn new(config: CacheConfig) -> Self {
        let observer = Arc::new(Observer::default());
        let stamps = Arc::new(Stamps::new(config.stamp_cells));
        let namespace = Namespace::new(&config.namespace, &config.version);
        let remote = config.redis.as_ref().and_then(|redis| {
            let queue = (config.write_queue, config.local_bytes);
            Remote::new(
                redis,
                &namespace,
                config.stamp_cells,
                queue,
                (stamps.clone(), observer.clone()),
            )
        });
        let store = Store::new(
            Local::new(config.local_bytes, config.max_body),
            remote,
            namespace,
            config.soft_limit,
            (stamps, observer.clone()),
        );
        let cache = Self {
            inner: Arc::new(Inner {
                clock: Clock::start(),
                store,
                flights: Flights::new(),
                marks: Marks::new(config.hit_for_miss),
                public: Marks::new(PUBLIC_FOR),
                observer,
                uri_rules: Mutex::default(),
                config,
            }),
        };
        cache.inner.know_rules(&cache.inner.config.key);
        cache.start();
        cache
    }

    /// A layer of this cache, with the settings of the cache.
    #[must_use]
    pub fn layer(&self) -> CacheLayer {
        CacheLayer::of(self.clone())
    }

    /// Starts the background tasks in the current runtime, if they do not run. Without one
    /// it does nothing.
    pub fn start(&self) {
        self.inner.start();
    }

    /// Waits until what is queued for Redis has been written, at most 5 s, then ends the
    /// background tasks and closes the connections. A later request starts them again.
    pub async fn shutdown(&self) {
        if let Some(remote) = &self.inner.store.remote
            && tokio::runtime::Handle::try_current().is_ok()
        {
            // What cannot be written in time is lost: it would have been a hit elsewhere.
            let _ = tokio::time::timeout(DRAIN_WITHIN, remote.drain()).await;
            remote.stop().await;
        }
    }

    /// Figures of this process.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let Inner {
            store, observer, ..
        } = &*self.inner;
        let (local_entries, local_bytes) = store.local.size();
        let total = |event| observer.total(event);
        Stats {
            mode: match store.remote {
                Some(_) => Mode::Redis,
                None => Mode::Local,
            },
            connected: store.remote.as_ref().is_some_and(Remote::is_connected),
            local_entries,
            local_bytes,
            queued_writes: store.remote.as_ref().map_or(0, Remote::queued),
            fetches_under_way: self.inner.flights.len(),
            local_hits: total(Event::LocalHit),
            redis_hits: total(Event::RedisHit),
            misses: total(Event::Miss),
            passed: total(Event::Passed),
            coalesced: total(Event::Coalesced),
            stored: total(Event::Stored),
            purges: total(Event::Purge),
            dropped_writes: total(Event::WriteDropped),
            faults: total(Event::Fault),
        }
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

/// How a cache works at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// Redis is configured; the local tier saves carrying bodies.
    Redis,
    /// Local memory only.
    Local,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Redis => "redis",
            Self::Local => "local",
        })
    }
}

/// Figures of one process; counts since its start.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// How the cache works.
    pub mode: Mode,
    /// Whether a connection to Redis stands.
    pub connected: bool,
    /// Entries in the local tier.
    pub local_entries: usize,
    /// Their bytes, about: keys, heads and bodies.
    pub local_bytes: u64,
    /// Entries queued for Redis or on their way there.
    pub queued_writes: usize,
    /// Keys being fetched.
    pub fetches_under_way: usize,
    /// Answers from the local tier.
    pub local_hits: u64,
    /// Answers found valid by Redis.
    pub redis_hits: u64,
    /// Requests that could have been answered and went to their handler, or waited for one
    /// that did.
    pub misses: u64,
    /// Requests that were not for the cache.
    pub passed: u64,
    /// Requests answered by another one's fetch.
    pub coalesced: u64,
    /// Entries stored.
    pub stored: u64,
    /// Purges asked for here.
    pub purges: u64,
    /// Entries that did not fit the queue to Redis.
    pub dropped_writes: u64,
    /// Faults of the store, each of them a miss.
    pub faults: u64,
}
