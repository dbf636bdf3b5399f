//! The shared tier: Redis, reached through a few multiplexed connections.
//!
//! Every operation here may fail, and says so with a [`Fault`]; nothing above waits longer
//! than its own limit, and no fault becomes a caller's error.

mod back_off;
#[cfg(feature = "cluster")]
mod cluster;
#[cfg(not(feature = "cluster"))]
#[path = "cluster_off.rs"]
mod cluster;
#[cfg(all(feature = "cluster", feature = "tls"))]
mod cluster_tls;
#[cfg(all(feature = "cluster", not(feature = "tls")))]
#[path = "cluster_tls_off.rs"]
mod cluster_tls;
mod control;
mod counter;
mod dial;
mod events;
mod fault;
mod handle;
mod header;
mod hottest;
mod inspect;
mod keeper;
mod large;
mod lease;
mod link;
mod manager;
mod purger;
mod read;
mod refusal;
mod reply;
mod scan;
mod scripts;
#[cfg(feature = "sentinel")]
mod sentinel;
#[cfg(not(feature = "sentinel"))]
#[path = "sentinel_off.rs"]
mod sentinel;
mod service;
#[cfg(any(feature = "sentinel", feature = "cluster"))]
mod several;
mod shared;
mod slots;
mod sweeper;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "tls_off.rs"]
mod tls;
mod writer;

use crate::breaker::{self, Circuit};
use crate::clock::{Clock, Timestamp, instant};
use crate::config::CacheConfig;
use crate::error::Fault;
use crate::fences::Fences;
use crate::key::Namespace;
use crate::observe::Observer;
use crate::stamp::{Order, Purges, Stamp, Subject, Verdict};
use counter::Counter;
use events::Events;
use header::Record;
use lease::Leases;
use link::Link;
use purger::Purger;
use scripts::Scripts;
use service::Client;
use slots::Slots;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use writer::Writer;

pub(crate) use counter::Count;
pub(crate) use inspect::Info;
pub(crate) use lease::{Ended, Lease, Taken};
pub(crate) use purger::Applied;
pub(crate) use read::{Get, Read};
pub(crate) use writer::Write;

/// Redis, as this cache uses it.
pub(crate) struct Remote {
    shared: Arc<Shared>,
    link: Arc<Link>,
    background: std::sync::Mutex<Vec<JoinHandle<()>>>,
    running: Arc<AtomicBool>,
}

struct Shared {
    slots: Arc<Slots>,
    client: Client,
    scripts: Scripts,
    writer: Writer,
    purger: Arc<Purger>,
    counter: Counter,
    observer: Arc<Observer>,
    /// The key of the record of purges.
    stamps: String,
    /// Where purges are told: channels know no databases.
    channel: String,
    /// The key of the list of purges by pattern.
    patterns: String,
    events: Events,
    leases: Leases,
    purges: Arc<Purges>,
    /// The highest clock seen.
    seen: AtomicU64,
    /// When Redis last told its clock, counted from when it was asked.
    contact: AtomicU64,
    clock: Clock,
    wanted_cells: usize,
    timeout: Duration,
    coherence_bound: Duration,
    retry: bool,
    /// How long a lookup may take over the pieces of large entries.
    patience: Duration,
    fences: Fences,
    namespace: Namespace,
    /// At most so often; `None`: never.
    sweep_interval: Option<Duration>,
    /// Whether what is asked for most is kept.
    keeps_hottest: bool,
    /// There is something to sweep.
    swept: Notify,
}

/// What a [`Remote`] is made from.
pub(crate) struct Parts<'a> {
    pub(crate) config: &'a CacheConfig,
    pub(crate) namespace: &'a Namespace,
    pub(crate) clock: Clock,
    pub(crate) purges: Arc<Purges>,
    pub(crate) observer: Arc<Observer>,
}

