//! Purges on their way to Redis: queued before anything is awaited, so that a caller that
//! leaves cannot cancel one, and repeated until Redis has taken them.

use super::Shared;
use super::back_off::BackOff;
use crate::clock::instant;
use crate::error::Fault;
use crate::observe::{Event, Observer, Operation};
use crate::stamp::{Order, Scope, Stamp, Subject, Verdict};
use crate::sync::lock;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;

/// More patterns than this, and everything is purged.
const MAX_PATTERNS: usize = 64;

/// How long a caller waits to learn whether its purge is in force.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

const FIRST_BACK_OFF: Duration = Duration::from_millis(50);
const LAST_BACK_OFF: Duration = Duration::from_secs(2);

/// Whether a purge is in force on all instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    /// From this stamp on.
    At {
        stamp: Stamp,
        /// What the clock was before; `None`: other purges were taken in the same step.
        after: Option<Stamp>,
    },
    /// Here only, until Redis answers again.
    Queued,
}

pub(super) struct Purger {
    observer: Arc<Observer>,
    queue: Mutex<Queue>,
    /// More scopes than this, and everything is purged.
    most: usize,
    arrived: Notify,
    open: watch::Sender<usize>,
}

#[derive(Default)]
struct Queue {
    hard: Waiting,
    soft: Waiting,
    /// Taken by the task, and not yet answered for; kept here so that it outlives it.
    under_way: Order,
    under_way_since: Option<Instant>,
    past: Stamp,
}

/// What is to be purged in one call, and who waits for it.
#[derive(Default)]
struct Waiting {
    order: Order,
    /// How many orders it is made of.
    orders: usize,
    callers: Vec<oneshot::Sender<Applied>>,
    /// Of the one that has waited longest.
    since: Option<Instant>,
}

/// What was taken from the queue.
struct Taken {
    order: Order,
    past: Stamp,
    /// One order alone.
    single: bool,
    callers: Vec<oneshot::Sender<Applied>>,
}

impl Purger {
    pub(super) fn new(most: NonZeroUsize, observer: Arc<Observer>) -> Self {
        Self {
            observer,
            most: most.get(),
            queue: Mutex::default(),
            arrived: Notify::new(),
            open: watch::Sender::default(),
        }
    }

    /// Queues at once; what is returned only waits.
    pub(super) fn purge(
        &self,
        order: &Order,
        past: Stamp,
    ) -> impl Future<Output = Applied> + use<> {
        let (tell, told) = oneshot::channel();
        {
            let mut queue = lock(&self.queue);
            queue.past = queue.past.max(past);
            let waiting = queue.of(order.soft);
            if waiting.add(order, self.most) {
                self.observer.count(Event::PurgeWidened);
            }
            waiting.since.get_or_insert_with(instant);
            waiting.callers.push(tell);
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

    /// What purges that Redis has not taken yet say of a subject, whatever its stamp.
    pub(super) fn judge(&self, subject: Subject<'_>) -> Verdict {
        // Let go of before the queue is locked: whoever holds the queue may change it.
        let open = *self.open.borrow();
        match open {
            0 => Verdict::Valid,
            _ => lock(&self.queue).judge(subject),
        }
    }

    /// Scopes and patterns queued or on their way.
    pub(super) fn open(&self) -> usize {
        *self.open.borrow()
    }

    pub(super) async fn drained(&self) {
        // The sender lives as long as `self`: waiting cannot fail.
        let _ = self.open.subscribe().wait_for(|open| *open == 0).await;
    }

    fn take(&self) -> Taken {
        let mut queue = lock(&self.queue);
        let soft = queue.hard.order.is_empty();
        let taken = std::mem::take(queue.of(soft));
        queue.under_way = taken.order;
        queue.under_way.soft = soft;
        queue.under_way_since = taken.since;
        Taken {
            order: queue.under_way.clone(),
            past: queue.past,
            single: taken.orders == 1,
            callers: taken.callers,
        }
    }

    /// Redis has taken it; for how long the longest waited.
    fn done(&self) -> Option<Duration> {
        let mut queue = lock(&self.queue);
        queue.under_way = Order::default();
        self.open.send_replace(queue.len());
        queue.under_way_since.take().map(|since| since.elapsed())
    }

    /// A list of patterns that cannot be written to must not hold up all purges: everything goes
    /// in its place.
    fn widen(&self) {
        let order = &mut lock(&self.queue).under_way;
        if !order.patterns.is_empty() {
            self.observer.count(Event::PurgeWidened);
            order.patterns.clear();
            order.scopes = vec![Scope::Everything];
        }
    }

    /// Puts back what was not answered for.
    fn again(&self) {
        let mut queue = lock(&self.queue);
        let under_way = std::mem::take(&mut queue.under_way);
        let since = queue.under_way_since.take();
        let waiting = queue.of(under_way.soft);
        if waiting.add(&under_way, self.most) {
            self.observer.count(Event::PurgeWidened);
        }
        waiting.since = since.or(waiting.since);
        self.open.send_replace(queue.len());
    }
}

impl Queue {
    fn of(&mut self, soft: bool) -> &mut Waiting {
        match soft {
            true => &mut self.soft,
            false => &mut self.hard,
        }
    }

    fn len(&self) -> usize {
        self.hard.order.len() + self.soft.order.len() + self.under_way.len()
    }

    fn judge(&self, subject: Subject<'_>) -> Verdict {
        let orders = [&self.hard.order, &self.soft.order, &self.under_way];
        let covering = orders.into_iter().filter(|order| order.covers(subject));
        covering
            .map(|order| match order.soft {
                true => Verdict::Stale(self.past),
                false => Verdict::Purged,
            })
            .fold(Verdict::Valid, Verdict::and)
    }
}

impl Waiting {
    /// Whether everything took the place of too many.
    fn add(&mut self, new: &Order, most: usize) -> bool {
        self.orders += usize::from(!new.is_empty());
        let order = &mut self.order;
        order.soft = new.soft;
        let (scopes, patterns) = (
            order.scopes.len() + new.scopes.len(),
            order.patterns.len() + new.patterns.len(),
        );
        if scopes > most || patterns > MAX_PATTERNS {
            order.scopes = vec![Scope::Everything];
            order.patterns.clear();
            return true;
        }
        for scope in &new.scopes {
            if !order.scopes.contains(scope) {
                order.scopes.push(*scope);
            }
        }
        for pattern in &new.patterns {
            if !order.patterns.contains(pattern) {
                order.patterns.push(pattern.clone());
            }
        }
        false
    }
}

/// Purges what is queued, all at once, for ever.
pub(super) async fn run(shared: Arc<Shared>) {
    let purger = &shared.purger;
    let mut back_off = BackOff::new(FIRST_BACK_OFF, LAST_BACK_OFF);
    purger.again();
    loop {
        let Taken {
            order,
            past,
            single,
            callers,
        } = purger.take();
        if order.is_empty() {
            purger.arrived.notified().await;
            continue;
        }
        match shared.purge(&order, past).await {
            Ok((before, stamp)) => {
                back_off.reset();
                shared.observer.done(Operation::Purge);
                // Before it is no longer pending: in between nothing would tell of it.
                shared.purges.learn(&order, stamp);
                if let Some(waited) = purger.done() {
                    shared.observer.purge_took_effect(waited);
                }
                let after = single.then_some(before);
                tell(callers, Applied::At { stamp, after });
                if !order.soft {
                    shared.swept.notify_one();
                }
            }
            Err(fault) => {
                shared.observer.fault(Operation::Purge, fault);
                if fault == Fault::Refused {
                    purger.widen();
                }
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
