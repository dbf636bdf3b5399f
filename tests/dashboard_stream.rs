//! What the dashboard is served as, and the records that it reads.
#![cfg(feature = "admin")]

mod support;

#[path = "support/admin.rs"]
mod admin;

use admin::{App, TOKEN, app, problem};
use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use neuralblitz_cache::CacheConfig;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;
use support::server::Server;
use support::until;
use support::web::Answer;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;

/// The longest that a record may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

/// Streams that may be open at once, of those with and of those without the token.
const MOST: usize = 16;

/// An open stream.
struct Stream {
    status: u16,
    head: Vec<String>,
    lines: Lines<BufReader<TcpStream>>,
}

impl Stream {
    async fn open(app: &App, token: Option<&str>) -> Self {
        Self::of(&app.served.address.to_string(), token).await
    }

    async fn of(address: &str, token: Option<&str>) -> Self {
        let mut socket = TcpStream::connect(address).await.expect("a connection");
        let token = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
        let request = format!(
            "GET /cache/stream HTTP/1.1\r\nHost: {address}\r\n{}\r\n",
            token.unwrap_or_default()
        );
        let sent = socket.write_all(request.as_bytes()).await;
        sent.expect("sent");
        let mut stream = Self {
            status: 0,
            head: Vec::new(),
            lines: BufReader::new(socket).lines(),
        };
        let first = stream.line().await.expect("a status");
        let status = first.split(' ').nth(1).expect("a status");
        stream.status = status.parse().expect("a number");
        while let Some(line) = stream.line().await.filter(|line| !line.is_empty()) {
            stream.head.push(line.to_ascii_lowercase());
        }
        stream
    }

    /// `None`: it has ended.
    async fn line(&mut self) -> Option<String> {
        let line = tokio::time::timeout(LIMIT, self.lines.next_line()).await;
        line.expect("a line in time").ok().flatten()
    }

    /// The next record; `None`: there is no more.
    async fn record(&mut self) -> Option<Value> {
        loop {
            let line = self.line().await?;
            if let Some(record) = line.strip_prefix("data: ") {
                return Some(serde_json::from_str(record).expect("JSON"));
            }
        }
    }
}

#[tokio::test]
async fn the_page_may_run_its_own_script_and_style_and_nothing_else() {
    let app = app(CacheConfig::builder()).await;
    let page = app.get("/cache/dashboard").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let between = |from: &str, to: &str| {
        let (_, rest) = page.text().split_once(from).expect(from);
        let (text, rest) = rest.split_once(to).expect(to);
        assert!(!rest.contains(from), "a second {from}");
        STANDARD.encode(Sha256::digest(text))
    };
    let script = between("<script type=\"module\">", "</script>");
    let style = between("<style>", "</style>");
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; img-src \
         data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'"
    );
    for (name, value) in [
        ("content-security-policy", policy.as_str()),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(page.header(name), value, "{name}");
    }
}

#[tokio::test]
async fn the_page_and_the_stream_take_no_parameters_and_no_other_method() {
    let app = app(CacheConfig::builder().admin_token(TOKEN)).await;
    for path in ["/cache/dashboard", "/cache/stream"] {
        problem(&app.get(&format!("{path}?token=x")).await, 400);
        problem(&app.admin(Method::POST, path).await, 405);
    }
}

