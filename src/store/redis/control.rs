//! The control connection: it hears of every purge, and asks for the clock of purges again and
//! again, so that the mirror in memory is known to be whole.
//!
//! Purges and replies come over one connection, in order: by the time the clock is told, all
//! purges up to it have been heard. What the clock says and the mirror does not know is a gap;
//! then the record is read anew. A PING would notice neither another database in its place nor a
//! master that was demoted, and would not keep the record from being evicted.

use super::back_off::BackOff;
use super::fault::{fault, replies};
use super::link::{Link, says_replica};
use super::reply::{bans_of, bytes_of};
use super::{Record, Shared, header};
use crate::clock::millis;
use crate::error::Fault;
use crate::fences::Fence;
use crate::observe::Event;
use crate::stamp::{Pushed, Scope, Table};
use crate::sync::lock;
use ::redis::aio::MultiplexedConnection;
use ::redis::{Pipeline, PushInfo, PushKind, Value};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

const FIRST_BACK_OFF: Duration = Duration::from_millis(50);
const LAST_BACK_OFF: Duration = Duration::from_secs(5);

/// Purges heard while the record is being read; with more it is read once more.
const MOST_WAITING: usize = 4096;

/// What the connection has heard.
struct Inbox {
    shared: Arc<Shared>,
    phase: Mutex<Phase>,
    /// Something is to be looked after at once.
    woken: Notify,
}

enum Phase {
    /// The record is being read: what is heard meanwhile comes after it, or is in it.
    Reading(Vec<Pushed>),
    Live,
    /// A purge was missed, or the connection is gone.
    Broken,
}

/// Hears and asks, for ever.
pub(super) async fn run(shared: Arc<Shared>, link: Arc<Link>) {
    let mut back_off = BackOff::new(FIRST_BACK_OFF, LAST_BACK_OFF);
    loop {
        // How it ended is told by the breaker and the slots, which ask the same server.
        let ended = listen(&shared, &link, &mut back_off).await;
        shared.purges.distrust();
        if let Err(fault) = ended {
            shared.observer.failed(fault);
        }
        tokio::time::sleep(back_off.next()).await;
    }
}

/// One connection, until it fails.
async fn listen(shared: &Arc<Shared>, link: &Link, back_off: &mut BackOff) -> Result<(), Fault> {
    let inbox = Arc::new(Inbox {
        shared: shared.clone(),
        phase: Mutex::new(Phase::Reading(Vec::new())),
        woken: Notify::new(),
    });
    let hears = inbox.clone();
    let found = link.listen(move |push| hears.hear(&push)).await;
    let (connection, place) = found.map_err(|error| fault(&error))?;
    shared.slots.master_is(&place);
    let mut control = Control { connection, inbox };
    control.subscribe().await?;
    control.read().await?;
    shared.leases.wake();
    loop {
        control.beat().await?;
        back_off.reset();
        let pause = shared.coherence_bound / 3;
        // Woken or not, the clock is asked for.
        let _ = tokio::time::timeout(pause, control.inbox.woken.notified()).await;
    }
}

struct Control {
    connection: MultiplexedConnection,
    inbox: Arc<Inbox>,
}

impl Control {
    /// Tracking tells of what no purge does: the record deleted, evicted or flushed. A server
    /// that refuses it is found out by the clock.
    async fn subscribe(&mut self) -> Result<(), Fault> {
        let shared = self.inbox.shared.clone();
        let subscribed = self.connection.subscribe(&shared.channel).await;
        subscribed.map_err(|error| fault(&error))?;
        // A server that refuses it keeps events and leases of others away, and no purges.
        let _ = self.connection.subscribe(&shared.events.channel).await;
        let _ = self.connection.subscribe(&shared.leases.channel).await;
        let mut pipe = Pipeline::with_capacity(1);
        pipe.cmd("CLIENT")
            .arg(&["TRACKING", "ON", "BCAST", "PREFIX"])
            .arg(&shared.stamps);
        self.send(&pipe).await.map(drop)
    }

    /// A refusal of any of these commands is one of all.
    async fn ask(&mut self, pipe: &Pipeline) -> Result<Vec<Value>, Fault> {
        replies(self.send(pipe).await?)
    }

    async fn send(&mut self, pipe: &Pipeline) -> Result<Vec<Value>, Fault> {
        let limit = self
            .inbox
            .shared
            .coherence_bound
            .min(self.inbox.shared.timeout);
        let sent = self.connection.send_packed_commands(pipe, 0, pipe.len());
        let sent = tokio::time::timeout(limit, sent).await;
        sent.map_err(|_| Fault::Timeout)?
            .map_err(|error| fault(&error))
    }

