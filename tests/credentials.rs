//! Nobody ever sees an answer that was made for somebody else.

#[path = "support/scripted.rs"]
mod scripted;
mod support;

use axum::Router;
use axum::routing::get;
use http::header::{AUTHORIZATION, COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method};
use neuralblitz_cache::{
    CacheConfig, CacheConfigBuilder, CacheLayer, CacheTtl, Credentials, KeyRules, Route,
};
use scripted::{App, Fields, counted, fwd, read, reply, request};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::until;
use tokio::sync::Semaphore;

const DEFAULTS: [&str; 4] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-api-key",
];

/// Tells everybody who they are, by any of the fields that may say so.
fn who(parts: &Parts, run: usize) -> http::Response<axum::body::Body> {
    let names = DEFAULTS.iter().chain(&["x-session"]);
    let said: Vec<&str> = names
        .flat_map(|name| parts.headers.get_all(*name))
        .map(|value| value.to_str().expect("text"))
        .collect();
    reply(200, &[], format!("{} {run}", said.join("; ")))
}

fn app(config: CacheConfigBuilder) -> App {
    App::new(config.build().expect("usable"), who)
}

/// Asks for /x with one field.
async fn ask(app: &App, name: &str, value: &str) -> String {
    let answer = app.get_with("/x", &[(name, value)]).await;
    answer.text().to_owned()
}

#[tokio::test]
async fn with_credentials_nothing_is_looked_up_or_stored() {
    for name in DEFAULTS {
        let app = app(CacheConfig::builder());
        let first = app.get_with("/x", &[(name, "ann")]).await;
        assert_eq!(first.text(), "ann 0");
        assert_eq!(fwd(&first), ("bypass".into(), false), "{name}");
        assert_eq!(ask(&app, name, "ann").await, "ann 1");
        assert_eq!(ask(&app, name, "bob").await, "bob 2");
        assert_eq!(app.cache.stats().local_entries, 0, "{name}");
        assert_eq!(app.get("/x").await.text(), " 3");
    }
}

#[tokio::test]
async fn an_answer_to_credentials_that_is_for_everybody_is_stored() {
    for control in ["public, max-age=60", "s-maxage=60", "max-age=60, Public"] {
        for name in DEFAULTS {
            let app = App::new(CacheConfig::default(), move |_, run| {
                counted(run, &[("cache-control", control)])
            });
            let first = app.get_with("/x", &[(name, "ann")]).await;
            assert_eq!(fwd(&first), ("bypass".into(), true), "{name}, {control}");
            assert_eq!(ask(&app, name, "ann").await, "run 0");
            assert_eq!(ask(&app, name, "bob").await, "run 0");
            let anonymous = app.get("/x").await;
            assert!(anonymous.is_hit());
            assert_eq!((anonymous.text(), app.runs()), ("run 0", 1));
        }
    }
}

#[tokio::test]
async fn an_answer_to_credentials_needs_more_than_a_lifetime_to_be_stored() {
    for control in [
        "max-age=60",
        "must-revalidate, max-age=60",
        "immutable, max-age=60",
    ] {
        let app = App::new(CacheConfig::default(), move |_, run| {
            counted(run, &[("cache-control", control)])
        });
        assert_eq!(ask(&app, "authorization", "ann").await, "run 0");
        assert_eq!(
            ask(&app, "authorization", "ann").await,
            "run 1",
            "{control}"
        );
        assert_eq!(app.get("/x").await.text(), "run 2", "{control}");
    }
}

#[tokio::test]
async fn an_anonymous_answer_is_for_credentials_only_if_it_said_so() {
    for (control, shared) in [("max-age=60", false), ("public, max-age=60", true)] {
        let app = App::new(CacheConfig::default(), move |_, run| {
            counted(run, &[("cache-control", control)])
        });
        assert_eq!(app.get("/x").await.text(), "run 0");
        let expected = if shared { "run 0" } else { "run 1" };
        assert_eq!(ask(&app, "cookie", "id=ann").await, expected, "{control}");
        let anonymous = app.get("/x").await;
        assert!(anonymous.is_hit(), "what was stored is still there");
        assert_eq!(anonymous.text(), "run 0");
    }
}

