//! One fetch per key, and nobody held up by it.

mod support;

#[path = "support/counted.rs"]
mod counted;

use bytes::Bytes;
use counted::{App, Body, full, number, pending_while, text};
use futures_util::future::join_all;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use neuralblitz_cache::{CacheConfig, CacheLayer};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::redis::Redis;
use support::until;
use tokio::sync::{Barrier, Notify};
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt, service_fn};

async fn five_hundred(config: CacheConfig) {
    let go = Arc::new(Notify::new());
    let gate = go.clone();
    let app = App::new(config, move |run| {
        let gate = gate.clone();
        async move {
            gate.notified().await;
            Ok(number(run))
        }
    });
    let open = async {
        app.running(1).await;
        go.notify_one();
    };
    let (answers, ()) = tokio::join!(join_all((0..500).map(|_| app.get())), open);
    assert!(answers.iter().all(|answer| answer == "0"));
    assert_eq!(app.runs(), 1);
}

#[tokio::test]
async fn five_hundred_requests_for_a_cold_key_run_the_handler_once() {
    five_hundred(CacheConfig::default()).await;
}

#[tokio::test]
async fn five_hundred_requests_for_a_key_cold_in_redis_run_the_handler_once() {
    let redis = Redis::start().await;
    five_hundred(redis.config().build().expect("usable")).await;
}

#[tokio::test]
async fn followers_say_that_they_were_collapsed() {
    let go = Arc::new(Notify::new());
    let gate = go.clone();
    let app = App::local(move |run| {
        let gate = gate.clone();
        async move {
            gate.notified().await;
            Ok(number(run))
        }
    });
    let status = async || {
        let answer = app.call(&[]).await.expect("answered");
        let status = answer.headers()["cache-status"].clone();
        assert_eq!(text(answer).await, "0");
        status
    };
    let open = async {
        app.running(1).await;
        go.notify_one();
    };
    let (leader, follower, ()) = tokio::join!(status(), status(), open);
    assert_eq!(leader, "neuralblitz-cache; fwd=uri-miss; stored");
    assert_eq!(follower, "neuralblitz-cache; fwd=uri-miss; collapsed");
    assert_eq!(app.cache.stats().coalesced, 1);
}

#[tokio::test]
async fn on_a_route_known_to_be_uncacheable_nobody_waits() {
    let all = Arc::new(Barrier::new(50));
    let meet = all.clone();
    let app = App::local(move |run| {
        let meet = meet.clone();
        async move {
            if run > 0 {
                meet.wait().await;
            }
            let mut response = number(run);
            response
                .headers_mut()
                .insert("cache-control", "no-store".parse().expect("a value"));
            Ok(response)
        }
    });
    app.get().await;
    // Each run goes on only when all fifty run at once.
    let mut answers = join_all((0..50).map(|_| app.get())).await;
    answers.sort();
    answers.dedup();
    assert_eq!(answers.len(), 50, "everybody has an answer of their own");
}

#[tokio::test]
async fn followers_of_an_uncacheable_answer_go_on_in_parallel() {
    let (go, all) = (Arc::new(Notify::new()), Arc::new(Barrier::new(9)));
    let (gate, meet) = (go.clone(), all.clone());
    let app = App::local(move |run| {
        let (gate, meet) = (gate.clone(), meet.clone());
        async move {
            if run == 0 {
                gate.notified().await;
            } else {
                meet.wait().await;
            }
            let mut response = number(run);
            response
                .headers_mut()
                .insert("set-cookie", format!("id={run}").parse().expect("a value"));
            Ok(response)
        }
    });
    let open = async {
        app.running(1).await;
        go.notify_one();
    };
    let (mut answers, ()) = tokio::join!(join_all((0..10).map(|_| app.get())), open);
    answers.sort();
    answers.dedup();
    assert_eq!(answers.len(), 10);
}

/// The first run ends as told, while four others wait for it.
async fn handed_over<F, Fut>(end: F) -> (Vec<io::Result<String>>, usize)
where
    F: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = io::Result<Response<Body>>> + Send + 'static,
{
    let go = Arc::new(Notify::new());
    let gate = go.clone();
    let app = Arc::new(App::local(move |run| {
        let (gate, end) = (gate.clone(), end.clone());
        async move {
            if run > 0 {
                return Ok(number(run));
            }
            gate.notified().await;
            end().await
        }
    }));
    let calls: Vec<_> = (0..5)
        .map(|_| {
            let app = app.clone();
            tokio::spawn(async move {
                let answer = app.call(&[]).await?;
                match answer.status() {
                    StatusCode::OK => Ok(text(answer).await),
                    status => Err(io::Error::other(status.to_string())),
                }
            })
        })
        .collect();
    app.running(1).await;
    until("the others wait", async || {
        app.cache.stats().fetches_under_way == 1
    })
    .await;
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    go.notify_one();
    let answers = join_all(calls).await;
    let answers = answers
        .into_iter()
        .map(|a| a.unwrap_or_else(|e| Err(io::Error::other(e))));
    (answers.collect(), app.runs())
}

fn assert_handed_over((answers, runs): (Vec<io::Result<String>>, usize)) {
    let (good, bad): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!(bad.len(), 1, "the leader alone fails: {bad:?}");
    assert!(
        good.iter()
            .all(|answer| answer.as_deref().is_ok_and(|text| text == "1"))
    );
    assert_eq!(runs, 2);
}

#[tokio::test]
async fn a_failing_leader_hands_over_once() {
    assert_handed_over(handed_over(async || Err(io::Error::other("no"))).await);
}

