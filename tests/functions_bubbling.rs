//! What purges a result purges what was made of it.

#[path = "support/counted.rs"]
mod counted;
mod support;

use counted::{App, full, number};
use http::Response;
use neuralblitz_cache::{CacheConfig, Function, Purge, carry, function, spawn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::redis::Redis;
use support::until;
use tokio::task::JoinSet;

/// A page that says the number of its run, and asks for user 1 first.
fn page(config: CacheConfig) -> App {
    App::new(config, async |run| {
        user(1).await;
        Ok(number(run))
    })
}

async fn get(app: &App) -> String {
    app.cache.scope(app.get()).await
}

fn users(id: u32) -> Function {
    function("users")
        .class("people")
        .tags([format!("user:{id}")])
}

async fn user(id: u32) -> u32 {
    users(id).call(&id, || async move { id }).await
}

#[tokio::test]
async fn a_purge_of_a_result_purges_the_page_made_of_it() {
    let app = page(CacheConfig::default());
    let invalidated = async |all| {
        let purged = match all {
            true => users(1).invalidate_all().await,
            false => users(1).invalidate(&1u32).await,
        };
        let _ = purged.expect("usable");
    };
    assert_eq!((&*get(&app).await, &*get(&app).await), ("0", "0"));
    for (run, by) in ["user:1", "people", "users", "one", "all"]
        .into_iter()
        .enumerate()
    {
        let purge = match by {
            "people" => Some(Purge::class(by)),
            "users" => Some(Purge::pattern("nb:users:*")),
            "one" | "all" => None,
            tag => Some(Purge::tags([tag])),
        };
        match purge {
            Some(purge) => drop(app.cache.purge(purge).await.expect("usable")),
            None => app.cache.scope(invalidated(by == "all")).await,
        }
        assert_eq!(get(&app).await, (run + 1).to_string(), "{by}");
        assert_eq!(get(&app).await, (run + 1).to_string(), "{by}");
    }
    let _ = app.cache.purge_tag("user:2").await.expect("usable");
    assert_eq!(get(&app).await, "5", "another one's");
}

#[tokio::test]
async fn a_result_that_was_stored_already_counts_too() {
    let app = page(CacheConfig::default());
    app.cache.scope(user(1)).await;
    assert_eq!((&*get(&app).await, app.cache.stats().local_hits), ("0", 1));
    let _ = app.cache.purge_tag("user:1").await.expect("usable");
    assert_eq!(get(&app).await, "1");
}

/// Three functions, one made of the other; each says its run.
async fn level(depth: u8, runs: &Arc<[AtomicUsize; 3]>) -> usize {
    let run = || async {
        if depth < 2 {
            Box::pin(level(depth + 1, runs)).await;
        }
        runs[usize::from(depth)].fetch_add(1, Ordering::SeqCst)
    };
    let function = function("level").tags([format!("level:{depth}")]);
    function.call(&depth, run).await
}

#[tokio::test]
async fn tags_rise_through_three_levels_and_no_further_down() {
    let runs: Arc<[AtomicUsize; 3]> = Arc::default();
    let within = runs.clone();
    let app = App::local(move |run| {
        let runs = within.clone();
        async move {
            level(0, &runs).await;
            Ok(number(run))
        }
    });
    let count = || [0, 1, 2].map(|level: usize| runs[level].load(Ordering::SeqCst));
    assert_eq!((&*get(&app).await, count()), ("0", [1, 1, 1]));
    let table = [(2, [2, 2, 2]), (1, [3, 3, 2]), (0, [4, 3, 2])];
    for (page, (level, expected)) in table.into_iter().enumerate() {
        let tag = format!("level:{level}");
        let _ = app.cache.purge_tag(&tag).await.expect("usable");
        assert_eq!(get(&app).await, (page + 1).to_string(), "{tag}");
        assert_eq!(count(), expected, "{tag}");
    }
}

#[tokio::test]
async fn results_in_joined_and_spawned_tasks_count() {
    let app = App::local(async |run| {
        tokio::join!(user(0), user(1));
        spawn(user(2)).await.expect("no panic");
        let mut tasks = JoinSet::new();
        tasks.spawn(carry(user(3)));
        tasks.join_all().await;
        Ok(number(run))
    });
    assert_eq!((&*get(&app).await, &*get(&app).await), ("0", "0"));
    for id in 0..4 {
        let purged = app.cache.purge_tag(&format!("user:{id}")).await;
        let _ = purged.expect("usable");
        assert_eq!(get(&app).await, (id + 1).to_string(), "user {id}");
    }
}

#[tokio::test]
async fn it_can_be_switched_off() {
    let config = CacheConfig::builder().tag_bubbling(false).build();
    let app = page(config.expect("usable"));
    assert_eq!(get(&app).await, "0");
    let _ = app.cache.purge_tag("user:1").await.expect("usable");
    assert_eq!(get(&app).await, "0");
}

#[tokio::test]
async fn a_page_of_more_parts_than_can_be_named_is_not_stored() {
    let app = App::local(async |run| {
        let parts = if run == 0 { 300 } else { 100 };
        for id in 0..parts {
            user(id).await;
        }
        Ok(number(run))
    });
    let pages = [get(&app).await, get(&app).await, get(&app).await];
    assert_eq!(pages, ["0", "1", "1"]);
}

#[tokio::test(start_paused = true)]
async fn a_page_made_of_something_stale_is_not_stored() {
    let app = App::local(async |run| {
        let function = function("f").ttl(Duration::from_secs(1));
        let function = function.stale_if_error(Duration::from_mins(1));
        let made = function.try_call(&1, || async move {
            match run {
                1 => Err(()),
                run => Ok(run),
            }
        });
        Ok(Response::new(full(format!("{run} {:?}", made.await))))
    });
    assert_eq!(
        (&*get(&app).await, &*get(&app).await),
        ("0 Ok(0)", "0 Ok(0)")
    );
    let _ = app.cache.purge_uri("/item").await.expect("usable");
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(get(&app).await, "1 Ok(0)", "stale");
    assert_eq!(
        (&*get(&app).await, &*get(&app).await),
        ("2 Ok(2)", "2 Ok(2)")
    );
}

#[tokio::test]
async fn a_tag_purged_on_one_instance_purges_the_pages_of_all() {
    let redis = Redis::start().await;
    let config = || redis.config().build().expect("usable");
    let (a, b) = (page(config()), page(config()));
    for app in [&a, &b] {
        until("connected", async || app.cache.stats().connected).await;
    }
    assert_eq!(get(&a).await, "0");
    until("it is in Redis", async || {
        a.cache.stats().queued_writes == 0
    })
    .await;
    assert_eq!((&*get(&b).await, b.runs()), ("0", 0));
    let _ = b.cache.purge_tag("user:1").await.expect("usable");
    assert_eq!((&*get(&a).await, a.runs()), ("1", 2));
}
