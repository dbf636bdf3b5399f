//! The examples, as a newcomer runs them: processes of their own, on real sockets.
#![cfg(unix)]

#[path = "support/example.rs"]
mod example;
mod support;

use example::{Example, LIMIT, command};
use futures_util::future::join_all;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::{AtomicU64, Ordering};
use support::redis::Redis;
use support::until;
use support::web::{Answer, Client, request};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// What a query may look like; the demo's handlers read none of them.
const QUERIES: [&str; 4] = ["", "?", "?x=1", "?x=2&y"];

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn value(answer: &Answer) -> Value {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    serde_json::from_slice(&answer.body).expect("JSON")
}

fn ttl(answer: &Answer) -> u64 {
    let ttl = answer.cache().split("ttl=").nth(1).expect("a lifetime");
    ttl.parse().expect("a number")
}

#[tokio::test]
async fn it_says_where_it_listens_how_it_works_and_what_to_try() {
    let (data, redis) = (folder(), Redis::start().await);
    let mut command = command("server");
    let off = command.env("DEMO_DATA", data.path()).env("NB_CACHE", "off");
    for (mut server, mode) in [
        (Example::local(&data).await, "mode: local"),
        (Example::with_redis(&data, &redis).await, "mode: redis"),
        (Example::start(off).await, "mode: off"),
    ] {
        assert_eq!(server.line().await.as_deref(), Some(mode));
        server.line().await.expect("a line before the commands");
        for _ in 0..3 {
            let line = server.line().await.expect("a line");
            assert!(line.trim().starts_with("curl ") && line.contains(&server.url));
        }
        if mode != "mode: off" {
            let line = server.line().await.expect("a line");
            let dashboard = server.url("/cache/dashboard");
            assert!(
                line.ends_with(&dashboard) && !line.contains("curl"),
                "{line}"
            );
            assert_eq!(server.get("/cache/dashboard").await.status, StatusCode::OK);
        }
    }
}

#[tokio::test]
async fn a_slow_endpoint_becomes_fast() {
    let data = folder();
    let server = Example::local(&data).await;
    for (path, computed) in [
        ("/api/v1/capabilities", 1),
        ("/api/v1/quantum/7", 2),
        ("/api/v1/reality/7", 3),
        ("/api/v1/consciousness", 4),
    ] {
        let (first, second) = (server.get(path).await, server.get(path).await);
        assert!(!first.is_hit(), "{path}: {}", first.cache());
        assert!(second.is_hit(), "{path}: {}", second.cache());
        assert_eq!(value(&first)["computed"], computed, "{path}");
        assert_eq!(first.body, second.body, "{path}");
    }
}

#[tokio::test]
async fn each_endpoint_has_the_lifetime_of_its_class() {
    let data = folder();
    let server = Example::local(&data).await;
    for (path, seconds) in [
        ("/api/v1/capabilities", 3600),
        ("/api/v1/quantum/7", 300),
        ("/api/v1/reality/7", 600),
        ("/api/v1/consciousness", 180),
    ] {
        server.get(path).await;
        let left = ttl(&server.get(path).await);
        assert!((seconds - 20..=seconds).contains(&left), "{path}: {left}");
    }
}

