//! Settings files: each key, and what is refused, with its place and without any secret.

mod support;
#[path = "support/written.rs"]
mod written;

use neuralblitz_cache::{Origin, Settings, SettingsErrorKind as Kind};
use std::path::Path;
use written::{load, refused, value};

fn sample() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/settings.yaml"))
}

#[test]
fn the_sample_is_loaded_and_says_what_the_defaults_are() {
    let sample = Settings::load(sample()).expect("the sample");
    let defaults = load("REDIS:\n").expect("nothing");
    let differ = [
        "CACHE.targeted",
        "CACHE.credentials",
        "CACHE.key",
        "CACHE.classes",
        "CACHE.routes",
        "CACHE.event_rules",
        "CACHE.warm",
    ];
    let mut compared = 0;
    for setting in defaults.iter() {
        if differ.iter().any(|path| setting.path().starts_with(path)) {
            continue;
        }
        assert_eq!(value(&sample, setting.path()), setting.value(), "{setting}");
        compared += 1;
    }
    assert!(compared > 40, "{compared}");
    // And it names every setting.
    for setting in sample.iter() {
        let path = setting.path();
        // It would stand in the place of drop_params; and an item need not say everything.
        let item = path.starts_with("CACHE.routes") || path.starts_with("CACHE.warm");
        if path != "CACHE.key.keep_params" && !item {
            assert_ne!(setting.origin(), &Origin::Default, "{setting}");
        }
    }
}

#[test]
fn the_redis_section_has_the_keys_and_defaults_of_the_specification() {
    let settings = load("REDIS: {}\n").expect("all defaults");
    for (key, expected) in [
        ("host", "\"redis\""),
        ("port", "6379"),
        ("db", "0"),
        ("password", "null"),
        ("max_connections", "50"),
        ("socket_timeout", "5"),
        ("socket_connect_timeout", "5"),
        ("retry_on_timeout", "true"),
        ("health_check_interval", "30"),
        ("default_ttl", "3600"),
        ("quantum_state_ttl", "300"),
        ("multi_reality_ttl", "600"),
        ("consciousness_ttl", "180"),
        ("api_response_ttl", "900"),
        ("warmup_enabled", "true"),
        ("warmup_batch_size", "100"),
        ("warmup_concurrency", "5"),
        ("circuit_breaker_enabled", "true"),
        ("circuit_breaker_threshold", "5"),
        ("circuit_breaker_timeout", "60"),
    ] {
        assert_eq!(value(&settings, &format!("REDIS.{key}")), expected, "{key}");
    }
}

#[test]
fn a_section_that_is_empty_or_left_out_is_all_defaults() {
    for text in ["", "# nothing\n", "---\n", "CACHE:\n", "CACHE: {}\n"] {
        let settings = load(text).expect(text);
        assert_eq!(value(&settings, "REDIS"), "null", "{text:?}");
        assert_eq!(value(&settings, "CACHE.near_cache"), "false", "{text:?}");
    }
    let lists = "CACHE:\n  routes:\n  classes:\n  event_rules:\n  warm:\n  targeted:\n";
    assert!(load(lists).is_ok());
}

