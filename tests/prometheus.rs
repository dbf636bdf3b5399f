//! A real Prometheus scrapes the example server.
#![cfg(all(unix, feature = "admin"))]

mod support;

use axum::http::Method;
use serde_json::Value;
use std::fmt::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use support::web::{Answer, Client, request};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

const TOKEN: &str = "correct horse battery staple";

/// The longest that a process may take to start, or to scrape.
const LIMIT: Duration = Duration::from_mins(1);

/// The example, built anew, killed when dropped.
async fn server(data: &TempDir) -> (Child, String) {
    let mut command = Command::new(program());
    command.env_remove("REDIS_URL").env_remove("NB_CACHE");
    command
        .env("LISTEN", "127.0.0.1:0")
        .env("DEMO_DATA", data.path());
    command.env("NB_CACHE__ADMIN_TOKEN", TOKEN);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().expect("starts");
    let mut lines = BufReader::new(child.stdout.take().expect("an output")).lines();
    let first = tokio::time::timeout(LIMIT, lines.next_line()).await;
    let first = first.expect("in time").expect("readable").expect("a line");
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let url = first
        .strip_prefix("listening on http://")
        .expect("where it listens");
    (child, url.to_owned())
}

fn program() -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    let profile = test.ancestors().nth(2).expect("the folder of the profile");
    let mut cargo = std::process::Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(["build", "--offline", "--example", "server", "--target-dir"]);
    cargo.arg(profile.parent().expect("the target folder"));
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().expect("cargo runs").success());
    profile.join("examples/server")
}

/// Debian's, or what `PROMETHEUS` says, scraping `target`; killed when dropped.
fn prometheus(target: &str, dir: &Path) -> (Child, String) {
    let config = dir.join("prometheus.yml");
    let text = format!(
        "global: {{scrape_interval: 1s}}\n\
         scrape_configs:\n- job_name: demo\n  static_configs: [{{targets: ['{target}']}}]\n"
    );
    std::fs::write(&config, text).expect("written");
    let port = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = port.local_addr().expect("an address").to_string();
    drop(port);
    let server = std::env::var("PROMETHEUS").unwrap_or_else(|_| "/usr/bin/prometheus".into());
    let mut command = Command::new(&server);
    command.arg(format!("--config.file={}", config.display()));
    command.arg(format!(
        "--storage.tsdb.path={}",
        dir.join("data").display()
    ));
    command.arg(format!("--web.listen-address={address}"));
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let child = command.spawn();
    let child =
        child.unwrap_or_else(|error| panic!("{server}: {error}; see scripts/prometheus.sh"));
    (child, address)
}

/// The value of an expression; `None`: Prometheus does not answer yet, or has none.
async fn query(address: &str, expression: &str) -> Option<f64> {
    tokio::net::TcpStream::connect(address).await.ok()?;
    let mut encoded = String::new();
    for byte in expression.bytes() {
        write!(encoded, "%{byte:02X}").expect("a string");
    }
    let url = format!("http://{address}/api/v1/query?query={encoded}");
    let answer = Client::new().get(&url).await;
    let answer: Value = serde_json::from_slice(&answer.body).ok()?;
    let value = answer["data"]["result"][0]["value"][1].as_str()?.to_owned();
    value.parse().ok()
}

#[tokio::test]
async fn prometheus_scrapes_the_example_server() {
    let data = tempfile::tempdir().expect("a folder");
    let (_server, target) = server(&data).await;
    let client = Client::new();
    for _ in 0..4 {
        client
            .get(&format!("http://{target}/api/v1/quantum/7"))
            .await;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let (_prometheus, address) = prometheus(&target, dir.path());
    for (expression, value) in [
        ("up{job=\"demo\"}", 1.0),
        (
            "neuralblitz_cache_hits_total{tier=\"local\",route=\"/api/v1/quantum/{id}\"}",
            3.0,
        ),
        ("sum(neuralblitz_cache_misses_total)", 1.0),
        ("neuralblitz_cache_keys_total{tier=\"local\"}", 1.0),
        (
            "sum(neuralblitz_cache_hits_total) / \
             (sum(neuralblitz_cache_hits_total) + sum(neuralblitz_cache_misses_total))",
            0.75,
        ),
        (
            "neuralblitz_cache_operation_duration_seconds_count{operation=\"fetch\"}",
            1.0,
        ),
    ] {
        let waiting = async {
            let is = |found: f64| (found - value).abs() < 1e-9;
            while !query(&address, expression).await.is_some_and(is) {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(LIMIT, waiting).await;
        assert!(waited.is_ok(), "not within {LIMIT:?}: {expression}");
    }
}

#[tokio::test]
async fn the_example_server_has_the_admin_endpoints() {
    let data = tempfile::tempdir().expect("a folder");
    let (_server, target) = server(&data).await;
    let client = Client::new();
    let url = |path: &str| format!("http://{target}{path}");
    client.get(&url("/api/v1/quantum/7")).await;
    let purge = |token: &'static str| {
        let token = format!("Bearer {token}");
        let path = url("/cache/purge?uri=/api/v1/quantum/7");
        request(Method::POST, &path, &[("authorization", &token)])
    };
    let status = |answer: Answer| answer.status.as_u16();
    assert_eq!(status(client.send(purge("wrong")).await), 401);
    assert!(client.get(&url("/api/v1/quantum/7")).await.is_hit());
    assert_eq!(status(client.send(purge(TOKEN)).await), 200);
    assert!(!client.get(&url("/api/v1/quantum/7")).await.is_hit());
    assert_eq!(status(client.get(&url("/cache/health")).await), 200);
}
