//! Results of functions past their time, and purges that come while one is computed.

mod support;

use neuralblitz_cache::{Cache, CacheConfig, Purge, function};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::until;
use tokio::sync::Semaphore;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// A function that says the number of its run, once it may.
#[derive(Clone)]
struct Gated {
    cache: Cache,
    runs: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

impl Gated {
    fn new(permits: usize) -> Self {
        Self {
            cache: Cache::new(CacheConfig::default()),
            runs: Arc::default(),
            gate: Arc::new(Semaphore::new(permits)),
        }
    }

    async fn run(self) -> Result<usize, &'static str> {
        let run = self.runs.fetch_add(1, Ordering::SeqCst);
        self.gate.acquire().await.expect("open").forget();
        Ok(run)
    }

    fn function(&self) -> neuralblitz_cache::Function {
        let function = self.cache.function("f").ttl(SECOND);
        function.stale_while_revalidate(MINUTE)
    }

    async fn call(&self) -> usize {
        let run = || self.clone().run();
        self.function().try_call(&1, run).await.expect("no error")
    }

    async fn detached(&self) -> usize {
        let (call, this) = (self.function().of_arguments(&1).detached(), self.clone());
        call.try_run(|| this.run()).await.expect("no error")
    }

    fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }
}

#[tokio::test(start_paused = true)]
async fn a_stale_result_answers_all_but_the_one_who_makes_a_newer_one() {
    let gated = Gated::new(1);
    assert_eq!(gated.call().await, 0);
    tokio::time::advance(2 * SECOND).await;
    let newer = gated.clone();
    let newer = tokio::spawn(async move { newer.call().await });
    until("it runs", async || gated.runs() == 2).await;
    assert_eq!(gated.call().await, 0);
    gated.gate.add_permits(1);
    assert_eq!(newer.await.expect("no panic"), 1);
    assert_eq!((gated.call().await, gated.runs()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_detached_call_never_waits_within_the_window() {
    let gated = Gated::new(1);
    assert_eq!(gated.detached().await, 0);
    tokio::time::advance(2 * SECOND).await;
    assert_eq!((gated.detached().await, gated.detached().await), (0, 0));
    until("it runs", async || gated.runs() == 2).await;
    gated.gate.add_permits(1);
    until("it is stored", async || gated.detached().await == 1).await;
    assert_eq!(
        (gated.runs(), gated.cache.stats().stale_while_revalidate > 0),
        (2, true)
    );
}

/// What it calls was computed anew by each refresh, and stored nowhere.
#[tokio::test(start_paused = true)]
async fn what_a_refresh_in_the_background_calls_is_cached_where_its_caller_is() {
    let cache = Cache::new(CacheConfig::default());
    let runs = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let outer = || {
        let call = function("outer").ttl(SECOND).stale_while_revalidate(MINUTE);
        let call = call.of_arguments(&1);
        let runs = runs.clone();
        let run = || async move {
            let inner = function("inner").ttl(MINUTE);
            let run = || async { runs[1].fetch_add(1, Ordering::SeqCst) };
            inner.call(&1, run).await;
            runs[0].fetch_add(1, Ordering::SeqCst)
        };
        Box::pin(cache.scope(call.detached().run(run)))
    };
    assert_eq!(outer().await, 0);
    tokio::time::advance(2 * SECOND).await;
    until("it is stored", async || outer().await == 1).await;
    assert_eq!(runs[1].load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn past_its_window_a_stale_result_answers_nobody() {
    let gated = Gated::new(2);
    assert_eq!(gated.detached().await, 0);
    tokio::time::advance(SECOND + MINUTE).await;
    assert_eq!(gated.detached().await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_stale_result_answers_in_place_of_an_error() {
    let cache = Cache::new(CacheConfig::default());
    let call = async |result: Result<u8, u8>| {
        let function = cache.function("f").ttl(SECOND).stale_if_error(MINUTE);
        function.try_call(&1, || async { result }).await
    };
    assert_eq!(call(Ok(1)).await, Ok(1));
    tokio::time::advance(2 * SECOND).await;
    assert_eq!(call(Err(2)).await, Ok(1));
    assert_eq!(cache.stats().stale_if_error, 1);
    tokio::time::advance(MINUTE).await;
    assert_eq!(call(Err(2)).await, Err(2));
}

#[tokio::test(start_paused = true)]
async fn a_soft_purge_makes_results_stale_and_a_hard_one_takes_them_away() {
    let gated = Gated::new(3);
    let call = async || {
        let function = gated.cache.function("f").stale_if_error(MINUTE);
        let result = function.try_call(&1, || async {
            let run = gated.runs.fetch_add(1, Ordering::SeqCst);
            if run == 0 { Ok(run) } else { Err("failed") }
        });
        result.await
    };
    assert_eq!(call().await, Ok(0));
    let soft = gated.cache.purge(Purge::pattern("nb:f:*").soft()).await;
    let _ = soft.expect("usable");
    tokio::time::advance(SECOND).await;
    assert_eq!((call().await, gated.runs()), (Ok(0), 2));
    let _ = gated
        .cache
        .function("f")
        .invalidate_all()
        .await
        .expect("usable");
    assert_eq!(call().await, Err("failed"));
}

#[tokio::test]
async fn what_was_computed_from_before_an_invalidation_is_never_served_after_it() {
    let gated = Gated::new(0);
    let early = gated.clone();
    let early = tokio::spawn(async move { early.call().await });
    until("it runs", async || gated.runs() == 1).await;
    let _ = gated.function().invalidate(&1).await.expect("usable");
    let late = gated.clone();
    let late = tokio::spawn(async move { late.call().await });
    tokio::task::yield_now().await;
    gated.gate.add_permits(2);
    assert_eq!(early.await.expect("no panic"), 0);
    assert_eq!(late.await.expect("no panic"), 1, "it asked after the purge");
    assert_eq!((gated.call().await, gated.runs()), (1, 2));
}
