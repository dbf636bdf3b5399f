//! For how long an answer stays fresh, who decides, and what a client sees of it.

#[path = "support/scripted.rs"]
mod scripted;
mod support;

use axum::body::Body;
use http::Response;
use neuralblitz_cache::{CacheConfig, CacheLayer, CacheTtl, ClientDirectives, Route};
use scripted::{App, Fields, Member, counted, fwd, members, reply, ttl};
use std::time::{Duration, SystemTime};
use tokio::time::advance;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// All that may say for how long, the one that counts most first.
const SOURCES: [&str; 10] = [
    "extension",
    "override of the layer",
    "override of the route",
    "s-maxage",
    "max-age",
    "expires",
    "ttl of the layer",
    "ttl of the route",
    "class of the layer",
    "default class",
];

/// Where a source stands; it says so many seconds.
fn rank(source: &str) -> u64 {
    let rank = SOURCES.iter().position(|s| *s == source);
    100 + rank.expect("a source") as u64
}

fn with_sources(sources: &'static [&'static str], more: Fields<'static>) -> App {
    let said = |source: &str| sources.contains(&source).then(|| secs(rank(source)));
    let route = Route::new("/x");
    let route = said("ttl of the route").map_or(route.clone(), |ttl| route.ttl(ttl));
    let route = said("override of the route").map_or(route.clone(), |ttl| route.override_ttl(ttl));
    let config = CacheConfig::builder()
        .route(route)
        .class_ttl("named", secs(rank("class of the layer")))
        .api_response_ttl(secs(rank("default class")));
    let layer = CacheLayer::new(config.build().expect("usable"));
    let layer = said("ttl of the layer").map_or(layer.clone(), |ttl| layer.ttl(ttl));
    let layer = said("override of the layer").map_or(layer.clone(), |ttl| layer.override_ttl(ttl));
    let layer = said("class of the layer").map_or(layer.clone(), |_| layer.class("named"));
    App::behind(layer, move |_, run| respond(sources, more, run))
}

fn respond(sources: &[&str], more: Fields<'_>, run: usize) -> Response<Body> {
    let mut response = counted(run, more);
    let headers = response.headers_mut();
    for source in ["s-maxage", "max-age"] {
        if sources.contains(&source) {
            let directive = format!("{source}={}", rank(source));
            headers.append("cache-control", directive.try_into().expect("a value"));
        }
    }
    if sources.contains(&"expires") {
        let date = SystemTime::UNIX_EPOCH + secs(4_000_000_000);
        for (name, date) in [("date", date), ("expires", date + secs(rank("expires")))] {
            let date = httpdate::fmt_http_date(date);
            headers.insert(name, date.try_into().expect("a value"));
        }
    }
    if sources.contains(&"extension") {
        let ttl = CacheTtl(secs(rank("extension")));
        response.extensions_mut().insert(ttl);
    }
    response
}

