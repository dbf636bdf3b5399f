//! A real Prometheus with the project's rules watches the example server, whose Redis is killed and
//! returns, and answers every query of the dashboard.
#![cfg(all(unix, feature = "redis", feature = "admin"))]

mod support;

use axum::http::Method;
use serde_json::Value;
use std::fmt::Debug;
use std::time::Duration;
use support::prometheus::Prometheus;
use support::redis::Redis;
use support::server::{Server, TOKEN};
use support::tools::text_of;
use support::web::request;

/// The longest that anything here may take on a busy machine.
const LIMIT: Duration = Duration::from_mins(1);

/// The example server, with a soft limit that a busy machine keeps.
async fn start(redis: &Redis) -> Server {
    let variables = [("REDIS_URL", &*redis.url()), ("NB_CACHE__SOFT_LIMIT", "5")];
    Server::start(&variables).await
}

/// A little of everything, more hits than misses.
async fn use_it(server: &Server, round: u32) {
    for id in [0, 0, 0, round] {
        let url = server.url(&format!("/api/v1/quantum/{id}"));
        assert!(server.client.get(&url).await.status.is_success());
    }
    let other = server.url("/api/v1/quantum/0");
    server
        .client
        .send(request(Method::OPTIONS, &other, &[]))
        .await;
    let token = format!("Bearer {TOKEN}");
    let purge = server.url("/cache/purge?tag=nothing");
    let purge = request(Method::POST, &purge, &[("authorization", &token)]);
    assert!(server.client.send(purge).await.status.is_success());
}

/// Waits, while the server is in use, until Prometheus sees what is expected.
async fn until<T, F>(what: &str, server: &Server, expected: T, mut seen: F)
where
    T: PartialEq + Debug,
    F: AsyncFnMut() -> T,
{
    let mut last = None;
    let waiting = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        for round in 1.. {
            ticks.tick().await;
            use_it(server, round).await;
            last = Some(seen().await);
            if last.as_ref() == Some(&expected) {
                return;
            }
        }
    };
    let waited = tokio::time::timeout(LIMIT, waiting).await;
    assert!(waited.is_ok(), "not within {LIMIT:?}: {what}: {last:?}");
}

/// Alerts that look back over five minutes, and, made quick, tell for so long of a slow moment of a
/// busy machine, or of what was being written as Redis was killed.
const UNSURE: [&str; 2] = ["CacheLookupSlow", "CacheWritesDropped"];

const OUTAGE: [&str; 3] = [
    "CacheBreakerOpen firing",
    "CacheConnectionFailed firing",
    // The purges of the outage wait for its end.
    "CachePurgesQueued firing",
];

async fn alerts(prometheus: &Prometheus) -> Vec<Value> {
    let mut alerts = prometheus.alerts().await;
    alerts.retain(|alert| {
        !UNSURE
            .iter()
            .any(|name| alert["labels"]["alertname"] == *name)
    });
    alerts
}

/// Their names and states, sorted.
async fn told(prometheus: &Prometheus) -> Vec<String> {
    let text = |text: &Value| text.as_str().expect("text").to_owned();
    let alerts = alerts(prometheus).await;
    let named = alerts
        .iter()
        .map(|alert| text(&alert["labels"]["alertname"]) + " " + &text(&alert["state"]));
    let mut named: Vec<_> = named.collect();
    named.sort();
    named
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_told_of_while_it_lasts_and_the_dashboard_shows_it() {
    let mut redis = Redis::start().await;
    let server = start(&redis).await;
    let prometheus = Prometheus::start(&server.address).await;
    let told = async || told(&prometheus).await;

    until("more than half are hits", &server, true, async || {
        let rate = prometheus.value("neuralblitz_cache_hit_rate").await;
        rate.is_some_and(|rate| rate > 0.5)
    })
    .await;
    until("all is well", &server, Vec::new(), told).await;

    redis.kill();
    let outage = OUTAGE.map(str::to_owned).to_vec();
    until("the outage is told of, and no more", &server, outage, told).await;
    for alert in alerts(&prometheus).await {
        let summary = alert["annotations"]["summary"].as_str().expect("text");
        assert!(summary.starts_with(&server.address), "{alert:#}");
    }

    redis.restart().await;
    until("it is over", &server, Vec::new(), told).await;
    every_query_of_the_dashboard_is_answered(&server, &prometheus).await;
}

async fn every_query_of_the_dashboard_is_answered(server: &Server, prometheus: &Prometheus) {
    for query in dashboard_queries() {
        until(&query, server, true, async || {
            shows(&prometheus.range(&query).await)
        })
        .await;
    }
    for (metric, label) in dashboard_variables() {
        let path = format!("label/{label}/values");
        let values = prometheus.api(&path, &[("match[]", &metric)]).await;
        assert_eq!(values.as_array().map(Vec::len), Some(1), "{metric} {label}");
    }
}

/// Whether a series has a point that can be drawn.
fn shows(series: &[Value]) -> bool {
    let points = series.iter().filter_map(|one| one["values"].as_array());
    points.flatten().any(|point| {
        let value = point[1]
            .as_str()
            .and_then(|value| value.parse::<f64>().ok());
        value.is_some_and(f64::is_finite)
    })
}

fn dashboard() -> Value {
    let text = text_of("deploy/grafana/dashboards/neuralblitz-cache.json");
    serde_json::from_str(&text).expect("JSON")
}

/// With what Grafana puts in the place of the variables where all is chosen.
fn filled(query: &str) -> String {
    let query = query.replace("$__rate_interval", "10s");
    let query = query.replace("$job", ".+").replace("$instance", ".+");
    assert!(!query.contains('$'), "{query}");
    query
}

fn dashboard_queries() -> Vec<String> {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let targets = panels
        .filter_map(|panel| panel["targets"].as_array())
        .flatten();
    let queries: Vec<_> = targets
        .map(|target| filled(target["expr"].as_str().expect("a query")))
        .collect();
    assert!(queries.len() >= 40, "{}", queries.len());
    queries
}

/// The metric and the label of each variable: `label_values(metric, label)`.
fn dashboard_variables() -> Vec<(String, String)> {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"]
        .as_array()
        .expect("variables");
    let queries = variables.iter().filter(|one| one["type"] == "query");
    let parsed = queries.map(|one| {
        let query = one["query"]["query"].as_str().expect("a query");
        let inside = query.strip_prefix("label_values(").expect("label_values");
        let inside = inside.strip_suffix(')').expect("an end");
        let (metric, label) = inside.rsplit_once(", ").expect("two");
        (filled(metric), label.to_owned())
    });
    let parsed: Vec<_> = parsed.collect();
    assert_eq!(parsed.len(), 2);
    parsed
}
