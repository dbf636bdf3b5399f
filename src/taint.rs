//! Whether a handler was given something old: stale, or in the place of what Redis would say.
//!
//! What it makes of that must not be stored under a new stamp, or old data would outlive its
//! purge. Known of all that is asked for in the handler's own task.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

tokio::task_local! {
    static GIVEN: Taint;
}

/// What one run of a handler was given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taint(Arc<AtomicBool>);

impl Taint {
    /// Runs a handler; what it is given that is old is noted.
    pub(crate) async fn watch<T>(&self, handler: impl Future<Output = T>) -> T {
        let output = GIVEN.scope(self.clone(), handler).await;
        if self.is_set() {
            // It is part of what a handler further out was given.
            given_old();
        }
        output
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Something old is given to whoever asks in this task.
pub(crate) fn given_old() {
    // Outside of a handler nobody minds.
    let _ = GIVEN.try_with(|taint| taint.0.store(true, Ordering::Release));
}
