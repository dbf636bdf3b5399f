//! Real parts for the tests: a redis-server of their own, apps on real sockets, a client.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

pub mod child;
pub mod prometheus;
pub mod redis;
pub mod server;
pub mod shown;
pub mod tools;
pub mod web;

use std::time::Duration;

/// Waits for a condition, at most ten seconds.
pub async fn until<F, Fut>(what: &str, condition: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    until_within(Duration::from_secs(10), what, condition).await;
}

/// Waits for a condition, at most for `limit`.
pub async fn until_within<F, Fut>(limit: Duration, what: &str, mut condition: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    let waiting = async {
        while !condition().await {
            tokio::task::yield_now().await;
        }
    };
    assert!(
        tokio::time::timeout(limit, waiting).await.is_ok(),
        "not within {limit:?}: {what}"
    );
}

/// Whether the heavy tests run at their full size.
pub fn long() -> bool {
    std::env::var("NB_TEST_SIZE").is_ok_and(|size| size == "long")
}
