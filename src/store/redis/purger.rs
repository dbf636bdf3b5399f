//! Purges on their way to Redis: queued before anything is awaited, so that a caller that
//! leaves cannot cancel one, and repeated until Redis has taken them.

use super::Shared;
use super::back_off::BackOff;
use crate::stamp::{Scope, Stamp};
use crate::sync::lock;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, oneshot, watch};

/// More scopes than this, and everything is purged.
const MAX_SCOPES: usize = 4096;

/// How long a caller waits to learn whether its purge is in force.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

const FIRST_BACK_OFF: Duration = Duration::from_millis(50);
const LAST_BACK_OFF: Duration = Duration::from_secs(2);

/// Whether a purge is in force on all instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    /// From this stamp on.
    At(Stamp),
    /// Here only, until Redis answers again.
    Queued,
}

#[derive(Default)]
pub(super) struct Purger {
    queue: Mutex<Queue>,
    arrived: Notify,
    open: watch::Sender<usize>,
}

#[derive(Default)]
struct Queue {
    scopes: Vec<Scope>,
    /// Taken by the task, and not yet answered for; kept here so that they outlive it.
    under_way: Vec<Scope>,
    past: Stamp,
    callers: Vec<oneshot::Sender<Applied>>,
}

impl Purger {
    /// Queues at once; what is returned only waits.
    pub(super) fn purge(
        &self,
        scopes: &[Scope],
        past: Stamp,
    ) -> impl Future<Output = Applied> + use<> {
        let (tell, told) = oneshot::channel();
        {
            let mut queue = lock(&self.queue);
            queue.past = queue.past.max(past);
            queue.add(scopes);
            queue.callers.push(tell);
            self.open.send_replace(queue.len());
        }
        self.arrived.notify_one();
        async move {
            if tokio::runtime::Handle::try_current().is_err() {
                return Applied::Queued;
            }
            match tokio::time::timeout(ANSWER_WITHIN, told).await {
                Ok(Ok(applied)) => applied,
                _ => Applied::Queued,
            }
        }
    }

    /// Redis answers again: what is queued need not wait any longer.
    pub(super) fn wake(&self) {
        self.arrived.notify_one();
    }

    /// Whether a purge that Redis has not taken yet covers one of `scopes`.
    pub(super) fn covers(&self, scopes: &[Scope]) -> bool {
        *self.open.borrow() > 0 && lock(&self.queue).covers(scopes)
    }

    pub(super) fn open(&self) -> usize {
        *self.open.borrow()
    }

    pub(super) async fn drained(&self) {
        // The sender lives as long as `self`: waiting cannot fail.
        let _ = self.open.subscribe().wait_for(|open| *open == 0).await;
    }

    fn take(&self) -> (Vec<Scope>, Stamp, Vec<oneshot::Sender<Applied>>) {
        let mut queue = lock(&self.queue);
        queue.under_way = std::mem::take(&mut queue.scopes);
        let callers = std::mem::take(&mut queue.callers);
        (queue.under_way.clone(), queue.past, callers)
    }

    fn done(&self) {
        let mut queue = lock(&self.queue);
        queue.under_way.clear();
        self.open.send_replace(queue.len());
    }

    /// Puts back what was not answered for.
    fn again(&self) {
        let mut queue = lock(&self.queue);
        let under_way = std::mem::take(&mut queue.under_way);
        queue.add(&under_way);
        self.open.send_replace(queue.len());
    }
}

impl Queue {
    fn add(&mut self, scopes: &[Scope]) {
        for scope in scopes {
            if !self.scopes.contains(scope) {
                self.scopes.push(*scope);
            }
        }
        if self.scopes.len() > MAX_SCOPES {
            self.scopes = vec![Scope::Everything];
        }
    }

    fn len(&self) -> usize {
        self.scopes.len() + self.under_way.len()
    }

    fn covers(&self, scopes: &[Scope]) -> bool {
        let mut queued = self.scopes.iter().chain(&self.under_way);
        queued.any(|scope| *scope == Scope::Everything || scopes.contains(scope))
    }
}

/// Purges what is queued, all at once, for ever.
pub(super) async fn run(shared: Arc<Shared>) {
    let purger = &shared.purger;
    let mut back_off = BackOff::new(FIRST_BACK_OFF, LAST_BACK_OFF);
    purger.again();
    loop {
        let (scopes, past, callers) = purger.take();
        if scopes.is_empty() {
            purger.arrived.notified().await;
            continue;
        }
        match shared.purge(&scopes, past).await {
            Ok(n) => {
                back_off.reset();
                // Before it is no longer pending: in between nothing would tell of it.
                shared.own.learn(&scopes, n);
                purger.done();
                tell(callers, Applied::At(n));
            }
            Err(fault) => {
                shared.observer.fault("purge", fault);
                purger.again();
                tell(callers, Applied::Queued);
                // A new caller is not to wait for what is left of it.
                let wait = back_off.next();
                let _ = tokio::time::timeout(wait, purger.arrived.notified()).await;
            }
        }
    }
}

fn tell(callers: Vec<oneshot::Sender<Applied>>, applied: Applied) {
    for caller in callers {
        // A caller that left does not want to know.
        let _ = caller.send(applied);
    }
}
