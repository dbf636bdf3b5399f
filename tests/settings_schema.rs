//! The JSON Schema beside the sample: what is committed is what is generated, and it agrees with
//! the parser.
#![cfg(feature = "testing")]

use neuralblitz_cache::{Settings, testing::settings_schema};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn deployed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(name)
}

fn validator() -> jsonschema::Validator {
    jsonschema::validator_for(&settings_schema()).expect("a schema")
}

/// YAML as a checker of schemas sees it.
fn read(text: &str) -> Value {
    serde_saphyr::from_str(text).expect("YAML")
}

#[test]
fn the_committed_schema_is_the_generated_one() {
    let mut generated = serde_json::to_string_pretty(&settings_schema()).expect("JSON");
    generated.push('\n');
    let path = deployed("settings.schema.json");
    if std::env::var_os("NB_UPDATE").is_some() {
        std::fs::write(&path, &generated).expect("written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "it is made anew by: NB_UPDATE=1 cargo test --all-features --test settings_schema"
    );
}

#[test]
fn it_accepts_the_sample() {
    let text = std::fs::read_to_string(deployed("settings.yaml")).expect("the sample");
    let errors: Vec<String> = validator()
        .iter_errors(&read(&text))
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
}

#[test]
fn it_refuses_what_the_parser_refuses() {
    let (validator, dir) = (validator(), TempDir::new().expect("a folder"));
    let path = dir.path().join("settings.yaml");
    for (text, usable) in [
        ("{}", true),
        ("REDIS: {}", true),
        ("REDIS: {port: 1}", true),
        ("REDIS: {password: null}", true),
        ("CACHE: {local_bytes: 64MiB, sweep_interval: null}", true),
        (
            "CACHE: {routes: {/a: {ttl: 0.5, credentials: {fields: []}}}}",
            true,
        ),
        (
            "CACHE: {event_rules: [{event: a, tags: [b]}], warm: [{uri: /a}]}",
            true,
        ),
        ("RDIS: {}", false),
        ("REDIS: {prot: 1}", false),
        ("REDIS: {port: 0}", false),
        ("REDIS: {port: 65536}", false),
        ("REDIS: {port: '1'}", false),
        ("REDIS: {host: 1}", false),
        ("REDIS: {password: 1}", false),
        ("REDIS: {password: ''}", false),
        ("REDIS: {max_connections: 0}", false),
        ("REDIS: {socket_timeout: 0}", false),
        ("REDIS: {socket_timeout: -1}", false),
        ("REDIS: {default_ttl: 3000000000}", false),
        ("REDIS: {retry_on_timeout: 'true'}", false),
        ("CACHE: {near_cache: 1}", false),
        ("CACHE: {local_bytes: 64MB}", false),
        ("CACHE: {coherence_bound: 0.01}", false),
        ("CACHE: {targeted: [a b]}", false),
        ("CACHE: {targeted: x}", false),
        ("CACHE: {client_directives: maybe}", false),
        ("CACHE: {classes: {a: {tll: 1}}}", false),
        ("CACHE: {routes: [a]}", false),
        ("CACHE: {routes: {/a: {ttl: x}}}", false),
        ("CACHE: {event_rules: [{tags: [a]}]}", false),
        ("CACHE: {warm: [{method: GET}]}", false),
        ("CACHE: {admin_token: [a]}", false),
    ] {
        std::fs::write(&path, text).expect("written");
        assert_eq!(Settings::load(&path).is_ok(), usable, "parser: {text}");
        assert_eq!(validator.is_valid(&read(text)), usable, "schema: {text}");
    }
}

#[test]
fn it_describes_every_setting() {
    fn described(schema: &Value, at: &str, count: &mut usize) {
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            let text = property.get("description").and_then(Value::as_str);
            assert!(text.is_some_and(|text| !text.is_empty()), "{at}.{name}");
            *count += 1;
        }
        let definitions = schema.get("$defs").and_then(Value::as_object);
        for (name, definition) in definitions.into_iter().flatten() {
            described(definition, name, count);
        }
    }
    let (schema, mut count) = (settings_schema(), 0);
    described(&schema, "", &mut count);
    assert!(count > 80, "{count}");
    assert_eq!(
        schema["$defs"]["RedisSection"]["properties"]["port"]["default"],
        json!(6379)
    );
}
