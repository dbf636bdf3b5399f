//! The state machine of the breaker.
//!
//! It reads no clock: the caller says what time it is. Each change of state begins an epoch; a
//! permit remembers the one it was given in, and a result from an earlier one changes nothing.

use crate::sync::{Arc, Mutex, lock};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// When a circuit opens, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Failures in a row that open it; with `None` every call passes and nothing is counted.
    pub(crate) threshold: Option<NonZeroU32>,
    /// How long it rejects all before it lets a trial pass.
    pub(crate) open_for: Duration,
}

/// What a circuit does with calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// All pass.
    Closed,
    /// None passes.
    Open,
    /// One at a time passes, as a trial.
    HalfOpen,
}

/// A step from one state to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) from: State,
    pub(crate) to: State,
}

/// The call must not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rejected;

/// What is known of the service behind it, and who may call it.
pub(crate) struct Circuit {
    settings: Settings,
    tell: Box<dyn Fn(Change) + Send + Sync>,
    /// A copy of what `epoch` says, so that asking takes no lock while all is well.
    closed: AtomicBool,
    epoch: Mutex<Epoch>,
}

struct Epoch {
    number: u64,
    since: Instant,
    phase: Phase,
}

#[derive(Clone, Copy)]
enum Phase {
    Closed { failures: u32 },
    Open,
    HalfOpen { on_trial: bool },
}

impl Circuit {
    /// A closed circuit. `tell` hears of each change once, in order. It is called under the
    /// lock: it must be short and must not come back to the circuit.
    pub(crate) fn new(
        settings: Settings,
        now: Instant,
        tell: impl Fn(Change) + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            settings,
            tell: Box::new(tell),
            closed: AtomicBool::new(true),
            epoch: Mutex::new(Epoch {
                number: 0,
                since: now,
                phase: Phase::Closed { failures: 0 },
            }),
        })
    }

    /// Asks to make a call.
    ///
    /// # Errors
    /// The circuit is open, or half-open with a trial under way.
    pub(crate) fn acquire(self: &Arc<Self>, now: Instant) -> Result<Permit, Rejected> {
        let Some(threshold) = self.settings.threshold else {
            return Ok(Permit { held: None });
        };
        let epoch = self.admit(now)?;
        let circuit = self.clone();
        Ok(Permit {
            held: Some(Held {
                circuit,
                threshold,
                epoch,
            }),
        })
    }

    /// Lets a call in; the number of its epoch.
    fn admit(&self, now: Instant) -> Result<u64, Rejected> {
        let mut epoch = lock(&self.epoch);
        if epoch.rejects(now, self.settings.open_for) {
            return Err(Rejected);
        }
        if !matches!(epoch.phase, Phase::Closed { .. }) {
            self.enter(&mut epoch, Phase::HalfOpen { on_trial: true }, now);
        }
        Ok(epoch.number)
    }

    /// Whether [`acquire`](Self::acquire) would be refused now. One atomic load while closed.
    #[inline]
    pub(crate) fn rejects(&self, now: Instant) -> bool {
        // The flag guards no other memory: one that is a moment late is as good as a call
        // that was a moment early.
        !self.closed.load(Ordering::Relaxed)
            && lock(&self.epoch).rejects(now, self.settings.open_for)
    }

    /// Somebody has proof that the service answers again: an open circuit becomes half-open at
    /// once. Nothing changes in another state.
    pub(crate) fn allow_trial(&self, now: Instant) {
        let mut epoch = lock(&self.epoch);
        if matches!(epoch.phase, Phase::Open) {
            self.enter(&mut epoch, Phase::HalfOpen { on_trial: false }, now);
        }
    }

    /// The state, and since when. An open circuit whose time is over stays open until
    /// somebody calls.
    pub(crate) fn state(&self) -> (State, Instant) {
        let epoch = lock(&self.epoch);
        (epoch.phase.state(), epoch.since)
    }

    /// Enters `phase`; if that is another state, an epoch begins.
    fn enter(&self, epoch: &mut Epoch, phase: Phase, now: Instant) {
        let (from, to) = (epoch.phase.state(), phase.state());
        epoch.phase = phase;
        if from != to {
            epoch.number += 1;
            epoch.since = now;
            self.closed.store(to == State::Closed, Ordering::Relaxed);
            (self.tell)(Change { from, to });
        }
    }
}

impl Epoch {
    fn rejects(&self, now: Instant, open_for: Duration) -> bool {
        match self.phase {
            Phase::Closed { .. } => false,
            Phase::Open => now.saturating_duration_since(self.since) < open_for,
            Phase::HalfOpen { on_trial } => on_trial,
        }
    }
}

impl Phase {
    fn state(self) -> State {
        match self {
            Self::Closed { .. } => State::Closed,
            Self::Open => State::Open,
            Self::HalfOpen { .. } => State::HalfOpen,
        }
    }

    /// What the result of a call that this phase let in makes of it.
    fn after(self, failed: bool, threshold: NonZeroU32) -> Self {
        match (self, failed) {
            (_, false) => Self::Closed { failures: 0 },
            (Self::Closed { failures }, true) if failures + 1 < threshold.get() => Self::Closed {
                failures: failures + 1,
            },
            (_, true) => Self::Open,
        }
    }
}

/// The right to make one call. Dropped before [`done`](Self::done) it counts nothing, and a
/// trial is given back for the next caller.
#[must_use = "dropped, it stands for a cancelled call"]
pub(crate) struct Permit {
    /// `None`: nothing is counted.
    held: Option<Held>,
}

struct Held {
    circuit: Arc<Circuit>,
    threshold: NonZeroU32,
    epoch: u64,
}

impl Permit {
    /// The call has ended. One of an earlier epoch counts nothing.
    pub(crate) fn done(mut self, failed: bool, now: Instant) {
        if let Some(held) = self.held.take() {
            let mut epoch = lock(&held.circuit.epoch);
            if epoch.number == held.epoch {
                let phase = epoch.phase.after(failed, held.threshold);
                held.circuit.enter(&mut epoch, phase, now);
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(held) = self.held.take() else {
            return;
        };
        let mut epoch = lock(&held.circuit.epoch);
        // One at a time is let in while half-open, so that it is this one's trial.
        if epoch.number == held.epoch
            && let Phase::HalfOpen { on_trial } = &mut epoch.phase
        {
            *on_trial = false;
        }
    }
}
