//! A way to Redis that is slow, loses replies or is closed, and a server that pauses. A load runs
//! throughout, and every answer is checked.

#[path = "support/fault_load.rs"]
mod fault_load;
#[path = "support/fault_stage.rs"]
mod fault_stage;
#[path = "support/proxy.rs"]
mod proxy;
mod support;

use fault_stage::Stage;
use proxy::{How, Spoil};
use std::time::Duration;
use support::until;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_that_come_late_by_another_time_each_are_waited_for_or_missed() {
    let mut stage = Stage::start("latency up to 80 ms").await;
    stage.proxy.jitter(Duration::from_millis(80));
    let confirmed = stage.confirmed();
    let seen = stage.suffer().await;
    assert_eq!(seen.fallback, 0);
    assert!(stage.confirmed() > confirmed);
    stage.proxy.jitter(Duration::ZERO);
    stage.recover().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_lost_in_a_hundred_costs_its_connection() {
    let mut stage = Stage::start("1 % of replies lost").await;
    stage.proxy.spoil(Some(Spoil {
        how: How::Lose,
        every: 100,
        longer_than: 0,
    }));
    stage.suffer().await;
    until("more than one is lost", async || stage.proxy.spoilt() > 1).await;
    stage.proxy.spoil(None);
    // Long before the next health check.
    until("the silent ones are given up", async || {
        stage.proxy.silent() == 0
    })
    .await;
    stage.recover().await;
}

/// One of four connections that says nothing once cost a quarter of all lookups the soft limit,
/// until the next health check.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_over_which_nothing_comes_is_given_up_after_one_timeout() {
    let mut stage = Stage::start("one reply lost").await;
    stage.proxy.spoil(Some(Spoil {
        how: How::Lose,
        every: 0,
        longer_than: 0,
    }));
    until("one is lost", async || stage.proxy.spoilt() == 1).await;
    until("it is given up", async || stage.proxy.silent() == 0).await;
    let seen = stage.suffer().await;
    assert_eq!(seen.fallback, 0, "redis is not left alone for it");
    stage.recover().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_pauses_is_left_alone_and_used_again_when_it_goes_on() {
    let mut stage = Stage::start("CLIENT PAUSE").await;
    let _: () = stage.say("CLIENT PAUSE 3000 ALL").await;
    stage.left_alone().await;
    stage.suffer().await;
    stage.recover().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_connections_are_made_anew() {
    let mut stage = Stage::start("CLIENT KILL").await;
    let mut killed = 0;
    for _ in 0..5 {
        killed += stage.say::<i64>("CLIENT KILL TYPE normal").await;
        killed += stage.say::<i64>("CLIENT KILL TYPE pubsub").await;
        stage.answered(40).await;
    }
    // Who stands with four and one for control, twice.
    assert!(killed >= 10, "{killed}");
    stage.suffer().await;
    stage.recover().await;
}