#[tokio::test]
async fn without_the_layer_every_answer_is_computed() {
    let data = folder();
    let mut command = command("server");
    let server = command.env("DEMO_DATA", data.path()).env("NB_CACHE", "off");
    let server = Example::start(server).await;
    for computed in 1..=3 {
        let answer = server.get("/api/v1/capabilities").await;
        assert_eq!(value(&answer)["computed"], computed);
        assert_eq!(answer.cache(), "");
    }
    server.post("/api/v1/quantum/7", r#"{"spin":"down"}"#).await;
    let state = &value(&server.get("/api/v1/quantum/7").await)["state"];
    assert_eq!(*state, json!({"spin": "down"}));
}

#[tokio::test]
async fn an_answer_about_me_is_mine_alone() {
    let (data, redis) = (folder(), Redis::start().await);
    for server in [
        Example::local(&data).await,
        Example::with_redis(&data, &redis).await,
    ] {
        for _ in 0..3 {
            let names: Vec<String> = (0..50).map(|n| format!("Bearer {n}")).collect();
            let answers = names.iter().map(async |who| (who, server.me(&[who]).await));
            for (who, answer) in join_all(answers).await {
                assert_eq!(value(&answer)["you"], **who);
                assert!(!answer.is_hit(), "{}", answer.cache());
            }
            for nobody in [&[][..], &[""], &["Bearer 1", "Bearer 2"]] {
                let answer = server.me(nobody).await;
                assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{nobody:?}");
                assert_eq!(answer.header("www-authenticate"), "Bearer");
            }
        }
    }
}

#[tokio::test]
async fn what_one_instance_computed_another_serves() {
    let (data, redis) = (folder(), Redis::start().await);
    let a = Example::with_redis(&data, &redis).await;
    let b = Example::with_redis(&data, &redis).await;
    let path = "/api/v1/reality/7";
    until("they share an answer", async || {
        let (one, other) = (a.get(path).await, b.get(path).await);
        one.is_hit() && other.is_hit() && value(&one) == value(&other)
    })
    .await;
}

/// Every instance, asked in every way, all at once.
async fn ask_all(servers: &[Example], id: &str) -> Vec<Answer> {
    let all = servers.iter().flat_map(|server| {
        let paths = QUERIES.map(|query| format!("/api/v1/quantum/{id}{query}"));
        paths.map(|path| async move { server.get(&path).await })
    });
    join_all(all).await
}

#[tokio::test]
async fn a_written_state_is_shown_at_once_by_every_instance() {
    let (data, redis) = (folder(), Redis::start().await);
    let mut servers = Vec::new();
    for _ in 0..3 {
        servers.push(Example::with_redis(&data, &redis).await);
    }
    let rounds = if support::long() { 300 } else { 30 };
    let mut hits = 0;
    for round in 0..rounds {
        let state = json!({"round": round, "filler": "x".repeat(200_000)});
        let writer = &servers[round % servers.len()];
        let reader = &servers[(round / 2) % servers.len()];
        let write_and_read = async {
            until("the new state is in force", async || {
                let body = state.to_string();
                let written = value(&writer.post("/api/v1/quantum/7", &body).await);
                assert!(written["state"] == state);
                written["purged"] == "applied"
            })
            .await;
            let query = QUERIES[round % QUERIES.len()];
            reader.get(&format!("/api/v1/quantum/7{query}")).await
        };
        // Requests that begin before the write, and end after it, must leave nothing behind.
        let (read, _) = tokio::join!(write_and_read, ask_all(&servers, "7"));
        for answer in [read].into_iter().chain(ask_all(&servers, "7").await) {
            let shown = &value(&answer)["state"];
            assert!(*shown == state, "round {round}: {}", answer.cache());
        }
        let again = ask_all(&servers, "7").await;
        hits += again.iter().filter(|answer| answer.is_hit()).count();
    }
    // On a busy machine Redis may miss the soft limit now and then.
    let asked = rounds * servers.len() * QUERIES.len();
    assert!(hits > asked / 2, "{hits} of {asked}");
}

#[tokio::test]
async fn without_redis_an_instance_shows_its_own_writes() {
    let data = folder();
    let servers = [Example::local(&data).await];
    for round in 0..5 {
        let body = json!({ "round": round });
        let path = "/api/v1/quantum/a-B_7";
        let written = value(&servers[0].post(path, &body.to_string()).await);
        assert_eq!(written["purged"], "applied");
        for answer in ask_all(&servers, "a-B_7").await {
            assert_eq!(value(&answer)["state"], body, "{}", answer.cache());
        }
    }
    // The state outlives the process, and another one finds it.
    drop(servers);
    let other = Example::local(&data).await;
    let state = &value(&other.get("/api/v1/quantum/a-B_7").await)["state"];
    assert_eq!(*state, json!({ "round": 4 }));
}

#[tokio::test]
async fn writers_at_once_leave_one_whole_state() {
    let data = folder();
    let server = Example::local(&data).await;
    let filler = "x".repeat(100_000);
    let writes = (0..20).map(async |writer| {
        let body = json!({"writer": writer, "filler": filler});
        let written = server.post("/api/v1/quantum/7", &body.to_string()).await;
        assert_eq!(value(&written)["state"], body);
    });
    join_all(writes).await;
    let shown = value(&server.get("/api/v1/quantum/7").await);
    assert_eq!(shown["state"]["filler"], filler);
    assert_eq!(files(data.path()), ["7.json"]);
}

/// Sends a state; the connection, on which nobody waits for the answer.
async fn begin_post(server: &Example, path: &str, body: &str) -> TcpStream {
    let address = server.url.strip_prefix("http://").expect("an address");
    let mut stream = TcpStream::connect(address).await.expect("connects");
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
    for part in [head.as_str(), body] {
        let sent = stream.write_all(part.as_bytes()).await;
        sent.expect("the server reads");
    }
    stream
}

#[tokio::test]
async fn a_writer_that_leaves_does_not_stop_the_write_halfway() {
    let data = folder();
    let server = Example::local(&data).await;
    let path = "/api/v1/quantum/7";
    server.post(path, "{}").await;
    let filler = "x".repeat(500_000);
    for round in 0..20 {
        server.get(path).await;
        let state = json!({"round": round, "filler": filler});
        let written = state.to_string().into_bytes();
        let connection = begin_post(&server, path, &state.to_string()).await;
        let begun = || {
            let file = std::fs::read(data.path().join("7.json"));
            files(data.path()).len() > 1 || file.is_ok_and(|file| file == written)
        };
        until("the write has begun", async || begun()).await;
        drop(connection);
        until("the new state is shown", async || {
            value(&server.get(path).await)["state"] == state
        })
        .await;
    }
}

fn files(folder: &Path) -> Vec<OsString> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries.map(|e| e.expect("an entry").file_name()).collect()
}