/// Answers with the tenant of a request, which no rule knows to be a credential.
fn tenants(gate: Arc<Semaphore>, runs: Arc<AtomicUsize>) -> Router {
    let handler = move |headers: HeaderMap| {
        let (gate, runs) = (gate.clone(), runs.clone());
        async move {
            runs.fetch_add(1, Ordering::SeqCst);
            gate.acquire().await.expect("open").forget();
            let tenant = headers["x-tenant"].to_str().expect("text").to_owned();
            reply(200, &[("cache-control", "private, max-age=60")], tenant)
        }
    };
    Router::new()
        .route("/x", get(handler))
        .layer(CacheLayer::new(CacheConfig::default()))
}

#[tokio::test]
async fn a_private_answer_is_never_given_to_those_who_waited_for_it() {
    let (gate, runs) = (Arc::new(Semaphore::new(0)), Arc::default());
    let app = tenants(gate.clone(), Arc::clone(&runs));
    let asked: Vec<_> = (0..20)
        .map(|tenant| {
            let (app, tenant) = (app.clone(), tenant.to_string());
            tokio::spawn(async move {
                let request = request(Method::GET, "/x", &[("x-tenant", &tenant)]);
                (read(scripted::ask(&app, request).await).await, tenant)
            })
        })
        .collect();
    until("a handler runs", async || runs.load(Ordering::SeqCst) > 0).await;
    gate.add_permits(20);
    for asked in asked {
        let (answer, tenant) = asked.await.expect("an answer");
        assert_eq!(answer.text(), tenant);
    }
    assert_eq!(runs.load(Ordering::SeqCst), 20);
}

#[tokio::test]
async fn ignored_cookies_say_nothing_about_who_is_asking() {
    let rule = Credentials::default().ignore_cookies(["_ga*", "theme"]);
    let app = app(CacheConfig::builder().credentials(rule));
    assert_eq!(app.get("/x").await.text(), " 0");
    for cookie in ["_ga=1", "_ga_XY=2; theme=dark", "theme="] {
        assert_eq!(ask(&app, "cookie", cookie).await, " 0", "{cookie}");
    }
    for (run, cookie) in ["sid=1", "theme=dark; sid=1", "xtheme=1", "theme2=1"]
        .into_iter()
        .enumerate()
    {
        let expected = format!("{cookie} {}", run + 1);
        assert_eq!(ask(&app, "cookie", cookie).await, expected);
    }
}

#[tokio::test]
async fn an_added_field_is_a_credential_and_a_removed_one_is_none() {
    let rule = Credentials::default()
        .field(HeaderName::from_static("x-session"))
        .ignore(&AUTHORIZATION);
    let app = app(CacheConfig::builder().credentials(rule));
    assert_eq!(ask(&app, "x-session", "ann").await, "ann 0");
    assert_eq!(ask(&app, "x-session", "bob").await, "bob 1");
    assert_eq!(ask(&app, "authorization", "ann").await, "ann 2");
    assert_eq!(ask(&app, "authorization", "bob").await, "ann 2");
}

#[tokio::test]
async fn any_field_may_be_made_a_credential() {
    for name in [
        "user-agent",
        "accept",
        "accept-language",
        "host",
        "x-forwarded-for",
    ] {
        let name = HeaderName::from_static(name);
        let rule = Credentials::default().field(name.clone());
        let config = CacheConfig::builder().credentials(rule).build();
        let app = App::new(config.expect("usable"), |_, run| counted(run, &[]));
        assert_eq!(ask(&app, name.as_str(), "ann").await, "run 0");
        assert_eq!(ask(&app, name.as_str(), "ann").await, "run 1", "{name}");
    }
}

#[tokio::test]
async fn a_credential_in_the_key_has_entries_of_its_own() {
    let key = KeyRules::new().header(AUTHORIZATION);
    let app = app(CacheConfig::builder().key(key));
    assert_eq!(ask(&app, "authorization", "ann").await, "ann 0");
    assert_eq!(ask(&app, "authorization", "bob").await, "bob 1");
    assert_eq!(app.get("/x").await.text(), " 2");
    assert_eq!(ask(&app, "authorization", "").await, " 3");
    assert_eq!(ask(&app, "authorization", "ann").await, "ann 0");
    assert_eq!(ask(&app, "authorization", "bob").await, "bob 1");
    assert_eq!(app.get("/x").await.text(), " 2");
    assert_eq!(ask(&app, "x-api-key", "ann").await, "ann 4");
    assert_eq!(ask(&app, "x-api-key", "ann").await, "ann 5");
}

