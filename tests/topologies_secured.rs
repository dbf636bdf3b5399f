//! TLS to sentinels and to a cluster: who is signed by the authority that is trusted is used, and
//! nobody else is; one line in the log says so, and names the settings, as it does of a login that
//! sentinels refuse.

#![cfg(all(feature = "tls", feature = "sentinel", feature = "cluster"))]

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/cluster.rs"]
mod cluster;
#[path = "support/exercise.rs"]
mod exercise;
#[path = "support/lines.rs"]
mod lines;
#[path = "support/scripted.rs"]
mod scripted;
#[path = "support/sentinels.rs"]
mod sentinels;
mod support;

use certificates::{Authority, Pair};
use cluster::{Cluster, FAILOVER};
use exercise::{all_works, app};
use lines::Lines;
use neuralblitz_cache::{CacheConfig, CacheConfigBuilder, Fault, Mode, Purged, RedisConfig};
use scripted::App;
use sentinels::{MASTER, Sentinels};
use std::time::Duration;
use support::redis::Redis;
use support::until_within;

const SECOND: Duration = Duration::from_secs(1);

/// What a process logs is decided once for all its threads; and nodes that are not given their
/// turn take each other for dead.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn with(redis: RedisConfig, ca: &str) -> CacheConfigBuilder {
    let redis = redis.tls(true).ca_file(ca);
    CacheConfig::builder()
        .redis(redis.socket_timeout(SECOND).socket_connect_timeout(SECOND))
        .circuit_breaker_timeout(SECOND)
}

/// Handlers answer, and one line says why, however often it is tried.
async fn is_refused(config: CacheConfigBuilder, reason: &str) {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let app = app(config);
    let named = || {
        let mut all = lines.all();
        all.retain(|(_, line)| line.contains("`REDIS.ca_file`"));
        all
    };
    // That a try takes long may be seen before how it ends.
    until_within(FAILOVER, "it is left alone, and said why", async || {
        assert!(app.get("/x").await.text().starts_with("run "));
        let stats = app.cache.stats();
        let is_left_alone = (stats.mode, stats.last_fault) == (Mode::Fallback, Some(Fault::Tls));
        is_left_alone && !named().is_empty()
    })
    .await;
    assert!(!app.cache.stats().connected);
    let named = named();
    assert_eq!(named.len(), 1, "{:?}", lines.all());
    let (level, line) = &named[0];
    assert_eq!(*level, tracing::Level::ERROR);
    assert!(line.contains("`REDIS.client_certificate`"), "{line}");
    assert!(line.contains(reason), "{line}");
}

/// Until purges are in force everywhere again.
async fn is_used(app: &App) {
    until_within(FAILOVER, "purges are applied", async || {
        let purged = app.cache.purge_uri("/none").await;
        purged.expect("a URI") == Purged::Applied
    })
    .await;
    until_within(FAILOVER, "it is shared", async || {
        app.get("/after").await.is_hit()
    })
    .await;
}

#[tokio::test]
async fn a_cluster_is_used_if_its_nodes_are_known() {
    let _alone = ALONE.lock().await;
    let (authority, other) = (Authority::new(), Authority::new());
    let pair = authority.signs("node");
    let mut cluster = Cluster::start_secured(&authority.settings(&pair)).await;
    let config = |ca: &Authority| with(cluster.config(), &ca.file);
    all_works(|| config(&authority)).await;
    is_refused(config(&other), "BadSignature").await;

    // Links that stand are not asked again.
    for at in 0..cluster.nodes.len() {
        shows(&cluster, at, &authority.signs_expired("expired")).await;
    }
    is_refused(config(&authority), "expired").await;
    for at in 0..cluster.nodes.len() {
        shows(&cluster, at, &pair).await;
    }

    let app = app(config(&authority));
    is_used(&app).await;
    let slot = cluster.slot_of("nb:{c}:stamps").await;
    let victim = cluster.master_of(slot).await;
    cluster.nodes[victim].kill();
    cluster.failed_over(slot, victim).await;
    is_used(&app).await;
}

