//! The environment over settings files: in processes of their own, because a process cannot change
//! its own environment safely.
#![cfg(unix)]

mod support;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use support::child::{Said, with_variables};
use tempfile::TempDir;

const SECRET: &str = "geheim-geheim";

const FILE: &str = "\
REDIS:
  host: filed
  port: 7000
  db: 3
  username: someone
  password: of-the-file
  socket_timeout: 2
CACHE:
  near_cache: true
  key:
    ignore_authority: true
  routes:
    /a: { ttl: 5 }
";

fn file(dir: &TempDir) -> PathBuf {
    let path = dir.path().join("settings.yaml");
    std::fs::write(&path, FILE).expect("written");
    path
}

fn over_file(variables: &[(&str, &str)]) -> Said {
    let dir = TempDir::new().expect("a folder");
    with_variables(Some(&file(&dir)), variables)
}

fn alone(variables: &[(&str, &str)]) -> Said {
    with_variables(None, variables)
}

#[test]
fn without_file_and_environment_there_is_local_memory_only() {
    let said = alone(&[("PATH", "/bin"), ("NB_CACHE", "on"), ("REDIS_SERVER", "x")]);
    assert_eq!(said.setting("REDIS"), ("null", "default"));
    assert_eq!(said.setting("CACHE.near_cache"), ("false", "default"));
}

#[test]
fn any_of_the_variables_means_redis() {
    for (name, value, path, expected) in [
        ("REDIS_HOST", "there", "REDIS.host", "\"there\""),
        ("REDIS_PORT", "7001", "REDIS.port", "7001"),
        ("REDIS_DB", "2", "REDIS.db", "2"),
        ("REDIS_PASSWORD", SECRET, "REDIS.password", "\"***\""),
        ("REDIS_URL", "redis://there", "REDIS.host", "\"there\""),
    ] {
        let said = alone(&[(name, value)]);
        assert_eq!(said.setting(path), (expected, name));
        assert_eq!(said.setting("REDIS.socket_timeout"), ("5", "default"));
        assert!(!said.out.contains(SECRET));
        // An empty one is as good as none.
        let said = alone(&[(name, "")]);
        assert_eq!(said.setting("REDIS"), ("null", "default"), "{name}");
    }
}

#[test]
fn the_environment_goes_before_the_file_key_by_key() {
    let said = over_file(&[]);
    assert_eq!(
        said.setting("REDIS.host"),
        ("\"filed\"", "line 2, column 9")
    );
    assert_eq!(said.setting("REDIS.max_connections"), ("50", "default"));
    let said = over_file(&[
        ("REDIS_HOST", "there"),
        ("REDIS_DB", "4"),
        ("REDIS_PASSWORD", SECRET),
        ("NB_CACHE__NEAR_CACHE", "false"),
        ("NB_CACHE__KEY__SORT_PARAMS", "true"),
    ]);
    assert_eq!(said.setting("REDIS.host"), ("\"there\"", "REDIS_HOST"));
    assert_eq!(said.setting("REDIS.port"), ("7000", "line 3, column 9"));
    assert_eq!(said.setting("REDIS.db"), ("4", "REDIS_DB"));
    assert_eq!(
        said.setting("REDIS.password"),
        ("\"***\"", "REDIS_PASSWORD")
    );
    let near = said.setting("CACHE.near_cache");
    assert_eq!(near, ("false", "NB_CACHE__NEAR_CACHE"));
    let sorted = said.setting("CACHE.key.sort_params");
    assert_eq!(sorted, ("true", "NB_CACHE__KEY__SORT_PARAMS"));
    let authority = said.setting("CACHE.key.ignore_authority");
    assert_eq!(authority, ("true", "line 11, column 23"));
}

