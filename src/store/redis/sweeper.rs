//! Gives the memory of purged entries back: what is purged is never served, but stands in Redis
//! until it expires.
//!
//! Some time after this process has purged something, all keys of the namespace are gone through,
//! a few at a time and with pauses, so that nobody waits for it. Only what is purged by all that
//! was heard of is unlinked, and only if it still is what was looked at.

use super::handle::At;
use super::reply::bytes_of;
use super::{Shared, scan};
use crate::entry::Peeked;
use crate::error::Fault;
use crate::observe::{Event, Operation};
use crate::store::subject::name;
use ::redis::{Pipeline, Value};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// Keys looked at in one step.
const AT_ONCE: usize = 200;

/// The pause between two steps.
const PAUSE: Duration = Duration::from_millis(10);

/// As much of an entry as holds its scopes, unless it has very many tags or a very long URI.
const BEGINNING: usize = 2048;

/// Sweeps when there is something to sweep, at most once in an interval, for ever.
pub(super) async fn run(shared: Arc<Shared>) {
    let Some(interval) = shared.sweep_interval else {
        return;
    };
    loop {
        shared.swept.notified().await;
        // What is purged together is swept together.
        tokio::time::sleep(interval).await;
        if let Err(fault) = sweep(&shared).await {
            shared.observer.fault(Operation::Sweep, fault);
            shared.swept.notify_one();
        }
    }
}

/// Goes through all there is: each master knows its own keys only.
async fn sweep(shared: &Shared) -> Result<(), Fault> {
    for master in shared.slots.connection().await?.handle.masters().await? {
        sweep_one(shared, &master).await?;
    }
    Ok(())
}

async fn sweep_one(shared: &Shared, master: &At) -> Result<(), Fault> {
    let pattern = format!("{}*", shared.namespace.name(""));
    let mut cursor = Bytes::from_static(scan::START);
    loop {
        let (next, keys) = scan::step(shared, master, (&pattern, &cursor), AT_ONCE).await?;
        let purged = purged(shared, keys).await?;
        unlink(shared, purged).await?;
        if *next == *scan::START {
            return Ok(());
        }
        cursor = next;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Those of the keys whose entries are purged, with the stamps they bear.
async fn purged(shared: &Shared, keys: Vec<Bytes>) -> Result<Vec<(Bytes, u64)>, Fault> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut pipe = Pipeline::with_capacity(keys.len());
    for key in &keys {
        pipe.cmd("GETRANGE").arg(&key[..]).arg(0).arg(BEGINNING - 1);
    }
    let values = shared.ask(pipe).await?.into_iter();
    let purged = |(key, value)| {
        let peeked = Peeked::read(&bytes_of(value)?)?;
        let named = peeked.named(|kind, key, variant| name(&shared.namespace, kind, key, variant));
        let subject = named.subject();
        let verdict = shared.purges.judge_mirrored(subject, subject.stamp)?;
        verdict.is_purged().then_some((key, subject.stamp.0))
    };
    Ok(keys.into_iter().zip(values).filter_map(purged).collect())
}

/// Unlinks what still bears the stamp it was judged by.
async fn unlink(shared: &Shared, purged: Vec<(Bytes, u64)>) -> Result<(), Fault> {
    for (key, stamp) in purged {
        let call = shared.scripts.unlink(&key, stamp);
        if let Value::Int(1) = call.run(&shared.client).await? {
            shared.observer.count(Event::Swept);
        }
    }
    Ok(())
}
