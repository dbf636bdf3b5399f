//! How the dashboard looks: nothing overlaps or is cut off, all can be read, in light and dark, from
//! a phone to a wide screen.
#![cfg(all(unix, feature = "redis", feature = "admin"))]

mod support;

#[path = "support/admin.rs"]
mod admin;
#[path = "support/browser.rs"]
mod browser;
#[path = "support/watched.rs"]
mod watched;

use browser::{Browser, Page};
use serde_json::{Value, json};
use support::redis::Redis;
use watched::{Load, Watched, watched};

const AUDIT: &str = include_str!("support/audit.js");

const WIDTHS: [u32; 4] = [320, 360, 800, 1400];

/// What is wrong with the page as it is.
async fn audit(page: &Page) -> Vec<String> {
    page.eval("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        .await;
    serde_json::from_value(page.eval(AUDIT).await).expect("a list")
}

async fn assert_all_is_well(page: &Page, what: &str) {
    for (scheme, is_dark) in [("light", false), ("dark", true)] {
        page.scheme(scheme).await;
        page.until(&format!(
            "matchMedia('(prefers-color-scheme: dark)').matches === {is_dark}"
        ))
        .await;
        let ground = page
            .eval("getComputedStyle(document.body).backgroundColor")
            .await;
        let ground = ground.as_str().expect("a color");
        let red = ground.trim_start_matches("rgb(").split(',').next();
        let red: u32 = red.expect("a part").parse().expect("a number");
        assert_eq!(red < 128, is_dark, "{ground}");
        for width in WIDTHS {
            page.resize(width, 900).await;
            page.until(&format!("innerWidth === {width}")).await;
            let problems = audit(page).await;
            assert!(
                problems.is_empty(),
                "{what}, {scheme}, {width}: {problems:#?}"
            );
        }
    }
}

/// A page with as much on it as there may be, some of it long.
async fn full(app: &Watched, browser: &Browser) -> Page {
    let page = app.dashboard_with_token(browser).await;
    let long = format!("/items/{0}?{0}{0}", "long".repeat(50));
    for path in ["/items/1", "/orders/2", &long, "/evil/1"] {
        for _ in 0..3 {
            app.get(path).await;
        }
    }
    page.until_text("keys-list", "longlong").await;
    page.until_text("tags-list", "<img").await;
    page.eval(&format!(
        "document.getElementById('explain-uri').value = '{long}';
        document.getElementById('explain-form').requestSubmit();
        document.getElementById('purge-value').value = '{}';
        document.getElementById('purge-form').requestSubmit();
        document.getElementById('time-details').open = true",
        "t".repeat(200)
    ))
    .await;
    page.until_text("explain-list", "longlong").await;
    page.until_text("purge-result", "Purged tag").await;
    page
}

#[tokio::test]
async fn nothing_overlaps_or_is_cut_off_and_all_can_be_read() {
    let redis = Redis::start_with(&["--maxmemory", "64mb"]).await;
    let app = watched(redis.config()).await;
    let browser = Browser::start().await;
    let page = app.dashboard(&browser, 360, 900).await;
    assert_all_is_well(&page, "nothing yet").await;
    let page = full(&app, &browser).await;
    let load = Load::start(&app, &["/items/1", "/orders/2"]);
    assert_all_is_well(&page, "full").await;
    load.stop().await;
    app.assert_is_clean(&page).await;
}

#[tokio::test]
async fn what_is_said_of_an_outage_or_a_refusal_fits_too() {
    let mut redis = Redis::start().await;
    let app = watched(redis.config()).await;
    let browser = Browser::start().await;
    let page = app.dashboard(&browser, 360, 900).await;
    redis.kill();
    let load = Load::start(&app, &["/items/1", "/orders/2"]);
    page.until_text("breaker", "Breaker: open").await;
    load.stop().await;
    page.enter_token("not the admin token").await;
    page.until_text("token-message", "Token refused").await;
    assert_all_is_well(&page, "an outage").await;
    drop(app.served);
    app.cache.shutdown().await;
    page.until_text("connection", "Not connected").await;
    assert_all_is_well(&page, "no server").await;
}

/// The audit can fail.
#[tokio::test]
async fn the_audit_sees_what_is_wrong() {
    let redis = Redis::start().await;
    let app = watched(redis.config()).await;
    let browser = Browser::start().await;
    let page = app.dashboard(&browser, 1400, 900).await;
    for (change, said) in [
        (
            "document.querySelector('main').style.width = '2000px'",
            "wide",
        ),
        (
            "document.getElementById('mode').style.color = '#999'",
            "text has a contrast",
        ),
        (
            "document.getElementById('token').style.borderColor = 'transparent'",
            "border",
        ),
        (
            "document.getElementById('saved').style.marginTop = '-20px'",
            "over",
        ),
        (
            "document.getElementById('rate-1m').style.marginLeft = '400px'",
            "outside",
        ),
        (
            "document.querySelector('label[for=purge-value]').remove()",
            "no label",
        ),
        (
            "document.getElementById('purge-panel').style.position = 'relative';
            document.getElementById('purge-panel').style.top = '-40px'",
            "over",
        ),
    ] {
        page.go(&app.url("/cache/dashboard")).await;
        page.until_text("connection", "Live").await;
        page.eval(change).await;
        let problems = audit(&page).await;
        let is_seen = problems.iter().any(|problem| problem.contains(said));
        assert!(is_seen, "{change}: {problems:#?}");
    }
}

/// Roles of what somebody who does not see the page has to be told the name of.
const NAMED: [&str; 10] = [
    "button", "textbox", "combobox", "checkbox", "radio", "link", "image", "region", "table",
    "heading",
];

#[tokio::test]
async fn who_does_not_see_the_page_is_told_what_everything_is() {
    let redis = Redis::start().await;
    let app = watched(redis.config()).await;
    let browser = Browser::start().await;
    let page = full(&app, &browser).await;
    let load = Load::start(&app, &["/items/1"]);
    page.until("/now [0-9.]+\\u00a0%/.test(document.getElementById('rate-chart').ariaLabel)")
        .await;
    load.stop().await;
    let tree = page.call("Accessibility.getFullAXTree", json!({})).await;
    let nodes = tree["nodes"].as_array().expect("nodes");
    let of = |role: &str| -> Vec<&str> {
        let all = nodes.iter().filter(|node| node["ignored"] == false);
        let all = all.filter(|node| node["role"]["value"] == role);
        all.map(|node| node["name"]["value"].as_str().unwrap_or_default())
            .collect()
    };
    for role in NAMED {
        let names = of(role);
        assert!(!names.is_empty(), "no {role}");
        assert!(
            names.iter().all(|name| !name.is_empty()),
            "{role}: {names:?}"
        );
    }
    assert!(
        of("image")
            .iter()
            .any(|name| name.starts_with("Hit rate over time: now"))
    );
    assert!(
        of("image")
            .iter()
            .any(|name| name.starts_with("Requests a second: now"))
    );
    for name in ["Route", "Hit rate, 5 min", "p99 ≤"] {
        assert!(of("columnheader").contains(&name), "{name}");
    }
    assert!(of("rowheader").contains(&"/items/{id}"));
}

#[tokio::test]
async fn the_chosen_time_is_drawn_and_told() {
    let redis = Redis::start().await;
    let app = watched(redis.config()).await;
    let browser = Browser::start().await;
    let page = app.dashboard(&browser, 1400, 900).await;
    let load = Load::start(&app, &["/items/1"]);
    let line = "document.querySelector('#rate-chart .line').getAttribute('d').includes('L')";
    page.until(line).await;
    page.eval("document.querySelector('input[name=span][value=\"60\"]').click()")
        .await;
    page.eval("document.getElementById('time-details').open = true")
        .await;
    page.until("document.querySelectorAll('#time-table tr').length === 10")
        .await;
    let first = "document.querySelector('#time-table tr:nth-child(2) th').innerText";
    let last = "document.querySelector('#time-table tr:nth-child(1) th').innerText";
    let minutes = format!(
        "(Date.parse('2000-01-02T' + {first}) - Date.parse('2000-01-02T' + {last}) + 86400000) % 86400000 / 60000"
    );
    assert_eq!(page.eval(&minutes).await, Value::from(6));
    load.stop().await;
}