/// No two of these may share an entry.
async fn all_differ(app: &App, name: &str, values: &[&str]) {
    for _ in 0..2 {
        for (run, value) in values.iter().enumerate() {
            assert_eq!(ask(app, name, value).await, format!("{value} {run}"));
        }
    }
}

#[tokio::test]
async fn credentials_in_the_key_differ_in_white_space_and_commas_too() {
    let key = KeyRules::new().header(AUTHORIZATION);
    let app = app(CacheConfig::builder().key(key));
    let names = [
        "Digest username=\"a,b\"",
        "Digest username=\"a, b\"",
        "Digest username=\"a ,b\"",
        ",Digest username=\"a,b\"",
    ];
    all_differ(&app, "authorization", &names).await;
}

#[tokio::test]
async fn a_cookie_in_the_key_has_entries_of_its_own() {
    let app = app(CacheConfig::builder().key(KeyRules::new().cookie("sid")));
    all_differ(
        &app,
        "cookie",
        &["sid=ann", "sid=bob", "sid=", "sid=ann; sid=bob"],
    )
    .await;
    assert_eq!(
        ask(&app, "cookie", "sid=ann; id=1").await,
        "sid=ann; id=1 4"
    );
    assert_eq!(
        ask(&app, "cookie", "sid=ann; id=2").await,
        "sid=ann; id=2 5"
    );
}

#[tokio::test]
async fn a_key_cookie_whose_name_looks_like_a_pattern_lets_nobody_share() {
    let app = app(CacheConfig::builder().key(KeyRules::new().cookie("sess_*")));
    assert_eq!(ask(&app, "cookie", "sess_1=ann").await, "sess_1=ann 0");
    assert_eq!(ask(&app, "cookie", "sess_1=bob").await, "sess_1=bob 1");
}

#[tokio::test]
async fn the_whole_cookie_field_in_the_key_has_entries_of_its_own() {
    let app = app(CacheConfig::builder().key(KeyRules::new().header(COOKIE)));
    all_differ(&app, "cookie", &["a=1", "a=1; b=2", "a=1;b=2", "b=2; a=1"]).await;
}

#[tokio::test]
async fn a_route_may_ignore_credentials() {
    let open = Route::new("/open/{id}").credentials(Credentials::none());
    let app = app(CacheConfig::builder().route(open));
    let ann: Fields<'_> = &[("authorization", "ann")];
    assert_eq!(app.get_with("/open/1", ann).await.text(), "ann 0");
    assert_eq!(app.get("/open/1").await.text(), "ann 0");
    assert_eq!(app.get_with("/x", ann).await.text(), "ann 1");
    assert_eq!(app.get("/x").await.text(), " 2");
}

#[tokio::test]
async fn the_rule_of_a_layer_wins_over_that_of_a_route() {
    let open = Route::new("/x").credentials(Credentials::none());
    let config = CacheConfig::builder().route(open).build().expect("usable");
    let layer = CacheLayer::new(config).credentials(Credentials::default());
    let app = App::behind(layer, who);
    assert_eq!(ask(&app, "authorization", "ann").await, "ann 0");
    assert_eq!(ask(&app, "authorization", "bob").await, "bob 1");
}

#[tokio::test]
async fn no_setting_stores_what_was_made_for_credentials() {
    let minute = Duration::from_mins(1);
    let config = CacheConfig::builder().route(Route::new("/x").override_ttl(minute));
    let layer = CacheLayer::new(config.build().expect("usable"));
    let app = App::behind(layer.ttl(minute).override_ttl(minute), move |parts, run| {
        let mut response = who(parts, run);
        response.extensions_mut().insert(CacheTtl(minute));
        response
    });
    assert_eq!(ask(&app, "cookie", "id=ann").await, "id=ann 0");
    assert_eq!(ask(&app, "cookie", "id=bob").await, "id=bob 1");
    assert_eq!(app.cache.stats().local_entries, 0);
}
