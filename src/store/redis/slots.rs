//! A few multiplexed connections, held in slots and shared by all operations.
//!
//! bb8 owns them and their health. An operation takes the next handle and checks nothing out:
//! one multiplexed connection carries more than an exclusive checkout per operation does, and
//! several keep a large reply from holding up the small ones behind it.

use super::handle::At;
use super::header;
use super::link::Link;
use super::manager::Manager;
use super::refusal::Refusal;
use crate::config::RedisConfig;
use crate::error::Fault;
use crate::sync::lock;
use ::redis::{Pipeline, RedisError};
use arc_swap::ArcSwapOption;
use bb8_redis::bb8::{ErrorSink, Pool, PooledConnection, RunError};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// More slots carry no more.
const MAX_SLOTS: u32 = 4;

/// How long the pool is waited for; the breaker and the keeper's back-off stand in front.
const POOL_WAIT: Duration = Duration::from_millis(250);

/// A connection of the pool.
pub(super) type Held = PooledConnection<'static, Manager>;

pub(super) struct Slots {
    held: Box<[ArcSwapOption<Held>]>,
    next: AtomicUsize,
    state: watch::Sender<State>,
    /// Told when a connection breaks, and when the keeper is to look for another reason.
    woken: Arc<Notify>,
    refusal: Refusal,
    /// The master that the control connection was at last.
    master: Mutex<Option<String>>,
    link: Arc<Link>,
    /// A read of the record, which its master alone answers; a PING any replica does.
    check: Arc<Pipeline>,
    config: RedisConfig,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing is known yet: worth waiting for.
    Connecting,
    Up,
    /// Connecting failed, and how; the next try is some way off.
    Down(Fault),
}

