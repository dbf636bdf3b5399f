//! Events told to the handlers of all instances.

mod support;

use neuralblitz_cache::{
    Cache, CacheConfig, CacheConfigBuilder, EventContext, EventFailureKind, EventRule, Purged,
};
use serde_json::json;
use std::time::Duration;
use support::redis::Redis;
use support::until;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

const CHANGED: &str = "settings_changed";

/// An instance that hears of events.
async fn hearing(config: CacheConfigBuilder) -> Cache {
    let cache = Cache::new(config.build().expect("usable"));
    until("it hears", async || cache.stats().coherent).await;
    cache
}

/// What handlers of this instance are given.
fn given(cache: &Cache) -> UnboundedReceiver<String> {
    let (tell, told) = unbounded_channel();
    cache.on_event(CHANGED, move |ctx: EventContext| {
        let told = tell.send(ctx["n"].to_string());
        async move { told }
    });
    told
}

#[tokio::test]
async fn handlers_of_all_instances_run_once_each() {
    let redis = Redis::start().await;
    let (a, b) = (hearing(redis.config()).await, hearing(redis.config()).await);
    let (mut at_a, mut at_b) = (given(&a), given(&b));
    for n in 0..20 {
        let emitted = a
            .emit_to_all(CHANGED, json!({ "n": n }))
            .await
            .expect("told");
        assert_eq!((emitted.handlers, emitted.purged), (1, Purged::Applied));
        assert_eq!(at_a.recv().await, Some(n.to_string()));
        assert_eq!(at_b.recv().await, Some(n.to_string()));
    }
    // What is emitted here alone comes between, and to nobody else.
    a.emit(CHANGED, json!({ "n": "here" }))
        .await
        .expect("no error");
    b.emit_to_all(CHANGED, json!({ "n": "last" }))
        .await
        .expect("told");
    assert_eq!(at_b.recv().await.as_deref(), Some("\"last\""));
    assert_eq!(at_a.recv().await.as_deref(), Some("\"here\""));
    assert_eq!(at_a.recv().await.as_deref(), Some("\"last\""));
    assert!(at_a.is_empty() && at_b.is_empty());
}

#[tokio::test]
async fn rules_have_purged_when_handlers_of_other_instances_run() {
    let redis = Redis::start().await;
    let rule = EventRule::new(CHANGED).pattern("nb:state:{n}");
    let a = hearing(redis.config().event_rule(rule)).await;
    let b = hearing(redis.config()).await;
    let (tell, mut told) = unbounded_channel();
    b.on_event(CHANGED, move |ctx: EventContext| {
        let tell = tell.clone();
        async move {
            let name = format!("state:{}", ctx["n"]);
            let found = ctx.cache().get::<u8>(&name).await;
            tell.send(found.expect("a key"))
        }
    });
    for n in 0..20 {
        let name = format!("state:{n}");
        b.set(&name, &1, Duration::from_mins(1)).await.expect("set");
        a.emit_to_all(CHANGED, json!({ "n": n }))
            .await
            .expect("told");
        assert_eq!(told.recv().await, Some(None));
    }
}

#[tokio::test]
async fn an_event_that_redis_does_not_take_is_handled_here() {
    let dead = CacheConfig::builder().redis_url("redis://127.0.0.1:1/0");
    let cache = Cache::new(dead.build().expect("usable"));
    let mut told = given(&cache);
    let error = cache.emit_to_all(CHANGED, json!({ "n": 1 })).await;
    let error = error.expect_err("nobody was told");
    assert_eq!(error.failures()[0].kind(), EventFailureKind::NotTold);
    assert_eq!(error.emitted().expect("here").handlers, 1);
    assert_eq!(told.recv().await.as_deref(), Some("1"));
}

#[tokio::test]
async fn an_event_that_is_too_large_is_handled_here() {
    let redis = Redis::start().await;
    let cache = hearing(redis.config()).await;
    let mut told = given(&cache);
    let large = json!({ "n": 1, "large": "x".repeat(64 << 10) });
    let error = cache.emit_to_all(CHANGED, large).await;
    let error = error.expect_err("nobody was told");
    assert_eq!(error.failures()[0].kind(), EventFailureKind::NotTold);
    assert_eq!(told.recv().await.as_deref(), Some("1"));
}

#[tokio::test]
async fn without_redis_there_is_nobody_to_be_told() {
    let cache = Cache::new(CacheConfig::default());
    let mut told = given(&cache);
    let emitted = cache.emit_to_all(CHANGED, json!({ "n": 1 })).await;
    assert_eq!(emitted.expect("no error").handlers, 1);
    assert_eq!(told.recv().await.as_deref(), Some("1"));
}

#[tokio::test]
async fn what_is_no_event_is_left_out_and_purges_are_heard_of_all_the_same() {
    let redis = Redis::start().await;
    let (a, b) = (hearing(redis.config()).await, hearing(redis.config()).await);
    let (mut told, mut connection) = (given(&b), redis.connection().await);
    for noise in ["", "x", "[]", r#"[2,1,"settings_changed",{"n":1}]"#] {
        let heard = redis::cmd("PUBLISH")
            .arg("nb:{c}:events@0")
            .arg(noise)
            .query_async::<u32>(&mut connection)
            .await;
        assert_eq!(heard.expect("published"), 2);
    }
    a.emit_to_all(CHANGED, json!({ "n": 2 }))
        .await
        .expect("told");
    assert_eq!(told.recv().await.as_deref(), Some("2"));
    assert!(b.stats().coherent && told.is_empty());
}
