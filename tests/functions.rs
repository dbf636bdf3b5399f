//! Results of functions in the local tier: what one call is, what is stored, what is coalesced.

mod support;

use neuralblitz_cache::{Cache, CacheConfig, CacheErrorKind, Purged, function, get_cache};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use support::until;
use tokio::sync::Semaphore;

const MINUTE: Duration = Duration::from_mins(1);

fn local() -> Cache {
    Cache::new(CacheConfig::default())
}

/// Counts its runs, and says how many there were.
#[derive(Clone, Default)]
struct Runs(Arc<AtomicUsize>);

impl Runs {
    fn next(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst)
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// A call of the function `prefix` that says the number of its run.
async fn numbered(cache: &Cache, prefix: &'static str, argument: u32, runs: &Runs) -> usize {
    let function = cache.function(prefix);
    function.call(&argument, || async { runs.next() }).await
}

#[tokio::test]
async fn a_call_that_was_made_before_is_answered_without_a_run() {
    let (cache, runs) = (local(), Runs::default());
    for _ in 0..3 {
        assert_eq!(numbered(&cache, "f", 1, &runs).await, 0);
    }
    assert_eq!(numbered(&cache, "f", 2, &runs).await, 1);
    assert_eq!(numbered(&cache, "g", 1, &runs).await, 2);
    assert_eq!((cache.stats().local_hits, cache.stats().misses), (2, 3));
}

#[tokio::test]
async fn functions_with_one_prefix_are_told_apart_by_their_names() {
    let cache = local();
    let call = async |name: &'static str| {
        let function = cache.function("f").name(name);
        function.call(&1, || async move { name.to_owned() }).await
    };
    assert_eq!((call("a").await, call("b").await), ("a".into(), "b".into()));
    let _ = cache.function("f").name("a").invalidate_all().await;
    let kept = cache.function("f").name("b");
    let kept: String = kept.call(&1, || async { unreachable!() }).await;
    assert_eq!(kept, "b");
}

#[tokio::test]
async fn what_the_condition_refuses_is_not_stored() {
    let (cache, runs) = (local(), Runs::default());
    let call = async || {
        let function = cache.function("f").condition(|run: &usize| *run > 0);
        function.call(&1, || async { runs.next() }).await
    };
    assert_eq!((call().await, call().await, call().await), (0, 1, 1));
}

#[tokio::test]
async fn an_error_is_not_stored() {
    let (cache, runs) = (local(), Runs::default());
    let call = async || {
        let run = || async { Some(runs.next()).filter(|run| *run > 0).ok_or("failed") };
        cache.function("f").try_call(&1, run).await
    };
    assert_eq!((call().await, call().await), (Err("failed"), Ok(1)));
    assert_eq!(call().await, Ok(1));
}

#[tokio::test]
async fn errors_and_none_in_what_is_encoded_are_stored_where_that_is_asked_for() {
    type Fetched = Result<Option<usize>, String>;
    let (cache, runs) = (local(), Runs::default());
    let call = async |argument: u32, stored: bool| {
        let function = cache.function("f").store_none(stored).store_errors(stored);
        let run = || async {
            match (runs.next(), argument) {
                (_, 0) => Fetched::Ok(None),
                (run, _) => Err(run.to_string()),
            }
        };
        function.call(&argument, run).await
    };
    for (argument, stored, expected) in [(0, false, 2), (1, false, 4), (0, true, 5), (1, true, 6)] {
        let (first, second) = (call(argument, stored).await, call(argument, stored).await);
        assert_eq!(runs.count(), expected, "{first:?}");
        assert_eq!(first == second, stored || argument == 0);
    }
}

#[tokio::test]
async fn one_call_is_invalidated_and_the_others_stay() {
    let (cache, runs) = (local(), Runs::default());
    for argument in [1, 2] {
        numbered(&cache, "f", argument, &runs).await;
    }
    let purged = cache.function("f").invalidate(&1u32).await;
    assert_eq!(purged.expect("usable"), Purged::Applied);
    assert_eq!(numbered(&cache, "f", 2, &runs).await, 1);
    assert_eq!(numbered(&cache, "f", 1, &runs).await, 2);
}

