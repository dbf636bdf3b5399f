//! The dashboard, as a browser shows it.
#![cfg(all(unix, feature = "redis", feature = "admin"))]

mod support;

#[path = "support/admin.rs"]
mod admin;
#[path = "support/browser.rs"]
mod browser;
#[path = "support/watched.rs"]
mod watched;

use admin::TOKEN;
use browser::{Browser, Page};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::Duration;
use support::redis::Redis;
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

/// The page with the token entered and accepted.
async fn with_token(app: &Watched, browser: &Browser) -> Page {
    let page = app.dashboard(browser, 1400, 900).await;
    page.eval("document.getElementById('token').focus()").await;
    page.write(TOKEN).await;
    page.press("Enter").await;
    page.until_text("token-message", "Token accepted").await;
    page
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

#[tokio::test]
async fn an_outage_is_shown_and_its_end_too() {
    let mut redis = Redis::start().await;
    let app = watched(redis.config()).await;
    let browser = Browser::start().await;
    let page = app.dashboard(&browser, 1400, 900).await;
    let load = Load::start(&app, &["/items/1", "/items/2"]);
    page.until_text("breaker", "Breaker: closed").await;
    redis.kill();
    page.until_text("breaker", "Breaker: open").await;
    page.until_text("mode", "fallback").await;
    page.until_text("trust", "uncertain").await;
    page.until("Number(document.getElementById('faults').innerText) > 0")
        .await;
    redis.restart().await;
    page.until_text("breaker", "Breaker: closed").await;
    page.until_text("trust", "coherent").await;
    load.stop().await;
    app.assert_is_clean(&page).await;
}

#[tokio::test]
async fn without_the_token_no_key_tag_or_uri_is_on_the_page() {
    let redis = Redis::start().await;
    let app = watched(redis.config()).await;
    let browser = Browser::start().await;
    let page = app.dashboard(&browser, 1400, 900).await;
    for _ in 0..3 {
        app.get("/items/peculiar?secret=1").await;
    }
    page.until_text("requests-total", "3").await;
    let text = page.eval("document.documentElement.outerHTML").await;
    for secret in ["peculiar", "secret", "item:"] {
        assert!(!text.as_str().expect("text").contains(secret), "{secret}");
    }
    page.until_text("keys-none", "Enter the admin token").await;
    page.until_text("tags-none", "Enter the admin token").await;
    app.assert_is_clean(&page).await;
}

#[tokio::test]
async fn a_wrong_token_is_refused_and_said_and_counts_go_on() {
    let redis = Redis::start().await;
    let app = watched(redis.config()).await;
    let browser = Browser::start().await;
    let page = app.dashboard(&browser, 1400, 900).await;
    page.eval("document.getElementById('token').focus()").await;
    page.write("not the admin token").await;
    page.press("Enter").await;
    let said = "Token refused. 401: the token is not the admin token";
    page.until_text("token-message", said).await;
    page.until_text("connection", "Live").await;
    app.get("/items/1").await;
    page.until_text("requests-total", "1").await;
    page.until_text("keys-none", "Enter the admin token").await;
    assert_eq!(
        page.eval("document.getElementById('token').value").await,
        ""
    );
    // The browser itself notes the refusal, and nothing else was wrong.
    for entry in page.seen("Log.entryAdded") {
        let text = entry["entry"]["text"].as_str().expect("a text");
        assert!(text.contains("status of 401"), "{entry}");
    }
    let sent = page.requests();
    assert!(sent.iter().all(|url| !url.contains("admin")), "{sent:?}");
}

#[tokio::test]
async fn with_the_keyboard_alone_a_tag_is_purged_and_the_next_request_runs_the_handler() {
    let redis = Redis::start().await;
    let app = watched(redis.config()).await;
    let browser = Browser::start().await;
    let page = app.dashboard(&browser, 1400, 900).await;
    tab_to(&page, "token").await;
    page.write(TOKEN).await;
    page.press("Enter").await;
    page.until_text("token-message", "Token accepted").await;
    app.get("/items/7").await;
    assert!(app.get("/items/7").await.is_hit());
    tab_to(&page, "purge-value").await;
    page.write("item:7").await;
    page.press("Enter").await;
    let said = "Purged tag item:7: in force on all instances.";
    page.until_text("purge-result", said).await;
    let runs = app.runs.load(Ordering::SeqCst);
    assert!(!app.get("/items/7").await.is_hit());
    assert_eq!(app.runs.load(Ordering::SeqCst), runs + 1);
    app.assert_is_clean(&page).await;
}

/// Goes on by the tabulator key; whatever has the focus on the way shows that it has it.
async fn tab_to(page: &Page, id: &str) {
    for _ in 0..20 {
        page.press("Tab").await;
        let outline = page
            .eval("getComputedStyle(document.activeElement).outline")
            .await;
        let outline = outline.as_str().expect("a style").to_owned();
        assert!(outline.contains("solid 3px"), "{outline}");
        if page.eval("document.activeElement.id").await == id {
            return;
        }
    }
    panic!("{id} is not reached");
}

#[tokio::test]
async fn a_purge_without_the_token_says_what_is_missing() {
    let redis = Redis::start().await;
    let app = watched(redis.config()).await;
    let browser = Browser::start().await;
    let page = app.dashboard(&browser, 1400, 900).await;
    page.eval("document.getElementById('purge-value').focus()")
        .await;
    page.write("item:7").await;
    page.press("Enter").await;
    page.until_text("purge-result", "Not done. 401:").await;
}

#[tokio::test]
async fn a_request_is_explained_and_purged_by_its_uri() {
    let redis = Redis::start().await;
    let app = watched(redis.config()).await;
    let browser = Browser::start().await;
    let page = with_token(&app, &browser).await;
    let explain = "document.getElementById('explain-uri').value = '/items/9';
        document.getElementById('explain-form').requestSubmit()";
    page.eval(explain).await;
    page.until_text("explain-result", "It would be: forward (uri-miss).")
        .await;
    app.get("/items/9").await;
    page.eval(explain).await;
    page.until_text("explain-result", "It would be: hit from")
        .await;
    page.until_text("explain-list", "item:9").await;
    page.eval(
        "document.getElementById('purge-kind').value = 'uri';
        document.getElementById('purge-value').value = '/items/9';
        document.getElementById('purge-form').requestSubmit()",
    )
    .await;
    page.until_text("purge-result", "Purged uri /items/9").await;
    page.eval(explain).await;
    page.until_text("explain-result", "It would be: forward")
        .await;
    app.assert_is_clean(&page).await;
}

#[tokio::test]
#[ignore = "makes pictures of the page in the folder that LOOK names"]
async fn pictures() {
    let redis = Redis::start_with(&["--maxmemory", "64mb"]).await;
    let app = watched(redis.config()).await;
    let browser = Browser::start().await;
    let load = Load::start(
        &app,
        &[
            "/items/1",
            "/items/2",
            "/orders/1",
            "/items/1?x=4",
            "/orders/77",
        ],
    );
    let page = with_token(&app, &browser).await;
    let mut ticks = tokio::time::interval(Duration::from_secs(6));
    ticks.tick().await;
    ticks.tick().await;
    app.purge("tag=item:1").await;
    ticks.tick().await;
    let dir = std::path::PathBuf::from(std::env::var("LOOK").expect("a folder"));
    for scheme in ["light", "dark"] {
        page.scheme(scheme).await;
        for width in [360, 800, 1400] {
            page.resize(width, 1000).await;
            page.eval(
                "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))",
            )
            .await;
            page.screenshot(&dir.join(format!("{scheme}-{width}.png")))
                .await;
        }
    }
    load.stop().await;
    let _ = json!(1);
}
