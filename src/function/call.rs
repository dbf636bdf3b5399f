//! Calls: from the face that users see to one way of answering.

use super::builder::{Call, Function};
use super::compute::Work;
use super::condition::Condition;
use super::find::{Step, Way};
use super::installed::{carry, get_cache, warn_of_none};
use super::value::CacheValue;
use crate::http::WITHIN;
use crate::key::function_key;
use serde::Serialize;
use std::convert::Infallible;
use tokio::runtime::Handle;

impl<C> Function<C> {
    /// The stored result of this call, or that of `run`.
    ///
    /// Callers that ask for the same at once wait for one run. A `None`, and the `Err` of a
    /// `Result` that can be encoded, are not stored unless that is asked for.
    ///
    /// # Cancel safety
    /// A run whose caller goes away is handed over to one of those who wait for it.
    pub async fn call<A, T, F, Fut>(self, arguments: &A, run: F) -> T
    where
        A: Serialize + ?Sized,
        T: CacheValue,
        C: Condition<T>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = T>,
    {
        self.of_arguments(arguments).run(run).await
    }

    /// The same of a function that may fail: what is in `Ok` is stored, an error never, whatever
    /// its type.
    ///
    /// # Errors
    /// Those of `run`.
    pub async fn try_call<A, T, E, F, Fut>(self, arguments: &A, run: F) -> Result<T, E>
    where
        A: Serialize + ?Sized,
        T: CacheValue,
        C: Condition<T>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.of_arguments(arguments).try_run(run).await
    }
}

impl<C> Call<C> {
    /// As [`Function::call`].
    pub async fn run<T, F, Fut>(self, run: F) -> T
    where
        T: CacheValue,
        C: Condition<T>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = T>,
    {
        let run = || async { Ok::<T, Infallible>(run().await) };
        self.try_run(run)
            .await
            .unwrap_or_else(|never| match never {})
    }

    /// As [`Function::try_call`].
    ///
    /// # Errors
    /// Those of `run`.
    pub async fn try_run<T, E, F, Fut>(self, run: F) -> Result<T, E>
    where
        T: CacheValue,
        C: Condition<T>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let Some(work) = self.work::<T>() else {
            return run().await;
        };
        match Way::of(&work).find().await {
            Step::Answer(value) => Ok(value),
            Step::Stale(stale, turn) => match work.refresh(turn, run).await {
                Some(Ok(value)) => Ok(value),
                _ => Ok(stale.give(&work.cache.inner)),
            },
            Step::Run(turn) => work.compute(turn, run).await,
        }
    }

    /// Within the stale window nobody waits: the run is driven by a task, which needs what it owns
    /// alone.
    pub fn detached(self) -> Detached<C> {
        Detached(self)
    }

    /// `None`: there is nothing to be asked, the function runs.
    fn work<T: CacheValue>(self) -> Option<Work<C>> {
        let Function {
            cache,
            says,
            condition,
        } = self.function;
        let Some(cache) = cache.or_else(get_cache) else {
            warn_of_none();
            return None;
        };
        // Without a runtime nobody could be waited for.
        let asks = says.is_usable() && Handle::try_current().is_ok();
        let arguments = self.arguments.filter(|_| asks)?;
        cache.start();
        let key = function_key::<T>(says.prefix.clone(), &arguments);
        Some(Work::new(cache, key, says, condition))
    }
}

/// A [`Call`] whose refreshes run in the background.
#[derive(Clone, Debug)]
#[must_use = "it does nothing until it is run"]
pub struct Detached<C>(Call<C>);

impl<C> Detached<C> {
    /// As [`Function::call`].
    pub async fn run<T, F, Fut>(self, run: F) -> T
    where
        T: CacheValue,
        C: Condition<T> + Send + Sync + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
    {
        let run = || async { Ok::<T, Infallible>(run().await) };
        self.try_run(run)
            .await
            .unwrap_or_else(|never| match never {})
    }

    /// As [`Function::try_call`].
    ///
    /// # Errors
    /// Those of `run`.
    pub async fn try_run<T, E, F, Fut>(self, run: F) -> Result<T, E>
    where
        T: CacheValue,
        E: Send + 'static,
        C: Condition<T> + Send + Sync + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        let Some(work) = self.0.work::<T>() else {
            return run().await;
        };
        match Way::of(&work).find().await {
            Step::Answer(value) => Ok(value),
            Step::Stale(stale, turn) => {
                let cache = work.cache.inner.clone();
                let work = work.held_by_task();
                // What it calls finds the cache of this caller's scope.
                cache.refreshes.spawn(carry(async move {
                    // A failure leaves the stale one where it is.
                    let _ = tokio::time::timeout(WITHIN, work.refresh(turn, run)).await;
                }));
                Ok(stale.give(&cache))
            }
            Step::Run(turn) => work.compute(turn, run).await,
        }
    }
}
