//! Bodies that several requests share, frame by frame.

mod support;

#[path = "support/counted.rs"]
mod counted;

use bytes::Bytes;
use counted::{App, frame, full, number, pending_while, streamed, text};
use futures_util::future::join_all;
use http::Response;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use neuralblitz_cache::CacheConfig;
use std::io;
use std::sync::Arc;
use tokio::sync::{Barrier, Notify, mpsc};

#[tokio::test]
async fn followers_get_the_frames_as_the_leader_has_them() {
    let (send, frames) = mpsc::unbounded_channel();
    let frames = Arc::new(std::sync::Mutex::new(Some(frames)));
    let app = App::local(move |_| {
        let frames = frames.lock().expect("a lock").take().expect("one run");
        async move { Ok(Response::new(streamed(frames))) }
    });
    let mut leader = app.call(&[]).await.expect("a head").into_body();
    send.send(Ok("a")).expect("open");
    assert_eq!(frame(&mut leader).await.expect("one").expect("good"), "a");
    let mut follower = app.call(&[]).await.expect("a head").into_body();
    assert_eq!(frame(&mut follower).await.expect("one").expect("good"), "a");
    send.send(Ok("b")).expect("open");
    assert_eq!(frame(&mut follower).await.expect("one").expect("good"), "b");
    assert_eq!(frame(&mut leader).await.expect("one").expect("good"), "b");
    drop(send);
    assert!(frame(&mut follower).await.is_none() && frame(&mut leader).await.is_none());
    assert_eq!(app.get().await, "ab", "and it was stored");
    assert_eq!(app.runs(), 1);
}

#[tokio::test]
async fn a_leader_whose_client_reads_nothing_holds_nobody_up() {
    let app = App::local(|run| async move {
        let frames = (0..100).map(move |_| Ok(Frame::data(Bytes::from(format!("{run} ")))));
        let body = StreamBody::new(tokio_stream::iter(frames));
        Ok(Response::new(body.boxed_unsync()))
    });
    let leader = app.call(&[]).await.expect("a head");
    assert_eq!(app.get().await, "0 ".repeat(100));
    assert_eq!(app.get().await, "0 ".repeat(100));
    assert_eq!(text(leader).await, "0 ".repeat(100));
    assert_eq!(app.runs(), 1);
}

#[tokio::test]
async fn a_body_that_breaks_is_an_error_for_its_readers_and_never_a_hit() {
    let (send, frames) = mpsc::unbounded_channel();
    let frames = Arc::new(std::sync::Mutex::new(Some(frames)));
    let app = App::local(move |run| {
        let frames = frames.lock().expect("a lock").take();
        async move { Ok(frames.map_or_else(|| number(run), |frames| Response::new(streamed(frames)))) }
    });
    let mut leader = app.call(&[]).await.expect("a head").into_body();
    let mut follower = app.call(&[]).await.expect("a head").into_body();
    send.send(Ok("a")).expect("open");
    send.send(Err(io::Error::other("cut"))).expect("open");
    for body in [&mut leader, &mut follower] {
        assert_eq!(frame(body).await.expect("one").expect("good"), "a");
        assert!(frame(body).await.expect("one").is_err());
    }
    assert_eq!(app.get().await, "1");
}

#[tokio::test]
async fn a_body_that_its_only_reader_leaves_is_never_a_hit() {
    let (send, frames) = mpsc::unbounded_channel();
    let frames = Arc::new(std::sync::Mutex::new(Some(frames)));
    let app = App::local(move |run| {
        let frames = frames.lock().expect("a lock").take();
        async move { Ok(frames.map_or_else(|| number(run), |frames| Response::new(streamed(frames)))) }
    });
    let mut leader = app.call(&[]).await.expect("a head").into_body();
    send.send(Ok("a")).expect("open");
    assert_eq!(frame(&mut leader).await.expect("one").expect("good"), "a");
    drop(leader);
    assert_eq!(app.get().await, "1");
    assert_eq!(app.cache.stats().fetches_under_way, 0);
}

#[tokio::test]
async fn a_leader_that_leaves_at_the_head_takes_nobody_with_it() {
    let go = Arc::new(Notify::new());
    let gate = go.clone();
    let app = App::local(move |run| {
        let gate = gate.clone();
        async move {
            gate.notified().await;
            Ok(number(run))
        }
    });
    let mut follower = Box::pin(app.get());
    let mut leader = Box::pin(app.call(&[]));
    pending_while(&mut leader, app.running(1)).await;
    tokio::select! {
        biased;
        _ = &mut follower => panic!("it waits for the leader"),
        () = tokio::task::yield_now() => {}
    }
    go.notify_one();
    drop(leader.await.expect("a head"));
    assert_eq!(follower.await, "0");
    assert_eq!(app.runs(), 1);
}

#[tokio::test]
async fn a_body_past_the_limit_goes_on_untouched_for_all_who_read_it() {
    let (send, frames) = mpsc::unbounded_channel();
    let frames = Arc::new(std::sync::Mutex::new(Some(frames)));
    let config = CacheConfig::builder().max_body(5).build().expect("usable");
    let app = App::new(config, move |run| {
        let frames = frames.lock().expect("a lock").take();
        async move { Ok(frames.map_or_else(|| number(run), |frames| Response::new(streamed(frames)))) }
    });
    let leader = app.call(&[]).await.expect("a head");
    let follower = app.call(&[]).await.expect("a head");
    for _ in 0..10 {
        send.send(Ok("abc")).expect("open");
    }
    drop(send);
    let (leader, follower) = tokio::join!(text(leader), text(follower));
    assert_eq!(leader, "abc".repeat(10));
    assert_eq!(follower, leader);
    assert_eq!(app.get().await, "1", "and it was not stored");
}

#[tokio::test]
async fn followers_of_a_body_that_says_it_is_too_large_go_on_in_parallel() {
    let (go, all) = (Arc::new(Notify::new()), Arc::new(Barrier::new(4)));
    let (gate, meet) = (go.clone(), all.clone());
    let config = CacheConfig::builder().max_body(5).build().expect("usable");
    let app = App::new(config, move |run| {
        let (gate, meet) = (gate.clone(), meet.clone());
        async move {
            if run == 0 {
                gate.notified().await;
            } else {
                meet.wait().await;
            }
            Ok(Response::new(full(format!("too large {run}"))))
        }
    });
    let open = async {
        app.running(1).await;
        go.notify_one();
    };
    let (mut answers, ()) = tokio::join!(join_all((0..5).map(|_| app.get())), open);
    answers.sort();
    answers.dedup();
    assert_eq!(answers.len(), 5);
}
