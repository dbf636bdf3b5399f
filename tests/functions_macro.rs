//! `#[cache_result]` and its presets.

use neuralblitz_cache::{
    Cache, CacheConfig, Purged, cache_api_response, cache_consciousness_metrics,
    cache_multi_reality, cache_quantum_state, cache_result,
};
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct User {
    id: u32,
    run: u32,
}

tokio::task_local! {
    static RUNS: Cell<u32>;
}

/// The number of this run of a function in the test that asks.
fn next() -> u32 {
    RUNS.with(|runs| runs.replace(runs.get() + 1))
}

/// A test with a cache of its own.
async fn with_cache<T>(test: impl AsyncFnOnce(Cache) -> T) -> T {
    let cache = Cache::new(CacheConfig::default());
    let test = test(cache.clone());
    cache.scope(RUNS.scope(Cell::new(0), test)).await
}

fn is_valid(user: &User) -> bool {
    user.id < 1000
}

/// A user.
#[cache_result(prefix = "user_data", ttl = 3600, condition = is_valid, tags = ["user:{user_id}", "users"])]
async fn get_user_data(user_id: u32) -> Result<User, io::Error> {
    let run = next();
    match user_id {
        0 => Err(io::Error::other(run.to_string())),
        id => Ok(User { id, run }),
    }
}

#[tokio::test]
async fn a_call_is_answered_by_an_earlier_one_until_it_is_invalidated() {
    with_cache(async |_| {
        let run = async |id| get_user_data(id).await.expect("a user").run;
        assert_eq!((run(123).await, run(7).await), (0, 1));
        assert_eq!((run(123).await, run(7).await), (0, 1));
        let purged = get_user_data::invalidate(123).await;
        assert_eq!(purged.expect("usable"), Purged::Applied);
        assert_eq!((run(123).await, run(7).await), (2, 1));
        let _ = get_user_data::invalidate_all().await.expect("usable");
        assert_eq!((run(123).await, run(7).await), (3, 4));
    })
    .await;
}

#[tokio::test]
async fn errors_and_what_the_condition_refuses_are_not_stored() {
    with_cache(async |_| {
        for run in 0..2 {
            let error = get_user_data(0).await.expect_err("an error");
            assert_eq!(error.to_string(), run.to_string());
        }
        for run in 2..4 {
            assert_eq!(get_user_data(1000).await.expect("a user").run, run);
        }
    })
    .await;
}

#[tokio::test]
async fn uncached_looks_nothing_up_and_stores_nothing() {
    with_cache(async |cache| {
        for run in 0..2 {
            assert_eq!(get_user_data::uncached(1).await.expect("a user").run, run);
        }
        assert_eq!(cache.stats().stored, 0);
    })
    .await;
}

#[tokio::test]
async fn tags_have_the_arguments_filled_in() {
    with_cache(async |cache| {
        let run = async |id| get_user_data(id).await.expect("a user").run;
        assert_eq!((run(1).await, run(2).await), (0, 1));
        let _ = cache.purge_tag("user:1").await.expect("usable");
        assert_eq!((run(1).await, run(2).await), (2, 1));
        let _ = cache.purge_tag("users").await.expect("usable");
        assert_eq!((run(1).await, run(2).await), (3, 4));
    })
    .await;
}

#[cache_result(prefix = "user_data", ttl = HOUR)]
async fn get_other_data(user_id: u32) -> u32 {
    user_id + next()
}

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test]
async fn functions_with_one_prefix_never_share_a_result() {
    with_cache(async |cache| {
        assert_eq!(get_user_data(1).await.expect("a user").run, 0);
        assert_eq!((get_other_data(1).await, get_other_data(1).await), (2, 2));
        let _ = get_other_data::invalidate_all().await.expect("usable");
        assert_eq!(get_user_data(1).await.expect("a user").run, 0);
        let _ = cache
            .delete_pattern("nb:user_data:*")
            .await
            .expect("usable");
        assert_eq!(get_user_data(1).await.expect("a user").run, 2);
    })
    .await;
}

#[tokio::test]
async fn functions_of_one_name_in_two_places_never_share_a_result() {
    mod a {
        #[neuralblitz_cache::cache_result(prefix = "p")]
        pub(super) async fn f(_id: u8) -> String {
            "a".into()
        }
    }
    mod b {
        #[neuralblitz_cache::cache_result(prefix = "p")]
        pub(super) async fn f(_id: u8) -> String {
            "b".into()
        }
    }
    with_cache(async |_| {
        assert_eq!((&*a::f(1).await, &*b::f(1).await), ("a", "b"));
    })
    .await;
}

#[tokio::test]
async fn an_option_is_stored_if_it_is_some_or_if_that_is_asked_for() {
    #[cache_result(prefix = "found")]
    async fn find(id: u32) -> Option<u32> {
        let run = next();
        (id > 0).then_some(run)
    }
    #[cache_result(prefix = "found", store_none)]
    async fn find_all(_id: u32) -> Option<u32> {
        next();
        None
    }
    with_cache(async |_| {
        assert_eq!((find(1).await, find(1).await), (Some(0), Some(0)));
        assert_eq!((find(0).await, find(0).await, next()), (None, None, 3));
        assert_eq!(
            (find_all(0).await, find_all(0).await, next()),
            (None, None, 5)
        );
    })
    .await;
}

#[tokio::test]
async fn errors_are_stored_if_that_is_asked_for() {
    #[cache_result(prefix = "failing", store_errors)]
    async fn fail(id: u32) -> Result<u32, String> {
        Err(format!("{id} {}", next()))
    }
    with_cache(async |_| {
        assert_eq!(fail(1).await, fail(1).await);
    })
    .await;
}