/// An id in a disguise would be a second URI of one state, which no purge reaches.
#[tokio::test]
async fn an_id_in_disguise_is_refused() {
    let data = folder();
    let server = Example::local(&data).await;
    let long = "a".repeat(65);
    for id in [
        "%37", "%2e%2e", "..%2f7", "..", "a.b", "a%20b", "%c3%a4", "7;x", "7%00", &long,
    ] {
        let path = format!("/api/v1/quantum/{id}");
        for answer in [server.get(&path).await, server.post(&path, "{}").await] {
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{id}");
            assert!(answer.text().contains("an id is"), "{}", answer.text());
        }
    }
    assert!(files(data.path()).is_empty());
}

#[tokio::test]
async fn a_state_that_is_no_object_is_refused() {
    let data = folder();
    let server = Example::local(&data).await;
    for body in ["", "[1]", "7", "null", "{", "{\"a\":1}x", "\u{0}"] {
        let answer = server.post("/api/v1/quantum/7", body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        assert!(answer.text().contains("must be a JSON object"), "{body}");
    }
    assert!(files(data.path()).is_empty());
    let untouched = value(&server.get("/api/v1/quantum/7").await);
    assert_eq!(untouched["state"], json!({"spin": "up"}));
}

async fn refused(variable: &str, value: impl AsRef<OsStr>) -> Output {
    let mut command = command("server");
    command.env("DEMO_DATA", std::env::temp_dir());
    let output = command.env(variable, value).output();
    let output = tokio::time::timeout(LIMIT, output).await;
    output.expect("an end").expect("an output")
}

#[tokio::test]
async fn a_bad_variable_is_named_and_no_password_is_shown() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address").to_string();
    let file = tempfile::NamedTempFile::new().expect("a file");
    let inside: PathBuf = file.path().join("x");
    let bad: [(&str, OsString); 10] = [
        ("LISTEN", "nonsense".into()),
        ("LISTEN", "127.0.0.1:99999".into()),
        ("LISTEN", taken.into()),
        ("REDIS_URL", "redis://:geheim@127.0.0.1:port/0".into()),
        ("REDIS_URL", "http://:geheim@127.0.0.1/".into()),
        ("REDIS_URL", "redis://me:geheim@:6379".into()),
        ("REDIS_URL", "redis://:geheim@127.0.0.1:0".into()),
        (
            "REDIS_URL",
            OsString::from_vec(b"redis://:geheim\xff@h".into()),
        ),
        ("NB_CACHE", "geheim".into()),
        ("DEMO_DATA", inside.into()),
    ];
    for (variable, value) in bad {
        let output = refused(variable, &value).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{variable}={value:?}: {said}"
        );
        assert!(said.starts_with(&format!("{variable}: ")), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(!said.contains("geheim"), "{said}");
        assert!(output.stdout.is_empty());
    }
}

