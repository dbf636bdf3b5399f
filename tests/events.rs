//! Events: handlers run where an event is emitted, after what its rules purge.

#[path = "support/scripted.rs"]
mod scripted;
mod support;

use futures_util::FutureExt;
use neuralblitz_cache::EventFailureKind::{Panicked, Returned};
use neuralblitz_cache::{
    Cache, CacheConfig, CacheError, CacheErrorKind, CacheTags, EventContext, EventError,
    EventErrorKind, EventFailure, EventFailureKind, EventRule, Purged,
};
use scripted::{App, counted, ruled};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::error::Error;
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::redis::Redis;
use support::until;
use tokio::sync::{Barrier, Notify, Semaphore, mpsc};

const UPDATED: &str = "quantum_state_updated";

#[derive(Debug, Serialize, Deserialize)]
struct Updated {
    id: u32,
}

fn cache() -> Cache {
    Cache::new(CacheConfig::default())
}

fn kinds(error: &EventError) -> Vec<EventFailureKind> {
    error.failures().iter().map(EventFailure::kind).collect()
}

async fn failed<C: Serialize>(cache: &Cache, context: C) -> EventError {
    let emitted = cache.emit(UPDATED, context).await;
    emitted.expect_err("something failed")
}

async fn not_emitted(ctx: EventContext) {
    panic!("{} was not emitted", ctx.event());
}

/// Bears the tag that its path names.
fn tagged(config: CacheConfig) -> App {
    App::new(config, |parts, run| {
        let mut response = counted(run, &[]);
        let tag = parts.uri.path().trim_start_matches('/');
        response.extensions_mut().insert(CacheTags::new([tag]));
        response
    })
}

/// Counts its drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn an_event_of_which_nobody_knows_does_nothing() {
    let emitted = cache().emit("unheard_of", ()).await.expect("no error");
    assert_eq!((emitted.handlers, emitted.purged), (0, Purged::Applied));
}

#[tokio::test]
async fn all_handlers_of_an_event_run_at_once_and_no_others() {
    let (cache, met) = (cache(), Arc::new(Barrier::new(3)));
    for _ in 0..3 {
        let met = met.clone();
        cache.on_event(UPDATED, move |_: EventContext| {
            let met = met.clone();
            async move {
                met.wait().await;
            }
        });
    }
    cache.on_event("another", not_emitted);
    let emitted = cache.emit(UPDATED, json!({})).await.expect("no error");
    assert_eq!(emitted.handlers, 3);
}

#[tokio::test]
async fn a_context_is_json_or_of_the_type_that_a_handler_takes() {
    let (cache, (tell, mut told)) = (cache(), mpsc::unbounded_channel());
    let typed = tell.clone();
    cache.on_event(UPDATED, move |ctx: EventContext<Updated>| {
        let typed = typed.clone();
        async move { typed.send(format!("{} {}", ctx.event(), ctx.id)) }
    });
    cache.on_event::<Value, _, _>(UPDATED, move |ctx| {
        let tell = tell.clone();
        async move { tell.send(format!("{} {}", ctx.event(), ctx["id"])) }
    });
    cache.emit(UPDATED, Updated { id: 7 }).await.expect("typed");
    cache
        .emit(UPDATED, json!({ "id": 7, "x": 1 }))
        .await
        .expect("JSON");
    for _ in 0..4 {
        assert_eq!(
            told.recv().await.as_deref(),
            Some("quantum_state_updated 7")
        );
    }
}

#[tokio::test]
async fn a_context_of_another_type_is_the_failure_of_the_handler_that_takes_it() {
    let cache = cache();
    let line = line!() + 1;
    cache.on_event(UPDATED, |_: EventContext<Updated>| async {});
    cache.on_event(UPDATED, |_: EventContext| async {});
    let error = failed(&cache, json!({ "id": "seven" })).await;
    assert_eq!(kinds(&error), [EventFailureKind::ContextType]);
    assert_eq!(error.emitted().expect("the other").handlers, 1);
    let failure = &error.failures()[0];
    let at = failure.handler().expect("a handler");
    assert_eq!((at.file(), at.line()), (file!(), line));
    assert!(
        failure
            .source()
            .is_some_and(<dyn Error>::is::<serde_json::Error>)
    );
}

