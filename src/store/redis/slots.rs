//! A few multiplexed connections, held in slots and shared by all operations.
//!
//! bb8 owns them and their health. An operation takes the next handle and checks nothing out:
//! one multiplexed connection carries more than an exclusive checkout per operation does, and
//! several keep a large reply from holding up the small ones behind it.

use super::manager::{Connection, Manager};
use crate::config::RedisConfig;
use crate::error::Fault;
use ::redis::aio::MultiplexedConnection;
use arc_swap::ArcSwapOption;
use bb8_redis::bb8::{Pool, PooledConnection};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// More slots carry no more.
const MAX_SLOTS: u32 = 4;

/// How long the pool is waited for; the breaker and the keeper's back-off stand in front.
const POOL_WAIT: Duration = Duration::from_millis(250);

const FIRST_BACK_OFF: Duration = Duration::from_millis(50);
const LAST_BACK_OFF: Duration = Duration::from_secs(5);

type Held = PooledConnection<'static, Manager>;

pub(super) struct Slots {
    held: Box<[ArcSwapOption<Held>]>,
    next: AtomicUsize,
    state: watch::Sender<State>,
    broke: Arc<Notify>,
    config: RedisConfig,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing is known yet: worth waiting for.
    Connecting,
    Up,
    /// Connecting failed; the next try is some way off.
    Down,
}

impl Slots {
    pub(super) fn new(config: &RedisConfig) -> Self {
        let slots = config.max_connections.clamp(1, MAX_SLOTS);
        Self {
            held: (0..slots).map(|_| ArcSwapOption::empty()).collect(),
            next: AtomicUsize::new(0),
            state: watch::Sender::new(State::Connecting),
            broke: Arc::default(),
            config: config.clone(),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        *self.state.borrow() == State::Up
    }

    /// Lets go of all connections.
    pub(super) fn reset(&self) {
        self.held.iter().for_each(|slot| slot.store(None));
        self.state.send_replace(State::Connecting);
    }

    /// A handle of the next connection that stands. Waits only while it is not known whether
    /// there is a server.
    pub(super) async fn connection(&self) -> Result<MultiplexedConnection, Fault> {
        if let Some(handle) = self.pick() {
            return Ok(handle);
        }
        let mut state = self.state.subscribe();
        let known = state.wait_for(|state| *state != State::Connecting).await;
        known.map_err(|_| Fault::Disconnected)?;
        self.pick().ok_or(Fault::Disconnected)
    }

    fn pick(&self) -> Option<MultiplexedConnection> {
        let start = self.next.fetch_add(1, Ordering::Relaxed);
        (0..self.held.len()).find_map(|i| {
            let held = self.held[(start + i) % self.held.len()].load();
            let connection: &Connection = held.as_ref()?;
            (!connection.is_broken()).then(|| connection.handle.clone())
        })
    }

    /// Fills the slots and keeps them filled, for ever.
    pub(super) async fn keep(&self) {
        let pool = Pool::builder()
            .max_size(self.config.max_connections)
            .connection_timeout(POOL_WAIT)
            .test_on_check_out(false)
            .retry_connection(false)
            .max_lifetime(None)
            .idle_timeout(None)
            .build_unchecked(Manager::new(&self.config, self.broke.clone()));
        let mut back_off = FIRST_BACK_OFF;
        loop {
            if self.fill(&pool).await {
                back_off = FIRST_BACK_OFF;
                self.watch().await;
            } else {
                tokio::time::sleep(back_off).await;
                back_off = (back_off * 2).min(LAST_BACK_OFF);
            }
        }
    }

    /// Replaces what is empty or broken. Whether all slots stand.
    async fn fill(&self, pool: &Pool<Manager>) -> bool {
        for slot in &self.held {
            if slot.load().as_ref().is_some_and(|held| !held.is_broken()) {
                continue;
            }
            slot.store(None);
            match pool.get_owned().await {
                Ok(held) => {
                    slot.store(Some(Arc::new(held)));
                    self.enter(State::Up);
                }
                Err(error) => {
                    tracing::debug!(%error, "cannot connect to redis");
                    if self.pick().is_none() {
                        self.enter(State::Down);
                    }
                    return false;
                }
            }
        }
        true
    }

    fn enter(&self, new: State) {
        let old = self.state.send_replace(new);
        match new {
            State::Up if old != State::Up => tracing::info!("redis is connected"),
            State::Down if old != State::Down => {
                tracing::warn!("redis cannot be reached; requests go to their handlers");
            }
            _ => {}
        }
    }

    /// Until a connection breaks, be it found by the client or by a probe.
    async fn watch(&self) {
        let broke = self.broke.notified();
        if tokio::time::timeout(self.config.health_check_interval, broke)
            .await
            .is_err()
        {
            self.probe().await;
        }
    }

    /// A connection that hangs gives no sign of its own.
    async fn probe(&self) {
        for slot in &self.held {
            let Some(held) = slot.load_full() else {
                continue;
            };
            let mut handle = held.handle.clone();
            let ping = ::redis::cmd("PING");
            let ping = ping.query_async::<()>(&mut handle);
            match tokio::time::timeout(self.config.socket_timeout, ping).await {
                Ok(Ok(())) => {}
                _ => held.give_up(),
            }
        }
    }
}
