//! The memory of purged entries in Redis is given back, and of nothing else.

#[path = "support/scripted.rs"]
mod scripted;
mod support;

use neuralblitz_cache::{Purge, Purged};
use scripted::{App, counted};
use std::time::Duration;
use support::redis::Redis;
use support::until;

fn app(redis: &Redis, interval: Option<Duration>) -> App {
    let config = redis.config().sweep_interval(interval).build();
    App::new(config.expect("usable"), |_, run| counted(run, &[]))
}

async fn filled(app: &App) {
    for n in 0..300 {
        app.get(&format!("/gone/{n}")).await;
        app.get(&format!("/kept/{n}")).await;
    }
    until("written", async || app.cache.stats().queued_writes == 0).await;
}

#[tokio::test]
async fn what_is_purged_is_unlinked_and_nothing_else() {
    let redis = Redis::start().await;
    let app = app(&redis, Some(Duration::from_millis(50)));
    filled(&app).await;
    app.cache
        .set("value", &1, Duration::from_mins(1))
        .await
        .expect("set");
    assert_eq!(redis.keys().await.len(), 602, "with value and record");
    let purged = app.cache.purge(Purge::prefix("/gone/")).await;
    assert_eq!(purged.expect("a prefix"), Purged::Applied);
    // What comes after the purge stays.
    app.get("/gone/0").await;
    until("the sweep is done", async || {
        redis.keys().await.len() == 304
    })
    .await;
    assert_eq!(app.cache.stats().swept, 299);
    assert!(app.get("/gone/0").await.is_hit());
    for n in 0..300 {
        assert!(app.get(&format!("/kept/{n}")).await.is_hit(), "{n}");
    }
    assert_eq!(app.cache.get::<i32>("value").await.expect("a key"), Some(1));
    assert_eq!(app.cache.clear().await, Purged::Applied);
    until("all is unlinked", async || redis.keys().await.len() == 2).await;
}

#[tokio::test]
async fn what_is_softly_purged_stays() {
    let redis = Redis::start().await;
    let app = app(&redis, Some(Duration::from_millis(50)));
    filled(&app).await;
    let purged = app.cache.purge(Purge::prefix("/gone/").soft()).await;
    assert_eq!(purged.expect("a prefix"), Purged::Applied);
    let purged = app.cache.purge(Purge::uri("/kept/1")).await;
    assert_eq!(purged.expect("a URI"), Purged::Applied);
    until("one is gone", async || app.cache.stats().swept == 1).await;
    assert_eq!(redis.keys().await.len(), 601, "with record and list");
}
