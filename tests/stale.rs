//! A stale answer at once, while a newer one is fetched (RFC 5861 §3): who gets one, and when.

#[path = "support/counted.rs"]
mod counted;
#[path = "support/staged.rs"]
mod staged;
mod support;

use futures_util::future::join_all;
use neuralblitz_cache::{CacheConfig, CacheConfigBuilder, CacheLayer, ClientDirectives};
use staged::{
    App, FRESH, Fields, SOURCES, TEN, Window, is_stale, number, said, secs, told, while_revalidate,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::advance;

/// Runs answer with their number; all but the first wait to be let go.
fn gated(gate: &Arc<Semaphore>) -> App {
    let gate = gate.clone();
    App::new(while_revalidate(30), move |_, run| {
        let gate = gate.clone();
        async move {
            if run > 0 {
                gate.acquire().await.expect("open").forget();
            }
            Ok(number(run, TEN))
        }
    })
}

fn closed() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(0))
}

/// The number of the run, whatever is asked.
fn numbered(config: CacheConfigBuilder, fields: Fields<'static>) -> App {
    App::new(config, move |_, run| async move { Ok(number(run, fields)) })
}

#[tokio::test(start_paused = true)]
async fn a_stale_entry_is_served_while_one_refresh_runs() {
    let gate = closed();
    let app = gated(&gate);
    app.get().await;
    advance(secs(12)).await;
    for answer in join_all((0..50).map(|_| app.get())).await {
        assert_eq!(answer.text(), "0");
        assert_eq!(
            answer.cache(),
            "neuralblitz-cache; hit; ttl=-2; detail=stale-while-revalidate"
        );
        assert_eq!(answer.header("age"), "12");
    }
    app.running(2).await;
    let stats = app.cache.stats();
    assert_eq!(stats.refreshes_under_way, 1);
    assert_eq!(stats.stale_while_revalidate, 50);
    gate.add_permits(1);
    app.idle().await;
    let fresh = app.get().await;
    assert_eq!(fresh.text(), "1");
    assert_eq!(fresh.cache(), "neuralblitz-cache; hit; ttl=10");
    assert_eq!(app.runs(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_the_stale_answer_is_told_that_it_has_it() {
    let app = numbered(while_revalidate(30), TEN);
    app.get().await;
    let etag = app.get().await.header("etag").to_owned();
    advance(secs(12)).await;
    let answer = app.get_with(&[("if-none-match", &etag)]).await;
    assert_eq!(answer.status, 304);
    assert!(is_stale(&answer), "{}", answer.cache());
    app.idle().await;
    assert_eq!(app.get().await.text(), "1");
}

#[tokio::test(start_paused = true)]
async fn past_the_window_a_request_waits_for_the_handler() {
    let app = numbered(while_revalidate(30), TEN);
    app.get().await;
    advance(secs(40)).await;
    let answer = app.get().await;
    assert_eq!(answer.text(), "1");
    assert_eq!(answer.cache(), "neuralblitz-cache; fwd=stale; stored");
}

#[tokio::test(start_paused = true)]
async fn past_the_window_a_request_waits_for_the_refresh_that_runs() {
    let gate = closed();
    let app = gated(&gate);
    app.get().await;
    advance(secs(39)).await;
    assert_eq!(app.get().await.text(), "0");
    app.running(2).await;
    advance(secs(1)).await;
    let open = async {
        tokio::task::yield_now().await;
        gate.add_permits(1);
    };
    let (answer, ()) = tokio::join!(app.get(), open);
    assert_eq!(answer.text(), "1");
    assert_eq!(answer.cache(), "neuralblitz-cache; fwd=stale; collapsed");
    assert_eq!(app.runs(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_head_request_is_answered_stale_and_refreshes_nothing() {
    let app = numbered(while_revalidate(30), TEN);
    app.get().await;
    advance(secs(12)).await;
    let answer = app.head().await;
    assert!(is_stale(&answer), "{}", answer.cache());
    assert_eq!((answer.text(), answer.header("content-length")), ("", "1"));
    assert_eq!(app.cache.stats().refreshes_under_way, 0);
    app.get().await;
    app.idle().await;
    assert!(app.head().await.is_hit());
    assert_eq!(app.runs(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_may_not_be_stored_is_answered_stale_and_refreshes_nothing() {
    let app = numbered(while_revalidate(30), TEN);
    app.get().await;
    advance(secs(12)).await;
    let answer = app.get_with(&[("cache-control", "no-store")]).await;
    assert!(is_stale(&answer), "{}", answer.cache());
    app.idle().await;
    assert_eq!(app.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_wants_a_fresh_answer_gets_one_where_it_is_obeyed() {
    for directive in ["no-cache", "max-age=60", "max-age=0", "min-fresh=1"] {
        let obey = while_revalidate(30).client_directives(ClientDirectives::Obey);
        for (config, expected) in [(obey, "1"), (while_revalidate(30), "0")] {
            let app = numbered(config, TEN);
            app.get().await;
            advance(secs(12)).await;
            let answer = app.get_with(&[("cache-control", directive)]).await;
            assert_eq!(answer.text(), expected, "{directive}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn with_credentials_only_what_is_for_everybody_is_answered_stale() {
    let public: Fields<'static> = &[("cache-control", "public, max-age=10")];
    for (fields, expected) in [(TEN, "2"), (public, "0")] {
        let app = numbered(while_revalidate(30), fields);
        let ann: Fields<'static> = &[("authorization", "ann")];
        for who in [ann, &[]] {
            app.get_with(who).await;
        }
        advance(secs(12)).await;
        let answer = app.get_with(&[("authorization", "bob")]).await;
        assert_eq!(answer.text(), expected, "{fields:?}");
        assert_eq!(is_stale(&answer), expected == "0", "{}", answer.cache());
    }
}

#[tokio::test(start_paused = true)]
async fn what_must_be_revalidated_is_never_served_stale() {
    for control in [
        "max-age=10, must-revalidate",
        "max-age=10, proxy-revalidate",
        "max-age=10, must-revalidate, stale-while-revalidate=60",
        "max-age=10, no-cache, stale-while-revalidate=60",
        "s-maxage=10",
    ] {
        let config = while_revalidate(30).build().expect("usable");
        let layer = CacheLayer::new(config).override_ttl(secs(FRESH));
        let layer = layer.stale_while_revalidate(secs(30));
        let app = App::behind(&layer, move |_, run| async move {
            Ok(number(run, &[("cache-control", control)]))
        });
        app.get().await;
        assert!(app.get().await.is_hit(), "{control}");
        advance(secs(12)).await;
        assert_eq!(app.get().await.text(), "1", "{control}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_all_that_say_for_how_long_the_first_counts() {
    for (at, source) in SOURCES.iter().enumerate() {
        let window = said(source);
        for (after, stale) in [(window - 1, true), (window, false)] {
            let app = told(Window::WhileRevalidate, &SOURCES[at..]);
            app.get().await;
            advance(secs(FRESH + after)).await;
            let answer = app.get().await;
            assert_eq!(is_stale(&answer), stale, "{source}: {}", answer.cache());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_window_of_zero_is_one_that_was_named() {
    let layer = CacheLayer::new(while_revalidate(30).build().expect("usable"));
    let layer = layer.stale_while_revalidate(Duration::ZERO);
    let app = App::behind(&layer, |_, run| async move { Ok(number(run, TEN)) });
    app.get().await;
    advance(secs(12)).await;
    assert_eq!(app.get().await.text(), "1");
}

#[tokio::test(start_paused = true)]
async fn a_window_may_be_without_end() {
    let config = CacheConfig::builder().stale_while_revalidate(Duration::MAX);
    let app = numbered(config, TEN);
    app.get().await;
    advance(Duration::from_hours(24 * 365)).await;
    assert!(is_stale(&app.get().await));
}

/// What is less than a second was cut off once, and so the window was none.
#[tokio::test(start_paused = true)]
async fn a_window_may_be_shorter_than_a_second() {
    let config = CacheConfig::builder().stale_while_revalidate(Duration::from_millis(900));
    let app = numbered(config, TEN);
    app.get().await;
    advance(Duration::from_millis(10_500)).await;
    let answer = app.get().await;
    assert!(is_stale(&answer), "{}", answer.cache());
}

#[tokio::test(start_paused = true)]
async fn what_was_purged_is_a_miss_and_never_stale() {
    for everything in [false, true] {
        for (before, after) in [(5, 7), (12, 0)] {
            let app = numbered(while_revalidate(30).stale_if_error(secs(30)), TEN);
            app.get().await;
            advance(secs(before)).await;
            let _ = match everything {
                true => app.cache.clear().await,
                false => app.purge().await,
            };
            advance(secs(after)).await;
            let answer = app.get().await;
            assert_eq!(answer.text(), "1");
            assert_eq!(answer.cache(), "neuralblitz-cache; fwd=uri-miss; stored");
        }
    }
}