    /// Reads the whole record, and what was heard since; makes one where there is none, or an
    /// older one than was seen.
    async fn read(&mut self) -> Result<(), Fault> {
        const TRIES: usize = 3;
        let shared = self.inbox.shared.clone();
        for _ in 0..TRIES {
            *lock(&self.inbox.phase) = Phase::Reading(Vec::new());
            let seen = shared.seen();
            let mut pipe = Pipeline::with_capacity(2);
            pipe.cmd("GET").arg(&shared.stamps);
            pipe.cmd("LRANGE").arg(&shared.patterns).arg(0).arg(-1);
            let mut replies = self.ask(&pipe).await?.into_iter();
            let whole = replies.next().and_then(bytes_of).unwrap_or_default();
            let bans = bans_of(replies.next()).unwrap_or_default();
            let record = whole.get(..header::LEN).and_then(Record::read);
            let usable = record.filter(|record| record.clock >= seen);
            let Some(table) = usable.and_then(|record| Table::read(&whole, record.cells, bans))
            else {
                shared.make_record().await?;
                continue;
            };
            if shared.purges.is_lacking(&table) {
                // A master that had not heard of it took over: nobody knows what else is lost.
                shared
                    .purge(&Scope::Everything.into(), shared.seen())
                    .await?;
                shared.purges.forget();
                continue;
            }
            shared.observer.count(Event::RecordRead);
            if self.inbox.go_live(table) {
                return Ok(());
            }
        }
        Err(Fault::Foreign)
    }

    /// Asks for the clock; the mirror is trusted if it knows all purges up to it.
    async fn beat(&mut self) -> Result<(), Fault> {
        let shared = self.inbox.shared.clone();
        let (asked, seen) = (shared.clock.now(), shared.seen());
        let mut pipe = Pipeline::with_capacity(3);
        header::get(&mut pipe, &shared.stamps);
        pipe.cmd("STRLEN").arg(&shared.stamps);
        pipe.cmd("ROLE");
        let mut told = self.send(&pipe).await?;
        // Who may not ask for the role is told all else.
        let role = told.pop();
        let mut replies = replies(told)?.into_iter();
        let record = replies.next().and_then(bytes_of).unwrap_or_default();
        let len = replies.next().and_then(|len| match len {
            Value::Int(len) => usize::try_from(len).ok(),
            _ => None,
        });
        if role.is_some_and(|role| says_replica(&role)) {
            // Demoted: it takes purges no more, and does not hear of them in time.
            shared.slots.give_up();
            return Err(Fault::Unready);
        }
        let current = Record::read(&record).is_some_and(|record| {
            // What was heard since goes beyond it.
            shared.purges.applied() >= Some(record.clock)
                && record.clock >= seen
                && len == Some(record.cells * 16)
        });
        let current = current || !shared.fences.stands(Fence::Gaps);
        if current && self.inbox.is_live() {
            shared.purges.trust(asked.0, millis(shared.coherence_bound));
            return Ok(());
        }
        shared.purges.distrust();
        self.read().await
    }
}

impl Inbox {
    /// Called by the connection itself, for one push after the other.
    fn hear(&self, push: &PushInfo) {
        match push.kind {
            PushKind::Message => {
                let payload = push.data.get(1).cloned().and_then(bytes_of);
                if self.shared.events.is_channel(push.data.first()) {
                    self.shared.events.hear(payload.unwrap_or_default());
                    return;
                }
                if self.shared.leases.is_channel(push.data.first()) {
                    self.shared.leases.hear(&payload.unwrap_or_default());
                    return;
                }
                match payload.as_deref().and_then(Pushed::read) {
                    Some(pushed) => self.take(pushed),
                    None => self.miss(),
                }
            }
            PushKind::Invalidate => self.woken.notify_one(),
            PushKind::Disconnection => self.miss(),
            _ => {}
        }
    }

    fn take(&self, pushed: Pushed) {
        let missed = match &mut *lock(&self.phase) {
            Phase::Reading(waiting) if waiting.len() < MOST_WAITING => {
                waiting.push(pushed);
                false
            }
            Phase::Live => {
                let heard = self.shared.purges.hear(&pushed);
                if heard {
                    self.shared.saw(pushed.at);
                }
                !heard && self.shared.fences.stands(Fence::Gaps)
            }
            Phase::Reading(_) | Phase::Broken => true,
        };
        if missed {
            self.miss();
        }
    }

    fn miss(&self) {
        *lock(&self.phase) = Phase::Broken;
        self.shared.purges.distrust();
        self.woken.notify_one();
    }

    fn is_live(&self) -> bool {
        matches!(*lock(&self.phase), Phase::Live)
    }

    /// Takes over the record that was read, and what was heard since; false: something was
    /// missed.
    fn go_live(&self, table: Table) -> bool {
        let mut phase = lock(&self.phase);
        let Phase::Reading(waiting) = &*phase else {
            return false;
        };
        if !waiting.iter().all(|pushed| table.apply(pushed)) {
            return false;
        }
        self.shared.saw(table.clock());
        self.shared.purges.mirror(table);
        *phase = Phase::Live;
        true
    }
}
