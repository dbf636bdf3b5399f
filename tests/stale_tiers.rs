//! Stale answers over several instances, and while Redis is left alone (RFC 5861).

#[path = "support/counted.rs"]
mod counted;
#[path = "support/staged.rs"]
mod staged;
mod support;

use counted::full;
use futures_util::future::join_all;
use neuralblitz_cache::{CacheConfigBuilder, Mode, Purged};
use staged::{App, TEN, is_stale, pass, refused, reply, secs, settle, stands_in};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use support::redis::Redis;
use support::until;
use support::web::Answer;
use tokio::sync::Semaphore;

/// An instance whose handler says who it is and which run; it can be made to wait or to fail.
struct Instance {
    app: App,
    fails: Arc<AtomicBool>,
    gate: Arc<Semaphore>,
}

impl Instance {
    fn new(name: &'static str, config: CacheConfigBuilder) -> Self {
        let (fails, gate) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(Semaphore::new(99)),
        );
        let given = (fails.clone(), gate.clone());
        let app = App::new(config, move |_, run| {
            let (fails, gate) = given.clone();
            async move {
                gate.acquire().await.expect("open").forget();
                match fails.load(Ordering::SeqCst) {
                    true => refused(),
                    false => Ok(reply(200, TEN, full(format!("{name} {run}")))),
                }
            }
        });
        Self { app, fails, gate }
    }

    fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::SeqCst);
    }

    /// From now on the handler waits until it is let go.
    fn hold(&self) {
        self.gate.forget_permits(usize::MAX >> 4);
    }

    fn let_go(&self) {
        self.gate.add_permits(99);
    }

    /// Asks until Redis is left alone.
    async fn alone(&self) {
        until("redis is left alone", async || {
            self.app.get().await;
            self.app.cache.stats().mode == Mode::Fallback
        })
        .await;
    }
}

async fn pair() -> (Redis, Instance, Instance) {
    let redis = Redis::start().await;
    let config = || {
        let config = redis.config().stale_while_revalidate(secs(30));
        config.stale_if_error(secs(300))
    };
    let (a, b) = (Instance::new("a", config()), Instance::new("b", config()));
    (redis, a, b)
}

#[tokio::test]
async fn what_one_instance_stored_another_serves_stale_and_refreshes_for_all() {
    let (_redis, a, b) = pair().await;
    a.app.get().await;
    a.app.idle().await;
    pass(secs(12)).await;
    b.hold();
    for answer in join_all((0..50).map(|_| b.app.get())).await {
        assert!(is_stale(&answer), "{}", answer.cache());
        assert_eq!(answer.text(), "a 0");
    }
    b.app.running(1).await;
    assert_eq!(b.app.cache.stats().refreshes_under_way, 1);
    b.let_go();
    b.app.idle().await;
    let fresh = a.app.get().await;
    assert!(fresh.is_hit() && !is_stale(&fresh), "{}", fresh.cache());
    assert_eq!(fresh.text(), "b 0");
    assert_eq!((a.app.runs(), b.app.runs()), (1, 1));
}

#[tokio::test]
async fn what_one_instance_purged_another_never_serves_stale() {
    let (_redis, a, b) = pair().await;
    a.app.get().await;
    a.app.idle().await;
    assert_eq!(b.app.get().await.text(), "a 0");
    pass(secs(12)).await;
    assert_eq!(a.app.purge().await, Purged::Applied);
    let answer = b.app.get().await;
    assert_eq!(answer.cache(), "neuralblitz-cache; fwd=uri-miss; stored");
    assert_eq!(answer.text(), "b 0");
}

#[tokio::test]
async fn what_a_refresh_brings_after_a_purge_by_another_instance_is_served_by_none() {
    let (_redis, a, b) = pair().await;
    a.app.get().await;
    a.app.idle().await;
    pass(secs(12)).await;
    b.hold();
    assert!(is_stale(&b.app.get().await));
    b.app.running(1).await;
    assert_eq!(a.app.purge().await, Purged::Applied);
    let open = async {
        settle().await;
        b.let_go();
    };
    let (late, ()) = tokio::join!(b.app.get(), open);
    assert_eq!(late.text(), "b 1", "not what began before the purge");
    b.app.idle().await;
    for instance in [&a, &b] {
        let answer = instance.app.get().await;
        assert!(answer.is_hit());
        assert_eq!(answer.text(), "b 1");
    }
}

#[tokio::test]
async fn what_a_late_refresh_brings_takes_no_newer_entry_away() {
    let (_redis, a, b) = pair().await;
    a.app.get().await;
    a.app.idle().await;
    pass(secs(12)).await;
    b.hold();
    assert!(is_stale(&b.app.get().await));
    b.app.running(1).await;
    assert_eq!(a.app.purge().await, Purged::Applied);
    assert_eq!(a.app.get().await.text(), "a 1");
    a.app.idle().await;
    b.let_go();
    b.app.idle().await;
    for instance in [&a, &b] {
        assert_eq!(instance.app.get().await.text(), "a 1");
    }
}

#[tokio::test]
async fn a_failure_after_a_purge_by_another_instance_goes_out() {
    for purged in [false, true] {
        let (_redis, a, b) = pair().await;
        a.app.get().await;
        a.app.idle().await;
        assert!(b.app.get().await.is_hit());
        pass(secs(60)).await;
        b.hold();
        b.fail(true);
        let purge = async {
            b.app.running(1).await;
            if purged {
                assert_eq!(a.app.purge().await, Purged::Applied);
            }
            b.let_go();
        };
        let (answer, ()) = tokio::join!(b.app.try_get(&[]), purge);
        match purged {
            true => assert!(answer.is_err()),
            false => assert!(stands_in(&answer.expect("answered"))),
        }
        assert_eq!(b.app.cache.stats().fetches_under_way, 0);
    }
}