#[tokio::test]
async fn asked_to_stop_it_finishes_what_it_has_begun() {
    for signal in ["-TERM", "-INT"] {
        let data = folder();
        let mut server = Example::local(&data).await;
        let (client, url) = (server.client.clone(), server.url("/api/v1/reality/7"));
        let under_way = tokio::spawn(async move { client.get(&url).await });
        let asked = AtomicU64::new(0);
        until("the handler runs", async || {
            let asked = asked.fetch_add(1, Ordering::Relaxed) + 1;
            value(&server.me(&["me"]).await)["computed"] != asked
        })
        .await;
        server.signal(signal);
        let answer = under_way.await.expect("an answer");
        assert_eq!(value(&answer)["id"], "7");
        let (code, rest) = server.end().await;
        assert_eq!(code, Some(0), "{signal}");
        assert_eq!(rest.last().map(String::as_str), Some("bye"), "{signal}");
    }
}

#[tokio::test]
async fn what_an_instance_stored_outlives_it() {
    let (data, redis) = (folder(), Redis::start().await);
    let mut a = Example::with_redis(&data, &redis).await;
    let path = "/api/v1/reality/7";
    let stored = std::cell::RefCell::new(String::new());
    until("it is stored", async || {
        let answer = a.get(path).await;
        *stored.borrow_mut() = answer.text().to_owned();
        answer.is_hit()
    })
    .await;
    let stored = stored.into_inner();
    a.signal("-TERM");
    assert_eq!(a.end().await.0, Some(0));
    let b = Example::with_redis(&data, &redis).await;
    until("another one finds it", async || {
        let found = b.get(path).await;
        found.is_hit() && found.text() == stored
    })
    .await;
}

#[tokio::test]
async fn a_plain_hyper_service_is_cached_over_http_1_and_2() {
    let server = Example::start(&mut command("hyper_server")).await;
    let (one, two) = (Client::new(), Client::http2());
    let paths = ["/one", "/two"];
    for (client, path) in [&one, &two].into_iter().zip(paths) {
        let url = server.url(path);
        let (first, second) = (client.get(&url).await, client.get(&url).await);
        assert!(!first.is_hit() && second.is_hit(), "{}", second.cache());
        assert_eq!(first.body, second.body);
    }
    // `Host` and `:authority` name the same: one entry serves both.
    for (client, path) in [&two, &one].into_iter().zip(paths) {
        assert!(client.get(&server.url(path)).await.is_hit());
    }
    let other = request(Method::POST, &server.url("/one"), &[]);
    assert!(!one.send(other).await.is_hit());
}