impl Slots {
    /// `control` is the key of the record of purges.
    pub(super) fn new(
        config: &RedisConfig,
        link: Arc<Link>,
        control: &str,
        woken: Arc<Notify>,
    ) -> Self {
        let mut check = Pipeline::with_capacity(1);
        header::get(&mut check, control);

        // In a cluster one more is made before one is let go of.
        let spare = u32::from(link.follows_masters());
        let slots = config.max_connections.saturating_sub(spare);
        let slots = slots.clamp(1, MAX_SLOTS);
        Self {
            held: (0..slots).map(|_| ArcSwapOption::empty()).collect(),
            next: AtomicUsize::new(0),
            state: watch::Sender::new(State::Connecting),
            woken,
            refusal: Refusal::default(),
            master: Mutex::default(),
            link,
            check: Arc::new(check),
            config: config.clone(),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        *self.state.borrow() == State::Up
    }

    /// Until one stands.
    pub(super) async fn up(&self) {
        let mut state = self.state.subscribe();
        // The sender lives as long as `self`: waiting cannot fail.
        let _ = state.wait_for(|state| *state == State::Up).await;
    }

    /// Connections that stand.
    pub(super) fn standing(&self) -> usize {
        let stands = |held: &&ArcSwapOption<Held>| {
            held.load().as_ref().is_some_and(|held| !held.is_broken())
        };
        self.held.iter().filter(stands).count()
    }

    /// Has all connections replaced: their master was demoted.
    pub(super) fn give_up(&self) {
        for held in self.held.iter().filter_map(ArcSwapOption::load_full) {
            held.leads_astray();
        }
        self.wake_keeper();
    }

    /// Where purges are taken. If that is another server than before, what leads to the old one is
    /// given up: one that hung, or was cut off, may answer again and not know that it was replaced.
    pub(super) fn master_is(&self, address: &str) {
        let old = lock(&self.master).replace(address.to_owned());
        if old.is_some_and(|old| old != address) {
            self.give_up();
        }
    }

    pub(super) fn wake_keeper(&self) {
        self.woken.notify_one();
    }

    /// Lets go of all connections.
    pub(super) fn reset(&self) {
        self.held.iter().for_each(|slot| slot.store(None));
        self.state.send_replace(State::Connecting);
    }

    /// Has one connection replaced, over which an answer did not come in time.
    pub(super) fn give_up_one(&self, held: &Held) {
        held.give_up();
        self.wake_keeper();
    }

    /// The next connection that stands. Waits only while it is not known whether there is a
    /// server.
    pub(super) async fn connection(&self) -> Result<Arc<Held>, Fault> {
        if let Some(held) = self.pick() {
            return Ok(held);
        }
        let mut state = self.state.subscribe();
        let known = state.wait_for(|state| *state != State::Connecting).await;
        let known = *known.map_err(|_| Fault::Disconnected)?;
        match known {
            State::Down(fault) => Err(fault),
            _ => self.pick().ok_or(Fault::Disconnected),
        }
    }

    fn pick(&self) -> Option<Arc<Held>> {
        let start = self.next.fetch_add(1, Ordering::Relaxed);
        (0..self.held.len()).find_map(|i| {
            let held = self.held[(start + i) % self.held.len()].load_full()?;
            (!held.is_broken()).then_some(held)
        })
    }

    pub(super) fn pool(&self) -> Pool<Manager> {
        Pool::builder()
            .max_size(self.config.max_connections)
            .connection_timeout(POOL_WAIT)
            .test_on_check_out(false)
            .retry_connection(false)
            .max_lifetime(None)
            .idle_timeout(None)
            .error_sink(self.refusal.boxed_clone())
            .build_unchecked(Manager::new(self.link.clone(), self.woken.clone()))
    }

    /// Replaces what is empty or broken; and, where there is room for one more, what is behind, which
    /// is used until then. Whether all slots stand.
    pub(super) async fn fill(&self, pool: &Pool<Manager>) -> bool {
        let has_room = self.config.max_connections > 1;
        for slot in &self.held {
            let old = slot.load_full().filter(|held| !held.is_broken());
            if old.as_ref().is_some_and(|held| !held.handle.is_behind()) {
                continue;
            }
            let old = old.filter(|_| has_room);
            if old.is_none() {
                slot.store(None);
            }
            match (pool.get_owned().await, old) {
                (Ok(new), old) => {
                    old.inspect(|old| old.give_up());
                    slot.store(Some(Arc::new(new)));
                    self.is_reached();
                }
                (Err(_), Some(_)) => {}
                (Err(error), None) => {
                    self.is_out_of_reach(&error);
                    return false;
                }
            }
        }
        true
    }

    /// Whether there is nothing to replace.
    pub(super) fn are_current(&self) -> bool {
        let held = self.held.iter().filter_map(ArcSwapOption::load_full);
        held.into_iter().all(|held| !held.handle.is_behind())
    }

    fn is_out_of_reach(&self, error: &RunError<RedisError>) {
        if self.pick().is_none() {
            let again = matches!(*self.state.borrow(), State::Down(_));
            let fault = self.refusal.why(error, again);
            self.state.send_replace(State::Down(fault));
        }
    }

    /// One line for each change.
    fn is_reached(&self) {
        self.refusal.is_over();
        if self.state.send_replace(State::Up) != State::Up {
            tracing::info!("redis is connected");
        }
    }

    /// Until a connection breaks or somebody wakes the keeper; false: the time for a health
    /// check has come.
    pub(super) async fn woken(&self) -> bool {
        let woken = self.woken.notified();
        let limit = self.config.health_check_interval;
        tokio::time::timeout(limit, woken).await.is_ok()
    }

    /// What a server that is well answers.
    pub(super) fn check(&self) -> &Arc<Pipeline> {
        &self.check
    }

    /// Gives up the connections that do not answer a check within `limit`: one that hangs gives
    /// no sign of its own. Whether all answer.
    pub(super) async fn probe(&self, limit: Duration) -> bool {
        let mut all = true;
        for slot in &self.held {
            let Some(held) = slot.load_full() else {
                all = false;
                continue;
            };
            let mut handle = held.handle.clone();
            let answer = handle.send(&self.check, &At::Keys);
            if !matches!(tokio::time::timeout(limit, answer).await, Ok(Ok(_))) {
                held.give_up();
                all = false;
            }
        }
        all
    }
}