#[tokio::test(start_paused = true)]
async fn of_all_that_say_for_how_long_the_first_counts() {
    for (at, source) in SOURCES.iter().enumerate() {
        let app = with_sources(&SOURCES[at..], &[]);
        app.get("/x").await;
        let hit = app.get("/x").await;
        let expected = i64::try_from(rank(source)).expect("a number");
        assert_eq!(ttl(&hit), Some(expected), "{source}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_that_says_for_how_long_wins_over_what_forbids_storing() {
    let forbidding: [Fields<'static>; 4] = [
        &[("cache-control", "no-store")],
        &[("cache-control", "private")],
        &[("set-cookie", "a=b")],
        &[("vary", "*")],
    ];
    for fields in forbidding {
        let app = with_sources(&SOURCES, fields);
        app.get("/x").await;
        assert_eq!(app.get("/x").await.text(), "run 1", "{fields:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_ttl_of_zero_stores_nothing() {
    let app = App::new(CacheConfig::default(), |_, run| {
        let mut response = counted(run, &[("cache-control", "max-age=60")]);
        response.extensions_mut().insert(CacheTtl(Duration::ZERO));
        response
    });
    app.get("/x").await;
    assert_eq!(app.get("/x").await.text(), "run 1");
}

#[tokio::test(start_paused = true)]
async fn each_class_has_its_ttl_and_an_unknown_one_the_default() {
    for (class, expected) in [
        ("capabilities", 3600),
        ("partner_config", 3600),
        ("quantum_state", 300),
        ("multi_reality", 600),
        ("consciousness", 180),
        ("api_response", 900),
        ("unheard_of", 3600),
    ] {
        let layer = CacheLayer::new(CacheConfig::default()).class(class);
        let app = App::behind(layer, |_, run| counted(run, &[]));
        app.get("/x").await;
        assert_eq!(ttl(&app.get("/x").await), Some(expected), "{class}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_route_names_a_class_by_the_original_path() {
    let route = Route::new("/quantum/{id}").class("quantum_state");
    let config = CacheConfig::builder().route(route).build();
    let app = App::new(config.expect("usable"), |_, run| counted(run, &[]));
    for (path, expected) in [("/quantum/7?x=1", 300), ("/quantum/7/8", 900)] {
        app.get(path).await;
        assert_eq!(ttl(&app.get(path).await), Some(expected), "{path}");
    }
}

/// How often the handler ran for two requests.
async fn runs_of_two(status: u16, fields: Fields<'static>) -> usize {
    let app = App::new(CacheConfig::default(), move |_, run| {
        reply(status, fields, format!("run {run}"))
    });
    for _ in 0..2 {
        let answer = app.get("/x").await;
        assert_eq!(answer.status.as_u16(), status);
    }
    app.runs()
}

#[tokio::test(start_paused = true)]
async fn what_is_no_success_is_stored_only_if_it_says_for_how_long() {
    const LIFETIMES: [Fields<'static>; 2] = [
        &[("cache-control", "max-age=60")],
        &[("cache-control", "s-maxage=60")],
    ];
    for status in [301, 302, 307, 308, 400, 403, 404, 410, 500, 502, 503] {
        assert_eq!(runs_of_two(status, &[]).await, 2, "{status}");
        for fields in LIFETIMES {
            assert_eq!(runs_of_two(status, fields).await, 1, "{status} {fields:?}");
        }
    }
    for status in [200, 203, 204] {
        assert_eq!(runs_of_two(status, &[]).await, 1, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_is_never_stored() {
    let fields: Fields<'static> = &[
        ("cache-control", "public, max-age=60"),
        ("content-range", "bytes 0-1/9"),
    ];
    assert_eq!(runs_of_two(206, fields).await, 2);
    assert_eq!(runs_of_two(206, &fields[..1]).await, 2);
    assert_eq!(runs_of_two(200, fields).await, 2);
}

#[tokio::test(start_paused = true)]
async fn freshness_ends_when_its_time_has_passed() {
    let app = App::says(&[("cache-control", "max-age=10")]);
    app.get("/x").await;
    advance(Duration::from_millis(9_999)).await;
    let last = app.get("/x").await;
    assert_eq!((last.text(), ttl(&last)), ("run 0", Some(0)));
    advance(Duration::from_millis(1)).await;
    let stale = app.get("/x").await;
    assert_eq!(stale.text(), "run 1");
    assert_eq!(fwd(&stale), ("stale".into(), true));
    let again = app.get("/x").await;
    assert_eq!((again.text(), ttl(&again)), ("run 1", Some(10)));
    assert_eq!(app.runs(), 2);
}

#[tokio::test(start_paused = true)]
async fn age_counts_from_when_the_answer_was_made() {
    let app = App::new(CacheConfig::default(), |parts, run| {
        let aged: Fields<'_> = &[("cache-control", "max-age=100"), ("age", "30")];
        counted(
            run,
            if parts.uri.path() == "/aged" {
                aged
            } else {
                &[]
            },
        )
    });
    for path in ["/new", "/aged"] {
        app.get(path).await;
    }
    for (passed, new, aged, left) in [(0, "0", "30", 70), (7, "7", "37", 63), (62, "69", "99", 1)] {
        advance(secs(passed)).await;
        assert_eq!(app.get("/new").await.header("age"), new);
        let hit = app.get("/aged").await;
        assert_eq!((hit.header("age"), ttl(&hit)), (aged, Some(left)));
        assert_eq!(hit.headers.get_all("age").iter().count(), 1);
    }
    advance(secs(1)).await;
    assert_eq!(fwd(&app.get("/aged").await).0, "stale");
    assert_eq!(app.runs(), 3);
}

/// RFC 9111 §4.2.3: who sent no `Age` is as old as its `Date` says. By the wall's time on both
/// sides: a clock that stands still would be behind it.
#[tokio::test]
async fn an_answer_is_at_least_as_old_as_its_date_says() {
    let app = App::new(CacheConfig::default(), |_, run| {
        #[allow(clippy::disallowed_methods, reason = "the wall time of a handler")]
        let date = httpdate::fmt_http_date(SystemTime::now() - secs(100));
        counted(run, &[("date", &date), ("cache-control", "max-age=300")])
    });
    app.get("/x").await;
    let hit = app.get("/x").await;
    let age: u64 = hit.header("age").parse().expect("a number");
    assert!((100..110).contains(&age), "{age}");
    let left = ttl(&hit).expect("a hit");
    assert!((190..=200).contains(&left), "{left}");
}

#[tokio::test(start_paused = true)]
async fn cache_status_tells_what_was_done() {
    let app = App::says(&[]);
    let ours = || Member {
        cache: "neuralblitz-cache".into(),
        ..Member::default()
    };
    let first = Member {
        fwd: Some("uri-miss".into()),
        stored: true,
        ..ours()
    };
    assert_eq!(members(&app.get("/x").await.headers), [first]);
    let hit = Member {
        hit: true,
        ttl: Some(900),
        ..ours()
    };
    assert_eq!(members(&app.get("/x").await.headers), [hit]);
    let guarded = Member {
        fwd: Some("bypass".into()),
        ..ours()
    };
    let answer = app.get_with("/x", &[("cookie", "a=b")]).await;
    assert_eq!(members(&answer.headers), [guarded]);
}

/// Seconds that pass, what the request says, and whether it is answered from the store.
const DEMANDS: [(u64, &str, bool); 8] = [
    (0, "no-cache", false),
    (5, "max-age=4", false),
    (5, "max-age=5", true),
    (40, "min-fresh=21", false),
    (40, "min-fresh=20", true),
    (59, "max-age=60, x", true),
    (0, "max-age=0", true),
    (1, "max-age=0", false),
];

#[tokio::test(start_paused = true)]
async fn what_requests_ask_for_counts_only_where_it_is_obeyed() {
    for rule in [ClientDirectives::Obey, ClientDirectives::Ignore] {
        for (passed, control, stored) in DEMANDS {
            let config = CacheConfig::builder().client_directives(rule).build();
            let app = App::new(config.expect("usable"), |_, run| {
                counted(run, &[("cache-control", "max-age=60")])
            });
            app.get("/x").await;
            advance(secs(passed)).await;
            let answer = app.get_with("/x", &[("cache-control", control)]).await;
            let hit = stored || rule == ClientDirectives::Ignore;
            assert_eq!(answer.is_hit(), hit, "{rule:?}, {passed} s, {control}");
            if !hit {
                assert_eq!(fwd(&answer), ("request".into(), true));
                let renewed = app.get("/x").await;
                assert_eq!(renewed.text(), "run 1", "the newer one is stored");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn pragma_counts_where_there_is_no_cache_control() {
    let config = CacheConfig::builder().client_directives(ClientDirectives::Obey);
    let app = App::new(config.build().expect("usable"), |_, run| counted(run, &[]));
    app.get("/x").await;
    let pragma = ("pragma", "no-cache");
    let both = [pragma, ("cache-control", "max-age=60")];
    assert_eq!(app.get_with("/x", &both).await.text(), "run 0");
    assert_eq!(app.get_with("/x", &[pragma]).await.text(), "run 1");
}

#[tokio::test(start_paused = true)]
async fn only_if_cached_is_a_504_when_nothing_is() {
    let app = App::says(&[("cache-control", "max-age=10")]);
    let asks: Fields<'_> = &[("cache-control", "only-if-cached")];
    let empty = app.get_with("/x", asks).await;
    assert_eq!((empty.status.as_u16(), empty.body.len()), (504, 0));
    assert_eq!(members(&empty.headers).len(), 1);
    assert_eq!(app.runs(), 0);
    app.get("/x").await;
    let hit = app.get_with("/x", asks).await;
    assert_eq!((hit.status.as_u16(), hit.text()), (200, "run 0"));
    advance(secs(10)).await;
    assert_eq!(app.get_with("/x", asks).await.status.as_u16(), 504);
    assert_eq!(app.runs(), 1);
}

/// It says what others ask for only where that is wanted.
#[tokio::test]
async fn cache_status_names_the_key_by_setting() {
    for named in [false, true] {
        let config = CacheConfig::builder().cache_status_key(named);
        let config = config.build().expect("usable");
        let app = App::new(config, |_, run| counted(run, &[]));
        for hit in [false, true] {
            let answer = app.get_with("/a?b=%22", &[("host", "h.example")]).await;
            assert_eq!(answer.is_hit(), hit);
            let key = answer.cache().contains("; key=\"h.example/a?b=%22\"");
            assert_eq!(key, named, "{}", answer.cache());
        }
    }
}
