//! A stale answer in place of a failure (RFC 5861 §4).

#[path = "support/counted.rs"]
mod counted;
#[path = "support/staged.rs"]
mod staged;
mod support;

use counted::full;
use futures_util::future::join_all;
use neuralblitz_cache::{CacheConfigBuilder, CacheLayer, ClientDirectives};
use staged::{
    App, FRESH, Fields, SOURCES, Said, TEN, Window, if_error, number, refused, reply, said, secs,
    settle, stands_in, told,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::web::Answer;
use tokio::sync::Semaphore;
use tokio::time::advance;

/// A status, or the error of the service.
fn fail(status: Option<u16>) -> Said {
    status.map_or_else(refused, |status| Ok(reply(status, &[], full("no"))))
}

/// Fails after its first run.
fn failing(config: CacheConfigBuilder, fields: Fields<'static>, status: Option<u16>) -> App {
    App::new(config, move |_, run| async move {
        match run {
            0 => Ok(number(run, fields)),
            _ => fail(status),
        }
    })
}

/// What comes of a failure 2 s after the entry has grown stale.
async fn failed(app: &App, fields: Fields<'_>) -> std::io::Result<Answer> {
    app.get().await;
    advance(secs(FRESH + 2)).await;
    app.try_get(fields).await
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_answered_with_the_stale_entry() {
    for status in [None, Some(500), Some(502), Some(503), Some(504)] {
        let app = failing(if_error(30), TEN, status);
        let answer = failed(&app, &[]).await.expect("answered");
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "0"));
        let code = status.map_or(String::new(), |status| format!(" fwd-status={status};"));
        let member = format!("neuralblitz-cache; fwd=stale;{code} ttl=-2; detail=stale-if-error");
        assert_eq!(answer.cache(), member);
        assert_eq!(answer.header("age"), "12");
        assert_eq!(app.runs(), 2);
        let stats = app.cache.stats();
        assert_eq!((stats.stale_if_error, stats.fetches_under_way), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_failure_of_the_server_goes_out() {
    for status in [400, 403, 404, 410, 429, 501, 505] {
        let app = failing(if_error(30), TEN, Some(status));
        let answer = failed(&app, &[]).await.expect("answered");
        assert_eq!(answer.status, status);
        assert_eq!(answer.cache(), "neuralblitz-cache; fwd=stale");
    }
}

#[tokio::test(start_paused = true)]
async fn the_status_that_was_stored_is_the_one_answered() {
    let app = App::new(if_error(30), |_, run| async move {
        match run {
            0 => Ok(reply(404, TEN, full("gone"))),
            _ => refused(),
        }
    });
    let answer = failed(&app, &[]).await.expect("answered");
    assert_eq!((answer.status.as_u16(), answer.text()), (404, "gone"));
}

#[tokio::test(start_paused = true)]
async fn past_the_window_the_failure_goes_out() {
    for (after, stale) in [(29, true), (30, false)] {
        let app = failing(if_error(30), TEN, Some(503));
        app.get().await;
        advance(secs(FRESH + after)).await;
        let answer = app.get().await;
        assert_eq!(stands_in(&answer), stale, "{}", answer.cache());
    }
    let app = failing(if_error(30), TEN, None);
    app.get().await;
    advance(secs(40)).await;
    assert!(app.try_get(&[]).await.is_err());
}

/// The window is over when the handler fails, not when it is asked.
#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_longer_than_the_window_fails() {
    let gate = Arc::new(Semaphore::new(0));
    let app = gated(&gate);
    app.get().await;
    advance(secs(FRESH + 29)).await;
    let open = async {
        app.running(2).await;
        advance(secs(1)).await;
        gate.add_permits(1);
    };
    let (answer, ()) = tokio::join!(app.try_get(&[]), open);
    assert!(answer.is_err());
}

#[tokio::test(start_paused = true)]
async fn of_all_that_say_for_how_long_the_first_counts() {
    for (at, source) in SOURCES.iter().enumerate() {
        for (after, stale) in [(said(source) - 1, true), (said(source), false)] {
            let app = told(Window::IfError, &SOURCES[at..]);
            app.get().await;
            advance(secs(FRESH + after)).await;
            let answer = app.try_get(&[]).await;
            let answer = answer.is_ok_and(|answer| stands_in(&answer));
            assert_eq!(answer, stale, "{source}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_must_be_revalidated_stands_in_for_nothing() {
    for (control, stale) in [
        ("max-age=10, must-revalidate", false),
        ("max-age=10, proxy-revalidate", false),
        ("max-age=10, must-revalidate, stale-if-error=60", false),
        ("max-age=10, no-cache, stale-if-error=60", false),
        ("s-maxage=10", false),
        ("s-maxage=10, stale-if-error=60", true),
    ] {
        let layer = CacheLayer::new(if_error(30).build().expect("usable"));
        let layer = layer.override_ttl(secs(FRESH)).stale_if_error(secs(30));
        let app = App::behind(&layer, move |_, run| async move {
            match run {
                0 => Ok(number(run, &[("cache-control", control)])),
                _ => fail(Some(503)),
            }
        });
        let answer = failed(&app, &[]).await.expect("answered");
        assert_eq!(stands_in(&answer), stale, "{control}: {}", answer.cache());
        assert_eq!(app.runs(), 2, "it was stored: {control}");
    }
}

/// All runs but the first fail, each when it is let go.
fn gated(gate: &Arc<Semaphore>) -> App {
    let gate = gate.clone();
    App::new(if_error(30), move |_, run| {
        let gate = gate.clone();
        async move {
            if run == 0 {
                return Ok(number(run, TEN));
            }
            gate.acquire().await.expect("open").forget();
            refused()
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_hundred_requests_run_a_failing_handler_once() {
    let gate = Arc::new(Semaphore::new(0));
    let app = gated(&gate);
    app.get().await;
    advance(secs(12)).await;
    let open = async {
        app.running(2).await;
        settle().await;
        gate.add_permits(1);
    };
    let (answers, ()) = tokio::join!(join_all((0..100).map(|_| app.get())), open);
    for answer in &answers {
        assert!(stands_in(answer), "{}", answer.cache());
        assert_eq!(answer.text(), "0");
    }
    assert_eq!(app.runs(), 2);
    let stats = app.cache.stats();
    assert_eq!((stats.stale_if_error, stats.fetches_under_way), (100, 0));
}

#[tokio::test(start_paused = true)]
async fn a_failure_after_a_purge_goes_out() {
    let gate = Arc::new(Semaphore::new(0));
    let app = gated(&gate);
    app.get().await;
    advance(secs(12)).await;
    let open = async {
        app.running(2).await;
        settle().await;
        let _ = app.purge().await;
        gate.add_permits(9);
    };
    let requests = join_all((0..9).map(|_| app.try_get(&[])));
    let (answers, ()) = tokio::join!(requests, open);
    assert!(answers.iter().all(Result::is_err));
    assert_eq!(app.cache.stats().fetches_under_way, 0);
    gate.add_permits(1);
    assert!(app.try_get(&[]).await.is_err(), "nor later");
}

#[tokio::test(start_paused = true)]
async fn each_later_request_tries_the_handler_again() {
    let app = failing(if_error(30), TEN, None);
    failed(&app, &[]).await.expect("answered");
    for run in 3..6 {
        assert!(stands_in(&app.get().await));
        assert_eq!(app.runs(), run);
    }
}

#[tokio::test(start_paused = true)]
async fn after_its_recovery_the_answer_is_fresh_and_stored() {
    let app = App::new(if_error(30), |_, run| async move {
        match run {
            1 => refused(),
            _ => Ok(number(run, TEN)),
        }
    });
    let answer = failed(&app, &[]).await.expect("answered");
    assert!(stands_in(&answer));
    let fresh = app.get().await;
    assert_eq!(fresh.cache(), "neuralblitz-cache; fwd=stale; stored");
    assert_eq!(fresh.text(), "2");
    assert_eq!(app.get().await.cache(), "neuralblitz-cache; hit; ttl=10");
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_says_how_long_it_is_fresh_is_not_stored_either() {
    let app = App::new(if_error(30), |_, run| async move {
        match run {
            0 => Ok(number(run, TEN)),
            _ => Ok(reply(503, TEN, full("no"))),
        }
    });
    assert!(stands_in(&failed(&app, &[]).await.expect("answered")));
    assert!(stands_in(&app.get().await));
    assert_eq!(app.runs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_failed_leaves_an_entry_that_stands_in() {
    let app = failing(if_error(300).stale_while_revalidate(secs(30)), TEN, None);
    let stale = failed(&app, &[]).await.expect("answered");
    assert!(staged::is_stale(&stale), "{}", stale.cache());
    app.idle().await;
    advance(secs(60)).await;
    assert!(stands_in(&app.get().await));
    advance(secs(300)).await;
    assert!(app.try_get(&[]).await.is_err());
}

/// Who waits for a refresh that fails needs no more than one further run.
#[tokio::test(start_paused = true)]
async fn who_waits_for_a_refresh_that_fails_is_answered_stale() {
    let gate = Arc::new(Semaphore::new(0));
    let runs = Arc::new(AtomicUsize::new(0));
    let (given, counted) = (gate.clone(), runs.clone());
    let config = if_error(300).stale_while_revalidate(secs(30));
    let app = App::new(config, move |_, run| {
        let gate = given.clone();
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            if run == 0 {
                return Ok(number(run, TEN));
            }
            gate.acquire().await.expect("open").forget();
            refused()
        }
    });
    app.get().await;
    advance(secs(39)).await;
    app.get().await;
    app.running(2).await;
    advance(secs(1)).await;
    let open = async {
        settle().await;
        gate.add_permits(9);
    };
    let (answers, ()) = tokio::join!(join_all((0..9).map(|_| app.get())), open);
    assert!(answers.iter().all(stands_in));
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    app.idle().await;
}

#[tokio::test(start_paused = true)]
async fn a_head_and_a_conditional_request_are_answered_stale() {
    let app = failing(if_error(30), TEN, Some(500));
    app.get().await;
    let etag = app.get().await.header("etag").to_owned();
    advance(secs(12)).await;
    let head = app.head().await;
    assert!(stands_in(&head), "{}", head.cache());
    assert_eq!((head.text(), head.header("content-length")), ("", "1"));
    let unmodified = app.get_with(&[("if-none-match", &etag)]).await;
    assert_eq!(unmodified.status, 304);
    assert!(stands_in(&unmodified), "{}", unmodified.cache());
}

#[tokio::test(start_paused = true)]
async fn with_credentials_only_what_is_for_everybody_stands_in() {
    let public: Fields<'static> = &[("cache-control", "public, max-age=10")];
    for (fields, stale) in [(TEN, false), (public, true)] {
        let app = App::new(if_error(30), move |parts, run| async move {
            match parts.headers.contains_key("x-fail") {
                false => Ok(number(run, fields)),
                true => fail(Some(503)),
            }
        });
        app.get_with(&[("authorization", "ann")]).await;
        let bob: Fields<'static> = &[("authorization", "bob"), ("x-fail", "1")];
        let answer = failed(&app, bob).await.expect("answered");
        assert_eq!(stands_in(&answer), stale, "{}", answer.cache());
        let expected = if stale { "0" } else { "no" };
        assert_eq!(answer.text(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_wants_no_stored_answer_gets_the_failure_where_it_is_obeyed() {
    let no_cache: Fields<'static> = &[("cache-control", "no-cache")];
    let obey = if_error(30).client_directives(ClientDirectives::Obey);
    for (config, stale) in [(obey, false), (if_error(30), true)] {
        let app = failing(config, TEN, Some(503));
        let answer = failed(&app, no_cache).await.expect("answered");
        assert_eq!(stands_in(&answer), stale, "{}", answer.cache());
    }
}
