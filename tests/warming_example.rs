//! The example server warms its four sets at start, and shows how far it is on a terminal.
#![cfg(all(unix, feature = "redis", feature = "admin"))]

mod support;

use serde_json::Value;
use std::process::Stdio;
use std::time::Duration;
use support::redis::Redis;
use support::server::{Server, program};
use support::until;
use support::web::Client;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

/// One of each set.
const SETS: [&str; 3] = [
    "/api/v1/capabilities/quantum",
    "/api/v1/capabilities",
    "/api/v1/consciousness",
];

/// `warmup` of `/cache/stats`, once it has ended.
async fn warmed(server: &Server) -> Value {
    let stats = async || {
        let stats = server.client.get(&server.url("/cache/stats")).await;
        let stats: Value = serde_json::from_slice(&stats.body).expect("JSON");
        stats["warmup"].clone()
    };
    until("it is warm", async || stats().await["ended"] == true).await;
    stats().await
}

#[tokio::test]
async fn the_four_sets_are_warm_before_the_first_client() {
    let server = Server::start(&[("DEMO_WARM", "on")]).await;
    let warmup = warmed(&server).await;
    for (name, expected) in [("items", 6), ("warmed", 6), ("failed", 0), ("skipped", 0)] {
        assert_eq!(warmup[name], expected, "{warmup}");
    }
    assert!(
        warmup["seconds"]
            .as_f64()
            .is_some_and(|seconds| seconds > 0.0)
    );
    for path in SETS {
        let answer = server.client.get(&server.url(path)).await;
        assert!(answer.is_hit(), "{path}: {}", answer.cache());
    }
    let metrics = server.client.get(&server.url("/metrics")).await;
    for line in [
        "neuralblitz_cache_warmup_duration_seconds_count 1",
        "neuralblitz_cache_warmup_items_total{outcome=\"warmed\"} 6",
        // Three templates, each computed once.
        "neuralblitz_cache_misses_total{reason=\"uri-miss\",route=\"api_response_template\"} 3",
    ] {
        assert!(
            metrics.text().lines().any(|text| text == line),
            "{line}\n{}",
            metrics.text()
        );
    }
}

#[tokio::test]
async fn what_clients_asked_for_is_warm_after_a_restart() {
    let redis = Redis::start().await;
    let url = redis.url();
    let variables = [
        ("DEMO_WARM", "on"),
        ("REDIS_URL", &*url),
        ("NB_CACHE__SOFT_LIMIT", "5"),
    ];
    let before = Server::start(&variables).await;
    warmed(&before).await;
    let path = "/api/v1/reality/7";
    for _ in 0..5 {
        before.client.get(&before.url(path)).await;
    }
    before.end().await;
    let mut connection = redis.connection().await;
    for name in redis.keys().await {
        let gone = redis::cmd("DEL").arg(name.clone()).to_owned();
        if name.contains("api_response:") {
            gone.exec_async(&mut connection).await.expect("deleted");
        }
    }
    let after = Server::start(&variables).await;
    assert_eq!(warmed(&after).await["failed"], 0);
    let answer = after.client.get(&after.url(path)).await;
    assert!(answer.is_hit(), "{}", answer.cache());
}

/// What it shows until its warming has ended.
async fn shown(command: &mut Command) -> String {
    command.env_clear().env("LISTEN", "127.0.0.1:0");
    let data = tempfile::tempdir().expect("a folder");
    command.env("DEMO_DATA", data.path());
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().expect("starts");
    let mut out = child.stdout.take().expect("an output");
    let mut shown = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&shown).contains("6/6, 0 failed\r\n") {
            out.read_buf(&mut shown).await.expect("readable");
        }
    };
    let limit = Duration::from_mins(1);
    let ended = tokio::time::timeout(limit, reading).await;
    assert!(ended.is_ok(), "{}", String::from_utf8_lossy(&shown));
    String::from_utf8_lossy(&shown).into_owned()
}

#[tokio::test]
async fn on_a_terminal_a_bar_shows_how_far_it_is() {
    let program = program().to_str().expect("a path");
    let mut on_a_terminal = Command::new("/usr/bin/script");
    on_a_terminal.args(["-q", "-e", "-c", program, "/dev/null"]);
    let shown = shown(&mut on_a_terminal).await;
    assert!(shown.contains("\rwarming [..............................] 0/6, 0 failed"));
    assert!(shown.contains("\rwarming [###############...............] 3/6, 0 failed"));
}

#[tokio::test]
async fn elsewhere_there_is_none() {
    let data = tempfile::tempdir().expect("a folder");
    let errors = data.path().join("errors");
    let mut command = Command::new(program());
    command.env_clear().env("LISTEN", "127.0.0.1:0");
    command
        .env("DEMO_DATA", data.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command.stderr(std::fs::File::create(&errors).expect("a file"));
    let mut child = command.kill_on_drop(true).spawn().expect("starts");
    let mut lines = BufReader::new(child.stdout.take().expect("an output")).lines();
    let first = lines.next_line().await.expect("readable").expect("a line");
    let url = first
        .strip_prefix("listening on ")
        .expect("where it listens");
    let (client, url) = (Client::new(), format!("{url}/cache/stats"));
    until("it is warm", async || {
        let stats = client.get(&url).await;
        stats.text().contains("\"ended\":true")
    })
    .await;
    let shown = std::fs::read_to_string(errors).expect("readable");
    assert_eq!(shown, "");
}
