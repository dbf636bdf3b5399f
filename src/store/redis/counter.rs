//! Counts the keys of the namespace and their bytes, when somebody wants to know: in the
//! background, a few at a time and with pauses. Who asks is told what was counted last, and when.

use super::handle::At;
use super::{Remote, Shared, scan};
use crate::clock::instant;
use crate::error::Fault;
use crate::observe::Operation;
use crate::sync::lock;
use ::redis::{Pipeline, Value};
use bytes::Bytes;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Keys looked at in one step.
const AT_ONCE: usize = 200;

/// The pause between two steps.
const PAUSE: Duration = Duration::from_millis(10);

/// The shortest rest after a count; one that took long is followed by nine times as long a rest.
const REST: Duration = Duration::from_secs(5);

/// What stands in Redis, about: keys that come and go meanwhile may be missed or counted twice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Count {
    pub(crate) keys: u64,
    /// Of their values.
    pub(crate) bytes: u64,
    /// When counting ended.
    pub(crate) at: Instant,
}

#[derive(Default)]
pub(super) struct Counter {
    last: Mutex<Option<Count>>,
    wanted: Notify,
}

impl Remote {
    /// What was counted last; has it counted anew if the last time is a while ago.
    pub(crate) fn count(&self) -> Option<Count> {
        self.shared.counter.wanted.notify_one();
        *lock(&self.shared.counter.last)
    }
}

/// Counts when it is wanted, with rests, for ever.
pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        shared.counter.wanted.notified().await;
        let begun = instant();
        match count(&shared).await {
            Ok(count) => *lock(&shared.counter.last) = Some(count),
            Err(fault) => shared.observer.fault(Operation::Count, fault),
        }
        tokio::time::sleep(REST.max(begun.elapsed() * 9)).await;
    }
}

async fn count(shared: &Shared) -> Result<Count, Fault> {
    let (mut keys, mut bytes) = (0, 0);
    for master in shared.slots.connection().await?.handle.masters().await? {
        let (of_this, their_bytes) = count_one(shared, &master).await?;
        keys += of_this;
        bytes += their_bytes;
    }
    let at = instant();
    Ok(Count { keys, bytes, at })
}

/// Keys of one master, and their bytes.
async fn count_one(shared: &Shared, master: &At) -> Result<(u64, u64), Fault> {
    let (all, records) = (shared.namespace.name("*"), shared.namespace.name("{c}:"));
    let (mut keys, mut bytes) = (0, 0);
    let mut cursor = Bytes::from_static(scan::START);
    loop {
        let (next, found) = scan::step(shared, master, (&all, &cursor), AT_ONCE).await?;
        let found = found.into_iter();
        let entries = found.filter(|key| !key.starts_with(records.as_bytes()));
        let entries: Vec<Bytes> = entries.collect();
        keys += entries.len() as u64;
        bytes += lengths(shared, &entries).await?;
        if *next == *scan::START {
            return Ok((keys, bytes));
        }
        cursor = next;
        tokio::time::sleep(PAUSE).await;
    }
}

/// What is no string has none.
async fn lengths(shared: &Shared, keys: &[Bytes]) -> Result<u64, Fault> {
    if keys.is_empty() {
        return Ok(0);
    }
    let mut pipe = Pipeline::with_capacity(keys.len());
    for key in keys {
        pipe.cmd("STRLEN").arg(&key[..]);
    }
    let lengths = shared.ask(pipe).await?.into_iter();
    let length = |value| match value {
        Value::Int(length) => u64::try_from(length).unwrap_or(0),
        _ => 0,
    };
    Ok(lengths.map(length).sum())
}
