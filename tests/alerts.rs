//! `deploy/prometheus`: the rules, by promtool and by their unit tests.

mod support;

use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;
use support::tools::{file, run, succeed, text_of, tool};

/// What a change of the rules must not leave unnoticed.
const CHANGES: [(&str, &str); 16] = [
    ("hit_rate < 0.5", "hit_rate < 0.2"),
    ("sum by (job) (rate(", "sum by (job, instance) (rate("),
    (") > 0\n          )", ") >= 0\n          )"),
    (
        "increase(sum by (job, instance) (neuralblitz_cache_errors_total)[1m:15s])",
        "sum by (job, instance) (increase(neuralblitz_cache_errors_total[1m]))",
    ),
    (
        "increase(sum by (job, instance) (neuralblitz_cache_errors_total)[1m:15s])",
        "sum by (job, instance) (neuralblitz_cache_errors_total)",
    ),
    ("[1m:15s]) > 10", "[1m:15s]) > 5"),
    ("cache_connected) == 0", "cache_connected) == 2"),
    ("{state=\"off\"} == 1", "{state=\"off\"} == 2"),
    (
        "open|half-open\"}) == 1\n        for",
        "open\"}) == 1\n        for",
    ),
    ("cache_connected == 1", "cache_connected >= 0"),
    ("queued_purges) > 0", "queued_purges) > 9"),
    ("(job, le)", "(job, instance, le)"),
    ("tier=\"redis\",operation=\"lookup\"", "operation!=\"\""),
    ("          ) > 0.05", "          ) > 0.1"),
    (
        "rate(neuralblitz_cache_dropped_writes_total[5m])",
        "neuralblitz_cache_dropped_writes_total",
    ),
    ("{tier=\"local\"}", ""),
];

static PROMTOOL: LazyLock<PathBuf> = LazyLock::new(|| {
    let server = tool("PROMETHEUS", "prometheus.sh");
    PathBuf::from(server).with_file_name("promtool")
});

fn promtool(args: &[&str]) -> Command {
    let mut command = Command::new(&*PROMTOOL);
    command.args(args);
    command
}

fn rules() -> Vec<Value> {
    let file: Value =
        serde_saphyr::from_str(&text_of("deploy/prometheus/rules.yml")).expect("YAML");
    let groups = file["groups"].as_array().expect("groups").iter();
    let rules = groups.flat_map(|group| group["rules"].as_array().expect("rules").clone());
    rules.collect()
}

#[test]
fn promtool_finds_nothing_in_the_configuration_and_the_rules() {
    succeed(&mut promtool(&[
        "check",
        "config",
        &file("deploy/prometheus/prometheus.yml"),
    ]));
    let rules = file("deploy/prometheus/rules.yml");
    succeed(&mut promtool(&[
        "check",
        "rules",
        "--lint=all",
        "--lint-fatal",
        &rules,
    ]));
}

#[test]
fn the_unit_tests_of_the_rules_pass() {
    let tests = file("deploy/prometheus/rules_test.yml");
    succeed(&mut promtool(&["test", "rules", &tests]));
}

#[test]
fn the_unit_tests_of_the_rules_notice_changes() {
    let (rules, tests) = (
        text_of("deploy/prometheus/rules.yml"),
        file("deploy/prometheus/rules_test.yml"),
    );
    let dir = tempfile::tempdir().expect("a folder");
    let copy = dir.path().join("rules_test.yml");
    std::fs::copy(&tests, &copy).expect("copied");
    for (right, wrong) in CHANGES {
        let changed = rules.replace(right, wrong);
        assert_ne!(changed, rules, "{right}");
        std::fs::write(dir.path().join("rules.yml"), changed).expect("written");
        let output = run(&mut promtool(&[
            "test",
            "rules",
            copy.to_str().expect("text"),
        ]));
        assert!(!output.status.success(), "not noticed: {wrong}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("parse error"), "{wrong}: {said}");
    }
}

#[test]
fn every_alert_has_a_case_that_fires_and_one_that_does_not() {
    let tests: Value =
        serde_saphyr::from_str(&text_of("deploy/prometheus/rules_test.yml")).expect("YAML");
    let tests = tests["tests"].as_array().expect("tests");
    let names: Vec<_> = tests
        .iter()
        .map(|test| test["name"].as_str().expect("a name"))
        .collect();
    let rules = rules();
    let alerts: Vec<_> = rules
        .iter()
        .filter_map(|rule| rule["alert"].as_str())
        .collect();
    assert!(alerts.len() >= 8, "{alerts:?}");
    for alert in alerts {
        let fires = format!("{alert} fires");
        assert!(names.iter().any(|name| name.starts_with(&fires)), "{alert}");
        let not = |name: &&str| name.starts_with(alert) && name.contains("does not fire");
        assert!(names.iter().any(not), "{alert}");
    }
}

#[test]
fn every_alert_says_what_it_is_and_what_to_do() {
    for rule in rules().iter().filter(|rule| rule["alert"].is_string()) {
        for (part, name) in [
            ("annotations", "summary"),
            ("annotations", "description"),
            ("labels", "severity"),
        ] {
            let text = rule[part][name].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{name}: {rule:#}");
        }
    }
}
