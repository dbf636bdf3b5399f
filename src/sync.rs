//! The locks of what is model-checked: `tests/models.rs` builds the same files over
//! shuttle's.

pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
pub(crate) use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// Locks, and goes on after a panic elsewhere: each critical section leaves the data whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