#[tokio::test]
async fn a_failure_after_a_purge_by_the_same_instance_goes_out() {
    let (_redis, a, _b) = pair().await;
    a.app.get().await;
    a.app.idle().await;
    pass(secs(60)).await;
    a.hold();
    a.fail(true);
    let purge = async {
        a.app.running(2).await;
        assert_eq!(a.app.purge().await, Purged::Applied);
        a.let_go();
    };
    let (answer, ()) = tokio::join!(a.app.try_get(&[]), purge);
    assert!(answer.is_err());
}

#[tokio::test]
async fn a_failure_is_answered_with_what_another_instance_stored() {
    let (_redis, a, b) = pair().await;
    a.app.get().await;
    a.app.idle().await;
    pass(secs(60)).await;
    b.hold();
    b.fail(true);
    let open = async {
        b.app.running(1).await;
        b.let_go();
    };
    let (answers, ()) = tokio::join!(join_all((0..50).map(|_| b.app.get())), open);
    for answer in &answers {
        assert!(stands_in(answer), "{}", answer.cache());
        assert_eq!(answer.text(), "a 0");
    }
    assert_eq!(b.app.cache.stats().fetches_under_way, 0);
    b.fail(false);
    let fresh = b.app.get().await;
    assert_eq!(fresh.cache(), "neuralblitz-cache; fwd=stale; stored");
    b.app.idle().await;
    assert_eq!(a.app.get().await.text(), fresh.text());
}

/// One instance that has an entry of its own, and Redis killed.
async fn in_fallback() -> (Redis, Instance) {
    let (mut redis, a, _) = pair().await;
    a.app.get().await;
    a.app.idle().await;
    assert!(a.app.get().await.is_hit());
    redis.kill();
    a.alone().await;
    let answer = a.app.get().await;
    assert_eq!(answer.text(), "a 0");
    assert!(answer.cache().ends_with("; detail=fallback"));
    (redis, a)
}

#[tokio::test]
async fn in_fallback_a_failure_is_answered_with_the_stale_entry() {
    let (_redis, a) = in_fallback().await;
    a.fail(true);
    pass(secs(45)).await;
    let answer = a.app.get().await;
    assert!(stands_in(&answer), "{}", answer.cache());
    assert_eq!(answer.text(), "a 0");
    let purged = a.app.purge().await;
    assert_eq!(purged, Purged::Queued);
    assert!(a.app.try_get(&[]).await.is_err(), "never after a purge");
}

#[tokio::test]
async fn in_fallback_nothing_stands_in_longer_than_it_may() {
    let (_redis, a) = in_fallback().await;
    a.fail(true);
    pass(secs(61)).await;
    assert!(a.app.try_get(&[]).await.is_err());
}

#[tokio::test]
async fn in_fallback_a_failure_after_a_purge_goes_out() {
    let (_redis, a) = in_fallback().await;
    pass(secs(45)).await;
    a.hold();
    a.fail(true);
    let runs = a.app.runs();
    let purge = async {
        a.app.running(runs + 1).await;
        assert_eq!(a.app.purge().await, Purged::Queued);
        a.let_go();
    };
    let (answer, ()) = tokio::join!(a.app.try_get(&[]), purge);
    assert!(answer.is_err());
}

/// What was fetched in an outage once never took the place of what came before it, so that the
/// handler ran for every request once the entry had grown stale.
#[tokio::test]
async fn in_fallback_a_stale_entry_is_refreshed_once() {
    let (_redis, a) = in_fallback().await;
    let runs = a.app.runs();
    pass(secs(12)).await;
    let stale = a.app.get().await;
    assert!(is_stale_in_fallback(&stale), "{}", stale.cache());
    assert_eq!(stale.text(), "a 0");
    a.app.idle().await;
    let fresh = a.app.get().await;
    assert_eq!(fresh.text(), format!("a {runs}"), "{}", fresh.cache());
    a.app.idle().await;
    assert_eq!(a.app.runs(), runs + 1);
}

/// It may be behind a purge as well as past its time.
fn is_stale_in_fallback(answer: &Answer) -> bool {
    let status = answer.cache();
    status.contains("hit; ttl=-") && status.ends_with("detail=fallback")
}

#[tokio::test]
async fn in_fallback_what_was_purged_is_fetched_once() {
    let (_redis, a) = in_fallback().await;
    let runs = a.app.runs();
    assert_eq!(a.app.purge().await, Purged::Queued);
    assert_eq!(a.app.get().await.text(), format!("a {runs}"));
    let again = a.app.get().await;
    assert_eq!(again.text(), format!("a {runs}"), "{}", again.cache());
}

#[tokio::test]
async fn what_is_refreshed_in_fallback_is_not_served_once_redis_is_back() {
    let (mut redis, a) = in_fallback().await;
    pass(secs(12)).await;
    assert!(is_stale_in_fallback(&a.app.get().await));
    a.app.idle().await;
    redis.restart().await;
    until("redis is used again", async || {
        a.app.cache.stats().mode == Mode::Redis
    })
    .await;
    let runs = a.app.runs();
    let answer = a.app.get().await;
    assert_eq!(answer.cache(), "neuralblitz-cache; fwd=uri-miss; stored");
    assert_eq!(answer.text(), format!("a {runs}"));
}