#[tokio::test]
async fn handlers_that_fail_stop_no_others_and_their_errors_are_returned_together() {
    let (cache, runs) = (cache(), Arc::new(AtomicUsize::new(0)));
    cache.on_event(UPDATED, |_: EventContext| async { Err::<(), _>("said no") });
    cache.on_event(UPDATED, |ctx: EventContext| async move {
        assert!(ctx["id"].is_null(), "it panics");
    });
    cache.on_event(UPDATED, |_: EventContext| -> std::future::Ready<()> {
        panic!("before its first await")
    });
    cache.on_event(UPDATED, |ctx: EventContext| async move {
        ctx.cache().purge_tag("").await
    });
    let counter = runs.clone();
    cache.on_event(UPDATED, move |_: EventContext| {
        counter.fetch_add(1, Ordering::SeqCst);
        async { Ok::<_, CacheError>(()) }
    });
    let error = failed(&cache, Updated { id: 1 }).await;
    assert_eq!(kinds(&error), [Returned, Panicked, Panicked, Returned]);
    assert_eq!(error.kind(), EventErrorKind::Failures);
    assert_eq!(error.event(), UPDATED);
    assert_eq!(error.emitted().expect("it was").handlers, 1);
    assert_eq!(runs.load(Ordering::SeqCst), 1);

    let said = error.failures()[0].source().map(ToString::to_string);
    assert_eq!(said.as_deref(), Some("said no"));
    let source = error.failures()[3].source().expect("an error");
    let refused: &CacheError = source.downcast_ref().expect("the handler's own");
    assert_eq!(refused.kind(), CacheErrorKind::InvalidKey);
    let first = error.source().expect("the first of them").to_string();
    assert_eq!(first, error.failures()[0].to_string());
    assert_eq!(error.to_string(), "event `quantum_state_updated`: 4 failed");
}

#[tokio::test(start_paused = true)]
async fn a_handler_has_a_minute() {
    let cache = cache();
    cache.on_event(UPDATED, |_: EventContext| pending::<()>());
    let error = failed(&cache, ()).await;
    assert_eq!(kinds(&error), [EventFailureKind::TimedOut]);
}

#[tokio::test]
async fn a_context_that_is_no_json_does_nothing() {
    let cache = Cache::new(ruled([EventRule::new(UPDATED).tag("all")]));
    cache.on_event(UPDATED, not_emitted);
    let keys_are_no_strings = HashMap::from([(vec![1], 1)]);
    let error = failed(&cache, keys_are_no_strings).await;
    assert_eq!(error.kind(), EventErrorKind::InvalidContext);
    assert!(error.emitted().is_none() && error.failures().is_empty());
    assert!(error.source().is_some());
    assert_eq!(cache.stats().purges, 0);
}

#[tokio::test]
async fn what_handlers_purge_is_told_if_they_return_it() {
    let dead = CacheConfig::builder().redis_url("redis://127.0.0.1:1/0");
    let cache = Cache::new(dead.build().expect("usable"));
    cache.on_event(UPDATED, |ctx: EventContext<Updated>| async move {
        ctx.cache().purge_tag(&format!("state:{}", ctx.id)).await
    });
    let emitted = cache
        .emit(UPDATED, Updated { id: 1 })
        .await
        .expect("queued");
    assert_eq!((emitted.handlers, emitted.purged), (1, Purged::Queued));
}

#[tokio::test]
async fn an_emit_whose_future_is_dropped_is_carried_out_all_the_same() {
    let rule = EventRule::new(UPDATED).tag("a");
    let app = tagged(ruled([rule]));
    app.get("/a").await;
    let (go_on, done) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (waits, tells) = (go_on.clone(), done.clone());
    app.cache.on_event(UPDATED, move |_: EventContext| {
        let (waits, tells) = (waits.clone(), tells.clone());
        async move {
            waits.notified().await;
            tells.notify_one();
        }
    });
    // Polled once, and dropped.
    assert!(app.cache.emit(UPDATED, ()).now_or_never().is_none());
    assert!(!app.get("/a").await.is_hit());
    go_on.notify_one();
    done.notified().await;
}

#[tokio::test]
async fn a_handler_may_emit_other_events() {
    let cache = cache();
    cache.on_event("inner", |ctx: EventContext| async move {
        ctx.cache().set("seen", &*ctx, Duration::from_mins(1)).await
    });
    cache.on_event("outer", |ctx: EventContext| async move {
        let emitted = ctx.cache().emit("inner", &*ctx).await?;
        assert_eq!(emitted.handlers, 1);
        Ok::<_, EventError>(())
    });
    cache.emit("outer", 5).await.expect("no error");
    assert_eq!(cache.get("seen").await.expect("a key"), Some(5));
}