#[test]
fn a_url_says_all_that_it_can_say_and_what_is_set_beside_it_wins() {
    let url = ("REDIS_URL", "redis://me:geheim@there:7002/5");
    let said = over_file(&[url]);
    for (key, expected) in [
        ("host", "\"there\""),
        ("port", "7002"),
        ("db", "5"),
        ("username", "\"me\""),
        ("password", "\"***\""),
    ] {
        let path = format!("REDIS.{key}");
        assert_eq!(said.setting(&path), (expected, "REDIS_URL"));
    }
    let timeout = said.setting("REDIS.socket_timeout");
    assert_eq!(timeout, ("2", "line 7, column 19"));
    // A URL without a password means that there is none.
    let said = over_file(&[("REDIS_URL", "redis://there")]);
    assert_eq!(said.setting("REDIS.password"), ("null", "REDIS_URL"));
    assert_eq!(said.setting("REDIS.username"), ("null", "REDIS_URL"));
    assert_eq!(said.setting("REDIS.socket"), ("null", "REDIS_URL"));
    assert_eq!(said.setting("REDIS.tls"), ("false", "REDIS_URL"));
    let said = over_file(&[("REDIS_URL", "unix:///run/redis.sock?db=5")]);
    let socket = said.setting("REDIS.socket");
    assert_eq!(socket, ("\"/run/redis.sock\"", "REDIS_URL"));
    let said = over_file(&[url, ("REDIS_PORT", "7003")]);
    assert_eq!(said.setting("REDIS.host"), ("\"there\"", "REDIS_URL"));
    assert_eq!(said.setting("REDIS.port"), ("7003", "REDIS_PORT"));
}

#[test]
fn every_kind_of_setting_can_be_said_in_a_variable() {
    let said = alone(&[
        ("NB_CACHE__VERSION", "1.10"),
        ("NB_CACHE__SOFT_LIMIT", "0.25"),
        ("NB_CACHE__COALESCE_TIMEOUT", "7"),
        ("NB_CACHE__LOCAL_BYTES", "1MiB"),
        ("NB_CACHE__MAX_BODY", "1024"),
        ("NB_CACHE__WRITE_QUEUE", "9"),
        ("NB_CACHE__SWEEP_INTERVAL", "null"),
        ("NB_CACHE__CLIENT_DIRECTIVES", "obey"),
        ("NB_CACHE__ADMIN_TOKEN", "271828"),
        ("NB_CACHE__TARGETED", "[CDN-Cache-Control, x-ours]"),
        ("NB_CACHE__CREDENTIALS__IGNORE_COOKIES", "['_ga*']"),
        ("NB_CACHE__CLASSES__REPORT__MAX_TTL", "60"),
        ("NB_CACHE__CLASSES__REPORT__LOCAL_ONLY", "true"),
        (
            "NB_CACHE__ROUTES",
            "{'/a/{id}': {class: report, tags: [x]}}",
        ),
        ("NB_CACHE__EVENT_RULES", "[{event: e, tags: ['{id}']}]"),
    ]);
    for (path, expected, variable) in [
        ("version", "\"1.10\"", "VERSION"),
        ("soft_limit", "0.25", "SOFT_LIMIT"),
        ("coalesce_timeout", "7", "COALESCE_TIMEOUT"),
        ("local_bytes", "1048576", "LOCAL_BYTES"),
        ("max_body", "1024", "MAX_BODY"),
        ("write_queue", "9", "WRITE_QUEUE"),
        ("sweep_interval", "null", "SWEEP_INTERVAL"),
        ("client_directives", "\"obey\"", "CLIENT_DIRECTIVES"),
        ("admin_token", "\"***\"", "ADMIN_TOKEN"),
        ("targeted", "[\"cdn-cache-control\",\"x-ours\"]", "TARGETED"),
        (
            "credentials.ignore_cookies",
            "[\"_ga*\"]",
            "CREDENTIALS__IGNORE_COOKIES",
        ),
        ("classes.report.max_ttl", "60", "CLASSES__REPORT__MAX_TTL"),
        (
            "classes.report.local_only",
            "true",
            "CLASSES__REPORT__LOCAL_ONLY",
        ),
        ("event_rules[0].tags", "[\"{id}\"]", "EVENT_RULES"),
    ] {
        let variable = format!("NB_CACHE__{variable}");
        let found = said.setting(&format!("CACHE.{path}"));
        assert_eq!(found, (expected, variable.as_str()), "{path}");
    }
}