/// Clears the flag when the last task is gone, be it with its runtime.
struct Running(Arc<AtomicBool>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Remote {
    /// `None`: no Redis is configured.
    pub(crate) fn new(parts: Parts<'_>) -> Option<Self> {
        let redis = parts.config.redis.as_ref()?;
        let woken = Arc::new(Notify::new());
        let stamps = parts.namespace.name("{c}:stamps");
        let link = Arc::new(Link::new(redis, &stamps)?);
        let slots = Arc::new(Slots::new(redis, link.clone(), &stamps, woken.clone()));
        let most = parts.config.limits.purge_queue;
        let purger = Arc::new(Purger::new(most, parts.observer.clone()));
        let circuit = circuit(parts.config, (woken, purger.clone()), &parts.observer);
        let (timeout, config) = (redis.socket_timeout, parts.config);
        Some(Self {
            shared: Arc::new(Shared {
                client: Client::new(slots.clone(), timeout, circuit, parts.observer.clone()),
                slots,
                scripts: Scripts::new(),
                writer: Writer::new(config.write_queue, config.local_bytes),
                purger,
                counter: Counter::default(),
                observer: parts.observer,
                stamps,
                channel: parts.namespace.name(&format!("{{c}}:purges@{}", redis.db)),
                patterns: parts.namespace.name("{c}:patterns"),
                events: Events::new(parts.namespace.name(&format!("{{c}}:events@{}", redis.db))),
                leases: Leases::new(parts.namespace.name(&format!("{{c}}:leases@{}", redis.db))),
                purges: parts.purges,
                seen: AtomicU64::new(0),
                contact: AtomicU64::new(0),
                clock: parts.clock,
                wanted_cells: config.stamp_cells,
                timeout,
                coherence_bound: config.coherence_bound,
                retry: redis.retry_on_timeout,
                // What remains is for the judgement of what was read.
                patience: config.soft_limit * 3 / 4,
                fences: config.fences,
                namespace: parts.namespace.clone(),
                sweep_interval: config.sweep_interval,
                keeps_hottest: config.warming.enabled,
                swept: Notify::new(),
            }),
            link,
            background: std::sync::Mutex::default(),
            running: Arc::default(),
        })
    }

    /// Starts the background tasks if they do not run: at the first call, or when the runtime
    /// that ran them has ended.
    pub(crate) fn start(&self) {
        if self.running.swap(true, Ordering::AcqRel) {
            return;
        }
        self.shared.slots.reset();
        let running = Arc::new(Running(self.running.clone()));
        let shared = || self.shared.clone();
        let with = |task| run(running.clone(), task);
        let tasks = vec![
            tokio::spawn(with(Box::pin(keeper::run(shared())))),
            tokio::spawn(with(Box::pin(writer::run(shared())))),
            tokio::spawn(with(Box::pin(purger::run(shared())))),
            tokio::spawn(with(Box::pin(control::run(shared(), self.link.clone())))),
            tokio::spawn(with(Box::pin(sweeper::run(shared())))),
            tokio::spawn(with(Box::pin(counter::run(shared())))),
            tokio::spawn(with(Box::pin(hottest::run(shared())))),
        ];
        *crate::sync::lock(&self.background) = tasks;
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.shared.slots.is_up()
    }

    /// Until a connection stands.
    pub(crate) async fn connected(&self) {
        self.shared.slots.up().await;
    }

    /// Connections that stand.
    pub(crate) fn connections(&self) -> usize {
        self.shared.slots.standing()
    }

    /// Whether Redis is left alone: nothing is to wait for it.
    #[inline]
    pub(crate) fn is_left_alone(&self) -> bool {
        self.shared.client.circuit().rejects(instant())
    }

    /// The state of the circuit breaker.
    pub(crate) fn breaker(&self) -> breaker::State {
        self.shared.client.circuit().state().0
    }

    /// When Redis last told its clock.
    pub(crate) fn contact(&self) -> Timestamp {
        Timestamp(self.shared.contact.load(Ordering::Acquire))
    }

    /// Entries queued for Redis or on their way there.
    pub(crate) fn queued(&self) -> usize {
        self.shared.writer.open()
    }

    /// Scopes of purges that are on their way.
    pub(crate) fn queued_purges(&self) -> usize {
        self.shared.purger.open()
    }

    /// The highest clock seen.
    pub(crate) fn seen(&self) -> Stamp {
        self.shared.seen()
    }

    /// Queues a write; drops it, and counts that, if the queue is full.
    pub(crate) fn write(&self, write: Write) {
        self.shared.writer.push(write, &self.shared.observer);
    }

    /// Purges on all instances; see [`Applied`].
    pub(crate) fn purge(
        &self,
        order: &Order,
        past: Stamp,
    ) -> impl Future<Output = Applied> + use<> {
        self.shared.purger.purge(order, past)
    }

    /// What purges that Redis has not taken yet say: of what they cover nothing in Redis may be
    /// used.
    pub(crate) fn judge_pending(&self, subject: Subject<'_>) -> Verdict {
        self.shared.purger.judge(subject)
    }

    /// Writes now, and waits for it.
    pub(crate) async fn write_now(&self, write: &Write) -> Result<(), Fault> {
        self.shared.store(write).await
    }

    /// Removes an entry, if it still bears this stamp.
    pub(crate) async fn unlink(&self, name: &str, stamp: Stamp) -> Result<(), Fault> {
        let shared = &self.shared;
        let call = shared.scripts.unlink(name.as_bytes(), stamp.0);
        call.run(&shared.client).await.map(drop)
    }

    /// Queues a key to be removed.
    pub(crate) fn remove(&self, name: Box<str>) {
        self.shared.writer.remove(name);
    }

    /// Removes a key.
    pub(crate) async fn delete(&self, name: &str) -> Result<(), Fault> {
        self.shared.delete(name).await
    }

    /// Waits until all that is queued has been written, or tried.
    pub(crate) async fn drain(&self) {
        self.shared.writer.drained().await;
        self.shared.purger.drained().await;
    }

    /// Ends the background tasks, waits for their end, and closes the connections.
    pub(crate) async fn stop(&self) {
        let tasks = std::mem::take(&mut *crate::sync::lock(&self.background));
        for task in tasks {
            task.abort();
            // Cancelled is how it ends.
            let _ = task.await;
        }
        self.shared.client.abort();
        self.shared.slots.reset();
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        for task in crate::sync::lock(&self.background).drain(..) {
            task.abort();
        }
        self.shared.client.abort();
    }
}

/// The breaker in front of Redis: its changes are told, and wake whoever has to do with them.
fn circuit(
    config: &CacheConfig,
    (keeper, purger): (Arc<Notify>, Arc<Purger>),
    observer: &Arc<Observer>,
) -> Arc<Circuit> {
    let settings = breaker::Settings {
        threshold: config.breaker.threshold(),
        open_for: config.breaker.timeout,
    };
    let observer = observer.clone();
    Circuit::new(settings, instant(), move |change| {
        observer.circuit(change);
        match change.to {
            breaker::State::Open => keeper.notify_one(),
            breaker::State::Closed => purger.wake(),
            breaker::State::HalfOpen => {}
        }
    })
}

/// One of the background tasks, for as long as its runtime runs.
async fn run(running: Arc<Running>, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
    let _running = running;
    task.await;
}
