//! How long a refresh lives, and what may end it (RFC 5861 §3).

#[path = "support/counted.rs"]
mod counted;
#[path = "support/staged.rs"]
mod staged;
mod support;

use counted::{Body, streamed};
use http::{Method, Response};
use neuralblitz_cache::CacheTtl;
use staged::{App, Fields, TEN, is_stale, number, reply, request, secs, settle, while_revalidate};
use std::io;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use support::until;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::advance;

type Sender = mpsc::UnboundedSender<io::Result<&'static str>>;

/// Run 1 answers with a body that a test feeds.
fn fed(window: u64, fields: Fields<'static>) -> (Sender, App) {
    let (send, frames) = mpsc::unbounded_channel();
    let frames = Arc::new(Mutex::new(Some(frames)));
    let app = App::new(while_revalidate(window), move |_, run| {
        let frames = frames.clone();
        async move {
            if run != 1 {
                return Ok(number(run, fields));
            }
            let frames = frames.lock().expect("no panic").take();
            Ok(reply(200, fields, streamed(frames.expect("one refresh"))))
        }
    });
    (send, app)
}

/// Run 1 never answers; what it holds is dropped with it.
fn hanging(window: u64) -> (Arc<Semaphore>, App) {
    let held = Arc::new(Semaphore::new(0));
    let given = held.clone();
    let app = App::new(while_revalidate(window), move |_, run| {
        let held = given.clone();
        async move {
            if run == 1 {
                held.acquire().await.expect("open").forget();
            }
            Ok(number(run, TEN))
        }
    });
    (held, app)
}

#[tokio::test(start_paused = true)]
async fn a_refresh_goes_on_when_the_client_that_caused_it_has_gone() {
    let (send, app) = fed(30, TEN);
    app.get().await;
    advance(secs(12)).await;
    drop(app.call(request(Method::GET, &[])).await);
    app.running(2).await;
    for frame in ["a", "b", "c"] {
        send.send(Ok(frame)).expect("it is read");
        let answer = app.get().await;
        assert!(is_stale(&answer), "{}", answer.cache());
        assert_eq!(answer.text(), "0");
    }
    assert_eq!(app.cache.stats().fetches_under_way, 1);
    drop(send);
    app.idle().await;
    let fresh = app.get().await;
    assert!(fresh.is_hit());
    assert_eq!((fresh.text(), app.runs()), ("abc", 2));
}

/// One whose body took more than 30 s in all was given up once, however steadily it came.
#[tokio::test(start_paused = true)]
async fn a_slow_body_of_a_refresh_is_driven_to_its_end() {
    let (send, app) = fed(600, &[("cache-control", "max-age=100")]);
    app.get().await;
    advance(secs(101)).await;
    app.get().await;
    app.running(2).await;
    for frame in ["a", "b", "c", "d"] {
        settle().await;
        advance(secs(10)).await;
        let read = send.send(Ok(frame));
        assert!(read.is_ok(), "given up before {frame:?}");
    }
    drop(send);
    app.idle().await;
    assert_eq!(app.get().await.text(), "abcd");
}

