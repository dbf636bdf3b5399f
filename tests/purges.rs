//! Purges by tag, class, prefix, pattern, and softly: in memory alone, and over two instances.

#[path = "support/scripted.rs"]
mod scripted;
mod support;

use axum::body::Body;
use futures_util::FutureExt;
use http::{Method, Response};
use neuralblitz_cache::{CacheConfig, CacheErrorKind, CacheLayer, CacheTags, Purge, Purged, Route};
use scripted::{App, counted, fwd, members, reply, request, ttl};
use std::time::Duration;
use support::redis::Redis;
use support::until;

/// Bears the tags that its path names: `/a/b` those of `a` and `b`.
fn tagged(config: CacheConfig) -> App {
    App::new(config, |parts, run| {
        let mut response = counted(run, &[]);
        let tags = parts.uri.path().split('/');
        response.extensions_mut().insert(CacheTags::new(tags));
        response
    })
}

/// One instance in memory alone; or two on one server, of which the first stores and purges and
/// the second is asked.
struct Setup {
    a: App,
    b: App,
    _redis: Option<Redis>,
}

impl Setup {
    async fn all(make: impl Fn(CacheConfig) -> App) -> [Self; 3] {
        let local = make(config(CacheConfig::builder()));
        let (first, second) = (Redis::start().await, Redis::start().await);
        let near = |redis: &Redis| make(config(redis.config().near_cache(true)));
        [
            Self {
                a: local.clone(),
                b: local,
                _redis: None,
            },
            Self {
                a: make(config(first.config())),
                b: make(config(first.config())),
                _redis: Some(first),
            },
            Self {
                a: near(&second),
                b: near(&second),
                _redis: Some(second),
            },
        ]
    }

    /// Fills all paths; both instances have them.
    async fn filled(&self, paths: &[&str]) {
        for path in paths {
            self.a.get(path).await;
            until("written", async || self.a.cache.stats().queued_writes == 0).await;
            let answer = self.b.get(path).await;
            assert!(answer.is_hit(), "{path}: {}", answer.cache());
        }
    }

    /// The purge is in force on both: the paths named are gone, the others are there. A near
    /// instance may hear of it a moment later.
    async fn gone(&self, all: &[&str], purged: &[&str]) {
        for path in purged {
            let gone = async || !self.b.get(path).await.is_hit();
            until("it is gone", gone).await;
        }
        for path in all.iter().filter(|path| !purged.contains(path)) {
            let answer = self.b.get(path).await;
            assert!(answer.is_hit(), "{path}: {}", answer.cache());
        }
    }
}

fn config(builder: neuralblitz_cache::CacheConfigBuilder) -> CacheConfig {
    let route = Route::new("/classed/{x}").class("multi_reality");
    builder.route(route).build().expect("usable")
}

async fn purged(app: &App, purge: Purge) {
    let purged = app.cache.purge(purge).await.expect("it can be");
    assert_eq!(purged, Purged::Applied);
}

const PATHS: [&str; 5] = ["/a/b", "/a/c", "/b/c?q=1", "/classed/x", "/z"];

#[tokio::test]
async fn each_kind_of_purge_covers_what_it_names_and_nothing_else() {
    let table: [(Purge, &[&str]); 13] = [
        (Purge::tags(["a"]), &["/a/b", "/a/c"]),
        (Purge::tags(["b", "z"]), &["/a/b", "/b/c?q=1", "/z"]),
        (Purge::tags(["none"]), &[]),
        (Purge::class("multi_reality"), &["/classed/x"]),
        (
            Purge::class("api_response"),
            &["/a/b", "/a/c", "/b/c?q=1", "/z"],
        ),
        (Purge::uri("/a/b"), &["/a/b"]),
        (Purge::uri("/b/c"), &[]),
        (Purge::prefix("/a/"), &["/a/b", "/a/c"]),
        (Purge::prefix("/b/c?q"), &["/b/c?q=1"]),
        // Asked for without a name, they are stored under every one.
        (Purge::prefix("http://elsewhere/a"), &["/a/b", "/a/c"]),
        (Purge::pattern("nb:api_response:*"), &PATHS),
        (
            Purge::pattern("api_response:GET:????????????????????????????????:*"),
            &PATHS,
        ),
        (Purge::pattern("nb:quantum_state:*"), &[]),
    ];
    for setup in Setup::all(tagged).await {
        for (purge, covered) in table.clone() {
            setup.filled(&PATHS).await;
            purged(&setup.a, purge).await;
            setup.gone(&PATHS, covered).await;
            purged(&setup.a, Purge::everything()).await;
            setup.gone(&PATHS, &PATHS).await;
        }
    }
}

