//! The task that keeps connections to Redis, and finds out when one that was left alone answers
//! again.

use super::Shared;
use super::back_off::BackOff;
use crate::breaker::State;
use crate::clock::instant;
use std::sync::Arc;
use std::time::Duration;

const FIRST_BACK_OFF: Duration = Duration::from_millis(50);
const LAST_BACK_OFF: Duration = Duration::from_secs(5);

/// How long a server that is left alone has to answer a check.
const CHECK_WITHIN: Duration = Duration::from_secs(1);

/// Keeps the slots filled, for ever.
pub(super) async fn run(shared: Arc<Shared>) {
    let pool = shared.slots.pool();
    let mut back_off = BackOff::new(FIRST_BACK_OFF, LAST_BACK_OFF);
    loop {
        let filled = shared.slots.fill(&pool).await;
        if filled && shared.is_used_again().await {
            if !shared.slots.are_current() {
                tokio::time::sleep(back_off.next()).await;
                continue;
            }
            back_off.reset();
            if !shared.slots.woken().await {
                shared.slots.probe(shared.timeout).await;
            }
        } else {
            tokio::time::sleep(back_off.next()).await;
        }
    }
}

impl Shared {
    /// Whether Redis is not, or no longer, left alone: if it answers a check, one operation is
    /// tried through the breaker without waiting for the rest of its time.
    async fn is_used_again(&self) -> bool {
        let circuit = self.client.circuit();
        if circuit.state().0 == State::Closed {
            return true;
        }
        if !self.slots.probe(self.timeout.min(CHECK_WITHIN)).await {
            return false;
        }
        circuit.allow_trial(instant());
        let _ = self.client.send(self.slots.check()).await;
        circuit.state().0 == State::Closed
    }
}
