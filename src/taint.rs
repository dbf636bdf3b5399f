//! What a handler was given by this cache while it ran: what can purge it, and whether it was
//! something old, stale or in the place of what Redis would say.
//!
//! What it makes of old data must not be stored under a new stamp, or that would outlive its
//! purge; and what purges a part purges the whole. Known of all that is asked for in the handler's
//! own task, and in those that [`carry`] it on.

use crate::stamp::Scope;
use crate::sync::lock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Scopes of all parts together; what has more is not stored, for a purge of one that was left out
/// would miss it.
const MOST: usize = 256;

tokio::task_local! {
    static GIVEN: Taint;
}

/// What one run of a handler was given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taint(Arc<Given>);

#[derive(Debug, Default)]
struct Given {
    unfit: AtomicBool,
    scopes: Mutex<Vec<Scope>>,
}

impl Taint {
    /// Runs a handler; what it is given is noted.
    pub(crate) async fn watch<T>(&self, handler: impl Future<Output = T>) -> T {
        let output = GIVEN.scope(self.clone(), handler).await;
        // All of it is part of what a handler further out was given.
        if self.is_set() {
            given_old();
        }
        given(&lock(&self.0.scopes));
        output
    }

    /// Whether what comes of it must not be stored.
    pub(crate) fn is_set(&self) -> bool {
        self.0.unfit.load(Ordering::Acquire)
    }

    /// What can purge its parts.
    pub(crate) fn scopes(&self) -> Vec<Scope> {
        lock(&self.0.scopes).clone()
    }

    fn set(&self) {
        self.0.unfit.store(true, Ordering::Release);
    }

    fn add(&self, scopes: &[Scope]) {
        let mut known = lock(&self.0.scopes);
        for scope in scopes {
            if !known.contains(scope) {
                known.push(*scope);
            }
        }
        if known.len() > MOST {
            known.truncate(MOST);
            self.set();
        }
    }
}

/// Something old is given to whoever asks in this task.
pub(crate) fn given_old() {
    // Outside of a handler nobody minds.
    let _ = GIVEN.try_with(Taint::set);
}

/// Something that these scopes can purge is given to whoever asks in this task.
pub(crate) fn given(scopes: &[Scope]) {
    if !scopes.is_empty() {
        let _ = GIVEN.try_with(|taint| taint.add(scopes));
    }
}

/// What `future` is given counts as given to the handler that runs now, wherever it is polled.
pub(crate) fn carry<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let taint = GIVEN.try_with(Taint::clone).ok();
    async move {
        match taint {
            Some(taint) => GIVEN.scope(taint, future).await,
            None => future.await,
        }
    }
}
