//! What the admin endpoints say and do.
#![cfg(feature = "admin")]

mod support;

#[path = "support/admin.rs"]
mod admin;

use admin::{App, TOKEN, app, problem, value};
use axum::http::{Method, StatusCode};
use neuralblitz_cache::{CacheConfig, KeyRules};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use support::redis::Redis;
use support::until;

/// With Redis, and entries of items 0 to `items` in it.
async fn filled(redis: &Redis, items: u64) -> App {
    let app = app(redis.config().admin_token(TOKEN)).await;
    for id in 0..items {
        app.get(&format!("/items/{id}")).await;
    }
    until("all are stored", async || app.cache.stats().stored == items).await;
    app
}

fn assert_shape(stats: &Value) {
    assert!(stats["connected"].is_boolean(), "{stats}");
    for text in ["mode", "redis_version", "used_memory_human"] {
        assert!(stats[text].is_string(), "{text}: {stats}");
    }
    for number in ["connected_clients", "total_keys", "local_cache_size"] {
        assert!(stats[number].is_u64(), "{number}: {stats}");
    }
}

#[tokio::test]
async fn stats_have_their_shape_without_redis() {
    let app = app(CacheConfig::builder()).await;
    app.get("/items/1").await;
    let stats = app.json("/cache/stats").await;
    assert_shape(&stats);
    assert_eq!(stats["mode"], "local");
    assert_eq!(stats["connected"], false);
    assert_eq!(
        (&stats["total_keys"], &stats["local_cache_size"]),
        (&json!(1), &json!(1))
    );
}

#[tokio::test]
async fn stats_tell_of_redis_and_count_its_keys_in_the_background() {
    let redis = Redis::start().await;
    let app = filled(&redis, 3).await;
    until("they are counted", async || {
        app.json("/cache/stats").await["total_keys"] == 3
    })
    .await;
    let stats = app.json("/cache/stats").await;
    assert_shape(&stats);
    assert_eq!(
        (&stats["mode"], &stats["connected"]),
        (&json!("redis"), &json!(true))
    );
    assert!(
        stats["redis_version"]
            .as_str()
            .is_some_and(|version| version.contains('.'))
    );
    assert!(
        stats["used_memory_human"]
            .as_str()
            .is_some_and(|memory| memory.ends_with('M'))
    );
    assert!(stats["connected_clients"].as_u64() > Some(1));
    assert!(stats["total_keys_age_seconds"].is_u64());
    let metrics = app.get("/metrics").await;
    for line in [
        "neuralblitz_cache_keys_total{tier=\"redis\"} 3",
        "neuralblitz_cache_keys_total{tier=\"local\"} 3",
    ] {
        assert!(
            metrics.text().lines().any(|found| found == line),
            "{}",
            metrics.text()
        );
    }
    let tiers = &app.json("/metrics/cache").await["tiers"];
    assert_eq!(tiers["redis"]["keys"], 3);
    assert!(tiers["redis"]["bytes"].as_u64() > Some(300), "{tiers}");
}

/// Only background tasks go through the keys, and not again for each who asks.
#[tokio::test]
async fn no_request_goes_through_the_keys_of_redis() {
    let redis = Redis::start().await;
    let app = filled(&redis, 1).await;
    until("they are counted", async || {
        app.json("/cache/stats").await["total_keys"] == 1
    })
    .await;
    let before = scans(&redis).await;
    for _ in 0..50 {
        for path in admin::OPEN {
            app.get(path).await;
        }
    }
    assert!(scans(&redis).await <= before + 1);
    app.admin(Method::GET, "/metrics/cache/keys").await;
    assert!(scans(&redis).await > before, "it can be seen");
}

async fn scans(redis: &Redis) -> u64 {
    let mut connection = redis.connection().await;
    let info: String = redis::cmd("INFO")
        .arg("commandstats")
        .query_async(&mut connection)
        .await
        .expect("figures");
    assert!(!info.contains("cmdstat_keys:"), "never KEYS");
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("cmdstat_scan:calls="));
    line.map_or(0, |line| {
        let calls = line.split(',').next().expect("a number");
        calls.parse().expect("a number")
    })
}

