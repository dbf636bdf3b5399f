//! One server, reached in other ways than by host and port, or of another kind than Redis.

#[path = "support/exercise.rs"]
mod exercise;
#[path = "support/scripted.rs"]
mod scripted;
mod support;

use axum::body::Body;
use axum::http::Request;
use exercise::{all_works, app, say, works_as_written, written};
use http_body_util::BodyExt;
use neuralblitz_cache::{CacheConfig, CacheConfigBuilder, Fault, RedisConfig, Settings};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use support::redis::Redis;
use support::until;
use tower::ServiceExt;

const TOKEN: &str = "a token of some length";

/// A socket in a folder of its own, and the server that listens there.
async fn with_socket() -> (tempfile::TempDir, String, Redis) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("redis.sock");
    let path = path.to_str().expect("text").to_owned();
    let redis = Redis::start_with(&["--unixsocket", &path]).await;
    (dir, path, redis)
}

#[tokio::test]
async fn a_unix_socket_does() {
    let (_dir, path, redis) = with_socket().await;
    // Nobody comes by another way.
    let before = redis.keys().await;
    assert!(before.is_empty());
    all_works(|| CacheConfig::builder().redis(RedisConfig::new().socket(&path))).await;
    all_works(|| CacheConfig::builder().redis_url(&format!("unix://{path}?db=3"))).await;
}

/// What the guide says that a user must be allowed is enough.
#[tokio::test]
async fn an_acl_user_does_by_settings_and_by_url() {
    let (_dir, path, redis) = with_socket().await;
    let allowed = "ACL SETUSER app on >secret ~nb:* &nb:* +get +getrange +strlen +set +setrange \
         +persist +del +unlink +time +type +lindex +lrange +lrem +llen +lpop +rpush +rename \
         +pexpire +eval +evalsha +publish +subscribe +ping +select +client|tracking +role +scan \
         +pttl +info";
    let words: Vec<&str> = allowed.split_whitespace().collect();
    say(&redis, &words).await;
    say(&redis, &["ACL", "SETUSER", "default", "off"]).await;
    let config = || {
        let redis = RedisConfig::new().socket(&path);
        CacheConfig::builder().redis(redis.username("app").password("secret"))
    };
    all_works(config).await;
    nothing_is_refused(config()).await;
    all_works(|| CacheConfig::builder().redis_url(&format!("unix://app:secret@{path}"))).await;
}

/// Nor what only leases and administrators ask for.
async fn nothing_is_refused(config: CacheConfigBuilder) {
    let app = app(config.lease(Duration::from_secs(5)).admin_token(TOKEN));
    app.get("/leased").await;
    written(&app).await;
    let ask = async |path| {
        let request = Request::get(path).header("authorization", format!("Bearer {TOKEN}"));
        let request = request.body(Body::empty()).expect("a request");
        let answer = app.cache.admin_router().oneshot(request).await;
        let body = answer.expect("an answer").into_body();
        let body = body.collect().await.expect("a body").to_bytes();
        serde_json::from_slice::<Value>(&body).expect("JSON")
    };
    let keys = ask("/metrics/cache/keys").await;
    assert_eq!(keys["keys"].as_array().map(Vec::is_empty), Some(false));
    let stats = ask("/cache/stats").await;
    assert_ne!(stats["redis_version"], "");
    assert_eq!(app.cache.stats().last_fault, None);
}

#[tokio::test]
async fn another_users_password_is_refused_and_the_setting_named() {
    let redis = Redis::start().await;
    say(&redis, &["CONFIG", "SET", "requirepass", "its own"]).await;
    let login = |user: &str, password: &str| {
        let server = RedisConfig::new().host("127.0.0.1").port(redis.port);
        let server = server.username(user).password(password);
        app(CacheConfig::builder().redis(server))
    };
    let (unknown, wrong) = (login("nobody", "its own"), login("default", "wrong"));
    for app in [unknown, wrong] {
        until("it is denied", async || {
            assert!(!app.get("/x").await.is_hit());
            app.cache.stats().last_fault == Some(Fault::Denied)
        })
        .await;
        let told = Fault::Denied.to_string();
        assert!(told.contains("`username`") && told.contains("`password`"));
    }
}

/// The server of a Python wheel; see `scripts/valkey.sh`.
fn valkey() -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/valkey.sh");
    let found = Command::new(script).output().expect("the script runs");
    let told = String::from_utf8_lossy(&found.stderr);
    assert!(found.status.success(), "no valkey-server: {told}");
    let path = String::from_utf8(found.stdout).expect("text");
    path.trim_end().to_owned()
}

#[tokio::test]
async fn valkey_does() {
    let valkey = Redis::start_as(&valkey(), &[]).await;
    let info: String = redis::cmd("INFO")
        .arg("server")
        .query_async(&mut valkey.connection().await)
        .await
        .expect("told");
    assert!(info.contains("server_name:valkey"), "{info}");
    all_works(|| valkey.config()).await;
}

fn written_down(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("settings.yaml");
    std::fs::write(&path, text).expect("written");
    (dir, path)
}

#[tokio::test]
async fn a_settings_file_says_where_redis_is() {
    let (_dir, socket, _redis) = with_socket().await;
    works_as_written(&format!("{{socket: {socket}}}")).await;
}

#[test]
fn a_settings_file_says_it_in_one_way() {
    for (text, wrong) in [
        ("REDIS: {socket: /a, cluster: [b]}", "REDIS.cluster"),
        ("REDIS: {sentinel_master: a}", "REDIS.sentinel_master"),
        ("REDIS: {sentinel: [a]}", "REDIS.sentinel"),
        ("REDIS: {cluster: [\"\"]}", "REDIS.cluster"),
        ("REDIS: {cluster: [a], db: 1}", "REDIS.db"),
        ("REDIS: {socket: \"\"}", "REDIS.socket"),
        ("REDIS: {ca_file: /a}", "REDIS.ca_file"),
        (
            "REDIS: {client_certificate: /a}",
            "REDIS.client_certificate",
        ),
        ("REDIS: {tls: true, ca_file: /nowhere}", "REDIS.ca_file"),
    ] {
        let (_file, path) = written_down(text);
        let refused = Settings::load(path).expect_err(text);
        assert_eq!(refused.path(), wrong, "{refused}");
    }
}