/// What is written, and the path, line, column and kind of what is wrong with it.
#[rustfmt::skip]
const MISTAKES: [(&str, &str, u64, u64, Kind); 33] = [
    ("RDIS: {}\n", "RDIS", 1, 1, Kind::Unknown),
    ("CACHE:\n  naer_cache:\n  - 1\n", "CACHE.naer_cache", 2, 3, Kind::Unknown),
    ("REDIS:\n  hsot: a\n", "REDIS.hsot", 2, 3, Kind::Unknown),
    ("REDIS:\n  port: 1\n  port: 2\n", "REDIS.port", 3, 3, Kind::Duplicate),
    ("CACHE: {}\nREDIS: {}\nCACHE: {}\n", "CACHE", 3, 1, Kind::Duplicate),
    ("CACHE:\n  routes:\n    /a: {}\n    /a: {}\n", "CACHE.routes[\"/a\"]", 4, 5, Kind::Duplicate),
    ("REDIS:\n  port: many\n", "REDIS.port", 2, 9, Kind::WrongType),
    ("REDIS:\n  port: \"6379\"\n", "REDIS.port", 2, 9, Kind::WrongType),
    ("REDIS:\n  port: 0\n", "REDIS.port", 2, 9, Kind::Unusable),
    ("REDIS:\n  port: 65536\n", "REDIS.port", 2, 9, Kind::Unusable),
    ("REDIS:\n  port: -1\n", "REDIS.port", 2, 9, Kind::Unusable),
    ("REDIS:\n  port: 63.5\n", "REDIS.port", 2, 9, Kind::WrongType),
    ("REDIS:\n  host: 12\n", "REDIS.host", 2, 9, Kind::WrongType),
    ("REDIS:\n  host: ''\n", "REDIS.host", 2, 9, Kind::Unusable),
    ("REDIS: [1]\n", "REDIS", 1, 8, Kind::WrongType),
    ("REDIS: true\n", "REDIS", 1, 8, Kind::WrongType),
    ("- 1\n", "", 1, 1, Kind::WrongType),
    ("CACHE:\n  near_cache: yes\n", "CACHE.near_cache", 2, 15, Kind::WrongType),
    ("CACHE:\n  near_cache:\n", "CACHE.near_cache", 2, 13, Kind::WrongType),
    ("CACHE:\n  soft_limit: 0\n", "CACHE.soft_limit", 2, 15, Kind::Unusable),
    ("CACHE:\n  soft_limit: -0.5\n", "CACHE.soft_limit", 2, 15, Kind::Unusable),
    ("CACHE:\n  soft_limit: 50ms\n", "CACHE.soft_limit", 2, 15, Kind::WrongType),
    ("CACHE:\n  coherence_bound: 0.02\n", "CACHE.coherence_bound", 2, 20, Kind::Unusable),
    ("CACHE:\n  hit_for_miss: 3e9\n", "CACHE.hit_for_miss", 2, 17, Kind::Unusable),
    ("CACHE:\n  stamp_cells: 3\n", "CACHE.stamp_cells", 2, 16, Kind::Unusable),
    ("CACHE:\n  max_body: 5GiB\n", "CACHE.max_body", 2, 13, Kind::Unusable),
    ("CACHE:\n  local_bytes: 64 MB\n", "CACHE.local_bytes", 2, 16, Kind::Unusable),
    ("CACHE:\n  namespace: a b\n", "CACHE.namespace", 2, 14, Kind::Unusable),
    ("CACHE:\n  client_directives: maybe\n", "CACHE.client_directives", 2, 22, Kind::Unusable),
    ("CACHE:\n  targeted: [ok, a b]\n", "CACHE.targeted[1]", 2, 18, Kind::Unusable),
    ("CACHE:\n  event_rules:\n  - tags: [a]\n", "CACHE.event_rules[0].event", 3, 5, Kind::Missing),
    ("CACHE:\n  warm:\n  - uri: /ok\n  - uri: /a\n    method: 'a b'\n", "CACHE.warm[1].method", 5, 13, Kind::Unusable),
    ("REDIS:\n  db: 1\n bad: 2\n", "", 3, 2, Kind::Malformed),
];

#[test]
fn a_mistake_is_named_with_its_path_its_line_and_its_column() {
    for (text, path, line, column, kind) in MISTAKES {
        let error = refused(text);
        let place = Origin::File { line, column };
        let found = (error.path(), error.origin(), error.kind());
        assert_eq!(found, (path, &place, kind), "{text:?}: {error}");
        let said = error.to_string();
        assert!(
            said.contains(&format!("line {line}, column {column}")),
            "{said}"
        );
        assert!(said.contains("settings.yaml"), "{said}");
    }
}