#[tokio::test]
async fn patterns_cover_values_by_their_names() {
    for setup in Setup::all(tagged).await {
        let (a, b) = (&setup.a.cache, &setup.b.cache);
        let minute = Duration::from_mins(1);
        for (glob, gone) in [
            (
                "nb:quantum_state:*",
                &["quantum_state:1", "quantum_state:22"][..],
            ),
            ("quantum_state:?", &["quantum_state:1"]),
            ("nb:*_[d]ata:*", &["user_data:1"]),
            ("*", &["quantum_state:1", "quantum_state:22", "user_data:1"]),
        ] {
            let names = ["quantum_state:1", "quantum_state:22", "user_data:1"];
            for name in names {
                a.set(name, name, minute).await.expect("set");
            }
            let purged = a.delete_pattern(glob).await.expect("a glob");
            assert_eq!(purged, Purged::Applied);
            for name in names {
                let read = b.get::<String>(name).await.expect("a key");
                assert_eq!(read.is_none(), gone.contains(&name), "{glob} {name}");
            }
        }
    }
}

#[tokio::test]
async fn tags_come_from_fields_and_layers_too_and_can_be_kept_from_clients() {
    let config = CacheConfig::builder().strip_tags(true).build();
    let layer = CacheLayer::new(config.expect("usable"))
        .tags(["all"])
        .tags_with(|parts| vec![format!("status:{}", parts.status.as_u16())]);
    let app = App::behind(layer, |_, run| {
        counted(
            run,
            &[("cache-tag", "one, two"), ("surrogate-key", "three four")],
        )
    });
    for tag in ["one", "two", "three", "four", "all", "status:200"] {
        let first = app.get("/x").await;
        let second = app.get("/x").await;
        assert!(second.is_hit(), "{}", second.cache());
        for answer in [first, second] {
            assert!(!answer.headers.contains_key("cache-tag"));
            assert!(!answer.headers.contains_key("surrogate-key"));
        }
        let purged = app.cache.purge_tag(tag).await.expect("a tag");
        assert_eq!(purged, Purged::Applied);
        assert!(!app.get("/x").await.is_hit(), "{tag}");
        app.cache
            .purge_tags(["one"])
            .await
            .map(drop)
            .expect("a tag");
    }
}

#[tokio::test]
async fn a_response_with_more_tags_than_can_be_purged_is_not_stored() {
    let app = App::new(CacheConfig::default(), |_, run| {
        let mut response = counted(run, &[]);
        let tags = (0..65).map(|n| n.to_string());
        response.extensions_mut().insert(CacheTags::new(tags));
        response
    });
    for _ in 0..2 {
        assert_eq!(fwd(&app.get("/x").await), ("uri-miss".into(), false));
    }
    assert_eq!(app.cache.stats().refused_tags, 2);
}

/// Stale within a minute past its lifetime, softly purged or not.
fn stale(_: &http::request::Parts, run: usize) -> Response<Body> {
    let fields = [("cache-control", "max-age=600, stale-while-revalidate=60")];
    reply(200, &fields, format!("run {run}"))
}

#[tokio::test]
async fn what_is_softly_purged_is_stale_and_fetched_anew() {
    for setup in Setup::all(|config| App::new(config, stale)).await {
        setup.filled(&["/x"]).await;
        purged(&setup.a, Purge::uri("/x").soft()).await;
        let (a, b) = (&setup.a, &setup.b);
        let before = a.cache.stats().misses + b.cache.stats().misses;
        until("it is stale", async || {
            let answer = b.get("/x").await;
            assert!(answer.is_hit(), "{}", answer.cache());
            ttl(&answer).expect("a hit") <= 0
        })
        .await;
        until("a newer one is there", async || {
            ttl(&b.get("/x").await).is_some_and(|ttl| ttl > 0)
        })
        .await;
        let after = a.cache.stats().misses + b.cache.stats().misses;
        assert_eq!(after, before, "nobody waited for it");
    }
}

