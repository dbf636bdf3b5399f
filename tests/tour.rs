//! README's tour, word by word, in one shell; only the ports are others.
#![cfg(all(unix, feature = "redis", feature = "admin"))]

mod support;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use support::redis::{free_port, program};
use support::shown::Shown;
use support::tools::{succeed, text_of};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// How long one command may take: the first builds the example.
const LIMIT: Duration = Duration::from_mins(10);

/// Written after what a command writes.
const END: &str = "== end ==";

/// The commands of the tour, with what they are said to write.
fn tour() -> Vec<Shown> {
    let readme = text_of("README.md");
    let tour = readme
        .split("\n## ")
        .find(|part| part.starts_with("Two minutes"));
    let mut commands: Vec<Shown> = Vec::new();
    let mut inside = false;
    for line in tour.expect("the tour").lines() {
        match line.strip_prefix("$ ") {
            _ if line.starts_with("```") => inside = line == "```console",
            Some(command) => commands.push(Shown::new(command)),
            None if inside => commands.last_mut().expect("a command").push(line),
            None => {}
        }
    }
    commands
}

/// A shell with its jobs, all of which end with it.
struct Shell {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Shell {
    /// What `redis-server` and `cargo` are is known here.
    fn start() -> Self {
        let folder = |program: &str| Path::new(program).parent().map(Path::to_owned);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let known = [folder(&program()), folder(env!("CARGO"))];
        let known = known.into_iter().flatten();
        let path = std::env::join_paths(known.chain(std::env::split_paths(&path)));
        let mut command = Command::new("bash");
        command.arg("--norc").env("PATH", path.expect("a path"));
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().expect("bash starts");
        Self {
            input: child.stdin.take().expect("an input"),
            output: BufReader::new(child.stdout.take().expect("an output")).lines(),
            child,
        }
    }

    /// What a command writes; `None`: it does not end.
    async fn say(&mut self, command: &str) -> Option<String> {
        let line = format!("{command}\necho; echo '{END}'\n");
        let written = self.input.write_all(line.as_bytes()).await;
        written.expect("the shell listens");
        let mut said = Vec::new();
        let all = async {
            while let Some(line) = self.output.next_line().await.expect("text") {
                if line == END {
                    break;
                }
                said.push(line);
            }
        };
        tokio::time::timeout(LIMIT, all).await.ok()?;
        // The line that `echo` ended, or an empty one.
        if said.last().is_some_and(String::is_empty) {
            said.pop();
        }
        Some(said.join("\n"))
    }

    /// Ends whatever it does, and its jobs.
    async fn end(mut self) {
        let pid = self.child.id().expect("it runs").to_string();
        succeed(std::process::Command::new("kill").args(["-HUP", &pid]));
        drop(self.input);
        self.child.wait().await.expect("it ends");
    }
}

#[tokio::test]
async fn the_tour_goes_as_it_is_told() {
    let (redis, http) = (free_port().to_string(), free_port().to_string());
    let mut shell = Shell::start();
    let ended = "trap exit HUP; trap 'for job in $(jobs -p); do kill -- -$job; done' EXIT";
    let begin = format!("set -m; {ended}; export LISTEN=127.0.0.1:{http}");
    assert_eq!(shell.say(&begin).await.as_deref(), Some(""));
    let tour = tour();
    assert!(tour.len() > 12, "{tour:#?}");
    let mut wrong = None;
    for shown in &tour {
        let command = shown.command.replace("6399", &redis);
        let command = command.replace("localhost:3000", &format!("localhost:{http}"));
        let said = shell.say(&command).await;
        if !said.as_deref().is_some_and(|said| shown.agrees(said)) {
            wrong = Some(format!("{shown:#?}\nsays {said:?}"));
            break;
        }
    }
    shell.end().await;
    assert_eq!(wrong, None);
}
