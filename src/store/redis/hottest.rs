//! Keeps what is asked for most where the next run of an instance finds it: under one name, from
//! all instances, for a week after the last of them was there.
//!
//! It is read, merged and written without a lock: what one instance overwrites the other writes
//! again the next time.

use super::reply::bytes_of;
use super::{Remote, Shared};
use crate::clock::{instant, millis};
use crate::error::Fault;
use crate::observe::Operation;
use crate::store::hot::{Hot, Ranking};
use ::redis::{Pipeline, Value};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// When it is kept first, and how often after that.
const FIRST: Duration = Duration::from_secs(5);
const EVERY: Duration = Duration::from_mins(1);

const KEPT_FOR: Duration = Duration::from_hours(24 * 7);

/// Bytes that are read: more than is ever written.
const LONGEST: usize = 1 << 20;

impl Remote {
    /// What was asked for most, on all instances, the most wanted first.
    pub(crate) async fn hottest(&self) -> Result<Vec<Hot>, Fault> {
        let top = self.shared.kept().await?.into_top().into_iter();
        Ok(top.map(|(hot, _)| hot).collect())
    }

    /// Keeps what this instance was asked for most, if it is connected: whose tasks have ended
    /// would wait for a connection that nobody makes.
    pub(crate) async fn keep_hottest(&self) {
        if self.is_connected() {
            self.shared.keep_hottest().await;
        }
    }
}

/// Keeps it now and then, for ever.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval_at(instant() + FIRST, EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        shared.keep_hottest().await;
    }
}

impl Shared {
    fn hottest(&self) -> String {
        self.namespace.name("{c}:hottest")
    }

    async fn kept(&self) -> Result<Ranking, Fault> {
        let mut pipe = Pipeline::with_capacity(1);
        let name = self.hottest();
        pipe.cmd("GETRANGE").arg(name).arg(0).arg(LONGEST - 1);
        let kept = self.ask(pipe).await?.pop().and_then(bytes_of);
        Ok(Ranking::read(&kept.unwrap_or_default(), self.clock.now()))
    }

    async fn keep_hottest(&self) {
        let now = self.clock.now();
        let own = Ranking::of(&self.observer.hottest_keys(now));
        if !self.keeps_hottest || own.is_empty() {
            return;
        }
        match self.keep(own).await {
            Ok(()) => self.observer.done(Operation::Hottest),
            Err(fault) => self.observer.fault(Operation::Hottest, fault),
        }
    }

    async fn keep(&self, mut ranking: Ranking) -> Result<(), Fault> {
        ranking.merge(self.kept().await?);
        let Some(written) = ranking.write(self.clock.now()) else {
            return Ok(());
        };
        let mut pipe = Pipeline::with_capacity(1);
        pipe.cmd("SET").arg(self.hottest()).arg(written);
        pipe.arg("PX").arg(millis(KEPT_FOR));
        match self.ask(pipe).await?.pop() {
            Some(Value::Okay) => Ok(()),
            _ => Err(Fault::Refused),
        }
    }
}
