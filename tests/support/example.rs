//! The examples as processes of their own.

use crate::support::redis::Redis;
use crate::support::web::{Answer, Client};
use http::Request;
use http_body_util::Full;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// The longest that a process may take to start or to end.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// A running example, killed when dropped.
pub(crate) struct Example {
    pub(crate) child: Child,
    pub(crate) url: String,
    out: Lines<BufReader<ChildStdout>>,
    pub(crate) client: Client,
}

/// The folder of the examples, built anew: what `cargo test` left there may be older than the
/// sources, or nothing.
fn examples() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let test = std::env::current_exe().expect("the test's own path");
        let profile = test.ancestors().nth(2).expect("the folder of the profile");
        let target = profile.parent().expect("the target folder");
        let mut cargo = std::process::Command::new(env!("CARGO"));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        cargo.args(["build", "--offline", "--example", "server"]);
        cargo.args(["--example", "hyper_server", "--target-dir"]);
        cargo.arg(target);
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        let status = cargo.status().expect("cargo runs");
        assert!(status.success(), "the examples do not build");
        profile.join("examples")
    })
}

/// An example that is not started yet, free of what the environment may say.
pub(crate) fn command(name: &str) -> Command {
    let mut command = Command::new(examples().join(name));
    for variable in ["REDIS_URL", "DEMO_DATA", "NB_CACHE", "NB_SETTINGS"] {
        command.env_remove(variable);
    }
    // What handlers count is told by tests.
    command.env("DEMO_WARM", "off");
    command.env("LISTEN", "127.0.0.1:0");
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

impl Example {
    pub(crate) async fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("starts");
        let out = child.stdout.take().expect("an output");
        let mut example = Self {
            child,
            url: String::new(),
            out: BufReader::new(out).lines(),
            client: Client::new(),
        };
        let first = example.line().await.expect("a first line");
        let url = first.strip_prefix("listening on ");
        url.expect("where it listens").clone_into(&mut example.url);
        example
    }

    /// The demo, without Redis.
    pub(crate) async fn local(data: &TempDir) -> Self {
        Self::start(command("server").env("DEMO_DATA", data.path())).await
    }

    pub(crate) async fn with_redis(data: &TempDir, redis: &Redis) -> Self {
        let mut command = command("server");
        command.env("DEMO_DATA", data.path());
        Self::start(command.env("REDIS_URL", redis.url())).await
    }

    pub(crate) async fn line(&mut self) -> Option<String> {
        let line = tokio::time::timeout(LIMIT, self.out.next_line()).await;
        line.expect("a line in time").expect("readable")
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.client.get(&self.url(path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        let body = Full::from(body.to_owned());
        let request = Request::post(self.url(path)).body(body);
        self.client.send(request.expect("a request")).await
    }

    /// Who is asking, in so many `Authorization` fields.
    pub(crate) async fn me(&self, who: &[&str]) -> Answer {
        let fields: Vec<_> = who.iter().map(|who| ("authorization", *who)).collect();
        self.client.get_with(&self.url("/api/v1/me"), &fields).await
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().expect("it runs").to_string();
        let status = std::process::Command::new("kill")
            .args([signal, &pid])
            .status();
        assert!(status.expect("kill runs").success());
    }

    /// Its exit code and the rest of its output.
    pub(crate) async fn end(&mut self) -> (Option<i32>, Vec<String>) {
        let mut rest = Vec::new();
        while let Some(line) = self.line().await {
            rest.push(line);
        }
        let status = tokio::time::timeout(LIMIT, self.child.wait()).await;
        (status.expect("an end").expect("a status").code(), rest)
    }
}
