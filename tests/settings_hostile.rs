//! Settings files made to do harm: refused, in bounded memory and time.
#![cfg(target_os = "linux")]

mod support;

use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use support::child::{Said, run, settings};
use tempfile::TempDir;

/// All memory that the child may map, in KiB: what it needs without any file, and a little.
const MEMORY: &str = "200000";

/// Longer than any refusal may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

fn bounded(path: &Path) -> Said {
    let mut command = Command::new("sh");
    command
        .env_clear()
        .args(["-c", "ulimit -v $0 && exec \"$1\" \"$2\"", MEMORY]);
    let said = command.arg(settings()).arg(path);
    #[allow(clippy::disallowed_methods, reason = "how long it really takes")]
    let began = Instant::now();
    let said = run(said);
    assert!(began.elapsed() < LIMIT, "{:?}", began.elapsed());
    said
}

fn refused(text: impl AsRef<[u8]>, why: &str) {
    let dir = TempDir::new().expect("a folder");
    let path = dir.path().join("settings.yaml");
    std::fs::write(&path, text).expect("written");
    let said = bounded(&path);
    // Not killed, and not out of memory: it says so itself.
    assert!(said.error().contains(why), "{why}: {}", said.err);
    assert!(said.err.len() < 1000, "{}", said.err);
}

/// Refused or read, in bounded memory and time.
fn survived(text: impl AsRef<[u8]>) {
    let dir = TempDir::new().expect("a folder");
    let path = dir.path().join("settings.yaml");
    std::fs::write(&path, text).expect("written");
    let said = bounded(&path);
    let complaint = said.err.starts_with(&path.display().to_string());
    assert!(
        said.ok || (complaint && said.err.len() < 1000),
        "{}",
        said.err
    );
}

/// Each list holds the one before it nine times.
fn laughs(depth: usize) -> String {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..depth {
        let alias = vec![format!("*a{}", level - 1); 9].join(", ");
        let _ = writeln!(text, "a{level}: &a{level} [{alias}]");
    }
    text
}

#[test]
fn alias_bombs_are_refused_in_bounded_memory() {
    for depth in [5, 10, 30] {
        refused(laughs(depth), "too large");
    }
    // The same in the place of a setting, and of text that is repeated.
    refused(laughs(9) + "CACHE:\n  targeted: *a8\n", "too large");
    let long = "x".repeat(100_000);
    let many = vec!["*a"; 900].join(", ");
    refused(
        format!("b: &a {long}\nc: &b [{many}]\nd: [*b, *b, *b, *b, *b, *b, *b, *b]\n"),
        "",
    );
    let merges = (1..200).fold(String::from("m0: &m0 {a: 1}\n"), |mut text, level| {
        let before = level - 1;
        let _ = writeln!(
            text,
            "m{level}: &m{level} {{<<: [*m{before}, *m{before}], k{level}: 1}}"
        );
        text
    });
    refused(merges, "too large");
    refused("a: &a [*a]\n", "");
}

#[test]
fn files_that_are_too_large_are_refused_without_being_read() {
    refused("# x\n".repeat(300_000), "more than 1 MiB");
    let endless = bounded(Path::new("/dev/zero"));
    assert!(
        endless.error().contains("more than 1 MiB"),
        "{}",
        endless.err
    );
    let dir = TempDir::new().expect("a folder");
    let path = dir.path().join("large.yaml");
    let file = std::fs::File::create(&path).expect("a file");
    file.set_len(1 << 40).expect("a hole");
    assert!(bounded(&path).error().contains("more than 1 MiB"));
    assert!(bounded(dir.path()).error().contains("cannot be read"));
}

#[test]
fn files_of_the_largest_size_that_are_deep_or_long_are_refused_or_read() {
    let filled = |piece: &str| piece.repeat((1 << 20) / piece.len());
    refused(filled("a:\n"), "is there twice");
    refused(filled("a: {b: &a [c]}\n"), "is there twice");
    for piece in [
        "[", "{a: ", "- ", "? ", "&a ", "!a ", "\"", "'", "a", "\t", " ", "\n", "%a\n", "---\n",
        "\0", "[x,", "*a ", "| ", "#", "<<: ", "\u{feff}", "{", "}", "a: b: ", "\r",
    ] {
        survived(filled(piece));
        survived(format!("CACHE: {}", piece.repeat(1000)));
    }
    let keys = (0..90_000).fold(String::from("CACHE:\n"), |mut text, key| {
        let _ = writeln!(text, "  k{key}: 1");
        text
    });
    refused(keys, "");
    let routes = (0..20_000).fold(String::from("CACHE:\n  routes:\n"), |mut text, route| {
        let _ = writeln!(text, "    /r{route}/{{id}}: {{ttl: 5}}");
        text
    });
    let dir = TempDir::new().expect("a folder");
    let path = dir.path().join("settings.yaml");
    std::fs::write(&path, routes).expect("written");
    let said = bounded(&path);
    let last = said.setting("CACHE.routes[\"/r19999/{id}\"].ttl");
    assert_eq!(last, ("5", "line 20002, column 25"));
}
