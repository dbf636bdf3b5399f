//! The example server as a process of its own.

use super::web::Client;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::LazyLock;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

pub const TOKEN: &str = "correct horse battery staple";

/// The longest that it may take to start.
const LIMIT: Duration = Duration::from_mins(1);

/// Built anew: what `cargo test` left there may be older than the sources, or nothing.
static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
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
});

pub fn program() -> &'static Path {
    &PROGRAM
}

/// A running one, with an admin token, killed when dropped.
pub struct Server {
    /// Host and port.
    pub address: String,
    pub client: Client,
    child: Child,
    _data: TempDir,
}

impl Server {
    /// With these variables, and none that the environment may have for it.
    pub async fn start(variables: &[(&str, &str)]) -> Self {
        let data = tempfile::tempdir().expect("a folder");
        let mut command = Command::new(&*PROGRAM);
        command.env_clear();
        command.env("LISTEN", "127.0.0.1:0");
        command.env("DEMO_DATA", data.path());
        command.env("NB_CACHE__ADMIN_TOKEN", TOKEN);
        // What is counted is told by tests.
        command.env("DEMO_WARM", "off");
        command.envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().expect("starts");
        let mut lines = BufReader::new(child.stdout.take().expect("an output")).lines();
        let first = tokio::time::timeout(LIMIT, lines.next_line()).await;
        let first = first.expect("in time").expect("readable").expect("a line");
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let address = first.strip_prefix("listening on http://");
        Self {
            address: address.expect("where it listens").to_owned(),
            client: Client::new(),
            child,
            _data: data,
        }
    }

    /// `-STOP` and `-CONT`: it stands still, its sockets stay open.
    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().expect("it runs").to_string();
        let status = std::process::Command::new("kill")
            .args([signal, &pid])
            .status();
        assert!(status.expect("kill runs").success());
    }

    /// Asks it to stop, and waits until it has.
    pub async fn end(mut self) {
        self.signal("-TERM");
        let ended = tokio::time::timeout(LIMIT, self.child.wait()).await;
        assert!(ended.expect("in time").expect("a status").success());
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}
