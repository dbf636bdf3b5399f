//! One cache for the whole process, as applications hold it, used by tests that each bring a
//! runtime and take it with them when they end.

#[path = "support/scripted.rs"]
mod scripted;
mod support;

use scripted::{App, counted};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, OnceLock};
use std::time::Duration;
use support::redis::Redis;
use support::until;
use tokio::runtime::Runtime;

static APP: OnceLock<App> = OnceLock::new();

/// The server, until the last test has ended.
static REDIS: LazyLock<Mutex<Option<Redis>>> = LazyLock::new(|| {
    // A runtime of its own, which ends here.
    let redis = std::thread::spawn(|| Runtime::new().expect("a runtime").block_on(Redis::start()));
    Mutex::new(Some(redis.join().expect("no panic")))
});

static ENDED: AtomicUsize = AtomicUsize::new(0);

fn app() -> &'static App {
    APP.get_or_init(|| {
        let redis = REDIS.lock().expect("no panic");
        let config = redis.as_ref().expect("started").config();
        // Who waits for a runtime that has just ended goes on by itself.
        let config = config.soft_limit(Duration::from_millis(500));
        App::new(config.build().expect("usable"), |_, run| counted(run, &[]))
    })
}

/// Ends the server with the last of two.
struct Ended;

impl Drop for Ended {
    fn drop(&mut self) {
        if ENDED.fetch_add(1, Ordering::SeqCst) == 1 {
            REDIS.lock().expect("no panic").take();
        }
    }
}

async fn used(path: &str) {
    let _ended = Ended;
    let app = app();
    until("it is fetched, stored and found", async || {
        app.get(path).await.is_hit()
    })
    .await;
    let found = app.get(path).await;
    until("purged on all instances", async || {
        app.cache.purge_uri(path).await.expect("a URI") == neuralblitz_cache::Purged::Applied
    })
    .await;
    let answer = app.get(path).await;
    assert!(!answer.is_hit(), "{}", answer.cache());
    assert_ne!(answer.text(), found.text());
}

#[tokio::test]
async fn one_test_uses_it() {
    used("/one").await;
}

#[tokio::test]
async fn and_so_does_another_in_a_runtime_of_its_own() {
    used("/another").await;
}