#[tokio::test]
async fn health_is_degraded_while_redis_is_left_alone_and_503_only_when_strict() {
    let mut redis = Redis::start().await;
    let app = app(redis.config().circuit_breaker_threshold(1)).await;
    until("it is well", async || {
        app.json("/cache/health").await["status"] == "ok"
    })
    .await;
    assert_eq!(
        app.get("/cache/health?strict=1").await.status,
        StatusCode::OK
    );
    redis.kill();
    until("it is noticed", async || {
        app.get("/items/1").await;
        app.json("/cache/health").await["mode"] == "fallback"
    })
    .await;
    let health = app.get("/cache/health").await;
    assert_eq!(health.status, StatusCode::OK);
    assert_eq!(value(&health)["status"], "degraded");
    let strict = app.get("/cache/health?strict=1").await;
    assert_eq!(strict.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(value(&strict)["status"], "degraded");
    let stats = app.json("/cache/stats").await;
    assert_shape(&stats);
    assert_eq!(stats["mode"], "fallback");
    problem(
        &app.send(Method::GET, "/metrics/cache/keys", Some("x"))
            .await,
        403,
    );
}

#[tokio::test]
async fn without_redis_health_is_ok() {
    let app = app(CacheConfig::builder()).await;
    assert_eq!(app.json("/cache/health?strict=1").await["status"], "ok");
}

#[tokio::test]
async fn clear_is_in_force_on_all_instances_before_it_answers() {
    let redis = Redis::start().await;
    let shared = || {
        let config = redis.config().admin_token(TOKEN);
        app(config.key(KeyRules::new().ignore_authority()))
    };
    let (one, two) = (shared().await, shared().await);
    one.get("/items/1").await;
    until("the other has it", async || {
        two.get("/items/1").await.is_hit()
    })
    .await;
    redis_set(&redis, "other:key").await;
    let cleared = one.admin(Method::POST, "/cache/clear").await;
    assert_eq!(cleared.status, StatusCode::OK);
    assert_eq!(value(&cleared), json!({"purged": "applied"}));
    assert!(!two.get("/items/1").await.is_hit());
    let other = "other:key".to_owned();
    assert!(redis.keys().await.contains(&other), "this namespace only");
}

async fn redis_set(redis: &Redis, key: &str) {
    let mut connection = redis.connection().await;
    let set = redis::cmd("SET")
        .arg(key)
        .arg("x")
        .exec_async(&mut connection)
        .await;
    set.expect("set");
}

#[tokio::test]
async fn a_purge_that_redis_has_not_taken_is_accepted() {
    let mut redis = Redis::start().await;
    let app = filled(&redis, 1).await;
    redis.kill();
    let purged = app.admin(Method::POST, "/cache/purge?uri=/items/0").await;
    assert_eq!(purged.status, StatusCode::ACCEPTED);
    assert_eq!(value(&purged), json!({"purged": "queued"}));
}

#[tokio::test]
async fn each_kind_of_purge_covers_what_it_names() {
    let app = app(CacheConfig::builder().admin_token(TOKEN)).await;
    let key = |answer: &Value| answer["keys"][0]["key"].as_str().expect("a key").to_owned();
    app.get("/items/1").await;
    let name = key(&value(&app.admin(Method::GET, "/metrics/cache/keys").await));
    let json_tag = "{\"tags\": [\"item:1\", \"item:9\"]}";
    for (path, content) in [
        (format!("/cache/purge?key={name}"), ""),
        ("/cache/purge?uri=/items/1".into(), ""),
        ("/cache/purge?prefix=/items/".into(), ""),
        ("/cache/purge?pattern=nb:api_response:*".into(), ""),
        ("/cache/purge?tag=item:1".into(), ""),
        ("/cache/purge?tag=x&tag=item%3A1".into(), ""),
        ("/cache/purge?class=api_response".into(), ""),
        ("/cache/purge?all".into(), ""),
        ("/cache/purge?soft=1&tag=item:1".into(), ""),
        ("/cache/purge".into(), json_tag),
        (
            "/cache/purge".into(),
            "{\"uri\": \"/items/1\", \"soft\": false}",
        ),
    ] {
        app.get("/items/1").await;
        assert!(app.get("/items/1").await.is_hit(), "{path}");
        let purged = match content {
            "" => app.admin(Method::POST, &path).await,
            _ => app.post(&path, "application/json", content).await,
        };
        assert_eq!(value(&purged), json!({"purged": "applied"}), "{path}");
        assert!(!app.get("/items/1").await.is_hit(), "{path} {content}");
    }
    app.get("/items/2").await;
    app.admin(Method::POST, "/cache/purge?tag=item:1").await;
    assert!(app.get("/items/2").await.is_hit(), "and nothing else");
}

#[tokio::test]
async fn a_soft_purge_leaves_the_stale_windows() {
    let config = CacheConfig::builder().admin_token(TOKEN);
    let app = app(config.stale_while_revalidate(Duration::from_mins(10))).await;
    app.get("/items/1").await;
    app.admin(Method::POST, "/cache/purge?tag=item:1&soft")
        .await;
    assert!(
        app.get("/items/1")
            .await
            .cache()
            .contains("stale-while-revalidate")
    );
}

#[tokio::test]
async fn hit_rates_are_told_in_total_by_route_and_by_window() {
    let app = app(CacheConfig::builder()).await;
    for path in ["/items/1", "/items/1", "/items/1", "/items/2", "/never"] {
        app.get(path).await;
    }
    let rates = app.json("/metrics/cache/hit-rate").await;
    let all = json!({"hits": 2, "misses": 3, "hit_rate": 0.4});
    assert_eq!(rates["total"], all);
    let items = json!({"hits": 2, "misses": 2, "hit_rate": 0.5});
    assert_eq!(rates["routes"]["/items/{id}"]["total"], items);
    for window in ["1m", "5m", "60m"] {
        assert_eq!(rates["windows"][window], all, "{window}");
        assert_eq!(
            rates["routes"]["/items/{id}"]["windows"][window], items,
            "{window}"
        );
    }
    assert_eq!(rates["routes"]["other"]["total"]["hit_rate"], Value::Null);
}

#[tokio::test]
async fn performance_figures_are_those_of_the_metrics() {
    let app = app(CacheConfig::builder()).await;
    for path in ["/items/1", "/items/1", "/never"] {
        app.get(path).await;
    }
    let figures = app.json("/metrics/cache").await;
    assert_eq!(figures["hits"]["local"], 1);
    assert_eq!(figures["misses"]["uri-miss"], 2);
    assert_eq!(figures["stored"], 1);
    assert_eq!(figures["operations"]["fetch"]["count"], 2);
    assert!(
        figures["operations"]["fetch"]["p99_at_most"].is_f64(),
        "{figures}"
    );
    assert_eq!(figures["tiers"]["local"]["keys"], 1);
    assert!(figures["tiers"]["redis"].is_null());
}

#[tokio::test]
async fn metrics_are_open_metrics_unless_the_older_text_is_asked_for() {
    let app = app(CacheConfig::builder()).await;
    let url = app.served.url("/metrics");
    let new = app.get("/metrics").await;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(new.header("content-type"), kind);
    assert!(new.text().ends_with("# EOF\n"));
    let both = [(
        "accept",
        "application/openmetrics-text;q=1,text/plain;q=0.5",
    )];
    let both = app.client.get_with(&url, &both).await;
    assert_eq!(both.header("content-type"), kind);
    let old = app.client.get_with(&url, &[("accept", "text/plain")]).await;
    assert_eq!(
        old.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    assert!(!old.text().contains("# EOF"));
}

async fn page(app: &App, query: &str) -> (Vec<Value>, Option<String>) {
    let answer = app
        .admin(Method::GET, &format!("/metrics/cache/keys?{query}"))
        .await;
    let page = value(&answer);
    let keys = page["keys"].as_array().expect("keys").clone();
    (keys, page["cursor"].as_str().map(str::to_owned))
}

/// All pages; the same key may be on two of them.
async fn pages(app: &App, query: &str) -> BTreeSet<String> {
    let (mut all, mut cursor) = (BTreeSet::new(), Some("0".to_owned()));
    while let Some(from) = cursor {
        let (keys, next) = page(app, &format!("{query}&cursor={from}")).await;
        let uri = |key: &Value| key["uri"].as_str().unwrap_or_default().to_owned();
        all.extend(keys.iter().map(uri));
        cursor = next;
    }
    all
}

async fn assert_pages(app: &App, items: u64) {
    let host = app.served.address;
    let expected: BTreeSet<String> = (0..items).map(|id| format!("{host}/items/{id}")).collect();
    assert_eq!(
        pages(app, "limit=7&pattern=nb:api_response:*").await,
        expected
    );
    let (first, cursor) = page(app, "limit=7&pattern=api_response:*").await;
    assert!(
        first.len() < expected.len() && cursor.is_some(),
        "{}",
        first.len()
    );
    let one = pages(app, "uri=/items/0").await;
    assert_eq!(one, BTreeSet::from([format!("{host}/items/0")]));
    assert_eq!(pages(app, "pattern=nb:nothing:*").await, BTreeSet::new());
    let outside = pages(app, "pattern=other:*").await;
    assert_eq!(outside, BTreeSet::new(), "this namespace only");
}

#[tokio::test]
async fn keys_are_paged_and_filtered_in_redis() {
    let redis = Redis::start().await;
    redis_set(&redis, "other:key").await;
    let app = filled(&redis, 500).await;
    assert_pages(&app, 500).await;
}

#[tokio::test]
async fn keys_are_paged_and_filtered_in_local_memory() {
    let app = app(CacheConfig::builder().admin_token(TOKEN)).await;
    for id in 0..50 {
        app.get(&format!("/items/{id}")).await;
    }
    assert_pages(&app, 50).await;
}

#[tokio::test]
async fn an_entry_is_shown_with_its_head_tags_and_body() {
    let redis = Redis::start().await;
    let with_redis = filled(&redis, 1).await;
    let without = app(CacheConfig::builder().admin_token(TOKEN)).await;
    without.get("/items/0").await;
    for app in [with_redis, without] {
        let (keys, _) = page(&app, "pattern=api_response:*").await;
        let path = format!(
            "/cache/entry?key={}",
            keys[0]["key"].as_str().expect("a key")
        );
        let entry = value(&app.admin(Method::GET, &path).await);
        assert_eq!(entry["status"], 200);
        assert_eq!(entry["tags"], json!(["item:0"]));
        assert_eq!(entry["kind"], "response");
        assert_eq!(
            (&entry["purged"], &entry["fresh"]),
            (&json!(false), &json!(true))
        );
        assert_eq!(entry["body"], Value::Null);
        let entry = value(&app.admin(Method::GET, &format!("{path}&body=1")).await);
        assert_eq!(entry["body"], "item 0");
        app.admin(Method::POST, "/cache/purge?tag=item:0").await;
        let purged = app.admin(Method::GET, &path).await;
        let gone = purged.status == StatusCode::NOT_FOUND || value(&purged)["purged"] == true;
        assert!(gone, "{purged:?}");
    }
}

#[tokio::test]
async fn an_entry_that_is_not_there_is_not_found() {
    let app = app(CacheConfig::builder().admin_token(TOKEN)).await;
    for key in [
        "nb:x",
        "nb:api_response:GET:0:0",
        "%2A",
        "nb:%7Bc%7D:stamps",
    ] {
        let answer = app
            .admin(Method::GET, &format!("/cache/entry?key={key}"))
            .await;
        problem(&answer, 404);
    }
}
