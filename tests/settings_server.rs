//! The example `server` reads its settings from a file, and the environment over it.
#![cfg(unix)]

mod support;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use support::child::{built, run};
use support::redis::Redis;
use support::until;
use support::web::{Answer, Client};
use tempfile::TempDir;

/// A running server, killed when dropped.
struct Server {
    child: Child,
    url: String,
    mode: String,
    /// Held, so that there is somebody to tell.
    _out: BufReader<ChildStdout>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(dir: &TempDir) -> Command {
    let mut command = Command::new(built("server"));
    command.env_clear().stdin(Stdio::null());
    command
        .env("LISTEN", "127.0.0.1:0")
        .env("DEMO_DATA", dir.path());
    command
}

impl Server {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("starts");
        let mut out = BufReader::new(child.stdout.take().expect("an output"));
        let mut after = |start| {
            let mut line = String::new();
            out.read_line(&mut line).expect("a line");
            line.trim_end().strip_prefix(start).expect(start).to_owned()
        };
        let (url, mode) = (after("listening on "), after("mode: "));
        Self {
            child,
            url,
            mode,
            _out: out,
        }
    }

    async fn get(&self, path: &str) -> Answer {
        Client::new().get(&format!("{}{path}", self.url)).await
    }

    async fn is_cached(&self, path: &str) -> bool {
        self.get(path).await;
        self.get(path).await.is_hit()
    }
}

fn settings(dir: &TempDir, text: &str) -> PathBuf {
    let path = dir.path().join("settings.yaml");
    std::fs::write(&path, text).expect("written");
    path
}

const REALITY: &str = "/api/v1/reality/7";

#[tokio::test]
async fn the_server_reads_the_file_that_nb_settings_names() {
    let dir = TempDir::new().expect("a folder");
    let plain = Server::start(&mut command(&dir));
    assert_eq!(plain.mode, "local");
    assert!(plain.is_cached(REALITY).await);
    let text = "CACHE:\n  routes:\n    /api/v1/reality/{id}: { bypass: true }\n";
    let path = settings(&dir, text);
    let with_file = Server::start(command(&dir).env("NB_SETTINGS", &path));
    assert!(!with_file.is_cached(REALITY).await);
    assert!(with_file.is_cached("/api/v1/consciousness").await);
    // And the environment goes before it.
    let mut command = command(&dir);
    command
        .env("NB_SETTINGS", &path)
        .env("NB_CACHE__ROUTES", "{}");
    assert!(Server::start(&mut command).is_cached(REALITY).await);
}

#[tokio::test]
async fn a_redis_section_in_the_file_is_the_redis_that_instances_share() {
    let (dir, redis) = (TempDir::new().expect("a folder"), Redis::start().await);
    let text = format!(
        "REDIS:\n  host: 127.0.0.1\n  port: {}\nCACHE:\n  key: {{ ignore_authority: true }}\n",
        redis.port
    );
    let path = settings(&dir, &text);
    let a = Server::start(command(&dir).env("NB_SETTINGS", &path));
    let b = Server::start(command(&dir).env("NB_SETTINGS", &path));
    assert_eq!((&*a.mode, &*b.mode), ("redis", "redis"));
    until("what one stored the other serves", async || {
        let (ours, theirs) = (a.get(REALITY).await, b.get(REALITY).await);
        theirs.is_hit() && ours.text() == theirs.text()
    })
    .await;
    // The same by the environment alone.
    let port = redis.port.to_string();
    let mut command = command(&dir);
    command
        .env("REDIS_HOST", "127.0.0.1")
        .env("REDIS_PORT", port);
    let c = Server::start(&mut command);
    assert_eq!(c.mode, "redis");
}

#[tokio::test]
async fn settings_that_cannot_be_used_end_it_with_their_place() {
    let dir = TempDir::new().expect("a folder");
    let path = settings(&dir, "REDIS:\n  password: geheim\n  port: nix\n");
    let said = run(command(&dir).env("NB_SETTINGS", &path));
    let expected = format!(
        "{}: REDIS.port: must be a whole number, 1 to 65535 at line 3, column 9\n",
        path.display()
    );
    assert_eq!(said.error(), expected);
    let said = run(command(&dir).env("NB_SETTINGS", "/nowhere.yaml"));
    assert!(
        said.error().starts_with("/nowhere.yaml: cannot be read"),
        "{}",
        said.err
    );
}
