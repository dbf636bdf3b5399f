//! Rules of events: what they purge, with the context filled in, and on which instances.

#[path = "support/scripted.rs"]
mod scripted;
mod support;

use neuralblitz_cache::EventFailureKind::{FieldMissing, FieldUnusable, Unpurgeable};
use neuralblitz_cache::{
    Cache, CacheConfig, CacheTags, ConfigErrorKind, EventContext, EventRule, Purged,
};
use scripted::{App, counted, ruled};
use serde_json::{Value, json};
use std::time::Duration;
use support::redis::Redis;
use support::until;

const UPDATED: &str = "quantum_state_updated";

/// Bears the tag that its path names.
fn tagged(config: CacheConfig) -> App {
    App::new(config, |parts, run| {
        let mut response = counted(run, &[]);
        let tag = parts.uri.path().trim_start_matches('/');
        response.extensions_mut().insert(CacheTags::new([tag]));
        response
    })
}

/// What of `paths` is gone after the event.
async fn gone<'a>(rule: EventRule, context: Value, paths: &[&'a str]) -> Vec<&'a str> {
    let app = tagged(ruled([rule]));
    for path in paths {
        app.get(path).await;
    }
    app.cache.emit(UPDATED, context).await.expect("no error");
    let mut gone = Vec::new();
    for path in paths {
        if !app.get(path).await.is_hit() {
            gone.push(*path);
        }
    }
    gone
}

#[tokio::test]
async fn rules_purge_what_their_templates_name_with_the_context_filled_in() {
    let paths = ["/s:1", "/s:12", "/u/1/x", "/u/1", "/q?id=a%26b", "/z"];
    let context = json!({ "id": 1, "user": { "id": "1" }, "q": "a&b" });
    let rule = || EventRule::new(UPDATED);
    let table: [(EventRule, &[&str]); 8] = [
        (rule().tag("s:{id}"), &["/s:1"]),
        (rule().tag("s:{id}2").tag("z"), &["/s:12", "/z"]),
        (rule().uri("/u/{user.id}"), &["/u/1"]),
        (rule().uri("/q?id={q}"), &["/q?id=a%26b"]),
        (rule().prefix("/u/{user.id}/"), &["/u/1/x"]),
        (rule().class("api_response"), &paths),
        (rule().pattern("nb:api_response:*"), &paths),
        (EventRule::new("another").tag("z"), &[]),
    ];
    for (rule, expected) in table {
        let gone = gone(rule.clone(), context.clone(), &paths).await;
        assert_eq!(gone, expected, "{rule:?}");
    }
}

#[tokio::test]
async fn a_value_with_the_characters_of_globs_or_paths_widens_nothing() {
    let rule = || EventRule::new(UPDATED);
    let patterns = [
        "nb:quantum_state:{id}:*",
        "quantum_state:{id}:*",
        "nb:{id}*",
        "{id}*",
        "{id}:*",
        "{id}",
        "nb:quantum_state:[{id}]:*",
    ];
    let values = [
        "*",
        "?",
        "[0-9]",
        "0-9",
        "^x",
        "\\",
        "nb",
        "nb:",
        "nb:*",
        "]*[",
        "quant*",
        "quantum_state:*",
    ];
    let minute = Duration::from_mins(1);
    for pattern in patterns {
        let cache = Cache::new(ruled([rule().pattern(pattern)]));
        for value in values {
            cache
                .set("quantum_state:7:x", &1, minute)
                .await
                .expect("set");
            let emitted = cache.emit(UPDATED, json!({ "id": value })).await;
            emitted.expect("a pattern");
            let kept = cache.get::<u8>("quantum_state:7:x").await.expect("a key");
            assert_eq!(kept, Some(1), "{pattern} {value}");
        }
    }
    for (rule, value) in [
        (rule().prefix("/a{id}"), "/"),
        (rule().prefix("/a/{id}"), "b/c"),
        (rule().uri("/{id}"), "a/b/c"),
        (rule().uri("/a/b/c{id}"), "?x=1"),
    ] {
        let paths = ["/a/b/c", "/a/b/c?x=1"];
        let gone = gone(rule.clone(), json!({ "id": value }), &paths).await;
        assert!(gone.is_empty(), "{rule:?} {gone:?}");
    }
}

#[tokio::test]
async fn a_value_with_the_characters_of_globs_is_purged_by_its_name() {
    let rule = EventRule::new(UPDATED).pattern("nb:quantum_state:{id}:*");
    let cache = Cache::new(ruled([rule]));
    for value in ["*", "a-b", "[x]", "\\", "nb:", "é"] {
        let name = format!("quantum_state:{value}:x");
        cache
            .set(&name, &1, Duration::from_mins(1))
            .await
            .expect("set");
        cache
            .emit(UPDATED, json!({ "id": value }))
            .await
            .expect("a pattern");
        assert_eq!(cache.get::<u8>(&name).await.expect("a key"), None, "{name}");
    }
}

