//! The figures of the dashboard are those of the endpoints.
#![cfg(all(unix, feature = "redis", feature = "admin"))]

mod support;

#[path = "support/admin.rs"]
mod admin;
#[path = "support/browser.rs"]
mod browser;
#[path = "support/watched.rs"]
mod watched;

use axum::Router;
use axum::extract::Request;
use browser::{Browser, Page};
use neuralblitz_cache::CacheConfig;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::redis::Redis;
use support::web::serve;
use tower::ServiceExt;
use watched::{Load, Watched, watched};

/// A figure as it is shown, with its commas.
async fn figure(page: &Page, id: &str) -> u64 {
    let text = page.text(id).await.replace(',', "");
    text.parse().unwrap_or(0)
}

/// All requests that were hits or misses, as the endpoint says.
async fn answers(app: &Watched) -> u64 {
    let figures = app.json("/metrics/cache").await;
    let sum = |name: &str| {
        let counts = figures[name].as_object().expect("counts");
        counts.values().filter_map(Value::as_u64).sum::<u64>()
    };
    sum("hits") + sum("misses")
}

#[tokio::test]
async fn figures_change_while_requests_come_and_agree_with_the_endpoints() {
    let redis = Redis::start_with(&["--maxmemory", "64mb"]).await;
    let app = watched(redis.config()).await;
    let browser = Browser::start().await;
    let page = app.dashboard(&browser, 1400, 900).await;
    let load = Load::start(&app, &["/items/1", "/items/2", "/orders/3"]);
    let mut last = figure(&page, "requests-total").await;
    for _ in 0..3 {
        let more = "Number(document.getElementById('requests-total').innerText.replace(',', ''))";
        page.until(&format!("{more} > {last}")).await;
        last = figure(&page, "requests-total").await;
    }
    load.stop().await;
    let all = answers(&app).await;
    page.until(&format!(
        "document.getElementById('requests-total').innerText === Intl.NumberFormat('en').format({all})"
    ))
    .await;
    agree(&app, &page).await;
    app.assert_is_clean(&page).await;
}

/// The short figures and the panels say what the endpoints say.
async fn agree(app: &Watched, page: &Page) {
    let stats = app.json("/cache/stats").await;
    page.until_text("mode", "Mode: Redis").await;
    page.until_text("breaker", "Breaker: closed").await;
    page.until_text("trust", "Trust: coherent").await;
    let version = stats["redis_version"].as_str().expect("a version");
    page.until_text("redis-list", version).await;
    let entries = format!("{} entries", stats["local_cache_size"]);
    page.until_text("memory-bars", &entries).await;
    page.until_text("memory-bars", "3 keys").await;
    page.until_text("memory-bars", "of 64 MiB").await;
    let rates = app.json("/metrics/cache/hit-rate").await;
    let rate = rates["windows"]["60m"]["hit_rate"]
        .as_f64()
        .expect("a rate");
    let shown = page.text("rate-60m").await;
    let shown: f64 = shown.trim_end_matches("\u{a0}%").parse().expect("a rate");
    assert!((shown - rate * 100.0).abs() < 0.06, "{shown} {rate}");
    for (route, requests) in [("/items/{id}", 2), ("/orders/{id}", 1)] {
        page.until_text("routes-table", route).await;
        assert!(rates["routes"][route]["total"]["hits"].as_u64() > Some(requests));
    }
    for operation in ["redis · lookup", "handler · fetch"] {
        page.until_text("latency-table", operation).await;
    }
    let label = "document.getElementById('rate-chart').getAttribute('aria-label')";
    page.until(&format!("/now [0-9.]+\\u00a0%/.test({label})"))
        .await;
}

/// Behind one address there may be several: what one counts is not subtracted from another's.
#[tokio::test]
async fn figures_of_late_begin_anew_where_another_instance_answers() {
    let (a, b) = (
        watched(CacheConfig::builder()).await,
        watched(CacheConfig::builder()).await,
    );
    for _ in 0..40 {
        b.get("/items/1").await;
    }
    let second = Arc::new(AtomicBool::new(false));
    let (either, is_second) = ([&a, &b].map(|app| app.cache.admin_router()), second.clone());
    let router = move |request: Request| {
        let which = usize::from(is_second.load(Ordering::SeqCst));
        either[which].clone().oneshot(request)
    };
    let served = serve(Router::new().fallback(router)).await;
    let browser = Browser::start().await;
    let page = browser.page(1400, 900).await;
    page.go(&served.url("/cache/dashboard")).await;
    page.until_text("connection", "Live").await;
    second.store(true, Ordering::SeqCst);
    a.cache.shutdown().await;
    page.until("document.getElementById('requests-total').innerText === '40'")
        .await;
    assert_eq!(page.text("saved-rate").await, "0 µs");
    assert_ne!(page.text("saved").await, "0 µs");
}

#[tokio::test]
async fn what_was_stale_evicted_and_saved_is_told_as_by_the_endpoint() {
    let minute = Duration::from_mins(1);
    let config = CacheConfig::builder().stale_while_revalidate(minute);
    let app = watched(config.local_bytes(64 << 10)).await;
    for n in 0..300 {
        app.get(&format!("/items/{n}")).await;
    }
    for _ in 0..10 {
        app.get("/items/299").await;
        app.purge("uri=/items/299&soft").await;
    }
    let browser = Browser::start().await;
    let page = app.dashboard(&browser, 1400, 900).await;
    let figures = app.json("/metrics/cache").await;
    let figure = |name: &str| figures[name].as_f64().expect("a number");
    let stale = figure("stale_while_revalidate");
    for some in [stale, figure("evictions"), figure("handler_seconds_saved")] {
        assert!(some > 0.0, "{figures}");
    }
    for (id, value) in [
        (
            "stale-total",
            format!("of({stale} / {}, 100) + '\\u00a0%'", answers(&app).await),
        ),
        ("evictions-total", format!("of({}, 1)", figure("evictions"))),
        (
            "saved",
            format!("saved({})", figure("handler_seconds_saved")),
        ),
    ] {
        page.until(&format!(
            "(() => {{
              const number = new Intl.NumberFormat('en', {{ maximumFractionDigits: 1 }});
              const of = (n, times) => number.format(n * times);
              const saved = (s) => (s < 1 ? `${{of(s, 1000)}} ms` : `${{of(s, 1)}} s`);
              return document.getElementById('{id}').innerText === {value};
            }})()"
        ))
        .await;
    }
    app.assert_is_clean(&page).await;
}
