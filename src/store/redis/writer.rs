//! Writes to Redis, behind a bounded queue: no request waits for one.

use super::Shared;
use crate::entry::Entry;
use crate::error::Fault;
use crate::observe::{Event, Observer};
use crate::sync::lock;
use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// Writes on their way at once.
const AT_ONCE: usize = 8;

/// One envelope to be stored.
#[derive(Debug)]
pub(crate) struct Write {
    pub(super) name: String,
    pub(super) entry: Arc<Entry>,
    pub(super) ttl: Duration,
}

pub(super) struct Writer {
    queue: Mutex<Queue>,
    arrived: Notify,
    /// Entries queued or on their way.
    open: watch::Sender<usize>,
    entries: usize,
    bytes: usize,
}

#[derive(Default)]
struct Queue {
    writes: VecDeque<Write>,
    bytes: usize,
}

impl Writer {
    pub(super) fn new(entries: NonZeroUsize, bytes: usize) -> Self {
        Self {
            queue: Mutex::default(),
            arrived: Notify::new(),
            open: watch::Sender::new(0),
            entries: entries.get(),
            bytes,
        }
    }

    /// Queues a write, whose entry is marked as queued already, or drops it: until it is
    /// written this process serves it, and a dropped one is a miss.
    pub(super) fn push(&self, write: Write, observer: &Observer) {
        let len = write.entry.wire().len();
        {
            let mut queue = lock(&self.queue);
            if queue.writes.len() >= self.entries || queue.bytes + len > self.bytes {
                write.entry.set_queued(false);
                observer.count(Event::WriteDropped);
                return;
            }
            // Before the task can finish it.
            self.open.send_modify(|open| *open += 1);
            queue.bytes += len;
            queue.writes.push_back(write);
        }
        self.arrived.notify_one();
    }

    /// Writes queued or on their way.
    pub(super) fn open(&self) -> usize {
        *self.open.borrow()
    }

    pub(super) async fn drained(&self) {
        // The sender lives as long as `self`: waiting cannot fail.
        let _ = self.open.subscribe().wait_for(|open| *open == 0).await;
    }

    fn pop(&self) -> Option<Write> {
        let mut queue = lock(&self.queue);
        let write = queue.writes.pop_front()?;
        queue.bytes -= write.entry.wire().len();
        Some(write)
    }
}

/// A write on its way: counted as done however it ends.
struct Open {
    shared: Arc<Shared>,
    write: Write,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.write.entry.set_queued(false);
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
            Some(write) => {
                let open = Open {
                    shared: shared.clone(),
                    write,
                };
                under_way.spawn(store(open));
            }
            None => shared.writer.arrived.notified().await,
        }
    }
}

async fn store(open: Open) {
    let shared = &open.shared;
    match shared.store(&open.write).await {
        Ok(()) => shared.observer.count(Event::Stored),
        Err(Fault::LeftAlone) => shared.observer.count(Event::WriteDropped),
        Err(fault) => shared.observer.fault("store", fault),
    }
}