#[tokio::test]
async fn a_missing_field_purges_nothing_by_its_template_and_all_by_the_others() {
    let rules = [
        EventRule::new(UPDATED).tag("s:{user.id}").tag("all"),
        EventRule::new(UPDATED).tag("s:{list}").pattern("{long}"),
        EventRule::new(UPDATED).tag("s:{empty}").soft(),
    ];
    let app = tagged(ruled(rules));
    app.get("/all").await;
    app.get("/s:").await;
    app.cache.on_event(UPDATED, |_: EventContext| async {});
    let context = json!({ "list": [1], "empty": "", "long": "x".repeat(2000) });
    let emitted = app.cache.emit(UPDATED, context).await;
    let error = emitted.expect_err("some failed");
    let failures = error.failures().iter();
    let named: Vec<_> = failures
        .map(|failed| (failed.kind(), failed.template(), failed.field()))
        .collect();
    let expected = [
        (FieldMissing, Some("s:{user.id}"), Some("user.id")),
        (FieldUnusable, Some("s:{list}"), Some("list")),
        (Unpurgeable, Some("{long}"), None),
        (FieldUnusable, Some("s:{empty}"), Some("empty")),
    ];
    assert_eq!(named, expected);
    assert_eq!(
        error.failures()[0].to_string(),
        "event `quantum_state_updated`: the rule `s:{user.id}` lacks the field `user.id`"
    );
    assert_eq!(error.emitted().expect("the others").handlers, 1);
    assert!(!app.get("/all").await.is_hit());
    assert!(app.get("/s:").await.is_hit());
}

#[tokio::test]
async fn what_a_soft_rule_covers_is_stale_and_not_gone() {
    let rule = EventRule::new(UPDATED).tag("{id}").soft();
    let app = App::new(ruled([rule]), |_, run| {
        let fields = [("cache-control", "max-age=600, stale-while-revalidate=60")];
        let mut response = counted(run, &fields);
        response.extensions_mut().insert(CacheTags::new(["x"]));
        response
    });
    app.get("/x").await;
    app.cache
        .emit(UPDATED, json!({ "id": "x" }))
        .await
        .expect("no error");
    let answer = app.get("/x").await;
    assert!(answer.is_hit() && scripted::ttl(&answer).is_some_and(|ttl| ttl <= 0));
}

#[tokio::test]
async fn what_rules_purge_is_gone_on_all_instances_when_emit_returns_applied() {
    let redis = Redis::start().await;
    let app = || {
        let rule = EventRule::new(UPDATED).tag("state:{id}");
        tagged(redis.config().event_rule(rule).build().expect("usable"))
    };
    let (a, b) = (app(), app());
    for _ in 0..20 {
        for path in ["/state:42", "/state:7"] {
            a.get(path).await;
            until("written", async || a.cache.stats().queued_writes == 0).await;
            assert!(b.get(path).await.is_hit());
        }
        let emitted = a
            .cache
            .emit(UPDATED, json!({ "id": 42 }))
            .await
            .expect("no error");
        assert_eq!(emitted.purged, Purged::Applied);
        assert!(!b.get("/state:42").await.is_hit());
        assert!(b.get("/state:7").await.is_hit());
        until("written", async || b.cache.stats().queued_writes == 0).await;
    }
}

#[tokio::test]
async fn rules_purge_on_other_instances_when_redis_is_back() {
    let redis = Redis::start().await;
    let rule = EventRule::new(UPDATED).tag("{id}");
    let config = redis.config().event_rule(rule).build().expect("usable");
    let (a, b) = (
        tagged(config),
        tagged(redis.config().build().expect("usable")),
    );
    b.get("/x").await;
    until("written", async || b.cache.stats().queued_writes == 0).await;
    assert!(a.get("/x").await.is_hit());
    redis.stop();
    let emitted = a
        .cache
        .emit(UPDATED, json!({ "id": "x" }))
        .await
        .expect("no error");
    assert_eq!(emitted.purged, Purged::Queued);
    redis.go_on();
    until("it is gone", async || b.get("/x").await.text() == "run 1").await;
}

#[test]
fn rules_that_cannot_be_used_are_refused_by_name() {
    let rule = || EventRule::new(UPDATED);
    for refused in [
        rule(),
        EventRule::new("").tag("a"),
        rule().tag("a:{id"),
        rule().tag("a:id}"),
        rule().pattern("{a{b}}"),
        rule().tag("{}"),
        rule().tag("{a..b}"),
        rule().tag(""),
        rule().class(""),
        rule().pattern(""),
        rule().uri("relative/{id}"),
        rule().uri("/a b/{id}"),
        rule().prefix("{id}"),
        rule().tag("good:{id}").tag("bad:{id"),
    ] {
        let built = CacheConfig::builder().event_rule(refused.clone()).build();
        let error = built.expect_err("unusable");
        assert_eq!(error.setting(), "event_rules", "{refused:?}");
        assert!(matches!(error.kind(), ConfigErrorKind::Malformed(_)));
    }
}
