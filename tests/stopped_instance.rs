//! An instance that stands still for a while hears of no purge: what it says once it goes on is
//! no older than its near tier may be.

#![allow(clippy::disallowed_methods, reason = "a test reads the time")]

mod support;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use serde_json::Value;
use std::time::{Duration, Instant};
use support::redis::Redis;
use support::server::Server;
use support::web::Answer;
use support::{long, until};

const PATH: &str = "/api/v1/quantum/7";
const BOUND: Duration = Duration::from_millis(100);

async fn get(server: &Server) -> Answer {
    server.client.get(&server.url(PATH)).await
}

/// Which spin an answer tells of.
fn spin(answer: &Answer) -> String {
    let value: Value = serde_json::from_slice(&answer.body).expect("JSON");
    value["state"]["spin"].as_str().expect("a spin").to_owned()
}

async fn change(server: &Server, spin: &str) {
    let request = Request::builder()
        .method(Method::POST)
        .uri(server.url(PATH));
    let body = Full::new(Bytes::from(format!("{{\"spin\":\"{spin}\"}}")));
    let answer = server
        .client
        .send(request.body(body).expect("a request"))
        .await;
    assert!(answer.status.is_success(), "{answer:?}");
}

#[tokio::test]
async fn an_instance_that_was_stopped_answers_nothing_older_than_its_bound() {
    let (redis, data) = (Redis::start().await, tempfile::tempdir().expect("a folder"));
    let (url, folder) = (redis.url(), data.path().display().to_string());
    let bound = BOUND.as_secs_f64().to_string();
    let variables = [
        ("REDIS_URL", &*url),
        ("DEMO_DATA", &*folder),
        ("NB_CACHE__NEAR_CACHE", "true"),
        ("NB_CACHE__COHERENCE_BOUND", &*bound),
        ("NB_CACHE__SOFT_LIMIT", "5"),
    ];
    let (running, stopped) = (
        Server::start(&variables).await,
        Server::start(&variables).await,
    );
    for round in 0..if long() { 200 } else { 10 } {
        until("it has it", async || get(&stopped).await.is_hit()).await;
        stopped.signal("-STOP");
        let since = Instant::now();
        let new = format!("round {round}");
        change(&running, &new).await;
        // It stands still for longer than what it has heard may be trusted.
        until("its trust has ended", async || {
            assert_eq!(spin(&get(&running).await), new);
            since.elapsed() > 2 * BOUND
        })
        .await;
        let asked = get(&stopped);
        stopped.signal("-CONT");
        let after = asked.await;
        assert_eq!(spin(&after), new, "{}", after.cache());
    }
}
