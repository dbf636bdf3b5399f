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
use serde_json::json;
use std::sync::atomic::Ordering;
use support::redis::Redis;
use support::server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use watched::{HOSTILE, Load, Watched, watched};

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
    page.enter_token(TOKEN).await;
    page.until_text("keys-list", "/items/peculiar?secret=1")
        .await;
    page.until_text("tags-list", "item:peculiar").await;
    page.eval(
        "document.getElementById('explain-uri').value = '/items/peculiar?secret=1';
        document.getElementById('explain-form').requestSubmit()",
    )
    .await;
    page.until_text("explain-list", "item:peculiar").await;
    page.eval(
        "document.getElementById('purge-value').value = 'item:peculiar';
        document.getElementById('purge-form').requestSubmit()",
    )
    .await;
    page.until_text("purge-result", "item:peculiar").await;
    page.eval("document.getElementById('forget').click()").await;
    page.until_text("token-message", "Token forgotten").await;
    page.until("!document.documentElement.outerHTML.includes('peculiar')")
        .await;
    app.assert_is_clean(&page).await;
}

#[tokio::test]
async fn a_wrong_token_is_refused_and_said_and_counts_go_on() {
    let redis = Redis::start().await;
    let app = watched(redis.config()).await;
    let browser = Browser::start().await;
    let page = app.dashboard(&browser, 1400, 900).await;
    page.enter_token("not the admin token").await;
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
    let said = "Purged tag “\u{2068}item:7\u{2069}”: in force on all instances.";
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
    let page = app.dashboard_with_token(&browser).await;
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
    page.until_text("purge-result", "Purged uri “\u{2068}/items/9")
        .await;
    page.eval(explain).await;
    page.until_text("explain-result", "It would be: forward")
        .await;
    page.eval(&format!(
        "document.getElementById('explain-headers').value = 'authorization: Bearer of-a-user\\n';{explain}"
    ))
    .await;
    page.until_text("explain-result", "It would be: forward (bypass).")
        .await;
    let sent = page.requests();
    assert!(
        !sent.iter().any(|url| url.contains("of-a-user")),
        "{sent:?}"
    );
    app.assert_is_clean(&page).await;
}

#[tokio::test]
async fn a_page_that_is_not_in_view_lets_go_of_its_stream_and_goes_on_later() {
    let redis = Redis::start().await;
    let app = watched(redis.config()).await;
    let browser = Browser::start().await;
    let page = app.dashboard_with_token(&browser).await;
    let turn = |hidden: bool| {
        format!(
            "Object.defineProperty(document, 'hidden', {{ value: {hidden}, configurable: true }});
            document.dispatchEvent(new Event('visibilitychange'))"
        )
    };
    page.eval(&turn(true)).await;
    page.until_text("connection", "Paused").await;
    for _ in 0..3 {
        app.get("/items/1").await;
    }
    page.eval(&turn(false)).await;
    page.until_text("connection", "Live").await;
    page.until_text("requests-total", "3").await;
    page.until_text("keys-list", "/items/1").await;
    app.assert_is_clean(&page).await;
}

#[tokio::test]
async fn the_page_goes_on_by_itself_after_its_stream_has_ended() {
    let redis = Redis::start().await;
    let app = watched(redis.config()).await;
    let browser = Browser::start().await;
    let page = app.dashboard(&browser, 1400, 900).await;
    // It is said for a second only.
    page.eval(
        "window.said = [];
        const connection = document.getElementById('connection');
        new MutationObserver(() => said.push(connection.innerText))
          .observe(connection, { childList: true })",
    )
    .await;
    app.cache.shutdown().await;
    page.until("said.some((text) => text.startsWith('Not connected'))")
        .await;
    page.until_text("connection", "Live").await;
    app.assert_is_clean(&page).await;
}

#[tokio::test]
async fn a_server_that_says_nothing_any_more_is_noticed() {
    let redis = Redis::start().await;
    let server = Server::start(&[("REDIS_URL", &redis.url())]).await;
    let browser = Browser::start().await;
    let page = browser.page(1400, 900).await;
    page.go(&server.url("/cache/dashboard")).await;
    page.until_text("connection", "Live").await;
    server.signal("-STOP");
    page.until_text("connection", "nothing came for 10 s").await;
    server.signal("-CONT");
    page.until_text("connection", "Live").await;
}

/// Sends this path as it is.
async fn get_raw(app: &Watched, path: &str) {
    let address = app.served.address;
    let mut socket = TcpStream::connect(address).await.expect("a connection");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let sent = socket.write_all(request.as_bytes()).await;
    sent.expect("sent");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.expect("an answer");
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{path}");
}

#[tokio::test]
async fn hostile_keys_tags_and_fields_are_shown_as_text_and_run_nothing() {
    let redis = Redis::start().await;
    let app = watched(redis.config()).await;
    let browser = Browser::start().await;
    let page = app.dashboard_with_token(&browser).await;
    let elements = "document.querySelectorAll('img, script, iframe, style, svg, a').length";
    let before = page.eval(elements).await;
    let path = "/evil/\"onfocus=\"window.hacked=1\"\u{202e}{{7*7}}?x='%3Cscript%3E";
    for _ in 0..3 {
        get_raw(&app, path).await;
    }
    for shown in [
        "/evil/\"onfocus=\"window.hacked=1\"\\u{202e}{{7*7}}?x='%3Cscript%3E",
        "GET 127.0.0.1",
    ] {
        page.until_text("keys-list", shown).await;
    }
    page.eval(&format!(
        "document.getElementById('explain-uri').value = {};
        document.getElementById('explain-form').requestSubmit()",
        json!(path)
    ))
    .await;
    page.until_text("explain-list", "x-evil: <svg onload=window.hacked=1>")
        .await;
    for list in ["tags-list", "explain-list"] {
        for shown in [
            HOSTILE[0],
            HOSTILE[1],
            "evil\\u{202e}gpj.exe",
            "a\\u{200b}b\\u{d}\\u{a}\\u{1b}[31m",
            HOSTILE[4],
        ] {
            page.until_text(list, shown).await;
        }
    }
    assert_eq!(page.eval(elements).await, before);
    assert_eq!(page.eval("typeof window.hacked").await, "undefined");
    app.assert_is_clean(&page).await;
}