/// Once a task that nobody owned had its body as soon as the head had come, and went on after a
/// shutdown.
#[tokio::test(start_paused = true)]
async fn a_refresh_is_owned_until_its_body_has_come() {
    let (send, app) = fed(30, TEN);
    app.get().await;
    advance(secs(12)).await;
    app.get().await;
    app.running(2).await;
    settle().await;
    assert_eq!(app.cache.stats().refreshes_under_way, 1);
    app.cache.shutdown().await;
    settle().await;
    assert!(send.is_closed(), "it is ended");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_a_refresh() {
    let (held, app) = hanging(30);
    app.get().await;
    advance(secs(12)).await;
    app.get().await;
    app.running(2).await;
    app.cache.shutdown().await;
    app.idle().await;
    held.add_permits(1);
    assert!(
        is_stale(&app.get().await),
        "and the next request tries again"
    );
    app.idle().await;
    assert_eq!((app.get().await.text(), app.runs()), ("2", 3));
    assert_eq!(held.available_permits(), 1);
}

/// A refresh once held the cache that owns it, for up to a minute.
#[tokio::test(start_paused = true)]
async fn the_last_handle_dropped_ends_a_refresh() {
    let (send, app) = {
        let (send, held) = mpsc::unbounded_channel::<()>();
        let held = Arc::new(Mutex::new(Some(held)));
        let app = App::new(while_revalidate(30), move |_, run| {
            let held = held.lock().expect("no panic").take_if(|_| run == 1);
            async move {
                if let Some(mut held) = held {
                    held.recv().await;
                }
                Ok(number(run, TEN))
            }
        });
        (send, app)
    };
    app.get().await;
    advance(secs(12)).await;
    app.get().await;
    app.running(2).await;
    settle().await;
    drop(app);
    settle().await;
    assert!(send.is_closed(), "it is ended");
}

/// Fresh for a millisecond, so that no clock need be paused; run 1 never answers.
fn quickly_stale() -> &'static App {
    static APP: OnceLock<App> = OnceLock::new();
    APP.get_or_init(|| {
        App::new(while_revalidate(600), |_, run| async move {
            if run == 1 {
                std::future::pending::<()>().await;
            }
            let mut response: Response<Body> = number(run, &[]);
            let ttl = if run == 0 { 1 } else { 60_000 };
            response
                .extensions_mut()
                .insert(CacheTtl(Duration::from_millis(ttl)));
            Ok(response)
        })
    })
}

#[test]
fn a_refresh_whose_runtime_has_ended_is_made_again_in_the_next_one() {
    let app = quickly_stale();
    let stale = async || {
        until("it is stale", async || is_stale(&app.get().await)).await;
    };
    let runtime = || tokio::runtime::Runtime::new().expect("a runtime");
    runtime().block_on(async {
        app.get().await;
        stale().await;
        app.running(2).await;
        assert_eq!(app.cache.stats().refreshes_under_way, 1);
    });
    assert_eq!(app.cache.stats().refreshes_under_way, 0);
    assert_eq!(app.cache.stats().fetches_under_way, 0);
    runtime().block_on(async {
        stale().await;
        app.idle().await;
        assert_eq!(app.get().await.text(), "2");
    });
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_hangs_ends_and_the_next_request_tries_again() {
    let (_held, app) = hanging(600);
    app.get().await;
    advance(secs(12)).await;
    app.get().await;
    app.running(2).await;
    advance(secs(61)).await;
    app.idle().await;
    assert_eq!(app.get().await.text(), "0");
    app.idle().await;
    assert_eq!(app.get().await.text(), "2");
}

#[tokio::test(start_paused = true)]
async fn what_a_refresh_brings_is_not_served_after_a_purge_that_came_meanwhile() {
    let (held, app) = hanging(30);
    app.get().await;
    advance(secs(12)).await;
    app.get().await;
    app.running(2).await;
    let _ = app.purge().await;
    let open = async {
        settle().await;
        held.add_permits(1);
    };
    let (late, ()) = tokio::join!(app.get(), open);
    assert_eq!(late.text(), "2");
    app.idle().await;
    let hit = app.get().await;
    assert!(hit.is_hit());
    assert_eq!((hit.text(), app.runs()), ("2", 3));
}

#[tokio::test(start_paused = true)]
async fn what_a_refresh_brings_is_not_stored_if_a_purge_comes_before_its_end() {
    let (send, app) = fed(30, TEN);
    app.get().await;
    advance(secs(12)).await;
    app.get().await;
    app.running(2).await;
    send.send(Ok("a")).expect("it is read");
    settle().await;
    let _ = app.purge().await;
    send.send(Ok("b")).expect("it is read");
    drop(send);
    app.idle().await;
    assert_eq!(app.cache.stats().stored, 1);
    let late = app.get().await;
    assert_eq!(late.cache(), "neuralblitz-cache; fwd=uri-miss; stored");
    assert_eq!(late.text(), "2");
}