#[test]
fn a_variable_for_a_whole_section_takes_its_place_and_one_for_a_key_goes_before_it() {
    let said = over_file(&[("NB_CACHE__ROUTES", "{/b: {ttl: 6}}")]);
    let found = said.setting("CACHE.routes[\"/b\"].ttl");
    assert_eq!(found, ("6", "NB_CACHE__ROUTES"));
    assert!(!said.out.contains("routes[\"/a\"]"), "{}", said.out);
    let said = over_file(&[
        ("NB_CACHE__KEY", "{sort_params: true, cookies: [a]}"),
        ("NB_CACHE__KEY__SORT_PARAMS", "false"),
    ]);
    let sorted = said.setting("CACHE.key.sort_params");
    assert_eq!(sorted, ("false", "NB_CACHE__KEY__SORT_PARAMS"));
    assert_eq!(
        said.setting("CACHE.key.cookies"),
        ("[\"a\"]", "NB_CACHE__KEY")
    );
    assert_eq!(said.setting("CACHE.key.ignore_authority").0, "false");
}

#[test]
fn a_mistake_names_the_variable_and_shows_no_value() {
    for (name, value, path) in [
        ("NB_CACHE__NAER_CACHE", "true", "CACHE.naer_cache"),
        ("NB_CACHE__KEY__NIX", "true", "CACHE.key.nix"),
        ("NB_CACHE__", "true", "CACHE"),
        ("NB_CACHE__NEAR_CACHE", SECRET, "CACHE.near_cache"),
        ("NB_CACHE__NEAR_CACHE__X", SECRET, "CACHE.near_cache"),
        ("NB_CACHE__SOFT_LIMIT", SECRET, "CACHE.soft_limit"),
        ("NB_CACHE__SOFT_LIMIT", "-1", "CACHE.soft_limit"),
        ("NB_CACHE__STAMP_CELLS", "1", "CACHE.stamp_cells"),
        ("NB_CACHE__LOCAL_BYTES", SECRET, "CACHE.local_bytes"),
        (
            "NB_CACHE__CLIENT_DIRECTIVES",
            SECRET,
            "CACHE.client_directives",
        ),
        ("NB_CACHE__TARGETED", SECRET, "CACHE.targeted"),
        ("NB_CACHE__TARGETED", "[geheim", "CACHE.targeted"),
        ("NB_CACHE__ADMIN_TOKEN__X", SECRET, "CACHE.admin_token"),
        (
            "NB_CACHE__ROUTES",
            "{/a: {class: geheim}}",
            "CACHE.routes[\"/a\"]",
        ),
        ("NB_CACHE__A__A__A__A__A__A__A__A__A", "1", "CACHE"),
        ("REDIS_PORT", SECRET, "REDIS.port"),
        // As Kubernetes sets it beside a service called redis.
        ("REDIS_PORT", "tcp://10.0.0.1:6379", "REDIS.port"),
        ("REDIS_DB", "-1", "REDIS.db"),
        ("REDIS_URL", "geheim://geheim", "REDIS"),
    ] {
        for said in [alone(&[(name, value)]), over_file(&[(name, value)])] {
            let error = said.error();
            assert!(error.starts_with(&format!("{name}: {path}")), "{error}");
            assert!(
                !error.contains("geheim") && !error.contains("10.0.0"),
                "{error}"
            );
        }
    }
}

#[test]
fn what_is_no_text_or_too_long_is_refused() {
    let said = with_variables(
        None,
        &[("REDIS_PASSWORD", OsString::from_vec(b"geheim\xff".to_vec()))],
    );
    let error = said.error();
    assert!(
        error.contains("REDIS_PASSWORD") && !error.contains("geheim"),
        "{error}"
    );
    let long = "x".repeat((64 << 10) + 1);
    let said = with_variables(None, &[("NB_CACHE__VERSION", &long)]);
    assert!(said.error().contains("64 KiB"), "{}", said.err);
    // What is not ours is not looked at.
    let other = OsString::from_vec(b"\xff".to_vec());
    assert!(with_variables(None, &[("OTHER", other)]).ok);
}

#[test]
fn a_mistake_in_the_file_names_the_file() {
    let dir = TempDir::new().expect("a folder");
    let path = dir.path().join("other.yaml");
    std::fs::write(&path, "CACHE:\n  near_cache: 1\n").expect("written");
    let said = with_variables::<&str>(Some(&path), &[]);
    let expected = format!(
        "{}: CACHE.near_cache: must be true or false at line 2, column 15\n",
        path.display()
    );
    assert_eq!(said.error(), expected);
    // And not where a variable takes the wrong value's place.
    assert!(with_variables(Some(&path), &[("NB_CACHE__NEAR_CACHE", "true")]).ok);
}