#[tokio::test]
async fn a_panicking_leader_hands_over_once() {
    assert_handed_over(
        handed_over(async || panic!("the handler panics, as this test wants")).await,
    );
}

#[tokio::test]
async fn a_leader_that_answers_500_hands_over_once() {
    let failed = async || {
        let mut response = number(0);
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        Ok(response)
    };
    assert_handed_over(handed_over(failed).await);
}

#[tokio::test]
async fn a_dropped_leader_hands_over_once() {
    let app = Arc::new(App::local(|run| async move {
        if run == 0 {
            std::future::pending::<()>().await;
        }
        Ok(number(run))
    }));
    let calls: Vec<_> = (0..5)
        .map(|_| {
            let app = app.clone();
            tokio::spawn(async move { app.get().await })
        })
        .collect();
    app.running(1).await;
    let mut calls = calls.into_iter();
    // Spawned first, it came first, and leads.
    calls.next().expect("a leader").abort();
    for call in calls {
        assert_eq!(call.await.expect("answered"), "1");
    }
    assert_eq!(app.runs(), 2);
}

#[tokio::test]
async fn after_a_second_failure_all_go_on_in_parallel() {
    let (first, all) = (Arc::new(Notify::new()), Arc::new(Barrier::new(3)));
    let (gate, meet) = (first.clone(), all.clone());
    let app = App::local(move |run| {
        let (gate, meet) = (gate.clone(), meet.clone());
        async move {
            match run {
                0 => gate.notified().await,
                1 => {}
                _ => {
                    meet.wait().await;
                }
            }
            Err::<Response<Body>, _>(io::Error::other("no"))
        }
    });
    let open = async {
        app.running(1).await;
        first.notify_one();
    };
    let (answers, ()) = tokio::join!(join_all((0..5).map(|_| app.call(&[]))), open);
    assert!(answers.iter().all(Result::is_err));
    assert_eq!(app.runs(), 5);
}

#[tokio::test]
async fn each_variant_is_fetched_once() {
    let go = Arc::new(Notify::new());
    let gate = go.clone();
    let runs = Arc::new(AtomicUsize::new(0));
    let count = runs.clone();
    let handler = service_fn(move |request: Request<Empty<Bytes>>| {
        let (gate, run) = (gate.clone(), count.fetch_add(1, Ordering::SeqCst));
        async move {
            if run == 0 {
                gate.notified().await;
            }
            let lang = request.headers()["accept-language"]
                .to_str()
                .expect("text")
                .to_owned();
            let mut response = Response::new(full(lang));
            response
                .headers_mut()
                .insert("vary", "accept-language".parse().expect("a value"));
            Ok::<_, io::Error>(response)
        }
    });
    let service = CacheLayer::new(CacheConfig::default()).layer(BoxCloneSyncService::new(handler));
    let call = async |lang: &str| {
        let request = Request::get("/item").header("accept-language", lang);
        let request = request.body(Empty::<Bytes>::new()).expect("a request");
        let answer = service.clone().oneshot(request).await.expect("answered");
        assert_eq!(text(answer).await, lang);
    };
    let open = async {
        until("the handler runs", async || {
            runs.load(Ordering::SeqCst) == 1
        })
        .await;
        go.notify_one();
    };
    let calls = join_all((0..30).map(|i| call(["de", "en", "fr"][i % 3])));
    tokio::join!(calls, open);
    assert_eq!(runs.load(Ordering::SeqCst), 3);
}

async fn purged_meanwhile(config: CacheConfig) {
    let go = Arc::new(Notify::new());
    let gate = go.clone();
    let app = App::new(config, move |run| {
        let gate = gate.clone();
        async move {
            if run == 0 {
                gate.notified().await;
            }
            Ok(number(run))
        }
    });
    let mut leader = Box::pin(app.get());
    pending_while(&mut leader, app.running(1)).await;
    let purged = app.cache.purge_uri("/item");
    let _ = pending_while(&mut leader, purged).await.expect("a URI");
    let mut late = Box::pin(app.get());
    let waits = until("the late one follows", async || {
        app.cache.stats().fetches_under_way == 1
    });
    tokio::select! {
        biased;
        _ = &mut late => panic!("it waits for the leader"),
        _ = &mut leader => panic!("it waits for the gate"),
        () = waits => {}
    }
    go.notify_one();
    let (leader, late) = tokio::join!(leader, late);
    assert_eq!(leader, "0");
    assert_eq!(
        late, "1",
        "what began before the purge is not for who came after it"
    );
    assert_eq!(app.get().await, "1", "and a late fill is never served");
}

#[tokio::test]
async fn a_follower_takes_nothing_that_a_purge_it_could_know_of_covers() {
    purged_meanwhile(CacheConfig::default()).await;
}

#[tokio::test]
async fn the_same_with_redis() {
    let redis = Redis::start().await;
    purged_meanwhile(redis.config().build().expect("usable")).await;
}

#[tokio::test]
async fn nobody_waits_past_the_deadline() {
    let config = CacheConfig::builder().coalesce_timeout(Duration::from_millis(20));
    let app = App::new(config.build().expect("usable"), |run| async move {
        if run == 0 {
            std::future::pending::<()>().await;
        }
        Ok(number(run))
    });
    let mut leader = Box::pin(app.get());
    pending_while(&mut leader, app.running(1)).await;
    assert_eq!(pending_while(&mut leader, app.get()).await, "1");
}
