//! Layers of one cache inside each other: who stores, and by whose rules.

#[path = "support/scripted.rs"]
mod scripted;
mod support;

use axum::Router;
use axum::routing::{MethodRouter, any};
use http::{HeaderMap, HeaderName, Method};
use neuralblitz_cache::{Cache, CacheConfig, CacheLayer, Credentials, KeyRules};
use scripted::{Fields, Member, counted, members, read, reply, request, ttl};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::until;
use support::web::Answer;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// What a layer is told.
type Change = fn(CacheLayer) -> CacheLayer;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// `/x` behind an inner layer, the whole router behind an outer one.
struct App {
    cache: Cache,
    router: Router,
    runs: Arc<AtomicUsize>,
}

impl App {
    /// Inner layers, the nearest to the handler first.
    fn new(outer: Change, inner: &[Change]) -> Self {
        Self::saying(&[], outer, inner)
    }

    fn saying(fields: Fields<'static>, outer: Change, inner: &[Change]) -> Self {
        let cache = Cache::new(CacheConfig::default());
        let runs = Arc::new(AtomicUsize::new(0));
        let counter = runs.clone();
        let handler = async move || counted(counter.fetch_add(1, Ordering::SeqCst), fields);
        let handler = move || {
            let handler = handler.clone();
            async move { handler().await }
        };
        let mut route: MethodRouter = any(handler);
        for change in inner {
            route = route.layer(change(cache.layer()));
        }
        let router = Router::new().route("/x", route);
        Self {
            router: router.layer(outer(cache.layer())),
            cache,
            runs,
        }
    }

    async fn get(&self, fields: Fields<'_>) -> Answer {
        self.ask(Method::GET, fields).await
    }

    async fn ask(&self, method: Method, fields: Fields<'_>) -> Answer {
        let request = request(method, "/x", fields);
        read(scripted::ask(&self.router, request).await).await
    }

    /// On a paused clock all that takes time is waiting for a timer.
    async fn get_at_once(&self) -> Answer {
        let answer = timeout(secs(1), self.get(&[])).await;
        answer.expect("a layer waits for itself")
    }

    fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }
}

fn same(layer: CacheLayer) -> CacheLayer {
    layer
}

/// The outer layer stores, the inner one is not heard of.
async fn outer_stores(app: &App) -> Option<i64> {
    let first = app.get(&[]).await;
    let [member] = &members(&first.headers)[..] else {
        panic!("one member: {}", first.cache())
    };
    assert!(member.stored, "{member:?}");
    let hit = app.get(&[]).await;
    assert!(hit.is_hit());
    assert_eq!(members(&hit.headers).len(), 1);
    assert_eq!((app.runs(), app.cache.stats().local_entries), (1, 1));
    ttl(&hit)
}

