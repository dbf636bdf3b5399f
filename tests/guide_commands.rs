//! The commands of the chapter on troubleshooting: each is run, and says what the chapter shows.
#![cfg(all(unix, feature = "redis", feature = "admin"))]

mod support;

use std::process::Command;
use std::time::Duration;
use support::redis::Redis;
use support::server::{Server, TOKEN};
use support::shown::{Shown, agrees};
use support::tools::{run, text_of};
use support::until;

/// The commands of the example by section, those for Redis left out.
fn sections() -> Vec<(String, Vec<Shown>)> {
    let mut sections: Vec<(String, Vec<Shown>)> = Vec::new();
    let mut shown = false;
    for line in text_of("src/guide/troubleshooting.rs").lines() {
        let line = line.trim_start_matches("//!").trim();
        if let Some(title) = line.strip_prefix("# ") {
            sections.push((title.to_owned(), Vec::new()));
        }
        let Some((_, commands)) = sections.last_mut() else {
            continue;
        };
        if let Some(command) = line.strip_prefix("$ ") {
            shown = command.starts_with("curl ");
            commands.extend(shown.then(|| Shown::new(command)));
        } else if line.starts_with("```") {
            shown = false;
        } else if let Some(last) = commands.last_mut().filter(|_| shown) {
            last.push(line);
        }
    }
    sections.retain(|(_, commands)| !commands.is_empty());
    sections
}

/// Runs it until it says what is shown: what Redis is told takes a moment.
async fn try_on(shown: &Shown, server: &Server) {
    let command = shown.command.replace("localhost:3000", &server.address);
    let mut said = String::new();
    let agreed = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            let mut shell = Command::new("sh");
            let output = run(shell.args(["-c", &command]).env("TOKEN", TOKEN));
            said = String::from_utf8(output.stdout).expect("text");
            if shown.agrees(&said) {
                return;
            }
            tokio::task::yield_now().await;
        }
    });
    assert!(agreed.await.is_ok(), "{shown:#?}\nsays {said}");
}

#[test]
fn what_is_left_out_stands_for_anything() {
    assert!(agrees("a…c", "abc") && agrees("…c", "abc") && agrees("a…", "abc"));
    assert!(agrees("abc", "abc") && agrees("a…b…c", "a1b2c") && agrees("a…c", "abcbc"));
    assert!(!agrees("a…c", "abcd") && !agrees("b…", "abc") && !agrees("a…d…", "abc"));
}

/// The example beside a Redis of its own, in the state that a section is about.
async fn stage(title: &str) -> (Redis, Server) {
    let mut redis = Redis::start().await;
    let deaf = title == "Purges of other instances are not heard of";
    if deaf {
        let mut forbid = redis::cmd("ACL");
        forbid.arg(&["SETUSER", "default", "-subscribe"]);
        let forbidden = forbid.query_async(&mut redis.connection().await).await;
        assert_eq!(forbidden, Ok(()));
    }
    let url = redis.url();
    let server = Server::start(&[("REDIS_URL", &url), ("NB_CACHE__SOFT_LIMIT", "5")]).await;
    let stats = server.url("/cache/stats");
    let connected = format!(r#""coherent":{},"connected":true"#, !deaf);
    until("it is connected", async || {
        let stats = server.client.get(&stats).await;
        stats.text().contains(&connected)
    })
    .await;
    if matches!(title, "Redis cannot be reached" | "Purges stay queued") {
        redis.kill();
    }
    (redis, server)
}

#[tokio::test]
async fn each_command_says_what_the_chapter_shows() {
    let sections = sections();
    let commands = sections.iter().map(|(_, commands)| commands.len());
    assert!(
        commands.sum::<usize>() >= 20,
        "they are found: {sections:?}"
    );
    for (title, commands) in sections {
        let (_redis, server) = stage(&title).await;
        for command in commands {
            try_on(&command, &server).await;
        }
    }
}