#[tokio::test]
async fn an_event_that_emits_itself_comes_to_an_end() {
    let cache = cache();
    cache.on_event(UPDATED, |ctx: EventContext<u32>| async move {
        let deeper = ctx.cache().emit(UPDATED, *ctx + 1).await;
        deeper.map(drop)
    });
    let mut error: &dyn Error = &failed(&cache, 0).await;
    while let Some(source) = error.source() {
        error = source;
    }
    assert!(error.to_string().contains("too many events"), "{error}");
}

#[tokio::test]
async fn the_last_handle_of_a_cache_frees_its_handlers_and_ends_those_that_run() {
    let (cache, dropped) = (cache(), Arc::new(AtomicUsize::new(0)));
    let started = Arc::new(Notify::new());
    let (captured, starts) = (Counted(dropped.clone()), started.clone());
    cache.on_event(UPDATED, move |ctx: EventContext| {
        let (running, captured) = (Counted(captured.0.clone()), &captured);
        assert_eq!(captured.0.load(Ordering::SeqCst), 0);
        starts.notify_one();
        async move {
            let _kept = (running, ctx.cache().clone());
            pending::<()>().await;
        }
    });
    assert!(cache.emit(UPDATED, ()).now_or_never().is_none());
    started.notified().await;
    let other = cache.clone();
    drop(cache);
    tokio::task::yield_now().await;
    assert_eq!(dropped.load(Ordering::SeqCst), 0);
    drop(other);
    until("all is freed", async || dropped.load(Ordering::SeqCst) == 2).await;
    until("nothing is held", async || Arc::strong_count(&dropped) == 1).await;
}

#[test]
fn without_a_runtime_handlers_do_not_run_and_rules_purge_all_the_same() {
    let cache = Cache::new(ruled([EventRule::new(UPDATED).tag("a")]));
    cache.on_event(UPDATED, |_: EventContext| async {});
    let emitted = cache.emit(UPDATED, ()).now_or_never().expect("at once");
    let error = emitted.expect_err("no runtime");
    assert_eq!(kinds(&error), [EventFailureKind::NoRuntime]);
    assert_eq!(error.emitted().expect("purged").purged, Purged::Applied);
    assert_eq!(cache.stats().purges, 1);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_handlers_and_then_ends_them() {
    let cache = cache();
    let go_on = Arc::new(Semaphore::new(0));
    let let_go = go_on.clone();
    cache.on_event("short", move |_: EventContext| {
        let go_on = go_on.clone();
        async move { drop(go_on.acquire_owned().await) }
    });
    cache.on_event("long", |_: EventContext| pending::<()>());
    let short = tokio::spawn({
        let cache = cache.clone();
        async move { cache.emit("short", ()).await }
    });
    let long = tokio::spawn({
        let cache = cache.clone();
        async move { cache.emit("long", ()).await }
    });
    tokio::task::yield_now().await;
    let mut shutdown = pin!(cache.shutdown());
    assert!((&mut shutdown).now_or_never().is_none(), "it waits");
    let_go.add_permits(1);
    shutdown.await;
    let short = short.await.expect("it ran").expect("it ended well");
    assert_eq!(short.handlers, 1);
    let long = long.await.expect("it ran").expect_err("ended");
    assert_eq!(kinds(&long), [EventFailureKind::Ended]);
}

#[tokio::test]
async fn what_a_handler_fetches_anew_is_not_caught_by_the_rules_of_its_event() {
    let redis = Redis::start().await;
    let rule = EventRule::new(UPDATED).pattern("nb:state:{id}");
    let config = redis.config().event_rule(rule).build().expect("usable");
    let cache = Cache::new(config);
    cache.on_event(UPDATED, |ctx: EventContext<Updated>| async move {
        let name = format!("state:{}", ctx.id);
        ctx.cache().set(&name, "new", Duration::from_mins(1)).await
    });
    for id in 0..50 {
        let emitted = cache.emit(UPDATED, Updated { id }).await.expect("no error");
        assert_eq!(emitted.purged, Purged::Applied);
        let warmed = cache.get::<String>(&format!("state:{id}")).await;
        assert_eq!(warmed.expect("a key").as_deref(), Some("new"));
    }
}
