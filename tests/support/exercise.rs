//! What must work whatever Redis is: instances share entries, purges and values.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

use crate::scripted::{App, counted};
use crate::support::redis::Redis;
use crate::support::until;
use neuralblitz_cache::{CacheConfig, CacheConfigBuilder, Mode, Purged};
use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);

pub fn app(config: CacheConfigBuilder) -> App {
    let config = config.soft_limit(Duration::from_secs(5));
    App::new(config.build().expect("usable"), |_, run| counted(run, &[]))
}

/// The same where a settings file alone says what Redis is.
pub async fn works_as_written(redis: &str) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("settings.yaml");
    let text = format!("CACHE: {{soft_limit: 5}}\nREDIS: {redis}\n");
    std::fs::write(&path, text).expect("written");
    let app = || {
        let config = CacheConfig::load(&path).expect("usable");
        App::new(config, |_, run| counted(run, &[]))
    };
    let (a, b) = (app(), app());
    for path in ["/written/1", "/written/2", "/written/3"] {
        assert!(!a.get(path).await.is_hit(), "{path}");
        written(&a).await;
        assert!(b.get(path).await.is_hit(), "{path}");
        let purged = b.cache.purge_uri(path).await.expect("a URI");
        assert_eq!(purged, Purged::Applied);
        assert!(!a.get(path).await.is_hit(), "{path}");
    }
}

/// A raw command.
pub async fn say(redis: &Redis, words: &[&str]) {
    let mut connection = redis.connection().await;
    let mut command = redis::cmd(words[0]);
    let told = command.arg(&words[1..]).exec_async(&mut connection).await;
    told.unwrap_or_else(|error| panic!("{words:?}: {error}"));
}

/// Until all entries of this instance are in Redis.
pub async fn written(app: &App) {
    let queued = || app.cache.stats().queued_writes;
    until("all is written", async || queued() == 0).await;
}

/// Stores, shares and purges, with and without a near tier.
pub async fn all_works(config: impl Fn() -> CacheConfigBuilder) {
    let (a, b, near) = (app(config()), app(config()), app(config().near_cache(true)));
    until("coherent", async || near.cache.stats().coherent).await;
    for path in ["/x", "/y?q=1", "/z/1", "/z/2", "/z/3", "/z/4"] {
        shares(&a, &b, &near, path).await;
    }
    patterns(&a, &b).await;
    values(&a, &b).await;
    assert_eq!(b.cache.clear().await, Purged::Applied);
    assert!(!a.get("/x").await.is_hit());
    for app in [&a, &b, &near] {
        assert_eq!(app.cache.stats().mode, Mode::Redis);
    }
}

async fn shares(a: &App, b: &App, near: &App, path: &str) {
    let first = a.get(path).await;
    assert!(!first.is_hit(), "{path}: {}", first.cache());
    written(a).await;
    for other in [b, near] {
        let shared = other.get(path).await;
        assert!(shared.is_hit(), "{path}: {}", shared.cache());
        assert_eq!(shared.text(), first.text());
    }
    let local = || near.cache.stats().local_hits;
    let before = local();
    until("the near tier answers", async || {
        near.get(path).await.is_hit() && local() > before
    })
    .await;
    let purged = b.cache.purge_uri(path).await.expect("a URI");
    assert_eq!(purged, Purged::Applied);
    let second = a.get(path).await;
    assert!(!second.is_hit(), "{path}: {}", second.cache());
    written(a).await;
    until("it is heard of", async || {
        near.get(path).await.text() == second.text()
    })
    .await;
}

async fn patterns(a: &App, b: &App) {
    for path in ["/z/1", "/x"] {
        assert!(b.get(path).await.is_hit(), "{path}");
    }
    let purged = a.cache.purge_prefix("/z/").await.expect("a prefix");
    assert_eq!(purged, Purged::Applied);
    assert!(!b.get("/z/1").await.is_hit());
    assert!(b.get("/x").await.is_hit());
}

async fn values(a: &App, b: &App) {
    // What is large takes another way there, in whatever slot it is.
    let large = "x".repeat(300 << 10);
    for (key, value) in [
        ("one", "one"),
        ("two", "two"),
        ("large", &large),
        ("large:{of}:another", &large),
        ("large}:of{}none", &large),
    ] {
        let set = a.cache.set(key, value, MINUTE).await;
        set.unwrap_or_else(|error| panic!("{key}: {error}"));
        let got: Option<String> = b.cache.get(key).await.expect("a key");
        assert!(got.as_deref() == Some(value), "{key}");
    }
    assert_eq!(a.cache.delete("two").await.expect("a key"), Purged::Applied);
    assert_eq!(b.cache.get::<String>("two").await.expect("a key"), None);
}