#[tokio::test]
async fn all_calls_of_a_function_are_invalidated_in_one_step() {
    let (cache, runs) = (local(), Runs::default());
    for (prefix, argument) in [("f", 1), ("f", 2), ("g", 1)] {
        numbered(&cache, prefix, argument, &runs).await;
    }
    let purges = cache.stats().purges;
    let _ = cache.function("f").invalidate_all().await.expect("usable");
    assert_eq!(cache.stats().purges, purges + 1);
    assert_eq!(numbered(&cache, "g", 1, &runs).await, 2);
    assert_eq!(numbered(&cache, "f", 1, &runs).await, 3);
    assert_eq!(numbered(&cache, "f", 2, &runs).await, 4);
}

#[tokio::test]
async fn results_are_purged_by_pattern_tag_class_and_altogether() {
    let (cache, runs) = (local(), Runs::default());
    let call = async || {
        let function = cache.function("f").class("c").tags(["t", "u:1"]);
        function.call(&1, || async { runs.next() }).await
    };
    assert_eq!(call().await, 0);
    let purges: [(&str, neuralblitz_cache::Purge); 5] = [
        ("prefix", neuralblitz_cache::Purge::pattern("nb:f:*")),
        ("glob", neuralblitz_cache::Purge::pattern("nb:f:[0-9a-f]*")),
        ("tag", neuralblitz_cache::Purge::tags(["u:1"])),
        ("class", neuralblitz_cache::Purge::class("c")),
        ("everything", neuralblitz_cache::Purge::everything()),
    ];
    for (run, (by, purge)) in purges.into_iter().enumerate() {
        assert_eq!(call().await, run, "before {by}");
        let _ = cache.purge(purge).await.expect("usable");
        assert_eq!(call().await, run + 1, "after {by}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_lasts_as_long_as_is_said_or_as_its_class_does() {
    let (cache, runs) = (local(), Runs::default());
    let table = [
        ("a", Some(7), 7),
        ("quantum_state", None, 300),
        ("consciousness", None, 180),
        ("multi_reality", None, 600),
        ("anything", None, 3600),
    ];
    for (prefix, said, seconds) in table {
        let call = async || {
            let function = match said {
                Some(said) => cache.function(prefix).ttl(Duration::from_secs(said)),
                None => cache.function(prefix),
            };
            function.call(&1, || async { runs.next() }).await
        };
        let first = call().await;
        tokio::time::advance(Duration::from_millis(seconds * 1000 - 1)).await;
        assert_eq!(call().await, first, "{prefix}");
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(call().await, first + 1, "{prefix}");
    }
}

#[tokio::test]
async fn nothing_is_stored_for_no_time_nor_if_it_is_too_large() {
    let config = CacheConfig::builder().max_body(100).build();
    let (cache, runs) = (Cache::new(config.expect("usable")), Runs::default());
    for _ in 0..2 {
        let function = cache.function("zero").ttl(Duration::ZERO);
        function.call(&1, || async { runs.next() }).await;
        let large = || async { "x".repeat(101 + runs.next()) };
        cache.function("large").call(&1, large).await;
    }
    assert_eq!((runs.count(), cache.stats().stored), (4, 0));
}

#[tokio::test]
async fn more_tags_than_can_be_stored_store_nothing() {
    let (cache, runs) = (local(), Runs::default());
    for _ in 0..2 {
        let function = cache.function("f").tags((0..65).map(|tag| tag.to_string()));
        function.call(&1, || async { runs.next() }).await;
    }
    assert_eq!((runs.count(), cache.stats().stored), (2, 0));
}

#[tokio::test]
async fn an_arc_is_handed_out_as_it_is() {
    let cache = local();
    let call = async || {
        let run = || async { Arc::new(vec![1u8; 1000]) };
        cache.function("f").call(&1, run).await
    };
    let first: Arc<Vec<u8>> = call().await;
    assert!(Arc::ptr_eq(&first, &call().await));
}

#[tokio::test]
async fn a_result_of_another_type_is_a_miss() {
    let cache = local();
    let one: u8 = cache.function("f").call(&1, || async { 1 }).await;
    let two: u16 = cache.function("f").call(&1, || async { 2 }).await;
    assert_eq!((one, two), (1, 2));
}

mod before {
    #[derive(Clone, serde::Serialize, serde::Deserialize)]
    pub(super) struct User {
        pub(super) name: String,
    }
}

/// The same name in another release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Grown {
    name: String,
    age: u8,
}

#[tokio::test]
async fn a_struct_that_has_gained_a_field_is_a_miss() {
    /// Writes as the earlier release did, reads as this one does: their types have one name.
    #[derive(Clone, Debug, PartialEq, Deserialize)]
    struct Both(Grown);

    impl Serialize for Both {
        fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            let name = self.0.name.clone();
            before::User { name }.serialize(to)
        }
    }

    let (cache, runs) = (local(), Runs::default());
    for run in 0..2 {
        let grown = || async {
            let age = u8::from(runs.next() > 0);
            let name = "a".into();
            Both(Grown { name, age })
        };
        assert_eq!(cache.function("f").call(&1, grown).await.0.age, run);
    }
    assert_eq!(cache.stats().stored, 2);
}