#[tokio::test]
async fn without_the_token_a_record_has_counts_and_no_key_tag_or_uri() {
    let app = app(CacheConfig::builder().admin_token(TOKEN)).await;
    let mut stream = Stream::open(&app, None).await;
    assert_eq!(stream.status, 200);
    for line in ["content-type: text/event-stream", "cache-control: no-store"] {
        assert!(stream.head.iter().any(|have| have == line), "{line}");
    }
    for _ in 0..3 {
        app.get("/items/peculiar?secret=1").await;
    }
    let first = stream.record().await.expect("a record");
    assert!(first["history"].is_array());
    let mut last = Value::Null;
    while last["totals"]["hits"]["local"] != 2 {
        last = stream.record().await.expect("a record");
        assert!(last.get("history").is_none());
    }
    assert_eq!(last["totals"]["misses"]["uri-miss"], 1);
    assert_eq!(last["hit_rate"]["1m"]["hits"], 2);
    assert_eq!(last["routes"][0]["route"], "/items/{id}");
    assert_eq!(last["memory"]["local"]["entries"], 1);
    assert_eq!(last["memory"]["redis"], Value::Null);
    assert_eq!(last["state"]["mode"], "local");
    let text = last.to_string();
    for secret in ["peculiar", "secret", "item:", "hottest"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}

#[tokio::test]
async fn with_the_token_a_record_tells_what_is_asked_for_most() {
    let app = app(CacheConfig::builder().admin_token(TOKEN)).await;
    for path in ["/items/1", "/items/2", "/items/2", "/items/2", "/items/1"] {
        app.get(path).await;
    }
    let mut stream = Stream::open(&app, Some(TOKEN)).await;
    let record = stream.record().await.expect("a record");
    let key = |n: u32| format!("GET {}/items/{n}", app.served.address);
    let keys = json!([{"key": key(2), "count": 2}, {"key": key(1), "count": 1}]);
    assert_eq!(record["hottest_keys"], keys);
    let tags = json!([{"tag": "item:2", "count": 2}, {"tag": "item:1", "count": 1}]);
    assert_eq!(record["hottest_tags"], tags);
}

#[tokio::test]
async fn the_first_record_tells_of_the_last_hour() {
    let app = app(CacheConfig::builder()).await;
    app.get("/items/1").await;
    let mut stream = Stream::open(&app, None).await;
    let first = stream.record().await.expect("a record");
    let history = first["history"].as_array().expect("points");
    assert_eq!(history.len(), 1, "{history:?}");
    let at = history[0][0].as_u64().expect("milliseconds");
    assert!(first["at"].as_u64().expect("milliseconds") >= at);
    // As it was before the first request.
    assert_eq!((&history[0][1], &history[0][2]), (&0.into(), &0.into()));
}

/// An answer that ends, as no stream does.
async fn refusal(app: &App, token: Option<&str>) -> Answer {
    let answer = app.send(Method::GET, "/cache/stream", token);
    let answer = tokio::time::timeout(LIMIT, answer).await;
    answer.expect("a refusal and no stream")
}

#[tokio::test]
async fn a_token_that_is_wrong_gets_a_problem_and_no_stream() {
    let app = app(CacheConfig::builder().admin_token(TOKEN)).await;
    let wrong = refusal(&app, Some("wrong token")).await;
    problem(&wrong, 401);
    let name = "www-authenticate";
    assert_eq!(wrong.header(name), "Bearer error=\"invalid_token\"");
    let mut last = wrong;
    for n in 0..30 {
        last = refusal(&app, Some(&format!("guess {n}"))).await;
    }
    problem(&last, 429);
    assert_eq!(Stream::open(&app, Some(TOKEN)).await.status, 200);
    assert_eq!(Stream::open(&app, None).await.status, 200);
}

#[tokio::test]
async fn without_a_configured_token_none_is_right() {
    let app = app(CacheConfig::builder()).await;
    let refused = refusal(&app, Some("correct horse")).await;
    assert!(problem(&refused, 403).contains("admin_token"));
}

#[tokio::test]
async fn streams_are_bounded_and_those_without_the_token_leave_room_for_those_with_it() {
    let app = app(CacheConfig::builder().admin_token(TOKEN)).await;
    let mut open = Vec::new();
    for _ in 0..MOST {
        open.push(Stream::open(&app, None).await);
    }
    assert!(open.iter().all(|stream| stream.status == 200));
    let full = refusal(&app, None).await;
    problem(&full, 503);
    assert_eq!(full.header("retry-after"), "5");
    assert_eq!(Stream::open(&app, Some(TOKEN)).await.status, 200);
    // A client that is gone is noticed when nothing more can be sent to it.
    open.pop();
    until("a place is free", async || {
        Stream::open(&app, None).await.status == 200
    })
    .await;
}

#[tokio::test]
async fn a_shutdown_ends_streams_and_a_later_one_begins_anew() {
    let app = app(CacheConfig::builder().admin_token(TOKEN)).await;
    for token in [None, Some(TOKEN)] {
        let mut stream = Stream::open(&app, token).await;
        stream.record().await.expect("a record");
        app.cache.shutdown().await;
        while stream.line().await.expect("an end") != "0" {}
        let mut next = Stream::open(&app, token).await;
        assert!(next.record().await.is_some());
    }
}

#[tokio::test]
async fn the_example_server_stops_though_a_dashboard_is_open() {
    let server = Server::start(&[]).await;
    let mut stream = Stream::of(&server.address, None).await;
    stream.record().await.expect("a record");
    server.signal("-TERM");
    // It gives requests ten seconds to end; one that ends then was cut off.
    let end = async { while stream.line().await.expect("an end") != "0" {} };
    let ended = tokio::time::timeout(Duration::from_secs(8), end).await;
    assert!(ended.is_ok(), "the stream goes on");
}
