//! Tasks that belong to the handler that starts them.

use super::installed;
use crate::taint;
use tokio::task::JoinHandle;

/// `future`, with all that is known of the caller, wherever it is polled: the
/// [scope](crate::Cache::scope), and the handler or function that is to be purged with what it is
/// given.
///
/// For tasks that are started by other means than [`spawn`]; what is polled in the caller's own task,
/// as by `tokio::join!`, needs it not. Whoever answers must wait for it: what comes after the answer
/// counts no more.
///
/// ```
/// use neuralblitz_cache::{Cache, CacheConfig, carry, function};
/// use tokio::task::JoinSet;
///
/// async fn square(n: u32) -> u32 {
///     function("square").call(&n, || async move { n * n }).await
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let cache = Cache::new(CacheConfig::default());
/// let squares = cache.scope(async {
///     let mut tasks = JoinSet::new();
///     for n in 0..3 {
///         tasks.spawn(carry(square(n)));
///     }
///     tasks.join_all().await
/// });
/// assert_eq!(squares.await.into_iter().sum::<u32>(), 5);
/// assert_eq!(cache.stats().misses, 3);
/// # }
/// ```
pub fn carry<F: Future>(future: F) -> impl Future<Output = F::Output> {
    taint::carry(installed::carry(future))
}

/// A task that belongs to the caller: `tokio::spawn` of what [`carry`] makes.
///
/// # Panics
/// Outside of a runtime.
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(carry(future))
}
