//! The picture of the dashboard in the README, made by `scripts/picture.sh`.
#![cfg(all(unix, feature = "redis", feature = "admin"))]

mod support;

#[path = "support/browser.rs"]
mod browser;

use axum::http::{Method, Request};
use browser::Browser;
use http_body_util::Full;
use std::time::Duration;
use support::redis::Redis;
use support::server::{Server, TOKEN};
use support::web::request;

/// For how long there are requests: what the chart shows, and a little more.
const LOAD: Duration = Duration::from_secs(310);

#[tokio::test]
#[ignore = "takes five minutes and writes the file that PICTURE names"]
async fn picture() {
    let path = std::env::var("PICTURE").expect("PICTURE names a file");
    let redis = Redis::start_with(&["--maxmemory", "64mb"]).await;
    let variables = [("REDIS_URL", &*redis.url()), ("NB_CACHE__SOFT_LIMIT", "5")];
    let server = Server::start(&variables).await;
    let browser = Browser::start().await;
    let page = browser.page(1240, 800).await;
    page.scheme("light").await;
    page.go(&server.url("/cache/dashboard")).await;
    page.until_text("connection", "Live").await;
    page.enter_token(TOKEN).await;
    page.until_text("token-message", "Token accepted").await;
    let _ = tokio::time::timeout(LOAD, load(&server)).await;
    page.eval("document.activeElement.blur()").await;
    page.screenshot(path.as_ref()).await;
    let size = std::fs::metadata(&path).expect("a file").len();
    assert!((20_000..200_000).contains(&size), "{size} bytes");
}

/// Readers of the demo, some states more in demand than others, and now and then a change.
async fn load(server: &Server) {
    let mut ticks = tokio::time::interval(Duration::from_millis(12));
    for n in 0_u32.. {
        ticks.tick().await;
        // Of the 40 states the first are asked for most.
        let id = n.wrapping_mul(2_654_435_761) >> 8;
        let id = (id % 40) * (id / 64 % 40) / 40;
        let path = match n % 8 {
            0 => "/api/v1/capabilities".to_owned(),
            1 => "/api/v1/consciousness".to_owned(),
            2 | 3 => format!("/api/v1/reality/{}", id % 12),
            _ => format!("/api/v1/quantum/{id}"),
        };
        server.client.get(&server.url(&path)).await;
        if n % 25 == 24 {
            change(server, id).await;
        }
        if n % 8000 == 7999 {
            purge(server).await;
        }
    }
}

async fn change(server: &Server, id: u32) {
    let url = server.url(&format!("/api/v1/quantum/{id}"));
    let request = Request::builder().method(Method::POST).uri(url);
    let request = request.body(Full::from("{\"spin\":\"down\"}"));
    let answer = server.client.send(request.expect("a request")).await;
    assert!(answer.status.is_success(), "{answer:?}");
}

/// A purge of all states now and then: the chart shows what it costs.
async fn purge(server: &Server) {
    let url = server.url("/cache/purge?tag=quantum");
    let token = format!("Bearer {TOKEN}");
    let purge = request(Method::POST, &url, &[("authorization", &token)]);
    let answer = server.client.send(purge).await;
    assert!(answer.status.is_success(), "{answer:?}");
}