#[test]
fn routes_events_and_keys_that_cannot_be_used_are_named_one_by_one() {
    let table = [
        (
            "  routes:\n    /ok: {}\n    /{a: {}\n",
            "CACHE.routes[\"/{a\"]",
            4,
        ),
        (
            "  routes:\n    /{a}: {}\n    /{b}: {}\n",
            "CACHE.routes[\"/{b}\"]",
            4,
        ),
        (
            "  routes:\n    /a: {}\n    /b: {class: nix}\n",
            "CACHE.routes[\"/b\"]",
            4,
        ),
        (
            "  routes:\n    /a: {ttl: x}\n",
            "CACHE.routes[\"/a\"].ttl",
            3,
        ),
        (
            "  event_rules:\n  - {event: a, tags: [b]}\n  - {event: a}\n",
            "CACHE.event_rules[1]",
            4,
        ),
        (
            "  event_rules:\n  - {event: a, tags: ['{b']}\n",
            "CACHE.event_rules[0]",
            3,
        ),
        (
            "  key: {keep_params: [a], drop_params: [b]}\n",
            "CACHE.key.drop_params",
            2,
        ),
        ("  warm:\n  - uri: nowhere\n", "CACHE.warm[0].uri", 3),
        (
            "  warm:\n  - uri: /a\n    headers: {a: \"geheim\\n\"}\n",
            "CACHE.warm[0].headers",
            4,
        ),
    ];
    for (text, path, line) in table {
        let error = refused(format!("CACHE:\n{text}"));
        let at = match error.origin() {
            Origin::File { line, .. } => *line,
            other => panic!("{text:?}: {other:?}"),
        };
        assert_eq!((error.path(), at), (path, line), "{text:?}: {error}");
    }
}

#[test]
fn seconds_may_have_fractions_and_sizes_units() {
    let text = "REDIS:\n  socket_timeout: 0.25\nCACHE:\n  soft_limit: .5\n  local_bytes: 32MiB\n  max_body: 1024\n";
    let settings = load(text).expect("usable");
    assert_eq!(value(&settings, "REDIS.socket_timeout"), "0.25");
    assert_eq!(value(&settings, "CACHE.soft_limit"), "0.5");
    assert_eq!(value(&settings, "CACHE.local_bytes"), "33554432");
    assert_eq!(value(&settings, "CACHE.max_body"), "1024");
}

#[test]
fn aliases_and_merged_mappings_are_read_within_reason() {
    let text =
        "CACHE:\n  routes:\n    /a: &a {ttl: 5, tags: [x]}\n    /b: *a\n    /c: {<<: *a, ttl: 7}\n";
    let settings = load(text).expect("usable");
    assert_eq!(value(&settings, "CACHE.routes[\"/b\"].ttl"), "5");
    assert_eq!(value(&settings, "CACHE.routes[\"/c\"].ttl"), "7");
    assert_eq!(value(&settings, "CACHE.routes[\"/c\"].tags"), "[\"x\"]");
}

#[test]
fn what_is_no_text_is_refused_with_its_place() {
    let error = refused(b"REDIS:\n  host: a\xffb\n");
    let place = Origin::File {
        line: 2,
        column: 10,
    };
    assert_eq!((error.kind(), error.origin()), (Kind::Malformed, &place));
    let utf16: Vec<u8> = "REDIS:\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(
        refused([b"\xff\xfe", &utf16[..]].concat()).kind(),
        Kind::Malformed
    );
    assert_eq!(refused("REDIS:\n\thost: a\n").kind(), Kind::Malformed);
    assert_eq!(
        refused("REDIS: {}\n---\nREDIS: {}\n").kind(),
        Kind::TooLarge
    );
    assert_eq!(refused("REDIS:\n  host: a\0b\n").kind(), Kind::Malformed);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Settings::load("/nowhere/settings.yaml").expect_err("not there");
    assert_eq!(error.kind(), Kind::Unreadable);
    assert!(
        error.to_string().contains("/nowhere/settings.yaml"),
        "{error}"
    );
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn the_guide_names_every_setting() {
    let guide = include_str!("../src/guide/settings.rs");
    let settings = load("REDIS:\n").expect("usable");
    for setting in settings.iter() {
        let keys: Vec<&str> = setting.path().split('.').skip(1).collect();
        for key in keys {
            assert!(guide.contains(&format!("`{key}`")), "{setting}");
        }
    }
}