#[tokio::test(start_paused = true)]
async fn the_outer_layer_stores_by_what_the_inner_one_says() {
    let changes: [(Change, i64); 4] = [
        (same, 900),
        (|layer| layer.ttl(secs(300)), 300),
        (|layer| layer.override_ttl(secs(200)), 200),
        (|layer| layer.class("consciousness"), 180),
    ];
    for (change, expected) in changes {
        let app = App::new(same, &[change]);
        assert_eq!(outer_stores(&app).await, Some(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn the_layer_nearest_to_the_handler_is_heard() {
    let by_ttl = App::new(
        |layer| layer.ttl(secs(100)),
        &[|layer| layer.ttl(secs(300)), |layer| layer.ttl(secs(200))],
    );
    assert_eq!(outer_stores(&by_ttl).await, Some(300));
    let by_override = App::saying(
        &[("cache-control", "max-age=60")],
        |layer| layer.override_ttl(secs(100)),
        &[
            |layer| layer.override_ttl(secs(300)),
            |layer| layer.override_ttl(secs(200)),
        ],
    );
    assert_eq!(outer_stores(&by_override).await, Some(300));
    let by_class = App::new(
        |layer| layer.class("capabilities"),
        &[
            |layer| layer.class("quantum_state"),
            |layer| layer.class("multi_reality"),
        ],
    );
    assert_eq!(outer_stores(&by_class).await, Some(300));
}

#[tokio::test(start_paused = true)]
async fn where_the_nearest_layer_is_silent_the_next_is_heard() {
    let app = App::new(|layer| layer.ttl(secs(100)), &[same, same]);
    assert_eq!(outer_stores(&app).await, Some(100));
    let app = App::new(same, &[same, |layer| layer.ttl(secs(200))]);
    assert_eq!(outer_stores(&app).await, Some(200));
}

#[tokio::test(start_paused = true)]
async fn an_override_of_the_outer_layer_counts_more_than_a_ttl_of_the_inner_one() {
    let app = App::new(
        |layer| layer.override_ttl(secs(100)),
        &[|layer| layer.ttl(secs(300))],
    );
    assert_eq!(outer_stores(&app).await, Some(100));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_for_a_cache_passes_both() {
    let app = App::new(same, &[|layer| layer.ttl(secs(300))]);
    for run in 0..2 {
        let answer = app.ask(Method::POST, &[]).await;
        assert_eq!(answer.text(), format!("run {run}"));
        assert!(!answer.headers.contains_key("cache-status"));
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_outer_layer_bypasses_is_not_stored_further_in() {
    let bypass: Change = |layer| layer.bypass(|_| true);
    let app = App::new(bypass, &[same]);
    for run in ["run 0", "run 1"] {
        assert_eq!(app.get(&[]).await.text(), run);
    }
}

/// What the inner and the outer layer did.
fn both(answer: &Answer) -> [Member; 2] {
    let members = members(&answer.headers);
    members.try_into().expect("two members")
}

/// An answer stored by the inner layer alone.
async fn inner_stored(app: &App, fields: Fields<'_>, body: &str) {
    let answer = app.get(fields).await;
    let [inner, outer] = both(&answer);
    assert_eq!(answer.text(), body, "{fields:?}");
    assert!(inner.stored, "{fields:?}: {inner:?}");
    assert!(!outer.stored && !outer.hit, "{fields:?}: {outer:?}");
}

async fn inner_hit(app: &App, fields: Fields<'_>, body: &str) {
    let answer = app.get(fields).await;
    let [inner, outer] = both(&answer);
    assert_eq!(answer.text(), body, "{fields:?}");
    assert!(inner.hit, "{fields:?}: {inner:?}");
    assert!(!outer.stored && !outer.hit, "{fields:?}: {outer:?}");
}

const ANN: Fields<'static> = &[("x-name", "ann")];
const BOB: Fields<'static> = &[("x-name", "bob")];

fn by_name(layer: CacheLayer) -> CacheLayer {
    layer.key(KeyRules::new().header(HeaderName::from_static("x-name")))
}

#[tokio::test(start_paused = true)]
async fn an_inner_layer_with_a_key_of_its_own_stores_by_itself() {
    let app = App::new(same, &[by_name]);
    inner_stored(&app, ANN, "run 0").await;
    inner_stored(&app, BOB, "run 1").await;
    inner_stored(&app, &[], "run 2").await;
    for _ in 0..2 {
        inner_hit(&app, ANN, "run 0").await;
        inner_hit(&app, BOB, "run 1").await;
        inner_hit(&app, &[], "run 2").await;
    }
    assert_eq!(app.cache.stats().local_entries, 3);
}

#[tokio::test(start_paused = true)]
async fn an_inner_layer_of_equal_key_rules_does_not_wait_for_the_outer_one() {
    let own: [Change; 3] = [
        |layer| layer.key(KeyRules::new()),
        |layer| layer.bypass(|_| false),
        |layer| layer.credentials(Credentials::default()),
    ];
    for change in own {
        let app = App::new(same, &[change]);
        for _ in 0..2 {
            assert_eq!(app.get_at_once().await.text(), "run 0");
        }
        tokio::time::advance(secs(900)).await;
        assert_eq!(app.get_at_once().await.text(), "run 1");
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_inner_layer_bypasses_is_never_a_hit() {
    let app = || {
        App::new(
            same,
            &[|layer| layer.bypass(|request| request.headers.contains_key("x-name"))],
        )
    };
    let plain_first = app();
    for (fields, body) in [
        (&[][..], "run 0"),
        (ANN, "run 1"),
        (&[], "run 0"),
        (BOB, "run 2"),
    ] {
        assert_eq!(plain_first.get(fields).await.text(), body, "{fields:?}");
    }
    let plain_last = app();
    for (fields, body) in [
        (ANN, "run 0"),
        (ANN, "run 1"),
        (&[], "run 2"),
        (ANN, "run 3"),
        (&[], "run 2"),
    ] {
        assert_eq!(plain_last.get(fields).await.text(), body, "{fields:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_inner_layer_holds_for_credentials_is_never_shared() {
    let app = || {
        App::new(
            same,
            &[|layer| {
                let name = HeaderName::from_static("x-name");
                layer.credentials(Credentials::default().field(name))
            }],
        )
    };
    let plain_first = app();
    for (fields, body) in [
        (&[][..], "run 0"),
        (ANN, "run 1"),
        (BOB, "run 2"),
        (&[], "run 0"),
    ] {
        assert_eq!(plain_first.get(fields).await.text(), body, "{fields:?}");
    }
    let plain_last = app();
    for (fields, body) in [
        (ANN, "run 0"),
        (BOB, "run 1"),
        (&[], "run 2"),
        (ANN, "run 3"),
        (&[], "run 2"),
    ] {
        assert_eq!(plain_last.get(fields).await.text(), body, "{fields:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_inner_layer_may_share_what_the_outer_one_would_not() {
    let app = App::new(same, &[|layer| layer.credentials(Credentials::none())]);
    inner_stored(&app, &[("authorization", "ann")], "run 0").await;
    inner_hit(&app, &[("authorization", "bob")], "run 0").await;
    inner_hit(&app, &[("cookie", "id=ann")], "run 0").await;
    assert_eq!(app.get(&[]).await.text(), "run 0");
    assert_eq!(app.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_innermost_layer_says_its_ttl_to_the_one_that_stores_by_itself() {
    let app = App::new(same, &[|layer| layer.ttl(secs(300)), by_name]);
    inner_stored(&app, ANN, "run 0").await;
    let [inner, _] = both(&app.get(ANN).await);
    assert_eq!(inner.ttl, Some(300));
}

#[tokio::test(start_paused = true)]
async fn a_purge_of_everything_reaches_what_an_inner_layer_stored() {
    let app = App::new(same, &[by_name]);
    inner_stored(&app, ANN, "run 0").await;
    let _ = app.cache.clear().await;
    inner_stored(&app, ANN, "run 1").await;
    let _ = app.cache.purge_uri("/x").await.expect("a URI");
    inner_stored(&app, ANN, "run 2").await;
}

/// A slow handler behind two layers, the inner one with rules of its own.
fn slow(gate: Arc<Semaphore>, runs: Arc<AtomicUsize>) -> Router {
    let handler = move |headers: HeaderMap| {
        let (gate, runs) = (gate.clone(), runs.clone());
        async move {
            runs.fetch_add(1, Ordering::SeqCst);
            gate.acquire().await.expect("open").forget();
            reply(
                200,
                &[],
                headers["x-name"].to_str().expect("text").to_owned(),
            )
        }
    };
    let cache = Cache::new(CacheConfig::default());
    let route = any(handler).layer(by_name(cache.layer()));
    Router::new().route("/x", route).layer(cache.layer())
}

#[tokio::test]
async fn who_waits_at_the_outer_layer_gets_what_the_inner_one_says_is_theirs() {
    let (gate, runs) = (Arc::new(Semaphore::new(0)), Arc::default());
    let app = slow(gate.clone(), Arc::clone(&runs));
    let asked: Vec<_> = (0..20)
        .map(|n| {
            let (app, name) = (app.clone(), if n % 2 == 0 { "ann" } else { "bob" });
            tokio::spawn(async move {
                let request = request(Method::GET, "/x", &[("x-name", name)]);
                (read(scripted::ask(&app, request).await).await, name)
            })
        })
        .collect();
    until("a handler runs", async || runs.load(Ordering::SeqCst) > 0).await;
    gate.add_permits(20);
    for asked in asked {
        let (answer, name) = asked.await.expect("an answer");
        assert_eq!(answer.text(), name);
    }
    assert_eq!(runs.load(Ordering::SeqCst), 2, "once for each name");
}

#[tokio::test(start_paused = true)]
async fn a_layer_of_another_cache_stores_too() {
    let inner = Cache::new(CacheConfig::default());
    let handler = any(async || counted(0, &[])).layer(inner.layer());
    let outer = Cache::new(CacheConfig::default());
    let router = Router::new().route("/x", handler).layer(outer.layer());
    let app = App {
        cache: outer.clone(),
        router,
        runs: Arc::default(),
    };
    let first = both(&app.get(&[]).await);
    assert!(first.iter().all(|member| member.stored), "{first:?}");
    let _ = outer.clear().await;
    let [of_inner, of_outer] = both(&app.get(&[]).await);
    assert!(of_inner.hit && of_outer.stored);
    assert_eq!(inner.stats().local_entries, 1);
}

#[tokio::test(start_paused = true)]
async fn a_layer_of_another_cache_in_between_makes_nobody_wait() {
    let other = Cache::new(CacheConfig::default());
    let cache = Cache::new(CacheConfig::default());
    let handler: MethodRouter = any(async || counted(0, &[]));
    let handler: MethodRouter = handler.layer(cache.layer());
    let handler: MethodRouter = handler.layer(other.layer());
    let app = App {
        router: Router::new().route("/x", handler).layer(cache.layer()),
        cache,
        runs: Arc::default(),
    };
    assert_eq!(app.get_at_once().await.text(), "run 0");
    assert!(app.get_at_once().await.is_hit());
}
