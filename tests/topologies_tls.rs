//! TLS: what is signed by the authority that is trusted is spoken to, and nothing else.

#![cfg(feature = "tls")]

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/exercise.rs"]
mod exercise;
#[path = "support/scripted.rs"]
mod scripted;
mod support;

use certificates::{Authority, Pair};
use exercise::{all_works, app, say, works_as_written};
use neuralblitz_cache::{
    CacheConfig, CacheConfigBuilder, ConfigErrorKind, Fault, Mode, RedisConfig,
};
use scripted::App;
use std::time::Duration;
use support::redis::{Redis, free_port};
use support::until;

/// A server that speaks TLS at a second port.
struct Secured {
    redis: Redis,
    port: u16,
}

impl Secured {
    /// `clients`: whether it asks them for a certificate.
    async fn start(authority: &Authority, pair: &Pair, clients: bool) -> Self {
        let redis = Redis::start_with(&[
            "--tls-ca-cert-file",
            &authority.file,
            "--tls-cert-file",
            &pair.certificate,
            "--tls-key-file",
            &pair.key,
            "--tls-auth-clients",
            if clients { "yes" } else { "no" },
        ])
        .await;
        let mut connection = redis.connection().await;
        for _ in 0..20 {
            let port = free_port();
            let mut set = redis::cmd("CONFIG");
            set.arg("SET").arg("tls-port").arg(port);
            if set.exec_async(&mut connection).await.is_ok() {
                return Self { redis, port };
            }
        }
        panic!("this redis-server does not speak TLS");
    }

    fn config(&self) -> RedisConfig {
        RedisConfig::new()
            .host("127.0.0.1")
            .port(self.port)
            .tls(true)
    }

    /// Handlers answer, nothing reaches Redis, and the class of the fault says why.
    async fn refuses(&self, config: RedisConfig) {
        let app = with(config);
        until("it is left alone", async || {
            assert!(app.get("/x").await.text().starts_with("run "));
            app.cache.stats().reason == Some(Fault::Tls)
        })
        .await;
        assert!(!app.cache.stats().connected);
        assert_eq!(self.redis.keys().await, [""; 0]);
    }
}

fn builder(redis: RedisConfig) -> CacheConfigBuilder {
    CacheConfig::builder().redis(redis.socket_connect_timeout(Duration::from_secs(2)))
}

fn with(redis: RedisConfig) -> App {
    app(builder(redis))
}

#[tokio::test]
async fn a_server_signed_by_the_given_authority_is_used() {
    let authority = Authority::new();
    let server = Secured::start(&authority, &authority.signs("server"), false).await;
    all_works(|| builder(server.config().ca_file(&authority.file))).await;
    let url = format!("rediss://127.0.0.1:{}/2", server.port);
    all_works(|| {
        let redis = RedisConfig::from_url(&url).expect("readable");
        builder(redis.ca_file(&authority.file))
    })
    .await;
}

#[tokio::test]
async fn who_is_not_known_is_refused() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = Secured::start(&authority, &authority.signs("server"), false).await;
    server.refuses(server.config().ca_file(&other.file)).await;
    // No authority of the system has signed it.
    server.refuses(server.config()).await;
}

#[tokio::test]
async fn an_expired_certificate_and_that_of_another_server_are_refused() {
    let authority = Authority::new();
    for pair in [
        authority.signs_expired("expired"),
        authority.signs_for("other", "redis.example"),
    ] {
        let server = Secured::start(&authority, &pair, false).await;
        server
            .refuses(server.config().ca_file(&authority.file))
            .await;
    }
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_is_refused() {
    let (authority, redis) = (Authority::new(), Redis::start().await);
    let server = Secured {
        port: redis.port,
        redis,
    };
    // It waits for the end of what it takes for a command: that is all that is known of it.
    let app = with(server.config().ca_file(&authority.file));
    until("it is left alone", async || {
        assert!(app.get("/x").await.text().starts_with("run "));
        app.cache.stats().mode == Mode::Fallback
    })
    .await;
    assert!(!app.cache.stats().connected);
    assert_eq!(server.redis.keys().await, [""; 0]);
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_is_given_it() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = Secured::start(&authority, &authority.signs("server"), true).await;
    let config = |client: &Pair| {
        let config = server.config().ca_file(&authority.file);
        config.client_certificate(&client.certificate, &client.key)
    };
    let known = authority.signs("client");
    all_works(|| builder(config(&known))).await;
    works_as_written(&format!(
        "{{host: 127.0.0.1, port: {}, tls: true, ca_file: {:?}, client_certificate: {:?}, client_key: {:?}}}",
        server.port, authority.file, known.certificate, known.key
    ))
    .await;
    say(&server.redis, &["FLUSHALL"]).await;
    server
        .refuses(server.config().ca_file(&authority.file))
        .await;
    server.refuses(config(&other.signs("client"))).await;
    server
        .refuses(config(&authority.signs_expired("old")))
        .await;
}

/// A certificate that is renewed needs no restart.
#[tokio::test]
async fn files_are_read_at_each_connect() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = Secured::start(&authority, &authority.signs("server"), false).await;
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("ca.pem");
    std::fs::copy(&other.file, &file).expect("copied");
    let app = with(server.config().ca_file(&file));
    until("it is told", async || {
        app.cache.stats().last_fault == Some(Fault::Tls)
    })
    .await;
    std::fs::copy(&authority.file, &file).expect("copied");
    until("it is connected", async || app.cache.stats().connected).await;
}

#[test]
fn files_that_hold_something_else_are_refused_by_name() {
    let authority = Authority::new();
    let client = authority.signs("client");
    let config = || RedisConfig::new().tls(true);
    let refused = |redis| {
        let refused = CacheConfig::builder().redis(redis).build();
        let error = refused.expect_err("refused");
        assert_eq!(*error.kind(), ConfigErrorKind::Unreadable);
        error.setting()
    };
    assert_eq!(refused(config().ca_file("/nowhere")), "ca_file");
    assert_eq!(refused(config().ca_file(&client.key)), "ca_file");
    let swapped = config().client_certificate(&client.key, &client.certificate);
    assert_eq!(refused(swapped), "client_certificate");
    let twice = config().client_certificate(&client.certificate, &client.certificate);
    assert_eq!(refused(twice), "client_key");
}
