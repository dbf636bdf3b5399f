//! Where the requests of a warming come from: files and closures.

mod support;
#[path = "support/warm_app.rs"]
mod warm_app;

use neuralblitz_cache::{Cache, CacheConfig, WarmFileErrorKind, WarmRequest};
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;
use warm_app::{App, request};

/// A file of this name.
fn written(name: &str, text: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join(name);
    std::fs::write(&path, text).expect("written");
    (dir, path)
}

fn app() -> App {
    App::new(CacheConfig::builder())
}

#[tokio::test]
async fn a_file_has_a_request_a_line() {
    let text = "# comment\n\nhttp://h/a?x=1\r\n  GET http://h/b  \nHEAD http://h/b\n";
    let (_dir, path) = written("warm.txt", text);
    let app = app();
    let warmup = app.warmup().concurrency(1).replay_file(path);
    let warmed = warmup.expect("readable").run().await;
    assert_eq!((warmed.warmed, warmed.left_alone, warmed.failed), (2, 1, 0));
    assert!(app.is_warm("/a?x=1").await && app.is_warm("/b").await);
}

#[cfg(feature = "yaml")]
#[tokio::test]
async fn a_yaml_file_is_a_list_as_in_the_settings() {
    let text = "
- uri: http://h/b
- { uri: /varies, headers: { host: h, accept-language: de }, priority: 3 }
";
    let (_dir, path) = written("warm.yaml", text);
    let app = app();
    let warmup = app.warmup().concurrency(1).replay_file(path);
    let warmed = warmup.expect("readable").run().await;
    assert_eq!((warmed.warmed, warmed.failed), (2, 0));
    assert_eq!(app.ran(), ["varies", "b"]);
    let german = app.ask_with("/varies", &[("host", "h"), ("accept-language", "de")]);
    assert!(german.await.contains("; hit"));
}

#[cfg(feature = "yaml")]
#[tokio::test]
async fn settings_say_method_host_fields_priority_and_time_limit() {
    use neuralblitz_cache::Settings;
    let text = "
CACHE:
  warm_authority: h
  warm_timeout: 2
  warm:
    - { uri: /hangs, priority: -1 }
    - { uri: /a }
    - { uri: /varies, headers: { accept-language: de }, priority: 1 }
    - { uri: 'http://other/b', method: HEAD, priority: 2 }
";
    let settings = Settings::from_yaml(text).expect("usable");
    let app = App::of(settings.into_config());
    let warmed = app.warmup().concurrency(1).configured().run().await;
    assert_eq!((warmed.warmed, warmed.unstored, warmed.skipped), (2, 1, 1));
    assert_eq!(app.ran(), ["b", "varies", "a", "hangs"]);
    let german = app.ask_with("/varies", &[("host", "h"), ("accept-language", "de")]);
    assert!(german.await.contains("; hit") && app.is_warm("/a").await);
    for (text, said) in [
        (
            "warm_authority: 'a b'",
            "CACHE.warm_authority: must be a host, or a host and its port at line 2, column 19",
        ),
        (
            "warm_authority: u:secret@h",
            "CACHE.warm_authority: must be a host, or a host and its port at line 2, column 19",
        ),
        (
            "warm_timeout: 0",
            "CACHE.warm_timeout: must be a number of seconds, 0.001 to ",
        ),
        (
            "warm: [{ uri: a }]",
            "CACHE.warm[0].uri: must be a URI with an absolute path at line 2",
        ),
        (
            "warm: [{ uri: /a, priority: high }]",
            "CACHE.warm[0].priority: must be ",
        ),
    ] {
        let wrong = Settings::from_yaml(&format!("CACHE:\n  {text}\n"));
        let wrong = wrong.expect_err("refused").to_string();
        assert!(wrong.starts_with(said), "{wrong}");
    }
}

/// Neither message shows what stands in the file, which may be a secret.
#[test]
fn what_is_no_request_is_refused_by_its_line() {
    let many = "/a\n".repeat(10_001);
    let large = "#".repeat((1 << 20) + 1);
    let (malformed, too_large) = (WarmFileErrorKind::Malformed, WarmFileErrorKind::TooLarge);
    let mut cases: Vec<(&str, Vec<u8>, WarmFileErrorKind, Option<u64>)> = vec![
        ("a.txt", b"/a\nsecret\n".into(), malformed, Some(2)),
        (
            "a.txt",
            b"/a\n\n#\nGET /secret more".into(),
            malformed,
            Some(4),
        ),
        ("a.txt", b"G(T /secret".into(), malformed, Some(1)),
        ("a.txt", b"/a\n/\xff secret".into(), malformed, Some(2)),
        ("a.txt", many.into(), too_large, None),
        ("a.txt", large.into(), too_large, None),
    ];
    if cfg!(feature = "yaml") {
        let yaml = [
            "- uri: /a\n- { uri: secret }",
            "- uri: /a\n- { urn: secret }",
            "- uri: /a\n- { uri: /a, method: 'secret()' }",
            "- uri: /a\n- { uri: /a, headers: { a: \"secret\\n\" } }",
            "- uri: /a\n- uri: [secret",
        ];
        let yaml = yaml.map(|text| ("a.yaml", text.into(), malformed, Some(2)));
        cases.extend(yaml);
    }
    for (name, text, kind, line) in cases {
        let (_dir, path) = written(name, text);
        let cache = Cache::new(CacheConfig::default());
        let wrong = cache.warmup().replay_file(path).expect_err("refused");
        assert_eq!((wrong.kind(), wrong.line()), (kind, line), "{wrong}");
        let source = wrong.source().map(ToString::to_string);
        let said = format!("{wrong} {source:?} {wrong:?}");
        assert!(said.contains(name) && !said.contains("secret"), "{said}");
    }
    let cache = Cache::new(CacheConfig::default());
    let wrong = cache.warmup().replay_file("/nowhere").expect_err("refused");
    assert_eq!(wrong.kind(), WarmFileErrorKind::Unreadable);
    assert!(wrong.source().is_some());
}

#[tokio::test]
async fn a_closure_says_it_when_the_warming_begins() {
    let app = app();
    let cache = app.cache.clone();
    cache
        .set("page", "/late", Duration::from_mins(1))
        .await
        .expect("set");
    let warmup = app.warmup().replay_from(move || async move {
        let path = cache.get::<String>("page").await?.unwrap_or_default();
        Ok::<_, neuralblitz_cache::CacheError>([request(&path)])
    });
    let warmed = warmup.run().await;
    assert_eq!((warmed.items, warmed.warmed), (1, 1));
    assert!(app.is_warm("/late").await);
}

type Requests = io::Result<Vec<WarmRequest>>;

#[tokio::test]
async fn a_closure_that_fails_hangs_or_panics_is_one_failure_and_the_others_are_warmed() {
    let app = app();
    let panics = || async {
        assert!(std::hint::black_box(false), "as it should");
        Requests::Ok(Vec::new())
    };
    let warmup = app
        .warmup()
        .item_timeout(Duration::from_secs(2))
        .replay_from(|| async { Requests::Err(io::Error::other("as it should")) })
        .replay_from(std::future::pending::<Requests>)
        .replay_from(panics)
        .replay_from(|| async { Requests::Ok(vec![request("/a")]) });
    let warmed = warmup.run().await;
    assert_eq!((warmed.items, warmed.failed, warmed.warmed), (4, 3, 1));
    assert!(app.is_warm("/a").await);
}