#[tokio::test]
async fn many_callers_at_once_wait_for_one_run() {
    let (cache, runs) = (local(), Runs::default());
    let gate = Arc::new(Semaphore::new(0));
    let call = || {
        let (cache, runs, gate) = (cache.clone(), runs.clone(), gate.clone());
        tokio::spawn(async move {
            let run = || async {
                let run = runs.next();
                let _open = gate.acquire().await.expect("open");
                run
            };
            cache.function("f").call(&1, run).await
        })
    };
    let first = call();
    until("it runs", async || runs.count() == 1).await;
    let others: Vec<_> = (0..50).map(|_| call()).collect();
    gate.add_permits(51);
    for other in others {
        assert_eq!(other.await.expect("no panic"), 0);
    }
    assert_eq!((first.await.expect("no panic"), runs.count()), (0, 1));
}

#[tokio::test]
async fn a_run_whose_caller_leaves_or_panics_or_fails_is_handed_over() {
    for how in ["leaves", "panics", "fails"] {
        let (cache, runs) = (local(), Runs::default());
        let gate = Arc::new(Semaphore::new(0));
        let call = || {
            let (cache, runs, gate) = (cache.clone(), runs.clone(), gate.clone());
            tokio::spawn(async move {
                let run = || async {
                    let run = runs.next();
                    let _open = gate.acquire().await.expect("open");
                    match (run, how) {
                        (0, "panics") => panic!("as it should"),
                        (0, "fails") => Err(()),
                        _ => Ok(run),
                    }
                };
                cache.function("f").try_call(&1, run).await
            })
        };
        let first = call();
        until("it runs", async || runs.count() == 1).await;
        let others: Vec<_> = (0..5).map(|_| call()).collect();
        tokio::task::yield_now().await;
        if how == "leaves" {
            first.abort();
        }
        gate.add_permits(10);
        for other in others {
            assert_eq!(other.await.expect("no panic"), Ok(1), "{how}");
        }
        assert_eq!(runs.count(), 2, "{how}");
    }
}

#[tokio::test]
async fn a_function_without_a_cache_runs() {
    let runs = Runs::default();
    for run in 0..2 {
        assert_eq!(function("f").call(&1, || async { runs.next() }).await, run);
    }
    let error = function("f").invalidate(&1).await.expect_err("no cache");
    assert_eq!(error.kind(), CacheErrorKind::NotInstalled);
}

#[tokio::test]
async fn a_scope_says_which_cache_is_meant() {
    let (outer, inner) = (local(), local());
    let call = || function("f").call(&1, || async { 1 });
    outer.scope(inner.scope(call())).await;
    assert_eq!((outer.stats().misses, inner.stats().misses), (0, 1));
    assert!(get_cache().is_none());
}

#[tokio::test]
async fn a_prefix_that_could_name_a_record_of_the_cache_is_refused() {
    let (cache, runs) = (local(), Runs::default());
    for prefix in ["", "{c}"] {
        numbered(&cache, prefix, 1, &runs).await;
        let error = cache.function(prefix).invalidate_all().await;
        let error = error.expect_err("reserved").kind();
        assert_eq!(error, CacheErrorKind::InvalidKey, "{prefix}");
    }
    assert_eq!((runs.count(), cache.stats().stored), (2, 0));
}

#[test]
fn without_a_runtime_the_function_runs() {
    let cache = local();
    let call = std::pin::pin!(cache.function("f").call(&1, || async { 1 }));
    let polled = call.poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(polled, Poll::Ready(1));
}

#[test]
fn a_call_is_send_where_the_function_is() {
    fn is_send<T: Send>(_: &T) {}
    let cache = local();
    is_send(&cache.function("f").call(&1, || async { 1 }));
    let detached = cache.function("f").of_arguments(&1).detached();
    is_send(&detached.try_run(|| async { Ok::<_, ()>(1) }));
}

#[tokio::test]
async fn what_a_function_borrows_need_not_be_static() {
    let cache = local();
    let names = [String::from("a")];
    let call = cache.function("f").ttl(MINUTE);
    let length = call.call(&names[0], || async { names[0].len() }).await;
    assert_eq!(length, 1);
}
