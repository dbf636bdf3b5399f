//! Which cache a function uses that was given none.

use super::Function;
use crate::cache::Cache;
use crate::error::{CacheError, CacheErrorKind};
use std::borrow::Cow;
use std::sync::{Once, OnceLock};

static INSTALLED: OnceLock<Cache> = OnceLock::new();

tokio::task_local! {
    static SCOPED: Cache;
}

/// The cache of the [scope](Cache::scope) around the caller, else the one that was
/// [installed](Cache::install); `None`: neither.
#[must_use]
pub fn get_cache() -> Option<Cache> {
    let scoped = SCOPED.try_with(Clone::clone).ok();
    scoped.or_else(|| INSTALLED.get().cloned())
}

/// A function of the cache that [`get_cache`] finds when it is called. Where there is none the
/// function runs, and one line is logged by the process.
pub fn function(prefix: impl Into<Cow<'static, str>>) -> Function {
    Function::of(None, prefix.into())
}

/// In the scope of the caller, wherever it is polled.
pub(super) fn carry<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let scoped = SCOPED.try_with(Clone::clone).ok();
    async move {
        match scoped {
            Some(cache) => SCOPED.scope(cache, future).await,
            None => future.await,
        }
    }
}

/// One line, the first time that a function finds no cache.
pub(super) fn warn_of_none() {
    static WARNED: Once = Once::new();
    WARNED.call_once(|| {
        tracing::warn!("no cache is installed: functions run uncached (`Cache::install`)");
    });
}

impl Cache {
    /// Makes this the cache of all functions of this process that are given none. It is kept until
    /// the process ends.
    ///
    /// # Errors
    /// [`CacheErrorKind::Installed`]: there is one already.
    pub fn install(&self) -> Result<(), CacheError> {
        let installed = INSTALLED.set(self.clone());
        installed.map_err(|_| CacheError::new(CacheErrorKind::Installed))
    }

    /// Runs `future` with this as the cache of all functions that are given none, whatever is
    /// installed: for tests, and for processes with several caches. Of tasks that it starts those
    /// are part of it that [`spawn`](crate::spawn) starts.
    ///
    /// ```
    /// use neuralblitz_cache::{Cache, CacheConfig, function, get_cache};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let cache = Cache::new(CacheConfig::default());
    /// let sum = || function("sum").call(&(1, 2), || async { 1 + 2 });
    /// assert_eq!(cache.scope(async { sum().await + sum().await }).await, 6);
    /// assert_eq!((cache.stats().misses, cache.stats().local_hits), (1, 1));
    /// assert!(get_cache().is_none());
    /// # }
    /// ```
    pub async fn scope<F: Future>(&self, future: F) -> F::Output {
        SCOPED.scope(self.clone(), future).await
    }

    /// A function whose results are stored under `nb:{prefix}:`.
    pub fn function(&self, prefix: impl Into<Cow<'static, str>>) -> Function {
        Function::of(Some(self.clone()), prefix.into())
    }
}