/// From now on a node shows another certificate to who connects.
async fn shows(cluster: &Cluster, at: usize, pair: &Pair) {
    let (certificate, key) = (&pair.certificate, &pair.key);
    let set = ["CONFIG", "SET", "tls-cert-file", certificate];
    let set = [&set[..], &["tls-key-file", key]].concat();
    cluster.must(at, &set).await;
}

/// A server that speaks TLS as well, and follows another so.
async fn server(authority: &Authority, pair: &Pair, more: &[&str]) -> Redis {
    let mut settings = vec!["--tls-replication".to_owned(), "yes".to_owned()];
    for (name, value) in authority.settings(pair) {
        settings.extend([format!("--{name}"), value.to_owned()]);
    }
    let settings = settings.iter().map(String::as_str);
    let settings: Vec<&str> = settings.chain(more.iter().copied()).collect();
    Redis::start_with(&settings).await
}

fn watched(sentinels: &Sentinels) -> RedisConfig {
    RedisConfig::new().sentinel(MASTER, sentinels.nodes())
}

#[tokio::test]
async fn sentinels_and_their_master_are_used_if_they_are_known() {
    let _alone = ALONE.lock().await;
    let (authority, other) = (Authority::new(), Authority::new());
    let pair = authority.signs("server");
    let mut master = server(&authority, &pair, &[]).await;
    let of = format!("127.0.0.1 {}", master.second);
    let replica = server(&authority, &pair, &["--replicaof", &of]).await;
    let sentinels = Sentinels::watch_secured(&master, 3, 1, &authority.settings(&pair)).await;
    let config = |ca: &Authority| with(watched(&sentinels), &ca.file);
    all_works(|| config(&authority)).await;
    is_refused(config(&other), "BadSignature").await;

    let app = app(config(&authority));
    is_used(&app).await;
    master.kill();
    until_within(FAILOVER, "another master", async || {
        sentinels.master().await == replica.second
    })
    .await;
    is_used(&app).await;
}

#[tokio::test]
async fn a_sentinel_or_a_master_whose_time_is_over_is_refused() {
    let _alone = ALONE.lock().await;
    let authority = Authority::new();
    let (pair, expired) = (authority.signs("server"), authority.signs_expired("old"));
    let good = server(&authority, &pair, &[]).await;
    let sentinels = Sentinels::watch_secured(&good, 1, 0, &authority.settings(&expired)).await;
    is_refused(with(watched(&sentinels), &authority.file), "expired").await;
    drop(sentinels);

    let old = server(&authority, &expired, &[]).await;
    let sentinels = Sentinels::watch_secured(&old, 1, 0, &authority.settings(&pair)).await;
    is_refused(with(watched(&sentinels), &authority.file), "expired").await;
}

#[tokio::test]
async fn a_login_that_sentinels_refuse_is_one_line_that_names_their_setting() {
    let _alone = ALONE.lock().await;
    let master = Redis::start().await;
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let named = |setting: &str| {
        let setting = format!("`REDIS.{setting}`");
        let all = lines.all();
        all.iter().filter(|line| line.1.contains(&setting)).count()
    };
    let secret = Sentinels::start(master.port, 2, "requirepass theirs").await;
    let rights = "user default on nopass +@all -sentinel";
    let rights = Sentinels::start(master.port, 1, rights).await;
    for (n, config) in [
        watched(&secret),
        watched(&secret).sentinel_password("not theirs"),
        watched(&rights),
    ]
    .into_iter()
    .enumerate()
    {
        // One that hangs does not hide what the others say.
        if n == 1 {
            secret.stop(1);
        }
        let app = app(CacheConfig::builder().redis(config.socket_connect_timeout(SECOND)));
        until_within(FAILOVER, "it is told", async || {
            assert!(app.get("/x").await.text().starts_with("run "));
            let stats = app.cache.stats();
            named("sentinel_password") > n && stats.last_fault == Some(Fault::Denied)
        })
        .await;
        assert_eq!(named("sentinel_password"), n + 1, "{:?}", lines.all());
        assert_eq!(named("password"), 0);
    }
    assert!(!lines.all().iter().any(|line| line.1.contains("theirs")));
}