#[tokio::test]
async fn what_must_be_revalidated_is_gone_when_softly_purged() {
    for setup in Setup::all(|config| {
        App::new(config, |_, run| {
            let fields = [("cache-control", "max-age=600, must-revalidate")];
            reply(200, &fields, format!("run {run}"))
        })
    })
    .await
    {
        setup.filled(&["/x"]).await;
        purged(&setup.a, Purge::uri("/x").soft()).await;
        setup.gone(&["/x"], &["/x"]).await;
    }
}

#[tokio::test]
async fn a_hard_purge_after_a_soft_one_ends_the_stale_window() {
    for setup in Setup::all(|config| App::new(config, stale)).await {
        setup.filled(&["/x"]).await;
        purged(&setup.a, Purge::uri("/x").soft()).await;
        purged(&setup.a, Purge::uri("/x")).await;
        until("it is gone", async || {
            let answer = setup.b.get("/x").await;
            members(&answer.headers)
                .pop()
                .is_some_and(|member| !member.hit)
                || answer.text() != "run 0"
        })
        .await;
    }
}

#[tokio::test]
async fn more_patterns_than_are_kept_purge_too_much_and_never_too_little() {
    for setup in Setup::all(tagged).await {
        setup.filled(&["/kept", "/gone"]).await;
        purged(&setup.a, Purge::prefix("/gone")).await;
        for n in 0..200 {
            purged(&setup.a, Purge::prefix(format!("/{n}/"))).await;
        }
        assert_eq!(setup.a.cache.stats().patterns, 128);
        until("it is gone", async || {
            let answer = setup.b.get("/gone").await;
            answer.text() != "run 1"
        })
        .await;
        let new = setup.a.get("/new").await;
        until("written", async || setup.a.cache.stats().queued_writes == 0).await;
        let again = setup.b.get("/new").await;
        assert_eq!((again.is_hit(), again.text()), (true, new.text()));
    }
}

#[tokio::test]
async fn what_cannot_be_purged_is_refused_by_name() {
    let app = tagged(CacheConfig::default());
    let too_long = "x".repeat(1025);
    for (purge, kind) in [
        (Purge::tags([""]), CacheErrorKind::InvalidKey),
        (Purge::class(""), CacheErrorKind::InvalidKey),
        (Purge::pattern(""), CacheErrorKind::InvalidKey),
        (Purge::pattern(&*too_long), CacheErrorKind::InvalidKey),
        (Purge::key("nb:{c}:stamps"), CacheErrorKind::InvalidKey),
        (Purge::key("nb:api_response:x"), CacheErrorKind::InvalidKey),
        (Purge::uri("x"), CacheErrorKind::InvalidUri),
        (Purge::prefix("x"), CacheErrorKind::InvalidUri),
        (Purge::prefix("ftp://x/"), CacheErrorKind::InvalidUri),
    ] {
        let refused = app.cache.purge(purge.clone()).await;
        assert_eq!(
            refused.map_err(|error| error.kind()),
            Err(kind),
            "{purge:?}"
        );
    }
}

#[tokio::test]
async fn a_purge_whose_future_is_dropped_is_under_way_all_the_same() {
    let redis = Redis::start().await;
    let (a, b) = (
        tagged(redis.config().build().expect("usable")),
        tagged(redis.config().build().expect("usable")),
    );
    a.get("/a/b").await;
    until("written", async || a.cache.stats().queued_writes == 0).await;
    assert!(b.get("/a/b").await.is_hit());
    // Polled once, and dropped.
    assert!(a.cache.purge_tag("a").now_or_never().is_none());
    until("it is in force elsewhere", async || {
        !b.response(request(Method::GET, "/a/b", &[]))
            .await
            .headers()["cache-status"]
            .to_str()
            .is_ok_and(|status| status.contains("; hit"))
    })
    .await;
}
