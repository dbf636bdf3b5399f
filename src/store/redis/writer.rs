//! Writes to Redis, behind a bounded queue: no request waits for one. Leases are given back the
//! same way.

use super::Shared;
use super::lease::{Lease, Release};
use crate::clock::Timestamp;
use crate::entry::Entry;
use crate::error::Fault;
use crate::observe::{Event, Observer, Operation};
use crate::sync::lock;
use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// Writes on their way at once.
const AT_ONCE: usize = 8;

/// For how long nothing is sent after the server said that it takes no writes.
const PAUSE: Duration = Duration::from_secs(1);

/// One envelope to be stored.
pub(crate) struct Write {
    pub(super) name: String,
    pub(super) entry: Arc<Entry>,
    pub(super) ttl: Duration,
    /// Given back once it is written.
    pub(super) lease: Option<Lease>,
}

/// The wire form of `entry` under `name`, to be kept for `ttl`.
impl Write {
    pub(crate) fn new(name: String, entry: Arc<Entry>, ttl: Duration) -> Self {
        Self {
            name,
            entry,
            ttl,
            lease: None,
        }
    }

    /// With a lease to be given back when it is written, or will not be.
    pub(crate) fn with_lease(self, lease: Option<Lease>) -> Self {
        Self { lease, ..self }
    }
}

/// What is to be done, one after the other.
enum Job {
    Write(Write),
    Release(Release),
    Remove(Box<str>),
}

impl Job {
    fn len(&self) -> usize {
        match self {
            Self::Write(write) => write.entry.wire().len(),
            Self::Release(_) | Self::Remove(_) => 0,
        }
    }
}

pub(super) struct Writer {
    queue: Mutex<Queue>,
    arrived: Notify,
    /// Entries queued or on their way.
    open: watch::Sender<usize>,
    paused_until: AtomicU64,
    entries: usize,
    bytes: usize,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    bytes: usize,
}

impl Writer {
    pub(super) fn new(entries: NonZeroUsize, bytes: usize) -> Self {
        Self {
            queue: Mutex::default(),
            arrived: Notify::new(),
            open: watch::Sender::new(0),
            paused_until: AtomicU64::new(0),
            entries: entries.get(),
            bytes,
        }
    }

    /// Queues a write, whose entry is marked as queued already, or drops it: until it is
    /// written this process serves it, and a dropped one is a miss.
    pub(super) fn push(&self, write: Write, observer: &Observer) {
        if let Err(Job::Write(write)) = self.queue(Job::Write(write)) {
            write.entry.set_queued(false);
            observer.count(Event::WriteDropped);
        }
    }

    /// Queues a lease to be given back; where there is no room its time will end it.
    pub(super) fn release(&self, release: Release) {
        let _ = self.queue(Job::Release(release));
    }

    /// Queues a name to be removed; where there is no room it expires.
    pub(super) fn remove(&self, name: Box<str>) {
        let _ = self.queue(Job::Remove(name));
    }

    fn queue(&self, job: Job) -> Result<(), Job> {
        {
            let mut queue = lock(&self.queue);
            let len = job.len();
            if queue.jobs.len() >= self.entries || queue.bytes + len > self.bytes {
                return Err(job);
            }
            // Before the task can finish it.
            self.open.send_modify(|open| *open += 1);
            queue.bytes += len;
            queue.jobs.push_back(job);
        }
        self.arrived.notify_one();
        Ok(())
    }

    /// The server takes no writes: what is queued until then is dropped, and the next one after
    /// it finds out whether it still takes none.
    fn pause(&self, until: Timestamp) {
        self.paused_until.store(until.0, Ordering::Relaxed);
    }

    fn is_paused(&self, now: Timestamp) -> bool {
        now.0 < self.paused_until.load(Ordering::Relaxed)
    }

    /// Writes queued or on their way.
    pub(super) fn open(&self) -> usize {
        *self.open.borrow()
    }

    pub(super) async fn drained(&self) {
        // The sender lives as long as `self`: waiting cannot fail.
        let _ = self.open.subscribe().wait_for(|open| *open == 0).await;
    }

    fn pop(&self) -> Option<Job> {
        let mut queue = lock(&self.queue);
        let job = queue.jobs.pop_front()?;
        queue.bytes -= job.len();
        Some(job)
    }
}

/// A job on its way: counted as done however it ends.
struct Open {
    shared: Arc<Shared>,
    job: Job,
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Job::Write(write) = &mut self.job {
            write.entry.set_queued(false);
            // Queued before this is done, so that who waits for the queue waits for it too.
            drop(write.lease.take());
        }
        self.shared.writer.open.send_modify(|open| *open -= 1);
    }
}

/// Writes what is queued, some at a time, for ever.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut under_way = JoinSet::new();
    loop {
        while under_way.len() >= AT_ONCE {
            under_way.join_next().await;
        }
        while under_way.try_join_next().is_some() {}
        match shared.writer.pop() {
            Some(job) => {
                let open = Open {
                    shared: shared.clone(),
                    job,
                };
                under_way.spawn(work(open));
            }
            None => shared.writer.arrived.notified().await,
        }
    }
}

async fn work(open: Open) {
    let shared = &open.shared;
    match &open.job {
        Job::Write(write) => store(shared, write).await,
        Job::Release(release) => {
            if let Err(fault) = shared.release(release).await {
                shared.observer.fault(Operation::Lease, fault);
            }
        }
        Job::Remove(name) => {
            if let Err(fault) = shared.delete(name).await {
                shared.observer.fault(Operation::Delete, fault);
            }
        }
    }
}

async fn store(shared: &Shared, write: &Write) {
    let (writer, observer) = (&shared.writer, &shared.observer);
    if writer.is_paused(shared.clock.now()) {
        return observer.count(Event::WriteDropped);
    }
    match shared.store(write).await {
        Ok(()) => {
            observer.count(Event::Stored);
            observer.done(Operation::Store);
        }
        Err(Fault::LeftAlone) => observer.count(Event::WriteDropped),
        Err(fault) => {
            if fault == Fault::ReadOnly {
                writer.pause(shared.clock.now().after(PAUSE));
            }
            observer.fault(Operation::Store, fault);
        }
    }
}