#[tokio::test]
async fn a_result_by_another_name_is_one_if_that_is_said() {
    struct NoValue;
    type Fetched<T> = std::result::Result<T, NoValue>;
    #[cache_result(prefix = "fetched", fallible, condition = |run: &u32| *run > 1)]
    async fn fetch() -> Fetched<u32> {
        match next() {
            0 => Err(NoValue),
            run => Ok(run),
        }
    }
    with_cache(async |_| {
        let run = async || fetch().await.ok();
        let runs = [run().await, run().await, run().await, run().await];
        assert_eq!(runs, [None, Some(1), Some(2), Some(2)]);
    })
    .await;
}

#[tokio::test]
async fn a_key_may_leave_arguments_out_that_are_no_part_of_the_question() {
    struct Database;
    #[cache_result(prefix = "keyed", key = (id, kind.len()))]
    async fn load(database: &Database, id: u32, kind: &str) -> u32 {
        let _ = (database, id, kind);
        next()
    }
    with_cache(async |_| {
        assert_eq!(load(&Database, 1, "a").await, 0);
        assert_eq!(load(&Database, 1, "b").await, 0);
        assert_eq!(load(&Database, 1, "bb").await, 1);
        let _ = load::invalidate(&Database, 1, "c").await.expect("usable");
        assert_eq!(load(&Database, 1, "b").await, 2);
    })
    .await;
}

#[tokio::test]
async fn generic_functions_and_borrowed_and_mutable_arguments_work() {
    #[cache_result(prefix = "generic", condition = |list| !list.is_empty())]
    async fn list<'a, T, const N: usize>(of: T, mut name: String, lent: &'a [&'a str]) -> Vec<T>
    where
        T: Serialize + serde::de::DeserializeOwned + Clone + Send + Sync + 'static,
    {
        name.push('x');
        next();
        vec![of; N + lent.len()]
    }
    with_cache(async |_| {
        for _ in 0..2 {
            assert_eq!(list::<u8, 2>(1, "a".into(), &["c"]).await, [1, 1, 1]);
            assert_eq!(list::<String, 1>("b".into(), "a".into(), &[]).await, ["b"]);
        }
        assert_eq!(next(), 2);
        let _ = list::invalidate::<u8, 2>(1, "a".into(), &["c"]).await;
        list::<u8, 2>(1, "a".into(), &["c"]).await;
        assert_eq!(next(), 4);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn stale_windows_are_those_of_the_attribute() {
    #[cache_result(
        prefix = "stale",
        ttl = 1,
        key = (),
        stale_while_revalidate = 60,
        stale_if_error = 600
    )]
    async fn keyed(runs: Arc<AtomicU32>) -> Result<u32, ()> {
        match runs.fetch_add(1, Ordering::SeqCst) {
            3 => Err(()),
            run => Ok(run),
        }
    }
    with_cache(async |_| {
        let runs = Arc::new(AtomicU32::new(0));
        assert_eq!(keyed(runs.clone()).await, Ok(0));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(
            keyed(runs.clone()).await,
            Ok(0),
            "while a newer one is made"
        );
        while keyed(runs.clone()).await == Ok(0) {
            tokio::task::yield_now().await;
        }
        assert_eq!(keyed(runs.clone()).await, Ok(1));
        runs.store(3, Ordering::SeqCst);
        tokio::time::advance(Duration::from_secs(100)).await;
        assert_eq!(keyed(runs.clone()).await, Ok(1), "in place of an error");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn presets_have_the_ttl_of_the_settings() {
    #[cache_quantum_state]
    async fn quantum() -> u32 {
        next()
    }
    #[cache_consciousness_metrics]
    async fn consciousness() -> u32 {
        next()
    }
    #[cache_multi_reality(tags = ["t"])]
    async fn reality() -> u32 {
        next()
    }
    #[cache_api_response]
    async fn response() -> u32 {
        next()
    }
    #[cache_quantum_state(ttl = 7)]
    async fn short() -> u32 {
        next()
    }
    macro_rules! lasts {
        ($function:ident, $seconds:expr) => {
            let first = $function().await;
            tokio::time::advance(Duration::from_millis($seconds * 1000 - 1)).await;
            assert_eq!($function().await, first, stringify!($function));
            tokio::time::advance(Duration::from_millis(1)).await;
            assert_eq!($function().await, first + 1, stringify!($function));
        };
    }
    with_cache(async |_| {
        lasts!(quantum, 300);
        lasts!(consciousness, 180);
        lasts!(reality, 600);
        lasts!(response, 900);
        lasts!(short, 7);
    })
    .await;
    let config = CacheConfig::builder().quantum_state_ttl(Duration::from_secs(5));
    let cache = Cache::new(config.build().expect("usable"));
    let test = async {
        lasts!(quantum, 5);
    };
    cache.scope(RUNS.scope(Cell::new(0), test)).await;
}

#[tokio::test]
async fn the_cache_may_be_given() {
    fn given() -> Cache {
        static GIVEN: std::sync::LazyLock<Cache> =
            std::sync::LazyLock::new(|| Cache::new(CacheConfig::default()));
        GIVEN.clone()
    }
    #[cache_result(prefix = "given", cache = given())]
    async fn load(id: u8) -> u8 {
        id
    }
    with_cache(async |other| {
        load(1).await;
        assert_eq!((given().stats().misses, other.stats().misses), (1, 0));
    })
    .await;
}

#[test]
fn what_cannot_be_cached_is_told_where_it_stands_and_what_to_do() {
    trybuild::TestCases::new().compile_fail("tests/misuse/*.rs");
}
