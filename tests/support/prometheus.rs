//! A private Prometheus with the project's own configuration and rules, killed when dropped.

use super::redis::free_port;
use super::tools::{text_of, tool};
use super::web::{Client, request};
use http::Method;
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// What makes the configuration quick: nothing of what the rules say changes.
const SHORTER: [(&str, &str); 2] = [
    ("scrape_interval: 15s", "scrape_interval: 1s"),
    ("evaluation_interval: 15s", "evaluation_interval: 1s"),
];

/// What makes the alerts quick. Their expressions stay as they are.
const SOONER: [(&str, &str); 3] = [
    ("for: 1m", "for: 1s"),
    ("for: 5m", "for: 1s"),
    ("for: 10m", "for: 1s"),
];

pub struct Prometheus {
    url: String,
    server: Child,
    client: Client,
    /// By its own clock, in seconds.
    started: f64,
    _dir: TempDir,
}

impl Prometheus {
    /// Starts one that scrapes `target`, a host and port, and waits until it answers.
    pub async fn start(target: &str) -> Self {
        let binary = tool("PROMETHEUS", "prometheus.sh");
        // A port can be taken between being found and being used: the next one is tried.
        for _ in 0..20 {
            let dir = tempfile::tempdir().expect("a folder");
            configure(dir.path(), target);
            let port = free_port();
            let mut prometheus = Self {
                url: format!("http://127.0.0.1:{port}"),
                server: spawn(&binary, port, dir.path()),
                client: Client::new(),
                started: 0.0,
                _dir: dir,
            };
            if prometheus.is_ready().await {
                prometheus.started = prometheus.now().await;
                return prometheus;
            }
        }
        panic!("no prometheus answers");
    }

    async fn is_ready(&mut self) -> bool {
        let url = format!("{}/-/ready", self.url);
        let waiting = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(50));
            while self.server.try_wait().expect("a state").is_none() {
                ticks.tick().await;
                let ready = self.client.try_send(request(Method::GET, &url, &[])).await;
                if ready.is_ok_and(|answer| answer.status.is_success()) {
                    return true;
                }
            }
            false
        };
        let limit = Duration::from_secs(30);
        tokio::time::timeout(limit, waiting).await.unwrap_or(false)
    }

    /// The `data` of an answer of its API.
    pub async fn api(&self, path: &str, parameters: &[(&str, &str)]) -> Value {
        let parameters: Vec<_> = parameters
            .iter()
            .map(|(name, value)| format!("{}={}", escape(name), escape(value)))
            .collect();
        let url = format!("{}/api/v1/{path}?{}", self.url, parameters.join("&"));
        let answer = self.client.get(&url).await;
        let mut value: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(value["status"], "success", "{url}: {value:#}");
        value["data"].take()
    }

    /// The series of a query since the start, a point each second, as Grafana asks for them.
    pub async fn range(&self, query: &str) -> Vec<Value> {
        let (start, end) = (self.started.to_string(), self.now().await.to_string());
        let parameters = [
            ("query", query),
            ("start", &start),
            ("end", &end),
            ("step", "1"),
        ];
        let data = self.api("query_range", &parameters).await;
        data["result"].as_array().expect("series").clone()
    }

    async fn now(&self) -> f64 {
        self.value("vector(time())").await.expect("the time")
    }

    /// The value of a query's first series.
    pub async fn value(&self, query: &str) -> Option<f64> {
        let data = self.api("query", &[("query", query)]).await;
        data["result"][0]["value"][1].as_str()?.parse().ok()
    }

    /// What is pending or firing.
    pub async fn alerts(&self) -> Vec<Value> {
        let data = self.api("alerts", &[]).await;
        data["alerts"].as_array().expect("alerts").clone()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn configure(dir: &Path, target: &str) {
    let config = changed("deploy/prometheus/prometheus.yml", &SHORTER);
    assert!(config.contains("app:3000"), "{config}");
    let config = config.replace("app:3000", target);
    std::fs::write(dir.join("prometheus.yml"), config).expect("written");
    let rules = changed("deploy/prometheus/rules.yml", &SOONER);
    std::fs::write(dir.join("rules.yml"), rules).expect("written");
}

fn changed(path: &str, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(text_of(path), |text, (from, to)| {
        assert!(text.contains(from), "{path} lacks {from}");
        text.replace(from, to)
    })
}

fn spawn(binary: &str, port: u16, dir: &Path) -> Child {
    Command::new(binary)
        .args(["--config.file", "prometheus.yml"])
        .args(["--storage.tsdb.path", "data"])
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{binary}: {error}; see scripts/prometheus.sh"))
}

/// Percent-encoded, for a query.
fn escape(text: &str) -> String {
    let bytes = text.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    });
    bytes.collect()
}
